import numpy as np
import pytest

from limelens.results.stability import predicted_correlation


def test_it_is_the_share_of_variance_that_is_not_noise_under_a_root():
    # Variance of (0, 6) is 9; mean squared error of (3, sqrt 23) is 16; sqrt(9 / 25) = .6
    errors = np.array([[3.0, np.sqrt(23.0)]])
    assert predicted_correlation(np.array([[0.0, 6.0]]), errors) == pytest.approx(0.6)


def test_without_noise_it_is_one():
    assert predicted_correlation(np.array([[1.0, 2.0]]), np.zeros((1, 2))) == 1.0


def test_constant_importances_have_no_correlation():
    found = predicted_correlation(np.array([[0.1, 0.1, 0.1], [0.0, 0.0, 0.0]]), np.zeros((2, 3)))
    assert np.isnan(found).all()


def test_unknown_errors_leave_it_unknown_for_that_target_only():
    errors = np.array([[np.nan, 1.0], [0.0, 0.0]])
    found = predicted_correlation(np.array([[0.0, 1.0], [0.0, 1.0]]), errors)
    np.testing.assert_array_equal(found, [np.nan, 1.0])


def test_it_predicts_what_noise_does_to_the_correlation():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=2000)
    noisy = truth + rng.normal(scale=0.75, size=2000)
    # Noise also inflates the variance of the estimate: the prediction errs on the high side.
    predicted = predicted_correlation(noisy[np.newaxis], np.full((1, 2000), 0.75))[0]
    actual = np.corrcoef(truth, noisy)[0, 1]
    assert actual == pytest.approx(0.8, abs=0.02)
    assert actual < predicted < actual + 0.08
