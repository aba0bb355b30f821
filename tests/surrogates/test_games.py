"""A query seen as a game: target values, asked for in chunks."""

import numpy as np

from limelens.engine import Query
from limelens.surrogates import games
from limelens.testing import TableGame, all_coalitions

D = 4
TABLE = np.random.default_rng(0).normal(size=(2**D, 5))
IMAGE, LABELS = np.ones((1, D)), np.arange(D)[np.newaxis]


def query(target):
    model = TableGame(LABELS, TABLE, image=IMAGE, background=0)
    return Query(IMAGE, None, model, np.zeros((1, 1, D)), LABELS, target=target)


def test_values_are_those_of_the_targets():
    values = games.as_game(query([3, 1]))(all_coalitions(D))
    np.testing.assert_array_equal(values, TABLE[:, [3, 1]])


def test_chunks_bound_bits_and_scores_and_change_nothing(monkeypatch):
    whole = games.as_game(query([0]))(all_coalitions(D))
    monkeypatch.setattr(games, "CHUNK_BYTES", 3 * (D + 8 * 5))
    asked = query([0])
    sizes, ask = [], asked.ask

    def counted(coalitions):
        sizes.append(len(coalitions))
        return ask(coalitions)

    asked.ask = counted
    np.testing.assert_array_equal(games.as_game(asked)(all_coalitions(D)), whole)
    assert sizes == [3, 3, 3, 3, 3, 1]
