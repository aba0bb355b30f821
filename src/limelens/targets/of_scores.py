"""Targets that are functions of the scores: margins and log-odds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_int, check_number, describe
from limelens._typing import Floats
from limelens.errors import InvalidInputError, PredictionError
from limelens.targets.columns import NamedTarget, column_named


@dataclass(frozen=True)
class Margin(NamedTarget):
    """What `margin` returns: the score of one column minus that of another.

    Attributes
    ----------
    column, other : int or str
        `other` is None for the highest of all other columns.
    label : str
        Name of the target. Empty: it is made from the columns.
    """

    column: int | str
    other: int | str | None = None
    label: str = ""

    def __call__(self, scores: NDArray[Any]) -> Floats:
        """Return the margins, shape (n,), of scores (n, k)."""
        column = _check_column(self, scores, self.column)
        if self.other is not None:
            rival = scores[:, _check_column(self, scores, self.other)]
        elif scores.shape[1] == 1:
            raise InvalidInputError(
                f"`target` {self} needs another column to compare with; the model has only one."
            )
        else:
            rival = np.delete(scores, column, axis=1).max(axis=1)
        return np.asarray(scores[:, column], dtype=np.float64) - rival

    def __str__(self) -> str:
        """Return how it is called."""
        other = "" if self.other is None else f", {self.other!r}"
        return f"margin({self.column!r}{other})"

    def with_names(self, names: Mapping[int, str] | None, n_columns: int) -> "Margin":
        """Return the margin of column numbers, called by the columns' names."""
        column = column_named(self.column, names)
        other = None if self.other is None else column_named(self.other, names)
        _check_other(column, other)
        if names is None or max(column, other or 0) >= n_columns:
            return replace(self, column=column, other=other, label=str(self))
        rival = "another" if other is None else names[other]
        return Margin(column, other, f"{names[column]} rather than {rival}")


@dataclass(frozen=True)
class LogOdds(NamedTarget):
    """What `log_odds` returns: the log-odds of one column of probabilities.

    Attributes
    ----------
    column : int or str
    eps : float
        Probabilities are kept this far from 0 and 1.
    label : str
        Name of the target. Empty: it is made from the column.
    """

    stretches: ClassVar[bool] = True

    column: int | str
    eps: float = 1e-7
    label: str = ""

    def __call__(self, scores: NDArray[Any]) -> Floats:
        """Return the log-odds, shape (n,), of scores (n, k)."""
        p = np.asarray(scores[:, _check_column(self, scores, self.column)], dtype=np.float64)
        check_no_percents(self, scores)
        if p.min() < 0 or p.max() > 1:
            raise PredictionError(
                f"`target` {self} needs probabilities; got scores from {p.min():g} to "
                f"{p.max():g}. For logits pass target={self.column!r} itself."
            )
        p = np.clip(p, self.eps, 1 - self.eps)
        return np.log(p) - np.log1p(-p)

    def __str__(self) -> str:
        """Return how it is called."""
        return f"log_odds({self.column!r})"

    def with_names(self, names: Mapping[int, str] | None, n_columns: int) -> "LogOdds":
        """Return the log-odds of a column number, called by the column's name."""
        column = column_named(self.column, names)
        if names is None or column >= n_columns:
            return replace(self, column=column, label=str(self))
        return replace(self, column=column, label=f"log-odds of {names[column]}")


def check_no_percents(target: object, scores: NDArray[Any]) -> None:
    """Refuse percents (n, k), of which those of a rare class look like probabilities.

    Raises
    ------
    PredictionError
        If the scores of every image sum to 100.
    """
    if abs(float(scores[0].sum()) - 100) > _OFF:  # most scores need no more
        return
    if scores.min() >= 0 and (np.abs(scores.sum(axis=1) - 100) <= _OFF).all():
        raise PredictionError(
            f"`target` {target} needs probabilities; got percents, which sum to 100 for every "
            "image. Return scores / 100."
        )


_OFF = 0.1  # sums of rounded percents are not quite 100


def margin(column: int | str, other: int | str | None = None) -> Margin:
    """Return a target: the score of `column` minus that of `other`.

    Parameters
    ----------
    column : int or str
        A score column, or its name among the `class_names` that are given to `explain`.
    other : int or str, optional
        Without it, the highest of all other columns of each image.

    Returns
    -------
    Margin
        Scores (n, k) -> margins (n,); pass it as `target`. It is called after the `class_names`,
        "cat rather than dog", and pickles.

    Raises
    ------
    InvalidInputError
        If a column is neither a non-negative integer nor a name, or both are the same; when
        called, if the model has no such column.

    Examples
    --------
    >>> margin(0)(np.array([[5.0, 3.0, 4.0]]))
    array([1.])
    """
    column = _as_column("column", column)
    other = None if other is None else _as_column("other", other)
    _check_other(column, other)
    return Margin(column, other)


def log_odds(column: int | str, *, eps: float = 1e-7) -> LogOdds:
    """Return a target: `log(p / (1 - p))` of a column of probabilities.

    Parameters
    ----------
    column : int or str
        The column of probabilities, or its name among the `class_names` given to `explain`.
    eps : float
        Probabilities are kept this far from 0 and 1.

    Returns
    -------
    LogOdds
        Scores (n, k) -> log-odds (n,); pass it as `target`. It pickles.

    Raises
    ------
    InvalidInputError
        If `column` or `eps` cannot be used; when called, if the model has no such column.
    PredictionError
        When called, if the column holds scores outside [0, 1].

    Examples
    --------
    >>> log_odds(0)(np.array([[0.5], [0.75]])).round(3)
    array([0.   , 1.099])
    """
    eps = check_number("eps", eps, minimum=0, maximum=0.5, open_minimum=True, open_maximum=True)
    return LogOdds(_as_column("column", column), eps)


def _as_column(name: str, value: object) -> int | str:
    return value if isinstance(value, str) else check_int(name, value, minimum=0)


def _check_other(column: int | str, other: int | str | None) -> None:
    if other == column:
        raise InvalidInputError(
            f"`other` must be another column than `column`; got {describe(column)} for both."
        )


def _check_column(target: object, scores: NDArray[Any], column: int | str) -> int:
    """Return a column of scores; refuse, when they come, scores that lack it."""
    column = column_named(column, None)
    if column >= scores.shape[1]:
        raise InvalidInputError(
            f"`target` {target} needs score column {column}; the model returns {scores.shape[1]} "
            "scores an image, numbered from 0."
        )
    return column
