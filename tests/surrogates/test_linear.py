import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.metrics import r2_score

from limelens import InvalidInputError, Ridge
from limelens._statistics import weighted_r2
from limelens.surrogates import cosine_distance, kernel_weights
from limelens.surrogates.linear import least_squares, left_out_errors
from limelens.surrogates.moments import weighted_moments


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 30.0])
@pytest.mark.parametrize("shape", [(40, 6), (10, 25)])
def test_ridge_equals_scikit_learns(make_rows, alpha, shape):
    rows, scores, weights = make_rows(*shape)
    fit = Ridge(alpha)(rows, scores, weights)
    expected = SklearnRidge(alpha).fit(rows, scores, sample_weight=weights)
    np.testing.assert_allclose(fit.importances, expected.coef_, atol=1e-10)
    np.testing.assert_allclose(fit.intercepts, expected.intercept_, atol=1e-10)
    r2 = r2_score(scores, expected.predict(rows), sample_weight=weights, multioutput="raw_values")
    np.testing.assert_allclose(fit.training_fidelity, r2, atol=1e-10)


def test_ridge_without_penalty_is_least_squares(make_rows):
    rows, scores, weights = make_rows()
    fit = Ridge(alpha=0)(rows, scores, weights)
    expected = LinearRegression().fit(rows, scores, sample_weight=weights)
    np.testing.assert_allclose(fit.importances, expected.coef_, atol=1e-10)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_fidelity_is_that_of_refits_without_each_row(make_rows, alpha):
    rows, scores, weights = make_rows(n=15, d=4)
    left_out = np.empty_like(scores)
    for i in range(len(rows)):
        rest = np.arange(len(rows)) != i
        model = SklearnRidge(alpha, solver="svd")
        model.fit(rows[rest], scores[rest], sample_weight=weights[rest])
        left_out[i] = model.predict(rows[i : i + 1])
    expected = r2_score(scores, left_out, sample_weight=weights, multioutput="raw_values")
    fit = Ridge(alpha)(rows, scores, weights)
    np.testing.assert_allclose(fit.fidelity, expected, atol=1e-10)
    assert (fit.fidelity < fit.training_fidelity).all()


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_standard_errors_are_the_hc3_sandwich(make_rows, alpha):
    rows, scores, weights = make_rows(n=15, d=4)
    design = np.column_stack([np.ones(len(rows)), rows])
    penalty = alpha * np.diag([0.0, 1, 1, 1, 1])  # the intercept is not penalised
    bread = np.linalg.inv(design.T @ np.diag(weights) @ design + penalty)
    hat = design @ bread @ design.T @ np.diag(weights)
    expected = []
    for column in scores.T:
        deleted = (column - hat @ column) / (1 - np.diag(hat))
        meat = design.T @ np.diag((weights * deleted) ** 2) @ design
        expected.append(np.sqrt(np.diag(bread @ meat @ bread))[1:])
    fit = Ridge(alpha)(rows, scores, weights)
    np.testing.assert_allclose(fit.standard_errors, expected, rtol=1e-9)


def test_left_out_errors_are_those_of_the_segment_added_alone(make_rows):
    rows, scores, weights = make_rows(n=30, d=5, t=1)
    moments = weighted_moments(rows, scores, weights)
    kept = np.array([1, 3])
    solved = least_squares(moments, columns=kept)
    errors = left_out_errors(moments, kept, solved)
    assert np.isnan(errors[kept]).all()
    for added in (0, 2, 4):
        design = np.column_stack([np.ones(len(rows)), rows[:, [1, 3, added]]])
        bread = np.linalg.inv(design.T @ np.diag(weights) @ design)
        meat = design.T @ np.diag((weights * solved.held_out[:, 0]) ** 2) @ design
        expected = np.sqrt((bread @ meat @ bread)[-1, -1])
        np.testing.assert_allclose(errors[added], expected, rtol=1e-9)


@pytest.mark.parametrize("noise", ["even", "grows with the weight"])
def test_intervals_cover_the_truth(noise):
    rng = np.random.default_rng(7)
    truth = np.linspace(-1, 1, 6)
    hits = []
    for _ in range(150):
        rows = rng.random((120, 6)) < 0.5
        weights = kernel_weights(cosine_distance(rows), 0.25)
        spread = 1.0 if noise == "even" else 0.2 + 3 * weights
        scores = rows @ truth + spread * rng.normal(size=len(rows))
        fit = Ridge(alpha=0)(rows, scores[:, np.newaxis], weights)
        hits.append(np.abs(fit.importances - truth) < 1.96 * fit.standard_errors)
    assert 0.93 < np.mean(hits) < 0.975


def test_equal_columns_share_their_effect(make_rows):
    rows, scores, weights = make_rows(d=3)
    doubled = np.column_stack([rows, rows[:, 0]])
    single = Ridge(alpha=0)(rows, scores, weights).importances
    shared = Ridge(alpha=0)(doubled, scores, weights).importances
    np.testing.assert_allclose(shared[:, 0], shared[:, 3], atol=1e-10)
    np.testing.assert_allclose(shared[:, 0] + shared[:, 3], single[:, 0], atol=1e-10)


def test_a_segment_that_is_never_toggled_has_no_effect_and_no_error_bar(make_rows):
    rows, scores, weights = make_rows()
    rows[:, 2] = True
    fit = Ridge()(rows, scores, weights)
    np.testing.assert_allclose(fit.importances[:, 2], 0, atol=1e-15)
    assert np.isnan(fit.standard_errors[:, 2]).all()
    assert np.isfinite(np.delete(fit.standard_errors, 2, axis=1)).all()


def test_rows_that_determine_the_fit_leave_no_fidelity():
    rows = np.eye(4, dtype=bool)
    fit = Ridge(alpha=0)(rows, np.arange(4.0), np.ones(4))
    assert np.isfinite(fit.importances).all()
    assert np.isnan(fit.fidelity).all()
    assert np.isnan(fit.standard_errors).all()


def test_weighted_r2_is_scikit_learns(make_rows):
    _, scores, weights = make_rows()
    predictions = 0.9 * scores + 0.1
    expected = r2_score(scores, predictions, sample_weight=weights, multioutput="raw_values")
    np.testing.assert_allclose(weighted_r2(scores, predictions, weights), expected, atol=1e-12)


def test_effective_rows_are_kishs():
    moments = weighted_moments(np.eye(3, dtype=bool), np.arange(3.0), np.array([1.0, 1.0, 2.0]))
    assert moments.effective_rows == pytest.approx(16 / 6)


@pytest.mark.parametrize("alpha", [-1, np.inf, "1", None, True])
def test_a_penalty_that_is_no_number_is_refused(alpha):
    with pytest.raises(InvalidInputError, match="`alpha` must be a finite number"):
        Ridge(alpha)


def test_columns_may_come_in_any_order(make_rows):
    moments = weighted_moments(*make_rows())
    order = np.array([3, 0, 5, 1, 4, 2])
    fit, other = (least_squares(moments, columns=columns) for columns in (np.arange(6), order))
    np.testing.assert_allclose(other.coefs, fit.coefs[order], atol=1e-12)
    np.testing.assert_allclose(other.mapper, fit.mapper[order], atol=1e-12)
    np.testing.assert_allclose(other.held_out, fit.held_out, atol=1e-12)
