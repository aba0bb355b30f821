"""Whether an answer is good enough: converged, not converged or unreliable, in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from limelens.surrogates.target_fit import TargetFit

STATUSES = ("exact", "constant", "converged", "not converged", "unreliable")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What can be said of one target.

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
        """Whether more model calls are not asked for."""
        return self.status in ("exact", "constant", "converged")


def judge(fit: TargetFit, *, tolerance: float, n_calls: int, checked: bool = True) -> Verdict:
    """Say in which state a target is.

    Parameters
    ----------
    fit : TargetFit
    tolerance : float
        The relative error that was asked for; 0: none, the budget was to be spent.
    n_calls : int
        Coalitions asked so far.
    checked : bool
        Whether there was a look before this one, so that fresh calls have checked what it said: a
        single block can mislead its own error estimate, and never makes a target converge.

    Returns
    -------
    Verdict
        "exact": every coalition was asked. "constant": the score changed by less than a
        millionth (or never left 0 or 1), which is taken for rounding. "unreliable": the
        error bars themselves cannot be trusted, because the probability is at 0 or 1 in over 10 %
        of the coalitions, the surrogate's squared errors are over twice what it expects, or fewer
        than about five coalitions carry the score's variation. "converged" and "not converged":
        the predicted relative error is, or is not, within the tolerance at a look that was not the
        first.
    """
    if fit.link == "exact":
        return Verdict(status="exact", message=f"exact: all {n_calls} coalitions were asked")
    if fit.link == "none":
        message = (
            f"constant: over {n_calls} coalitions the score changed by less than a millionth, "
            "which is taken for rounding"
        )
        return Verdict(status="constant", message=message)
    if fit.doubt:
        return Verdict(status="unreliable", message=_unreliable(fit, n_calls))
    error = fit.relative_error
    percent = f"relative error about {error:.0%} after {n_calls} calls"
    if tolerance == 0:
        message = f"{percent} (none was asked), {_correlation(fit)}"
        return Verdict(status="converged", message=message)
    if error <= tolerance and not checked:
        message = (
            f"not converged: {percent} (asked {tolerance:.0%}), but no further calls have checked "
            "it: raise max_samples"
        )
        return Verdict(status="not converged", message=message)
    if error <= tolerance:
        message = f"converged: {percent} (asked {tolerance:.0%}), {_correlation(fit)}"
        return Verdict(status="converged", message=message)
    # Errors fall a little slower than calls ** -0.5, so this is a lower bound.
    needed = ceil(n_calls * (error / tolerance) ** 2)
    advice = "raise max_samples, use fewer segments" + (", or scale='link'" if fit.curved else "")
    message = (
        f"not converged: {percent} (asked {tolerance:.0%}, which takes at least {needed}), "
        f"{_correlation(fit)}; ranks beyond the certain ones are not reliable: {advice}"
    )
    return Verdict(status="not converged", message=message)


def _correlation(fit: TargetFit) -> str:
    return f"correlation with the exact answer about {fit.reliability:.2f}"


def _unreliable(fit: TargetFit, n_calls: int) -> str:
    reasons = {
        "saturation": f"the probability is at 0 or 1 for {fit.saturation:.0%} of the coalitions",
        "inflation": f"the surrogate's squared errors are {fit.inflation:.1f} times the expected",
        "carriers": f"about {fit.carriers:.0f} coalitions carry all of the score's variation",
    }
    # Log-odds of nothing but 0 and 1 say no more than the labels do.
    advice = (
        "use scale='link'"
        if fit.saturation < 1
        else "let predict_fn answer with probabilities instead of labels"
    )
    return (
        f"unreliable: {reasons[fit.doubt]} after {n_calls} calls; error bars on the score's scale "
        f"cannot be trusted: {advice}"
    )


def summarise(verdicts: Sequence[Verdict], names: Sequence[str]) -> Verdict:
    """Return the verdict on all targets: the worst status, and every message by its name."""
    worst = max((verdict.status for verdict in verdicts), key=STATUSES.index)
    if len(verdicts) == 1:
        return Verdict(status=worst, message=verdicts[0].message)
    parts = [f"{name}: {verdict.message}" for name, verdict in zip(names, verdicts, strict=True)]
    return Verdict(status=worst, message=". ".join(parts))
