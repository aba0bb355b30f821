"""The interfaces of older packages, for code that was written for them.

Use ``import limelens.compat as lime`` in place of ``import lime``. For libraries that import lime
themselves, use `install`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["lime_base", "lime_image", "scikit_image", "wrappers"],
    submod_attrs={"standing_in": ["install", "uninstall"]},
)
