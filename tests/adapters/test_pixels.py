import numpy as np
import pytest

from limelens.adapters.pixels import Pixels
from limelens.errors import InvalidInputError


@pytest.mark.parametrize("n_channels", [1, 3])
def test_one_or_three_planes_look_like_channels_that_come_first(n_channels):
    with pytest.raises(InvalidInputError, match="Pass channel_axis=0 to the adapter too, or 2"):
        Pixels().axis_of((8, n_channels, 17, 40))
    assert Pixels(channel_axis=0).axis_of((8, n_channels, 17, 40)) == 1


@pytest.mark.parametrize("shape", [(8, 3, 16, 40), (8, 3, 40, 16), (8, 2, 40, 40), (8, 4, 40, 40)])
def test_other_images_have_their_channels_last(shape):
    assert Pixels().axis_of(shape) == 3


def test_planes_and_volumes_without_channels_have_no_channel_axis():
    assert Pixels().axis_of((8, 20, 30)) is None
    assert Pixels(channel_axis=None).axis_of((8, 9, 20, 30)) is None


def test_a_mean_alone_divides_by_one_and_a_deviation_alone_subtracts_nothing():
    mean, std = Pixels(mean=np.array([0.5])).moments(2)
    assert mean.tolist() == [0.5, 0.5]
    assert std.tolist() == [1.0, 1.0]
    mean, std = Pixels(std=np.array([0.2, 0.4])).moments(2)
    assert mean.tolist() == [0.0, 0.0]
    assert std.tolist() == [0.2, 0.4]
    assert Pixels().moments(2) is None
