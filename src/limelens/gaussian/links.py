"""Links: the scale on which a surrogate is fitted, and the way back to the score's own."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Floats
from limelens.games.coalitions import fold
from limelens.gaussian.process import MaskProcess

# Smallest distance from 0 and from 1, and largest from either, that `edges` returns.
_LOWEST, _HIGHEST, _WIDEST = 1e-10, 1e-7, 0.02

LEAST_PROBABILITY = float(np.finfo(np.float32).tiny)
"""What a smaller probability counts as where probabilities compete."""

# Quantiles that stand for all residuals when a sigmoid is averaged.
_QUANTILES = 15

# Nodes of Gauss and Hermite's rule for a normal error of log-odds.
_HERMITE = 15


@dataclass(frozen=True, kw_only=True, eq=False)
class Link:
    """One or more score columns on the scale of the fit; this class is the identity link.

    Attributes
    ----------
    columns : ndarray, shape (n, c)
        The values that the process is fitted to.
    explained : ndarray, shape (n, t)
        The scores themselves. Unless the link says otherwise, the `columns` are these scores on
        the scale of the fit.
    """

    columns: Floats
    explained: Floats
    name: str = field(default="identity", init=False)

    @property
    def n_explained(self) -> int:
        """How many targets this link explains."""
        return self.explained.shape[1]

    def curve(self, means: Floats, residuals: Floats, scale: Floats) -> tuple[Floats, Floats]:
        """Return the scores expected where the columns have these means, and their spread.

        Parameters
        ----------
        means : ndarray, shape (v, c)
            Posterior means.
        residuals : ndarray, shape (r, c)
            Leave-one-out residuals, over which a curved link is averaged (Duan 1983).
        scale : ndarray, shape (c, c)
            Covariance of the columns where the kernel's variance is 1.

        Returns
        -------
        scores : ndarray, shape (v, t)
        spread : ndarray, shape (v, t)
            ``sqrt(J scale J')`` with J the derivatives of a score by the columns: the score's
            standard deviation if the kernel's variance is 1.
        """
        return means, np.broadcast_to(np.sqrt(np.diagonal(scale)), means.shape)

    def smear(self, means: Floats, residuals: Floats) -> Floats:
        """Return the scores of `curve` without their spread, shape (v, t)."""
        return means

    def score(self, columns: Floats) -> Floats:
        """Return the scores (n, t) that columns (n, c) stand for."""
        return columns

    def held_out(self, process: MaskProcess) -> Floats:
        """Return the prediction of each row's scores from all other rows, shape (n, t)."""
        return self.score(self.columns - process.residuals)

    def inflation(self, process: MaskProcess) -> tuple[Floats, Floats]:
        """Return how many times larger the rows' squared errors are than predicted.

        Returns
        -------
        total, odd : ndarray, shape (t,)
            The ratio for all errors, and for half the differences of the errors within
            complementary pairs. Only the differences enter importances. `odd` is NaN where the
            rows are not folded.
        """
        errors, variances = process.left_out()
        squares, expected = np.square(errors), np.outer(variances, process.variances)
        total = squares.sum(axis=0) / expected.sum(axis=0)
        if not process.folded:
            return total, np.full(len(total), np.nan)
        half = len(errors) // 2
        return total, squares[half:].sum(axis=0) / expected[half:].sum(axis=0)


@dataclass(frozen=True, kw_only=True, eq=False)
class LogOddsLink(Link):
    r"""One probability, fitted as log-odds and averaged over residuals on the way back.

    The expected probability where the log-odds have the posterior mean m is not sigmoid(m) but
    :math:`\overline{\operatorname{sigmoid}(m + r)}` with the leave-one-out residuals r (Duan's
    smearing estimate). Here the mean is taken over their 15 mid-quantiles.

    References
    ----------
    N. Duan, "Smearing estimate: a nonparametric retransformation method", Journal of the American
    Statistical Association 78, 1983, doi:10.1080/01621459.1983.10478017.
    """

    name: str = field(default="log-odds", init=False)

    def curve(self, means: Floats, residuals: Floats, scale: Floats) -> tuple[Floats, Floats]:
        """Return the smeared sigmoid and its spread; see `Link.curve`."""
        p = sigmoid(means + quantiles(residuals[:, 0]))
        # The derivative of the smeared curve: the mean of p (1 - p).
        slopes = (p * (1.0 - p)).mean(axis=1, keepdims=True)
        return p.mean(axis=1, keepdims=True), slopes * np.sqrt(scale)

    def smear(self, means: Floats, residuals: Floats) -> Floats:
        """Return the smeared sigmoid; see `Link.smear`."""
        return sigmoid(means + quantiles(residuals[:, 0])).mean(axis=1, keepdims=True)

    def score(self, columns: Floats) -> Floats:
        """Return the sigmoid of log-odds."""
        return sigmoid(columns)

    def inflation(self, process: MaskProcess) -> tuple[Floats, Floats]:
        """Return the ratios on the scale of the probability, by Gauss and Hermite's rule."""
        # A product rule: one normal error for the sum of a pair, one for its difference.
        nodes, weights = np.polynomial.hermite_e.hermegauss(_HERMITE)
        even, odd = np.repeat(nodes, _HERMITE), np.tile(nodes, _HERMITE)
        shares = np.repeat(weights, _HERMITE) * np.tile(weights, _HERMITE)
        residuals, variances = process.left_out()
        deviations = np.sqrt(process.variances * variances)
        if process.folded:
            half = len(deviations) // 2
            parts = np.outer(deviations[:half], even), np.outer(deviations[half:], odd)
            residuals, errors = fold(residuals), fold(np.concatenate(parts))  # back to rows
        else:
            errors = np.outer(deviations, even)
        # Draws of the prediction N(y_n - r_n, v_n) of each row from the others.
        p = sigmoid(self.columns - residuals + errors)
        return inflation_of(self.explained[:, 0], p, shares / shares.sum(), folded=process.folded)


def inflation_of(
    explained: Floats, p: Floats, shares: Floats, *, folded: bool
) -> tuple[Floats, Floats]:
    """Return the ratios of `Link.inflation` for one target, given draws p (n, k) of it."""
    mean = p @ shares
    missed = explained - mean
    # Weighted by the roots of the draws' shares: so their squares sum to the expected ones.
    centred = p - mean[:, np.newaxis]
    centred *= np.sqrt(shares)
    total = _ratio(missed, centred)
    if not folded:
        return total, np.full(1, np.nan)
    half = len(p) // 2
    return total, _ratio(missed[:half] - missed[half:], centred[:half] - centred[half:])


def _ratio(missed: Floats, centred: Floats) -> Floats:
    expected = max(float(np.vdot(centred, centred)), np.finfo(np.float64).tiny)
    return np.array([np.vdot(missed, missed) / expected])


def edges(scores: Floats) -> tuple[float, float]:
    """Return the smallest distances from 0 and from 1 at which probabilities are trusted.

    Each is half of the smallest positive distance of any output of the run from that edge. So
    exact zeros of rounded probabilities or of votes count as half a step. The distance from 0 is
    at least 1e-10, that from 1 at least 1e-7 (the resolution of float32), and both are at most
    0.02.

    Examples
    --------
    >>> edges(np.array([0.0, 0.25, 1.0 - 1 / 128]))
    (0.02, 0.00390625)
    """
    low, high = scores[scores > 0], 1.0 - scores[scores < 1]
    near_zero = 0.5 * float(low.min()) if low.size else _WIDEST
    near_one = 0.5 * float(high.min()) if high.size else _WIDEST
    return float(np.clip(near_zero, _LOWEST, _WIDEST)), float(np.clip(near_one, _HIGHEST, _WIDEST))


def logit(p: Floats, limits: tuple[float, float] = (1e-12, 1e-12)) -> Floats:
    """Return log(p / (1 - p)) of probabilities kept inside the limits."""
    low, high = limits
    complement = np.clip(1.0 - p, high, 1.0 - low)
    return np.log(np.clip(p, low, 1.0 - high)) - np.log(complement)


def sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + exp(-x))."""
    from scipy.special import expit  # noqa: PLC0415

    return np.asarray(expit(x))


def quantiles(residuals: Floats) -> Floats:
    """Return the 15 mid-quantiles of residuals, or the residuals if there are fewer."""
    if len(residuals) <= _QUANTILES:
        return np.asarray(residuals)
    return np.quantile(residuals, (np.arange(_QUANTILES) + 0.5) / _QUANTILES)


def log_odds_link(p: Floats, limits: tuple[float, float]) -> LogOddsLink:
    """Make the log-odds link of one column of probabilities, shape (n,)."""
    values = p[:, np.newaxis]
    return LogOddsLink(columns=logit(values, limits), explained=values)


def competitors(scores: Floats, targets: NDArray[np.intp], n_rivals: int) -> NDArray[np.intp]:
    """Return targets and their likeliest rivals, as columns of scores, the likeliest first.

    These are what each target has alone, itself and the `n_rivals` likeliest others, together. So
    targets among the ``n_rivals + 1`` likeliest have the same competitors, however many there are.
    """
    order = np.argsort(-scores.mean(axis=0), kind="stable")
    likely = bool(np.isin(targets, order[: n_rivals + 1]).any())
    return order[np.isin(order, np.concatenate([targets, order[: n_rivals + likely]]))]
