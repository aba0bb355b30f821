"""The exact lasso paths of all targets, walked together on one Gram matrix."""

import numpy as np
from numpy.typing import NDArray

from limelens._statistics import DEPENDENT, ROUNDING
from limelens._typing import Floats
from limelens.surrogates.lasso_walk import WIDE, walk_alone

# Row of `_steps` for a column that leaves; rows 1 and 2 are columns that enter at + and at -.
_LEAVES = 0

# Targets walk together while their tables hold at most this many numbers (8 MB).
_BLOCK = 2**20

# So few targets go one by one: a step of several costs more than the guess of a whole path.
_FEW = 8


def sweep(tables: Floats, pivots: NDArray[np.intp]) -> None:
    """Sweep square matrices on one pivot each, in place; sweeping again undoes it.

    Swept on the columns A, a Gram matrix G holds ``inv(G[A, A])`` in its block (A, A),
    ``G[N, A] @ inv(G[A, A])`` in its block (N, A), and in (N, N) what is left of the other
    columns' products once their regression on A is taken away.

    Parameters
    ----------
    tables : ndarray, shape (t, d, d)
        One matrix per target.
    pivots : ndarray of int, shape (t,)
        Row and column to sweep.

    References
    ----------
    Beaton (1964). The use of special matrix operators in statistical calculus. ETS Research
    Bulletin RB-64-51.

    Examples
    --------
    >>> tables = np.array([[[2.0, 1.0], [1.0, 3.0]]])
    >>> sweep(tables, np.array([0]))
    >>> tables
    array([[[ 0.5, -0.5],
            [ 0.5,  2.5]]])
    >>> sweep(tables, np.array([1]))
    >>> tables
    array([[[ 0.6, -0.2],
            [-0.2,  0.4]]])
    """
    targets = np.arange(len(tables))
    pivot = tables[targets, pivots, pivots][:, np.newaxis]
    columns = tables[targets, :, pivots] / pivot
    rows = tables[targets, pivots]
    tables -= columns[:, :, np.newaxis] * rows[:, np.newaxis]
    tables[targets, :, pivots] = columns
    tables[targets, pivots] = -rows / pivot
    tables[targets, pivots, pivots] = 1.0 / pivot[:, 0]


def lasso_paths(gram: Floats, cross: Floats, penalty: float = 0.0) -> list[tuple[Floats, Floats]]:
    r"""Return the corners of each target's lasso path, from the empty fit down to `penalty`.

    Parameters
    ----------
    gram : ndarray, shape (d, d)
        Weighted products of the centred columns.
    cross : ndarray, shape (d, t)
        Weighted products of the centred columns with the centred targets.
    penalty : float, optional
        Where the paths end.

    Returns
    -------
    list of (penalties, coefs), one per target
        ``penalties``, shape (s,), fall to `penalty`; ``coefs``, shape (s, d), minimise
        :math:`\tfrac12 b^\top G b - c^\top b + \mathrm{penalty}\,\lVert b\rVert_1` there, and
        are linear in between.

    Notes
    -----
    The homotopy of Osborne, Presnell and Turlach, also known as the lasso modification of LARS
    (Efron et al.). With active columns A of signs s, the solution is
    :math:`b_A = G_{AA}^{-1}(c_A - \mathrm{penalty}\,s)` until a coefficient reaches zero or
    another column's product with the residual reaches the penalty. Every corner is computed
    afresh from a swept Gram matrix, so errors do not add up, and nothing depends on the scale
    of the target. A column that depends linearly on the active ones stays out, and one that is
    equal or opposite to an earlier column always does. Many targets
    are walked in blocks, so memory is O(d² + 8 MB) beside the paths themselves. Up to eight
    targets, and any number from 256 columns on, walk one by one (`walk_alone`), with fewer than 256
    columns only from where a guess of the path turns out to be wrong (`guessed_corners`).

    This is our own, and not `sklearn.linear_model.lars_path_gram`, for two reasons: a target of 50
    columns takes a sixth of the time, and scikit-learn's absolute tolerances stop at once
    on scores as small as those of a rare class.

    References
    ----------
    Osborne, Presnell and Turlach (2000). A new approach to variable selection in least squares
    problems. IMA Journal of Numerical Analysis 20, 389-403. :doi:`10.1093/imanum/20.3.389`

    Efron, Hastie, Johnstone and Tibshirani (2004). Least angle regression. Annals of Statistics
    32, 407-499. :doi:`10.1214/009053604000000067`

    Examples
    --------
    Orthogonal columns enter where the penalty falls below their product with the target.

    >>> [(penalties, coefs)] = lasso_paths(np.eye(2), np.array([[3.0], [-1.0]]))
    >>> penalties
    array([3., 1., 0.])
    >>> coefs
    array([[ 0.,  0.],
           [ 2.,  0.],
           [ 3., -1.]])
    """
    repeats = _repeats(gram, cross)
    if len(repeats):
        gram, cross = gram.copy(), cross.copy()
        gram[repeats], gram[:, repeats], cross[repeats] = 0.0, 0.0, 0.0
    if len(gram) >= WIDE or cross.shape[1] <= _FEW:
        return [walk_alone(gram, column, penalty) for column in cross.T]
    block = max(1, _BLOCK // len(gram) ** 2)
    starts = range(0, cross.shape[1], block)
    return [
        path for first in starts for path in _walk(gram, cross[:, first : first + block], penalty)
    ]


def _repeats(gram: Floats, cross: Floats) -> NDArray[np.intp]:
    """Return the columns that are equal or opposite to an earlier one.

    Examples
    --------
    >>> columns = np.array([[1.0, 0.0, -1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 1.0], [1.0, 0.0, -1.0]])
    >>> _repeats(columns @ columns.T, columns @ np.array([[3.0], [1.0], [2.0]]))
    array([2, 3])
    """
    # Only columns with equal products with the target can be alike, and there are hardly any.
    size = np.abs(cross[:, 0]) if cross.size else np.zeros(0)
    order = size.argsort(kind="stable")
    near = np.diff(size[order]) <= DEPENDENT * size.max(initial=0.0)
    if not near.any():
        return order[:0]
    some = np.sort(order[np.append(near, False) | np.append(False, near)])
    squares = np.diagonal(gram)[some]
    # Without its regression on column i, column j is left with g_jj - g_ij^2 / g_ii.
    lengths = np.sqrt(np.where(squares > 0, squares, 1.0))
    alike = np.abs(gram[some[:, np.newaxis], some] / lengths / lengths[:, np.newaxis])
    return some[np.triu(alike >= np.sqrt(1.0 - DEPENDENT), 1).any(axis=0)]


def _walk(gram: Floats, cross: Floats, penalty: float) -> list[tuple[Floats, Floats]]:
    """Return the corners of a block of targets."""
    n_segments, n_targets = cross.shape
    corners: list[list[tuple[float, Floats]]] = [[] for _ in range(n_targets)]
    walk = _Walkers(gram, cross)
    end = np.maximum(penalty, ROUNDING * walk.level)
    # An ordinary path has about d steps. The bound only guards against ties that go in circles.
    for _ in range(100 + 20 * n_segments):
        finished = walk.look(end, penalty)
        for target, level, coefs in zip(walk.targets, walk.level, walk.coefs, strict=True):
            corners[target].append((float(level), coefs))
        if finished.any():
            walk.keep(~finished)
            end = end[~finished]
        if not len(end):
            break
        walk.turn()
    return [
        (np.array([level for level, _ in path]), np.array([coefs for _, coefs in path]))
        for path in corners
    ]


class _Walkers:
    """State of the t targets whose paths have not ended yet."""

    def __init__(self, gram: Floats, cross: Floats) -> None:
        self.targets = np.arange(cross.shape[1])
        self.scale = np.diagonal(gram)
        self.tables = np.repeat(gram[np.newaxis], cross.shape[1], axis=0)
        self.cross = np.ascontiguousarray(cross.T)
        self.signs = np.zeros_like(self.cross)
        self.level = np.abs(self.cross).max(axis=1, initial=0.0)
        self.coefs = self.signs
        self.kind, self.column = self.targets, self.targets

    def look(self, end: Floats, penalty: float) -> NDArray[np.bool_]:
        """Lower the penalty to the next event; return which targets have reached the end."""
        active = self.signs != 0
        # Two things are linear in the penalty: the active coefficients, `start - level * slope`,
        # and the other columns' products with the residual, `start + level * slope`.
        right = np.stack([np.where(active, self.cross, 0.0), self.signs], axis=2)
        products = self.tables @ right
        start = np.where(active, products[:, :, 0], self.cross - products[:, :, 0])
        slope = products[:, :, 1]
        remaining = np.diagonal(self.tables, axis1=1, axis2=2)
        usable = ~active & (remaining > DEPENDENT * self.scale)
        steps = _steps(start, slope, self.signs, usable, self.level[:, np.newaxis])
        steps = steps.reshape(len(steps), -1)
        event = steps.argmin(axis=1)
        self.kind, self.column = np.divmod(event, len(self.scale))
        level = self.level - steps[np.arange(len(steps)), event]
        finished = level <= end
        self.level = np.where(finished, penalty, level)
        coefs = start - self.level[:, np.newaxis] * slope
        # Rounding may put a column that has just entered slightly on the wrong side of zero.
        self.coefs = np.where(coefs * self.signs > 0, coefs, 0.0)
        leaving = np.flatnonzero((self.kind == _LEAVES) & ~finished)
        self.coefs[leaving, self.column[leaving]] = 0.0
        return finished

    def turn(self) -> None:
        """Let the event's column enter or leave the active ones."""
        targets = np.arange(len(self.targets))
        self.signs[targets, self.column] = np.array([0.0, 1.0, -1.0])[self.kind]
        sweep(self.tables, self.column)

    def keep(self, walking: NDArray[np.bool_]) -> None:
        """Go on with these targets only."""
        for name in ("targets", "tables", "cross", "signs", "level", "kind", "column"):
            setattr(self, name, getattr(self, name)[walking])


def _steps(
    start: Floats, slope: Floats, signs: Floats, usable: NDArray[np.bool_], level: Floats
) -> Floats:
    """Return how far the penalty falls until a column leaves, enters at + or at -: (t, 3, d)."""
    steps = np.full((len(start), 3, start.shape[1]), np.inf)
    # A coefficient reaches 0 after size / pace; a product reaches the penalty after gap / approach.
    # Rounding may put a tied column slightly beyond its bound: then it moves at once.
    pace = -slope * signs
    size = np.maximum((start - level * slope) * signs, 0.0)
    np.divide(size, pace, out=steps[:, 0], where=pace > 0)
    product = start + level * slope
    for row, sign in ((1, 1.0), (2, -1.0)):
        approach = 1.0 - sign * slope
        gap = np.maximum(level - sign * product, 0.0)
        np.divide(gap, approach, out=steps[:, row], where=usable & (approach > ROUNDING))
    return steps
