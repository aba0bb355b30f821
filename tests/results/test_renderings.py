import re
import sys

import numpy as np
import pytest

from limelens.errors import InvalidInputError
from limelens.pictures.colors import LOWERS, PAPER, RAISES

WHITE = np.full((3, 3), 255, dtype=np.uint8)
QUARTERS = np.array([[0, 0, 1], [0, 0, 1], [2, 2, 3]])


def pixels(picture):
    return np.asarray(picture.convert("RGB")).astype(int)


def at(picture, row, column, n=3):
    """Return the colour at the centre of a pixel of an n x n image."""
    array = pixels(picture)
    height, width = array.shape[:2]
    return array[(2 * row + 1) * height // (2 * n), (2 * column + 1) * width // (2 * n)]


def test_the_repr_is_one_line_that_says_what_by_what_and_how_well(make):
    explanation = make(
        explainer="Lime(n_samples=1000)",
        fidelity=np.array([0.8312, np.nan]),
        target_values=np.array([[0.7, 0.3], [0.2, 0.4]]),
        n_predictions=1001,
    )
    assert repr(explanation) == (
        "<Explanation by Lime: 'cat' 0.7, 'dog' 0.2 of a (3, 3, 3) uint8 image; 4 segments; "
        "fidelity 0.831; 1001 predictions>"
    )


def test_the_repr_leaves_out_what_is_not_known(make):
    assert repr(make()) == (
        "<Explanation: 'cat', 'dog' of a (3, 3, 3) uint8 image; 4 segments; 0 predictions>"
    )


def test_the_repr_of_many_targets_stays_short(make):
    many = make(
        importances=np.zeros((9, 4)),
        targets=tuple(range(9)),
        target_names=tuple("abcdefghi"),
        scores=np.zeros(9),
        hidden_scores=np.zeros(9),
    )
    assert "'a', 'b', 'c' and 6 more of" in repr(many)


def test_full_importance_has_the_full_colour_and_zero_has_none(make):
    picture = make(image=WHITE, channel_axis=None).to_image(opacity=1.0, boundaries=False)
    assert tuple(at(picture, 0, 0)) == RAISES
    assert tuple(at(picture, 2, 0)) == (PAPER,) * 3


def test_half_the_importance_has_half_the_colour(make):
    picture = make(image=WHITE, channel_axis=None).to_image(opacity=1.0, boundaries=False)
    np.testing.assert_allclose(at(picture, 0, 2), (PAPER + np.array(LOWERS)) / 2, atol=1)


def test_one_number_as_scale_gives_one_importance_one_colour_everywhere(make):
    explanation = make(image=WHITE, channel_axis=None)
    options = {"scale": 2.0, "opacity": 1.0, "boundaries": False}
    cat = at(explanation.to_image("cat", **options), 0, 0)
    np.testing.assert_allclose(cat, PAPER + (np.array(RAISES) - PAPER) / 4, atol=1)
    assert tuple(at(explanation.to_image("dog", **options), 2, 0)) == LOWERS


def test_a_zero_map_is_drawn_as_the_bare_backdrop(make):
    zero = make(importances=np.zeros((2, 4))).to_image(boundaries=False)
    bare = make().to_image(opacity=0.0, boundaries=False)
    np.testing.assert_array_equal(pixels(zero), pixels(bare))


def test_boundaries_are_drawn_between_segments_unless_the_map_is_smooth(make):
    explanation = make(importances=np.zeros((2, 4)), image=WHITE, channel_axis=None)
    lines = pixels(explanation.to_image()) < PAPER
    third = lines.shape[0] // 3
    assert lines[:, 2 * third - 1].any()
    assert not lines[: 2 * third - 3, : 2 * third - 3].any()
    assert not (pixels(explanation.to_image(interpolation="bicubic")) < PAPER).any()
    assert (pixels(explanation.to_image(interpolation="bicubic", boundaries=True)) < PAPER).any()


def test_a_smooth_map_is_smooth_at_the_size_it_is_seen(make):
    explanation = make(image=WHITE, channel_axis=None)
    sharp = pixels(explanation.to_image(boundaries=False))[0, :, 1]
    smooth = pixels(explanation.to_image(interpolation="bilinear"))[0, :, 1]
    assert np.abs(np.diff(sharp)).max() > 50
    assert np.abs(np.diff(smooth)).max() < 10


def test_boundaries_of_a_map_per_pixel_are_refused(make):
    explanation = make(
        importances=np.ones((1, 3, 3)), segments=None, targets=(1,), target_names=("cat",)
    )
    explanation.to_image()
    with pytest.raises(InvalidInputError, match="one per pixel"):
        explanation.to_image(boundaries=True)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"scale": "linear"}, "`scale` must be one of 'auto', 'symmetric', 'percentile', 'raw'"),
        ({"scale": 0.0}, r"`scale` must be a finite number in \(0, inf\]"),
        ({"opacity": 1.5}, r"`opacity` must be a finite number in \[0, 1\]"),
        ({"backdrop": "blue"}, "`backdrop` must be one of 'grey', 'color'"),
        ({"max_side": 3}, "`max_side` must be an integer >= 16"),
        ({"boundaries": 1}, "`boundaries` must be True or False"),
        ({"interpolation": "cubic"}, "`interpolation` must be one of"),
    ],
)
def test_options_that_are_none_are_refused(make, option, message):
    with pytest.raises(InvalidInputError, match=message):
        make().to_image(**option)


def test_the_top_image_is_orange_where_the_score_rises_and_blue_where_it_falls(make):
    picture = make(image=np.full((3, 3), 128, np.uint8), channel_axis=None).top_image(2)
    red, _, blue = pixels(picture)[30, 30]
    assert red > 128 > blue
    red, _, blue = pixels(picture)[30, -30]
    assert blue > 128 > red
    assert tuple(at(picture, 2, 0)) == (128, 128, 128)


def test_the_top_image_is_green_and_red_on_request(make):
    explanation = make(image=np.full((3, 3), 128, np.uint8), channel_axis=None)
    red, green, _ = pixels(explanation.top_image(2, colors="lime"))[30, 30]
    assert green > 128 > red


def test_the_top_image_is_no_longer_than_asked(make):
    explanation = make(
        image=np.zeros((300, 100), np.uint8),
        channel_axis=None,
        segments=np.repeat(np.arange(4), 75)[:, np.newaxis].repeat(100, axis=1),
    )
    assert max(explanation.top_image(2, max_side=150).size) == 150


def test_the_top_image_of_one_sign_has_one_colour(make):
    grey = np.full((3, 3), 128, np.uint8)
    picture = make(image=grey, channel_axis=None).top_image(4, sign="positive")
    assert tuple(at(picture, 0, 2)) == (128, 128, 128)


def test_the_notebook_card_is_a_picture_and_a_table(make):
    explanation = make(
        target_names=("<b>cat</b>", "dog"),
        standard_errors=np.full((2, 4), 0.0625),
        reliability=np.array([0.9, np.nan]),
    )
    card = explanation._repr_html_()
    assert "data:image/png;base64,iVBOR" in card
    assert "&lt;b&gt;cat&lt;/b&gt;" in card
    assert "<b>" not in card
    assert "segment 0: +0.5 ± 0.0625, segment 1: -0.25 ± 0.0625" in card
    assert "<td>unknown</td>" in card
    assert card.count("<tr>") == 3


def test_the_card_of_a_zero_map_says_so(make):
    assert "all zero" in make(importances=np.zeros((2, 4)))._repr_html_()


def test_the_figure_has_a_bar_for_each_of_the_strongest_segments(make):
    pytest.importorskip("matplotlib")
    figure = make(standard_errors=np.full((2, 4), 0.1)).plot(n=2)
    overlay, bars = figure.axes[:2]
    assert [label.get_text() for label in bars.get_yticklabels()] == [
        "1 · segment 0",
        "2 · segment 1",
    ]
    assert [bar.get_width() for bar in bars.patches] == [0.5, -0.25]
    assert [text.get_text() for text in overlay.texts] == ["1", "2"]
    assert overlay.get_title("left") == "cat"


def test_the_figure_of_a_map_per_pixel_has_a_scale_and_no_bars(make, tmp_path):
    pytest.importorskip("matplotlib")
    explanation = make(
        importances=np.zeros((1, 3, 3)),
        segments=None,
        targets=(1,),
        target_names=("cat",),
        target_values=np.array([[0.7, 0.3]]),
    )
    figure = explanation.plot()
    overlay, scale = figure.axes
    assert overlay.get_title("left") == "cat, score 0.7"
    assert [label.get_text() for label in scale.get_yticklabels()] == ["0"]
    figure.savefig(tmp_path / "zero.png")


def test_the_scale_of_a_figure_is_that_of_its_colours(make):
    pytest.importorskip("matplotlib")
    scale = make().plot(n=0, scale=0.8).axes[-1]
    ticks = [label.get_text() for label in scale.get_yticklabels()]
    assert ticks == ["-0.8", "0", "+0.8"]


def test_the_scale_of_a_figure_says_what_its_colours_are(make):
    pytest.importorskip("matplotlib")
    assert make().plot().axes[-1].get_ylabel() == "change of the score"
    zero = make(importances=np.zeros((2, 4))).plot()
    assert zero.axes[-1].get_ylabel() == "all importances are zero"


def test_a_figure_at_the_end_of_a_cell_shows_itself(make):
    pytest.importorskip("matplotlib")
    assert make().plot()._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("shape", [(60, 1200), (1200, 60), (20, 20)])
@pytest.mark.parametrize("scale", [1e-5, 0.123456, 98765.0])
def test_no_label_of_a_figure_touches_another_and_bars_are_as_high_as_letters(make, shape, scale):
    pytest.importorskip("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    labels = (np.arange(shape[0] * shape[1]) * 12 // (shape[0] * shape[1])).reshape(shape)
    figure = make(
        image=np.zeros(shape, np.uint8),
        channel_axis=None,
        segments=labels,
        importances=np.stack([np.linspace(-1, 0.9, 12) * scale] * 2),
    ).plot()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for axes in figure.axes[1:]:
        for axis in (axes.xaxis, axes.yaxis):
            boxes = [
                label.get_window_extent(canvas.get_renderer())
                for label in axis.get_ticklabels()
                if label.get_text() and label.get_visible()
            ]
            assert not any(
                one.overlaps(other) for k, one in enumerate(boxes) for other in boxes[:k]
            )
    bars = figure.axes[1].patches
    assert min(bar.get_window_extent().height for bar in bars) > 7


def test_a_very_long_name_leaves_room_for_the_figure(make):
    pytest.importorskip("matplotlib")
    figure = make(target_names=("x" * 300, "dog")).plot()
    figure._repr_png_()
    lines = figure.axes[0].get_title("left").split("\n")
    assert len(lines) == 2
    assert lines[1].endswith("…")


def test_half_a_character_in_a_name_does_not_spoil_the_card(make):
    make(target_names=("cat\ud800", "dog"))._repr_html_().encode("utf-8")


def test_a_name_with_dollars_is_written_as_it_is(make):
    pytest.importorskip("matplotlib")
    figure = make(target_names=("costs $5 or $6", "dog")).plot()
    figure._repr_png_()
    assert figure.axes[0].get_title("left") == "costs $5 or $6"


def test_without_matplotlib_the_extra_is_named(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=re.escape("pip install limelens[plot]")):
        make().plot()


def test_to_html_writes_the_page_it_returns(make, tmp_path):
    page = make(explainer="Lime()").to_html(tmp_path / "why.html")
    assert (tmp_path / "why.html").read_text(encoding="utf-8") == page
    assert "Why cat?" in page
    assert make().to_html().startswith("<!DOCTYPE html>")


def test_the_page_says_the_scores_of_the_intact_and_the_hidden_image(make):
    page = make(target_values=np.array([[0.731, 0.319], [0.2, 0.4]])).to_html()
    assert re.search(r"score 0\.731\b.{1,9}\b0\.319\b", page)


def test_the_card_has_the_score_of_the_intact_image_before_that_of_the_hidden_one(make):
    card = make(target_values=np.array([[0.7, 0.3], [0.2, 0.4]]))._repr_html_()
    assert "<td>cat</td><td>0.7</td><td>0.3</td>" in card.replace("\n", "")
