"""Which segments stand out."""

import numpy as np
from numpy.typing import NDArray

from limelens._statistics import ROUNDING, label_sums
from limelens._typing import Floats

SIGNS = ("positive", "negative", "absolute")


def strongest(importances: Floats, n: int, sign: str = "positive") -> NDArray[np.intp]:
    """Return the ids of the `n` strongest segments, strongest first.

    Parameters
    ----------
    importances : ndarray, shape (d,)
    n : int
        Most segments to return; there are fewer if fewer have an importance of that sign.
    sign : {"positive", "negative", "absolute"}
        Segments that raise the score, that lower it, or both by their size. A segment of
        importance zero, up to rounding, is never among them. Ties keep the order of the ids.

    Examples
    --------
    >>> importances = np.array([0.1, -0.5, 0.0, 0.3])
    >>> strongest(importances, 3)
    array([3, 0])
    >>> strongest(importances, 3, "absolute")
    array([1, 3, 0])
    """
    strength = {"positive": importances, "negative": -importances, "absolute": np.abs(importances)}
    order = np.argsort(-strength[sign], kind="stable")
    return order[strength[sign][order] > rounding(importances)][:n]


def rounding(importances: Floats) -> float:
    """Return the size up to which importances count as zero: 1e-12 of the largest.

    Examples
    --------
    >>> rounding(np.array([2.0, -5.0]))
    5e-12
    """
    return ROUNDING * float(np.abs(importances).max(initial=0.0))


def sum_by_segment(heatmaps: Floats, segments: NDArray[np.intp]) -> Floats:
    """Return the sum of each map over each segment, shape (t, d).

    Examples
    --------
    >>> sum_by_segment(np.array([[[1.0, 2.0, 4.0]]]), np.array([[0, 0, 1]]))
    array([[3., 4.]])
    """
    return np.stack([label_sums(segments, each) for each in heatmaps])
