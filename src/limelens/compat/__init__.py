"""The interfaces of older packages, kept for the code that was written for them.

``import limelens.compat as lime`` stands for ``import lime``; `install` does so for libraries that
import lime themselves.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["lime_base", "lime_image", "scikit_image", "wrappers"],
    submod_attrs={"standing_in": ["install", "uninstall"]},
)
