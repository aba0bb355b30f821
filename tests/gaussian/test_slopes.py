"""The gradient of the likelihood, against differences and against a density that SciPy has."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from limelens.games.coalitions import distinct_rows
from limelens.gaussian.kernel import MaskKernel
from limelens.gaussian.likelihood import likeliest
from limelens.gaussian.slopes import Likelihood, Point

D = 5


def problem(*, folded, seed=0, n_columns=2):
    rng = np.random.default_rng(seed)
    rows = rng.random((12, D)) < 0.5
    rows = distinct_rows(np.concatenate([rows, ~rows]) if folded else rows)[0]
    point = Point(numbers=rng.normal(size=D + 3))
    return Likelihood(coalitions=rows, values=rng.normal(size=(len(rows), n_columns))), point


@pytest.mark.parametrize("folded", [True, False], ids=["pairs", "single rows"])
@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_is_what_differences_give(folded, seed):
    likelihood, point = problem(folded=folded, seed=seed)
    _, gradient = likelihood.at(point)
    steps = 1e-5 * np.eye(D + 3)
    ahead = [likelihood.at(Point(numbers=point.numbers + step))[0] for step in steps]
    behind = [likelihood.at(Point(numbers=point.numbers - step))[0] for step in steps]
    np.testing.assert_allclose(gradient, np.subtract(ahead, behind) / 2e-5, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("folded", [True, False], ids=["pairs", "single rows"])
def test_the_value_is_the_density_at_the_best_variance(folded):
    likelihood, point = problem(folded=folded, n_columns=1)
    rows, n = likelihood.coalitions, len(likelihood.coalitions)
    matrix = (1 - point.noise) * point.kernel.matrix(rows, rows) + point.noise * np.eye(n)
    centred = (likelihood.values - likelihood.values.mean())[:, 0]
    variance = centred @ np.linalg.solve(matrix, centred) / n
    density = multivariate_normal.logpdf(centred, None, variance * matrix)
    assert likelihood.at(point)[0] - 0.5 * n * (1 + np.log(2 * np.pi)) == pytest.approx(density)


def test_a_point_on_the_grid_is_as_likely_as_the_grid_says():
    likelihood, _ = problem(folded=True)
    kernel = MaskKernel(relevance=np.full(D, 1 / D), additive=0.6)
    (choice,) = likeliest([kernel], likelihood.coalitions, [likelihood.values])
    found, _ = likelihood.at(Point.of(kernel, choice.noise))
    assert found == pytest.approx(choice.log_likelihood)


def test_a_column_that_stands_still_says_nothing():
    likelihood, point = problem(folded=True)
    values = np.concatenate(
        [likelihood.values[:, :1], np.ones((len(likelihood.values), 1))], axis=1
    )
    value, gradient = Likelihood(coalitions=likelihood.coalitions, values=values).at(point)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
