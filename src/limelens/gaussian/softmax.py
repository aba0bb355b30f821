"""The softmax link: probabilities that compete are fitted as logits, all at once."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Floats
from limelens.games.coalitions import fold
from limelens.gaussian.links import LEAST_PROBABILITY, Link, competitors, inflation_of
from limelens.gaussian.process import MaskProcess

# Fewest draws of joint errors.
_DRAWS = 128

# Most joint residuals that a softmax is averaged over.
_MOST_VECTORS = 256

# Residuals are cut at +-_CLIP and logits at _OVERFLOW below the highest: exp(-80) is still an
# ordinary float32, and sigmoid(60) is 1 to the last digit.
_CLIP = 20.0
_OVERFLOW = 60.0

# Virtual coalitions treated at once.
_CHUNK = 1024

_Singles: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class SoftmaxLink(Link):
    r"""Probabilities that compete: the logits are fitted, and their softmax is computed afterwards.

    The columns are the logits of the targets and of their likeliest rivals, see `competitors`, and,
    if other classes remain, the logarithm of the sum of their probabilities. All columns share one
    kernel, so the fit is one linear map, and subtracting a number from all logits of a row changes
    no probability.

    Attributes
    ----------
    places : ndarray of int, shape (t,)
        The targets' columns.

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

    places: NDArray[np.intp]
    name: str = field(default="softmax", init=False)

    def curve(self, means: Floats, residuals: Floats, scale: Floats) -> tuple[Floats, Floats]:
        """Return the smeared softmax of the targets and its spread; see `Link.curve`."""
        from scipy.linalg.blas import strmm  # noqa: PLC0415

        triangle = _triangle(scale)
        scores, spread = np.empty((2, len(means), self.n_explained))
        for chunk, raised, factors, inverse in _odds(means, residuals):
            scores[chunk] = smeared = _smeared(raised, factors, inverse, self.places)
            found = spread[chunk]
            for target, slopes in enumerate(
                _slopes(raised, factors, inverse, smeared, self.places)
            ):
                # J L in place, half of the work of a product with any other root.
                moved = strmm(1.0, triangle, slopes.T, side=1, lower=1, overwrite_b=1)
                found[:, target] = np.sqrt(np.einsum("vj,vj->v", moved, moved))
        return scores, spread

    def smear(self, means: Floats, residuals: Floats) -> Floats:
        """Return the smeared softmax of the targets; see `Link.smear`."""
        scores = np.empty((len(means), self.n_explained))
        for chunk, raised, factors, inverse in _odds(means, residuals):
            scores[chunk] = _smeared(raised, factors, inverse, self.places)
        return scores

    def score(self, columns: Floats) -> Floats:
        """Return the probabilities of the targets from rows of columns."""
        raised = np.exp(columns - columns.max(axis=1, keepdims=True))
        return raised[:, self.places] / raised.sum(axis=1, keepdims=True)

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
        parts = [(f, 1.0 / (r @ f.T)) for r, f in halves]
        shares = np.full(len(draws), 1.0 / len(draws))
        found = []
        for place, explained in zip(self.places, self.explained.T, strict=True):
            # Row n and draw k: p = R_nt F_kt / (R_n . F_k).
            p = np.concatenate([inverse * f[:, place] for f, inverse in parts])
            p *= raised[:, [place]]
            found.append(inflation_of(explained, p, shares, folded=process.folded))
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


def _odds(means: Floats, residuals: Floats) -> Iterator[tuple[slice, _Singles, _Singles, _Singles]]:
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


def _smeared(
    raised: _Singles, factors: _Singles, inverse: _Singles, places: NDArray[np.intp]
) -> _Singles:
    """Return the smeared probability of targets, shape (v, t); see `SoftmaxLink`."""
    own = raised[:, places] / np.float32(len(factors))
    # One column at a time: so a target's digits do not depend on how many there are.
    sums = [inverse @ factors[:, place] for place in places]
    return np.asarray(own * np.stack(sums, axis=1))


def _slopes(
    raised: _Singles,
    factors: _Singles,
    inverse: _Singles,
    smeared: _Singles,
    places: NDArray[np.intp],
) -> Iterator[_Singles]:
    """Yield the derivatives of each target by all columns, (c, v), in the same room again."""
    heights, kinds = np.ascontiguousarray(raised.T), np.ascontiguousarray(factors.T)
    squares, share = np.square(inverse).T, np.float32(-1.0 / len(factors))
    slopes = np.empty_like(heights)
    for place, own in zip(places, smeared.T, strict=True):
        # The same products whatever the other targets are: so a target's digits are the same, too.
        np.matmul(kinds * (share * kinds[place]), squares, out=slopes)
        slopes *= heights
        slopes *= heights[place]
        slopes[place] += own
        yield slopes


def _root(covariance: Floats) -> Floats:
    """Return R with ``R R' = covariance``."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def _triangle(covariance: Floats) -> _Singles:
    """Return the lower triangle L with ``L L' = covariance``, which may be singular."""
    # R' = Q U, so that R R' = U' U. In the precision of the slopes.
    upper = np.asarray(np.linalg.qr(_root(covariance).T, mode="r"))
    return upper.T.astype(np.float32)


def softmax_link(scores: Floats, targets: NDArray[np.intp], n_rivals: int = 30) -> SoftmaxLink:
    """Make the softmax link of some columns of probabilities that sum to 1.

    Parameters
    ----------
    scores : ndarray, shape (n, k)
    targets : ndarray of int, shape (t,)
        The explained columns.
    n_rivals : int
        How many of the other columns are fitted one by one; see `competitors`.
    """
    chosen = competitors(scores, targets, n_rivals)
    # Logarithms of probabilities are logits up to one number for each row, which cancels.
    parts = [np.log(np.maximum(scores[:, chosen], LEAST_PROBABILITY))]
    rest = np.delete(scores, chosen, axis=1)
    if rest.shape[1]:
        parts.append(np.log(np.maximum(rest.sum(axis=1, keepdims=True), LEAST_PROBABILITY)))
    columns = np.concatenate(parts, axis=1)
    columns -= columns.mean(axis=1, keepdims=True)
    places = np.array([np.flatnonzero(chosen == target)[0] for target in targets])
    return SoftmaxLink(columns=columns, explained=scores[:, targets], places=places)
