import numpy as np
import pytest

from limelens.games.coalitions import is_folded
from limelens.gaussian.closed_forms import sigmoid_effects
from limelens.gaussian.virtual import _made, virtual_coalitions
from limelens.testing import all_coalitions, exact_values

DEFINITIONS = ["lime", "banzhaf", "shapley"]


def table_order(coalitions):
    return coalitions @ (1 << np.arange(coalitions.shape[1]))


@pytest.mark.parametrize("definition", DEFINITIONS)
@pytest.mark.parametrize("d", [2, 3, 9])
def test_few_segments_are_enumerated_and_the_definition_met(definition, d):
    virtual = virtual_coalitions(d, definition)
    assert virtual.exact
    assert len(np.unique(virtual.coalitions, axis=0)) == 2**d == len(virtual)
    table = np.random.default_rng(0).normal(size=(2**d, 2))
    found = virtual.importances(table[table_order(virtual.coalitions)], table[-1] - table[0])
    np.testing.assert_allclose(found, exact_values(table, definition), atol=1e-12)


@pytest.mark.parametrize("definition", DEFINITIONS)
@pytest.mark.parametrize("d", [17, 40, 70])
def test_additive_scores_are_met_exactly_by_all(definition, d):
    virtual = virtual_coalitions(d, definition)
    effects = np.random.default_rng(d).normal(size=d)
    values = (virtual.coalitions @ effects)[:, np.newaxis] + 3.0
    found = virtual.importances(values, np.array([effects.sum()]))
    np.testing.assert_allclose(found[0], effects, atol=1e-10)


@pytest.mark.parametrize("d", [17, 33, 64])
def test_interactions_of_up_to_four_do_not_leak_under_uniform_weights(d):
    virtual = virtual_coalitions(d, "banzhaf")
    spins = virtual.spins.astype(np.float64)
    rng = np.random.default_rng(0)
    for order in (2, 3, 4):
        chosen = rng.permutation(d)[:order]
        leak = virtual.importances(spins[chosen].prod(axis=0)[:, np.newaxis], np.zeros(1))
        np.testing.assert_allclose(leak, 0, atol=1e-12)


@pytest.mark.parametrize("definition", DEFINITIONS)
@pytest.mark.parametrize("d", [5, 20, 64, 65])
def test_virtual_coalitions_are_folded_and_never_differ(definition, d):
    virtual = virtual_coalitions(d, definition)
    assert is_folded(virtual.coalitions)
    assert np.array_equal(_made(d, definition).coalitions, virtual.coalitions)
    assert np.array_equal(virtual.spins.T > 0, virtual.coalitions)


def test_of_many_segments_only_the_last_are_remembered():
    few, many = virtual_coalitions(20, "lime"), virtual_coalitions(129, "banzhaf")
    assert virtual_coalitions(129, "banzhaf") is many
    virtual_coalitions(130, "banzhaf")
    assert virtual_coalitions(129, "banzhaf") is not many
    assert virtual_coalitions(20, "lime") is few


@pytest.mark.parametrize("definition", DEFINITIONS)
@pytest.mark.parametrize("d", [6, 20])
def test_the_fit_inverts_the_weighted_gram_matrix(definition, d):
    virtual = virtual_coalitions(d, definition)
    fitting, moved = virtual.fitting, virtual.coalitions - virtual.fitting.centre
    gram = (moved * fitting.weights[:, np.newaxis]).T @ moved
    found = fitting.inverse @ gram
    # Under a fixed sum, the sum is what it leaves open.
    wanted = np.eye(d) - np.outer(fitting.ends, np.ones(d))
    np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_shapley_importances_always_sum_to_the_ends():
    virtual = virtual_coalitions(30, "shapley")
    values = np.random.default_rng(0).normal(size=(len(virtual), 2))
    found = virtual.importances(values, np.array([2.0, -1.0]))
    np.testing.assert_allclose(found.sum(axis=1), [2.0, -1.0], atol=1e-12)


def test_shapley_sizes_are_alike_but_where_all_pairs_are_there():
    virtual = virtual_coalitions(30, "shapley")
    for one, pairs in ((virtual, 4096), (virtual.coarse, 768)):
        assert len(np.unique(one.coalitions, axis=0)) == 2 * pairs
        counts = np.bincount(one.coalitions.sum(axis=1), minlength=31)
        assert counts[[0, 1, 29, 30]].tolist() == [0, 30, 30, 0]
        assert np.ptp(counts[3:15]) <= 5
        singles = one.coalitions[: len(one) // 2].sum(axis=1) == 1
        np.testing.assert_allclose(one.fitting.known[singles], 1)


def test_fewer_columns_use_as_many_virtual_coalitions_as_more():
    assert {len(virtual_coalitions(d, "lime")) for d in (17, 32, 33, 64, 65)} == {8192}
    assert len(virtual_coalitions(16, "lime")) == 2**16


@pytest.mark.parametrize("definition", ["lime", "shapley"])
def test_what_is_left_over_has_no_additive_part(definition):
    virtual = virtual_coalitions(8, definition)
    fitting, coalitions = virtual.fitting, virtual.coalitions
    values = np.random.default_rng(0).normal(size=len(virtual))
    additive = coalitions @ np.arange(8.0)
    three, ends = np.stack([values, additive, values + additive], axis=1), np.array([2, 28, 30.0])
    found, none, both = fitting.left_over(coalitions, three, ends).T
    moved = coalitions - fitting.centre
    np.testing.assert_allclose(fitting.inverse @ (found @ moved), 0, atol=1e-10)
    np.testing.assert_allclose(none, 0, atol=1e-10)
    np.testing.assert_allclose(both, found, atol=1e-9)
    # by hand: what an additive fit leaves, times the weights
    left = values - moved @ virtual.importances(values[:, np.newaxis], np.array([2.0]))[0]
    left -= np.average(left, weights=fitting.weights)
    np.testing.assert_allclose(found, fitting.weights * left, atol=1e-12)


def test_squares_of_functionals_follow_from_those_of_signs():
    fitting = virtual_coalitions(5, "lime").fitting
    rng = np.random.default_rng(0)
    z, own, other = rng.random((9, 5)) < 0.5, rng.normal(size=9), rng.normal(size=9)
    signs = (2.0 * z - 1.0).T * own
    found = fitting.of_signs(signs @ signs.T, signs @ other, other @ other)
    functionals = 0.5 * signs + np.outer(0.5 - fitting.centre, other)
    np.testing.assert_allclose(found, functionals @ functionals.T, atol=1e-12)


@pytest.mark.parametrize("definition", ["banzhaf", "shapley"])
@pytest.mark.parametrize("d", [1, 4, 8])
def test_effects_of_a_sigmoid_are_those_by_enumeration(definition, d):
    rng = np.random.default_rng(d)
    slopes, shifts = 2 * rng.normal(size=d), rng.normal(size=5)
    angles = (2.0 * all_coalitions(d) - 1) @ slopes + 0.7
    table = (1 / (1 + np.exp(-(angles[:, np.newaxis] + shifts)))).mean(axis=1)
    found = sigmoid_effects(0.7, slopes, shifts, definition=definition)
    np.testing.assert_allclose(found, exact_values(table, definition)[0], atol=1e-11)


@pytest.mark.parametrize("definition", ["banzhaf", "shapley"])
@pytest.mark.parametrize(("d", "steepness"), [(17, 0.3), (50, 2.0), (90, 6.0)])
def test_fewer_nodes_for_flatter_sigmoids_give_the_same_effects(
    d, steepness, definition, monkeypatch
):
    rng = np.random.default_rng(d)
    problem = steepness, steepness * rng.normal(size=d) / np.sqrt(d), rng.normal(size=15)
    found = sigmoid_effects(*problem, definition=definition)
    monkeypatch.setattr("limelens.gaussian.closed_forms._FEWEST_NODES", 400)
    expected = sigmoid_effects(*problem, definition=definition)
    assert not np.array_equal(found, expected)
    np.testing.assert_allclose(found, expected, atol=1e-11)


def test_effects_of_steep_sigmoids_of_many_segments_are_finite_and_sum_up():
    slopes = np.random.default_rng(0).normal(size=400)
    found = sigmoid_effects(-20.0, slopes, np.zeros(1), definition="shapley")
    ends = 1 / (1 + np.exp(20.0 - np.array([1, -1]) * slopes.sum()))
    assert found.sum() == pytest.approx(ends[0] - ends[1], abs=1e-6)
