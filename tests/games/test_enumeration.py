"""Weighted sums over all coalitions: definitions, chunks, published interactions."""

from itertools import combinations
from math import factorial

import numpy as np
import pytest

from limelens.games.coalitions import coalition_chunks
from limelens.games.enumeration import exact_interactions, exact_shapley
from limelens.testing import all_coalitions, exact_values

D = 5
TABLE = np.random.default_rng(0).normal(size=(2**D, 2))


def look_up(coalitions):
    return TABLE[coalitions @ (1 << np.arange(coalitions.shape[1]))]


def interactions_by_definition(table, d):
    """Grabisch and Roubens 1999, one coalition and pair after the other."""
    index = np.zeros((table.shape[1], d, d))
    for i, j in combinations(range(d), 2):
        others = [k for k in range(d) if k not in (i, j)]
        for size in range(d - 1):
            weight = factorial(size) * factorial(d - 2 - size) / factorial(d - 1)
            for group in combinations(others, size):
                s = sum(1 << k for k in group)
                second = table[s | 1 << i | 1 << j] - table[s | 1 << i] - table[s | 1 << j]
                index[:, i, j] += weight * (second + table[s])
        index[:, j, i] = index[:, i, j]
    return index


def test_chunks_list_every_coalition_in_order():
    chunks = list(coalition_chunks(4, rows=5))
    assert [len(chunk) for chunk in chunks] == [5, 5, 5, 1]
    np.testing.assert_array_equal(np.concatenate(chunks), all_coalitions(4))


@pytest.mark.parametrize("rows", [1, 7, 100])
def test_values_do_not_depend_on_the_chunks(rows):
    np.testing.assert_allclose(exact_shapley(look_up, D, rows), exact_values(TABLE), atol=1e-12)
    np.testing.assert_allclose(
        exact_interactions(look_up, D, rows), interactions_by_definition(TABLE, D), atol=1e-12
    )


def test_two_segments_have_one_interaction():
    def both(coalitions):
        return TABLE[coalitions @ np.array([1, 2])]

    np.testing.assert_allclose(
        exact_interactions(both, 2), interactions_by_definition(TABLE[:4], 2), atol=1e-12
    )


@pytest.mark.parametrize("members", [(0, 1), (0, 2, 4), (0, 1, 2, 3, 4)])
def test_interactions_of_a_unanimous_group(members):
    """1 / (size - 1) for each pair of members, 0 for the others (Grabisch and Roubens 1999)."""
    index = exact_interactions(lambda z: z[:, list(members)].all(axis=1, keepdims=True) * 1.0, D)
    expected = np.zeros((1, D, D))
    for i, j in combinations(members, 2):
        expected[0, i, j] = expected[0, j, i] = 1 / (len(members) - 1)
    np.testing.assert_allclose(index, expected, atol=1e-12)


def test_a_large_constant_leaves_no_trace():
    shifted = exact_shapley(lambda z: look_up(z) + 1e6, D)
    np.testing.assert_allclose(shifted, exact_values(TABLE), atol=1e-8)
    dummy = exact_shapley(lambda z: z[:, :1] + 1e6, D)
    np.testing.assert_array_equal(dummy.round(15), [[1, 0, 0, 0, 0]])
