"""Rows paid for: key bytes -> row of scores."""

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Scores
from limelens.errors import PredictionError


class Ledger:
    """Every row of scores that was paid for, found again by the bytes of its key.

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
        self._blocks: list[Scores] = []

    def __len__(self) -> int:
        return len(self._rows)

    def extend(self, keys: NDArray[np.uint8], scores: Scores) -> None:
        """Add rows whose keys are new."""
        for key in _as_bytes(keys):
            self._rows[key] = len(self._rows)
        self._blocks.append(scores)

    def missing(self, keys: NDArray[np.uint8]) -> NDArray[np.intp]:
        """Return the first position of every key that is not in the ledger."""
        first: dict[bytes, int] = {}
        for position, key in enumerate(_as_bytes(keys)):
            if key not in self._rows and key not in first:
                first[key] = position
        return np.fromiter(first.values(), dtype=np.intp, count=len(first))

    def find(self, keys: NDArray[np.uint8]) -> Scores:
        """Return the scores of keys that are all in the ledger."""
        rows = [self._rows[key] for key in _as_bytes(keys)]
        return self.scores()[rows]

    def keys(self, width: int) -> NDArray[np.uint8]:
        """Return all keys, in the order of payment."""
        return np.frombuffer(b"".join(self._rows), dtype=np.uint8).reshape(-1, width)

    def scores(self) -> Scores:
        """Return all scores, in the order of payment."""
        if len(self._blocks) > 1:
            self._blocks = [np.concatenate(self._blocks)]
        return self._blocks[0] if self._blocks else np.empty((0, 1))

    def check_columns(self, n_columns: int) -> None:
        """Refuse a model that changes how many scores it returns."""
        expected = self._blocks[0].shape[1] if self._blocks else n_columns
        if n_columns != expected:
            msg = f"`predict_fn` returned {n_columns} scores an image after returning {expected}."
            raise PredictionError(msg)


def _as_bytes(keys: NDArray[np.uint8]) -> list[bytes]:
    width = keys.shape[1]
    # tolist() of a void view would give arrays for some widths; bytes slices are always bytes.
    raw = keys.tobytes()
    return [raw[start : start + width] for start in range(0, len(raw), width)]
