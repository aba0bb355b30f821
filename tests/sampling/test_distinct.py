import numpy as np
import pytest

from limelens import Foldover
from limelens.sampling.distinct import foldover_pairs, foldover_rows, pair_weights, sized_pairs
from limelens.sampling.hadamard import hadamard_order
from limelens.testing import all_coalitions

D = 6


def by_kernel(n_pairs, seed=0, d=D, **settings):
    sizes = np.arange(1, d)
    return sized_pairs(n_pairs, 1 / (sizes * (d - sizes)), np.random.default_rng(seed), **settings)


def by_blocks(n_pairs, seed=0, d=D):
    return foldover_pairs(n_pairs, d, np.random.default_rng(seed))


@pytest.mark.parametrize("draw", [by_kernel, by_blocks])
@pytest.mark.parametrize("d", [2, 3, 6, 7])
def test_all_pairs_there_are_can_be_drawn_and_none_comes_twice(draw, d):
    n_pairs = 2 ** (d - 1) - 1
    coalitions = draw(n_pairs, d=d)
    assert np.array_equal(coalitions[0::2], ~coalitions[1::2])
    everything = {tuple(row) for row in all_coalitions(d)[1:-1]}
    assert {tuple(row) for row in coalitions} == everything
    assert len(coalitions) == len(everything)


@pytest.mark.parametrize("draw", [by_kernel, by_blocks])
def test_a_longer_design_of_the_same_seed_starts_with_the_shorter(draw):
    assert np.array_equal(draw(31)[:14], draw(7))
    assert not np.array_equal(draw(7, seed=1), draw(7))
    assert draw(0).shape == (0, D)


@pytest.mark.parametrize("d", [2, 3, 4, 6])
def test_all_rows_but_the_ends_can_be_drawn_and_none_comes_twice(d):
    rows = foldover_rows(2**d - 2, d, np.random.default_rng(0))
    assert {tuple(row) for row in rows} == {tuple(row) for row in all_coalitions(d)[1:-1]}
    assert len(rows) == 2**d - 2


def test_the_first_rows_are_a_short_foldover_design():
    rows = foldover_rows(20, 13, np.random.default_rng(1))
    assert np.array_equal(rows, Foldover()(20, 13, np.random.default_rng(1)))


def test_the_first_pairs_are_a_complete_block():
    d = 19
    coalitions = by_blocks(hadamard_order(d + 1), d=d)
    spins = 2.0 * coalitions - 1
    assert np.array_equal(spins.T @ spins, 40 * np.eye(d))


@pytest.mark.parametrize("n_pairs", [10, 50])
def test_every_size_has_its_share_at_any_time(n_pairs):
    d = 30
    sizes = np.arange(1, d // 2 + 1)
    mass = np.where(2 * sizes == d, 1, 2) / (sizes * (d - sizes))
    drawn = np.bincount(by_kernel(n_pairs, d=d)[0::2].sum(axis=1), minlength=16)[1:]
    assert np.abs(drawn - n_pairs * mass / mass.sum()).max() < 2


def test_small_sizes_are_soon_asked_completely_and_leave_their_share_to_others():
    coalitions = by_kernel(20)
    sizes = np.bincount(coalitions.sum(axis=1), minlength=D + 1)
    assert sizes.tolist() == [0, 6, 10, 8, 10, 6, 0]  # of 6, 15, 20, 15 and 6


def test_segments_of_one_size_are_drawn_alike():
    singles = [by_kernel(3, seed)[0::2] for seed in range(2000)]
    shares = np.mean([row for rows in singles for row in rows if row.sum() == 2], axis=0)
    np.testing.assert_allclose(shares, 1 / 3, atol=0.05)


def test_what_was_asked_besides_is_not_drawn_again():
    before = by_blocks(12)
    after = by_kernel(31 - 12, besides=before)
    together = np.concatenate([before, after])
    assert len(np.unique(together, axis=0)) == len(together) == 62


def test_weights_make_the_sum_over_drawn_pairs_that_over_all():
    """Of each size the weights sum to the kernel's mass, whatever part of it was drawn."""
    sizes = np.arange(1, D)
    kernel = 1 / (sizes * (D - sizes))
    sums = np.zeros(4)
    for seed in range(400):
        first = by_kernel(18, seed)[0::2]
        weights, known = pair_weights(first, kernel, kernel)
        sums += np.bincount(first.sum(axis=1), weights, minlength=4) / 400
        assert (known[first.sum(axis=1) == 1] == 1).all()
        assert (known[first.sum(axis=1) == 2] < 1).all()
    # Sizes s and D - s fold together, but for halves.
    mass = np.array([0, 2 * kernel[0], 2 * kernel[1], kernel[2]])
    np.testing.assert_allclose(sums, mass, rtol=0.03)


def test_hundreds_of_thousands_of_pairs_of_a_size_are_no_trouble():
    coalitions = by_kernel(40, d=1200)
    sizes = np.arange(1, 1200)
    weights, known = pair_weights(coalitions[0::2], 1.0 / sizes[::-1] / sizes, 1.0 / sizes)
    assert np.isfinite(weights).all()
    assert known.max() < 1
