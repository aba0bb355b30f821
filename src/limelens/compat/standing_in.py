"""Modules of this package under lime's names, for libraries that import lime themselves."""

import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from threading import Lock
from types import ModuleType

from limelens.errors import InvalidInputError

__all__ = ["install", "uninstall"]

_ONE_AT_A_TIME = Lock()  # threads may install and uninstall

MODULES = ("lime_base", "lime_image", "wrappers", "wrappers.scikit_image")


class StandIn(ModuleType):
    """The module that `import lime` gives after `install`; it keeps the modules it replaced."""

    def __init__(self, hidden: dict[str, ModuleType]) -> None:
        super().__init__("lime", "Stands in for lime: see limelens.compat.install.")
        self.hidden = hidden
        self.__path__: list[str] = []  # a package, so that "import lime.lime_image" works
        self.__spec__ = ModuleSpec("lime", loader=None, is_package=True)


def install(*, replace: bool = False) -> None:
    """Let ``import lime`` import `limelens.compat`.

    This is for libraries that import lime themselves. Call it before they do. Afterwards
    ``lime.lime_image``, ``lime.lime_base`` and ``lime.wrappers.scikit_image`` are the modules of
    `limelens.compat`. lime's explainers of text and tables are not available. A second call
    changes nothing.

    Parameters
    ----------
    replace : bool
        Whether to hide a lime that is installed or imported. `uninstall` brings it back.

    Raises
    ------
    InvalidInputError
        If lime is installed or imported, and `replace` is False.

    Examples
    --------
    >>> install(replace=True)
    >>> from lime import lime_image
    >>> lime_image.LimeImageExplainer.__module__
    'limelens.compat.lime_image'
    >>> uninstall()
    """
    if isinstance(sys.modules.get("lime"), StandIn):
        return
    if not replace and ("lime" in sys.modules or _is_installed()):
        raise InvalidInputError(
            "`replace` must be True to hide the lime that is installed or imported; got False. "
            "Call limelens.compat.install(replace=True), or uninstall lime."
        )
    modules = {name: importlib.import_module(f"limelens.compat.{name}") for name in MODULES}
    with _ONE_AT_A_TIME:
        if isinstance(sys.modules.get("lime"), StandIn):
            return
        lime = StandIn({name: sys.modules.pop(name) for name in _loaded()})
        for name, module in modules.items():
            sys.modules[f"lime.{name}"] = module
            if "." not in name:
                setattr(lime, name, module)
        sys.modules["lime"] = lime


def uninstall() -> None:
    """Undo `install`. Code that has already imported the modules keeps them."""
    with _ONE_AT_A_TIME:
        lime = sys.modules.get("lime")
        if not isinstance(lime, StandIn):
            return
        for name in _loaded():
            del sys.modules[name]
        sys.modules.update(lime.hidden)


def _loaded() -> list[str]:
    # A list of them first: other threads import meanwhile.
    return [name for name in list(sys.modules) if name == "lime" or name.startswith("lime.")]


def _is_installed() -> bool:
    spec = importlib.util.find_spec("lime")
    return spec is not None and spec.origin is not None  # a folder of that name has no origin
