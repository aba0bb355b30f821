import numpy as np
import pytest

from limelens.fills import energy
from limelens.fills.energy import segment_energy


def test_energy_is_the_squared_change_of_a_segments_pixels_and_channels():
    image = np.array([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], dtype=np.uint8)
    background = np.array([[[1, 0], [0, 4]], [[5, 9], [7, 8]]], dtype=np.uint8)
    segments = np.array([[0, 1], [2, 1]])
    found = segment_energy(image, background[np.newaxis], segments, 2)
    np.testing.assert_array_equal(found, [4.0, 9.0, 9.0])


@pytest.mark.parametrize("channel_axis", [0, 1, 2])
def test_the_layout_does_not_matter(channel_axis):
    rng = np.random.default_rng(0)
    image, background = rng.random((2, 4, 5, 3))
    segments = rng.permuted(np.arange(20) % 6).reshape(4, 5)
    expected = segment_energy(image, background[np.newaxis], segments, 2)
    moved = [np.moveaxis(each, -1, channel_axis) for each in (image, background)]
    found = segment_energy(moved[0], moved[1][np.newaxis], segments, channel_axis)
    np.testing.assert_allclose(found, expected)


def test_of_several_backgrounds_their_mean_counts():
    image = np.zeros((1, 2))
    backgrounds = np.array([[[2.0, 4.0]], [[-2.0, 0.0]]])
    np.testing.assert_array_equal(
        segment_energy(image, backgrounds, np.array([[0, 1]]), None), [0.0, 4.0]
    )


def test_a_part_of_the_rows_at_a_time_gives_the_same_energy(monkeypatch):
    rng = np.random.default_rng(0)
    image, background = rng.random((2, 7, 5, 3))
    segments = rng.permuted(np.arange(35) % 4).reshape(7, 5)
    whole = segment_energy(image, background[np.newaxis], segments, 2)
    monkeypatch.setattr(energy, "_VALUES", 40)  # two rows of fifteen values
    found = segment_energy(image, background[np.newaxis], segments, 2)
    np.testing.assert_array_equal(found, whole)
