"""Several segmentations of one image: their mean map, and how they differ."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._statistics import label_sums
from limelens._typing import Floats, Segments


def densities(layers: Sequence[NDArray[Any]], importances: Sequence[Floats]) -> Iterator[Floats]:
    """Yield each layer's importances spread evenly over the pixels of a segment.

    Parameters
    ----------
    layers : sequence of ndarray of int, shape (*spatial,) each
        Label images `0..d-1`, and -1 for pixels of no segment.
    importances : sequence of ndarray, shape (t, d) each

    Yields
    ------
    density : ndarray, shape (t, *spatial)
        Importance per pixel; its sum is that of the importances.
    """
    for labels, values in zip(layers, importances, strict=True):
        each = values / label_sums(labels)
        yield np.append(each, np.zeros((len(each), 1)), axis=1)[:, labels]  # -1 is the last: zero


def mean_and_error(
    maps: Iterable[Floats], weights: Iterable[float] | None = None
) -> tuple[Floats, Floats | None]:
    r"""Return the mean of some arrays and its standard error; None for a single one.

    Parameters
    ----------
    maps : iterable of ndarray
        Only one of them is in memory at a time.
    weights : iterable of float, optional
        One for each array; None weighs all alike.

    Notes
    -----
    With weights w that sum to 1 the squared error is :math:`V \sum w^2`, where :math:`V = \sum w
    (m - \bar m)^2 / (1 - \sum w^2)` is the variance without bias.

    References
    ----------
    D. H. D. West, "Updating mean and variance estimates: an improved method", Communications of the
    ACM 22, 1979, doi:10.1145/359146.359153.

    Examples
    --------
    >>> mean_and_error([np.array([1.0, 5.0]), np.array([3.0, 5.0])])
    (array([2., 5.]), array([1., 0.]))
    >>> mean_and_error([np.array([1.0]), np.array([3.0]), np.array([5.0])], [2, 1, 1])
    (array([2.5]), array([1.28452326]))
    """
    n, total, of_squares, mean, squares = 0, 0.0, 0.0, np.zeros(()), np.zeros(())
    for weight, values in zip(repeat(1.0) if weights is None else weights, maps, strict=False):
        n, total, of_squares = n + 1, total + weight, of_squares + weight**2
        change = values - mean
        mean = mean + change * weight / total
        squares = squares + weight * change * (values - mean)
    if n < 2:
        return mean, None
    return mean, np.sqrt(squares * of_squares / (total * (total**2 - of_squares)))


def sums_over(
    layers: Sequence[NDArray[Any]], importances: Sequence[Floats], segments: Segments
) -> Iterator[Floats]:
    """Yield the sum of each layer's density over other segments, shape (t, d).

    Examples
    --------
    >>> layers = [np.array([[0, 0, 1, 1]])]
    >>> list(sums_over(layers, [np.array([[4.0, 6.0]])], np.array([[0, 1, 1, 1]])))
    [array([[2., 8.]])]
    """
    d, counts = int(segments.max()) + 1, segments >= 0
    for labels, values in zip(layers, importances, strict=True):
        both = counts & (labels >= 0)
        pairs = labels[both].astype(np.intp) * d + segments[both]
        shares = np.bincount(pairs, minlength=values.shape[1] * d).reshape(-1, d)
        yield values @ (shares / shares.sum(axis=1, keepdims=True))
