"""Any scikit-learn regressor as a surrogate, and the held-out R² of models without a formula."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from limelens._checks.values import describe
from limelens._statistics import is_still, weighted_r2
from limelens._typing import Coalitions, Floats
from limelens.errors import InvalidInputError
from limelens.surrogates.fit import Fit
from limelens.surrogates.moments import rows_that_count

_FOLDS = 5


def held_out_r2(model: Callable[[], Any], design: Floats, values: Floats, weights: Floats) -> float:
    """Return the weighted R² of five-fold predictions of one target.

    Parameters
    ----------
    model : callable
        Makes a new, unfitted scikit-learn regressor.
    design : ndarray, shape (n, d)
        Coalitions as numbers.
    values, weights : ndarray, shape (n,)
        One target and the kernel weights.

    Returns
    -------
    float
        R², or NaN for fewer than ten rows. Row i belongs to fold ``i % 5``: no chance is involved.
    """
    if len(design) < 2 * _FOLDS:
        return float("nan")
    predictions = np.empty(len(values))
    fold = np.arange(len(values)) % _FOLDS
    for each in range(_FOLDS):
        train, test = fold != each, fold == each
        fitted = model().fit(design[train], values[train], sample_weight=weights[train])
        predictions[test] = np.ravel(fitted.predict(design[test]))
    return r2_of_one(values, predictions, weights)


def r2_of_one(values: Floats, predictions: Any, weights: Floats) -> float:
    """Return the weighted R² of one target."""
    columns = (values[:, np.newaxis], np.reshape(predictions, (-1, 1)))
    return float(weighted_r2(*columns, weights)[0])


@dataclass(frozen=True)
class Regressor:
    """Any scikit-learn regressor as the surrogate.

    Parameters
    ----------
    regressor : estimator
        Takes ``sample_weight`` in ``fit`` and has ``coef_`` or ``feature_importances_`` once it is
        fitted. It is cloned for each target and never fitted itself.

    Raises
    ------
    InvalidInputError
        If it is a class, or cannot be fitted with weights; on fitting, if it has neither
        ``coef_`` nor ``feature_importances_``, or not one number per segment.

    Notes
    -----
    ``feature_importances_`` are not negative and, in scikit-learn, sum to one: they say how much
    a segment matters, not in which direction. Every ``random_state`` left at None is set to 0 in
    the clone, so that the same rows give the same answer. ``fidelity`` is the weighted R² of
    five-fold predictions, with row i in fold ``i % 5``, and NaN for fewer than ten rows. There are
    no standard errors. ``details`` holds ``regressor``, the regressor's repr.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> rows = np.array([[1, 1], [1, 0], [0, 1], [0, 0]], dtype=bool)
    >>> scores = np.array([[3.0], [1.0], [2.0], [0.0]])
    >>> fit = Regressor(LinearRegression())(rows, scores, np.ones(4))
    >>> fit.importances.round(6)
    array([[1., 2.]])
    """

    regressor: Any

    def __post_init__(self) -> None:
        if isinstance(self.regressor, type):
            name = self.regressor.__name__
            raise InvalidInputError(
                f"`regressor` must be an estimator; got the class itself. Pass {name}()."
            )
        fit = getattr(self.regressor, "fit", None)
        if fit is None or "sample_weight" not in inspect.signature(fit).parameters:
            raise InvalidInputError(
                "`regressor` must be a scikit-learn regressor whose fit takes sample_weight; got "
                f"{describe(self.regressor)}. Pass, for example, BayesianRidge()."
            )

    def __call__(self, coalitions: Coalitions, scores: Floats, weights: Floats) -> Fit:
        """Fit a clone to every target; see `rows_that_count` for the arguments."""
        coalitions, values, weights = rows_that_count(coalitions, scores, weights)
        design, n_targets = coalitions.astype(np.float64), values.shape[1]
        importances, intercepts = np.zeros((n_targets, design.shape[1])), values[0].copy()
        fidelity, training = np.full((2, n_targets), np.nan)
        for target in np.flatnonzero(~is_still(values)):
            column = values[:, target]
            fitted = self._clone().fit(design, column, sample_weight=weights)
            importances[target] = _importances(fitted, design.shape[1])
            intercepts[target] = np.ravel(fitted.predict(np.zeros_like(design[:1])))[0]
            training[target] = r2_of_one(column, fitted.predict(design), weights)
            fidelity[target] = held_out_r2(self._clone, design, column, weights)
        return Fit(
            importances=importances,
            intercepts=intercepts,
            fidelity=fidelity,
            training_fidelity=training,
            details={"regressor": repr(self.regressor)},
        )

    def _clone(self) -> Any:
        """Return an unfitted copy that leaves nothing to chance."""
        from sklearn.base import clone  # noqa: PLC0415

        model = clone(self.regressor, safe=False)
        settings = model.get_params() if hasattr(model, "get_params") else {}
        seeds = [name for name in settings if name.split("__")[-1] == "random_state"]
        unset = {name: 0 for name in seeds if settings[name] is None}
        return model.set_params(**unset) if unset else model


def _importances(fitted: Any, n_segments: int) -> Floats:
    """Return one number per segment from a fitted regressor."""
    for name in ("coef_", "feature_importances_"):
        found = getattr(fitted, name, None)
        if found is not None:
            values = np.ravel(np.asarray(found, dtype=np.float64))
            if values.shape == (n_segments,) and np.isfinite(values).all():
                return values
            raise InvalidInputError(
                f"`regressor` must give one finite number for each of {n_segments} segments; "
                f"got {describe(np.asarray(found))} as `{name}` of {type(fitted).__name__}."
            )
    raise InvalidInputError(
        "`regressor` must have `coef_` or `feature_importances_` once it is fitted; "
        f"{type(fitted).__name__} has neither. Use a linear model, a tree or a forest of trees."
    )
