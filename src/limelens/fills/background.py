"""The one way to ask a fill, a baseline or a segmenter; images with segments hidden."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._axes import channels_back, channels_last, read_only, spatial_shape
from limelens._checks.images import check_background, check_segments
from limelens._checks.strategies import check_fill
from limelens._checks.values import check_numeric
from limelens._typing import Background, Fill, Image, Segmenter, Segments
from limelens.errors import InvalidInputError
from limelens.fills.simple import ImageMean


def ask_segmenter(
    segmenter: Segmenter, image: Image, channel_axis: int | None
) -> tuple[Segments, NDArray[Any]]:
    """Return a segmenter's segments, numbered from 0, and the ids that the segmenter gave them.

    Raises
    ------
    InvalidInputError
        If the answer is not a label image with the image's spatial shape.
    """
    labels = segmenter(channels_last(read_only(image), channel_axis))
    return check_segments(labels, spatial_shape(image.shape, channel_axis))


def ask_fill(
    fill: Fill,
    image: Image,
    channel_axis: int | None,
    segments: Segments | None,
    *,
    name: str = "fill",
) -> Background:
    """Return the fill's background(s), `(m, *image.shape)` in the image's dtype and layout.

    The fill can change neither the image nor the segments that it is shown.

    Raises
    ------
    InvalidInputError
        If the background has another shape or does not fit the dtype. The message calls the
        argument `name`.
    """
    last = channels_last(read_only(image), channel_axis)
    filled = check_numeric(name, fill(last, None if segments is None else read_only(segments)))
    if filled.shape[-last.ndim :] == last.shape:
        filled = channels_back(filled, image.ndim, channel_axis)
    return check_background(filled, image, name=name)


def hide_behind(
    fill: Fill,
    image: Image,
    channel_axis: int | None,
    segments: Segments | None,
    *,
    name: str = "fill",
) -> Background:
    """Return the background(s) of `ask_fill`, refusing the image itself.

    Raises
    ------
    InvalidInputError
        As `ask_fill`, and if the background equals the image.
    """
    backgrounds = ask_fill(fill, image, channel_axis, segments, name=name)
    if not (backgrounds != image).any():
        other = 0 if image.any() else 1
        msg = (
            f"`{name}` returned the image itself ({fill!r}): nothing changes. Use another, for "
            f"example {name}=Constant({other})."
        )
        raise InvalidInputError(msg)
    return backgrounds


def show_only(
    image: Image,
    channel_axis: int | None,
    segments: Segments,
    shown: NDArray[np.bool_],
    fill: Fill | None,
) -> Image:
    """Return the image where `shown`, elsewhere what `fill` makes of it, or the mean colour."""
    if fill is None:
        fill = ImageMean()
    check_fill("fill", fill)
    background = ask_fill(fill, image, channel_axis, segments)[0]
    if channel_axis is not None:
        shown = np.expand_dims(shown, channel_axis)
    return np.where(shown, image, background)
