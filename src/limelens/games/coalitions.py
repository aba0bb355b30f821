"""Coalitions by themselves: all of them, their ends, complements and distinct rows."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Coalitions, Floats

CHUNK_ROWS = 2**16
"""Most coalitions held at once."""


def both_ends(d: int) -> Coalitions:
    """Return the intact image's coalition and the one that hides everything, shape (2, d)."""
    return np.repeat(np.array([[True], [False]]), d, axis=1)


def coalition_chunks(n_segments: int, rows: int = CHUNK_ROWS) -> Iterator[Coalitions]:
    """Yield all coalitions, `rows` at a time; coalition r keeps segment j if bit j of r is set.

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
    """Return 1 where kept and -1 where hidden.

    Examples
    --------
    >>> signs(np.array([True, False]))
    array([ 1., -1.])
    """
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
    """Return the sums and the differences of an array's halves, both divided by the root of 2.

    Folding twice gives the array back, and lengths do not change: the map is orthogonal.

    Examples
    --------
    >>> fold(np.array([3.0, 1.0])).round(3)
    array([2.828, 1.414])
    """
    half = len(values) // 2
    first, second = values[:half], values[half:]
    return np.sqrt(0.5) * np.concatenate([first + second, first - second])


def distinct_rows(coalitions: Coalitions) -> tuple[Coalitions, NDArray[np.intp]]:
    """Return the distinct coalitions, folded where possible, and where each row is among them.

    Parameters
    ----------
    coalitions : ndarray of bool, shape (n, d)

    Returns
    -------
    distinct : ndarray of bool, shape (m, d)
        Each coalition once. If the complement of every coalition is among them, the second half
        holds the complements of the first half, in order. The process is then fitted to an even
        and an odd half apart, about four times faster.
    positions : ndarray of int, shape (n,)
        ``distinct[positions]`` gives the rows back.

    Examples
    --------
    >>> distinct, positions = distinct_rows(np.array([[1, 1], [0, 0], [1, 1]], dtype=bool))
    >>> distinct.astype(int), positions
    (array([[0, 0],
           [1, 1]]), array([1, 0, 1]))
    """
    # Rows as strings of bytes: `np.unique` sorts them like binary numbers, the first bit highest.
    packed = np.packbits(coalitions, axis=1)
    keys = np.ascontiguousarray(packed).view(f"V{packed.shape[1]}").ravel()
    _, first, positions = np.unique(keys, return_index=True, return_inverse=True)
    positions = positions.ravel().astype(np.intp)
    distinct = coalitions[first]
    half = len(distinct) // 2
    # Complements reverse the order, so that they stand mirrored: the first row's is the last.
    if len(distinct) == 2 * half and np.array_equal(distinct, ~distinct[::-1]):
        # Reversing the second half takes row p there to half + (2 half - 1 - p).
        distinct[half:] = distinct[half:][::-1].copy()
        positions = np.where(positions < half, positions, 3 * half - 1 - positions)
    return distinct, positions


def average_rows(values: Floats, positions: NDArray[np.intp], n: int) -> Floats:
    """Return, for each position below n, the mean of its rows of values (m, t), shape (n, t)."""
    if len(values) == n:  # one row for each position: nothing to average
        averaged = np.empty_like(values)
        averaged[positions] = values
        return averaged
    total = np.zeros((n, values.shape[1]))
    np.add.at(total, positions, values)
    return total / np.bincount(positions, minlength=n)[:, np.newaxis]
