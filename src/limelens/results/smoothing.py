"""Smoother maps per pixel: easier to look at, and the borders of segments are arbitrary anyway."""

import math

import numpy as np

from limelens._resampling import block_starts, enlarging_factor
from limelens._typing import Floats, Image
from limelens.segmenting.view import segmenting_view

MIDDLING_SEGMENTS = 50
"""How many segments an image is divided into, unless asked otherwise."""

_MOST_PIXELS = 2**18
"""Larger maps are filtered at this size: 512 x 512."""

_BEFORE, _WINDOW, _EPSILON = 0.03, 0.18, 0.01
"""Of the guided filter: width of the Gaussian before it and of its window, as shares of the side;
epsilon."""


def smooth_map(heatmap: Floats) -> Floats:
    r"""Return the map smoothed by a Gaussian with a third of the width of a medium segment.

    Parameters
    ----------
    heatmap : ndarray, shape (*spatial,)

    Returns
    -------
    smooth : ndarray of float64, shape (*spatial,)

    Notes
    -----
    With n pixels along m axes, :math:`\sigma = (n / 50)^{1/m} / 3`: 4.7 % of the side of a square
    picture. At the border the weights of the pixels that exist are scaled to sum to one. The
    result is linear in the map, keeps a constant, and stays within the map's range. Maps of more
    than 512 x 512 pixels are filtered at a reduced size and enlarged linearly.

    Examples
    --------
    >>> step = np.repeat([[0.0, 1.0]], 10, axis=1).repeat(20, axis=0)
    >>> smooth_map(step)[0, 7:13].round(2)
    array([0.  , 0.05, 0.29, 0.71, 0.95, 1.  ])
    """
    width = (heatmap.size / MIDDLING_SEGMENTS) ** (1 / heatmap.ndim) / 3
    sides = _reduced(heatmap.shape)
    factor = (math.prod(sides) / heatmap.size) ** (1 / heatmap.ndim)
    return _resized(_gaussian(_resized(heatmap, sides), width * factor), heatmap.shape)


def guided_map(heatmap: Floats, image: Image) -> Floats:
    r"""Return the map smoothed within the image's edges: it looks sharp, but is not more accurate.

    Parameters
    ----------
    heatmap : ndarray, shape (*spatial,)
    image : ndarray, shape (*spatial,) or (*spatial, c)
        The explained image, channels last.

    Returns
    -------
    guided : ndarray of float64, shape (*spatial,)

    Notes
    -----
    The guided filter of He, Sun and Tang: in every window :math:`w` the map p (after a Gaussian
    of 3 % of the side) is fitted by a linear function :math:`a \cdot I + b` of the colours I, with
    :math:`\epsilon |a|^2` added to the mean squared error, and every pixel gets the mean of the
    functions of the windows that hold it. Windows are 18 % of the side wide, :math:`\epsilon` is
    0.01 of the colours' range squared. The colours are those that segmenters look at. The result is
    linear in the map and keeps a constant. Maps of more than 512 x 512 pixels are fitted at a
    reduced size.

    References
    ----------
    K. He, J. Sun, X. Tang, "Guided image filtering", IEEE TPAMI 35(6), 2013,
    doi:10.1109/TPAMI.2012.213.

    Examples
    --------
    A step of the map four pixels before a step of the image moves towards it:

    >>> image = np.repeat([[0.0, 1.0]], 50, axis=1).repeat(100, axis=0)
    >>> heatmap = np.where(np.arange(100) < 46, 0.0, 1.0) * np.ones((100, 1))
    >>> smooth_map(heatmap)[50, 44:56:2].round(1)
    array([0.4, 0.5, 0.7, 0.8, 0.9, 1. ])
    >>> guided_map(heatmap, image)[50, 44:56:2].round(1)
    array([0.3, 0.4, 0.5, 1. , 1. , 1. ])
    """
    if image.ndim == heatmap.ndim:
        image = image[..., np.newaxis]
    sides = _reduced(heatmap.shape)
    side = math.prod(sides) ** (1 / len(sides))
    colours = segmenting_view(image, None).pixels
    small = np.stack([_resized(band, sides) for band in np.moveaxis(colours, -1, 0)], axis=-1)
    before = _gaussian(_resized(heatmap, sides), _BEFORE * side)
    slopes, level = _local_fits(before, small, 2 * round((_WINDOW * side - 1) / 2) + 1)
    found = _resized(level, heatmap.shape)
    for band in range(colours.shape[-1]):
        found = found + _resized(slopes[..., band], heatmap.shape) * colours[..., band]
    return found


def moving_averages(heatmap: Floats, widths: tuple[float, ...], n_averages: int) -> Floats:
    """Return the map after moving averages that together spread as far as one of these widths.

    This is a B-spline window of that order along each axis, mirrored at the border. The result
    stays within the range of the map.

    Examples
    --------
    >>> moving_averages(np.array([[0.0, 0.0, 3.0, 3.0]]), (1, 3), 1)
    array([[0., 1., 2., 3.]])
    """
    from scipy.ndimage import uniform_filter  # noqa: PLC0415

    narrowed = [width / math.sqrt(n_averages) for width in widths]  # variances add up
    # odd: an even window would shift the map
    odd = [max(1, 2 * round((width - 1) / 2) + 1) for width in narrowed]
    found = heatmap
    for _ in range(n_averages):
        found = uniform_filter(found, odd, mode="reflect")
    # The running sums round; the true average never leaves the range.
    return np.clip(found, heatmap.min(), heatmap.max())


def _local_fits(values: Floats, colours: Floats, width: int) -> tuple[Floats, Floats]:
    """Return slopes (*spatial, c) and level (*spatial,) of the mean fit around each pixel."""
    n_bands = colours.shape[-1]
    mean = _box(colours, width)
    average = _box(values[..., np.newaxis], width)
    # He, Sun and Tang: a = (Cov(I) + epsilon 1)^-1 Cov(I, p) in each window, b = mean p - a mean I.
    joint = _box(colours * values[..., np.newaxis], width) - mean * average
    pairs = (colours[..., :, np.newaxis] * colours[..., np.newaxis, :]).reshape(*values.shape, -1)
    spread = _box(pairs, width).reshape(*values.shape, n_bands, n_bands)
    spread -= mean[..., :, np.newaxis] * mean[..., np.newaxis, :]
    spread += _EPSILON * np.eye(n_bands)  # the range of the colours is one
    slopes = np.asarray(np.linalg.solve(spread, joint[..., np.newaxis]), np.float64)[..., 0]
    level: Floats = average - (slopes * mean).sum(axis=-1, keepdims=True)
    return _box(slopes, width), _box(level, width)[..., 0]


def _box(bands: Floats, width: int) -> Floats:
    """Return the mean over the part of the window around each pixel that is in the picture."""
    from scipy.ndimage import uniform_filter  # noqa: PLC0415

    def filtered(values: Floats, size: tuple[int, ...]) -> Floats:
        return np.asarray(uniform_filter(values, size, mode="constant"))

    size = (width,) * (bands.ndim - 1)
    return filtered(bands, (*size, 1)) / filtered(np.ones(bands.shape[:-1]), size)[..., np.newaxis]


def _gaussian(heatmap: Floats, width: float) -> Floats:
    """Return the map smoothed by a Gaussian whose weights sum to one at the border, too."""
    from scipy.ndimage import gaussian_filter, gaussian_filter1d  # noqa: PLC0415

    found = np.asarray(gaussian_filter(heatmap, width, mode="constant"))
    for axis, side in enumerate(heatmap.shape):
        weights = gaussian_filter1d(np.ones(side), width, mode="constant")
        found /= weights.reshape((-1,) + (1,) * (heatmap.ndim - 1 - axis))
    return np.clip(found, heatmap.min(), heatmap.max())  # only rounding leaves the range


def _reduced(sides: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sides of at most `_MOST_PIXELS`, in proportion."""
    factor = (_MOST_PIXELS / math.prod(sides)) ** (1 / len(sides))
    return sides if factor >= 1 else tuple(max(1, round(side * factor)) for side in sides)


def _resized(values: Floats, sides: tuple[int, ...]) -> Floats:
    """Return a map at another size: block means downwards, linear between centres upwards."""
    for axis, (old, new) in enumerate(zip(values.shape, sides, strict=True)):
        if new > old:
            enlarged = np.tensordot(enlarging_factor(old, new), values, axes=(1, axis))
            values = np.moveaxis(enlarged, 0, axis)
        elif new < old:
            starts = block_starts(old, new)
            lengths = np.diff(starts, append=old).reshape((-1,) + (1,) * (values.ndim - 1 - axis))
            values = np.add.reduceat(values, starts, axis=axis) / lengths
    return values
