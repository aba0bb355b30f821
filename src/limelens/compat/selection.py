"""Which segments lime's fit uses: its four ways of feature selection."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_choice
from limelens._statistics import DEPENDENT
from limelens._typing import Floats
from limelens.surrogates.lasso_path import sweep
from limelens.surrogates.moments import Moments, weighted_moments

# Candidates within this share of the largest value differ only by rounding.
_TIED = 1e-9
FEW = 6  # lime's "auto" selects forward up to this number of segments
_HARDLY = 0.01  # the penalty of lime's fit to all columns


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """The weighted regression of one label; all labels share the rows.

    Attributes
    ----------
    data : ndarray, shape (n, d)
        The row of the explained image comes first.
    values : ndarray, shape (n,)
        Scores of the label in the model's dtype.
    weights : ndarray, shape (n,)
    moments : Moments or None
        Moments of all labels; None where this library's own fits do not apply.
    target : int
        Column of the label in the moments.
    """

    data: NDArray[Any]
    values: NDArray[Any]
    weights: Floats
    moments: Moments | None
    target: int = 0

    def refit(self, regressor: Any, columns: NDArray[np.intp] | None = None) -> Any:
        """Fit a scikit-learn regressor on some columns, or on the rows as they are, and return it.

        A copy of all columns would have another layout in memory, and so another rounding.
        """
        data = self.data if columns is None else self.data[:, columns]
        return regressor.fit(data, self.values, sample_weight=self.weights)

    def refitted_r2(self, columns: NDArray[np.intp]) -> float:
        """Return the R² of scikit-learn's weighted least squares on some columns."""
        from sklearn.linear_model import Ridge  # noqa: PLC0415

        fitted = self.refit(Ridge(alpha=0, fit_intercept=True), columns)
        score: float = fitted.score(self.data[:, columns], self.values, sample_weight=self.weights)
        return score


def ridge(moments: Moments, target: int, columns: NDArray[np.intp], alpha: float) -> Floats:
    """Return the coefficients of weighted ridge regression of one target on some columns."""
    penalised = moments.gram[np.ix_(columns, columns)] + alpha * np.eye(len(columns))
    return np.linalg.solve(penalised, moments.cross[columns, target])


def problems(
    data: NDArray[Any], scores: NDArray[Any], weights: Floats, labels: Sequence[int]
) -> list[Problem]:
    """Return the problem of each label; the products that all labels share are computed once.

    This library's own fits need coalitions of 0 and 1, and weights that are not negative and of
    which at least two are positive. Other problems are left to scikit-learn.
    """
    columns = [np.asarray(scores)[:, label] for label in labels]
    weights = np.asarray(weights)
    moments = None
    is_binary = isinstance(data, np.ndarray) and bool(((data == 0) | (data == 1)).all())
    if is_binary and (weights >= 0).all() and np.count_nonzero(weights) > 1:
        moments = weighted_moments(data.astype(np.bool_), np.stack(columns, axis=1), weights)
    return [
        Problem(data=data, values=values, weights=weights, moments=moments, target=target)
        for target, values in enumerate(columns)
    ]


def check_method(method: object) -> Any:
    """Return `method` if it is the name of a feature selection."""
    return check_choice("feature_selection", method, ("auto", *_METHODS))


def select(problem: Problem, num_features: int, method: str) -> NDArray[np.intp]:
    """Return the columns that the fit uses, in the order in which lime chooses them.

    Parameters
    ----------
    problem : Problem
    num_features : int
        Largest number of columns. "none" ignores it.
    method : str
        "none" (all columns), "forward_selection", "highest_weights", "lasso_path", or "auto".
        "auto" is "forward_selection" for up to six columns, else "highest_weights".

    Raises
    ------
    InvalidInputError
        If there is no such method.
    """
    if check_method(method) == "auto":
        method = "forward_selection" if num_features <= FEW else "highest_weights"
    return _METHODS[method](problem, num_features)


def _all(problem: Problem, num_features: int) -> NDArray[np.intp]:
    return np.arange(problem.data.shape[1])


def _highest_weights(problem: Problem, num_features: int) -> NDArray[np.intp]:
    """Take the largest products of ridge coefficient and intact row."""
    sizes = np.abs(_coefs_on_all(problem) * problem.data[0])
    return np.argsort(-sizes, kind="stable")[:num_features]


def _coefs_on_all(problem: Problem) -> Floats:
    """Return coefficients with a tiny penalty; where sizes tie, those that lime computes."""
    if problem.moments is not None:
        every = np.arange(problem.data.shape[1])
        coefs = ridge(problem.moments, problem.target, every, _HARDLY)
        sizes = np.sort(np.abs(coefs * problem.data[0]))
        if (np.diff(sizes) > _TIED * sizes[-1]).all():
            return coefs
    from sklearn.linear_model import Ridge  # noqa: PLC0415

    refitted: Floats = problem.refit(Ridge(alpha=_HARDLY, fit_intercept=True)).coef_
    return refitted


def _forward_selection(problem: Problem, num_features: int) -> NDArray[np.intp]:
    """Add one column after another, always the one that raises the weighted R² most."""
    d = problem.data.shape[1]
    steps = _Steps(problem)
    for _ in range(min(num_features, d)):
        candidates = steps.candidates()
        best = candidates[0]
        if len(candidates) > 1:
            # They differ only by rounding: fit them as lime does, so that its rounding decides.
            scores = [problem.refitted_r2(np.array([*steps.used, each])) for each in candidates]
            best = candidates[int(np.argmax(scores))]
        steps.take(best)
    return np.array(steps.used, dtype=np.intp)


class _Steps:
    """The state of a forward selection: the Gram matrix, swept on the columns taken so far."""

    def __init__(self, problem: Problem) -> None:
        self.used: list[np.intp] = []
        self._n = problem.data.shape[1]
        self._moments = problem.moments
        if self._moments is not None:
            self._table = self._moments.gram[np.newaxis].copy()
            self._cross = self._moments.cross[:, problem.target]
            self._total = self._moments.totals[problem.target]
            self._least = DEPENDENT * np.diagonal(self._moments.gram)

    def candidates(self) -> NDArray[np.intp]:
        """Return the columns that raise R² most: one, or several that differ only by rounding."""
        rest = np.setdiff1d(np.arange(self._n), self.used)
        if self._moments is None:
            return rest
        known = self._table[0][:, self.used] @ self._cross[self.used]
        remaining = np.diagonal(self._table[0])
        gains = np.zeros(self._n)
        usable = remaining > self._least
        np.divide(np.square(self._cross - known), remaining, out=gains, where=usable)
        gains = gains[rest]
        return rest[gains >= gains.max() - _TIED * self._total]

    def take(self, column: np.intp) -> None:
        """Take a column into the fit."""
        self.used.append(column)
        if self._moments is not None and self._table[0][column, column] > self._least[column]:
            sweep(self._table, np.array([column]))


def lasso_path(
    problem: Problem,
    num_features: int,
    path: Callable[[Floats, Floats], tuple[Any, Floats]] | None = None,
) -> NDArray[np.intp]:
    """Take the columns at the last corner of the lasso path that has few enough of them."""
    weights, root = problem.weights, np.sqrt(problem.weights)
    data = (problem.data - np.average(problem.data, axis=0, weights=weights)) * root[:, np.newaxis]
    values = (problem.values - np.average(problem.values, weights=weights)) * root
    _, coefs = (path or lars_path)(data, values)
    support = np.arange(problem.data.shape[1])
    for corner in coefs.T[:0:-1]:  # lime leaves out the first corner, where all are zero
        support = np.flatnonzero(corner)
        if len(support) <= num_features:
            break
    return support


def lars_path(data: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Return penalties (s,) and coefficients (d, s) at the corners of scikit-learn's lasso path."""
    from sklearn import linear_model  # noqa: PLC0415

    penalties, _, coefs = linear_model.lars_path(data, values, method="lasso", verbose=False)
    return penalties, coefs


_METHODS: dict[str, Callable[[Problem, int], NDArray[np.intp]]] = {
    "none": _all,
    "forward_selection": _forward_selection,
    "highest_weights": _highest_weights,
    "lasso_path": lasso_path,
}
