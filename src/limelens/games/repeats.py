"""Models that answer the same question differently, and how much one answer varies."""

import numpy as np

from limelens._statistics import rounding_share, student
from limelens._typing import Coalitions, Floats, Game

# Allowed change: as a share of the values' range, and at least of the largest value (networks
# answer in float32, or coarser).
_SAME, _ROUNDING = 1e-4, 1e-5

# With 16 differences the variance is known to about a third: sqrt(2 / 16).
_REPEATS = 16


def answer_variance(again: Game, coalitions: Coalitions, values: Floats) -> Floats:
    r"""Return the variance of one answer, shape (t,); 0 if the model answers the same twice.

    Parameters
    ----------
    again : callable
        From coalitions (m, d) to fresh values (m, t). It is asked about two coalitions, and about
        16 more if their values differ.
    coalitions : ndarray of bool, shape (n, d)
    values : ndarray, shape (n, t)
        Earlier answers.

    Notes
    -----
    The coalitions that keep the most and the fewest segments are asked first. Their answers differ
    if one of them changes by more than a ten thousandth of the values' range plus rounding. Then
    m = 16 coalitions are asked again. With the differences :math:`\delta`, the variance is
    :math:`\overline{\delta^2} / 2`. It is multiplied by the square of :math:`t_{0.975, m} / 1.96`,
    so that 1.96 of its roots make a 95 % interval.

    Examples
    --------
    >>> coalitions = np.array([[True, True], [False, True]])
    >>> answer_variance(lambda z: z.sum(axis=1, keepdims=True) * 1.0, coalitions,
    ...                 np.array([[2.0], [1.0]]))
    array([0.])
    """
    kept = coalitions.sum(axis=1)
    ends = np.array([kept.argmax(), kept.argmin()])
    moved = np.abs(again(coalitions[ends]) - values[ends]).max(axis=0)
    rounding = max(_ROUNDING, rounding_share(values)) * np.abs(values).max(axis=0)
    allowed = _SAME * np.ptp(values, axis=0) + rounding
    if not (moved > allowed).any():
        return np.zeros(values.shape[1])
    chosen = np.unique(np.linspace(0, len(values) - 1, _REPEATS).round().astype(np.intp))
    differences = again(coalitions[chosen]) - values[chosen]
    # A difference of two independent answers has twice the variance of one.
    variance = np.square(differences).mean(axis=0) / 2.0 * student(len(chosen)) ** 2
    return np.where(np.abs(differences).max(axis=0) > allowed, variance, 0.0)
