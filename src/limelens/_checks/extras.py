"""Packages that only some uses need."""

from importlib import import_module
from typing import Any


def needed(module: str, use: str, extra: str) -> Any:
    """Return a module that an extra of limelens installs, imported where it is used.

    Raises
    ------
    ImportError
        If it is not installed; the message names the extra.

    Examples
    --------
    >>> needed("no_such_module", "examples need no_such_module", "examples")
    Traceback (most recent call last):
        ...
    ImportError: examples need no_such_module: pip install limelens[examples]
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f"{use}: pip install limelens[{extra}]") from error
