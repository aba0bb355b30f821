"""Rows paid for: from the bytes of a key to a row of scores."""

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Scores


class Ledger:
    """Holds every row of scores that was paid for, and finds it by the bytes of its key.

    Examples
    --------
    >>> ledger = Ledger()
    >>> ledger.extend(np.array([[7], [9]], dtype=np.uint8), np.array([[0.1], [0.2]]))
    >>> ledger.missing(np.array([[9], [8], [8]], dtype=np.uint8))
    array([1])
    >>> ledger.find(np.array([[9]], dtype=np.uint8))
    array([[0.2]])
    """

    def __init__(self) -> None:
        self._rows: dict[bytes, int] = {}
        self._scores: Scores = np.empty((0, 1))
        self._expected = 0

    def __len__(self) -> int:
        return len(self._rows)

    def expect(self, n_rows: int) -> None:
        """Allocate room for this many further rows at once, when the first of them comes."""
        self._expected = len(self) + n_rows

    def extend(self, keys: NDArray[np.uint8], scores: Scores) -> None:
        """Add rows with new keys. The first scores are kept without copying, later ones copied."""
        start, stop = len(self), len(self) + len(keys)
        if start == 0:
            self._scores = scores
        else:
            self._make_room(stop, np.result_type(self._scores, scores))
            self._scores[start:stop] = scores
        self._rows.update(zip(_as_bytes(keys), range(start, stop), strict=True))

    def take_over(self, keys: NDArray[np.uint8], scores: Scores) -> None:
        """Begin with rows of an earlier run, which may have been joined from several."""
        first = self.missing(keys)
        if len(first) < len(keys):
            keys, scores = keys[first], scores[first]
        self.extend(keys, scores)

    def missing(self, keys: NDArray[np.uint8]) -> NDArray[np.intp]:
        """Return the first position of every key that is not in the ledger."""
        last = len(keys) - 1  # from the last to the first, which then stays
        first = dict(zip(reversed(_as_bytes(keys)), range(last, -1, -1), strict=True))
        new = first if self._rows.keys().isdisjoint(first) else first.keys() - self._rows.keys()
        return np.sort(np.fromiter(map(first.__getitem__, new), np.intp, len(new)))

    def find(self, keys: NDArray[np.uint8], columns: Sequence[int] | None = None) -> Scores:
        """Return the scores of keys, which must be in the ledger; optionally some columns only."""
        rows = np.fromiter(map(self._rows.__getitem__, _as_bytes(keys)), np.intp, len(keys))
        if columns is None:
            return self._scores[rows]
        return self._scores[rows[:, np.newaxis], columns]

    def keys(self, width: int) -> NDArray[np.uint8]:
        """Return all keys, in the order of payment."""
        return np.frombuffer(b"".join(self._rows), dtype=np.uint8).reshape(-1, width)

    def scores(self) -> Scores:
        """Return all scores, in the order of payment."""
        if 8 * len(self._scores) > 9 * len(self):  # rows that were expected never came
            self._scores = self._scores[: len(self)].copy()
        return self._scores[: len(self)]

    def _make_room(self, n_rows: int, dtype: np.dtype[Any]) -> None:
        size = len(self._scores)
        if n_rows > size:
            size = max(n_rows, self._expected, size * 9 // 8)  # grows by an eighth: few copies
        if size > len(self._scores) or dtype != self._scores.dtype:
            earlier = self._scores[: len(self)]
            room = np.empty((size, earlier.shape[1]), dtype)
            room[: len(self)] = earlier
            self._scores = room  # only once it is filled: an interrupt may come between two lines


def _as_bytes(keys: NDArray[np.uint8]) -> list[bytes]:
    # tolist() of a void view would give arrays for some widths; struct always gives bytes.
    return [key for (key,) in struct.iter_unpack(f"{keys.shape[1]}s", keys.tobytes())]
