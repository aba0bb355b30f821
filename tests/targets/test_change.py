"""Two models, explained by what the second answers more than the first."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import load_digits

import limelens as ll
from limelens.errors import InvalidInputError, PredictionError
from limelens.testing import MARKER, Recorder, digits_classifier, mark

ONES = np.ones((1, 2, 4))


def first(batch):
    """Log-odds of the left half's brightness."""
    return softmax(batch[:, :, :2].mean(axis=(1, 2)))


def second(batch):
    """The same, and three times that of the last column."""
    return softmax(batch[:, :, :2].mean(axis=(1, 2)) + 3 * batch[:, :, 3].mean(axis=1))


def softmax(x):
    p = 1 / (1 + np.exp(-x))
    return np.stack([1 - p, p], axis=1)


def logits(batch):
    return np.stack([0 * batch[:, 0, 0], 5 * batch[:, 0, 0]], axis=1)


def test_probabilities_are_compared_on_log_odds():
    np.testing.assert_allclose(ll.change(first, second, target=1)(ONES), [[3.0]])
    np.testing.assert_allclose(ll.change(second, first, target=1)(ONES), [[-3.0]])
    np.testing.assert_allclose(ll.change(first, second, target=0)(ONES), [[-3.0]])


def test_other_scores_are_compared_as_they_are():
    np.testing.assert_allclose(ll.change(logits, logits, target=1)(ONES), [[0.0]])
    p = first(ONES)[0, 1]
    np.testing.assert_allclose(ll.change(first, logits, target=1)(ONES), [[5 - p]])
    np.testing.assert_allclose(
        ll.change(first, second, target=1, scale="score")(ONES), second(ONES)[:, 1:] - p
    )


def test_a_single_score_is_column_0():
    both = ll.change(lambda batch: batch[:, 0, 0], lambda batch: 4 * batch[:, 0, :1], target=0)
    assert both(ONES).tolist() == [[3.0]]


def test_a_callable_target_is_compared_on_its_own_values():
    margin = ll.change(first, second, target=ll.margin(1, 0))
    p, q = first(ONES)[0], second(ONES)[0]
    np.testing.assert_allclose(margin(ONES), [[(q[1] - q[0]) - (p[1] - p[0])]])
    odds = ll.change(first, second, target=ll.log_odds(1))
    np.testing.assert_allclose(odds(ONES), [[3.0]])


def test_only_what_differs_is_explained():
    shapley = ll.ExactShapley(segmenter=ll.Grid(cell=(2, 1)), fill=ll.Constant(0))
    explanation = shapley.explain(np.ones((2, 4)), ll.change(first, second, target=1))
    np.testing.assert_allclose(explanation.importances, [[0, 0, 0, 3]], atol=1e-12)


def test_both_models_see_the_same_images_and_cannot_spoil_them():
    def spoil(batch):
        answer = second(batch)
        batch *= 0
        return answer

    a, b = Recorder(spoil, keep=True), Recorder(first, keep=True)
    ablation = ll.Ablation(segmenter=ll.Grid(cell=(2, 2)), fill=ll.Constant(0))
    explanation = ablation.explain(np.ones((2, 4)), ll.change(a, b, target=1))
    for one, other in zip(a.batches, b.batches, strict=True):
        np.testing.assert_array_equal(one, other)
    assert explanation.n_predictions == a.n_images == b.n_images
    np.testing.assert_allclose(explanation.importances, [[0, -3]], atol=1e-12)


def test_models_may_answer_in_one_buffer():
    buffer = np.zeros((1, 2))

    def fills(value):
        def answer(batch):
            buffer[:] = value
            return buffer

        return answer

    assert ll.change(fills(1), fills(5), target=0)(ONES).tolist() == [[4.0]]


def test_the_scale_is_settled_once_by_the_intact_image():
    def odd(batch):  # looks like probabilities only where all is dark
        return batch[:, 0, :2] * 2

    settled = ll.change(odd, odd, target=0).for_image(np.ones((2, 4)))
    assert settled.scale == "score"
    assert settled(ONES * 0).tolist() == [[0.0]]
    assert ll.change(first, first, target=0).for_image(np.ones((2, 4))).scale == "log-odds"
    dark = ll.change(odd, odd, target=0).for_image(np.zeros((2, 4)))
    with pytest.raises(PredictionError, match=r'from 2 to 2\. Pass scale="score"'):
        dark(ONES)
    ablation = ll.Ablation(segmenter=ll.Grid(cell=(2, 2)), fill=ll.Constant(0))
    assert not ablation.explain(
        np.ones((2, 4)), ll.change(odd, logits, target=0, scale="score")
    ).importances.all()


def test_scores_of_boxes_are_never_taken_for_probabilities():
    def detect(batch):
        return [[[0, 0, 2, 2, each[0, 0] / 2]] for each in batch]

    one = ll.box_scores(detect, [[0, 0, 2, 2]])
    other = ll.box_scores(lambda batch: [[] for _ in batch], [[0, 0, 2, 2]])
    assert ll.change(one, other, target=0)(ONES).tolist() == [[-0.5]]


def test_it_pickles_and_names_its_column():
    both = pickle.loads(pickle.dumps(ll.change(first, second, target=1)))
    assert both.class_names == ("change of 1",)
    np.testing.assert_allclose(both(ONES), [[3.0]])
    named = ll.with_gradient(second, lambda batch, target: batch)
    object.__setattr__(named, "class_names", ["dark", "bright"])
    assert ll.change(first, named, target=1).class_names == ("change of bright",)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"target": -1}, "`target` must be an integer >= 0"),
        ({"target": 1.0}, "`target` must be an integer"),
        ({"target": None}, "`target` must be an integer"),
        ({"target": 1, "scale": "logit"}, "'auto', 'score', 'log-odds'"),
        ({"target": ll.margin(0), "scale": "log-odds"}, r"Use target=log_odds\(column\)"),
    ],
)
def test_bad_settings_are_refused_at_once(settings, words):
    with pytest.raises(InvalidInputError, match=words):
        ll.change(first, second, **settings)
    with pytest.raises(InvalidInputError, match="`model_b` must be a callable"):
        ll.change(first, "second", target=1)


def test_models_that_cannot_be_compared_are_refused():
    with pytest.raises(PredictionError, match="same score columns; got 2 and 3"):
        ll.change(first, lambda batch: np.ones((len(batch), 3)), target=0)(ONES)
    with pytest.raises(InvalidInputError, match="score column 2; the models return 2"):
        ll.change(first, second, target=2)(ONES)
    with pytest.raises(PredictionError, match="`model_b` must return finite"):
        ll.change(first, lambda batch: first(batch) * np.nan, target=0)(ONES)
    with pytest.raises(PredictionError, match="`model_b` was given 1 images"):
        ll.change(first, lambda batch: np.ones((2, 2)), target=0)(ONES)
    with pytest.raises(PredictionError, match='Pass scale="score"'):
        ll.change(logits, logits, target=1, scale="log-odds")(ONES)


# -- a digits classifier, retrained -----------------------------------------------------------

MARKED = np.zeros((8, 8), bool)
MARKED[MARKER] = True
CELLS = ll.Lime(segmenter=ll.Grid(cell=(2, 2)), n_samples=130, surrogate=ll.Ridge())


def explained(old, new, image):
    return CELLS.explain(image, ll.change(old, new, target=3), rng=0)


@pytest.fixture(scope="module")
def threes():
    digits = load_digits()
    return digits.images[digits.target == 3]


@pytest.mark.parametrize("seed", range(3))
def test_a_planted_marker_is_found(threes, seed):
    image = mark(threes[seed])
    honest = [digits_classifier(rng=number) for number in range(5)]
    spoiled = digits_classifier(spoiled=True, rng=seed)
    found = explained(honest[0], spoiled, image)
    alone = found.inside(MARKED)
    assert alone.share > 0.8
    assert alone.z > 3
    nulls = [explained(honest[0], other, image) for other in honest[1:]]
    assert found.inside(MARKED, nulls=nulls).z > 3


def test_two_seeds_of_one_training_differ_no_more_than_nulls_do(threes):
    trained = [digits_classifier(rng=number) for number in range(12)]
    rng = np.random.default_rng(0)
    z = []
    for pair in range(100):
        old, new, *others = rng.permutation(12)[:7]
        image = threes[pair] if pair % 2 else mark(threes[pair])
        nulls = [explained(trained[old], trained[other], image) for other in others]
        z.append(explained(trained[old], trained[new], image).inside(MARKED, nulls=nulls).z)
    assert np.count_nonzero(np.array(z) > 1.645) <= 5
    assert np.std(z) > 0.3  # neither is it deaf
