"""Two models: how much higher or lower the second answers than the first."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.models import check_model
from limelens._checks.values import check_callable, check_choice, check_int
from limelens._typing import Batch, Floats, Image, PredictFn
from limelens.errors import InvalidInputError, PredictionError
from limelens.targets.columns import reduce_scores
from limelens.targets.of_scores import log_odds
from limelens.targets.reading import rows

_SCALES = ("auto", "score", "log-odds")


@dataclass(frozen=True, eq=False)
class Change:
    """The difference of two models as a model of its own; see `change`.

    Parameters
    ----------
    model_a, model_b : callable
    target : int or callable
    scale : str
    class_names : tuple of str or None
        Names of the score columns; None where their number is not known beforehand.
    """

    model_a: PredictFn
    model_b: PredictFn
    target: int | Callable[[NDArray[Any]], Any]
    scale: str
    class_names: tuple[str, ...] | None

    def __call__(self, batch: Batch) -> Floats:
        """Score a batch `(n, *image.shape)`: `(n, 1)`, model b minus model a."""
        a, b = self._scores(batch)
        scale = self._settled(a, b)
        if callable(self.target):
            return reduce_scores(self.target, b) - reduce_scores(self.target, a)
        if self.target >= a.shape[1]:
            raise InvalidInputError(
                f"`target` is score column {self.target}; the models return {a.shape[1]} scores an "
                "image, numbered from 0."
            )
        old, new = (scores[:, [self.target]].astype(np.float64) for scores in (a, b))
        if scale == "score":
            return new - old
        low, high = min(old.min(), new.min()), max(old.max(), new.max())
        if low < 0 or high > 1:
            raise PredictionError(
                "`model_a` and `model_b` must return probabilities to be compared on log-odds; got "
                f'scores from {low:g} to {high:g}. Pass scale="score" to compare those.'
            )
        return np.asarray(log_odds(0)(new) - log_odds(0)(old))[:, np.newaxis]

    def for_image(self, image: Image) -> "Change":
        """Return the same model with its scale chosen by the two answers to an image."""
        if self.scale != "auto" or callable(self.target):
            return self
        return replace(self, scale=self._settled(*self._scores(np.array(image)[np.newaxis])))

    def _settled(self, a: NDArray[Any], b: NDArray[Any]) -> str:
        """Return the scale on which scores a and b are compared."""
        if self.scale != "auto":
            return self.scale
        # Scores of boxes and the like often lie in [0, 1], and 0 is a common answer.
        may_be = all(getattr(m, "gives_probabilities", True) for m in (self.model_a, self.model_b))
        probable = may_be and _are_probabilities(a) and _are_probabilities(b)
        return "log-odds" if probable else "score"

    def _scores(self, batch: Batch) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return both models' scores, (n, k) each."""
        n, answers = len(batch), []
        for name, model in (("`model_a`", self.model_a), ("`model_b`", self.model_b)):
            # either may work in place
            scores = rows(name, model(batch.copy()), n, f"scores ({n}, k) or ({n},)", ndim=(1, 2))
            answers.append(scores.reshape(n, -1).copy())  # both may answer in the same buffer
        a, b = answers
        if a.shape != b.shape:
            raise PredictionError(
                f"`model_a` and `model_b` must return the same score columns; got {a.shape[1]} and "
                f"{b.shape[1]}. Wrap them so that a column means the same in both."
            )
        return a, b


def change(
    model_a: PredictFn,
    model_b: PredictFn,
    *,
    target: int | Callable[[NDArray[Any]], Any],
    scale: str = "auto",
) -> Change:
    r"""Explain what changed from one model to another: a model with their difference as its score.

    Both see the same masked images, so what they have in common cancels in every row, and the error
    bars of an explanation are those of the difference. An importance is positive if, because of
    this segment, model b answers higher than model a.

    Parameters
    ----------
    model_a, model_b : callable
        The old and the new model, from `(n, *image.shape)` to scores `(n, k)` or `(n,)` with the
        same columns.
    target : int or callable
        A score column, or a function of the scores (n, k) such as `margin`, whose difference is
        taken without any transformation.
    scale : {"auto", "score", "log-odds"}
        Scale on which the two are compared. "auto" is log-odds if both return probabilities, else
        the scores. An explainer chooses once, by the intact image.

    Returns
    -------
    Change
        A `predict_fn` with scores (n, 1), or with as many columns as a callable target has values.
        To choose the scale, explaining shows both models the intact image once more.

    Raises
    ------
    InvalidInputError
        If an argument cannot be used.
    PredictionError
        When called, if a model's answer cannot be used, or is not a probability although log-odds
        are requested.

    Notes
    -----
    The score is :math:`g(f_b(x)) - g(f_a(x))` with g the log-odds or the identity. Scores count as
    probabilities if all scores of both models lie in [0, 1]; those of `box_scores` and similar
    functions never do.

    Error bars are about these two models. Two trainings that differ only in their seed are
    different functions, and their difference is real. To tell a change from another seed, explain
    the change between two seeds of the old model as well, and compare.

    Examples
    --------
    The new model has begun to look at the last pixel:

    >>> def old(batch):
    ...     return batch[:, 0, 0]
    >>> def new(batch):
    ...     return batch[:, 0, 0] + 2 * batch[:, 0, 2]
    >>> import limelens as ll
    >>> shapley = ll.ExactShapley(segmenter=ll.Grid(cell=(1, 1)), fill=ll.Constant(0))
    >>> model = change(old, new, target=0, scale="score")
    >>> shapley.explain(np.ones((1, 3)), model).importances.round(3) + 0.0
    array([[0., 0., 2.]])
    """
    check_model("model_a", model_a)
    check_model("model_b", model_b)
    check_choice("scale", scale, _SCALES)
    if callable(target):
        check_callable("target", target, "(scores) -> values")
        if scale == "log-odds":
            raise InvalidInputError(
                "`scale` must be left out for a callable target, whose own values are compared. "
                "Use target=log_odds(column) for log-odds."
            )
        return Change(model_a, model_b, target, scale, None)
    column = check_int("target", target, minimum=0)
    name = _name_of(model_b, column)
    return Change(model_a, model_b, column, scale, (f"change of {name}",))


def _are_probabilities(scores: NDArray[Any]) -> bool:
    """Say whether scores can be read as probabilities, as `QuickLime` reads them.

    Examples
    --------
    >>> _are_probabilities(np.array([[0.2, 0.9]])), _are_probabilities(np.array([[2.0, -2.0]]))
    (True, False)
    """
    return scores.dtype.kind == "f" and bool(scores.min() >= 0 and scores.max() <= 1)


def _name_of(model: PredictFn, column: int) -> str:
    names = getattr(model, "class_names", None)
    try:
        return str(names[column])  # type: ignore[index]
    except (TypeError, IndexError, KeyError):
        return str(column)
