import numpy as np
import pytest

from limelens.errors import InvalidInputError
from limelens.pictures import draw_heatmap, draw_image, draw_overlay, draw_top
from limelens.pictures.colors import LIME_LOWERS, LIME_RAISES, LOWERS, PAPER, RAISES
from limelens.pictures.overlay import outline

GREY = np.full((2, 2), 100, dtype=np.uint8)
MAP = np.array([[1.0, -1.0], [0.5, 0.0]])


def corners(picture):
    """Return the colours of the four pixels of a 2 x 2 image, row by row."""
    array = np.asarray(picture).astype(int)
    return [tuple(array[row, column]) for row in (9, -9) for column in (9, -9)]


def test_the_backdrop_is_flattened_and_painted_with_the_opacity():
    expected = [
        [PAPER + 0.5 * (c - PAPER) for c in RAISES],
        [PAPER + 0.5 * (c - PAPER) for c in LOWERS],
        [PAPER + 0.25 * (c - PAPER) for c in RAISES],
        [PAPER] * 3,
    ]
    np.testing.assert_allclose(corners(draw_overlay(GREY, MAP, opacity=0.5)), expected, atol=1)


def test_full_opacity_leaves_nothing_of_a_flat_image():
    found = corners(draw_overlay(GREY, MAP, opacity=1.0))
    assert found[:2] == [RAISES, LOWERS]


def test_the_colour_backdrop_is_the_image_itself():
    image = np.full((2, 2, 3), (10, 100, 200), dtype=np.uint8)
    assert corners(draw_overlay(image, MAP, backdrop="color"))[3] == (10, 100, 200)


def test_a_zero_map_is_the_bare_image_without_a_warning():
    found = draw_overlay(GREY, np.zeros((2, 2)), backdrop="color")
    np.testing.assert_array_equal(np.asarray(found), np.asarray(draw_image(GREY)))


def test_channels_first_and_last_give_the_same_picture():
    image = np.random.default_rng(0).integers(0, 255, (6, 5, 3)).astype(np.uint8)
    heatmap = np.random.default_rng(1).normal(size=(6, 5))
    last = draw_overlay(image, heatmap)
    first = draw_overlay(image.transpose(2, 0, 1), heatmap, channel_axis=0)
    np.testing.assert_array_equal(np.asarray(last), np.asarray(first))


def test_a_volume_is_painted_slice_by_slice():
    heatmap = np.zeros((2, 2, 2))
    heatmap[1] = 1.0
    picture = draw_overlay(
        np.zeros((2, 2, 2), np.uint8), heatmap, channel_axis=None, backdrop="color", opacity=1.0
    )
    array = np.asarray(picture)
    assert tuple(array[-9, 9]) == (0, 0, 0)
    assert tuple(array[-9, -9]) == RAISES


@pytest.mark.parametrize(
    ("shape", "size"),
    [((25, 25), (275, 275)), ((1500, 2000), (1024, 768)), ((300, 400), (400, 300))],
)
def test_pictures_are_legible_whatever_the_size_of_the_image(shape, size):
    labels = np.zeros(shape, dtype=int)
    labels[shape[0] // 2 :] = 1
    picture = draw_overlay(np.zeros(shape, np.uint8), labels - 0.5, segments=labels)
    assert picture.size == size
    assert picture.mode == "RGB"
    # Orange below, blue above, and a darker line between them.
    red = np.asarray(picture)[:, size[0] // 2, 0].astype(int)
    middle = size[1] // 2
    assert red[5] < red[-5]
    assert red[middle - 6 : middle + 6].min() < red[5]


def test_max_side_bounds_the_picture():
    assert max(draw_image(np.zeros((700, 600)), max_side=128).size) == 128
    assert draw_heatmap(np.zeros((700, 600)), max_side=140).size == (120, 140)


def test_boundaries_are_drawn_on_the_outline_only():
    labels = np.zeros((40, 40), dtype=int)
    labels[:, 20:] = 1
    lines = outline(labels)
    assert lines[:, :18].max() == 0
    assert lines[:, 22:].max() == 0
    assert lines[:, 19].min() > 0.5


def test_a_wider_outline_has_a_solid_core():
    labels = np.zeros((40, 40), dtype=int)
    labels[:, 20:] = 1
    assert np.flatnonzero(outline(labels, width=3)[20] > 0.9).tolist() == [17, 18, 19, 20, 21]


def test_colors_must_be_one_of_two():
    none = np.zeros((2, 2), dtype=bool)
    with pytest.raises(InvalidInputError, match="`colors` must be one of 'limelens', 'lime'"):
        draw_top(GREY, none, none, colors="green")


def test_one_segment_has_no_outline():
    assert not outline(np.zeros((5, 5), int)).any()


def test_unsigned_labels_have_boundaries():
    labels = np.zeros((40, 40), dtype=np.uint16)
    labels[:, 14:] = 3
    signed, unsigned = (
        draw_overlay(labels * 1.0, np.zeros((40, 40)), segments=labels.astype(dtype), max_side=16)
        for dtype in (np.int64, np.uint16)
    )
    np.testing.assert_array_equal(np.asarray(signed), np.asarray(unsigned))


@pytest.mark.parametrize(
    ("colors", "raises", "lowers"),
    [("limelens", RAISES, LOWERS), ("lime", LIME_RAISES, LIME_LOWERS)],
)
def test_what_raises_is_veiled_in_orange_what_lowers_in_blue_or_as_lime_does(
    colors, raises, lowers
):
    up, down = np.eye(2, dtype=bool), np.array([[False, True], [False, False]])
    found = corners(draw_top(GREY, up, down, colors=colors))
    np.testing.assert_allclose(found[0], 100 + 0.45 * (np.array(raises) - 100), atol=1)
    np.testing.assert_allclose(found[1], 100 + 0.45 * (np.array(lowers) - 100), atol=1)
    assert found[2] == (100, 100, 100)
    assert found[3] == found[0]


def test_the_outline_is_solid_where_the_score_rises_and_dashed_where_it_falls():
    region = np.zeros((256, 256), dtype=bool)
    region[64:192, 64:192] = True
    none = np.zeros_like(region)
    solid, dashed = (
        np.asarray(draw_top(np.zeros((256, 256), np.uint8), *masks)).astype(int)
        for masks in ((region, none), (none, region))
    )
    side = slice(70, 186)
    on_line = [
        np.abs(picture[side, 63] - color).sum(axis=-1) < 60
        for picture, color in ((solid, RAISES), (dashed, LOWERS))
    ]
    assert on_line[0].all()
    assert 0.3 < on_line[1].mean() < 0.7


def test_marked_segments_are_numbered_by_rank():
    labels = np.arange(2)[np.newaxis].repeat(2, axis=0)
    none = np.zeros((2, 2), dtype=bool)
    bare = np.asarray(draw_top(GREY, none, none))
    for ranked, side in (([0], slice(0, 128)), ([1], slice(128, 256))):
        picture = np.asarray(draw_top(GREY, none, none, segments=labels, ranked=ranked))
        changed = (picture != bare).any(axis=-1)
        assert changed[:, side].any()
        assert changed.sum() == changed[:, side].sum()


def test_the_slices_of_a_volume_are_numbered():
    volume = np.full((4, 90, 90), 128, np.uint8)
    picture = np.asarray(draw_image(volume, channel_axis=None))
    for row, column in ((0, 0), (0, 91), (91, 0), (91, 91)):
        assert (picture[row * 2 : row * 2 + 40, column * 2 : column * 2 + 40] < 60).any()
    assert (np.asarray(draw_image(volume[0])) == 128).all()


def test_nothing_at_the_top_is_the_image_itself():
    none = np.zeros((2, 2), dtype=bool)
    picture = draw_top(GREY, none, none)
    np.testing.assert_array_equal(np.asarray(picture), np.asarray(draw_image(GREY)))


def test_nothing_given_is_changed():
    image, heatmap = GREY.copy(), MAP.copy()
    image.flags.writeable = heatmap.flags.writeable = False
    labels = np.array([[0, 1], [2, 3]])
    labels.flags.writeable = False
    draw_overlay(image, heatmap, segments=labels)
    draw_top(image, heatmap > 0, heatmap < 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heatmap": np.zeros((2, 3))}, r"`heatmap`.*of shape \(2, 2\); got float64.*\(2, 3\)"),
        ({"heatmap": np.full((2, 2), np.nan)}, "`heatmap` must be finite"),
        ({"segments": np.zeros((3, 2), int)}, r"`segments`.*of shape \(2, 2\)"),
        ({"image": np.zeros(4)}, "`image` must have at least two axes"),
        ({"backdrop": "gray"}, "`backdrop` must be one of 'grey', 'color'; got 'gray'"),
        ({"opacity": -0.1}, "`opacity` must be a finite number"),
        ({"max_side": 0}, "`max_side` must be an integer >= 16"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    arguments = {"image": GREY, "heatmap": MAP} | changes
    image, heatmap = arguments.pop("image"), arguments.pop("heatmap")
    with pytest.raises(InvalidInputError, match=message):
        draw_overlay(image, heatmap, **arguments)


def test_masks_of_another_kind_are_refused():
    with pytest.raises(InvalidInputError, match="`lowers` must be a NumPy array, bool"):
        draw_top(GREY, MAP > 0, MAP)
