"""What every surrogate promises, whatever its idea."""

import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from limelens import ForwardSelection, InvalidInputError, Lasso, Regressor, Ridge, Tree

LINEAR = [Ridge(), Lasso(), Lasso(criterion="bic"), Lasso(0.01), ForwardSelection(3)]
ALL = [*LINEAR, Lasso(0.01, debias=False), Tree(), Regressor(LinearRegression())]

every = pytest.mark.parametrize("surrogate", ALL, ids=repr)
every_linear = pytest.mark.parametrize("surrogate", LINEAR, ids=repr)


@every
def test_inputs_are_not_modified_and_the_same_call_repeats(make_rows, surrogate):
    given_rows = make_rows()
    for array in given_rows:
        array.flags.writeable = False
    first, second = surrogate(*given_rows), surrogate(*given_rows)
    np.testing.assert_array_equal(first.importances, second.importances)
    np.testing.assert_array_equal(first.fidelity, second.fidelity)


@every
def test_one_target_alone_is_the_same_as_among_others(make_rows, surrogate):
    rows, scores, weights = make_rows(t=3)
    together = surrogate(rows, scores, weights)
    alone = surrogate(rows, scores[:, 1], weights)
    assert together.importances.shape == (3, 6)
    assert alone.importances.shape == (1, 6)
    np.testing.assert_allclose(alone.importances[0], together.importances[1], atol=1e-12)
    np.testing.assert_allclose(alone.fidelity[0], together.fidelity[1], atol=1e-12)


@every
def test_a_constant_target_is_zero_without_error_bar_or_fidelity(make_rows, surrogate):
    rows, scores, weights = make_rows(t=3)
    scores[:, 1] = 0.1
    fit, without = surrogate(rows, scores, weights), surrogate(rows, scores[:, [0, 2]], weights)
    assert not fit.importances[1].any()
    assert fit.intercepts[1] == pytest.approx(0.1)
    assert np.isnan(fit.fidelity[1])
    assert np.isnan(fit.training_fidelity[1])
    if fit.standard_errors is not None:
        assert np.isnan(fit.standard_errors[1]).all()
    np.testing.assert_allclose(fit.importances[[0, 2]], without.importances, atol=1e-12)


@every
def test_only_constant_targets_make_a_zero_map(make_rows, surrogate):
    rows, _, weights = make_rows()
    fit = surrogate(rows, np.zeros((len(rows), 2)), weights)
    assert fit.importances.tolist() == np.zeros((2, 6)).tolist()


@every
def test_rows_of_zero_weight_do_not_count(make_rows, surrogate):
    rows, scores, weights = make_rows()
    weights[3:7] = 0
    counted = weights > 0
    fit = surrogate(rows, scores, weights)
    expected = surrogate(rows[counted], scores[counted], weights[counted])
    np.testing.assert_allclose(fit.importances, expected.importances, atol=1e-12)
    np.testing.assert_allclose(fit.fidelity, expected.fidelity, atol=1e-12)


# The lasso's criteria count effective rows, which repeating changes.
@pytest.mark.parametrize("surrogate", [Ridge(), ForwardSelection(3), Lasso(0.01)], ids=repr)
def test_heavy_rows_count_as_often_as_they_weigh(make_rows, surrogate):
    rows, scores, _ = make_rows()
    weights = np.where(np.arange(len(rows)) < 20, 2.0, 1.0)
    repeated = np.r_[np.arange(len(rows)), np.arange(20)]
    fit = surrogate(rows, scores, weights)
    expected = surrogate(rows[repeated], scores[repeated], np.ones(len(repeated)))
    np.testing.assert_allclose(fit.importances, expected.importances, atol=1e-10)


@every
@pytest.mark.parametrize("n", [2, 3, 5, 8])
@pytest.mark.filterwarnings("ignore::limelens.errors.LimelensWarning")
def test_a_handful_of_rows_gives_finite_importances(make_rows, surrogate, n):
    rows, scores, weights = make_rows(n=n, d=12)
    rows[:, 3] = rows[:, 2]
    assert np.isfinite(surrogate(rows, scores, weights).importances).all()


@every
def test_settings_travel_through_pickle_and_repr(make_rows, surrogate):
    copy = pickle.loads(pickle.dumps(surrogate))
    assert repr(copy) == repr(surrogate)
    np.testing.assert_array_equal(
        copy(*make_rows()).importances, surrogate(*make_rows()).importances
    )


@every
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": np.ones(60, dtype=bool)}, r"`coalitions` must be \(n, d\)"),
        ({"rows": np.full((60, 6), 2)}, "`coalitions` must hold True"),
        ({"scores": np.zeros((59, 2))}, r"`scores` must be \(60, t\)"),
        ({"scores": np.full((60, 1), np.nan)}, "`scores` must be finite"),
        ({"weights": np.ones((60, 1))}, "`weights` must be 60 numbers"),
        ({"weights": -np.ones(60)}, "none negative"),
        ({"weights": np.eye(60)[0]}, "positive for at least two coalitions"),
    ],
)
def test_rows_that_cannot_be_fitted_are_refused(make_rows, surrogate, change, words):
    rows, scores, weights = make_rows()
    parts = {"rows": rows, "scores": scores, "weights": weights} | change
    with pytest.raises(InvalidInputError, match=words):
        surrogate(*parts.values())


quick = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@every_linear
@quick
@given(seed=st.integers(0, 10**6))
@pytest.mark.filterwarnings("ignore::limelens.errors.LimelensWarning")
def test_new_names_of_the_segments_only_move_the_importances(make_rows, surrogate, seed):
    rows, scores, weights = make_rows(seed=seed)
    order = np.random.default_rng(seed).permutation(6)
    fit, renamed = surrogate(rows, scores, weights), surrogate(rows[:, order], scores, weights)
    np.testing.assert_allclose(renamed.importances, fit.importances[:, order], atol=1e-9)
    np.testing.assert_allclose(renamed.standard_errors, fit.standard_errors[:, order], atol=1e-9)


@every_linear
@quick
@given(seed=st.integers(0, 10**6), shift=st.floats(-100, 100))
@pytest.mark.filterwarnings("ignore::limelens.errors.LimelensWarning")
def test_a_constant_added_to_the_scores_only_moves_the_intercept(make_rows, surrogate, seed, shift):
    rows, scores, weights = make_rows(seed=seed)
    fit, shifted = surrogate(rows, scores, weights), surrogate(rows, scores + shift, weights)
    np.testing.assert_allclose(shifted.importances, fit.importances, atol=1e-9)
    np.testing.assert_allclose(shifted.intercepts, fit.intercepts + shift, atol=1e-9)
    np.testing.assert_allclose(shifted.fidelity, fit.fidelity, atol=1e-9)


@pytest.mark.parametrize("surrogate", [Ridge(), Lasso(), ForwardSelection(3)], ids=repr)
@quick
@given(seed=st.integers(0, 10**6), scale=st.floats(-50, 50).filter(lambda x: abs(x) > 1e-3))
@pytest.mark.filterwarnings("ignore::limelens.errors.LimelensWarning")
def test_importances_have_the_units_of_the_scores(make_rows, surrogate, seed, scale):
    rows, scores, weights = make_rows(seed=seed)
    fit, scaled = surrogate(rows, scores, weights), surrogate(rows, scale * scores, weights)
    tolerance = 1e-9 * abs(scale)
    np.testing.assert_allclose(scaled.importances, scale * fit.importances, atol=tolerance)
    errors = abs(scale) * fit.standard_errors
    np.testing.assert_allclose(scaled.standard_errors, errors, atol=tolerance)
    np.testing.assert_allclose(scaled.fidelity, fit.fidelity, atol=1e-9)


@every_linear
@quick
@given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 100))
@pytest.mark.filterwarnings("ignore::limelens.errors.LimelensWarning")
def test_only_relative_weights_matter_where_nothing_is_penalised(make_rows, surrogate, seed, scale):
    if isinstance(surrogate, Ridge):
        surrogate = Ridge(0)
    rows, scores, weights = make_rows(seed=seed)
    fit, scaled = surrogate(rows, scores, weights), surrogate(rows, scores, scale * weights)
    if "ridge" in fit.details.get("chosen_by", ()):
        return  # the fallback's penalty is measured against the sum of weights
    np.testing.assert_allclose(scaled.importances, fit.importances, atol=1e-9)
    np.testing.assert_allclose(scaled.standard_errors, fit.standard_errors, atol=1e-9)


@every
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
@pytest.mark.filterwarnings("ignore::limelens.errors.LimelensWarning")
def test_scores_of_any_dtype_are_fitted_in_float64(make_rows, surrogate, dtype):
    rows, scores, weights = make_rows()
    scores = np.clip(120 + 60 * scores, 0, 250).astype(dtype)  # their sums pass 255
    fit = surrogate(rows, scores, weights)
    expected = surrogate(rows, scores.astype(np.float64), weights)
    for field in ("importances", "intercepts", "fidelity", "training_fidelity", "standard_errors"):
        np.testing.assert_equal(getattr(fit, field), getattr(expected, field))


@every
@pytest.mark.filterwarnings("ignore:`alpha`=0.01 keeps no segment")
def test_three_targets_of_other_scales_are_fitted_as_if_alone(make_rows, surrogate):
    rows, scores, weights = make_rows(t=3)
    scores = np.column_stack(
        [1e6 * scores[:, 0], 1e-6 * np.sin(9 * scores[:, 1]), scores[:, 2] > 9]
    )
    together = surrogate(rows, scores, weights)
    for target in range(3):
        alone = surrogate(rows, scores[:, target], weights)
        scale = np.abs(scores[:, target]).max()
        for field in ("importances", "intercepts"):
            found, expected = getattr(together, field)[target], getattr(alone, field)[0]
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12 * scale)
        for field in ("fidelity", "training_fidelity"):
            found, expected = getattr(together, field)[target], getattr(alone, field)[0]
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
        assert together.details.keys() == alone.details.keys()
        for key, several in together.details.items():
            one = alone.details[key]
            if isinstance(several, list):
                assert several[target] == one[0]
            elif np.ndim(several) == 0:
                assert several == pytest.approx(one)
            else:
                np.testing.assert_allclose(several[target], one[0], rtol=1e-9)


@pytest.mark.parametrize("surrogate", [Ridge(0), ForwardSelection(6)], ids=repr)
@pytest.mark.parametrize("n", [6, 7, 8, 9])
@pytest.mark.filterwarnings("ignore::limelens.errors.LimelensWarning")
def test_nothing_is_said_of_the_error_until_a_row_is_left_to_judge_by(surrogate, n):
    """Six effects and an intercept pass through any seven rows."""
    eye = np.eye(6, dtype=bool)
    rows = np.concatenate([eye, np.ones((1, 6), dtype=bool), ~eye])[:n]
    scores = np.random.default_rng(0).normal(size=n)
    fit = surrogate(rows, scores, np.ones(n))
    if n < 8:
        assert np.isnan(fit.fidelity).all()
        assert np.isnan(fit.standard_errors).all()
        return
    design = np.column_stack([np.ones(n), rows])
    missed = np.empty(n)
    for row in range(n):
        kept = np.arange(n) != row
        solution = np.linalg.lstsq(design[kept], scores[kept], rcond=None)[0]
        missed[row] = scores[row] - design[row] @ solution
    r2 = 1 - np.square(missed).sum() / np.square(scores - scores.mean()).sum()
    assert fit.fidelity[0] == pytest.approx(r2)
    inverse = np.linalg.pinv(design)
    hc3 = np.sqrt(np.square(inverse * missed).sum(axis=1))  # MacKinnon & White 1985
    np.testing.assert_allclose(fit.standard_errors[0], hc3[1:], rtol=1e-6)
