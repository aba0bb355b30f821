import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limelens.errors import InvalidInputError
from limelens.sampling import Foldover, Leverage, ShapleySizes

DESIGNS = [Foldover(), Leverage(), ShapleySizes()]


def signs(coalitions):
    return 2.0 * coalitions - 1.0


@pytest.mark.parametrize("design", DESIGNS, ids=repr)
@given(n=st.integers(1, 90), d=st.integers(2, 40), seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_shape_dtype_and_seed(design, n, d, seed):
    coalitions = design(n, d, np.random.default_rng(seed))
    assert coalitions.shape == (n, d)
    assert coalitions.dtype == np.bool_
    assert np.array_equal(coalitions, design(n, d, np.random.default_rng(seed)))


@pytest.mark.parametrize("d", [1, 2, 3, 11, 12, 46, 53])
def test_complete_foldover_blocks_are_orthogonal(d):
    n = 3 * Foldover.block_size(d)
    design = signs(Foldover()(n, d, np.random.default_rng(d)))
    assert np.array_equal(design.T @ design, n * np.eye(d))
    assert np.array_equal(design.sum(axis=0), np.zeros(d))


def test_even_interactions_cancel_in_a_block():
    design = signs(Foldover()(24, 9, np.random.default_rng(0)))
    pair = design[:, 2] * design[:, 5]
    four_way = pair * design[:, 0] * design[:, 8]
    assert np.array_equal(design.T @ np.stack([pair, four_way], axis=1), np.zeros((9, 2)))


@pytest.mark.parametrize("design", DESIGNS, ids=repr)
def test_every_coalition_is_followed_by_its_complement(design):
    coalitions = design(48, 10, np.random.default_rng(4))
    assert np.array_equal(coalitions[0::2], ~coalitions[1::2])


@pytest.mark.parametrize("design", DESIGNS, ids=repr)
def test_a_longer_design_of_the_same_seed_starts_with_the_shorter(design):
    short = design(30, 10, np.random.default_rng(4))
    assert np.array_equal(design(77, 10, np.random.default_rng(4))[:30], short)


def test_below_one_block_rows_differ_before_complements_come():
    coalitions = Foldover()(20, 11, np.random.default_rng(0))
    first = signs(coalitions[:12])
    assert np.array_equal(first @ first.T, 11 * np.eye(12) - (1 - np.eye(12)))
    assert np.array_equal(coalitions[12:], ~coalitions[:8])


def test_blocks_use_the_smallest_hadamard_order():
    assert [Foldover.block_size(d) for d in (1, 3, 7, 12, 47, 53)] == [4, 8, 24, 40, 96, 120]


@pytest.mark.parametrize("d", range(3, 24))
def test_three_segments_together_are_never_taken_for_a_fourth(d):
    half = signs(Foldover()(Foldover.block_size(d), d, np.random.default_rng(d)))[0::2]
    products = np.einsum("na,nb,nc->nabc", half, half, half).reshape(len(half), -1)
    places = np.indices((d, d, d)).reshape(3, -1)
    distinct = (places[0] < places[1]) & (places[1] < places[2])
    alias = np.abs(half.T @ products[:, distinct]) / len(half)
    others = np.array([[s not in place for place in places[:, distinct].T] for s in range(d)])
    assert (alias * others).max() < 0.61


def test_two_blocks_are_not_the_same():
    coalitions = Foldover()(48, 11, np.random.default_rng(0))
    assert not np.array_equal(coalitions[:24], coalitions[24:])


def test_leverage_sizes_are_uniform():
    sizes = Leverage()(20_000, 6, np.random.default_rng(0)).sum(axis=1)
    shares = np.bincount(sizes, minlength=7)[1:6] / 20_000
    assert sizes.min() == 1
    assert sizes.max() == 5
    # Pairs share their luck: 10,000 draws, standard error below 0.005.
    assert np.abs(shares - 0.2).max() < 0.02


def test_shapley_sizes_follow_the_kernel():
    sizes = ShapleySizes()(20_000, 6, np.random.default_rng(0)).sum(axis=1)
    kept = np.arange(1, 6)
    expected = 1 / (kept * (6 - kept))
    shares = np.bincount(sizes, minlength=7)[1:6] / 20_000
    assert np.abs(shares - expected / expected.sum()).max() < 0.02


@pytest.mark.parametrize("design", [Leverage(), ShapleySizes()], ids=repr)
def test_segments_of_one_size_are_drawn_alike(design):
    coalitions = design(20_000, 5, np.random.default_rng(1))
    singles = coalitions[coalitions.sum(axis=1) == 1]
    shares = singles.mean(axis=0)
    assert np.abs(shares - 0.2).max() < 4 * np.sqrt(0.16 / len(singles))


@pytest.mark.parametrize("design", [Leverage(), ShapleySizes()], ids=repr)
def test_one_segment_has_no_sizes_in_between(design):
    with pytest.raises(InvalidInputError, match="`d` must be an integer >= 2; got 1"):
        design(4, 1, np.random.default_rng(0))
