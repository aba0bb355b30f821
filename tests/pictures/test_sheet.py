import numpy as np
import pytest
from PIL import Image

from limelens.errors import InvalidInputError
from limelens.pictures import color_bar, sheet
from limelens.pictures.colors import LOWERS, OPACITY, PAPER, RAISES, blend
from limelens.pictures.lettering import load_font, signed, wrap

BLUE = np.zeros((40, 60, 3), dtype=np.uint8) + np.array([0, 0, 255], dtype=np.uint8)


def bluish(picture):
    """Return where the tiles are."""
    return (np.asarray(picture) == [0, 0, 255]).all(axis=-1)


def ink(picture):
    """Return where anything is drawn on the paper."""
    return (np.asarray(picture) != 255).any(axis=-1)


def test_tiles_stand_side_by_side_with_a_gap_between_them():
    page = sheet([BLUE, BLUE], tile_side=120)
    row = bluish(page)[page.height // 2]
    starts = np.flatnonzero(np.diff(row.astype(int)) == 1) + 1
    assert starts.tolist() == [8, 8 + 120 + 8]
    assert row.sum() == 240


def test_five_tiles_make_two_rows_of_three():
    page = sheet([BLUE] * 5, tile_side=64)
    assert page.size == (8 + 3 * (64 + 8), page.height)
    assert bluish(page).sum() == 5 * 64 * 43


def test_the_number_of_columns_can_be_chosen():
    tall, wide = sheet([BLUE] * 3, columns=1, tile_side=64), sheet([BLUE] * 3, tile_side=64)
    assert tall.height > wide.height
    assert tall.width < wide.width


def test_tiles_of_all_sizes_get_the_same_longer_side():
    page = sheet([BLUE, BLUE[:, :20]], tile_side=120)
    areas = bluish(page)
    assert areas[:, 8:128].any(axis=0).all()
    assert areas.any(axis=1).sum() == 120
    assert areas[:, 136:].any(axis=0).sum() == 60


def test_pillow_images_of_any_mode_are_tiles():
    tiles = [Image.new(mode, (30, 30)) for mode in ("L", "RGB", "RGBA", "P", "1")]
    sheet(tiles, tile_side=64)


def test_titles_stand_above_their_tile_and_inside_its_width():
    page = sheet([BLUE, BLUE], ["", "a title " * 30], tile_side=120)
    strip = ink(page)[: np.argmax(bluish(page).any(axis=1))]
    assert strip[:, 136:256].any()
    assert not strip[:, :132].any()
    assert not strip[:, 257:].any()


def test_a_longer_title_than_fits_ends_in_dots():
    font = load_font(None, 14)
    lines = wrap("many words " * 20, font, 100)
    assert len(lines) == 2
    assert lines[1].endswith("…")
    assert all(font.getlength(line) <= 100 for line in lines)


def test_a_word_wider_than_the_tile_goes_on_in_the_next_line():
    font = load_font(None, 14)
    word = "Donaudampfschifffahrtsgesellschaft"
    lines = wrap(word, font, 100, max_lines=4)
    assert len(lines) > 1
    assert "".join(lines) == word
    assert all(font.getlength(line) <= 100 for line in lines)
    assert wrap(word, font, 100, max_lines=1)[0].endswith("…")


def test_a_heading_moves_the_tiles_down():
    plain, headed = sheet([BLUE], tile_side=200), sheet([BLUE], heading="Why?", tile_side=200)
    assert np.argmax(bluish(headed).any(axis=1)) > np.argmax(bluish(plain).any(axis=1))


def test_the_colour_bar_below_the_tiles_shows_the_overlays_colours():
    bar = np.asarray(color_bar(0.5, 300))
    light = np.full(3, PAPER, dtype=np.uint8)
    colored = np.flatnonzero((bar[0] != 255).any(axis=-1))
    for column, color in ((colored[0], LOWERS), (colored[-1], RAISES)):
        np.testing.assert_allclose(bar[0, column].astype(int), blend(light, color, OPACITY), atol=1)
    middle = (colored[0] + colored[-1]) // 2
    np.testing.assert_allclose(bar[0, middle].astype(int), PAPER, atol=1)


def test_the_bar_of_a_zero_map_has_no_colour():
    bar = np.asarray(color_bar(0.0, 300))[0]
    assert {tuple(color) for color in bar} == {(255, 255, 255), (PAPER,) * 3}
    ticks = np.asarray(color_bar(0.0, 300))[12] != 255
    assert np.flatnonzero(ticks.any(axis=-1)).tolist() == [150]


@pytest.mark.parametrize("limit", [0.0, 1.0, 1e-12, 123456.0, 1e308])
@pytest.mark.parametrize("width", [200, 300, 480])
def test_no_word_of_the_bar_is_clipped(limit, width):
    drawn = ink(color_bar(limit, width))
    assert not drawn[:, [0, -1]].any()
    assert not drawn[-1].any()


def test_the_bar_of_a_sheet_adds_to_its_height_only():
    bare, barred = sheet([BLUE], tile_side=200), sheet([BLUE], limit=0.3, tile_side=200)
    assert barred.width == bare.width
    assert barred.height > bare.height


def test_the_bar_of_a_small_tile_is_wide_enough_for_its_numbers():
    assert sheet([BLUE], limit=0.3, tile_side=64).width == 200 + 2 * 8


def test_importances_are_written_with_sign_and_three_digits():
    assert [signed(value) for value in (0.12345, -1234.5, 0.0, -0.0)] == [
        "+0.123",
        "-1.23e+03",
        "0",
        "0",
    ]


def test_a_font_that_is_none_is_refused(tmp_path):
    (tmp_path / "odd.ttf").write_bytes(b"no font")
    for path in (tmp_path / "odd.ttf", tmp_path / "absent.ttf"):
        with pytest.raises(InvalidInputError, match="`font` must be a TrueType font file"):
            sheet([BLUE], ["title"], font=path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tiles": []}, "`tiles` must be a sequence of pictures, at least one"),
        ({"tiles": iter([BLUE])}, "`tiles` must be a sequence of pictures"),
        ({"tiles": BLUE}, r"`tiles` must be a sequence.*sheet\(\[picture\]\)"),
        ({"titles": ["one", "two"]}, "`titles` must be one for each of the 1 tiles"),
        ({"titles": "a"}, "`titles` must be one for each"),
        ({"titles": [3]}, "`titles` must be a string"),
        ({"rows": ["first", "last"]}, "`rows` must be one line for each of the 1 rows of tiles"),
        ({"rows": "a"}, "`rows` must be one line for each"),
        ({"rows": iter(["a"])}, "`rows` must be one line for each"),
        ({"titles": iter(["a"])}, "`titles` must be one for each"),
        ({"rows": [3]}, "`rows` must be a string"),
        ({"columns": 0}, "`columns` must be an integer >= 1"),
        ({"tile_side": 10}, "`tile_side` must be an integer >= 64"),
        ({"limit": -1.0}, "`limit` must be a finite number"),
        ({"heading": None}, "`heading` must be a string"),
    ],
)
def test_what_cannot_be_laid_out_is_refused(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        sheet(**({"tiles": [BLUE]} | arguments))


def test_each_row_of_tiles_has_its_line_above_it():
    arguments = {"tiles": [BLUE] * 3, "columns": 2, "tile_side": 64}
    plain, labelled = sheet(**arguments), sheet(**arguments, rows=["most", "least"])
    blank = sheet(**arguments, rows=["most", ""])
    assert labelled.width == plain.width
    assert plain.height < blank.height < labelled.height
    assert labelled.height - blank.height == blank.height - plain.height
    bare = (np.asarray(labelled) == 255).all(axis=(1, 2))
    starts = np.flatnonzero(bare[:-1] & ~bare[1:])
    assert len(starts) == 4  # a line and its tiles, twice


@pytest.mark.parametrize(("width", "below", "n_ticks"), [(200, 11, 3), (300, 12, 5), (480, 14, 5)])
def test_the_ticks_of_the_bar_share_it_evenly(width, below, n_ticks):
    bar = np.asarray(color_bar(0.5, width))
    colored = np.flatnonzero((bar[0] != 255).any(axis=-1))
    ticks = np.flatnonzero((bar[below] != 255).any(axis=-1))
    np.testing.assert_allclose(ticks, np.linspace(colored[0], colored[-1], n_ticks), atol=1)
