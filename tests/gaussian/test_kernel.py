import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limelens.games.coalitions import distinct_rows, fold, is_folded
from limelens.gaussian.kernel import MaskKernel, cross_kernel, relevance
from limelens.sampling import Foldover
from limelens.testing import all_coalitions


def make_kernel(d=4, additive=0.3, seed=0):
    return MaskKernel(
        relevance=relevance(np.random.default_rng(seed).random(d), d), additive=additive
    )


def test_kernel_is_its_formula():
    kernel = make_kernel(d=3, additive=0.3)
    rows = all_coalitions(3)
    expected = np.empty((8, 8))
    decays = 0.95 ** (3 * kernel.relevance)
    for i, left in enumerate(rows):
        for j, right in enumerate(rows):
            linear = sum(kernel.relevance * (2.0 * left - 1) * (2.0 * right - 1))
            product = np.prod(np.where(left != right, decays, 1.0))
            expected[i, j] = 1 + 0.3 * linear + 0.7 * product
    np.testing.assert_allclose(kernel.matrix(rows, rows), expected, atol=1e-14)


@pytest.mark.parametrize("additive", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("folded", [True, False])
def test_cross_kernel_is_the_same_kernel(additive, folded):
    rng = np.random.default_rng(1)
    kernel = make_kernel(d=6, additive=additive)
    left = np.concatenate([rng.random((20, 6)) < 0.5])
    left = np.concatenate([left, ~left])
    right = rng.random((7, 6)) < 0.5
    right = np.concatenate([right, ~right]) if folded else right
    dense = kernel.matrix(left, right)
    cross = cross_kernel(kernel, left, right)
    vectors = rng.normal(size=(len(right), 3))
    functionals = rng.normal(size=(5, 40))
    np.testing.assert_allclose(cross @ vectors, dense @ vectors, atol=1e-12)
    halves = functionals[:, :20] + functionals[:, 20:], functionals[:, :20] - functionals[:, 20:]
    images = cross.images(halves[0] @ cross.even, halves[1] @ cross.odd)
    assert len(images) == 1 + folded
    images = fold(np.concatenate(images)) if folded else images[0]
    np.testing.assert_allclose(images.T, functionals @ dense, atol=1e-12)


def test_parts_are_those_of_many_rows_at_once():
    kernel = make_kernel(additive=0.6)
    agreement = np.random.default_rng(0).uniform(-1, 1, size=(400, 130))
    even, odd = kernel.parts(agreement.copy())
    single = [kernel.parts(row[np.newaxis].copy()) for row in agreement[[0, 399]]]
    np.testing.assert_allclose(even[[0, 399]], [e[0] for e, _ in single], rtol=1e-15)
    np.testing.assert_allclose(odd[[0, 399]], [o[0] for _, o in single], rtol=1e-13)


@given(seed=st.integers(0, 2**32), n=st.integers(1, 40), d=st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_distinct_rows_give_every_row_back(seed, n, d):
    rng = np.random.default_rng(seed)
    rows = rng.random((n, d)) < 0.5
    rows = rows[rng.integers(0, n, 2 * n)]
    distinct, positions = distinct_rows(rows)
    assert np.array_equal(distinct[positions], rows)
    assert len(np.unique(rows, axis=0)) == len(distinct)


def test_rows_that_come_with_their_complements_are_folded():
    rows = Foldover()(48, 11, np.random.default_rng(3))
    shuffled = np.random.default_rng(0).permutation(np.concatenate([rows, rows[:6]]))
    distinct, positions = distinct_rows(shuffled)
    assert is_folded(distinct)
    assert np.array_equal(distinct[positions], shuffled)
    assert not is_folded(distinct_rows(rows[1:])[0])


def test_relevance_follows_the_root_of_the_energy_with_a_floor():
    found = relevance(np.array([4.0, 0.0]), 2)
    np.testing.assert_allclose(found, np.array([1.025, 0.025]) / 1.05)


@pytest.mark.parametrize("energy", [None, [0.0, 0.0, 0.0], [np.nan, 0.0, np.inf]])
def test_without_energy_all_segments_are_alike(energy):
    np.testing.assert_allclose(relevance(energy, 3), np.full(3, 1 / 3))


def test_a_huge_energy_leaves_something_to_the_others():
    found = relevance([1e300, 1.0, 1.0], 3)
    assert found.sum() == pytest.approx(1)
    assert found[1] > 0.01
