"""Banzhaf and Shapley values of a mask Gaussian process, in closed form with their covariance."""

from functools import lru_cache
from typing import TypeAlias

import numpy as np

from limelens._typing import Floats
from limelens.games.coalitions import signs
from limelens.gaussian.kernel import MaskKernel
from limelens.gaussian.process import MaskProcess

# Beyond 12 the factor 1 / sinh(pi t) is below 1e-16.
_RANGE = 12.0

# Nodes that follow the cosines up to there: three for each unit of the log-odds' largest size, and
# 64 besides, reach the precision of 400. In steps of 16, so that few sets of nodes are computed.
_FEWEST_NODES, _NODES_A_UNIT, _NODE_STEP, _NODES = 64, 3.0, 16, 400

# Most nodes of the mean over u = 2 p - 1. The integrand is even in u: half of them are evaluated.
_SHAPLEY_NODES = 32

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
        Mean difference that keeping a segment makes, over all :math:`2^{d-1}` coalitions of others.
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
    """Return (1 - lambda) (1 - rho_i) and the product over j != i of (1 + rho_j) / 2, (d,) each."""
    decays = kernel.decays
    factors = 0.5 * (1.0 + decays)
    return (1.0 - kernel.additive) * (1.0 - decays), factors.prod() / factors


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
        # A factor of the integrand where row n keeps j, and where it hides j. The product of all,
        # by its logarithm, is divided by the segment's own.
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
    # a = p p' + (1 - p) (1 - p') = (1 + (2 p - 1) (2 p' - 1)) / 2.
    agree = 0.5 * (1.0 + lean)[:, np.newaxis]
    factors = agree + (1.0 - agree) * decays
    weight *= np.exp(np.log(factors).sum(axis=1))
    gains = (1.0 - decays) / factors
    prior = (gains.T * (weight * lean)) @ gains
    np.fill_diagonal(prior, 2.0 * (weight @ gains))
    return (1.0 - kernel.additive) * prior + np.diag(4.0 * kernel.additive * kernel.relevance)


@lru_cache(maxsize=64)
def _legendre(n: int) -> tuple[Floats, Floats]:
    """Return Gauss and Legendre's nodes and weights; to find 400 takes longer than to use them."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    nodes.setflags(write=False)
    weights.setflags(write=False)
    return nodes, weights


def _unit_nodes(degree: int) -> tuple[Floats, Floats]:
    """Return Gauss-Legendre nodes and weights on [0, 1], exact for polynomials below `degree`."""
    nodes, weights = _legendre(min(-(-degree // 2), _MAX_NODES))
    return 0.5 * (nodes + 1.0), 0.5 * weights


def _posterior(process: MaskProcess, functionals: Floats, prior: Floats) -> Effects:
    """Return values (c, d) and covariance (d, d), given the kernel's image `m` as (n, d)."""
    # phi = (1 - nu) m' C^-1 (y - ybar) and cov = (1 - nu) [V - (1 - nu) m' C^-1 m].
    values = (1.0 - process.noise) * (functionals.T @ process.weights).T
    covariance = prior - process.explained(functionals.T)
    covariance *= 1.0 - process.noise
    return values, _positive_diagonal(covariance)


def _positive_diagonal(covariance: Floats) -> Floats:
    """Return the symmetric covariance; variances that rounding made negative become zero."""
    covariance = 0.5 * (covariance + covariance.T)
    np.fill_diagonal(covariance, np.maximum(np.diagonal(covariance), 0.0))
    return covariance


def sigmoid_effects(
    intercept: float, slopes: Floats, shifts: Floats, *, definition: str = "banzhaf"
) -> Floats:
    r"""Return the exact values of the game ``mean_n sigmoid(intercept + shifts_n + s . slopes)``.

    Parameters
    ----------
    intercept : float
    slopes : ndarray, shape (d,)
        Coefficients of the signs s, 1 where a segment is kept and -1 where hidden.
    shifts : ndarray, shape (n,)
        Residuals over which the sigmoid is averaged; a single 0 if there are none.
    definition : {"banzhaf", "shapley"}

    Returns
    -------
    values : ndarray, shape (d,)

    Notes
    -----
    From :math:`\tanh(x / 2) = 2 \int_0^\infty \sin(x t) / \sinh(\pi t)\, dt` the Banzhaf value is

    .. math:: B_i = \int_0^\infty \frac{2 \sin(b_i t)}{\sinh(\pi t)}\;
              \overline{\cos((a + r_n) t)} \prod_{j \ne i} \cos(b_j t)\, dt ,

    and for Shapley values the product is the mean over u in [0, 1] of the real part of
    :math:`\prod_{j \ne i} (\cos b_j t + \mathrm{i}\, u \sin b_j t)`, with u = |2p - 1| and p the
    probability that the others are kept. The integral is taken by Gauss and Legendre's rule on
    [0, 12]; the rest of the range holds less than :math:`10^{-16}`. For Banzhaf values, products of
    others are prefix times suffix products, since cosines may be too small to divide by.

    Examples
    --------
    >>> sigmoid_effects(0.0, np.array([1.0]), np.zeros(1)).round(4)
    array([0.4621])
    >>> round(float(np.tanh(0.5)), 4)
    0.4621
    """
    largest = float(np.abs(slopes).sum() + np.abs(intercept + shifts).max())
    nodes, weights = _legendre(_nodes_for(largest))
    t = 0.5 * _RANGE * (nodes + 1.0)
    angles = np.multiply.outer(t, slopes)
    average = np.cos(np.multiply.outer(t, intercept + shifts)).mean(axis=1)
    # 2 mean_n cos((a + r_n) t) / sinh(pi t) dt, where dt is half the range times the weight.
    outer = _RANGE * weights * average / np.sinh(np.pi * t)
    if definition == "banzhaf":
        others = _products_of_others(np.cos(angles))
    else:
        others = _shapley_others(angles)
    return outer @ (np.sin(angles) * others)


def _nodes_for(largest: float) -> int:
    """Return how many nodes follow the cosines of log-odds of at most this size."""
    steps = np.ceil((_FEWEST_NODES + _NODES_A_UNIT * largest) / _NODE_STEP)
    return int(min(_NODES, _NODE_STEP * steps))


def _shapley_others(angles: Floats) -> Floats:
    """Return for every angle the mean over u of its row's other factors, as above; (n, d)."""
    # In u the integrand is a polynomial of degree d - 1, for which d / 2 nodes are exact.
    number = min(_SHAPLEY_NODES, 2 * -(-angles.shape[1] // 4))
    nodes, weights = (half[number // 2 :] for half in _legendre(number))
    # Segments come first: products over the first axis are several times faster.
    cosines, sines = np.cos(angles.T), np.sin(angles.T)
    squares, total = np.square(cosines), np.zeros(cosines.shape)
    for u, weight in zip(nodes, weights, strict=True):
        imaginary = u * sines
        products = (cosines + 1j * imaginary).prod(axis=0)
        # Re(products / factor). No factor is near 0: its square is at least u^2, and u > 0.04.
        numerator = products.real * cosines + products.imag * imaginary
        total += weight * numerator / (squares + np.square(imaginary))
    return total.T


def _products_of_others(factors: Floats) -> Floats:
    """Return for every column the product of all other columns, shape (n, d)."""
    before = np.ones_like(factors)
    np.cumprod(factors[:, :-1], axis=1, out=before[:, 1:])
    after = np.ones_like(factors)
    after[:, :-1] = np.cumprod(factors[:, :0:-1], axis=1)[:, ::-1]
    return before * after


def process_interactions(process: MaskProcess) -> Floats:
    r"""Return the interaction indices of a process's posterior mean, shape (c, d, d).

    Notes
    -----
    The additive part of the kernel has no interactions. In the product
    :math:`\prod_k \rho_k^{[z_k \ne z_{nk}]}` toggling i changes its factor by
    :math:`s_{ni} (1 - \rho_i)`, and the weight of a coalition of size s among d - 2 others is
    :math:`w(s) = \int_0^1 p^s (1-p)^{d-2-s} dp`: the chance that each is kept with probability p,
    p uniform. Hence, with :math:`\alpha = (1 - \nu) C^{-1} (y - \bar y)`,

    .. math:: I_{ij} = (1 - \lambda) \sum_n \alpha_n s_{ni} s_{nj} (1 - \rho_i) (1 - \rho_j)
              \int_0^1 \prod_{k \ne i, j} \big[ p \rho_k^{1 - z_{nk}}
              + (1 - p) \rho_k^{z_{nk}} \big] dp ,

    a polynomial of degree d - 2, integrated exactly by Gauss and Legendre's rule.
    """
    kernel, kept = process.kernel, process.coalitions
    d, decays = kept.shape[1], kernel.decays
    total = np.zeros((process.weights.shape[1], d, d))
    scale = (1.0 - process.noise) * (1.0 - kernel.additive)
    nodes, shares = _legendre(min(max(1, d // 2), _MAX_NODES))
    for p, share in zip((nodes + 1) / 2, shares / 2, strict=True):
        factors = np.where(kept, p + (1 - p) * decays, p * decays + 1 - p)
        # s_ni (1 - rho_i) over i's own factor: two of these times the product of all factors make
        # the integrand.
        toggled = signs(kept) * (1 - decays) / factors
        products = np.exp(np.log(factors).sum(axis=1))
        for column, alpha in enumerate(process.weights.T):
            weighted = toggled * (scale * share * alpha * products)[:, np.newaxis]
            total[column] += toggled.T @ weighted
    return _without_diagonal((total + total.transpose(0, 2, 1)) / 2)


def _without_diagonal(matrices: Floats) -> Floats:
    matrices[:, np.arange(matrices.shape[1]), np.arange(matrices.shape[1])] = 0.0
    return matrices
