"""Intervals clustered by image, tests that hold for a whole family, shares of images."""

import numpy as np
import pytest
from scipy import stats

from limelens.audits.inference import (
    family_wise,
    is_singular,
    quantile,
    regress,
    share_of_images,
)
from limelens.audits.pooling import Estimate


def exact(*effects):
    return [Estimate(effects=np.asarray(each, dtype=float)) for each in effects]


def test_a_label_has_the_mean_effect_of_the_images_that_have_it():
    tables = [np.eye(2), np.eye(2), np.array([[1.0, 0.0]])]  # the third lacks the second label
    found = regress(tables, exact([1, 4], [3, 8], [5]), np.random.default_rng(0))
    assert found.values.round(12).tolist() == [3.0, 6.0]
    assert found.present.tolist() == [[True, True], [True, True], [True, False]]
    np.testing.assert_allclose(found.dof, [2, 1])
    np.testing.assert_allclose(found.parts.mean(axis=0), found.values)


def test_the_error_of_a_mean_is_its_standard_deviation_over_the_root_of_n():
    effects = np.array([1.0, 3.0, 8.0])
    found = regress([np.ones((1, 1))] * 3, exact(*effects[:, np.newaxis]), np.random.default_rng(0))
    np.testing.assert_allclose(found.errors, effects.std(ddof=1) / np.sqrt(3))


def test_coefficients_are_least_squares_over_all_segments():
    rng = np.random.default_rng(0)
    tables = [rng.normal(size=(d, 3)) for d in (4, 6, 5)]
    effects = [rng.normal(size=len(table)) for table in tables]
    found = regress(tables, exact(*effects), rng)
    expected = np.linalg.lstsq(np.concatenate(tables), np.concatenate(effects), rcond=None)[0]
    np.testing.assert_allclose(found.values, expected)


def test_the_error_leaves_out_one_image_at_a_time():
    rng = np.random.default_rng(0)
    tables = [rng.normal(size=(5, 2)) for _ in range(6)]
    effects = [rng.normal(size=5) for _ in range(6)]
    left = [
        np.linalg.lstsq(
            np.concatenate(tables[:i] + tables[i + 1 :]),
            np.concatenate(effects[:i] + effects[i + 1 :]),
            rcond=None,
        )[0]
        for i in range(6)
    ]
    expected = np.sqrt(5 / 6 * np.square(left - np.mean(left, axis=0)).sum(axis=0))
    np.testing.assert_allclose(regress(tables, exact(*effects), rng).errors, expected)


def test_a_label_of_a_single_image_has_no_error():
    tables = [np.eye(2), np.array([[1.0, 0.0]])]
    found = regress(tables, exact([1, 4], [3]), np.random.default_rng(0))
    assert found.values.round(12).tolist() == [2.0, 4.0]
    assert np.isfinite(found.errors[0])
    assert np.isnan(found.errors[1])


def test_shuffled_descriptors_say_what_any_segment_does():
    tables = [np.eye(2)] * 40
    found = regress(tables, exact(*[[0.0, 2.0]] * 40), np.random.default_rng(0))
    assert found.values.round(12).tolist() == [0.0, 2.0]
    assert np.abs(found.controls.mean(axis=0) - 1).max() < 0.05
    np.testing.assert_allclose(found.controls.sum(axis=1), 2)  # nothing is lost, only dealt anew


@pytest.mark.parametrize("n", [8, 20, 60])
def test_intervals_hold_the_mean_of_the_population(n):
    rng = np.random.default_rng(n)
    held = []
    for _ in range(400):
        tables = [rng.normal(size=(6, 2)) for _ in range(n)]
        slopes = np.array([1.0, -2.0]) + rng.normal(size=(n, 2))
        effects = [t @ s + rng.normal(size=6) for t, s in zip(tables, slopes, strict=True)]
        found = regress(tables, exact(*effects), rng)
        half = quantile(found.dof) * found.errors
        held.append(np.abs(found.values - [1.0, -2.0]) <= half)
    assert 0.92 < np.mean(held) < 0.98


def test_nothing_is_found_in_noise_more_often_than_the_level_says():
    rng = np.random.default_rng(0)
    loads = rng.normal(size=(5, 40))  # forty correlated means
    smallest = [family_wise(rng.normal(size=(20, 5)) @ loads, rng).min() for _ in range(200)]
    assert stats.kstest(smallest, "uniform").pvalue > 0.001


def test_a_family_of_many_asks_for_more():
    rng = np.random.default_rng(0)
    one = rng.normal(size=(20, 1)) + 0.6
    many = np.column_stack([one, rng.normal(size=(20, 200))])
    alone, among = (family_wise(parts, np.random.default_rng(1))[0] for parts in (one, many))
    assert alone < among


def test_means_that_are_zero_or_the_same_everywhere():
    p = family_wise(np.column_stack([np.zeros(12), np.ones(12)]), np.random.default_rng(0))
    assert p[0] == 1
    assert p[1] < 0.01


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_tests_do_not_depend_on_the_unit(scale):
    parts = np.random.default_rng(0).normal(size=(12, 3)) + 1
    plain, scaled = (family_wise(each, np.random.default_rng(1)) for each in (parts, scale * parts))
    np.testing.assert_allclose(plain, scaled, atol=2e-3)


def test_without_noise_a_share_is_a_count_with_wilsons_interval():
    found = share_of_images(np.array([1.0, 2.0, -1.0, 3.0]), np.zeros(4), np.random.default_rng(0))
    expected = stats.binomtest(3, 4).proportion_ci(method="wilson")
    assert found.value == 0.75
    assert found.low <= expected.low
    assert found.high >= expected.high


def test_a_negative_mean_counts_the_negative_effects():
    parts = np.array([-1.0, -2.0, -5.0, 3.0])
    assert share_of_images(parts, np.zeros(4), np.random.default_rng(0)).value == 0.75


def test_noise_does_not_pass_for_images_that_differ():
    rng = np.random.default_rng(0)
    effects = 1 + 0.3 * rng.normal(size=200)
    parts = effects + 2 * rng.normal(size=200)
    assert (parts > 0).mean() < 0.8  # what counting would say
    found = share_of_images(parts, np.full(200, 4.0), rng)
    assert found.low <= (effects > 0).mean() <= found.high
    assert found.value > 0.85


@pytest.mark.parametrize(("tau", "noise"), [(1.0, 0.5), (1.0, 2.0), (2.0, 1.0)])
def test_intervals_hold_the_share_of_normal_effects(tau, noise):
    rng = np.random.default_rng(7)
    true, held = stats.norm.cdf(1 / tau), 0
    for _ in range(100):
        parts = 1 + tau * rng.normal(size=60) + noise * rng.normal(size=60)
        found = share_of_images(parts, np.full(60, noise**2), rng)
        held += found.low <= true <= found.high
    assert held >= 90


def test_one_pair_an_image_tells_no_share():
    found = share_of_images(np.ones(5), np.full(5, np.nan), np.random.default_rng(0))
    assert np.isnan([found.value, found.low, found.high]).all()


def test_descriptors_that_say_the_same_are_noticed():
    assert is_singular([np.ones((3, 2))])
    assert not is_singular([np.eye(2), 1e-9 * np.eye(2)])
