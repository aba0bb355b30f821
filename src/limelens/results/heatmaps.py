"""One number per pixel: which map is returned and drawn, and how smooth it is by default."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from limelens._axes import channels_last
from limelens._checks.values import check_choice
from limelens._typing import Floats, Image, Segments, Valid
from limelens.fills.background import standing_in
from limelens.results.record import Record
from limelens.results.smoothing import guided_map, moving_averages, smooth_map
from limelens.results.upsampling import INTERPOLATIONS, per_pixel, upsample

HANDFUL = 8
"""Maps of more segments are drawn smooth, because their borders are an accident."""

_ORDERS = {"bilinear": 1, "bicubic": 3}


def pixel_map(record: Record, row: int, interpolation: str) -> Floats:
    """Return the map of one row of the importances, shape (*spatial,); see `heatmap`."""
    image = standing_in(record.image, record.channel_axis, record.valid)
    return spread(
        record.importances[row],
        record.segments,
        interpolation,
        image=channels_last(image, record.channel_axis),
        stride=record.details.get("stride"),
        valid=record.valid,
    )


def spread(
    importances: Floats,
    segments: Segments | None,
    interpolation: str,
    *,
    image: Image | None = None,
    stride: Sequence[float] | None = None,
    valid: Valid = None,
) -> Floats:
    """Return importances of segments or pixels as a map per pixel.

    Parameters
    ----------
    importances : ndarray, shape (d,) or (*spatial,)
    segments : ndarray of int, shape (*spatial,), or None
        Needed for importances of segments.
    interpolation : {"nearest", "bilinear", "bicubic", "smooth", "guided"}
    image : ndarray, channels last
        The image whose edges "guided" follows; no other interpolation needs it.
    stride : sequence of float, optional
        Distance, along each axis, of the windows that a map per pixel is made of. "bilinear" and
        "bicubic" smooth over it; without a stride they leave such a map unchanged.
    valid : ndarray of bool, shape (*spatial,), optional
        Pixels that count: outside, the map is zero, and what is outside smooths nothing inside.

    Examples
    --------
    >>> import numpy as np
    >>> spread(np.array([[0.0, 0.0, 3.0, 3.0]]), None, "bilinear", stride=(1, 3))
    array([[0., 1., 2., 3.]])
    """
    if valid is not None:
        return _spread_within(valid, importances, segments, interpolation, image, stride)
    if segments is None or importances.ndim > 1:
        order = _ORDERS.get(interpolation)
        if order is not None and stride is not None:
            return moving_averages(importances, tuple(stride), order)
        heatmap = importances.copy()
    elif interpolation in _ORDERS:
        return upsample(importances, segments, interpolation)
    else:
        heatmap = per_pixel(importances, segments)
    if interpolation == "smooth":
        return smooth_map(heatmap)
    if interpolation == "guided" and image is not None:
        return guided_map(heatmap, image)
    return heatmap


def _spread_within(
    valid: NDArray[np.bool_],
    importances: Floats,
    segments: Segments | None,
    interpolation: str,
    image: Image | None,
    stride: Sequence[float] | None,
) -> Floats:
    """Return the smooth map divided by the mask smoothed alike: a weighted mean of what counts."""

    def smoothed(values: Floats) -> Floats:
        return spread(values, segments, interpolation, image=image, stride=stride)

    if interpolation == "guided":  # its weights may be negative
        return np.where(valid, smoothed(importances), 0.0)
    per_segment = segments is not None and importances.ndim == 1
    weights = smoothed(np.ones(importances.shape) if per_segment else valid.astype(np.float64))
    heatmap = np.zeros(valid.shape)
    counts = valid & (weights > 0)
    heatmap[counts] = smoothed(importances)[counts] / weights[counts]
    return heatmap


def chosen_interpolation(record: Record, interpolation: str | None, *, drawn: bool) -> str:
    """Return the requested interpolation, or the one that suits the map: see `Explanation`.

    `details["interpolation"]` is the choice of the method. Without one, maps are returned
    unchanged, and drawn smooth if they have more than a handful of segments.
    """
    if interpolation is not None:
        return check_choice("interpolation", interpolation, INTERPOLATIONS)
    per_segment = record.importances.ndim == 2
    chosen = record.details.get("interpolation")
    if chosen in INTERPOLATIONS and (drawn or not per_segment):
        return str(chosen)
    many = per_segment and record.importances.shape[1] > HANDFUL
    return "smooth" if drawn and many else "nearest"
