"""Reads numbers from the answers of a caller's functions, on any device."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_numeric, describe, is_masked
from limelens.errors import InvalidInputError, PredictionError
from limelens.masking.devices import to_numpy


def numbers(who: str, value: object) -> NDArray[Any]:
    """Return the answer of `who` as an array of finite real numbers.

    Raises
    ------
    PredictionError
        If it is not such an array; the message begins with `who`.

    Examples
    --------
    >>> numbers("`embed`", [1, 2])
    array([1, 2])
    """
    if is_masked(value):
        raise PredictionError(f"{who} must return numbers; got masked ones. Fill them: .filled(0).")
    try:
        array = to_numpy(value)
    except (ValueError, TypeError, RuntimeError, ImportError) as error:
        raise PredictionError(
            f"{who} must return numbers; got {describe(value)}, which NumPy cannot read ({error})."
        ) from error
    if array.dtype.kind not in "buif":
        raise PredictionError(
            f"{who} must return real numbers; got {describe(array if array.ndim else value)}."
        )
    if not np.isfinite(array).all():
        bad = int(np.count_nonzero(~np.isfinite(array)))
        raise PredictionError(
            f"{who} must return finite numbers; {bad} of {array.size} are NaN or infinite. Where "
            "the model has no answer return a number that says so, such as 0."
        )
    return array


def rows(who: str, value: object, n: int, want: str, *, ndim: tuple[int, ...]) -> NDArray[Any]:
    """Return an answer that has one entry per image and an allowed number of axes."""
    array = numbers(who, value)
    if array.ndim not in ndim or len(array) != n or array.size == 0:
        raise PredictionError(
            f"{who} was given {n} images and must return {want}; got {describe(array)}."
        )
    return array


def given_numbers(name: str, value: object) -> NDArray[Any]:
    """Return an argument as an array of finite numbers on the host."""
    if hasattr(value, "detach") or hasattr(value, "get"):
        value = to_numpy(value)
    return check_numeric(name, value)


def check_names(names: object, default: Callable[[], Sequence[str]], n: int) -> tuple[str, ...]:
    """Return the names of n columns: the given ones, or the default ones."""
    if names is None:
        return tuple(default())
    is_list = isinstance(names, (Sequence, np.ndarray)) and not isinstance(names, (str, bytes))
    listed: list[Any] = list(names) if is_list else []  # type: ignore[call-overload]
    if len(listed) != n or not all(isinstance(name, str) for name in listed):
        raise InvalidInputError(
            f"`names` must be {n} strings, one a column; got {describe(names)}."
        )
    return tuple(str(name) for name in listed)  # NumPy's strings are strings, too
