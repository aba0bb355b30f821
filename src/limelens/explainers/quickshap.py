"""QuickShap: Shapley values for a quarter of the model calls, with error bars."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from limelens._typing import Coalitions
from limelens.explainers.sequential import SequentialExplainer, both_ends
from limelens.sampling.designs import Foldover, Leverage
from limelens.surrogates.virtual import FULL_FACTORIAL


@dataclass(frozen=True, kw_only=True, eq=False)
class QuickShap(SequentialExplainer):
    r"""Shapley values from about a quarter of the model calls of paired KernelSHAP.

    A block of an orthogonal foldover design comes first, from 14 segments on, then complementary
    pairs of all sizes, no pair twice; a Gaussian process is fitted to the log-odds of their scores,
    and what it expects of all other coalitions is projected on Shapley's definition. It looks at
    its error after at least 5 d calls, about half of them of either kind, and then after every
    further block of pairs, and stops when that is small enough.

    Parameters
    ----------
    max_samples : int
        Most coalitions asked, the intact image and the one with everything hidden included. If all
        2^d fit, they are all asked and the answer is exact.
    tolerance, scale, link, segmenter, fill
        See `QuickLime`.

    Warns
    -----
    ConvergenceWarning
        If `tolerance` was not reached within `max_samples`, or the error bars cannot be trusted.
        The answer is returned all the same.

    Notes
    -----
    On the score's scale the importances are the constrained weighted least-squares fit

    .. math:: \arg\min_\phi \sum_z \frac{d - 1}{\binom{d}{|z|} |z| (d - |z|)}
              [f(z) - f(0) - z \cdot \phi]^2, \qquad \sum_i \phi_i = f(1) - f(0),

    of the surrogate's expectation, on 4096 complementary pairs of virtual coalitions and corrected
    by a sigmoid of an additive function, whose Shapley values are known; for the identity link and
    with ``scale="link"`` they have a closed form. Up to 13 segments it is the fit on all
    coalitions, and only those never asked are left to the surrogate. Importances always sum to the
    difference of the scores of the intact and the hidden image. `details` as in `QuickLime`.

    References
    ----------
    S. M. Lundberg, S.-I. Lee, "A unified approach to interpreting model predictions", 2017,
    arXiv:1705.07874.
    C. Musco, R. T. Witter, "Provably accurate Shapley value estimation via leverage score
    sampling", 2025, arXiv:2410.01917.

    Examples
    --------
    Both of two segments are needed, and the third does nothing:

    >>> import numpy as np
    >>> from limelens import Constant, Grid, QuickShap
    >>> image = np.ones((4, 12))
    >>> def predict(batch):
    ...     return batch[:, 0, 0] * batch[:, 0, 4]
    >>> explainer = QuickShap(segmenter=Grid(cell=(4, 4)), fill=Constant(0))
    >>> explainer.explain(image, predict, rng=0).importances.round(9) + 0.0
    array([[0.5, 0.5, 0. ]])
    """

    _definition: ClassVar[str] = "shapley"

    def _blocks(self, d: int, rng: np.random.Generator) -> Iterator[Coalitions]:
        size, left = Foldover.block_size(d), self.max_samples - 2
        few = d <= FULL_FACTORIAL or left < size + 2
        block = np.empty((0, d), dtype=np.bool_) if few else Foldover()(size, d, rng)
        seen = {row.tobytes() for row in block}
        left -= len(block)
        wanted = max(size, 5 * d - 2 - len(block))
        n_pairs = min(wanted + wanted % 2, left - left % 2)
        yield np.concatenate([both_ends(d), block, _new_pairs(n_pairs, d, rng, seen)])
        left -= n_pairs
        for _ in range(left // size):
            yield _new_pairs(size, d, rng, seen)
        rest = left % size // 2 * 2
        if few and rest:
            yield _new_pairs(rest, d, rng, seen)


def _new_pairs(n: int, d: int, rng: np.random.Generator, seen: set[bytes]) -> Coalitions:
    """Draw n coalitions in complementary pairs of all sizes, none of them `seen`; add them."""
    found: list[Coalitions] = []
    while len(found) < n:
        for pair in Leverage()(max(n, 64), d, rng).reshape(-1, 2, d):
            if pair[0].tobytes() not in seen and len(found) < n:
                seen |= {pair[0].tobytes(), pair[1].tobytes()}
                found += list(pair)
    return np.array(found, dtype=np.bool_).reshape(n, d)
