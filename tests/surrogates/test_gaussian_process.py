import numpy as np
import pytest

from limelens import Constant, GaussianProcess, Grid, KernelShap, Lime
from limelens.errors import InvalidInputError
from limelens.games.coalitions import average_rows, distinct_rows
from limelens.gaussian.kernel import relevance
from limelens.gaussian.process import fit_processes
from limelens.sampling import Bernoulli
from limelens.testing import all_coalitions, exact_values

DEFINITIONS = ["lime", "banzhaf", "shapley"]


def fit(rows, values, definition="lime", **settings):
    return GaussianProcess(definition, **settings)(rows, values, np.ones(len(rows)))


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_every_coalition_asked_gives_the_definition(definition):
    rng = np.random.default_rng(0)
    rows = all_coalitions(6)
    spins = 2.0 * rows - 1
    table = spins @ rng.normal(size=6) + spins[:, 0] * spins[:, 1]
    found = fit(rows, table, definition).importances
    # What little is missing is the noise share, at least 0.001 of the variance.
    np.testing.assert_allclose(found, exact_values(table, definition), atol=0.02)


def test_a_product_of_three_has_larger_shapley_than_banzhaf_values():
    # They are 1/3 and 1/4. A product of two has the same of both.
    rows = all_coalitions(6)
    table = rows[:, :3].all(axis=1) * 1.0
    banzhaf, shapley = (fit(rows, table, kind).importances[0] for kind in ("banzhaf", "shapley"))
    np.testing.assert_allclose(banzhaf, [0.25] * 3 + [0.0] * 3, atol=0.01)
    assert (shapley[:3] > 0.27).all()


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_intervals_cover_the_effects_of_functions_drawn_from_the_prior(definition):
    """95 % intervals of the true Banzhaf, Shapley and LIME values, hyper-parameters estimated."""
    from limelens.gaussian.kernel import MaskKernel

    d, rng = 6, np.random.default_rng(1)
    every = all_coalitions(d)
    kernel = MaskKernel(relevance=np.full(d, 1 / d), additive=0.3).matrix(every, every)
    root = np.linalg.cholesky(0.9 * kernel + 0.1 * np.eye(len(every)))
    hits = []
    for _ in range(30):
        table = root @ rng.normal(size=len(every))
        chosen = rng.permutation(len(every))[:24]
        found = fit(every[chosen], table[chosen], definition)
        missed = np.abs(found.importances[0] - exact_values(table, definition)[0])
        hits.append(missed < 1.96 * found.standard_errors[0])
    assert 0.88 < np.mean(hits) < 0.985


def test_definitions_agree_on_additive_scores_and_differ_on_interactions():
    rows = all_coalitions(7)
    additive = rows @ np.arange(7.0)
    together = rows[:, :4].all(axis=1)
    for table, differ in ((additive, False), (additive + 5 * together, True)):
        banzhaf, shapley = (fit(rows, table, kind).importances for kind in ("banzhaf", "shapley"))
        assert (np.abs(banzhaf - shapley).max() > 0.3) == differ


def test_targets_are_fitted_as_if_alone(make_rows):
    rows, values, _ = make_rows(d=8)
    both = fit(rows, values)
    for target in (0, 1):
        alone = fit(rows, values[:, [target]])
        np.testing.assert_allclose(alone.importances[0], both.importances[target], rtol=1e-9)
        np.testing.assert_allclose(alone.fidelity[0], both.fidelity[target], rtol=1e-9)


def test_units_and_offsets_of_the_scores_do_not_matter(make_rows):
    rows, values, _ = make_rows(d=8)
    one, other = fit(rows, values), fit(rows, 1e-6 * values + 3.0)
    np.testing.assert_allclose(other.importances, 1e-6 * one.importances, rtol=1e-5)
    np.testing.assert_allclose(other.standard_errors, 1e-6 * one.standard_errors, rtol=1e-5)


def test_more_energy_is_given_more_of_what_cannot_be_told_apart():
    rows = np.random.default_rng(0).random((30, 4)) < 0.5
    rows[:, 1] = rows[:, 0]
    values = 2.0 * rows[:, 0] + 0.01 * np.random.default_rng(1).normal(size=30)
    alike = fit(rows, values).importances[0]
    prior = fit(rows, values, energy=[9.0, 1.0, 1.0, 1.0]).importances[0]
    assert alike[0] == pytest.approx(alike[1], rel=1e-6)
    assert prior[0] > 1.5 * prior[1]
    assert prior[:2].sum() == pytest.approx(2.0, abs=0.1)


def test_fidelity_is_that_of_held_out_rows():
    rng = np.random.default_rng(0)
    rows, new = rng.random((2, 300, 14)) < 0.5
    effects, noise = rng.normal(size=14), 0.7
    values = rows @ effects + noise * rng.normal(size=300)
    unseen = new @ effects + noise * rng.normal(size=300)
    found = fit(rows, values, "banzhaf")
    predicted = found.intercepts[0] + new @ found.importances[0]
    actual = 1 - np.square(unseen - predicted).mean() / unseen.var()
    assert found.fidelity[0] == pytest.approx(actual, abs=0.1)
    assert found.fidelity[0] < found.training_fidelity[0]


def test_constant_scores_have_no_effects_and_no_errors(make_rows):
    rows, values, _ = make_rows(d=8)
    values[:, 0] = 0.3
    found = fit(rows, values)
    np.testing.assert_array_equal(found.importances[0], 0)
    assert found.intercepts[0] == pytest.approx(0.3)
    assert np.isnan(found.standard_errors[0]).all()
    assert np.isnan(found.fidelity[0])
    assert np.isfinite(found.standard_errors[1]).all()


def test_equal_rows_are_averaged_and_rows_of_weight_zero_left_out(make_rows):
    rows, values, _ = make_rows(n=40, d=8)
    expected = fit(rows, values).importances
    doubled = np.concatenate([rows, rows[:7], rows])
    noisy = np.concatenate([values, values[:7], 1e6 + values])
    weights = np.r_[np.ones(47), np.zeros(40)]
    found = GaussianProcess()(doubled, noisy, weights).importances
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_fewer_rows_than_segments_give_a_finite_answer(make_rows):
    rows, values, _ = make_rows(n=12, d=40)
    found = fit(rows, values)
    assert np.isfinite(found.importances).all()
    assert (found.standard_errors > 0).all()


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_distinct_rows_say_nothing(n):
    rows = np.repeat(np.eye(4, dtype=bool)[:n], 3, axis=0)
    found = fit(rows, np.arange(3.0 * n))
    np.testing.assert_array_equal(found.importances, 0)
    assert np.isnan(found.standard_errors).all()


def test_it_is_a_surrogate_of_lime():
    image = np.ones((4, 8))
    lime = Lime(
        segmenter=Grid(cell=(2, 2)), fill=Constant(0), n_samples=30, surrogate=GaussianProcess()
    )
    weights = np.arange(8.0).reshape(2, 4).repeat(2, axis=0).repeat(2, axis=1)
    found = lime.explain(image, lambda batch: (batch * weights).mean(axis=(1, 2)), rng=0)
    np.testing.assert_allclose(found.importances[0], np.arange(8) / 8, atol=0.02)
    assert found.standard_errors is not None


def test_it_refits_the_rows_of_kernel_shap():
    image = np.ones((2, 16))

    def predict(batch):
        return batch[:, 0, 0] * batch[:, 0, 2] + batch[:, 0, 4]

    paid = KernelShap(segmenter=Grid(cell=(2, 2)), fill=Constant(0), n_samples=100)
    rows = paid.explain(image, predict, rng=0).samples
    found = fit(rows.coalitions, rows.scores.astype(float), "shapley")
    expected = [0.5, 0.5, 1, 0, 0, 0, 0, 0]
    np.testing.assert_allclose(found.importances[0], expected, atol=0.05)


@pytest.mark.parametrize("values", ["owen", None, "LIME"])
def test_unknown_definitions_are_refused(values):
    with pytest.raises(InvalidInputError, match="`values` must be one of 'lime', 'banzhaf'"):
        GaussianProcess(values)


@pytest.mark.parametrize("energy", [[-1.0, 2.0], [[1.0]], [np.nan], "many"])
def test_bad_energies_are_refused(energy):
    with pytest.raises(InvalidInputError, match="`energy` must"):
        GaussianProcess(energy=energy)


def test_energy_must_be_of_the_segments():
    rows = Bernoulli()(20, 5, np.random.default_rng(0))
    with pytest.raises(InvalidInputError, match="`energy` must be 5 numbers"):
        fit(rows, np.arange(20.0), energy=[1.0, 2.0])


def test_how_many_rows_choose_the_kernel_is_a_setting_and_is_told(make_rows):
    rows, values, _ = make_rows(n=100, d=8)
    distinct = len(distinct_rows(rows)[0])
    few, most = fit(rows, values, kernel_rows=64), fit(rows, values)
    assert few.details["kernel_rows"] == 64 < distinct == most.details["kernel_rows"]
    assert (few.importances != most.importances).any()
    assert fit(rows, np.ones((len(rows), 1))).details["kernel_rows"] == 0
    with pytest.raises(InvalidInputError, match="`kernel_rows` must be an integer >= 64; got 9"):
        GaussianProcess(kernel_rows=9)


def test_details_are_the_hyper_parameters_of_each_targets_own_process(make_rows):
    rows, values, _ = make_rows(d=8)
    still = np.full(len(rows), 0.25)
    found = fit(rows, np.column_stack([1e4 * values[:, 0], still, values[:, 1]])).details
    distinct, positions = distinct_rows(rows)
    averages = average_rows(values, positions, len(distinct))
    columns = [averages[:, [0]], averages[:, [1]]]
    processes = fit_processes(distinct, columns, relevance(None, rows.shape[1]))
    for name, own in (
        ("additive", [process.kernel.additive for process in processes]),
        ("noise", [process.noise for process in processes]),
    ):
        np.testing.assert_allclose(found[name], [own[0], np.nan, own[1]])
    assert (found["additive"] != found["noise"]).all()
