"""Soft masks from small grids."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limelens._resampling import enlarging_factor
from limelens.masking import soft
from limelens.masking.soft import soft_composer, soft_masks


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 40))
def test_the_weights_of_every_pixel_add_up_to_one(n_cells, size):
    factor = enlarging_factor(n_cells, size)
    np.testing.assert_allclose(factor.sum(axis=1), 1)
    assert factor.min() >= 0


def test_enlarging_is_what_scikit_image_computes():
    transform = pytest.importorskip("skimage.transform")
    grid = np.random.default_rng(0).random((7, 5))
    ours = enlarging_factor(7, 40) @ grid @ enlarging_factor(5, 33).T
    theirs = transform.resize(grid, (40, 33), order=1, mode="edge", anti_aliasing=False)
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_a_mask_is_the_enlarged_grid_from_its_shift_on():
    rng = np.random.default_rng(0)
    grids, shifts = rng.random((3, 4, 5)), np.array([[0, 0], [3, 1], [2, 4]])
    factors = [enlarging_factor(4, 13), enlarging_factor(5, 24)]
    masks = soft_masks(grids, shifts, factors, (10, 20))
    for grid, (top, left), mask in zip(grids, shifts, masks, strict=True):
        enlarged = factors[0] @ grid @ factors[1].T
        np.testing.assert_allclose(mask, enlarged[top : top + 10, left : left + 20])


def test_masks_of_volumes_are_enlarged_along_three_axes():
    grid = np.random.default_rng(0).random((1, 2, 3, 2))
    factors = [enlarging_factor(n, 6) for n in (2, 3, 2)]
    mask = soft_masks(grid, np.array([[1, 0, 2]]), factors, (5, 6, 4))[0]
    expected = np.einsum("di,hj,wk,ijk->dhw", *factors, grid[0])[1:6, :, 2:6]
    np.testing.assert_allclose(mask, expected)


def test_a_mask_does_not_depend_on_the_others_in_the_batch():
    rng = np.random.default_rng(0)
    grids, shifts = rng.random((9, 8, 8)), rng.integers(0, 9, (9, 2))
    factors = [enlarging_factor(8, 72, np.float32)] * 2
    together = soft_masks(grids, shifts, factors, (64, 64))
    alone = [soft_masks(grids[i : i + 1], shifts[i : i + 1], factors, (64, 64)) for i in range(9)]
    np.testing.assert_array_equal(together, np.concatenate(alone))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", ">u2", "int64", "f2", "f4", "f8"])
@pytest.mark.parametrize("shape_and_axis", [
    ((9, 8), None), ((9, 8, 3), 2), ((3, 9, 8), 0), ((9, 3, 8), 1), ((4, 9, 8), None),
    ((4, 9, 8, 2), 3), ((2, 4, 9, 8), 0),
])  # fmt: skip
def test_images_are_blended_under_the_mask(dtype, shape_and_axis, monkeypatch):
    monkeypatch.setattr(soft, "PRODUCT_VALUES", 50)  # a few rows at a time
    shape, axis = shape_and_axis
    rng = np.random.default_rng(0)
    low = -100 if dtype == "int16" else 0
    high = 1 if dtype == "bool" else 200
    image, background = rng.uniform(low, high, (2, *shape)).round().astype(dtype)
    image.flags.writeable = background.flags.writeable = False
    spatial = tuple(size for i, size in enumerate(shape) if i != axis)
    factors = [enlarging_factor(3, size + 2) for size in spatial]
    grids = rng.random((4, *[3] * len(spatial))) < 0.5
    shifts = rng.integers(0, 3, (4, len(spatial)))
    batch = soft_composer(image, background, factors, axis)(grids, shifts)
    assert batch.dtype == dtype
    masks = soft_masks(grids, shifts, factors, spatial)
    masks = masks if axis is None else np.expand_dims(masks, 1 + axis)
    exact = background + masks * (image.astype(float) - background)
    # half a unit: rounded either way where the exact value lies between
    tolerance = 1e-3 if batch.dtype.kind == "f" else 0.5 + 1e-4
    tolerance = 0.1 if dtype == "f2" else tolerance
    np.testing.assert_allclose(batch.astype(float), exact, rtol=0, atol=tolerance)


def test_a_full_mask_leaves_the_image_and_an_empty_one_the_background():
    rng = np.random.default_rng(0)
    image, background = rng.integers(0, 256, (2, 30, 20, 3)).astype(np.uint8)
    factors = [enlarging_factor(7, 34), enlarging_factor(7, 24)]
    grids = np.stack([np.ones((7, 7)), np.zeros((7, 7))])
    batch = soft_composer(image, background, factors, 2)(grids, np.array([[3, 1], [0, 4]]))
    np.testing.assert_array_equal(batch, [image, background])


@pytest.mark.parametrize("dtype", ["int32", "float64"])
def test_values_that_float32_cannot_hold_are_kept(dtype):
    image = np.full((4, 4), 1_000_000_001).astype(dtype)
    factors = [enlarging_factor(2, 4)] * 2
    batch = soft_composer(image, image * 0, factors, None)(np.ones((1, 2, 2)), np.array([[0, 0]]))
    np.testing.assert_array_equal(batch[0], image)
