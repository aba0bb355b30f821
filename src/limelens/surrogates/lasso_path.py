"""The exact lasso paths of all targets, walked together on one Gram matrix."""

import numpy as np
from numpy.typing import NDArray

from limelens._statistics import DEPENDENT, ROUNDING
from limelens._typing import Floats

# Row of `_steps` for a column that leaves; rows 1 and 2 are columns that enter at + and at -.
_LEAVES = 0

# Targets walk together while their tables hold at most this many numbers (8 MB).
_BLOCK = 2**20

# So few targets walk one by one: a step of several costs three times as much as that of one.
_FEW = 2

# From so many columns on, too: a target that walks alone keeps its active columns only.
_WIDE = 256


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
    of the target. A column that depends linearly on the active ones stays out. Many targets
    are walked in blocks, so memory is O(d² + 8 MB) beside the paths themselves. One or two targets,
    and any number from 256 columns on, walk one by one: a step then takes O(d k) for k active
    columns instead of O(d²).

    This is our own, and not `sklearn.linear_model.lars_path_gram`, for two reasons: five targets
    on one Gram matrix take a ninth of the time, and scikit-learn's absolute tolerances stop at once
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
    if len(gram) >= _WIDE or cross.shape[1] <= _FEW:
        return [_walk_alone(gram, column, penalty) for column in cross.T]
    block = max(1, _BLOCK // len(gram) ** 2)
    starts = range(0, cross.shape[1], block)
    return [
        path for first in starts for path in _walk(gram, cross[:, first : first + block], penalty)
    ]


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


def _walk_alone(gram: Floats, cross: Floats, penalty: float) -> tuple[Floats, Floats]:
    """Return the corners of one target."""
    walk = _Walker(gram, cross)
    end = max(penalty, ROUNDING * walk.level)
    penalties, corners = [], []
    for _ in range(100 + 20 * len(gram)):
        finished = walk.look(end, penalty)
        penalties.append(walk.level)
        corners.append(walk.coefs)
        if finished:
            break
        walk.turn()
    return np.array(penalties), np.array(corners)


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


class _Walker:
    """State of a target that walks alone, with the active columns of its swept table.

    Two more columns are swept along, the target's products `c` and the signs `s` of the active
    columns: `start` and `slope` of `_Walkers.look` stand there, with the signs in `look` below.
    """

    def __init__(self, gram: Floats, cross: Floats) -> None:
        d = len(cross)
        from scipy.linalg.blas import dger  # noqa: PLC0415

        self.gram, self.add_product = gram, dger
        self.table = np.zeros((d, 2 + min(d, 62)), order="F")  # a step adds to whole columns
        self.table[:, 0] = cross
        self.active, self.n_active = np.empty(d, np.intp), 0
        self.remaining, self.least = np.diagonal(gram).copy(), DEPENDENT * np.diagonal(gram)
        self.signs, self.level = np.zeros(d), float(np.abs(cross).max(initial=0.0))
        self.coefs = self.signs.copy()
        # The first events of inactive columns are to enter at + and at -, of active ones to leave.
        self.is_inactive = np.ones((2, d))
        self.directions = np.stack([np.ones(d), -np.ones(d)])
        self.steps = np.empty((2, d))
        self.kind = self.column = 0

    def look(self, end: float, penalty: float) -> bool:
        """Lower the penalty to the next event; return whether the end is reached."""
        first, second = self.table[:, 0], self.table[:, 1]
        # Products with the residual; of active columns the coefficients, times -1.
        products = first - self.level * second
        gap = np.maximum(self.is_inactive * self.level - self.directions * products, 0.0)
        approach = self.is_inactive + self.directions * second
        usable = approach > ROUNDING * self.is_inactive
        usable &= (self.remaining > self.least) | (self.signs != 0)
        self.steps.fill(np.inf)
        np.divide(gap, approach, out=self.steps, where=usable)
        self.kind, self.column = divmod(int(self.steps.argmin()), len(first))
        lower = self.level - float(self.steps[self.kind, self.column])
        finished = lower <= end
        self.level = penalty if finished else lower
        coefs = self.level * second - first
        # Rounding may put a column that has just entered slightly on the wrong side of zero.
        self.coefs = np.where(coefs * self.signs > 0, coefs, 0.0)
        if self.signs[self.column] and not finished:
            self.coefs[self.column] = 0.0
        return finished

    def turn(self) -> None:
        """Let the event's column enter or leave the active ones."""
        if self.signs[self.column]:
            self._leave(self.column)
        else:
            self._enter(self.column, 1.0 - 2.0 * self.kind)

    def _enter(self, column: int, sign: float) -> None:
        # The column of the whole swept table: G_Na - G_NA inv(G_AA) G_Aa, and -inv(G_AA) G_Aa.
        n, gram = 2 + self.n_active, self.gram[column]
        own = self.is_inactive[0] * gram
        own -= self.table[:, 2:n] @ gram[self.active[: self.n_active]]
        self.table[column, 1] += sign
        self._sweep(own, column)
        self.remaining -= np.square(own) / own[column]
        if n == self.table.shape[1]:
            wider = np.empty((len(own), 2 * n), order="F")
            wider[:, :n] = self.table
            self.table = wider
        self.table[:, n] = own / own[column]
        self.table[column, n] = 1.0 / own[column]
        self.active[self.n_active] = column
        self.n_active += 1
        self._note(column, sign)

    def _leave(self, column: int) -> None:
        place, last = int((self.active[: self.n_active] == column).argmax()), self.n_active - 1
        own = self.table[:, 2 + place].copy()
        # The last column takes the place of the one that leaves.
        self.table[:, 2 + place] = self.table[:, 2 + last]
        self.active[place] = self.active[last]
        self.n_active = last
        self._sweep(own, column)
        self.table[column, 1] -= self.signs[column]
        self.remaining += np.square(own) / own[column]
        self.remaining[column] = 1.0 / own[column]
        self._note(column, 0.0)

    def _note(self, column: int, sign: float) -> None:
        """Note the sign of a column: 0 makes it inactive."""
        self.signs[column] = sign
        self.is_inactive[:, column] = 0.0 if sign else 1.0
        self.directions[:, column] = (sign, 0.0) if sign else (1.0, -1.0)

    def _sweep(self, own: Floats, column: int) -> None:
        """Sweep what is held, in place, on a column that stands in `own`; see `sweep`."""
        table = self.table[:, : 2 + self.n_active]
        row = table[column] / own[column]
        self.add_product(-1.0, own, row, a=table, overwrite_a=1)
        table[column] = -row


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
