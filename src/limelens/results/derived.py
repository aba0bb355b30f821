"""Other images and explanations that follow from one explanation."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from limelens._arrays import channels_back, channels_last, spatial_shape
from limelens._typing import Fill, Image
from limelens._validation import check_background, check_callable, check_segments
from limelens.errors import InvalidInputError
from limelens.results.ranking import sum_by_segment
from limelens.results.record import PER_TARGET

if TYPE_CHECKING:
    from limelens.results.explanation import Explanation


def show_only(explanation: "Explanation", shown: NDArray[np.bool_], fill: Fill | None) -> Image:
    """Return the image where `shown`, elsewhere what `fill` makes of it, or the mean colour."""
    image, channel_axis = explanation.image, explanation.channel_axis
    last = channels_last(image, channel_axis)
    if fill is None:
        mean = last.mean(axis=tuple(range(shown.ndim)), dtype=np.float64)
        filled = np.broadcast_to(mean, last.shape)
    else:
        check_callable("fill", fill, "(image, segments) -> background")
        filled = np.asarray(fill(last, explanation.segments))
    if filled.shape[-last.ndim :] == last.shape:
        filled = channels_back(filled, image.ndim, channel_axis)
    background = check_background(filled, image)[0]
    if channel_axis is not None:
        shown = np.expand_dims(shown, channel_axis)
    return np.where(shown, image, background)


def rows_of(explanation: "Explanation", row: int) -> dict[str, Any]:
    """Return the fields that have an entry per target, cut to the one in `row`."""
    one = slice(row, row + 1)
    values = {name: getattr(explanation, name) for name in PER_TARGET}
    return {name: None if value is None else value[one] for name, value in values.items()}


def summed_fields(explanation: "Explanation", labels: ArrayLike) -> dict[str, Any]:
    """Return the fields that change when importances per pixel are summed over segments."""
    if explanation.importances.ndim == 2:
        msg = (
            "`by_segment` must have an importance per pixel; this explanation has one per "
            "segment already: see `importances` and `segments`."
        )
        raise InvalidInputError(msg)
    spatial = spatial_shape(explanation.image.shape, explanation.channel_axis)
    segments, ids = check_segments(labels, spatial, name="labels")
    return {
        "importances": sum_by_segment(explanation.importances, segments),
        "standard_errors": None,
        "segments": segments,
        "details": {**explanation.details, "segment_ids": ids},
    }
