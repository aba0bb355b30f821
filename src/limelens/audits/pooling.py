"""The pooled regression: from the pairs of all images to the effects of each image's segments."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limelens._typing import Floats
from limelens.audits.pairs import Pairs

_FOLDS = 5
_PENALTIES = np.logspace(-2, 6, 17)


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimate:
    """Unbiased effects of the segments of one image, and how noisy they are.

    Attributes
    ----------
    effects : ndarray, shape (d,)
    parts : ndarray, shape (p, d), optional
        Estimates of which `effects` is the mean: one from each pair.
    errors : ndarray, shape (d,), optional
        Standard errors, taken as independent, where there are no parts. Without parts and errors
        the effects are exact.
    """

    effects: Floats
    parts: Floats | None = None
    errors: Floats | None = None

    def noise(self, weights: Floats) -> Floats:
        """Return the variance of `weights @ effects`, shape (m,), for weights (m, d).

        NaN where a single pair does not show its own noise.
        """
        if self.parts is not None:
            if len(self.parts) < 2:
                return np.full(len(weights), np.nan)
            each = self.parts @ weights.T
            return np.asarray(each.var(axis=0, ddof=1) / len(each))
        if self.errors is not None:
            return np.asarray(weights**2 @ self.errors**2)
        return np.zeros(len(weights))


def pooled_estimates(pairs: Sequence[Pairs], features: Sequence[Floats]) -> list[Estimate]:
    r"""Estimate the effects of all segments of all images.

    Parameters
    ----------
    pairs : sequence of Pairs
    features : sequence of ndarray, shape (d_i, q)
        What the pooled regression may predict the effect of a segment from.

    Returns
    -------
    list of Estimate

    Notes
    -----
    The difference of pair p of image i is :math:`y_{ip} = \sum_j s_{ipj} g_{ij} + r_{ip}` with
    signs s: everything that both masks share, the image's intercept above all, has cancelled. As
    signs are independent and fair, :math:`s_{ipj} y_{ip}` is an unbiased estimate of
    :math:`g_{ij}`, the mean effect of showing segment j over all masks of the others (Banzhaf's
    value), whatever the model does. It is noisy, because the other segments are in it. So a ridge
    regression of y on :math:`\sum_j s_{ipj} x_{ij}`, fitted to the *other* images, first predicts
    :math:`m_{ij} = x_{ij}^\top b_{(-i)}`, and

    .. math:: \hat g_{ij} = m_{ij} + \frac1P \sum_p s_{ipj} (y_{ip} - \sum_k s_{ipk} m_{ik}).

    It is unbiased for any m that knows nothing of the image's own masks; the better m predicts,
    the more precise it is.
    """
    folds = np.arange(len(pairs)) % min(_FOLDS, len(pairs))
    rows = [each.signs @ known for each, known in zip(pairs, features, strict=True)]
    expected: list[Floats] = [np.zeros(each.signs.shape[1]) for each in pairs]
    for fold in np.unique(folds) if len(pairs) > 1 else ():
        others = [i for i in range(len(pairs)) if folds[i] != fold]
        slopes = _ridge(
            np.concatenate([rows[i] for i in others]),
            np.concatenate([pairs[i].differences for i in others]),
        )
        for i in range(len(pairs)):
            if folds[i] == fold:
                expected[i] = features[i] @ slopes
    return [_estimate(*each) for each in zip(pairs, expected, strict=True)]


def _estimate(pairs: Pairs, expected: Floats) -> Estimate:
    rest = pairs.differences - pairs.signs @ expected
    parts = expected + pairs.signs * rest[:, np.newaxis]
    effects = parts.mean(axis=0)
    return Estimate(effects=effects) if pairs.complete else Estimate(effects=effects, parts=parts)


def _ridge(rows: Floats, differences: Floats) -> Floats:
    """Return slopes with the penalty that generalised cross-validation chooses."""
    from sklearn.linear_model import RidgeCV  # noqa: PLC0415

    scale = np.sqrt(np.square(rows).mean(axis=0))
    used = scale > 1e-12 * scale.max(initial=0.0)
    slopes = np.zeros(rows.shape[1])
    if used.any() and differences.any():
        fit = RidgeCV(_PENALTIES, fit_intercept=False)
        slopes[used] = fit.fit(rows[:, used] / scale[used], differences).coef_ / scale[used]
    return slopes
