"""How much hiding a segment changes its pixels."""

import numpy as np

from limelens._axes import channels_last, spatial_shape
from limelens._statistics import label_sums
from limelens._typing import Background, Floats, Image, Segments

_VALUES = 1 << 18
"""Values of the image whose changes are computed at once, 2 MiB of them."""


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
    shown = channels_last(image, channel_axis)
    behind = [channels_last(each, channel_axis) for each in backgrounds]
    spatial = spatial_shape(image.shape, channel_axis)
    energy = np.empty(spatial)
    # A part at a time, as the changes of a whole picture of bytes take many times its memory.
    together = max(1, _VALUES * len(shown) // shown.size)
    for start in range(0, len(shown), together):
        part = slice(start, start + together)
        background = np.stack([each[part] for each in behind]).mean(axis=0, dtype=np.float64)
        # Infinity less infinity, where pixels do not count; squares beyond the largest number.
        with np.errstate(invalid="ignore", over="ignore"):
            change = np.square(shown[part].astype(np.float64) - background)
        energy[part] = change.reshape(*energy[part].shape, -1).sum(axis=-1)
    return energy.ravel() if segments is None else label_sums(segments, energy)
