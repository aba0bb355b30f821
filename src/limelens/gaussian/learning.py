"""A fitted process learns its kernel: which segments matter, and of which order they interact."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from limelens._typing import Floats
from limelens.gaussian.closed_forms import banzhaf_effects
from limelens.gaussian.kernel import MaskKernel
from limelens.gaussian.process import ADDITIVE_SHARES, MaskProcess, fit_process

DECAYS = (0.5, 0.003)
"""What is left of the product part when all segments flip; 0.95 per segment was tried before."""

_ROUNDS = 2  # of expectation and maximisation

# Share of the relevance that is divided equally, so that no segment is ruled out for ever.
_EVEN_SHARE = 0.1


def learn_kernel(process: MaskProcess, values: Floats) -> MaskProcess:
    r"""Improve a process's kernel by marginal likelihood, and return the better process.

    Parameters
    ----------
    process : MaskProcess
        Process with the prior relevance; see `fit_processes`.
    values : ndarray, shape (n, c)
        The values that it was fitted to.

    Returns
    -------
    MaskProcess
        The likelier process, or the given one if none is likelier.

    Notes
    -----
    First other decays of the product part are tried: the slower the decay, the lower the order of
    the interactions that it expects. Then the relevances are learned in two rounds. Nine tenths of
    the relevance are divided in proportion to the expected square of each segment's main effect:
    posterior mean squared plus variance, summed over the columns in units of their variance. All
    segments share the last tenth equally. This is a step of expectation and maximisation (MacKay's
    automatic relevance determination). A step that lowers the likelihood is not taken.

    References
    ----------
    D. J. C. MacKay, "Bayesian non-linear modeling for the prediction competition", ASHRAE
    Transactions 100, 1994.
    """
    best = process
    d = len(process.kernel.relevance)
    for left in DECAYS:
        best = _better(best, replace(process.kernel, decay=left ** (1.0 / d)), values)
    for _ in range(_ROUNDS):
        before = best
        learned = replace(before.kernel, relevance=learned_relevance(before))
        for additive in _around(before.kernel.additive):
            best = _better(best, replace(learned, additive=additive), values)
        if best is before:
            break
    return best


def learned_relevance(process: MaskProcess) -> Floats:
    """Return each segment's share, shape (d,), in the expected squares of the main effects."""
    effects, covariance = banzhaf_effects(process)
    squares = np.square(effects / np.sqrt(process.variances)[:, np.newaxis]).sum(axis=0)
    # E[phi_i^2] = mean^2 + variance; the covariance is in units of each column's variance.
    expected = squares + len(effects) * np.diagonal(covariance)
    d = len(expected)
    return np.asarray((1.0 - _EVEN_SHARE) * expected / expected.sum() + _EVEN_SHARE / d)


def _better(best: MaskProcess, kernel: MaskKernel, values: Floats) -> MaskProcess:
    other = fit_process(kernel, best.coalitions, values)
    return other if other.log_likelihood > best.log_likelihood else best


def _around(additive: float) -> Iterator[float]:
    """Yield an additive share and its neighbours."""
    place = ADDITIVE_SHARES.index(additive)
    yield from ADDITIVE_SHARES[max(0, place - 1) : place + 2]
