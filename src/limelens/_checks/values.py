"""Checks of arguments, and the words of all input errors.

Every `check_*` returns its argument in standard form or raises InvalidInputError, which names the
argument, what came, and what would work. Inner functions trust checked arguments.
"""

import math
import sys
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.conversions import call_for, key_of_container, odd_one
from limelens._typing import Seed
from limelens.errors import InvalidInputError


def describe(value: object) -> str:
    """Describe a value in a few words, for an error message.

    Examples
    --------
    >>> describe(np.zeros((2, 3)))
    'float64 array of shape (2, 3)'
    >>> describe("seven")
    "'seven'"
    """
    if isinstance(value, np.ndarray):
        return f"{value.dtype} array of shape {value.shape}"
    kind = type(value).__name__
    if isinstance(value, (list, tuple)) and len(value) > 4:
        return f"{kind} of length {len(value)}"
    try:
        if shape := tuple(getattr(value, "shape", ())):  # tensors, tables, named axes
            return f"{kind} of shape {shape}"
        text = " ".join(repr(value).split())
    except Exception:  # noqa: BLE001 - what says what came must not fail itself
        return f"{kind} object"
    return text if len(text) <= 80 else f"{kind} object"


def if_failed(value: Any) -> str:
    """Say how to go on without what failed, if a value is such an entry among explanations.

    Examples
    --------
    >>> if_failed(3)
    ''
    """
    if not (hasattr(value, "error") and hasattr(value, "traceback")):
        return ""
    return (
        f" {value.name!r} failed: {value.error.rstrip('.')}. Leave failures out: "
        "[each for each in explanations if isinstance(each, limelens.Explanation)]."
    )


def check_int(name: str, value: object, *, minimum: int, maximum: int | None = None) -> int:
    """Return `value` as an int within the bounds (both included)."""
    span = f">= {minimum}" if maximum is None else f"from {minimum} to {maximum}"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        cure = f" Pass int({name})." if _is_single(value) else _as_int(value)
        raise InvalidInputError(f"`{name}` must be an integer {span}; got {describe(value)}.{cure}")
    number = int(value)
    if number < minimum or (maximum is not None and number > maximum):
        raise InvalidInputError(f"`{name}` must be an integer {span}; got {number}.")
    return number


def _as_int(value: object) -> str:
    """Say which integer a float or a text stands for.

    Examples
    --------
    >>> _as_int(1e3), _as_int("20"), _as_int(0.5), _as_int(True)
    (' Pass 1000.', ' Pass 20.', '', '')
    """
    whole = isinstance(value, (float, np.floating)) and float(value).is_integer()
    if whole or (isinstance(value, str) and value.isascii() and value.isdecimal()):
        return f" Pass {int(value)}."  # type: ignore[call-overload]
    return ""


def check_number(
    name: str,
    value: object,
    *,
    minimum: float = -math.inf,
    maximum: float = math.inf,
    open_minimum: bool = False,
    open_maximum: bool = False,
) -> float:
    """Return `value` as a finite float within the bounds; `open_*` excludes a bound."""
    low, high = "(" if open_minimum else "[", ")" if open_maximum else "]"
    span = f"{low}{minimum:g}, {maximum:g}{high}"
    is_real = isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
    number = float(value) if is_real else math.nan  # type: ignore[arg-type]
    above = number > minimum or (number == minimum and not open_minimum)
    below = number < maximum or (number == maximum and not open_maximum)
    if not (math.isfinite(number) and above and below):
        cure = f" Pass float({name})." if not is_real and _is_single(value) else ""
        raise InvalidInputError(
            f"`{name}` must be a finite number in {span}; got {describe(value)}.{cure}"
        )
    return number


def _is_single(value: object) -> bool:
    """Return whether a value is an array or tensor that holds a single number."""
    return getattr(value, "shape", None) == () and not isinstance(value, np.generic)


def check_flag(name: str, value: object) -> bool:
    """Return `value` as a bool."""
    if not isinstance(value, (bool, np.bool_)):
        raise InvalidInputError(f"`{name}` must be True or False; got {describe(value)}.")
    return bool(value)


def check_choice(name: str, value: object, choices: Sequence[object]) -> Any:
    """Return `value` if it is one of the choices."""
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        listed = ", ".join(repr(choice) for choice in choices)
        raise InvalidInputError(f"`{name}` must be one of {listed}; got {describe(value)}.")
    return value


def check_callable(name: str, value: object, signature: str) -> Any:
    """Return `value` if it can be called and is an instance, not a class."""
    if isinstance(value, type):
        raise InvalidInputError(
            f"`{name}` must be a callable {signature}; got the class {value.__name__} itself. "
            f"Pass an instance: {name}={value.__name__}()."
        )
    if not callable(value):
        raise InvalidInputError(f"`{name}` must be a callable {signature}; got {describe(value)}.")
    return value


def check_rng(rng: Seed) -> np.random.Generator:
    """Return one generator for the whole call: `rng` itself, or a new one from a seed."""
    if isinstance(rng, np.random.Generator):
        return rng
    integral = isinstance(rng, Integral) and not isinstance(rng, (bool, np.bool_))
    if rng is None or isinstance(rng, np.random.SeedSequence) or (integral and int(rng) >= 0):
        return np.random.default_rng(rng)
    cure = _as_int(rng)
    if isinstance(rng, np.random.BitGenerator):
        cure = " Pass np.random.Generator(rng)."
    elif isinstance(rng, np.random.RandomState):
        cure = " Pass a seed that it draws: rng.randint(2**31)."
    elif isinstance(rng, (list, tuple)):
        cure = " Pass np.random.SeedSequence(rng)."
    raise InvalidInputError(
        "`rng` must be None, a non-negative integer seed or a numpy.random.Generator; "
        f"got {describe(rng)}.{cure}"
    )


def check_numeric(name: str, value: object, *, finite: bool = True) -> NDArray[Any]:
    """Return `value` as an array of booleans, integers or real numbers, all finite if so asked."""
    array = value if type(value) is np.ndarray else _as_plain_array(name, value)
    if array.dtype.kind not in "buif":
        call, odd = call_for(name, value, array), odd_one(array)
        more = f" Pass {call}." if call else f" {odd} is none." * bool(odd)
        came = describe(array if array.ndim else value)
        raise InvalidInputError(
            f"`{name}` must hold booleans, integers or real numbers; got {came}.{more}"
        )
    if finite and array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InvalidInputError(not_finite(name, array))
    return array


def _as_plain_array(name: str, value: object) -> NDArray[Any]:
    """Return anything that is an array of whatever kind, and hides no values, as an array."""
    check_unmasked(name, value)
    if (key := key_of_container(value)) is not None:
        raise InvalidInputError(
            f"`{name}` must be one array; got {describe(value)}, which holds several by name. "
            f"Pass {name}[{key!r}]."
        )
    try:
        array = np.asanyarray(value)
        check_unmasked(name, array)  # made by __array__
        return np.asarray(array)
    except InvalidInputError:
        raise
    except (ValueError, TypeError, RuntimeError, OSError) as error:  # of PyTorch, of files
        raise InvalidInputError(
            f"`{name}` must be an array of numbers; {describe(value)} cannot be one ({error})."
        ) from error


def check_unmasked(name: str, value: object) -> None:
    """Refuse a masked array that hides values, and a list of such: NumPy would show them."""
    if is_masked(value):
        cure = f"{name}.filled(0)"
        if isinstance(value, (list, tuple)):
            flat = all(hasattr(each, "filled") for each in value)
            cure = f"[each.filled(0) for each in {name}]" if flat else "fill each array in it"
        raise InvalidInputError(f"`{name}` must not be masked. Give those values a number: {cure}.")


def may_be_masked() -> bool:
    """Return whether there may be a masked array: none exists before `numpy.ma` is loaded.

    To load it only to ask takes a twentieth of the time of a first explanation.
    """
    return "numpy.ma" in sys.modules


def hides_values(array: object) -> bool:
    """Return whether this is a masked array that hides a value."""
    return may_be_masked() and bool(np.ma.is_masked(array))


def is_masked(value: object) -> bool:
    """Return whether a masked array, or one in a list of any depth, hides a value.

    Examples
    --------
    >>> hidden = np.ma.masked_less([1.0, 2.0], 1.5)
    >>> is_masked(hidden), is_masked([hidden]), is_masked(np.ma.array([1.0]))
    (True, True, False)
    """
    if not isinstance(value, (list, tuple)):
        return hides_values(value)
    # Rows of numbers, of which there may be millions, hold no masks where the first is a number.
    if not value or isinstance(value[0], (int, float)):
        return may_be_masked() and any(each is np.ma.masked for each in value)
    return any(is_masked(each) for each in value)


def not_finite(name: str, array: NDArray[Any]) -> str:
    """Say how many values are NaN or infinite, and how to replace them."""
    finite = array[np.isfinite(array)]
    # Without these bounds `nan_to_num` inserts the dtype's largest number, which spoils means.
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    return (
        f"`{name}` must be finite; {array.size - finite.size} of {array.size} values are NaN or "
        f"infinite. Replace them first, for example with "
        f"np.nan_to_num({name}, nan={low!r}, posinf={high!r}, neginf={low!r})."
    )


def check_array(
    name: str,
    value: object,
    shape: tuple[int | str, ...],
    *,
    dtype: type[np.generic] | None = None,
    finite: bool = True,
) -> NDArray[Any]:
    """Return `value` if it is an array of numbers of the given shape.

    An axis given as a number must have that length; an axis given as a name may have any. `dtype`
    asks for exactly one dtype. `finite=False` accepts NaN, which then means "not known".

    Examples
    --------
    >>> check_array("scores", np.ones((2, 3)), (2, "k")).shape
    (2, 3)
    """
    array = check_numeric(name, value, finite=finite)
    fits = shape == array.shape  # a name in it equals no number
    if not fits and array.ndim == len(shape):
        pairs = zip(shape, array.shape, strict=True)
        fits = all(isinstance(wanted, str) or wanted == got for wanted, got in pairs)
    fits = fits and (array.dtype == dtype if dtype is not None else array.dtype.kind in "buif")
    if not fits or not isinstance(value, np.ndarray):
        axes = ", ".join(str(axis) for axis in shape) + ("," if len(shape) == 1 else "")
        kind = np.dtype(dtype).name if dtype is not None else "numeric"
        came = value if not isinstance(value, np.ndarray) else array
        raise InvalidInputError(
            f"`{name}` must be a NumPy array, {kind}, of shape ({axes}); got {describe(came)}."
        )
    return array


def check_text(name: str, value: object) -> str:
    """Return `value` if it is a string."""
    if not isinstance(value, str):
        raise InvalidInputError(f"`{name}` must be a string; got {describe(value)}.")
    return value
