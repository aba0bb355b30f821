"""Grad-CAM by hand, and as the convolution toy defines it."""

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError, PredictionError
from limelens.testing import ConvolutionModel

ACTIVATIONS = np.array([[[4.0, 0.0], [1.0, 1.0]], [[0.0, 2.0], [3.0, 1.0]]])
GRADIENTS = np.array([[[1.0, 3.0], [1.0, 3.0]], [[-2.0, -2.0], [0.0, 0.0]]])  # means 2 and -1


def offering(activations, gradients):
    return ll.with_gradient(
        lambda batch: batch.sum(axis=(1, 2)),
        features_fn=lambda batch, target: (activations, gradients),
    )


def test_two_maps_by_hand():
    found = ll.grad_cam(ACTIVATIONS, GRADIENTS, (2, 2))
    np.testing.assert_array_equal(found, [[8, 0], [0, 1]])
    signed = ll.grad_cam(ACTIVATIONS, GRADIENTS, (2, 2), relu=False)
    np.testing.assert_array_equal(signed, [[8, -2], [-1, 1]])


def test_cells_are_enlarged_to_the_image_without_going_below_zero():
    model = offering(ACTIVATIONS[np.newaxis], GRADIENTS[np.newaxis])
    found = ll.GradCam().explain(np.ones((8, 12)), model)
    np.testing.assert_array_equal(found.details["cells"][0], [[8, 0], [0, 1]])
    heatmap = found.heatmap()
    assert heatmap.shape == (8, 12)
    assert heatmap.min() >= 0
    assert np.unravel_index(heatmap.argmax(), heatmap.shape) < (4, 6)
    assert np.isnan(found.hidden_scores).all()
    assert found.n_predictions == 1 + 1  # and the image whose features were asked for


def test_a_model_that_writes_into_its_batch_does_no_harm():
    def features(batch, target):
        batch[:] = 0
        return ACTIVATIONS[np.newaxis], GRADIENTS[np.newaxis]

    image = np.ones((8, 8))
    model = ll.with_gradient(lambda batch: batch.sum(axis=(1, 2)), features_fn=features)
    assert ll.GradCam().explain(image, model).image.all()
    assert image.all()


def test_a_layer_of_one_cell_is_a_constant_map():
    found = ll.grad_cam(np.full((1, 1, 1), 3.0), np.full((1, 1, 1), 0.5), (2, 3))
    np.testing.assert_array_equal(found, np.full((2, 3), 1.5))


def test_volumes_have_three_dimensional_cells():
    ones = np.ones((2, 2, 2, 2))
    assert ll.grad_cam(ones, ones, (4, 5, 6)).shape == (4, 5, 6)


@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        (lambda b: b.sum(axis=(1, 2)), InvalidInputError, r"features_fn=features_fn"),
        (offering(ACTIVATIONS[np.newaxis], GRADIENTS[:1]), PredictionError, "of shape"),
        (offering(ACTIVATIONS, GRADIENTS), PredictionError, "given 1 images and must return"),
        (offering(*np.ones((2, 1, 1, 9, 9))), InvalidInputError, "`features` must give cells"),
    ],
)
def test_models_without_proper_features_are_named(model, error, words):
    with pytest.raises(error, match=words):
        ll.GradCam().explain(np.ones((8, 8)), model)


@pytest.mark.parametrize(
    ("activations", "gradients", "shape", "words"),
    [
        (ACTIVATIONS, GRADIENTS[:1], (4, 4), "must both be"),
        (ACTIVATIONS, GRADIENTS, (1, 4), "`shape` must .* no more cells than pixels"),
        (ACTIVATIONS, GRADIENTS, (4, 4, 4), "`shape` must give cells and pixels as many axes"),
        (ACTIVATIONS, GRADIENTS, 4, "`shape` must be a tuple of side lengths; got 4"),
        (ACTIVATIONS, GRADIENTS, (4.5, 4), "`shape` must be an integer >= 1; got 4.5"),
        (ACTIVATIONS * np.nan, GRADIENTS, (4, 4), "`activations` must be finite"),
    ],
)
def test_arrays_that_do_not_fit_are_named(activations, gradients, shape, words):
    with pytest.raises(InvalidInputError, match=words):
        ll.grad_cam(activations, gradients, shape)


@pytest.mark.parametrize("target", [0, 1])
def test_the_map_of_a_convolution_is_the_sum_of_its_read_out_activations(target):
    rng = np.random.default_rng(0)
    kernels, readout, image = (
        rng.normal(size=(3, 2, 2)),
        rng.normal(size=(2, 3)),
        rng.random((5, 6)),
    )
    found = ll.GradCam().explain(image, ConvolutionModel(kernels, readout), target=target)
    windows = np.lib.stride_tricks.sliding_window_view(image, (2, 2))
    activations = np.maximum(np.einsum("hwij,kij->khw", windows, kernels), 0)
    cells = np.maximum(np.tensordot(readout[target], activations, 1), 0) / (4 * 5)
    np.testing.assert_allclose(found.details["cells"][0], cells)
