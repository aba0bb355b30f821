"""Sums over soft masks are those of the masks themselves."""

import numpy as np
import pytest

from limelens._resampling import enlarging_factor
from limelens.masking import soft_sums
from limelens.masking.soft import soft_masks
from limelens.masking.soft_sums import SoftSums


def make_masks(cells, spatial, n=30, seed=0):
    rng = np.random.default_rng(seed)
    steps = [-(-side // count) for side, count in zip(spatial, cells, strict=True)]
    return SoftSums(
        grids=rng.random((n, *cells)) < 0.5,
        shifts=np.floor(rng.random((n, len(cells))) * steps).astype(np.intp),
        factors=[
            enlarging_factor(count, (count + 1) * step)
            for count, step in zip(cells, steps, strict=True)
        ],
        spatial=spatial,
    )


CASES = [
    ((3, 4), (10, 13)),
    ((1, 1), (5, 6)),
    ((1, 4), (4, 8)),
    ((6, 5), (6, 5)),
    ((2, 3, 2), (5, 7, 4)),
]


@pytest.mark.parametrize(("cells", "spatial"), CASES)
@pytest.mark.parametrize("chunk_bytes", [1, 2**22])
def test_sums_are_those_of_the_masks(cells, spatial, chunk_bytes, monkeypatch):
    monkeypatch.setattr(soft_sums, "TABLE_BYTES", chunk_bytes)
    masks = make_masks(cells, spatial)
    each = soft_masks(masks.grids, masks.shifts, masks.factors, spatial).reshape(30, -1)
    rng = np.random.default_rng(1)
    weights, others = rng.normal(size=(30, 2)), rng.normal(size=(30, 3))
    first, second = masks.sums(weights, others)
    np.testing.assert_allclose(first, weights.T @ each, atol=1e-12)
    np.testing.assert_allclose(second, others.T @ each**2, atol=1e-12)
    maps = rng.normal(size=(4, each.shape[1]))
    np.testing.assert_allclose(masks.inner(maps), each @ maps.T, atol=1e-11)


def test_no_weights_give_no_sums():
    first, second = make_masks((2, 2), (4, 4)).sums(np.empty((30, 0)), np.empty((30, 0)))
    assert first.shape == second.shape == (0, 16)


def test_what_is_hidden_in_every_mask_adds_up_to_exactly_zero():
    masks = make_masks((3, 3), (9, 12))
    masks.grids[:, :2] = False
    first, second = masks.sums(np.ones((30, 1)), np.ones((30, 1)))
    assert not first[0, :12].any()
    assert not second[0, :12].any()
    assert first.any()
