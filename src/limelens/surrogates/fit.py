"""The result of a surrogate: importances of every segment, and how far to trust them."""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from limelens._axes import read_only
from limelens._checks.values import describe
from limelens._typing import Coalitions, Floats
from limelens.errors import InvalidInputError, warn


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """One simple model per target, fitted to scores of masked images.

    Parameters
    ----------
    importances : array_like, shape (t, d)
        What each segment adds to each target; positive raises the score.
    intercepts : array_like, shape (t,)
        The simple model's value where everything is hidden.
    standard_errors : array_like, shape (t, d), optional
        Standard errors of the importances; NaN where a segment's effect could not be measured.
    fidelity : array_like, shape (t,)
        Weighted R² on rows the fit has not seen; NaN where it cannot be measured, for example
        because the target is constant.
    training_fidelity : array_like, shape (t,)
        Weighted R² on the rows of the fit itself; NaN where the target is constant.
    shrunken : bool, optional
        Whether importances are a posterior mean and `standard_errors` the posterior standard
        deviations. A posterior mean is shrunken: the exact importances vary more than it does.
    details : dict, optional
        Anything else worth keeping: numbers, strings, lists, dicts and arrays.

    Raises
    ------
    InvalidInputError
        If the shapes do not agree or an importance is not finite.

    Examples
    --------
    >>> fit = Fit(importances=[[2.0, -1.0]], intercepts=[0.5], fidelity=[0.9],
    ...           training_fidelity=[0.95])
    >>> fit.importances.shape
    (1, 2)
    """

    importances: Floats
    intercepts: Floats
    standard_errors: Floats | None = None
    fidelity: Floats
    training_fidelity: Floats
    shrunken: bool = False
    details: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        importances = np.asarray(self.importances, dtype=np.float64)
        if importances.ndim != 2 or not np.isfinite(importances).all():
            raise InvalidInputError(
                "`importances` of a Fit must be finite and of shape (t, d), one row per target; "
                f"got {describe(importances)}."
            )
        object.__setattr__(self, "importances", importances)
        per_target = {name: (len(importances),) for name in _PER_TARGET}
        for name, shape in ({"standard_errors": importances.shape} | per_target).items():
            given = getattr(self, name)
            if given is None and name == "standard_errors":
                continue
            array = np.asarray(given, dtype=np.float64)
            if array.shape != shape:
                raise InvalidInputError(
                    f"`{name}` of a Fit must have shape {shape}; got {describe(array)}."
                )
            object.__setattr__(self, name, array)


_PER_TARGET = ("intercepts", "fidelity", "training_fidelity")


Surrogate: TypeAlias = Callable[[Coalitions, Floats, Floats], Fit]
"""From coalitions (n, d), values (n, t) and weights (n,) to a fit."""


@dataclass(frozen=True)
class _Asked:
    """What the warnings of a surrogate need to know of the scores that it is shown."""

    names: Sequence[str] = ()
    at_random: bool = False


_ASKED: ContextVar[_Asked | None] = ContextVar("what a surrogate was asked", default=None)


def ask_surrogate(
    surrogate: Surrogate,
    coalitions: Coalitions,
    values: Floats,
    weights: Floats,
    *,
    names: Sequence[str] = (),
    at_random: bool = False,
) -> Fit:
    """Return a surrogate's fit; it cannot change the rows that it is shown.

    Its warnings call the targets by their `names`, (t,). Of scores that were called random already
    it does not say that their signal is weak.

    Raises
    ------
    InvalidInputError
        If it returns no Fit of these targets and segments.
    """
    token = _ASKED.set(_Asked(names, at_random))
    try:
        fit: object = surrogate(read_only(coalitions), read_only(values), read_only(weights))
    finally:
        _ASKED.reset(token)
    shape = (values.shape[1], coalitions.shape[1])
    if not isinstance(fit, Fit) or fit.importances.shape != shape:
        came = f"one of {fit.importances.shape}" if isinstance(fit, Fit) else describe(fit)
        raise InvalidInputError(
            f"`surrogate` must return a Fit with importances of shape {shape}; got {came}."
        )
    return fit


def name_of(target: int) -> str:
    """Return what a surrogate's warning calls a target: its name, or its row."""
    asked = _ASKED.get() or _Asked()
    return asked.names[target] if target < len(asked.names) else str(target)


def warn_of_weak_signal(message: str) -> None:
    """Warn, unless the scores have been called random already."""
    if not (_ASKED.get() or _Asked()).at_random:
        warn(message)
