import numpy as np
import pytest
from sklearn.metrics import pairwise_distances

from limelens import InvalidInputError
from limelens.surrogates import cosine_distance, kernel_weights


def test_distance_is_the_cosine_distance_to_the_intact_row():
    rows = np.random.default_rng(0).random((50, 7)) < 0.3
    intact = np.ones((1, 7))
    expected = pairwise_distances(rows.astype(float), intact, metric="cosine").ravel()
    assert not rows.any(axis=1).all()  # the all-hidden row is among them
    np.testing.assert_allclose(cosine_distance(rows), expected, atol=1e-15)


def test_weights_are_limes_square_root_of_the_squared_kernel():
    distances = np.linspace(0, 1, 11)
    expected = np.sqrt(np.exp(-(distances**2) / 0.25**2))
    np.testing.assert_allclose(kernel_weights(distances, 0.25), expected, rtol=1e-14)


def test_published_weights_of_the_default_width():
    kept_share = np.array([1, 0.9, 0.75, 0.5, 0.25])
    weights = kernel_weights(1 - np.sqrt(kept_share), 0.25)
    np.testing.assert_allclose(weights, [1, 0.98, 0.87, 0.50, 0.14], atol=0.006)


@pytest.mark.parametrize("width", [0, -1, np.nan, "wide", True])
def test_a_width_that_is_no_positive_number_is_refused(width):
    with pytest.raises(InvalidInputError, match="`kernel_width` must be a finite number"):
        kernel_weights(np.zeros(2), width)
