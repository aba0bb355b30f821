from itertools import product

import numpy as np
import pytest

from limelens.games.coalitions import distinct_rows
from limelens.gaussian import covariance
from limelens.gaussian.covariance import delta_covariances
from limelens.gaussian.group_kernel import group_kernel
from limelens.gaussian.kernel import cross_kernel, relevance
from limelens.gaussian.process import fit_processes
from limelens.gaussian.virtual import virtual_coalitions


def make_process(d, additive, monkeypatch, *, folded=True):
    monkeypatch.setattr("limelens.gaussian.process.ADDITIVE_SHARES", (additive,))
    rng = np.random.default_rng(d)
    half = rng.random((20, d)) < 0.5
    rows = distinct_rows(np.concatenate([half, ~half]) if folded else half)[0]
    values = rng.normal(size=(len(rows), 1))
    (process,) = fit_processes(rows, [values], relevance(rng.random(d), d))
    return process


def kernel_between(process, virtual):
    if virtual.exact:
        return group_kernel(process.kernel, virtual, virtual.positions(process.coalitions))
    return cross_kernel(process.kernel, virtual.coalitions, process.coalitions)


def dense_covariance(process, virtual, spread):
    """The same with every matrix written out."""
    fitting = virtual.fitting
    projection = fitting.inverse @ ((virtual.coalitions - fitting.centre).T * fitting.weights)
    functionals = projection * spread
    rows, noise = process.coalitions, process.noise
    kernel = process.kernel
    matrix = (1 - noise) * kernel.matrix(rows, rows) + noise * np.eye(len(rows))
    cross = functionals @ kernel.matrix(virtual.coalitions, rows)
    prior = functionals @ kernel.matrix(virtual.coalitions, virtual.coalitions) @ functionals.T
    known = (1 - noise) * cross @ np.linalg.solve(matrix, cross.T)
    rest = noise * functionals @ functionals.T if virtual.exact else 0
    return (1 - noise) * (prior - known) + rest


@pytest.mark.parametrize(
    ("d", "definition", "additive"),
    [
        *product([6], ["lime", "shapley"], [0.0, 0.6, 1.0]),
        *product([10], ["banzhaf"], [0.0, 0.6, 1.0]),
        *product([17], ["lime", "banzhaf"], [0.6]),  # matrices of 8192 by 8192
    ],
)
@pytest.mark.parametrize("segments", [64, 4])
def test_covariance_in_a_group_is_that_of_dense_matrices(
    d, definition, additive, segments, monkeypatch
):
    monkeypatch.setattr(covariance, "_SEGMENTS", segments)  # read at a time: all or a few
    process = make_process(d, additive, monkeypatch)
    virtual = virtual_coalitions(d, definition)
    assert virtual.codes is not None
    kernel = kernel_between(process, virtual)
    spread = np.random.default_rng(0).random(len(virtual))
    found = delta_covariances(process, virtual, kernel, spread[:, np.newaxis])[0]
    expected = dense_covariance(process, virtual, spread)
    np.testing.assert_allclose(found, expected, atol=1e-11 * np.abs(expected).max())


@pytest.mark.parametrize("additive", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("folded", [True, False])
def test_covariance_without_a_group_is_that_of_dense_matrices(additive, folded, monkeypatch):
    process = make_process(18, additive, monkeypatch, folded=folded)
    assert process.folded == folded
    virtual = virtual_coalitions(18, "shapley").coarse
    assert virtual.codes is None
    kernel = kernel_between(process, virtual)
    spread = np.random.default_rng(0).random(len(virtual))
    found = delta_covariances(process, virtual, kernel, spread[:, np.newaxis])[0]
    expected = dense_covariance(process, virtual, spread)
    np.testing.assert_allclose(found, expected, atol=1e-11 * np.abs(expected).max())


@pytest.mark.parametrize("functionals", [512, 36, 1], ids=["four", "two", "one at a time"])
@pytest.mark.parametrize("definition", ["lime", "shapley"])
def test_the_covariance_of_a_target_does_not_depend_on_the_others(
    definition, functionals, monkeypatch
):
    monkeypatch.setattr(covariance, "_FUNCTIONALS", functionals)
    process = make_process(18, 0.6, monkeypatch)
    virtual = virtual_coalitions(18, definition)
    virtual = virtual.coarse or virtual
    kernel = kernel_between(process, virtual)
    # More than go into one product, and so many that the kernel is reduced beforehand.
    spread = np.random.default_rng(0).random((len(virtual), 50))
    together = delta_covariances(process, virtual, kernel, spread)
    for place in (0, 3, 4, 49):
        alone = delta_covariances(process, virtual, kernel, spread[:, [place]])[0]
        np.testing.assert_allclose(together[place], alone, atol=1e-11 * np.abs(alone).max())


@pytest.mark.parametrize("d", [9, 18])
@pytest.mark.parametrize("definition", ["lime", "shapley"])
def test_no_variance_is_zero_however_little_is_left_unexplained(d, definition):
    """Additive values on many rows: what the prior expects is nearly all explained."""
    rng = np.random.default_rng(d)
    half = rng.random((200, d)) < 0.5
    rows = distinct_rows(np.concatenate([half, ~half]))[0]
    values = rows @ rng.normal(size=(d, 1)) + 1e-3 * rng.normal(size=(len(rows), 1))
    (process,) = fit_processes(rows, [values], relevance(None, d))
    virtual = virtual_coalitions(d, definition)
    virtual = virtual.coarse or virtual
    spread = np.ones(len(virtual))
    kernel = kernel_between(process, virtual)
    found = delta_covariances(process, virtual, kernel, spread[:, np.newaxis])[0]
    eigenvalues = np.linalg.eigvalsh(found)
    assert np.diagonal(found).min() > 1e-10
    assert eigenvalues.min() > -1e-9 * eigenvalues.max()
