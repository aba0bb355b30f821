import numpy as np
import pytest

from limelens.games.coalitions import distinct_rows
from limelens.gaussian import closed_forms as effects
from limelens.gaussian.closed_forms import banzhaf_effects, shapley_effects
from limelens.gaussian.kernel import MaskKernel, relevance
from limelens.gaussian.process import fit_processes
from limelens.testing import all_coalitions, exact_values

CASES = [(2, 1.0), (5, 0.0), (7, 0.3), (8, 0.6), (9, 0.85), (10, 0.3)]


def make_process(d, additive, monkeypatch, n=40):
    monkeypatch.setattr("limelens.gaussian.process.ADDITIVE_SHARES", (additive,))
    rng = np.random.default_rng(d)
    rows = distinct_rows(rng.random((n, d)) < 0.4)[0]
    energy = rng.exponential(size=d) * rng.integers(0, 2, d)
    (process,) = fit_processes(rows, [rng.normal(size=(len(rows), 2))], relevance(energy, d))
    return process


def enumerate_posterior(process, d):
    """Return the posterior mean and covariance over all coalitions."""
    every = all_coalitions(d)
    kernel, rows = process.kernel, process.coalitions
    cross = kernel.matrix(every, rows)
    matrix = (1 - process.noise) * kernel.matrix(rows, rows) + process.noise * np.eye(len(rows))
    prior = (1 - process.noise) * kernel.matrix(every, every)
    known = (1 - process.noise) ** 2 * cross @ np.linalg.solve(matrix, cross.T)
    return process.predict(every), prior - known


@pytest.mark.parametrize(("d", "additive"), CASES)
@pytest.mark.parametrize("kind", ["banzhaf", "shapley"])
def test_closed_forms_are_the_values_by_enumeration(d, additive, kind, monkeypatch):
    process = make_process(d, additive, monkeypatch)
    table, covariance = enumerate_posterior(process, d)
    found, found_covariance = {"banzhaf": banzhaf_effects, "shapley": shapley_effects}[kind](
        process
    )
    np.testing.assert_allclose(found, exact_values(table, kind), atol=1e-9)
    functionals = exact_values(np.eye(2**d), kind)  # one column a coalition
    expected = functionals.T @ covariance @ functionals
    np.testing.assert_allclose(found_covariance, expected, atol=1e-9)


def test_shapley_integral_is_that_of_dense_integration(monkeypatch):
    process = make_process(40, 0.3, monkeypatch, n=30)
    values, covariance = shapley_effects(process)
    monkeypatch.setattr(effects, "_unit_nodes", midpoints)
    dense_values, dense_covariance = shapley_effects(process)
    np.testing.assert_allclose(values, dense_values, atol=1e-6 * np.abs(values).max())
    np.testing.assert_allclose(covariance, dense_covariance, atol=1e-6 * covariance.max())


def midpoints(degree):
    n = 400
    return (np.arange(n) + 0.5) / n, np.full(n, 1 / n)


def test_forty_eight_nodes_are_enough_for_any_number_of_segments(monkeypatch):
    process = make_process(300, 0.0, monkeypatch, n=20)
    values, covariance = shapley_effects(process)
    monkeypatch.setattr(effects, "_MAX_NODES", 151)
    exact_values_, exact_covariance = shapley_effects(process)
    np.testing.assert_allclose(values, exact_values_, rtol=1e-11)
    np.testing.assert_allclose(covariance, exact_covariance, atol=1e-12 * covariance.max())


def test_shapley_values_of_the_mean_sum_to_its_ends(monkeypatch):
    process = make_process(9, 0.6, monkeypatch)
    ends = process.predict(np.array([[True] * 9, [False] * 9]))
    np.testing.assert_allclose(shapley_effects(process)[0].sum(axis=1), ends[0] - ends[1])


def test_more_rows_mean_less_variance():
    rng = np.random.default_rng(0)
    d, spreads = 6, []
    for n in (10, 20, 60):
        rows = distinct_rows(rng.random((n, d)) < 0.5)[0]
        kernel = MaskKernel(relevance=np.full(d, 1 / d), additive=0.6)
        (process,) = fit_processes(rows, [rng.normal(size=(len(rows), 1))], kernel.relevance)
        spreads.append(np.trace(banzhaf_effects(process)[1]))
    assert spreads[0] > spreads[-1] >= 0
