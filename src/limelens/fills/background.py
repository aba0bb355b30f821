"""The one way to ask a fill, a baseline or a segmenter; images with segments hidden."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._axes import (
    channels_back,
    channels_last,
    over_channels,
    read_only,
    spatial_shape,
)
from limelens._checks.images import check_background, check_segments
from limelens._checks.pillow import check_pillow
from limelens._checks.strategies import check_fill
from limelens._checks.values import check_numeric
from limelens._typing import Background, Fill, Image, Segmenter, Segments, Valid
from limelens.errors import InvalidInputError
from limelens.fills.simple import ImageMean, channel_means


def standing_in(image: Image, channel_axis: int | None, valid: Valid) -> Image:
    """Return an image whose pixels outside `valid` are the mean of those inside, by channel.

    Segmenters and fills are shown it, so that padding and no-data change nothing for them.

    Examples
    --------
    >>> standing_in(np.array([[1.0, 3.0, np.nan]]), None, np.array([[True, True, False]]))
    array([[1., 3., 2.]])
    """
    if valid is None:
        return image
    last = channels_last(image, channel_axis)
    shown = np.array(last)
    mean = channel_means(last[valid][np.newaxis])
    shown[~valid] = mean if image.dtype.kind == "f" else np.rint(mean)
    return channels_back(shown, image.ndim, channel_axis)


def ask_segmenter(
    segmenter: Segmenter, image: Image, channel_axis: int | None, valid: Valid = None
) -> tuple[Segments, NDArray[Any]]:
    """Return a segmenter's segments, numbered from 0, and the ids that the segmenter gave them.

    Pixels outside `valid` belong to none, -1. A segmenter with a method `within(image, valid)`
    divides those inside by itself; the segments of another are cut.

    Raises
    ------
    InvalidInputError
        If the answer is not a label image with the image's spatial shape, or fewer than two
        segments have pixels that count.
    """
    shown = standing_in(image, channel_axis, valid)
    last = channels_last(read_only(shown), channel_axis)
    within = getattr(segmenter, "within", None)
    labels = segmenter(last) if valid is None or not callable(within) else within(last, valid)
    return check_segments(labels, spatial_shape(image.shape, channel_axis), valid=valid)


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
    answer = fill(last, None if segments is None else read_only(segments))
    filled = check_numeric(name, check_pillow(name, answer))
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
    valid: Valid = None,
) -> Background:
    """Return the background(s) of `ask_fill`, refusing the image itself.

    Outside `valid` they are the image, so that nothing is hidden there.

    Raises
    ------
    InvalidInputError
        As `ask_fill`, and if the background equals the image.
    """
    shown = standing_in(image, channel_axis, valid)
    backgrounds = ask_fill(fill, shown, channel_axis, _numbered(segments), name=name)
    changed = backgrounds != shown
    if valid is not None:
        counts = over_channels(valid, image, channel_axis)
        changed = changed & counts
        backgrounds = np.where(counts, backgrounds, image)
    if not changed.any():
        other = 0 if shown.any() else 1
        raise InvalidInputError(
            f"`{name}` returned the image itself ({fill!r}): nothing changes. Use another, for "
            f"example {name}=Constant({other})."
        )
    return backgrounds


def show_only(
    image: Image,
    channel_axis: int | None,
    segments: Segments,
    shown: NDArray[np.bool_],
    fill: Fill | None,
    valid: Valid = None,
) -> Image:
    """Return the image where `shown` or not `valid`, elsewhere `fill`'s, or the mean colour."""
    if fill is None:
        fill = ImageMean()
    check_fill("fill", fill)
    seen = standing_in(image, channel_axis, valid)
    background = ask_fill(fill, seen, channel_axis, _numbered(segments))[0]
    if valid is not None:
        shown = shown | ~valid
    return np.where(over_channels(shown, image, channel_axis), image, background)


def _numbered(segments: Segments | None) -> Segments | None:
    """Return segments for a fill: pixels that do not count are one more, the last."""
    if segments is None or segments.min() >= 0:
        return segments
    return np.where(segments < 0, segments.max() + 1, segments)
