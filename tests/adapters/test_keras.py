"""`from_keras`: Keras models asked as their owner would ask them by hand, on each backend."""

import importlib.util
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import limelens as ll
from limelens.adapters.keras import from_keras

keras = pytest.importorskip("keras", reason="needs Keras: pip install keras, and a backend")
layers = keras.layers
# NumPy 2.4 warns of how Keras 3.15 reads its own variables
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
RNG = np.random.default_rng(0)
PHOTO = RNG.integers(0, 256, (12, 10, 3)).astype(np.uint8)


def network(shape=(12, 10, 3), softmax=False):
    keras.utils.set_random_seed(0)
    inner = keras.Sequential(
        [
            keras.Input(shape),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, activation="relu", name="first"),
            layers.BatchNormalization(),
            layers.Conv2D(5, 3, name="last"),
        ],
        name="inner",
    )
    parts = [layers.ReLU(), layers.GlobalAveragePooling2D(), layers.Dropout(0.5)]
    activation = "softmax" if softmax else None
    return keras.Sequential(
        [keras.Input(shape), inner, *parts, layers.Dense(3, activation=activation)]
    )


def by_hand(net, batch):
    return keras.ops.convert_to_numpy(net(batch.astype(np.float32), training=False))


@pytest.mark.parametrize(
    ("output", "function"),
    [
        ("raw", lambda y: y),
        ("softmax", lambda y: np.exp(y) / np.exp(y).sum(axis=1, keepdims=True)),
        ("sigmoid", lambda y: 1 / (1 + np.exp(-y))),
        (lambda y: y[:, 1:], lambda y: y[:, 1:]),
    ],
)
def test_scores_are_those_of_the_model_called_by_hand(output, function):
    net = network()
    model = from_keras(net, output=output)
    wanted = function(by_hand(net, PHOTO[None]))
    np.testing.assert_allclose(model(PHOTO[None]), wanted, atol=1e-6)
    np.testing.assert_allclose(
        model.predict_prepared(model.prepare(PHOTO[None])), wanted, atol=1e-6
    )


def test_preprocess_gets_the_pixels_as_they_are():
    net = network()
    model = from_keras(net, preprocess=lambda x: x / 2 + 1)
    np.testing.assert_allclose(
        model(PHOTO[None]), by_hand(net, PHOTO[None] / np.float32(2) + 1), atol=1e-6
    )


def test_the_applications_own_preprocessing_works():
    preprocess = keras.applications.resnet50.preprocess_input
    net = keras.Sequential([keras.Input((12, 10, 3)), layers.GlobalAveragePooling2D()])
    kept = PHOTO.astype(np.float32)
    wanted = by_hand(net, preprocess(kept[None].copy()))
    np.testing.assert_allclose(
        from_keras(net, preprocess=preprocess)(kept[None]), wanted, rtol=1e-5
    )
    np.testing.assert_array_equal(kept, PHOTO)


@pytest.mark.parametrize(
    ("image", "axis", "shape"),
    [
        (RNG.random((6, 5)), -1, (6, 5, 1)),
        (RNG.random((6, 5)), -1, (6, 5)),
        (RNG.random((3, 6, 5)), 0, (6, 5, 3)),
        (RNG.random((4, 6, 5)), None, (4, 6, 5, 1)),
        (RNG.random((4, 6, 5, 2)), -1, (4, 6, 5, 2)),
    ],
)
def test_every_layout_of_images_reaches_the_model(image, axis, shape):
    model = from_keras(keras.Sequential([keras.Input(shape), layers.Flatten()]), channel_axis=axis)
    wanted = np.moveaxis(image, 0, -1) if axis == 0 else image
    np.testing.assert_allclose(model(image[None])[0], wanted.ravel(), rtol=1e-6)
    gradient = model.gradient(image[None], 1)
    assert gradient.shape == (1, *image.shape)
    expected = np.zeros(wanted.size)
    expected[1] = 1
    found = np.moveaxis(gradient[0], 0, -1) if axis == 0 else gradient[0]
    np.testing.assert_array_equal(found.ravel(), expected)


def test_models_with_channels_first_get_them_there():
    keras.config.set_image_data_format("channels_first")
    try:
        net = keras.Sequential([keras.Input((3, 12, 10)), layers.Reshape((360,))])
        model = from_keras(net)
        np.testing.assert_array_equal(model(PHOTO[None])[0], np.moveaxis(PHOTO, -1, 0).ravel())
        assert model.gradient(PHOTO[None], 0).shape == (1, 12, 10, 3)
    finally:
        keras.config.set_image_data_format("channels_last")


def test_gradients_are_finite_differences_in_the_callers_pixels():
    model = from_keras(network(), output="softmax")
    image = PHOTO.astype(np.float32)
    found = model.gradient(image[None], 1)[0]
    for place in [(3, 4, 0), (6, 2, 1), (8, 8, 2)]:
        step = np.zeros_like(image)
        step[place] = 8
        difference = model(image[None] + step)[0, 1] - model(image[None] - step)[0, 1]
        np.testing.assert_allclose(found[place], difference / 16, rtol=0.05, atol=2e-7)


def test_integrated_gradients_are_complete():
    found = ll.IntegratedGradients(n_steps=100).explain(
        PHOTO.astype(np.float32), from_keras(network()), target=[0, 2]
    )
    np.testing.assert_allclose(found.details["completeness_gap"], 0, atol=1e-3)


def test_features_are_those_of_the_layer_and_nothing_is_left_on_it():
    net = network()
    inner = net.get_layer("inner")
    last = inner.get_layer("last")
    model = from_keras(net, layer=last)
    before = model(PHOTO[None])
    activations, slopes = model.features(PHOTO[None], 2)
    head = keras.Model(inner.inputs[0], last.output)
    np.testing.assert_allclose(
        activations, np.moveaxis(by_hand(head, PHOTO[None]), -1, 1), atol=1e-6
    )
    # after the layer: ReLU, mean over 8 x 6 cells, weights of the dense layer
    weights = keras.ops.convert_to_numpy(net.layers[-1].kernel)[:, 2]
    wanted = np.where(activations > 0, weights[:, None, None] / 48, 0)
    np.testing.assert_allclose(slopes, wanted, atol=1e-7)
    assert "call" not in vars(last)
    np.testing.assert_array_equal(model(PHOTO[None]), before)


def test_grad_cam_is_the_hand_computation():
    net = network()
    model = from_keras(net, layer="last")
    activations, slopes = model.features(PHOTO[None], 1)
    found = ll.GradCam().explain(PHOTO, model, target=1)
    weights = slopes[0].mean(axis=(1, 2))
    cells = np.maximum(np.tensordot(weights, activations[0], 1), 0)
    np.testing.assert_allclose(found.details["cells"][0], cells, atol=1e-6)


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_the_layer_is_let_go_after_errors_and_interrupts(error):
    net = network()
    last = net.get_layer("inner").get_layer("last")

    def stop(outputs):
        raise error

    model = from_keras(net, layer=last, output=stop)
    with pytest.raises(type(error)):
        model.features(PHOTO[None], 0)
    assert "call" not in vars(last)


def test_layers_that_give_no_maps_are_refused():
    net = network()
    with pytest.raises(ll.InvalidInputError, match="Dense returned float32 array"):
        from_keras(net, layer=net.layers[-1]).features(PHOTO[None], 0)
    with pytest.raises(ll.InvalidInputError, match="called 0 times"):
        from_keras(net, layer=layers.Conv2D(3, 1)).features(PHOTO[None], 0)
    with pytest.raises(ll.InvalidInputError, match=r"such as .*last"):
        from_keras(net, layer="nowhere")
    with pytest.raises(ll.InvalidInputError, match=r"`layer` must be a keras\.Layer"):
        from_keras(net, layer=3)


def test_a_softmax_upon_a_softmax_is_refused():
    net = network(softmax=True)
    with pytest.raises(ll.InvalidInputError, match="already sum to 1"):
        from_keras(net, output="softmax")(PHOTO[None])
    np.testing.assert_allclose(from_keras(net)(PHOTO[None]).sum(), 1, rtol=1e-6)


def test_named_outputs_are_picked():
    inputs = keras.Input((12, 10, 3))
    pooled = layers.GlobalAveragePooling2D()(inputs)
    net = keras.Model(inputs, {"logits": pooled, "twice": pooled * 2})
    np.testing.assert_allclose(from_keras(net)(PHOTO[None])[0], PHOTO.mean(axis=(0, 1)), rtol=1e-5)
    net = keras.Model(inputs, {"one": pooled, "twice": pooled * 2})
    with pytest.raises(ll.InvalidInputError, match=r"outputs\['one'\]"):
        from_keras(net)(PHOTO[None])


def test_subclassed_models_are_asked_too():
    class Own(keras.Model):
        def call(self, x):
            return keras.ops.mean(x, axis=(1, 2))

    np.testing.assert_allclose(
        from_keras(Own())(PHOTO[None])[0], PHOTO.mean(axis=(0, 1)), rtol=1e-5
    )


def test_a_score_that_does_not_depend_on_the_image_is_named():
    def constant(outputs):
        return keras.ops.ones((outputs.shape[0], 2))

    if keras.backend.backend() == "torch":
        with pytest.raises(ll.InvalidInputError, match="depend on the image"):
            from_keras(network(), output=constant).gradient(PHOTO[None], 0)


@pytest.mark.parametrize("given", ["model.keras", 3, layers.Dense, len])
def test_what_is_no_model_is_refused(given):
    with pytest.raises(ll.InvalidInputError, match=r"`model` must be a keras\.Model"):
        from_keras(given)


def test_images_that_do_not_fit_are_said_in_a_note():
    with pytest.raises((ValueError, RuntimeError)) as caught:
        from_keras(network())(PHOTO[None, ..., :2])
    assert any("(1, 12, 10, 2)" in note for note in caught.value.__notes__)


def test_per_pixel_work_is_done_once_and_changes_no_score():
    model = from_keras(network())
    lime = ll.Lime(segmenter=ll.Grid(6), n_samples=40)
    once = lime.explain(PHOTO, model, target=0, rng=0)
    each = lime.explain(PHOTO, lambda batch: model(batch), target=0, rng=0)
    np.testing.assert_allclose(once.importances, each.importances, atol=1e-5)


def test_a_model_can_be_sent_to_another_process():
    model = from_keras(network(), layer="last", class_names=["a", "b", "c"])
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_allclose(copy(PHOTO[None]), model(PHOTO[None]), atol=1e-6)


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs JAX: pip install jax")
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="these are JAX's tests already")
def test_all_of_it_holds_on_jax():
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-3000:]
