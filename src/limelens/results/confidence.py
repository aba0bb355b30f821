"""How certain it is that segments belong to the strongest."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_choice, check_int
from limelens._typing import Floats
from limelens.errors import InvalidInputError
from limelens.pictures.tables import html_table
from limelens.results.ranking import SIGNS, rounding, strongest
from limelens.results.record import Record, check_per_segment, target_row

_DRAWS = 2000

_CERTAIN, _LIKELY = 0.95, 0.7

# Of scores that hardly react to a single segment, so few calls a segment show too little: with 2.5
# of them one "certain" segment in six was wrong, with 1.5 of them nearly every second.
_FEWEST_CALLS = 3

# Degrees of freedom of the errors' distribution.
_FEWEST_FREEDOM, _FREEDOM = 3.0, 6.0


@dataclass(frozen=True, kw_only=True, eq=False)
class TopConfidence:
    """How certain it is that the strongest segments are the strongest.

    Attributes
    ----------
    segments : ndarray of int, shape (m,)
        The reported strongest segments, strongest first; m is at most k.
    membership : ndarray of float64, shape (m,)
        Probability that each is truly among the k strongest.
    words : tuple of str, length m
        "certain" for a membership of at least 0.95, "likely" for at least 0.7, else "open".
    set_probability : float
        Probability that these are exactly the k strongest; only roughly calibrated.
    """

    segments: NDArray[np.intp]
    membership: Floats
    words: tuple[str, ...]
    set_probability: float

    def __str__(self) -> str:
        parts = []
        for word in ("certain", "likely", "open"):
            chosen = [
                str(segment)
                for segment, said in zip(self.segments, self.words, strict=True)
                if said == word
            ]
            if chosen:
                parts.append(f"{word}: {', '.join(chosen)}")
        return "; ".join(parts) or "no segment stands out"

    def _repr_html_(self) -> str:
        rows = [
            [str(rank), str(segment), f"{probability:.0%}", word]
            for rank, (segment, probability, word) in enumerate(
                zip(self.segments, self.membership, self.words, strict=True), start=1
            )
        ]
        together = f"exactly these: {self.set_probability:.0%}"
        table = html_table(["rank", "segment", "among the strongest", ""], rows)
        return f"{table}<p>{together if rows else self}</p>"


def top_confidence(
    record: Record, k: int, target: int | str | None = None, *, sign: str = "positive"
) -> TopConfidence:
    """Return which of the k strongest segments are certain, likely or open.

    Parameters
    ----------
    record : Record
        An explanation with standard errors.
    k : int
    target : int or str, optional
        See `Explanation`.
    sign : {"positive", "negative", "absolute"}
        Which segments are meant; see `Explanation.top_segments`.

    Notes
    -----
    2000 maps are drawn around the importances. A segment's membership is the share of them that
    have it among their k strongest. The covariance is that of QuickLime's and QuickShap's surrogate
    (`details["covariance"]`); for other methods it is diagonal, with the squared standard errors.
    Both come from the same rows as the importances, so the draws follow Student's t of six degrees
    of freedom, and of fewer, down to three, where little evidence stands behind them: of one less
    than ``details["carriers"]``, the coalitions that carry the score's variation, or of as many as
    there are more pairs of coalitions than segments. On games with known answers "certain" segments
    were right in 99 % of all cases. With fewer than three calls a segment no estimate of
    `QuickLime`, `QuickShap` or `KernelShap` is "certain": on scores that hardly react to a single
    segment, one such word in six was wrong, and half of those of `KernelShap`.

    No draw is sure about what rounding can do: each importance is moved by the difference of two
    scores that are rounded to steps of ``details["rounding"]``, which has the variance of two
    uniform errors, ``2 * step**2 / 12``. So segments that are less than about a step apart, or as
    near to zero, are never certain.

    Raises
    ------
    InvalidInputError
        If the explanation has no standard errors, or is per pixel.
    """
    k = check_int("k", k, minimum=1)
    check_choice("sign", sign, SIGNS)
    row = target_row(record, target)
    check_per_segment(record)
    importances = record.importances[row]
    reported = strongest(importances, k, sign)
    if not len(reported):
        return TopConfidence(
            segments=reported, membership=np.zeros(0), words=(), set_probability=0.0
        )
    draws = importances + _errors(record, row) + _rounding_errors(record, row)
    strength = {"positive": draws, "negative": -draws, "absolute": np.abs(draws)}[sign]
    # Sorting twice gives each segment's rank in its draw.
    ranks = (-strength).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    among = (ranks < k) & (strength > rounding(importances))
    membership = among[:, reported].mean(axis=0)
    surest = "likely" if _has_few_calls(record, row) else "certain"
    words = tuple(
        surest if p >= _CERTAIN else "likely" if p >= _LIKELY else "open" for p in membership
    )
    right = among[:, reported].all(axis=1) & (among.sum(axis=1) == len(reported))
    return TopConfidence(
        segments=reported, membership=membership, words=words, set_probability=float(right.mean())
    )


def _errors(record: Record, row: int) -> Floats:
    """Draw errors of the importances of one target, shape (2000, d)."""
    errors = record.standard_errors
    if errors is None or not np.isfinite(errors[row]).all():
        raise InvalidInputError(
            "`explanation` must have standard errors for all segments; this one has none. "
            "Explain with QuickLime, QuickShap, or Lime with a linear surrogate."
        )
    columns = list(record.details.get("targets", ()))
    covariances = record.details.get("covariance")
    if covariances is None or record.targets[row] not in columns:
        return _heavy_tailed(len(errors[row]), _FREEDOM) * errors[row]
    place = columns.index(record.targets[row])
    # x R' with R R' = C has the covariance C.
    values, vectors = np.linalg.eigh(covariances[place])
    roots = vectors * np.sqrt(np.maximum(values, 0.0))
    return np.asarray(_heavy_tailed(len(values), _freedom(record, place, len(values))) @ roots.T)


def _has_few_calls(record: Record, row: int) -> bool:
    """Return whether the errors of a fit rest on fewer than three calls a segment."""
    details, errors = record.details, record.standard_errors
    n_calls = details.get("n_calls", 2 * details.get("n_pairs", np.inf))
    return errors is not None and bool(
        n_calls < _FEWEST_CALLS * errors.shape[1] and errors[row].any()
    )


def _freedom(record: Record, place: int, d: int) -> float:
    """Return the degrees of freedom of the errors of the target at a place of the details."""
    carriers, n_calls = (record.details.get(name) for name in ("carriers", "n_calls"))
    if carriers is None or n_calls is None:
        return _FREEDOM
    evidence = min(carriers[place] - 1.0, n_calls / 2 - d)
    return float(np.clip(evidence, _FEWEST_FREEDOM, _FREEDOM))


def _heavy_tailed(d: int, freedom: float) -> Floats:
    """Draw from Student's t of d independent dimensions with one common scale, shape (2000, d)."""
    normal = np.random.default_rng(0).standard_normal((_DRAWS, d))
    scales = np.random.default_rng(1).chisquare(freedom, (_DRAWS, 1))
    return np.asarray(normal * np.sqrt(freedom / scales))


def _rounding_errors(record: Record, row: int) -> Floats | float:
    """Draw what rounding may have made of the importances of one target, shape (2000, d)."""
    steps = record.details.get("rounding")
    if steps is None:
        return 0.0
    normal = np.random.default_rng(2).standard_normal((_DRAWS, record.importances.shape[1]))
    return np.asarray(normal * (np.sqrt(2.0 / 12.0) * steps[row]))
