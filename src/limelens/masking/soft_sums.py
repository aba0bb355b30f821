"""Sums over many soft masks, without making a mask: see `soft` for what a mask is.

A mask is `R[a : a + H] @ narrow`. Its narrow form is as short as the grid along the first axis, and
masks of the same shift `a` are added in that form. The factor then enlarges the sum once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Floats
from limelens.masking.soft import Factors, cuts_of, enlarge, windows_of

TABLE_BYTES = 2**22
"""Most bytes of masks in narrow form at once: few enough for the cache."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SoftSums:
    """Soft masks of one image, given as grids and shifts, to be summed.

    Attributes
    ----------
    grids : ndarray of bool, shape (n, *cells)
    shifts : ndarray of intp, shape (n, n_spatial)
    factors : sequence of ndarray, shape (size_i, cells_i)
        `enlarging_factor` of each axis. A row of it mixes at most two cells, which are neighbours.
    spatial : tuple of int
        See `soft_masks` for all four.

    Examples
    --------
    >>> from limelens._resampling import enlarging_factor
    >>> factors = [enlarging_factor(1, 2), enlarging_factor(2, 4)]
    >>> masks = SoftSums(
    ...     grids=np.array([[[True, False]], [[True, True]]]),
    ...     shifts=np.array([[0, 1], [0, 0]]),
    ...     factors=factors,
    ...     spatial=(1, 2),
    ... )  # [0.75, 0.25] and [1, 1]
    >>> first, second = masks.sums(np.array([[1.0], [2.0]]), np.array([[1.0], [0.0]]))
    >>> first, second
    (array([[2.75, 2.25]]), array([[0.5625, 0.0625]]))
    >>> masks.inner(np.array([[4.0, 0.0]]))
    array([[3.],
           [4.]])
    """

    grids: NDArray[np.bool_]
    shifts: NDArray[np.intp]
    factors: Factors
    spatial: tuple[int, ...]

    def sums(self, weights: Floats, square_weights: Floats) -> tuple[Floats, Floats]:
        r"""Return weighted sums of the masks and of their squares.

        Parameters
        ----------
        weights : ndarray, shape (n, w)
        square_weights : ndarray, shape (n, u)

        Returns
        -------
        sums : ndarray, shape (w, pixels)
        square_sums : ndarray, shape (u, pixels)

        Notes
        -----
        A row of the factor has two neighbouring entries :math:`\alpha, \beta` that are not 0. So a
        mask's square is :math:`\alpha^2 c_k^2 + 2 \alpha \beta c_k c_{k+1} + \beta^2 c_{k+1}^2`
        with the rows c of its narrow form: linear in its squares and its neighbours' products,
        which are as short.
        """
        height, width = self.spatial[0], int(np.prod(self.spatial[1:]))
        shifts, cells = list(self._by_first_shift()), self.grids.shape[1]
        linear = np.zeros((weights.shape[1], len(shifts), cells, width))
        products = np.zeros((square_weights.shape[1], len(shifts), 2 * cells - 1, width))
        for place, few, narrow in self._narrow([rows for _, rows in shifts]):
            linear[:, place] += np.tensordot(weights[few].T, narrow, 1)
            if len(products):
                both = np.empty((len(narrow), 2 * cells - 1, width))
                np.square(narrow, out=both[:, :cells])
                np.multiply(narrow[:, :-1], narrow[:, 1:], out=both[:, cells:])
                products[:, place] += np.tensordot(square_weights[few].T, both, 1)
        factors = [self.factors[0][start : start + height] for start, _ in shifts]
        squared = [
            np.concatenate([np.square(each), 2.0 * each[:, :-1] * each[:, 1:]], axis=1)
            for each in factors
        ]
        # The sum over shifts of factor @ sum is one product of all factors side by side.
        return _stacked(factors, linear, height), _stacked(squared, products, height)

    def inner(self, maps: Floats) -> Floats:
        """Return the sum over pixels of every mask times each of maps (t, pixels), shape (n, t)."""
        height, width = self.spatial[0], int(np.prod(self.spatial[1:]))
        tall = maps.reshape(len(maps), height, width)
        found = np.empty((len(self.grids), len(maps)))
        starts, rows = zip(*self._by_first_shift(), strict=True)
        short = [self.factors[0][start : start + height].T @ tall for start in starts]
        for place, few, narrow in self._narrow(rows):
            found[few] = np.tensordot(narrow, short[place], ((1, 2), (1, 2)))
        return found

    def _by_first_shift(self) -> Iterator[tuple[int, NDArray[np.intp]]]:
        """Yield each shift along the first axis with the numbers of its masks."""
        order = np.argsort(self.shifts[:, 0], kind="stable")
        starts, first = np.unique(self.shifts[order, 0], return_index=True)
        yield from zip(starts.tolist(), np.split(order, first[1:]), strict=True)

    def _narrow(
        self, groups: Sequence[NDArray[np.intp]]
    ) -> Iterator[tuple[int, NDArray[np.intp], Floats]]:
        """Yield the group's place, some of its rows, and their masks in narrow form.

        That has the shape (n, cells of the first axis, pixels of the others).
        """
        cells, others = self.grids.shape[1], self.spatial[1:]
        step = max(1, TABLE_BYTES // (8 * cells * int(np.prod(others))))
        windows = windows_of(self.factors[1:], others)
        for place, rows in enumerate(groups):
            for few in (rows[start : start + step] for start in range(0, len(rows), step)):
                narrow = np.empty((len(few), cells, *others))
                cuts = cuts_of(windows, self.shifts[few, 1:])
                enlarge(self.grids[few].astype(np.float64), cuts, narrow)
                yield place, few, narrow.reshape(len(few), cells, -1)


def _stacked(factors: Factors, sums: Floats, height: int) -> Floats:
    """Return the sum over s of factors[s] @ sums[:, s], shape (w, pixels)."""
    width = sums.shape[-1]
    tall = sums.reshape(len(sums), sums.shape[1] * sums.shape[2], width)
    stacked = np.concatenate(factors, axis=1) @ tall
    return np.asarray(stacked.reshape(len(sums), height * width))
