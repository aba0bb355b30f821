"""Maps under a Gaussian and under the guided filter, against their definitions."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from limelens.results import smoothing
from limelens.results.smoothing import guided_map, moving_averages, smooth_map
from limelens.segmenting import segmenting_view

RNG = np.random.default_rng(0)
MAP = RNG.normal(size=(30, 40))
COLOURS = RNG.random((30, 40, 3))


def smooth(heatmap):
    return smooth_map(heatmap)


def guided(heatmap):
    image = np.random.default_rng(1).random((*heatmap.shape, 3))
    return guided_map(heatmap, image)


both = pytest.mark.parametrize("smoother", [smooth, guided])


@both
@pytest.mark.parametrize("shape", [(30, 40), (1, 9), (1, 1), (3, 200), (6, 7, 8)])
class TestEverySmoothMap:
    def test_of_zeros_is_zero(self, smoother, shape):
        assert not smoother(np.zeros(shape)).any()

    def test_of_a_constant_is_that_constant(self, smoother, shape):
        np.testing.assert_allclose(smoother(np.full(shape, -2.5)), -2.5, rtol=1e-12)

    def test_is_linear_in_the_map(self, smoother, shape):
        one, two = np.random.default_rng(2).normal(size=(2, *shape))
        expected = smoother(one) - 3 * smoother(two)
        np.testing.assert_allclose(smoother(one - 3 * two), expected, atol=1e-12)

    def test_leaves_what_it_is_given_alone(self, smoother, shape):
        heatmap = np.random.default_rng(2).normal(size=shape)
        heatmap.flags.writeable = False
        assert smoother(heatmap).dtype == np.float64


def test_the_gaussian_is_a_third_of_one_of_fifty_segments_wide():
    """A square of 100 pixels: fifty segments of 200 pixels, 14.1 a side."""
    heatmap = np.zeros((100, 100))
    heatmap[50, 50] = 1
    found = smooth_map(heatmap)
    rows = np.arange(100) - 50
    assert (found * rows**2).sum() == pytest.approx((np.sqrt(200) / 3) ** 2, rel=0.01)


def test_the_gaussian_of_a_volume_counts_in_three_axes():
    heatmap = np.zeros((40, 40, 40))
    heatmap[20, 20, 20] = 1
    depths = np.arange(40) - 20
    variance = (smooth_map(heatmap).sum(axis=(1, 2)) * depths**2).sum()
    assert variance == pytest.approx(((64000 / 50) ** (1 / 3) / 3) ** 2, rel=0.02)


def test_at_the_border_only_pixels_that_exist_count():
    width = np.sqrt(MAP.size / 50) / 3
    rows, columns = np.indices(MAP.shape)
    for corner in ((0, 0), (29, 0), (3, 39)):
        apart = (rows - corner[0]) ** 2 + (columns - corner[1]) ** 2
        weights = np.exp(-apart / (2 * width**2))
        expected = (weights * MAP).sum() / weights.sum()
        assert smooth_map(MAP)[corner] == pytest.approx(expected, abs=1e-3)


def test_a_smooth_map_never_leaves_the_range_of_the_map():
    found = smooth_map(MAP)
    assert MAP.min() <= found.min() < found.max() <= MAP.max()


def test_a_large_map_is_filtered_at_a_reduced_size_and_hardly_differs(monkeypatch):
    heatmap = gaussian_filter(RNG.normal(size=(120, 160)), 2)
    full = smooth_map(heatmap)
    monkeypatch.setattr(smoothing, "_MOST_PIXELS", 60 * 80)
    reduced = smooth_map(heatmap)
    assert reduced.shape == full.shape
    apart = np.abs(reduced - full) / np.abs(full).max()
    assert 0 < apart[2:-2, 2:-2].max() < 0.03
    assert apart.max() < 0.06  # beyond the centre of the outer block its value continues


def test_a_large_guided_map_keeps_the_edges_of_the_full_image(monkeypatch):
    image = np.repeat([[0.0, 1.0]], 60, axis=1).repeat(120, axis=0)
    heatmap = np.where(np.arange(120) < 57, 0.0, 1.0) * np.ones((120, 1))
    monkeypatch.setattr(smoothing, "_MOST_PIXELS", 40 * 40)
    step = np.diff(guided_map(heatmap, image)[60])
    assert np.argmax(step) == 59
    assert step[59] > 0.4


def by_definition(heatmap, colours, width, epsilon=0.01):
    """He, Sun, Tang 2013, equations 19 to 21, window by window."""
    half, (height, length) = width // 2, heatmap.shape
    found, count = np.zeros(heatmap.shape), np.zeros(heatmap.shape)
    for row in range(height):
        for column in range(length):
            window = (
                slice(max(0, row - half), row + half + 1),
                slice(max(0, column - half), column + half + 1),
            )
            inside = colours[window].reshape(-1, colours.shape[-1])
            values = heatmap[window].ravel()
            spread = np.cov(inside.T, bias=True) + epsilon * np.eye(colours.shape[-1])
            joint = (inside - inside.mean(axis=0)).T @ values / len(values)
            slopes = np.linalg.solve(spread, joint)
            level = values.mean() - slopes @ inside.mean(axis=0)
            found[window] += colours[window] @ slopes + level
            count[window] += 1
    return found / count


def test_the_guided_filter_is_that_of_the_paper():
    side = np.sqrt(MAP.size)
    before = smoothing._gaussian(MAP, 0.03 * side)
    colours = segmenting_view(COLOURS).pixels
    width = 2 * round((0.18 * side - 1) / 2) + 1
    assert width == 7
    np.testing.assert_allclose(guided_map(MAP, COLOURS), by_definition(before, colours, width))


def test_an_image_without_edges_guides_nowhere():
    flat = np.full((30, 40), 7)
    before = smoothing._gaussian(MAP, 0.03 * np.sqrt(MAP.size))

    def box(values):
        out = np.zeros(values.shape)
        for row, column in np.ndindex(values.shape):
            part = (
                slice(max(0, row - 3), row + 4),
                slice(max(0, column - 3), column + 4),
            )
            out[row, column] = values[part].mean()
        return out

    np.testing.assert_allclose(guided_map(MAP, flat), box(box(before)), atol=1e-12)


@pytest.mark.parametrize("shape", [(30, 40), (30, 40, 1), (30, 40, 4), (30, 40, 13)])
def test_any_number_of_channels_guides(shape):
    image = RNG.random(shape)
    assert np.isfinite(guided_map(MAP, image)).all()


def test_a_grey_volume_guides_a_volume():
    volume = RNG.random((6, 7, 8))
    heatmap = RNG.random((6, 7, 8))
    found = guided_map(heatmap, volume)
    np.testing.assert_array_equal(found, guided_map(heatmap, volume[..., np.newaxis]))


def test_moving_averages_spread_as_far_whatever_their_number():
    heatmap = np.zeros((1, 201))
    heatmap[0, 100] = 1.0
    places = np.arange(201) - 100
    once, thrice = (moving_averages(heatmap, (1, 31), n)[0] for n in (1, 3))
    assert (once * places**2).sum() == pytest.approx((31**2 - 1) / 12)
    assert (thrice * places**2).sum() == pytest.approx((31**2 - 1) / 12, rel=0.15)
    assert np.abs(np.diff(thrice)).max() < np.abs(np.diff(once)).max()


def test_a_window_of_one_pixel_changes_nothing():
    np.testing.assert_array_equal(moving_averages(MAP, (1, 1), 3), MAP)
