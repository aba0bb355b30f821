"""A few masks of one image in complementary pairs, and what is kept of the answers."""

from dataclasses import dataclass

import numpy as np

from limelens._typing import Coalitions, Floats
from limelens.engine.query import Query
from limelens.games.coalitions import coalition_chunks
from limelens.sampling.designs import half_block

_FEW = 10
"""Segments of which all coalitions are listed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """What the model said of the complementary pairs of one image.

    Attributes
    ----------
    signs : ndarray of int8, shape (p, d)
        1 for the segments that the first of a pair shows, -1 for those that the second shows.
    differences : ndarray, shape (p,)
        Value of the first minus value of the second.
    complete : bool
        Whether these are all pairs that there are: then nothing about the image is left to chance.
    """

    signs: "np.ndarray[tuple[int, int], np.dtype[np.int8]]"
    differences: Floats
    complete: bool


def ask_pairs(query: Query, n_calls: int, rng: np.random.Generator) -> Pairs:
    """Ask for at most `n_calls` masked images, the intact and the hidden one included."""
    first, complete = draw_pairs(n_calls, query.n_segments, rng)
    values = query.ask_values(np.concatenate([first, ~first]))[:, 0]
    query.finish()
    half = len(first)
    return Pairs(
        signs=(2 * first.astype(np.int8) - 1).astype(np.int8),
        differences=values[:half] - values[half:],
        complete=complete,
    )


def draw_pairs(n_calls: int, d: int, rng: np.random.Generator) -> tuple[Coalitions, bool]:
    """Draw one coalition of each pair, shape (p, d), and say whether these are all pairs.

    Every row shows each segment with probability 1/2, independently of the others. No pair of few
    segments is drawn twice. Rows of many segments are orthogonal to each other as far as possible,
    so that together they say more.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rows, complete = draw_pairs(8, 3, rng)  # eight masks are all there are
    >>> rows.astype(int).tolist(), complete
    ([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], True)
    >>> rows, complete = draw_pairs(8, 16, rng)
    >>> rows.shape, complete
    ((3, 16), False)
    """
    n_pairs = (n_calls - 2) // 2
    if d <= _FEW:
        (every,) = coalition_chunks(d)
        first = every[: len(every) // 2]
        if n_calls >= len(every):
            return first, True
        return first[rng.choice(len(first), n_pairs, replace=False)], False
    rows: list[Coalitions] = []
    while sum(map(len, rows)) < n_pairs:
        rows.append(half_block(d, rng))
    return np.concatenate(rows)[:n_pairs], False
