import itertools
from functools import partial

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from limelens import InvalidInputError, LimelensWarning, Tree


@pytest.fixture
def make_rows(make_rows):
    """Rows for some branches."""
    return partial(make_rows, n=200)


def test_sizes_are_scikit_learns_impurity_importances(make_rows):
    rows, scores, weights = make_rows()
    fit = Tree(max_depth=4, min_samples_leaf=3)(rows, scores, weights)
    for column, importances, r2, hidden in zip(
        scores.T, fit.importances, fit.training_fidelity, fit.intercepts, strict=True
    ):
        model = DecisionTreeRegressor(max_depth=4, min_samples_leaf=3, random_state=0)
        model.fit(rows, column, sample_weight=weights)
        np.testing.assert_allclose(abs(importances), model.feature_importances_, atol=1e-10)
        assert r2 == pytest.approx(model.score(rows, column, sample_weight=weights))
        assert hidden == pytest.approx(model.predict(np.zeros((1, 6)))[0])


def test_signs_are_those_of_weighted_mean_effects(make_rows):
    rows, scores, weights = make_rows()
    fit = Tree()(rows, scores, weights)
    unsigned = Tree(signed=False)(rows, scores, weights)
    for segment in range(6):
        kept = rows[:, segment]
        effect = np.average(scores[kept], axis=0, weights=weights[kept]) - np.average(
            scores[~kept], axis=0, weights=weights[~kept]
        )
        np.testing.assert_array_equal(np.sign(fit.importances[:, segment]), np.sign(effect))
    np.testing.assert_array_equal(unsigned.importances, abs(fit.importances))
    assert (fit.importances < 0).any()
    np.testing.assert_allclose(unsigned.importances.sum(axis=1), 1)


def test_fidelity_is_that_of_every_fifth_row_left_out(make_rows):
    rows, scores, weights = make_rows(t=1)
    predictions = np.empty(len(rows))
    for fold in range(5):
        test = np.arange(len(rows)) % 5 == fold
        model = DecisionTreeRegressor(max_depth=6, min_samples_leaf=5, random_state=0)
        model.fit(rows[~test], scores[~test, 0], sample_weight=weights[~test])
        predictions[test] = model.predict(rows[test])
    errors = weights @ (scores[:, 0] - predictions) ** 2
    mean = np.average(scores[:, 0], weights=weights)
    expected = 1 - errors / (weights @ (scores[:, 0] - mean) ** 2)
    fit = Tree()(rows, scores, weights)
    np.testing.assert_allclose(fit.fidelity, [expected], atol=1e-10)
    assert fit.fidelity[0] < fit.training_fidelity[0]


def test_an_interaction_is_found_that_no_linear_fit_sees():
    rows = np.array(list(itertools.product([False, True], repeat=3)) * 20)
    both_or_neither = (rows[:, 0] == rows[:, 1]) + 0.01 * rows[:, 0]
    fit = Tree(max_depth=2)(rows, both_or_neither, np.ones(len(rows)))
    assert fit.fidelity[0] > 0.999
    assert fit.importances[0, 2] == 0


def test_rules_name_segments_scores_and_rows():
    rows = np.array([[1, 1], [1, 0], [0, 1], [0, 0]] * 5, dtype=bool)
    scores = np.array([0.9, 0.5, 0.1, 0.1] * 5)
    [rules] = Tree(max_depth=2)(rows, scores, np.ones(20)).details["rules"]
    assert sorted(rules) == [
        "0 hidden: 0.1 (10 rows)",
        "0 kept, 1 hidden: 0.5 (5 rows)",
        "0 kept, 1 kept: 0.9 (5 rows)",
    ]


@pytest.mark.parametrize("scale", [1e-12, 1e9])
def test_the_scale_of_the_scores_changes_nothing(make_rows, scale):
    rows, scores, weights = make_rows()
    fit, scaled = Tree()(rows, scores, weights), Tree()(rows, scale * scores, weights)
    np.testing.assert_allclose(scaled.importances, fit.importances, atol=1e-9)
    np.testing.assert_allclose(scaled.fidelity, fit.fidelity, atol=1e-9)


def test_a_tree_without_a_branch_is_named(make_rows):
    rows, scores, weights = make_rows(n=12)
    with pytest.warns(LimelensWarning, match="tree of target 0, 1 has no branch"):
        fit = Tree(min_samples_leaf=10)(rows, scores, weights)
    assert not fit.importances.any()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_depth": 0}, "`max_depth` must be an integer >= 1"),
        ({"min_samples_leaf": 0.5}, "`min_samples_leaf` must be an integer >= 1"),
        ({"signed": "yes"}, "`signed` must be True or False"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, words):
    with pytest.raises(InvalidInputError, match=words):
        Tree(**settings)
