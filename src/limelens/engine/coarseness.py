"""Scores that are rounded so coarsely that their changes are mostly rounding."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._statistics import FEWEST_STEPS, WIDEST_STEP, lattice_step
from limelens._typing import Floats
from limelens.errors import warn

_FEWEST_ROWS = 8

_DECIMAL, _OFF = (1e-2, 1e-3, 1e-4), 0.01  # float32 is off by a thousandth of the smallest

_FAR = 4.5  # steps; rounded scores that move little are not all so far apart

_WIDEST = 0.1  # scores that are further apart than that are no rounded ones, but votes or labels

_MOST_LABELS = 16  # different whole numbers that may be labels, or votes of a few trees


def visible_steps(values: Floats, dtype: np.dtype[Any] | None = None) -> Floats:
    """Return the steps to which the values (n, t) of targets seem to be rounded, shape (t,).

    They are 0 where nothing is seen to be rounded, and for fewer than eight rows. Whole numbers of
    8 bits, if more than a few are different, are those of a quantised network, rounded to 1.
    """
    if len(values) < _FEWEST_ROWS:
        return np.zeros(values.shape[1])
    each = [np.unique(column, return_counts=True) for column in values.T]
    if dtype is not None and dtype.kind in "iu" and dtype.itemsize == 1:
        return np.array([float(len(distinct) > _MOST_LABELS) for distinct, _ in each])
    return np.array([_rounding_step(*found) for found in each], dtype=np.float64)


def warn_of_coarse_scores(values: Floats, steps: Floats, names: Sequence[str]) -> None:
    """Warn of targets whose values, shape (n, t), move by few of their `visible_steps`."""
    for column, step, name in zip(values.T, steps.tolist(), names, strict=True):
        if step and (n := float(column.std()) / step) < FEWEST_STEPS:
            warn(
                f"the score of target {name} moves by about {n:.1f} steps of {step:.2g}, to which "
                "it seems to be rounded: importances of about a step would then be rounding. If "
                "the model rounds it, let `predict_fn` return all digits."
            )


def _rounding_step(distinct: Floats, counts: NDArray[np.intp]) -> float:
    """Return the step to which different values seem to be rounded; 0 if they are not.

    Two values are always one step apart: they count as rounded only to decimal places. Where those
    that come more than once are five steps apart or more, as 0.5, 0.55 and 0.6 are, the score
    follows rules.

    Examples
    --------
    >>> _rounding_step(np.array([0.5, 0.504]), np.array([2, 2]))
    0.001
    >>> _rounding_step(np.array([0.5, 0.515625]), np.array([2, 2]))
    0.0
    >>> _rounding_step(np.array([0.5, 0.55]), np.array([2, 2]))
    0.0
    """
    apart, often = _apart(distinct), _apart(distinct[counts > 1])
    for step in _DECIMAL if apart < _WIDEST and often < _WIDEST else ():
        multiples = distinct / step
        if apart > step / 2 and np.abs(multiples - multiples.round()).max() < _OFF:
            return step if often < _FAR * step else 0.0
    step = lattice_step(distinct) if len(distinct) > 2 else 0.0
    return step if step <= WIDEST_STEP else 0.0


def _apart(values: Floats) -> float:
    """Return the smallest difference of sorted values; 0 if there are fewer than two."""
    return float(np.diff(values).min()) if len(values) > 1 else 0.0
