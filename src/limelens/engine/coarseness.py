"""Scores that are rounded so coarsely that their changes are mostly rounding."""

from collections.abc import Sequence

import numpy as np

from limelens._statistics import FEWEST_STEPS, WIDEST_STEP, lattice_step
from limelens._typing import Floats
from limelens.errors import warn

_FEWEST_ROWS = 8

_DECIMAL, _OFF = (1e-2, 1e-3, 1e-4), 0.01  # float32 is off by a thousandth of the smallest

_WIDEST = 0.1  # scores that are further apart than that are no rounded ones, but votes or labels


def warn_of_coarse_scores(values: Floats, names: Sequence[str]) -> None:
    """Warn of targets whose values, shape (n, t), move by few steps of a coarse rounding."""
    if len(values) < _FEWEST_ROWS:
        return
    for column, name in zip(values.T, names, strict=True):
        step = _rounding_step(np.unique(column))
        if step and (n := float(column.std()) / step) < FEWEST_STEPS:
            warn(
                f"the score of target {name} moves by about {n:.1f} steps of {step:.2g}, to which "
                "the model rounds it: importances of about a step are rounding. Let `predict_fn` "
                "return all digits."
            )


def _rounding_step(distinct: Floats) -> float:
    """Return the step to which different values seem to be rounded; 0 if they are not.

    Two values are always one step apart: they count as rounded only to decimal places.

    Examples
    --------
    >>> _rounding_step(np.array([0.5, 0.504])), _rounding_step(np.array([0.5, 0.5041, 0.5063]))
    (0.001, 0.0001)
    >>> _rounding_step(np.array([0.5, 0.515625])), _rounding_step(np.array([0.1, 0.9]))
    (0.0, 0.0)
    """
    apart = float(np.diff(distinct).min()) if len(distinct) > 1 else 0.0
    for step in _DECIMAL if apart < _WIDEST else ():
        multiples = distinct / step
        if apart > step / 2 and np.abs(multiples - multiples.round()).max() < _OFF:
            return step
    step = lattice_step(distinct) if len(distinct) > 2 else 0.0
    return step if step <= WIDEST_STEP else 0.0
