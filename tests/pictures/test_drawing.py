import base64
import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from limelens.pictures.drawing import Box, Drawing, Tile, Words
from limelens.pictures.panels import Bar, Meter, Panel, Scale, arrange

RED = (200, 0, 0)
BLUE = Image.new("RGB", (20, 10), (0, 0, 255))
SVG = "{http://www.w3.org/2000/svg}"


def ink(picture):
    return (np.asarray(picture) != 255).any(axis=-1)


def test_a_box_covers_exactly_its_pixels():
    drawn = ink(Drawing(10, 8, [Box(2, 3, 4, 2, RED)]).to_picture())
    rows, columns = np.nonzero(drawn)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (3, 4, 2, 5)


def test_a_thin_box_is_seen():
    assert ink(Drawing(10, 8, [Box(2, 3, 4, 0.2, RED)]).to_picture()).sum() == 4


def test_later_marks_cover_earlier_ones():
    picture = Drawing(9, 9, [Box(0, 0, 9, 9, RED), Tile(2, 2, 4, 2, BLUE)]).to_picture()
    assert picture.getpixel((3, 3)) == (0, 0, 255)
    assert picture.getpixel((1, 1)) == RED


def test_svg_has_the_same_marks_as_the_picture():
    marks = [
        Box(1, 2, 3, 4, RED),
        Tile(5, 6, 40, 20, BLUE, "a & b"),
        Words(7, 8, "<cat>", 10, anchor="mm", halo=(255, 255, 255)),
    ]
    root = ET.fromstring(Drawing(60, 40, marks).to_svg())
    paper, box = root.findall(f"{SVG}rect")
    assert (paper.get("width"), paper.get("height")) == ("60", "40")
    assert (box.get("x"), box.get("y"), box.get("fill")) == ("1", "2", "#c80000")
    (image,) = root.findall(f"{SVG}image")
    embedded = image.get("href").split(",")[1]
    assert Image.open(io.BytesIO(base64.b64decode(embedded))).getpixel((0, 0)) == (0, 0, 255)
    assert image.find(f"{SVG}title").text == "a & b"
    (text,) = root.findall(f"{SVG}text")
    assert (text.text, text.get("text-anchor")) == ("<cat>", "middle")


@pytest.mark.parametrize("name", ["a\x00b", "a\x0bb", "a\ud800b", '<&">'])
def test_svg_stays_readable_whatever_a_name_holds(name):
    text = Drawing(60, 40, [Words(0, 0, name, 10)]).to_svg()
    ET.fromstring(text.encode("utf-8"))


HALF = [Scale(limit=0.5)]


def panel(**changes):
    return Panel(**({"picture": BLUE, "title": "cat"} | changes))


def blue(drawing):
    return (np.asarray(drawing.to_picture()) == [0, 0, 255]).all(axis=-1)


def test_panels_stand_in_rows_and_their_pictures_on_one_line():
    tall = panel(title="a name of many words " * 6, note="score 1")
    where = blue(arrange([[panel(), tall], [panel()]], scales=[Scale(limit=1.0)], panel_side=100))
    rows = np.flatnonzero(where.any(axis=1))
    assert len(rows) == 100  # twice 50 rows: none stands lower than its neighbour
    assert where[rows[0]].sum() == 200
    assert where[rows[-1]].sum() == 100


def words_of(drawing):
    return [mark.text for mark in drawing.marks if isinstance(mark, Words)]


def test_everything_known_of_a_panel_is_said():
    full = panel(
        note="score 0.5",
        numbers=[(0.5, 0.5), (0.1, 0.9)],
        bars=[Bar(rank=1, value=0.5, error=0.25), Bar(rank=2, value=-0.125)],
        words="Fidelity 1.",
    )
    said = words_of(arrange([[full]], scales=HALF, heading="Why?"))
    for word in ("Why?", "cat", "score 0.5", "1", "2", "+0.5 ± 0.25", "-0.125", "Fidelity 1."):
        assert word in said
    assert said.count("1") == 2  # on the picture and at the bar


def test_an_error_that_is_zero_but_for_rounding_is_zero():
    said = words_of(arrange([[panel(bars=[Bar(rank=1, value=0.5, error=1e-17)])]], scales=HALF))
    assert "+0.5 ± 0" in said


def test_bars_are_as_long_as_their_values_and_in_the_colours_of_the_legend():
    drawing = arrange(
        [[panel(bars=[Bar(rank=1, value=0.5), Bar(rank=2, value=-0.25)])]],
        scales=HALF,
    )
    colored = [m for m in drawing.marks if isinstance(m, Box) and len(set(m.color)) == 3]
    assert colored[0].width == pytest.approx(2 * colored[1].width)
    ends = np.asarray(
        next(m for m in drawing.marks if isinstance(m, Tile) and m.height < 30).picture
    )
    np.testing.assert_allclose(colored[0].color, ends[0, -1], atol=1)
    np.testing.assert_allclose(colored[1].color, ends[0, 0], atol=1)


@pytest.mark.parametrize(
    ("meter", "start", "length"),
    [
        (Meter(score=0.5, hidden=0.25, low=0.0, high=1.0), 0.0, 0.5),
        (Meter(score=-1.0, hidden=np.nan, low=-1.0, high=3.0), 0.0, 0.25),
        (Meter(score=3.0, hidden=np.nan, low=-1.0, high=3.0), 0.25, 0.75),
    ],
)
def test_a_score_is_a_bar_from_zero(meter, start, length):
    drawing = arrange([[panel(meter=meter)]], scales=[Scale(limit=1.0)], panel_side=100)
    track, bar, *rest = (mark for mark in drawing.marks if isinstance(mark, Box))
    assert (bar.x - track.x) / track.width == pytest.approx(start)
    assert bar.width / track.width == pytest.approx(length)
    tick = [mark for mark in rest if mark.width == 2 and mark.height > bar.height]
    assert len(tick) == int(np.isfinite(meter.hidden))


def test_a_note_stands_below_the_bar_of_the_score():
    meter = Meter(score=0.5, hidden=0.25, low=0.0, high=1.0)
    drawing = arrange([[panel(meter=meter, note="of 3 images")]], scales=HALF, panel_side=100)
    note = next(m for m in drawing.marks if isinstance(m, Words) and m.text == "of 3 images")
    track, bar = [mark for mark in drawing.marks if isinstance(mark, Box)][:2]
    assert max(track.y + track.height, bar.y + bar.height) <= note.y


def test_the_legend_says_where_importances_exceed_it():
    assert {"≤ -0.5", "≥ +0.5"} <= set(
        words_of(arrange([[panel()]], scales=[Scale(limit=0.5, beyond=True)]))
    )
    assert {"-0.5", "+0.5"} <= set(words_of(arrange([[panel()]], scales=HALF)))


def test_every_scale_has_a_colour_bar_below_its_title():
    scales = [Scale(limit=0.5, title="Lime: score"), Scale(limit=8.0, title="Sharp: per pixel")]
    one, two = arrange([[panel()]], scales=scales[:1]), arrange([[panel()]], scales=scales)
    said = words_of(two)
    places = [said.index(each) for each in ("Lime: score", "+0.5", "Sharp: per pixel", "+8")]
    assert places == sorted(places)
    assert one.height < two.height
    bars = [
        mark for mark in two.marks if isinstance(mark, Tile) and mark.description == "colour bar"
    ]
    assert bars[0].y + 20 < bars[1].y < two.height - 20


@pytest.mark.parametrize("corner", [(0.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
def test_a_number_at_the_border_is_not_cut(corner):
    drawing = arrange([[panel(numbers=[corner])]], scales=[Scale(limit=1.0)], panel_side=200)
    number = next(mark for mark in drawing.marks if isinstance(mark, Words) and mark.anchor == "mm")
    tile = next(mark for mark in drawing.marks if isinstance(mark, Tile))
    assert tile.x + 5 < number.x < tile.x + tile.width - 5
    assert tile.y + 5 < number.y < tile.y + tile.height - 5


@pytest.mark.parametrize("size", [(1200, 60), (60, 1200), (1, 1)])
def test_pictures_of_any_shape_find_room(size):
    picture = Image.new("RGB", size)
    drawing = arrange([[panel(picture=picture), panel(picture=picture)]], scales=[Scale(limit=1.0)])
    assert drawing.width < 1000
    assert not ink(drawing.to_picture())[:, -3:].any()


def test_no_external_thing_is_named_in_svg():
    text = arrange([[panel()]], scales=[Scale(limit=1.0)]).to_svg()
    assert re.findall(r'(?:href|src)="(?!data:)', text) == []
