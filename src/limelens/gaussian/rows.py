"""Rows of a run made ready for a surrogate: distinct coalitions, and what kind of scores."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from limelens._statistics import lattice_step, n_steps
from limelens._typing import Coalitions, Floats, Scores
from limelens.games.coalitions import average_rows, distinct_rows
from limelens.gaussian.kernel import relevance
from limelens.gaussian.links import LEAST_PROBABILITY, competitors, edges, logit

N_RIVALS = 30  # ten are enough on most images; more than 30 change nothing

_STILL = 1e-150  # the square of a smaller change would underflow

_LEAST = np.finfo(np.float64).tiny

_STILL_LOG_ODDS = 4e-6  # a millionth of a probability at one half, where dlogit/dp = 4

_ROUNDING = 1e-6  # networks answer in float32

_SUM_TOLERANCE = 1e-3  # about the resolution of float16 near 1

# If fewer of the outputs are distinct, they are rounded: the rivals' log-odds are mostly rounding.
_FEWEST_DISTINCT = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Distinct coalitions with the model's answers.

    Made by `merge_rows`.

    Attributes
    ----------
    coalitions : ndarray of bool, shape (n, d)
    scores : ndarray, shape (n, k)
        All scores of the model.
    values : ndarray, shape (n, t)
        The targets.
    columns : ndarray of int, shape (t,), or None
        The targets' score columns; None if they are a function of the scores.
    floating : bool
        Whether the model answers in floating-point numbers.
    relevance : ndarray, shape (d,)
        Prior share of each segment.
    limits : tuple of float
        Smallest distances from 0 and from 1 at which probabilities are trusted; see `edges`.
    """

    coalitions: Coalitions
    scores: Floats
    values: Floats
    columns: NDArray[np.intp] | None
    floating: bool
    relevance: Floats
    limits: tuple[float, float]

    @property
    def inner(self) -> NDArray[np.bool_]:
        """Which rows are not the intact image, nor the one with everything hidden."""
        kept = self.coalitions.sum(axis=1)
        return (kept > 0) & (kept < self.coalitions.shape[1])

    @property
    def complete(self) -> bool:
        """Whether all 2^d coalitions have been asked."""
        n, d = self.coalitions.shape
        return n == 2**d

    def is_probability(self, target: int) -> bool:
        """Tell whether a target lies in [0, 1]; for a score column, whether all scores do."""
        if self.columns is None:
            return _in_unit_interval(self.values[:, target])
        return self._has_probabilities

    @cached_property
    def _has_probabilities(self) -> bool:
        return _in_unit_interval(self.scores)

    def changes_by_rounding(self, target: int) -> bool:
        """Tell whether a target never changed by more than the rounding of a network.

        The bound is wider than that of `is_still`, because networks answer in float32. If all
        coalitions were asked, nothing is estimated, and every change counts.
        """
        values = self.values[:, target]
        change = np.ptp(values)
        if len(values) < 3 or change <= _STILL:
            return True
        if self.complete:
            return False
        if self.is_probability(target):
            # Small probabilities count by their own size, however small; near 1 rounding does.
            return bool(np.ptp(logit(values, (_LEAST, self.limits[1]))) < _STILL_LOG_ODDS)
        return bool(change < _ROUNDING * np.abs(values).max())

    def has_log_odds(self, target: int) -> bool:
        """Tell whether a target is a probability that moves between the trusted limits."""
        if not self.is_probability(target):
            return False
        return bool(np.ptp(logit(self.values[:, target], self.limits)) >= _STILL_LOG_ODDS)

    def saturation(self, target: int) -> float:
        """Return the share of rows in which a probability is at 0 or at 1."""
        low, high = self.limits
        values = self.values[:, target]
        return float(np.mean((values < low) | (values > 1.0 - high)))

    def carriers(self, target: int) -> float:
        """Return the effective number of rows that carry a target's variation."""
        # (sum u^2)^2 / sum u^4 of the deviations u: n / 3 for a normal variable, 1 for one outlier.
        squares = np.square(self.values[:, target] - self.values[:, target].mean())
        squares /= squares.max()
        return float(squares.sum() ** 2 / np.square(squares).sum())

    def steps(self, target: int) -> float:
        """Return a target's standard deviation in steps of its lattice; infinite without one."""
        return n_steps(self.values[:, target])

    def competes(self, target: int) -> bool:
        """Whether a target is a probability whose rivals are really known."""
        return not self.no_rivals[target]

    @cached_property
    def no_rivals(self) -> list[str]:
        """Why each target is no probability whose rivals are really known; "" if it is.

        It is one of three or more floating-point scores in [0, 1] that sum to 1, where neither it
        nor any of its likeliest rivals is ever exactly 0, nor it always as good as 0, and which are
        not rounded to a coarse lattice. Other targets do not matter.
        """
        if self.columns is None or (no_distribution := self._no_distribution()):
            reason = "here a function of the scores is explained"
            return [reason if self.columns is None else no_distribution] * self.values.shape[1]
        likeliest = competitors(self.scores, np.empty(0, np.intp), N_RIVALS + 1)
        unknown = self._unknown(likeliest)
        found = []
        for column, highest in zip(self.columns, self.scores[:, self.columns].max(0), strict=True):
            if highest <= LEAST_PROBABILITY:  # its logit would be the same in every row
                least = f"{LEAST_PROBABILITY:.2g}"
                found.append(
                    f"column {column} is never above {highest:.2g}, where all that is below "
                    f"{least} counts as {least}"
                )
            elif column in likeliest:
                found.append(unknown)
            else:
                found.append(self._unknown(np.append(likeliest[:N_RIVALS], column)))
        return found

    def _no_distribution(self) -> str:
        """Say why the scores are no probabilities that sum to 1; "" if they are."""
        scores = self.scores
        if not self.floating or scores.shape[1] < 3:
            kind = "score(s) an image" if self.floating else "whole number(s) an image"
            return f"these are {scores.shape[1]} {kind}"
        sums = scores.sum(axis=1)
        if scores.min() >= 0 and np.abs(sums - 1.0).max() <= _SUM_TOLERANCE:
            return ""
        if lattice_step(scores[:, self.columns]):
            return "these come in steps, as of a quantised model"
        span = f"{sums.min():.3g} to {sums.max():.3g}"
        return f"these are {scores.min():.3g} or more, and those of an image sum to {span}"

    def _unknown(self, chosen: NDArray[np.intp]) -> str:
        """Say why the columns of a target and its rivals are not known well; "" if they are."""
        seen = self.scores[:, chosen]
        if len(np.unique(seen)) < _FEWEST_DISTINCT * seen.size:
            return "these are rounded, so that their rivals are not known well enough"
        if seen.min() <= 0:
            return (
                f"column {chosen[seen.min(axis=0).argmin()]} is 0 for some images, as small "
                "probabilities get in float32: let `predict_fn` compute them in float64"
            )
        return ""


def _in_unit_interval(values: Floats) -> bool:
    return bool(values.min() >= 0 and values.max() <= 1)


def merge_rows(
    coalitions: Coalitions,
    scores: Scores,
    values: Floats,
    *,
    targets: tuple[int, ...],
    energy: ArrayLike | None = None,
) -> Rows:
    """Merge equal coalitions, averaging their scores.

    Parameters
    ----------
    coalitions : ndarray of bool, shape (n, d)
    scores : ndarray, shape (n, k)
        In the model's own dtype.
    values : ndarray, shape (n, t)
        Target values.
    targets : tuple of int, length t
        Score columns of the targets; they mean nothing where targets are functions of the scores.
    energy : array_like, shape (d,), optional
        Squared change of the pixels of each segment when it is hidden; see `relevance`.
    """
    distinct, positions = distinct_rows(coalitions)
    floating = scores.dtype.kind == "f"
    merged = average_rows(scores.astype(np.float64), positions, len(distinct))
    merged_values = average_rows(values, positions, len(distinct))
    columns = np.asarray(targets, dtype=np.intp)
    # A callable target numbers its values from 0 as well: only equal numbers show a score column.
    plain = columns.max() < scores.shape[1] and np.array_equal(merged[:, columns], merged_values)
    return Rows(
        coalitions=distinct,
        scores=merged,
        values=merged_values,
        columns=columns if plain else None,
        floating=floating,
        relevance=relevance(energy, coalitions.shape[1]),
        limits=edges(merged if plain else merged_values),
    )
