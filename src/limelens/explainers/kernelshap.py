"""KernelSHAP: Shapley values as a least-squares fit to sampled coalitions."""

from dataclasses import dataclass
from math import comb

import numpy as np

from limelens._checks.values import check_callable, check_int
from limelens._statistics import is_still, predicted_correlation, weighted_r2
from limelens._typing import Coalitions, Floats
from limelens.engine.query import Query
from limelens.errors import InvalidInputError, warn
from limelens.explainers.base import Attribution, SegmentExplainer, fit_reliability
from limelens.games.coalitions import both_ends, coalition_chunks
from limelens.games.constrained import constrained_least_squares, shapley_kernel
from limelens.games.repeats import answer_variance
from limelens.sampling.distinct import pair_weights, sized_pairs
from limelens.surrogates.fit import Surrogate, ask_surrogate
from limelens.surrogates.gaussian_process import GaussianProcess


@dataclass(frozen=True, kw_only=True, eq=False)
class KernelShap(SegmentExplainer):
    r"""Shapley values as the best additive model of the score, fitted to sampled coalitions.

    Coalitions are drawn with the Shapley kernel's own probabilities, each followed by its
    complement, and none twice. There are few small and large coalitions, so all of these are soon
    asked. A constraint meets the intact image and the image with everything hidden exactly, so
    importances always sum to the difference of the two scores. If all 2^d coalitions fit into
    `n_samples`, all of them are asked instead, and the answer is exact.

    Parameters
    ----------
    n_samples : int
        Coalitions shown to the model, the intact image and everything hidden included. It must be
        at least 2 d + 2, unless that is more than 2^d. Below about 3 d + 2 the error of this
        method is largest, and a warning says so.
    surrogate : callable, optional
        Function `(coalitions, scores, weights) -> Fit` that is fitted instead, see Notes.
        ``GaussianProcess("shapley")`` also models interactions and needs fewer samples.
    segmenter, fill
        See `SegmentExplainer`.

    Raises
    ------
    InvalidInputError
        If `surrogate` is a `GaussianProcess` of other values. From `explain`, before the model is
        called, if there are fewer pairs than segments and no `surrogate` is given.

    Notes
    -----
    The Shapley values minimise, over :math:`\phi` that sum to :math:`v(N) - v(\emptyset)`,

    .. math:: \sum_S \pi(S) \left(v(S) - v(\emptyset) - \sum_{j \in S} \phi_j\right)^2, \qquad
              \pi(S) = \frac{d - 1}{\binom{d}{s} s (d - s)}.

    In a pair S, N - S only the odd part :math:`o = (v(S) - v(N - S)) / 2` depends on
    :math:`\phi`. So the odd parts are fitted on :math:`\pm 1/2`, with one row per pair, and
    interactions of an even number of segments cancel. With p pairs for d - 1 free values the
    variance grows as p / (p - d), which makes a peak at about 2 d calls.

    Pairs are drawn without replacement; a sequence of low discrepancy gives each size its turn.
    All rows have the same weight, except those of sizes that were asked completely, which have
    the kernel's weight (`pair_weights`).

    Standard errors are those of that fit, pair by pair (HC3); sizes asked completely add nothing.
    They are zero if all coalitions were asked, unless the model, asked about the intact image once
    more, answers differently; then they are those of one answer each. `fidelity` is the held-out
    R² of the additive model over the sampled coalitions with these weights. Each pair is predicted
    by the fit to the others; if all were asked, nothing is held out. `details` holds `"exact"`,
    whether all coalitions were asked, and then `"stochastic"`, whether the model answers by
    chance; `"n_pairs"`; and `"training_fidelity"`. Memory is
    O(batch_size · image + n_samples · (d + k)) bytes for k scores per image.

    A longer design with the same seed starts with the shorter one. So with `reuse=`, raising
    `n_samples` costs only the new coalitions.

    References
    ----------
    S. M. Lundberg, S.-I. Lee, "A unified approach to interpreting model predictions", 2017,
    arXiv:1705.07874.
    I. Covert, S.-I. Lee, "Improving KernelSHAP: practical Shapley value estimation using linear
    regression", 2021, arXiv:2012.01536.
    C. Musco, R. T. Witter, "Provably accurate Shapley value estimation via leverage score
    sampling", 2025, arXiv:2410.01917 (pairs without replacement).

    Examples
    --------
    The score is the brightness of the image, so each segment's importance is its own:

    >>> import numpy as np
    >>> from limelens import Constant, Grid, KernelShap
    >>> image = np.arange(12.0).reshape(2, 6)
    >>> explainer = KernelShap(segmenter=Grid(cell=(1, 1)), fill=Constant(0), n_samples=100)
    >>> explanation = explainer.explain(image, lambda batch: batch.sum(axis=(1, 2)), rng=0)
    >>> explanation.importances.round(9).reshape(2, 6) + 0.0
    array([[ 0.,  1.,  2.,  3.,  4.,  5.],
           [ 6.,  7.,  8.,  9., 10., 11.]])
    """

    n_samples: int = 1000
    surrogate: Surrogate | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_int("n_samples", self.n_samples, minimum=4)
        if self.surrogate is not None:
            check_callable("surrogate", self.surrogate, "(coalitions, scores, weights) -> Fit")
        if isinstance(self.surrogate, GaussianProcess) and self.surrogate.values != "shapley":
            raise InvalidInputError(
                f"`surrogate` must report Shapley values, not {self.surrogate.values!r}; use "
                'GaussianProcess("shapley").'
            )

    def _check_budget(self, n_segments: int) -> None:
        n_pairs = self._n_pairs(n_segments)
        if not n_pairs or self.surrogate is not None:
            return
        if n_pairs < n_segments:
            raise InvalidInputError(
                f"`n_samples` must be at least {2 * n_segments + 2} for {n_segments} segments, "
                f"and is better {4 * n_segments} or more; got {self.n_samples}. Raise n_samples, "
                "use fewer segments, or use QuickShap() or PermutationShapley(n_permutations=1)."
            )
        if 2 * n_pairs <= 3 * n_segments:
            warn(
                f"{type(self).__name__} with {self.n_samples} samples for {n_segments} segments is "
                f"where its error is largest. Use n_samples={4 * n_segments} or more, QuickShap(), "
                "or PermutationShapley().",
            )

    def _n_pairs(self, n_segments: int) -> int:
        """Return how many pairs are drawn; none if all coalitions fit."""
        everything = n_segments < 63 and 2**n_segments <= self.n_samples
        return 0 if everything else (self.n_samples - 2) // 2

    def _attribute(self, query: Query, rng: np.random.Generator) -> Attribution:
        n_pairs = self._n_pairs(query.n_segments)
        if not n_pairs:
            return _fit_all(query)
        sizes = np.arange(1, query.n_segments)
        kernel = 1.0 / (sizes * (query.n_segments - sizes))
        coalitions = sized_pairs(n_pairs, kernel, rng)
        weights, known = pair_weights(coalitions[0::2], kernel, kernel)
        weights /= weights.max()
        if self.surrogate is None:
            return _fit_pairs(query, coalitions, weights, known)
        return _fit_surrogate(query, coalitions, weights, self.surrogate)


def _fit_surrogate(
    query: Query, coalitions: Coalitions, weights: Floats, surrogate: Surrogate
) -> Attribution:
    d = query.n_segments
    values = np.concatenate([np.stack(query.ends()), query.ask_values(coalitions)])
    rows = np.concatenate([both_ends(d), coalitions])
    weights = np.concatenate([np.ones(2), np.repeat(weights, 2)])
    names, at_random = query.target_names, query.at_random
    fit = ask_surrogate(surrogate, rows, values, weights, names=names, at_random=at_random)
    gaps = values[0] - values[1] - fit.importances.sum(axis=1)
    importances = fit.importances + gaps[:, np.newaxis] / d
    return Attribution(
        importances,
        standard_errors=fit.standard_errors,
        fidelity=fit.fidelity,
        reliability=fit_reliability(importances, fit),
        details={
            "exact": False,
            "n_pairs": len(coalitions) // 2,
            "training_fidelity": fit.training_fidelity,
            "surrogate": fit.details,
        },
    )


def _fit_pairs(query: Query, coalitions: Coalitions, weights: Floats, known: Floats) -> Attribution:
    values = query.ask_values(coalitions)
    first, second = values[0::2], values[1::2]
    intact, hidden = query.ends()
    # Covert & Lee 2021: of a pair only the odd part depends on the importances.
    fit = constrained_least_squares(
        coalitions[0::2] - 0.5, (first - second) / 2, intact - hidden, weights, known
    )
    if not fit.determined:
        warn(
            f"the {len(first)} pairs of coalitions drawn do not determine every importance; what "
            "they leave open is shared equally. Raise n_samples.",
        )
    elif np.isnan(fit.held_out).any():
        warn(
            f"of the {len(first)} pairs of coalitions drawn some are alone in determining an "
            "importance, so standard errors, fidelity and reliability are not known. Raise "
            "n_samples.",
        )
    even, weights = (first + second - intact - hidden) / 2, np.repeat(weights, 2)
    return Attribution(
        fit.coefs,
        standard_errors=fit.standard_errors,
        fidelity=_explained(query, values, _unfold(even, fit.held_out), weights),
        reliability=predicted_correlation(fit.coefs, fit.standard_errors),
        details={
            "exact": False,
            "n_pairs": len(first),
            "training_fidelity": _explained(query, values, _unfold(even, fit.residuals), weights),
        },
    )


def _unfold(even: Floats, odd: Floats) -> Floats:
    """Return the rows of pairs, first and complement in turn, from their even and odd parts."""
    return np.stack([even + odd, even - odd], axis=1).reshape(-1, even.shape[1])


def _fit_all(query: Query) -> Attribution:
    coalitions = np.concatenate(list(coalition_chunks(query.n_segments)))[1:-1]
    values = query.ask_values(coalitions)
    intact, hidden = query.ends()
    weights = shapley_kernel(coalitions)
    fit = constrained_least_squares(coalitions, values - hidden, intact - hidden, weights)
    explained = _explained(query, values, fit.residuals, weights)
    asked = np.concatenate([both_ends(query.n_segments), coalitions])
    errors = _errors_of_single_answers(query, asked, np.vstack([intact, hidden, values]))
    return Attribution(
        fit.coefs,
        standard_errors=errors,
        fidelity=explained,
        reliability=predicted_correlation(fit.coefs, errors),
        details={
            "exact": True,
            "stochastic": bool(errors.any()),
            "n_pairs": len(values) // 2,
            "training_fidelity": explained,
        },
    )


def _errors_of_single_answers(query: Query, coalitions: Coalitions, values: Floats) -> Floats:
    """Return standard errors (t, d) where all was asked: 0, unless the model answers by chance."""
    d = query.n_segments
    if not query.pays:  # all is reused, and nothing shall be paid for
        return np.zeros((values.shape[1], d))
    variance = answer_variance(query.ask_again, coalitions, values)
    if variance.any() and not query.second_look.pairs:
        warn(
            "the model answers the same image differently every time; error bars are those of one "
            "answer for each coalition. Average several answers in predict_fn, or fix what is "
            "random.",
        )
    # A coalition of size s stands in a Shapley value with 1 / (s C(d, s)) or 1 / ((d - s) C(d, s)).
    squares = [comb(d - 1, s - 1) / (s * comb(d, s)) ** 2 if s else 0.0 for s in range(d + 1)] + [
        comb(d - 1, s) / ((d - s) * comb(d, s)) ** 2 for s in range(d)
    ]
    return np.outer(np.sqrt(variance), np.full(d, np.sqrt(sum(squares))))


def _explained(query: Query, values: Floats, residuals: Floats, weights: Floats) -> Floats:
    """Return the R² that residuals leave, shape (t,); NaN where a target never changes."""
    explained = weighted_r2(values, values - residuals, weights)
    return np.where(is_still(values, *query.ends()), np.nan, explained)
