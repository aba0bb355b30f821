"""Whether an answer is good enough: converged, not converged or unreliable, in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np

from limelens._statistics import FEWEST_STEPS
from limelens._typing import Floats
from limelens.gaussian.virtual import FULL_FACTORIAL

# The delta method treats the link's curve as straight; wider errors make up for that. The softmax
# link needs no factor: it adds its columns' errors as if they had one sign, see SoftmaxLink.
_WIDENING = {"identity": 1.0, "log-odds": 1.1, "softmax": 1.0}

# The kernel is learned from the rows and then taken as known. To make up for that, variances are
# multiplied by 1 + 32 / rows. Chosen on one half of the complete tables of real models, with 64 to
# 512 calls.
_LEARNED = 32.0

# The normal distribution's 0.9 quantile. The margin is there because a run looks several times and
# stops at the first look whose bound is low enough.
_NORMAL_90, _MARGIN = 1.2815515655446004, 1.2

# The share of the tolerance that the bound must stay within at the first check, which is of few
# fresh rows: of runs that it let pass within a tenth of the tolerance, 4 in 46 were beyond it.
_AT_FIRST_CHECK = 0.9

# Weight, in pairs, of the prior belief that sums and differences of pairs are equally uncertain.
_PRIOR_PAIRS = 10.0

# Beyond these bounds the intervals of saturated classes missed the exact answer too often.
_MOST_INFLATION = 2.0

_MOST_SATURATION = 0.1

# Fewest effective rows that carry a score's variation, and their smallest share of few rows.
_FEWEST_CARRIERS, _FEWEST_CARRYING = 5.0, 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class TargetFit:
    """Importances of one target, and all facts about their errors.

    Numbers are NaN where they are not known, as for a target that never changed.

    Attributes
    ----------
    importances : ndarray, shape (d,)
    covariance : ndarray, shape (d, d)
        Posterior covariance of the importances.
    link : str
        "identity", "log-odds" or "softmax"; "exact" where every coalition was asked, "none" where
        the target never changed.
    curved : bool
        Whether the link was undone, so that intervals rest on the delta method.
    ratio : float
        Leave-one-out squared error of the log-odds link over that of the identity.
    fidelity : float
        Leave-one-out R² of the surrogate.
    additive_share : float
        Share of the surrogate's variance over coalitions that the importances reproduce.
    inflation : float
        How many times larger the surrogate's squared errors are than it expects.
    odd_inflation : float
        The same for the differences within complementary pairs; NaN where there are no pairs.
    saturation : float
        Share of rows in which the probability is at 0 or 1.
    carriers : float
        Effective number of coalitions that carry the score's variation, (sum u²)² / sum u⁴ of the
        deviations u from the mean. It is about a third of the rows for a normal distribution.
    steps : float
        Standard deviation of a probability in steps of the lattice that its values are on, as of
        a quantised network; infinite without a lattice.
    n_rows : int
        Distinct coalitions of the fit.
    additive, noise : float
        Shares of the variance that the process gives to single segments and to noise.
    limits : tuple of float, optional
        Smallest distances from 0 and from 1 at which log-odds are trusted, where a probability
        never left what is beyond them.
    """

    importances: Floats
    covariance: Floats
    link: str
    curved: bool = False
    ratio: float = float("nan")
    fidelity: float = float("nan")
    additive_share: float = float("nan")
    inflation: float = float("nan")
    odd_inflation: float = float("nan")
    saturation: float = 0.0
    carriers: float = float("inf")
    steps: float = float("inf")
    n_rows: int = 0
    additive: float = float("nan")
    noise: float = float("nan")
    limits: tuple[float, float] | None = None

    @property
    def foldover(self) -> float:
        r"""Factor of the covariance because the rows come in complementary pairs.

        Sums of pairs cancel from the importances. The process expects its errors to be as large in
        the sums as in the differences. On images they are often smaller in the differences, because
        interactions of two segments are even. The factor is :math:`(h R + 10) / (h + 10)` with h
        pairs, a prior worth ten pairs, and R the ratio of the differences' squared errors to the
        expected ones. On the score's scale R is divided by the inflation, which `spread` counts
        already. For few segments, where the surrogate is evaluated on all coalitions, the factor
        is at least 1: on complete tables of real models, the errors for coalitions that were not
        asked were no smaller in the differences.
        """
        if not np.isfinite(self.odd_inflation):
            return 1.0
        pairs = self.n_rows / 2
        ratio = self.odd_inflation / (self.inflation if self.curved else 1.0)
        factor = (pairs * ratio + _PRIOR_PAIRS) / (pairs + _PRIOR_PAIRS)
        return max(factor, 1.0) if len(self.importances) <= FULL_FACTORIAL else factor

    @cached_property
    def spread(self) -> Floats:
        """Covariance of the importances, scaled to the surrogate's actual errors, (d, d)."""
        factor = max(1.0, self.inflation) if self.curved else 1.0
        learned = 1.0 + _LEARNED / self.n_rows if self.n_rows else 1.0  # 0: all was asked
        return self.covariance * (factor * self.foldover * learned)

    @cached_property
    def standard_errors(self) -> Floats:
        """Standard errors, shape (d,), of which 1.96 make a 95 % interval."""
        factor = _WIDENING[self.link] if self.curved else 1.0
        return factor * np.sqrt(np.diagonal(self.spread))

    @cached_property
    def relative_error(self) -> float:
        r"""Predicted relative error, :math:`\sqrt{S / (S + |\phi|^2)}`, S the squared errors' sum.

        The importances are a posterior mean, which is shrunken. So the squares of the true ones
        sum to about :math:`S + |\phi|^2`.
        """
        noise = float(np.square(self.standard_errors).sum())
        total = noise + float(np.square(self.importances).sum())
        return float(np.sqrt(noise / total)) if total > 0 else float("nan")

    @cached_property
    def error_bound(self) -> float:
        r"""Bound that the relative error stays below with a probability of at least 0.9.

        The squared error of importances with the covariance C is about
        :math:`\operatorname{tr} C\, \chi^2_f / f` with
        :math:`f = (\operatorname{tr} C)^2 / \operatorname{tr} C^2` (Satterthwaite 1946). Its 0.9
        quantile (Wilson and Hilferty 1931) takes the place of S in `relative_error`. It is widened
        by a fifth because a run looks more than once.
        """
        noise = float(np.square(self.standard_errors).sum())
        if noise == 0 or not np.isfinite(noise):
            return self.relative_error
        # Fourth powers of tiny or huge scores would leave the range; a power of two keeps digits.
        spread = self.spread * 2.0 ** -np.frexp(np.trace(self.spread))[1]
        freedom = np.trace(spread) ** 2 / np.square(spread).sum()
        part = 2.0 / (9.0 * freedom)  # Wilson and Hilferty's quantile of chi-squared over f
        bound = _MARGIN**2 * noise * float(1.0 - part + _NORMAL_90 * np.sqrt(part)) ** 3
        return float(np.sqrt(bound / (bound + np.square(self.importances).sum())))

    @property
    def reliability(self) -> float:
        """Predicted correlation with the exact importances, from covariances not widened."""
        variance = float(self.importances.var())
        noise = float(np.diagonal(self.covariance).mean()) * min(1.0, self.foldover)
        return float(np.sqrt(variance / (variance + noise))) if variance > 0 else float("nan")

    @property
    def doubt(self) -> str:
        """Why the error bars themselves cannot be trusted; empty if they can.

        It names what is beyond its bound: "saturation", "inflation", "carriers" or "steps". Of
        scores explained as they were fitted only the last two count.
        """
        if self.curved and self.saturation > _MOST_SATURATION:
            return "saturation"
        if self.curved and self.inflation > _MOST_INFLATION:
            return "inflation"
        if self.carriers < min(_FEWEST_CARRIERS, _FEWEST_CARRYING * self.n_rows):
            return "carriers"
        return "steps" if self.steps < FEWEST_STEPS else ""


STATUSES = ("exact", "constant", "converged", "stochastic", "not converged", "unreliable")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What can be said about one target.

    Attributes
    ----------
    status : str
        One of `STATUSES`.
    message : str
        The same with its reasons, for people.
    """

    status: str
    message: str

    @property
    def settled(self) -> bool:
        """Whether no more model calls are needed."""
        return self.status in ("exact", "constant", "converged", "stochastic")


def judge(fit: TargetFit, *, tolerance: float, n_calls: int, checks: int = 2) -> Verdict:
    """Return the status of a target, with its reasons.

    Parameters
    ----------
    fit : TargetFit
    tolerance : float
        Relative error that was asked for; 0 if none was, and the whole budget is to be spent.
    n_calls : int
        Coalitions asked so far.
    checks : int
        How many blocks of fresh calls have checked what the first block said. A single block can
        mislead its own error estimate, and never makes a target converge; after one check, which
        is of few calls, the bound must be a tenth below the tolerance.

    Returns
    -------
    Verdict
        "exact": every coalition was asked. "stochastic": so it was, but asked again the model
        answers differently. "constant": the score changed by less than a millionth (or its log-odds
        never left the limits of what is trusted), which is taken for rounding. "unreliable": the
        error bars themselves cannot be trusted, because the probability is at 0 or 1 in over 10 %
        of the coalitions, the surrogate's squared errors are over twice what it expects, fewer than
        about five coalitions carry the score's variation, or a rounded probability moves by fewer
        than four of its steps. "converged" and "not converged":
        the bound on the relative error is, or is not, within the tolerance at a look that was not
        the first, and at the second a tenth below it.
    """
    if fit.link == "exact" and fit.covariance.any():
        message = (
            f"stochastic: all {n_calls} coalitions were asked, but the model answers the same "
            "image differently every time; error bars are those of one answer each: average "
            "several answers in predict_fn, or fix what is random"
        )
        return Verdict(status="stochastic", message=message)
    if fit.link == "exact":
        return Verdict(status="exact", message=f"exact: all {n_calls} coalitions were asked")
    if fit.link == "none":
        return Verdict(status="constant", message=_constant(fit, n_calls))
    if fit.doubt:
        return Verdict(status="unreliable", message=_unreliable(fit, n_calls))
    error, bound = fit.relative_error, fit.error_bound
    percent = f"relative error about {error:.0%}, at most {bound:.0%}, after {n_calls} calls"
    if tolerance == 0:
        message = f"{percent} (none was asked), {_correlation(fit)}"
        return Verdict(status="converged", message=message)
    enough = tolerance * (_AT_FIRST_CHECK if checks == 1 else 1)
    if bound <= tolerance and (bound > enough or not checks):
        few = "few" if checks else "no"
        message = (
            f"not converged: {percent} (asked {tolerance:.0%}), but {few} further calls have "
            "checked it: raise max_samples"
        )
        return Verdict(status="not converged", message=message)
    if bound <= tolerance:
        message = f"converged: {percent} (asked {tolerance:.0%}), {_correlation(fit)}"
        return Verdict(status="converged", message=message)
    # Errors fall a little slower than calls ** -0.5, so this is a lower bound.
    needed = ceil(n_calls * (bound / tolerance) ** 2)
    advice = "raise max_samples, use fewer segments" + (", or scale='link'" if fit.curved else "")
    message = (
        f"not converged: {percent} (asked {tolerance:.0%}, which takes at least {needed}), "
        f"{_correlation(fit)}; ranks beyond the certain ones are not reliable: {advice}"
    )
    return Verdict(status="not converged", message=message)


def _constant(fit: TargetFit, n_calls: int) -> str:
    if fit.limits is None:
        return (
            f"constant: over {n_calls} coalitions the score changed by less than a millionth, "
            "which is taken for rounding"
        )
    low, high = fit.limits
    return (
        f"constant: over {n_calls} coalitions the log-odds stayed the same, as a probability "
        f"below {low:.2g} counts as {low:.2g}, and one within {high:.2g} of 1 alike: use "
        "link='auto', scale='score', or let predict_fn answer with logits"
    )


def _correlation(fit: TargetFit) -> str:
    return f"correlation with the exact answer about {fit.reliability:.2f}"


def _unreliable(fit: TargetFit, n_calls: int) -> str:
    reasons = {
        "saturation": f"the probability is at 0 or 1 for {fit.saturation:.0%} of the coalitions",
        "inflation": f"the surrogate's squared errors are {fit.inflation:.1f} times the expected",
        "carriers": f"about {fit.carriers:.0f} coalitions carry all of the score's variation",
        "steps": f"the probability moves by about {fit.steps:.1f} steps of the model's rounding",
    }
    # If all scores are 0 or 1, their log-odds say no more than the labels do.
    if fit.doubt == "steps":
        advice = "let predict_fn answer with logits, or with probabilities before they are rounded"
    elif not fit.curved:
        advice = "raise max_samples or use fewer segments"
    elif fit.saturation < 1:
        advice = "use scale='link'"
    else:
        advice = "let predict_fn answer with probabilities instead of labels"
    return (
        f"unreliable: {reasons[fit.doubt]} after {n_calls} calls; error bars "
        f"cannot be trusted: {advice}"
    )


def summarise(verdicts: Sequence[Verdict], names: Sequence[str]) -> Verdict:
    """Return the verdict on all targets: the worst status, and every message by its name."""
    worst = max((verdict.status for verdict in verdicts), key=STATUSES.index)
    if len(verdicts) == 1:
        return Verdict(status=worst, message=verdicts[0].message)
    parts = [f"{name}: {verdict.message}" for name, verdict in zip(names, verdicts, strict=True)]
    return Verdict(status=worst, message=". ".join(parts))


def unknown_fit(n_segments: int, limits: tuple[float, float] | None = None) -> TargetFit:
    """Return the fit of a target that never changed: no effect, and an unknown error.

    `limits` are given where it changed, but never between them.
    """
    return TargetFit(
        importances=np.zeros(n_segments),
        covariance=np.full((n_segments, n_segments), np.nan),
        link="none",
        limits=limits,
    )
