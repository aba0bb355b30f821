"""How much hiding a segment changes its pixels."""

import numpy as np

from limelens._axes import channels_last
from limelens._statistics import label_sums
from limelens._typing import Background, Floats, Image, Segments


def segment_energy(
    image: Image, backgrounds: Background, segments: Segments | None, channel_axis: int | None
) -> Floats:
    """Return the squared change of the pixels of each segment when it is hidden.

    Parameters
    ----------
    image : ndarray
        In the caller's layout.
    backgrounds : ndarray, shape (m, *image.shape)
        Backgrounds; the change is from the image to their mean.
    segments : ndarray of int, spatial shape of the image
        Labels `0..d-1`, and -1 for pixels of no segment. With None every pixel is a segment of
        its own.
    channel_axis : int or None

    Returns
    -------
    energy : ndarray of float64, shape (d,)
        Summed over pixels and channels.

    Examples
    --------
    >>> image = np.array([[1, 2, 10, 20]], dtype=np.uint8)
    >>> background = np.array([[[0, 0, 10, 19]]], dtype=np.uint8)
    >>> segment_energy(image, background, np.array([[0, 0, 1, 1]]), None)
    array([5., 1.])
    """
    last = channels_last(image, channel_axis)
    n_pixels = last.size if channel_axis is None else last.size // last.shape[-1]
    flat = np.arange(n_pixels) if segments is None else segments.ravel()
    background = backgrounds.mean(axis=0, dtype=np.float64)
    with np.errstate(invalid="ignore"):  # infinity less infinity, where pixels do not count
        change = np.square(channels_last(image.astype(np.float64) - background, channel_axis))
    return label_sums(flat, change.reshape(flat.size, -1).sum(axis=1))
