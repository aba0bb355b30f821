"""Checks of masks of pixels: those that count, those of a region."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._axes import over_channels, spatial_shape
from limelens._checks.values import check_numeric, describe, not_finite
from limelens._typing import Image
from limelens.errors import InvalidInputError


def check_valid(valid: object, image: Image, channel_axis: int | None) -> NDArray[np.bool_] | None:
    """Return which pixels count, as a read-only copy; None where all do.

    Raises
    ------
    InvalidInputError
        If it is no bool array of the image's spatial shape, holds no pixel, or if a pixel that
        counts is not finite.
    """
    if valid is None:
        if image.dtype.kind == "f" and not np.isfinite(image).all():
            leave = f"Or leave those pixels out: valid={_finite(channel_axis)}."
            raise InvalidInputError(f"{not_finite('image', image)} {leave}")
        return None
    if channel_axis is not None and getattr(valid, "shape", None) == image.shape:
        raise InvalidInputError(
            "`valid` must have one value for all channels of a pixel; got one for each. Pass "
            f"valid.any(axis={channel_axis}), or valid.all(axis={channel_axis})."
        )
    where = check_region_mask("valid", valid, spatial_shape(image.shape, channel_axis)).copy()
    if not where.any():
        msg = "`valid` must be True for some pixels; got none. Is it the mask of what to leave out?"
        raise InvalidInputError(f"{msg} Pass ~valid.")
    if image.dtype.kind == "f":
        bad = int(np.count_nonzero(~np.isfinite(image) & over_channels(where, image, channel_axis)))
        if bad:
            raise InvalidInputError(
                f"`image` must be finite where `valid` is True; {bad} values there are NaN or "
                f"infinite. Leave those pixels out: valid=valid & {_finite(channel_axis)}."
            )
    if where.all():
        return None
    where.flags.writeable = False
    return where


def check_named_axes(image: Any, channel_axis: int | None, valid: Any) -> None:
    """Refuse a mask whose axes have the image's names in another order, or other coordinates.

    xarray finds axes by their names and pixels by their coordinates, NumPy by their places only.
    """
    names, given = getattr(image, "dims", None), getattr(valid, "dims", None)
    if not (isinstance(names, tuple) and isinstance(given, tuple)):
        return
    spatial = tuple(name for axis, name in enumerate(names) if axis != channel_axis)
    if given != spatial and set(given) == set(spatial):
        raise InvalidInputError(
            f"`valid` must have its axes in the order of the image's, {spatial}; got {given}. "
            f"Pass valid.transpose{spatial}."
        )
    for name in set(given) & set(spatial) & set(image.coords) & set(valid.coords):
        if not np.array_equal(image.coords[name], valid.coords[name]):
            raise InvalidInputError(
                f"`valid` must have the image's coordinates; those of {name!r} differ. Pass "
                "valid.reindex_like(image, fill_value=False)."
            )


def _finite(channel_axis: int | None) -> str:
    """Return the call that finds the pixels of an image that are finite in every channel."""
    return "np.isfinite(image)" + ("" if channel_axis is None else f".all(axis={channel_axis})")


def check_region_mask(name: str, mask: object, spatial: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a mask of pixels, True inside: bool, or integers that are 0 and 1."""
    array = check_numeric(name, mask, finite=False)
    if array.shape != spatial:
        raise InvalidInputError(
            f"`{name}` must have the image's spatial shape {spatial}; got {describe(array)}."
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InvalidInputError(
            f"`{name}` must hold True and False; {np.count_nonzero(~np.isfinite(array))} of its "
            f"values are NaN or infinite. Say which pixels it means: {name} == 1, or {name} > 0."
        )
    if array.dtype != np.bool_ and not np.isin(array, (0, 1)).all():
        raise InvalidInputError(
            f"`{name}` must hold True and False; got {array.dtype} from {array.min():g} to "
            f"{array.max():g}. Pass {name} > 0, or labels == label."
        )
    return array.astype(np.bool_)
