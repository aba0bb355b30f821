import warnings
from functools import partial

import numpy as np
import pytest
from sklearn.linear_model import Lasso as SklearnLasso
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from limelens import InvalidInputError, Lasso, LimelensWarning, Ridge
from limelens.surrogates import cosine_distance, kernel_weights
from limelens.surrogates.lasso import _smallest, information_criterion
from limelens.surrogates.lasso_path import lasso_paths
from limelens.surrogates.linear import least_squares, left_out_errors
from limelens.surrogates.moments import weighted_moments


@pytest.fixture
def make_rows(make_rows):
    """Rows of twelve segments, of which the first six matter."""
    return partial(make_rows, n=80, d=12, noise=0.3, curve=np.asarray, n_relevant=6)


@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.2])
def test_a_fixed_penalty_is_scikit_learns(make_rows, alpha):
    rows, scores, weights = make_rows()
    fit = Lasso(alpha, debias=False)(rows, scores, weights)
    for column, coef, intercept in zip(scores.T, fit.importances, fit.intercepts, strict=True):
        expected = SklearnLasso(alpha, tol=1e-14).fit(rows, column, sample_weight=weights)
        np.testing.assert_allclose(coef, expected.coef_, atol=1e-10)
        np.testing.assert_allclose(intercept, expected.intercept_, atol=1e-10)


@pytest.mark.parametrize("alpha", [0.001, 0.05])
def test_a_fixed_penalty_predicts_as_scikit_learn_with_fewer_rows_than_segments(make_rows, alpha):
    # There the coefficients are not unique, but predictions and the penalty paid are.
    rows, scores, weights = make_rows(n=10, d=20, t=1, n_relevant=10)
    fit = Lasso(alpha, debias=False)(rows, scores, weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it wants a tolerance above rounding
        model = SklearnLasso(alpha, tol=1e-14, max_iter=10**5)
        model.fit(rows, scores[:, 0], sample_weight=weights)
    ours = fit.intercepts[0] + rows @ fit.importances[0]
    np.testing.assert_allclose(ours, model.predict(rows), atol=1e-9)
    np.testing.assert_allclose(abs(fit.importances).sum(), abs(model.coef_).sum(), atol=1e-9)


def test_a_penalty_of_zero_is_least_squares(make_rows):
    rows, scores, weights = make_rows()
    fit = Lasso(0, debias=False)(rows, scores, weights)
    expected = Ridge(0)(rows, scores, weights).importances
    np.testing.assert_allclose(fit.importances, expected, atol=1e-10)


@pytest.mark.parametrize("criterion", ["aic", "bic"])
def test_the_criterion_is_least_where_it_was_chosen(make_rows, criterion):
    rows, scores, weights = make_rows(t=1)
    fit = Lasso(criterion=criterion, debias=False)(rows, scores, weights)
    [chosen] = fit.details["alphas"]
    n_rows = weights.sum() ** 2 / (weights**2).sum()

    def value(alpha):
        model = SklearnLasso(alpha, tol=1e-12, max_iter=10**6)
        model.fit(rows, scores[:, 0], sample_weight=weights)
        errors = weights @ (scores[:, 0] - model.predict(rows)) ** 2
        return information_criterion(criterion, errors, np.count_nonzero(model.coef_), n_rows)

    # Just above, the segment that enters at the corner is surely out.
    others = [value(alpha) for alpha in chosen * np.geomspace(0.01, 20, 60)]
    assert value(chosen * (1 + 1e-9)) <= min(others)


@pytest.mark.parametrize("criterion", ["aic", "bic"])
@pytest.mark.parametrize(("n", "noise"), [(60, 1.0), (60, 0.05), (300, 1.0)])
def test_stretches_of_a_path_that_are_skipped_hold_no_better_corner(criterion, n, noise):
    rng = np.random.default_rng(0)
    rows = rng.random((n, 120)) < 0.5
    scores = rows[:, :12] @ rng.normal(size=(12, 1)) + noise * rng.normal(size=(n, 1))
    moments = weighted_moments(rows, scores, np.ones(n))
    [(_, coefs)] = lasso_paths(moments.gram, moments.cross)
    errors = np.square(moments.values - moments.design @ coefs.T).sum(axis=0)
    values = information_criterion(criterion, errors, np.count_nonzero(coefs, axis=1), n)
    assert len(coefs) > 3 * 32  # stretches
    assert _smallest(criterion, moments, 0, coefs) == np.argmin(values) > 0


def test_criteria_by_hand():
    # One segment and two parameters more, ten rows: 3 * 10 / (10 - 3 - 1) = 5.
    errors = np.array([np.e])
    assert information_criterion("aic", errors, np.array([1]), 10.0)[0] == pytest.approx(20)
    expected = 10 + 5 * np.log(10)
    assert information_criterion("bic", errors, np.array([1]), 10.0)[0] == pytest.approx(expected)


def test_a_fit_with_hardly_more_rows_than_segments_is_never_chosen():
    values = information_criterion("aic", np.array([1.0, 1e-30]), np.array([0, 7]), 10.0)
    assert np.isfinite(values[0])
    assert np.isinf(values[1])


def test_debiased_effects_are_least_squares_on_the_chosen_segments(make_rows):
    rows, scores, weights = make_rows()
    fit = Lasso(criterion="bic")(rows, scores, weights)
    for column, coef in zip(scores.T, fit.importances, strict=True):
        support = np.flatnonzero(coef)
        assert 0 < len(support) < rows.shape[1]
        expected = LinearRegression().fit(rows[:, support], column, sample_weight=weights)
        np.testing.assert_allclose(coef[support], expected.coef_, atol=1e-10)


def test_fidelity_leaves_each_row_out_of_the_refit(make_rows):
    rows, scores, weights = make_rows(n=30, d=6, t=1, n_relevant=3)
    fit = Lasso()(rows, scores, weights)
    chosen = rows[:, np.flatnonzero(fit.importances[0])]
    left_out = np.empty(len(rows))
    for i in range(len(rows)):
        rest = np.arange(len(rows)) != i
        model = LinearRegression().fit(chosen[rest], scores[rest, 0], sample_weight=weights[rest])
        left_out[i] = model.predict(chosen[i : i + 1])[0]
    expected = r2_score(scores[:, 0], left_out, sample_weight=weights)
    np.testing.assert_allclose(fit.fidelity, [expected], atol=1e-10)


def test_standard_errors_are_those_of_the_refit_and_of_segments_added_to_it(make_rows):
    rows, scores, weights = make_rows(t=1)
    fit = Lasso(criterion="bic")(rows, scores, weights)
    moments = weighted_moments(rows, scores, weights)
    support = np.flatnonzero(fit.importances[0])
    solved = least_squares(moments, columns=support)
    expected = left_out_errors(moments, support, solved)
    expected[support] = solved.standard_errors[:, 0]
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(fit.standard_errors[0], expected)


def test_without_debiasing_fidelity_leaves_each_row_out_with_segments_and_signs_held(make_rows):
    rows, scores, weights = make_rows(t=1)
    fit = Lasso(0.05, debias=False)(rows, scores, weights)
    chosen = np.flatnonzero(fit.importances[0])
    design = np.column_stack([np.ones(len(rows)), rows[:, chosen]])
    penalty = 0.05 * weights.sum() * np.append(0, np.sign(fit.importances[0, chosen]))
    left_out = np.empty(len(rows))
    for i in range(len(rows)):
        rest = np.arange(len(rows)) != i
        weighted = design[rest].T * weights[rest]
        coefs = np.linalg.solve(weighted @ design[rest], weighted @ scores[rest, 0] - penalty)
        left_out[i] = design[i] @ coefs
    expected = r2_score(scores[:, 0], left_out, sample_weight=weights)
    assert fit.fidelity[0] == pytest.approx(expected, abs=1e-10)
    assert fit.fidelity[0] < fit.training_fidelity[0]


def test_without_debiasing_there_are_no_standard_errors(make_rows):
    assert Lasso(debias=False)(*make_rows()).standard_errors is None


def test_intervals_cover_the_truth_also_where_a_segment_was_left_out():
    rng = np.random.default_rng(3)
    truth = np.array([1, -0.5, 0.2, 0.1, 0, 0, 0, 0])
    hits = []
    for _ in range(150):
        rows = rng.random((200, 8)) < 0.5
        weights = kernel_weights(cosine_distance(rows), 0.25)
        scores = rows @ truth + rng.normal(size=(200,))
        fit = Lasso()(rows, scores, weights)
        hits.append(np.abs(fit.importances - truth) < 1.96 * fit.standard_errors)
    assert 0.93 < np.mean(hits) < 0.975


def test_an_exact_additive_score_is_found_exactly(make_rows):
    rows, _, weights = make_rows(d=6)
    truth = np.array([[0.3, 0, -0.2, 0, 1e-5, 0], [1e-9, 0, 0, 0, 0, 2e-9]])
    fit = Lasso()(rows, 0.1 + rows @ truth.T, weights)
    np.testing.assert_allclose(fit.importances, truth, atol=1e-13)
    assert (fit.fidelity > 1 - 1e-12).all()


def test_bic_keeps_fewer_segments_than_aic(make_rows):
    rows, scores, weights = make_rows(n=300, d=40, noise=2.0, n_relevant=20)
    aic = Lasso()(rows, scores, weights).details["n_selected"]
    bic = Lasso(criterion="bic")(rows, scores, weights).details["n_selected"]
    assert (bic < aic).all()


def test_noise_falls_back_to_ridge_and_says_so():
    rng = np.random.default_rng(3)  # for about half of all seeds AIC finds something in noise
    rows = rng.random((200, 10)) < 0.5
    scores = np.column_stack([rows[:, 0] + 0.1 * rng.random(200), rng.random(200)])
    with pytest.warns(LimelensWarning, match=r"AIC keeps no segment of target 1 \(ridge\)"):
        fit = Lasso()(rows, scores, np.ones(200))
    assert fit.details["chosen_by"] == ["aic", "ridge"]
    expected = Ridge(1)(rows, scores, np.ones(200))
    np.testing.assert_allclose(fit.importances[1], expected.importances[1])
    np.testing.assert_allclose(fit.standard_errors[1], expected.standard_errors[1])
    np.testing.assert_allclose(fit.fidelity[1], expected.fidelity[1])


def test_an_empty_bic_choice_falls_back_to_aic_first():
    rng = np.random.default_rng(3)
    rows = rng.random((200, 10)) < 0.5
    scores = 0.15 * rows[:, 0] + 0.5 * rng.normal(size=200)
    with pytest.warns(LimelensWarning, match=r"BIC keeps no segment of target 0 \(aic\)"):
        fit = Lasso(criterion="bic")(rows, scores, np.ones(200))
    assert fit.details["chosen_by"] == ["aic"]
    np.testing.assert_array_equal(fit.importances, Lasso()(rows, scores, np.ones(200)).importances)


def test_a_fixed_penalty_that_empties_a_target_is_obeyed_and_named(make_rows):
    rows, scores, weights = make_rows()
    scores[:, 1] *= 1e-4
    with pytest.warns(LimelensWarning, match=r"`alpha`=0\.01 keeps no segment of target 1: "):
        fit = Lasso(0.01)(rows, scores, weights)
    assert fit.importances[0].any()
    assert not fit.importances[1].any()
    assert fit.fidelity[1] < 0


def test_the_scale_of_the_scores_changes_nothing_but_the_units(make_rows):
    rows, scores, weights = make_rows()
    fit, tiny = Lasso()(rows, scores, weights), Lasso()(rows, 1e-12 * scores, weights)
    np.testing.assert_allclose(tiny.importances, 1e-12 * fit.importances, rtol=1e-9)
    np.testing.assert_allclose(tiny.standard_errors, 1e-12 * fit.standard_errors, rtol=1e-9)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"alpha": -1}, "`alpha` must be a finite number"),
        ({"criterion": "cp"}, "`criterion` must be one of 'aic', 'bic'"),
        ({"debias": 1}, "`debias` must be True or False"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, words):
    with pytest.raises(InvalidInputError, match=words):
        Lasso(**settings)
