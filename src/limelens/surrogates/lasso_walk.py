"""The lasso path of one target, walked on a swept table that is kept in one of two ways."""

import numpy as np

from limelens._statistics import DEPENDENT, ROUNDING
from limelens._typing import Floats
from limelens.surrogates.lasso_guess import GuessedCorners, guessed_corners

WIDE = 256
"""From so many columns on the whole table is kept, and its changes wait."""

# More changes that wait cost more to look through, and fewer more products.
_WAITING = 48
_TOGETHER = 2**14  # coefficients of the corners that are computed at once

# Of a column, for its events in two rows: whether it is inactive, below what pace an event does
# not come, and the direction of the event.
_INACTIVE = np.array([[1.0, 1.0, ROUNDING, ROUNDING, 1.0, -1.0]]).T
_ACTIVE = {sign: np.array([0.0, 0.0, 0.0, 0.0, sign, 0.0]) for sign in (1.0, -1.0)}


def walk_alone(gram: Floats, cross: Floats, penalty: float) -> tuple[Floats, Floats]:
    """Return the corners of one target; see `lasso_paths`."""
    are_wide = len(gram) >= WIDE
    guessed = None if are_wide else guessed_corners(gram, cross, penalty)
    if guessed is not None and guessed.is_whole:
        return guessed.penalties, guessed.coefs
    walk = (_WideWalker if are_wide else _Walker)(gram, cross)
    corners, end = _Corners(len(gram)), max(penalty, ROUNDING * walk.level)
    if guessed is not None:
        corners.begin(guessed)
        walk.stand(cross, guessed)
    for _ in range(100 + 20 * len(gram)):
        finished = walk.look(end, penalty)
        corners.add(walk, leaves=not finished)
        if finished:
            break
        walk.turn()
    return corners.found()


class _Corners:
    """Collects where a walk turns, and computes the coefficients of many corners at once."""

    def __init__(self, n_columns: int) -> None:
        self.penalties: list[float] = []
        self.blocks: list[Floats] = []
        self._most = max(1, _TOGETHER // n_columns)
        self._forget()

    def begin(self, guessed: GuessedCorners) -> None:
        """Take corners that are known."""
        self.penalties, self.blocks = guessed.penalties.tolist(), [guessed.coefs]

    def _forget(self) -> None:
        self._levels: list[float] = []
        self._pairs: list[Floats] = []
        self._signs: list[Floats] = []
        self._zeros: list[tuple[int, int]] = []

    def add(self, walk: "_Walker", *, leaves: bool) -> None:
        """Take the corner where a walk stands; whether its column may leave there."""
        if leaves and walk.signs[walk.column]:
            self._zeros.append((len(self._levels), walk.column))
        self._levels.append(walk.level)
        self._pairs.append(walk.pair.T.copy())
        self._signs.append(walk.signs.copy())
        if len(self._levels) == self._most:
            self._compute()

    def found(self) -> tuple[Floats, Floats]:
        """Return the penalties, shape (s,), and the coefficients, shape (s, d)."""
        if self._levels:
            self._compute()
        whole = self.blocks[0] if len(self.blocks) == 1 else np.concatenate(self.blocks)
        return np.array(self.penalties), whole

    def _compute(self) -> None:
        pairs, signs = np.array(self._pairs), np.array(self._signs)
        coefs = np.array(self._levels)[:, np.newaxis] * pairs[:, 1] - pairs[:, 0]
        # Rounding may put a column that has just entered slightly on the wrong side of zero.
        coefs = np.where(coefs * signs > 0, coefs, 0.0)
        for corner, column in self._zeros:
            coefs[corner, column] = 0.0
        self.penalties += self._levels
        self.blocks.append(coefs)
        self._forget()


class _Walker:
    """State of a target that walks alone, with the active columns of its swept table.

    Two more columns are swept along, the target's products `c` and the signs `s` of the active
    columns: `start` and `slope` of `_Walkers.look` stand there, with the signs in `look` below.
    """

    def __init__(self, gram: Floats, cross: Floats) -> None:
        d = len(cross)
        self.gram = gram
        self.table = np.zeros((d, 2 + min(d, 62)), order="F")  # a step adds to whole columns
        self.table[:, 0] = cross
        self.pair = self.table[:, :2]
        self.active, self.n_active = np.empty(d, np.intp), 0
        self.remaining, self.least = np.diagonal(gram).copy(), DEPENDENT * np.diagonal(gram)
        self.signs, self.level = np.zeros(d), float(np.abs(cross).max(initial=0.0))
        # The first events of inactive columns are to enter at + and at -, of active ones to leave.
        self.kinds = np.tile(_INACTIVE, d)
        self.is_inactive, self.slowest, self.directions = self.kinds.reshape(3, 2, d)
        self.steps = np.empty((2, d))
        self.kind = self.column = 0

    def stand(self, cross: Floats, guessed: GuessedCorners) -> None:
        """Stand where the last of the corners that were guessed has been turned."""
        columns, signs = guessed.active, guessed.signs
        n = len(columns)
        inverse = np.linalg.inv(self.gram[columns[:, np.newaxis], columns])
        of_active = self.gram[:, columns]
        self.signs[columns], self.level = signs, float(guessed.penalties[-1])
        self.kinds[:, columns] = np.array([_ACTIVE[sign] for sign in signs.tolist()]).T
        self.active[:n], self.n_active = columns, n
        swept = of_active @ inverse
        self.remaining -= (swept * of_active).sum(axis=1)
        self.remaining[columns] = np.inf
        swept[columns] = inverse
        self.table = np.empty((len(cross), 2 + max(n, min(len(cross), 62))), order="F")
        self.pair = self.table[:, :2]
        self.table[:, 2 : 2 + n] = swept
        np.negative(swept @ np.stack([cross[columns], signs], axis=1), out=self.pair)
        self.pair[:, 0] += np.where(self.signs == 0, cross, 0.0)

    def look(self, end: float, penalty: float) -> bool:
        """Lower the penalty to the next event; return whether the end is reached."""
        first, second = self.pair[:, 0], self.pair[:, 1]
        # Products with the residual; of active columns the coefficients, times -1.
        products = first - self.level * second
        gap, approach = self.directions * products, self.directions * second
        np.subtract(self.is_inactive * self.level, gap, out=gap)
        np.maximum(gap, 0.0, out=gap)
        approach += self.is_inactive
        usable = approach > self.slowest
        usable &= self.remaining > self.least
        self.steps.fill(np.inf)
        np.divide(gap, approach, out=self.steps, where=usable)
        self.kind, self.column = divmod(self._nearest(), len(first))
        lower = self.level - self.steps.item(self.kind, self.column)
        finished = lower <= end
        self.level = penalty if finished else lower
        return finished

    def _nearest(self) -> int:
        """Return the event that comes first."""
        return int(self.steps.argmin())

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
        pivot = own.item(column)
        self._sweep(own, column)
        self.remaining -= own * own / pivot
        if n == self.table.shape[1]:
            wider = np.empty((len(own), 2 * n), order="F")
            wider[:, :n] = self.table
            self.table, self.pair = wider, wider[:, :2]
        np.divide(own, pivot, out=self.table[:, n])
        self.table[column, n] = 1.0 / pivot
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
        self.kinds[:, column] = _ACTIVE[sign] if sign else _INACTIVE[:, 0]
        if sign:
            self.remaining[column] = np.inf  # an active column depends on no other

    def _sweep(self, own: Floats, column: int) -> None:
        """Sweep what is held, in place, on a column that stands in `own`; see `sweep`."""
        table = self.table[:, : 2 + self.n_active]
        row = table[column] / own.item(column)
        table -= (row[:, np.newaxis] * own).T  # in the table's own order
        np.negative(row, out=table[column])


class _WideWalker(_Walker):
    """State of a target that walks alone, with its whole table and changes of it that wait.

    A step changes the table by a product of two vectors. Such changes are kept beside the table,
    which is `table - left @ right`, and a few dozen of them are made at once, as one product of
    matrices. Until then a step needs one column of the table only: it takes O(d · waiting changes),
    and the changes run at the speed of matrix products instead of that of memory.
    """

    def __init__(self, gram: Floats, cross: Floats) -> None:
        super().__init__(gram, cross)
        d = len(cross)
        self.cross, self.table = cross, np.array(gram, order="F")
        self.left, self.right = np.empty((d, _WAITING), order="F"), np.empty((_WAITING, d))
        self.waiting = 0

    def _nearest(self) -> int:
        # Of equal columns the first one moves, whatever rounding makes of them.
        return int((self.steps <= self.steps.min() + ROUNDING * self.level).argmax())

    def _enter(self, column: int, sign: float) -> None:
        self.pair[column, 1] += sign  # a column has its sign while it is swept in or out
        self._change(column)
        self._note(column, sign)
        self._settle()

    def _leave(self, column: int) -> None:
        self._change(column)
        self.pair[column, 1] -= self.signs[column]
        self._note(column, 0.0)
        self._settle()

    def _change(self, column: int) -> None:
        """Sweep the table and the pair on a column of the table; see `sweep`."""
        n = self.waiting
        own = self.table[:, column] - self.left[:, :n] @ self.right[:n, column]
        pivot = own[column]
        # A swept table equals its transpose but for the sign of active against other columns.
        unlike = self.is_inactive[0] != self.is_inactive[0, column]
        row = np.where(unlike, -own, own)
        own /= pivot
        # The column and the row are written at once, and what waits no longer changes them.
        self.left[column, :n] = self.right[:n, column] = 0.0
        self.table[:, column] = own
        self.table[column] = row / -pivot
        self.table[column, column] = 1.0 / pivot
        pair = self.pair[column].copy()
        self.pair -= own[:, np.newaxis] * pair
        self.pair[column] = pair / -pivot
        own[column] = row[column] = 0.0
        self.remaining -= own * row  # of active columns it has no meaning
        self.remaining[column] = 1.0 / pivot
        self.left[:, n], self.right[n] = own, row
        self.waiting += 1

    def _settle(self) -> None:
        """Make the changes, if as many wait as may: what went along is then computed afresh."""
        from scipy.linalg.blas import dgemm  # noqa: PLC0415

        if self.waiting < _WAITING:
            return
        self.table = dgemm(-1.0, self.left, self.right, beta=1.0, c=self.table, overwrite_c=True)
        self.waiting = 0
        active = self.signs != 0
        taken = np.stack([np.where(active, self.cross, 0.0), self.signs], axis=1)
        self.pair[:] = -(self.table @ taken)
        self.pair[:, 0] += np.where(active, 0.0, self.cross)
        self.remaining = np.where(active, np.inf, np.diagonal(self.table))
