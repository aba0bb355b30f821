import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import lars_path_gram

from limelens.surrogates.lasso_path import lasso_paths, sweep
from limelens.surrogates.moments import weighted_moments


def make_products(n, d, t=1, seed=0):
    rng = np.random.default_rng(seed)
    rows = rng.random((n, d)) < 0.5
    moments = weighted_moments(rows, rng.normal(size=(n, t)), rng.random(n) + 0.1)
    return moments.gram, moments.cross


def assert_optimal(gram, cross, penalties, coefs):
    """Check the conditions that a lasso solution, and only one, fulfils."""
    scale = np.abs(cross).max()
    for penalty, coef in zip(penalties, coefs, strict=True):
        left = cross - gram @ coef
        assert (np.abs(left) <= penalty + 1e-9 * scale).all()
        kept = coef != 0
        np.testing.assert_allclose(left[kept], penalty * np.sign(coef[kept]), atol=1e-9 * scale)


def test_sweeping_all_pivots_inverts_and_sweeping_again_undoes():
    gram, _ = make_products(20, 4)
    tables = np.stack([gram, 2 * gram])
    for pivot in range(4):
        sweep(tables, np.array([pivot, 3 - pivot]))
    np.testing.assert_allclose(tables[0], np.linalg.inv(gram), atol=1e-12)
    np.testing.assert_allclose(tables[1], np.linalg.inv(2 * gram), atol=1e-12)
    for pivot in range(4):
        sweep(tables, np.array([pivot, pivot]))
    np.testing.assert_allclose(tables[0], gram, atol=1e-12)


def test_corners_are_those_of_scikit_learn():
    gram, cross = make_products(200, 12)
    [(penalties, coefs)] = lasso_paths(gram, cross)
    alphas, _, expected = lars_path_gram(cross[:, 0], gram, n_samples=1, method="lasso")
    np.testing.assert_allclose(penalties, alphas, atol=1e-9)
    np.testing.assert_allclose(coefs, expected.T, atol=1e-9)


def test_many_targets_walk_as_each_would_alone():
    gram, cross = make_products(60, 9, t=12)
    together = lasso_paths(gram, cross)
    for column, (penalties, coefs) in zip(cross.T, together, strict=True):
        [(alone, alone_coefs)] = lasso_paths(gram, column[:, np.newaxis])
        np.testing.assert_allclose(penalties, alone, rtol=1e-10)
        np.testing.assert_allclose(coefs, alone_coefs, atol=1e-12)


def test_targets_beyond_one_block_are_walked_too(monkeypatch):
    gram, cross = make_products(60, 9, t=12)
    expected = lasso_paths(gram, cross)
    monkeypatch.setattr("limelens.surrogates.lasso_path._BLOCK", 200)
    for (_, coefs), (_, whole) in zip(lasso_paths(gram, cross), expected, strict=True):
        np.testing.assert_allclose(coefs, whole, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-12, 1e9])
def test_the_scale_of_the_target_changes_nothing(scale):
    gram, cross = make_products(60, 9)
    [(_, coefs)] = lasso_paths(gram, cross)
    [(_, scaled)] = lasso_paths(gram, scale * cross)
    np.testing.assert_allclose(scaled / scale, coefs, atol=1e-9)


def test_a_penalty_above_every_product_leaves_nothing():
    gram, cross = make_products(30, 4)
    [(penalties, coefs)] = lasso_paths(gram, cross, penalty=1e3)
    assert penalties.tolist() == [1e3]
    assert not coefs.any()


def test_ties_of_a_full_enumeration_are_walked_through():
    rows = np.array(list(itertools.product([False, True], repeat=6)))
    scores = rows[:, :3].sum(axis=1) - 2.0 * rows[:, 3] + rows[:, 4] * rows[:, 5]
    moments = weighted_moments(rows, scores, np.ones(len(rows)))
    [(penalties, coefs)] = lasso_paths(moments.gram, moments.cross)
    assert_optimal(moments.gram, moments.cross[:, 0], penalties, coefs)
    np.testing.assert_allclose(coefs[-1], [1, 1, 1, -2, 0.5, 0.5], atol=1e-12)


@pytest.mark.parametrize(
    ("n", "d", "seed"), [(10, 6, 28), (10, 6, 40), (10, 6, 52), (10, 20, 9), (10, 20, 86)]
)
@pytest.mark.parametrize("n_targets", [1, 9])
def test_ties_that_rounding_breaks_the_wrong_way_are_walked_through(n, d, seed, n_targets):
    rng = np.random.default_rng(seed)
    rows = rng.random((n, d)) < 0.5
    moments = weighted_moments(rows, rng.integers(-2, 3, n) * 1.0, np.ones(n))
    cross = np.repeat(moments.cross, n_targets, axis=1)
    penalties, coefs = lasso_paths(moments.gram, cross)[-1]
    assert_optimal(moments.gram, moments.cross[:, 0], penalties, coefs)


@settings(max_examples=150, deadline=None)
@given(
    n=st.integers(2, 25),
    d=st.integers(1, 12),
    seed=st.integers(0, 10**6),
    whole=st.booleans(),
    copies=st.booleans(),
    n_targets=st.sampled_from([1, 9]),
)
def test_every_corner_is_optimal(n, d, seed, whole, copies, n_targets):
    rng = np.random.default_rng(seed)
    rows = rng.random((n, d)) < 0.5
    if copies:
        rows[:, -1] = rows[:, 0]
    scores = rng.integers(-2, 3, n) * 1.0 if whole else rng.normal(size=n)
    weights = np.ones(n) if whole else rng.random(n) + 0.01
    moments = weighted_moments(rows, scores, weights)
    if not moments.varies[0]:
        return
    cross = np.repeat(moments.cross, n_targets, axis=1)
    penalties, coefs = lasso_paths(moments.gram, cross)[-1]
    if np.abs(moments.cross).max() > 1e-9:
        assert_optimal(moments.gram, moments.cross[:, 0], penalties, coefs)
        assert penalties[-1] == 0


@pytest.mark.parametrize("settings", [{"_FEW": 8}, {"_FEW": 0}, {"WIDE": 1}])
def test_of_equal_and_opposite_columns_only_the_first_ever_enters(settings, monkeypatch):
    for name, value in settings.items():
        monkeypatch.setattr(f"limelens.surrogates.lasso_path.{name}", value)
        if name == "WIDE":
            monkeypatch.setattr("limelens.surrogates.lasso_walk.WIDE", value)
    for seed in range(40):
        rng = np.random.default_rng(seed)
        rows = (rng.random((40, 12)) < 0.5).astype(float)
        rows[:, 9], rows[:, 6] = rows[:, 2], 1 - rows[:, 4]
        values = rows @ rng.normal(size=(12, 1)) + 0.3 * rng.normal(size=(40, 1))
        moments = weighted_moments(rows, values, rng.random(40))
        [(_, coefs)] = lasso_paths(moments.gram, moments.cross)
        assert coefs[:, [2, 4]].any(axis=0).all()
        assert not coefs[:, [9, 6]].any()


@pytest.mark.parametrize("wide", [1, 256])
@pytest.mark.parametrize("n", [30, 90, 400])
def test_a_target_that_walks_alone_comes_by_the_same_corners(n, wide, monkeypatch):
    monkeypatch.setattr("limelens.surrogates.lasso_walk.WIDE", wide)
    rng = np.random.default_rng(n)
    design = rng.normal(size=(n, 100))
    design[:, 7] = design[:, 3]  # one of two equal columns stays out
    design -= design.mean(axis=0)
    values = design @ np.where(rng.random((100, 2)) < 0.3, 1.0, 0.0) + rng.normal(size=(n, 2))
    gram, cross = design.T @ design, design.T @ values
    alone = lasso_paths(gram, cross)
    monkeypatch.setattr("limelens.surrogates.lasso_path._FEW", 0)
    together = lasso_paths(gram, cross)
    for (penalties, coefs), (others, other_coefs) in zip(together, alone, strict=True):
        np.testing.assert_allclose(others, penalties, atol=1e-10 * penalties[0])
        np.testing.assert_allclose(other_coefs, coefs, atol=1e-8 * np.abs(coefs).max())
    if n < 100:  # columns leave again on the way
        active = alone[0][1] != 0
        left = active[:-1] & ~active[1:]
        assert left.any()
        for corner, column in np.argwhere(left):  # exactly 0 where it leaves, not only after
            assert abs(alone[0][1][corner, column]) > 1e-12


def test_a_wide_table_is_walked_target_by_target(monkeypatch):
    monkeypatch.setattr("limelens.surrogates.lasso_path._walk", None)
    gram, cross = make_products(300, 256, t=3)
    assert len(lasso_paths(gram, cross, penalty=0.5 * np.abs(cross).max())) == 3


@pytest.mark.parametrize("wide", [1, 256])
def test_a_target_that_walks_alone_ends_at_the_penalty(wide, monkeypatch):
    monkeypatch.setattr("limelens.surrogates.lasso_walk.WIDE", wide)
    [(penalties, coefs)] = lasso_paths(np.eye(2), np.array([[3.0], [-1.0]]), 0.5)
    np.testing.assert_allclose(penalties, [3, 1, 0.5])
    np.testing.assert_allclose(coefs, [[0, 0], [2, 0], [2.5, -0.5]])


def test_of_equal_columns_the_first_one_moves(monkeypatch):
    monkeypatch.setattr("limelens.surrogates.lasso_walk.WIDE", 1)
    rng = np.random.default_rng(4)
    half = rng.random((90, 60)) < 0.5
    moments = weighted_moments(
        np.hstack([half, half]), half @ rng.normal(size=60) + rng.normal(size=90), np.ones(90)
    )
    [(penalties, coefs)] = lasso_paths(moments.gram, moments.cross)
    assert_optimal(moments.gram, moments.cross[:, 0], penalties, coefs)
    assert coefs[:, :60].any(axis=0).sum() > 48  # more steps than changes wait
    assert not coefs[:, 60:].any()


def test_a_long_walk_stays_exact_when_columns_leave_again_and_again(monkeypatch):
    monkeypatch.setattr("limelens.surrogates.lasso_walk.WIDE", 1)
    gram, cross = make_products(120, 110)
    [(penalties, coefs)] = lasso_paths(gram, cross)
    assert_optimal(gram, cross[:, 0], penalties, coefs)
    np.testing.assert_allclose(coefs[-1], np.linalg.solve(gram, cross[:, 0]), rtol=1e-7)
