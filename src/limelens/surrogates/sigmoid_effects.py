"""Exact Banzhaf and Shapley values of a sigmoid of an additive function, by quadrature."""

import numpy as np

from limelens._typing import Floats

_RANGE = 12.0
_NODES = 400
_SHAPLEY_NODES = 24


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
        Residuals over which the sigmoid is averaged; a single 0 for none.
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
    probability that the others are kept. Gauss and Legendre's rule on [0, 12]; the rest of the
    range holds less than :math:`10^{-16}`. Prefix and suffix products, no division by cosines.

    Examples
    --------
    >>> sigmoid_effects(0.0, np.array([1.0]), np.zeros(1)).round(4)
    array([0.4621])
    >>> round(float(np.tanh(0.5)), 4)
    0.4621
    """
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    t = 0.5 * _RANGE * (nodes + 1.0)
    angles = np.multiply.outer(t, slopes)
    average = np.cos(np.multiply.outer(t, intercept + shifts)).mean(axis=1)
    outer = _RANGE * weights * average / np.sinh(np.pi * t)
    if definition == "banzhaf":
        others = _products_of_others(np.cos(angles))
    else:
        others = _shapley_others(angles)
    return outer @ (np.sin(angles) * others)


def _shapley_others(angles: Floats) -> Floats:
    nodes, weights = np.polynomial.legendre.leggauss(_SHAPLEY_NODES)
    cosines, sines = np.cos(angles), np.sin(angles)
    total = np.zeros(angles.shape)
    for u, weight in zip(0.5 * (nodes + 1.0), 0.5 * weights, strict=True):
        total += weight * _products_of_others(cosines + 1j * u * sines).real
    return total


def _products_of_others(factors: Floats) -> Floats:
    """Return for every column the product of all other columns, shape (n, d)."""
    before = np.ones_like(factors)
    np.cumprod(factors[:, :-1], axis=1, out=before[:, 1:])
    after = np.ones_like(factors)
    after[:, :-1] = np.cumprod(factors[:, :0:-1], axis=1)[:, ::-1]
    return before * after
