"""Integrated and expected gradients: exact on polynomials, complete, by definition."""

import copy
import pickle
import tracemalloc
import warnings

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError, LimelensWarning, PredictionError
from limelens.explainers.gradients import RULES, quadrature
from limelens.testing import LinearModel, PowerModel, QuadraticModel

IMAGE = np.array([[1.0, -2.0], [0.5, 3.0]])
ONES = np.ones(IMAGE.shape)


def smooth_model():
    """Two smooth scores that mix the pixels."""
    weights = np.array([[0.3, -0.7, 1.1, 0.2], [-0.4, 0.6, 0.5, -1.0]])

    def scores(batch):
        return np.tanh(batch.reshape(len(batch), -1) @ weights.T)

    def gradient(batch, target):
        slope = 1 - scores(batch)[:, target] ** 2
        return (slope[:, np.newaxis] * weights[target]).reshape(batch.shape)

    return ll.with_gradient(scores, gradient)


@pytest.mark.filterwarnings("ignore:importances of target .* add up to")  # few steps
@pytest.mark.parametrize("n_steps", [1, 2, 5])
def test_gauss_legendre_is_exact_up_to_degree_two_n_minus_one(n_steps):
    """The gradient of x^(2n) has degree 2n - 1; one degree more is no longer exact."""
    explainer = ll.IntegratedGradients(n_steps=n_steps)
    exact = explainer.explain(IMAGE, PowerModel(ONES, power=2 * n_steps))
    np.testing.assert_allclose(exact.importances[0], IMAGE ** (2 * n_steps), rtol=1e-12)
    beyond = explainer.explain(IMAGE, PowerModel(ONES, power=2 * n_steps + 1))
    assert np.abs(beyond.importances[0] / IMAGE ** (2 * n_steps + 1) - 1).min() > 1e-9


@pytest.mark.filterwarnings("ignore:importances of target .* add up to")  # few steps
@pytest.mark.parametrize(
    ("method", "degree", "value"),
    [
        ("riemann_left", 2, 2 * (0 + 0.25 + 0.5 + 0.75) / 4),
        ("riemann_right", 2, 2 * (0.25 + 0.5 + 0.75 + 1) / 4),
        ("riemann_middle", 3, 3 * (1 + 9 + 25 + 49) / 64 / 4),
        ("riemann_trapezoid", 3, 3 * (0 / 2 + 1 / 9 + 4 / 9 + 1 / 2) / 3),
    ],
)
def test_riemann_sums_by_hand(method, degree, value):
    found = ll.IntegratedGradients(method=method, n_steps=4).explain(
        np.ones((1, 2)), PowerModel(np.ones((1, 2)), power=degree)
    )
    np.testing.assert_allclose(found.importances[0], [[value, value]])


@pytest.mark.parametrize("method", RULES)
def test_weights_add_up_to_one_on_the_unit_interval(method):
    nodes, weights = quadrature(method, 7)
    assert weights.sum() == pytest.approx(1)
    assert nodes.min() >= 0
    assert nodes.max() <= 1


def test_importances_add_up_to_the_score_difference():
    explainer = ll.IntegratedGradients(baseline=ll.Constant(0.1))
    found = explainer.explain(IMAGE, smooth_model(), target=[0, 1])
    total = found.importances.sum(axis=(1, 2))
    np.testing.assert_allclose(total, found.scores - found.hidden_scores, atol=1e-6)
    np.testing.assert_allclose(found.details["completeness_gap"], 0, atol=1e-6)
    assert found.details["n_gradients"] == 100
    with pytest.warns(LimelensWarning, match="add up to .* raise n_steps"):
        coarse = ll.IntegratedGradients(method="riemann_left", n_steps=3).explain(
            IMAGE, smooth_model()
        )
    assert abs(coarse.details["completeness_gap"][0]) > 0.01


def test_several_baselines_are_averaged():
    both = ll.IntegratedGradients(baseline=ll.Backgrounds([IMAGE * 0, IMAGE + 1.0]))
    ones = [
        ll.IntegratedGradients(baseline=ll.Backgrounds([start])) for start in (IMAGE * 0, IMAGE + 1)
    ]
    single = [each.explain(IMAGE, smooth_model()).importances for each in ones]
    np.testing.assert_allclose(
        both.explain(IMAGE, smooth_model()).importances, np.mean(single, axis=0), atol=1e-12
    )


def test_channels_are_summed_and_kept():
    image = np.random.default_rng(0).random((3, 4, 5))
    found = ll.IntegratedGradients().explain(image, PowerModel(np.ones((3, 4, 5))), channel_axis=0)
    np.testing.assert_allclose(found.details["per_channel"][0], image**2)
    np.testing.assert_allclose(found.importances[0], (image**2).sum(axis=0))


def test_smoothing_averages_over_noisy_images():
    """For a sum of squares the map is (x + noise)^2, so its mean grows by the variance."""
    image = np.full((4, 4), 2.0)
    image[0, 0] = 1.0  # a range of one
    explainer = ll.IntegratedGradients(smooth=0.5, n_smooth=500, n_steps=2)
    found = explainer.explain(image, PowerModel(np.ones((4, 4))), rng=0)
    np.testing.assert_allclose(found.importances[0].mean(), (image**2).mean() + 0.25, rtol=0.03)
    # each copy adds up to its own score, which is asked for
    np.testing.assert_allclose(found.details["completeness_gap"], 0, atol=1e-9)
    assert found.n_predictions == 2 + 500 + found.details["n_gradients"]


@pytest.mark.parametrize("factor", [1, 255])
def test_a_gradient_that_is_not_the_scores_is_warned_of_with_noise_as_well(factor):
    def steep(batch):
        return np.tanh(batch.sum(axis=(1, 2)))

    def slope(batch, target):
        return np.zeros_like(batch) + factor * (1 - steep(batch) ** 2)[:, np.newaxis, np.newaxis]

    explainer = ll.IntegratedGradients(smooth=0.3, n_smooth=20)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        explainer.explain(IMAGE / 10, ll.with_gradient(steep, slope), rng=0)
    assert [str(each.message)[:28] for each in caught] == ["importances of target 0 add "] * (
        factor != 1
    )


def test_expected_gradients_are_their_definition_enumerated():
    """Two samples and a quadratic: the mean of (x - x')(x + x') = x^2 - x'^2."""
    starts = np.stack([IMAGE * 0 + 0.5, IMAGE * 0 - 1.5])
    explainer = ll.ExpectedGradients(samples=ll.Backgrounds(starts), n_steps=4000)
    found = explainer.explain(IMAGE, PowerModel(ONES), rng=0)
    exact = IMAGE**2 - (starts**2).mean(axis=0)
    z = (found.importances[0] - exact) / found.standard_errors[0]
    assert np.abs(z).max() < 4
    assert np.abs(found.details["completeness_gap"][0]) < 0.5


def test_expected_gradients_errors_are_the_spread_over_seeds():
    starts = np.random.default_rng(1).normal(size=(3, 2, 2))
    explainer = ll.ExpectedGradients(samples=ll.Backgrounds(starts), n_steps=50)
    runs = [explainer.explain(IMAGE, smooth_model(), rng=seed) for seed in range(200)]
    spread = np.std([run.importances[0] for run in runs], axis=0)
    claimed = np.sqrt(np.mean([run.standard_errors[0] ** 2 for run in runs], axis=0))
    np.testing.assert_allclose(claimed, spread, rtol=0.3)


def test_the_model_sees_the_images_dtype_in_bounded_batches():
    seen = []

    def gradient(batch, target):
        seen.append((batch.dtype, len(batch)))
        return np.ones(batch.shape, dtype=np.float32)

    model = ll.with_gradient(lambda batch: batch.sum(axis=(1, 2)), gradient)
    ll.IntegratedGradients(n_steps=10).explain(IMAGE.astype(np.float32), model, batch_size=4)
    assert seen == [(np.float32, 4), (np.float32, 4), (np.float32, 2)]


def test_noise_is_a_share_of_the_images_range():
    seen = []

    def gradient(batch, target):
        seen.append(batch.copy())
        return np.zeros_like(batch)

    model = ll.with_gradient(lambda batch: np.zeros(len(batch)), gradient)
    smooth = {"method": "riemann_right", "n_steps": 1, "smooth": 0.1, "n_smooth": 400}
    ll.IntegratedGradients(**smooth).explain(IMAGE, model, rng=0)
    noise = np.concatenate(seen) - IMAGE  # the range is 5
    assert len(noise) == 400
    assert noise.std() == pytest.approx(0.5, rel=0.1)


def test_expected_gradients_errors_are_those_of_a_mean():
    points = []

    def gradient(batch, target):
        points.append(batch.copy())
        return np.ones_like(batch)

    model = ll.with_gradient(lambda batch: batch.sum(axis=(1, 2)), gradient)
    samples = ll.Backgrounds([[[0.0, 0.0]], [[20.0, 40.0]]])
    found = ll.ExpectedGradients(samples=samples, n_steps=5).explain(
        np.array([[10.0, 20.0]]), model, rng=0
    )
    below = np.concatenate(points) < [[10.0, 20.0]]
    draws = np.where(below, [[10.0, 20.0]], [[-10.0, -20.0]])
    np.testing.assert_allclose(found.importances[0], draws.mean(axis=0))
    np.testing.assert_allclose(found.standard_errors[0], draws.std(axis=0, ddof=1) / np.sqrt(5))


@pytest.mark.parametrize(
    "explainer",
    [ll.IntegratedGradients(n_steps=3), ll.ExpectedGradients(samples=ll.Noise(n=2), n_steps=3)],
    ids=["integrated", "expected"],
)
def test_channels_add_up_to_the_map_for_every_target(explainer):
    image = np.random.default_rng(0).random((2, 3, 4))
    model = ll.with_gradient(
        lambda batch: np.stack([batch.sum(axis=(1, 2, 3)), (batch**2).sum(axis=(1, 2, 3))], axis=1),
        lambda batch, target: 2 * batch if target else np.ones_like(batch),
    )
    found = explainer.explain(image, model, target=[0, 1], rng=0)
    parts = found.details["per_channel"]
    assert parts.shape == (2, 2, 3, 4)
    np.testing.assert_allclose(parts.sum(axis=-1), found.importances)
    assert np.abs(found.importances).min() > 0


def test_gradients_that_run_out_of_memory_are_asked_in_smaller_batches():
    def gradient(batch, target):
        if len(batch) > 4:
            raise MemoryError("no room")
        return 2 * batch

    model = ll.with_gradient(lambda batch: (batch**2).sum(axis=(1, 2)), gradient)
    with pytest.warns(LimelensWarning, match="with 8 images a call .* going on with 4"):
        found = ll.IntegratedGradients(n_steps=8).explain(IMAGE, model)
    np.testing.assert_allclose(found.importances[0], IMAGE**2)
    assert found.details["n_gradients"] == 8


@pytest.mark.parametrize(
    "explainer",
    [
        ll.IntegratedGradients(n_steps=400),
        ll.IntegratedGradients(n_steps=4, smooth=0.1, n_smooth=100),
        ll.ExpectedGradients(samples=ll.Constant(0), n_steps=400),
    ],
    ids=["integrated", "smoothed", "expected"],
)
def test_memory_does_not_grow_with_the_number_of_points(explainer):
    model = ll.with_gradient(
        lambda batch: batch.sum(axis=(1, 2)), lambda batch, target: np.ones_like(batch)
    )
    image = np.random.default_rng(0).random((100, 100))
    tracemalloc.start()
    explainer.explain(image, model, batch_size=4, rng=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 * image.nbytes  # 400 points or 100 copies at once are more


@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        (lambda b: b.sum(axis=(1, 2)), InvalidInputError, r"limelens\.with_gradient\(predict_fn"),
        (
            ll.with_gradient(lambda b: b.sum(axis=(1, 2)), lambda b, t: b[0]),
            PredictionError,
            r"`gradient` must return numbers of shape \(50, 2, 2\)",
        ),
        (
            ll.with_gradient(lambda b: b.sum(axis=(1, 2)), lambda b, t: b * np.nan),
            PredictionError,
            "finite numbers",
        ),
    ],
)
def test_models_without_a_proper_gradient_are_named(model, error, words):
    with pytest.raises(error, match=words):
        ll.IntegratedGradients().explain(IMAGE, model)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"method": "simpson"}, "`method` must be one of 'gausslegendre'"),
        ({"n_steps": 0}, "`n_steps` must be an integer >= 1"),
        ({"method": "riemann_trapezoid", "n_steps": 1}, "`n_steps` must be an integer >= 2"),
        ({"baseline": 0}, "`baseline` must be a callable"),
        ({"smooth": -1}, "`smooth` must be a finite number"),
    ],
)
def test_settings_are_checked_at_once(settings, words):
    with pytest.raises(InvalidInputError, match=words):
        ll.IntegratedGradients(**settings)


def test_a_baseline_equal_to_the_image_is_refused():
    with pytest.raises(InvalidInputError, match="`baseline` returned the image itself"):
        ll.IntegratedGradients(baseline=ll.Constant(1)).explain(np.ones((2, 2)), PowerModel(ONES))


@pytest.mark.parametrize("dense", [False, True])
def test_callable_targets_have_no_gradient(dense):
    model = ll.with_gradient(
        lambda batch: batch if dense else batch[:, 0], lambda batch, target: np.ones_like(batch)
    )
    with pytest.raises(InvalidInputError, match="`target` must be a score column"):
        ll.IntegratedGradients().explain(
            IMAGE, model, target=lambda scores: scores.reshape(len(scores), -1)[:, 0]
        )


def test_integers_are_refused_with_the_cure():
    with pytest.raises(InvalidInputError, match=r"image\.astype\(np\.float32\)"):
        ll.IntegratedGradients().explain(IMAGE.astype(int), PowerModel(ONES))


def test_models_with_gradients_can_be_copied_and_sent_to_other_processes():
    model = ll.with_gradient(np.sum, np.cos)
    for twin in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin.gradient is np.cos
        assert twin.features is None


def test_with_gradient_offers_only_what_it_was_given():
    model = ll.with_gradient(lambda batch: batch.sum(axis=(1, 2)), lambda batch, target: batch)
    assert model.gradient is not None
    assert model.features is None
    with pytest.raises(InvalidInputError, match="got neither"):
        ll.with_gradient(lambda batch: batch)


@pytest.mark.parametrize("start", [0.0, 0.7])
def test_pixels_that_interact_in_pairs_share_what_they_add_evenly(start):
    rng = np.random.default_rng(0)
    model = QuadraticModel(rng.normal(size=(4, 4)))
    explainer = ll.IntegratedGradients(baseline=ll.Constant(start), n_steps=1)
    found = explainer.explain(IMAGE, model)  # the slopes are linear: one node is exact
    exact = model.integrated_gradients(IMAGE, start)
    np.testing.assert_allclose(found.importances[0], exact, atol=1e-12)


@pytest.mark.parametrize("method", RULES)
@pytest.mark.parametrize("target", [0, 1])
def test_any_rule_is_exact_on_a_linear_model(method, target):
    model = LinearModel(np.random.default_rng(1).normal(size=(2, 2, 2)), bias=3.0)
    explainer = ll.IntegratedGradients(method=method, n_steps=2)
    found = explainer.explain(IMAGE, model, target=target)
    exact = model.integrated_gradients(IMAGE, 0.0, target)
    np.testing.assert_allclose(found.importances[0], exact, atol=1e-12)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda b, t: [[1.0], [1.0, 2.0]], "`gradient` must be an array of numbers"),
        (lambda b, t: np.ma.masked_less(b, 1), r"`gradient` must not be masked.*filled\(0\)"),
        (lambda b, t: b.astype(object), "`gradient` must hold booleans, integers or real numbers"),
    ],
)
def test_what_is_no_gradient_is_said_with_a_typed_error(answer, words):
    model = ll.with_gradient(lambda batch: batch.sum(axis=(1, 2)), answer)
    with pytest.raises(PredictionError, match=words):
        ll.IntegratedGradients(n_steps=2).explain(IMAGE, model)


def test_a_layer_without_maps_is_refused():
    model = ll.with_gradient(
        lambda batch: batch.sum(axis=(1, 2)),
        features_fn=lambda batch, target: (np.zeros((len(batch), 0, 2, 2)),) * 2,
    )
    with pytest.raises(PredictionError, match="must return activations"):
        ll.GradCam().explain(IMAGE, model)


def test_small_changes_of_large_scores_of_single_precision_are_told_their_cure():
    def far(batch):
        return 1e6 + batch.sum(axis=(1, 2)) / 100

    explainer = ll.Ablation(segmenter=ll.Grid(cell=(1, 1)), fill=ll.Constant(0))
    with pytest.warns(LimelensWarning, match="rounding .* compute in float64"):
        assert not explainer.explain(IMAGE, lambda b: far(b).astype(np.float32)).importances.any()
    assert explainer.explain(IMAGE, far).importances.any()
