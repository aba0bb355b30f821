"""The lasso surrogate: a penalty chosen by the data, and an answer without its shrinking."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_choice, check_flag, check_number
from limelens._threads import one_blas_thread
from limelens._typing import Coalitions, Floats, Indices
from limelens.errors import warn
from limelens.surrogates.fit import Fit, name_of, warn_of_weak_signal
from limelens.surrogates.lasso_path import lasso_paths
from limelens.surrogates.lasso_walk import WIDE
from limelens.surrogates.linear import least_squares, left_out_errors, linear_fit
from limelens.surrogates.moments import Moments, r2_of_residuals, weighted_moments

_FALLBACK_ALPHA = 1.0
# An error sum below this share of the target's own sum of squares is rounding.
_EXACT = 1e-28
_STRETCH = 32  # corners of a path
_SHORT = 2**12  # coefficients along it


def information_criterion(
    criterion: str, errors: Floats, n_selected: NDArray[Any], n_rows: float
) -> Floats:
    r"""Return AIC or BIC of weighted least-squares fits, corrected for small samples.

    Parameters
    ----------
    criterion : {"aic", "bic"}
        Which criterion.
    errors : ndarray, shape (s,)
        Weighted sums of squared residuals (RSS).
    n_selected : ndarray of int, shape (s,)
        Segments with a coefficient: the lasso's degrees of freedom (Zou et al. 2007).
    n_rows : float
        Kish's effective number of rows, :math:`m = (\sum w)^2 / \sum w^2`.

    Returns
    -------
    ndarray, shape (s,)
        Smaller is better; infinite where too few rows are left to judge by.

    Notes
    -----
    With :math:`p = n_\mathrm{selected} + 2` parameters (intercept and noise variance included)

    .. math::

       m \log \mathrm{RSS} + c\, p\, \frac{m}{m - p - 1}, \qquad
       c = 2 \text{ (AIC)}, \quad c = \log m \text{ (BIC)} .

    The last factor is near 1 for many rows. With few rows it keeps either criterion from choosing
    as many segments as there are rows (AICc, Hurvich and Tsai 1989; SICc, McQuarrie 1999). The
    kernel weights say which rows matter, not how noisy they are. So the number of rows is taken
    as *m*, and neither as their count nor as the sum of their weights. This is Shimodaira's (2000)
    criterion for weights that have little to do with any one column.

    References
    ----------
    Zou, Hastie and Tibshirani (2007). On the "degrees of freedom" of the lasso. Annals of
    Statistics 35, 2173-2192. :doi:`10.1214/009053607000000127`

    Hurvich and Tsai (1989). Regression and time series model selection in small samples.
    Biometrika 76, 297-307. :doi:`10.1093/biomet/76.2.297`

    McQuarrie (1999). A small-sample correction for the Schwarz SIC model selection criterion.
    Statistics & Probability Letters 44, 79-86.

    Shimodaira (2000). Improving predictive inference under covariate shift by weighting the
    log-likelihood function. Journal of Statistical Planning and Inference 90, 227-244.
    :doi:`10.1016/S0378-3758(00)00115-4`

    Examples
    --------
    A segment that explains a thousandth of the errors of 100 rows is not worth its parameter.

    >>> aic = information_criterion("aic", np.array([1.0, 0.999]), np.array([3, 4]), 100)
    >>> bool(aic[0] < aic[1])
    True
    """
    n_parameters = np.asarray(n_selected, dtype=np.float64) + 2
    spare = n_rows - n_parameters - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        price = (2.0 if criterion == "aic" else np.log(n_rows)) * n_parameters * n_rows / spare
        return np.where(spare > 0, n_rows * np.log(errors) + price, np.inf)


def _smallest(criterion: str, moments: Moments, target: int, coefs: Floats) -> int:
    """Return the corner, of coefs (s, d) along a path, whose criterion is smallest.

    Errors fall along the path. So those at the end of a stretch, with the fewest segments that it
    has, bound the criterion all along it, and most stretches of a long path need no look.
    """
    n_selected = np.count_nonzero(coefs, axis=1)

    def judge(corners: Indices, n_selected: Indices) -> Floats:
        residuals = moments.values[:, target, np.newaxis] - moments.design @ coefs[corners].T
        errors = moments.weights @ np.square(residuals)
        errors = np.maximum(errors, _EXACT * moments.totals[target])
        return information_criterion(criterion, errors, n_selected, moments.effective_rows)

    if coefs.size <= _SHORT:  # one look at all is quicker than any choice among them
        return int(np.argmin(judge(np.arange(len(coefs)), n_selected)))
    stretches = np.array_split(np.arange(len(coefs)), -(-len(coefs) // _STRETCH))
    ends = np.array([stretch[-1] for stretch in stretches])
    values = np.full(len(coefs), np.inf)
    values[ends] = judge(ends, n_selected[ends])
    bounds = judge(ends, np.array([n_selected[stretch].min() for stretch in stretches]))
    for place in np.argsort(bounds):
        if bounds[place] <= values.min():
            values[stretches[place]] = judge(stretches[place], n_selected[stretches[place]])
    return int(np.argmin(values))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Choice:
    """The point of the path that was chosen for one target."""

    coefs: Floats
    alpha: float
    how: str


@dataclass(frozen=True)
class Lasso:
    r"""Weighted lasso: effects of the segments that matter; all others are exactly zero.

    The penalty is chosen per target by an information criterion along the whole path, and the
    chosen segments are then refitted without it (debiased), so that the importances are effects
    that the penalty has not shrunken.

    Parameters
    ----------
    alpha : float, optional
        A fixed penalty in scikit-learn's units, instead of one that the data choose. **A trap**:
        it is measured on the scale of the scores. ``alpha=0.01`` keeps a handful of segments for a
        likely class, and none at all for a rare class whose probabilities hardly reach 0.01.
    criterion : {"aic", "bic"}, optional
        "aic" predicts best and keeps more segments; "bic" gives a shorter list that is somewhat
        less faithful.
    debias : bool, optional
        Refit the chosen segments by weighted least squares. With False the importances are the
        lasso's own and have no standard errors.

    Raises
    ------
    InvalidInputError
        If a setting is not one of the above.

    Warns
    -----
    LimelensWarning
        If no segment is chosen for a target that varies. If BIC chooses none, AIC chooses; if AIC
        chooses none, ridge with ``alpha=1`` is fitted; ``details["chosen_by"]`` says so. A fixed
        `alpha` is obeyed, and the importances stay zero.

    Notes
    -----
    Minimises

    .. math::

       \frac{1}{2 \sum_n w_n} \sum_n w_n (y_n - b_0 - z_n^\top b)^2 + \alpha \lVert b \rVert_1 ,

    as scikit-learn's ``Lasso(alpha).fit(z, y, sample_weight=w)``; the criteria are those of
    `information_criterion`. Standard errors are the HC3 errors of the refit. That of a segment
    left out belongs to the effect it would have if it alone were added. All of them take the
    choice of segments as given. ``fidelity`` is the exact leave-one-out R² of the refit on the
    chosen segments, or with ``debias=False`` that of the lasso with the chosen segments and their
    signs held fixed.

    Segments that are hidden together in all rows cannot be told apart: the first of them gets the
    whole effect.

    ``details`` holds, per target, ``chosen_by`` ("aic", "bic", "alpha", "ridge" or "constant"),
    ``alphas`` and ``n_selected``; and ``effective_rows``.

    References
    ----------
    Tibshirani (1996). Regression shrinkage and selection via the lasso. Journal of the Royal
    Statistical Society B 58, 267-288. :doi:`10.1111/j.2517-6161.1996.tb02080.x`

    Examples
    --------
    >>> rows = np.random.default_rng(0).random((64, 4)) < 0.5
    >>> scores = 0.1 + rows @ np.array([[0.5], [0.0], [-0.25], [0.0]])
    >>> Lasso()(rows, scores, np.ones(64)).importances.round(6) + 0.0
    array([[ 0.5 ,  0.  , -0.25,  0.  ]])
    """

    alpha: float | None = None
    criterion: str = "aic"
    _: KW_ONLY
    debias: bool = True

    def __post_init__(self) -> None:
        if self.alpha is not None:
            check_number("alpha", self.alpha, minimum=0)
        check_choice("criterion", self.criterion, ("aic", "bic"))
        check_flag("debias", self.debias)

    def __call__(self, coalitions: Coalitions, scores: Floats, weights: Floats) -> Fit:
        """Fit every target; see `rows_that_count` for the arguments."""
        are_wide = np.shape(coalitions)[-1:] >= (WIDE,)
        with one_blas_thread(with_scipy=are_wide):
            return self._fit(weighted_moments(coalitions, scores, weights))

    def _fit(self, moments: Moments) -> Fit:
        choices = self._choose(moments)
        self._warn_of_empty(choices)
        columns = [self._refit(moments, target, chosen) for target, chosen in enumerate(choices)]
        importances, errors, held_out, residuals = (
            np.array(part) for part in zip(*columns, strict=True)
        )
        return linear_fit(
            moments,
            importances=importances,
            standard_errors=errors if self.debias else None,
            fidelity=r2_of_residuals(moments, held_out.T),
            training_fidelity=r2_of_residuals(moments, residuals.T),
            details={
                "chosen_by": [chosen.how for chosen in choices],
                "alphas": np.array([chosen.alpha for chosen in choices]),
                "n_selected": np.count_nonzero(importances, axis=1),
                "effective_rows": moments.effective_rows,
            },
        )

    def _choose(self, moments: Moments) -> list[_Choice]:
        """Choose a point of each target's path."""
        fixed, total_weight = self.alpha is not None, moments.weights.sum()
        penalty = self.alpha * total_weight if self.alpha is not None else 0.0
        constant = _Choice(coefs=np.zeros(moments.n_segments), alpha=np.nan, how="constant")
        choices = [constant] * moments.n_targets
        varying = np.flatnonzero(moments.varies)
        paths = lasso_paths(moments.gram, moments.cross[:, varying], penalty)
        for target, (penalties, coefs) in zip(varying, paths, strict=True):
            best, how = (-1, "alpha") if fixed else self._best(moments, int(target), coefs)
            alpha = np.nan if how == "ridge" else float(penalties[best] / total_weight)
            choices[target] = _Choice(coefs=coefs[best], alpha=alpha, how=how)
        return choices

    def _best(self, moments: Moments, target: int, coefs: Floats) -> tuple[int, str]:
        """Return the best corner of the path, and the name of the criterion that chose it."""
        for criterion in ("bic", "aic") if self.criterion == "bic" else ("aic",):
            best = _smallest(criterion, moments, target, coefs)
            if coefs[best].any():
                return best, criterion
        return 0, "ridge"

    def _refit(
        self, moments: Moments, target: int, chosen: _Choice
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Return importances (d,), standard errors (d,), held-out and in-sample residuals (n,)."""
        ridge = chosen.how == "ridge"
        support = np.arange(moments.n_segments) if ridge else np.flatnonzero(chosen.coefs)
        alpha = _FALLBACK_ALPHA if ridge else 0.0
        solved = least_squares(moments, columns=support, targets=[target], alpha=alpha)
        errors = left_out_errors(moments, support, solved)
        errors[support] = solved.standard_errors[:, 0]
        if not (ridge or self.debias):
            residuals = moments.values[:, target] - moments.design @ chosen.coefs
            return chosen.coefs, errors, residuals / solved.slack, residuals
        importances = np.zeros(moments.n_segments)
        importances[support] = solved.coefs[:, 0]
        return importances, errors, solved.held_out[:, 0], solved.residuals[:, 0]

    def _warn_of_empty(self, choices: Sequence[_Choice]) -> None:
        """Warn of the targets for which the requested criterion kept no segment."""
        if self.alpha is not None:
            empty = [
                name_of(t) for t, c in enumerate(choices) if c.how == "alpha" and not c.coefs.any()
            ]
            if empty:
                warn(
                    f"`alpha`={self.alpha:g} keeps no segment of target {', '.join(empty)}: its "
                    "importances are all zero. Let the data choose with alpha=None."
                )
            return
        weak = ("aic", "ridge") if self.criterion == "bic" else ("ridge",)
        empty = [f"{name_of(t)} ({c.how})" for t, c in enumerate(choices) if c.how in weak]
        if empty:
            warn_of_weak_signal(
                f"The signal is weak: {self.criterion.upper()} keeps no segment of target "
                f"{', '.join(empty)}, whose importances come from the fallback in brackets. Ask "
                "for more samples, or explain logits instead of probabilities."
            )
