"""lime's feature selections and local fit, against refits by scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import Lasso, Ridge

from limelens.compat.lime_base import LimeBase
from limelens.errors import InvalidInputError

METHODS = ["none", "forward_selection", "highest_weights", "lasso_path"]


def base(**settings):
    return LimeBase(lambda distances: np.exp(-distances), random_state=0, **settings)


def problem(seed, *, n=40, d=8, kind="binary"):
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 2, (n, d)) if kind == "binary" else rng.normal(size=(n, d))
    rows[0] = 1
    scores = np.stack([rows @ rng.normal(size=d) + rng.normal(size=n), rng.random(n)], axis=1)
    return rows, scores, rng.random(n)


def greedy(rows, scores, weights, n_features):
    """Forward selection by refitting every candidate."""
    used = []
    for _ in range(n_features):
        left = [each for each in range(rows.shape[1]) if each not in used]
        fits = [Ridge(alpha=0).fit(rows[:, [*used, k]], scores, weights) for k in left]
        r2 = [
            fit.score(rows[:, [*used, k]], scores, weights)
            for fit, k in zip(fits, left, strict=True)
        ]
        used.append(left[int(np.argmax(r2))])
    return used


@pytest.mark.parametrize("kind", ["binary", "any"])
@pytest.mark.parametrize("n_features", [1, 4, 8])
def test_forward_selection_is_that_of_refitting(kind, n_features):
    rows, scores, weights = problem(1, kind=kind)
    found = base().forward_selection(rows, scores[:, 0], weights, n_features)
    np.testing.assert_array_equal(found, greedy(rows, scores[:, 0], weights, n_features))


@pytest.mark.filterwarnings("ignore:.*ill-conditioned")
@pytest.mark.parametrize("seed", range(2))
def test_candidates_equal_but_for_rounding_are_those_of_refitting(seed):
    rows, _, weights = problem(seed, d=7)
    rows[:, 5] = rows[:, 3]
    for scores in (rows[:, 2] - 0.5 * rows[:, 6], np.full(len(rows), 0.3), 1.0 * rows[:, 3]):
        found = base().forward_selection(rows, scores, weights, 4)
        np.testing.assert_array_equal(found, greedy(rows, scores, weights, 4))


@pytest.mark.filterwarnings("ignore:.*ill-conditioned")
@pytest.mark.parametrize("seed", range(3))
def test_columns_that_depend_on_others_come_last_as_in_refitting(seed):
    rows, scores, weights = problem(seed, d=6)
    rows[:, 4], rows[:, 5], rows[:, 2] = rows[:, 0], rows[:, 1], 1
    found = base().forward_selection(rows, scores[:, 0], weights, 6)
    np.testing.assert_array_equal(found, greedy(rows, scores[:, 0], weights, 6))


@pytest.mark.parametrize("seed", range(6))
def test_highest_weights_are_those_of_a_hardly_penalised_ridge(seed):
    rows, scores, weights = problem(seed, n=12)
    weights = weights / 50  # few, light rows: any other penalty gives another order
    rows[0, seed % 8] = 0
    sizes = np.abs(Ridge(alpha=0.01).fit(rows, scores[:, 0], weights).coef_ * rows[0])
    for n_features in (1, 3, 8, 100):
        found = base().feature_selection(rows, scores[:, 0], weights, n_features, "highest_weights")
        np.testing.assert_array_equal(found, np.argsort(-sizes, kind="stable")[:n_features])


def test_highest_weights_that_are_equal_come_in_scikit_learn_s_order():
    rows, _, weights = problem(3)
    rows[:, 5] = rows[:, 1]
    for seed in range(5):
        scores = rows @ np.random.default_rng(seed).integers(-1, 2, 8) * 0.1
        sizes = np.abs(Ridge(alpha=0.01).fit(rows, scores, weights).coef_)
        found = base().feature_selection(rows, scores, weights, 8, "highest_weights")
        np.testing.assert_array_equal(found, np.argsort(-sizes, kind="stable"))


def test_the_lasso_path_is_followed_to_the_last_small_support():
    rows = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    rows = np.concatenate([rows, [[0, 0, 0]]])
    scores, weights = rows @ np.array([1.0, 3.0, -2.0]), np.ones(8)
    for n_features, expected in ((3, [0, 1, 2]), (2, [1, 2]), (1, [1]), (0, [1])):
        found = base().feature_selection(rows, scores, weights, n_features, "lasso_path")
        np.testing.assert_array_equal(found, expected)


def test_a_constant_has_no_lasso_path_so_that_all_take_part():
    rows, _, weights = problem(0)
    found = base().feature_selection(rows, np.ones(40), weights, 2, "lasso_path")
    np.testing.assert_array_equal(found, np.arange(8))


def test_auto_selects_forward_up_to_six():
    rows, scores, weights = problem(5)
    select = base().feature_selection
    for n, method in ((6, "forward_selection"), (7, "highest_weights")):
        expected = select(rows, scores[:, 1], weights, n, method)
        found = select(rows, scores[:, 1], weights, n, "auto")
        np.testing.assert_array_equal(found, expected)
    six = [set(select(rows, scores[:, 1], weights, 6, method)) for method in METHODS[1:3]]
    assert six[0] != six[1]


def test_unknown_methods_are_refused():
    with pytest.raises(
        InvalidInputError, match="`feature_selection` must be one of 'auto', 'none'"
    ):
        base().feature_selection(np.eye(3), np.ones(3), np.ones(3), 3, "lasso")


@pytest.mark.parametrize("kind", ["binary", "any"])
@pytest.mark.parametrize("method", METHODS)
def test_the_fit_is_scikit_learn_s_ridge(method, kind):
    rows, scores, distances = problem(2, kind=kind)
    weights = np.exp(-distances)
    fit = base().explain_instance_with_data(rows, scores, distances, 1, 4, method)
    used = base().feature_selection(rows, scores[:, 1], weights, 4, method)
    ridge = Ridge(alpha=1).fit(rows[:, used], scores[:, 1], weights)
    intercept, exp, score, local_pred = fit
    assert intercept == pytest.approx(ridge.intercept_, abs=1e-12)
    assert score == pytest.approx(ridge.score(rows[:, used], scores[:, 1], weights), abs=1e-12)
    np.testing.assert_allclose(local_pred, ridge.predict(rows[:1, used]), atol=1e-12)
    expected = dict(zip(used, ridge.coef_, strict=True))
    np.testing.assert_allclose([w for _, w in exp], [expected[k] for k, _ in exp], atol=1e-12)
    assert [abs(w) for _, w in exp] == sorted((abs(w) for _, w in exp), reverse=True)


def test_another_regressor_is_fitted_in_place():
    rows, scores, distances = problem(2)
    lasso = Lasso(alpha=0.1)
    _, exp, score, _ = base().explain_instance_with_data(
        rows, scores, distances, 0, 8, "none", model_regressor=lasso
    )
    assert dict(exp) == dict(enumerate(lasso.coef_))
    assert score == lasso.score(rows, scores[:, 0], np.exp(-distances))


def test_a_single_row_of_weight_has_no_slopes():
    rows, scores, _ = problem(2)
    alone = LimeBase(lambda distances: (np.arange(40) == 0).astype(float))
    with np.errstate(all="ignore"):
        intercept, exp, _, _ = alone.explain_instance_with_data(
            rows, scores, np.zeros(40), 0, 8, "none"
        )
    assert intercept == pytest.approx(scores[0, 0])
    assert not np.any([weight for _, weight in exp])


def test_the_random_state_is_taken_as_scikit_learn_does():
    state = np.random.RandomState(3)
    assert LimeBase(np.exp, random_state=state).random_state is state
    assert LimeBase(np.exp).random_state is np.random.mtrand._rand
    with pytest.raises(ValueError, match="cannot be used to seed"):
        LimeBase(np.exp, random_state="three")
