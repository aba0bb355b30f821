"""Estimators of scikit-learn, and all other objects that have their methods."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from limelens._checks.values import check_callable, check_flag, describe
from limelens._typing import Batch, ClassNames
from limelens.engine.model import Model
from limelens.errors import InvalidInputError

METHODS = ("predict_proba", "decision_function", "predict")


def from_sklearn(
    estimator: Any,
    *,
    preprocess: Callable[[Batch], Any] | None = None,
    flatten: bool = True,
    method: Literal["predict_proba", "decision_function", "predict"] | None = None,
    class_names: ClassNames = None,
) -> Model:
    """Make a model of a fitted estimator or pipeline.

    Parameters
    ----------
    estimator : object
        Has `predict_proba`, `decision_function` or, for regressors, `predict`.
    preprocess : callable, optional
        Takes a batch `(n, *image.shape)` of the caller's own values and returns the estimator's
        input, such as features of the images. The result is not flattened.
    flatten : bool
        Whether the estimator gets one row of pixel values for each image, `(n, p)`, or the batch
        as it is.
    method : str, optional
        "predict_proba", "decision_function" or "predict". None takes the first of them that the
        estimator has, but "predict" only of regressors, because labels are not scores.
    class_names : sequence of str or mapping from int to str, optional
        Names of the score columns; None takes the estimator's `classes_`.

    Returns
    -------
    Model

    Raises
    ------
    InvalidInputError
        If the estimator is not fitted, gives no scores, or an argument cannot be used.

    Notes
    -----
    Pixel values are passed as they are. For an estimator that was fitted on ``images / 255``, pass
    images in that range, or ``preprocess=lambda batch: batch.reshape(len(batch), -1) / 255``. The
    decision function of two classes is one score, which is positive for the second class.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> images = np.array([[[0.0, 1.0]], [[1.0, 0.0]], [[1.0, 1.0]]])
    >>> estimator = LinearRegression().fit(images.reshape(3, 2), [2.0, 1.0, 3.0])
    >>> from_sklearn(estimator)(images).round(6)
    array([2., 1., 3.])
    """
    _check_estimator(estimator)
    check_flag("flatten", flatten)
    if preprocess is not None:
        check_callable("preprocess", preprocess, "(batch) -> array")
    chosen = _choose(estimator, method)
    asked = Estimator(estimator=estimator, method=chosen, preprocess=preprocess, flatten=flatten)
    names = _names(estimator, chosen) if class_names is None else class_names
    return Model(predict_fn=asked, class_names=names)


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimator:
    """An estimator's method, and the conversion of the caller's batches to its input."""

    estimator: Any
    method: str
    preprocess: Callable[[Batch], Any] | None
    flatten: bool

    def __call__(self, batch: Batch) -> Any:
        """Score a batch."""
        rows: Any = batch
        if self.preprocess is not None:
            rows = self.preprocess(batch)
        elif self.flatten:
            rows = batch.reshape(len(batch), -1)
        self._check_width(rows, batch)
        scores = getattr(self.estimator, self.method)(self._named(rows))
        if isinstance(scores, list):
            raise InvalidInputError(
                f"`estimator` must give one array of scores; its {self.method} gives "
                f"{len(scores)}, one for each of several outputs. Explain them one by one: "
                f"lambda batch: estimator.{self.method}(batch.reshape(len(batch), -1))[0]."
            )
        return scores

    def _named(self, rows: Any) -> Any:
        """Return rows as a table if the estimator was fitted on one, else scikit-learn warns."""
        columns = getattr(self.estimator, "feature_names_in_", None)
        if columns is None or not isinstance(rows, np.ndarray) or rows.ndim != 2:
            return rows
        try:
            import pandas as pd  # noqa: PLC0415
        except ImportError:  # fitted on another library's table
            return rows
        return pd.DataFrame(rows, columns=columns)

    def _check_width(self, rows: Any, batch: Batch) -> None:
        wanted = getattr(self.estimator, "n_features_in_", None)
        shape = np.shape(rows)
        if wanted is None or len(shape) != 2 or shape[1] == wanted:
            return
        raise InvalidInputError(
            f"`estimator` was fitted on {wanted} values a row; got {shape[1]} from images of shape "
            f"{batch.shape[1:]}. Give images as it was fitted on, or make its rows: "
            "from_sklearn(estimator, preprocess=...)."
        )


def _check_estimator(estimator: Any) -> None:
    if isinstance(estimator, type) or not any(hasattr(estimator, name) for name in METHODS):
        came = describe(estimator)
        raise InvalidInputError(
            f"`estimator` must be a fitted estimator with one of {METHODS}; got {came}."
        )
    if not hasattr(estimator, "get_params"):
        return  # an estimator of another library raises an error of its own
    from sklearn.exceptions import NotFittedError  # noqa: PLC0415
    from sklearn.utils.validation import check_is_fitted  # noqa: PLC0415

    try:
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise InvalidInputError(
            f"`estimator` must be fitted; got {describe(estimator)}. Call its fit first."
        ) from error


def _choose(estimator: Any, method: object) -> str:
    """Return the method that gives the scores."""
    offered = [name for name in METHODS if hasattr(estimator, name)]
    if method is not None:
        if method not in offered:
            listed = ", ".join(f'"{name}"' for name in offered)
            raise InvalidInputError(
                f"`method` must be one that the estimator has, {listed}; got {describe(method)}."
            )
        return str(method)
    if offered == ["predict"] and not _is_regressor(estimator):
        raise InvalidInputError(
            "`estimator` must give scores; it has only `predict`, which gives labels. Fit one with "
            "probabilities, for example CalibratedClassifierCV(estimator).fit(rows, labels). If "
            'its answers are numbers to explain, pass method="predict".'
        )
    return offered[0]


def _is_regressor(estimator: Any) -> bool:
    """Whether `predict` gives numbers: of other libraries' estimators, all without classes do."""
    if not hasattr(estimator, "get_params"):
        return not hasattr(estimator, "classes_")
    from sklearn.base import is_regressor  # noqa: PLC0415

    return bool(is_regressor(estimator))


def _names(estimator: Any, method: str) -> tuple[str, ...] | None:
    """Return the classes as names of the score columns, where each column is one class."""
    classes = getattr(estimator, "classes_", None)
    if method == "predict" or classes is None or isinstance(classes, list):
        return None
    names = tuple(str(name) for name in classes)
    if method == "predict_proba":
        return names
    if len(names) == 2:
        return names[1:]
    # a column for each pair of classes
    return None if getattr(_last_step(estimator), "decision_function_shape", "") == "ovo" else names


def _last_step(estimator: Any) -> Any:
    """Return the last estimator of a pipeline, or the best one of a search."""
    if hasattr(estimator, "steps"):
        return _last_step(estimator.steps[-1][1])
    found = getattr(estimator, "best_estimator_", None)
    return estimator if found is None else _last_step(found)
