"""Links: the scale on which a surrogate is fitted, and the way back to the score's own."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Floats
from limelens.games.coalitions import fold
from limelens.gaussian.process import MaskProcess

# Smallest distance from 0 and from 1, and largest from either, that `edges` returns.
_LOWEST, _HIGHEST, _WIDEST = 1e-10, 1e-7, 0.02

# Quantiles that stand for all residuals when a sigmoid is averaged.
_QUANTILES = 15

# Nodes of Gauss and Hermite's rule for a normal error of log-odds.
_HERMITE = 15

# Fewest draws of joint errors for the softmax.
_DRAWS = 128

# Most joint residuals that a softmax is averaged over.
_MOST_VECTORS = 256

# Residuals are cut at +-_CLIP and logits at _OVERFLOW below the highest: exp(-80) is still an
# ordinary float32, and sigmoid(60) is 1 to the last digit.
_CLIP = 20.0
_OVERFLOW = 60.0

# Virtual coalitions treated at once, and fewest of them for the slopes of many targets.
_CHUNK, _SHORTEST_CHUNK = 1024, 128

_Singles: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Link:
    """One or more score columns on the scale of the fit; this class is the identity link.

    Attributes
    ----------
    columns : ndarray, shape (n, c)
        The values that the process is fitted to.
    explained : ndarray, shape (n, t)
        The scores themselves. The first t of `columns` are these scores on the scale of the fit.
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
        return _inflation(self.explained[:, 0], p, shares / shares.sum(), folded=process.folded)


@dataclass(frozen=True, kw_only=True, eq=False)
class SoftmaxLink(Link):
    r"""Probabilities that compete: the logits are fitted, and their softmax is computed afterwards.

    The columns are the logits of the targets and of their likeliest rivals and, if other classes
    remain, the logarithm of the sum of their probabilities. All columns share one kernel, so the
    fit is one linear map, and subtracting a number from all logits of a row changes no probability.

    Notes
    -----
    With :math:`E = \exp Q` of the means and :math:`B = \exp \delta` of the joint residuals,

    .. math:: p_{vj} = \tfrac1n \sum_n E_{vj} B_{nj} / (E_v \cdot B_n), \qquad
              \partial p_{vt} / \partial Q_{vj} = 1[j = t]\, p_{vt}
              - \tfrac1n \sum_n E_{vt} B_{nt} E_{vj} B_{nj} / (E_v \cdot B_n)^2 .

    For two columns this is the log-odds link. The spread is computed as if the errors of the
    columns moved a score in the same direction at every coalition, which makes standard errors
    1 to 7 % larger.
    """

    name: str = field(default="softmax", init=False)

    def curve(self, means: Floats, residuals: Floats, scale: Floats) -> tuple[Floats, Floats]:
        """Return the smeared softmax of the targets and its spread; see `Link.curve`."""
        # In the precision of the slopes.
        root, n_targets = _root(scale).astype(np.float32), self.n_explained
        scores, spread = np.empty((2, len(means), n_targets))
        for chunk, raised, factors, inverse in _competitors(means, residuals):
            own, smeared = _own(raised, factors, inverse, n_targets)
            scores[chunk], found = smeared, spread[chunk]
            # For several targets a few rows at a time, which stay in the cache.
            length = max(_CHUNK // n_targets, _SHORTEST_CHUNK)
            for start in range(0, len(raised), length):
                few = slice(start, start + length)
                slopes = _joint_moments(np.square(inverse[few]), factors, n_targets)
                slopes *= raised[few, np.newaxis]
                slopes *= -own[few, :, np.newaxis]
                slopes[:, range(n_targets), range(n_targets)] += smeared[few]
                moved = slopes.reshape(-1, len(root)) @ root
                squares = np.einsum("ij,ij->i", moved, moved)
                found[few] = np.sqrt(squares).reshape(-1, n_targets)
        return scores, spread

    def smear(self, means: Floats, residuals: Floats) -> Floats:
        """Return the smeared softmax of the targets; see `Link.smear`."""
        scores = np.empty((len(means), self.n_explained))
        for chunk, raised, factors, inverse in _competitors(means, residuals):
            scores[chunk] = _own(raised, factors, inverse, self.n_explained)[1]
        return scores

    def score(self, columns: Floats) -> Floats:
        """Return the probabilities of the targets from rows of columns."""
        raised = np.exp(columns - columns.max(axis=1, keepdims=True))
        return raised[:, : self.n_explained] / raised.sum(axis=1, keepdims=True)

    def inflation(self, process: MaskProcess) -> tuple[Floats, Floats]:
        """Return the ratios on the scale of the probabilities, by at least 128 seeded draws."""
        n_columns = len(process.scale)
        draws = _normal_draws(2 * n_columns)
        root = _root(process.scale).T
        residuals, unknown = process.left_out()
        even, odd = draws[:, :n_columns] @ root, draws[:, n_columns:] @ root
        # One variance for all rows, so that each draw multiplies exp(centres) by the same factors.
        if process.folded:
            even *= np.sqrt(unknown[: len(unknown) // 2].mean())
            odd *= np.sqrt(unknown[len(unknown) // 2 :].mean())
            residuals = fold(residuals)
            errors = [np.sqrt(0.5) * (even + odd), np.sqrt(0.5) * (even - odd)]
        else:
            errors = [even * np.sqrt(unknown.mean())]
        centres = self.columns - residuals
        raised = np.exp(np.maximum(centres - centres.max(axis=1, keepdims=True), -_OVERFLOW))
        factors = [np.exp(np.clip(each, -_CLIP, _CLIP)) for each in errors]
        halves = zip(np.split(raised, len(factors)), factors, strict=True)
        parts = [(r, f, r @ f.T) for r, f in halves]
        shares = np.full(len(draws), 1.0 / len(draws))
        found = []
        for target in range(self.n_explained):
            # Row n and draw k: p = R_nt F_kt / (R_n . F_k).
            p = np.concatenate(
                [np.outer(r[:, target], f[:, target]) / all_ for r, f, all_ in parts]
            )
            found.append(_inflation(self.explained[:, target], p, shares, folded=process.folded))
        total, odd = np.concatenate(found, axis=1)
        return total, odd


@lru_cache(maxsize=8)
def _normal_draws(n_columns: int) -> Floats:
    """Return at least 128 normal draws, one per row, with exactly mean 0 and covariance 1."""
    half = max(_DRAWS // 2, n_columns)
    draws = np.random.default_rng(0).standard_normal((half, n_columns))
    # Orthonormal columns times sqrt(half) have covariance 1; both signs of each have mean 0.
    draws = np.linalg.qr(draws)[0] * np.sqrt(half)
    return np.concatenate([draws, -draws])


def _competitors(
    means: Floats, residuals: Floats
) -> Iterator[tuple[slice, _Singles, _Singles, _Singles]]:
    """Yield slices of the means with E, B and 1 / (E_v . B_n) of `SoftmaxLink`."""
    if len(residuals) > _MOST_VECTORS:
        chosen = np.linspace(0, len(residuals) - 1, _MOST_VECTORS).round().astype(np.intp)
        residuals = residuals[chosen]
    factors = np.exp(np.clip(residuals, -_CLIP, _CLIP)).astype(np.float32)
    for start in range(0, len(means), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        # E up to a factor for each row, which cancels from E_vj / (E_v . B_n).
        top = means[chunk].max(axis=1, keepdims=True)
        raised = np.exp(np.maximum(means[chunk] - top, -_OVERFLOW)).astype(np.float32)
        yield chunk, raised, factors, 1.0 / (raised @ factors.T)


def _own(
    raised: _Singles, factors: _Singles, inverse: _Singles, n_targets: int
) -> tuple[_Singles, _Singles]:
    """Return E_vt / n and the smeared probability of targets, (v, t) each; see `SoftmaxLink`."""
    own = raised[:, :n_targets] / np.float32(len(factors))
    # One column at a time: so a target's digits do not depend on how many there are.
    sums = [inverse @ factors[:, target] for target in range(n_targets)]
    return own, np.asarray(own * np.stack(sums, axis=1))


def _joint_moments(squares: _Singles, factors: _Singles, n_targets: int) -> _Singles:
    """Return sum_n squares_vn B_nt B_nj, shape (v, t, c), for the first t columns."""
    moments = np.empty((len(squares), n_targets, factors.shape[1]), np.float32)
    for target in range(n_targets):
        # Among targets they are symmetric.
        moments[:, target, :target] = moments[:, :target, target]
        moments[:, target, target:] = squares @ (factors[:, [target]] * factors[:, target:])
    return moments


def _inflation(
    explained: Floats, p: Floats, shares: Floats, *, folded: bool
) -> tuple[Floats, Floats]:
    """Return the ratios of `Link.inflation` for one target, given draws p (n, k) of it."""
    mean = p @ shares
    missed, centred = explained - mean, p - mean[:, np.newaxis]
    total = _ratio(missed, centred, shares)
    if not folded:
        return total, np.full(1, np.nan)
    half = len(p) // 2
    return total, _ratio(fold(missed)[half:], fold(centred)[half:], shares)


def _ratio(missed: Floats, centred: Floats, shares: Floats) -> Floats:
    expected = float((np.square(centred) @ shares).sum())
    return np.array([np.square(missed).sum() / max(expected, np.finfo(np.float64).tiny)])


def _root(covariance: Floats) -> Floats:
    """Return R with ``R R' = covariance``."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0.0))


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


def softmax_link(scores: Floats, targets: NDArray[np.intp], n_rivals: int = 30) -> SoftmaxLink:
    """Make the softmax link of some columns of probabilities that sum to 1.

    Parameters
    ----------
    scores : ndarray, shape (n, k)
    targets : ndarray of int, shape (t,)
        The explained columns.
    n_rivals : int
        How many of the other columns are fitted one by one; the likeliest are chosen.
    """
    chosen = np.concatenate([targets, rivals(scores, targets, n_rivals)])
    tiny = np.finfo(np.float32).tiny
    # Logarithms of probabilities are logits up to one number for each row, which cancels.
    parts = [np.log(np.maximum(scores[:, chosen], tiny))]
    rest = np.delete(scores, chosen, axis=1)
    if rest.shape[1]:
        parts.append(np.log(np.maximum(rest.sum(axis=1, keepdims=True), tiny)))
    columns = np.concatenate(parts, axis=1)
    columns -= columns.mean(axis=1, keepdims=True)
    return SoftmaxLink(columns=columns, explained=scores[:, targets])


def rivals(scores: Floats, targets: NDArray[np.intp], n_rivals: int) -> NDArray[np.intp]:
    """Return the columns with the highest mean score, highest first, without the targets."""
    order = np.argsort(-scores.mean(axis=0), kind="stable")
    return order[~np.isin(order, targets)][:n_rivals]
