"""Sums of blocks of pixels, and linear interpolation between coarse cells."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Floats


def enlarging_factor(
    n_cells: int, size: int, dtype: np.dtype[Any] | type = np.float64
) -> NDArray[np.floating[Any]]:
    """Return the matrix `R` that enlarges `n_cells` values to `size` by linear interpolation.

    The centres of cells and pixels lie at halves, and the values of the outer cells continue
    beyond them. So `R @ grid` equals `skimage.transform.resize(grid, ..., order=1)`.

    Parameters
    ----------
    n_cells, size : int
        At least 1 each.
    dtype : dtype, optional
        Precision of the matrix.

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
    return linear_weights((np.arange(size) + 0.5) * n_cells / size - 0.5, n_cells, dtype)


def linear_weights(
    places: Floats, n_cells: int, dtype: np.dtype[Any] | type = np.float64
) -> NDArray[np.floating[Any]]:
    """Return the matrix that interpolates linearly between cells, at the given places.

    Parameters
    ----------
    places : ndarray, shape (n,)
        Places where values are wanted. Cell j lies at j; the values of the outer cells continue
        beyond them.
    n_cells : int
    dtype : dtype, optional

    Returns
    -------
    ndarray, shape (n, n_cells)

    Examples
    --------
    >>> linear_weights(np.array([-0.5, 0.0, 1.75]), 3)
    array([[1.  , 0.  , 0.  ],
           [1.  , 0.  , 0.  ],
           [0.  , 0.25, 0.75]])
    """
    places = np.clip(places, 0, n_cells - 1)
    cell = np.minimum(places.astype(np.intp), max(n_cells - 2, 0))
    rows = np.arange(len(places))
    weights = np.zeros((len(places), n_cells), dtype)
    weights[rows, cell] = 1 - (places - cell)
    if n_cells > 1:
        weights[rows, cell + 1] = places - cell
    return weights


def block_starts(side: int, blocks: int) -> NDArray[np.intp]:
    """Return the start of each block; the lengths of the blocks differ by at most one.

    Examples
    --------
    >>> block_starts(10, 4)
    array([0, 2, 5, 7])
    """
    return np.arange(blocks) * side // blocks


def block_sums(values: NDArray[Any], starts: Sequence[NDArray[np.intp]]) -> NDArray[Any]:
    """Add up blocks along the first axes; integers that fit 16 bits never overflow.

    Parameters
    ----------
    values : ndarray
    starts : sequence of ndarray of int
        Starts of the blocks along each of the first axes.

    Examples
    --------
    >>> block_sums(np.array([[1, 2, 3], [4, 5, 6]]), [np.array([0]), np.array([0, 2])])
    array([[12,  9]])
    """
    wider = {"uint16": np.uint32, "uint32": np.int64}
    # The last axis comes first: on row-major arrays this takes half the time.
    for axis in reversed(range(len(starts))):
        if len(starts[axis]) < values.shape[axis]:
            dtype = wider.get(values.dtype.name, values.dtype)
            values = np.add.reduceat(values, starts[axis], axis=axis, dtype=dtype)
    return values
