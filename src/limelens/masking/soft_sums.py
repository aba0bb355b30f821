"""Sums over many soft masks, without making a mask: see `soft` for what a mask is.

A mask is `R[a : a + H] @ narrow`. Its narrow form is as short as the grid along the first axis, and
masks of the same shift `a` are added in that form. The factor then enlarges the sum once.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from limelens._typing import Floats
from limelens.masking.soft import Factors

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
        for place, (_, rows) in enumerate(shifts):
            for few in self._few(rows):
                narrow = self._narrow(few)
                linear[:, place] += np.tensordot(weights[few].T, narrow, 1)
                if len(products):
                    neighbours = narrow[:, :-1] * narrow[:, 1:]
                    both = np.concatenate([np.square(narrow), neighbours], axis=1)
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
        for start, rows in self._by_first_shift():
            short = self.factors[0][start : start + height].T @ tall
            for few in self._few(rows):
                found[few] = np.tensordot(self._narrow(few), short, ((1, 2), (1, 2)))
        return found

    def _by_first_shift(self) -> Iterator[tuple[int, NDArray[np.intp]]]:
        """Yield each shift along the first axis with the numbers of its masks."""
        order = np.argsort(self.shifts[:, 0], kind="stable")
        starts, first = np.unique(self.shifts[order, 0], return_index=True)
        yield from zip(starts.tolist(), np.split(order, first[1:]), strict=True)

    def _few(self, rows: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
        size = 8 * self.grids.shape[1] * int(np.prod(self.spatial[1:]))
        step = max(1, TABLE_BYTES // size)
        for start in range(0, len(rows), step):
            yield rows[start : start + step]

    def _narrow(self, rows: NDArray[np.intp]) -> Floats:
        """Return masks in narrow form, shape (n, cells of the first axis, pixels of the others)."""
        narrow = self.grids[rows].astype(np.float64).reshape(len(rows), self.grids.shape[1], -1)
        for axis, size in enumerate(self.spatial[1:], start=1):
            # Every mask's own rows of the factor as columns, (n, cells of the axis, size).
            windows = sliding_window_view(self.factors[axis].T, size, axis=1).transpose(1, 0, 2)
            cuts = windows[self.shifts[rows, axis]]
            cells = narrow.reshape(len(rows), narrow.shape[1], cuts.shape[1], -1)
            if axis == len(self.spatial) - 1:
                narrow = cells[..., 0] @ cuts
            else:
                narrow = cuts.transpose(0, 2, 1)[:, np.newaxis] @ cells
            narrow = narrow.reshape(len(rows), -1, narrow.shape[-1])
        return narrow.reshape(len(rows), self.grids.shape[1], -1)


def _stacked(factors: Factors, sums: Floats, height: int) -> Floats:
    """Return the sum over s of factors[s] @ sums[:, s], shape (w, pixels)."""
    width = sums.shape[-1]
    tall = sums.reshape(len(sums), sums.shape[1] * sums.shape[2], width)
    stacked = np.concatenate(factors, axis=1) @ tall
    return np.asarray(stacked.reshape(len(sums), height * width))
