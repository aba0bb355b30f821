"""The pooled regression, and what an image's own masks add to it."""

import numpy as np
import pytest

from limelens.audits.pairs import Pairs, draw_pairs
from limelens.audits.pooling import Estimate, pooled_estimates
from limelens.games.coalitions import coalition_chunks


def game(coalitions):
    """Two segments work together, a third works against a fourth."""
    z = coalitions.astype(float)
    return 2 * z[:, 0] * z[:, 1] + z[:, 2] - 3 * z[:, 2] * z[:, 3] + 0.5 * z[:, 4]


def banzhaf(d=5):
    (every,) = coalition_chunks(d)
    values = game(every)
    return np.array([values[every[:, j]].mean() - values[~every[:, j]].mean() for j in range(d)])


def ask(seed, calls=8, d=5):
    rows, complete = draw_pairs(calls, d, np.random.default_rng(seed))
    signs = (2 * rows.astype(np.int8) - 1).astype(np.int8)
    return Pairs(signs=signs, differences=game(rows) - game(~rows), complete=complete)


@pytest.mark.parametrize("features", [np.zeros((5, 1)), np.eye(5), np.arange(5.0)[:, np.newaxis]])
def test_estimates_are_unbiased_whatever_the_regression_knows(features):
    n = 1500
    found = pooled_estimates([ask(seed) for seed in range(n)], [features] * n)
    effects = np.array([each.effects for each in found])
    error = effects.std(axis=0, ddof=1) / np.sqrt(n)
    np.testing.assert_array_less(np.abs(effects.mean(axis=0) - banzhaf()), 4 * error + 1e-9)


def test_what_other_images_have_in_common_makes_an_image_more_precise():
    n = 100
    pairs = [ask(seed) for seed in range(n)]
    plain, knowing = (
        np.array([each.effects for each in pooled_estimates(pairs, [features] * n)])
        for features in (np.zeros((5, 1)), np.eye(5))
    )
    assert knowing.var(axis=0).sum() < 0.5 * plain.var(axis=0).sum()


def test_an_image_does_not_teach_the_regression_about_itself():
    """Its own differences may be anything: what the others predict of it stays."""
    n = 20
    pairs = [ask(seed) for seed in range(n)]
    changed = Pairs(signs=pairs[0].signs, differences=pairs[0].differences + 1000, complete=False)
    before = pooled_estimates(pairs, [np.eye(5)] * n)[0]
    after = pooled_estimates([changed, *pairs[1:]], [np.eye(5)] * n)[0]
    np.testing.assert_allclose(after.parts - before.parts, 1000.0 * pairs[0].signs, rtol=1e-9)


def test_all_pairs_give_the_exact_effects_whatever_is_predicted():
    found = pooled_estimates([ask(0, calls=32), ask(1), ask(2)], [np.eye(5)] * 3)
    np.testing.assert_allclose(found[0].effects, banzhaf(), atol=1e-12)
    assert found[0].noise(np.eye(5)).tolist() == [0.0] * 5


def test_noise_is_the_variance_between_pairs_over_their_number():
    estimate = Estimate(effects=np.array([2.0, 0.0]), parts=np.array([[1.0, 0.0], [3.0, 0.0]]))
    assert estimate.noise(np.eye(2)).tolist() == [1.0, 0.0]
    assert np.isnan(Estimate(effects=np.zeros(1), parts=np.zeros((1, 1))).noise(np.eye(1))).all()


def test_noise_of_known_errors_adds_up_in_squares():
    estimate = Estimate(effects=np.zeros(2), errors=np.array([3.0, 4.0]))
    assert estimate.noise(np.array([[1.0, 1.0]])).tolist() == [25.0]


def test_images_without_any_difference_have_no_effects():
    still = Pairs(signs=ask(0).signs, differences=np.zeros(3), complete=False)
    for each in pooled_estimates([still, still], [np.eye(5)] * 2):
        assert not each.effects.any()


def test_a_feature_that_never_moves_takes_nothing_from_the_others():
    pairs = [ask(seed) for seed in range(40)]
    alone = pooled_estimates(pairs, [np.eye(5)] * 40)
    padded = pooled_estimates(pairs, [np.c_[np.eye(5), np.zeros(5)]] * 40)
    for one, other in zip(alone, padded, strict=True):
        np.testing.assert_allclose(one.effects, other.effects)
