"""Models by their place: an ONNX file or "module:function", loaded where they are asked."""

import importlib
import os
from pathlib import Path
from typing import Any

from limelens._checks.models import adapter_of, check_model
from limelens._checks.values import describe
from limelens.adapters.onnx import from_onnx
from limelens.errors import InvalidInputError


def check_place(predict_fn: Any) -> Any:
    """Return a model, or the place of one, if it can be either; nothing is loaded.

    Raises
    ------
    InvalidInputError
        If it is no callable, no ONNX file that is there, and no "module:function".
    """
    if not isinstance(predict_fn, (str, os.PathLike)):
        return check_model("predict_fn", predict_fn)
    text = os.fsdecode(predict_fn)
    if _is_onnx(text):
        if not Path(text).is_file():
            raise InvalidInputError(
                f"`predict_fn` must be the path of an ONNX file; no file is at {text!r}."
            )
        return os.path.abspath(text)  # workers may be at home elsewhere  # noqa: PTH100
    module, colon, name = text.partition(":")
    if not colon or not all(part.isidentifier() for part in f"{module}.{name}".split(".")):
        if adapter_of(predict_fn)[1] is not None:
            check_model("predict_fn", predict_fn)  # says which adapter takes it
        raise InvalidInputError(
            "`predict_fn` must be a callable (batch) -> scores, the path of an ONNX file, or "
            f"'module:function'; got {describe(predict_fn)}."
        )
    return text


def loaded_model(predict_fn: Any) -> Any:
    """Return a model; of a place the model that is found there.

    Parameters
    ----------
    predict_fn : callable, path of an ONNX file, or str "module:function"

    Raises
    ------
    InvalidInputError
        If it is none of these, or nothing is found there.

    Examples
    --------
    >>> loaded_model("math:sqrt")
    <built-in function sqrt>
    """
    place = check_place(predict_fn)
    if not isinstance(place, str):
        return place
    if _is_onnx(place):
        return from_onnx(place)
    module, _, name = place.partition(":")
    try:
        value: Any = importlib.import_module(module)
    except ImportError as error:
        is_missing = isinstance(error, ModuleNotFoundError)
        raise InvalidInputError(
            f"`predict_fn` must name a module that can be imported; {place!r} does not: {error}. "
            f"{_where(module) if is_missing else f'Does `import {module}` work in Python?'}"
        ) from error
    for part in name.split("."):
        if not hasattr(value, part):
            raise InvalidInputError(
                f"`predict_fn` must name something that is there; {module!r} has no {name!r}."
            )
        value = getattr(value, part)
    return check_model("predict_fn", value)


def _where(module: str) -> str:
    """Return where a module is found.

    Examples
    --------
    >>> _where("models.py")
    "Leave out the ending: 'models:...'."
    """
    if module.endswith(".py"):
        return f"Leave out the ending: '{module.removesuffix('.py')}:...'."
    return "Install it, or put its folder on PYTHONPATH."


def _is_onnx(place: str) -> bool:
    return place.lower().endswith(".onnx")
