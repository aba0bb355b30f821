"""One window hidden in each image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limelens.masking.windows import compose_shapes, compose_windows, ellipse, gaussian


def test_only_the_box_is_replaced():
    image = np.arange(12).reshape(3, 4)
    batch = compose_windows(image, image + 100, np.array([[[1, 3], [0, 2]]]), None)
    expected = [[0, 1, 2, 3], [104, 105, 6, 7], [108, 109, 10, 11]]
    np.testing.assert_array_equal(batch, [expected])


@pytest.mark.parametrize("channel_axis", [0, 1, 2])
def test_a_box_hides_every_channel(channel_axis):
    image = np.zeros(np.insert([2, 2], channel_axis, 3), np.uint8)
    batch = compose_windows(image, image + 1, np.array([[[0, 1], [1, 2]]]), channel_axis)
    channels = np.moveaxis(batch[0], channel_axis, 0)
    np.testing.assert_array_equal(channels, [[[0, 1], [0, 0]]] * 3)


def test_boxes_are_cut_off_at_the_edges():
    image = np.zeros((3, 3), np.int8)
    boxes = np.array([[[-1, 1], [2, 9]], [[-4, -2], [0, 3]], [[3, 5], [0, 3]]])
    batch = compose_windows(image, image + 1, boxes, None)
    assert np.argwhere(batch).tolist() == [[0, 0, 2]]


def test_a_volume_has_three_sides():
    image = np.zeros((2, 2, 2, 1), np.float32)
    batch = compose_windows(image, image + 1, np.array([[[0, 1], [1, 2], [0, 2]]]), 3)
    assert np.argwhere(batch[0, ..., 0]).tolist() == [[0, 1, 0], [0, 1, 1]]


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([None, 0, 1, 2]))
def test_a_boolean_shape_that_hides_all_is_a_box(seed, channel_axis):
    rng = np.random.default_rng(seed)
    shape = [5, 6] if channel_axis is None else np.insert([5, 6], channel_axis, 2)
    image, background = rng.integers(0, 256, (2, *shape)).astype(np.uint8)
    image.flags.writeable = background.flags.writeable = False
    starts = rng.integers(-5, 9, (4, 2))
    window = tuple(rng.integers(1, 5, 2).tolist())
    boxes = np.stack([starts, starts + window], axis=2)
    expected = compose_windows(image, background, boxes, channel_axis)
    for hiding in (np.ones(window, bool), np.ones(window)):
        batch = compose_shapes(image, background, hiding, starts, channel_axis)
        assert batch.dtype == np.uint8
        np.testing.assert_array_equal(batch, expected)


def test_a_shape_cut_off_at_the_first_edge_keeps_its_last_part():
    image, background = np.zeros((1, 3)), np.ones((1, 3))
    hiding = np.array([[0.25, 0.5, 0.75]])
    batch = compose_shapes(image, background, hiding, np.array([[0, -1], [0, 2]]), None)
    np.testing.assert_array_equal(batch, [[[0.5, 0.75, 0]], [[0, 0, 0.25]]])


def test_blends_of_integers_are_rounded():
    image, background = np.array([[0, 10]], np.uint8), np.array([[3, 7]], np.uint8)
    batch = compose_shapes(image, background, np.full((1, 2), 0.9), np.array([[0, 0]]), None)
    np.testing.assert_array_equal(batch, [[[3, 7]]])  # 2.7 and 7.3


def test_an_ellipse_touches_its_window_and_leaves_the_corners():
    shape = ellipse((5, 9))
    assert shape[2].all()
    assert shape[:, 4].all()
    assert not shape[[0, 0, -1, -1], [0, -1, 0, -1]].any()


def test_a_gaussian_window_fades_by_exp_of_minus_two_to_its_side():
    window = gaussian((1, 101))
    assert window[0, 50] == 1
    assert window[0, 0] == pytest.approx(np.exp(-2 * (100 / 101) ** 2))
