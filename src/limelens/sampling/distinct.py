"""Complementary pairs of coalitions that are all different, so that no call is paid for twice."""

from collections.abc import Iterator
from math import comb

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Coalitions, Floats
from limelens.sampling.designs import half_block

_GOLDEN = 0.5 * (np.sqrt(5.0) - 1.0)
_DRAWN_AT_ONCE = 64
_MANY = 10**15
_TINY = np.finfo(np.float64).tiny


def foldover_pairs(n_pairs: int, d: int, rng: np.random.Generator) -> Coalitions:
    """Draw pairs from Foldover blocks, none twice, neither of them complete or empty.

    Parameters
    ----------
    n_pairs : int
        At most ``2**(d - 1) - 1``; a longer design of the same seed starts with the shorter.
    d : int
    rng : numpy.random.Generator

    Returns
    -------
    coalitions : ndarray of bool, shape (2 n_pairs, d)
        Every coalition is followed by its complement.

    Examples
    --------
    All that there are of three segments, the two ends apart:

    >>> rows = foldover_pairs(3, 3, np.random.default_rng(0))
    >>> sorted(rows.sum(axis=1).tolist()), len(np.unique(rows, axis=0))
    ([1, 1, 1, 2, 2, 2], 6)
    """
    seen = {_key(np.ones(d, dtype=np.bool_))}
    found: list[Coalitions] = []
    while len(found) < n_pairs:
        for row in half_block(d, rng):
            key = _key(row)
            if key not in seen and len(found) < n_pairs:
                seen.add(key)
                found.append(row)
    return _with_complements(found, d)


def sized_pairs(
    n_pairs: int, shares: Floats, rng: np.random.Generator, *, besides: Coalitions | None = None
) -> Coalitions:
    """Draw pairs by size, none twice: sizes of which few pairs exist are soon asked completely.

    Parameters
    ----------
    n_pairs : int
        With those of `besides` at most ``2**(d - 1) - 1``.
    shares : ndarray, shape (d - 1,)
        Share of the pairs whose first coalition keeps 1..d-1 segments, not normalised; symmetric.
    rng : numpy.random.Generator
    besides : ndarray of bool, shape (m, d), optional
        Coalitions asked already, in complementary pairs: these are not drawn again.

    Returns
    -------
    coalitions : ndarray of bool, shape (2 n_pairs, d)
        Every coalition is followed by its complement. A longer design of the same seed starts with
        the shorter.

    Notes
    -----
    Sizes follow a sequence of the golden ratio from a random start, so that after any number of
    pairs every size has had its share to within one or two. A size that has been asked completely
    leaves its share to the others, and the sequence starts again.

    References
    ----------
    C. Musco, R. T. Witter, "Provably accurate Shapley value estimation via leverage score
    sampling", 2025, arXiv:2410.01917 (without replacement).

    Examples
    --------
    >>> rows = sized_pairs(3, np.ones(3), np.random.default_rng(0), besides=None)
    >>> bool((rows[0::2] == ~rows[1::2]).all()), len(np.unique(rows, axis=0))
    (True, 6)
    """
    d = len(shares) + 1
    left = _pair_counts(d)
    seen: set[bytes] = set()
    for row in [] if besides is None else besides[0::2]:
        seen.add(_key(row))
        left[min(row.sum(), d - row.sum())] -= 1
    by_class = _folded(shares)
    found: list[Coalitions] = []
    orders = _orders(d, rng)
    while len(found) < n_pairs:
        place = rng.random()
        cumulative = np.cumsum(by_class * [count > 0 for count in left])
        exhausted = False
        while not exhausted and len(found) < n_pairs:
            place = (place + _GOLDEN) % 1.0
            size = int(np.searchsorted(cumulative, place * cumulative[-1], side="right"))
            row = next(row for row in (order < size for order in orders) if _key(row) not in seen)
            seen.add(_key(row))
            found.append(row)
            left[size] -= 1
            exhausted = not left[size]
    return _with_complements(found, d)


def pair_weights(coalitions: Coalitions, shares: Floats, kernel: Floats) -> tuple[Floats, Floats]:
    r"""Return what pairs drawn by `sized_pairs` weigh in a fit, and how much of each size is known.

    Parameters
    ----------
    coalitions : ndarray of bool, shape (p, d)
        One of each pair.
    shares, kernel : ndarray, shape (d - 1,)
        What the sizes 1..d-1 were drawn with, and what all coalitions of each size shall weigh
        together; both symmetric, not normalised.

    Returns
    -------
    weights : ndarray, shape (p,)
    known : ndarray, shape (p,)
        The expected share of the pairs of this size that were drawn: 1 where all were.

    Notes
    -----
    Of the :math:`N_s` pairs of a size :math:`\min(N_s, t q_s)` are expected among p, q the shares
    and t such that these sum to p. A row weighs the kernel over what is expected of its size.

    Examples
    --------
    Of four segments all four pairs with a single one were drawn, and one of the three of halves:

    >>> rows = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 1, 0, 0]])
    >>> weights, known = pair_weights(rows > 0, np.array([2, 1, 2]), np.ones(3))
    >>> weights.round(2), known.round(2)
    (array([0.5, 0.5, 0.5, 0.5, 1. ]), array([1.  , 1.  , 1.  , 1.  , 0.33]))
    """
    d = coalitions.shape[1]
    counts = np.array(_pair_counts(d), dtype=np.float64)
    q, mass = _folded(shares), _folded(kernel)
    expected = _expected(len(coalitions), q, counts)
    sizes = coalitions.sum(axis=1)
    sizes = np.minimum(sizes, d - sizes)
    return (mass / np.maximum(expected, _TINY))[sizes], (expected / np.maximum(counts, 1))[sizes]


def _expected(n_pairs: int, shares: Floats, counts: Floats) -> Floats:
    """Return ``min(counts, t shares)`` with t such that the sum is n_pairs."""
    whole = np.zeros(len(counts), dtype=np.bool_)
    while True:
        rest = max(n_pairs - counts[whole].sum(), 0.0)
        rate = rest / max(shares[~whole].sum(), _TINY)
        more = ~whole & (rate * shares > counts)
        if not more.any():
            return np.where(whole, counts, rate * shares)
        whole |= more


def _pair_counts(d: int) -> list[int]:
    """Return how many complementary pairs there are whose smaller coalition keeps 0..d//2."""
    counts = [comb(d, size) for size in range(d // 2 + 1)]
    counts[0] = 0  # the two ends are asked anyway
    if d % 2 == 0:
        counts[-1] //= 2
    return [min(count, _MANY) for count in counts]


def _folded(by_size: Floats) -> Floats:
    """Return the sums of what belongs to the sizes s and d - s, for s = 0..d//2."""
    d = len(by_size) + 1
    both = np.concatenate([[0.0], by_size, [0.0]])
    total = both + both[::-1]
    if d % 2 == 0:
        total[d // 2] *= 0.5
    return np.asarray(total[: d // 2 + 1])


def _orders(d: int, rng: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """Yield random orders of the segments without end."""
    while True:
        yield from rng.random((_DRAWN_AT_ONCE, d)).argsort(axis=1)


def _key(row: Coalitions) -> bytes:
    """Return the same for a coalition and its complement, and for no others."""
    return (row if row[0] else ~row).tobytes()


def _with_complements(first: list[Coalitions], d: int) -> Coalitions:
    rows = np.array(first, dtype=np.bool_).reshape(-1, 1, d)
    return np.concatenate([rows, ~rows], axis=1).reshape(-1, d)
