"""Which segments touch, and how long and how sharp their borders are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limelens._statistics import label_sums
from limelens._typing import Floats, Segments
from limelens.segmenting.view import View


@dataclass(frozen=True, kw_only=True, eq=False)
class Borders:
    """Every pair of segments that share a border, each once.

    Attributes
    ----------
    pairs : ndarray of int, shape (e, 2)
        Ids of the two segments, smaller first, in ascending order.
    lengths : ndarray of int, shape (e,)
        Length of the border: the number of pairs of neighbouring pixels on its two sides.
    steps : ndarray, shape (e,)
        Distance between the colours of the two pixels, summed over these pairs.
    """

    pairs: NDArray[np.intp]
    lengths: NDArray[np.intp]
    steps: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Regions:
    """Size and colour of every segment, and the borders between them.

    Attributes
    ----------
    areas : ndarray, shape (d,)
        Number of pixels.
    colors : ndarray, shape (d, c)
        Mean colours on the scale of CIELAB.
    borders : Borders
    """

    areas: Floats
    colors: Floats
    borders: Borders


def find_regions(view: View, segments: Segments) -> Regions:
    """Measure the segments in the picture that a segmenter looks at.

    Parameters
    ----------
    view : View
        See `segmenting_view`; it may be smaller than the segments.
    segments : ndarray of int, shape (*spatial,)
        Labels `0..d-1`, and -1 for pixels of no segment.

    Returns
    -------
    Regions

    Examples
    --------
    >>> from limelens.segmenting.view import segmenting_view
    >>> image = np.array([[0.0, 0.0, 0.5, 1.0]])
    >>> regions = find_regions(segmenting_view(image), np.array([[0, 0, 1, 2]]))
    >>> regions.colors.ravel(), regions.borders.pairs.tolist(), regions.borders.steps
    (array([  0.,  50., 100.]), [[0, 1], [1, 2]], array([50., 50.]))
    """
    lab = view.lab()
    reduced, colors = lab.shape[:-1], lab.reshape(-1, lab.shape[-1])
    pixels = view.enlarge(np.arange(len(colors)).reshape(reduced))
    areas = label_sums(segments)
    sums = [label_sums(segments, band[pixels]) for band in colors.T]
    return Regions(
        areas=areas,
        colors=np.stack(sums, axis=1) / areas[:, np.newaxis],
        borders=_find_borders(segments, pixels, colors),
    )


def _find_borders(segments: Segments, pixels: NDArray[np.intp], colors: Floats) -> Borders:
    """Compare each pixel with its next neighbour along every axis.

    A graph of the smallest and the largest label around each pixel would be shorter to write, but
    it misses borders where more than two segments meet.
    """
    d = int(segments.max()) + 1
    codes, steps = [], []
    for axis in range(segments.ndim):
        labels, where = np.moveaxis(segments, axis, 0), np.moveaxis(pixels, axis, 0)
        crossed = (labels[:-1] != labels[1:]) & (labels[:-1] >= 0) & (labels[1:] >= 0)
        one, other = labels[:-1][crossed], labels[1:][crossed]
        # One integer for each unordered pair of segments.
        codes.append(np.minimum(one, other) * d + np.maximum(one, other))
        change = colors[where[:-1][crossed]] - colors[where[1:][crossed]]
        steps.append(np.linalg.norm(change, axis=1))
    found, inverse = np.unique(np.concatenate(codes), return_inverse=True)
    inverse = inverse.ravel()
    return Borders(
        pairs=np.stack(np.divmod(found, d), axis=1),
        lengths=np.bincount(inverse),
        steps=np.bincount(inverse, weights=np.concatenate(steps)).astype(np.float64),
    )
