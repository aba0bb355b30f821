"""Base of QuickLime and QuickShap: blocks of coalitions until the answer is good enough."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from limelens._checks.values import check_choice, check_int, check_number
from limelens._typing import Coalitions, Floats
from limelens.engine.query import Query
from limelens.errors import ConvergenceWarning, InvalidInputError, warn
from limelens.explainers.base import Attribution, SegmentExplainer
from limelens.fills.energy import segment_energy
from limelens.gaussian.likelihood import FEWEST_KERNEL_ROWS, KERNEL_ROWS
from limelens.gaussian.linked_fit import EXPLAINED_SCALES, LINKS
from limelens.gaussian.until_settled import Goal, Settled, ask_until_settled
from limelens.gaussian.verdict import summarise
from limelens.sampling.bernoulli import Exhaustive

_MOST_ASKED = 20

_CHECK = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class SequentialExplainer(SegmentExplainer):
    """Base of the methods that look at their answer after every block of model calls.

    A method gives its `_definition` and `_blocks(d, rng)`.

    Parameters
    ----------
    max_samples : int
        Most coalitions to ask, the intact image and the one with everything hidden included.
    tolerance : float
        Relative error that is good enough. With 0 all of `max_samples` is spent.
    scale : {"score", "link"}
        What is explained: the score, or its log-odds.
    link : {"auto", "identity", "log-odds", "softmax"}
        The scale of the fit.
    kernel_rows : int
        Most answers that choose the kernel; all are fitted.
    segmenter, fill
        See `SegmentExplainer`.
    """

    max_samples: int = 514
    tolerance: float = 0.3
    scale: str = "score"
    link: str = "auto"
    kernel_rows: int = field(default=KERNEL_ROWS, metadata={"later": True})

    _definition: ClassVar[str] = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_int("max_samples", self.max_samples, minimum=4)
        check_number("tolerance", self.tolerance, minimum=0, maximum=1, open_maximum=True)
        check_choice("scale", self.scale, EXPLAINED_SCALES)
        check_choice("link", self.link, LINKS)
        check_int("kernel_rows", self.kernel_rows, minimum=FEWEST_KERNEL_ROWS)
        if self.link == "softmax" and self.scale == "link":
            raise InvalidInputError(
                "`link` must be 'auto', 'identity' or 'log-odds' with scale='link'; got 'softmax', "
                "which has no scale of its own. Use scale='score'."
            )

    def _blocks(self, d: int, rng: np.random.Generator) -> Iterator[Coalitions]:
        """Yield blocks of coalitions, at most `max_samples` rows in all."""
        raise TypeError(f"{type(self).__name__} does not say which coalitions it asks")

    def _attribute(self, query: Query, rng: np.random.Generator) -> Attribution:
        d = query.n_segments
        enumerable = d <= _MOST_ASKED and 2**d <= self.max_samples
        query.announce(2**d if enumerable else self.max_samples)
        blocks = iter([Exhaustive()(2**d, d, rng)]) if enumerable else self._blocks(d, rng)

        def again(coalitions: Coalitions) -> Floats:
            # where all rows are reused, nothing shall be paid for
            return (query.ask_again if query.pays else query.ask_values)(coalitions)

        answer = ask_until_settled(
            blocks,
            query.ask,
            query.values,
            Goal(
                definition=self._definition,
                link=self.link,
                scale=self.scale,
                tolerance=self.tolerance,
                kernel_rows=self.kernel_rows,
            ),
            targets=query.targets,
            energy=segment_energy(
                query.image, query.backgrounds, query.segments, query.channel_axis
            ),
            again=again,
        )
        details = answer.details() | _judgement(answer, query)
        if self.scale == "link":
            details["rounding"] = _rounding_of_log_odds(query, answer.limits)
        _warn(answer, details["message"], query)
        return Attribution(
            importances=answer.stack("importances"),
            standard_errors=answer.stack("standard_errors"),
            fidelity=answer.stack("fidelity"),
            reliability=answer.stack("reliability"),
            details=details,
        )


def in_looks(coalitions: Coalitions, first: int, block: int) -> Iterator[Coalitions]:
    """Split a design at the rows after which the answer is looked at.

    The first look comes after the `first` rows. The second follows soon, after half a block or 32
    rows, whichever is less: it checks the first on fresh rows. Later looks come whenever another
    `block` of rows follows the first ones.
    """
    check = min(_CHECK, block // 4 * 2)
    cuts = [first, first + check, *range(first + block, len(coalitions), block)]
    for start, stop in pairwise([0, *(cut for cut in cuts if cut < len(coalitions)), None]):
        yield coalitions[start:stop]


def _rounding_of_log_odds(query: Query, limits: tuple[float, float]) -> Floats:
    """Return by how much rounding can move the log-odds of targets in [0, 1], others as they are.

    A step of a probability p is 1 / (p (1 - p)) steps of its log-odds; the median row counts.
    """
    moved, values = query.rounding()[0], query.values(query.samples().scores)
    p = np.clip(values, limits[0], 1.0 - limits[1])
    inside = (values.min(axis=0) >= 0) & (values.max(axis=0) <= 1)
    return np.where(inside, moved * np.median(1.0 / (p * (1.0 - p)), axis=0), moved)


def _judgement(answer: Settled, query: Query) -> dict[str, Any]:
    overall = summarise(answer.verdicts, query.target_names)
    return {
        "converged": answer.settled,
        "status": overall.status,
        "message": overall.message,
        "statuses": [verdict.status for verdict in answer.verdicts],
        "messages": [verdict.message for verdict in answer.verdicts],
        "targets": list(query.targets),
    }


def _warn(answer: Settled, message: str, query: Query) -> None:
    if not answer.settled:
        warn(f"{message}.", ConvergenceWarning)
        return
    still = query.constant_targets()  # the base class warns of these
    for verdict, named in zip(answer.verdicts, still, strict=True):
        if verdict.status == "stochastic" or (verdict.status == "constant" and not named):
            warn(f"{verdict.message}.")
