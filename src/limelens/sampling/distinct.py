"""Complementary pairs of coalitions that are all different, so that no call is paid for twice."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from math import comb, sqrt

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Coalitions, Floats
from limelens.sampling.designs import half_block, with_complements

# Multiples of the golden ratio, modulo 1, are spread more evenly than those of any other number.
_GOLDEN = 0.5 * (sqrt(5.0) - 1.0)
_DRAWN_AT_ONCE = 64
# Larger numbers of pairs are never used up, and would not be exact in floats.
_MANY = 10**15
_TINY = np.finfo(np.float64).tiny


def foldover_pairs(n_pairs: int, d: int, rng: np.random.Generator) -> Coalitions:
    """Draw pairs from Foldover blocks, none twice, and never the pair of the two ends.

    Parameters
    ----------
    n_pairs : int
        At most ``2**(d - 1) - 1``. A longer design of the same seed starts with the shorter one.
    d : int
    rng : numpy.random.Generator

    Returns
    -------
    coalitions : ndarray of bool, shape (2 n_pairs, d)
        Every coalition is followed by its complement.

    Examples
    --------
    All coalitions of three segments except the two ends:

    >>> rows = foldover_pairs(3, 3, np.random.default_rng(0))
    >>> sorted(rows.sum(axis=1).tolist()), len(np.unique(rows, axis=0))
    ([1, 1, 1, 2, 2, 2], 6)
    """
    rows = (row for block in _half_blocks(d, rng) for row in block)
    return with_complements(_unseen(n_pairs, d, rows, {_key(np.ones(d, dtype=np.bool_))}, _key))


def foldover_rows(n: int, d: int, rng: np.random.Generator) -> Coalitions:
    """Draw rows of Foldover blocks, none twice, and never one of the two ends.

    All rows of a block come before their complements, as in a short `Foldover` design.

    Parameters
    ----------
    n : int
        At most ``2**d - 2``.
    d : int
    rng : numpy.random.Generator

    Returns
    -------
    coalitions : ndarray of bool, shape (n, d)

    Examples
    --------
    All coalitions of three segments except the two ends:

    >>> rows = foldover_rows(6, 3, np.random.default_rng(0))
    >>> sorted(rows.sum(axis=1).tolist()), len(np.unique(rows, axis=0))
    ([1, 1, 1, 2, 2, 2], 6)
    """
    rows = (row for block in _half_blocks(d, rng) for row in np.concatenate([block, ~block]))
    ends = {np.full(d, kept).tobytes() for kept in (True, False)}
    return _unseen(n, d, rows, ends, np.ndarray.tobytes)


def _half_blocks(d: int, rng: np.random.Generator) -> Iterator[Coalitions]:
    while True:
        yield half_block(d, rng)


def _unseen(
    n: int,
    d: int,
    rows: Iterator[Coalitions],
    seen: set[bytes],
    key_of: Callable[[Coalitions], bytes],
) -> Coalitions:
    """Return the first n rows whose keys differ from each other and from those seen before."""
    found: list[Coalitions] = []
    while len(found) < n:
        row = next(rows)
        if (key := key_of(row)) not in seen:
            seen.add(key)
            found.append(row)
    return np.array(found, dtype=np.bool_).reshape(-1, d)


def sized_pairs(
    n_pairs: int, shares: Floats, rng: np.random.Generator, *, besides: Coalitions | None = None
) -> Coalitions:
    """Draw pairs by size, none twice. Sizes with few pairs are soon complete.

    Parameters
    ----------
    n_pairs : int
        Together with those of `besides`, at most ``2**(d - 1) - 1``.
    shares : ndarray, shape (d - 1,)
        Shares of the pairs whose first coalition keeps 1..d-1 segments. They are symmetric and
        need not sum to 1.
    rng : numpy.random.Generator
    besides : ndarray of bool, shape (m, d), optional
        Coalitions that were asked already, in complementary pairs. They are not drawn again.

    Returns
    -------
    coalitions : ndarray of bool, shape (2 n_pairs, d)
        Every coalition is followed by its complement. A longer design of the same seed starts with
        the shorter one.

    Notes
    -----
    Sizes follow multiples of the golden ratio from a random start, so that after any number of
    pairs every size has had its share to within one or two pairs. When all pairs of a size have
    been drawn, the other sizes divide its share, and the sequence starts again.

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
        cumulative = np.cumsum(by_class * [count > 0 for count in left]).tolist()
        exhausted = False
        while not exhausted and len(found) < n_pairs:
            place = (place + _GOLDEN) % 1.0
            size = bisect_right(cumulative, place * cumulative[-1])
            # A random order of the segments keeps those whose place is below the size.
            row = next(orders) < size
            while (key := _key(row)) in seen:
                row = next(orders) < size
            seen.add(key)
            found.append(row)
            left[size] -= 1
            exhausted = not left[size]
    return with_complements(np.array(found, dtype=np.bool_).reshape(-1, d))


def pair_weights(coalitions: Coalitions, shares: Floats, kernel: Floats) -> tuple[Floats, Floats]:
    r"""Return the weights of pairs drawn by `sized_pairs`, and how much of each size is known.

    Parameters
    ----------
    coalitions : ndarray of bool, shape (p, d)
        One of each pair.
    shares, kernel : ndarray, shape (d - 1,)
        Shares with which the sizes 1..d-1 were drawn, and total weights that all coalitions of each
        size shall have. Both are symmetric and need not sum to 1.

    Returns
    -------
    weights : ndarray, shape (p,)
        Weight of each pair in a fit.
    known : ndarray, shape (p,)
        Expected share of the pairs of the same size that were drawn: 1 where all were.

    Notes
    -----
    Among p pairs, :math:`\min(N_s, t q_s)` of the :math:`N_s` pairs of size s are expected, where q
    are the shares and t makes these numbers sum to p. The weight of a pair is the kernel of its
    size over the expected number of pairs of that size.

    Examples
    --------
    Of four segments, all four pairs that keep a single one were drawn, and one of three with two:

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
    # Sizes that would get more pairs than there are get all of them; the others share the rest.
    whole = np.zeros(len(counts), dtype=np.bool_)
    while True:
        rest = max(n_pairs - counts[whole].sum(), 0.0)
        rate = rest / max(shares[~whole].sum(), _TINY)
        more = ~whole & (rate * shares > counts)
        if not more.any():
            return np.where(whole, counts, rate * shares)
        whole |= more


def _pair_counts(d: int) -> list[int]:
    """Return how many complementary pairs have a smaller coalition of the size 0..d//2."""
    counts = [comb(d, size) for size in range(d // 2 + 1)]
    counts[0] = 0  # the two ends are asked anyway
    if d % 2 == 0:
        counts[-1] //= 2  # both coalitions of a pair have this size
    return [min(count, _MANY) for count in counts]


def _folded(by_size: Floats) -> Floats:
    """Return the sums of the values of the sizes s and d - s, for s = 0..d//2."""
    d = len(by_size) + 1
    both = np.concatenate([[0.0], by_size, [0.0]])
    total = both + both[::-1]
    if d % 2 == 0:
        total[d // 2] *= 0.5
    return np.asarray(total[: d // 2 + 1])


def _orders(d: int, rng: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """Yield random orders of the segments, endlessly."""
    while True:
        yield from rng.random((_DRAWN_AT_ONCE, d)).argsort(axis=1)


def _key(row: Coalitions) -> bytes:
    """Return a key that a coalition and its complement share, and no other coalition has."""
    return (row if row[0] else ~row).tobytes()
