"""What models answer that is no score of its own for each image, and the line that mends it."""

import warnings
from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import pytest
from explained import EXPLAINERS, IMAGE, every_explainer, logits, quietly

import limelens as ll
from limelens.engine.answers import check_scores, warn_of_sorted_scores
from limelens.errors import InvalidInputError, LimelensWarning, PredictionError


@every_explainer
@quietly
@pytest.mark.parametrize("noise", ["saturated", "rounding"])
def test_what_is_within_rounding_is_zero_and_says_so(name, noise):
    rng = np.random.default_rng(2)

    def saturated(batch):
        left = (batch[:, :, :12] ** 2).mean(axis=(1, 2))
        return (1 - 2e-6 * left).astype(np.float32)

    def constant(batch):
        return 0.7 + rng.integers(-1, 2, len(batch)) * 1.1e-16

    model = {"saturated": saturated, "rounding": constant}[noise]
    with pytest.warns(LimelensWarning, match=r"never changed by more than rounding") as caught:
        explanation = EXPLAINERS[name].explain(IMAGE, model, rng=0)
    assert not explanation.importances.any()
    assert any("log_odds(0)" in str(each.message) for each in caught)
    picture = np.asarray(explanation.to_image(boundaries=False))
    assert (np.ptp(picture.astype(int), axis=-1) == 0).all()  # grey everywhere: nothing painted


@quietly
def test_the_cure_of_saturation_works():
    def saturated(batch):
        return 1 / (1 + np.exp(-16 - batch[:, :, :12].mean(axis=(1, 2)).astype(np.float64)))

    explanation = EXPLAINERS["Ablation"].explain(IMAGE, saturated, target=ll.log_odds(0, eps=1e-12))
    assert explanation.importances.any()


def test_small_changes_that_are_no_rounding_stay():
    explanation = EXPLAINERS["Ablation"].explain(IMAGE, lambda batch: 1 + 1e-9 * logits(batch))
    assert explanation.importances.any()


# -- class numbers ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Lime", "Occlusion", "Ablation"])
def test_the_number_of_a_class_is_no_score(name):
    def predict(batch):
        return (batch[:, :, :12].mean(axis=(1, 2)) * 400).astype(np.int64)

    with pytest.warns(LimelensWarning, match="predict_proba in place of predict"):
        EXPLAINERS[name].explain(IMAGE, predict, rng=0)


def test_counts_of_several_classes_are_scores():
    EXPLAINERS["Ablation"].explain(IMAGE, lambda batch: (100 * logits(batch)).astype(int))


# -- other things than an array ---------------------------------------------------------------

ROWS = np.array([[0.1, 0.9], [0.7, 0.3]])


class Output(OrderedDict):
    """As Hugging Face's: a mapping whose entries are attributes too."""

    logits = property(lambda self: self["logits"])


ANSWERS = {
    "tuple": (ROWS, None),
    "dict": {"scores": ROWS, "boxes": 1},
    "model output": Output(logits=ROWS),
    "object with logits": SimpleNamespace(logits=ROWS),
    "two heads": [ROWS, ROWS],
    "list of dicts": [{"a": 0.1, "b": 0.9}, {"a": 0.7, "b": 0.3}],
    "pipeline": [
        [{"label": "b", "score": 0.9}, {"label": "a", "score": 0.1}],
        [{"label": "a", "score": 0.7}, {"label": "b", "score": 0.3}],
    ],
}


@pytest.mark.parametrize("case", ANSWERS)
def test_the_line_that_mends_an_answer_works(case):
    output = ANSWERS[case]
    with pytest.raises(PredictionError) as caught:
        check_scores(output, 2, any_rank=True)
    line = str(caught.value)
    start = max(line.rfind("output"), 0)
    code = line[
        line.index("[[") if "[[" in line else line.index("[list") if "[list" in line else start :
    ]
    code = code.split(", which")[0].rstrip(".")
    np.testing.assert_array_equal(check_scores(eval(code, {"output": output}), 2), ROWS)


@pytest.mark.parametrize(
    "shape",
    [(2, 5, 1, 1), (2, 3, 8, 9), (2, 8, 9, 3), (2, 7, 3, 8), (2, 1, 8, 9), (2, 4, 6), (2, 6, 2)],
    ids=str,
)
def test_the_advice_for_scores_of_many_axes_gives_a_map_that_is_not_zero(shape):
    scores = np.random.default_rng(0).random(shape)
    with pytest.raises(PredictionError) as caught:
        check_scores(scores, 2)
    advice = str(caught.value)
    if "target=" in advice:
        target = eval(advice.partition("target=")[2].removesuffix("."))
        assert target(scores).shape == (2,)
        shortest = 1 + int(np.argmin(shape[1:]))
        column = min(1, shape[shortest] - 1)
        expected = scores.take(column, axis=shortest).reshape(2, -1).mean(axis=1)
        np.testing.assert_allclose(target(scores), expected)
    else:
        made = eval(advice.partition("Return ")[2].removesuffix("."), {"scores": scores})
        np.testing.assert_array_equal(made, scores.reshape(2, -1))


@pytest.mark.parametrize(
    ("shape", "classes"), [((2, 21, 7, 7), 1), ((2, 7, 7, 21), 3), ((2, 5, 4, 4), 1)], ids=str
)
def test_many_classes_are_told_from_height_and_width_by_these_being_equal(shape, classes):
    scores = np.random.default_rng(0).random(shape)
    with pytest.raises(PredictionError) as caught:
        check_scores(scores, 2)
    target = eval(str(caught.value).partition("target=")[2].removesuffix("."))
    expected = scores.take(1, axis=classes).mean(axis=(1, 2))
    np.testing.assert_allclose(target(scores), expected)


def test_a_map_of_one_score_is_advised_to_be_averaged():
    scores = np.random.default_rng(0).random((2, 6, 6))
    with pytest.raises(PredictionError) as caught:
        check_scores(scores, 2)
    target = eval(str(caught.value).partition("target=")[2].removesuffix("."))
    np.testing.assert_allclose(target(scores), scores.mean(axis=(1, 2)))


def test_the_advice_for_counts_silences_the_warning():
    def boxes(batch):
        return np.array([(image > 1).sum() for image in batch])

    with pytest.warns(LimelensWarning, match=r"counts something.*np\.asarray\(counts, float\)"):
        counted = EXPLAINERS["Ablation"].explain(IMAGE, boxes)
    silent = EXPLAINERS["Ablation"].explain(IMAGE, lambda batch: np.asarray(boxes(batch), float))
    np.testing.assert_array_equal(silent.importances, counted.importances)


class Tensor:
    """A tensor on the CPU that has a graph behind it, or is of bfloat16, as PyTorch's."""

    device = SimpleNamespace(type="cpu")

    def __init__(self, values, dtype="float32", *, graph=True):
        self.values, self.dtype, self.graph = values, dtype, graph

    def detach(self):
        return Tensor(self.values, self.dtype, graph=False)

    def float(self):
        return Tensor(self.values, "float32", graph=self.graph)

    def __array__(self, dtype=None, copy=None):
        if self.graph:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        if self.dtype == "torch.bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.values


@pytest.mark.parametrize("dtype", ["torch.float32", "torch.bfloat16"])
@pytest.mark.parametrize("graph", [True, False])
def test_tensors_on_the_host_are_taken(dtype, graph):
    np.testing.assert_array_equal(check_scores(Tensor(ROWS, dtype, graph=graph), 2), ROWS)
    a_tensor_each = [Tensor(row, dtype, graph=graph) for row in ROWS]
    np.testing.assert_array_equal(check_scores(a_tensor_each, 2), ROWS)


def test_samples_made_by_hand_are_refused_by_what_they_lack():
    samples = ll.Samples(
        keys=np.array([[0b11110000]], np.uint8), scores=ROWS[:1], n_segments=4, fingerprint=""
    )
    with pytest.raises(InvalidInputError, match="`reuse` holds rows of another image"):
        ll.Ablation(segmenter=ll.Grid(4)).explain(IMAGE, logits, reuse=samples)


@pytest.mark.parametrize("order", [1, -1])
def test_scores_that_are_sorted_by_size_are_warned_of(order):
    rows = np.sort(np.random.default_rng(0).random((2, 6)), axis=1)[:, ::order]
    with pytest.warns(LimelensWarning, match="in the order of their size"):
        warn_of_sorted_scores(rows)


@pytest.mark.parametrize(
    "rows",
    [
        np.sort(np.random.default_rng(0).random((2, 4)), axis=1),  # few columns may be so by chance
        np.stack([np.arange(6.0), np.arange(6.0)[::-1]]),
        np.eye(6)[[0, 0]],
        np.stack([np.arange(6.0)] * 2),  # the scores of a model that never moves
        np.arange(6.0)[np.newaxis],  # methods that hide nothing have no other end
        np.zeros((2, 6)),
    ],
)
def test_scores_in_an_order_of_their_own_are_not(rows):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_sorted_scores(rows)


def test_a_model_of_the_best_five_classes_is_warned_of():
    weights = np.random.default_rng(0).normal(size=(64, 9))

    def best_five(batch):
        return -np.sort(-batch.reshape(len(batch), -1) @ weights, axis=1)[:, :5]

    image = np.random.default_rng(1).random((8, 8))
    with pytest.warns(LimelensWarning, match="return them in one order of the classes"):
        ll.Ablation(segmenter=ll.Grid(4)).explain(image, best_five, target=0)
