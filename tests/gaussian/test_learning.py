"""A kernel that learns which segments matter and how far they work together."""

import numpy as np
import pytest

from limelens.games.coalitions import distinct_rows, signs
from limelens.gaussian import learning
from limelens.gaussian.closed_forms import shapley_effects
from limelens.gaussian.kernel import relevance
from limelens.gaussian.learning import learn_kernels, learned_relevance
from limelens.gaussian.process import fit_processes

D = 14


def rows_of(n=120, seed=0, d=D):
    half = np.random.default_rng(seed).random((n // 2, d)) < 0.5
    return distinct_rows(np.concatenate([half, ~half]))[0]


def fit(rows, values):
    (process,) = fit_processes(rows, [values], relevance(None, rows.shape[1]))
    return process


def two_matter(rows, seed=0):
    spins = signs(rows)
    noise = np.random.default_rng(seed).normal(size=len(rows))
    return (3 * spins[:, 0] - 2 * spins[:, 5] + spins[:, 0] * spins[:, 5] + noise)[:, np.newaxis]


def test_segments_that_matter_are_expected_to():
    rows = rows_of()
    process = fit(rows, two_matter(rows))
    learned = learned_relevance(process)
    assert learned.sum() == pytest.approx(1)
    assert learned[0] > learned[5] > 5 * np.delete(learned, [0, 5]).max()
    assert learned.min() > 0.1 / D  # a tenth is shared alike


def test_what_was_learned_is_likelier_and_errs_less():
    errors = {"prior": [], "learned": []}
    exact = np.zeros(D)
    exact[[0, 5]] = 6, -4
    for seed in range(5):
        rows = rows_of(80, seed)
        values = two_matter(rows, seed)
        process = fit(rows, values)
        (better,) = learn_kernels([process], [values])
        assert better.log_likelihood > process.log_likelihood
        for name, each in (("prior", process), ("learned", better)):
            errors[name].append(np.linalg.norm(shapley_effects(each)[0][0] - exact))
    assert np.mean(errors["learned"]) < 0.7 * np.mean(errors["prior"])


def test_interactions_of_high_order_are_learned_to_be_expected():
    rows = rows_of(200)
    products = np.stack([signs(rows)[:, each].prod(axis=1) for each in np.arange(12).reshape(3, 4)])
    values = products.sum(axis=0)[:, np.newaxis] + 0.1 * two_matter(rows)
    process = fit(rows, values)
    (learned,) = learn_kernels([process], [values])
    assert learned.kernel.decay <= process.kernel.decay


def test_noise_teaches_nothing_to_believe_in():
    rows = rows_of()
    values = np.random.default_rng(1).normal(size=(len(rows), 1))
    (process,) = learn_kernels([fit(rows, values)], [values])
    assert process.kernel.relevance.max() < 0.5
    assert np.abs(shapley_effects(process)[0]).max() < 1


def test_columns_share_what_they_learn_whatever_their_scale():
    rows = rows_of()
    one = two_matter(rows)
    both = np.concatenate([one, 1e6 * two_matter(rows, seed=1)], axis=1)
    learned = learned_relevance(fit(rows, both))
    np.testing.assert_allclose(learned, learned_relevance(fit(rows, both * [1e3, 1])), rtol=1e-6)
    assert learned[[0, 5]].sum() > 0.7


def test_processes_learn_together_what_each_learns_alone():
    rows = rows_of()
    products = signs(rows)[:, :4].prod(axis=1)[:, np.newaxis]
    groups = [two_matter(rows), products + two_matter(rows, seed=1), two_matter(rows, seed=2)]
    processes = [fit(rows, values) for values in groups]
    for learned, process, values in zip(
        learn_kernels(processes, groups), processes, groups, strict=True
    ):
        (alone,) = learn_kernels([process], [values])
        np.testing.assert_array_equal(learned.weights, alone.weights)
        assert learned.log_likelihood > process.log_likelihood


def test_a_kernel_without_a_product_part_has_no_decay_to_learn():
    rows = rows_of()
    values = (signs(rows) @ np.arange(1.0, D + 1))[:, np.newaxis]
    process = fit(rows, values)
    assert process.kernel.additive == 1
    (learned,) = learn_kernels([process], [values])
    assert learned.kernel.decay == process.kernel.decay


def shapley_design(n_others=12):
    """Both ends, all rows that keep or hide a single segment, and some pairs of other sizes."""
    single = np.eye(D, dtype=bool)
    first = np.concatenate([np.ones((1, D), dtype=bool), single, rows_of(4 * n_others)[:n_others]])
    return distinct_rows(np.concatenate([first, ~first]))[0]


def majority(rows):
    return (rows.mean(axis=1) > 0.5).astype(float)[:, np.newaxis]


def test_a_flat_score_of_single_segments_does_not_make_others_matter_more():
    rows = shapley_design()
    process = fit(rows, majority(rows))
    (sure,) = learn_kernels([process], [majority(rows)])
    (careful,) = learn_kernels([process], [majority(rows)], careful=True)
    assert sure.kernel.relevance.max() > 0.3
    assert careful.kernel.relevance.max() < 0.2


def test_a_rule_of_few_segments_is_learned_with_care_too():
    rows = shapley_design()
    rule = rows[:, [1, 4, 7]].all(axis=1).astype(float)[:, np.newaxis]
    process = fit(rows, rule)
    (sure,) = learn_kernels([process], [rule])
    (careful,) = learn_kernels([process], [rule], careful=True)
    np.testing.assert_array_equal(careful.kernel.relevance, sure.kernel.relevance)
    assert careful.kernel.relevance[[1, 4, 7]].sum() > 0.8


def three_trees(rows):
    rng = np.random.default_rng(6)
    trees = [rng.normal(size=8)[rows[:, i : i + 3] @ [1, 2, 4]] for i in (0, 1, 3)]
    return np.sum(trees, axis=0)[:, np.newaxis]


def test_where_single_segments_matter_at_the_ends_a_smaller_gain_suffices(monkeypatch):
    """31 pairs are too few to refine, but the steps at both ends show what matters."""
    rows = shapley_design(16)
    values = three_trees(rows)
    process = fit(rows, values)
    (sure,) = learn_kernels([process], [values])
    (careful,) = learn_kernels([process], [values], careful=True)
    np.testing.assert_array_equal(careful.kernel.relevance, sure.kernel.relevance)
    monkeypatch.setattr(learning, "_shown_at_the_ends", lambda *_: 0.0)
    (flat,) = learn_kernels([process], [values], careful=True)
    assert flat.kernel.relevance.max() < 0.5 * sure.kernel.relevance.max()


def test_what_can_be_refined_starts_from_more_equal_relevances(monkeypatch):
    monkeypatch.setattr(learning, "refined", lambda process, *_: process)
    rows = shapley_design(48)
    values = three_trees(rows)
    process = fit(rows, values)
    (sure,) = learn_kernels([process], [values])
    (careful,) = learn_kernels([process], [values], careful=True)
    assert careful.kernel.relevance.max() < 0.8 * sure.kernel.relevance.max()


def test_what_the_steps_at_both_ends_show():
    rows = shapley_design()
    additive = (rows @ np.arange(1.0, D + 1))[:, np.newaxis]
    assert learning._shown_at_the_ends(fit(rows, additive), additive) > 0.95
    assert learning._shown_at_the_ends(fit(rows, majority(rows)), majority(rows)) == 0
    lone = majority(rows) + 5.0 * (rows.sum(axis=1) == 1)[:, np.newaxis] * rows[:, :1]
    assert learning._shown_at_the_ends(fit(rows, lone), lone) < 0.5  # one step, however large
    inner = rows[(rows.sum(axis=1) > 1) & (rows.sum(axis=1) < D - 1)]
    values = (inner @ np.arange(1.0, D + 1))[:, np.newaxis]
    assert learning._shown_at_the_ends(fit(inner, values), values) == 0  # no end was asked
    asked = rows.sum(axis=1)
    some = rows[((asked != 1) | ~rows[:, 0]) & ((asked != D - 1) | rows[:, 0])]
    values = some[:, :1].astype(float)
    assert learning._shown_at_the_ends(fit(some, values), values) < 0.1  # the first was not asked


def test_the_steps_at_both_ends_are_averaged_in_units_of_the_score():
    rows, weights = shapley_design(), np.arange(1.0, D + 1)
    values, sizes = rows @ weights, rows.sum(axis=1)
    alone, last = sizes == 1, sizes == D - 1
    values[alone] *= 0.5
    values[last] += 0.5 * (~rows[last] @ weights)
    halved = values[:, np.newaxis]
    for scale in (1.0, 1e-3, 1e3):  # steps that are half of the effects: a quarter of the squares
        shown = learning._shown_at_the_ends(fit(rows, scale * halved), scale * halved)
        assert shown == pytest.approx(0.25, abs=0.05)


def test_single_segments_show_nothing_without_the_ends():
    rows = shapley_design()
    rows = rows[rows.any(axis=1) & ~rows.all(axis=1)]
    values = (rows @ np.arange(1.0, D + 1))[:, np.newaxis]
    assert learning._shown_at_the_ends(fit(rows, values), values) == 0
