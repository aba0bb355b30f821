"""Every explainer keeps the same promises.

A new explainer joins by one line in CASES.
"""

import dataclasses
import pickle
import random
import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import limelens as ll
from limelens.errors import InvalidInputError, LimelensWarning, PredictionError
from limelens.testing import Recorder

SEGMENTER = ll.Grid(6)

SEGMENT_CASES = {
    "Lime": ll.Lime(segmenter=SEGMENTER, n_samples=40),
    "Lime ridge": ll.Lime(segmenter=SEGMENTER, n_samples=40, surrogate=ll.Ridge()),
    "Ablation": ll.Ablation(segmenter=SEGMENTER),
    "Anchors": ll.Anchors(segmenter=SEGMENTER, max_samples=300),
    "Ablation keep": ll.Ablation(segmenter=SEGMENTER, keep=True, interactions=True),
    "ExactShapley": ll.ExactShapley(segmenter=SEGMENTER),
    "KernelShap": ll.KernelShap(segmenter=SEGMENTER, n_samples=40),
    "Owen": ll.Owen(segmenter=SEGMENTER),
    "PermutationShapley": ll.PermutationShapley(segmenter=SEGMENTER, n_permutations=3),
    "QuickLime": ll.QuickLime(segmenter=SEGMENTER, max_samples=40),
    "QuickLime all": ll.QuickLime(segmenter=SEGMENTER),
    "QuickShap": ll.QuickShap(segmenter=SEGMENTER, max_samples=40),
}
OTHER_CASES = {
    "Occlusion": ll.Occlusion(window=4, stride=2),
    "Occlusion gaussian": ll.Occlusion(window=4, stride=2, shape="gaussian", fill=ll.Blur(2)),
    "Rise": ll.Rise(n_masks=30, grid=3),
    "Rise published": ll.Rise(n_masks=30, grid=3, debiased=False),
    "Sharp": ll.Sharp(max_samples=30),
    "Sharp grids": ll.Sharp(segmenters=[ll.Grid(4), ll.Grid(6), ll.Grid(9)]),
}
GRADIENT_CASES = {
    "IntegratedGradients": ll.IntegratedGradients(n_steps=5),
    "ExpectedGradients": ll.ExpectedGradients(samples=ll.Noise(low=0.0, high=1.0, n=3), n_steps=9),
    "GradCam": ll.GradCam(),
}
ASKING_CASES = SEGMENT_CASES | OTHER_CASES
CASES = ASKING_CASES | GRADIENT_CASES
SAMPLING_CASES = [
    name for name in CASES if name.startswith(("Lime", "Kernel", "Permutation", "Quick", "Rise"))
]

SHAPES = {
    "grey": ((8, 12), -1),
    "grey with channel": ((8, 12, 1), -1),
    "RGB": ((8, 12, 3), -1),
    "RGBA": ((8, 12, 4), -1),
    "13 bands": ((8, 12, 13), -1),
    "channels first": ((3, 8, 12), 0),
    "volume": ((4, 8, 8), None),
    "volume with channels": ((4, 8, 8, 2), -1),
}
DTYPES = ["uint8", "uint16", "float32", "float64", "bool"]


class PixelModel:
    """Three linear scores of the pixels, with their gradients and one feature layer."""

    def __call__(self, batch):
        flat = np.asarray(batch, dtype=np.float64).reshape(len(batch), -1)
        weights = self._weights(flat.shape[1])
        # Row by row: a matrix product may round differently for another batch size.
        return np.stack([(image[:, np.newaxis] * weights).sum(axis=0) for image in flat])

    def gradient(self, batch, target):
        weights = self._weights(batch[0].size)[:, target]
        return np.broadcast_to(weights.reshape(batch.shape[1:]), batch.shape)

    def features(self, batch, target):
        maps = np.abs(np.asarray(batch, dtype=np.float64)).reshape(len(batch), -1)[:, :8]
        cells = (2,) * 3 if batch.ndim > 4 or batch.shape[1:] == (4, 8, 8) else (2, 4)
        weights = self._weights(8)[:, target]
        return maps.reshape(-1, 1, *cells), np.broadcast_to(
            weights.reshape(cells), (len(batch), 1, *cells)
        )

    @staticmethod
    def _weights(n_pixels):
        return np.random.default_rng(5).normal(size=(n_pixels, 3)) / n_pixels


def picture(shape=(8, 12, 3), dtype="float64"):
    values = np.random.default_rng(3).random(shape)
    scale = {"uint8": 255, "uint16": 65535}.get(dtype, 1)
    image = (values > 0.5) if dtype == "bool" else (values * scale).astype(dtype)
    image.flags.writeable = False
    return image


def explain(name, image=None, model=None, **settings):
    settings.setdefault("rng", 0)
    image = picture() if image is None else image
    return CASES[name].explain(image, model or PixelModel(), **settings)


each = pytest.mark.parametrize("name", CASES)
each_that_asks = pytest.mark.parametrize("name", ASKING_CASES)
each_with_segments = pytest.mark.parametrize("name", SEGMENT_CASES)


@each
@pytest.mark.parametrize("layout", SHAPES)
def test_every_layout_reaches_the_model_as_it_is(name, layout):
    shape, channel_axis = SHAPES[layout]
    image = picture(shape)
    before = image.copy()
    model = Recorder(PixelModel())
    explanation = explain(name, image, model, channel_axis=channel_axis)
    assert {seen[1:] for seen in model.shapes} == {shape}
    assert explanation.heatmap().shape == tuple(
        side for axis, side in enumerate(shape) if axis != explanation.channel_axis
    )
    assert np.isfinite(explanation.importances).all()
    np.testing.assert_array_equal(image, before)


@each
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_reaches_the_model_as_it_is(name, dtype):
    if name in GRADIENT_CASES and not dtype.startswith("float"):
        if name != "GradCam":
            with pytest.raises(InvalidInputError, match="must be floating-point for gradients"):
                explain(name, picture(dtype=dtype))
        return
    model = Recorder(PixelModel())
    explanation = explain(name, picture(dtype=dtype), model)
    assert set(model.dtypes) == {np.dtype(dtype)}
    assert explanation.importances.dtype == np.float64


@each
def test_the_same_seed_gives_the_same_answer_whatever_the_batch_size(name):
    first = explain(name)
    for batch_size in (1, 7, 64):
        again = explain(name, batch_size=batch_size)
        np.testing.assert_array_equal(again.importances, first.importances)


@each
def test_no_global_random_state_is_read_or_written(name):
    numpy_state, python_state = np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    explain(name)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert random.getstate() == python_state


@each
def test_predictions_are_counted_and_batches_bounded(name):
    model = Recorder(PixelModel())
    explanation = explain(name, model=model, batch_size=8)
    assert explanation.n_predictions == model.n_images + sum(model.gradient_batch_sizes)
    assert max(model.batch_sizes) <= 8


@each
def test_the_first_call_holds_the_intact_image(name):
    model = Recorder(PixelModel(), keep=True)
    explain(name, model=model)
    np.testing.assert_array_equal(model.batches[0][0], picture())


@each
def test_rows_already_paid_for_are_never_sent_again(name):
    first = explain(name)
    model = Recorder(PixelModel())
    again = explain(name, model=model, reuse=first)
    assert model.n_images == 1  # is it the same model?
    assert again.n_predictions == 1 + sum(model.gradient_batch_sizes)
    np.testing.assert_array_equal(again.importances, first.importances)


@each_that_asks
def test_a_failing_model_loses_nothing(name):
    undisturbed = explain(name, batch_size=1)
    model = Recorder(PixelModel(), fail_at_call=7)
    with pytest.raises(RuntimeError, match="fails on purpose") as caught:
        explain(name, model=model, batch_size=1)
    rest = explain(name, reuse=caught.value.samples, batch_size=1)
    np.testing.assert_array_equal(rest.importances, undisturbed.importances)
    # The intact image is asked once more: is it the same model?
    n_kept = len(caught.value.samples)
    assert rest.n_predictions == undisturbed.n_predictions - n_kept + 1


@each
def test_many_targets_cost_one_pass_and_agree_with_one_by_one(name):
    if name == "Anchors":
        pytest.skip("each target is a search of its own")
    if name == "Sharp":
        pytest.skip("all targets decide what is split, until all is exact as in Sharp grids")
    both = explain(name, target=[2, 0])
    single = explain(name, target=0)
    gradients = [each.details.get("n_gradients", 0) for each in (both, single)]
    if name == "GradCam":
        gradients = [2, 1]
    assert both.n_predictions - gradients[0] == single.n_predictions - gradients[1]
    assert both.targets == (2, 0)
    np.testing.assert_allclose(both.importances[1], single.importances[0], atol=1e-12)


@each
@pytest.mark.parametrize("target", [None, 1, [0, 2], ll.Top(2), lambda s: s[:, 0] - s[:, 1]])
def test_every_form_of_target_is_understood(name, target):
    if callable(target) and name in GRADIENT_CASES:
        with pytest.raises(InvalidInputError, match="must be a score column for gradient methods"):
            explain(name, target=target)
        return
    explanation = explain(name, target=target)
    assert len(explanation.importances) == len(explanation.targets)
    assert len(explanation.target_names) == len(explanation.targets)


@each
def test_one_dimensional_scores_are_one_target(name):
    if name == "Anchors":
        pytest.skip("one score is compared with a threshold, several with each other")

    class OneScore(PixelModel):
        def __call__(self, batch):
            return super().__call__(batch)[:, 0]

    one = explain(name, model=OneScore())
    np.testing.assert_allclose(one.importances, explain(name, target=0).importances, atol=1e-12)
    assert one.scores.shape == (1,)


@pytest.mark.parametrize("name", SAMPLING_CASES)
def test_whoever_draws_masks_says_how_far_to_trust_the_answer(name):
    explanation = explain(name, target=[0, 2])
    assert explanation.fidelity.shape == explanation.reliability.shape == (2,)
    assert (explanation.fidelity <= 1 + 1e-12).all()
    assert ((explanation.reliability >= 0) & (explanation.reliability <= 1)).all()


@each
def test_scores_that_never_change_give_zeros_and_a_warning(name):
    class Constant(PixelModel):
        def __call__(self, batch):
            return np.full((len(batch), 2), 0.5)

        def gradient(self, batch, target):
            return np.zeros(batch.shape)

        def features(self, batch, target):
            return np.ones((len(batch), 1, 2, 4)), np.zeros((len(batch), 1, 2, 4))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        explanation = explain(name, model=Constant(), target=[0, 1])
    assert name in GRADIENT_CASES or len(caught) > 0
    assert all(issubclass(w.category, LimelensWarning) for w in caught)
    if "published" not in name:  # the published RISE is a mean score, nowhere zero
        np.testing.assert_array_equal(explanation.importances, 0 * explanation.importances)


@each
def test_class_names_name_the_targets(name):
    explanation = explain(name, target=[2, 0], class_names=["cat", "dog", "fox"])
    assert explanation.target_names == ("fox", "cat")
    assert explain(name, target=2, class_names={2: "fox"}).target_names == ("fox",)


@each
def test_progress_reaches_its_total(name):
    told = []
    explain(name, progress=lambda done, total: told.append((done, total)))
    assert told
    assert told[-1][0] == told[-1][1]


@each
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"batch_size": 0}, "`batch_size` must be an integer >= 1; got 0"),
        ({"batch_size": 2.0}, "`batch_size` must be an integer"),
        ({"rng": 1.5}, "`rng` must be None, a non-negative integer seed"),
        ({"rng": -1}, "`rng` must be"),
        ({"target": 3}, "`target` must be an integer from 0 to 2; got 3"),
        ({"target": "cat"}, "`target` must be None, a column number"),
        ({"class_names": ["cat"]}, "`class_names` must be a sequence that names all 3"),
        ({"class_names": {"cat", "dog", "fox"}}, "`class_names` must be a sequence"),
        ({"class_names": 3}, "`class_names` must be a sequence"),
        ({"class_names": {7: "cat"}}, "`class_names` names column 7"),
        ({"channel_axis": 5}, "`channel_axis` must be an integer from -3 to 2"),
        ({"progress": 3}, "`progress` must be a callable"),
        ({"reuse": "yesterday"}, "`reuse` must be an Explanation"),
    ],
)
def test_bad_running_conditions_are_named(name, settings, words):
    with pytest.raises(InvalidInputError, match=words):
        explain(name, **settings)


@each
@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.full((8, 8), np.nan), "`image` must be finite; 64 of 64"),
        (np.zeros((0, 8)), "none of them empty"),
        (np.zeros(8), "at least two axes"),
        (np.zeros((8, 8), dtype=object), "`image` must hold booleans, integers or real"),
        (np.zeros((8, 8), dtype=complex), "`image` must hold booleans, integers or real"),
        (np.zeros((2, 2, 2, 2, 2)), "two or three spatial axes"),
        ("cat.png", "`image` must be an array or a Pillow image"),
    ],
)
def test_bad_images_are_named(name, image, words):
    with pytest.raises(InvalidInputError, match=words):
        explain(name, image)


@each
def test_a_model_that_is_no_function_is_named(name):
    with pytest.raises(InvalidInputError, match="`predict_fn` must be a callable"):
        CASES[name].explain(picture(), 3)


def test_an_estimator_is_told_how_to_become_a_function():
    with pytest.raises(InvalidInputError, match=r"must be a callable .* limelens\.from_sklearn"):
        CASES["Lime"].explain(picture(), LogisticRegression())


@each
def test_a_wrong_answer_of_the_model_is_named(name):
    with pytest.raises(PredictionError, match="must return"):
        explain(name, model=lambda batch: np.zeros((len(batch) + 1, 3)))


@each
def test_settings_are_frozen_and_every_one_is_in_the_repr(name):
    explainer = CASES[name]
    for field in dataclasses.fields(explainer):
        assert f"{field.name}=" in repr(explainer)
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(explainer, field.name, None)
    with pytest.raises(TypeError):
        type(explainer)(1)


@each
def test_a_setting_that_cannot_be_is_refused_before_anything_runs(name):
    for field in dataclasses.fields(CASES[name]):
        with pytest.raises(InvalidInputError, match=f"`{field.name}`"):
            dataclasses.replace(CASES[name], **{field.name: {3: "no such setting"}})


@each
def test_explainers_and_explanations_survive_pickling(name):
    explainer = pickle.loads(pickle.dumps(CASES[name]))
    assert repr(explainer) == repr(CASES[name])
    explanation = explain(name)
    back = pickle.loads(pickle.dumps(explanation))
    np.testing.assert_array_equal(back.importances, explanation.importances)


@each
def test_explanations_survive_saving(name, tmp_path):
    explanation = explain(name)
    explanation.save(tmp_path / "why.npz", samples="all")
    back = ll.Explanation.load(tmp_path / "why.npz")
    np.testing.assert_array_equal(back.importances, explanation.importances)
    np.testing.assert_array_equal(back.samples.scores, explanation.samples.scores)
    assert back.explainer == explanation.explainer


@each_that_asks
def test_a_pillow_image_is_an_image(name):
    from PIL import Image

    shown = Image.fromarray(picture(dtype="uint8"))
    model = Recorder(PixelModel())
    explain(name, shown, model)
    assert set(model.dtypes) == {np.dtype(np.uint8)}


@each_with_segments
@pytest.mark.parametrize("ids", [(0, 1, 2), (1, 2, 3), (10, 20, 40), (-5, 0, 7)])
def test_the_ids_of_segments_do_not_matter(name, ids):
    labels = np.zeros((8, 12), dtype=int)
    labels[:, 4:8], labels[:, 8:] = 1, 2
    explainer = dataclasses.replace(CASES[name], segmenter=ll.LabelImage(np.array(ids)[labels]))
    reference = dataclasses.replace(CASES[name], segmenter=ll.LabelImage(labels))
    found = explainer.explain(picture(), PixelModel(), rng=0)
    expected = reference.explain(picture(), PixelModel(), rng=0)
    np.testing.assert_array_equal(found.importances, expected.importances)
    np.testing.assert_array_equal(found.details["segment_ids"], ids)


@each_with_segments
@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros((8, 12), dtype=int), "at least two segments; got one"),
        (np.zeros((8, 11), dtype=int), r"spatial shape \(8, 12\)"),
        (np.full((8, 12), np.nan), "must hold integer labels"),
        (np.zeros((8, 12)), "must hold integer labels"),
    ],
)
def test_bad_segments_are_named(name, labels, words):
    explainer = dataclasses.replace(CASES[name], segmenter=lambda image: labels)
    with pytest.raises(InvalidInputError, match=words):
        explainer.explain(picture(), PixelModel())


@each_with_segments
@pytest.mark.parametrize(
    ("fill", "words"),
    [
        (lambda image, segments: image, "`fill` returned the image itself"),
        (lambda image, segments: image * np.nan, "`fill` must be finite"),
        (lambda image, segments: image[:4], "`fill` must return a background"),
        (ll.ImageMean, "Pass an instance: fill=ImageMean"),
    ],
)
def test_bad_fills_are_named(name, fill, words):
    with pytest.raises(InvalidInputError, match=words):
        dataclasses.replace(CASES[name], fill=fill).explain(picture(), PixelModel())


@each_with_segments
def test_a_fill_that_an_integer_image_cannot_hold_is_refused(name):
    explainer = dataclasses.replace(CASES[name], fill=lambda image, segments: image + 300.0)
    with pytest.raises(InvalidInputError, match="must fit the image's dtype uint8"):
        explainer.explain(picture(dtype="uint8"), PixelModel())


@each_with_segments
def test_several_backgrounds_are_averaged(name):
    if name == "Anchors":
        pytest.skip("a prediction is not linear in the scores")
    image = picture()
    fills = [ll.Constant(0.0), ll.Constant(1.0)]
    both = dataclasses.replace(CASES[name], fill=lambda i, s: np.stack([f(i, s) for f in fills]))
    mean = dataclasses.replace(CASES[name], fill=ll.Constant(0.5))  # the model is linear
    np.testing.assert_allclose(
        both.explain(image, PixelModel(), rng=0).importances,
        mean.explain(image, PixelModel(), rng=0).importances,
        atol=1e-9,
    )


@each_with_segments
def test_segmenters_and_fills_cannot_change_the_image(name):
    def scribble(image, segments):
        image[:] = 0
        return image

    with pytest.raises(ValueError, match="read-only"):
        dataclasses.replace(CASES[name], fill=scribble).explain(picture().copy(), PixelModel())
