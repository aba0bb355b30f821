"""Models that answer in words."""

import pickle

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError, PredictionError

BATCH = np.zeros((2, 4, 4))
IMAGE = np.ones((4, 8))


def caption(batch):
    """Name what is bright: the left half is a cat, the right one a mat."""
    left, right = batch[:, :, :4].mean(axis=(1, 2)), batch[:, :, 4:].mean(axis=(1, 2))
    words = [
        ("a cat" if a > 0.5 else "") + (" a mat" if b > 0.5 else "")
        for a, b in zip(left, right, strict=True)
    ]
    return [text.strip() for text in words]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a cat on a mat", 1.0),
        ("Mat, a cat on A", 1.0),  # any order, any case, no marks
        ("a cat", 2 * 2 / 7),
        ("cat cat", 2 * 1 / 7),  # a word counts as often as both have it
        ("", 0.0),
        ("?!", 0.0),
    ],
)
def test_token_overlap_by_hand(text, value):
    np.testing.assert_allclose(ll.token_overlap("a cat on a mat")([text]), [[value]])


def test_each_word_is_explained_by_what_it_names():
    scores = ll.text_scores(caption, ll.token_overlap(["cat", "mat"]))
    shapley = ll.ExactShapley(segmenter=ll.Grid(cell=(4, 4)), fill=ll.Constant(0))
    explanation = shapley.explain(IMAGE, scores, target=[0, 1])
    # "a cat" and "cat": 2/3; with "a mat" behind it: 2/5; without a word: 0.
    both, own = 2 / 5, 2 / 3
    expected = [(own + both) / 2, (both - own) / 2]
    np.testing.assert_allclose(explanation.importances, [expected, expected[::-1]])


def test_any_score_of_texts_will_do():
    scores = ll.text_scores(caption, lambda texts: [len(text) for text in texts])
    assert scores(np.stack([IMAGE, IMAGE * 0])).tolist() == [[11.0], [0.0]]
    assert scores.class_names is None
    assert ll.text_scores(caption, len, names=["length"]).class_names == ("length",)


def test_it_pickles_and_names_its_columns_after_the_references():
    scores = ll.text_scores(caption, ll.token_overlap(["cat", "mat"]))
    again = pickle.loads(pickle.dumps(scores))
    assert again.class_names == ("cat", "mat")
    np.testing.assert_array_equal(again(IMAGE[np.newaxis]), [[0.4, 0.4]])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (["a cat"], "list of 2 texts"),
        ("ab", "list of 2 texts"),
        ([1, 2], "list of 2 texts"),
        (["a cat", None], "No answer is an empty text"),
        (None, "got None"),
    ],
)
def test_answers_that_are_no_texts_are_refused(answer, words):
    with pytest.raises(PredictionError, match=words):
        ll.text_scores(lambda batch: answer, ll.token_overlap("cat"))(BATCH)


@pytest.mark.parametrize("score", [[1.0], None, [np.nan, 1.0], np.zeros((2, 1, 1)), ["a", "b"]])
def test_scores_of_texts_must_be_numbers_one_a_text(score):
    with pytest.raises(PredictionError, match="`score`"):
        ll.text_scores(lambda batch: ["a", "b"], lambda texts: score)(BATCH)


@pytest.mark.parametrize("references", ["", "...", [], [1], None, ["cat", "!"]])
def test_references_need_a_word(references):
    with pytest.raises(InvalidInputError, match="`references` must be"):
        ll.token_overlap(references)


def tokens(batch, text):
    """Give every letter the log-probability of the picture's brightness."""
    p = batch.mean(axis=(1, 2))
    return np.log(np.stack([p] * len(text), axis=1))


def test_the_likelihood_of_an_answer_is_the_sum_over_its_tokens():
    scores = ll.likelihood_scores(tokens, ["yes", "no"])
    np.testing.assert_allclose(scores(np.full((1, 2, 2), 0.5)), np.log(0.5) * np.array([[3, 2]]))
    assert scores.class_names == ("yes", "no")
    assert pickle.loads(pickle.dumps(scores)).answers == ("yes", "no")
    named = ll.likelihood_scores(tokens, ["yes", "no"], names=["it is", "it is not"])
    assert named.class_names == ("it is", "it is not")


def test_two_answers_can_be_told_apart_by_a_margin():
    scores = ll.likelihood_scores(tokens, ["yes", "no"])
    ablation = ll.Ablation(segmenter=ll.Grid(cell=(4, 4)), fill=ll.Constant(0.25))
    explanation = ablation.explain(IMAGE, scores, target=ll.margin(0, 1))
    # log p, of brightness 1 against (1 + 0.25) / 2, for the one letter more.
    np.testing.assert_allclose(explanation.importances, [[-np.log(0.625)] * 2])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([0.5, 0.5], "none above 0; got 0.5. Of probabilities take np.log"),
        ([-np.inf, -1.0], "finite"),
        ([-1.0], "given 2 images"),
        (None, "must return"),
    ],
)
def test_answers_that_are_no_log_probabilities_are_refused(answer, words):
    with pytest.raises(PredictionError, match=words):
        ll.likelihood_scores(lambda batch, text: answer, "yes")(BATCH)


@pytest.mark.parametrize("answers", ["", [], [1], None])
def test_answers_must_be_texts(answers):
    with pytest.raises(InvalidInputError, match="`answers` must be"):
        ll.likelihood_scores(tokens, answers)
