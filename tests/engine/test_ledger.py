"""Rows paid for, kept in room that grows."""

import numpy as np
import pytest

from limelens.engine.ledger import Ledger


def keys(*numbers):
    return np.array(numbers, dtype=np.uint8)[:, np.newaxis]


@pytest.mark.parametrize("expected", [0, 2, 7, 250])
def test_rows_are_found_again_however_many_were_expected(expected):
    scores = np.random.default_rng(0).random((250, 3)).astype(np.float32)
    ledger = Ledger()
    ledger.expect(expected)
    for start in range(0, 250, 7):
        part = slice(start, min(start + 7, 250))
        ledger.extend(keys(*range(250)[part]), scores[part])
    assert len(ledger) == 250
    assert ledger.scores().dtype == np.float32
    np.testing.assert_array_equal(ledger.scores(), scores)
    np.testing.assert_array_equal(ledger.find(keys(249, 0, 7)), scores[[249, 0, 7]])
    np.testing.assert_array_equal(ledger.find(keys(8, 6), (2, 0)), scores[[8, 6]][:, [2, 0]])


def test_what_was_read_does_not_change_with_what_comes():
    ledger = Ledger()
    ledger.expect(3)
    ledger.extend(keys(1, 2), np.array([[0.1], [0.2]]))
    read = ledger.scores()
    ledger.extend(keys(3), np.array([[0.3]]))
    ledger.extend(keys(4), np.array([[0.4]]))
    np.testing.assert_array_equal(read, [[0.1], [0.2]])


def test_further_rows_are_copied():
    buffer, ledger = np.array([[1.0]]), Ledger()
    ledger.extend(keys(0), np.array([[0.5]]))
    ledger.extend(keys(1), buffer)
    buffer[:] = 9
    np.testing.assert_array_equal(ledger.scores(), [[0.5], [1]])


def test_what_is_expected_is_made_room_for_once():
    ledger = Ledger()
    ledger.extend(keys(0, 1), np.ones((2, 1)))
    ledger.expect(100)
    ledger.extend(keys(2), np.ones((1, 1)))
    room = ledger._scores
    for number in range(3, 102):
        ledger.extend(keys(number), np.ones((1, 1)))
    assert ledger._scores is room
    assert len(room) == 102


def test_room_grows_seldom_where_nothing_is_expected():
    ledger, rooms = Ledger(), []
    for number in range(250):
        ledger.extend(keys(number), np.ones((1, 1)))
        if not rooms or ledger._scores is not rooms[-1]:
            rooms.append(ledger._scores)
    assert len(rooms) < 50
    assert len(rooms[-1]) < 285


def test_room_that_is_not_needed_is_given_back():
    ledger = Ledger()
    ledger.extend(keys(0), np.ones((1, 1)))
    ledger.expect(1000)
    ledger.extend(keys(1), np.full((1, 1), 2.0))
    assert ledger.scores().base is None or len(ledger.scores().base) == 2
    ledger.extend(keys(2), np.full((1, 1), 3.0))
    np.testing.assert_array_equal(ledger.scores(), [[1], [2], [3]])


def test_numbers_of_several_types_lose_nothing():
    ledger = Ledger()
    ledger.extend(keys(1), np.array([[30001]], dtype=np.int16))
    ledger.extend(keys(2), np.array([[0.25]], dtype=np.float16))
    ledger.extend(keys(3), np.array([[1e-9]]))
    np.testing.assert_array_equal(ledger.scores(), [[30001], [0.25], [1e-9]])


def test_rows_taken_over_twice_are_one_row():
    scores = np.array([[0.1], [0.2], [0.1]])
    ledger = Ledger()
    ledger.take_over(keys(1, 2, 1), scores)
    ledger.expect(1)
    ledger.extend(keys(3), np.array([[0.3]]))
    np.testing.assert_array_equal(ledger.scores(), [[0.1], [0.2], [0.3]])
    np.testing.assert_array_equal(scores, [[0.1], [0.2], [0.1]])


def test_an_interrupt_while_room_is_made_leaves_every_row_as_it_was(monkeypatch):
    ledger = Ledger()
    ledger.extend(keys(1, 2), np.array([[0.1], [0.2]]))
    before = ledger.scores().copy()

    class Interrupting(np.ndarray):
        def __setitem__(self, where, values):
            raise KeyboardInterrupt

    empty = np.empty
    monkeypatch.setattr(np, "empty", lambda *shape: empty(*shape).view(Interrupting))
    with pytest.raises(KeyboardInterrupt):
        ledger.extend(keys(3), np.array([[0.3]]))
    np.testing.assert_array_equal(ledger.scores(), before)
    np.testing.assert_array_equal(ledger.find(keys(2, 1)), [[0.2], [0.1]])


def test_what_is_missing_comes_in_order_and_once():
    ledger = Ledger()
    ledger.extend(keys(3), np.array([[0.1]]))
    np.testing.assert_array_equal(ledger.missing(keys(5, 4, 3, 5, 4, 1)), [0, 1, 5])
