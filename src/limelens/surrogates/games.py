"""A query seen as a game: coalitions -> target values."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from limelens._typing import Coalitions, Floats

if TYPE_CHECKING:
    from limelens.engine import Query

Game: TypeAlias = Callable[[Coalitions], Floats]
"""Coalitions `(n, d)` -> target values `(n, t)`."""

CHUNK_BYTES = 32 * 2**20
"""What the bits and the scores of coalitions asked about at once may take."""


def as_game(query: "Query") -> Game:
    """Return the game whose value of a coalition is what the query answers for the targets.

    Coalitions are asked about in chunks, so that no copy is made of a thousand scores an image
    where one is explained: besides what the query keeps, memory is O(n · t).
    """
    rows = chunk_rows(query.n_segments, len(query.intact_scores))

    def game(coalitions: Coalitions) -> Floats:
        chunks = (coalitions[start : start + rows] for start in range(0, len(coalitions), rows))
        return np.concatenate([query.values(query.ask(chunk)) for chunk in chunks])

    return game


def chunk_rows(n_segments: int, n_scores: int) -> int:
    """Return how many coalitions are asked about at once.

    Examples
    --------
    >>> chunk_rows(16, n_scores=2), chunk_rows(16, n_scores=1000)
    (1048576, 4185)
    """
    return max(1, CHUNK_BYTES // (n_segments + 8 * n_scores))
