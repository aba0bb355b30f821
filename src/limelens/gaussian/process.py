"""The mask Gaussian process: what a score is expected to be on coalitions that were not asked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limelens._typing import Coalitions, Floats
from limelens.games.coalitions import fold, is_folded
from limelens.gaussian.group_kernel import GroupKernel
from limelens.gaussian.kernel import CrossKernel, MaskKernel
from limelens.gaussian.likelihood import (
    KERNEL_ROWS,
    Choice,
    cholesky,
    in_blocks,
    kernel_blocks,
    likeliest,
    whiten,
)

ADDITIVE_SHARES = (0.0, 0.3, 0.6, 0.85, 1.0)
"""The grid of lambda, from which the marginal likelihood chooses."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskProcess:
    r"""The posterior of one or more columns of values that share a kernel and a noise share.

    Made by `fit_processes`.

    Attributes
    ----------
    kernel : MaskKernel
    noise : float
        Share :math:`\nu` of the variance that the kernel does not explain, which on images is
        that of interactions of high order.
    coalitions : ndarray of bool, shape (n, d)
        Distinct rows.
    means : ndarray, shape (c,)
        Mean value of each column over the rows.
    factors : tuple of ndarray
        Lower triangles L with :math:`L L' = C = (1 - \nu) K + \nu I`: one, shape (n, n); or, for
        folded coalitions, those of the even and the odd block, shape (n / 2, n / 2) each.
    weights : ndarray, shape (n, c)
        :math:`C^{-1} (y - \bar y)`.
    precisions : ndarray, shape (n,)
        Diagonal of :math:`C^{-1}`.
    block_precisions : ndarray, shape (n,)
        The same in the coordinates of `fold`, where rows are folded.
    scale : ndarray, shape (c, c)
        Covariance of the columns; its diagonal is the variance :math:`\sigma^2` of each.
    log_likelihood : float
        Marginal log-likelihood, summed over the columns, up to a constant; NaN for a kernel that
        was not chosen from others.

    References
    ----------
    C. E. Rasmussen, C. K. I. Williams, "Gaussian processes for machine learning", MIT Press,
    2006, sections 2.2 (prediction) and 5.4 (marginal likelihood and leave-one-out residuals).
    """

    kernel: MaskKernel
    noise: float
    coalitions: Coalitions
    means: Floats
    factors: tuple[Floats, ...]
    weights: Floats
    precisions: Floats
    block_precisions: Floats
    scale: Floats
    log_likelihood: float

    @property
    def variances(self) -> Floats:
        """Variance of each column, shape (c,)."""
        return np.diagonal(self.scale)

    @property
    def residuals(self) -> Floats:
        r"""Values minus their prediction from all other rows, shape (n, c).

        :math:`r_n = [C^{-1} (y - \bar y)]_n / [C^{-1}]_{nn}`.
        """
        # Rasmussen and Williams, equation 5.12.
        return self.weights / self.precisions[:, np.newaxis]

    @property
    def folded(self) -> bool:
        """Whether the second half of the rows are the complements of the first."""
        return is_folded(self.coalitions)

    def left_out(self) -> tuple[Floats, Floats]:
        r"""Return the errors of complementary pairs, each predicted from all other pairs.

        A row's complement tells more about that row than about a coalition that was not asked.
        So both are left out together.

        Returns
        -------
        errors : ndarray, shape (n, c)
            Sums of the pairs' errors over the root of 2, then differences, see `fold`. In these
            coordinates :math:`C^{-1}` is block-diagonal, so that the formula of `residuals` leaves
            out a whole pair. For rows that are not folded these are the residuals.
        variances : ndarray, shape (n,)
            Expected squares of the errors, in units of the columns' variance.
        """
        if not self.folded:
            return self.residuals, 1.0 / self.precisions
        variances = 1.0 / self.block_precisions
        return fold(self.weights) * variances[:, np.newaxis], variances

    def predict(self, coalitions: Coalitions) -> Floats:
        """Return the posterior mean at coalitions (m, d), shape (m, c)."""
        return self.mean_of(self.kernel.matrix(coalitions, self.coalitions))

    def mean_of(self, kernel: Floats | CrossKernel | GroupKernel) -> Floats:
        """Return the posterior mean, shape (m, c), from the kernel between it and the rows."""
        # Rasmussen and Williams, equation 2.25, with the prior mean ybar.
        return self.means + kernel @ ((1.0 - self.noise) * self.weights)

    def explained(self, functionals: Floats) -> Floats:
        r"""Return what the rows explain of the prior covariance of linear functionals.

        Parameters
        ----------
        functionals : ndarray, shape (r, n)
            The kernel's image of each functional: :math:`m_{in} = L_i k(\cdot, z_n)`.

        Returns
        -------
        covariance : ndarray, shape (r, r)
            :math:`(1 - \nu)\, m C^{-1} m'`, to be taken from the prior's, both in units of
            :math:`\sigma^2 (1 - \nu)`.
        """
        return self.explained_in_blocks(in_blocks(functionals.T, len(self.factors)))

    def explained_in_blocks(self, parts: Sequence[Floats]) -> Floats:
        """Return the same, given the parts of m' that belong to each of the factors."""
        # m C^-1 m' = (L^-1 m')' (L^-1 m').
        whitened = (whiten(*pair) for pair in zip(self.factors, parts, strict=True))
        return (1.0 - self.noise) * np.sum([part.T @ part for part in whitened], axis=0)


def fit_processes(
    coalitions: Coalitions,
    groups: Sequence[Floats],
    relevance: Floats,
    kernel_rows: int = KERNEL_ROWS,
) -> list[MaskProcess]:
    """Fit one process to each group of columns, by marginal likelihood on a grid.

    Parameters
    ----------
    coalitions : ndarray of bool, shape (n, d)
        Distinct rows; see `distinct_rows`.
    groups : sequence of ndarray, shape (n, c) each
        Values; the columns of a group share kernel and noise, groups do not. No column is
        constant.
    relevance : ndarray, shape (d,)
        Prior share of each segment, summing to 1.
    kernel_rows : int
        Most rows that choose the kernel; see `likeliest`.

    Returns
    -------
    processes : list of MaskProcess, one per group

    Notes
    -----
    Time O(n³), memory O(n²). See `likeliest` and `fit_chosen`.
    """
    kernels = [MaskKernel(relevance=relevance, additive=additive) for additive in ADDITIVE_SHARES]
    return fit_chosen(likeliest(kernels, coalitions, groups, kernel_rows), coalitions, groups)


def fit_chosen(
    choices: Sequence[Choice], coalitions: Coalitions, groups: Sequence[Floats]
) -> list[MaskProcess]:
    r"""Fit one process to each group of columns, with the kernel and the noise chosen for it.

    Groups of the same kernel share its matrix, and its Cholesky factor :math:`C = L L'` where they
    have the same noise as well. :math:`\sigma^2 = |L^{-1} (y - \bar y)|^2 / n`.
    """
    fitted: dict[int, MaskProcess] = {}
    for kernel in dict.fromkeys(choice.kernel for choice in choices):
        places = [place for place, choice in enumerate(choices) if choice.kernel is kernel]
        blocks = kernel_blocks(kernel, coalitions)
        for noise in dict.fromkeys(choices[place].noise for place in places):
            factors = tuple(cholesky(block, noise) for block in blocks)
            precisions = np.concatenate([_precisions(factor) for factor in factors])
            found = factors, precisions, _by_row(precisions) if len(factors) == 2 else precisions
            for place in places:
                if choices[place].noise == noise:
                    fitted[place] = _fit(choices[place], found, coalitions, groups[place])
    return [fitted[place] for place in range(len(choices))]


def _fit(
    choice: Choice,
    found: tuple[tuple[Floats, ...], Floats, Floats],
    coalitions: Coalitions,
    values: Floats,
) -> MaskProcess:
    """Return the process of a choice, given its factors, and precisions by blocks and by rows."""
    factors, precisions, by_row = found
    means = values.mean(axis=0)
    parts = in_blocks(values - means, len(factors))
    whitened = [whiten(*pair) for pair in zip(factors, parts, strict=True)]
    weights = np.concatenate(
        [whiten(*pair, back=True) for pair in zip(factors, whitened, strict=True)]
    )
    return MaskProcess(
        kernel=choice.kernel,
        noise=choice.noise,
        coalitions=coalitions,
        means=means,
        factors=factors,
        weights=fold(weights) if len(factors) == 2 else weights,
        precisions=by_row,
        block_precisions=precisions,
        scale=np.sum([part.T @ part for part in whitened], axis=0) / len(coalitions),
        log_likelihood=choice.log_likelihood,
    )


def _by_row(precisions: Floats) -> Floats:
    """Return the precisions of folded rows from those of their even and odd block."""
    # [F P F]_nn with F for `fold` and P block-diagonal: half of both blocks' sum.
    return np.tile(0.5 * np.add(*np.split(precisions, 2)), 2)


def _precisions(factor: Floats) -> Floats:
    """Return the diagonal of C^-1 = L'^-1 L^-1 from L."""
    from scipy.linalg import lapack  # noqa: PLC0415

    return np.square(np.tril(lapack.dtrtri(factor, lower=1)[0])).sum(axis=0)
