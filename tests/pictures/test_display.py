import numpy as np
import pytest

from limelens.pictures.display import as_plane, display_size, flatten, resize, to_grey, to_rgb

RAMP = np.linspace(0, 1, 256).reshape(16, 16)


def test_uint8_is_shown_as_it_is():
    image = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    np.testing.assert_array_equal(to_rgb(image), image)


def test_a_grey_image_has_three_equal_channels():
    image = np.array([[7, 200]], dtype=np.uint8)
    np.testing.assert_array_equal(to_rgb(image), [[[7] * 3, [200] * 3]])
    np.testing.assert_array_equal(to_rgb(image[..., np.newaxis]), to_rgb(image))


def test_booleans_are_black_and_white():
    assert to_rgb(np.array([[False, True]]))[0, :, 0].tolist() == [0, 255]


def test_floats_from_zero_to_one_are_not_stretched():
    assert to_rgb(np.array([[0.25, 0.5]]))[0, :, 0].tolist() == [64, 128]


@pytest.mark.parametrize(
    "image",
    [
        RAMP * 4 - 2,
        RAMP * 255,
        (RAMP * 4000).astype(np.uint16),
        (RAMP * 2000 - 1000).astype(np.int16),
    ],
    ids=["normalised", "0 to 255", "12 of 16 bits", "Hounsfield"],
)
def test_any_other_range_is_stretched_to_black_and_white(image):
    shown = to_rgb(image)[..., 0]
    assert (shown.min(), shown.max()) == (0, 255)
    assert abs(int(shown[8, 0]) - 128) <= 2


def test_a_few_extreme_pixels_do_not_darken_the_rest():
    image = RAMP * 100 + 50
    image[0, 0] = 1e6
    assert to_rgb(image)[8, 0, 0] > 100


def test_a_constant_image_beyond_the_unit_range_is_grey():
    assert np.unique(to_rgb(np.full((4, 4), 7.5))).tolist() == [128]
    assert np.unique(to_rgb(np.full((4, 4), -3))).tolist() == [128]


def test_a_transparent_pixel_is_white():
    image = np.zeros((1, 3, 4), dtype=np.uint8)
    image[0, :, 3] = [0, 51, 255]
    assert to_rgb(image, bands=(0, 1, 2, 3))[0, :, 0].tolist() == [255, 204, 0]


def test_channels_may_come_first():
    image = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    np.testing.assert_array_equal(to_rgb(image, 0), image.transpose(1, 2, 0))


@pytest.mark.parametrize("n_channels", [2, 5, 13])
def test_many_channels_are_averaged_each_on_its_own_range(n_channels):
    image = np.stack([RAMP * 10.0**channel for channel in range(n_channels)], axis=-1)
    shown = to_rgb(image)
    np.testing.assert_array_equal(shown[..., 0], shown[..., 2])
    assert abs(int(shown[8, 0, 0]) - 128) <= 2


def test_a_volume_is_a_montage_of_slices():
    volume = np.stack([np.full((2, 2), value, np.uint8) for value in (0, 100, 200)])
    shown = to_rgb(volume, None)[..., 0]
    assert shown.shape == (5, 5)
    assert (shown[0, 0], shown[0, 4], shown[4, 0], shown[4, 4]) == (0, 100, 200, 200)


def test_a_deep_volume_shows_nine_evenly_spaced_slices_with_both_ends():
    plane = as_plane(np.arange(101).reshape(101, 1, 1), 3, empty=-1)
    assert plane[::2, ::2].ravel().tolist() == [0, 12, 25, 38, 50, 62, 75, 88, 100]


def test_a_volume_with_channels_keeps_its_colours():
    volume = np.zeros((2, 3, 4, 3), np.uint8)
    volume[1] = (10, 20, 30)
    assert to_rgb(volume)[0, -1].tolist() == [10, 20, 30]


def test_a_plane_stays_a_plane():
    assert as_plane(RAMP, 2, empty=0) is RAMP


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((25, 25), (275, 275)),
        ((1, 1), (256, 256)),
        ((255, 10), (510, 20)),
        ((256, 256), (256, 256)),
        ((1024, 3), (1024, 3)),
        ((3000, 4000), (768, 1024)),
        ((5000, 2), (1024, 1)),
    ],
)
def test_small_pictures_grow_by_whole_pixels_and_large_ones_shrink(shape, expected):
    assert display_size(shape) == expected


def test_the_largest_side_is_never_exceeded():
    assert display_size((100, 90), 128) == (100, 90)
    assert max(display_size((25, 25), 60)) == 50


def test_resizing_upwards_repeats_pixels():
    assert resize(np.array([[1.0, 2.0]]), (2, 4)).tolist() == [[1, 1, 2, 2]] * 2


def test_resizing_downwards_averages_maps_and_pictures():
    assert resize(np.array([[1.0, 3.0], [5.0, 7.0]]), (1, 1)).tolist() == [[4.0]]
    rgb = np.array([[[0, 0, 0], [10, 20, 30]]], np.uint8)
    assert resize(rgb, (1, 1)).tolist() == [[[5, 10, 15]]]


def test_resizing_labels_and_masks_invents_none():
    labels = np.random.default_rng(0).integers(-1, 40, (50, 70))
    assert set(resize(labels, (13, 17)).ravel()) <= set(labels.ravel())
    assert resize(labels > 20, (13, 17)).dtype == np.bool_


def test_a_grey_picture_keeps_the_luma():
    rgb = np.array([[[100, 100, 100], [255, 0, 0]]], np.uint8)
    assert to_grey(rgb)[0].tolist() == [[100] * 3, [76] * 3]


def test_a_flat_picture_is_as_light_beside_the_border_of_what_counts_as_elsewhere():
    image = np.full((40, 60, 3), 100, np.uint8)
    valid = np.ones((40, 60), bool)
    valid[:, 30:] = False
    image[~valid] = 0
    assert (flatten(image, valid)[valid] == flatten(image[:1, :1])[0, 0]).all()
