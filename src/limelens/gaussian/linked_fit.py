"""The link surrogate: fitted on log-odds, reported on the score's own scale."""

from dataclasses import dataclass, replace

import numpy as np

from limelens._threads import one_blas_thread
from limelens._typing import Coalitions, Floats, Game
from limelens.errors import InvalidInputError
from limelens.games.lime_kernel import cosine_distance, kernel_weights
from limelens.games.repeats import answer_variance
from limelens.gaussian.learning import learn_kernels
from limelens.gaussian.likelihood import KERNEL_ROWS
from limelens.gaussian.links import Link, log_odds_link, logit
from limelens.gaussian.misfit import missed_importances
from limelens.gaussian.process import MaskProcess, fit_processes
from limelens.gaussian.projection import additive_share, project
from limelens.gaussian.rows import N_RIVALS, Rows
from limelens.gaussian.softmax import softmax_link
from limelens.gaussian.verdict import TargetFit, unknown_fit
from limelens.gaussian.virtual import LIME_WIDTH, fitting_on, virtual_coalitions

LINKS = ("auto", "identity", "log-odds", "softmax")

EXPLAINED_SCALES = ("score", "link")

# Below 1.25 the identity was chosen wrongly on saturated classes.
_WORST_RATIO = 1.25


@dataclass(frozen=True, kw_only=True, eq=False)
class _Candidate:
    """A link with the process of its columns and the targets it explains, in their order."""

    link: Link
    process: MaskProcess
    targets: tuple[int, ...]


def fit_linked(
    rows: Rows,
    *,
    definition: str,
    link: str = "auto",
    scale: str = "score",
    again: "Game | None" = None,
    kernel_rows: int = KERNEL_ROWS,
) -> list[TargetFit]:
    """Fit the link surrogate and project it on a definition of importance.

    Parameters
    ----------
    rows : Rows
    definition : {"lime", "shapley"}
        LIME's coefficients (cosine kernel of width 0.25) or Shapley values.
    link : {"auto", "identity", "log-odds", "softmax"}
        "auto" chooses for each target. It takes the softmax link for floating-point probabilities
        of three or more classes that sum to 1, and log-odds for other scores in [0, 1], unless
        their leave-one-out squared error is over 1.25 times that of the identity. All other scores
        get the identity.
    scale : {"score", "link"}
        What is explained: the score, or the log-odds of scores in [0, 1]. On the link's scale
        "auto" takes log-odds for such scores and the identity for all others.
    again : callable, optional
        Where every coalition was asked: asks anew, see `answer_variance`.
    kernel_rows : int
        Most rows that choose a kernel; see `learn_kernels`.

    Returns
    -------
    fits : list of TargetFit, one per target

    Raises
    ------
    InvalidInputError
        If the requested link does not suit the scores.
    """
    n_targets = rows.values.shape[1]
    fits = [unknown_fit(rows.coalitions.shape[1]) for _ in range(n_targets)]
    names = possible_links(rows, link, scale)
    for target in range(n_targets):
        if target not in names and not rows.changes_by_rounding(target):
            fits[target] = unknown_fit(rows.coalitions.shape[1], rows.limits)
    # All 2^d answers are known: the definition applies to them directly, without a surrogate.
    if rows.complete:
        for target, possible in names.items():
            on_log_odds = scale == "link" and possible != ["identity"]
            fits[target] = _exact(rows, target, definition, again, on_log_odds=on_log_odds)
        return fits
    for target, fit in _fits(rows, names, definition, scale, kernel_rows).items():
        fits[target] = fit
    return fits


@one_blas_thread(with_scipy=True)
def _fits(
    rows: Rows, names: dict[int, list[str]], definition: str, scale: str, kernel_rows: int
) -> dict[int, TargetFit]:
    """Return the fits of targets that move, by target."""
    candidates = _candidates(rows, names, kernel_rows) if names else []
    ratios = _ratios(rows, candidates)
    chosen = {target: _choose(candidates, ratios, target) for target in names}
    kept = [candidate for candidate in candidates if candidate in chosen.values()]
    # Links were compared with kernels from one common grid. Learning takes further
    # decompositions, so only the chosen links do it.
    learned = learn_kernels(
        [candidate.process for candidate in kept],
        [candidate.link.columns for candidate in kept],
        kernel_rows,
        careful=definition == "shapley",
    )
    fits: dict[int, TargetFit] = {}
    for candidate, process in zip(kept, learned, strict=True):
        described = _describe(rows, replace(candidate, process=process), ratios, definition, scale)
        for target in candidate.targets:
            if chosen[target] is candidate:
                fits[target] = described[target]
    return fits


def possible_links(rows: Rows, link: str, scale: str) -> dict[int, list[str]]:
    """Return the names of the links to fit for every target that moves; the last is preferred.

    Raises
    ------
    InvalidInputError
        If the requested link does not suit the scores.
    """
    return {
        target: _possible_links(rows, target, link, scale)
        for target in range(rows.values.shape[1])
        if _moves(rows, target, on_log_odds=_on_log_odds(link, scale))
    }


def _on_log_odds(link: str, scale: str) -> bool:
    """Return whether only what moves in log-odds is fitted."""
    return link == "log-odds" or (scale == "link" and link != "identity")


def _moves(rows: Rows, target: int, *, on_log_odds: bool) -> bool:
    """Return whether a target moves by more than rounding, on the scale that is asked for."""
    if rows.changes_by_rounding(target):
        return False
    odds = on_log_odds and rows.is_probability(target) and not rows.complete
    return not odds or rows.has_log_odds(target)


def _possible_links(rows: Rows, target: int, link: str, scale: str) -> list[str]:
    """Return the names of the links to fit for a target; the last is preferred."""
    probability = rows.is_probability(target)
    if link == "softmax" and not rows.competes(target):
        raise InvalidInputError(
            "`link` must be 'auto', 'identity' or 'log-odds' for these scores; 'softmax' needs "
            "three or more floating-point probabilities that sum to 1, are never exactly 0 and "
            f"hardly ever the same twice, and {rows.no_rivals[target]}."
        )
    if link == "log-odds" and not probability:
        seen = rows.values[:, target] if rows.columns is None else rows.scores
        raise InvalidInputError(
            "`link` must be 'auto' or 'identity' for these scores; 'log-odds' needs probabilities, "
            f"and these go from {seen.min():g} to {seen.max():g}."
        )
    if link != "auto":
        return [link]
    if not probability:
        return ["identity"]
    if scale == "link":
        return ["log-odds"]
    log_odds = ["log-odds"] if rows.has_log_odds(target) else []
    return ["identity", *log_odds, *(["softmax"] if rows.competes(target) else [])]


def _candidates(rows: Rows, names: dict[int, list[str]], kernel_rows: int) -> list[_Candidate]:
    """Fit all processes at once: they share every eigendecomposition."""
    links: list[tuple[Link, tuple[int, ...]]] = []
    for target, possible in names.items():
        values = rows.values[:, target]
        if "identity" in possible:
            column = values[:, np.newaxis]
            links.append((Link(columns=column, explained=column), (target,)))
        if "log-odds" in possible:
            links.append((log_odds_link(values, rows.limits), (target,)))
    # One softmax link holds all its targets: a class's rivals move together with it.
    joint = tuple(target for target, possible in names.items() if "softmax" in possible)
    if joint and rows.columns is not None:
        links.append((softmax_link(rows.scores, rows.columns[list(joint)], N_RIVALS), joint))
    columns = [link.columns for link, _ in links]
    processes = fit_processes(rows.coalitions, columns, rows.relevance, kernel_rows)
    return [
        _Candidate(link=link, process=process, targets=targets)
        for (link, targets), process in zip(links, processes, strict=True)
    ]


def _ratios(rows: Rows, candidates: list[_Candidate]) -> dict[int, float]:
    """Return the leave-one-out error of log-odds over the identity's, where both are fitted."""
    # E = sum_i pi(z_i) (y_i - yhat_{-i}(z_i))^2 with LIME's kernel pi: only errors near the intact
    # image decide between the links.
    weights = kernel_weights(cosine_distance(rows.coalitions), LIME_WIDTH)
    errors: dict[tuple[str, int], float] = {}
    for candidate in candidates:
        if candidate.link.name != "softmax":
            missed = candidate.link.explained - candidate.link.held_out(candidate.process)
            errors[candidate.link.name, candidate.targets[0]] = float(
                weights @ np.square(missed[:, 0])
            )
    tiny = np.finfo(np.float64).tiny
    return {
        target: error / max(errors["identity", target], tiny)
        for (name, target), error in errors.items()
        if name == "log-odds" and ("identity", target) in errors
    }


def _choose(
    candidates: list[_Candidate], ratios: dict[int, float], target: int
) -> _Candidate | None:
    """Return the last candidate of a target, or the identity where log-odds predict badly.

    The softmax link is exempt: where it applies, the ratio depends on a few coalitions, and it was
    wrong in every measured case in which it spoke against the link.
    """
    possible = [candidate for candidate in candidates if target in candidate.targets]
    badly = possible[-1].link.name == "log-odds" and ratios.get(target, 0.0) > _WORST_RATIO
    return possible[0 if badly else -1]


def _describe(
    rows: Rows, candidate: _Candidate, ratios: dict[int, float], definition: str, scale: str
) -> dict[int, TargetFit]:
    """Project a candidate, and return the fit of each of its targets with its diagnostics."""
    link, process = candidate.link, candidate.process
    # A plain Link takes its columns for the scores: so the log-odds themselves are explained.
    if scale == "link":
        link = Link(columns=link.columns, explained=link.columns)
    curved = link.name != "identity"
    # Both ends lie far from all other rows: their residuals are no sample of the others' errors.
    residuals = process.residuals[rows.inner] if rows.inner.any() else process.residuals
    differences = _differences(rows, candidate, scale)
    virtual = virtual_coalitions(rows.coalitions.shape[1], definition)
    seen = project(process, link, virtual, residuals, differences)
    missed = link.explained - link.held_out(process)
    importances, covariance = seen.importances, seen.covariance
    if definition == "lime" or process.folded:
        more, variances = missed_importances(definition, rows.coalitions, missed)
        importances = importances + more
        covariance = covariance + variances[:, :, np.newaxis] * np.eye(variances.shape[1])
    # Leave-one-out R^2 on the score's scale: 1 - mean squared error / variance.
    fidelity = 1.0 - np.square(missed).mean(axis=0) / link.explained.var(axis=0)
    inflation, odd_inflation = link.inflation(process)
    is_probability = candidate.link.name != "identity"
    return {
        target: TargetFit(
            importances=importances[place],
            covariance=covariance[place],
            link=candidate.link.name,
            curved=curved,
            ratio=ratios.get(target, float("nan")),
            fidelity=float(fidelity[place]),
            additive_share=float(seen.additive_share[place]),
            inflation=float(inflation[place]),
            odd_inflation=float(odd_inflation[place]),
            saturation=rows.saturation(target) if is_probability else 0.0,
            carriers=rows.carriers(target),
            steps=rows.steps(target) if rows.is_probability(target) else float("inf"),
            n_rows=len(rows.values),
            additive=process.kernel.additive,
            noise=process.noise,
        )
        for place, target in enumerate(candidate.targets)
    }


def _differences(rows: Rows, candidate: _Candidate, scale: str) -> Floats:
    """Return the intact image's value minus the hidden one's; 0 unless both were asked."""
    values = rows.values[:, list(candidate.targets)]
    # The sum of Shapley values is a difference on the scale that is explained.
    if scale == "link" and candidate.link.name != "identity":
        values = logit(values, rows.limits)
    return end_difference(rows, values)


def end_difference(rows: Rows, values: Floats) -> Floats:
    """Return values (n, t) of the intact image minus those of the hidden one, shape (t,)."""
    intact, hidden = rows.coalitions.all(axis=1), ~rows.coalitions.any(axis=1)
    if not intact.any() or not hidden.any():
        return np.zeros(values.shape[1])
    return np.asarray(values[intact][0] - values[hidden][0])


def _exact(
    rows: Rows, target: int, definition: str, again: "Game | None", *, on_log_odds: bool
) -> TargetFit:
    def of_target(values: Floats) -> Floats:
        column = values[:, [target]]
        return logit(column, rows.limits) if on_log_odds else column

    def of_target_again(coalitions: Coalitions) -> Floats:
        return of_target(again(coalitions)) if again is not None else np.empty((0, 1))

    values, variance = of_target(rows.values), 0.0
    if again is not None:
        variance = float(answer_variance(of_target_again, rows.coalitions, values)[0])
    # phi = A v is linear in the values, so Cov(phi) = sigma^2 A A' with sigma^2 the variance of one
    # answer. It is 0 where the model answers the same twice.
    fitting = fitting_on(rows.coalitions, definition, complete=True)
    importances = fitting.importances(rows.coalitions, values, end_difference(rows, values))
    return TargetFit(
        importances=importances[0],
        covariance=variance * fitting.noise_covariance(rows.coalitions),
        link="exact",
        fidelity=1.0,
        additive_share=float(additive_share(rows.coalitions, values, importances)[0]),
    )
