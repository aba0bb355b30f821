from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import limelens as ll
from limelens.errors import InvalidInputError
from limelens.pictures.drawing import Tile


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


def pictures_of(page):
    return [np.asarray(each.picture) for each in page if isinstance(each, Tile)]


@pytest.mark.parametrize("draw", [lambda one, **o: ll.show([one], **o), ll.signed_panels])
def test_every_option_of_several_maps_reaches_the_picture(draw, scored, words):
    plain = draw(scored, panel_side=100)
    draw(scored, scale=8.0, panel_side=100)
    draw(scored, interpolation="smooth", panel_side=100)
    first, scaled, _ = words
    assert {"-8", "+8"} <= set(map(str, scaled)) - set(map(str, first))
    maps = [pictures_of(page)[1] for page in words]
    assert not np.array_equal(maps[0], maps[1])  # one importance, half the colour and less
    assert not np.array_equal(maps[0], maps[2])
    assert draw(scored, panel_side=200).width > 1.5 * plain.width
    with pytest.raises((OSError, InvalidInputError)):
        draw(scored, font="no-such-font.ttf")


def test_a_panel_has_at_least_64_pixels(scored):
    ll.show([scored], panel_side=64)
    with pytest.raises(InvalidInputError, match="`panel_side` must be an integer >= 64"):
        ll.show([scored], panel_side=63)


def test_as_many_segments_are_numbered_in_every_row_as_asked(scored, words):
    ll.show([scored, scored], n=1)
    ll.show([scored, scored], n=0)
    assert sum("±" in str(each) for each in words[0]) == 4  # two targets in each of two rows
    assert not any("±" in str(each) for each in words[1])


def test_a_map_that_the_common_scale_leaves_blank_is_warned_of(scored):
    weak = replace(scored, importances=scored.importances / 1e4)
    with pytest.warns(ll.LimelensWarning, match=r"map of 'cat' by Lime is blank.*for_target\(1\)"):
        ll.show([scored, weak])
    with pytest.warns(ll.LimelensWarning, match=r"show\(\[explanation\]\)"):
        ll.show([scored, weak.for_target(1)])
    ll.show([weak.for_target(1)])  # what the message advises


def test_the_advice_for_a_weak_target_beside_a_strong_one_works(scored):
    values = scored.importances * [[1e-4], [1.0]]
    weak = replace(scored, importances=values)
    with pytest.warns(ll.LimelensWarning, match=r"show\(\[explanation.for_target\(1\)\]\)"):
        ll.show([weak])
    ll.show([weak.for_target(1)])


def test_a_map_of_zeros_is_no_reason_to_warn(scored):
    ll.show([scored, replace(scored, importances=np.zeros_like(scored.importances))])


@pytest.fixture
def densities(scored):
    """Return an explanation like `scored` whose importances are shares of pixels."""
    return replace(
        scored,
        importances=scored.importances[:, scored.segments] / 1e4,
        standard_errors=None,
        explainer="Sharp()",
        details={"unit": "score per pixel"},
    )


def test_maps_of_another_unit_have_a_scale_of_their_own(scored, densities, words):
    """The densities are a 10000th of the importances, and have the same colours."""
    ll.show([scored, densities, scored, densities])
    ll.show([densities])
    (page, alone) = words
    assert page.index("Lime: score") < page.index("+2") < page.index("Sharp: score per pixel")
    assert page.index("Sharp: score per pixel") < page.index("+0.0002")
    assert "Sharp: score per pixel" not in alone
    pictures = pictures_of(page)
    np.testing.assert_array_equal(pictures[4], pictures_of(alone)[1])
    np.testing.assert_array_equal(pictures[4], pictures[10])
    np.testing.assert_array_equal(pictures[1], pictures[7])


def test_a_number_is_the_scale_of_all_units(scored, densities, words):
    with pytest.warns(ll.LimelensWarning, match="by Sharp is blank on the common scale"):
        ll.show([scored, densities], scale=4.0)
    (page,) = words
    assert page.count("+4") == 1
    assert "Lime: score" not in page


def test_several_methods_of_one_unit_are_named_at_its_colour_bar(scored, densities, words):
    ll.show([scored, replace(scored, explainer="Owen()"), densities])
    assert "Lime, Owen: score" in words[0]
