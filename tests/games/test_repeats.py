import numpy as np
import pytest

from limelens.games.repeats import answer_variance
from limelens.testing import all_coalitions

COALITIONS = all_coalitions(6)
TRUE = COALITIONS @ np.arange(12.0).reshape(6, 2)


def test_a_model_that_answers_the_same_twice_is_asked_for_both_ends_only():
    asked = []

    def again(coalitions):
        asked.append(coalitions)
        return coalitions @ np.arange(12.0).reshape(6, 2) * (1 + 1e-9)  # rounding

    assert answer_variance(again, COALITIONS, TRUE).tolist() == [0, 0]
    assert len(asked) == 1
    assert asked[0].sum(axis=1).tolist() == [6, 0]


def test_the_variance_of_one_answer_is_found_for_each_target_that_has_one():
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)

        def answer(coalitions, rng=rng):
            values = coalitions @ np.arange(12.0).reshape(6, 2)
            values[:, 0] += rng.normal(0, 3, len(values))
            return values

        found.append(answer_variance(answer, COALITIONS, answer(COALITIONS)))
    variance = np.mean(found, axis=0)
    assert variance[1] == 0
    assert variance[0] == pytest.approx(9 * 1.08**2, rel=0.15)  # Student's t of 16 differences


def test_another_last_place_of_half_precision_is_no_chance():
    values = np.random.default_rng(0).random((16, 1)).astype(np.float16).astype(float)
    coalitions = (np.arange(16)[:, np.newaxis] >> np.arange(4) & 1).astype(bool)
    ends = values[[-1, 0]]
    assert not answer_variance(lambda z: ends + 2.0**-11, coalitions, values).any()
