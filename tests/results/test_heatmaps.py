"""Which map is returned and drawn where nothing was asked for."""

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError
from limelens.results.smoothing import guided_map, smooth_map

RNG = np.random.default_rng(0)
IMAGE = RNG.random((20, 20, 3))
ROW = RNG.normal(size=(1, 20, 20))


def nine(make, n=9, **changes):
    """Return an explanation of n segments, in stripes."""
    labels = np.arange(20)[:, np.newaxis] * n // 20 * np.ones((1, 20), int)
    fields = {
        "image": IMAGE,
        "segments": labels,
        "importances": RNG.normal(size=(1, n)),
        "targets": (1,),
        "target_names": ("cat",),
    }
    return make(**(fields | changes))


def per_pixel(make, **details):
    return nine(make, importances=ROW, segments=None, details=details)


def pixels(picture):
    return np.asarray(picture).astype(int)


def test_smooth_is_the_gaussian_of_the_map_as_it_is(make):
    explanation = nine(make)
    nearest = explanation.importances[0][explanation.segments]
    np.testing.assert_array_equal(explanation.heatmap(), nearest)
    np.testing.assert_array_equal(explanation.heatmap(interpolation="smooth"), smooth_map(nearest))


@pytest.mark.parametrize("axis", [0, 2])
def test_guided_looks_at_the_image_wherever_its_channels_are(make, axis):
    explanation = nine(make, image=np.moveaxis(IMAGE, 2, axis), channel_axis=axis)
    expected = guided_map(explanation.heatmap(), IMAGE)
    np.testing.assert_array_equal(explanation.heatmap(interpolation="guided"), expected)


@pytest.mark.parametrize("interpolation", ["smooth", "guided"])
def test_maps_of_pixels_and_of_volumes_are_smoothed_too(make, interpolation):
    explanation = per_pixel(make)
    found = explanation.heatmap(interpolation=interpolation)
    assert np.abs(np.diff(found)).max() < 0.3 * np.abs(np.diff(ROW[0])).max()
    volume = nine(
        make,
        image=RNG.random((5, 6, 7)),
        channel_axis=None,
        segments=None,
        importances=RNG.normal(size=(1, 5, 6, 7)),
    )
    found = volume.heatmap(interpolation=interpolation)
    assert found.shape == (5, 6, 7)
    volume.to_image(interpolation=interpolation)


def test_more_than_a_handful_of_segments_is_drawn_smooth(make):
    for n, interpolation in ((8, "nearest"), (9, "smooth")):
        explanation = nine(make, n)
        drawn = pixels(explanation.to_image())
        np.testing.assert_array_equal(
            drawn, pixels(explanation.to_image(interpolation=interpolation))
        )
        other = {"nearest": "smooth", "smooth": "nearest"}[interpolation]
        assert (drawn != pixels(explanation.to_image(interpolation=other))).any()


def test_a_map_of_pixels_is_drawn_as_it_is(make):
    explanation = per_pixel(make)
    np.testing.assert_array_equal(explanation.heatmap(), ROW[0])
    np.testing.assert_array_equal(
        pixels(explanation.to_image()), pixels(explanation.to_image(interpolation="nearest"))
    )


def test_a_method_may_want_its_map_smooth(make):
    explanation = per_pixel(make, interpolation="smooth")
    np.testing.assert_array_equal(explanation.heatmap(), smooth_map(ROW[0]))
    np.testing.assert_array_equal(explanation.heatmap(interpolation="nearest"), ROW[0])
    np.testing.assert_array_equal(
        pixels(explanation.to_image()), pixels(explanation.to_image(interpolation="smooth"))
    )


def test_a_method_may_want_its_segments_drawn_as_they_are(make):
    explanation = nine(make, details={"interpolation": "nearest"})
    np.testing.assert_array_equal(
        pixels(explanation.to_image()), pixels(explanation.to_image(interpolation="nearest"))
    )


def test_summed_over_segments_a_smooth_map_is_as_it_is(make):
    explanation = per_pixel(make, interpolation="smooth")
    labels = np.arange(20)[:, np.newaxis] // 2 * np.ones((1, 20), int)
    summed = explanation.by_segment(labels)
    np.testing.assert_array_equal(summed.heatmap(), summed.importances[0][labels])


def test_the_full_colour_is_the_largest_importance_of_the_smooth_map_that_is_drawn(make):
    matplotlib = pytest.importorskip("matplotlib")
    assert matplotlib
    explanation = per_pixel(make, interpolation="smooth")
    scale = explanation.plot().axes[-1]
    ticks = [float(label.get_text()) for label in scale.get_yticklabels()]
    assert max(ticks) == pytest.approx(np.abs(explanation.heatmap()).max(), rel=0.01)


def test_occlusion_is_smoothed_over_its_windows():
    explanation = ll.Occlusion(window=8, stride=4, fill=ll.Constant(0)).explain(
        np.ones((40, 60)), lambda batch: batch[:, 12:20, 30:40].sum(axis=(1, 2))
    )
    nearest = explanation.heatmap()
    steps = {"nearest": np.abs(np.diff(nearest, axis=1)).max()}
    for name in ("bilinear", "bicubic"):
        found = explanation.heatmap(interpolation=name)
        steps[name] = np.abs(np.diff(found, axis=1)).max()
        assert found.sum() == pytest.approx(nearest.sum(), rel=0.01)
    assert steps["bicubic"] < steps["bilinear"] < 0.6 * steps["nearest"]
    sharp, smooth = (
        pixels(explanation.to_image(interpolation=name)) for name in ("nearest", "bicubic")
    )
    assert np.abs(np.diff(smooth, axis=1)).max() < np.abs(np.diff(sharp, axis=1)).max() / 4


def test_anchors_are_drawn_with_their_borders():
    image = np.random.default_rng(1).random((16, 16))
    explanation = ll.Anchors(segmenter=ll.Grid(16), fill=ll.Constant(0), max_samples=300).explain(
        image, lambda batch: (batch[:, 0, 0] > 0).astype(float), rng=0
    )
    np.testing.assert_array_equal(
        pixels(explanation.to_image()), pixels(explanation.to_image(interpolation="nearest"))
    )


@pytest.mark.parametrize("interpolation", ["Smooth", 3, True])
def test_what_is_no_interpolation_is_refused(make, interpolation):
    words = "`interpolation` must be one of 'nearest', 'bilinear', 'bicubic', 'smooth', 'guided'"
    with pytest.raises(InvalidInputError, match=words):
        make().heatmap(interpolation=interpolation)
