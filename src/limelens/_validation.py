"""Checks at the door: the one place that words an input error.

Every `check_*` returns its argument in standard form or raises InvalidInputError with the name
of the argument, what came, and what would work. Inner functions trust what passed here.
"""

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Background, Coalitions, Image, Seed, Segments
from limelens._warnings import warn
from limelens.errors import InvalidInputError


def describe(value: object) -> str:
    """Say what came, short enough for an error message.

    Examples
    --------
    >>> describe(np.zeros((2, 3)))
    'float64 array of shape (2, 3)'
    >>> describe("seven")
    "'seven'"
    """
    if isinstance(value, np.ndarray):
        return f"{value.dtype} array of shape {value.shape}"
    if isinstance(value, (list, tuple)) and len(value) > 4:
        return f"{type(value).__name__} of length {len(value)}"
    text = repr(value)
    return text if len(text) <= 80 else f"{type(value).__name__} object"


def check_int(name: str, value: object, *, minimum: int, maximum: int | None = None) -> int:
    """Return `value` as an int within the bounds (both included)."""
    span = f">= {minimum}" if maximum is None else f"from {minimum} to {maximum}"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        msg = f"`{name}` must be an integer {span}; got {describe(value)}."
        raise InvalidInputError(msg)
    number = int(value)
    if number < minimum or (maximum is not None and number > maximum):
        msg = f"`{name}` must be an integer {span}; got {number}."
        raise InvalidInputError(msg)
    return number


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
        msg = f"`{name}` must be a finite number in {span}; got {describe(value)}."
        raise InvalidInputError(msg)
    return number


def check_flag(name: str, value: object) -> bool:
    """Return `value` as a bool."""
    if not isinstance(value, (bool, np.bool_)):
        msg = f"`{name}` must be True or False; got {describe(value)}."
        raise InvalidInputError(msg)
    return bool(value)


def check_choice(name: str, value: object, choices: Sequence[object]) -> Any:
    """Return `value` if it is one of the choices."""
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        listed = ", ".join(repr(choice) for choice in choices)
        msg = f"`{name}` must be one of {listed}; got {describe(value)}."
        raise InvalidInputError(msg)
    return value


def check_callable(name: str, value: object, signature: str) -> Any:
    """Return `value` if it can be called; a class given for its instance is named as such."""
    if isinstance(value, type):
        msg = (
            f"`{name}` must be a callable {signature}; got the class {value.__name__} itself. "
            f"Pass an instance: {name}={value.__name__}()."
        )
        raise InvalidInputError(msg)
    if not callable(value):
        msg = f"`{name}` must be a callable {signature}; got {describe(value)}."
        if hasattr(value, "predict_proba"):
            msg += " Call its predict_proba on what it was trained on, made from the batch."
        raise InvalidInputError(msg)
    return value


def check_rng(rng: Seed) -> np.random.Generator:
    """Return one generator for the whole call: `rng` itself, or a new one from a seed."""
    if isinstance(rng, np.random.Generator):
        return rng
    integral = isinstance(rng, Integral) and not isinstance(rng, (bool, np.bool_))
    if rng is None or isinstance(rng, np.random.SeedSequence) or (integral and int(rng) >= 0):
        return np.random.default_rng(rng)
    msg = (
        "`rng` must be None, a non-negative integer seed or a numpy.random.Generator; "
        f"got {describe(rng)}."
    )
    raise InvalidInputError(msg)


def check_numeric(name: str, value: object) -> NDArray[Any]:
    """Return `value` as an array of booleans, integers or real numbers, all finite."""
    if np.ma.is_masked(value):
        msg = f"`{name}` must not be masked. Give those values a number: {name}.filled(0)."
        raise InvalidInputError(msg)
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:  # PyTorch's is a RuntimeError
        msg = f"`{name}` must be an array of numbers; {describe(value)} cannot be one ({error})."
        raise InvalidInputError(msg) from error
    if array.dtype.kind not in "buif":
        came = describe(array if array.ndim else value)
        msg = f"`{name}` must hold booleans, integers or real numbers; got {came}."
        raise InvalidInputError(msg)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = int(array.size - np.count_nonzero(np.isfinite(array)))
        msg = (
            f"`{name}` must be finite; {bad} of {array.size} values are NaN or infinite. "
            f"Replace them first, for example with np.nan_to_num({name})."
        )
        raise InvalidInputError(msg)
    return array


def check_array(
    name: str,
    value: object,
    shape: tuple[int | str, ...],
    *,
    dtype: type[np.generic] | None = None,
    finite: bool = True,
) -> NDArray[Any]:
    """Return `value` if it is an array of numbers of the given shape.

    Axes given as a number must have that length; axes given as a name may have any. `dtype` asks
    for one dtype exactly; `finite=False` lets NaN through, which then means "not known".

    Examples
    --------
    >>> check_array("scores", np.ones((2, 3)), (2, "k")).shape
    (2, 3)
    """
    array = check_numeric(name, value) if finite else np.asarray(value)
    fits = array.ndim == len(shape) and all(
        isinstance(wanted, str) or wanted == got
        for wanted, got in zip(shape, array.shape, strict=True)
    )
    fits = fits and (array.dtype == dtype if dtype is not None else array.dtype.kind in "buif")
    if not fits or not isinstance(value, np.ndarray):
        axes = ", ".join(str(axis) for axis in shape) + ("," if len(shape) == 1 else "")
        kind = np.dtype(dtype).name if dtype is not None else "numeric"
        came = value if not isinstance(value, np.ndarray) else array
        msg = f"`{name}` must be a NumPy array, {kind}, of shape ({axes}); got {describe(came)}."
        raise InvalidInputError(msg)
    return array


def check_text(name: str, value: object) -> str:
    """Return `value` if it is a string."""
    if not isinstance(value, str):
        msg = f"`{name}` must be a string; got {describe(value)}."
        raise InvalidInputError(msg)
    return value


def check_image(
    image: object, channel_axis: object = -1, *, ask: bool = True
) -> tuple[Image, int | None]:
    """Return the image as an array and its channel axis counted from the front.

    A 2-D image has none, whatever `channel_axis` says. `ask` warns of what looks channels first.
    """
    array = check_numeric("image", image)
    if array.ndim < 2 or 0 in array.shape:
        msg = f"`image` must have at least two axes, none of them empty; got {describe(array)}."
        raise InvalidInputError(msg)
    if array.ndim == 2 or channel_axis is None:
        if array.ndim > 3:
            msg = (
                "`image` without channels must be (H, W) or (D, H, W); got shape "
                f"{array.shape}. If its last axis holds channels pass channel_axis=-1."
            )
            raise InvalidInputError(msg)
        return array, None
    axis = check_int("channel_axis", channel_axis, minimum=-array.ndim, maximum=array.ndim - 1)
    if array.ndim > 4:
        msg = f"`image` must have two or three spatial axes and channels; got {describe(array)}."
        raise InvalidInputError(msg)
    axis %= array.ndim
    if ask and array.ndim == 3 and axis == 2 and array.shape[0] <= 4 and array.shape[2] > 16:
        warn(
            f"`image` of shape {array.shape} is read as {array.shape[0]} pixels high with "
            f"{array.shape[2]} channels. If its channels come first pass channel_axis=0; "
            "if it is a volume without channels pass channel_axis=None.",
        )
    return array, axis


def check_segments(
    labels: object, spatial: tuple[int, ...], *, name: str = "segments"
) -> tuple[Segments, NDArray[np.intp]]:
    """Return labels made consecutive, `0..d-1` in the order of the ids, and the ids.

    Examples
    --------
    >>> segments, ids = check_segments([[10, 10], [-3, 7]], (2, 2))
    >>> segments
    array([[2, 2],
           [0, 1]])
    >>> ids
    array([-3,  7, 10])
    """
    array = check_numeric(name, labels)
    if array.dtype.kind == "f":
        msg = f"`{name}` must hold integer labels; got {describe(array)}."
        raise InvalidInputError(msg)
    if array.shape != tuple(spatial):
        msg = (
            f"`{name}` must have the image's spatial shape {tuple(spatial)}; got {describe(array)}."
        )
        raise InvalidInputError(msg)
    low, high = int(array.min()), int(array.max())
    if high > np.iinfo(np.intp).max:
        msg = f"`{name}` must be labels below 2**63; got {high}. Number them anew: np.unique(...)."
        raise InvalidInputError(msg)
    array = array.astype(np.intp, copy=False)
    if high - low < 4 * array.size + 1024:
        present = np.bincount((array - low).ravel()) > 0
        ids = np.flatnonzero(present) + low
        segments = array - low
        if not present.all():
            segments = (np.cumsum(present) - 1)[segments]
    else:
        ids, inverse = np.unique(array, return_inverse=True)
        segments = inverse.reshape(array.shape)
    if len(ids) < 2:
        msg = (
            f"`{name}` must divide the image into at least two segments; got one. "
            "Use smaller segments, or labels that differ."
        )
        raise InvalidInputError(msg)
    return np.ascontiguousarray(segments, dtype=np.intp), ids.astype(np.intp)


def check_planar(ndim: int, segmenter: str) -> None:
    """Refuse a volume where only pictures can be segmented."""
    if ndim == 4:
        msg = (
            "`segmenter` must take volumes for an image with three spatial axes; got "
            f"{segmenter}(), which takes pictures only. Use Slic(), Grid() or LabelImage(labels)."
        )
        raise InvalidInputError(msg)


def check_fill_segments(segments: object, image: Image, fill: str) -> Segments:
    """Return the segments of a channels-last image, for a fill that needs them."""
    if segments is None:
        msg = (
            "`fill` must do without segments here, window and pixel methods have none; got "
            f"{fill}(), which needs them. Use ImageMean() or Blur(sigma)."
        )
        raise InvalidInputError(msg)
    return check_segments(segments, image.shape[: max(2, image.ndim - 1)])[0]


def check_coalitions(coalitions: object, n_segments: int) -> Coalitions:
    """Return coalitions as a C-contiguous bool array of shape (n, n_segments)."""
    array = check_numeric("coalitions", coalitions)
    if array.ndim != 2 or array.shape[1] != n_segments:
        msg = (
            f"`coalitions` must be (n, {n_segments}), one column per segment; "
            f"got {describe(array)}."
        )
        raise InvalidInputError(msg)
    if array.dtype != np.bool_ and not np.isin(array, (0, 1)).all():
        msg = (
            "`coalitions` must hold True (kept) and False (hidden) only, or 1 and 0; "
            f"got {array.dtype} from {array.min():g} to {array.max():g}."
        )
        raise InvalidInputError(msg)
    return np.ascontiguousarray(array, dtype=np.bool_)


def check_energy(energy: object, n_segments: int | None = None) -> NDArray[np.float64]:
    """Return the energy of every segment: numbers that are not negative, shape (d,)."""
    array = check_numeric("energy", energy).astype(np.float64)
    fits = array.ndim == 1 and n_segments in (None, len(array))
    if not fits or (array < 0).any():
        wanted = "d" if n_segments is None else n_segments
        msg = (
            f"`energy` must be {wanted} numbers, one per segment, none negative; "
            f"got {describe(array)}."
        )
        raise InvalidInputError(msg)
    return array


def check_background(background: object, image: Image, *, name: str = "fill") -> Background:
    """Return the background(s) as `(m, *image.shape)` in the image's dtype.

    Integers are rounded, not cut; a value that the dtype cannot hold is an error.
    """
    array = check_numeric(name, background)
    if array.shape == image.shape:
        array = array[np.newaxis]
    if array.ndim != image.ndim + 1 or array.shape[1:] != image.shape or len(array) == 0:
        msg = (
            f"`{name}` must return a background of the image's shape {image.shape} or "
            f"(m, *{image.shape}); got {describe(array)}."
        )
        raise InvalidInputError(msg)
    return np.ascontiguousarray(to_dtype(name, array, image.dtype))


def check_one_background(background: object, image: Image) -> Image:
    """Return one background of the image's shape and dtype; a number fills all of it."""
    array = check_numeric("background", background)
    if array.shape not in ((), image.shape):
        msg = (
            f"`background` must be a number or of the image's shape {image.shape}; "
            f"got {describe(array)}. A color per channel: np.broadcast_to(color, image.shape)."
        )
        raise InvalidInputError(msg)
    array = to_dtype("background", array, image.dtype)
    return np.full(image.shape, array) if array.ndim == 0 else array


def check_out(out: object, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return `out` if a batch can be written into it."""
    wanted = f"`out` must be a writeable, C-contiguous {dtype} array of shape {shape}"
    if np.ma.isMaskedArray(out):
        raise InvalidInputError(f"{wanted}; got a masked array.")
    if not isinstance(out, np.ndarray) or out.shape != shape or out.dtype != dtype:
        msg = f"{wanted}; got {describe(out)}."
        raise InvalidInputError(msg)
    if not (out.flags.c_contiguous and out.flags.writeable):
        came = "one that is not contiguous" if out.flags.writeable else "a read-only one"
        msg = f"{wanted}; got {came}. Make one with np.empty({shape}, {str(dtype)!r})."
        raise InvalidInputError(msg)
    return out


def to_dtype(name: str, values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Convert to an image's dtype: rounded for integers, refused where it does not fit."""
    if values.dtype == dtype:
        return values
    info: Any = np.finfo if dtype.kind == "f" else np.iinfo
    low, high = (0, 1) if dtype.kind == "b" else (info(dtype).min, info(dtype).max)
    ends = [values.min(), values.max()] if values.size else []
    exact = float if values.dtype.kind == "f" else int  # Python compares exactly
    if not all(int(low) <= round(exact(end)) <= int(high) for end in ends):
        msg = (
            f"`{name}` must fit the image's dtype {dtype}, from {low} to {high}; got values from "
            f"{ends[0]:g} to {ends[1]:g}. Convert the image to a wider float if it needs them."
        )
        raise InvalidInputError(msg)
    if dtype.kind == "f" or values.dtype.kind != "f":
        return values.astype(dtype)
    converted = np.empty(values.shape, dtype)
    np.rint(values, out=converted, casting="unsafe")  # without a second float array
    return converted
