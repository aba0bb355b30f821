"""Shapley values averaged over random orders of the segments."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Coalitions, Floats
from limelens._validation import check_int
from limelens.engine import Query
from limelens.explainers.base import Attribution, SegmentExplainer
from limelens.results.stability import predicted_correlation
from limelens.surrogates.games import Game, as_game

_BLOCK_BYTES = 16 * 2**20


@dataclass(frozen=True, kw_only=True, eq=False)
class PermutationShapley(SegmentExplainer):
    r"""Shapley values as the mean gain of a segment when segments are added one by one.

    Random orders of the segments are walked forwards and backwards (antithetic): from everything
    hidden to the intact image, each segment is credited with the change of the score at its turn.
    Any number of orders gives an unbiased answer whose importances sum to the score of the intact
    image minus the score of everything hidden; there is no least size and no fit that could fail.

    Parameters
    ----------
    n_permutations : int
        Orders that are drawn; each costs at most 2 (d - 1) coalitions for d segments.
    segmenter, fill
        See `SegmentExplainer`.

    Notes
    -----
    Over the orders :math:`\pi`, with :math:`P_j(\pi)` the segments before j,
    :math:`\phi_j = \mathrm{mean}_\pi\, (v(P_j(\pi) \cup j) - v(P_j(\pi)))`. The reverse order
    adds to the complements, so all interactions of two segments are met exactly by each pair.

    Standard errors come from the spread of the means of the pairs, order and reverse: standard
    deviation / sqrt(n_permutations), NaN for a single one. Memory is
    O(batch_size · image + n_permutations · d · (d / 8 + k)) bytes for k scores an image.

    A longer run of the same seed starts with the shorter one's orders: with `reuse=` raising
    `n_permutations` costs only what is new.

    References
    ----------
    J. Castro, D. Gómez, J. Tejada, "Polynomial calculation of the Shapley value based on
    sampling", Computers & Operations Research 36, 2009, doi:10.1016/j.cor.2008.04.004.
    R. Mitchell, J. Cooper, E. Frank, G. Holmes, "Sampling permutations for Shapley value
    estimation", Journal of Machine Learning Research 23, 2022, arXiv:2104.12199.

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
        game = as_game(query)
        gains = np.empty((self.n_permutations, len(intact), d))
        block = max(1, _BLOCK_BYTES // (2 * d * d))
        for start in range(0, self.n_permutations, block):
            n_orders = min(block, self.n_permutations - start)
            orders = rng.random((n_orders, d)).argsort(axis=1)
            gains[start : start + n_orders] = antithetic_gains(game, orders, intact, hidden)
        importances = gains.mean(axis=0)
        errors = _spread(gains)
        return Attribution(
            importances,
            standard_errors=errors,
            reliability=predicted_correlation(importances, errors),
            details={"n_orders": 2 * self.n_permutations},
        )


def antithetic_gains(
    game: Game, orders: NDArray[np.intp], intact: Floats, hidden: Floats
) -> Floats:
    """Return what each segment adds, averaged over an order and its reverse, shape (n, t, d).

    Parameters
    ----------
    game : callable
        Coalitions `(n, d)` -> values `(n, t)`.
    orders : ndarray of int, shape (n, d)
        Permutations of the segments.
    intact, hidden : ndarray, shape (t,)
        Values of all and of no segment.

    Examples
    --------
    The score is 1 from two segments on; in the order 0, 1, 2 and back it is 1's or 2's:

    >>> game = lambda z: (z.sum(axis=1, keepdims=True) > 1) * 1.0
    >>> antithetic_gains(game, np.array([[0, 1, 2]]), np.ones(1), np.zeros(1))
    array([[[0., 1., 0.]]])
    """
    n, d = orders.shape
    turn = orders.argsort(axis=1)
    forward: Coalitions = turn[:, np.newaxis] < np.arange(1, d)[:, np.newaxis]
    values = game(np.concatenate([forward, ~forward]).reshape(-1, d))
    up, down = values.reshape(2, n, d - 1, -1)
    first, last = (np.broadcast_to(end, (n, 1, len(end))) for end in (hidden, intact))
    added = np.diff(np.concatenate([first, up, last], axis=1), axis=1)
    # Keeping the complements, the value falls as the same order's segments leave.
    removed = -np.diff(np.concatenate([last, down, first], axis=1), axis=1)
    by_turn = (added + removed) / 2
    return np.take_along_axis(by_turn.transpose(0, 2, 1), turn[:, np.newaxis], axis=2)


def _spread(gains: Floats) -> Floats:
    """Return the standard errors of the means over the first axis; NaN of a single one."""
    if len(gains) == 1:
        return np.full(gains.shape[1:], np.nan)
    return gains.std(axis=0, ddof=1) / np.sqrt(len(gains))
