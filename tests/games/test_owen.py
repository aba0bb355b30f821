"""Owen values: against all orders and Owen's own formula, exact or not."""

from itertools import combinations
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limelens.games.owen import ROUND, SplitTree, owen_values
from limelens.segmenting.merge_tree import tree_members
from limelens.testing import exact_values


def random_tree(d, rng):
    free, merges = list(range(d)), []
    for k in range(d - 1):
        one, other = rng.choice(len(free), 2, replace=False)
        merges.append((free[one], free[other]))
        free = [node for node in free if node not in merges[-1]] + [d + k]
    return np.array(merges)


def tree(merges, areas=None):
    d = len(merges) + 1
    areas = np.ones(d) if areas is None else np.array(areas, dtype=float)
    return SplitTree(merges=merges, members=tree_members(merges), areas=areas)


def solve(table, merges, n_splits=10**6, asked=None, areas=None, **settings):
    d = len(merges) + 1

    def ask(pairs):
        coalitions = np.concatenate([pair for _, pair in pairs])
        if asked is not None:
            asked.extend(map(tuple, coalitions))
        return table[coalitions @ (1 << np.arange(d))]

    ends = table[-1], table[0]
    (found,) = owen_values(ask, [tree(merges, areas)], ends, n_splits, **settings)
    return found


def orders(node, merges):
    """List all orders of a node's segments in which no group is interrupted."""
    d = len(merges) + 1
    if node < d:
        return [[node]]
    first, second = (orders(int(half), merges) for half in merges[node - d])
    return [a + b for one, other in ((first, second), (second, first)) for a in one for b in other]


def by_all_orders(table, merges):
    d = len(merges) + 1
    total, every = np.zeros((table.shape[1], d)), orders(2 * d - 2, merges)
    for order in every:
        kept = 0
        for segment in order:
            total[:, segment] += table[kept | 1 << segment] - table[kept]
            kept |= 1 << segment
    return total / len(every)


def by_owen_1977(table, unions):
    """Owen's formula for one level of unions, term by term."""
    d, m = sum(map(len, unions)), len(unions)
    values = np.zeros((table.shape[1], d))

    def code(segments):
        return sum(1 << j for j in segments)

    for k, union in enumerate(unions):
        rest = [other for other in range(m) if other != k]
        for i in union:
            mates = [j for j in union if j != i]
            for h in range(m):
                for before in combinations(rest, h):
                    outside = code(j for other in before for j in unions[other])
                    for s in range(len(union)):
                        weight = factorial(h) * factorial(m - h - 1) / factorial(m)
                        weight *= factorial(s) * factorial(len(mates) - s) / factorial(len(union))
                        for inside in combinations(mates, s):
                            kept = outside | code(inside)
                            values[:, i] += weight * (table[kept | 1 << i] - table[kept])
    return values


@pytest.mark.parametrize("d", [2, 3, 5, 6])
@pytest.mark.parametrize("seed", range(3))
def test_exact_values_are_the_mean_over_all_orders_that_keep_groups_together(d, seed):
    rng = np.random.default_rng(seed)
    merges, table = random_tree(d, rng), rng.normal(size=(2**d, 2))
    found = solve(table, merges)
    assert found.exact
    np.testing.assert_allclose(found.importances, by_all_orders(table, merges), atol=1e-12)
    np.testing.assert_array_equal(found.shared, 0)


@pytest.mark.parametrize("unions", [[(0, 1), (2, 3)], [(0, 3), (1, 2)], [(0,), (1, 2)]])
def test_exact_values_are_owens(unions):
    d = sum(map(len, unions))
    table = np.random.default_rng(0).normal(size=(2**d, 2))
    merges, nodes = [], []
    for union in unions:
        if len(union) > 1:
            merges.append(union)
        nodes.append(union[0] if len(union) == 1 else d + len(merges) - 1)
    found = solve(table, np.array([*merges, tuple(nodes)]))
    np.testing.assert_allclose(found.importances, by_owen_1977(table, unions), atol=1e-12)


def test_groups_together_get_the_shapley_values_of_the_game_between_them():
    """The quotient game property (Owen 1977)."""
    table = np.random.default_rng(1).normal(size=(16, 1))
    found = solve(table, np.array([[0, 1], [2, 3], [4, 5]]))
    between = exact_values(table[[0, 3, 12, 15]])
    np.testing.assert_allclose(found.importances[:, :2].sum(), between[0, 0])


@pytest.mark.parametrize("d", [4, 8, 16])
def test_a_balanced_tree_costs_two_thirds_of_its_square(d):
    level, merges = list(range(d)), []
    while len(level) > 1:
        pairs = list(zip(level[::2], level[1::2], strict=True))
        level = [d + len(merges) + k for k in range(len(pairs))]
        merges += pairs
    table, asked = np.zeros((2**d, 1)), []
    found = solve(table, np.array(merges), asked=asked)
    assert len(asked) == 2 * found.n_splits == 2 * (d * d - 1) // 3
    assert len(set(asked)) == len(asked)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_splits=st.integers(0, 30))
def test_importances_sum_to_the_change_after_any_number_of_splits(seed, n_splits):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(64, 3)) * 100
    found = solve(table, random_tree(6, rng), n_splits)
    np.testing.assert_allclose(found.importances.sum(axis=1), table[-1] - table[0], atol=1e-9)
    assert found.n_splits <= n_splits
    assert found.exact or found.n_splits == n_splits


def test_without_a_split_all_is_shared_by_area():
    found = solve(
        np.arange(8.0)[:, np.newaxis], np.array([[0, 1], [2, 3]]), n_splits=0, areas=[1, 2, 4]
    )
    np.testing.assert_allclose(found.importances, [[1, 2, 4]])
    np.testing.assert_array_equal(found.shared, 1)


def test_what_a_group_adds_is_shared_by_area_within_it():
    """The root is split: its halves are 0, 1 and 2, and add 3 and 4."""
    found = solve(
        np.arange(8.0)[:, np.newaxis], np.array([[0, 1], [2, 3]]), n_splits=1, areas=[1, 2, 4]
    )
    np.testing.assert_allclose(found.importances, [[1, 2, 4]])
    np.testing.assert_allclose(found.shared, 3 / 7)


def test_areas_change_no_exact_value():
    rng = np.random.default_rng(3)
    merges, table = random_tree(5, rng), rng.normal(size=(32, 2))
    found = solve(table, merges, areas=rng.random(5) + 0.1)
    np.testing.assert_allclose(found.importances, by_all_orders(table, merges), atol=1e-12)


@pytest.mark.parametrize(("area", "split"), [(1.9, (2, 3)), (2.1, (0, 1))])
def test_a_group_of_twice_the_area_may_add_half_as_much(area, split):
    """Segments 0, 1 add 1 in all and 2, 3 add 2; which half of the root is split next?"""
    weights = np.array([0.5, 0.5, 1.0, 1.0])
    table = (np.arange(16)[:, np.newaxis] >> np.arange(4) & 1) @ weights[:, np.newaxis]
    asked = []
    merges = np.array([[0, 1], [2, 3], [4, 5]])
    solve(table, merges, n_splits=2, asked=asked, areas=[area, area, 1, 1])
    assert [np.flatnonzero(row).tolist() for row in asked[2:]] == [[split[0]], [split[1]]]


def test_the_group_that_adds_most_is_split_first():
    """Segments 2 and 3 matter; after the root their group is split, in both contexts."""
    weights = np.array([0.5, 0.25, 4.0, 8.0])
    table = (np.arange(16)[:, np.newaxis] >> np.arange(4) & 1) @ weights[:, np.newaxis]
    asked = []
    found = solve(table, np.array([[0, 1], [2, 3], [4, 5]]), n_splits=3, asked=asked)
    np.testing.assert_allclose(found.importances, [[0.375, 0.375, 4, 8]])
    np.testing.assert_allclose(found.shared, 0.75 / 12.75)
    assert [tuple(np.flatnonzero(row)) for row in asked] == [
        (0, 1),
        (2, 3),
        (2,),
        (3,),
        (0, 1, 2),
        (0, 1, 3),
    ]


@pytest.mark.parametrize(("second", "sizes"), [(4.0, [2, 4, 4]), (6.0, [2, 8])])
def test_a_round_splits_what_promises_half_of_the_first(second, sizes):
    """Half the root adds 10; the other half is part of the round from 5 on."""
    weights = np.array([second / 2, second / 2, 5.0, 5.0])
    table = (np.arange(16)[:, np.newaxis] >> np.arange(4) & 1) @ weights[:, np.newaxis]
    seen = []

    def ask(pairs):
        coalitions = np.concatenate([pair for _, pair in pairs])
        seen.append(len(coalitions))
        return table[coalitions @ (1 << np.arange(4))]

    merges = np.array([[0, 1], [2, 3], [4, 5]])
    owen_values(ask, [tree(merges)], (table[-1], table[0]), 100)
    assert seen == sizes


def test_a_round_is_never_larger_than_a_batch():
    sizes = []

    def ask(pairs):
        coalitions = np.concatenate([pair for _, pair in pairs])
        sizes.append(len(coalitions))
        return coalitions.sum(axis=1, keepdims=True) * 1.0

    d = 32
    merges = np.array([(2 * k, 2 * k + 1) for k in range(d - 1)])
    owen_values(ask, [tree(merges)], (np.array([32.0]), np.zeros(1)), 10**4)
    assert max(sizes) == 2 * ROUND == 64


def test_more_splits_only_add_coalitions():
    rng = np.random.default_rng(5)
    table, merges = rng.normal(size=(256, 1)), random_tree(8, rng)
    runs = []
    for n_splits in (5, 17, 40):
        runs.append([])
        solve(table, merges, n_splits, asked=runs[-1])
        assert len(runs[-1]) == 2 * n_splits
    assert set(runs[0]) < set(runs[1]) < set(runs[2])


def test_all_targets_decide_what_is_split():
    """Target 0 knows of segment 0 only, target 1, with larger scores, of segment 3."""
    bits = np.arange(16)[:, np.newaxis] >> np.arange(4) & 1
    table = np.column_stack([bits[:, 0], 5 * bits[:, 3]]).astype(float)
    found = solve(table, np.array([[0, 1], [2, 3], [4, 5]]), n_splits=3)
    np.testing.assert_allclose(found.importances, [[0.5, 0.5, 0, 0], [0, 0, 0, 5]])


def test_a_constant_game_has_no_importances():
    found = solve(np.full((16, 1), 3.0), np.array([[0, 1], [2, 3], [4, 5]]), n_splits=2)
    np.testing.assert_array_equal(found.importances, 0)
    np.testing.assert_array_equal(found.shared, 0)


def two_trees(n_splits, tables, merges, areas=(None, None), **settings):
    """Split two trees over games of their own, given by tables with the same ends."""
    asked = []

    def ask(pairs):
        asked.extend(number for number, _ in pairs)
        return np.concatenate([tables[k][z @ (1 << np.arange(z.shape[1]))] for k, z in pairs])

    ends = tables[0][-1], tables[0][0]
    trees = [tree(each, area) for each, area in zip(merges, areas, strict=True)]
    return owen_values(ask, trees, ends, n_splits, **settings), asked


def additive(*weights):
    d = len(weights)
    return (np.arange(2**d)[:, np.newaxis] >> np.arange(d) & 1) @ np.array(weights)[:, np.newaxis]


def test_every_tree_is_split_as_if_it_were_alone_given_enough_calls():
    rng = np.random.default_rng(7)
    tables = [rng.normal(size=(2**d, 2)) for d in (3, 5)]
    for table in tables:
        table[0], table[-1] = 0, 1
    merges = [random_tree(d, rng) for d in (3, 5)]
    found, _ = two_trees(10**6, tables, merges)
    for each, table, tree_merges in zip(found, tables, merges, strict=True):
        assert each.exact
        np.testing.assert_allclose(each.importances, by_all_orders(table, tree_merges), atol=1e-12)


def test_one_heap_splits_whichever_tree_promises_most():
    """Both roots add 9; then the halves of 8 in tree 1, before those of 6 in tree 0."""
    merges = [np.array([[0, 1], [2, 3], [4, 5]])] * 2
    tables = [additive(3.0, 3.0, 1.5, 1.5), additive(0.5, 0.5, 1.0, 7.0)]
    found, asked = two_trees(4, tables, merges)
    assert asked == [0, 1, 1, 1]
    assert [each.n_splits for each in found] == [1, 3]
    np.testing.assert_allclose(found[0].importances, [[3, 3, 1.5, 1.5]])
    np.testing.assert_allclose(found[1].importances, [[0.5, 0.5, 1, 7]])
    np.testing.assert_allclose([each.shared[0] for each in found], [1, 1 / 9])


@given(seed=st.integers(0, 2**32 - 1), n_splits=st.integers(0, 30), rivals_last=st.booleans())
@settings(max_examples=20, deadline=None)
def test_every_tree_sums_to_the_change_after_any_number_of_splits(seed, n_splits, rivals_last):
    rng = np.random.default_rng(seed)
    tables = [rng.normal(size=(2**d, 3)) * 100 for d in (4, 6)]
    tables[1][0], tables[1][-1] = tables[0][0], tables[0][-1]
    merges = [random_tree(d, rng) for d in (4, 6)]
    found, asked = two_trees(n_splits, tables, merges, rivals_last=rivals_last)
    change = tables[0][-1] - tables[0][0]
    for each in found:
        np.testing.assert_allclose(each.importances.sum(axis=1), change, atol=1e-9)
    assert len(asked) == sum(each.n_splits for each in found) <= n_splits


def by_orders_with_rivals_last(values, merges, node, before):
    """Return what each segment of a group adds to one target, given the segments before it."""
    d = len(merges) + 1
    if node < d:
        return {node: values[before | 1 << node] - values[before]}
    halves = [int(half) for half in merges[node - d]]
    bits = [int(tree_members(merges)[half] @ (1 << np.arange(d))) for half in halves]
    whole = values[before | bits[0] | bits[1]]
    first = [values[before | each] - values[before] for each in bits]
    last = [whole - values[before | bits[1]], whole - values[before | bits[0]]]
    ways = [(0, 1), (1, 0)]
    for one, other in ways:
        if first[one] > 0 and last[one] > 0 and first[other] <= 0 and last[other] < 0:
            ways = [(one, other)]
            break
    found = dict.fromkeys(range(d), 0.0)
    for one, other in ways:
        for half, kept in ((one, before), (other, before | bits[one])):
            parts = by_orders_with_rivals_last(values, merges, halves[half], kept)
            for segment, value in parts.items():
                found[segment] += value / len(ways)
    return found


@pytest.mark.parametrize("d", [2, 3, 5, 6])
@pytest.mark.parametrize("seed", range(3))
def test_rivals_last_means_the_mean_over_the_orders_that_are_left(d, seed):
    rng = np.random.default_rng(seed)
    merges, table = random_tree(d, rng), rng.normal(size=(2**d, 3))
    found = solve(table, merges, rivals_last=True)
    assert found.exact
    for values, importances in zip(table.T, found.importances, strict=True):
        by_hand = by_orders_with_rivals_last(values, merges, 2 * d - 2, 0)
        np.testing.assert_allclose(importances, [by_hand[k] for k in range(d)], atol=1e-12)


@pytest.mark.parametrize(
    ("alone", "values"),
    [(-1.0, [6, -2]), (0.0, [6, -2]), (1.0, [4.5, -0.5]), (4.5, [2.75, 1.25])],
)
def test_a_rival_is_judged_beside_what_it_takes_from(alone, values):
    """The first adds 6 alone, both together 4. What helps alone is no rival: both orders count."""
    table = np.array([[0.0], [6.0], [alone], [4.0]])
    found = solve(table, np.array([[0, 1]]), rivals_last=True)
    np.testing.assert_allclose(found.importances, [values])


def test_rivals_of_a_score_help_its_negative_and_both_orders_count():
    table = np.array([[0.0], [6.0], [0.0], [4.0]])
    for sign, values in ((1, [6, -2]), (-1, [-5, 1])):
        found = solve(sign * table, np.array([[0, 1]]), rivals_last=True)
        np.testing.assert_allclose(found.importances, [values])


@pytest.mark.parametrize("noise", [-1e-7, 1e-7])
def test_rounding_does_not_decide_which_halves_are_rivals(noise):
    table = np.array([[0.1], [6.1], [0.1 + noise], [4.1]])  # a rival that does nothing alone
    found = solve(table, np.array([[0, 1]]), rivals_last=True)
    np.testing.assert_allclose(found.importances, [[6, -2]], atol=1e-6)
    table = additive(8.0, noise, noise)  # the last two do nothing at all
    assert solve(table, np.array([[1, 2], [0, 3]]), rivals_last=True).n_splits == 1 + 2
    table = additive(noise, -8.0, -8.0)  # nor does this one help
    assert solve(table, np.array([[1, 2], [0, 3]]), rivals_last=True).n_splits == 1 + 2


def test_without_rivals_both_orders_count():
    table = additive(3.0, -2.0, 1.5, 1.5) ** 2  # the second takes away whatever comes before it
    table += 10 * additive(0, 1, 0, 0)  # but helps alone
    merges = np.array([[0, 1], [2, 3], [4, 5]])
    found = [solve(table, merges, rivals_last=last).importances for last in (False, True)]
    np.testing.assert_array_equal(*found)


def test_a_game_that_is_only_sums_has_the_same_values_with_rivals_last():
    merges = np.array([[0, 1], [2, 3], [4, 5]])
    found = solve(additive(3.0, -2.0, 0.0, 1.0), merges, rivals_last=True)
    np.testing.assert_allclose(found.importances, [[3, -2, 0, 1]])


def test_every_target_has_its_own_rivals():
    rng = np.random.default_rng(3)
    merges, table = random_tree(5, rng), rng.normal(size=(32, 4))
    together = solve(table, merges, rivals_last=True).importances
    alone = [solve(one[:, None], merges, rivals_last=True).importances[0] for one in table.T]
    np.testing.assert_allclose(together, alone, atol=1e-12)


def test_orders_that_do_not_count_are_not_asked_about():
    """The second half of each split takes away: one context is left of each group."""
    table, asked = additive(8.0, -4.0, 2.0, -1.0), []
    merges = np.array([[2, 3], [1, 4], [0, 5]])
    assert solve(table, merges, asked=asked, rivals_last=True).n_splits == 3
    assert len(asked) == 6
    assert solve(table, merges).n_splits == 1 + 2 + 4


def test_a_tree_of_one_segment_has_nothing_to_split():
    lone = SplitTree(merges=np.empty((0, 2), int), members=np.ones((1, 1), bool), areas=np.ones(1))
    (found,) = owen_values(None, [lone], (np.array([3.0]), np.array([1.0])), 5)
    np.testing.assert_array_equal(found.importances, [[2]])
    assert found.exact
