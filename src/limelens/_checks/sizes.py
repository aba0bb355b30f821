"""Sizes along the image's sides: an int counts pixels, a float is a share of the side."""

from numbers import Integral, Real
from typing import TypeAlias, TypeGuard

import numpy as np

from limelens._checks.values import check_int, check_number, describe
from limelens.errors import InvalidInputError

Size: TypeAlias = int | float

Sizes: TypeAlias = Size | tuple[Size, ...]

Region: TypeAlias = tuple[tuple[Size, Size], ...]


def check_size(name: str, size: object) -> tuple[int | float, ...]:
    """Return a size as a tuple. An int counts pixels, a float is a share of the side.

    Examples
    --------
    >>> check_size("window", 0.2)
    (0.2,)
    """
    sizes = tuple(size) if isinstance(size, (tuple, list)) else (size,)
    for each in sizes:
        if not ((_is_pixels(each) and each >= 1) or (_is_share(each) and 0 < each <= 1)):
            raise InvalidInputError(
                f"`{name}` must be an int >= 1 (pixels) or a float in (0, 1] (share of the side), "
                f"or one for each side; got {describe(size)}."
            )
    return sizes


def _is_pixels(value: object) -> "TypeGuard[int]":
    return isinstance(value, Integral) and not isinstance(value, (bool, np.bool_))


def _is_share(value: object) -> "TypeGuard[float]":
    return isinstance(value, Real) and not isinstance(value, Integral)


def size_in_pixels(name: str, size: object, sides: tuple[int, ...]) -> tuple[int, ...]:
    """Return a size in whole pixels, at least one, one for each side.

    Examples
    --------
    >>> size_in_pixels("window", (0.5, 3), (20, 30))
    (10, 3)
    """
    sizes = _for_each_side(name, size, check_size(name, size), sides)
    pixels = (
        int(each) if isinstance(each, Integral) else round(float(each) * side)
        for each, side in zip(sizes, sides, strict=True)
    )
    return tuple(max(1, each) for each in pixels)


def check_offset(name: str, offset: object) -> tuple[int | float, ...]:
    """Return a displacement as a tuple. An int counts pixels, a float is a share of the side.

    Examples
    --------
    >>> check_offset("offset", (-3, 0.25))
    (-3, 0.25)
    """
    offsets = tuple(offset) if isinstance(offset, (tuple, list)) else (offset,)
    for each in offsets:
        if not (_is_pixels(each) or (_is_share(each) and abs(each) < 1)):
            raise InvalidInputError(
                f"`{name}` must be an int (pixels) or a float in (-1, 1) (share of the side), or "
                f"one for each side; got {describe(offset)}. Use for example {name}=0.1."
            )
    return offsets


def offset_in_pixels(name: str, offset: object, sides: tuple[int, ...]) -> tuple[int, ...]:
    """Return a displacement in whole pixels, one for each side and smaller than it.

    Examples
    --------
    >>> offset_in_pixels("offset", (-3, 0.25), (20, 30))
    (-3, 8)
    """
    offsets = _for_each_side(name, offset, check_offset(name, offset), sides)
    pixels = []
    for each, side in zip(offsets, sides, strict=True):
        if isinstance(each, Integral):
            if abs(int(each)) >= side > 0:
                raise InvalidInputError(
                    f"`{name}` must be less than the image's side; got {describe(offset)} for "
                    f"the sides {sides}. Use a share of the side, for example {name}=0.1."
                )
            pixels.append(int(each))
        else:
            most = side - 1
            pixels.append(min(max(round(float(each) * side), -most), most))
    return tuple(pixels)


def _for_each_side(
    name: str, given: object, sizes: tuple[int | float, ...], sides: tuple[int, ...]
) -> tuple[int | float, ...]:
    """Return one number for each side, given one number for all sides or one for each."""
    if len(sizes) not in (1, len(sides)):
        raise InvalidInputError(
            f"`{name}` must be one number, or {len(sides)} for the image's sides {sides}; "
            f"got {describe(given)}."
        )
    return sizes * len(sides) if len(sizes) == 1 else sizes


def check_roi(roi: object) -> tuple[tuple[object, object], ...]:
    """Return a region as it is, if it consists of pairs of pixels or of shares.

    Examples
    --------
    >>> check_roi([(0, 0.5), (8, 24)])
    ((0, 0.5), (8, 24))
    """
    pairs = roi if isinstance(roi, (tuple, list)) else ()
    if not pairs or not all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in pairs):
        raise InvalidInputError(
            "`roi` must be a pair (start, stop) for each axis, for example ((0, 16), (0.5, 1.0)); "
            f"got {describe(roi)}."
        )
    for pair in pairs:
        for value in pair:
            _bound(value, 1)
    return tuple((start, stop) for start, stop in pairs)


def check_region(roi: object, sides: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Return a region as bounds in pixels, one pair for each axis; None is the whole image.

    Examples
    --------
    >>> check_region(((0, 0.5), (8, 24)), (32, 64))
    ((0, 16), (8, 24))
    """
    if roi is None:
        return tuple((0, side) for side in sides)
    pairs = check_roi(roi)
    if len(pairs) != len(sides):
        raise InvalidInputError(
            f"`roi` must be a pair (start, stop) for each of {len(sides)} axes, for example "
            f"{tuple((0, side) for side in sides)}; got {describe(roi)}."
        )
    bounds = tuple(
        (_bound(start, side), _bound(stop, side))
        for (start, stop), side in zip(pairs, sides, strict=True)
    )
    for (start, stop), side in zip(bounds, sides, strict=True):
        if not 0 <= start < stop <= side:
            raise InvalidInputError(
                f"`roi` must lie within the image; got {start} to {stop} of {side} pixels."
            )
    return bounds


def _bound(value: object, side: int) -> int:
    if isinstance(value, Integral) and not isinstance(value, bool):
        return check_int("roi", value, minimum=0)
    return round(check_number("roi", value, minimum=0, maximum=1) * side)
