"""The exact lasso path of one target, walked on the Gram matrix."""

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Floats

# Relative to the column's own square: what is left of it depends on the active columns.
_DEPENDENT = 1e-10
_ROUNDING = 1e-12


def sweep(table: Floats, k: int) -> None:
    """Sweep a square matrix on its k-th pivot, in place; sweeping again undoes it.

    Swept on the columns A, a Gram matrix G holds ``inv(G[A, A])`` in its block (A, A),
    ``G[N, A] @ inv(G[A, A])`` in its block (N, A), and in (N, N) what is left of the other
    columns' products once their regression on A is taken away.

    References
    ----------
    Beaton (1964). The use of special matrix operators in statistical calculus. ETS Research
    Bulletin RB-64-51.

    Examples
    --------
    >>> table = np.array([[2.0, 1.0], [1.0, 3.0]])
    >>> sweep(table, 0)
    >>> table
    array([[ 0.5, -0.5],
           [ 0.5,  2.5]])
    >>> sweep(table, 1)
    >>> table
    array([[ 0.6, -0.2],
           [-0.2,  0.4]])
    """
    pivot = table[k, k]
    column, row = table[:, k] / pivot, table[k].copy()
    table -= np.outer(column, row)
    table[:, k], table[k] = column, -row / pivot
    table[k, k] = 1.0 / pivot


def lasso_path(gram: Floats, cross: Floats, penalty: float = 0.0) -> tuple[Floats, Floats]:
    r"""Return the corners of one target's lasso path, from the empty fit down to `penalty`.

    Parameters
    ----------
    gram : ndarray, shape (d, d)
        Weighted products of the centred columns.
    cross : ndarray, shape (d,)
        Weighted products of the centred columns with the centred target.
    penalty : float, optional
        Where the path ends.

    Returns
    -------
    penalties : ndarray, shape (s,)
        Falling, the last one `penalty`; in between the coefficients are linear.
    coefs : ndarray, shape (s, d)
        Minimisers of :math:`\tfrac12 b^\top G b - c^\top b + \mathrm{penalty}\,\lVert b\rVert_1`.

    Notes
    -----
    The homotopy of Osborne, Presnell and Turlach, also known as the lasso modification of LARS
    (Efron et al.). With active columns A of signs s, the solution is
    :math:`b_A = G_{AA}^{-1}(c_A - \mathrm{penalty}\,s)` until a coefficient reaches zero or another
    column's product with the residual reaches the penalty. Every corner is computed afresh
    from a swept Gram matrix, so errors do not add up, and nothing depends on the scale of the
    target. A column that depends linearly on the active ones stays out.

    References
    ----------
    Osborne, Presnell and Turlach (2000). A new approach to variable selection in least squares
    problems. IMA Journal of Numerical Analysis 20, 389-403. :doi:`10.1093/imanum/20.3.389`

    Efron, Hastie, Johnstone and Tibshirani (2004). Least angle regression. Annals of Statistics
    32, 407-499. :doi:`10.1214/009053604000000067`

    Examples
    --------
    Orthogonal columns enter where the penalty falls below their product with the target.

    >>> penalties, coefs = lasso_path(np.eye(2), np.array([3.0, -1.0]))
    >>> penalties
    array([3., 1., 0.])
    >>> coefs
    array([[ 0.,  0.],
           [ 2.,  0.],
           [ 3., -1.]])
    """
    table, signs = gram.copy(), np.zeros(len(cross))
    level = float(np.abs(cross).max(initial=0.0))
    end = max(penalty, _ROUNDING * level)
    penalties, corners = [level], [np.zeros(len(cross))]
    # Far more than the d steps of an ordinary path: a guard against ties that would circle.
    for _ in range(100 + 20 * len(cross)):
        active = signs != 0
        # Both are linear in the penalty: the active coefficients, `start - penalty * slope`, and
        # the other columns' products with the residual, `start + penalty * slope`.
        products = table @ np.column_stack([np.where(active, cross, 0.0), signs])
        start = np.where(active, products[:, 0], cross - products[:, 0])
        slope = products[:, 1]
        usable = ~active & (np.diagonal(table) > _DEPENDENT * np.diagonal(gram))
        steps = _steps(start, slope, signs, usable, level)
        kind, column = divmod(int(np.argmin(steps)), len(cross))
        level -= steps[kind, column]
        finished = level <= end
        level = penalty if finished else level
        if level < penalties[-1]:
            penalties.append(level)
            corners.append(np.where(active, start - level * slope, 0.0))
        if finished:
            break
        if kind == _LEAVES:
            corners[-1][column] = 0.0
        signs[column] = (0.0, 1.0, -1.0)[kind]
        sweep(table, column)
    return np.array(penalties), np.array(corners)


_LEAVES = 0


def _steps(
    start: Floats, slope: Floats, signs: Floats, usable: NDArray[np.bool_], level: float
) -> Floats:
    """Return how far the penalty falls until a column leaves, enters at + or enters at -."""
    steps = np.full((3, len(start)), np.inf)
    # Rounding may put a tied column a hair beyond its bound: then it moves at once.
    shrinking = slope * signs < 0
    size = np.maximum((start - level * slope) * signs, 0.0)
    np.divide(size, -slope * signs, out=steps[0], where=shrinking)
    product = start + level * slope
    for row, sign in ((1, 1.0), (2, -1.0)):
        approach = 1.0 - sign * slope
        gap = np.maximum(level - sign * product, 0.0)
        np.divide(gap, approach, out=steps[row], where=usable & (approach > _ROUNDING))
    return steps
