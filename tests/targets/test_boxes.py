"""Detectors, explained box by box."""

import copy
import pickle

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError, PredictionError
from limelens.targets.boxes import overlaps
from limelens.testing import ObjectDetector, Recorder

# Two objects on a dark ground: a red square and, apart from it, a blue bar.
IMAGE = np.zeros((24, 32, 3), np.uint8)
IMAGE[4:12, 4:12] = (200, 0, 0)
IMAGE[12:16, 16:28] = (0, 0, 200)
DETECT = ObjectDetector([(200, 0, 0), (0, 0, 200)])
BOXES = [[4, 4, 12, 12], [16, 12, 28, 16]]
BATCH = np.zeros((2, 8, 8))


def model(*entries, boxes=((0, 0, 4, 4),), labels=None, **settings):
    """Return scores of a detector that answers every batch alike."""
    return ll.box_scores(lambda batch: list(entries), boxes, labels, **settings)


def score(entry, **settings):
    return model(entry, **settings)(BATCH[:1])[0].tolist()


def test_the_score_is_overlap_times_agreement_times_objectness_of_the_best_detection():
    # Half of the box at 0.9, all of it at 0.4, another class at 1.
    found = {"boxes": [[0, 0, 4, 2], [0, 0, 4, 4], [0, 0, 4, 4]], "scores": [0.9, 0.4, 1.0]}
    assert score(found | {"labels": [3, 3, 5]}, labels=3) == [0.45]
    assert score(found | {"labels": [3, 3, 5]}) == [1.0]  # of any class


def test_class_probabilities_agree_by_their_cosine():
    found = ([[0, 0, 4, 4]], [[0.6, 0.8]])  # a vector of length 1, and 0.8 its largest entry
    assert score(found, labels=0) == pytest.approx([0.6 * 0.8])
    assert score(found, scores=[[0.8, 0.6]]) == pytest.approx([(0.48 + 0.48) * 0.8])
    sure = {"boxes": found[0], "scores": found[1], "objectness": [0.5]}
    assert score(sure, labels=1) == pytest.approx([0.8 * 0.5])


def test_probabilities_of_the_reference_are_compared_with_the_detectors_labels():
    found = ([[0, 0, 4, 4]], [0.5], [1])
    assert score(found, scores=[[0.6, 0.8]]) == pytest.approx([0.8 * 0.5])


FORMS = {
    "torchvision": {"boxes": [[0, 0, 4, 2]], "scores": [0.8], "labels": [7]},
    "tuple": ([[0, 0, 4, 2]], [0.8], [7]),
    "array": np.array([[0, 0, 4, 2, 0.8, 7]]),
    "list of rows": [[0, 0, 4, 2, 0.8, 7]],
    "pipeline": [{"score": 0.8, "label": 7, "box": {"xmin": 0, "ymin": 0, "xmax": 4, "ymax": 2}}],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_usual_form_of_detections_is_read(form):
    assert score(FORMS[form], labels=[7]) == [0.4]
    assert score(FORMS[form], labels=[8]) == [0.0]


def test_what_an_array_of_detections_holds_can_be_passed_on():
    found = np.array([[0, 0, 4, 2, 0.8, 7], [0, 2, 4, 4, 0.5, 3]])
    scores = ll.box_scores(lambda batch: [found] * len(batch), found[:, :4], found[:, 5])
    assert scores(BATCH[:1]).tolist() == [[0.8, 0.5]]


def test_rows_of_zeros_stand_for_nothing():
    padded = np.zeros((2, 3, 6))
    padded[0, 0] = [0, 0, 4, 4, 0.5, 7]
    scores = ll.box_scores(lambda batch: padded, [[0, 0, 4, 4], [0, 0, 1, 1]], [7, 0])
    assert scores(BATCH).tolist() == [[0.5, 0.0], [0.0, 0.0]]


def test_names_of_classes_are_compared_as_names():
    cat = [{"score": 0.8, "label": "cat", "box": {"xmin": 0, "ymin": 0, "xmax": 4, "ymax": 4}}]
    assert score(cat, labels="cat") == [0.8]
    assert score(cat, labels=["dog"]) == [0.0]


@pytest.mark.parametrize(
    ("box_format", "box"),
    [("xyxy", [1, 2, 5, 8]), ("xywh", [1, 2, 4, 6]), ("cxcywh", [3, 5, 4, 6])],
)
def test_the_four_numbers_mean_what_the_format_says(box_format, box):
    built = model([box], boxes=[box], box_format=box_format)
    np.testing.assert_array_equal(built.boxes, [[1, 2, 5, 8]])
    assert built(BATCH[:1]).tolist() == [[1.0]]


@pytest.mark.parametrize(
    "nothing",
    [[], (), None, np.zeros((0, 6)), np.zeros(0), {"boxes": np.zeros((0, 4)), "scores": []}],
)
def test_an_image_without_detections_scores_zero(nothing):
    ragged = model(nothing, [[0, 0, 4, 4], [0, 0, 2, 4]], labels=None)
    assert ragged(BATCH).tolist() == [[0.0], [1.0]]
    assert score(nothing, labels=[1]) == [0.0]


def test_overlap_by_hand():
    boxes = np.array([[0.0, 0, 4, 4]])
    others = np.array([[2.0, 2, 6, 6], [4, 0, 8, 4], [1, 1, 3, 3], [0, 0, 4, 4], [2, 2, 2, 2]])
    np.testing.assert_allclose(overlaps(boxes, others), [[4 / 28, 0, 4 / 16, 1, 0]])


@pytest.mark.parametrize(
    "explainer",
    [
        ll.QuickShap(segmenter=ll.Grid(cell=(2, 2)), fill=ll.Constant(90), max_samples=400),
        ll.QuickLime(segmenter=ll.Grid(cell=(2, 2)), fill=ll.Constant(90), max_samples=400),
        ll.KernelShap(segmenter=ll.Grid(cell=(4, 4)), fill=ll.Constant(90), n_samples=200),
        ll.Occlusion(window=4, stride=2, fill=ll.Constant(90)),
    ],
    ids=lambda each: type(each).__name__,
)
@pytest.mark.filterwarnings("ignore:.*:limelens.errors.LimelensWarning")
def test_every_box_is_explained_by_its_own_object(explainer):
    recorder = Recorder(ll.box_scores(DETECT, BOXES, labels=[0, 1]))
    explanation = explainer.explain(IMAGE, recorder, target=[0, 1], rng=0)
    assert explanation.n_predictions == recorder.n_images  # all boxes from the same calls
    regions = [np.zeros(IMAGE.shape[:2], bool) for _ in BOXES]
    for (x0, y0, x1, y1), region in zip(BOXES, regions, strict=True):
        region[y0:y1, x0:x1] = True
    for target in (0, 1):
        own = np.maximum(explanation.heatmap(target), 0)
        assert own[regions[target]].sum() >= 0.6 * own.sum()
        assert own[regions[1 - target]].sum() <= 0.05 * own.sum()


@pytest.mark.parametrize("debiased", [True, False])
def test_rise_on_a_detector_points_at_each_object(debiased):
    scores = ll.box_scores(ObjectDetector(DETECT.colors, tolerance=60), BOXES, labels=[0, 1])
    rise = ll.Rise(n_masks=1500, grid=8, fill=ll.Constant(90), debiased=debiased)
    explanation = rise.explain(IMAGE, scores, target=[0, 1], rng=0)
    for target, (x0, y0, x1, y1) in enumerate(BOXES):
        heatmap = explanation.heatmap(target)
        y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
        assert y0 <= y < y1
        assert x0 <= x < x1


def test_the_toy_detectors_attribution_is_exact():
    scores = ll.box_scores(DETECT, BOXES, labels=[0, 1])
    ablation = ll.Ablation(segmenter=ll.Grid(cell=(4, 4)), fill=ll.Constant(90))
    red, blue = ablation.explain(IMAGE, scores, target=[0, 1]).importances
    in_red = [red.reshape(6, 8)[1:3, 1:3].ravel().tolist(), red.sum()]
    assert in_red == [[0.25] * 4, pytest.approx(1)]
    assert blue.reshape(6, 8)[3, 4:7].tolist() == pytest.approx([1 / 3] * 3)


def test_it_pickles_and_names_its_columns():
    scores = ll.box_scores(DETECT, BOXES, labels=[0, 1])
    again = pickle.loads(pickle.dumps(copy.deepcopy(scores)))
    np.testing.assert_array_equal(again(IMAGE[np.newaxis]), [[1, 1]])
    assert again.class_names == ("box 0: 0", "box 1: 1")
    assert ll.box_scores(DETECT, BOXES).class_names == ("box 0", "box 1")
    assert ll.box_scores(DETECT, BOXES, names=["red", "blue"]).class_names == ("red", "blue")
    with pytest.raises(AttributeError):
        scores.labels = None


def test_an_explanation_takes_over_the_names():
    scores = ll.box_scores(DETECT, BOXES, labels=[0, 1], names=["red", "blue"])
    ablation = ll.Ablation(segmenter=ll.Grid(cell=(4, 4)), fill=ll.Constant(90))
    explanation = ablation.explain(IMAGE, scores, target=[1, 0])
    assert explanation.target_names == ("blue", "red")
    region = np.zeros(IMAGE.shape[:2], bool)
    region[4:12, 4:12] = True
    assert explanation.inside(region, "red").share == pytest.approx(1)
    assert explanation.inside(region, "blue").share == pytest.approx(0)


def test_channels_first_pictures_have_their_size_behind_the_channels():
    scores = model([[0, 0, 30, 4]], boxes=[[0, 0, 30, 4]], channel_axis=0)
    assert scores(np.zeros((1, 3, 8, 32))).tolist() == [[1.0]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"boxes": [[4, 0, 2, 4]]}, 'ends before it starts: x from 4 to 2.*pass box_format="xywh"'),
        ({"boxes": [[0, 0, 0, 4]]}, "must have an area; box 0"),
        ({"boxes": [[0.1, 0.1, 0.5, 0.5]]}, "must be in pixels.*Multiply"),
        ({"boxes": [[0, 0, 4]]}, r"shape \(t, 4\)"),
        ({"boxes": np.zeros((0, 4))}, "at least one box"),
        ({"boxes": [[0, 0, 4, np.nan]]}, "`boxes` must be finite"),
        ({"labels": [1, 2]}, "`labels` must be 1 whole numbers"),
        ({"labels": [0.5]}, "`labels` must be 1 whole numbers"),
        ({"scores": [0.9]}, "`scores` must be class probabilities.*does not enter"),
        ({"scores": [[0.0, 0.0]]}, "nor all zero"),
        ({"scores": [[-1.0, 2.0]]}, "must not be negative"),
        ({"labels": [1], "scores": [[0.5, 0.5]]}, "not both"),
        ({"box_format": "yxyx"}, "'xyxy', 'xywh', 'cxcywh'"),
        ({"names": ["a", "b"]}, "`names` must be 1 strings"),
    ],
)
def test_bad_references_are_refused_at_once(arguments, words):
    with pytest.raises(InvalidInputError, match=words):
        ll.box_scores(DETECT, **{"boxes": [[0, 0, 4, 4]], **arguments})


@pytest.mark.parametrize("box", [[8, 0, 12, 4], [-6, 0, 4, 4], [4, 4, 12, 8], [0, 20, 4, 24]])
def test_a_reference_box_outside_the_image_is_refused(box):
    with pytest.raises(InvalidInputError, match=r"8 wide and 8 high; of box 0.*np.clip"):
        model([], boxes=[box])(BATCH[:1])
    clipped = np.clip(box, 0, 8)
    if (clipped[2:] > clipped[:2]).all():  # what the message advises
        assert model([], boxes=[clipped])(BATCH[:1]).tolist() == [[0.0]]


def test_a_box_may_stick_out_a_little():
    assert model([[-0.2, 0, 4, 4]], boxes=[[-0.2, 0, 4, 4]])(BATCH[:1]).tolist() == [[1.0]]


@pytest.mark.parametrize("shape", [(1, 4, 8, 8), (1, 4, 8, 8, 3)])
def test_volumes_have_no_boxes(shape):
    axis = None if len(shape) == 4 else -1
    with pytest.raises(InvalidInputError, match="flat picture"):
        model([], channel_axis=axis)(np.zeros(shape))


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (
            [[0, 0, 4, 4, np.nan]],
            "image 0 of this batch, must return finite numbers; 1 of 5 are NaN",
        ),
        ([[4, 0, 2, 4]], 'ends before it starts.*box_format="xywh" or box_format="cxcywh"'),
        ([[0, 0, 4, 4, 3.5]], "scores from 3.5 to 3.5; they must be probabilities.*sigmoid"),
        ([[0, 0, 4, 4, 0.5], [0, 0, 4, 4, 95]], "scores from 0.5 to 95; .*a hundredth"),
        ([[0, 0, 4]], r"detections must be an array \(m, 4\)"),
        (np.zeros((1, 9)), r"make a tuple \(boxes, probabilities\)"),
        (([[0, 0, 4, 4]], [0.5, 0.5]), r"1 boxes and scores .* not \(1,\)"),
        (([[0, 0, 4, 4]], [0.5], [1, 2]), "1 boxes and labels"),
        (([[0, 0, 4, 4]], [0.5], [0.5]), "1 boxes and labels"),
        (([0, 0, 4, 4], [0.5]), r"not \(m, 4\)"),
        (([[0, 0, 4, 4]], [0.5], [1], [2]), "tuple of 4"),
        (([[0, 0, 4, 4]], [[0.5, 0.5]], [1]), "labels beside class probabilities"),
        ({"boxes": [[0, 0, 4, 4]], "scores": [0.5], "objectness": [1]}, "return it as the scores"),
        ({"pred_boxes": [], "logits": []}, "post_process_object_detection"),
        ({"bboxes": []}, "without 'boxes'"),
        ([{"bbox": [0, 0, 1, 1]}], "without 'box' of xmin"),
        ("cat", "must return"),
        ([[0, 0, 4, "cat"]], "must return"),
    ],
)
def test_detections_that_cannot_be_read_are_refused(entry, words):
    with pytest.raises(PredictionError, match=words):
        score(entry)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"boxes": np.zeros((2, 0, 4))}, "Divide it"),
        ([[]], "list of 2 entries; got 1"),
        (None, "one an image; got None"),
        ((np.zeros((2, 1, 4)), np.zeros((2, 1)), np.zeros((2, 1))), "got 3.*zip"),
    ],
)
def test_one_entry_an_image_must_come(answer, words):
    with pytest.raises(PredictionError, match=words):
        ll.box_scores(lambda batch: answer, [[0, 0, 4, 4]])(BATCH)


def test_a_batch_of_arrays_is_divided_as_the_message_advises():
    boxes, scores, labels = np.tile([0.0, 0, 4, 4], (2, 1, 1)), np.ones((2, 1)), np.ones((2, 1))
    found = {"boxes": boxes, "scores": scores, "labels": labels}
    divided = [
        list(zip(boxes, scores, labels, strict=True)),
        [{key: values[i] for key, values in found.items()} for i in range(len(BATCH))],
    ]
    for each in divided:
        assert model(*each, labels=1)(BATCH).tolist() == [[1.0], [1.0]]


@pytest.mark.parametrize(
    ("entry", "settings", "words"),
    [
        (([[0, 0, 4, 4]], [0.5]), {"labels": 1}, "neither labels nor class probabilities"),
        (([[0, 0, 4, 4]], [0.5], ["cat"]), {"labels": 1}, "never taken for each other"),
        (([[0, 0, 4, 4]], [[0.5, 0.5]]), {"labels": 2}, "from 0 to 1; got"),
        (([[0, 0, 4, 4]], [[0.5, 0.5]]), {"labels": "cat"}, "from 0 to 1; got"),
        (([[0, 0, 4, 4]], [0.5], [5]), {"scores": [[0.5, 0.5]]}, "from 0 to 1; got"),
        (([[0, 0, 4, 4]], [[0.5, 0.5]]), {"scores": [[0.5, 0.2, 0.3]]}, "same classes"),
    ],
)
def test_classes_that_cannot_be_compared_are_refused(entry, settings, words):
    with pytest.raises(PredictionError, match=words):
        score(entry, **settings)


def test_the_rows_paid_for_survive_a_bad_answer():
    def detect(batch):
        found = DETECT(batch)
        calls.append(len(batch))
        if len(calls) == 5:  # after both ends, masked images, and each end by itself
            found[0]["scores"] = found[0]["scores"] * np.nan
        return found

    calls: list[int] = []
    ablation = ll.Ablation(segmenter=ll.Grid(cell=(8, 8)), fill=ll.Constant(90))
    with pytest.raises(PredictionError, match="finite") as caught:
        ablation.explain(IMAGE, ll.box_scores(detect, BOXES), target=[0, 1], batch_size=4)
    assert len(caught.value.samples.scores) == sum(calls[:2]) - 1  # one was the intact image again
