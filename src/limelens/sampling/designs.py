"""Coalitions that come in complementary pairs: fewer model calls for the same answer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_int
from limelens._typing import Coalitions, Floats
from limelens.sampling.hadamard import hadamard, hadamard_order


@dataclass(frozen=True)
class Foldover:
    """Ask each coalition together with its complement; all segments are orthogonal to each other.

    One block is a Hadamard matrix with random columns, signs and row order, in which every row is
    followed by its complement. It has ``2 h`` coalitions, where h is the smallest of Paley's prime
    orders with ``h >= d + 1`` (`block_size`). Within complete blocks every segment is kept in
    exactly half of the coalitions, any two segments have the same state exactly as often as
    different states, and interactions of an even number of segments cannot disturb an estimate.
    At most six tenths of an interaction of three segments (from 20 segments on, a third) are taken
    for the effect of another segment, never all of it, so that a further block tells them apart.
    For the same error, complete blocks need about half the calls of independent coin tosses; an
    incomplete last block loses some of that.

    With fewer than `block_size` rows, the complements come after all h rows instead of in between,
    because a short design learns more from different rows.

    References
    ----------
    G. E. P. Box, K. B. Wilson, "On the experimental attainment of optimum conditions", Journal
    of the Royal Statistical Society B 13, 1951, doi:10.1111/j.2517-6161.1951.tb00067.x.
    A. Hedayat, W. D. Wallis, "Hadamard matrices and their applications", Annals of Statistics 6,
    1978, doi:10.1214/aos/1176344370.

    Examples
    --------
    >>> coalitions = Foldover()(8, 3, np.random.default_rng(0))
    >>> coalitions.sum(axis=0)
    array([4, 4, 4])
    >>> bool((coalitions[0::2] == ~coalitions[1::2]).all())
    True
    >>> Foldover.block_size(53)
    120
    """

    @staticmethod
    def block_size(d: int) -> int:
        """Return how many coalitions of `d` segments make one complete block."""
        return 2 * hadamard_order(check_int("d", d, minimum=1) + 1)

    def __call__(self, n: int, d: int, rng: np.random.Generator) -> Coalitions:
        """Draw `n` coalitions of `d` segments, shape (n, d), block after block."""
        block = self.block_size(d)
        if n < block:
            rows = half_block(d, rng)
            return np.concatenate([rows, ~rows])[:n]
        rows = np.concatenate([half_block(d, rng) for _ in range(-(-n // block))])
        return with_complements(rows)[:n]


@dataclass(frozen=True)
class Leverage:
    """Ask complementary pairs of all sizes equally often, as leverage-score sampling does.

    The number of kept segments is uniform on ``1..d-1``, the coalition is uniform among those of
    its size, and each is followed by its complement. This suits Shapley values: small and large
    coalitions, which matter most to these, are seen often enough.

    References
    ----------
    C. Musco, R. T. Witter, "Provably accurate Shapley value estimation via leverage score
    sampling", 2025, arXiv:2410.01917.

    Examples
    --------
    >>> Leverage()(4, 6, np.random.default_rng(1)).astype(int)
    array([[0, 1, 0, 1, 1, 0],
           [1, 0, 1, 0, 0, 1],
           [0, 1, 0, 1, 1, 0],
           [1, 0, 1, 0, 0, 1]])
    """

    def __call__(self, n: int, d: int, rng: np.random.Generator) -> Coalitions:
        """Draw `n` coalitions of `d` segments, shape (n, d); none is empty, none complete."""
        sizes = np.arange(1, check_int("d", d, minimum=2))
        return _pairs_of_sizes(n, d, np.ones(len(sizes)), rng)


@dataclass(frozen=True)
class ShapleySizes:
    """Ask complementary pairs with the sizes of KernelSHAP.

    The probability of a coalition of k segments is proportional to the Shapley kernel,
    ``1 / (C(d, k) k (d - k))``. So that of a size is proportional to ``1 / (k (d - k))``, and a
    least-squares fit needs no further weights. Each coalition is followed by its complement.

    References
    ----------
    S. M. Lundberg, S.-I. Lee, "A unified approach to interpreting model predictions", 2017,
    arXiv:1705.07874.
    I. Covert, S.-I. Lee, "Improving KernelSHAP: practical Shapley value estimation using linear
    regression", 2021, arXiv:2012.01536.

    Examples
    --------
    >>> coalitions = ShapleySizes()(1000, 50, np.random.default_rng(0))
    >>> sizes = coalitions.sum(axis=1)
    >>> bool(np.mean(sizes == 1) > 3 * np.mean(sizes == 25))
    True
    """

    def __call__(self, n: int, d: int, rng: np.random.Generator) -> Coalitions:
        """Draw `n` coalitions of `d` segments, shape (n, d); none is empty, none complete."""
        sizes = np.arange(1, check_int("d", d, minimum=2))
        return _pairs_of_sizes(n, d, 1.0 / (sizes * (d - sizes)), rng)


def half_block(d: int, rng: np.random.Generator) -> Coalitions:
    """Draw the h rows of a block without their complements, shape (h, d)."""
    matrix = hadamard(hadamard_order(d + 1))
    # Column 0 is constant; all others are orthogonal to it, and so balanced.
    columns = 1 + rng.permutation(len(matrix) - 1)[:d]
    signs = rng.choice(np.array([-1, 1], dtype=np.int8), size=d)
    rows: Coalitions = matrix[:, columns] * signs > 0
    return rows[rng.permutation(len(rows))]


def with_complements(rows: Coalitions) -> Coalitions:
    """Follow every row by its complement."""
    return np.stack([rows, ~rows], axis=1).reshape(-1, rows.shape[1])


def _pairs_of_sizes(n: int, d: int, size_weights: Floats, rng: np.random.Generator) -> Coalitions:
    """Draw pairs whose first coalition has a size from 1..d-1 with these weights."""
    cumulative = np.cumsum(size_weights) / size_weights.sum()
    # One row of numbers per pair, so that a longer design starts with the shorter one: the first
    # number chooses the size, the ranks of the others choose the segments.
    uniforms = rng.random((-(-n // 2), d + 1))
    sizes = 1 + np.searchsorted(cumulative[:-1], uniforms[:, 0], side="right")
    ranks: NDArray[np.intp] = uniforms[:, 1:].argsort(axis=1).argsort(axis=1)
    return with_complements(ranks < sizes[:, np.newaxis])[:n]
