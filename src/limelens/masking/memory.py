"""Fresh memory for masked batches, aligned so that rows are copied at full speed."""

import math
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Batch

ALIGNMENT = 64
"""Bytes of a cache line: a row that straddles two costs both. NumPy itself aligns to 16."""

LARGE_BATCH = 32 * 2**20
"""Bytes from which the C library returns freed memory, so that a fresh array costs its zeroing."""


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an array of any content that begins with a cache line.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype
        Any that holds no Python objects.

    Examples
    --------
    >>> array = aligned_empty((2, 3), np.dtype(np.float32))
    >>> array.shape, array.ctypes.data % 64
    ((2, 3), 0)
    """
    return _aligned(_memory(shape, dtype), shape, dtype)


class FreshBatches:
    """Arrays that nobody else holds: in new memory, or in the last large one once it was let go.

    Every view of an array, and whatever else shares its memory, holds a reference to the array
    that owns the memory, so the count of its references says whether the model kept the last
    batch or a part of it.
    """

    def __init__(self) -> None:
        self._owner: NDArray[np.uint8] | None = None

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Batch:
        """Return an array of any content, aligned as by `aligned_empty`."""
        n_bytes = dtype.itemsize * math.prod(shape)
        if n_bytes < LARGE_BATCH:
            return aligned_empty(shape, dtype)
        # two references: ours and that of getrefcount's argument
        if (
            self._owner is None
            or len(self._owner) != n_bytes + ALIGNMENT
            or sys.getrefcount(self._owner) > 2
        ):
            self._owner = None  # before the next one is made
            self._owner = _memory(shape, dtype)
        return _aligned(self._owner, shape, dtype)


def _memory(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[np.uint8]:
    """Return bytes that hold such an array from the first cache line on."""
    return np.empty(dtype.itemsize * math.prod(shape) + ALIGNMENT, np.uint8)


def _aligned(owner: NDArray[Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """View memory as an array from the first cache line on."""
    address, _ = owner.__array_interface__["data"]
    start = -address % ALIGNMENT
    stop = start + len(owner) - ALIGNMENT
    # view() refuses a dtype of Python objects, of which the memory holds none
    return owner[start:stop].view(dtype).reshape(shape)
