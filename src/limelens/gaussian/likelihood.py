"""Which of several kernels, and which noise share, make given values likeliest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Coalitions, Floats
from limelens.games.coalitions import fold, is_folded
from limelens.gaussian.kernel import MaskKernel, agreement

NOISE_SHARES = (0.001, 0.01, 0.03, 0.1, 0.2, 0.4)
"""The grid of the noise share, from which the marginal likelihood chooses."""

KERNEL_ROWS = 1024
"""Most rows that choose a kernel unless it is said otherwise.

The cost grows with the cube of the rows, and more of them hardly change what is likeliest.
"""

FEWEST_KERNEL_ROWS = 64
"""Fewer could not tell kernels apart."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice:
    """The likeliest kernel and noise share of a group of columns.

    Attributes
    ----------
    kernel : MaskKernel
    noise : float
    log_likelihood : float
        See `MaskProcess`; NaN for a kernel that was not chosen from others.
    """

    kernel: MaskKernel
    noise: float
    log_likelihood: float = float("nan")


def likeliest(
    kernels: Sequence[MaskKernel],
    coalitions: Coalitions,
    groups: Sequence[Floats],
    kernel_rows: int = KERNEL_ROWS,
) -> list[Choice]:
    r"""Choose the likeliest kernel and noise share for each group of columns.

    Parameters
    ----------
    kernels : sequence of MaskKernel
        At least one; of equally likely ones the first is taken.
    coalitions : ndarray of bool, shape (n, d)
    groups : sequence of ndarray, shape (n, c) each
        The columns of a group share kernel and noise.
    kernel_rows : int
        Of more rows than these, so many random ones decide, complements together: what is likeliest
        for these is likeliest for all, and the fit takes all.

    Returns
    -------
    choices : list of Choice, one per group

    Notes
    -----
    A Cholesky factor :math:`C = L L'` gives :math:`\log |C|` and :math:`y' C^{-1} y = |L^{-1} y|^2`
    for all groups at once, in a small part of the time of an eigendecomposition. That is left for
    the process that is chosen.
    """
    if not groups:
        return []
    if len(coalitions) > kernel_rows:
        some = random_rows(coalitions, kernel_rows)
        coalitions, groups = coalitions[some], [group[some] for group in groups]
    sizes = np.array([group.shape[1] for group in groups])
    starts = np.cumsum(sizes) - sizes
    columns = np.concatenate(groups, axis=1)
    columns = columns - columns.mean(axis=0)
    best: list[Choice | None] = [None] * len(groups)
    for kernel in kernels:
        for noise, log_determinant, squares in _misfits(kernel, coalitions, columns):
            variances = np.maximum(squares / len(columns), np.finfo(np.float64).tiny)
            # Rasmussen and Williams, equation 5.8, at the best sigma^2 of every column.
            logs = len(columns) * np.add.reduceat(np.log(variances), starts)
            found = -0.5 * (sizes * log_determinant + logs)
            for place, likelihood in enumerate(found.tolist()):
                known = best[place]
                if known is None or likelihood > known.log_likelihood:
                    best[place] = Choice(kernel=kernel, noise=noise, log_likelihood=likelihood)
    return [choice for choice in best if choice is not None]


def random_rows(coalitions: Coalitions, n_rows: int) -> NDArray[np.intp]:
    """Return the positions of so many rows, or of all; of folded ones, with their complements."""
    n = len(coalitions)
    units = n // 2 if is_folded(coalitions) else n
    chosen = np.random.default_rng(units).permutation(units)[: n_rows * units // n]
    return chosen if units == n else np.concatenate([chosen, chosen + units])


def _misfits(
    kernel: MaskKernel, coalitions: Coalitions, columns: Floats
) -> Iterator[tuple[float, float, Floats]]:
    """Yield each noise share with log |C| and the squares y' C^-1 y of all columns, shape (c,)."""
    blocks = kernel_blocks(kernel, coalitions)
    parts = in_blocks(columns, len(blocks))
    for noise in NOISE_SHARES:
        log_determinant, squares = 0.0, np.zeros(columns.shape[1])
        for matrix, values in zip(blocks, parts, strict=True):
            factor = cholesky(matrix, noise)
            log_determinant += 2.0 * float(np.log(np.diagonal(factor)).sum())
            squares += np.square(whiten(factor, values)).sum(axis=0)
        yield noise, log_determinant, squares


def kernel_blocks(kernel: MaskKernel, coalitions: Coalitions) -> list[Floats]:
    """Return the kernel among coalitions in the coordinates of `fold`, without its blocks of 0.

    Folded coalitions have an even and an odd block, each half as large; others have one.
    """
    if not is_folded(coalitions):
        return [kernel.matrix(coalitions, coalitions)]
    first = coalitions[: len(coalitions) // 2]
    return list(kernel.parts(agreement(first, first, kernel.relevance)))


def in_blocks(columns: Floats, n_blocks: int) -> list[Floats]:
    """Return the part of the columns (n, c) that belongs to each of `kernel_blocks`."""
    if n_blocks == 1:
        return [columns]
    folded, half = fold(columns), len(columns) // 2
    return [folded[:half], folded[half:]]


def cholesky(matrix: Floats, noise: float) -> Floats:
    """Return the lower triangle L of a block of C = (1 - noise) K + noise I, C = L L'.

    What lies above the diagonal means nothing.
    """
    from scipy.linalg import lapack  # noqa: PLC0415

    noisy = (1.0 - noise) * matrix
    noisy.ravel()[:: len(noisy) + 1] += noise
    # The matrix is symmetric: transposed it has LAPACK's memory order, and is not copied.
    factor, failed = lapack.dpotrf(noisy.T, lower=1, clean=0, overwrite_a=1)
    if failed:
        raise np.linalg.LinAlgError("the kernel of the coalitions is not positive definite")
    return np.asarray(factor)


def whiten(factor: Floats, columns: Floats, *, back: bool = False) -> Floats:
    """Return L^-1 columns of a factor from `cholesky`, or, going `back`, L'^-1 columns."""
    from scipy.linalg import blas  # noqa: PLC0415

    return np.asarray(blas.dtrsm(1.0, factor, columns, lower=1, trans_a=int(back)))
