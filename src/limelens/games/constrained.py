"""The additive model of a game whose importances must add up to a given total."""

from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._statistics import DEPENDENT
from limelens._threads import one_blas_thread
from limelens._typing import Coalitions, Floats

# The fit passes exactly through a row whose 1 - h is smaller, so that its residual tells nothing.
_FULL_LEVERAGE = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class ConstrainedFit:
    """Least squares with coefficients of a fixed sum.

    Attributes
    ----------
    coefs : ndarray, shape (t, d)
        Their sum over d is the total.
    residuals, held_out : ndarray, shape (n, t)
        Residual of each row, in the sample and when that row is left out of the fit. The second
        is NaN where the other rows do not determine the fit.
    standard_errors : ndarray, shape (t, d)
        HC3 standard errors; NaN unless `determined`.
    determined : bool
        Whether the rows determine every coefficient. If not, the coefficients are, of all that
        fit equally well, those nearest to equal shares of the total.
    """

    coefs: Floats
    residuals: Floats
    held_out: Floats
    standard_errors: Floats
    determined: bool


@one_blas_thread()
def constrained_least_squares(
    design: NDArray[Any],
    values: Floats,
    totals: Floats,
    weights: Floats,
    known: Floats | float = 0.0,
) -> ConstrainedFit:
    r"""Fit values by the design under the constraint that the coefficients sum to the totals.

    Parameters
    ----------
    design : ndarray, shape (n, d)
    values : ndarray, shape (n, t)
    totals : ndarray, shape (t,)
    weights : ndarray, shape (n,)
        Weights of the squared residuals.
    known : ndarray, shape (n,), or float
        For each row, the share of all possible rows of its kind that were drawn. Where it is 1,
        nothing was left to chance.

    Notes
    -----
    Write :math:`\phi = \Delta / d + \psi` with :math:`\sum \psi = 0`. Then
    :math:`X \psi = X_c \psi`, where each row of :math:`X_c` is the row of :math:`X` minus its own
    mean. The smallest solution of the free least squares in :math:`X_c` sums to zero by itself.
    So the constraint needs no Lagrange multiplier, and no large number has to stand for the two
    infinite weights of the Shapley kernel. The residual of a row left out is exactly
    :math:`r_n / (1 - h_n)`. HC3 standard errors (MacKinnon and White 1985) follow as in
    `least_squares`; each row's square is multiplied by 1 - known, the correction for a finite
    population.

    Examples
    --------
    One row says that the first coefficient is 3; the sum must be 4:

    >>> fit = constrained_least_squares(
    ...     np.array([[1.0, 0.0]]), np.array([[3.0]]), np.array([4.0]), np.ones(1)
    ... )
    >>> fit.coefs.round(9)
    array([[3., 1.]])
    """
    d = design.shape[1]
    centred = design - design.mean(axis=1, keepdims=True)  # X_c
    left = values - design.sum(axis=1, keepdims=True) * (totals / d)  # y - X Delta / d
    weighted = centred * weights[:, np.newaxis]
    # The smallest solution: psi = M y with M = (X_c' W X_c)^+ X_c' W, by the eigenvalues asked for.
    eigenvalues, vectors = np.linalg.eigh(centred.T @ weighted)
    asked = eigenvalues > DEPENDENT * eigenvalues[-1]
    basis = vectors[:, asked]
    mapper = basis @ ((basis.T @ weighted.T) / eigenvalues[asked, np.newaxis])
    deviations = mapper @ left
    deviations -= deviations.mean(axis=0)  # zero but for rounding
    residuals = left - centred @ deviations
    # 1 - h_n, with the leverage h_n on the diagonal of X_c M.
    slack = 1.0 - np.einsum("nd,dn->n", centred, mapper)
    slack[slack < _FULL_LEVERAGE] = np.nan
    held_out = residuals / slack[:, np.newaxis]
    # X_c maps the vector of ones to zero: at most d - 1 directions can be asked about.
    determined = int(asked.sum()) == d - 1
    # HC3: the variance of psi_i is sum_n M_in^2 (r_n / (1 - h_n))^2.
    errors = np.sqrt((np.square(mapper) * (1.0 - known)) @ np.square(held_out)).T
    return ConstrainedFit(
        coefs=(totals / d + deviations).T,
        residuals=residuals,
        held_out=held_out,
        standard_errors=errors if determined else np.full_like(errors, np.nan),
        determined=determined,
    )


def shapley_kernel(coalitions: Coalitions) -> Floats:
    r"""Return the Shapley kernel's weight, shape (n,), of coalitions (n, d); 0 for both ends.

    Notes
    -----
    :math:`\pi(s) = (d - 1) / \left(\binom{d}{s} s (d - s)\right)` for s kept segments. It is
    infinite for the intact image and for everything hidden; a constraint meets these two exactly,
    so their weight is not needed.

    References
    ----------
    S. M. Lundberg, S.-I. Lee, "A unified approach to interpreting model predictions", 2017,
    arXiv:1705.07874, theorem 2.

    Examples
    --------
    >>> shapley_kernel(np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]], dtype=bool))
    array([0.        , 0.33333333, 0.33333333, 0.        ])
    """
    d = coalitions.shape[1]
    by_size = np.zeros(d + 1)
    by_size[1:d] = [(d - 1) / (comb(d, s) * s * (d - s)) for s in range(1, d)]
    return by_size[coalitions.sum(axis=1)]
