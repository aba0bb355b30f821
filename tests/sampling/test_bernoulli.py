import itertools

import numpy as np
import pytest

from limelens import Bernoulli, Exhaustive, InvalidInputError


def draw(sampler, n, d, seed=0):
    return sampler(n, d, np.random.default_rng(seed))


def test_bernoulli_gives_bools_of_the_shape_asked_for():
    rows = draw(Bernoulli(), 5, 3)
    assert rows.dtype == np.bool_
    assert rows.shape == (5, 3)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_bernoulli_keeps_each_segment_with_probability_p(p):
    rows = draw(Bernoulli(p), 20_000, 4)
    error = np.sqrt(p * (1 - p) / 20_000)
    np.testing.assert_allclose(rows.mean(axis=0), p, atol=4 * error)


def test_bernoulli_tosses_for_every_segment_on_its_own():
    rows = draw(Bernoulli(), 20_000, 4)
    correlations = np.corrcoef(rows.T) - np.eye(4)
    assert np.abs(correlations).max() < 4 / np.sqrt(20_000)


@pytest.mark.parametrize("p", [0.3, 0.5])
def test_a_longer_design_of_the_same_seed_starts_with_the_shorter_one(p):
    short, long = draw(Bernoulli(p), 7, 5), draw(Bernoulli(p), 100, 5)
    np.testing.assert_array_equal(long[:7], short)


def test_other_seeds_give_other_rows():
    assert (draw(Bernoulli(), 10, 5, seed=0) != draw(Bernoulli(), 10, 5, seed=1)).any()


@pytest.mark.parametrize("p", [0, 1, -0.5, np.nan, "half"])
def test_a_probability_that_is_none_is_refused(p):
    with pytest.raises(InvalidInputError, match="`p` must be a finite number in \\(0, 1\\)"):
        Bernoulli(p)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_exhaustive_asks_about_every_coalition_once_the_intact_image_first(d):
    rows = draw(Exhaustive(), 2**d, d)
    expected = set(itertools.product([False, True], repeat=d))
    assert len(rows) == 2**d
    assert {tuple(row) for row in rows.tolist()} == expected
    assert rows[0].all()
    assert not rows[-1].any()


def test_exhaustive_gives_no_row_twice_when_more_are_allowed():
    assert len(draw(Exhaustive(), 1000, 3)) == 8


def test_exhaustive_says_how_many_samples_it_needs():
    with pytest.raises(InvalidInputError, match=r"must be at least 2\*\*4 = 16 .*; got 15"):
        draw(Exhaustive(), 15, 4)


def test_exhaustive_refuses_what_no_model_could_answer():
    with pytest.raises(InvalidInputError, match="takes at most 20 segments; got 50"):
        draw(Exhaustive(), 1000, 50)
