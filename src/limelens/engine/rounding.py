"""Which changes of a score are rounding."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._statistics import is_still, rounding_share

SMALLEST_CHANGE = 1e-150
"""The square of a smaller change would be zero, and so would all that is computed of it."""

_SURE = 0.02  # of a value: more than rounding in bfloat16 makes of it


def is_within_rounding(
    values: NDArray[np.float64], scores: NDArray[Any], *, moved: NDArray[np.float64] | None = None
) -> NDArray[np.bool_]:
    """Return which targets, shape (t,), change by no more than rounding of the model's scores.

    Parameters
    ----------
    values : ndarray, shape (n, t)
    scores : ndarray, shape (n, k)
        The model's scores in their own dtype.
    moved : ndarray, shape (t,), optional
        What rounding makes of the values of a callable target; without it the values are scores.

    Examples
    --------
    >>> scores = np.array([[1.0, 1.0], [1 - 3e-7, 0.9]], np.float32)
    >>> is_within_rounding(scores.astype(float), scores)
    array([ True, False])
    """
    changes = np.ptp(values, axis=0)
    if moved is None:
        largest = np.abs(values).max(axis=0)
        if scores.dtype != np.float16 and (changes > _SURE * largest + 10 * SMALLEST_CHANGE).all():
            return np.zeros(len(changes), np.bool_)  # the precision need not be found out
        moved = moved_by_rounding(values, scores)
    return np.asarray(is_still(values) | (changes <= moved + SMALLEST_CHANGE))


def moved_by_rounding(values: NDArray[np.float64], scores: NDArray[Any]) -> NDArray[np.float64]:
    """Return by how much rounding moves the values (n, t) of targets that are scores, (t,)."""
    return np.asarray(rounding_share(scores) * np.abs(values).max(axis=0) + least_steps(scores))


def least_steps(scores: NDArray[Any]) -> float:
    """Return eight steps of the smallest numbers: they no longer shrink with the number."""
    return 8 * float(np.finfo(np.float16).smallest_subnormal) * (scores.dtype == np.float16)
