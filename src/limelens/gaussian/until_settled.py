"""Asking block after block until the answer is good enough."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from limelens._typing import Coalitions, Floats, Game, Scores
from limelens.gaussian.likelihood import KERNEL_ROWS, random_rows
from limelens.gaussian.linked_fit import fit_linked, possible_links
from limelens.gaussian.rows import Rows, merge_rows
from limelens.gaussian.verdict import TargetFit, Verdict, judge


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a run of blocks has to find, and how precisely.

    Parameters
    ----------
    definition, link, scale : str
        See `fit_linked`.
    tolerance : float
        Predicted relative error that settles a target. With 0 all blocks are asked.
    kernel_rows : int
        Most rows that choose a kernel; see `fit_linked`.
    """

    definition: str
    link: str
    scale: str
    tolerance: float
    kernel_rows: int = KERNEL_ROWS


@dataclass(frozen=True, kw_only=True, eq=False)
class Settled:
    """The result of a run of blocks.

    Attributes
    ----------
    fits : list of TargetFit, one per target
    verdicts : list of Verdict, one per target
    n_calls : int
        Coalitions asked; one that was drawn twice counts twice.
    limits : tuple of float
        Smallest distances from 0 and from 1 at which probabilities were trusted.
    looks : list of (int, list of float)
        Numbers of calls after which the answer was looked at, with each target's relative error
        at that time; NaN after the first of several blocks.
    kernel_rows : int
        How many rows chose the kernels; 0 where there are none, as where all coalitions were asked.
    """

    fits: list[TargetFit]
    verdicts: list[Verdict]
    n_calls: int
    limits: tuple[float, float]
    looks: list[tuple[int, list[float]]]
    kernel_rows: int = 0

    @property
    def settled(self) -> bool:
        """Whether no target needs more calls."""
        return all(verdict.settled for verdict in self.verdicts)

    def stack(self, name: str) -> Floats:
        """Return an attribute of all fits as one array, targets first."""
        return np.stack([np.asarray(getattr(fit, name), np.float64) for fit in self.fits])

    def details(self) -> dict[str, Any]:
        """Return everything but importances and their errors, ready to be stored."""
        arrays = (
            "relative_error",
            "error_bound",
            "inflation",
            "saturation",
            "carriers",
            "steps",
            "additive_share",
            "ratio",
        )
        return {
            "n_calls": self.n_calls,
            "kernel_rows": self.kernel_rows,
            "links": [fit.link for fit in self.fits],
            "link_limits": list(self.limits),
            "additive": self.stack("additive"),
            "noise": self.stack("noise"),
            "covariance": self.stack("spread"),
            "looks": {
                "n_calls": [calls for calls, _ in self.looks],
                "relative_error": np.array([errors for _, errors in self.looks]),
            },
        } | {name: self.stack(name) for name in arrays}


def ask_until_settled(
    blocks: Iterable[Coalitions],
    ask: Callable[[Coalitions], Scores],
    values_of: Callable[[Scores], Floats],
    goal: Goal,
    *,
    targets: tuple[int, ...],
    energy: Floats,
    again: "Game | None" = None,
) -> Settled:
    """Ask one block after the other; fit and judge; stop when all targets are settled.

    The next block could prove the first one wrong (see `judge`). So nothing is fitted to the first
    block alone, unless there is no other or no target changed.

    Parameters
    ----------
    blocks : iterable of ndarray of bool, shape (n, d) each
        Blocks of coalitions, at least one.
    ask, values_of : callable
        Coalitions to scores (n, k), and scores to target values (n, t).
    goal : Goal
    targets : tuple of int
        Score columns of the targets, where they are columns.
    energy : ndarray, shape (d,)
        See `relevance`.
    again : callable, optional
        Coalitions (n, d) -> fresh target values (n, t): where all coalitions were asked, a few are
        asked again, to see whether the model answers the same.
    """
    asked: list[Coalitions] = []
    scores: list[Scores] = []
    looks: list[tuple[int, list[float]]] = []

    for block, last in _with_the_last(blocks):
        asked.append(block)
        scores.append(ask(block))
        # Without a tolerance nothing can settle: one look after the last block is enough.
        if not last and goal.tolerance == 0:
            continue
        # Each look starts anew from all blocks: equal coalitions are averaged, and the limits of
        # probabilities follow from all scores.
        together = np.concatenate(scores)
        rows = merge_rows(
            np.concatenate(asked), together, values_of(together), targets=targets, energy=energy
        )
        if not last and len(scores) == 1 and possible_links(rows, goal.link, goal.scale):
            looks.append((len(block), [float("nan")] * rows.values.shape[1]))
            continue
        fits = _fits(rows, goal, again)
        looks.append((len(together), [fit.relative_error for fit in fits]))
        # A second block tests the first: no fit to the first one alone had seen it.
        answer = _settled(fits, goal, rows, looks, checks=len(scores) - 1)
        if last or answer.settled:
            return answer
    raise ValueError("there must be a block of coalitions to ask")


def _settled(
    fits: list[TargetFit],
    goal: Goal,
    rows: Rows,
    looks: list[tuple[int, list[float]]],
    *,
    checks: int,
) -> Settled:
    """Judge the fits of the last look."""
    n_calls, _ = looks[-1]
    verdicts = [
        judge(fit, tolerance=goal.tolerance, n_calls=n_calls, checks=checks) for fit in fits
    ]
    chosen_by = random_rows(rows.coalitions, goal.kernel_rows)
    have_kernels = any(fit.link not in ("exact", "none") for fit in fits)
    return Settled(
        fits=fits,
        verdicts=verdicts,
        n_calls=n_calls,
        limits=rows.limits,
        looks=looks,
        kernel_rows=len(chosen_by) if have_kernels else 0,
    )


def _with_the_last(blocks: Iterable[Coalitions]) -> Iterator[tuple[Coalitions, bool]]:
    """Yield every block, and whether it is the last."""
    remaining = iter(blocks)
    block = next(remaining, None)
    while block is not None:
        following = next(remaining, None)
        yield block, following is None
        block = following


def _fits(rows: Rows, goal: Goal, again: "Game | None") -> list[TargetFit]:
    # Only exact fits ask anew: elsewhere the process's noise already tells how answers scatter.
    fresh = _remembered(again) if again is not None and rows.complete else None
    return fit_linked(
        rows,
        definition=goal.definition,
        link=goal.link,
        scale=goal.scale,
        again=fresh,
        kernel_rows=goal.kernel_rows,
    )


def _remembered(again: Game) -> Game:
    """Return the same, but that equal coalitions are asked once for all targets."""
    known: dict[bytes, Floats] = {}

    def ask(coalitions: Coalitions) -> Floats:
        key = coalitions.tobytes()
        if key not in known:
            known[key] = again(coalitions)
        return known[key]

    return ask
