from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import limelens as ll
from limelens.errors import InvalidInputError
from limelens.galleries import show as rooms
from limelens.pictures.drawing import Tile, Words


@pytest.fixture
def words(monkeypatch):
    """Return the words of every page that is arranged."""
    pages = []
    arrange = rooms.arrange

    def remember(*args, **options):
        drawing = arrange(*args, **options)
        pages.append(
            [mark.text for mark in drawing.marks if isinstance(mark, Words)]
            + [mark for mark in drawing.marks if isinstance(mark, Tile)]
        )
        return drawing

    monkeypatch.setattr(rooms, "arrange", remember)
    return pages


@pytest.fixture
def scored(make):
    return make(
        target_values=np.array([[0.7, 0.3], [0.2, 0.4]]),
        fidelity=np.array([0.95, 0.4]),
        reliability=np.array([0.8, np.nan]),
        standard_errors=np.full((2, 4), 0.0625),
        explainer="Lime(n_samples=9)",
        n_predictions=10,
    )


def test_show_puts_several_explanations_on_one_scale(scored, make, words):
    other = make(importances=np.full((2, 4), 0.25))
    picture = ll.show([scored, other], title="Two")
    assert isinstance(picture, Image.Image)
    (page,) = words
    assert {"Two", "-2", "+2"} <= set(map(str, page))
    tiles = [each for each in page if isinstance(each, Tile)]
    assert len(tiles) == 6 + 1
    small, large = np.asarray(tiles[4].picture), np.asarray(tiles[5].picture)
    np.testing.assert_array_equal(small, large)  # one importance, one colour


@pytest.mark.parametrize("wrong", [[], "text", 3, [3], [None]])
def test_only_explanations_can_be_shown(wrong):
    with pytest.raises(InvalidInputError, match="`explanations` must"):
        ll.show(wrong)


def test_one_explanation_by_itself_is_refused_with_the_call_that_works(scored):
    with pytest.raises(InvalidInputError, match=r"\[explanation\]"):
        ll.show(scored)
    ll.show([scored])


def test_signed_panels_show_all_positive_and_negative(scored, words):
    ll.signed_panels(scored, "dog")
    (page,) = words
    expected = ("all", "raises the score", "lowers the score", "sum of importances -1")
    assert set(expected) <= set(map(str, page))
    assert {"sum of importances 1", "sum of importances -2"} <= set(map(str, page))
    tiles = [np.asarray(each.picture).astype(int) for each in page if isinstance(each, Tile)][1:4]
    both, raises, lowers = (tile[40, -40] - tile[40, -40, 2] for tile in tiles)
    assert both[0] > 50  # segment 1 raises
    assert raises[0] > 50
    assert abs(lowers[0]) < 5
    raised = replace(scored, importances=np.maximum(scored.importances, 0.0))
    np.testing.assert_array_equal(
        np.asarray(raised.to_image("dog", scale=2.0, max_side=320, boundaries=True)), tiles[1]
    )


def test_a_map_that_the_common_scale_leaves_blank_is_warned_of(scored):
    weak = replace(scored, importances=scored.importances / 1e4, explainer="Sharp()")
    with pytest.warns(ll.LimelensWarning, match=r"map of 'cat' by Sharp is blank.*one unit"):
        ll.show([scored, weak])
    ll.show([weak])  # what the message advises


def test_a_map_of_zeros_is_no_reason_to_warn(scored):
    ll.show([scored, replace(scored, importances=np.zeros_like(scored.importances))])
