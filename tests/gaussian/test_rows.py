import numpy as np
import pytest
from scipy.special import softmax

from limelens.gaussian.rows import merge_rows

COALITIONS = np.unique(np.random.default_rng(0).random((40, 6)) < 0.5, axis=0)


def merge(coalitions, scores, targets=(0,), values=None, **settings):
    values = scores[:, list(targets)].astype(np.float64) if values is None else values
    return merge_rows(coalitions, scores, values, targets=targets, **settings)


def make_softmax(n, k=5, seed=0):
    return softmax(2 * np.random.default_rng(seed).normal(size=(n, k)), axis=1)


def test_equal_coalitions_are_one_row_with_the_mean_score():
    coalitions = np.array([[1, 0], [0, 1], [1, 0], [1, 1]], dtype=bool)
    rows = merge(coalitions, np.array([[1.0], [5.0], [3.0], [7.0]]))
    found = {tuple(z): v for z, v in zip(rows.coalitions.tolist(), rows.values[:, 0], strict=True)}
    assert found == {(True, False): 2.0, (False, True): 5.0, (True, True): 7.0}


def test_duplicated_rows_change_nothing():
    scores = make_softmax(len(COALITIONS))
    once, twice = (
        merge(COALITIONS, scores),
        merge(np.tile(COALITIONS, (2, 1)), np.tile(scores, (2, 1))),
    )
    np.testing.assert_array_equal(once.coalitions, twice.coalitions)
    np.testing.assert_allclose(once.scores, twice.scores)


def test_targets_that_are_functions_of_the_scores_are_recognised():
    scores = make_softmax(len(COALITIONS))
    assert merge(COALITIONS, scores, (2,)).columns.tolist() == [2]
    assert merge(COALITIONS, scores, (0,), values=scores[:, [0]] - scores[:, [1]]).columns is None
    assert merge(COALITIONS, scores, (7,), values=scores[:, [0]]).columns is None


def test_inner_rows_are_neither_intact_nor_hidden():
    coalitions = np.array([[1, 1], [0, 1], [0, 0]], dtype=bool)
    rows = merge(coalitions, np.arange(3.0)[:, np.newaxis])
    assert rows.coalitions[rows.inner].tolist() == [[False, True]]
    assert not rows.complete


def test_probabilities_are_told_by_all_scores_of_a_column_target():
    scores = make_softmax(len(COALITIONS))
    scores[0, 1] = -0.1
    assert not merge(COALITIONS, scores).is_probability(0)
    assert merge(COALITIONS, scores, values=scores[:, [0]] / 2).is_probability(0)


@pytest.mark.parametrize(
    ("values", "still"),
    [
        (np.full(9, 0.3), True),
        (np.zeros(9), True),
        (np.ones(9), True),
        (0.3 + 1e-13 * np.arange(9), True),
        (0.3 + 1e-9 * np.arange(9), True),
        (0.3 + 1e-4 * np.arange(9), False),
        (1e-6 * np.arange(1, 10), False),
        (50.0 + 1e-6 * np.arange(9), True),
        (50.0 + 1e-3 * np.arange(9), False),
        (1e-9 * np.linspace(-1, 1, 9), False),
        (1e-30 * np.linspace(-1, 1, 9), False),
        (1e-200 * np.linspace(-1, 1, 9), True),
    ],
)
def test_a_score_that_moves_by_rounding_only_is_still(values, still):
    coalitions = COALITIONS[:9]
    assert merge(coalitions, values[:, np.newaxis]).changes_by_rounding(0) == still


def test_two_rows_say_nothing():
    rows = merge(np.eye(2, dtype=bool), np.array([[0.1], [0.9]]))
    assert rows.changes_by_rounding(0)


def test_saturation_counts_what_is_at_the_edges():
    coalitions = COALITIONS[:8]
    scores = np.array([0.0, 0.0, 1.0, 0.25, 0.5, 0.75, 0.5, 0.5])[:, np.newaxis]
    assert merge(coalitions, scores).saturation(0) == 3 / 8


def test_carriers_are_all_of_a_two_valued_score_and_one_of_an_outlier():
    coalitions = COALITIONS[:20]
    two = merge(coalitions, np.tile([0.2, 0.8], 10)[:, np.newaxis])
    assert two.carriers(0) == pytest.approx(20)
    assert merge(coalitions, np.eye(20)[:, [0]]).carriers(0) == pytest.approx(1, abs=0.15)


def test_float_probabilities_of_three_classes_compete():
    scores = make_softmax(len(COALITIONS))
    assert merge(COALITIONS, scores).competes(0)
    assert merge(COALITIONS, scores.astype(np.float32)).competes(0)


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p[:, :2] / p[:, :2].sum(axis=1, keepdims=True),  # two classes
        lambda p: np.rint(256 * p) / 256,  # 8 bits
        lambda p: 0.9 * p,  # do not sum to 1
        lambda p: np.log(p),  # logits
        lambda p: np.rint(100 * p).astype(np.int64),  # votes
    ],
)
def test_other_scores_do_not(change):
    assert not merge(COALITIONS, change(make_softmax(len(COALITIONS)))).competes(0)


def test_one_exact_zero_among_the_rivals_is_enough_to_stop_it():
    scores = make_softmax(len(COALITIONS))
    scores[3, 4] = 0.0
    scores /= scores.sum(axis=1, keepdims=True)
    assert not merge(COALITIONS, scores).competes(0)


@pytest.mark.parametrize(("factor", "competes"), [(1e-30, True), (1e-45, False)])
def test_a_target_as_good_as_zero_does_not_compete(factor, competes):
    scores = make_softmax(len(COALITIONS))
    scores[:, 0] *= factor
    scores[:, 1] += 1 - scores.sum(axis=1)
    assert merge(COALITIONS, scores).competes(0) == competes


def test_shares_of_fifty_votes_are_a_coarse_lattice():
    rng = np.random.default_rng(0)
    votes = 1 + np.stack([rng.multinomial(45, p) for p in make_softmax(len(COALITIONS))])
    assert not merge(COALITIONS, votes / 50).competes(0)


def test_functions_of_scores_do_not_compete():
    scores = make_softmax(len(COALITIONS))
    assert not merge(COALITIONS, scores, values=scores[:, [0]] ** 2).competes(0)
