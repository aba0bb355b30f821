"""From a fitted surrogate to importances: projection, covariance, how additive it is."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Coalitions, Floats
from limelens.gaussian.closed_forms import banzhaf_effects, shapley_effects, sigmoid_effects
from limelens.gaussian.codes import walsh_hadamard
from limelens.gaussian.covariance import delta_covariances
from limelens.gaussian.group_kernel import GroupKernel, group_kernel
from limelens.gaussian.kernel import CrossKernel, cross_kernel
from limelens.gaussian.links import Link, logit, quantiles, sigmoid
from limelens.gaussian.process import MaskProcess
from limelens.gaussian.virtual import VirtualCoalitions, fitting_on

# Up to here virtual coalitions have strength 5, and need no control variate.
_MOST_ORTHOGONAL = 64

# Penalty of the tangent, relative to the mean of the Gram matrix's diagonal.
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
        Score of the intact image minus that of the hidden one; used by Shapley values.

    Returns
    -------
    Projection
        The weighted least-squares coefficients of the expected scores at the virtual coalitions.
        For Shapley values, and for more than 64 segments, a control variate corrects them: the
        error that the same coefficients make for a similar function, whose importances are known
        exactly, is subtracted. Where the virtual coalitions are all 2^d, those that were asked
        have the scores that the model gave, without error.
    """
    if link.name == "identity" and virtual.definition == "shapley" and not virtual.exact:
        return _closed_form(process, virtual, differences)
    kernel = _kernel_between(process, virtual)
    # Posterior means on the scale of the fit, then the scores to be expected there (Duan 1983).
    means = process.mean_of(kernel)
    if virtual.coarse is None:
        values, spread = link.curve(means, residuals, process.scale)
    else:
        values = link.smear(means, residuals)
    if virtual.exact:
        values, spread = _with_the_known(
            link, virtual.positions(process.coalitions), values, spread
        )
    importances = virtual.importances(values, differences)
    drawn: Floats | float = 0.0
    if not virtual.exact:
        control = _control(process, link, virtual, means, values, residuals)
        importances += control.correction
        drawn = _variance_of_the_draw(virtual, values, differences, control)
    if virtual.coarse is not None:
        virtual = virtual.coarse
        kernel = _kernel_between(process, virtual)
        values, spread = link.curve(process.mean_of(kernel), residuals, process.scale)
    return Projection(
        importances=importances,
        covariance=delta_covariances(process, virtual, kernel, spread) + drawn,
        additive_share=additive_share(virtual.kept, values, importances),
    )


def _kernel_between(process: MaskProcess, virtual: VirtualCoalitions) -> CrossKernel | GroupKernel:
    if virtual.exact:
        return group_kernel(process.kernel, virtual, virtual.positions(process.coalitions))
    return cross_kernel(process.kernel, virtual.coalitions, process.coalitions)


def _with_the_known(
    link: Link, asked: NDArray[np.intp], values: Floats, spread: Floats
) -> tuple[Floats, Floats]:
    """Return values and spread; where the model was asked, its own answer without spread."""
    values, spread = values.copy(), spread.copy()
    values[asked], spread[asked] = link.explained, 0.0
    return values, spread


def _closed_form(
    process: MaskProcess, virtual: VirtualCoalitions, differences: Floats
) -> Projection:
    """Return the Shapley values of the posterior mean, made to sum to the ends' difference."""
    importances, covariance = shapley_effects(process)
    # The smallest change that gives them the right sum divides the gap equally.
    gap = differences - importances.sum(axis=1)
    importances = importances + gap[:, np.newaxis] / importances.shape[1]
    asked = virtual.coarse or virtual
    return Projection(
        importances=importances,
        covariance=process.variances[:, np.newaxis, np.newaxis] * covariance,
        additive_share=additive_share(
            asked.kept, process.mean_of(_kernel_between(process, asked)), importances
        ),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Control:
    """A control variate: functions similar to the targets, whose importances are known.

    Attributes
    ----------
    correction : ndarray, shape (t, d)
        Exact importances of the functions minus their estimates on the virtual coalitions.
    like : tuple of ndarray, shapes (v, t) and (t,), or None
        Values of the functions, and their values for the intact image minus those for the hidden
        one. None where nothing is corrected.
    """

    correction: Floats
    like: tuple[Floats, Floats] | None = None


def _control(
    process: MaskProcess,
    link: Link,
    virtual: VirtualCoalitions,
    means: Floats,
    values: Floats,
    residuals: Floats,
) -> _Control:
    shapley, d = virtual.definition == "shapley", virtual.coalitions.shape[1]
    if not shapley and d <= _MOST_ORTHOGONAL:
        return _Control(correction=np.zeros((values.shape[1], d)))
    if link.name == "identity":
        like, exact = means, banzhaf_effects(process)[0]
        differences = np.zeros(len(exact))
    else:
        like, exact, differences = _sigmoids(link, virtual, means, values, residuals)
    correction = exact - _uniform_effects(virtual, like, differences)
    return _Control(correction=correction, like=(like, differences))


def _uniform_effects(virtual: VirtualCoalitions, values: Floats, differences: Floats) -> Floats:
    """Return Banzhaf (or Shapley) values as estimated on the virtual coalitions, shape (t, d)."""
    if virtual.definition == "shapley":
        return virtual.importances(values, differences)
    # The mean value where a segment is kept minus that where it is hidden: 2 S' v / V.
    return 2.0 * (virtual.spins @ values).T / len(virtual)


def _variance_of_the_draw(
    virtual: VirtualCoalitions, values: Floats, differences: Floats, control: _Control
) -> Floats:
    """Return the covariance (t, d, d) of importances that comes from drawing the coalitions.

    It is found from what each complementary pair contributes beyond an additive function, without
    the part that the control variate removes. Sizes whose pairs are all there add nothing. For
    orthogonal arrays the result is too large.
    """
    fitting, kept, half = virtual.fitting, virtual.kept, len(virtual) // 2
    like = control.like
    if like is not None and virtual.definition == "shapley":
        # One fit for both: what it misses of their difference is the difference.
        values, differences, like = values - like[0], differences - like[1], None
    # A sum of squares over pairs: so the root of each pair's share goes to its row.
    roots = np.sqrt(1.0 - fitting.known)[:, np.newaxis]
    left = np.tile(roots, (2, 1)) * fitting.left_over(kept, values, differences)
    if like is None:
        grams = _grams(virtual, left[:half] - left[half:], left[:half] + left[half:])
        return np.stack([fitting.inverse @ gram @ fitting.inverse.T for gram in grams])
    evenly = fitting_on(virtual.coalitions, "banzhaf", complete=False)
    other = np.tile(roots, (2, 1)) * evenly.left_over(kept, *like)
    # What a coalition moves; its complement, 1 - z, moves `lean` minus that, or of the similar
    # function, where the centre is 1/2, the opposite.
    moves = (kept[:half] - fitting.centre) @ fitting.inverse.T
    moves_of_like = (kept[:half] - evenly.centre) * np.diagonal(
        evenly.inverse
    )  # orthogonal columns
    lean = fitting.inverse @ (1.0 - 2.0 * fitting.centre)
    found = []
    for own, likes in zip(left.T, other.T, strict=True):
        noise = moves * (own[:half] - own[half:])[:, np.newaxis]
        noise += np.outer(own[half:], lean)
        noise -= moves_of_like * (likes[:half] - likes[half:])[:, np.newaxis]
        found.append(noise.T @ noise)
    return np.stack(found)


def _grams(virtual: VirtualCoalitions, minus: Floats, plus: Floats) -> Iterator[Floats]:
    """Yield the sum over pairs of the squares of what they add to moments, (d, d) a target.

    `minus` and `plus`, (v / 2, t), are the weighted values of a coalition less those of its
    complement, and the sum of both: a pair adds s * minus / 2 + (1/2 - c) * plus.
    """
    totals, half = np.square(plus).sum(axis=0), len(minus)
    if virtual.codes is None:
        signs = virtual.spins[:, :half].astype(np.float64)
        for own, other, total in zip(minus.T, plus.T, totals, strict=True):
            moved = signs * own
            yield virtual.fitting.of_signs(moved @ moved.T, moved @ other, total)
        return
    # A product of two characters is the character of their codes' difference: all sums over pairs
    # are entries of one transform.
    own_places = virtual.codes % half
    squares, sums = walsh_hadamard(np.square(minus).T), walsh_hadamard((minus * plus).T)
    for square, products, total in zip(squares, sums, totals, strict=True):
        of_two = _products_of_signs(virtual, virtual.codes, square)
        yield virtual.fitting.of_signs(of_two, virtual.flips * products[own_places], total)


def _products_of_signs(
    virtual: VirtualCoalitions, codes: NDArray[np.int64], transform: Floats
) -> Floats:
    """Return S' diag(w) S of the signs S of the first half of a group, given w's transform."""
    return np.outer(virtual.flips, virtual.flips) * transform[codes[:, np.newaxis] ^ codes]


def _sigmoids(
    link: Link, virtual: VirtualCoalitions, means: Floats, values: Floats, residuals: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return sigmoids of additive functions, similar to the targets, and their exact importances.

    Returns
    -------
    like : ndarray, shape (v, t)
    exact : ndarray, shape (t, d)
    differences : ndarray, shape (t,)
        Values for the intact image minus those for the hidden one.
    """
    definition = "shapley" if virtual.definition == "shapley" else "banzhaf"
    shifts = quantiles(residuals[:, 0]) if link.name == "log-odds" else np.zeros(1)
    first = virtual.spins[:, : len(virtual) // 2].T.astype(np.float64)
    like, exact, differences = [], [], []
    for column in range(values.shape[1]):
        scale = means[:, 0] if link.name == "log-odds" else logit(values[:, column])
        intercept, slopes = _tangent(virtual, first, scale, values[:, column])
        exact.append(sigmoid_effects(intercept, slopes, shifts, definition=definition))
        # All signs are opposite in a complement.
        half = first @ slopes
        angles = intercept + np.concatenate([half, -half])
        like.append(np.mean([sigmoid(angles + shift) for shift in shifts], axis=0))
        # All signs are 1 for the intact image and -1 for the hidden one.
        ends = intercept + np.array([slopes.sum(), -slopes.sum()])[:, np.newaxis] + shifts
        top, bottom = sigmoid(ends).mean(axis=1)
        differences.append(top - bottom)
    return np.stack(like, axis=1), np.stack(exact), np.array(differences)


def _tangent(
    virtual: VirtualCoalitions, first: Floats, scale: Floats, values: Floats
) -> tuple[float, Floats]:
    """Fit log-odds by an additive function where the sigmoid is steep: weights p (1 - p).

    `first` holds the signs of the first half of the coalitions, (v / 2, d).
    """
    weights = np.maximum(values * (1.0 - values), np.finfo(np.float64).eps)
    total, mean = weights.sum(), float(weights @ scale / weights.sum())
    half, scaled = len(first), weights * (scale - mean)
    kept, hidden = weights[:half], weights[half:]
    centre = (kept - hidden) @ first / total
    # Weighted least squares with an intercept: slopes = (S' W S + ridge)^-1 S' W y, both centred.
    # With both halves in one, as the squares of all signs are equal in a complement.
    if virtual.codes is None:
        rooted = first * np.sqrt(kept + hidden)[:, np.newaxis]
        gram = rooted.T @ rooted
    else:
        transform = walsh_hadamard((kept + hidden)[np.newaxis])[0]
        gram = _products_of_signs(virtual, virtual.codes, transform)
    gram -= total * np.outer(centre, centre)
    gram[np.diag_indices_from(gram)] += _RIDGE * np.trace(gram) / len(gram)
    slopes = np.asarray(np.linalg.solve(gram, (scaled[:half] - scaled[half:]) @ first))
    return mean - float(centre @ slopes), slopes


def additive_share(coalitions: Coalitions | Floats, values: Floats, importances: Floats) -> Floats:
    """Return the share of the variance of values (v, t) that importances reproduce, shape (t,)."""
    left = values - coalitions @ importances.T
    total = values.var(axis=0)
    constant = total <= np.finfo(np.float64).tiny
    return np.where(constant, np.nan, 1.0 - left.var(axis=0) / np.where(constant, 1.0, total))
