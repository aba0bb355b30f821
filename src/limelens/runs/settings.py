"""Settings as JSON, the same in every process: they tell whether a folder is that of a run."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np

_DEEPEST = 12


def described(value: Any, depth: int = 0) -> Any:
    """Return what JSON can hold of a setting.

    Frozen dataclasses are told apart by their fields, arrays by their values, functions by their
    code and what they close over, other objects by their class and its plain public attributes.
    No address in memory is in it. A field whose metadata say that it came "later" than its class is
    left out at its default, so that runs go on which were begun without it.

    Examples
    --------
    >>> from limelens import Grid
    >>> described(Grid(4))
    {'Grid': {'n_segments': 4, 'cell': None}}
    >>> described(lambda x: x + 1) == described(lambda x: x + 2)
    False
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if depth > _DEEPEST:
        return _name(type(value))
    if isinstance(value, np.ndarray):
        return {"array": value.dtype.str, "shape": list(value.shape), "digest": _digest(value)}
    if isinstance(value, (list, tuple)):
        return [described(each, depth + 1) for each in value]
    if isinstance(value, Mapping):
        return {
            "mapping": [
                [described(k, depth + 1), described(v, depth + 1)] for k, v in value.items()
            ]
        }
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    return _of_object(value, depth)


def _of_object(value: Any, depth: int) -> Any:
    """Return a class's name, a function's code, or an object's class with its settings."""
    if isinstance(value, type):
        return _name(value)
    if isinstance(value, partial):
        held = [value.func, list(value.args), dict(value.keywords)]
        return {"partial": described(held, depth + 1)}
    if hasattr(value, "__func__"):  # a method, which has its function's code as well
        return {_name(value): described(value.__self__, depth + 1)}
    if hasattr(value, "__code__"):
        cells = [cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)]
        held = [cells, list(value.__defaults__ or ()), dict(value.__kwdefaults__ or {})]
        return {_name(value): [_code(value.__code__), described(held, depth + 1)]}
    if is_dataclass(value):
        own = {
            each.name: getattr(value, each.name)
            for each in fields(value)
            if not each.metadata.get("later") or getattr(value, each.name) != each.default
        }
        return {_name(type(value)): {k: described(v, depth + 1) for k, v in own.items()}}
    plain = {
        name: each
        for name, each in getattr(value, "__dict__", {}).items()
        if not (name.startswith("_") or name.endswith("_"))
        and isinstance(each, (bool, int, float, str, np.generic, type(None)))
    }
    return {_name(type(value)): described(plain, depth + 1)}


def digest_of_settings(settings: Mapping[str, Any]) -> str:
    """Return 32 hexadecimal digits for settings that JSON can hold."""
    text = json.dumps(settings, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def model_name(predict_fn: Any) -> Any:
    """Return what identifies a run's model: a file's content, frozen settings, or else a name.

    Examples
    --------
    >>> import math
    >>> model_name(math.sqrt), model_name("package.module:function")
    ('sqrt', 'package.module:function')
    """
    if isinstance(predict_fn, (str, os.PathLike)):
        return _by_content(os.fsdecode(predict_fn))
    if is_dataclass(predict_fn) and _is_frozen(predict_fn):
        return _by_content(described(predict_fn))
    return getattr(predict_fn, "__qualname__", type(predict_fn).__qualname__)


def _is_frozen(value: Any) -> bool:
    frozen: bool = value.__dataclass_params__.frozen
    return frozen


def _by_content(value: Any) -> Any:
    """Return a description with the digests of model files instead of their paths."""
    if isinstance(value, dict):
        return {name: _by_content(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_by_content(each) for each in value]
    if isinstance(value, str) and value.lower().endswith(".onnx") and Path(value).is_file():
        return {Path(value).name: file_digest(value)}
    return value


def file_digest(path: str | os.PathLike[str]) -> str:
    """Return 32 hexadecimal digits for the bytes of a file."""
    digest = hashlib.blake2b(digest_size=16)
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _name(value: type | Callable[..., Any]) -> str:
    return getattr(value, "__qualname__", type(value).__qualname__)


def _code(code: CodeType) -> str:
    held = [_constant(each) for each in code.co_consts]
    text = repr((code.co_code, held, code.co_names))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _constant(value: Any) -> str:
    if isinstance(value, CodeType):
        return _code(value)
    return repr(sorted(map(repr, value)) if isinstance(value, frozenset) else value)


def _digest(array: np.ndarray) -> str:
    if array.dtype.hasobject:
        return hashlib.blake2b(repr(array.tolist()).encode(), digest_size=16).hexdigest()
    raw = np.ascontiguousarray(array).view(np.uint8).data
    return hashlib.blake2b(raw, digest_size=16).hexdigest()


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True
