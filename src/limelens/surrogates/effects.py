"""Banzhaf and Shapley values of a mask Gaussian process, in closed form with their covariance."""

from typing import TypeAlias

import numpy as np

from limelens._typing import Floats
from limelens.surrogates.mask_kernel import MaskKernel, signs
from limelens.surrogates.mask_process import MaskProcess

_MAX_NODES = 48
"""The integrands are products of d linear factors near 1: smooth, whatever d."""

Effects: TypeAlias = tuple[Floats, Floats]


def banzhaf_effects(process: MaskProcess) -> Effects:
    r"""Return the Banzhaf values of the posterior mean and their posterior covariance.

    Parameters
    ----------
    process : MaskProcess

    Returns
    -------
    values : ndarray, shape (c, d)
        Mean difference that keeping a segment makes over all :math:`2^{d-1}` others.
    covariance : ndarray, shape (d, d)
        Posterior covariance in units of the column's variance (`process.variances`).

    Notes
    -----
    Every value is linear in the score, :math:`\phi_i = \sum_n \alpha_n m_{in}` with
    :math:`\alpha = (1 - \nu) C^{-1} (y - \bar y)` and the same functional of the kernel,

    .. math:: m_{in} = s_{ni} \big[ 2 \lambda D_i + (1 - \lambda) (1 - \rho_i)
              \textstyle\prod_{j \ne i} (1 + \rho_j) / 2 \big].

    The covariance is :math:`(1 - \nu) [V - (1 - \nu)\, m C^{-1} m']`; the prior's V is diagonal,
    :math:`V_{ii} = 4 \lambda D_i + 2 (1 - \lambda) (1 - \rho_i) \prod_{j \ne i} (1 + \rho_j) / 2`.
    """
    kernel = process.kernel
    gains, rest = _banzhaf_gains(kernel)
    bracket = 2.0 * kernel.additive * kernel.relevance + gains * rest
    prior = np.diag(4.0 * kernel.additive * kernel.relevance + 2.0 * gains * rest)
    return _posterior(process, signs(process.coalitions) * bracket, prior)


def _banzhaf_gains(kernel: MaskKernel) -> tuple[Floats, Floats]:
    decays = kernel.decays
    factors = 0.5 * (1.0 + decays)
    return (1.0 - kernel.additive) * (1.0 - decays), factors.prod() / factors


def banzhaf_mean(process: MaskProcess) -> Floats:
    """Return the posterior mean's average over all coalitions, shape (c,)."""
    kernel = process.kernel
    average = 1.0 + (1.0 - kernel.additive) * float((0.5 * (1.0 + kernel.decays)).prod())
    return process.means + (1.0 - process.noise) * average * process.weights.sum(axis=0)


def shapley_effects(process: MaskProcess) -> Effects:
    r"""Return the Shapley values of the posterior mean and their posterior covariance.

    Parameters
    ----------
    process : MaskProcess

    Returns
    -------
    values : ndarray, shape (c, d)
    covariance : ndarray, shape (d, d)
        As in `banzhaf_effects`.

    Notes
    -----
    A Shapley value is the mean over p, uniform on [0, 1], of the Banzhaf value in which every
    other segment is kept with probability p (Owen 1972). So the products become

    .. math:: \int_0^1 \prod_{j \ne i} \big[ p \rho_j^{1 - z_{nj}}
              + (1 - p) \rho_j^{z_{nj}} \big] dp ,

    polynomials of degree d - 1, for which Gauss and Legendre's rule with :math:`\lceil d/2 \rceil`
    nodes is exact (48 nodes reach rounding error for every d). In the prior covariance
    the same integral runs over p and p', with the factors :math:`a + (1 - a) \rho_j`,
    :math:`a = p p' + (1 - p)(1 - p')`, and, off the diagonal,
    :math:`(2p - 1)(2p' - 1)(1 - \rho_i)(1 - \rho_j)` for the segments i and j.

    References
    ----------
    G. Owen, "Multilinear extensions of games", Management Science 18, 1972,
    doi:10.1287/mnsc.18.5.64.
    """
    kernel = process.kernel
    bracket = 2.0 * kernel.additive * kernel.relevance + _shapley_products(process)
    prior = _shapley_prior(kernel)
    return _posterior(process, signs(process.coalitions) * bracket, prior)


def _shapley_products(process: MaskProcess) -> Floats:
    """Return `(1 - additive) (1 - rho_i)` times the integral of the others' product, (n, d)."""
    kernel, kept = process.kernel, process.coalitions
    decays = kernel.decays
    total = np.zeros(kept.shape)
    if kernel.additive == 1:
        return total
    for p, weight in zip(*_unit_nodes(len(decays) + 1), strict=True):
        if_kept, if_hidden = p + (1.0 - p) * decays, p * decays + (1.0 - p)
        log_kept, log_hidden = np.log(if_kept), np.log(if_hidden)
        products = np.exp(kept @ (log_kept - log_hidden) + log_hidden.sum())
        total += weight * products[:, np.newaxis] / np.where(kept, if_kept, if_hidden)
    return total * (1.0 - kernel.additive) * (1.0 - decays)


def _shapley_prior(kernel: MaskKernel) -> Floats:
    decays, d = kernel.decays, len(kernel.relevance)
    nodes, weights = _unit_nodes(d + 2)
    lean = np.multiply.outer(2.0 * nodes - 1.0, 2.0 * nodes - 1.0).ravel()
    weight = np.multiply.outer(weights, weights).ravel()
    agree = 0.5 * (1.0 + lean)[:, np.newaxis]
    factors = agree + (1.0 - agree) * decays
    weight *= np.exp(np.log(factors).sum(axis=1))
    gains = (1.0 - decays) / factors
    prior = (gains.T * (weight * lean)) @ gains
    np.fill_diagonal(prior, 2.0 * (weight @ gains))
    return (1.0 - kernel.additive) * prior + np.diag(4.0 * kernel.additive * kernel.relevance)


def _unit_nodes(degree: int) -> tuple[Floats, Floats]:
    """Return Gauss-Legendre nodes and weights on [0, 1], exact for polynomials below `degree`."""
    nodes, weights = np.polynomial.legendre.leggauss(min(-(-degree // 2), _MAX_NODES))
    return 0.5 * (nodes + 1.0), 0.5 * weights


def _posterior(process: MaskProcess, functionals: Floats, prior: Floats) -> Effects:
    """Return values (c, d) and covariance (d, d), given the kernel's image `m` as (n, d)."""
    values = (1.0 - process.noise) * (functionals.T @ process.weights).T
    covariance = prior - process.explained(functionals.T)
    covariance *= 1.0 - process.noise
    return values, _positive_diagonal(covariance)


def _positive_diagonal(covariance: Floats) -> Floats:
    """Return the covariance with what rounding made negative on its diagonal set to zero."""
    covariance = 0.5 * (covariance + covariance.T)
    np.fill_diagonal(covariance, np.maximum(np.diagonal(covariance), 0.0))
    return covariance
