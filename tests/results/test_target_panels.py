import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from limelens.errors import InvalidInputError
from limelens.pictures.drawing import Tile


def test_a_figure_shows_the_image_and_every_target_with_its_score_and_words(scored, words):
    picture = scored.figure(title="Why?")
    assert isinstance(picture, Image.Image)
    (page,) = words
    said = " ".join(each for each in page if isinstance(each, str))
    for word in ("Why?", "the image", "3 x 3, uint8", "Lime, 10 images scored", "cat", "dog"):
        assert word in said
    assert "score 0.7, 0.3 with all hidden" in said
    assert "Fidelity 0.95: the map accounts for the scores." in said
    assert "Reliability 0.8: another run would give a similar map." in said
    assert "Fidelity 0.4: take the map as a rough guide." in said
    assert "+0.5 ± 0.062" in page
    assert {"-2", "+2"} <= set(map(str, page))  # one scale for both targets
    assert sum(isinstance(each, Tile) for each in page) == 3 + 1


def test_the_strongest_segments_are_numbered_as_many_as_asked(scored, words):
    scored.figure("cat", n=2)
    scored.figure("cat", n=0)
    some, none = ([each for each in page if each in ("1", "2", "3")] for page in words)
    assert sorted(some) == ["1", "1", "2", "2"]
    assert none == []


@pytest.mark.parametrize("targets", ["dog", 2, ["dog"], (2,)])
def test_a_figure_of_some_targets(scored, words, targets):
    scored.figure(targets)
    assert "dog" in words[0]
    assert "cat" not in words[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": "horse"}, "`target` must be one of the explained targets"),
        ({"targets": []}, "`targets` must be None"),
        ({"targets": 1.5}, "`targets` must be None"),
        ({"n": -1}, "`n` must be an integer >= 0"),
        ({"format": "pdf"}, "`format` must be one of 'image', 'svg'"),
        ({"panel_side": 3}, "`panel_side` must be an integer >= 64"),
        ({"scale": "log"}, "`scale` must be one of"),
        ({"title": None}, "`title` must be a string"),
    ],
)
def test_a_figure_that_cannot_be_is_refused(scored, options, message):
    with pytest.raises(InvalidInputError, match=message):
        scored.figure(**options)


def test_svg_for_print_says_the_same(scored):
    root = ET.fromstring(scored.figure(format="svg"))
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"cat", "dog", "score 0.7, 0.3 with all hidden"} <= set(texts)


def test_a_zero_map_says_so_and_has_no_scale(make, words):
    zero = make(importances=np.zeros((2, 4)))
    zero.figure()
    assert "All importances are zero." in words[0]
    assert "all importances are zero" in words[0]


def test_importances_beyond_the_scale_are_told_at_its_ends(scored, words):
    scored.figure(scale=0.1)
    assert {"≤ -0.1", "≥ +0.1"} <= set(map(str, words[0]))


def test_targets_without_a_name_are_classes(make, words):
    make(target_names=("1", "2")).figure()
    assert {"class 1", "class 2"} <= set(map(str, words[0]))


def test_a_volume_and_a_map_per_pixel_have_figures(make):
    volume = make(
        image=np.zeros((4, 6, 6)),
        channel_axis=None,
        segments=np.arange(4).repeat(36).reshape(4, 6, 6),
    )
    pixels = make(importances=np.ones((2, 3, 3)), segments=None)
    for explanation in (volume, pixels):
        explanation.figure()
        explanation.figure(format="svg")


def test_the_card_and_the_png_of_a_notebook_are_the_figure(scored):
    png = Image.open(io.BytesIO(scored._repr_png_()))
    assert png.width > 3 * 260
    assert "data:image/png;base64," in scored._repr_html_()
