"""Means of blocks of pixels, and linear interpolation between coarse cells."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Floats


def enlarging_factor(
    n_cells: int, size: int, dtype: np.dtype[Any] | type = np.float64
) -> NDArray[np.floating[Any]]:
    """Return the matrix `R` that enlarges `n_cells` values to `size` by linear interpolation.

    Cell and pixel centres lie at halves, and beyond the outer cells their value continues: so
    `R @ grid` is what `skimage.transform.resize(grid, ..., order=1)` computes.

    Parameters
    ----------
    n_cells, size : int
        At least 1 each.
    dtype : dtype, optional
        The precision of the masks.

    Returns
    -------
    ndarray, shape (size, n_cells)
        Rows add up to 1.

    Examples
    --------
    >>> enlarging_factor(2, 4)
    array([[1.  , 0.  ],
           [0.75, 0.25],
           [0.25, 0.75],
           [0.  , 1.  ]])
    """
    place = np.clip((np.arange(size) + 0.5) * n_cells / size - 0.5, 0, n_cells - 1)
    cell = np.minimum(place.astype(np.intp), max(n_cells - 2, 0))
    factor = np.zeros((size, n_cells), dtype)
    factor[np.arange(size), cell] = 1 - (place - cell)
    if n_cells > 1:
        factor[np.arange(size), cell + 1] = place - cell
    return factor


def _block_starts(side: int, reduced: int) -> NDArray[np.intp]:
    """Return where each of `reduced` blocks begins; their lengths differ by at most one."""
    return np.arange(reduced) * side // reduced


def _block_means(levels: NDArray[np.uint16], reduced: tuple[int, ...]) -> Floats:
    """Average over blocks; sums of integers, so the order of summation leaves no trace."""
    sums: NDArray[Any] = levels
    counts = np.ones(1)
    for axis in reversed(range(len(reduced))):  # last first: half the time on row-major images
        side, blocks = levels.shape[axis], reduced[axis]
        if side == blocks:
            continue
        starts = _block_starts(side, blocks)
        dtype = np.uint32 if sums is levels else np.int64
        sums = np.add.reduceat(sums, starts, axis=axis, dtype=dtype)
        lengths = np.diff(starts, append=side)
        counts = counts * lengths.reshape((-1,) + (1,) * (levels.ndim - 1 - axis))
    return sums / counts
