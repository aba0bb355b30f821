"""Fresh memory for masked batches, aligned so that rows are copied at full speed."""

import math
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Batch

ALIGNMENT = 64
"""Bytes of a cache line: a row that straddles two lines costs both. NumPy aligns to 16 only."""

LARGE_BATCH = 32 * 2**20
"""From this many bytes on, the C library gives freed memory back to the system.

The next fresh array is then slow to write, because the system zeroes each of its pages first.
"""


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an uninitialised array that begins at the start of a cache line.

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
    """Makes arrays that nobody else holds, and reuses the memory of large ones.

    The memory of the last large array is used again as soon as nobody holds it. Every view of an
    array, and whatever else shares its memory, holds a reference to the array that owns the
    memory. So the count of its references says whether the model kept the last batch or a part
    of it.
    """

    def __init__(self) -> None:
        self._owner: NDArray[np.uint8] | None = None

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Batch:
        """Return an uninitialised array, aligned as by `aligned_empty`."""
        n_bytes = dtype.itemsize * math.prod(shape)
        # For one image more, see `with_one_more`: never written to, it costs no memory.
        room = n_bytes // shape[0] if shape[0] > 1 else 0
        if n_bytes < LARGE_BATCH:
            return _aligned(_memory(shape, dtype, room), shape, dtype)
        # Two references are ours: this attribute and the argument of getrefcount.
        if (
            self._owner is None
            or len(self._owner) != n_bytes + ALIGNMENT + room
            or sys.getrefcount(self._owner) > 2
        ):
            self._owner = None  # let go of the old memory before the new one is made
            self._owner = _memory(shape, dtype, room)
        return _aligned(self._owner, shape, dtype)


def with_one_more(batch: Batch, image: NDArray[Any]) -> Batch:
    """Return a batch with one more image at its end, shape (1, *image.shape).

    A batch of `FreshBatches` has room for it, and is not copied.

    Examples
    --------
    >>> batch = FreshBatches().empty((2, 3), np.dtype(np.uint8))
    >>> batch[:] = 7
    >>> longer = with_one_more(batch, np.array([[1, 2, 3]]))
    >>> longer[1:], np.shares_memory(longer, batch)
    (array([[7, 7, 7],
           [1, 2, 3]], dtype=uint8), True)
    """
    owner, n_bytes = batch.base, batch.nbytes + batch[:1].nbytes
    # A part of a batch, which other images may follow, has another owner than one of this size.
    if owner is None or owner.dtype != np.uint8 or owner.shape != (n_bytes + ALIGNMENT,):
        return np.concatenate([batch, image], dtype=batch.dtype)
    longer = _aligned(owner, (len(batch) + 1, *batch.shape[1:]), batch.dtype)
    longer[len(batch) :] = image
    return longer


def _memory(shape: tuple[int, ...], dtype: np.dtype[Any], room: int = 0) -> NDArray[np.uint8]:
    """Return enough bytes for such an array to begin at a cache line, with some room behind it."""
    return np.empty(dtype.itemsize * math.prod(shape) + ALIGNMENT + room, np.uint8)


def _aligned(owner: NDArray[Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """View memory as an array that begins at its first cache line."""
    address, _ = owner.__array_interface__["data"]
    start = -address % ALIGNMENT  # bytes up to the next multiple
    stop = start + dtype.itemsize * math.prod(shape)
    # view() refuses a dtype of Python objects: raw memory holds no valid reference to one.
    return owner[start:stop].view(dtype).reshape(shape)
