"""The input of a fit: rows of positive weight, centred by their means, and their products."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.images import check_coalitions
from limelens._checks.values import check_numeric, describe
from limelens._statistics import ROUNDING, is_still, share_explained
from limelens._typing import Coalitions, Floats
from limelens.errors import InvalidInputError


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """Rows of positive weight, centred by their weighted means, and their products.

    Attributes
    ----------
    design : ndarray, shape (n, d)
        Coalitions minus `design_means`.
    values : ndarray, shape (n, t)
        Target values minus `value_means`; exactly zero for a constant target.
    weights : ndarray, shape (n,)
        Positive.
    design_means, value_means : ndarray, shape (d,) and (t,)
        Weighted means.
    gram : ndarray, shape (d, d)
        ``design.T @ diag(weights) @ design``.
    cross : ndarray, shape (d, t)
        ``design.T @ diag(weights) @ values``.
    totals : ndarray, shape (t,)
        Weighted sums of squares of `values`.
    """

    design: Floats
    values: Floats
    weights: Floats
    design_means: Floats
    value_means: Floats
    gram: Floats
    cross: Floats
    totals: Floats

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        return self.values.shape[1]

    @property
    def n_segments(self) -> int:
        """Number of segments."""
        return self.design.shape[1]

    @property
    def varies(self) -> NDArray[np.bool_]:
        """Which targets are not constant, shape (t,)."""
        return self.totals > 0

    @property
    def toggled(self) -> NDArray[np.bool_]:
        """Which segments are neither always kept nor always hidden, shape (d,)."""
        return np.diagonal(self.gram) > ROUNDING * self.weights.sum()

    @property
    def effective_rows(self) -> float:
        """Kish's effective number of rows, (sum of weights)² / sum of squared weights."""
        return float(self.weights.sum() ** 2 / np.square(self.weights).sum())


def rows_that_count(
    coalitions: Coalitions, scores: Floats, weights: Floats
) -> tuple[Coalitions, Floats, Floats]:
    """Check the rows of a fit and leave out those of zero weight.

    Parameters
    ----------
    coalitions : ndarray of bool, shape (n, d)
        True where a segment is kept.
    scores : ndarray, shape (n, t)
        Target values.
    weights : ndarray, shape (n,)
        Kernel weights, not negative.

    Returns
    -------
    coalitions, values, weights
        The arguments, the values as float64 of shape (n, t).

    Raises
    ------
    InvalidInputError
        If shapes do not agree, something is not finite, or fewer than two weights are positive.
    """
    coalitions, values, weights = _checked(coalitions, scores, weights)
    counted = weights > 0
    if counted.all():
        return coalitions, values, weights
    return coalitions[counted], values[counted], weights[counted]


def _checked(
    coalitions: object, scores: object, weights: object
) -> tuple[Coalitions, Floats, Floats]:
    """Return the rows of a fit: coalitions (n, d), target values (n, t) and weights (n,)."""
    rows = check_numeric("coalitions", coalitions)
    if rows.ndim != 2 or 0 in rows.shape:
        raise InvalidInputError(
            f"`coalitions` must be (n, d), one column per segment; got {describe(rows)}."
        )
    rows = check_coalitions(rows, rows.shape[1])
    values = check_numeric("scores", scores).astype(np.float64, copy=False)
    if values.ndim == 1:
        values = values[:, np.newaxis]
    if values.ndim != 2 or len(values) != len(rows):
        raise InvalidInputError(
            f"`scores` must be ({len(rows)}, t), one row per coalition; got {describe(values)}."
        )
    importance = check_numeric("weights", weights).astype(np.float64, copy=False)
    if importance.shape != (len(rows),) or (importance < 0).any():
        raise InvalidInputError(
            f"`weights` must be {len(rows)} numbers, one per coalition, none negative; "
            f"got {describe(importance)}."
        )
    if np.count_nonzero(importance) < 2:
        raise InvalidInputError(
            "`weights` must be positive for at least two coalitions; got "
            f"{np.count_nonzero(importance)}. Use more samples or a larger kernel_width."
        )
    return rows, values, importance


def weighted_moments(coalitions: Coalitions, scores: Floats, weights: Floats) -> Moments:
    """Centre the rows of a fit and form their products; rows of zero weight are left out.

    Parameters
    ----------
    coalitions, scores, weights
        As for `rows_that_count`.

    Returns
    -------
    Moments
        What every linear fit needs, computed once for all targets.

    Raises
    ------
    InvalidInputError
        As `rows_that_count`.

    Examples
    --------
    >>> rows = np.array([[1, 1], [1, 0], [0, 1], [0, 0]], dtype=bool)
    >>> moments = weighted_moments(rows, np.array([[3.0], [1.0], [2.0], [0.0]]), np.ones(4))
    >>> moments.gram
    array([[1., 0.],
           [0., 1.]])
    >>> moments.cross
    array([[1.],
           [2.]])
    """
    coalitions, values, weights = rows_that_count(coalitions, scores, weights)
    design = coalitions.astype(np.float64)
    shares = weights / weights.sum()
    design_means, value_means = shares @ design, shares @ values
    design -= design_means
    values = np.where(is_still(values), 0.0, values - value_means)
    weighted = weights[:, np.newaxis] * design
    return Moments(
        design=design,
        values=values,
        weights=weights,
        design_means=design_means,
        value_means=value_means,
        gram=design.T @ weighted,
        cross=weighted.T @ values,
        totals=weights @ np.square(values),
    )


def r2_of_residuals(moments: Moments, residuals: Floats, targets: Any = slice(None)) -> Floats:
    """Return the weighted R² of a fit with these residuals, per target; NaN for a constant one."""
    return share_explained(moments.weights @ np.square(residuals), moments.totals[targets])
