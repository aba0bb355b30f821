"""What must hold for every image, model and segmentation: hypothesis looks for exceptions."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import limelens as ll
from limelens.testing import (
    AdditiveModel,
    ColorDetector,
    EdgeDetector,
    TableGame,
    WindowDetector,
)

FAST = settings(max_examples=15, deadline=None)

# Each finds the weights of an additive model, whatever it draws.
EXACT_ON_ADDITIVE = {
    "Lime": ll.Lime(n_samples=60, surrogate=ll.Ridge(1e-11), fill=ll.Constant(0)),
    "Lime forward": ll.Lime(n_samples=60, surrogate=ll.ForwardSelection(99), fill=ll.Constant(0)),
    "Ablation": ll.Ablation(fill=ll.Constant(0)),
    "Ablation keep": ll.Ablation(keep=True, fill=ll.Constant(0)),
    "ExactShapley": ll.ExactShapley(fill=ll.Constant(0)),
    "KernelShap": ll.KernelShap(n_samples=60, fill=ll.Constant(0)),
    "PermutationShapley": ll.PermutationShapley(n_permutations=2, fill=ll.Constant(0)),
}
SHAPLEY = ("ExactShapley", "KernelShap")  # exact for up to five segments: all 32 coalitions

each_exact = pytest.mark.parametrize("name", EXACT_ON_ADDITIVE)
each_shapley = pytest.mark.parametrize("name", SHAPLEY)

tables = st.integers(2, 5).flatmap(
    lambda d: st.lists(st.floats(-9, 9, width=32), min_size=2**d, max_size=2**d)
)


@st.composite
def segmented(draw):
    """A small image, labels of two to six segments with any ids, a weight for each."""
    height, width = draw(st.integers(2, 5)), draw(st.integers(3, 5))
    d = draw(st.integers(2, 6))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    labels = rng.permutation(np.arange(height * width) % d).reshape(height, width)
    ids = draw(st.sampled_from([1, 10, 3])) * np.arange(d) + draw(st.sampled_from([0, 1, -7]))
    weights = draw(st.lists(st.floats(-5, 5, width=16), min_size=d, max_size=d))
    return rng.random((height, width)) + 0.5, ids[labels], np.array(weights)


def explain(name, image, model, labels, **settings):
    explainer = dataclasses.replace(EXACT_ON_ADDITIVE[name], segmenter=ll.LabelImage(labels))
    return explainer.explain(image, model, rng=0, **settings)


def game(values):
    d = int(np.log2(len(values)))
    labels = np.arange(d).reshape(1, d)
    image = np.ones((1, d))
    return image, labels, TableGame(labels, np.array(values), image=image, background=0)


@each_exact
@pytest.mark.filterwarnings("ignore::limelens.LimelensWarning")
@given(case=segmented())
@FAST
def test_an_additive_models_weights_are_returned_for_any_ids(name, case):
    image, labels, weights = case
    model = AdditiveModel(labels, weights, image=image, background=0)
    found = explain(name, image, model, labels)
    np.testing.assert_allclose(found.importances[0], weights, atol=1e-6)


@each_exact
@pytest.mark.filterwarnings("ignore::limelens.LimelensWarning")
@given(case=segmented(), scale=st.floats(-3, 3), shift=st.floats(-9, 9))
@FAST
def test_importances_follow_the_scale_of_the_score_and_ignore_its_origin(name, case, scale, shift):
    image, labels, weights = case
    model = AdditiveModel(labels, weights, image=image, background=0)
    found = explain(name, image, lambda batch: scale * model(batch) + shift, labels)
    np.testing.assert_allclose(found.importances[0], scale * weights, atol=1e-6)


@each_shapley
@pytest.mark.filterwarnings("ignore::limelens.LimelensWarning")
@given(values=tables)
@FAST
def test_shapley_values_sum_to_the_score_difference(name, values):
    image, labels, table = game(values)
    found = explain(name, image, table, labels)
    gap = found.importances[0].sum() - (found.scores - found.hidden_scores)[0]
    assert abs(gap) < 1e-9


@each_shapley
@pytest.mark.filterwarnings("ignore::limelens.LimelensWarning")
@given(values=tables, data=st.data())
@FAST
def test_symmetric_segments_get_equal_values_and_idle_ones_none(name, values, data):
    d = int(np.log2(len(values)))
    i, j = data.draw(st.permutations(range(d)))[:2]
    codes = np.arange(2**d)
    swapped = codes ^ ((codes >> i & 1) ^ (codes >> j & 1)) * (1 << i | 1 << j)
    symmetric = (np.array(values) + np.array(values)[swapped]) / 2
    image, labels, table = game(symmetric)
    found = explain(name, image, table, labels).importances[0]
    assert found[i] == pytest.approx(found[j], abs=1e-7)
    image, labels, table = game(np.array(values)[codes & ~(1 << i)])
    assert explain(name, image, table, labels).importances[0][i] == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize(
    "name", ["Ablation", "Ablation keep", "ExactShapley", "PermutationShapley"]
)
@pytest.mark.filterwarnings("ignore::limelens.LimelensWarning")
@given(case=segmented())
@FAST
def test_a_model_that_ignores_a_segment_gives_it_nothing(name, case):
    image, labels, _ = case
    ids = np.unique(labels)
    seen = labels != ids[0]

    def model(batch):
        return np.tanh((batch * seen).sum(axis=(1, 2)) - 1)

    found = explain(name, image, model, labels).importances[0]
    assert found[0] == pytest.approx(0, abs=1e-9)


SIXTHS = np.repeat(np.arange(6).reshape(2, 3), 2, axis=0).repeat(2, axis=1)  # 2 x 2 pixels each
SCENE = np.full((4, 6, 3), 0.5)
SCENE[1:3, 1:4] = 1.0, 0.25, 0.5

# A model that looks at pixels, and what part of its score each pixel is.
DETECTORS = {
    "colour": (
        ColorDetector((1.0, 0.25, 0.5)),
        (SCENE == [1.0, 0.25, 0.5]).all(axis=-1) / 24,
    ),
    "window": (
        WindowDetector(np.s_[1:4, 2:6]),
        np.pad(SCENE.mean(axis=-1)[1:4, 2:6] / 12, ((1, 0), (2, 0))),
    ),
}


@each_exact
@pytest.mark.parametrize("detector", DETECTORS)
def test_each_segment_has_what_its_pixels_add(name, detector):
    model, parts = DETECTORS[detector]
    found = explain(name, SCENE, model, SIXTHS)
    np.testing.assert_allclose(
        found.importances[0], np.bincount(SIXTHS.flat, parts.flat), atol=1e-9
    )


def test_a_gradient_times_the_image_is_what_each_pixel_of_a_window_adds():
    model, parts = DETECTORS["window"]
    found = ll.IntegratedGradients().explain(SCENE, model)
    np.testing.assert_allclose(found.importances[0], parts, atol=1e-12)


@pytest.mark.parametrize("axis", [0, 1])
def test_hiding_part_of_a_flat_picture_makes_an_edge_that_raises_the_score(axis):
    """The picture has no edge; the score without a segment is that of the edges around its hole."""
    model, image = EdgeDetector(axis), np.ones((4, 6))
    found = explain("Ablation", image, model, SIXTHS).importances[0]
    holes = np.where(np.arange(6)[:, np.newaxis, np.newaxis] == SIXTHS, 0.0, 1.0)
    steps = np.abs(np.diff(holes, axis=axis + 1)).mean(axis=(1, 2))
    assert (found < 0).all()
    np.testing.assert_allclose(found, -steps)
