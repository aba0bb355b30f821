from itertools import combinations

import numpy as np
import pytest

from limelens.gaussian import codes
from limelens.gaussian.codes import bch_codes, code_signs, random_codes, walsh_hadamard


@pytest.mark.parametrize("q", [0, 1, 4, 7])
def test_transform_is_the_product_with_walsh_functions(q):
    numbers = np.arange(2**q)
    matrix = np.array([[(-1) ** (u & v).bit_count() for v in numbers] for u in numbers.tolist()])
    rows = np.random.default_rng(0).normal(size=(3, 2**q))
    np.testing.assert_allclose(walsh_hadamard(rows), rows @ matrix, atol=1e-12)
    np.testing.assert_allclose(walsh_hadamard(walsh_hadamard(rows)), 2**q * rows, atol=1e-10)


def test_a_character_shifts_the_transform():
    rows = np.random.default_rng(1).normal(size=(1, 32))
    character = code_signs(np.array([21, 31]))[:, 0]  # the 31 makes it five bits long
    shifted = walsh_hadamard(rows)[:, np.arange(32) ^ 21]
    np.testing.assert_allclose(walsh_hadamard(rows * character), shifted, atol=1e-12)


def test_every_four_columns_of_a_small_array_hold_all_patterns_alike():
    array = code_signs(bch_codes(8))
    assert array.shape == (128, 8)
    for columns in combinations(range(8), 5):
        patterns, counts = np.unique(array[:, columns], axis=0, return_counts=True)
        assert len(patterns) == 32
        assert set(counts) == {4}


@pytest.mark.parametrize("d", [3, 13, 16, 33, 64])
def test_bch_codes_have_no_dependent_five(d):
    codes = bch_codes(d)
    assert len(set(codes.tolist())) == d
    # All have the top bit, so only even numbers of codes can cancel: pairs and fours.
    sums = [int(a ^ b) for a, b in combinations(codes, 2)]
    assert 0 not in sums
    assert len(set(sums)) == len(sums)


@pytest.mark.parametrize("d", [65, 500])
def test_random_codes_are_distinct_and_fold(d):
    codes = random_codes(d, np.random.default_rng(0))
    array = code_signs(codes)
    assert len(set(codes.tolist())) == d
    assert len(array) == 8192
    assert np.array_equal(array[4096:], -array[:4096])


@pytest.mark.parametrize("m", [2, 3, 4])
def test_products_are_those_of_a_field(m):
    every = np.arange(2**m)
    a, b = np.repeat(every, 2**m), np.tile(every, 2**m)
    products = codes._product(a, b, m).reshape(2**m, 2**m)
    np.testing.assert_array_equal(products[1], every)
    np.testing.assert_array_equal(products, products.T)
    # Every number but 0 has a reciprocal, so that its row holds all numbers.
    np.testing.assert_array_equal(np.sort(products[1:], axis=1), np.tile(every, (2**m - 1, 1)))
