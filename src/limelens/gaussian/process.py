"""The mask Gaussian process: what a score is expected to be on coalitions that were not asked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limelens._typing import Coalitions, Floats
from limelens.games.coalitions import fold, is_folded
from limelens.gaussian.group_kernel import GroupKernel
from limelens.gaussian.kernel import CrossKernel, MaskKernel, spectrum
from limelens.gaussian.likelihood import Choice, likeliest

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
    spectrum : ndarray, shape (n,)
        Eigenvalues of :math:`C = (1 - \nu) K + \nu I`.
    vectors : ndarray, shape (n, n)
        Eigenvectors of C.
    weights : ndarray, shape (n, c)
        :math:`C^{-1} (y - \bar y)`.
    precisions : ndarray, shape (n,)
        Diagonal of :math:`C^{-1}`.
    scale : ndarray, shape (c, c)
        Covariance of the columns; its diagonal is the variance :math:`\sigma^2` of each.
    log_likelihood : float
        Marginal log-likelihood, summed over the columns, up to a constant.

    References
    ----------
    C. E. Rasmussen, C. K. I. Williams, "Gaussian processes for machine learning", MIT Press,
    2006, sections 2.2 (prediction) and 5.4 (marginal likelihood and leave-one-out residuals).
    """

    kernel: MaskKernel
    noise: float
    coalitions: Coalitions
    means: Floats
    spectrum: Floats
    vectors: Floats
    weights: Floats
    precisions: Floats
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
        # 1 / [F C^-1 F]_nn with F for `fold` and C^-1 = U diag(1 / e) U'.
        variances = 1.0 / (np.square(fold(self.vectors)) @ (1.0 / self.spectrum))
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
        # m C^-1 m' = (m U / sqrt e) (m U / sqrt e)'.
        whitened = (functionals @ self.vectors) / np.sqrt(self.spectrum)
        return (1.0 - self.noise) * (whitened @ whitened.T)


def fit_processes(
    coalitions: Coalitions, groups: Sequence[Floats], relevance: Floats
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

    Returns
    -------
    processes : list of MaskProcess, one per group

    Notes
    -----
    Time O(n³), memory O(n²). See `likeliest` and `fit_chosen`.
    """
    kernels = [MaskKernel(relevance=relevance, additive=additive) for additive in ADDITIVE_SHARES]
    return fit_chosen(likeliest(kernels, coalitions, groups), coalitions, groups)


def fit_chosen(
    choices: Sequence[Choice], coalitions: Coalitions, groups: Sequence[Floats]
) -> list[MaskProcess]:
    r"""Fit one process to each group of columns, with the kernel and the noise chosen for it.

    Groups of the same kernel share one eigendecomposition :math:`K = U \Lambda U'`. With
    :math:`q = U'(y - \bar y)` and :math:`e = (1 - \nu) \Lambda + \nu`,
    :math:`\sigma^2 = \overline{q^2 / e}`.
    """
    fitted: dict[int, MaskProcess] = {}
    for kernel in dict.fromkeys(choice.kernel for choice in choices):
        found = spectrum(kernel, coalitions)
        for place, choice in enumerate(choices):
            if choice.kernel is kernel:
                fitted[place] = _fit(choice, found, coalitions, groups[place])
    return [fitted[place] for place in range(len(choices))]


def _fit(
    choice: Choice, found: tuple[Floats, Floats], coalitions: Coalitions, values: Floats
) -> MaskProcess:
    """Return the process of a choice, given its kernel's spectrum."""
    eigenvalues, vectors = found
    means = values.mean(axis=0)
    rotated = vectors.T @ (values - means)
    shifted = (1.0 - choice.noise) * eigenvalues + choice.noise
    whitened = rotated / np.sqrt(shifted)[:, np.newaxis]
    return MaskProcess(
        kernel=choice.kernel,
        noise=choice.noise,
        coalitions=coalitions,
        means=means,
        spectrum=shifted,
        vectors=vectors,
        weights=vectors @ (rotated / shifted[:, np.newaxis]),
        precisions=np.square(vectors) @ (1.0 / shifted),
        scale=whitened.T @ whitened / len(coalitions),
        log_likelihood=choice.log_likelihood,
    )
