"""Segmenters, explained region by region."""

import pickle

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError, PredictionError
from limelens.testing import ColorSegmenter, Recorder

IMAGE = np.zeros((8, 12, 3), np.uint8)
IMAGE[0:4, 0:4] = (200, 0, 0)
IMAGE[4:8, 4:12] = (0, 0, 200)
SEGMENT = ColorSegmenter([(200, 0, 0), (0, 0, 200)])
RED, BLUE = (IMAGE[..., 0] > 0), (IMAGE[..., 2] > 0)
GRID = ll.Grid(cell=(2, 2))


def probabilities(batch):
    """Two classes of a 1 x 4 picture that says itself how likely the second is."""
    return np.stack([1 - batch, batch], axis=1)


def test_mean_is_the_mean_score_inside_the_mask():
    scores = ll.mask_scores(probabilities, [(1, [[1, 1, 0, 0]]), (0, [[0, 0, 0, 1]])])
    np.testing.assert_allclose(scores(np.array([[[0.2, 0.6, 0.9, 0.3]]])), [[0.4, 0.7]])


@pytest.mark.parametrize(("measure", "value"), [("dice", 2 * 1 / (2 + 3)), ("iou", 1 / 4)])
def test_dice_and_iou_by_hand(measure, value):
    # Class 1 wins in the second to fourth pixel, the mask holds the first two.
    scores = ll.mask_scores(probabilities, [(1, [[1, 1, 0, 0]])], measure=measure)
    np.testing.assert_allclose(scores(np.array([[[0.2, 0.6, 0.9, 0.8]]])), [[value]])


@pytest.mark.parametrize("measure", ["mean", "dice", "iou"])
def test_classes_may_come_last(measure):
    regions = [(1, RED), (2, BLUE), (0, ~RED)]
    first = ll.mask_scores(SEGMENT, regions, measure=measure)
    last = ll.mask_scores(
        lambda batch: np.moveaxis(SEGMENT(batch), 1, -1), regions, measure=measure, channel_axis=-1
    )
    batch = np.stack([IMAGE, IMAGE[::-1]])
    np.testing.assert_array_equal(first(batch), last(batch))
    assert first(batch).shape == (2, 3)


@pytest.mark.parametrize("measure", ["mean", "iou"])
@pytest.mark.parametrize(
    "explainer",
    [
        ll.QuickLime(segmenter=GRID, fill=ll.Constant(90)),
        ll.KernelShap(segmenter=GRID, fill=ll.Constant(90), n_samples=400),
        ll.Ablation(segmenter=GRID, fill=ll.Constant(90)),
    ],
    ids=lambda each: type(each).__name__,
)
def test_every_region_is_explained_by_its_own_object(explainer, measure):
    scores = ll.mask_scores(SEGMENT, [(1, None), (2, None)], measure=measure)
    explanation = explainer.explain(IMAGE, scores, target=[0, 1], rng=0)
    for target, (own, other) in enumerate([(RED, BLUE), (BLUE, RED)]):
        evidence = np.maximum(explanation.heatmap(target), 0)
        assert evidence[own].sum() >= 0.6 * evidence.sum()
        assert evidence[other].sum() <= 0.05 * evidence.sum()
    red = explanation.heatmap(0)[RED]
    np.testing.assert_allclose(red, 1 / 4, atol=0.02)  # four segments of an additive score


@pytest.mark.parametrize("measure", ["mean", "dice", "iou"])
def test_without_a_mask_the_models_own_is_taken_from_the_intact_image(measure):
    own = ll.mask_scores(SEGMENT, [(1, None), (2, BLUE)], measure=measure)
    given = ll.mask_scores(SEGMENT, [(1, RED), (2, BLUE)], measure=measure)
    ablation = ll.Ablation(segmenter=GRID, fill=ll.Constant(90))
    a, b = (ablation.explain(IMAGE, each, target=[0, 1]) for each in (own, given))
    np.testing.assert_array_equal(a.importances, b.importances)
    assert a.n_predictions == b.n_predictions + 1
    np.testing.assert_array_equal(own.for_image(IMAGE)(IMAGE[np.newaxis]), [[1, 1]])
    assert given.for_image(IMAGE) is given
    assert own.masks[0] is None


def test_what_the_model_is_shown_for_its_own_mask_is_counted():
    recorder = Recorder(SEGMENT)
    scores = ll.mask_scores(recorder, [(1, None)])
    ablation = ll.Ablation(segmenter=GRID, fill=ll.Constant(90))
    explanation = ablation.explain(IMAGE, scores)
    assert explanation.n_predictions == recorder.n_images
    again = ablation.explain(IMAGE, scores, reuse=explanation)
    np.testing.assert_array_equal(again.importances, explanation.importances)


def test_outside_of_an_explainer_the_image_must_be_given():
    scores = ll.mask_scores(SEGMENT, [(1, None)])
    with pytest.raises(InvalidInputError, match=r"for_image\(image\) first"):
        scores(IMAGE[np.newaxis])


def test_a_class_seen_nowhere_has_no_mask_of_its_own():
    scores = ll.mask_scores(SEGMENT, [(2, None)])
    with pytest.raises(InvalidInputError, match=r"sees the classes \[0, 1\]"):
        ll.Ablation(segmenter=GRID).explain(np.where(BLUE[..., None], 0, IMAGE), scores)


def test_volumes_have_regions_too():
    volume = np.zeros((2, 3, 4))
    volume[1] = 1
    scores = ll.mask_scores(probabilities, [(1, volume > 0)])
    assert scores(np.stack([volume, volume / 2])).tolist() == [[1.0], [0.5]]


def test_it_pickles_and_names_its_columns():
    scores = ll.mask_scores(SEGMENT, [(1, RED), (2, BLUE)])
    again = pickle.loads(pickle.dumps(scores))
    np.testing.assert_array_equal(again(IMAGE[np.newaxis]), [[1, 1]])
    assert scores.class_names == ("region 0: class 1", "region 1: class 2")
    assert ll.mask_scores(SEGMENT, [(1, RED)], names=["red"]).class_names == ("red",)


@pytest.mark.parametrize(
    ("regions", "settings", "words"),
    [
        ([], {}, r"list of pairs \(class, mask\)"),
        ("mask", {}, "list of pairs"),
        ([1], {}, r"pass \[\(class, None\)\]"),
        (RED, {}, "list of pairs"),
        ([(-1, RED)], {}, "integer >= 0; got -1"),
        ([(1.0, RED)], {}, "integer >= 0"),
        ([(1, RED * 0)], {}, "some pixels in them"),
        ([(1, RED * 3)], {}, "labels == label"),
        ([(1, [True])], {}, "some pixels in them"),
        ([(1, RED)], {"channel_axis": 0}, "one of 1, -1"),
        ([(1, RED)], {"measure": "f1"}, "'mean', 'dice', 'iou'"),
        ([(1, RED)], {"names": "red"}, "`names` must be 1 strings"),
    ],
)
def test_bad_regions_are_refused_at_once(regions, settings, words):
    with pytest.raises(InvalidInputError, match=words):
        ll.mask_scores(SEGMENT, regions, **settings)


def test_a_class_that_does_not_exist_is_refused():
    with pytest.raises(InvalidInputError, match="class 3; `segment` returned scores of 3 classes"):
        ll.mask_scores(SEGMENT, [(3, RED)])(IMAGE[np.newaxis])


@pytest.mark.parametrize(
    ("answer", "settings", "words"),
    [
        (np.zeros((1, 3, 4, 6)), {}, r"mask of shape \(8, 12\).*\(4, 6\). Give masks of that"),
        (np.zeros((1, 8, 12)), {}, "Of label maps make scores"),
        (np.zeros((1, 3)), {}, r"must return scores \(n, k, H, W\)"),
        (np.zeros((2, 3, 8, 12)), {}, "given 1 images"),
        (np.full((1, 3, 8, 12), np.nan), {}, "finite"),
        (np.zeros((1, 1, 8, 12)), {"measure": "iou"}, "at least two classes.*concatenate"),
        ("scores", {}, "must return"),
    ],
)
def test_answers_that_are_no_scores_of_every_pixel_are_refused(answer, settings, words):
    scores = ll.mask_scores(lambda batch: answer, [(0, RED)], **settings)
    with pytest.raises(PredictionError, match=words):
        scores(IMAGE[np.newaxis])


def test_label_maps_and_single_probabilities_become_scores_as_the_messages_advise():
    labels = SEGMENT(IMAGE[np.newaxis]).argmax(axis=1)
    scores = labels[:, None] == np.arange(3)[:, None, None]
    assert ll.mask_scores(lambda _: scores, [(1, RED)])(IMAGE[np.newaxis]).tolist() == [[1.0]]
    p = RED[np.newaxis, np.newaxis] * 0.9
    both = np.concatenate([1 - p, p], axis=1)
    overlap = ll.mask_scores(lambda _: both, [(1, RED)], measure="iou")
    assert overlap(IMAGE[np.newaxis]).tolist() == [[1.0]]
