"""Coalitions by themselves: all of them, their ends, complements and distinct rows."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Coalitions, Floats

CHUNK_ROWS = 2**16
"""How many coalitions are held at once."""


def both_ends(d: int) -> Coalitions:
    """Return the intact image's coalition and the one that hides everything, shape (2, d)."""
    return np.repeat(np.array([[True], [False]]), d, axis=1)


def coalition_chunks(n_segments: int, rows: int = CHUNK_ROWS) -> Iterator[Coalitions]:
    """List all coalitions, at most `rows` at a time; number r keeps segment j if its bit j is set.

    Examples
    --------
    >>> [chunk.astype(int).tolist() for chunk in coalition_chunks(2, rows=3)]
    [[[0, 0], [1, 0], [0, 1]], [[1, 1]]]
    """
    bits = np.arange(n_segments)
    for start in range(0, 2**n_segments, rows):
        numbers = np.arange(start, min(start + rows, 2**n_segments))
        yield (numbers[:, np.newaxis] >> bits & 1).astype(np.bool_)


def signs(coalitions: Coalitions) -> Floats:
    """Return 1 where kept and -1 where hidden."""
    return np.asarray(2.0 * coalitions - 1.0)


def is_folded(coalitions: Coalitions) -> bool:
    """Tell whether the second half of the rows are the complements of the first, in order."""
    half = len(coalitions) // 2
    return (
        len(coalitions) == 2 * half
        and half > 0
        and bool(np.array_equal(coalitions[half:], ~coalitions[:half]))
    )


def fold(values: Floats) -> Floats:
    """Turn the halves of an array into their sums and differences over the root of 2, or back.

    Examples
    --------
    >>> fold(np.array([3.0, 1.0])).round(3)
    array([2.828, 1.414])
    """
    first, second = np.split(values, 2)
    return np.sqrt(0.5) * np.concatenate([first + second, first - second])


def distinct_rows(coalitions: Coalitions) -> tuple[Coalitions, NDArray[np.intp]]:
    """Return the distinct coalitions, folded if they can be, and where each row went.

    Parameters
    ----------
    coalitions : ndarray of bool, shape (n, d)

    Returns
    -------
    distinct : ndarray of bool, shape (m, d)
        Each once. If with every coalition its complement is there, the second half are the
        complements of the first, which makes all that follows about four times faster.
    positions : ndarray of int, shape (n,)
        ``distinct[positions]`` are the rows given.

    Examples
    --------
    >>> distinct, positions = distinct_rows(np.array([[1, 1], [0, 0], [1, 1]], dtype=bool))
    >>> distinct.astype(int), positions
    (array([[0, 0],
           [1, 1]]), array([1, 0, 1]))
    """
    packed = np.packbits(coalitions, axis=1)
    keys = np.ascontiguousarray(packed).view(f"V{packed.shape[1]}").ravel()
    _, first, positions = np.unique(keys, return_index=True, return_inverse=True)
    positions = positions.ravel().astype(np.intp)
    distinct = coalitions[first]
    half = len(distinct) // 2
    # In sorted order complements stand mirrored: the first row's is the last.
    if len(distinct) == 2 * half and np.array_equal(distinct, ~distinct[::-1]):
        distinct[half:] = distinct[half:][::-1].copy()
        positions = np.where(positions < half, positions, 3 * half - 1 - positions)
    return distinct, positions


def average_rows(values: Floats, positions: NDArray[np.intp], n: int) -> Floats:
    """Return the mean of the rows of values (m, t) that share a position below n, (n, t)."""
    if len(values) == n:
        averaged = np.empty_like(values)
        averaged[positions] = values
        return averaged
    total = np.zeros((n, values.shape[1]))
    np.add.at(total, positions, values)
    return total / np.bincount(positions, minlength=n)[:, np.newaxis]
