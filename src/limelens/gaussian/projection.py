"""A fitted surrogate seen as importances: projection, covariance, how additive it is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Coalitions, Floats
from limelens.gaussian.closed_forms import banzhaf_effects, shapley_effects, sigmoid_effects
from limelens.gaussian.covariance import delta_covariance
from limelens.gaussian.kernel import cross_kernel
from limelens.gaussian.links import Link, log_odds, quantiles, sigmoid
from limelens.gaussian.process import MaskProcess
from limelens.gaussian.virtual import VirtualCoalitions

_MOST_ORTHOGONAL = 64

_RIDGE = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Projection:
    """Importances of one or more targets on a definition, with their posterior covariance.

    Attributes
    ----------
    importances : ndarray, shape (t, d)
    covariance : ndarray, shape (t, d, d)
    additive_share : ndarray, shape (t,)
        Share of the surrogate's own variance over the virtual coalitions that the importances
        reproduce; NaN where it is constant.
    """

    importances: Floats
    covariance: Floats
    additive_share: Floats


def project(
    process: MaskProcess,
    link: Link,
    virtual: VirtualCoalitions,
    residuals: Floats,
    differences: Floats,
) -> Projection:
    r"""Project a surrogate on LIME's, Banzhaf's or Shapley's definition.

    Parameters
    ----------
    process : MaskProcess
        The posterior of the link's columns.
    link : Link
        The way from the columns to the scores.
    virtual : VirtualCoalitions
        Where the surrogate is asked, and the definition.
    residuals : ndarray, shape (r, c)
        Leave-one-out residuals for the smearing.
    differences : ndarray, shape (t,)
        Score of the intact image less that of the hidden one; used by Shapley values.

    Returns
    -------
    Projection
        The weighted least-squares coefficients of the expected scores at the virtual coalitions,
        less what those get wrong on a like function that is known exactly (a control variate;
        Shapley values and more than 64 segments only). Where the virtual coalitions are all there
        are, those that were asked have the scores that the model gave, without error.
    """
    if link.name == "identity" and virtual.definition == "shapley" and not virtual.exact:
        return _closed_form(process, virtual, differences)
    kernel = cross_kernel(process.kernel, virtual.coalitions, process.coalitions)
    means = process.mean_of(kernel)
    values, spread = link.curve(means, residuals, process.scale)
    if virtual.exact:
        values, spread = _with_the_known(
            link, virtual.positions(process.coalitions), values, spread
        )
    ends = virtual.fitting.ends
    importances = virtual.importances(values, differences)
    if not virtual.exact and (ends.any() or len(ends) > _MOST_ORTHOGONAL):
        if link.name == "identity":
            importances += _straight_control(process, virtual, means)
        else:
            importances += _curved_control(link, virtual, means, values, residuals)
    if virtual.coarse is not None:
        virtual = virtual.coarse
        kernel = cross_kernel(process.kernel, virtual.coalitions, process.coalitions)
        values, spread = link.curve(process.mean_of(kernel), residuals, process.scale)
    covariance = [delta_covariance(process, virtual, kernel, column) for column in spread.T]
    return Projection(
        importances=importances,
        covariance=np.stack(covariance),
        additive_share=additive_share(virtual.coalitions, values, importances),
    )


def _with_the_known(
    link: Link, asked: NDArray[np.intp], values: Floats, spread: Floats
) -> tuple[Floats, Floats]:
    """Return values and spread with what the model said, and no spread, where it was asked."""
    values, spread = values.copy(), spread.copy()
    values[asked], spread[asked] = link.explained, 0.0
    return values, spread


def _closed_form(
    process: MaskProcess, virtual: VirtualCoalitions, differences: Floats
) -> Projection:
    """Return the Shapley values of the posterior mean, made to sum to the ends' difference."""
    importances, covariance = shapley_effects(process)
    gap = differences - importances.sum(axis=1)
    importances = importances + gap[:, np.newaxis] / importances.shape[1]
    asked = (virtual.coarse or virtual).coalitions
    return Projection(
        importances=importances,
        covariance=process.variances[:, np.newaxis, np.newaxis] * covariance,
        additive_share=additive_share(asked, process.predict(asked), importances),
    )


def _uniform_effects(virtual: VirtualCoalitions, values: Floats, differences: Floats) -> Floats:
    """Return what the virtual coalitions take for the Banzhaf (Shapley) values; shape (t, d)."""
    if virtual.definition == "shapley":
        return virtual.importances(values, differences)
    return 2.0 * (virtual.spins @ values).T / len(virtual)


def _straight_control(process: MaskProcess, virtual: VirtualCoalitions, means: Floats) -> Floats:
    """Return the virtual coalitions' error on the Banzhaf values of the posterior mean."""
    return banzhaf_effects(process)[0] - _uniform_effects(virtual, means, np.zeros(means.shape[1]))


def _curved_control(
    link: Link, virtual: VirtualCoalitions, means: Floats, values: Floats, residuals: Floats
) -> Floats:
    """Return their error on a sigmoid of an additive function, one like each target."""
    definition = "shapley" if virtual.definition == "shapley" else "banzhaf"
    shifts = quantiles(residuals[:, 0]) if link.name == "log-odds" else np.zeros(1)
    spins = virtual.spins.T.astype(np.float64)
    corrections = []
    for column in range(values.shape[1]):
        scale = means[:, 0] if link.name == "log-odds" else log_odds(values[:, column])
        intercept, slopes = _tangent(spins, scale, values[:, column])
        exact = sigmoid_effects(intercept, slopes, shifts, definition=definition)
        angles = intercept + spins @ slopes
        like = np.mean([sigmoid(angles + shift) for shift in shifts], axis=0)[:, np.newaxis]
        ends = intercept + np.array([slopes.sum(), -slopes.sum()])[:, np.newaxis] + shifts
        top, bottom = sigmoid(ends).mean(axis=1)
        found = _uniform_effects(virtual, like, np.array([top - bottom]))
        corrections.append(exact - found[0])
    return np.stack(corrections)


def _tangent(spins: Floats, scale: Floats, values: Floats) -> tuple[float, Floats]:
    """Fit log-odds by an additive function where they matter: with the weights p (1 - p)."""
    weights = np.maximum(values * (1.0 - values), np.finfo(np.float64).eps)
    centre = weights @ spins / weights.sum()
    mean = float(weights @ scale / weights.sum())
    weighted = (spins - centre).T * weights
    gram = weighted @ (spins - centre)
    gram[np.diag_indices_from(gram)] += _RIDGE * np.trace(gram) / len(gram)
    slopes = np.asarray(np.linalg.solve(gram, weighted @ (scale - mean)))
    return mean - float(centre @ slopes), slopes


def additive_share(coalitions: Coalitions, values: Floats, importances: Floats) -> Floats:
    """Return the share of the variance of values (v, t) that importances reproduce, shape (t,)."""
    left = values - coalitions @ importances.T
    total = values.var(axis=0)
    constant = total <= np.finfo(np.float64).tiny
    return np.where(constant, np.nan, 1.0 - left.var(axis=0) / np.where(constant, 1.0, total))
