import numpy as np
import pytest
from scipy.linalg import block_diag

from limelens.games.coalitions import distinct_rows, fold
from limelens.gaussian import process as mask_process
from limelens.gaussian.kernel import MaskKernel, relevance
from limelens.gaussian.likelihood import NOISE_SHARES
from limelens.gaussian.process import ADDITIVE_SHARES, fit_processes


def make_problem(n=40, d=6, columns=2, seed=0):
    rng = np.random.default_rng(seed)
    rows = distinct_rows(rng.random((n, d)) < 0.5)[0]
    effects = rng.normal(size=(d, columns))
    values = rows @ effects + 0.3 * rng.normal(size=(len(rows), columns))
    return rows, values, relevance(rng.random(d), d)


def dense(process):
    kernel = process.kernel.matrix(process.coalitions, process.coalitions)
    return (1 - process.noise) * kernel + process.noise * np.eye(len(kernel))


def test_likelihood_is_that_of_a_normal_distribution_and_the_best_of_the_grid():
    from scipy.stats import multivariate_normal

    rows, values, shares = make_problem(columns=1)
    (process,) = fit_processes(rows, [values], shares)
    centred = values[:, 0] - values.mean()
    best = -np.inf
    for additive in ADDITIVE_SHARES:
        kernel = MaskKernel(relevance=shares, additive=additive).matrix(rows, rows)
        for noise in NOISE_SHARES:
            matrix = (1 - noise) * kernel + noise * np.eye(len(rows))
            variance = centred @ np.linalg.solve(matrix, centred) / len(rows)
            best = max(best, multivariate_normal.logpdf(centred, None, variance * matrix))
    matrix = process.scale[0, 0] * dense(process)
    found = multivariate_normal.logpdf(centred, None, matrix)
    assert found == pytest.approx(best, abs=1e-8)
    constant = -0.5 * len(rows) * (1 + np.log(2 * np.pi))
    assert process.log_likelihood + constant == pytest.approx(found, abs=1e-8)


def test_prediction_is_the_conditional_mean():
    rows, values, shares = make_problem()
    (process,) = fit_processes(rows, [values], shares)
    new = np.random.default_rng(9).random((11, 6)) < 0.5
    cross = (1 - process.noise) * process.kernel.matrix(new, rows)
    centred = values - values.mean(axis=0)
    expected = values.mean(axis=0) + cross @ np.linalg.solve(dense(process), centred)
    np.testing.assert_allclose(process.predict(new), expected, atol=1e-10)


def test_residuals_are_those_of_leaving_each_row_out():
    rows, values, shares = make_problem(n=25)
    (process,) = fit_processes(rows, [values], shares)
    matrix, centred = dense(process), values - values.mean(axis=0)
    for left in range(len(rows)):
        rest = np.arange(len(rows)) != left
        weights = np.linalg.solve(matrix[np.ix_(rest, rest)], centred[rest])
        predicted = matrix[left, rest] @ weights
        np.testing.assert_allclose(process.residuals[left], centred[left] - predicted, atol=1e-9)
    variance = 1 / np.diag(np.linalg.inv(matrix))
    np.testing.assert_allclose(1 / process.precisions, variance, rtol=1e-9)


def test_what_pairs_miss_is_that_of_leaving_each_pair_out():
    rows, _, shares = make_problem(n=14)
    rows = distinct_rows(np.concatenate([rows, ~rows]))[0]
    values = np.random.default_rng(1).normal(size=(len(rows), 2))
    (process,) = fit_processes(rows, [values], shares)
    assert process.folded
    errors, variances = process.left_out()
    matrix, centred, half = dense(process), values - values.mean(axis=0), len(rows) // 2
    for pair in range(half):
        rest = np.arange(len(rows)) % half != pair
        for sign, place in ((1, pair), (-1, pair + half)):
            functional = np.zeros(len(rows))
            functional[[pair, pair + half]] = np.sqrt(0.5) * np.array([1, sign])
            cross = matrix[rest] @ functional
            weights = np.linalg.solve(matrix[np.ix_(rest, rest)], cross)
            expected = functional @ centred - weights @ centred[rest]
            np.testing.assert_allclose(errors[place], expected, atol=1e-9)
            variance = functional @ matrix @ functional - weights @ cross
            assert variances[place] == pytest.approx(variance, rel=1e-9)


def test_rows_that_are_not_folded_are_left_out_one_by_one():
    rows, values, shares = make_problem(n=25)
    (process,) = fit_processes(rows, [values], shares)
    errors, variances = process.left_out()
    np.testing.assert_array_equal(errors, process.residuals)
    np.testing.assert_array_equal(variances, 1 / process.precisions)


def test_columns_of_a_group_share_hyperparameters_and_groups_do_not():
    rng = np.random.default_rng(2)
    rows, _, shares = make_problem(n=60)
    additive = rows @ rng.normal(size=(6, 1))
    noise = rng.normal(size=(len(rows), 1))
    apart = fit_processes(rows, [additive, noise], shares)
    (together,) = fit_processes(rows, [np.concatenate([additive, noise], axis=1)], shares)
    assert apart[0].noise < apart[1].noise
    sums = [p.log_likelihood for p in fit_processes(rows, [additive, noise], shares)]
    assert together.log_likelihood <= sum(sums) + 1e-9
    assert together.scale.shape == (2, 2)


def test_scale_is_the_covariance_that_maximises_the_likelihood():
    rows, values, shares = make_problem()
    (process,) = fit_processes(rows, [values], shares)
    centred = values - values.mean(axis=0)
    expected = centred.T @ np.linalg.solve(dense(process), centred) / len(rows)
    np.testing.assert_allclose(process.scale, expected, rtol=1e-9)


@pytest.mark.parametrize("folded", [True, False])
def test_factors_rebuild_the_covariance_of_the_rows(folded):
    rows, _, shares = make_problem(n=20)
    rows = distinct_rows(np.concatenate([rows, ~rows]))[0] if folded else rows
    values = np.random.default_rng(1).normal(size=(len(rows), 1))
    (process,) = fit_processes(rows, [values], shares)
    assert len(process.factors) == 1 + folded
    blocks = [np.tril(factor) @ np.tril(factor).T for factor in process.factors]
    turned = fold(fold(dense(process)).T) if folded else dense(process)
    np.testing.assert_allclose(block_diag(*blocks), turned, atol=1e-12)
    expected = np.diag(np.linalg.inv(turned))
    np.testing.assert_allclose(process.block_precisions, expected, rtol=1e-9)
    by_row = np.diag(np.linalg.inv(dense(process)))
    np.testing.assert_allclose(process.precisions, by_row, rtol=1e-9)


def test_explained_is_the_quadratic_form_of_the_inverse():
    rows, values, shares = make_problem()
    (process,) = fit_processes(rows, [values], shares)
    functionals = np.random.default_rng(0).normal(size=(3, len(rows)))
    expected = (1 - process.noise) * functionals @ np.linalg.solve(dense(process), functionals.T)
    np.testing.assert_allclose(process.explained(functionals), expected, rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_units_of_the_values_do_not_matter(scale):
    rows, values, shares = make_problem()
    (one,) = fit_processes(rows, [values], shares)
    (other,) = fit_processes(rows, [scale * values], shares)
    np.testing.assert_allclose(other.predict(rows), scale * one.predict(rows), rtol=1e-9)
    assert (other.noise, other.kernel.additive) == (one.noise, one.kernel.additive)


def test_groups_of_one_kernel_and_noise_share_factors_and_are_fitted_as_if_alone():
    rows, values, shares = make_problem(n=60)
    together = fit_processes(rows, [values, 2 * values, values[:, :1]], shares)
    assert together[0].factors is together[1].factors
    for process, columns in zip(together, (values, 2 * values, values[:, :1]), strict=True):
        (alone,) = fit_processes(rows, [columns], shares)
        np.testing.assert_array_equal(process.weights, alone.weights)
        assert process.noise == alone.noise


def test_no_groups_no_processes():
    rows, _, shares = make_problem()
    assert fit_processes(rows, [], shares) == []


def test_fewer_rows_than_segments_are_enough():
    rows, values, shares = make_problem(n=5, d=30)
    (process,) = fit_processes(rows, [values], shares)
    assert np.isfinite(process.predict(rows)).all()
    assert mask_process.ADDITIVE_SHARES[-1] == 1.0
