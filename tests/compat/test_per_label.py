"""`PerLabel`: a mapping for code of lime's development version, a number for its release."""

import copy
import json
import math
import pickle

import numpy as np
import pytest

from limelens.compat.per_label import PerLabel
from limelens.errors import InvalidInputError

SCORE = PerLabel({4: 0.25, 9: 0.5})
PREDICTION = PerLabel({4: np.array([0.25]), 9: np.array([0.5])})


def test_it_is_a_mapping_from_label_to_value():
    assert isinstance(SCORE, dict)
    assert SCORE[4] == 0.25
    assert list(SCORE) == [4, 9]
    assert SCORE == {4: 0.25, 9: 0.5}
    assert SCORE != {4: 0.25}
    assert json.loads(json.dumps(SCORE)) == {"4": 0.25, "9": 0.5}
    assert SCORE | {1: 2.0} == {4: 0.25, 9: 0.5, 1: 2.0}


def test_it_is_the_number_of_the_label_fitted_last():
    assert float(SCORE) == 0.5
    assert SCORE == 0.5
    assert SCORE != 0.25
    assert 0.4 < SCORE <= 0.5
    assert 1 - SCORE == 0.5
    assert SCORE * 2 == 2 * SCORE == 1.0
    assert round(SCORE, 1) == 0.5
    assert math.isclose(SCORE, 0.5)
    assert f"{SCORE:.2f}" == "0.50"
    assert "%.2f" % SCORE == "0.50"  # noqa: UP031 - as notebooks do


def test_numpy_reads_it_as_that_number():
    assert np.mean([SCORE, SCORE + 1]) == 1.0
    assert np.round(SCORE / 3, 2) == 0.17
    np.testing.assert_array_equal(np.asarray(PREDICTION), [0.5])
    np.testing.assert_array_equal(PREDICTION - SCORE, [0.0])
    np.testing.assert_array_equal(np.concatenate([PREDICTION, PREDICTION]), [0.5, 0.5])
    assert np.float64(2) * SCORE == 1.0


def test_an_array_of_one_number_is_indexed_by_0_unless_0_is_a_label():
    assert PREDICTION[0] == 0.5
    np.testing.assert_array_equal(PerLabel({0: np.array([0.25]), 9: np.array([0.5])})[0], [0.25])
    with pytest.raises(KeyError):
        PREDICTION[1]
    with pytest.raises(KeyError):
        SCORE[0]


def test_without_labels_there_is_no_number():
    empty = PerLabel()
    assert empty == {}
    assert not empty
    with pytest.raises(InvalidInputError, match="at least one label; none was explained"):
        float(empty)
    with pytest.raises(KeyError):
        empty[0]


def test_copies_are_of_the_same_kind():
    for again in (pickle.loads(pickle.dumps(SCORE)), copy.deepcopy(SCORE)):
        assert isinstance(again, PerLabel)
        assert again == SCORE == 0.5
