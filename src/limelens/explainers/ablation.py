"""Ablation: leave one segment out, or keep only one in."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_flag
from limelens._typing import Coalitions
from limelens.engine.query import Query
from limelens.errors import InvalidInputError
from limelens.explainers.base import Attribution, SegmentExplainer

MOST_PAIRED = 60
"""Most segments for which pairs are asked: more would cost over 1800 model calls."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Ablation(SegmentExplainer):
    """How much the score loses without one segment, or gains from one segment alone.

    For the set N of all segments and the score f of the segments kept::

        keep=False:  phi_i = f(N) - f(N without i)
        keep=True:   phi_i = f(i alone) - f(nothing)

    The answer is exact, without any chance, and takes d + 3 images for d segments. It sees a
    segment in one context only: if either of two segments is enough, leaving one out changes
    nothing.

    Parameters
    ----------
    keep : bool
        False leaves one segment out, True keeps only one in.
    interactions : bool
        Also hide (or keep) every pair, for up to 60 segments; this takes d (d - 1) / 2 more
        images. ``details["interactions"]`` are their second differences, shape (t, d, d): for
        keep=False ``f(N) - f(N without i) - f(N without j) + f(N without i, j)``. They are
        positive if two segments are worth more together than apart. The diagonal is zero.
    segmenter, fill
        See `SegmentExplainer`.

    Examples
    --------
    Two pixels that only count together:

    >>> import numpy as np
    >>> from limelens import Ablation, Constant, Grid
    >>> both = lambda batch: batch.prod(axis=(1, 2))
    >>> one_out = Ablation(segmenter=Grid(cell=(1, 1)), fill=Constant(0), interactions=True)
    >>> explanation = one_out.explain(np.ones((1, 2)), both)
    >>> explanation.importances
    array([[1., 1.]])
    >>> explanation.details["interactions"][0]
    array([[0., 1.],
           [1., 0.]])
    """

    of_differences = True

    keep: bool = False
    interactions: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_flag("keep", self.keep)
        check_flag("interactions", self.interactions)

    def _check_budget(self, n_segments: int) -> None:
        if self.interactions and n_segments > MOST_PAIRED:
            raise InvalidInputError(
                f"`interactions` needs at most {MOST_PAIRED} segments; got {n_segments}, "
                f"{n_segments * (n_segments - 1) // 2} pairs. Use fewer, for example "
                "segmenter=Slic(30)."
            )

    def _attribute(self, query: Query, rng: np.random.Generator) -> Attribution:
        d = query.n_segments
        first, second = np.triu_indices(d, k=1) if self.interactions else np.empty((2, 0), np.intp)
        values = query.ask_values(_changed(d, first, second, keep=self.keep)).T
        intact, hidden = query.ends()
        # Gain of one or two segments: alone over nothing, or added to all the others.
        gains = values - hidden[:, np.newaxis] if self.keep else intact[:, np.newaxis] - values
        singles = gains[:, :d]
        if not self.interactions:
            return Attribution(importances=singles)
        joint = np.zeros((len(gains), d, d))
        more = gains[:, d:] - singles[:, first] - singles[:, second]
        joint[:, first, second] = more if self.keep else -more
        details = {"interactions": joint + joint.transpose(0, 2, 1)}
        return Attribution(importances=singles, details=details)


def _changed(
    d: int, first: NDArray[np.intp], second: NDArray[np.intp], *, keep: bool
) -> Coalitions:
    """Return one row per segment and per pair: only these are kept, or only these are hidden."""
    chosen = np.zeros((d + len(first), d), dtype=bool)
    np.fill_diagonal(chosen[:d], val=True)
    pairs = np.arange(d, d + len(first))
    chosen[pairs, first] = chosen[pairs, second] = True
    return chosen if keep else ~chosen
