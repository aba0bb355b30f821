"""Why an image classifier answers as it does: attribution for any model given as a function.

The public names stand in `__init__.pyi` and are loaded when they are first used, so that
`import limelens` costs no more than importing NumPy.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
