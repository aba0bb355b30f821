"""Anchors: exactly the conjunction, honest bounds, few calls."""

import re

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError, LimelensWarning
from limelens.sampling.kl_lucb import _farthest, confidence_bounds
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


def test_bounds_pay_for_every_look_at_every_judged_candidate():
    path = (
        anchors(n_pull=10, delta=0.2).explain(IMAGE, conjunction(0, 7), rng=0).details["paths"][0]
    )
    for number, step in enumerate(path, 1):
        looks = step["n"] // 10
        level = np.log(number * (number + 1) * looks * (looks + 1) / 0.2)
        mean, count = np.array([step["precision"]]), np.array([step["n"]])
        low, high = confidence_bounds(mean, count, level)
        assert (step["low"], step["high"]) == (low[0], high[0])


@pytest.mark.parametrize("p_keep", [0.2, 0.9])
def test_other_segments_are_kept_with_chance_p_keep(p_keep):
    found = anchors(p_keep=p_keep, n_pull=100).explain(IMAGE, conjunction(3), rng=0)
    empty = found.details["paths"][0][0]
    assert abs(empty["precision"] - p_keep) < 4 * np.sqrt(p_keep * (1 - p_keep) / empty["n"])
    assert found.details["coverage"][0] == p_keep


def test_both_candidates_of_a_round_are_asked_in_one_call():
    seen = Recorder(conjunction(3, 8))
    found = anchors().explain(IMAGE, seen, rng=0, batch_size=64)
    assert set(found.details["paths"][0][-1]["anchor"]) == {3, 8}
    assert max(seen.batch_sizes) > 20 == anchors().n_pull


def test_candidates_start_with_the_draws_that_fit_them():
    """Ten candidates of which none needs a first pull of its own."""
    found = anchors(n_pull=100).explain(IMAGE, conjunction(3), rng=0)
    judged = sum(step["n"] for step in found.details["paths"][0])
    assert found.details["n_draws"][0] - judged < 10 * 100


def test_a_precision_at_the_threshold_does_not_take_the_whole_budget():
    """Three of four coalitions hold: exactly the threshold, which no bound can decide."""
    labels = np.array([[0, 1]])
    game = TableGame(labels, [1.0, 0.0, 1.0, 1.0], image=np.ones((1, 2)), background=0)
    explainer = ll.Anchors(
        segmenter=ll.LabelImage(labels), fill=ll.Constant(0), threshold=0.75, tolerance=0.3
    )
    path = explainer.explain(np.ones((1, 2)), game, rng=0).details["paths"][0]
    assert path[0]["high"] - path[0]["low"] < 0.1
    assert path[0]["low"] < 0.75 < path[0]["high"]
    assert path[0]["n"] < 4000


def test_without_success_the_highest_lower_bound_wins_not_a_lucky_few():
    """Nine of ten coalitions hold whatever is kept; the last candidate gets few draws."""

    def nine_of_ten(batch):
        codes = batch.reshape(len(batch), -1) @ 3 ** np.arange(10.0)
        return ((codes - (3**10 - 1) / 2) % 11 != 5).astype(float)

    lucky = 0
    for max_samples in (340, 500, 680):
        found = anchors(max_samples=max_samples).explain(IMAGE, nine_of_ten, rng=1)
        assert not found.details["success"][0]
        path = found.details["paths"][0]
        best = max(path, key=lambda step: step["low"])
        assert found.details["precision_low"][0] == best["low"]
        lucky += max(step["precision"] for step in path) > best["precision"]
    assert lucky > 0


def test_a_prediction_that_always_holds_has_the_empty_anchor():
    found = anchors().explain(IMAGE, lambda batch: 0.9 + 0.0123 * batch.mean(axis=(1, 2)), rng=0)
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


def test_of_several_proven_anchors_the_surest_is_returned():
    def either(batch):  # 0 suffices always, 5 and 7 nearly always
        seen = batch.reshape(len(batch), -1)
        nearly = np.maximum(seen[:, 5], seen[:, 7]) * (1 - seen[:, 1:5].prod(axis=1))
        return np.maximum(seen[:, 0], nearly)

    for seed in range(2):
        found = anchors(beam_size=3, threshold=0.9).explain(IMAGE, either, rng=seed)
        path = found.details["paths"][0]
        proven = [step["low"] for step in path if step["low"] >= 0.9]
        assert len(proven) > 1
        assert found.details["precision_low"][0] == max(proven)


def test_examples_are_few_and_what_they_are_said_to_be():
    found = anchors(max_samples=150).explain(IMAGE, conjunction(0, 2, 4, 6), rng=0)
    holding, failing = found.details["holding"][0], found.details["failing"][0]
    assert 0 < len(holding) <= 8
    assert 0 < len(failing) <= 8
    surely = anchors().explain(IMAGE, conjunction(3), rng=0).details
    assert (len(surely["holding"][0]), len(surely["failing"][0])) == (8, 0)
    members = np.flatnonzero(found.importances[0])
    for rows, answer in ((holding, True), (failing, False)):
        assert rows[:, members].all()
        np.testing.assert_array_equal(rows[:, [0, 2, 4, 6]].all(axis=1), answer)


def test_a_score_at_the_threshold_is_not_above_it():
    model = lambda batch: batch[:, 0, 0] / 2  # noqa: E731
    assert not anchors().explain(IMAGE, model, rng=0).importances.any()


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


@pytest.mark.parametrize("beam_size", [1, 2])
def test_a_rule_that_needs_every_segment_is_found(beam_size):
    explainer = ll.Anchors(
        segmenter=ll.Grid(cell=(1, 1)), fill=ll.Constant(0), beam_size=beam_size, p_keep=0.7
    )
    found = explainer.explain(np.ones((2, 2)), conjunction(0, 1, 2, 3), rng=0)
    assert found.details["success"].all()
    np.testing.assert_array_equal(found.importances, [[1, 1, 1, 1]])


@pytest.mark.parametrize("level", [0.1, 3.0, 9.0])
def test_the_farthest_bound_is_that_of_all_bounds(level):
    rng = np.random.default_rng(0)
    for _ in range(50):
        counts = rng.integers(0, rng.choice([3, 50, 5000]), 30)
        means = rng.binomial(counts, rng.random(30)) / np.maximum(counts, 1)
        low, high = confidence_bounds(means, counts, level)
        assert _farthest(means, counts, level, 0.0) == (np.argmin(low), low.min())
        assert _farthest(means, counts, level, 1.0) == (np.argmax(high), high.max())


def test_a_random_model_is_said_to_repeat_itself_so_often():
    draw = np.random.default_rng(0).normal

    def wavering(batch):
        return batch[:, 0, 0] + draw(0, 0.6, len(batch))

    explainer = ll.Anchors(
        segmenter=ll.Grid(cell=(1, 1)), fill=ll.Constant(0), max_samples=400, score_threshold=0.5
    )
    with pytest.warns(LimelensWarning, match="at random"):
        found = explainer.explain(np.ones((1, 3)), wavering, rng=0)
    words = found.details["messages"][0]
    assert re.search(r"at random: \d of 6 answers to the intact image itself are this", words)
    # of three segments there are eight coalitions: each is asked once, and tells once
    assert found.details["precision_high"][0] - found.details["precision_low"][0] > 0.5


def test_draws_of_the_same_coalition_count_where_nothing_is_random():
    explainer = ll.Anchors(
        segmenter=ll.Grid(cell=(1, 1)), fill=ll.Constant(0), max_samples=400, score_threshold=0.5
    )
    found = explainer.explain(np.ones((1, 3)), lambda batch: batch[:, 0, 0], rng=0)
    assert found.details["precision_low"][0] > 0.9
