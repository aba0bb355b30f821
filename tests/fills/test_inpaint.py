"""Segments painted over from what surrounds them."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation
from skimage.restoration import inpaint_biharmonic

from limelens.fills.inpaint import Inpaint
from limelens.segmenting import Grid


@pytest.mark.parametrize("shape", [(20, 24), (20, 24, 3), (8, 9, 10, 2)])
def test_every_segment_is_filled_as_if_it_alone_were_hidden(shape):
    image = np.random.default_rng(0).random(shape)
    segments = Grid(8)(image)
    background = Inpaint(max_side=None)(image, segments)
    axis = None if image.ndim == 2 else -1
    for label in range(8):
        hole = segments == label
        near = binary_dilation(hole, np.ones((5,) * hole.ndim)) & ~hole
        wanted = inpaint_biharmonic(image, hole, channel_axis=axis)[hole]
        wanted = np.clip(wanted, image[near].min(axis=0), image[near].max(axis=0))
        np.testing.assert_allclose(background[hole], wanted, atol=1e-9)


def test_what_is_hidden_leaves_no_trace():
    image = np.random.default_rng(0).random((12, 12))
    segments = Grid(4)(image)
    changed = np.where(segments == 2, 100.0, image)
    np.testing.assert_array_equal(
        Inpaint()(changed, segments)[segments == 2], Inpaint()(image, segments)[segments == 2]
    )


@pytest.mark.parametrize("max_side", [None, 4])
def test_a_slope_goes_on_under_a_segment(max_side):
    rows, columns = np.mgrid[:40, :40]
    slope = 3.0 * rows + 2 * columns
    spot = np.zeros((40, 40), dtype=int)
    spot[12:28, 12:28] = 1
    background = Inpaint(max_side=max_side)(np.where(spot, -999, slope), spot)
    np.testing.assert_allclose(background[spot == 1], slope[spot == 1], atol=1e-6)


def test_a_long_segment_is_filled_at_reduced_size():
    image = np.random.default_rng(0).random((64, 64, 3))
    segments = Grid(4)(image)
    reduced, full = (Inpaint(max_side=side)(image, segments) for side in (4, None))
    assert not np.allclose(reduced, full)
    inner = reduced[8:24, 8:24]
    assert np.abs(np.diff(inner, axis=0)).max() < 0.1


def test_a_segment_in_scattered_pieces_is_filled():
    rows, columns = np.mgrid[:30, :30]
    board = (rows + columns) % 2
    image = np.where(board, 5.0, 1.0)
    background = Inpaint()(image, board)
    np.testing.assert_allclose(background[board == 0], 5)
    np.testing.assert_allclose(background[board == 1], 1)
