"""Anchors: exactly the conjunction, honest bounds, few calls."""

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError
from limelens.testing import Recorder, TableGame

SHAPE = (2, 5)
LABELS = np.arange(10).reshape(SHAPE)
IMAGE = np.ones(SHAPE)


def conjunction(*members):
    """1 while all members are seen, else 0."""
    return lambda batch: batch.reshape(len(batch), -1)[:, list(members)].prod(axis=1)


def anchors(**settings):
    return ll.Anchors(segmenter=ll.LabelImage(LABELS), fill=ll.Constant(0), **settings)


@pytest.mark.parametrize("members", [(3,), (0, 7), (1, 4, 8)])
@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_conjunction_is_found_exactly(members, beam_size):
    found = anchors(beam_size=beam_size).explain(IMAGE, conjunction(*members), rng=0)
    np.testing.assert_array_equal(np.flatnonzero(found.importances[0]), members)
    assert found.details["success"].all()
    assert found.details["precision"][0] == 1
    assert found.details["precision_low"][0] >= 0.95
    assert found.details["coverage"][0] == 0.5 ** len(members)
    assert found.details["holding"][0][:, list(members)].all()
    assert str(list(members)) in found.details["messages"][0]


def test_conjunctions_of_two_classes_are_found_by_argmax():
    def predict(batch):
        p = 0.1 + 0.8 * conjunction(2, 6)(batch)
        return np.stack([1 - p, p], axis=1)

    found = anchors().explain(IMAGE, predict, target=[1, 0], rng=0)
    for row in (0, 1):  # what makes it class 1 is what keeps it from being class 0
        np.testing.assert_array_equal(np.flatnonzero(found.importances[row]), [2, 6])


def test_a_callable_target_is_compared_with_the_score_threshold():
    model = lambda batch: batch.reshape(len(batch), -1) * 3  # noqa: E731
    found = anchors(score_threshold=5.0).explain(
        IMAGE, model, target=lambda scores: scores[:, 1] + scores[:, 9], rng=0
    )
    np.testing.assert_array_equal(np.flatnonzero(found.importances[0]), [1, 9])


def test_values_of_dense_outputs_are_compared_with_the_score_threshold_too():
    def dense(batch):  # (n, 2, 5, 2); argmax would always choose the second of two values
        return np.stack([batch * 3, batch * 30], axis=-1)

    def two_values(scores):
        return np.stack([scores[:, 0, 1, 0] + scores[:, 1, 4, 0], scores[:, 0, 2, 1]], axis=1)

    found = anchors(score_threshold=5.0).explain(IMAGE, dense, target=two_values, rng=0)
    assert [np.flatnonzero(row).tolist() for row in found.importances] == [[1, 9], [2]]


def test_a_prediction_that_always_holds_has_the_empty_anchor():
    found = anchors().explain(IMAGE, lambda batch: 0.9 + 0.01 * batch.mean(axis=(1, 2)), rng=0)
    assert not found.importances.any()
    assert found.details["success"].all()
    assert found.details["coverage"][0] == 1
    assert "whatever is hidden" in found.details["messages"][0]


def test_a_spent_budget_says_so_and_returns_the_best_found():
    found = anchors(max_samples=150).explain(IMAGE, conjunction(0, 2, 4, 6, 8), rng=0)
    assert not found.details["success"].any()
    assert "No anchor was proven with 150 draws" in found.details["messages"][0]
    assert found.details["n_draws"][0] == 150
    assert found.n_predictions <= 152


def test_precision_bounds_hold_in_nineteen_of_twenty_runs():
    """A noisy table: precision of every anchor is known by enumeration."""
    table = (np.random.default_rng(0).random(2**6) < 0.85).astype(float)
    codes = np.arange(64)[:, np.newaxis] >> np.arange(6) & 1
    labels = np.arange(6).reshape(1, 6)
    table[(codes[:, 1] == 0) & (np.arange(64) % 3 > 0)] = 0
    table[-1] = table[0b111111] = 1
    game = TableGame(labels, table, image=np.ones((1, 6)), background=0)
    rows = codes.astype(bool)
    truth = game.on_coalitions(rows)
    explainer = ll.Anchors(
        segmenter=ll.LabelImage(labels), fill=ll.Constant(0), threshold=0.8, n_pull=60
    )
    first = explainer.explain(np.ones((1, 6)), game, rng=0)
    inside = []
    for seed in range(200):
        found = explainer.explain(np.ones((1, 6)), game, rng=seed, reuse=first)
        chosen = rows[:, found.importances[0] > 0].all(axis=1)
        low, high = found.details["precision_low"][0], found.details["precision_high"][0]
        inside.append(low <= truth[chosen].mean() <= high)
    assert np.mean(inside) >= 0.95


def test_the_search_asks_less_than_sampling_every_candidate():
    """Judging all 10 single and 9 double candidates costs 19 times what judging one does."""
    model = Recorder(conjunction(0, 7))
    found = anchors().explain(IMAGE, model, rng=0)
    one = found.details["paths"][0][-1]["n"]
    assert found.details["n_draws"][0] < 19 * one
    assert model.n_images < found.details["n_draws"][0]  # equal coalitions are sent once


def test_the_path_is_kept_in_order():
    path = anchors().explain(IMAGE, conjunction(0, 7), rng=0).details["paths"][0]
    assert [len(step["anchor"]) for step in path] == [0, 1, 2]
    assert all(step["low"] <= step["precision"] <= step["high"] for step in path)


def test_saturated_evidence_needs_only_part_of_it():
    weights = np.zeros(10)
    weights[[2, 5, 8]] = 6.0

    def predict(batch):
        return 1 / (1 + np.exp(-(batch.reshape(len(batch), -1) @ weights - 3)))

    found = anchors().explain(IMAGE, predict, rng=0)
    members = set(np.flatnonzero(found.importances[0]))
    assert len(members) == 1
    assert members < {2, 5, 8}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"threshold": 1.0}, "`threshold` must be a finite number"),
        ({"delta": 0}, "`delta` must be a finite number"),
        ({"tolerance": 0}, "`tolerance` must be a finite number"),
        ({"p_keep": 1}, "`p_keep` must be a finite number"),
        ({"beam_size": 0}, "`beam_size` must be an integer >= 1"),
        ({"max_samples": 0}, "`max_samples` must be an integer >= 1"),
    ],
)
def test_settings_are_checked_at_once(settings, words):
    with pytest.raises(InvalidInputError, match=words):
        ll.Anchors(**settings)
