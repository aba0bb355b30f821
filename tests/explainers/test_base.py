"""What `explain` does with any image, whatever the method."""

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError
from limelens.testing import Recorder

IMAGE = np.arange(1, 13, dtype=np.uint8).reshape(3, 4)


def total(batch):
    return batch.astype(float).reshape(len(batch), -1).sum(axis=1)


def ablation(**settings):
    return ll.Ablation(segmenter=ll.Grid(cell=(3, 2)), **{"fill": ll.Constant(0)} | settings)


def test_an_explanation_does_not_change_with_the_callers_array():
    image = IMAGE.copy()
    explanation = ablation().explain(image, total)
    image[:] = 0
    np.testing.assert_array_equal(explanation.image, IMAGE)


def test_masked_values_are_not_read_as_if_they_were_not_masked():
    masked = np.ma.masked_greater(IMAGE, 10)
    with pytest.raises(InvalidInputError, match=r"`image` must not be masked.*valid="):
        ablation().explain(masked, total)
    ablation().explain(np.ma.asarray(IMAGE), total)  # nothing is masked


@pytest.mark.parametrize(("image", "value"), [(IMAGE * 0, 1), (IMAGE * 0 + 7, 0)])
def test_the_fill_that_is_offered_instead_does_change_the_image(image, value):
    with pytest.raises(InvalidInputError, match=rf"example fill=Constant\({value}\)"):
        ablation(fill=ll.ImageMean()).explain(image, total)


@pytest.mark.parametrize(
    ("dtype", "value"), [("float16", 1e5), ("float32", -1e39), ("int64", 2.0**63), ("uint8", 256)]
)
def test_a_fill_beyond_the_images_dtype_is_refused_before_the_model_is_asked(dtype, value):
    model = Recorder(total)
    with pytest.raises(InvalidInputError, match=f"`fill` must fit the image's dtype {dtype}"):
        ablation(fill=ll.Constant(value)).explain(IMAGE.astype(dtype), model)
    assert model.n_images == 0


def test_a_ragged_background_is_named():
    with pytest.raises(InvalidInputError, match="`fill` must be an array of numbers"):
        ablation(fill=lambda image, segments: [[1], [1, 2]]).explain(IMAGE, total)


@pytest.mark.parametrize("name", ["segmenter", "fill"])
def test_the_image_is_protected_from_segmenters_and_fills(name):
    def writes(image, segments=None):
        image[:] = 0
        return image

    image = IMAGE.copy()
    with pytest.raises(ValueError, match="read-only"):
        ll.Ablation(**{"segmenter": ll.Grid(4), name: writes}).explain(image, total)
    np.testing.assert_array_equal(image, IMAGE)


def test_the_settings_are_written_down():
    explainer = ablation()
    assert explainer.explain(IMAGE, total).explainer == repr(explainer)
    assert "Constant(value=0.0)" in repr(explainer)


@pytest.mark.parametrize("segmenter", [ll.Slic(4), ll.Watershed(4), ll.Felzenszwalb(min_size=4)])
def test_layouts_that_were_said_are_not_asked_about(segmenter):
    image = np.random.default_rng(0).random((20, 4, 8))
    ll.Ablation(segmenter=segmenter).explain(image, total, channel_axis=0)  # warnings are errors


@pytest.mark.parametrize(
    "explainer",
    [
        ll.Ablation,
        ll.Anchors,
        ll.ExactShapley,
        ll.KernelShap,
        ll.Lime,
        ll.Occlusion,
        ll.Owen,
        ll.PermutationShapley,
        ll.QuickLime,
        ll.QuickShap,
        ll.Rise,
    ],
)
def test_every_explainer_that_hides_asks_the_same_question_by_default(explainer):
    assert explainer().fill == ll.ImageMean()


def test_quicklime_is_what_lime_tends_to_with_the_defaults_of_both():
    flat = np.repeat([[10.0, 20.0, 60.0, 90.0]], 4, axis=1)  # hidden behind its own mean: nothing
    image = np.repeat(flat, 4, axis=0)

    def predict(batch):
        cells = batch[:, 0, ::4] / 90
        return np.column_stack([cells @ [3.0, 2.0, 0.0, -1.0], cells[:, 0] * cells[:, 3]])

    cells = {"segmenter": ll.Grid(cell=(4, 4))}
    lime = ll.Lime(**cells, n_samples=4000, surrogate=ll.Ridge(1e-9), include_original=False)
    found = [
        explainer.explain(image, predict, target=[0, 1], rng=0).importances
        for explainer in (lime, ll.QuickLime(**cells))
    ]
    np.testing.assert_allclose(found[0], found[1], atol=0.02)
