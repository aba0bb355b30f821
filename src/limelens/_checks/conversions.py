"""The call that makes an array of numbers of what is none, for error messages."""

from collections.abc import Iterator
from numbers import Integral, Number
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CALLS = (
    # What objects of a library have, and what makes an array of them: pydicom, nibabel, SciPy's
    # sparse arrays, a lazy frame of polars.
    ("pixel_array", ".pixel_array"),
    ("get_fdata", ".get_fdata()"),
    ("toarray", ".toarray()"),
    ("collect", ".collect()"),
)


def call_for(name: str, value: object, array: NDArray[Any]) -> str:
    """Return the call that makes numbers of a value; "" where there is none.

    Parameters
    ----------
    name : str
        What the value is called in the call.
    value : object
    array : ndarray
        What NumPy made of the value: anything but real numbers.

    Examples
    --------
    >>> call_for("labels", [["1", "2"]], np.array([["1", "2"]]))
    'np.asarray(labels, dtype=float)'
    >>> call_for("labels", [["a", "b"]], np.array([["a", "b"]]))
    ''
    """
    for attribute, call in _CALLS:
        if hasattr(type(value), attribute):
            return f"{name}{call}"
    if isinstance(value, Iterator) or type(value).__name__ in ("dict_values", "dict_keys"):
        return f"np.array(list({name}))"
    return _call_for_array(name, array) if array.ndim and array.size else ""


def _call_for_array(name: str, array: NDArray[Any]) -> str:
    if array.dtype.names:
        return f"np.stack([{name}[field] for field in {name}.dtype.names], axis=-1)"
    if array.dtype.kind == "c":
        return f"np.abs({name})" if array.imag.any() else f"np.real({name})"
    if isinstance(array.flat[0], dict):
        return f"np.array([list(each.values()) for each in {name}])"
    if _stacks(array):
        return f"np.stack({name})"
    dtype = _dtype_for(array)
    return f"np.asarray({name}, dtype={dtype})" if dtype else ""


def key_of_container(value: object) -> Any:
    """Return the first key of what holds several arrays by name; None for anything else.

    Examples
    --------
    >>> key_of_container({"ct": [[0, 1]]}), key_of_container([0, 1])
    ('ct', None)
    """
    if not callable(getattr(value, "keys", None)) or hasattr(value, "shape"):
        return None
    if any(hasattr(type(value), attribute) for attribute, _ in _CALLS):
        return None
    keys: Any = value
    return next(iter(keys.keys()), None)


def odd_one(array: NDArray[Any]) -> str:
    """Return the first value of an array of objects or words that is no number, as it is written.

    Examples
    --------
    >>> odd_one(np.array([1.0, None], dtype=object))
    'None'
    """
    if array.dtype.kind not in "OUS" or not array.ndim or not array.itemsize:
        return ""
    odd = [each for each in array.astype(object).flat if not _is_number(each)][:1]
    text = repr(odd[0]) if odd else ""
    return text if len(text) <= 80 and "\n" not in text else ""


def _is_number(value: object) -> bool:
    return isinstance(value, (Number, np.bool_))


def _stacks(array: NDArray[Any]) -> bool:
    """Return whether an array of objects holds rows of numbers, all of one length."""
    if array.dtype.kind != "O" or not np.ndim(array.flat[0]):
        return False
    try:
        return np.stack(list(array)).dtype.kind in "buif"
    except (ValueError, TypeError):
        return False


def _dtype_for(array: NDArray[Any]) -> str:
    """Return the dtype, as it is written, that holds all values of an array; "" for none."""
    if not array.itemsize:  # a file may claim any number of elements without size
        return ""
    dtype = "float"
    if array.dtype.kind == "O":
        values = array.ravel().tolist()
        if all(isinstance(each, (bool, np.bool_)) for each in values):
            dtype = "bool"
        elif all(isinstance(each, Integral) for each in values):
            dtype = "int"
    elif array.dtype.kind == "V":  # of bfloat16 and its like
        dtype = "int" if "int" in array.dtype.name else "np.float32"
    elif array.dtype.kind not in "US":  # of dates, and lengths of time
        return ""
    try:
        numbers = array.astype(np.float32 if dtype == "np.float32" else dtype)
    except (ValueError, TypeError, OverflowError):
        return ""
    return dtype if np.isfinite(numbers).all() else ""
