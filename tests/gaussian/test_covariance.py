import numpy as np
import pytest

from limelens.games.coalitions import distinct_rows
from limelens.gaussian import covariance as delta
from limelens.gaussian.covariance import delta_covariance
from limelens.gaussian.kernel import cross_kernel, relevance
from limelens.gaussian.process import fit_processes
from limelens.gaussian.virtual import virtual_coalitions


def make_process(d, additive, monkeypatch):
    monkeypatch.setattr("limelens.gaussian.process.ADDITIVE_SHARES", (additive,))
    rng = np.random.default_rng(d)
    half = rng.random((20, d)) < 0.5
    rows = distinct_rows(np.concatenate([half, ~half]))[0]
    values = rng.normal(size=(len(rows), 1))
    (process,) = fit_processes(rows, [values], relevance(rng.random(d), d))
    return process


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
    ("d", "definition"), [(6, "lime"), (6, "shapley"), (14, "lime"), (14, "banzhaf"), (20, "lime")]
)
@pytest.mark.parametrize("additive", [0.0, 0.6, 1.0])
def test_covariance_in_a_group_is_that_of_dense_matrices(d, definition, additive, monkeypatch):
    process = make_process(d, additive, monkeypatch)
    virtual = virtual_coalitions(d, definition)
    assert virtual.codes is not None
    kernel = cross_kernel(process.kernel, virtual.coalitions, process.coalitions)
    spread = np.random.default_rng(0).random(len(virtual))
    found = delta_covariance(process, virtual, kernel, spread)
    expected = dense_covariance(process, virtual, spread)
    np.testing.assert_allclose(found, expected, atol=1e-11 * np.abs(expected).max())


@pytest.mark.parametrize("additive", [0.0, 0.6, 1.0])
def test_covariance_without_a_group_is_near_that_of_dense_matrices(additive, monkeypatch):
    process = make_process(15, additive, monkeypatch)
    virtual = virtual_coalitions(15, "shapley").coarse
    kernel = cross_kernel(process.kernel, virtual.coalitions, process.coalitions)
    spread = np.random.default_rng(0).random(len(virtual))
    found = np.sqrt(np.diag(delta_covariance(process, virtual, kernel, spread)))
    expected = np.sqrt(np.diag(dense_covariance(process, virtual, spread)))
    np.testing.assert_allclose(found, expected, rtol=0.05)


def test_interactions_are_drawn_with_their_probabilities():
    p = np.array([0.3, 0.2, 0.5])
    sets = delta._interaction_sets(p)
    assert sets.sum(axis=1).min() == 2
    pairs = {(0, 1): 0.3 * 0.2 * 0.5, (0, 2): 0.3 * 0.8 * 0.5, (1, 2): 0.7 * 0.2 * 0.5}
    total = sum(pairs.values()) + 0.3 * 0.2 * 0.5
    for (i, j), probability in pairs.items():
        share = np.mean(sets[:, i] & sets[:, j] & (sets.sum(axis=1) == 2))
        assert share == pytest.approx(probability / total, abs=0.06)


def test_segments_that_hardly_interact_have_no_sets():
    assert len(delta._interaction_sets(np.array([1e-9, 1e-9]))) == 0
