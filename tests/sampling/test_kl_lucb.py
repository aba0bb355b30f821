"""Best arms of a bandit, and the bounds behind them."""

import numpy as np
import pytest

from limelens.sampling.kl_lucb import (
    bernoulli_divergence,
    best_arms,
    confidence_bounds,
    exploration_rate,
)

MEANS = np.array([0.95, 0.6, 0.55, 0.5, 0.4, 0.3, 0.2, 0.1])


def bandit(rng):
    counts = np.zeros(len(MEANS), dtype=int)

    def pull_one(arm):
        if counts.sum() > 10**5:  # so that a rule that never stops fails
            return 0, 0
        counts[arm] += 10
        return rng.binomial(10, MEANS[arm]), 10

    def pull(arms):
        return [pull_one(arm) for arm in arms]

    return pull, counts


@pytest.mark.parametrize("mean", [0.0, 0.2, 0.9, 1.0])
@pytest.mark.parametrize("n", [1, 7, 400])
def test_bounds_solve_their_equation(mean, n):
    low, high = confidence_bounds(np.array([mean]), np.array([n]), 2.0)
    for bound, edge in ((low, 0.0), (high, 1.0)):
        if 1e-6 < bound < 1 - 1e-6 and bound != edge:
            reached = n * bernoulli_divergence(np.array([mean]), bound)[0]
            assert reached == pytest.approx(2.0, abs=1e-4)
    assert low[0] <= mean <= high[0]


def test_without_draws_nothing_is_known():
    low, high = confidence_bounds(np.array([0.0]), np.array([0]), 2.0)
    assert (low[0], high[0]) == (0, 1)


def test_bounds_hold_with_the_stated_probability():
    rng = np.random.default_rng(0)
    ones = rng.binomial(50, 0.9, size=20_000)
    low, high = confidence_bounds(ones / 50, np.full(20_000, 50), np.log(1 / 0.05))
    assert np.mean(low > 0.9) < 0.05
    assert np.mean(high < 0.9) < 0.05


@pytest.mark.parametrize("n_best", [1, 2, 8, 20])
def test_the_best_arms_come_first(n_best):
    pull, _ = bandit(np.random.default_rng(1))
    zeros = np.zeros((2, len(MEANS)), dtype=int)
    found = best_arms(pull, zeros[0], zeros[1], n_best, tolerance=0.1, delta=0.05)
    assert len(found) == min(n_best, len(MEANS))
    assert found[0] == 0
    assert min(MEANS[found]) >= sorted(MEANS)[-min(n_best, len(MEANS))] - 0.1


def test_errors_are_as_rare_as_asked():
    wrong = 0
    for seed in range(100):
        pull, _ = bandit(np.random.default_rng(seed))
        zeros = np.zeros((2, len(MEANS)), dtype=int)
        best = best_arms(pull, zeros[0], zeros[1], 1, tolerance=0.1, delta=0.1)
        wrong += MEANS[best[0]] < 0.95 - 0.1
    assert wrong <= 10


def test_it_draws_less_than_sampling_every_arm_to_the_same_bounds():
    adaptive, uniform = 0, 0
    for seed in range(20):
        pull, counts = bandit(np.random.default_rng(seed))
        zeros = np.zeros((2, len(MEANS)), dtype=int)
        best_arms(pull, zeros[0], zeros[1], 1, tolerance=0.1, delta=0.1)
        adaptive += counts.sum()
        uniform += uniform_draws(np.random.default_rng(seed))
    assert adaptive < 0.7 * uniform


def uniform_draws(rng):
    """Draw every arm alike until the same rule stops."""
    pull, counts = bandit(rng)
    ones = np.zeros(len(MEANS), dtype=int)
    for rounds in range(1, 10_000):
        ones += [drawn for drawn, _ in pull(range(len(MEANS)))]
        level = exploration_rate(len(MEANS), rounds, 0.1)
        low, high = confidence_bounds(ones / counts, counts, level)
        best = np.argmax(ones)
        if np.delete(high, best).max() - low[best] <= 0.1:
            break
    return counts.sum()


def test_a_spent_budget_returns_the_best_guess():
    zeros, asked = np.zeros((2, 3), dtype=int), []

    def pull(arms):
        asked.append(list(arms))
        return [(0, 0)] * len(arms)

    found = best_arms(pull, zeros[0], zeros[1], 1, tolerance=0.1, delta=0.1)
    assert len(found) == 1
    assert asked[0] == [0, 1, 2]  # all that were never drawn, at once
    assert [len(arms) for arms in asked[1:]] == [2]  # then two, of which none was drawn


@pytest.mark.parametrize("n_best", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_every_round_is_that_of_the_bounds(n_best, seed):
    """Close arms at the top and low ones below; every step is worked out again from the draws."""
    chances = np.array([0.93, 0.9, 0.86, 0.5, 0.04, 0.0])
    rng, pulls = np.random.default_rng(seed), []

    def pull_one(arm):
        if len(pulls) == 2000:
            return 0, 0
        pulls.append((arm, int(rng.binomial(10, chances[arm]))))
        return pulls[-1][1], 10

    def pull(arms):
        return [pull_one(arm) for arm in arms]

    zeros = np.zeros((2, 6), dtype=int)
    found = best_arms(pull, zeros[0], zeros[1], n_best, tolerance=0.1, delta=0.1)
    k, ones, counts = len(chances), np.zeros(len(chances)), np.zeros(len(chances))
    for arm, drawn in pulls[:k]:  # each arm once
        ones[arm], counts[arm] = drawn, 10
    left, rounds = pulls[k:], 1
    while True:
        low, high = confidence_bounds(ones / counts, counts, exploration_rate(k, rounds, 0.1))
        order = sorted(range(k), key=lambda arm: -ones[arm] / counts[arm])
        best, rest = order[:n_best], order[n_best:]
        weakest, rival = min(best, key=lambda a: low[a]), max(rest, key=lambda a: high[a])
        if high[rival] - low[weakest] <= 0.1:
            break
        assert [arm for arm, _ in left[:2]] == [weakest, rival]
        for arm, drawn in left[:2]:
            ones[arm], counts[arm] = ones[arm] + drawn, counts[arm] + 10
        left, rounds = left[2:], rounds + 1
    assert not left
    assert found.tolist() == best
