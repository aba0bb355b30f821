"""From one number per segment to one number per pixel."""

import math

import numpy as np
from numpy.typing import NDArray

from limelens._resampling import linear_weights
from limelens._typing import Floats, Segments
from limelens.results.smoothing import moving_averages

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "smooth", "guided")


def upsample(importances: Floats, segments: Segments, interpolation: str = "nearest") -> Floats:
    """Spread the importance of each segment over its pixels.

    Parameters
    ----------
    importances : ndarray, shape (d,)
    segments : ndarray of int, shape (*spatial,)
        Labels `0..d-1`.
    interpolation : {"nearest", "bilinear", "bicubic"}
        "nearest" gives every pixel the importance of its segment, unchanged. The two others
        smooth the map; they make it easier to look at, and add no information.

    Returns
    -------
    heatmap : ndarray of float64, shape (*spatial,)

    Notes
    -----
    Every map is linear in the importances, and equal importances give a constant map.

    *Grids* (the label image is an outer product of runs along its axes; the runs may differ in
    length): one polynomial piece between neighbouring cell centres along each axis, mirrored at
    the border. "bilinear" joins the centres by straight lines and stays within the range of the
    importances. "bicubic" is the cubic Hermite curve with the slopes of the parabola through three
    centres. For equal cells this is Keys' kernel with a = -1/2, which overshoots along one axis by
    up to an eighth of a step.

    *Superpixels*: the nearest map is smoothed by a B-spline window, mirrored at the border.
    "bilinear" takes one moving average as wide as the mean segment (B-splines of order 1, which on
    equal cells is the same as above). "bicubic" takes three narrower ones that together spread as
    far (order 3). Both stay within the range of the importances.

    References
    ----------
    R. G. Keys, "Cubic convolution interpolation for digital image processing", 1981,
    doi:10.1109/TASSP.1981.1163711.

    Examples
    --------
    >>> segments = np.repeat([[0, 1]], 4, axis=1)
    >>> upsample(np.array([0.0, 1.0]), segments)
    array([[0., 0., 0., 0., 1., 1., 1., 1.]])
    >>> upsample(np.array([0.0, 1.0]), segments, "bilinear")
    array([[0.   , 0.   , 0.125, 0.375, 0.625, 0.875, 1.   , 1.   ]])
    """
    if interpolation == "nearest":
        return per_pixel(importances, segments)
    cells = grid_cells(segments)
    if cells is None:
        return _smooth_superpixels(importances, segments, 1 if interpolation == "bilinear" else 3)
    table, run_lengths = cells
    heatmap = importances[table]
    weights = _linear_weights if interpolation == "bilinear" else _cubic_weights
    for axis, lengths in enumerate(run_lengths):
        heatmap = np.moveaxis(np.tensordot(weights(lengths), heatmap, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(heatmap)


def per_pixel(importances: Floats, segments: Segments) -> Floats:
    """Return the importance of each pixel's segment; zero where a pixel has none, -1.

    Examples
    --------
    >>> per_pixel(np.array([3.0, 5.0]), np.array([[1, 0, -1]]))
    array([[5., 3., 0.]])
    """
    return np.append(importances, 0.0)[segments]  # -1 is the last


def grid_cells(segments: Segments) -> tuple[Segments, list[NDArray[np.intp]]] | None:
    """Return the label of every cell and the run lengths along each axis; None if not a grid.

    Examples
    --------
    >>> table, run_lengths = grid_cells(np.array([[0, 0, 1], [2, 2, 3], [2, 2, 3]]))
    >>> table
    array([[0, 1],
           [2, 3]])
    >>> [lengths.tolist() for lengths in run_lengths]
    [[1, 2], [2, 1]]
    >>> grid_cells(np.array([[0, 0], [0, 1]])) is None
    True
    """
    starts = []
    for axis in range(segments.ndim):
        others = tuple(other for other in range(segments.ndim) if other != axis)
        changes = np.any(np.diff(segments, axis=axis) != 0, axis=others)
        starts.append(np.concatenate([[0], np.flatnonzero(changes) + 1]))
    table = segments[np.ix_(*starts)]
    # Every block between starts has one label, so a grid has as many blocks as labels.
    if table.size != int(segments.max()) + 1:
        return None
    sides = zip(starts, segments.shape, strict=True)
    return table, [np.diff(start, append=side) for start, side in sides]


def _mirrored(
    lengths: NDArray[np.intp],
) -> tuple[Floats, NDArray[np.intp], Floats, NDArray[np.intp]]:
    """Return cell centres and cells, with two mirrored ones at each end; pixels and intervals."""
    n = len(lengths)
    cells = np.concatenate([[1, 0], np.arange(n), [n - 1, n - 2]]) if n > 1 else np.zeros(5, int)
    ends = np.cumsum(lengths[cells])
    origin = ends[1]
    centres = ends - lengths[cells] / 2 - origin
    pixels = np.arange(lengths.sum()) + 0.5
    left = np.searchsorted(centres, pixels, side="right") - 1
    return centres, cells, pixels, left


def _linear_weights(lengths: NDArray[np.intp]) -> Floats:
    """Return the (pixels, cells) matrix of linear interpolation between cell centres."""
    cells = np.arange(len(lengths))
    places = np.interp(np.arange(lengths.sum()) + 0.5, np.cumsum(lengths) - lengths / 2, cells)
    return np.asarray(linear_weights(places, len(lengths)), dtype=np.float64)


def _cubic_weights(lengths: NDArray[np.intp]) -> Floats:
    """Return the (pixels, cells) matrix of cubic Hermite interpolation between cell centres."""
    centres, cells, pixels, left = _mirrored(lengths)
    step = np.diff(centres)
    # Slope of the parabola through three centres: the two secants, each weighted by the other step.
    slopes = np.zeros((len(centres), len(centres)))
    inner = np.arange(1, len(centres) - 1)
    before, after = step[inner - 1], step[inner]
    slopes[inner, inner - 1] = -after / (before * (before + after))
    slopes[inner, inner] = 1 / before - 1 / after
    slopes[inner, inner + 1] = before / (after * (before + after))
    # The cubic Hermite basis on an interval: values (1 + 2 t) (1 - t)^2 and t^2 (3 - 2 t), slopes
    # t (1 - t)^2 and -t^2 (1 - t) times the width.
    width = step[left]
    t = (pixels - centres[left]) / width
    rows = np.arange(len(pixels))
    padded = ((width * t * (1 - t) ** 2)[:, None]) * slopes[left]
    padded -= ((width * t**2 * (1 - t))[:, None]) * slopes[left + 1]
    padded[rows, left] += (1 + 2 * t) * (1 - t) ** 2
    padded[rows, left + 1] += t**2 * (3 - 2 * t)
    weights = np.zeros((len(pixels), len(lengths)))
    np.add.at(weights.T, cells, padded.T)
    return weights


def _smooth_superpixels(importances: Floats, segments: Segments, n_averages: int) -> Floats:
    """Return the nearest map after moving averages that together are as wide as a mean segment."""
    side = math.pow(segments.size / len(importances), 1 / segments.ndim)
    nearest = per_pixel(importances, segments)
    return moving_averages(nearest, (side,) * segments.ndim, n_averages)
