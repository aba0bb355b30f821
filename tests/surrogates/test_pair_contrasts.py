import numpy as np
import pytest

from limelens.errors import InvalidInputError
from limelens.sampling import Bernoulli
from limelens.surrogates.pair_contrasts import PairContrasts
from limelens.testing import all_coalitions, exact_values


def fit(rows, values):
    return PairContrasts()(rows, np.asarray(values), np.ones(len(rows)))


def test_all_coalitions_give_banzhaf_values():
    table = np.random.default_rng(0).normal(size=(32, 2))
    found = fit(all_coalitions(5), table)
    np.testing.assert_allclose(found.importances, exact_values(table, "banzhaf"), atol=1e-12)


def test_mean_and_even_interactions_do_not_disturb(make_design):
    rows = make_design(9, 2)
    spins = 2.0 * rows - 1
    effects = np.arange(9.0)
    even = 7 + 3 * spins[:, 0] * spins[:, 4] - 2 * spins[:, :4].prod(axis=1)
    found = fit(rows, rows @ effects + even)
    np.testing.assert_allclose(found.importances[0], effects, atol=1e-12)
    np.testing.assert_allclose(found.standard_errors, 0, atol=1e-12)


def test_on_hadamard_blocks_it_is_the_mean_difference(make_design):
    rows = make_design(9, 2)
    values = np.random.default_rng(1).normal(size=len(rows))
    spins = 2.0 * rows - 1
    expected = 2 * spins.T @ values / len(rows)
    np.testing.assert_allclose(fit(rows, values).importances[0], expected, atol=1e-12)


def test_standard_errors_are_those_of_the_textbook(make_design):
    from scipy.stats import t

    rows = make_design(9, 2)
    values = np.random.default_rng(1).normal(size=len(rows))
    first = np.unique(np.where(rows[:, :1], rows, ~rows), axis=0)
    lookup = {row.tobytes(): value for row, value in zip(rows, values, strict=True)}
    odd = [(lookup[row.tobytes()] - lookup[(~row).tobytes()]) / 2 for row in first]
    design = 2.0 * first - 1
    solution, squares, *_ = np.linalg.lstsq(design, np.array(odd), rcond=None)
    freedom = len(first) - 9
    spread = np.sqrt(squares / freedom * np.diag(np.linalg.inv(design.T @ design)))
    found = fit(rows, values)
    np.testing.assert_allclose(found.importances[0], 2 * solution, atol=1e-12)
    np.testing.assert_allclose(
        1.959964 * found.standard_errors[0], 2 * spread * t.ppf(0.975, freedom), rtol=1e-6
    )
    assert found.details == {
        "n_pairs": len(first), "degrees_of_freedom": freedom, "n_unpaired": 0,
    }  # fmt: skip


def test_intervals_cover_with_few_degrees_of_freedom(make_design):
    rng = np.random.default_rng(0)
    rows, effects = make_design(9, 1), np.linspace(-1, 1, 9)
    hits = []
    for _ in range(300):
        found = fit(rows, rows @ effects + rng.normal(size=len(rows)))
        hits.append(np.abs(found.importances[0] - effects) < 1.96 * found.standard_errors[0])
    assert 0.93 < np.mean(hits) < 0.97  # the normal quantile would cover 0.87 with 3 left


def test_fidelity_is_that_of_leaving_each_pair_out(make_design):
    rows = make_design(4, 2)
    rng = np.random.default_rng(3)
    rows = np.unique(np.concatenate([rows, ~rows]), axis=0)
    values = rows @ rng.normal(size=4) + 0.4 * rng.normal(size=len(rows))
    missed = np.empty(len(rows))
    keys = np.where(rows[:, :1], rows, ~rows)
    for row in np.unique(keys, axis=0):
        out = (keys == row).all(axis=1)
        rest = fit(rows[~out], values[~out])
        missed[out] = values[out] - rest.intercepts[0] - rows[out] @ rest.importances[0]
    expected = 1 - np.square(missed).sum() / np.square(values - values.mean()).sum()
    assert fit(rows, values).fidelity[0] == pytest.approx(expected)


def test_rows_without_their_complement_are_left_out_and_counted(make_design):
    rows = make_design(9, 2)
    lonely = np.concatenate([np.ones((1, 9), bool), rows[1:]])
    values = rows @ np.arange(9.0)
    values[0] = 1e6
    found = fit(lonely, values)
    np.testing.assert_allclose(found.importances[0], np.arange(9.0), atol=1e-9)
    assert found.details["n_unpaired"] == 2


def test_constant_scores_have_no_effects_and_no_errors(make_design):
    found = fit(make_design(9, 2), np.full((48, 1), 0.1))
    np.testing.assert_array_equal(found.importances, 0)
    assert np.isnan(found.standard_errors).all()
    assert np.isnan(found.fidelity).all()


def test_one_pair_more_than_segments_is_enough_and_as_many_are_not():
    # The first rows of a half of all coalitions, and their complements: never the same pair twice.
    first = all_coalitions(6)[:32]
    rows, values = first[[1, 2, 4, 8, 16, 31]], np.arange(14.0)
    with pytest.raises(InvalidInputError, match="got 6"):
        fit(np.concatenate([rows, ~rows]), values[:12])
    more = np.concatenate([rows, first[[11]]])
    assert fit(np.concatenate([more, ~more]), values).details["n_pairs"] == 7


def test_independent_rows_are_refused_with_a_cure():
    rows = Bernoulli()(60, 30, np.random.default_rng(0))
    with pytest.raises(InvalidInputError, match=r"more complementary pairs .* got 0\. .*Foldover"):
        fit(rows, np.zeros(60))


def test_segments_that_are_always_together_are_refused(make_design):
    rows = make_design(9, 2)[:, [0, 0, 1, 2, 3, 4, 5]]
    with pytest.raises(InvalidInputError, match="must tell all segments apart"):
        fit(rows, np.zeros(48))
