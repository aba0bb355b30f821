"""Scores that are rounded to a few places: importances of a step are rounding."""

import warnings

import numpy as np
import pytest
from explained import EXPLAINERS, IMAGE

from limelens.engine.coarseness import visible_steps, warn_of_coarse_scores


def hardly_moving(batch, places=None):
    """Return probabilities near 0.5 that change by a few thousandths."""
    scores = 0.5 + 0.03 * batch.reshape(len(batch), -1).std(axis=1)
    return scores if places is None else scores.round(places)


def told(values, *names):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_coarse_scores(values, visible_steps(values), names)
    return [str(each.message) for each in caught]


def test_only_scores_that_move_by_few_steps_are_told():
    steps = np.array([0, 1, 0, 2, 1, 1, 0, 1, 2])
    (message,) = told(np.stack([0.5 + steps / 100, 0.5 + steps / 5432.1], axis=1), "cat", "dog")
    assert "target cat moves by about 0.7 steps of 0.01" in message
    assert told(0.5 + 0.01 * np.arange(20)[:, np.newaxis], "cat") == []  # 5.8 steps
    assert told(steps[:, np.newaxis] / 10, "cat") == []  # of ten votes
    assert told(0.5 + steps[:4, np.newaxis] / 100, "cat") == []  # too few rows to tell


def test_two_different_scores_are_rounded_only_if_they_have_few_decimal_places():
    step = np.arange(9)[:, np.newaxis] % 2
    assert told(0.5 + step / 100, "cat")
    assert not told(0.5 + step / 64, "cat")


def test_scores_of_rules_are_not_rounded():
    values = 0.5 + 0.05 * np.arange(9)[:, np.newaxis]
    assert not told(values[[0] * 7 + [1, 1]], "cat")
    assert not told(values[[0] * 6 + [1, 1, 2]], "cat")
    assert told(values[[0] * 7 + [1, 1]] * 0.2, "cat")  # 0.1 and 0.11
    assert told(values[[0] * 8 + [1]], "cat")  # the hidden image alone is far from all others


ASKING = [name for name in EXPLAINERS if not name.endswith("Gradients") and name != "GradCam"]


@pytest.mark.parametrize("name", ASKING)
def test_every_explainer_tells_of_rounded_scores_and_of_no_others(name):
    def told_of(places):
        model = lambda batch: hardly_moving(batch, places)  # noqa: E731
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            EXPLAINERS[name].explain(IMAGE, model, target=0, rng=0)
        return [str(each.message) for each in caught if "steps of" in str(each.message)]

    assert len(told_of(3)) == 1
    assert not told_of(None)
