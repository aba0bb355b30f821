"""Embeddings, explained by what they are near to."""

import pickle

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError, PredictionError

BATCH = np.zeros((2, 4, 4))


def colors(batch):
    """Embed a colour picture by its mean colour."""
    return batch.mean(axis=(1, 2))


def embed_as(vectors):
    return lambda batch: np.asarray(vectors)


def test_the_score_is_the_cosine_of_the_angle():
    scores = ll.similarity_scores(embed_as([[3.0, 4.0], [0.0, -2.0]]), [[2.0, 0.0], [0.0, 9.0]])
    np.testing.assert_allclose(scores(BATCH), [[0.6, 0.8], [0, -1]])


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_lengths_do_not_matter_however_large_or_small(scale):
    scores = ll.similarity_scores(
        embed_as(np.array([[3.0, 4.0]]) * scale), np.array([1.0, 0]) * scale
    )
    np.testing.assert_allclose(scores(BATCH[:1]), [[0.6]])


def test_an_embedding_of_zeros_is_near_to_nothing():
    assert ll.similarity_scores(embed_as([[0.0, 0.0]]), [1.0, 0.0])(BATCH[:1]).tolist() == [[0.0]]


def test_each_reference_is_explained_by_what_is_like_it():
    image = np.zeros((4, 8, 3))
    image[:, :4, 0], image[:, 4:, 1] = 1, 1  # red left, green right
    scores = ll.similarity_scores(colors, {"red": [1, 0, 0], "green": [0, 1, 0]})
    shapley = ll.ExactShapley(segmenter=ll.Grid(cell=(4, 4)), fill=ll.Constant(0))
    explanation = shapley.explain(image, scores, target=[0, 1])
    r = np.sqrt(0.5)  # of both together; alone 1 and 0, hidden 0
    np.testing.assert_allclose(
        explanation.importances, [[(1 + r) / 2, (r - 1) / 2], [(r - 1) / 2, (1 + r) / 2]]
    )


def test_it_pickles_and_names_its_columns():
    scores = ll.similarity_scores(colors, {"red": [1, 0, 0], "green": [0, 1, 0]})
    again = pickle.loads(pickle.dumps(scores))
    assert again.class_names == ("red", "green")
    np.testing.assert_array_equal(again(np.ones((1, 2, 2, 3))), scores(np.ones((1, 2, 2, 3))))
    assert ll.similarity_scores(colors, np.eye(3)[:2]).class_names == ("reference 0", "reference 1")
    assert ll.similarity_scores(colors, [1, 0, 0], names=["red"]).class_names == ("red",)


@pytest.mark.parametrize(
    ("references", "settings", "words"),
    [
        ([[0.0, 0.0]], {}, "vector 0 is all zero"),
        (np.zeros((0, 3)), {}, r"vectors \(t, e\)"),
        (1.0, {}, r"vectors \(t, e\)"),
        ([np.nan], {}, "finite"),
        ("cat", {}, "`references` must hold"),
        ({}, {}, "`references` must be vectors of one length"),
        ({"a": [1, 0], "b": [1]}, {}, "one length"),
        ({"a": [1, 0]}, {"names": ["a"]}, "names of their own"),
        ([[1.0, 0.0]], {"names": ["a", "b"]}, "`names` must be 1 strings"),
    ],
)
def test_bad_references_are_refused_at_once(references, settings, words):
    with pytest.raises(InvalidInputError, match=words):
        ll.similarity_scores(colors, references, **settings)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([[1.0, 2.0, 3.0]] * 2, "vectors of the 2 entries that `references` have; got 3"),
        ([[1.0, 2.0]], "given 2 images"),
        ([1.0, 2.0], "given 2 images"),
        ([[1.0, np.inf]] * 2, "finite"),
        (None, "must return"),
    ],
)
def test_embeddings_that_do_not_fit_are_refused(answer, words):
    with pytest.raises(PredictionError, match=words):
        ll.similarity_scores(lambda batch: answer, [1.0, 0.0])(BATCH)
