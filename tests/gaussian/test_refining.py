"""All parameters at once: where rows that were left out say that it pays, and nowhere else."""

import numpy as np
import pytest

from limelens import Constant, Grid, QuickLime, QuickShap
from limelens.games.coalitions import distinct_rows
from limelens.gaussian import refining
from limelens.gaussian.kernel import relevance
from limelens.gaussian.learning import learn_kernels
from limelens.gaussian.process import fit_processes
from limelens.gaussian.refining import refined
from limelens.testing import all_coalitions, exact_values

D = 10


def rows_of(n_pairs, seed=0, *, folded=True):
    half = np.random.default_rng(seed).random((n_pairs, D)) < 0.5
    return distinct_rows(np.concatenate([half, ~half]) if folded else half)[0]


def few_matter(rows):
    """Four of ten segments matter, and only together: a sum of two small trees."""
    a, b, c, d = rows[:, :4].T
    return (np.where(a, np.where(b, 3.0, -1.0), 0.5) + np.where(c & ~d, 2.0, 0.0))[:, np.newaxis]


def fit(rows, values):
    return fit_processes(rows, [values], relevance(None, D))[0]


@pytest.mark.parametrize("folded", [True, False], ids=["pairs", "single rows"])
def test_segments_that_never_matter_lose_their_relevance(folded):
    rows = rows_of(100, folded=folded)
    process = fit(rows, few_matter(rows))
    better = refined(process, few_matter(rows))
    assert better.kernel.relevance[:4].sum() > 0.9 > process.kernel.relevance[:4].sum()
    new = all_coalitions(D)
    before, after = (
        np.square(few_matter(new) - each.predict(new)).mean() for each in (process, better)
    )
    assert after < 0.2 * before


def test_noise_is_not_believed():
    rows = rows_of(100)
    values = np.random.default_rng(1).normal(size=(len(rows), 1))
    process = fit(rows, values)
    assert refined(process, values) is process


def test_one_half_is_enough_to_refuse(monkeypatch):
    asked, ascend = [], refining._ascend
    monkeypatch.setattr(refining, "_ascend", lambda *args: asked.append(args) or ascend(*args))
    rows = rows_of(100)
    process = fit(rows, few_matter(rows))
    refined(process, few_matter(rows))
    assert len(asked) == 3
    monkeypatch.setattr(refining, "_HOPELESS", 0.0)
    assert refined(process, few_matter(rows)) is process
    assert len(asked) == 4


def test_the_halves_predict_each_other_and_decide(monkeypatch):
    rows = rows_of(100)
    process = fit(rows, few_matter(rows))
    monkeypatch.setattr(refining, "_WORTH_IT", 1e-9)
    assert refined(process, few_matter(rows)) is process


def test_halves_keep_complements_together_and_take_so_many():
    half = np.random.default_rng(0).random((300, 20)) < 0.5
    rows = distinct_rows(np.concatenate([half, ~half]))[0]
    first, second = refining._halves(rows, 512)
    assert len(first) + len(second) == 512
    assert not set(first) & set(second)
    for half in (first, second):
        one, other = np.split(half, 2)
        np.testing.assert_array_equal(rows[one], ~rows[other])


def test_too_few_rows_a_segment_are_not_asked():
    rows = rows_of(4 * D)  # a few of these come twice
    assert len(rows) < 8 * D
    process = fit(rows, few_matter(rows))
    assert refined(process, few_matter(rows)) is process


def test_an_additive_kernel_stays():
    rows = rows_of(100)
    values = (rows @ np.arange(1.0, D + 1))[:, np.newaxis]
    process = fit(rows, values)
    assert process.kernel.additive == 1
    assert refined(process, values) is process


def test_the_fitted_numbers_count_in_the_variance():
    rows = rows_of(100)
    values = few_matter(rows)
    better = refined(fit(rows, values), values)
    centred = (values - values.mean())[:, 0]
    # sigma^2 = y' C^-1 y / n, times n / (n - d - 3).
    assert better.scale[0, 0] == pytest.approx(centred @ better.weights[:, 0] / (len(rows) - D - 3))


def test_learning_ends_with_it():
    rows = rows_of(100)
    (learned,) = learn_kernels([fit(rows, few_matter(rows))], [few_matter(rows)])
    assert learned.kernel.relevance[:4].sum() > 0.97


def test_a_target_that_changes_in_one_row_alone_is_no_trouble():
    rows = rows_of(100)
    values = np.zeros((len(rows), 1))
    values[7] = 1.0
    assert np.isfinite(refined(fit(rows, values), values).scale).all()


@pytest.mark.parametrize(("explainer", "definition"), [(QuickShap, "shapley"), (QuickLime, "lime")])
def test_small_trees_are_found_from_a_quarter_of_the_coalitions(explainer, definition):
    table = few_matter(all_coalitions(D))
    exact = exact_values(table[:, 0], definition)[0]
    bits = 1 << np.arange(D)
    explanation = explainer(
        segmenter=Grid(cell=(1, 1)), fill=Constant(0), max_samples=256, tolerance=0
    ).explain(np.ones((1, D)), lambda b: table[(b.reshape(len(b), -1) > 0.5) @ bits, 0], rng=0)
    np.testing.assert_allclose(explanation.importances[0], exact, atol=0.02)
