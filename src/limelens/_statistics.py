"""R², Student's t, the reliability of fitted numbers, their rounding, sums over labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Floats

ROUNDING = 1e-12
"""Differences below this share of the largest value are rounding."""

DEPENDENT = 1e-10
"""A column, or direction, depends on the others if no larger share of its square is left."""

_NORMAL_95 = 1.959963984540054


def predicted_correlation(
    importances: Floats, standard_errors: Floats, *, shrunken: bool = False
) -> Floats:
    """Predict the correlation of the importances with those of infinitely many samples.

    Parameters
    ----------
    importances : ndarray, shape (t, d)
    standard_errors : ndarray, shape (t, d)
        Standard error of each importance, from the same fit.
    shrunken : bool
        Whether the importances are a posterior mean.

    Returns
    -------
    correlations : ndarray of float64, shape (t,)
        In [0, 1]; NaN for a target whose importances are all equal, or whose standard errors are
        not known.

    Notes
    -----
    Let v be the variance of a target's importances over the segments, and S the mean squared
    standard error. An unbiased estimate varies by v because the exact importances vary by v - S
    and its errors by S. So the correlation is sqrt(1 - S / v), or 0 if S is larger than v. A
    posterior mean is shrunken: the exact importances vary by v + S, and the correlation is
    sqrt(v / (v + S)). Two runs with different seeds correlate with each other by about its square.
    They share the bias of their method, which this number does not show.

    Examples
    --------
    >>> importances = np.array([[-2.0, 2.0], [1.0, 1.0]])
    >>> predicted_correlation(importances, np.full((2, 2), 1.2))
    array([0.8, nan])
    """
    # Relative to the largest importance: squares of tiny scores would underflow.
    largest = np.abs(importances).max(axis=1, keepdims=True)
    scale = np.where(largest > 0, largest, 1.0)
    variance = (importances / scale).var(axis=1)
    noise = np.mean((standard_errors / scale) ** 2, axis=1)
    constant = np.ptp(importances, axis=1) == 0
    variance = np.where(constant, 1.0, variance)
    share = variance / (variance + noise) if shrunken else np.maximum(1.0 - noise / variance, 0.0)
    return np.where(constant, np.nan, np.sqrt(share))


def split_half_reliability(first: Floats, second: Floats) -> Floats:
    """Predict the same correlation from the importances of two halves of the samples.

    Parameters
    ----------
    first, second : ndarray, shape (t, d)

    Returns
    -------
    correlations : ndarray of float64, shape (t,)
        In [0, 1]; NaN for a target whose importances are all equal in a half.

    Notes
    -----
    Let r be the correlation of the halves, or 0 if that is negative. Spearman and Brown's formula
    for twice the samples gives 2 r / (1 + r), the correlation of two full maps. Its square root is
    the correlation of one full map with the exact importances.

    Examples
    --------
    >>> first = np.array([[1.0, 2.0, 3.0]])
    >>> split_half_reliability(first, first), split_half_reliability(first, -first)
    (array([1.]), array([0.]))
    """
    centred = [each - each.mean(axis=1, keepdims=True) for each in (first, second)]
    sizes = [np.abs(each).max(axis=1, keepdims=True) for each in centred]
    a, b = (c / np.where(size > 0, size, 1.0) for c, size in zip(centred, sizes, strict=True))
    norms = np.sqrt(np.square(a).sum(axis=1) * np.square(b).sum(axis=1))
    constant = norms == 0
    r = np.clip((a * b).sum(axis=1) / np.where(constant, 1.0, norms), 0.0, 1.0)
    return np.where(constant, np.nan, np.sqrt(2.0 * r / (1.0 + r)))


def is_still(values: Floats, *others: Floats) -> NDArray[np.bool_]:
    """Return which targets never change except by rounding, shape (t,).

    Parameters
    ----------
    values : ndarray, shape (n, t)
    *others : ndarray, shape (t,)
        Further values of the same targets; rounding is judged relative to the largest of all.

    Examples
    --------
    >>> values = np.array([[1e-15, 1.0], [0.0, 2.0]])
    >>> is_still(values), is_still(values, np.array([0.5, 0.5]))
    (array([False, False]), array([ True, False]))
    """
    largest = np.abs(values).max(axis=0)
    for other in others:
        largest = np.maximum(largest, np.abs(other))
    return np.ptp(values, axis=0) <= ROUNDING * largest


def precision_of(scores: NDArray[Any]) -> float:
    """Return the relative precision of the numbers that a model computed with.

    It is told from the numbers, whatever dtype they came in.

    Examples
    --------
    >>> half = np.array([0.1, 0.7], np.float16)
    >>> precision_of(half) == precision_of(half.astype(float)) == 2**-10
    True
    >>> precision_of(np.array([7, 8])), precision_of(np.array([7.0, 8.0])) == 2**-52
    (0.0, True)
    """
    if scores.dtype.kind != "f":
        return 0.0
    if scores.dtype.itemsize <= 4 or _are_numbers_of("float32", scores[:1]):
        for name, bits in _SIGNIFICANDS.items():
            if name == scores.dtype.name or _is_rounded(scores, name, bits):
                return 2.0 ** (1 - bits)
    return 2.0**-52


def rounding_share(scores: NDArray[Any]) -> float:
    """Return up to which share of itself a model's score changes by rounding.

    These are eight times its precision, what sums in another order make of one number; of bfloat16,
    whose steps are wide, two times.
    """
    precision = precision_of(scores)
    return (2 if precision == 2.0**-7 else 8) * precision


_SIGNIFICANDS = {"bfloat16": 8, "float16": 11, "float32": 24}
"""Significant bits of the dtypes that are coarser than float64."""


def _is_rounded(values: NDArray[Any], name: str, bits: int) -> bool:
    """Return whether values are numbers of a dtype, and are on no coarser grid.

    Counts, votes and labels are on such a grid, which is no rounding.
    """
    parts = (values[:1], values)  # most scores are told from the first row, at a small part of cost
    if not all(_are_numbers_of(name, part) for part in parts):
        return False
    largest = float(np.abs(values).max())
    unit = 2.0 ** (
        bits - np.frexp(largest)[1] - 1
    )  # the largest is a whole number of it, or a half
    return any(
        (part * unit % 1).any() and (largest >= 2**bits or (part % 1).any()) for part in parts
    )


def _are_numbers_of(name: str, values: NDArray[Any]) -> bool:
    if name == "bfloat16":  # NumPy has none: those of a model have become float32
        return bool(values.dtype == np.float32 and not (values.view(np.uint32) & 0xFFFF).any())
    with np.errstate(over="ignore"):
        return bool((values.astype(name) == values).all())


_FINEST_STEP = 1e-6  # networks answer in float32
_OFF_LATTICE = 0.01  # multiples may be off by so much of a step, as scores are float32


def lattice_step(values: Floats) -> float:
    """Return the step that all values are multiples of; 0 if there is none but rounding.

    Examples
    --------
    >>> lattice_step(np.array([0.25, 0.5, 1.0])), lattice_step(np.array([0.2, 0.33, 0.71]))
    (0.25, 0.0)
    """
    # On a lattice with many rows the smallest difference of two values is one step.
    distinct = np.unique(values)
    step = float(np.diff(distinct).min()) if len(distinct) > 1 else 0.0
    if step < _FINEST_STEP:
        return 0.0
    multiples = distinct / step
    return step if np.abs(multiples - multiples.round()).max() < _OFF_LATTICE else 0.0


WIDEST_STEP = 0.02
"""Widest step that is rounding: 1/64, of six bits, is below it. A label's steps are far wider."""

FEWEST_STEPS = 4.0
"""A score that moves by fewer steps, in standard deviations, is mostly rounding."""


def n_steps(values: Floats) -> float:
    """Return the standard deviation of values (n,) in steps of their lattice; infinite without one.

    Wider steps are not rounding. They are the score itself, as for a label.

    Examples
    --------
    >>> round(n_steps(np.array([0.51, 0.52, 0.53, 0.52])), 3)
    0.707
    >>> n_steps(np.array([0.5123, 0.5217, 0.5305])), n_steps(np.array([0.0, 1.0, 1.0]))
    (inf, inf)
    """
    step = lattice_step(values)
    return float(values.std() / step) if 0 < step <= WIDEST_STEP else float("inf")


def label_sums(labels: NDArray[Any], weights: NDArray[Any] | None = None) -> Floats:
    """Return the sum of the weights over each label `0..d-1`, shape (d,); without weights, areas.

    Pixels of the label -1 do not count.

    Examples
    --------
    >>> label_sums(np.array([[0, 1, 1, -1]])), label_sums(np.array([[0, 1]]), np.array([[2, 5]]))
    (array([1., 2.]), array([2., 5.]))
    """
    flat = labels.ravel().astype(np.intp, copy=False)
    outside = int(flat.min()) < 0
    if outside:  # else no copy is needed, which of a large picture takes more than the picture
        flat = flat + 1
    sums = np.bincount(flat, None if weights is None else weights.ravel())
    return sums[int(outside) :].astype(np.float64)


def student(degrees_of_freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t over that of the normal distribution.

    Standard errors from an estimated variance are multiplied by it, so that 1.96 of them make a
    95 % interval.

    Examples
    --------
    >>> round(student(10), 3)
    1.137
    """
    from scipy.special import stdtrit  # noqa: PLC0415

    return float(stdtrit(degrees_of_freedom, 0.975)) / _NORMAL_95


def weighted_r2(values: Floats, predictions: Floats, weights: Floats) -> Floats:
    """Return the weighted R² of predictions, one per target; NaN for a constant target.

    Parameters
    ----------
    values, predictions : ndarray, shape (n, t)
        Actual values and those that the surrogate predicts.
    weights : ndarray, shape (n,)
        Kernel weights.

    Returns
    -------
    ndarray, shape (t,)
        ``1 - sum w (y - p)² / sum w (y - mean)²``.

    Examples
    --------
    >>> values = np.array([[0.0], [1.0], [2.0]])
    >>> weighted_r2(values, np.array([[0.0], [1.0], [1.0]]), np.ones(3))
    array([0.5])
    """
    mean = weights @ values / weights.sum()
    return share_explained(
        weights @ np.square(values - predictions), weights @ (values - mean) ** 2
    )


def share_explained(errors: Floats, totals: Floats) -> Floats:
    """Return ``1 - errors / totals``, NaN where the total is zero."""
    varies = totals > 0
    with np.errstate(over="ignore"):  # minus infinity is a fitting answer
        ratios = np.divide(errors, totals, out=np.full(len(totals), np.nan), where=varies)
    return 1.0 - ratios
