import numpy as np
import pytest
from sklearn.linear_model import lars_path_gram

from limelens.surrogates.lasso_guess import guessed_corners
from limelens.surrogates.lasso_path import lasso_paths
from limelens.surrogates.moments import weighted_moments


def make_products(n, d, seed=0):
    rng = np.random.default_rng(seed)
    rows = rng.random((n, d)) < 0.5
    values = rows @ rng.normal(size=d) + rng.normal(size=n)
    moments = weighted_moments(rows, values, rng.random(n) + 0.1)
    return moments.gram, moments.cross[:, 0]


def walked(gram, cross, penalty, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("limelens.surrogates.lasso_walk.guessed_corners", lambda *products: None)
        return lasso_paths(gram, cross[:, np.newaxis], penalty)[0]


def test_a_path_on_which_columns_only_enter_is_guessed_whole():
    gram, cross = make_products(300, 20)
    found = guessed_corners(gram, cross, 0.0)
    assert found.is_whole
    penalties, _, coefs = lars_path_gram(cross, gram, n_samples=1, method="lasso")
    np.testing.assert_allclose(found.penalties, penalties, atol=1e-9 * penalties[0])
    np.testing.assert_allclose(found.coefs, coefs.T, atol=1e-9)


@pytest.mark.parametrize(("n", "d"), [(300, 40), (60, 40), (45, 40), (90, 80)])
@pytest.mark.parametrize("seed", range(4))
def test_what_was_guessed_and_what_is_walked_after_it_is_the_path(n, d, seed, monkeypatch):
    gram, cross = make_products(n, d, seed)
    penalties, coefs = walked(gram, cross, 0.0, monkeypatch)
    [(found, found_coefs)] = lasso_paths(gram, cross[:, np.newaxis])
    np.testing.assert_allclose(found, penalties, atol=1e-10 * penalties[0])
    np.testing.assert_allclose(found_coefs, coefs, atol=1e-9 * np.abs(coefs).max())
    assert ((found_coefs != 0) == (coefs != 0)).all()


def test_a_guess_ends_before_a_column_leaves(monkeypatch):
    for seed in range(20):
        gram, cross = make_products(45, 40, seed)
        _, coefs = walked(gram, cross, 0.0, monkeypatch)
        left = (coefs[:-1] != 0) & (coefs[1:] == 0)
        first = int(left.any(axis=1).argmax())
        found = guessed_corners(gram, cross, 0.0)
        assert left.any()
        assert found is None or (len(found.coefs) <= first + 1 and not found.is_whole)


@pytest.mark.parametrize("most", [1, 8])
def test_a_guess_that_only_a_column_that_leaves_makes_wrong_ends_there(most, monkeypatch):
    monkeypatch.setattr("limelens.surrogates.lasso_guess._MOST", most)
    gram = np.array([[2.0, -4.0, 3.0], [-4.0, 12.0, -10.0], [3.0, -10.0, 10.0]])
    cross = np.array([0.0, -9.0, 8.0])
    found = guessed_corners(gram, cross, 0.0)
    assert not found.is_whole
    np.testing.assert_allclose(found.penalties, [9, 3, 29 / 13])
    np.testing.assert_allclose(found.coefs, [[0, 0, 0], [0, -0.5, 0], [0, -0.5, 1 / 13]])
    assert not np.signbit(found.coefs[:2, 2]).any()  # no -0.0
    assert found.active.tolist() == [1, 2, 0]
    assert found.signs.tolist() == [-1, 1, -1]
    # The third column, which entered at 3, has left again at 2.
    [(penalties, coefs)] = lasso_paths(gram, cross[:, np.newaxis])
    np.testing.assert_allclose(penalties, [9, 3, 29 / 13, 2, 0.4, 0])
    assert np.sign(coefs).tolist() == [
        [0, 0, 0],
        [0, -1, 0],
        [0, -1, 1],
        [-1, -1, 0],
        [-1, -1, 0],
        [-1, -1, -1],
    ]


@pytest.mark.parametrize("most", [1, 2, 8])
def test_the_next_column_and_its_sign_are_those_of_the_walk(most, monkeypatch):
    monkeypatch.setattr("limelens.surrogates.lasso_guess._MOST", most)
    parts = 0
    for seed in range(20):
        gram, cross = make_products(60, 40, seed)
        _, coefs = walked(gram, cross, 0.0, monkeypatch)
        found = guessed_corners(gram, cross, 0.0)
        if found is None or found.is_whole:
            continue
        parts += 1
        assert len(found.active) == len(found.coefs)
        after = np.sign(coefs[len(found.coefs)])
        kept = after[found.active] != 0
        np.testing.assert_array_equal(after[found.active][kept], found.signs[kept])
        assert (~kept).sum() <= 1  # the one that leaves there
        assert np.count_nonzero(after) == kept.sum()
    assert parts > 5


def test_a_guess_ends_at_the_penalty(monkeypatch):
    gram, cross = make_products(300, 20)
    penalty = 0.3 * np.abs(cross).max()
    found = guessed_corners(gram, cross, penalty)
    penalties, coefs = walked(gram, cross, penalty, monkeypatch)
    assert found.is_whole
    assert found.penalties[-1] == pytest.approx(penalty)
    assert 2 < len(penalties) < 20
    np.testing.assert_allclose(found.coefs, coefs, atol=1e-12)
    above = guessed_corners(gram, cross, 2 * np.abs(cross).max())
    assert above.is_whole
    assert above.coefs.tolist() == [[0.0] * 20]


def test_columns_that_enter_at_once_are_left_to_the_walk():
    assert guessed_corners(np.eye(3), np.array([3.0, -3.0, 1.0]), 0.0) is None
    found = guessed_corners(np.eye(3), np.array([3.0, 1.0, -1.0]), 0.0)
    assert not found.is_whole
    assert found.penalties.tolist() == [3.0]


def test_columns_that_depend_on_each_other_are_left_to_the_walk():
    assert guessed_corners(np.ones((2, 2)), np.array([2.0, 1.0]), 0.0) is None
    assert guessed_corners(np.zeros((2, 2)), np.array([0.0, 0.0]), 0.0) is None
    nearly = np.array([[1.0, 1.0], [1.0, 1.0 + 1e-11]])
    assert guessed_corners(nearly, np.array([2.0, 1.0]), 0.0) is None
