from dataclasses import replace

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError
from limelens.results.pages import paid_scores
from limelens.results.words import fidelity_words, grade, question, score_range, shown_name


def test_scores_of_the_strongest_are_told_where_they_were_asked(make):
    # Ranks of cat: segments 0, 1, 3, 2. Asked: all, none, {0, 1}, everything but {0, 1}, {3}.
    coalitions = np.array([[1, 1, 1, 1], [0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]])
    samples = ll.Samples(
        keys=np.packbits(coalitions.astype(bool), axis=1),
        scores=np.arange(15.0).reshape(5, 3),
        n_segments=4,
        fingerprint="",
    )
    only, without = paid_scores(make(samples=samples), 0)
    np.testing.assert_array_equal(only, [4, np.nan, 7, np.nan, 1])
    np.testing.assert_array_equal(without, [1, np.nan, 10, np.nan, 4])


def test_scores_of_functions_and_of_maps_per_pixel_are_not_told(make):
    samples = ll.Samples(
        keys=np.zeros((1, 1), np.uint8), scores=np.zeros((1, 3)), n_segments=4, fingerprint=""
    )
    assert paid_scores(make(), 0) == (None, None)
    of_function = make(samples=samples, targets_are_columns=False)
    assert paid_scores(of_function, 0) == (None, None)
    per_pixel = make(samples=samples, importances=np.ones((2, 3, 3)))
    assert paid_scores(per_pixel, 0) == (None, None)


def test_an_explanation_of_another_size_is_not_compared(make):
    other = make(image=np.zeros((3, 4, 3)), segments=np.array([[0, 1, 2, 3]] * 3))
    with pytest.raises(
        InvalidInputError, match=r"`compare` must explain an image.*compare.to_html"
    ):
        make().to_html(compare=other)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"theme": "pink"}, "`theme` must be one of 'auto', 'light', 'dark'"),
        ({"max_side": 1}, "`max_side` must be an integer >= 16"),
        ({"title": 3}, "`title` must be a string"),
        ({"compare": 3}, "`compare` must be an Explanation; got 3"),
    ],
)
def test_a_page_that_cannot_be_is_refused(make, option, message):
    with pytest.raises(InvalidInputError, match=message):
        make().to_html(**option)


def test_a_column_without_a_name_is_a_class_or_the_only_score(make):
    unnamed = make(target_names=("1", "cat"))
    assert (shown_name(unnamed, 0), shown_name(unnamed, 1)) == ("class 1", "cat")
    assert question(unnamed, 0) == "Why class 1?"
    single = make(
        importances=np.ones((1, 4)),
        targets=(0,),
        target_names=("0",),
        scores=np.zeros(1),
        hidden_scores=np.zeros(1),
    )
    assert question(single, 0) == "Why this score?"
    function = replace(unnamed, targets_are_columns=False)
    assert question(function, 0) == "Why 1?"


@pytest.mark.parametrize(
    ("value", "word"), [(1.0, "good"), (0.9, "good"), (0.89, "fair"), (0.7, "fair"), (0.69, "poor")]
)
def test_grades_begin_where_they_say(value, word):
    assert grade(value) == word


def test_what_is_not_known_is_not_said(make):
    assert fidelity_words(make(), 0) == ""
    assert fidelity_words(make(fidelity=np.array([np.nan, 0.8])), 0) == ""


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        (None, (0.0, 1.0)),
        ([[0.2, 0.9], [0.0, np.nan]], (0.0, 1.0)),
        ([[3.0, -2.0], [1.0, 0.0]], (-2.0, 3.0)),
        ([[-3.0, -2.0], [-1.0, np.nan]], (-3.0, 0.0)),
    ],
)
def test_bars_of_scores_end_at_probabilities_or_at_the_largest(make, values, ends):
    known = None if values is None else np.array(values)
    assert score_range(make(target_values=known)) == ends


def test_a_map_per_pixel_with_error_bars_has_a_page_without_segments():
    rise = ll.Rise(n_masks=30, grid=2, fill=ll.Constant(0))
    found = rise.explain(np.ones((6, 8)), lambda batch: batch[:, :, 4:].mean(axis=(1, 2)), rng=0)
    assert np.isfinite(found.standard_errors).all()
    page = found.to_html()
    assert "certain" not in page.partition("<script")[0]
    assert page.startswith("<!DOCTYPE html>")


def test_targets_are_called_after_their_method_where_two_are_compared(make):
    assert r"cat \u00b7 " not in make().to_html()
    page = make(explainer="Lime()").to_html(compare=make(explainer="Rise()"))
    assert r"cat \u00b7 Lime" in page
    assert r"cat \u00b7 Rise" in page
