"""Masked images with one window hidden each: boxes, ellipses, fading windows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._axes import spatial_shape
from limelens._typing import Batch, Floats, Image


def compose_windows(
    image: Image, background: Image, boxes: NDArray[np.intp], channel_axis: int | None
) -> Batch:
    """Return images with one box hidden each.

    Parameters
    ----------
    image, background : ndarray, shape (*image.shape,)
        Of the same dtype; neither is modified.
    boxes : ndarray of intp, shape (b, n_spatial, 2)
        Start and stop of the hidden box along each spatial axis. The box is cut off at the edges.
    channel_axis : int or None
        Counted from the front.

    Returns
    -------
    ndarray, shape (b, *image.shape)
        Fresh and C-contiguous, in the image's dtype.

    Notes
    -----
    An image takes one copy and one slice assignment, which is as fast as memory allows.

    Examples
    --------
    >>> image, background = np.array([[1, 2, 3]]), np.array([[0, 0, 0]])
    >>> compose_windows(image, background, np.array([[[0, 1], [1, 3]]]), None)
    array([[[1, 0, 0]]])
    """
    out = np.repeat(image[np.newaxis], len(boxes), axis=0)
    for target, box in zip(out, _indices(boxes, channel_axis), strict=True):
        target[box] = background[box]
    return out


def compose_shapes(
    image: Image,
    background: Image,
    hiding: NDArray[Any],
    starts: NDArray[np.intp],
    channel_axis: int | None,
) -> Batch:
    """Return images with one window of any shape hidden each.

    Parameters
    ----------
    image, background : ndarray, shape (*image.shape,)
        Of the same dtype; neither is modified.
    hiding : ndarray of bool or float, shape (*window,)
        1 or True where the window hides a pixel, 0 or False where it leaves the pixel alone.
        Values between blend the two.
    starts : ndarray of intp, shape (b, n_spatial)
        The window's first pixel along each spatial axis. It may lie outside the image: the
        window is cut off at the edges.
    channel_axis : int or None
        Counted from the front.

    Returns
    -------
    ndarray, shape (b, *image.shape)
        Fresh and C-contiguous, in the image's dtype. Blends are `image + hiding * (background -
        image)` in float64, rounded for integers.

    Examples
    --------
    >>> image, background = np.array([[4, 4, 4]]), np.array([[8, 8, 8]])
    >>> compose_shapes(image, background, np.array([[0.5, 1.0]]), np.array([[0, 1]]), None)
    array([[[4, 6, 8]]])
    """
    out = np.repeat(image[np.newaxis], len(starts), axis=0)
    boxes = np.stack([starts, starts + hiding.shape], axis=2)
    # The part of the window inside the image: from -start, where that is positive, to the edge.
    room = np.subtract(spatial_shape(image.shape, channel_axis), starts)
    inside = np.stack([-starts, np.minimum(room, hiding.shape)], axis=2)
    parts = _indices(inside, None)
    for target, box, part in zip(out, _indices(boxes, channel_axis), parts, strict=True):
        weights = hiding[part]
        if channel_axis is not None:
            weights = np.expand_dims(weights, channel_axis)
        if hiding.dtype == np.bool_:
            np.copyto(target[box], background[box], where=weights)
        else:
            target[box] = _blend(target[box], background[box], weights)
    return out


def ellipse(window: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a window that hides the ellipse inscribed in it, which is a disc if it is square.

    Examples
    --------
    >>> ellipse((4, 4)).astype(int)
    array([[0, 1, 1, 0],
           [1, 1, 1, 1],
           [1, 1, 1, 1],
           [0, 1, 1, 0]])
    """
    return np.asarray(sum(_squared_distances(window)) <= 1)


def gaussian(window: tuple[int, ...]) -> Floats:
    """Return a window that fades out, with two standard deviations from its centre to its sides.

    Examples
    --------
    >>> gaussian((1, 4)).round(2)
    array([[0.32, 0.88, 0.88, 0.32]])
    """
    # At its side r = 1 and exp(-2 r^2) = exp(-2^2 / 2): two standard deviations.
    return np.asarray(np.exp(-2.0 * sum(_squared_distances(window))))


def _squared_distances(window: tuple[int, ...]) -> list[Floats]:
    """Return for each axis the squared distance from the centre, 1 at the window's side."""
    axes = [((np.arange(size) + 0.5) / (size / 2) - 1) ** 2 for size in window]
    return list(np.meshgrid(*axes, indexing="ij", sparse=True))


def _indices(boxes: NDArray[np.intp], channel_axis: int | None) -> list[tuple[slice, ...]]:
    """Return the boxes as indices of an image, without what lies outside it."""
    # A negative index would count from the far edge. Slices cut off what lies beyond that.
    slices = [tuple(slice(*side) for side in box) for box in np.maximum(boxes, 0).tolist()]
    if channel_axis is None:
        return slices
    return [(*box[:channel_axis], slice(None), *box[channel_axis:]) for box in slices]


def _blend(image: Image, background: Image, weights: NDArray[Any]) -> NDArray[Any]:
    kept = image.astype(np.float64)
    with np.errstate(invalid="ignore"):
        change = weights * (background - kept)
    mixed = kept + np.where(np.isfinite(kept), change, 0)  # pixels that do not count may be NaN
    return mixed if image.dtype.kind == "f" else np.rint(mixed)
