"""Weighted linear fits: all targets on one Gram matrix, and the ridge surrogate."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Coalitions, Floats
from limelens._validation import check_number, check_rows
from limelens.surrogates.fit import Fit

# Below these, relative to what it is compared with, a number is rounding noise.
_DEPENDENT = 1e-10
_CONSTANT = 1e-12
_FULL_LEVERAGE = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """Rows of positive weight, centred by their weighted means, and their products.

    Attributes
    ----------
    design : ndarray, shape (n, d)
        Coalitions minus `design_means`.
    values : ndarray, shape (n, t)
        Target values minus `value_means`; exactly zero for a constant target.
    weights : ndarray, shape (n,)
        Positive.
    design_means, value_means : ndarray, shape (d,) and (t,)
        Weighted means.
    gram : ndarray, shape (d, d)
        ``design.T @ diag(weights) @ design``.
    cross : ndarray, shape (d, t)
        ``design.T @ diag(weights) @ values``.
    totals : ndarray, shape (t,)
        Weighted sums of squares of `values`.
    """

    design: Floats
    values: Floats
    weights: Floats
    design_means: Floats
    value_means: Floats
    gram: Floats
    cross: Floats
    totals: Floats

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        return self.values.shape[1]

    @property
    def n_segments(self) -> int:
        """Number of segments."""
        return self.design.shape[1]

    @property
    def varies(self) -> NDArray[np.bool_]:
        """Which targets are not constant, shape (t,)."""
        return self.totals > 0

    @property
    def toggled(self) -> NDArray[np.bool_]:
        """Which segments are neither always kept nor always hidden, shape (d,)."""
        return np.diagonal(self.gram) > _CONSTANT * self.weights.sum()

    @property
    def effective_rows(self) -> float:
        """Kish's effective number of rows, (sum of weights)² / sum of squared weights."""
        return float(self.weights.sum() ** 2 / np.square(self.weights).sum())


def weighted_moments(coalitions: Coalitions, scores: Floats, weights: Floats) -> Moments:
    """Check and centre the rows of a fit; rows of zero weight are left out.

    Parameters
    ----------
    coalitions : ndarray of bool, shape (n, d)
        True where a segment is kept.
    scores : ndarray, shape (n, t)
        Target values.
    weights : ndarray, shape (n,)
        Kernel weights, not negative.

    Returns
    -------
    Moments
        What every linear fit needs, computed once for all targets.

    Raises
    ------
    InvalidInputError
        If shapes do not agree, something is not finite, or fewer than two weights are positive.

    Examples
    --------
    >>> rows = np.array([[1, 1], [1, 0], [0, 1], [0, 0]], dtype=bool)
    >>> moments = weighted_moments(rows, np.array([[3.0], [1.0], [2.0], [0.0]]), np.ones(4))
    >>> moments.gram
    array([[1., 0.],
           [0., 1.]])
    >>> moments.cross
    array([[1.],
           [2.]])
    """
    coalitions, values, weights = check_rows(coalitions, scores, weights)
    counted = weights > 0
    if not counted.all():
        coalitions, values, weights = coalitions[counted], values[counted], weights[counted]
    design = coalitions.astype(np.float64)
    shares = weights / weights.sum()
    design_means, value_means = shares @ design, shares @ values
    design -= design_means
    constant = np.ptp(values, axis=0) <= _CONSTANT * np.abs(values).max(axis=0)
    values = np.where(constant, 0.0, values - value_means)
    weighted = weights[:, np.newaxis] * design
    return Moments(
        design=design,
        values=values,
        weights=weights,
        design_means=design_means,
        value_means=value_means,
        gram=design.T @ weighted,
        cross=weighted.T @ values,
        totals=weights @ np.square(values),
    )


def penalised_inverse(gram: Floats, alpha: float) -> NDArray[Any]:
    """Return the inverse of ``gram + alpha I``, or the pseudo-inverse where there is none.

    The pseudo-inverse gives the smallest coefficients among the best: equal columns share
    their effect equally, and a column that never varies gets none.
    """
    penalised = gram + alpha * np.eye(len(gram))
    try:
        pivots = np.square(np.diagonal(np.linalg.cholesky(penalised)))
    except np.linalg.LinAlgError:
        pivots = np.zeros(1)
    if pivots.size and pivots.min() <= _DEPENDENT * np.diagonal(penalised).max():
        return np.linalg.pinv(penalised, rcond=_DEPENDENT, hermitian=True)
    return np.linalg.inv(penalised)


def weighted_r2(values: Floats, predictions: Floats, weights: Floats) -> Floats:
    """Return the weighted R² of predictions, one a target; NaN where a target is constant.

    Parameters
    ----------
    values, predictions : ndarray, shape (n, t)
        What came and what the surrogate said.
    weights : ndarray, shape (n,)
        Kernel weights.

    Returns
    -------
    ndarray, shape (t,)
        ``1 - sum w (y - p)² / sum w (y - mean)²``.

    Examples
    --------
    >>> values = np.array([[0.0], [1.0], [2.0]])
    >>> weighted_r2(values, np.array([[0.0], [1.0], [1.0]]), np.ones(3))
    array([0.5])
    """
    mean = weights @ values / weights.sum()
    return _explained(weights @ np.square(values - predictions), weights @ (values - mean) ** 2)


def _explained(errors: Floats, totals: Floats) -> Floats:
    """Return ``1 - errors / totals``, NaN where the total is zero."""
    varies = totals > 0
    ratios = np.divide(errors, totals, out=np.full(len(totals), np.nan), where=varies)
    return 1.0 - ratios


@dataclass(frozen=True, kw_only=True, eq=False)
class LeastSquares:
    """A penalised least-squares fit on some of the columns, with its closed-form diagnostics.

    Attributes
    ----------
    coefs : ndarray, shape (k, t)
        One a column and target.
    residuals : ndarray, shape (n, t)
        In the sample.
    slack : ndarray, shape (n,)
        One minus each row's leverage; NaN where the fit without the row is not determined.
    mapper : ndarray, shape (k, n)
        ``coefs = mapper @ values``.
    """

    coefs: Floats
    residuals: Floats
    slack: Floats
    mapper: Floats

    @property
    def held_out(self) -> Floats:
        """Residual of each row when that row is left out of the fit, shape (n, t)."""
        return self.residuals / self.slack[:, np.newaxis]

    @property
    def standard_errors(self) -> Floats:
        """HC3 standard errors of the coefficients, shape (k, t)."""
        # HC3 is the sandwich with each residual replaced by its leave-one-out one.
        return np.sqrt(np.square(self.mapper) @ np.square(self.held_out))


def least_squares(
    moments: Moments, *, columns: NDArray[np.intp], targets: Any = slice(None), alpha: float = 0.0
) -> LeastSquares:
    r"""Fit some targets on some columns, with an unpenalised intercept.

    Parameters
    ----------
    moments : Moments
        Rows and their products.
    columns : ndarray of int, shape (k,)
        Segments that take part.
    targets : slice or sequence of int, optional
        Targets to fit; all of them by default.
    alpha : float, optional
        Ridge penalty of the coefficients.

    Returns
    -------
    LeastSquares

    Notes
    -----
    With centred :math:`X`, :math:`W = \mathrm{diag}(w)` and
    :math:`A = (X^\top W X + \alpha I)^{-1}` the coefficients are :math:`M y`,
    :math:`M = A X^\top W`. A row's leverage :math:`h_i = w_i / \sum w + (X M)_{ii}` counts
    the intercept, and its residual when it is left out is exactly :math:`r_i / (1 - h_i)`,
    intercept and means refitted. Hence the held-out R² and the HC3 covariance
    :math:`M\,\mathrm{diag}(r_i / (1 - h_i))^2 M^\top` (MacKinnon and White 1985) cost no refit.

    References
    ----------
    MacKinnon and White (1985). Some heteroskedasticity-consistent covariance matrix estimators
    with improved finite sample properties. Journal of Econometrics 29, 305-325.
    :doi:`10.1016/0304-4076(85)90158-7`
    """
    design, values = moments.design[:, columns], moments.values[:, targets]
    inverse = penalised_inverse(moments.gram[np.ix_(columns, columns)], alpha)
    mapper = inverse @ (design.T * moments.weights)
    coefs = inverse @ moments.cross[np.ix_(columns, np.arange(moments.n_targets)[targets])]
    residuals = values - design @ coefs
    leverage = moments.weights / moments.weights.sum() + np.einsum("nk,kn->n", design, mapper)
    slack = 1.0 - leverage
    slack[slack < _FULL_LEVERAGE] = np.nan
    return LeastSquares(coefs=coefs, residuals=residuals, slack=slack, mapper=mapper)


def left_out_errors(moments: Moments, columns: NDArray[np.intp], solved: LeastSquares) -> Floats:
    """Return the HC3 standard errors of segments left out of one target's fit, shape (d,).

    Each is that of the effect the segment would have if it alone were added to `columns`;
    NaN for `columns` themselves and where the segment's effect cannot be told from theirs.
    """
    out = np.setdiff1d(np.arange(moments.n_segments), columns)
    # Frisch, Waugh and Lovell: the part of the new column that the others do not explain.
    rest = moments.design[:, out]
    rest = rest - moments.design[:, columns] @ (solved.mapper @ rest)
    squares = np.square(rest)
    norms = moments.weights @ squares
    spread = np.square(moments.weights * solved.held_out[:, 0]) @ squares
    errors = np.full(moments.n_segments, np.nan)
    known = norms > _DEPENDENT * np.diagonal(moments.gram)[out]
    errors[out[known]] = np.sqrt(spread[known]) / norms[known]
    return errors


def r2_of_residuals(moments: Moments, residuals: Floats, targets: Any = slice(None)) -> Floats:
    """Return the weighted R² that residuals leave, one a target; NaN for a constant target."""
    return _explained(moments.weights @ np.square(residuals), moments.totals[targets])


def linear_fit(
    moments: Moments,
    *,
    importances: Floats,
    standard_errors: Floats | None,
    fidelity: Floats,
    training_fidelity: Floats,
    details: dict[str, Any],
) -> Fit:
    """Put the intercepts to the importances; what could not be measured has no error bar."""
    intercepts = moments.value_means - importances @ moments.design_means
    if standard_errors is not None:
        unknown = ~(moments.varies[:, np.newaxis] & moments.toggled)
        standard_errors = np.where(unknown, np.nan, standard_errors)
    return Fit(
        importances=importances,
        intercepts=intercepts,
        standard_errors=standard_errors,
        fidelity=fidelity,
        training_fidelity=training_fidelity,
        details=details,
    )


@dataclass(frozen=True)
class Ridge:
    r"""Weighted ridge regression: every segment keeps a coefficient, all a little shrunken.

    The final fit of the original LIME. Quick, never empty, and defined for fewer rows than
    segments.

    Parameters
    ----------
    alpha : float, optional
        Penalty of the squared coefficients; 0 is ordinary least squares.

    Raises
    ------
    InvalidInputError
        If `alpha` is negative or not finite.

    Notes
    -----
    Minimises :math:`\sum_n w_n (y_n - b_0 - z_n^\top b)^2 + \alpha \lVert b \rVert^2`, the
    intercept :math:`b_0` unpenalised, as scikit-learn's
    ``Ridge(alpha).fit(z, y, sample_weight=w)``.
    ``fidelity`` is the weighted R² of the exact leave-one-out predictions, with the in-sample
    weighted mean as the yardstick. Standard errors are the HC3 sandwich with the penalised
    inverse, :math:`A X^\top W\,\mathrm{diag}(r_i / (1 - h_i))^2\,W X A`,
    :math:`A = (X^\top W X + \alpha I)^{-1}`: the spread of the estimate, without the small
    bias that shrinking adds.

    References
    ----------
    Ribeiro, Singh and Guestrin (2016). "Why should I trust you?" Explaining the predictions of
    any classifier. KDD. :doi:`10.1145/2939672.2939778`

    MacKinnon and White (1985). Some heteroskedasticity-consistent covariance matrix estimators
    with improved finite sample properties. Journal of Econometrics 29, 305-325.
    :doi:`10.1016/0304-4076(85)90158-7`

    Examples
    --------
    >>> rows = np.array([[1, 1], [1, 0], [0, 1], [0, 0]], dtype=bool)
    >>> scores = np.array([[3.0], [1.0], [2.0], [0.0]])
    >>> Ridge(alpha=0)(rows, scores, np.ones(4)).importances
    array([[1., 2.]])
    >>> Ridge(alpha=1)(rows, scores, np.ones(4)).importances
    array([[0.5, 1. ]])
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        check_number("alpha", self.alpha, minimum=0)

    def __call__(self, coalitions: Coalitions, scores: Floats, weights: Floats) -> Fit:
        """Fit all targets at once; see `weighted_moments` for the arguments."""
        moments = weighted_moments(coalitions, scores, weights)
        solved = least_squares(moments, columns=np.arange(moments.n_segments), alpha=self.alpha)
        return linear_fit(
            moments,
            importances=solved.coefs.T,
            standard_errors=solved.standard_errors.T,
            fidelity=r2_of_residuals(moments, solved.held_out),
            training_fidelity=r2_of_residuals(moments, solved.residuals),
            details={"effective_rows": moments.effective_rows},
        )
