"""QuickShap: Shapley values for fewer model calls, with error bars."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from limelens._typing import Coalitions, Floats
from limelens.explainers.sequential import SequentialExplainer, in_looks
from limelens.games.coalitions import both_ends
from limelens.gaussian.virtual import FULL_FACTORIAL
from limelens.sampling.designs import Foldover
from limelens.sampling.distinct import foldover_pairs, sized_pairs


@dataclass(frozen=True, kw_only=True, eq=False)
class QuickShap(SequentialExplainer):
    r"""Shapley values from about a third of the model calls of paired KernelSHAP (range 1-6x).

    From 17 segments on, a block of an orthogonal foldover design comes first. Complementary pairs
    follow, no pair twice: every second one keeps or hides a single segment, until all of these are
    asked, and the others are of all sizes. With fewer than 1.5 pairs a segment all are of all
    sizes. A Gaussian process is fitted to the log-odds of their scores, and the importances are
    Shapley's definition applied to the scores that it expects for all other coalitions. The first
    look at the error comes after at least 5 d calls, about half of each kind, the second soon after
    that, and further ones after every block of pairs. The method stops when the error is small
    enough, but never at the first look.

    Parameters
    ----------
    max_samples : int
        Most coalitions to ask, the intact image and the one with everything hidden included. If
        all 2^d fit, they are all asked and the answer is exact.
    tolerance, scale, link, kernel_rows, segmenter, fill
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

    to the surrogate's expectation on 4096 complementary pairs of virtual coalitions. A sigmoid of
    an additive function, whose Shapley values are known, corrects it as a control variate, and the
    error bars include the error of drawing the pairs. For the identity link, and with
    ``scale="link"``, the values have a closed form. Up to 16 segments the fit is on all coalitions,
    and the surrogate replaces only those that were not asked. What the surrogate misses is added,
    as in `QuickLime`. Importances always sum to the
    difference of the scores of the intact and the hidden image. `details` is as in `QuickLime`.

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
        size, n_pairs = Foldover.block_size(d), self.max_samples // 2 - 1
        few = d <= FULL_FACTORIAL or 2 * n_pairs <= size
        block = foldover_pairs(0 if few else size // 2, d, rng)
        pairs = sized_pairs(n_pairs - len(block) // 2, _shares(d, n_pairs), rng, besides=block)
        first = max(len(block) + size, 5 * d) // 2 * 2
        yield from in_looks(np.concatenate([both_ends(d), block, pairs]), first, size)


def _shares(d: int, n_pairs: int) -> Floats:
    """Return the shares of the pairs that keep 1..d-1 segments, shape (d - 1,).

    Of a segment's Shapley value, a d-th is what it does alone and a d-th what it does when it comes
    last. No other coalition counts as much, so half of the pairs ask for these. Of fewer than 1.5
    pairs a segment too few would be left for all other sizes, and where the score is flat at both
    ends these alone tell segments apart.
    """
    shares = np.ones(d - 1)
    if n_pairs >= 1.5 * d:
        shares[[0, -1]] = max(1.0, (d - 3) / 2)
    return shares
