from functools import partial

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from limelens import ForwardSelection, InvalidInputError, Ridge
from limelens.surrogates.forward_selection import forward_selection


@pytest.fixture
def make_rows(make_rows):
    """Rows of more segments than are chosen."""
    return partial(make_rows, d=8, t=3)


def pick_by_refitting(rows, scores, weights, n_features):
    """Return the picks of a search that refits least squares for every candidate."""
    picks, r2 = [], [0.0]
    for _ in range(n_features):
        rest = [j for j in range(rows.shape[1]) if j not in picks]
        models = [[*picks, j] for j in rest]
        fitted = [LinearRegression().fit(rows[:, m], scores, sample_weight=weights) for m in models]
        found = [
            fit.score(rows[:, m], scores, sample_weight=weights)
            for fit, m in zip(fitted, models, strict=True)
        ]
        picks.append(rest[int(np.argmax(found))])
        r2.append(max(found))
    return picks, np.diff(r2)


@pytest.mark.parametrize("seed", range(5))
def test_picks_are_those_of_refitting_every_candidate(make_rows, seed):
    rows, scores, weights = make_rows(seed=seed)
    fit = ForwardSelection(5)(rows, scores, weights)
    for target in range(3):
        picks, gains = pick_by_refitting(rows, scores[:, target], weights, 5)
        assert fit.details["order"][target].tolist() == picks
        np.testing.assert_allclose(fit.details["gains"][target], gains, atol=1e-12)
    np.testing.assert_allclose(fit.details["gains"].sum(axis=1), fit.training_fidelity)


def test_effects_are_least_squares_on_the_picks(make_rows):
    rows, scores, weights = make_rows()
    fit = ForwardSelection(3)(rows, scores, weights)
    for target in range(3):
        picks = fit.details["order"][target]
        expected = LinearRegression().fit(rows[:, picks], scores[:, target], sample_weight=weights)
        np.testing.assert_allclose(fit.importances[target, picks], expected.coef_, atol=1e-10)
        np.testing.assert_allclose(fit.intercepts[target], expected.intercept_, atol=1e-10)
        assert np.count_nonzero(fit.importances[target]) == 3
        np.testing.assert_array_equal(
            np.isfinite(fit.standard_errors[target]), fit.importances[target] != 0
        )


def test_all_segments_are_least_squares(make_rows):
    rows, scores, weights = make_rows()
    fit, full = ForwardSelection(99)(rows, scores, weights), Ridge(0)(rows, scores, weights)
    np.testing.assert_allclose(fit.importances, full.importances, atol=1e-10)
    np.testing.assert_allclose(fit.standard_errors, full.standard_errors, atol=1e-10)
    np.testing.assert_allclose(fit.fidelity, full.fidelity, atol=1e-10)


def test_a_copy_of_a_chosen_segment_is_passed_over(make_rows):
    rows, scores, weights = make_rows(d=3)
    doubled = np.column_stack([rows, rows[:, 0]])
    fit, plain = (ForwardSelection(4)(given, scores, weights) for given in (doubled, rows))
    assert fit.details["order"].shape == (3, 3)
    assert (fit.importances[:, 3] == 0).all()
    np.testing.assert_array_equal(fit.details["order"], plain.details["order"])
    np.testing.assert_allclose(fit.details["gains"], plain.details["gains"], rtol=1e-9)
    np.testing.assert_allclose(fit.details["gains"].sum(axis=1), fit.training_fidelity)


def test_targets_beyond_one_block_are_chosen_for_too(monkeypatch):
    gram, cross = np.diag([1.0, 2.0, 4.0]), np.arange(15.0).reshape(3, 5)
    expected = forward_selection(gram, cross, 2)
    monkeypatch.setattr("limelens.surrogates.forward_selection._BLOCK", 18)
    for parts, whole in zip(forward_selection(gram, cross, 2), expected, strict=True):
        np.testing.assert_array_equal(parts, whole)


@pytest.mark.parametrize("n_features", [0, 2.0, "two", None])
def test_a_count_that_is_no_positive_integer_is_refused(n_features):
    with pytest.raises(InvalidInputError, match="`n_features` must be an integer >= 1"):
        ForwardSelection(n_features)
