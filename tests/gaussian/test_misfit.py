"""What a process misses of the importances, from its errors for rows left out."""

import numpy as np
import pytest

from limelens import Constant, Grid, QuickShap
from limelens.games.lime_kernel import cosine_distance, kernel_weights
from limelens.gaussian.misfit import missed_importances
from limelens.testing import all_coalitions, exact_values


def pairs(n_pairs, d, rng):
    """Distinct rows in complementary pairs, without both ends."""
    first = all_coalitions(d)[1 : 2 ** (d - 1)]
    first = first[rng.permutation(len(first))[:n_pairs]]
    return np.concatenate([first, ~first])


def test_what_is_missed_of_an_additive_function_is_found_but_for_what_was_asked():
    rows = pairs(40, 10, np.random.default_rng(0))
    effects = np.arange(10.0) - 4.5  # they sum to zero: the surrogate knows both ends
    found, variances = missed_importances("shapley", rows, (rows @ effects)[:, None])
    slopes = found[0] / effects
    assert (slopes > 0.5).all()
    assert (slopes < 1.0).all()
    assert (variances[0] < 0.1 * found[0] ** 2).all()


def test_for_lime_it_is_the_weighted_fit_to_the_errors():
    rows = pairs(60, 8, np.random.default_rng(1))
    missed = rows @ np.arange(8.0) + 0.01 * np.random.default_rng(2).standard_normal(120)
    weights = kernel_weights(cosine_distance(rows), 0.25)
    design = np.column_stack([np.ones(120), rows])
    root = np.sqrt(weights)
    slopes = np.linalg.lstsq(design * root[:, None], missed * root, rcond=None)[0][1:]
    found, _ = missed_importances("lime", rows, missed[:, None])
    np.testing.assert_allclose(found[0], slopes * (1 - 120 / 2**8), atol=1e-4)


@pytest.mark.parametrize("definition", ["lime", "shapley"])
def test_noise_is_left_alone_nearly_always(definition):
    shares = []
    for seed in range(40):
        rows = pairs(60, 10, np.random.default_rng(seed))
        noise = np.random.default_rng(100 + seed).standard_normal((120, 1))
        found, variances = missed_importances(definition, rows, noise)
        shares.append(found.any())
        assert np.square(found).sum() < 10 * variances.sum() or not found.any()
    assert np.mean(shares) < 0.4


@pytest.mark.parametrize("definition", ["lime", "shapley"])
def test_nothing_is_missed_where_every_coalition_was_asked(definition):
    first = all_coalitions(6)[:32]
    rows = np.concatenate([first, ~first])
    found, variances = missed_importances(definition, rows, rows[:, :1] * 2.0)
    np.testing.assert_allclose(found, 0.0, atol=1e-12)
    np.testing.assert_allclose(variances, 0.0, atol=1e-12)


@pytest.mark.parametrize("definition", ["lime", "shapley"])
def test_too_few_rows_say_nothing(definition):
    rows = pairs(4, 9, np.random.default_rng(3))
    found, variances = missed_importances(definition, rows, rows[:, :1] * 2.0)
    assert found.shape == variances.shape == (1, 9)
    assert not found.any()
    assert not variances.any()


def test_a_segment_that_only_one_pair_tells_apart_says_nothing():
    rows = pairs(30, 7, np.random.default_rng(4))
    rows[:30, 6], rows[30:, 6] = rows[:30, 5], rows[30:, 5]  # 5 and 6 together, but in one pair
    rows[0, 6], rows[30, 6] = ~rows[0, 5], ~rows[30, 5]
    # All else is plain, so that only this pair's leverage of 1 says that nothing is known.
    found, _ = missed_importances("shapley", rows, rows[:, :1] * 1e6)
    assert not found.any()


def test_for_lime_the_noise_is_that_of_rows_predicted_by_the_others():
    rows = pairs(40, 6, np.random.default_rng(8))[:30]
    rows = rows[rows.any(axis=1) & ~rows.all(axis=1)]
    n = len(rows)
    noise = np.random.default_rng(9).standard_normal(n)
    missed = (5.0 * rows[:, 0] + noise) / (1 - n / 2**6)  # this factor is taken off again
    weights = kernel_weights(cosine_distance(rows), 0.25)
    design, root = np.column_stack([np.ones(n), rows]), np.sqrt(weights)[:, None]
    values = missed * (1 - n / 2**6)
    left_out = np.empty(n)
    for row in range(n):
        rest = np.arange(n) != row
        fit = np.linalg.lstsq((design * root)[rest], values[rest] * root[rest, 0], rcond=None)[0]
        left_out[row] = values[row] - design[row] @ fit
    mapper = (np.linalg.pinv(design * root) * root.T)[1:]
    variances, effects = mapper**2 @ left_out**2, mapper @ values
    share = 1 - variances.sum() / (effects**2).sum()
    found, its_variances = missed_importances("lime", rows, missed[:, None])
    np.testing.assert_allclose(found[0], share * effects, rtol=1e-6)
    np.testing.assert_allclose(its_variances[0], share * variances, rtol=1e-6)


def test_targets_do_not_touch_each_other():
    rows = pairs(40, 8, np.random.default_rng(5))
    both = np.stack(
        [rows[:, 0] - 1.0 * rows[:, 1], np.random.default_rng(6).standard_normal(80)], axis=1
    )
    found, variances = missed_importances("shapley", rows, both)
    for target in (0, 1):
        alone, its_variances = missed_importances("shapley", rows, both[:, [target]])
        np.testing.assert_allclose(found[[target]], alone, atol=1e-12)
        np.testing.assert_allclose(variances[[target]], its_variances, atol=1e-12)


def test_small_effects_below_large_even_interactions_are_not_shrunken_away():
    # f(z) - f(~z) holds the effects alone, yet most of the variance is the same for z and ~z.
    d, rng = 12, np.random.default_rng(7)
    half = 3 * rng.standard_normal(2 ** (d - 1))
    effects = rng.standard_normal(d)
    table = np.concatenate([half, half[::-1]]) + all_coalitions(d) @ effects
    bits = 1 << np.arange(d)
    explainer = QuickShap(
        max_samples=128, tolerance=0, segmenter=Grid(cell=(1, 1)), fill=Constant(0)
    )
    explanation = explainer.explain(
        np.ones((1, d)), lambda batch: table[(batch.reshape(len(batch), -1) > 0.5) @ bits], rng=0
    )
    missed = explanation.importances - exact_values(table)
    assert np.square(missed).sum() < 0.01 * np.square(effects).sum()
    assert (np.abs(missed) < 4 * explanation.standard_errors).all()


@pytest.mark.parametrize("definition", ["lime", "shapley"])
def test_there_may_be_more_coalitions_than_the_largest_float(definition):
    first = np.random.default_rng(0).random((20, 1100)) < 0.5
    rows = np.concatenate([first, ~first])
    found, variances = missed_importances(definition, rows, rows[:, :1] * 1.0)
    assert not found.any()  # fewer rows than segments
    assert not variances.any()
