"""The weighted fit of `lime.lime_base`, on the library's own linear algebra."""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from limelens._typing import Floats
from limelens.compat.selection import FEW, Problem, lars_path, lasso_path, problems, ridge, select
from limelens.surrogates.moments import Moments, r2_of_residuals

__all__ = ["LimeBase"]

LocalFit: TypeAlias = tuple[float, list[tuple[np.intp, np.float64]], float, Floats]
"""Intercept; column and weight, the largest first; R² in the sample; prediction of row 0."""

_ALPHA = 1.0


class LimeBase:
    """Fits a weighted linear model to scores of perturbed rows.

    The numbers are lime's. Its ridge regressions are solved in closed form from one Gram matrix.
    Where candidates differ only by rounding, scikit-learn decides between them as in lime.

    Parameters
    ----------
    kernel_fn : callable
        Makes weights `(n,)` of distances `(n,)`.
    verbose : bool
        Whether to print intercept, local prediction and score of every fit.
    random_state : int, numpy.random.RandomState or None
        The same as in scikit-learn.
    """

    def __init__(
        self,
        kernel_fn: Callable[[Floats], Floats],
        verbose: bool = False,  # noqa: FBT001, FBT002 - lime's signature
        random_state: Any = None,
    ) -> None:
        from sklearn.utils import check_random_state  # noqa: PLC0415

        self.kernel_fn = kernel_fn
        self.verbose = verbose
        self.random_state = check_random_state(random_state)

    @staticmethod
    def generate_lars_path(weighted_data: Floats, weighted_labels: Floats) -> tuple[Floats, Floats]:
        """Return penalties (s,) and coefficients (d, s) of the lasso path of weighted rows."""
        return lars_path(weighted_data, weighted_labels)

    def forward_selection(
        self, data: NDArray[Any], labels: ArrayLike, weights: Floats, num_features: int
    ) -> NDArray[np.intp]:
        """Return the columns that raise the weighted R² most, in the order of their choice."""
        (problem,) = problems(data, np.asarray(labels)[:, np.newaxis], weights, [0])
        return select(problem, num_features, "forward_selection")

    def feature_selection(
        self,
        data: NDArray[Any],
        labels: ArrayLike,
        weights: Floats,
        num_features: int,
        method: str,
    ) -> NDArray[np.intp]:
        """Return the columns that the fit uses.

        Parameters
        ----------
        data : ndarray, shape (n, d)
            The explained row comes first.
        labels : array_like, shape (n,)
            Scores of one label.
        weights : ndarray, shape (n,)
        num_features : int
        method : str
            "none", "forward_selection", "highest_weights", "lasso_path" or "auto".

        Raises
        ------
        InvalidInputError
            If there is no such method.
        """
        (problem,) = problems(data, np.asarray(labels)[:, np.newaxis], weights, [0])
        forward = "forward_selection"
        by_steps = method == forward or (method == "auto" and num_features <= FEW)
        if by_steps and is_overridden(self, LimeBase, forward):
            return self.forward_selection(data, labels, weights, num_features)
        if method == "lasso_path":
            return lasso_path(problem, num_features, self.generate_lars_path)
        return select(problem, num_features, method)

    def explain_instance_with_data(
        self,
        neighborhood_data: NDArray[Any],
        neighborhood_labels: ArrayLike,
        distances: Floats,
        label: int,
        num_features: int,
        feature_selection: str = "auto",
        model_regressor: Any = None,
    ) -> LocalFit:
        """Fit the scores of one label.

        Parameters
        ----------
        neighborhood_data : ndarray, shape (n, d)
            The explained row comes first.
        neighborhood_labels : array_like, shape (n, k)
            Scores.
        distances : ndarray, shape (n,)
            Distance of every row to the first.
        label : int
            Column of the scores.
        num_features : int
            Largest number of columns in the fit.
        feature_selection : str
            See `feature_selection`.
        model_regressor : scikit-learn regressor, optional
            Fitted in place of ``Ridge(alpha=1)``. It takes `sample_weight` and has `coef_`.

        Returns
        -------
        intercept : float
        exp : list of (column, weight)
            The largest absolute weight comes first.
        score : float
            Weighted R² in the sample.
        local_pred : ndarray, shape (1,)
            The linear model's value at the first row.

        Raises
        ------
        InvalidInputError
            If there is no such feature selection.
        """
        scores = np.asarray(neighborhood_labels)
        (fit,) = self.explain_labels(
            neighborhood_data,
            scores,
            distances,
            [label],
            num_features,
            feature_selection=feature_selection,
            model_regressor=model_regressor,
        )
        return fit

    def explain_labels(
        self,
        data: NDArray[Any],
        scores: NDArray[Any],
        distances: Floats,
        labels: Sequence[int],
        num_features: int,
        *,
        feature_selection: str = "auto",
        model_regressor: Any = None,
    ) -> Iterator[LocalFit]:
        """Yield the fit of each label; arguments as in `explain_instance_with_data`."""
        weights = self.kernel_fn(distances)
        for problem in problems(data, scores, weights, labels):
            if any(is_overridden(self, LimeBase, name) for name in _SELECTIONS):
                # Only a subclass with a selection of its own is called with lime's signature.
                values = problem.values
                used = self.feature_selection(
                    data, values, weights, num_features, feature_selection
                )
                used = np.asarray(used, dtype=np.intp)
            else:
                used = select(problem, num_features, feature_selection)
            if model_regressor is None and problem.moments is not None:
                parts = _closed_form(problem, problem.moments, used)
            else:
                parts = _scikit_learn(problem, self._regressor(model_regressor), used)
            intercept, coefs, score, local_pred = parts
            if self.verbose:
                sys.stdout.write(
                    f"Intercept {intercept}\nPrediction_local {local_pred}\n"
                    f"Right: {problem.values[0]}\n"
                )
            pairs = zip(used, coefs, strict=True)
            exp = sorted(pairs, key=lambda pair: np.abs(pair[1]), reverse=True)
            yield intercept, exp, score, local_pred

    def _regressor(self, given: Any) -> Any:
        from sklearn.linear_model import Ridge  # noqa: PLC0415

        if given is not None:
            return given
        return Ridge(alpha=_ALPHA, fit_intercept=True, random_state=self.random_state)


_SELECTIONS = ("feature_selection", "forward_selection", "generate_lars_path")


def is_overridden(one: object, base: type, name: str) -> bool:
    """Return whether an object has another method of this name than a base class.

    Examples
    --------
    >>> is_overridden(LimeBase(len), LimeBase, "forward_selection")
    False
    """
    method = getattr(one, name)
    return getattr(method, "__func__", method) is not getattr(base, name)


_Parts: TypeAlias = tuple[float, Floats, float, Floats]


def _closed_form(problem: Problem, moments: Moments, used: NDArray[np.intp]) -> _Parts:
    """Fit ridge regression to the moments."""
    target = problem.target
    coefs = ridge(moments, target, used, _ALPHA)
    intercept = moments.value_means[target] - moments.design_means[used] @ coefs
    residuals = moments.values[:, target] - moments.design[:, used] @ coefs
    score = float(r2_of_residuals(moments, residuals[:, np.newaxis], [target])[0])
    local_pred = np.array([intercept + problem.data[0, used] @ coefs])
    # scikit-learn's convention: R² is 1 for a constant that is predicted exactly.
    return intercept, coefs, 1.0 if np.isnan(score) else score, local_pred


def _scikit_learn(problem: Problem, regressor: Any, used: NDArray[np.intp]) -> _Parts:
    """Fit the given regressor itself, not a copy."""
    fitted = problem.refit(regressor, used)
    score = fitted.score(problem.data[:, used], problem.values, sample_weight=problem.weights)
    local_pred = fitted.predict(problem.data[0, used].reshape(1, -1))
    return fitted.intercept_, fitted.coef_, score, local_pred
