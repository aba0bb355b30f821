"""The one way a fill is asked, and an image with some segments hidden behind it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._axes import channels_back, channels_last
from limelens._checks.images import check_background
from limelens._checks.values import check_callable, check_numeric
from limelens._typing import Background, Fill, Image, Segments
from limelens.errors import InvalidInputError


def hide_behind(
    fill: Fill,
    image: Image,
    channel_axis: int | None,
    segments: Segments | None,
    *,
    name: str = "fill",
) -> Background:
    """Return the fill's background(s), `(m, *image.shape)` in the image's dtype and layout.

    Raises
    ------
    InvalidInputError
        If the background has another shape, does not fit the dtype, or equals the image; it
        calls the argument `name`.
    """
    filled = check_numeric(name, fill(channels_last(read_only(image), channel_axis), segments))
    last = channels_last(image, channel_axis)
    if filled.shape[-last.ndim :] == last.shape:
        filled = channels_back(filled, image.ndim, channel_axis)
    backgrounds = check_background(filled, image, name=name)
    if not (backgrounds != image).any():
        other = 0 if image.any() else 1
        msg = (
            f"`{name}` returned the image itself ({fill!r}): nothing changes. Use another, for "
            f"example {name}=Constant({other})."
        )
        raise InvalidInputError(msg)
    return backgrounds


def read_only(image: NDArray[Any]) -> NDArray[Any]:
    """View an array so that no segmenter, fill or reader can change it."""
    view = image.view()
    view.flags.writeable = False
    return view


def show_only(
    image: Image,
    channel_axis: int | None,
    segments: Segments,
    shown: NDArray[np.bool_],
    fill: Fill | None,
) -> Image:
    """Return the image where `shown`, elsewhere what `fill` makes of it, or the mean colour."""
    last = channels_last(image, channel_axis)
    if fill is None:
        mean = last.mean(axis=tuple(range(shown.ndim)), dtype=np.float64)
        filled = np.broadcast_to(mean, last.shape)
    else:
        check_callable("fill", fill, "(image, segments) -> background")
        filled = np.asarray(fill(last, segments))
    if filled.shape[-last.ndim :] == last.shape:
        filled = channels_back(filled, image.ndim, channel_axis)
    background = check_background(filled, image)[0]
    if channel_axis is not None:
        shown = np.expand_dims(shown, channel_axis)
    return np.where(shown, image, background)
