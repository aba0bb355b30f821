"""Shapley values averaged over random orders of the segments."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_int
from limelens._statistics import is_still, predicted_correlation, student, weighted_r2
from limelens._typing import Floats
from limelens.engine.query import Query
from limelens.explainers.base import Attribution, SegmentExplainer
from limelens.games.orders import antithetic_gains, walked_values

_BLOCK_BYTES = 16 * 2**20


@dataclass(frozen=True, kw_only=True, eq=False)
class PermutationShapley(SegmentExplainer):
    r"""Shapley values as the mean gain of a segment when segments are added one by one.

    On the way from everything hidden to the intact image, segments are added in a random order,
    and each is credited with the change of the score that it causes. Every order is used forwards
    and backwards (antithetic). Any number of orders gives an unbiased answer whose importances sum
    to the score of the intact image minus the score of everything hidden. There is no smallest
    budget, and no fit that could fail.

    Parameters
    ----------
    n_permutations : int
        Number of orders; each costs at most 2 (d - 1) coalitions for d segments.
    segmenter, fill
        See `SegmentExplainer`.

    Notes
    -----
    Over the orders :math:`\pi`, with :math:`P_j(\pi)` the segments before j,
    :math:`\phi_j = \mathrm{mean}_\pi\, (v(P_j(\pi) \cup j) - v(P_j(\pi)))`. The reverse order
    passes through the complements, so each pair of orders is exact for all interactions of two
    segments.

    Standard errors come from n pairs of an order and its reverse. With :math:`s_j^2` the variance
    of segment j's gain over the pairs and :math:`\bar s^2` its mean over the segments,

    .. math:: \operatorname{SE}(\phi_j) = \frac{t_{0.975, n}}{1.96}
              \sqrt{\frac{(n - 1) s_j^2 + \bar s^2}{n^2}}.

    The factor with Student's t makes 1.96 standard errors a 95 % interval. The mean variance counts
    as much as one pair, because a few pairs may agree on a segment by chance. For a single pair
    the errors are NaN.

    `fidelity` is the held-out R² of the additive model
    :math:`v(\emptyset) + \sum_{j \in S} \phi_j` over the coalitions on the way. Those of each pair
    are predicted from the mean of the other pairs. It is NaN for a single pair.

    Memory is O(batch_size · image + n_permutations · d · (d / 8 + k)) bytes for k scores per
    image.

    A longer run with the same seed starts with the orders of the shorter run. So with `reuse=`,
    raising `n_permutations` costs only the new orders.

    References
    ----------
    J. Castro, D. Gómez, J. Tejada, "Polynomial calculation of the Shapley value based on
    sampling", Computers & Operations Research 36, 2009, doi:10.1016/j.cor.2008.04.004.
    R. Mitchell, J. Cooper, E. Frank, G. Holmes, "Sampling permutations for Shapley value
    estimation", Journal of Machine Learning Research 23, 2022, arXiv:2104.12199.
    G. K. Smyth, "Linear models and empirical Bayes methods for assessing differential expression
    in microarray experiments", 2004, doi:10.2202/1544-6115.1027 (shared variances).

    Examples
    --------
    The score is 1 if both halves are kept; they share it equally:

    >>> from limelens import Constant, Grid, PermutationShapley
    >>> explainer = PermutationShapley(segmenter=Grid(cell=(2, 2)), fill=Constant(0))
    >>> image = np.ones((2, 4))
    >>> explainer.explain(image, lambda batch: batch.min(axis=(1, 2)), rng=0).importances
    array([[0.5, 0.5]])
    """

    n_permutations: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        check_int("n_permutations", self.n_permutations, minimum=1)

    def _attribute(self, query: Query, rng: np.random.Generator) -> Attribution:
        d, (intact, hidden) = query.n_segments, query.ends()
        game, n = query.ask_values, self.n_permutations
        orders = rng.random((n, d)).argsort(axis=1)
        values = np.empty((n, 2, d + 1, len(intact)))
        block = max(1, _BLOCK_BYTES // (2 * d * d))
        for start in range(0, n, block):
            part = slice(start, start + block)
            values[part] = walked_values(game, orders[part], intact, hidden)
        gains = antithetic_gains(values, orders)
        importances, variances = gains.mean(axis=0), _spread(gains)
        return Attribution(
            importances,
            standard_errors=_bars(variances, n),
            fidelity=_held_out_r2(values, gains, orders),
            reliability=predicted_correlation(importances, np.sqrt(variances)),
            details={"n_orders": 2 * n},
        )


def _held_out_r2(walks: NDArray[np.float64], gains: Floats, orders: NDArray[np.intp]) -> Floats:
    """Return the R², (t,), of each order's walks under the importances of the other orders."""
    n, t, _ = gains.shape
    if n == 1:
        return np.full(t, np.nan)
    others = (gains.sum(axis=0) - gains) / (n - 1)
    # v(all hidden) + the others' gains so far, and v(intact) - the same for the complements.
    in_turn = np.take_along_axis(others, orders[:, np.newaxis], axis=2)
    gained = np.cumsum(in_turn, axis=2)[:, :, :-1].transpose(0, 2, 1)
    said = np.stack([walks[:, 0, :1] + gained, walks[:, 1, :1] - gained], axis=1).reshape(-1, t)
    came = walks[:, :, 1:-1].reshape(-1, t)
    if not len(came):
        return np.full(t, np.nan)
    still = is_still(came, walks[0, 0, 0], walks[0, 0, -1])
    return np.where(still, np.nan, weighted_r2(came, said, np.ones(len(came))))


def _spread(gains: Floats) -> Floats:
    """Return the variances, (t, d), of the means over the first axis; NaN if it has length 1."""
    if len(gains) == 1:
        return np.full(gains.shape[1:], np.nan)
    return gains.var(axis=0, ddof=1) / len(gains)


def _bars(variances: Floats, n: int) -> Floats:
    """Return the standard errors of means of n pairs with estimated variances, shape (t, d)."""
    shared = ((n - 1) * variances + variances.mean(axis=1, keepdims=True)) / n
    return np.sqrt(shared) * student(n)
