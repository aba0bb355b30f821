"""From the effects in single images to a mean over images: intervals, tests, shares."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Floats
from limelens.audits.pooling import Estimate

N_FLIPS, N_SHUFFLES, _N_RESAMPLES = 1999, 199, 400
_AT_ONCE = 2**22
_MOST_CONDITION = 1e10


@dataclass(frozen=True, kw_only=True, eq=False)
class Regression:
    """The regression of effects on descriptors over all segments of all images.

    Attributes
    ----------
    values, errors, dof : ndarray, shape (p,)
        Coefficients, standard errors clustered by image, degrees of freedom of Student's t.
    parts : ndarray, shape (n, p)
        Each image's part: the coefficients are their means.
    noise : ndarray, shape (n, p)
        Variance of each part that comes from the choice of masks.
    present : ndarray of bool, shape (n, p)
        Whether the image has anything that the descriptor tells apart.
    controls : ndarray, shape (r, p)
        Coefficients after the descriptors were shuffled between the segments of each image.
    """

    values: Floats
    errors: Floats
    dof: Floats
    parts: Floats
    noise: Floats
    present: NDArray[np.bool_]
    controls: Floats


def regress(
    tables: Sequence[Floats], estimates: Sequence[Estimate], rng: np.random.Generator
) -> Regression:
    r"""Regress effects on descriptors over all segments of all images.

    Parameters
    ----------
    tables : sequence of ndarray, shape (d_i, p)
        Descriptors of the segments of each image.
    estimates : sequence of Estimate
    rng : numpy.random.Generator
        Shuffles the descriptors for the control.

    Notes
    -----
    With :math:`H = \sum_i Z_i^\top Z_i` the coefficients are
    :math:`\theta = H^{-1} \sum_i Z_i^\top \hat g_i`. Their covariance is the jackknife that leaves
    out one image at a time (CR3 of Bell and McCaffrey 2002), so that whatever the errors of one
    image have in common is accounted for (Liang and Zeger 1986). The degrees of freedom are one
    less than the effective number of images, :math:`(\sum_i h_i)^2 / \sum_i h_i^2` with
    :math:`h_i` the sum of squares of the descriptor in image i (Carter et al. 2017).
    """
    grams = np.stack([table.T @ table for table in tables])
    sums = np.stack([t.T @ e.effects for t, e in zip(tables, estimates, strict=True)])
    inverse = np.linalg.pinv(grams.sum(axis=0), hermitian=True)
    values = inverse @ sums.sum(axis=0)
    own = np.diagonal(grams, axis1=1, axis2=2)
    dof = own.sum(axis=0) ** 2 / np.square(own).sum(axis=0) - 1
    errors = np.where(dof > 0.01, _jackknife(grams, sums), np.nan)
    n = len(tables)
    weights = [n * inverse @ table.T for table in tables]
    controls = np.zeros((N_SHUFFLES, len(values)))
    for table, estimate in zip(tables, estimates, strict=True):
        controls += shuffled(estimate.effects, N_SHUFFLES, rng) @ table
    return Regression(
        values=values,
        errors=errors,
        dof=dof,
        parts=n * sums @ inverse,
        noise=np.stack([e.noise(w) for e, w in zip(estimates, weights, strict=True)]),
        present=own > 0,
        controls=controls @ inverse,
    )


def shuffled(effects: Floats, n: int, rng: np.random.Generator) -> Floats:
    """Return the effects in n random orders, shape (n, d)."""
    return rng.permuted(np.broadcast_to(effects, (n, len(effects))), axis=1)


def _jackknife(grams: Floats, sums: Floats) -> Floats:
    """Return standard errors from leaving out one image at a time."""
    n = len(grams)
    without = np.linalg.pinv(grams.sum(axis=0) - grams, rcond=1 / _MOST_CONDITION, hermitian=True)
    left = np.einsum("ijk,ik->ij", without, sums.sum(axis=0) - sums)
    return np.asarray(np.sqrt((n - 1) / n * np.square(left - left.mean(axis=0)).sum(axis=0)))


def is_singular(tables: Sequence[Floats]) -> bool:
    """Return whether some descriptors follow from others, so that no regression separates them."""
    total = np.sum([table.T @ table for table in tables], axis=0)
    scale = np.sqrt(np.diagonal(total))
    scale = np.where(scale > 0, scale, 1.0)
    return bool(np.linalg.cond(total / np.outer(scale, scale)) > _MOST_CONDITION)


def quantile(dof: Floats | float) -> Floats:
    """Return the 97.5 % quantile of Student's t, NaN without a degree of freedom.

    Examples
    --------
    >>> quantile(np.array([10.0, 0.0])).round(2)
    array([2.23,  nan])
    """
    from scipy.special import stdtrit  # noqa: PLC0415

    known = np.asarray(dof, dtype=np.float64)
    return np.where(known > 0, stdtrit(np.maximum(known, 0.01), 0.975), np.nan)


def family_wise(parts: Floats, rng: np.random.Generator) -> Floats:
    r"""Return for each mean how often chance alone would make any of the means as clear.

    Parameters
    ----------
    parts : ndarray, shape (n, c)
        What each image says of each of c means.
    rng : numpy.random.Generator

    Returns
    -------
    p : ndarray, shape (c,)
        Below 0.01 for any of them with probability 0.01 at most, if none of them differs from 0.

    Notes
    -----
    If an effect is nothing but chance, the sign of each image's part is a toss of a coin. So the
    signs of whole images are flipped at random, and :math:`p_c = (1 + \#\{\max_k |t_k^*| \ge
    |t_c|\}) / (1 + B)` with t the mean over its standard error (the maximum statistic of Westfall
    and Young 1993; Winkler et al. 2014). Correlated places cost nothing.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> parts = rng.normal(size=(20, 2)) + np.array([2.0, 0.0])
    >>> family_wise(parts, rng) < 0.01
    array([ True, False])
    """
    n = len(parts)
    largest = np.abs(parts).max(axis=0)
    scaled = parts / np.where(largest > 0, largest, 1.0)
    squares = np.square(scaled).sum(axis=0)
    seen = np.abs(_t(scaled.mean(axis=0), squares, n))
    beaten = np.zeros(parts.shape[1])
    rows = max(1, _AT_ONCE // max(n, parts.shape[1]))
    for start in range(0, N_FLIPS, rows):
        flips = rng.choice(np.array([-1.0, 1.0]), (min(rows, N_FLIPS - start), n))
        chance = np.abs(_t(flips @ scaled / n, squares, n)).max(axis=1)
        # Flips that give the same images' signs give the same t, but for rounding.
        beaten += (chance[:, np.newaxis] >= seen * (1 - 1e-9)).sum(axis=0)
    return np.asarray((1 + beaten) / (1 + N_FLIPS))


def _t(means: Floats, squares: Floats, n: int) -> Floats:
    variances = np.maximum(squares - n * means**2, 0.0) / max(n - 1, 1) / n
    # Images that agree to the last bit have no variance, and a t beyond all others.
    tiny = 1e-15 * squares / n
    return np.asarray(means / np.sqrt(np.where(squares > 0, variances + tiny, 1.0)))


@dataclass(frozen=True)
class Share:
    """The share of images with an effect of the mean's sign, and its 95 % interval."""

    value: float
    low: float
    high: float


def share_of_images(
    parts: Floats, noise: Floats, rng: np.random.Generator, n_resamples: int = _N_RESAMPLES
) -> Share:
    r"""Return in what share of the images the effect has the sign of its mean.

    Parameters
    ----------
    parts, noise : ndarray, shape (n,)
        Each image's noisy effect, and the variance of its noise.
    rng : numpy.random.Generator

    Notes
    -----
    Few masks of an image do not tell the sign of its effect. Let effects be normal over images,
    with the mean :math:`\mu` and the variance :math:`\tau^2` that is left of the variance of the
    parts without their noise. Then each image's effect has the mean's sign with a probability that
    Bayes's rule gives; the share is the mean of these. Without noise it is a count. The interval
    holds both the bootstrap's percentiles, over images, and Wilson's interval of a count.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = share_of_images(np.array([2.0, 1.0, 3.0, -1.0]), np.zeros(4), rng)
    >>> found.value
    0.75
    """
    n = len(parts)
    if n < 2 or not np.isfinite(noise).all() or not parts.any():
        return Share(np.nan, np.nan, np.nan)
    noise = np.where(noise > 0, noise[noise > 0].mean() if (noise > 0).any() else 0.0, 0.0)
    sign = np.sign(parts.mean()) or 1.0
    value = float(_shares(sign * parts, noise, np.ones((1, n)))[0])
    counts = rng.multinomial(n, np.full(n, 1 / n), n_resamples).astype(np.float64)
    low, high = np.quantile(_shares(sign * parts, noise, counts), [0.005, 0.995])
    least, most = _wilson(value, n)
    return Share(value, min(float(low), least), max(float(high), most))


def _shares(parts: Floats, noise: Floats, counts: Floats) -> Floats:
    """Return the share of positive effects in each resample, shape (b,), of counts (b, n)."""
    from scipy.special import ndtr  # noqa: PLC0415

    n = counts.sum(axis=1)
    mean = counts @ parts / n
    spread = counts @ parts**2 / n - mean**2
    between = np.maximum(spread * n / (n - 1) - counts @ noise / n, 0.0)[:, np.newaxis]
    trust = between / np.where(between + noise > 0, between + noise, 1.0)
    means = mean[:, np.newaxis] + trust * (parts - mean[:, np.newaxis])
    deviations = np.sqrt(trust * noise)
    certain = (means > 0).astype(np.float64)
    chance = np.where(
        deviations > 0, ndtr(means / np.where(deviations > 0, deviations, 1.0)), certain
    )
    return np.asarray((counts * chance).sum(axis=1) / n)


def _wilson(share: float, n: float) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share of n.

    Examples
    --------
    >>> [round(end, 2) for end in _wilson(0.75, 20)]
    [0.53, 0.89]
    """
    z2 = 1.959963984540054**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))
