import pickle

import numpy as np
import pytest

from limelens.errors import InvalidInputError
from limelens.results import Samples


def samples(**changes):
    fields = {
        "keys": np.array([[0b10100000, 0b01000000], [0b11111111, 0b11000000]], dtype=np.uint8),
        "scores": np.array([[0.25], [0.75]], dtype=np.float32),
        "n_segments": 10,
        "fingerprint": "of the image",
    }
    return Samples(**(fields | changes))


def test_coalitions_are_the_bits_of_the_keys():
    kept = samples().coalitions
    assert kept.dtype == np.bool_
    assert [np.flatnonzero(row).tolist() for row in kept] == [[0, 2, 9], list(range(10))]


def test_coalitions_packed_again_are_the_keys():
    kept = np.random.default_rng(0).random((7, 21)) < 0.5
    packed = samples(keys=np.packbits(kept, axis=1), scores=np.ones((7, 2)), n_segments=21)
    np.testing.assert_array_equal(packed.coalitions, kept)


def test_rows_of_windows_have_no_coalitions():
    windows = samples(keys=np.zeros((2, 5), np.uint8), n_segments=0)
    with pytest.raises(InvalidInputError, match=r"method that hides windows.*Use `scores`"):
        _ = windows.coalitions


def test_its_length_is_the_number_of_rows():
    assert len(samples()) == 2
    assert len(samples(keys=np.zeros((0, 2), np.uint8), scores=np.zeros((0, 3)))) == 0


def test_its_repr_is_one_line_of_sizes():
    assert repr(samples()) == "<Samples: 2 rows, 10 segments, 1 score columns>"
    assert "no segments" in repr(samples(n_segments=0))


def test_it_survives_pickling():
    copy = pickle.loads(pickle.dumps(samples()))
    np.testing.assert_array_equal(copy.keys, samples().keys)
    assert copy.scores.dtype == np.float32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keys": np.zeros((2, 3), np.uint8)}, r"`keys`.*uint8, of shape \(n, 2\)"),
        ({"keys": np.zeros((2, 2), bool)}, r"`keys`.*uint8.*got bool"),
        ({"keys": [[1, 2]]}, r"`keys` must be a NumPy array"),
        ({"scores": np.zeros((3, 1))}, r"`scores`.*of shape \(2, k\); got float64.*\(3, 1\)"),
        ({"scores": np.zeros(2)}, r"`scores`.*of shape \(2, k\)"),
        ({"scores": np.array([[0.0], [np.nan]])}, r"`scores` must be finite"),
        ({"n_segments": -1}, r"`n_segments` must be an integer >= 0"),
        ({"n_segments": 10.0}, r"`n_segments` must be an integer"),
        ({"fingerprint": b"x"}, r"`fingerprint` must be a string"),
        ({"columns": (0, 1, 2, 3)}, r"`columns`.*of shape"),
        ({"columns": (-1,)}, r"`columns` must be an integer >= 0"),
    ],
)
def test_fields_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(InvalidInputError, match=message):
        samples(**changes)


def test_in_a_notebook_the_first_rows_are_a_table():
    table = samples()._repr_html_()
    assert "<td>0</td><td>3 of 10</td><td>0.25</td>" in table
    assert "&lt;Samples: 2 rows" in table
    many = samples(keys=np.zeros((9, 2), np.uint8), scores=np.zeros((9, 7)))._repr_html_()
    assert many.count("<tr>") == 1 + 5
    assert "score 3" in many
    assert "score 4" not in many
    assert "of 10" not in samples(n_segments=0)._repr_html_()


def test_some_columns_are_named_and_found_by_their_numbers():
    whole = samples(scores=np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    some = whole.only([2, 0])
    assert some.of_column(0).tolist() == whole.of_column(0).tolist() == [1, 4]
    assert some.only([2]).scores.tolist() == [[3], [6]]
    assert "score columns of more" not in repr(whole)
    assert repr(some).endswith("2 score columns of more: 2, 0>")
    assert "<th>score 2</th>" in some._repr_html_()
    with pytest.raises(InvalidInputError, match=r"have scores of, \(2, 0\); got 1"):
        some.of_column(1)
