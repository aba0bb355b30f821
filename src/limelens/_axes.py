"""Axes of an image: which axes are spatial, and where the channels are."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def spatial_shape(shape: tuple[int, ...], channel_axis: int | None) -> tuple[int, ...]:
    """Return the image's shape without its channel axis.

    Examples
    --------
    >>> spatial_shape((3, 20, 30), 0)
    (20, 30)
    >>> spatial_shape((20, 30), None)
    (20, 30)
    """
    if channel_axis is None:
        return tuple(shape)
    axis = channel_axis % len(shape)
    return tuple(shape[:axis]) + tuple(shape[axis + 1 :])


def channels_last(image: NDArray[Any], channel_axis: int | None) -> NDArray[Any]:
    """View the image as segmenters and fills receive it.

    `(H, W)` stays as it is; every other image gets its channels last, and a volume without
    channels gets one: `(D, H, W)` becomes `(D, H, W, 1)`.

    Examples
    --------
    >>> channels_last(np.zeros((3, 20, 30)), 0).shape
    (20, 30, 3)
    >>> channels_last(np.zeros((4, 20, 30)), None).shape
    (4, 20, 30, 1)
    """
    if image.ndim == 2:
        return image
    if channel_axis is None:
        return image[..., np.newaxis]
    return np.moveaxis(image, channel_axis, -1)


def channels_back(array: NDArray[Any], ndim: int, channel_axis: int | None) -> NDArray[Any]:
    """Undo `channels_last` on an array of the image's shape, or on a stack of such arrays.

    Parameters
    ----------
    array : ndarray, shape (*channels_last_shape,) or (m, *channels_last_shape)
    ndim : int
        Number of axes of the caller's image.
    channel_axis : int or None
        Where the caller's image has its channels, counted from the front.

    Examples
    --------
    >>> channels_back(np.zeros((20, 30, 3)), 3, 0).shape
    (3, 20, 30)
    """
    if ndim == 2:
        return array
    if channel_axis is None:
        return array[..., 0]
    return np.moveaxis(array, -1, channel_axis - ndim)


def over_channels(
    mask: NDArray[np.bool_], image: NDArray[Any], channel_axis: int | None
) -> NDArray[np.bool_]:
    """Return a mask of pixels, shape (*spatial,), in the image's shape: alike in each channel.

    Examples
    --------
    >>> over_channels(np.array([[True, False]]), np.zeros((3, 1, 2)), 0).shape
    (3, 1, 2)
    """
    if channel_axis is not None:
        mask = np.expand_dims(mask, channel_axis % image.ndim)
    return np.broadcast_to(mask, image.shape)


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a view of an array that a caller's function cannot change.

    Examples
    --------
    >>> read_only(np.zeros(2)).flags.writeable
    False
    """
    view = array.view()
    view.flags.writeable = False
    return view
