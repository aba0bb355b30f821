import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limelens.results.upsampling import _smooth_superpixels, grid_cells, upsample

L_SHAPE = np.array([[0, 0, 0, 1], [0, 1, 1, 1], [0, 1, 1, 1], [2, 2, 2, 2]])
SMOOTH = ["bilinear", "bicubic"]


def grid(*run_lengths):
    """Return the label image of a grid with the given run lengths along each axis."""
    shape = [len(lengths) for lengths in run_lengths]
    labels = np.arange(np.prod(shape)).reshape(shape)
    for axis, lengths in enumerate(run_lengths):
        labels = np.repeat(labels, lengths, axis=axis)
    return labels


def keys_kernel(x):
    """Return Keys' cubic convolution kernel with a = -1/2, from the paper's equation 15."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def test_nearest_gives_every_pixel_the_importance_of_its_segment():
    np.testing.assert_array_equal(
        upsample(np.array([1.0, -2.0, 0.5]), L_SHAPE),
        [[1, 1, 1, -2], [1, -2, -2, -2], [1, -2, -2, -2], [0.5, 0.5, 0.5, 0.5]],
    )


def test_bilinear_between_two_cells_by_hand():
    # Cells of 4 and 2 pixels: centres at 2 and 5, pixel centres at 0.5, 1.5, ...
    found = upsample(np.array([0.0, 6.0]), grid([1], [4, 2]), "bilinear")
    np.testing.assert_allclose(found, [[0, 0, 1, 3, 5, 6]])


def test_bilinear_in_two_axes_is_the_product_of_the_axes():
    found = upsample(np.array([0.0, 1.0, 0.0, 1.0]), grid([2, 2], [2, 2]), "bilinear")
    np.testing.assert_allclose(found, np.tile([0, 0.25, 0.75, 1], (4, 1)))


def test_bicubic_on_equal_cells_is_keys_convolution_mirrored_at_the_border():
    values = np.array([0.3, -1.0, 2.0, 0.7])
    found = upsample(values, grid([1], [5, 5, 5, 5]), "bicubic")[0]
    mirrored = np.concatenate([values[1::-1], values, values[:-3:-1]])
    centres = np.arange(-2, 6) + 0.5
    pixels = (np.arange(20) + 0.5) / 5
    expected = keys_kernel(pixels[:, None] - centres) @ mirrored
    np.testing.assert_allclose(found, expected, atol=1e-14)


def test_bicubic_on_unequal_cells_keeps_a_parabola():
    lengths = np.array([4, 2, 6, 2, 4, 2, 2])
    centres = np.cumsum(lengths) - lengths / 2
    found = upsample(centres**2, grid([1], lengths), "bicubic")[0]
    pixels = np.arange(lengths.sum()) + 0.5
    inner = (pixels > centres[1]) & (pixels < centres[-2])
    np.testing.assert_allclose(found[inner], pixels[inner] ** 2)


def test_bicubic_overshoots_by_at_most_an_eighth_of_a_step():
    found = upsample(np.array([1.0, 0.0, 0.0, 1.0]), grid([1], [99] * 4), "bicubic")
    assert found.min() == pytest.approx(-0.125, abs=1e-4)


@pytest.mark.parametrize("interpolation", SMOOTH)
def test_smooth_maps_meet_the_cell_at_its_centre(interpolation):
    found = upsample(np.array([3.0, -1.0, 4.0, 1.5]), grid([3, 5], [5, 3]), interpolation)
    np.testing.assert_allclose(found[np.ix_([1, 5], [2, 6])], [[3, -1], [4, 1.5]])


@pytest.mark.parametrize("interpolation", SMOOTH)
def test_one_row_of_cells_varies_along_the_row_only(interpolation):
    found = upsample(np.array([0.0, 1.0]), grid([7], [3, 3]), interpolation)
    np.testing.assert_allclose(found, np.tile(found[0], (7, 1)))
    assert found[0, 0] < found[0, 2] < found[0, 3] < found[0, 5]


def test_a_grid_is_recognised_whatever_its_labels_and_cell_sizes():
    labels = np.random.default_rng(0).permutation(12)[grid([2, 1, 3], [4, 1, 1, 2])]
    table, run_lengths = grid_cells(labels)
    assert table.shape == (3, 4)
    assert [lengths.tolist() for lengths in run_lengths] == [[2, 1, 3], [4, 1, 1, 2]]


def test_superpixels_are_no_grid():
    assert grid_cells(L_SHAPE) is None
    assert grid_cells(np.array([[0, 1, 0]])) is None
    assert grid_cells(np.array([[0, 1], [1, 0]])) is None
    assert grid_cells(np.array([[0, 0], [1, 2]])) is None


def test_a_volume_of_cells_is_a_grid_of_three_axes():
    table, run_lengths = grid_cells(grid([2, 2], [3], [1, 4]))
    assert table.shape == (2, 1, 2)
    assert len(run_lengths) == 3


def test_bilinear_in_a_volume_interpolates_along_its_depth():
    found = upsample(np.array([0.0, 1.0]), grid([2, 2], [3], [3]), "bilinear")
    np.testing.assert_allclose(found[:, 1, 1], [0, 0.25, 0.75, 1])


def test_superpixels_are_averaged_over_a_window_of_the_mean_segment():
    # Two segments on 18 pixels: windows of 3 x 3, mirrored at the border.
    labels = np.zeros((3, 6), dtype=int)
    labels[:, 3:] = 1
    labels[0, 3] = 0  # no grid
    found = upsample(np.array([0.0, 9.0]), labels, "bilinear")
    np.testing.assert_allclose(found[1], [0, 0, 2, 5, 8, 9], atol=1e-12)


def test_superpixels_are_not_shifted_by_their_average():
    labels = np.zeros((6, 6), dtype=int)
    labels[2:4, 2:4] = np.arange(1, 5).reshape(2, 2)
    labels[0] = np.arange(5, 11)  # a mean segment of 3.3 pixels, 1.8 at the side
    importances = np.zeros(11)
    importances[1:5] = 1.0
    found = upsample(importances, labels[::-1], "bilinear")
    np.testing.assert_allclose(found, found[:, ::-1], atol=1e-12)
    np.testing.assert_allclose(found[::-1], upsample(importances, labels, "bilinear"), atol=1e-12)


def test_bicubic_superpixels_are_averaged_three_times():
    labels = np.zeros((9, 9), dtype=int)
    labels[4, 4] = 1
    labels[:4] = 2
    once = upsample(np.array([0.0, 27.0, 0.0]), labels, "bilinear")
    thrice = upsample(np.array([0.0, 27.0, 0.0]), labels, "bicubic")
    assert once[4, 4] == pytest.approx(27 / 25)
    # A mean side of 5.2, so windows of 5 and, narrower by the root of 3, of 3 pixels: along each
    # axis (1, 1, 1) / 3 thrice is (1, 3, 6, 7, 6, 3, 1) / 27.
    assert thrice[4, 1:8] == pytest.approx(7 / 27 * np.array([1, 3, 6, 7, 6, 3, 1]))


def test_bilinear_superpixels_of_equal_cells_are_a_bilinear_grid():
    labels = grid([5, 5, 5], [5, 5, 5])
    importances = np.arange(9.0) ** 2
    averaged = _smooth_superpixels(importances, labels, 1)
    np.testing.assert_allclose(averaged, upsample(importances, labels, "bilinear"))


few = settings(max_examples=20, deadline=None)
importance = st.floats(-1e3, 1e3, allow_subnormal=False)


@pytest.mark.parametrize("interpolation", ["nearest", *SMOOTH])
@pytest.mark.parametrize("labels", [L_SHAPE, grid([2, 3], [4, 1, 2])], ids=["superpixels", "grid"])
class TestEveryMap:
    def test_of_zeros_is_zero(self, labels, interpolation):
        assert not upsample(np.zeros(labels.max() + 1), labels, interpolation).any()

    @few
    @given(value=importance)
    def test_of_a_constant_is_that_constant(self, labels, interpolation, value):
        found = upsample(np.full(labels.max() + 1, value), labels, interpolation)
        np.testing.assert_allclose(found, value, rtol=1e-12)

    @few
    @given(data=st.data())
    def test_is_linear_in_the_importances(self, labels, interpolation, data):
        d = int(labels.max()) + 1
        one, two = (np.array(data.draw(st.lists(importance, min_size=d, max_size=d))) for _ in "12")
        found = upsample(one + 2 * two, labels, interpolation)
        parts = upsample(one, labels, interpolation) + 2 * upsample(two, labels, interpolation)
        np.testing.assert_allclose(found, parts, atol=1e-8)

    def test_has_the_shape_of_the_image_in_float64(self, labels, interpolation):
        found = upsample(np.arange(labels.max() + 1.0), labels, interpolation)
        assert found.shape == labels.shape
        assert found.dtype == np.float64
        assert found.flags.c_contiguous


@few
@given(data=st.data())
@pytest.mark.parametrize("labels", [L_SHAPE, grid([2, 3], [4, 1, 2])], ids=["superpixels", "grid"])
def test_bilinear_maps_stay_within_the_range_of_the_importances(labels, data):
    d = int(labels.max()) + 1
    importances = np.array(data.draw(st.lists(importance, min_size=d, max_size=d)))
    found = upsample(importances, labels, "bilinear")
    slack = 1e-12 * np.abs(importances).max()
    assert found.min() >= importances.min() - slack
    assert found.max() <= importances.max() + slack
