"""The mask Gaussian process: what a score is expected to be on coalitions that were not asked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from limelens._typing import Coalitions, Floats
from limelens.games.coalitions import fold, is_folded
from limelens.gaussian.group_kernel import GroupKernel
from limelens.gaussian.kernel import CrossKernel, MaskKernel, spectrum

# The grids of lambda and nu, from which the marginal likelihood chooses.
ADDITIVE_SHARES = (0.0, 0.3, 0.6, 0.85, 1.0)

NOISE_SHARES = (0.001, 0.01, 0.03, 0.1, 0.2, 0.4)


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
    r"""Fit one process to each group of columns, by marginal likelihood on a grid.

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
    One eigendecomposition :math:`K = U \Lambda U'` for each additive share serves all groups and
    all noise shares: with :math:`q = U'(y - \bar y)` and :math:`e = (1 - \nu) \Lambda + \nu`,
    :math:`\sigma^2 = \overline{q^2 / e}` and the log-likelihood is
    :math:`-\tfrac12 (\sum \log e + n \log \sigma^2)`. Time O(n³), memory O(n²).
    """
    best: list[MaskProcess | None] = [None] * len(groups)
    for additive in ADDITIVE_SHARES:
        kernel = MaskKernel(relevance=relevance, additive=additive)
        found = spectrum(kernel, coalitions)
        for number, values in enumerate(groups):
            previous = best[number]
            likeliest = _likeliest(kernel, coalitions, values, found)
            if previous is None or likeliest.log_likelihood > previous.log_likelihood:
                best[number] = likeliest
    return [process for process in best if process is not None]


def fit_process(kernel: MaskKernel, coalitions: Coalitions, values: Floats) -> MaskProcess:
    """Fit one process of a given kernel to values (n, c) by its noise share alone."""
    return _likeliest(kernel, coalitions, values, spectrum(kernel, coalitions))


def _likeliest(
    kernel: MaskKernel, coalitions: Coalitions, values: Floats, found: tuple[Floats, Floats]
) -> MaskProcess:
    """Return the process of the likeliest noise share, given the kernel's spectrum."""
    eigenvalues, vectors = found
    means = values.mean(axis=0)
    rotated = vectors.T @ (values - means)
    noise, likelihood = max(_likelihoods(eigenvalues, rotated), key=lambda pair: pair[1])
    shifted = (1.0 - noise) * eigenvalues + noise
    whitened = rotated / np.sqrt(shifted)[:, np.newaxis]
    return MaskProcess(
        kernel=kernel,
        noise=noise,
        coalitions=coalitions,
        means=means,
        spectrum=shifted,
        vectors=vectors,
        weights=vectors @ (rotated / shifted[:, np.newaxis]),
        precisions=np.square(vectors) @ (1.0 / shifted),
        scale=whitened.T @ whitened / len(coalitions),
        log_likelihood=likelihood,
    )


def _likelihoods(eigenvalues: Floats, rotated: Floats) -> Iterator[tuple[float, float]]:
    n = len(eigenvalues)
    squares = np.square(rotated)
    for noise in NOISE_SHARES:
        shifted = (1.0 - noise) * eigenvalues + noise
        variances = np.maximum((1.0 / shifted) @ squares / n, np.finfo(np.float64).tiny)
        # Rasmussen and Williams, equation 5.8, at the best sigma^2 of every column.
        total = rotated.shape[1] * np.log(shifted).sum() + n * np.log(variances).sum()
        yield noise, -0.5 * float(total)
