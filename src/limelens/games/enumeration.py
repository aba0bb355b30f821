"""Shapley values and interactions as weighted sums over every coalition, a chunk at a time."""

from collections.abc import Iterator
from math import comb

import numpy as np

from limelens._typing import Coalitions, Floats, Game
from limelens.games.coalitions import CHUNK_ROWS, coalition_chunks

MOST_ENUMERATED = 16
"""Most segments for which the model is asked about all coalitions: 65,536 calls."""


def exact_shapley(game: Game, n_segments: int, rows: int = CHUNK_ROWS) -> Floats:
    r"""Return the Shapley values, shape (t, d), asking about all 2^d coalitions.

    Parameters
    ----------
    game : callable
        Coalitions `(n, d)` -> values `(n, t)`.
    n_segments : int
        Number of segments d.
    rows : int, optional
        Most coalitions asked about at once. Memory is O(rows · (d + t)).

    Notes
    -----
    By definition, :math:`\phi_j = \sum_{S \not\ni j} \frac{s!\,(d-1-s)!}{d!}
    (v(S \cup j) - v(S))`. Sorted by coalitions S of size s, each of which occurs once, that is

    .. math:: \phi_j = \sum_{S \ni j} \frac{v(S)}{s \binom{d}{s}}
              - \sum_{S \not\ni j} \frac{v(S)}{(d - s) \binom{d}{s}}

    The terms can be added up in any order, so no table of values is kept.

    References
    ----------
    L. S. Shapley, "A value for n-person games", 1953, doi:10.1515/9781400881970-018.

    Examples
    --------
    The score is 1 only if both segments are kept:

    >>> exact_shapley(lambda z: z.all(axis=1, keepdims=True) * 1.0, 2)
    array([[0.5, 0.5]])
    """
    d = n_segments
    sizes = np.arange(d + 1)
    counts = np.array([comb(d, s) for s in sizes], dtype=np.float64)
    # 1 / (s C(d, s)) where j is kept, 1 / ((d - s) C(d, s)) where it is hidden.
    inside = np.divide(1.0, sizes * counts, out=np.zeros(d + 1), where=sizes > 0)
    outside = np.divide(1.0, (d - sizes) * counts, out=np.zeros(d + 1), where=sizes < d)
    return sum(
        (kept * inside[size] - ~kept * outside[size]).T @ gains
        for kept, size, gains in _gains(game, d, rows)
    ).T


def exact_interactions(game: Game, n_segments: int, rows: int = CHUNK_ROWS) -> Floats:
    r"""Return the Shapley interaction indices of all pairs, shape (t, d, d), diagonal zero.

    Parameters
    ----------
    game, n_segments, rows
        As in `exact_shapley`.

    Notes
    -----
    With :math:`w(s) = s!\,(d-2-s)!/(d-1)!` and the sum over coalitions without i and j,

    .. math:: I_{ij} = \sum_S w(s) \left(v(S \cup ij) - v(S \cup i) - v(S \cup j) + v(S)\right),

    so a coalition of size s counts :math:`w(s-2)` if it keeps both segments of the pair,
    :math:`-w(s-1)` if it keeps one, and :math:`w(s)` if it keeps none.

    References
    ----------
    M. Grabisch, M. Roubens, "An axiomatic approach to the concept of interaction among players in
    cooperative games", International Journal of Game Theory 28, 1999, doi:10.1007/s001820050125.

    Examples
    --------
    >>> exact_interactions(lambda z: z.all(axis=1, keepdims=True) * 1.0, 2)[0]
    array([[0., 1.],
           [1., 0.]])
    """
    d = n_segments
    # w(s) = 1 / ((d - 1) C(d - 2, s)). For s > d - 2 any number will do: it is never used, as such
    # a coalition hides fewer than two segments.
    weight = 1.0 / np.array([(d - 1) * comb(d - 2, min(s, d - 2)) for s in range(d + 1)])
    # By the size s of the coalition: w(s), w(s - 1), w(s - 2).
    none, one, both = weight, np.r_[0.0, weight[:-1]], np.r_[0.0, 0.0, weight[:-2]]
    total: Floats = np.zeros(())
    for kept, size, gains in _gains(game, d, rows):
        # A pair with z, z' = 1 where kept counts
        # both z z' - one (z + z' - 2 z z') + none (1 - z)(1 - z'), sorted by z z', z, z' and 1:
        size, z = size[:, 0], kept.astype(np.float64)
        weighted = gains * (both + 2 * one + none)[size, np.newaxis]
        pairs = np.stack([(z * column[:, np.newaxis]).T @ z for column in weighted.T])
        singles = gains.T @ (z * (one + none)[size, np.newaxis])
        constants = gains.T @ none[size]
        total = total + pairs - singles[:, :, np.newaxis] - singles[:, np.newaxis]
        total += constants[:, np.newaxis, np.newaxis]
    total[:, np.arange(d), np.arange(d)] = 0.0
    return total


def _gains(game: Game, d: int, rows: int) -> Iterator[tuple[Coalitions, Floats, Floats]]:
    """Yield coalitions (n, d), their sizes (n, 1), and their gains over the empty one (n, t)."""
    hidden: Floats | None = None
    for kept in coalition_chunks(d, rows):
        values = game(kept)
        if hidden is None:
            hidden = values[:1]  # the first coalition keeps nothing
        # The weights of both sums add up to zero, so that a constant cancels. Subtracted first,
        # it cancels without rounding.
        yield kept, kept.sum(axis=1, keepdims=True), values - hidden
