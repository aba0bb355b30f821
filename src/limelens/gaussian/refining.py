"""All parameters of a kernel at once, where rows that were left out say that it pays."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Coalitions, Floats
from limelens.games.coalitions import is_folded
from limelens.gaussian.likelihood import KERNEL_ROWS, Choice, random_rows
from limelens.gaussian.process import MaskProcess, fit_chosen
from limelens.gaussian.slopes import Likelihood, Point

# Of L-BFGS: on each half from the learned kernel, then on both from the mean of what these found.
_ITERATIONS, _LAST_ITERATIONS = 10, 5

# Pairs, or rows without complements, for each segment: fewer cannot say what each of them does.
_PER_SEGMENT = 4

# The squared error for rows left out must fall to this share. A smaller gain was often none.
_WORTH_IT = 0.8

# If the first half's error for the second grew by more than this, the second is not tried.
_HOPELESS = 1.05

# Weight of equal relevances, in units of the log-likelihood.
_EVENNESS = 3.0

# Of the logarithms of relevances, the log-odds of additive and noise share, and log(-log r^d).
_BOUNDS = (-12.0, 5.0), (-4.0, 5.0), (-9.0, 3.0), (-4.0, 4.0)


def refined(process: MaskProcess, values: Floats, most_rows: int = KERNEL_ROWS // 2) -> MaskProcess:
    r"""Improve all parameters of a process's kernel at once, or return the process as it is.

    Parameters
    ----------
    process : MaskProcess
        With a kernel that was learned step by step; see `learn_kernels`.
    values : ndarray, shape (n, c)
        The values that it was fitted to.
    most_rows : int
        Most rows that the parameters are learned from. The cost grows with their cube, and more of
        them hardly change the parameters.

    Notes
    -----
    There are d + 3 parameters: the relevances D, the shares of the additive part and of the noise,
    and the decay. L-BFGS raises the marginal likelihood with a Dirichlet prior of the relevances,
    :math:`3 \sum_i \log D_i / d`. With few rows this learns noise. So it is done on one half of the
    rows first, complements together, then on the other, and each predicts the half that it has
    not seen. Only where this takes a fifth of the squared error away, all parameters are taken,
    from at most `most_rows` rows. As d + 3 numbers were fitted to n rows, the variance grows by
    n / (n - d - 3).

    References
    ----------
    C. E. Rasmussen, C. K. I. Williams, "Gaussian processes for machine learning", MIT Press, 2006,
    sections 5.3 and 5.4.
    """
    halves = _halves(process.coalitions, most_rows)
    if not halves or process.kernel.additive == 1:
        return process
    start, variances = _start(process), values.var(axis=0)
    before, after, found = 0.0, 0.0, []
    for known, left in (halves, halves[::-1]):
        here = Likelihood(coalitions=process.coalitions[known], values=values[known])
        found.append(_ascend(here, start, _ITERATIONS))
        there = process.coalitions[left], values[left], variances
        learned = Choice(kernel=process.kernel, noise=process.noise)
        before += _squared_error(_fit(learned, here), *there)
        after += _squared_error(_fit(found[-1].choice, here), *there)
        if after > _HOPELESS * before:
            return process
    if after > _WORTH_IT * before:
        return process
    both = np.concatenate(halves)
    mean = Point(numbers=0.5 * (found[0].numbers + found[1].numbers))
    chosen = Likelihood(coalitions=process.coalitions[both], values=values[both])
    best = _ascend(chosen, mean, _LAST_ITERATIONS)
    whole = _fit(best.choice, Likelihood(coalitions=process.coalitions, values=values))
    n, fitted = len(values), len(best.numbers)
    return replace(whole, scale=whole.scale * (n / (n - fitted)))


def can_refine(coalitions: Coalitions) -> bool:
    """Return whether there are rows enough to learn all parameters: four pairs a segment."""
    n, d = coalitions.shape
    return (n // 2 if is_folded(coalitions) else n) >= _PER_SEGMENT * d


def _halves(coalitions: Coalitions, most_rows: int) -> tuple[NDArray[np.intp], ...]:
    """Return the positions of two random halves of the rows; none if there are too few."""
    if not can_refine(coalitions):
        return ()
    chosen = random_rows(coalitions, most_rows)
    if not is_folded(coalitions):
        return tuple(np.array_split(chosen, 2))
    pairs = np.array_split(chosen[: len(chosen) // 2], 2)
    return tuple(np.concatenate([half, half + len(coalitions) // 2]) for half in pairs)


def _start(process: MaskProcess) -> Point:
    """Return a process's parameters, moved away from what has no logarithm."""
    kernel = process.kernel
    inside = replace(
        kernel,
        relevance=np.maximum(kernel.relevance, 1e-4),
        additive=float(np.clip(kernel.additive, 0.05, 0.97)),
    )
    return Point.of(inside, float(np.clip(process.noise, 0.0005, 0.6)))


def _ascend(likelihood: Likelihood, start: Point, n_iterations: int) -> Point:
    """Return the likeliest point that a few steps find; beforehand, equal relevances are."""
    from scipy.optimize import minimize  # noqa: PLC0415

    d = len(start.numbers) - 3

    def descent(numbers: Floats) -> tuple[float, Floats]:
        point = Point(numbers=numbers)
        value, gradient = likelihood.at(point)
        relevance = point.kernel.relevance
        # E mean(log D) has the gradient E (1/d - D) in the logarithms before they are normalised.
        gradient[:d] += _EVENNESS * (1.0 / d - relevance)
        return -value - _EVENNESS * float(np.log(relevance).mean()), -gradient

    bounds = [_BOUNDS[0]] * d + list(_BOUNDS[1:])
    options = {"maxiter": n_iterations}
    found = minimize(
        descent, start.numbers, jac=True, method="L-BFGS-B", bounds=bounds, options=options
    )
    return Point(numbers=found.x)


def _fit(choice: Choice, rows: Likelihood) -> MaskProcess:
    return fit_chosen([choice], rows.coalitions, [rows.values])[0]


def _squared_error(
    process: MaskProcess, coalitions: Coalitions, values: Floats, variances: Floats
) -> float:
    """Return the squared error of all columns together, each in units of its variance."""
    return float((np.square(values - process.predict(coalitions)) / variances).sum())
