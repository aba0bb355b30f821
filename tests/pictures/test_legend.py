"""The colours of a picture are those of its legend, for every eye."""

import numpy as np
import pytest
from skimage import color, data

from limelens.pictures import color_bar, draw_heatmap, draw_overlay, draw_top
from limelens.pictures.colors import LOWERS, OPACITY, PAPER, RAISES, legend_colors
from limelens.pictures.drawing import Box, Words
from limelens.pictures.legend import legend

PHOTOGRAPHS = {
    "astronaut": lambda: data.astronaut()[::2, ::2],
    "camera": lambda: data.camera()[::2, ::2],
    "chelsea": lambda: data.chelsea(),
    "coffee": lambda: data.coffee()[::2, ::2],
    "coins": lambda: data.coins(),
    "page": lambda: data.page(),
    "rocket": lambda: data.rocket()[::2, ::2],
    "half black, half white": lambda: np.repeat([[0, 255]], 100, axis=1).repeat(150, axis=0) * 1.0,
}

# Machado, Oliveira & Fernandes 2009, doi:10.1109/TVCG.2009.113, severity 1, on linear RGB.
MACHADO = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


def difference(one, other):
    """Return the colour distance CIEDE2000 of sRGB colours in [0, 255]."""
    labs = (color.rgb2lab(np.asarray(each) / 255.0) for each in (one, other))
    return color.deltaE_ciede2000(*labs)


def seen_with(deficiency, rgb):
    """Return what a colour in [0, 255] looks like to somebody with the deficiency."""
    share = np.asarray(rgb) / 255.0
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(MACHADO[deficiency]).T, 0, 1)
    return 255 * np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)


def test_a_bar_of_less_opacity_is_that_of_an_overlay_of_less_opacity():
    heatmap = np.array([[0.5, -0.5]])
    grey = np.full((1, 2), 128, np.uint8)
    overlay = np.asarray(draw_overlay(grey, heatmap, scale=0.5, opacity=0.3)).astype(int)
    bar = np.asarray(color_bar(0.5, opacity=0.3)).astype(int)[2]
    ends = bar[np.flatnonzero(np.ptp(bar, axis=1) > 20)[[-1, 0]]]
    np.testing.assert_allclose(ends, overlay[overlay.shape[0] // 2, [40, -40]], atol=3)
    assert np.abs(ends - np.asarray(color_bar(0.5)).astype(int)[2][[1, -2]]).max() > 20


def bar_color(share):
    """Return the colour in the picture of the legend at a share of its limit."""
    bar = np.asarray(color_bar(1.0, 480))[2]
    ramp = np.flatnonzero((bar != 255).any(axis=-1))
    return bar[round(ramp[0] + (share + 1) / 2 * (ramp[-1] - ramp[0]))]


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1, 0.0, -0.5, -1.0])
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_picture_has_the_colours_of_its_legend(name, share):
    photograph = PHOTOGRAPHS[name]()
    shape = photograph.shape[:2]
    labels = np.arange(shape[1])[np.newaxis].repeat(shape[0], axis=0) // 40
    picture = draw_overlay(photograph, np.full(shape, share), scale=1.0, segments=labels)
    found = difference(np.asarray(picture), bar_color(share)[np.newaxis, np.newaxis])
    assert np.median(found) <= 5
    assert found.max() <= 12


def test_the_photograph_shows_through_even_the_full_colour():
    photograph = data.camera()[::2, ::2]
    picture = np.asarray(draw_overlay(photograph, np.ones(photograph.shape))).astype(float)
    detail = picture.mean(axis=-1) - picture.mean()
    local = photograph - photograph.mean()
    assert np.corrcoef(detail.ravel(), local.ravel())[0, 1] > 0.4
    assert detail.std() > 3


def test_one_importance_is_one_colour_over_black_and_over_white():
    over = [
        np.asarray(draw_overlay(np.full((30, 30), level, np.uint8), np.full((30, 30), 0.4)))
        for level in (0, 255)
    ]
    np.testing.assert_array_equal(*over)


def test_a_map_alone_has_the_colours_of_the_legend():
    heatmap = np.array([[1.0, -0.5], [0.0, 0.25]])
    picture = np.asarray(draw_heatmap(heatmap))[64::128, 64::128]
    np.testing.assert_array_equal(picture, legend_colors(heatmap, 1.0))


@pytest.mark.parametrize("deficiency", MACHADO)
@pytest.mark.parametrize("ground", [(PAPER,) * 3, (0, 0, 0), (255, 255, 255), (224, 172, 140)])
def test_raises_and_lowers_stay_apart_with_a_colour_deficiency(deficiency, ground):
    for opacity in (1.0, OPACITY, 0.45):
        raises, lowers = (
            seen_with(deficiency, np.array(ground) + opacity * (np.array(each) - ground))
            for each in (RAISES, LOWERS)
        )
        assert difference(raises, lowers) >= 20


@pytest.mark.parametrize("deficiency", MACHADO)
@pytest.mark.parametrize("level", [0, 128, 255])
def test_marked_segments_stay_apart_with_a_colour_deficiency(deficiency, level):
    left = np.arange(40)[np.newaxis].repeat(40, axis=0) < 20
    picture = np.asarray(draw_top(np.full((40, 40), level, np.uint8), left, ~left))
    height, width = picture.shape[:2]
    raises, lowers = picture[height // 2, width // 4], picture[height // 2, 3 * width // 4]
    assert difference(seen_with(deficiency, raises), seen_with(deficiency, lowers)) >= 20


@pytest.mark.parametrize("width", [200, 480])
def test_the_numbers_of_a_bar_stand_below_its_ticks_and_above_its_words(width):
    marks = legend(0.5, width).marks
    ends = [mark.y + mark.height for mark in marks if isinstance(mark, Box)]
    words = [mark for mark in marks if isinstance(mark, Words)]
    numbers = [mark for mark in words if not mark.text.endswith("score")]
    assert len(numbers) == len(ends)
    assert min(mark.y for mark in numbers) >= max(ends)
    lowest = max(mark.y + mark.size for mark in numbers)
    assert all(mark.y >= lowest for mark in words if mark not in numbers)
