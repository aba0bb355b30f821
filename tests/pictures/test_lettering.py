"""Every letter is drawn by a font that has it; what no font has is said, never a question mark."""

import importlib.resources
import warnings

import numpy as np
import pytest
from PIL import Image, ImageDraw

from limelens.errors import LimelensWarning
from limelens.pictures import fonts, lettering, sheet
from limelens.pictures.fonts import font_with, has_letter, stand_in, system_fonts
from limelens.pictures.lettering import (
    Letters,
    draw_text,
    load_font,
    warn_of_missing,
    with_errors,
    wrap,
)

TILE = np.full((40, 60), 128, np.uint8)


@pytest.fixture
def no_system_fonts(monkeypatch):
    """Make the system one without fonts."""
    for cached in (fonts.system_fonts, fonts.font_with, lettering._runs):
        cached.cache_clear()
    monkeypatch.setattr(fonts, "_folders", list)
    yield
    for cached in (fonts.system_fonts, fonts.font_with, lettering._runs):
        cached.cache_clear()


def a_font_with(letter):
    """Return a font of the system with the letter; skip where there is none."""
    path = font_with(letter)
    if path is None:
        pytest.skip(f"no font on this system has {letter}")
    return path


def test_plain_words_are_drawn_in_the_font_that_pillow_brings():
    assert Letters(None, 14).runs("score ±0.5 °C") == ((None, "score ±0.5 °C"),)


def test_a_word_beyond_pillows_font_is_drawn_whole_by_a_font_that_has_all_of_it():
    a_font_with("Ł")
    ((font, text),) = Letters(None, 14).runs("Łódź")
    assert text == "Łódź"
    assert all(has_letter(font, letter) for letter in text)


def test_letters_of_several_fonts_are_drawn_letter_by_letter():
    cat, alef = a_font_with("猫"), a_font_with("Ж")
    if has_letter(cat, "Ж") or has_letter(alef, "猫"):
        pytest.skip("one font of this system has both")
    runs = Letters(None, 14).runs("a猫Ж")
    assert [text for _, text in runs] == ["a", "猫", "Ж"]
    assert all(has_letter(font, text) for font, text in runs)


def test_the_font_given_is_asked_first():
    path = a_font_with("Ж")
    assert Letters(path, 14).runs("abc") == ((path, "abc"),)


def test_a_font_of_the_system_is_never_bold_while_there_is_a_plain_one():
    plain = [path.stem for path in system_fonts() if "dejavusans" in path.stem.lower()]
    if "DejaVuSans" not in plain or len(plain) < 2:
        pytest.skip("no DejaVu in several styles")
    assert plain[0] == "DejaVuSans"


@pytest.mark.usefixtures("no_system_fonts")
def test_without_fonts_plain_letters_and_codes_stand_in_but_no_question_mark():
    runs = Letters(None, 14).runs("Łódź, 猫")
    assert "".join(text for _, text in runs) == "Lodz, U+732B "


@pytest.mark.usefixtures("no_system_fonts")
def test_what_no_font_has_is_warned_of_once_a_picture_and_the_cure_named():
    with pytest.warns(LimelensWarning, match="letters Ł 猫:.*Pass a font file.*font=") as caught:
        sheet([TILE, TILE], ["Łukasz", "猫"], heading="Ł")
    assert len(caught) == 1


def test_the_cure_that_the_warning_names_works(no_system_fonts, tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    folder = importlib.resources.files(matplotlib) / "mpl-data" / "fonts" / "ttf"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sheet([TILE], ["Łódź"], font=str(folder / "DejaVuSans.ttf"))


@pytest.mark.parametrize("letter", ["?", "a", " ", "\n", "\t"])
def test_letters_that_can_be_drawn_are_not_warned_of(letter):
    warn_of_missing([letter], None)


@pytest.mark.parametrize(
    ("letter", "plain"),
    [("é", "e"), ("Ł", "L"), ("ø", "o"), ("ﬁ", "fi"), ("½", "12"), ("—", "-"), ("\u0301", "")],
)
def test_a_stand_in_is_the_plain_letter(letter, plain):
    assert stand_in(letter) == plain


@pytest.mark.parametrize("letter", ["猫", "क", "😀", "Ж"])
def test_a_letter_without_a_plain_one_is_its_code(letter):
    assert stand_in(letter) == f"U+{ord(letter):04X} "


def test_controls_and_switches_of_direction_are_not_drawn():
    assert Letters(None, 14).runs("a\u202eb\x00c\td") == ((None, "abc d"),)


def test_ideographs_may_be_parted_anywhere_and_words_only_at_spaces():
    letters = load_font(None, 14)
    assert wrap("many words", letters, int(letters.getlength("many w"))) == ["many", "words"]
    a_font_with("猫")
    lines = wrap("猫" * 10, letters, int(letters.getlength("猫" * 5)), max_lines=3)
    assert lines == ["猫" * 5, "猫" * 5]


def drawn(text, anchor):
    picture = Image.new("RGB", (120, 40), (255, 255, 255))
    draw_text(
        ImageDraw.Draw(picture), (60, 20), text, load_font(None, 14), (0, 0, 0), anchor=anchor
    )
    return np.argwhere((np.asarray(picture) < 128).any(axis=-1))


def test_an_anchor_in_the_middle_centres_the_word():
    middle = drawn("HHH", "mm")
    assert abs(middle.mean(axis=0) - [20, 60]).max() <= 1.5
    assert drawn("HHH", "la")[:, 1].min() >= 60
    assert drawn("HHH", "ra")[:, 1].max() <= 60


def test_no_font_of_mere_boxes_stands_in_for_letters():
    assert not any("lastresort" in path.stem.lower() for path in system_fonts())
    assert font_with("\U000f0000") is None  # of private use


@pytest.mark.parametrize(
    ("values", "errors", "written"),
    [
        ([-2.0, -2.1], [0.3, 0.3], ["-2.0 ± 0.3", "-2.1 ± 0.3"]),
        ([-2.0, -2.1], [0.3, 0.04], ["-2.00 ± 0.30", "-2.10 ± 0.04"]),
        ([250.0, 3.0], [30.0, 20.0], ["+250 ± 30", "+3 ± 20"]),
        ([0.5, 0.25], [1e-9, 0.0], ["+0.5000 ± 1.0e-09", "+0.2500"]),
        ([3.0, 0.1], [0.2, 1e-5], ["+3.000 ± 0.200", "+0.10000 ± 0.00001"]),
        ([1000.0, 2e-9], [50.0, 1e-9], ["+1000 ± 50", "+2.0e-09 ± 1.0e-09"]),
        ([12.34, 0.5], [3.0, np.inf], ["+12 ± 3", "+0.5"]),
        ([], [], []),
        ([12.34, -0.5], [3.0, np.nan], ["+12 ± 3", "-0.5"]),
        ([-0.001, 2.0], [0.0, 0.0], ["-0.001", "+2.0"]),
        ([1e-17, 2.0], [0.0, 0.0], ["0.0", "+2.0"]),
        ([0.0, 0.0], [0.0, 0.0], ["0", "0"]),
        ([3e-7, -2e-8], [4e-8, 0.0], ["+3.0e-07 ± 4.0e-08", "-2.0e-08"]),
    ],
)
def test_numbers_side_by_side_have_equally_many_decimals(values, errors, written):
    assert with_errors(values, errors) == written
