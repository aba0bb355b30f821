"""KL-LUCB: find the best arms of a bandit without sampling all of them equally."""

from collections.abc import Callable, Sequence
from math import log, log1p
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Floats

Pull: TypeAlias = Callable[[Sequence[int]], Sequence[tuple[int, int]]]
"""From arms to the ones and the draws of one more pull of each."""

N_BISECTIONS = 30
_ROUNDED_UP = 1 + 1e-9


def bernoulli_divergence(p: Floats, q: Floats) -> Floats:
    """Return the Kullback-Leibler divergence of Bernoulli distributions, with 0 log 0 = 0.

    Examples
    --------
    >>> bernoulli_divergence(np.array([0.5, 1.0]), np.array([0.5, 0.5])).round(4)
    array([0.    , 0.6931])
    """
    from scipy.special import rel_entr  # noqa: PLC0415

    q = np.clip(q, 1e-300, 1 - 1e-16)  # finite where p is 0 or 1 and q is not
    return np.asarray(rel_entr(p, q) + rel_entr(1 - p, 1 - q))


def confidence_bounds(means: Floats, counts: NDArray[Any], level: float) -> tuple[Floats, Floats]:
    """Return the lowest and highest q with ``counts * KL(means, q) <= level``.

    Parameters
    ----------
    means, counts : ndarray, shape (k,)
        Share of ones and number of draws of each arm. For an arm without draws the bounds are 0
        and 1.
    level : float
        ``log(1 / error probability)`` for one look at one arm on one side.

    Returns
    -------
    low, high : ndarray, shape (k,)

    Examples
    --------
    All of 20 draws were ones; ``0.05 ** (1 / 20) = 0.861``:

    >>> low, high = confidence_bounds(np.array([1.0]), np.array([20]), np.log(20))
    >>> low.round(3), high
    (array([0.861]), array([1.]))
    """
    arms = list(zip(means.tolist(), counts.tolist(), strict=True))
    low, high = ([_bound(*arm, level, edge) for arm in arms] for edge in (0.0, 1.0))
    return np.array(low), np.array(high)


def _farthest(
    means: Floats, counts: NDArray[np.intp], level: float, edge: float
) -> tuple[int, float]:
    """Return the arm whose bound is nearest to an edge, 0 or 1, and that bound."""
    sign = 2.0 * edge - 1.0
    with np.errstate(divide="ignore"):
        reach = np.sqrt(0.5 * level / counts)  # Pinsker: no bound is farther from its mean
    guess = int(np.argmax(sign * means + reach))
    bound = _bound(float(means[guess]), int(counts[guess]), level, edge)
    # Another bound is farther only if this one lies within it: most arms need no bisection.
    near = counts * bernoulli_divergence(means, np.array(bound)) <= level * _ROUNDED_UP
    places = np.flatnonzero(near | (sign * means >= sign * bound))
    arms = list(zip(means[places].tolist(), counts[places].tolist(), strict=True))
    known = {arm: _bound(*arm, level, edge) for arm in set(arms)}
    bounds = sign * np.array([known[arm] for arm in arms])
    best = int(np.argmax(bounds))
    return int(places[best]), float(sign * bounds[best])


def _bound(mean: float, count: int, level: float, edge: float) -> float:
    """Return the bound of an arm towards an edge, 0 or 1, by bisection.

    Plain numbers, as there are few: an array costs as much as fifty of them in every step.
    """
    if count == 0:
        return edge
    failures = 1.0 - mean
    floor = sum(each * log(each) for each in (mean, failures) if each) - level / count
    nearest = min(max(edge, 1e-300), 1 - 1e-16)
    if mean * log(nearest) + failures * log1p(-nearest) >= floor:
        return edge
    inside, outside = mean, edge
    for _ in range(N_BISECTIONS):
        middle = 0.5 * (inside + outside)
        if mean * log(middle) + failures * log1p(-middle) >= floor:
            inside = middle
        else:
            outside = middle
    return inside


def best_arms(
    pull: Pull,
    ones: NDArray[np.intp],
    counts: NDArray[np.intp],
    n_best: int,
    *,
    tolerance: float,
    delta: float,
) -> NDArray[np.intp]:
    """Return the arms with the highest means, up to `tolerance`, best first.

    Each round draws from two arms only: from the chosen arm that could be the worst, and from the
    other arm that could be the best.

    Parameters
    ----------
    pull : callable
        From one or more arms to the ones and the draws of one more pull of each. No draws mean that
        the budget is spent; then the best guess is returned.
    ones, counts : ndarray of int, shape (k,)
        Ones and draws of each arm so far; both are changed in place.
    n_best : int
        Number of arms to return.
    tolerance : float
        Difference of means that does not matter.
    delta : float
        Error probability.

    Returns
    -------
    ndarray of int, shape (min(n_best, k),)

    References
    ----------
    Kaufmann, Kalyanakrishnan (2013), "Information complexity in bandit subset selection", COLT,
    PMLR 30:228-251.

    See Also
    --------
    exploration_rate : the level of the bounds.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> means = [0.2, 0.9, 0.5]
    >>> def pull(arms):
    ...     return [(rng.binomial(10, means[arm]), 10) for arm in arms]
    >>> zeros = np.zeros((2, 3), dtype=int)
    >>> best_arms(pull, zeros[0], zeros[1], 1, tolerance=0.1, delta=0.1)
    array([1])
    """
    k = len(counts)
    _draw(pull, np.flatnonzero(counts == 0).tolist(), ones, counts)
    rounds = 0
    while True:
        rounds += 1
        means = ones / np.maximum(counts, 1)
        order = np.argsort(-means, kind="stable")
        best, rest = order[:n_best], order[n_best:]
        if len(rest) == 0:
            return best
        level = exploration_rate(k, rounds, delta)
        place, low = _farthest(means[best], counts[best], level, 0.0)
        weakest = int(best[place])
        place, high = _farthest(means[rest], counts[rest], level, 1.0)
        rival = int(rest[place])
        if high - low <= tolerance:
            return best
        if not _draw(pull, [weakest, rival], ones, counts):
            return best


def exploration_rate(n_arms: int, rounds: int, delta: float) -> float:
    """Return ``log(k (1 + log t) / delta)``, the level of the bounds in round t.

    This is far below what the proof of KL-LUCB needs (``log(405.5 k t^1.1 / delta)`` and more), and
    takes about a third of the draws. A wrong choice costs calls but never makes a wrong claim,
    because the chosen arms are judged anew on fresh draws.

    Examples
    --------
    >>> round(exploration_rate(10, 1, 0.1), 3)
    4.605
    """
    return float(np.log(n_arms * (1 + np.log(rounds)) / delta))


def _draw(
    pull: Pull, arms: Sequence[int], ones: NDArray[np.intp], counts: NDArray[np.intp]
) -> bool:
    """Pull arms once more; return whether any was drawn."""
    before = counts.sum()
    for arm, (more_ones, more) in zip(arms, pull(arms) if arms else (), strict=True):
        ones[arm] += more_ones
        counts[arm] += more
    return bool(counts.sum() > before)
