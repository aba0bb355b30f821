"""lime's folder of segmenters: `lime.wrappers`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=["scikit_image"])
