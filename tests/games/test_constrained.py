"""Least squares with coefficients of a fixed sum."""

import numpy as np
import pytest

from limelens.games.constrained import constrained_least_squares, shapley_kernel
from limelens.testing import all_coalitions

RNG = np.random.default_rng(0)
DESIGN, VALUES = RNG.normal(size=(12, 4)), RNG.normal(size=(12, 2))
TOTALS, WEIGHTS = np.array([1.0, -2.0]), RNG.random(12) + 0.1


def by_elimination(design, values, totals, weights):
    """Put the last coefficient equal to the total less the others."""
    root = np.sqrt(weights)[:, np.newaxis]
    left = (values - design[:, -1:] * totals) * root
    free = np.linalg.lstsq((design[:, :-1] - design[:, -1:]) * root, left, rcond=None)[0]
    return np.vstack([free, totals - free.sum(axis=0)]).T


def test_the_solution_is_that_of_eliminating_one_coefficient():
    fit = constrained_least_squares(DESIGN, VALUES, TOTALS, WEIGHTS)
    np.testing.assert_allclose(fit.coefs, by_elimination(DESIGN, VALUES, TOTALS, WEIGHTS))
    np.testing.assert_allclose(fit.coefs.sum(axis=1), TOTALS)
    np.testing.assert_allclose(fit.residuals, VALUES - DESIGN @ fit.coefs.T)
    assert fit.determined


def test_held_out_residuals_are_those_of_refitting():
    fit = constrained_least_squares(DESIGN, VALUES, TOTALS, WEIGHTS)
    for row in range(12):
        rest = np.delete(np.arange(12), row)
        coefs = by_elimination(DESIGN[rest], VALUES[rest], TOTALS, WEIGHTS[rest])
        np.testing.assert_allclose(fit.held_out[row], VALUES[row] - coefs @ DESIGN[row])


def test_standard_errors_are_the_sandwich_of_held_out_residuals():
    """The eliminated coefficient's variance is that of the sum of the others."""
    fit = constrained_least_squares(DESIGN, VALUES, TOTALS, WEIGHTS)
    free = DESIGN[:, :-1] - DESIGN[:, -1:]
    mapper = np.linalg.inv(free.T @ (WEIGHTS[:, np.newaxis] * free)) @ (free.T * WEIGHTS)
    mapper = np.vstack([mapper, -mapper.sum(axis=0)])
    variances = np.square(mapper) @ np.square(fit.held_out)
    np.testing.assert_allclose(fit.standard_errors, np.sqrt(variances).T)


def test_what_was_never_asked_about_is_shared_equally():
    design = np.array([[1.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    fit = constrained_least_squares(design, np.array([[3.0], [6.0]]), np.array([4.0]), np.ones(2))
    np.testing.assert_allclose(fit.coefs, [[3, 0.5, 0.5]])
    assert not fit.determined
    assert np.isnan(fit.standard_errors).all()


def test_a_row_met_exactly_has_no_held_out_residual():
    design = np.array([[1.0, 0.0], [1.0, 1.0]])  # the second says only what the sum says
    fit = constrained_least_squares(design, np.array([[3.0], [4.0]]), np.array([4.0]), np.ones(2))
    assert np.isnan(fit.held_out[0])
    assert np.isnan(fit.standard_errors).all()


@pytest.mark.parametrize("d", [2, 5])
def test_the_kernel_gives_every_size_its_published_weight(d):
    coalitions = all_coalitions(d)
    weights = shapley_kernel(coalitions)
    sizes = coalitions.sum(axis=1)
    for size in range(1, d):
        total = weights[sizes == size].sum()  # all coalitions of a size together
        np.testing.assert_allclose(total, (d - 1) / (size * (d - size)))
    assert weights[0] == weights[-1] == 0
