"""How an image lies in memory: channels, then runs of pixels, then the values of one pixel."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._axes import spatial_shape
from limelens._typing import Image, Segments


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """One image read as `(planes, pixels, values)` in memory order.

    Channels that come last are `values`, channels that come first are `planes`. Channels in the
    middle are neither: every value then counts as a pixel of its own, with the segment of the
    pixel it belongs to.

    Attributes
    ----------
    shape : tuple of int
        The image's own shape.
    planes, pixels, values : int
        Their product is the size of the image.
    owners : ndarray of intp, shape (pixels,)
        The segment of each pixel; the same in every plane.
    """

    shape: tuple[int, ...]
    planes: int
    pixels: int
    values: int
    owners: NDArray[np.intp]

    def flat(self, image: Image) -> NDArray[Any]:
        """Return the image as `(planes, pixels, values)`, a copy only if it is not contiguous."""
        return np.ascontiguousarray(image).reshape(self.planes, self.pixels, self.values)


def layout_of(image: Image, segments: Segments, channel_axis: int | None) -> Layout:
    """Read the memory of `image`, whose segments have its spatial shape.

    Examples
    --------
    >>> segments = np.array([[0, 1]])
    >>> layout_of(np.zeros((1, 2, 3)), segments, 2).values
    3
    >>> layout_of(np.zeros((3, 1, 2)), segments, 0).planes
    3
    >>> layout_of(np.zeros((1, 3, 2)), segments, 1).owners
    array([0, 1, 0, 1, 0, 1])
    """
    shape = image.shape
    spatial = spatial_shape(shape, channel_axis)
    planes = values = 1
    if channel_axis is not None:
        axis = channel_axis % image.ndim
        if axis == image.ndim - 1:
            values = shape[axis]
        elif axis == 0:
            planes = shape[axis]
        else:
            # Channels lie between spatial axes: repeat the labels for each channel.
            segments = np.broadcast_to(np.expand_dims(segments, axis), shape)
            spatial = shape
    owners = np.ascontiguousarray(segments, dtype=np.intp).reshape(-1)
    pixels = int(np.prod(spatial, dtype=np.intp))
    return Layout(shape=shape, planes=planes, pixels=pixels, values=values, owners=owners)
