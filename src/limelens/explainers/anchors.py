"""Anchors: the fewest segments that keep the prediction the same, whatever else is hidden."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_int, check_number
from limelens._typing import Coalitions
from limelens.engine.query import Query
from limelens.explainers.base import Attribution, SegmentExplainer
from limelens.sampling.kl_lucb import best_arms, confidence_bounds

Anchor: TypeAlias = tuple[int, ...]

NARROW = 1 / 3
"""Share of `tolerance`. An interval this narrow around the threshold will not decide any more."""

N_EXAMPLES = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Anchors(SegmentExplainer):
    """The smallest set A of segments that keeps the prediction the same while they are kept.

    Every other segment is kept at random with chance `p_keep`. An anchor's precision is then::

        prec(A) = P( prediction(z) = prediction(image) | segments of A are kept )

    A is accepted when the lower confidence bound of its precision reaches `threshold`. The search
    grows the best anchors segment by segment (beam search); KL-LUCB decides which candidates
    deserve model calls. Importances are 1 for the segments of the anchor, else 0.

    For a target column the prediction is the answer to "is it the highest score?". For the
    predicted class the anchor shows what makes it the highest, for another class what keeps it
    from being the highest. With a single score, and for callable targets, the question is "is it
    above `score_threshold`?".

    Parameters
    ----------
    threshold : float
        Precision an anchor must have.
    delta : float
        Error probability of the bounds.
    tolerance : float
        Differences in precision that do not matter when candidates are compared.
    p_keep : float
        Chance that a segment outside the anchor is kept.
    beam_size : int
        Number of candidates that are extended from one size to the next.
    max_samples : int
        Most coalitions drawn per target; equal ones are sent to the model once.
    n_pull : int
        Coalitions drawn at once for a candidate.
    score_threshold : float
        Score above which a single score counts as a positive prediction.
    segmenter, fill
        See `SegmentExplainer`.

    Notes
    -----
    A candidate starts with those draws of the anchor it extends that keep its new segment too. Its
    precision is then judged on fresh draws alone. The bound holds for all looks and all judged
    candidates together: look j at the v-th candidate has the error probability
    ``delta / (v (v + 1) j (j + 1))``.

    ``details`` holds per target: ``"success"``; ``"precision"``, ``"precision_low"``,
    ``"precision_high"``; ``"coverage"``, the chance ``p_keep ** size`` that a random coalition
    keeps the anchor; ``"n_draws"``; the lists ``"messages"`` in words, ``"paths"`` (judged anchors
    with their precision and bounds, in order), ``"holding"`` and ``"failing"`` (up to eight
    coalitions under the anchor that keep the prediction, and that lose it); and
    ``"interpolation"``, how the map is drawn: without smoothing. When the budget ends, the judged
    anchor with the highest lower bound is returned and ``"success"`` is False.

    References
    ----------
    Ribeiro, Singh, Guestrin (2018), "Anchors: high-precision model-agnostic explanations", AAAI.
    doi:10.1609/aaai.v32i1.11491
    Kaufmann, Kalyanakrishnan (2013), "Information complexity in bandit subset selection", COLT.

    Examples
    --------
    The score is above one half only while the second and the last pixel are both seen:

    >>> import numpy as np
    >>> from limelens import Anchors, Constant, Grid
    >>> model = lambda batch: batch[:, 0, 1] * batch[:, 0, 3]
    >>> anchors = Anchors(segmenter=Grid(cell=(1, 1)), fill=Constant(0))
    >>> explanation = anchors.explain(np.ones((1, 4)), model, rng=0)
    >>> explanation.importances
    array([[0., 1., 0., 1.]])
    >>> explanation.details["coverage"]
    array([0.25])
    """

    threshold: float = 0.95
    delta: float = 0.1
    tolerance: float = 0.15
    p_keep: float = 0.5
    beam_size: int = 1
    max_samples: int = 20_000
    n_pull: int = 20
    score_threshold: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("threshold", "delta", "tolerance", "p_keep"):
            check_number(
                name,
                getattr(self, name),
                minimum=0,
                maximum=1,
                open_minimum=True,
                open_maximum=True,
            )
        check_int("beam_size", self.beam_size, minimum=1)
        check_int("max_samples", self.max_samples, minimum=1)
        check_int("n_pull", self.n_pull, minimum=1)
        check_number("score_threshold", self.score_threshold)

    def _attribute(self, query: Query, rng: np.random.Generator) -> Attribution:
        importances = np.zeros((len(query.targets), query.n_segments))
        found = []
        query.announce(self.max_samples * len(query.targets))
        for row in range(len(query.targets)):
            search = _Search(self, query, row, rng)
            found.append(search.run())
            importances[row, list(found[-1].anchor)] = 1
        numbers = ("success", "precision", "precision_low", "precision_high", "coverage", "n_draws")
        lists = ("messages", "paths", "holding", "failing")
        details: dict[str, Any] = {
            name: np.array([getattr(each, name) for each in found]) for name in numbers
        }
        details |= {name: [getattr(each, name) for each in found] for name in lists}
        details["interpolation"] = "nearest"  # a segment is in the anchor or not
        return Attribution(importances=importances, details=details)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Found:
    """One target's anchor; the fields are those of `details`."""

    anchor: Anchor
    success: bool
    precision: float
    precision_low: float
    precision_high: float
    coverage: float
    n_draws: int
    messages: str
    paths: list[dict[str, Any]]
    holding: Coalitions
    failing: Coalitions


@dataclass(eq=False)
class _Draws:
    """Coalitions drawn under one anchor, and whether the prediction held."""

    coalitions: list[Coalitions] = field(default_factory=list)
    held: list[NDArray[np.bool_]] = field(default_factory=list)

    def fitting(self, d: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return for every segment the ones and the number of those draws that also keep it.

        They are draws of the anchor with that segment added; shape (d,) each.
        """
        rows = np.concatenate([np.zeros((0, d), np.bool_), *self.coalitions])
        held = np.concatenate([np.zeros(0, np.bool_), *self.held])
        return rows[held].sum(axis=0), rows.sum(axis=0)


class _Search:
    """The beam search for one target."""

    def __init__(self, settings: Anchors, query: Query, row: int, rng: np.random.Generator) -> None:
        self._settings = settings
        self._query = query
        self._row = row
        self._rng = rng
        self._d = query.n_segments
        self._draws: dict[Anchor, _Draws] = {}
        self._left = settings.max_samples
        self._judged: list[dict[str, Any]] = []
        self._intact = bool(self._decide(query.intact_scores[np.newaxis])[0])

    def run(self) -> _Found:
        """Grow anchors until one is proven or the budget ends."""
        beam: list[Anchor] = [()]
        if self._is_proven(()):
            return self._result((), success=True)
        for _ in range(self._d):
            beam = self._grow(beam)
            proven = [anchor for anchor in beam if self._is_proven(anchor)]
            if proven:
                lows = {tuple(j["anchor"]): j["low"] for j in self._judged}
                return self._result(max(proven, key=lambda a: lows[a]), success=True)
            if self._left <= 0:
                break
        best = max(self._judged, key=lambda judged: judged["low"])
        return self._result(tuple(best["anchor"]), success=False)

    def _grow(self, beam: list[Anchor]) -> list[Anchor]:
        """Return the best anchors with one segment more."""
        parents = {
            tuple(sorted((*anchor, segment))): (anchor, segment)
            for anchor in beam
            for segment in range(self._d)
            if segment not in anchor
        }
        candidates = list(parents)
        fitting = {anchor: self._draws[anchor].fitting(self._d) for anchor in beam}
        ones, n_draws = (
            np.array([fitting[a][part][s] for a, s in parents.values()], np.intp) for part in (0, 1)
        )

        def pull(arms: Sequence[int]) -> list[tuple[int, int]]:
            drawn = self._draw([candidates[arm] for arm in arms])
            return [(int(held.sum()), len(held)) for held in drawn]

        best = best_arms(
            pull,
            ones,
            n_draws,
            self._settings.beam_size,
            tolerance=self._settings.tolerance,
            delta=self._settings.delta,
        )
        return [candidates[arm] for arm in best]

    def _is_proven(self, anchor: Anchor) -> bool:
        """Judge an anchor on fresh draws until a bound decides or the interval is narrow."""
        number = len(self._judged) + 1
        ones = n = looks = 0
        low, high = 0.0, 1.0
        while low < self._settings.threshold <= high:
            (held,) = self._draw([anchor])
            if len(held) == 0:
                break
            ones, n, looks = ones + int(held.sum()), n + len(held), looks + 1
            error = self._settings.delta / (number * (number + 1) * looks * (looks + 1))
            told = n if not self._query.at_random else self._n_distinct(anchor, looks)
            bounds = confidence_bounds(np.array([ones / n]), np.array([told]), np.log(1 / error))
            low, high = float(bounds[0][0]), float(bounds[1][0])
            if high - low < NARROW * self._settings.tolerance:
                break
        self._judged.append(
            {
                "anchor": list(anchor),
                "precision": ones / max(n, 1),
                "low": low,
                "high": high,
                "n": n,
            }
        )
        return low >= self._settings.threshold

    def _n_distinct(self, anchor: Anchor, looks: int) -> int:
        """Return how many of the last draws differ: a random answer is asked for once each."""
        return len(np.unique(np.concatenate(self._draws[anchor].coalitions[-looks:]), axis=0))

    def _draw(self, anchors: Sequence[Anchor]) -> list[NDArray[np.bool_]]:
        """Draw coalitions under anchors; return for each whether the prediction held, (n,)."""
        drawn = []
        for anchor in anchors:
            n = min(self._settings.n_pull, self._left)
            self._left -= n
            drawn.append(self._rng.random((n, self._d)) < self._settings.p_keep)
            drawn[-1][:, list(anchor)] = True
        rows = np.concatenate(drawn)
        # One stream for all of them: half as many calls of the model where two arms are drawn.
        held = self._decide(self._query.ask(rows)) == self._intact if len(rows) else rows[:, 0]
        ends = np.cumsum([len(coalitions) for coalitions in drawn])
        found = np.split(held, ends[:-1])
        for anchor, coalitions, each in zip(anchors, drawn, found, strict=True):
            draws = self._draws.setdefault(anchor, _Draws())
            draws.coalitions.append(coalitions)
            draws.held.append(each)
        return found

    def _decide(self, scores: NDArray[Any]) -> NDArray[np.bool_]:
        """Return for each row whether the target is predicted."""
        query = self._query
        if not query.columns.is_callable and scores.shape[1] > 1:
            return np.asarray(np.argmax(scores, axis=1) == query.targets[self._row])
        return np.asarray(query.values(scores)[:, self._row] > self._settings.score_threshold)

    def _result(self, anchor: Anchor, *, success: bool) -> _Found:
        judged = next(j for j in self._judged if tuple(j["anchor"]) == anchor)
        draws = self._draws[anchor]
        empty = np.zeros((0, self._d), dtype=bool)
        rows = np.concatenate([empty, *draws.coalitions])
        held = np.concatenate([np.zeros(0, dtype=bool), *draws.held])
        return _Found(
            anchor=anchor,
            success=success,
            precision=judged["precision"],
            precision_low=judged["low"],
            precision_high=judged["high"],
            coverage=self._settings.p_keep ** len(anchor),
            n_draws=self._settings.max_samples - self._left,
            messages=self._verdict(anchor, judged, success=success) + self._doubt(),
            paths=self._judged,
            holding=rows[held][:N_EXAMPLES],
            failing=rows[~held][:N_EXAMPLES],
        )

    def _doubt(self) -> str:
        """Say how often a model that answers at random repeats its own prediction."""
        if not self._query.at_random:
            return ""
        answers = np.concatenate(self._query.second_look.pairs)
        same = int(np.count_nonzero(self._decide(answers) == self._intact))
        return (
            f" The model answers at random: {same} of {len(answers)} answers to the intact image "
            "itself are this prediction."
        )

    def _verdict(self, anchor: Anchor, judged: dict[str, Any], *, success: bool) -> str:
        shares = f"{judged['precision']:.2f} ({judged['low']:.2f} to {judged['high']:.2f})"
        if not success:
            return (
                f"No anchor was proven with {self._settings.max_samples} draws; the best found, "
                f"{list(anchor)}, has precision {shares}."
            )
        if not anchor:
            return (
                f"The prediction holds whatever is hidden: precision {shares} without any anchor."
            )
        return f"Segments {list(anchor)} hold the prediction with precision {shares}."
