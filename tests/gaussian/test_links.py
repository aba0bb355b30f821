import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from limelens.games.coalitions import distinct_rows, fold
from limelens.gaussian.kernel import relevance
from limelens.gaussian.links import (
    Link,
    LogOddsLink,
    competitors,
    edges,
    log_odds_link,
    logit,
    quantiles,
    sigmoid,
)
from limelens.gaussian.process import fit_processes
from limelens.gaussian.softmax import softmax_link


def make_scores(n=30, k=5, seed=0):
    return softmax(2 * np.random.default_rng(seed).normal(size=(n, k)), axis=1)


def test_edges_are_half_the_smallest_distance():
    assert edges(np.array([0.0, 1 / 256, 255 / 256, 1.0])) == (1 / 512, 1 / 512)
    assert edges(np.array([0.0, 0.01, 0.5])) == (0.005, 0.02)


def test_edges_never_go_below_what_floats_can_tell_nor_above_two_per_cent():
    assert edges(np.array([1e-30, 1 - 1e-16])) == (1e-10, 1e-7)
    assert edges(np.array([0.5])) == (0.02, 0.02)
    assert edges(np.array([0.0, 1.0])) == (0.02, 0.02)


@given(p=st.floats(0, 1))
def test_log_odds_are_finite_and_undone_by_the_sigmoid(p):
    found = logit(np.array([p]), (1e-10, 1e-7))
    assert np.isfinite(found).all()
    assert sigmoid(found)[0] == pytest.approx(np.clip(p, 1e-10, 1 - 1e-7), rel=1e-6)


def test_quantiles_leave_the_ends_out():
    found = quantiles(np.arange(150.0))
    assert len(found) == 15
    assert found[0] > 3
    assert np.array_equal(quantiles(np.arange(4.0)), np.arange(4.0))


def test_smearing_is_the_mean_sigmoid_over_residuals():
    link = log_odds_link(np.array([0.2, 0.6, 0.9]), (1e-7, 1e-7))
    residuals = np.array([[-1.0], [0.0], [2.0]])
    scores, spread = link.curve(np.array([[0.5]]), residuals, np.array([[4.0]]))
    p = 1 / (1 + np.exp(-(0.5 + residuals[:, 0])))
    assert scores[0, 0] == pytest.approx(p.mean())
    assert spread[0, 0] == pytest.approx(2.0 * (p * (1 - p)).mean())


def test_without_curvature_nothing_is_averaged():
    link = Link(columns=np.ones((3, 2)), explained=np.ones((3, 2)))
    means = np.array([[1.0, 2.0]])
    scores, spread = link.curve(means, np.full((4, 2), 9.0), np.diag([4.0, 9.0]))
    assert np.array_equal(scores, means)
    assert np.array_equal(spread, [[2.0, 3.0]])


@pytest.mark.parametrize("n_rivals", [1, 2, 30])
def test_softmax_is_the_mean_over_joint_residuals(n_rivals):
    scores = make_scores()
    link = softmax_link(scores, np.array([3, 1]), n_rivals)
    rng = np.random.default_rng(1)
    means = rng.normal(size=(4, link.columns.shape[1]))
    residuals = rng.normal(size=(9, link.columns.shape[1]))
    found, _ = link.curve(means, residuals, np.eye(len(means[0])))
    expected = softmax(means[:, np.newaxis] + residuals, axis=-1).mean(axis=1)[:, link.places]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("targets", [[0], [2, 0, 1]])
def test_softmax_spread_is_the_norm_of_the_jacobian(targets, monkeypatch):
    monkeypatch.setattr("limelens.gaussian.softmax._CHUNK", 2)  # three means: a slice and a half
    link = softmax_link(make_scores(), np.array(targets), 30)
    rng = np.random.default_rng(2)
    means, residuals = rng.normal(size=(3, 5)), rng.normal(size=(7, 5))
    root = rng.normal(size=(5, 5))
    _, spread = link.curve(means, residuals, root @ root.T)
    p = softmax(means[:, np.newaxis] + residuals, axis=-1)
    for found, place in zip(spread.T, link.places, strict=True):
        jacobian = (p[..., [place]] * (np.eye(5)[place] - p)).mean(axis=1)
        expected = np.linalg.norm(jacobian @ root, axis=1)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_softmax_of_rows_gives_their_scores_back():
    scores = make_scores(k=50)
    likely = np.argsort(-scores.mean(axis=0))
    for targets, n_columns in ((likely[[7, 2]], 32), (likely[[40]], 32), (likely[[40, 2]], 33)):
        link = softmax_link(scores, targets, 30)
        assert link.columns.shape == (30, n_columns)  # one holds all other classes
        np.testing.assert_allclose(link.score(link.columns), scores[:, targets], rtol=1e-10)
        np.testing.assert_allclose(link.columns.mean(axis=1), 0, atol=1e-12)


def test_competitors_are_the_targets_and_what_is_likeliest_beside_any_of_them():
    scores = np.array([[0.1, 0.5, 0.3, 0.1], [0.0, 0.2, 0.3, 0.5]])  # likeliest: 1, 2, 3, 0
    for targets, expected in (
        ([1], [1, 2, 3]),
        ([3], [1, 2, 3]),
        ([0], [1, 2, 0]),
        ([3, 1, 2], [1, 2, 3]),  # as each alone
        ([0, 2], [1, 2, 3, 0]),  # what 2 has alone, and 0
    ):
        assert competitors(scores, np.array(targets), 2).tolist() == expected
    assert competitors(scores, np.array([2]), 9).tolist() == [1, 2, 3, 0]


def test_two_classes_are_the_log_odds_link():
    """With k = 2 the softmax link is exactly the log-odds process with smearing over all rows."""
    rng = np.random.default_rng(3)
    rows = rng.random((40, 6)) < 0.5
    rows = np.unique(rows, axis=0)
    p = sigmoid(rows @ rng.normal(size=6) + rng.normal(size=len(rows)))
    scores = np.stack([p, 1 - p], axis=1)
    joint = softmax_link(scores, np.array([0]), 30)
    single = log_odds_link(p, (1e-10, 1e-10))
    shares = relevance(None, 6)
    new = rng.random((20, 6)) < 0.5
    found = []
    for link in (joint, single):
        (process,) = fit_processes(rows, [link.columns], shares)
        found.append((link, process, process.predict(new)))
    (joint, one, means), (_, other, log_odds_means) = found
    assert one.noise == other.noise
    own = means[:, joint.places[0]]  # that of 1 - p is the same with the opposite sign
    np.testing.assert_allclose(2 * own, log_odds_means[:, 0], atol=1e-8)
    scores, spread = joint.curve(means, one.residuals, one.scale)
    smeared = sigmoid(log_odds_means + other.residuals[:, 0])
    np.testing.assert_allclose(scores[:, 0], smeared.mean(axis=1), rtol=1e-5)
    slopes = (smeared * (1 - smeared)).mean(axis=1) * np.sqrt(other.scale[0, 0])
    np.testing.assert_allclose(spread[:, 0], slopes, rtol=1e-4)


@settings(max_examples=20, deadline=None)
@given(shift=st.floats(-30, 30))
def test_softmax_ignores_what_is_added_to_a_row_of_logits(shift):
    link = softmax_link(make_scores(), np.array([0]), 30)
    means, residuals = np.random.default_rng(0).normal(size=(2, 6, 5))
    first, _ = link.curve(means, residuals, np.eye(5))
    second, _ = link.curve(means + shift, residuals, np.eye(5))
    np.testing.assert_allclose(second, first, rtol=1e-5)


def test_inflation_is_about_one_where_the_model_is_right_and_grows_with_its_errors():
    rng = np.random.default_rng(0)
    rows = np.unique(rng.random((200, 8)) < 0.5, axis=0)
    additive = rows @ rng.normal(size=8)
    honest = sigmoid(additive + 0.5 * rng.standard_normal(len(rows)))
    link = log_odds_link(honest, (1e-10, 1e-10))
    (process,) = fit_processes(rows, [link.columns], relevance(None, 8))
    assert 0.6 < link.inflation(process)[0] < 1.5
    moved = LogOddsLink(columns=link.columns, explained=np.clip(link.explained + 0.3, 0, 1))
    assert moved.inflation(process)[0] > 3


def test_inflation_of_the_softmax_is_that_of_its_two_class_case():
    rng = np.random.default_rng(0)
    rows = np.unique(rng.random((120, 8)) < 0.5, axis=0)
    p = sigmoid(rows @ rng.normal(size=8) + 0.5 * rng.standard_normal(len(rows)))
    single, joint = log_odds_link(p, (1e-10, 1e-10)), softmax_link(np.stack([p, 1 - p], 1), [0], 30)
    shares = relevance(None, 8)
    one, other = fit_processes(rows, [single.columns, joint.columns], shares)
    assert joint.inflation(other)[0] == pytest.approx(single.inflation(one)[0], rel=0.1)


def folded_process(p, rows, shares):
    link = log_odds_link(p, (1e-10, 1e-10))
    (process,) = fit_processes(rows, [link.columns], shares)
    return link, process


def make_folded(d=8, n=60, seed=0):
    rng = np.random.default_rng(seed)
    first = rng.random((n, d)) < 0.5
    rows = distinct_rows(np.concatenate([first, ~first]))[0]
    return rows, 0.8 * rng.standard_normal(len(rows)) + rows @ rng.normal(size=d)


def test_inflation_of_differences_compares_them_with_their_own_variance():
    """By hand: the pairs left out one by one from the dense covariance."""
    rows, values = make_folded(n=12)
    shares = relevance(None, 8)
    (process,) = fit_processes(rows, [values[:, np.newaxis]], shares)
    link = Link(columns=values[:, np.newaxis], explained=values[:, np.newaxis])
    kernel, half = process.kernel.matrix(rows, rows), len(rows) // 2
    matrix = (1 - process.noise) * kernel + process.noise * np.eye(len(rows))
    centred = values - values.mean()
    found = []
    for pair in range(half):
        rest = np.arange(len(rows)) % half != pair
        difference = (matrix[pair] - matrix[pair + half])[rest]
        weights = np.linalg.solve(matrix[np.ix_(rest, rest)], difference)
        prior = 2 * (matrix[pair, pair] - matrix[pair, pair + half])
        error = centred[pair] - centred[pair + half] - weights @ centred[rest]
        found.append((error**2, process.scale[0, 0] * (prior - weights @ difference)))
    squares, expected = np.sum(found, axis=0)
    assert link.inflation(process)[1][0] == pytest.approx(squares / expected, rel=1e-9)


def test_inflation_on_the_score_is_that_of_drawn_errors():
    rows, log_odds_values = make_folded()
    link, process = folded_process(sigmoid(log_odds_values), rows, relevance(None, 8))
    half = len(rows) // 2
    errors, variances = process.left_out()
    sums, differences = np.split(np.sqrt(process.scale[0, 0] * variances), 2)
    draws = np.random.default_rng(1).standard_normal((2, 20_000, half))
    even, odd = draws[0] * sums / np.sqrt(2), draws[1] * differences / np.sqrt(2)
    p = sigmoid(link.columns[:, 0] - fold(errors)[:, 0] + np.hstack([even + odd, even - odd]))
    missed = link.explained[:, 0] - p.mean(axis=0)
    total, differing = link.inflation(process)
    assert total[0] == pytest.approx(np.sum(missed**2) / p.var(axis=0).sum(), rel=0.02)
    gaps, predicted = missed[:half] - missed[half:], p[:, :half] - p[:, half:]
    assert differing[0] == pytest.approx(np.sum(gaps**2) / predicted.var(axis=0).sum(), rel=0.02)


def test_inflation_of_the_softmax_in_pairs_is_that_of_its_two_class_case():
    rows, log_odds_values = make_folded()
    p, shares = sigmoid(log_odds_values), relevance(None, 8)
    single, joint = log_odds_link(p, (1e-10, 1e-10)), softmax_link(np.stack([p, 1 - p], 1), [0], 30)
    one, other = fit_processes(rows, [single.columns, joint.columns], shares)
    for mine, theirs in zip(joint.inflation(other), single.inflation(one), strict=True):
        assert mine[0] == pytest.approx(theirs[0], rel=0.1)


def test_rows_that_are_not_folded_have_no_inflation_of_differences():
    rows, values = make_folded()
    rows, values = rows[:-1], values[:-1]
    link, process = folded_process(sigmoid(values), rows, relevance(None, 8))
    assert np.isnan(link.inflation(process)[1])
    assert np.isnan(Link(columns=link.columns, explained=link.columns).inflation(process)[1])
