from functools import partial

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import BayesianRidge, LinearRegression, SGDRegressor
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVR

from limelens import InvalidInputError, Regressor, Ridge
from limelens.surrogates.regressor import held_out_r2


@pytest.fixture
def make_rows(make_rows):
    """Rows of five segments."""
    return partial(make_rows, d=5)


def test_a_linear_regressor_gives_its_coefficients(make_rows):
    rows, scores, weights = make_rows()
    fit = Regressor(SklearnRidge(alpha=1))(rows, scores, weights)
    ours = Ridge(1)(rows, scores, weights)
    np.testing.assert_allclose(fit.importances, ours.importances, atol=1e-10)
    np.testing.assert_allclose(fit.intercepts, ours.intercepts, atol=1e-10)
    np.testing.assert_allclose(fit.training_fidelity, ours.training_fidelity, atol=1e-10)
    np.testing.assert_allclose(fit.fidelity, ours.fidelity, atol=0.05)
    assert fit.standard_errors is None
    assert fit.details == {"regressor": "Ridge(alpha=1)"}


def test_fidelity_is_that_of_every_fifth_row_left_out(make_rows):
    rows, scores, weights = make_rows(t=1)
    predictions = np.empty(len(rows))
    for fold in range(5):
        test = np.arange(len(rows)) % 5 == fold
        model = LinearRegression().fit(rows[~test], scores[~test, 0], weights[~test])
        predictions[test] = model.predict(rows[test])
    mean = np.average(scores[:, 0], weights=weights)
    total = weights @ (scores[:, 0] - mean) ** 2
    expected = 1 - weights @ (scores[:, 0] - predictions) ** 2 / total
    design = rows.astype(float)
    found = held_out_r2(LinearRegression, design, scores[:, 0], weights)
    assert found == pytest.approx(expected, abs=1e-10)


def test_a_forest_gives_its_importances_and_the_same_ones_again(make_rows):
    rows, scores, weights = make_rows()
    surrogate = Regressor(RandomForestRegressor(n_estimators=5))
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    fit, again = surrogate(rows, scores, weights), surrogate(rows, scores, weights)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    np.testing.assert_array_equal(fit.importances, again.importances)
    np.testing.assert_allclose(fit.importances.sum(axis=1), 1)


def test_a_seed_of_the_callers_is_kept(make_rows):
    rows, scores, weights = make_rows(t=1)
    fits = [
        Regressor(RandomForestRegressor(n_estimators=3, random_state=seed))(rows, scores, weights)
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(fits[0].importances, fits[1].importances)
    assert (fits[0].importances != fits[2].importances).any()


def test_the_callers_regressor_is_never_fitted(make_rows):
    regressor = BayesianRidge()
    Regressor(regressor)(*make_rows())
    assert not hasattr(regressor, "coef_")


def test_a_matrix_of_one_row_of_coefficients_is_taken(make_rows):
    rows, scores, weights = make_rows(t=1)
    fit = Regressor(SVR(kernel="linear"))(rows, scores, weights)
    assert fit.importances.shape == (1, 5)


@pytest.mark.parametrize(
    ("regressor", "words"),
    [
        (BayesianRidge, r"got the class itself. Pass BayesianRidge\(\)"),
        (KNeighborsRegressor(), "whose fit takes sample_weight; got KNeighborsRegressor"),
        (make_pipeline(LinearRegression()), "whose fit takes sample_weight"),
        ("ridge", "whose fit takes sample_weight; got 'ridge'"),
    ],
)
def test_what_cannot_be_fitted_with_weights_is_refused(regressor, words):
    with pytest.raises(InvalidInputError, match=words):
        Regressor(regressor)


def test_a_regressor_without_importances_is_named(make_rows):
    with pytest.raises(InvalidInputError, match="SVR has neither"):
        Regressor(SVR(kernel="rbf"))(*make_rows())


@pytest.mark.parametrize("spoil", [lambda coef: coef[:2], lambda coef: [np.nan, *coef[1:]]])
def test_importances_that_are_not_one_finite_number_per_segment_are_refused(make_rows, spoil):
    class Odd(LinearRegression):
        def fit(self, design, values, sample_weight=None):
            super().fit(design, values, sample_weight=sample_weight)
            self.coef_ = spoil(self.coef_)
            return self

    with pytest.raises(InvalidInputError, match="one finite number for each of 5 segments"):
        Regressor(Odd())(*make_rows())


def test_a_stochastic_regressor_repeats(make_rows):
    rows, scores, weights = make_rows()
    surrogate = Regressor(SGDRegressor(max_iter=2000))
    np.testing.assert_array_equal(
        surrogate(rows, scores, weights).importances, surrogate(rows, scores, weights).importances
    )
