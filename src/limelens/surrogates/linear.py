"""Weighted linear fits: all targets on one Gram matrix, and the ridge surrogate."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_number
from limelens._statistics import DEPENDENT
from limelens._threads import one_blas_thread
from limelens._typing import Coalitions, Floats
from limelens.surrogates.fit import Fit
from limelens.surrogates.moments import Moments, r2_of_residuals, weighted_moments

# A row whose leverage is within this of 1 decides its own fit.
_FULL_LEVERAGE = 1e-9


def penalised_inverse(gram: Floats, alpha: float) -> NDArray[Any]:
    """Return the inverse of ``gram + alpha I``, or the pseudo-inverse where there is none.

    The pseudo-inverse gives the smallest of all coefficients that fit best: equal columns share
    their effect equally, and a column that never varies gets none.
    """
    penalised = gram + alpha * np.eye(len(gram))
    # A squared Cholesky pivot is what is left of a column's square after the columns before it.
    try:
        pivots = np.square(np.diagonal(np.linalg.cholesky(penalised)))
    except np.linalg.LinAlgError:
        pivots = np.zeros(1)
    if pivots.size and pivots.min() <= DEPENDENT * np.diagonal(penalised).max():
        return np.linalg.pinv(penalised, rcond=DEPENDENT, hermitian=True)
    return np.linalg.inv(penalised)


@dataclass(frozen=True, kw_only=True, eq=False)
class LeastSquares:
    """A penalised least-squares fit on some of the columns, with its closed-form diagnostics.

    Attributes
    ----------
    coefs : ndarray, shape (k, t)
        One per column and target.
    residuals : ndarray, shape (n, t)
        Residuals in the sample.
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
        # HC3 is the sandwich estimate with each residual replaced by its leave-one-out residual.
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
    d = moments.n_segments
    takes_all = len(columns) == d and np.array_equal(columns, np.arange(d))
    design = moments.design if takes_all else moments.design[:, columns]
    values = moments.values[:, targets]
    inverse = penalised_inverse(moments.gram[columns[:, np.newaxis], columns], alpha)
    projected = design @ inverse
    coefs = inverse @ moments.cross[columns][:, targets]
    residuals = values - design @ coefs
    # h_i / w_i = 1 / sum w + (X A X')_ii, and slack is 1 - h_i.
    leverage = 1 / moments.weights.sum() + np.einsum("nk,nk->n", design, projected)
    slack = 1.0 - moments.weights * leverage
    slack[slack < _FULL_LEVERAGE] = np.nan
    mapper = np.multiply(projected, moments.weights[:, np.newaxis], out=projected).T
    return LeastSquares(coefs=coefs, residuals=residuals, slack=slack, mapper=mapper)


def left_out_errors(moments: Moments, columns: NDArray[np.intp], solved: LeastSquares) -> Floats:
    """Return the HC3 standard errors of segments left out of one target's fit, shape (d,).

    Each is that of the effect the segment would have if it alone were added to `columns`;
    NaN for `columns` themselves and where the segment's effect cannot be told from theirs.
    """
    is_out = np.ones(moments.n_segments, np.bool_)
    is_out[columns] = False
    out = np.flatnonzero(is_out)
    errors = np.full(moments.n_segments, np.nan)
    if not len(out):
        return errors
    # Frisch, Waugh and Lovell: the new column's coefficient is that of a regression on the part
    # u of it that the other columns do not explain, sum w u y / sum w u^2.
    rest = moments.design[:, out]
    rest = rest - moments.design[:, columns] @ (solved.mapper @ rest)
    squares = np.square(rest)
    norms = moments.weights @ squares
    spread = np.square(moments.weights * solved.held_out[:, 0]) @ squares
    known = norms > DEPENDENT * np.diagonal(moments.gram)[out]
    errors[out[known]] = np.sqrt(spread[known]) / norms[known]
    return errors


def linear_fit(
    moments: Moments,
    *,
    importances: Floats,
    standard_errors: Floats | None,
    fidelity: Floats,
    training_fidelity: Floats,
    details: dict[str, Any],
) -> Fit:
    """Return the fit with its intercepts; effects that could not be measured get no error bar."""
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
    r"""Weighted ridge regression: every segment keeps a coefficient, and all shrink a little.

    This is the final fit of the original LIME. It is quick, never empty, and defined for fewer
    rows than segments.

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
    Minimises :math:`\sum_n w_n (y_n - b_0 - z_n^\top b)^2 + \alpha \lVert b \rVert^2` with an
    unpenalised intercept :math:`b_0`, as scikit-learn's
    ``Ridge(alpha).fit(z, y, sample_weight=w)`` does.
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

    @one_blas_thread()
    def __call__(self, coalitions: Coalitions, scores: Floats, weights: Floats) -> Fit:
        """Fit all targets at once; see `rows_that_count` for the arguments."""
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
