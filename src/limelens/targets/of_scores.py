"""Targets that are functions of the scores: margins and log-odds."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_int, check_number
from limelens._typing import Floats
from limelens.errors import InvalidInputError, PredictionError


def margin(column: int, other: int | None = None) -> Callable[[NDArray[Any]], Floats]:
    """Return a target: the score of `column` minus that of `other`.

    Parameters
    ----------
    column : int
    other : int, optional
        Without it, the highest of all other columns of each image.

    Returns
    -------
    callable
        Scores (n, k) -> margins (n,); pass it as `target`. With `class_names` the target is
        called "cat rather than dog".

    Raises
    ------
    InvalidInputError
        If a column is not a non-negative integer, or both are the same; when called, if the model
        has no such column.

    Examples
    --------
    >>> margin(0)(np.array([[5.0, 3.0, 4.0]]))
    array([1.])
    """
    check_int("column", column, minimum=0)
    name = f"margin({column})"
    if other is not None:
        check_int("other", other, minimum=0)
        if other == column:
            msg = f"`other` must be another column than `column`; got {column} for both."
            raise InvalidInputError(msg)
        name = f"margin({column}, {other})"

    def value(scores: NDArray[Any]) -> Floats:
        _check_column(name, scores, column if other is None else max(column, other))
        if other is None and scores.shape[1] == 1:
            msg = f"`target` {name} needs another column to compare with; the model has only one."
            raise InvalidInputError(msg)
        rival = np.delete(scores, column, axis=1).max(axis=1) if other is None else scores[:, other]
        return np.asarray(scores[:, column], dtype=np.float64) - rival

    def named(names: Mapping[int, str]) -> str:
        return f"{names[column]} rather than {'another' if other is None else names[other]}"

    return _with_names(value, name, named)


def log_odds(column: int, *, eps: float = 1e-7) -> Callable[[NDArray[Any]], Floats]:
    """Return a target: `log(p / (1 - p))` of a column of probabilities.

    Parameters
    ----------
    column : int
        The column of probabilities.
    eps : float
        Probabilities are kept this far from 0 and 1.

    Returns
    -------
    callable
        Scores (n, k) -> log-odds (n,); pass it as `target`. With `class_names` the target is
        called "log-odds of cat".

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
    check_int("column", column, minimum=0)
    check_number("eps", eps, minimum=0, maximum=0.5, open_minimum=True, open_maximum=True)

    name = f"log_odds({column})"

    def value(scores: NDArray[Any]) -> Floats:
        _check_column(name, scores, column)
        p = np.asarray(scores[:, column], dtype=np.float64)
        if p.min() < 0 or p.max() > 1:
            msg = (
                f"`target` {name} needs probabilities; got scores from {p.min():g} to "
                f"{p.max():g}. For logits pass target={column} itself."
            )
            raise PredictionError(msg)
        p = np.clip(p, eps, 1 - eps)
        return np.log(p) - np.log1p(-p)

    return _with_names(value, name, lambda names: f"log-odds of {names[column]}")


def _with_names(
    value: Callable[[NDArray[Any]], Floats], name: str, named: Callable[[Mapping[int, str]], str]
) -> Callable[[NDArray[Any]], Floats]:
    """Give a target its name, and what it is called where the columns have names."""
    value.__name__ = name
    value.named = named  # type: ignore[attr-defined]
    return value


def _check_column(name: str, scores: NDArray[Any], column: int) -> None:
    """Refuse scores that lack a column, when they come."""
    if column >= scores.shape[1]:
        msg = (
            f"`target` {name} needs score column {column}; the model returns {scores.shape[1]} "
            "scores an image, numbered from 0."
        )
        raise InvalidInputError(msg)
