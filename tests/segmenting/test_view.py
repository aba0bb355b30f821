"""The picture that is segmented."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from limelens.errors import InvalidInputError
from limelens.segmenting import segmenting_view

EIGHT_BITS = arrays(np.uint8, array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=6))


def picture(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_darkest_and_brightest_pixel_become_0_and_1():
    view = segmenting_view(np.array([[-1000, 0], [500, 1000]], dtype=np.int16))
    np.testing.assert_array_equal(view.pixels[..., 0], [[0, 0.5], [0.75, 1]])


@settings(deadline=None)
@given(
    image=EIGHT_BITS, scale=st.floats(min_value=1e-3, max_value=1e3), offset=st.floats(-1e3, 1e3)
)
def test_every_range_of_one_picture_has_the_same_view(image, scale, offset):
    wanted = segmenting_view(image).pixels
    for version in (
        image / 255,
        image.astype(np.float32) / np.float32(255),
        image.astype(np.float32),
        image * scale + offset,
        image.astype(np.uint16) * 257,
        image.astype(np.int32) - 128,
    ):
        np.testing.assert_array_equal(segmenting_view(version).pixels, wanted)


@pytest.mark.parametrize("channels", [1, 3, 4, 13])
def test_a_reduced_view_is_the_same_for_every_range(channels):
    image = picture(37, 50, channels)
    wanted = segmenting_view(image, max_side=16).pixels
    assert wanted.shape[:2] == (12, 16)
    for version in (image / 255, image.astype(np.float32) / np.float32(255)):
        np.testing.assert_array_equal(segmenting_view(version, max_side=16).pixels, wanted)


def test_memory_layout_does_not_matter():
    image = picture(9, 8, 13)
    first = np.ascontiguousarray(np.moveaxis(image, -1, 0))
    np.testing.assert_array_equal(
        segmenting_view(np.moveaxis(first, 0, -1)).pixels, segmenting_view(image).pixels
    )


def test_a_plane_and_one_channel_are_the_same():
    image = picture(5, 6)
    view = segmenting_view(image[..., np.newaxis])
    assert view.pixels.shape == (5, 6, 1)
    assert view.spatial == (5, 6)
    np.testing.assert_array_equal(view.pixels, segmenting_view(image).pixels)


def test_colours_share_one_range():
    image = np.array([[[0, 50, 100], [25, 75, 0]]], dtype=np.uint8)
    view = segmenting_view(image)
    assert view.is_color
    np.testing.assert_array_equal(view.pixels, [[[0, 0.5, 1], [0.25, 0.75, 0]]])


def test_one_hot_pixel_does_not_darken_the_rest():
    image = np.tile(np.linspace(0, 100, 30), (30, 1))
    image[7, 7] = 30_000
    view = segmenting_view(image).pixels[..., 0]
    assert view.max() == 1
    assert view[0, 15] == pytest.approx(0.517, abs=0.01)


def test_what_is_rarer_than_half_a_percent_is_seen_on_an_even_ground():
    image = np.zeros((30, 30))
    image[3, 4:6] = 0.25, 0.5
    np.testing.assert_array_equal(segmenting_view(image).pixels[..., 0], 2 * image)


def test_a_boolean_image_is_seen():
    image = np.eye(3, dtype=bool)
    np.testing.assert_array_equal(segmenting_view(image).pixels[..., 0], image)


def test_a_constant_image_is_zero():
    assert not segmenting_view(np.full((3, 4, 5), 7)).pixels.any()


@pytest.mark.parametrize("alpha", [255, 0, 17])
def test_an_opaque_alpha_changes_nothing(alpha):
    image = picture(6, 7, 3)
    rgba = np.concatenate([image, np.full((6, 7, 1), alpha, dtype=np.uint8)], axis=-1)
    view = segmenting_view(rgba)
    assert view.is_color
    np.testing.assert_array_equal(view.pixels, segmenting_view(image).pixels)


def test_an_alpha_that_varies_is_seen():
    rgba = np.zeros((4, 6, 4), dtype=np.uint8)
    rgba[:, 3:, 3] = 255
    view = segmenting_view(rgba)
    np.testing.assert_array_equal(view.pixels[0, :, 0], [0, 0, 0, 1, 1, 1])


def test_many_bands_are_their_principal_components():
    image = picture(20, 20, 5)
    low, high = image.min(axis=(0, 1)), image.max(axis=(0, 1))
    image[:, 0], image[:, 1] = low, high  # a whole column each: no outliers to cut
    view = segmenting_view(image)
    table = ((image - low) / (high - low)).reshape(-1, 5)
    u, s, _ = np.linalg.svd(table - table.mean(axis=0), full_matrices=False)
    wanted = u[:, :3] * s[:3]
    correlations = np.corrcoef(view.pixels.reshape(-1, 3).T, wanted.T)[:3, 3:]
    np.testing.assert_allclose(np.abs(np.diag(correlations)), 1, atol=1e-5)
    spread = view.pixels.reshape(-1, 3).std(axis=0)
    np.testing.assert_allclose(spread / spread[0], wanted.std(axis=0) / wanted[:, 0].std(), 1e-3)
    assert view.pixels.min() == 0
    assert view.pixels.max() == 1
    assert not view.is_color


@pytest.mark.parametrize("seed", range(5))
def test_components_point_where_their_strongest_band_does(seed):
    bands = np.random.default_rng(seed).random((10, 10, 5))
    bands = (bands - bands.min(axis=(0, 1))) / np.ptp(bands, axis=(0, 1))
    view = segmenting_view(bands).pixels
    table = np.column_stack([bands.reshape(-1, 5), np.ones(100)])
    weights = np.linalg.lstsq(table, view.reshape(-1, 3), rcond=None)[0][:5]
    assert (weights[np.abs(weights).argmax(axis=0), range(3)] > 0).all()


def test_bands_of_different_units_count_alike():
    rng = np.random.default_rng(0)
    bands = rng.random((20, 20, 4))
    scaled = bands * [1, 1000, 1e-4, 20]
    np.testing.assert_array_equal(segmenting_view(scaled).pixels, segmenting_view(bands).pixels)


def test_a_long_side_is_reduced_by_block_means():
    image = np.array([[0, 4, 8, 8, 2, 0], [0, 4, 8, 8, 2, 4]])
    view = segmenting_view(image, max_side=3)
    np.testing.assert_array_equal(view.pixels[..., 0] * 8, [[2, 8, 2]])


def test_blocks_differ_by_one_pixel_where_sides_do_not_divide():
    view = segmenting_view(np.array([[0, 10, 20, 30, 40]]), max_side=2)
    np.testing.assert_allclose(view.pixels[0, :, 0] * 40, [5, 30])
    np.testing.assert_array_equal(view.enlarge(np.array([[7, 9]])), [[7, 7, 9, 9, 9]])


def test_none_keeps_the_size():
    assert segmenting_view(np.zeros((1, 600)), max_side=None).pixels.shape == (1, 600, 1)


@settings(max_examples=40, deadline=None)
@given(shape=array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=30), side=st.integers(2, 12))
def test_labels_come_back_to_every_pixel(shape, side):
    view = segmenting_view(np.zeros((*shape, 1)), max_side=side)
    reduced = view.pixels.shape[:-1]
    assert max(reduced) <= max(side, 1)
    blocks = view.enlarge(np.arange(np.prod(reduced)).reshape(reduced))
    assert blocks.shape == shape
    sizes = np.bincount(blocks.ravel())
    assert len(sizes) == np.prod(reduced)
    assert sizes.min() >= 1


def test_full_contrast_is_100_on_the_scale_of_cielab():
    grey = segmenting_view(np.array([[0.0, 1.0]])).lab()
    np.testing.assert_array_equal(grey[..., 0], [[0, 100]])
    colour = segmenting_view(np.array([[[0, 0, 0], [255, 255, 255]]])).lab()
    np.testing.assert_allclose(colour, [[[0, 0, 0], [100, 0, 0]]], atol=0.01)


def test_the_image_is_not_modified():
    image = picture(40, 40, 5)
    image.flags.writeable = False
    segmenting_view(image, max_side=10)


@pytest.mark.parametrize(
    ("image", "max_side", "words"),
    [
        (np.array([[np.nan, 1.0]]), 512, "`image` must be finite"),
        (np.zeros(3), 512, "`image` must have at least two axes"),
        (np.zeros((3, 4)), 1, "`max_side` must be an integer >= 2; got 1"),
    ],
)
def test_what_cannot_be_seen_is_refused(image, max_side, words):
    with pytest.raises(InvalidInputError, match=words):
        segmenting_view(image, max_side=max_side)
