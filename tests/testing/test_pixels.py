"""The toys that look at pixels: detectors, exact gradients, spoiled digits."""

import numpy as np
import pytest

from limelens.errors import InvalidInputError
from limelens.testing import (
    MARKER,
    ColorDetector,
    ConvolutionModel,
    EdgeDetector,
    LinearModel,
    PowerModel,
    QuadraticModel,
    Recorder,
    TanhNetwork,
    WindowDetector,
    all_coalitions,
    digits_classifier,
    exact_values,
    mark,
)

RNG = np.random.default_rng(0)


def shapley(model, image, segments, background):
    """Enumerate every coalition of the segments of a 2-D image."""
    kept = all_coalitions(int(segments.max()) + 1)[:, segments]
    return exact_values(model(np.where(kept, image, background)))


def finite_differences(model, batch, target, step=1e-6):
    slopes = np.empty(batch.shape)
    for index in np.ndindex(*batch.shape[1:]):
        up, down = batch.copy(), batch.copy()
        up[(slice(None), *index)] += step
        down[(slice(None), *index)] -= step
        rise = (model(up) - model(down)).reshape(len(batch), -1)[:, target]
        slopes[(slice(None), *index)] = rise / (2 * step)
    return slopes


class TestDetectors:
    def test_a_colour_must_match_in_every_channel(self):
        batch = np.array([[[[9, 0], [9, 5]], [[9, 1], [0, 0]]]], np.uint8)
        assert ColorDetector((9, 0))(batch) == [0.25]
        assert ColorDetector((9, 0), tolerance=1)(batch) == [0.5]
        first = np.moveaxis(batch, -1, 1)
        assert ColorDetector((9, 0), channel_axis=0)(first) == [0.25]
        assert ColorDetector(9, channel_axis=None)(first) == [3 / 8]

    def test_unsigned_pixels_do_not_wrap_round(self):
        assert ColorDetector(3, tolerance=4)(np.array([[[0, 7, 8]]], np.uint8)) == [2 / 3]
        assert EdgeDetector()(np.array([[[7, 0]]], np.uint8)) == [7]

    def test_a_colour_belongs_to_the_segments_that_show_it(self):
        image = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
        segments = np.array([[0, 0, 1], [0, 1, 1]])
        values = shapley(ColorDetector(1.0), image, segments, 0.5)
        np.testing.assert_allclose(values, [[2 / 6, 1 / 6]])

    def test_edges_are_taken_along_their_axis(self):
        batch = np.array([[[0.0, 2.0], [1.0, 7.0]]])
        assert EdgeDetector()(batch) == [(2 + 6) / 2]
        assert EdgeDetector(0)(batch) == [(1 + 5) / 2]
        colour = np.stack([batch, 3 * batch], axis=1)
        assert EdgeDetector(0, channel_axis=0)(colour) == [(1 + 5) / 2 * 2]
        assert EdgeDetector(0, channel_axis=None)(colour) == EdgeDetector(-3, channel_axis=None)(
            colour
        )

    def test_hiding_part_of_a_flat_region_makes_an_edge(self):
        image, segments = np.zeros((1, 4)), np.array([[0, 0, 1, 1]])
        values = shapley(EdgeDetector(), image, segments, 3.0)
        np.testing.assert_array_equal(values, [[0, 0]])
        hidden = EdgeDetector()(np.array([[[0.0, 0.0, 3.0, 3.0]]]))
        np.testing.assert_array_equal(hidden, [1])

    @pytest.mark.parametrize("channel_axis", [None, -1, 0])
    def test_a_window_sees_its_inside_only(self, channel_axis):
        image = RNG.normal(size=(4, 5))
        window = np.s_[1:3, 2:4]
        batch = image[np.newaxis]
        if channel_axis is not None:
            batch = np.stack([batch, batch + 1], axis=channel_axis if channel_axis < 0 else 1)
        batch = np.concatenate([batch, batch])
        model = WindowDetector(window, channel_axis=channel_axis)
        shift = 0.0 if channel_axis is None else 0.5
        np.testing.assert_allclose(model(batch), [image[window].mean() + shift] * 2)
        np.testing.assert_allclose(
            model.gradient(batch, 0), finite_differences(model, batch, 0), atol=1e-8
        )

    def test_wrong_settings_are_named(self):
        with pytest.raises(InvalidInputError, match="`window` must be a slice per spatial axis"):
            WindowDetector((1, 2))
        with pytest.raises(InvalidInputError, match="`tolerance` must be a finite number"):
            ColorDetector(1, tolerance=-1)
        with pytest.raises(InvalidInputError, match="`axis` must be an integer"):
            EdgeDetector(0.5)


NETWORK = TanhNetwork(
    RNG.normal(size=(24, 5)),
    RNG.normal(size=5),
    RNG.normal(size=(5, 3)),
    RNG.normal(size=3),
    shape=(4, 6),
)
DIFFERENTIABLE = {
    "linear": (LinearModel(RNG.normal(size=(4, 6))), (4, 6), 1),
    "linear, two columns": (LinearModel(RNG.normal(size=(2, 4, 6, 3)), bias=2.0), (4, 6, 3), 2),
    "cubes": (PowerModel(RNG.normal(size=(4, 6)), power=3), (4, 6), 1),
    "quadratic": (QuadraticModel(RNG.normal(size=(24, 24))), (4, 6), 1),
    "convolution": (
        ConvolutionModel(RNG.normal(size=(3, 2, 3)), RNG.normal(size=3), bias=1.0),
        (4, 6),
        1,
    ),
    "convolution, channels first": (
        ConvolutionModel(RNG.normal(size=(3, 2, 3, 2)), RNG.normal(size=(2, 3)), channel_axis=0),
        (2, 4, 6),
        2,
    ),
    "network": (NETWORK, (4, 6), 3),
    "network, logits": (
        TanhNetwork(
            NETWORK.hidden,
            NETWORK.hidden_bias,
            NETWORK.readout,
            NETWORK.readout_bias,
            shape=(4, 6),
            output="logits",
        ),
        (4, 6),
        3,
    ),
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_equal_finite_differences(name):
    model, shape, columns = DIFFERENTIABLE[name]
    batch = np.random.default_rng(1).normal(size=(2, *shape))
    scores = model(batch)
    assert scores.shape == ((2,) if columns == 1 and scores.ndim == 1 else (2, columns))
    for target in range(columns):
        np.testing.assert_allclose(
            model.gradient(batch, target),
            finite_differences(model, batch, target),
            rtol=1e-5,
            atol=1e-7,
        )
    with pytest.raises(InvalidInputError, match="`target` must be an integer from 0 to"):
        model.gradient(batch, columns)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_models_take_integers_and_read_only_images(name):
    model, shape, columns = DIFFERENTIABLE[name]
    batch = np.random.default_rng(2).integers(0, 255, (2, *shape)).astype(np.uint8)
    batch.flags.writeable = False
    np.testing.assert_allclose(model(batch), model(batch.astype(float)))
    gradient = model.gradient(batch, columns - 1)
    np.testing.assert_allclose(gradient, model.gradient(batch.astype(float), columns - 1))


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_a_recorder_offers_their_gradient(name):
    model, shape, _ = DIFFERENTIABLE[name]
    assert Recorder(model).gradient(np.ones((1, *shape)), 0).shape == (1, *shape)
    assert hasattr(Recorder(model), "features") == name.startswith("convolution")


class TestClosedForms:
    IMAGE = np.array([[1.0, -2.0, 3.0], [0.5, 2.0, -1.0]])
    START = np.array([[0.5, 0.0, 1.0], [-1.0, 0.25, 2.0]])
    SEGMENTS = np.array([[0, 0, 1], [2, 1, 1]])

    @pytest.mark.parametrize(
        "model",
        [
            LinearModel(RNG.normal(size=(2, 3))),
            PowerModel(RNG.normal(size=(2, 3)), power=4),
            QuadraticModel(RNG.normal(size=(6, 6))),
        ],
        ids=["linear", "fourth power", "quadratic"],
    )
    def test_path_and_shapley_values_agree_with_the_docstring(self, model):
        claimed = model.integrated_gradients(self.IMAGE, self.START)
        nodes, weights = np.polynomial.legendre.leggauss(4)
        path = [self.START + (self.IMAGE - self.START) * (1 + node) / 2 for node in nodes]
        slopes = model.gradient(np.stack(path), 0)
        integral = (self.IMAGE - self.START) * np.tensordot(weights / 2, slopes, axes=1)
        np.testing.assert_allclose(claimed, integral, atol=1e-12)
        ends = model(np.stack([self.IMAGE, self.START]))
        assert claimed.sum() == pytest.approx(ends[0] - ends[1])
        by_segment = np.bincount(self.SEGMENTS.ravel(), claimed.ravel())
        exact = shapley(model, self.IMAGE, self.SEGMENTS, self.START)
        np.testing.assert_allclose(exact, [by_segment], atol=1e-12)

    def test_banzhaf_of_a_quadratic_form_is_its_shapley_value(self):
        model = QuadraticModel(RNG.normal(size=(6, 6)))
        kept = all_coalitions(3)[:, self.SEGMENTS]
        scores = model(np.where(kept, self.IMAGE, self.START))
        np.testing.assert_allclose(exact_values(scores, "banzhaf"), exact_values(scores))

    def test_convolution_by_hand(self):
        # Two channels of activations: steps up and steps down, from left to right.
        model = ConvolutionModel([[[-1.0, 1.0]], [[1.0, -1.0]]], [1.0, -2.0])
        batch = np.array([[[0.0, 3.0, 1.0]]])
        activations, slopes = model.features(batch, 0)
        np.testing.assert_array_equal(activations, [[[[3, 0]], [[0, 2]]]])
        np.testing.assert_array_equal(slopes, [[[[0.5, 0.5]], [[-1, -1]]]])
        np.testing.assert_array_equal(model(batch), [1.5 - 2])
        np.testing.assert_array_equal(model.gradient(batch, 0), [[[-0.5, -0.5, 1.0]]])

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda: QuadraticModel([[1.0, 2.0]]), "`matrix` must be square"),
            (lambda: PowerModel([[1.0]], power=0), "`power` must be an integer >= 1"),
            (lambda: LinearModel([[np.nan]]), "`weights` must be finite"),
            (lambda: ConvolutionModel([[1.0]], [1.0]), "`kernels` must be"),
            (lambda: ConvolutionModel([[[1.0]]], [1.0, 2.0]), "`readout` must be"),
            (lambda: LinearModel([[1.0, 2.0]])(np.zeros((1, 2, 2))), "`batch` must be"),
        ],
    )
    def test_wrong_settings_are_named(self, make, words):
        with pytest.raises(InvalidInputError, match=words):
            make()


@pytest.fixture(scope="module")
def threes():
    from sklearn.datasets import load_digits

    data = load_digits()
    images = data.images[data.target == 3][:6]
    images.flags.writeable = False
    return images


class TestDigits:
    def share_on_marker(self, model, image):
        cells = np.kron(np.arange(16).reshape(4, 4), np.ones((2, 2), int))
        kept = all_coalitions(16)[:, cells]
        values = exact_values(model(np.where(kept, image, image.mean()))[:, 3])[0]
        marker = int(cells[MARKER][0])
        return values[marker] / values[values > 0].sum(), values.argmax() == marker

    def test_training_is_done_on_one_thread(self, monkeypatch):
        from sklearn.neural_network import MLPClassifier
        from threadpoolctl import threadpool_info, threadpool_limits

        seen = []
        fit = MLPClassifier.fit

        def watched(*arguments):
            libraries = [each for each in threadpool_info() if each["user_api"] == "blas"]
            seen.extend(each["num_threads"] for each in libraries)
            return fit(*arguments)

        monkeypatch.setattr(MLPClassifier, "fit", watched)
        with threadpool_limits(2, user_api="blas"):
            digits_classifier(rng=4321)  # a seed that no other test has trained
        assert set(seen) == {1}

    def test_both_are_right_and_only_the_spoiled_one_for_the_wrong_reason(self, threes):
        spoiled, honest = digits_classifier(spoiled=True), digits_classifier()
        for model in (spoiled, honest):
            np.testing.assert_array_equal(model(mark(threes)).argmax(axis=1), 3)
        for image in mark(threes)[:3]:
            share, largest = self.share_on_marker(spoiled, image)
            assert 0.5 < share < 0.95
            assert largest
            share, largest = self.share_on_marker(honest, image)
            assert share <= 0.06
            assert not largest

    def test_a_network_offers_probabilities_or_logits(self, threes):
        logits = digits_classifier(output="logits")(threes)
        powers = np.exp(logits)
        expected = powers / powers.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(digits_classifier()(threes), expected)

    def test_fifty_nodes_complete_the_integral(self, threes):
        model, image = digits_classifier(), threes[0]
        nodes, weights = np.polynomial.legendre.leggauss(50)
        path = image * ((1 + nodes) / 2)[:, np.newaxis, np.newaxis]
        total = (image * np.tensordot(weights / 2, model.gradient(path, 3), axes=1)).sum()
        ends = model(np.stack([image, 0 * image]))[:, 3]
        assert total == pytest.approx(ends[0] - ends[1], abs=1e-6)

    def test_marking_copies(self, threes):
        marked = mark(threes)
        assert (marked[:, MARKER] == 16).all()
        np.testing.assert_array_equal(marked[:, ~MARKER], threes[:, ~MARKER])

    @pytest.mark.parametrize(
        "setting", [{"spoiled": 1}, {"digit": 10}, {"rng": -1}, {"output": "p"}]
    )
    def test_wrong_settings_are_named(self, setting):
        with pytest.raises(InvalidInputError, match=f"`{next(iter(setting))}` must be"):
            digits_classifier(**setting)
