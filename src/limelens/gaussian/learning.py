"""A fitted process learns its kernel: which segments matter, and of which order they interact."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from limelens._typing import Floats
from limelens.gaussian.closed_forms import banzhaf_effects
from limelens.gaussian.kernel import MaskKernel
from limelens.gaussian.likelihood import KERNEL_ROWS, likeliest
from limelens.gaussian.process import ADDITIVE_SHARES, MaskProcess, fit_chosen
from limelens.gaussian.refining import can_refine, refined

DECAYS = (0.5, 0.003)
"""What is left of the product part when all segments flip; 0.95 per segment was tried before."""

_ROUNDS = 2  # of expectation and maximisation

# Share of the relevance that is divided equally, so that no segment is ruled out for ever.
_EVEN_SHARE = 0.1

# What the belief in equal relevances is worth where it is needed, in rows for each segment.
_ROWS_OF_BELIEF = 12.0

# Without that belief, the squared error for pairs left out must fall to this share. On thresholds
# that are flat at both ends it often fell to a half by chance, on ANDs of few segments to a tenth.
_FAR_BETTER = 0.125

# Any gain counts where steps at both ends show this share of what single segments do. With rows
# enough to refine all parameters, more equal relevances were the better start even there.
_MOSTLY = 0.5


def learn_kernels(
    processes: Sequence[MaskProcess],
    groups: Sequence[Floats],
    kernel_rows: int = KERNEL_ROWS,
    *,
    careful: bool = False,
) -> Iterator[MaskProcess]:
    r"""Improve the kernels of processes by marginal likelihood; yield the better process of each.

    Parameters
    ----------
    processes : sequence of MaskProcess
        Processes of the same coalitions with the prior relevance; see `fit_processes`.
    groups : sequence of ndarray, shape (n, c) each
        The values that each was fitted to.
    kernel_rows : int
        Most rows that choose a kernel, see `likeliest`; half of them for all parameters together.
    careful : bool
        Whether relevances are kept more equal while there are few rows. Designs for Shapley values
        need this: many of their rows keep or hide a single segment. Where the score hardly differs
        between these, as for a majority vote, the likelihood would be sure that few segments
        matter, since the relevances of all others can then be small.

    Yields
    ------
    MaskProcess
        The likelier process, or the given one if none is likelier; one for each of `processes`.

    Notes
    -----
    First other decays of the product part are tried: the slower the decay, the lower the order of
    the interactions that it expects. These kernels do not depend on the values, and all processes
    share them. Then the relevances are learned in two rounds. Nine tenths of
    the relevance are divided in proportion to the expected square of each segment's main effect:
    posterior mean squared plus variance, summed over the columns in units of their variance. All
    segments share the last tenth equally. This is a step of expectation and maximisation (MacKay's
    automatic relevance determination). A step that lowers the likelihood is not taken. If it is to
    be `careful`, the equal share is :math:`12 d / (n + 12 d)`, the weight of 12 rows a segment,
    unless a tenth predicts pairs that are left out with an eighth of the squared error. With fewer
    than four pairs a segment any smaller error suffices, if single segments show at both ends over
    half of the expected squares of their main effects: then the score is not flat there. At the
    end, where there are rows enough, all parameters are improved together; see `refined`.

    References
    ----------
    D. J. C. MacKay, "Bayesian non-linear modeling for the prediction competition", ASHRAE
    Transactions 100, 1994.
    """
    for process, values in zip(_learn_decays(processes, groups, kernel_rows), groups, strict=True):
        best = _with_relevances(process, values, _EVEN_SHARE, kernel_rows)
        if careful and best is not process:
            best = _more_equal(process, best, values, kernel_rows)
        yield refined(best, values, kernel_rows // 2)


def _more_equal(
    process: MaskProcess, sure: MaskProcess, values: Floats, kernel_rows: int
) -> MaskProcess:
    """Return a process with more equal relevances, or `sure` where pairs left out speak for it."""
    n, d = process.coalitions.shape
    believed = d * _ROWS_OF_BELIEF
    even_share = max(_EVEN_SHARE, believed / (n + believed))
    equal = _with_relevances(process, values, even_share, kernel_rows)
    shown = not can_refine(process.coalitions) and _shown_at_the_ends(process, values) > _MOSTLY
    share = 1.0 if shown else _FAR_BETTER
    return sure if _error_left_out(sure, values) < share * _error_left_out(equal, values) else equal


def _shown_at_the_ends(process: MaskProcess, values: Floats) -> float:
    """Return which share of the main effects' squares the steps at both ends show.

    A segment's steps are what it does alone and what it does when it comes last. No step shows more
    of its effect than there is, and one that was not asked shows nothing.
    """
    rows, scaled = process.coalitions, values / np.sqrt(process.variances)
    sizes, d = rows.sum(axis=1), rows.shape[1]
    if not (sizes == 0).any() or not (sizes == d).any():
        return 0.0
    alone, last = sizes == 1, sizes == d - 1
    single = np.concatenate([rows[alone], ~rows[last]])
    steps = np.concatenate([scaled[alone] - scaled[sizes == 0], scaled[sizes == d] - scaled[last]])
    squares = np.square(steps).sum(axis=1) @ single / np.maximum(single.sum(axis=0), 1)
    expected = _expected_squares(process)
    return float(np.minimum(squares, expected).sum() / expected.sum())


def _with_relevances(
    best: MaskProcess, values: Floats, even_share: float, kernel_rows: int
) -> MaskProcess:
    """Return a process with relevances that were learned in a few rounds."""
    for _ in range(_ROUNDS):
        learned = replace(best.kernel, relevance=learned_relevance(best, even_share))
        kernels = [
            replace(learned, additive=additive) for additive in _around(best.kernel.additive)
        ]
        better = _better(best, kernels, values, kernel_rows)
        if better is best:
            break
        best = better
    return best


def _error_left_out(process: MaskProcess, values: Floats) -> float:
    """Return the squared error for pairs, each predicted from the others, of all columns."""
    return float((np.square(process.left_out()[0]) / values.var(axis=0)).sum())


def learned_relevance(process: MaskProcess, even_share: float = _EVEN_SHARE) -> Floats:
    """Return each segment's share, shape (d,), in the expected squares of the main effects.

    All segments share a part of the relevance, `even_share`, equally.
    """
    expected = _expected_squares(process)
    d = len(expected)
    return np.asarray((1.0 - even_share) * expected / expected.sum() + even_share / d)


def _expected_squares(process: MaskProcess) -> Floats:
    """Return E[phi_i^2] of each main effect, summed over columns in units of their variance."""
    effects, covariance = banzhaf_effects(process)
    squares = np.square(effects / np.sqrt(process.variances)[:, np.newaxis]).sum(axis=0)
    # E[phi_i^2] = mean^2 + variance; the covariance is in units of each column's variance.
    return np.asarray(squares + len(effects) * np.diagonal(covariance))


def _learn_decays(
    processes: Sequence[MaskProcess], groups: Sequence[Floats], kernel_rows: int
) -> list[MaskProcess]:
    """Return the processes with the likeliest decay of their kernel's product part."""
    best = list(processes)
    for kernel in dict.fromkeys(process.kernel for process in processes):
        if kernel.additive == 1:
            continue  # without a product part
        places = [place for place, process in enumerate(processes) if process.kernel is kernel]
        columns, d = [groups[place] for place in places], len(kernel.relevance)
        kernels = [replace(kernel, decay=left ** (1.0 / d)) for left in DECAYS]
        coalitions = processes[places[0]].coalitions
        choices = likeliest(kernels, coalitions, columns, kernel_rows)
        found = dict(zip(places, choices, strict=True))
        likelier = [
            place for place in places
            if found[place].log_likelihood > processes[place].log_likelihood
        ]  # fmt: skip
        fitted = fit_chosen(
            [found[place] for place in likelier], coalitions, [groups[place] for place in likelier]
        )
        for place, process in zip(likelier, fitted, strict=True):
            best[place] = process
    return best


def _better(
    best: MaskProcess, kernels: Sequence[MaskKernel], values: Floats, kernel_rows: int
) -> MaskProcess:
    choices = likeliest(kernels, best.coalitions, [values], kernel_rows)
    if choices[0].log_likelihood <= best.log_likelihood:
        return best
    return fit_chosen(choices, best.coalitions, [values])[0]


def _around(additive: float) -> Iterator[float]:
    """Yield an additive share and its neighbours."""
    place = ADDITIVE_SHARES.index(additive)
    yield from ADDITIVE_SHARES[max(0, place - 1) : place + 2]
