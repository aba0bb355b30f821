"""Which channels pictures show: nothing is taken for transparency that nobody called so."""

import warnings

import numpy as np
import pytest
from PIL import Image

import limelens as ll
from limelens.errors import InvalidInputError, LimelensWarning
from limelens.pictures import draw_image, draw_overlay, draw_top
from limelens.pictures.display import to_rgb


def near_infrared(shape=(8, 8)):
    """A lake: dark in the near infrared, blue in colour."""
    image = np.empty((*shape, 4), dtype=np.uint8)
    image[:] = (20, 60, 120, 0)
    return image


def explain(image, **settings):
    ablation = ll.Ablation(segmenter=ll.Grid(4), fill=ll.Constant(7))
    model = lambda batch: batch.reshape(len(batch), -1).mean(axis=1)  # noqa: E731
    return ablation.explain(image, model, **settings)


@pytest.fixture
def lake():
    return explain(near_infrared())


def plot(explanation, **bands):
    pytest.importorskip("matplotlib")
    return explanation.plot(**bands)


PICTURES = {
    "to_image": lambda e, **bands: e.to_image(**bands),
    "top_image": lambda e, **bands: e.top_image(2, **bands),
    "figure": lambda e, **bands: e.figure(**bands),
    "svg": lambda e, **bands: e.figure(format="svg", **bands),
    "plot": plot,
    "to_html": lambda e, **bands: e.to_html(**bands),
    "show": lambda e, **bands: ll.show([e, e], **bands),
    "signed_panels": lambda e, **bands: ll.signed_panels(e, **bands),
    "report": lambda e, **bands: ll.report([e, e], e.details["path"], **bands),
    "draw_image": lambda e, **bands: draw_image(e.image, **bands),
    "draw_overlay": lambda e, **bands: draw_overlay(e.image, e.heatmap(), **bands),
    "draw_top": lambda e, **bands: draw_top(e.image, e.top_mask(1), ~e.top_mask(1), **bands),
    "segment_preview": lambda e, **bands: ll.segment_preview(e.image, ll.Grid(4), **bands),
}
each = pytest.mark.parametrize("name", PICTURES)


@each
@pytest.mark.parametrize("n_channels", [4, 13])
def test_one_warning_says_what_is_shown_and_the_call_that_works(name, n_channels, tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (8, 8, n_channels), dtype=np.uint8)
    explanation = explain(image)
    explanation.details["path"] = tmp_path / "all.html"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        PICTURES[name](explanation)
    (warning,) = [each for each in caught if issubclass(each.category, LimelensWarning)]
    words = str(warning.message)
    what = "channels 0, 1 and 2 of 4" if n_channels == 4 else "the average of 13 channels"
    assert f"the picture shows {what}" in words
    assert warning.filename == __file__
    for advice in {"bands=(2, 1, 0)", "bands=0", "bands=(0, 1, 2, 3)"}:
        if advice in words:
            PICTURES[name](explanation, **eval(f"dict({advice})"))
    assert ("opacity" in words) == (n_channels == 4)


@each
@pytest.mark.parametrize("n_channels", [1, 2, 3])
def test_few_channels_need_no_bands(name, n_channels, tmp_path):
    explanation = explain(np.full((8, 8, n_channels), 30, dtype=np.uint8))
    explanation.details["path"] = tmp_path / "all.html"
    PICTURES[name](explanation)


@each
@pytest.mark.parametrize(
    ("bands", "words"),
    [
        ((0, 1), "must be three channels.*got 2 of them"),
        ((0, 1, 4), "`bands` must be an integer from 0 to 3; got 4"),
        (-1, "`bands` must be an integer from 0 to 3; got -1"),
        (1.5, "must be three channels.*got 1.5"),
        ("rgb", "must be three channels.*got 'rgb'"),
        ((True, 1, 2), "`bands` must be an integer"),
        ((), "got 0 of them"),
    ],
)
def test_bands_that_cannot_be_shown_are_refused(name, bands, words, lake, tmp_path):
    lake.details["path"] = tmp_path / "all.html"
    with pytest.raises(InvalidInputError, match=words):
        PICTURES[name](lake, bands=bands)


def test_four_channels_are_no_transparency():
    shown = np.asarray(draw_image(near_infrared(), bands=(0, 1, 2)))
    assert np.unique(shown.reshape(-1, 3), axis=0).tolist() == [[20, 60, 120]]
    with pytest.warns(LimelensWarning, match="bands"):
        np.testing.assert_array_equal(np.asarray(draw_image(near_infrared())), shown)


def test_the_channels_that_are_named_are_shown_in_this_order():
    image = np.arange(1, 14, dtype=np.uint8) * np.ones((2, 2, 1), np.uint8)
    assert to_rgb(image, bands=(3, 2, 1))[0, 0].tolist() == [4, 3, 2]
    assert to_rgb(image, bands=(7,))[0, 0].tolist() == [8, 8, 8]
    assert to_rgb(np.moveaxis(image, -1, 0), 0, bands=(0, 5, 12))[0, 0].tolist() == [1, 6, 13]


def test_a_numpy_array_of_bands_is_one_too(lake):
    assert lake.to_image(bands=np.array([2, 1, 0])).size == (256, 256)
    assert lake.to_image(bands=np.int64(3)).size == (256, 256)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_a_pillow_image_with_opacity_is_drawn_as_one(mode, tmp_path):
    clear = Image.new(mode, (8, 8), (90, 0) if mode == "LA" else (90, 90, 90, 0))
    clear.paste((10, 255) if mode == "LA" else (10, 10, 10, 255), (0, 0, 4, 8))
    for picture in (
        draw_image(clear),
        explain(clear).to_image(backdrop="color", opacity=0, boundaries=False),
    ):
        pixels = np.asarray(picture)
        assert pixels[0, 0].tolist() == [10, 10, 10]
        assert pixels[0, -1].tolist() == [255, 255, 255]
    explanation = explain(clear)
    explanation.save(tmp_path / "why.npz")
    loaded = ll.Explanation.load(tmp_path / "why.npz")
    for name in PICTURES.keys() - {"draw_image", "draw_overlay", "draw_top", "segment_preview"}:
        loaded.details["path"] = tmp_path / "all.html"
        PICTURES[name](loaded)  # no warning
    assert ll.average([explanation, explanation]).details["bands"] == explanation.details["bands"]
    ll.segment_preview(clear, ll.Grid(4))


def test_a_notebook_shows_many_channels_without_a_word(lake):
    assert lake._repr_html_()
    assert lake._repr_png_()


def test_a_page_names_what_it_shows(lake):
    with pytest.warns(LimelensWarning, match="bands"):
        page = lake.to_html()
    assert '"name": "channels 0, 1, 2"' in page
    assert '"name": "channel 3"' in page
    assert '"name": "channels 2, 1, 0"' in lake.to_html(bands=(2, 1, 0))
    assert '"name": "channel 3 alone"' in lake.to_html(bands=3)
    opaque = lake.to_html(bands=(0, 1, 2, 3))
    assert '"name": "all"' in opaque
    assert '"name": "channel 3"' not in opaque


def test_napari_gets_the_colours_without_the_fourth_channel(lake):
    (image, look, _), *_ = lake.to_napari()
    assert (image.shape, look["rgb"]) == ((8, 8, 3), True)
    clear = explain(Image.new("RGBA", (8, 8), (9, 9, 9, 50)))
    assert clear.to_napari()[0][0].shape == (8, 8, 4)


@each
@pytest.mark.parametrize("bands", [1, (0, 1, 2)])
def test_images_without_channels_have_none_to_name(name, bands, tmp_path):
    grey = explain(np.zeros((8, 8)))
    grey.details["path"] = tmp_path / "all.html"
    with pytest.raises(InvalidInputError, match="`bands` must be an integer from 0 to 0; got 1"):
        PICTURES[name](grey, bands=bands)
