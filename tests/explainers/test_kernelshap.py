"""KernelSHAP: its limit, its error bars, and the sizes where it is weak."""

import warnings
from math import comb

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError, LimelensWarning
from limelens.sampling.distinct import pair_weights, sized_pairs
from limelens.testing import Recorder, TableGame, all_coalitions, exact_values

D = 8
IMAGE = np.ones((1, D))
TABLE = np.random.default_rng(0).normal(size=(2**D, 2)) + all_coalitions(D) @ np.ones((D, 2))


def kernel(n_samples, **settings):
    return ll.KernelShap(
        segmenter=ll.Grid(cell=(1, 1)), fill=ll.Constant(0), n_samples=n_samples, **settings
    )


def game():
    return TableGame(np.arange(D)[np.newaxis], TABLE, image=IMAGE, background=0)


def explain(n_samples, **arguments):
    arguments = {"rng": 0, "target": [0, 1]} | arguments
    return kernel(n_samples).explain(IMAGE, arguments.pop("model", game()), **arguments)


def drawn(n_pairs, seed=0):
    """Return the pairs of a run of this seed, and the weight of each coalition."""
    sizes = np.arange(1, D)
    kernel_of_size = 1 / (sizes * (D - sizes))
    coalitions = sized_pairs(n_pairs, kernel_of_size, np.random.default_rng(seed))
    weights, _ = pair_weights(coalitions[0::2], kernel_of_size, kernel_of_size)
    return coalitions, np.repeat(weights, 2)


def brightness(batch):
    return batch.reshape(len(batch), -1).sum(axis=1)


def test_all_coalitions_are_asked_about_as_soon_as_they_fit():
    explanation = explain(2**D)
    np.testing.assert_allclose(explanation.importances, exact_values(TABLE), atol=1e-9)
    np.testing.assert_array_equal(explanation.standard_errors, 0)
    np.testing.assert_allclose(explanation.reliability, 1)
    assert (
        explanation.n_predictions == 2**D + 3
    )  # the intact image, then both ends again: does it answer the same?
    assert explanation.details["exact"]
    assert not explanation.details["stochastic"]
    assert not explain(2**D - 1).details["exact"]


def test_of_all_coalitions_fidelity_is_that_of_the_kernel_weighted_fit():
    explanation, z = explain(2**D), all_coalitions(D)[1:-1]
    sizes = z.sum(axis=1)
    weights = 1 / (np.array([comb(D, size) for size in sizes]) * sizes * (D - sizes))
    left = TABLE[1:-1] - TABLE[0] - z @ exact_values(TABLE).T
    mean = weights @ TABLE[1:-1] / weights.sum()
    r2 = 1 - weights @ left**2 / (weights @ (TABLE[1:-1] - mean) ** 2)
    np.testing.assert_allclose(explanation.fidelity, r2)
    np.testing.assert_allclose(explanation.details["training_fidelity"], r2)


def test_many_pairs_approach_the_exact_values():
    errors = [np.linalg.norm(explain(n).importances - exact_values(TABLE)) for n in (60, 250)]
    assert errors[1] < 0.7 * errors[0]


def test_the_fit_is_the_constrained_regression_on_the_same_rows():
    """Against the textbook solution by a Lagrange multiplier, row by row, not pair by pair."""
    explanation = explain(60)
    coalitions, weights = drawn(29)
    values = game().on_coalitions(coalitions)
    weighted, change = coalitions.T * weights, TABLE[-1] - TABLE[0]
    system = np.block(
        [[weighted @ coalitions, np.ones((D, 1))], [np.ones((1, D)), np.zeros((1, 1))]]
    )
    right = np.vstack([weighted @ (values - TABLE[0]), change])
    solution = np.linalg.solve(system, right)[:D].T
    np.testing.assert_allclose(explanation.importances, solution, atol=1e-10)
    predicted = TABLE[0] + coalitions @ solution.T
    spread = weights @ np.square(values - weights @ values / weights.sum())
    r2 = 1 - weights @ np.square(values - predicted) / spread
    np.testing.assert_allclose(explanation.details["training_fidelity"], r2)


def test_fidelity_predicts_each_pair_from_the_others():
    """Against refitting without the pair."""
    explanation = explain(60)
    coalitions, weights = drawn(29)
    values = game().on_coalitions(coalitions)
    residuals = np.empty_like(values)
    for pair in range(29):
        rows = np.delete(np.arange(58), [2 * pair, 2 * pair + 1])
        last = coalitions[rows][:, -1:].astype(float)  # the last importance eliminated
        design = coalitions[rows][:, :-1] - last
        change, root = TABLE[-1] - TABLE[0], np.sqrt(weights[rows])[:, np.newaxis]
        left = values[rows] - TABLE[0] - last * change
        free = np.linalg.lstsq(root * design, root * left, rcond=None)[0]
        solution = np.vstack([free, change - free.sum(axis=0)])
        both = [2 * pair, 2 * pair + 1]
        residuals[both] = values[both] - TABLE[0] - coalitions[both] @ solution
    spread = weights @ np.square(values - weights @ values / weights.sum())
    np.testing.assert_allclose(
        explanation.fidelity, 1 - weights @ np.square(residuals) / spread, rtol=1e-8
    )


def test_error_bars_cover_the_exact_values():
    truth, inside = exact_values(TABLE), []
    for seed in range(60):
        explanation = explain(80, rng=seed)
        away = np.abs(explanation.importances - truth)
        inside.append(away < 1.96 * explanation.standard_errors)
    assert 0.93 < np.mean(inside) < 0.99


@pytest.mark.parametrize("n_samples", [18, 100, 101, 254, 255])
def test_the_budget_is_spent_on_different_coalitions(n_samples):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LimelensWarning)
        model = Recorder(game())
        explanation = explain(n_samples, model=model)
    assert model.n_images == explanation.n_predictions == n_samples - n_samples % 2 + 1


def test_more_samples_cost_only_what_is_new():
    first = explain(40)
    more = explain(80, reuse=first)
    fresh = explain(80)
    assert more.n_predictions == fresh.n_predictions - first.n_predictions + 2
    np.testing.assert_array_equal(more.importances, fresh.importances)


def test_fewer_pairs_than_segments_are_refused_before_the_model_is_called():
    model = Recorder(game())
    with pytest.raises(InvalidInputError, match=r"at least 18 for 8 segments.*got 17.*QuickShap"):
        explain(17, model=model)
    assert model.n_calls == 0


def test_sizes_where_the_error_peaks_are_warned_of():
    with pytest.warns(LimelensWarning, match=r"error is largest.*n_samples=32.*QuickShap") as seen:
        explain(27)
    assert seen[0].filename == __file__
    explain(28)  # warnings are errors


def test_the_error_peaks_where_the_warning_says():
    truth = exact_values(TABLE)

    def error(n_samples):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LimelensWarning)
            runs = [explain(n_samples, rng=seed).importances for seed in range(30)]
        return np.median([np.linalg.norm(run - truth) for run in runs])

    assert error(20) > 1.4 * error(34)


def test_importances_left_open_are_shared_equally_and_said_so():
    """Eight pairs of eight segments that repeat each other."""
    image = np.arange(1.0, 9.0)[np.newaxis]
    with pytest.warns(LimelensWarning) as seen:
        explanation = kernel(18).explain(image, brightness, rng=1)
    assert any("do not determine every importance" in str(each.message) for each in seen)
    assert all(each.filename == __file__ for each in seen)
    assert np.isnan(explanation.standard_errors).all()
    np.testing.assert_allclose(explanation.importances.sum(), 36)


def test_a_target_that_never_changes_has_no_fidelity():
    def model(batch):
        return np.column_stack([brightness(batch), np.full(len(batch), 0.1)])

    for n_samples in (60, 2**D):
        with pytest.warns(LimelensWarning, match="never changed"):
            explanation = kernel(n_samples).explain(IMAGE, model, target=[0, 1], rng=0)
        np.testing.assert_allclose(explanation.fidelity, [1, np.nan])


@pytest.mark.parametrize("n_samples", [3, 100.0, True])
def test_settings_are_checked_at_once(n_samples):
    with pytest.raises(InvalidInputError, match="`n_samples` must be an integer >= 4"):
        ll.KernelShap(n_samples=n_samples)


def by_threes(batch):
    """Score segments by threes, as pairs of complements cancel what two do together."""
    z = batch.reshape(len(batch), -1)
    return z[:, :3].prod(axis=1) + 2 * z[:, 3:6].prod(axis=1) + z[:, 6]


@pytest.mark.filterwarnings("ignore:of the 29 pairs")
def test_a_gaussian_process_needs_fewer_samples_where_segments_work_together():
    exact = np.array([1, 1, 1, 2, 2, 2, 3, 0, 0, 0, 0, 0]) / 3
    image, errors = np.ones((1, 12)), {}
    for name, surrogate in (("pairs", None), ("process", ll.GaussianProcess("shapley"))):
        maps = [
            kernel(60, surrogate=surrogate).explain(image, by_threes, rng=seed).importances[0]
            for seed in range(5)
        ]
        errors[name] = np.mean([np.linalg.norm(phi - exact) for phi in maps])
    assert errors["process"] < 0.75 * errors["pairs"]


def test_a_surrogates_importances_still_sum_to_the_difference_of_the_ends():
    surrogate = ll.GaussianProcess("shapley")
    for n_samples in (10, 40, 120):  # fewer pairs than segments, too
        explanation = kernel(n_samples, surrogate=surrogate).explain(
            IMAGE, game(), rng=0, target=[0, 1]
        )
        np.testing.assert_allclose(explanation.importances.sum(axis=1), TABLE[-1] - TABLE[0])
        assert explanation.n_predictions <= n_samples + 1
        assert (explanation.standard_errors > 0).all()
        assert not explanation.details["exact"]


def test_a_linear_surrogate_sees_the_rows_of_the_kernel():
    seen = []

    def surrogate(*rows):
        seen.append(rows)
        return ll.Ridge()(*rows)

    kernel(62, surrogate=surrogate).explain(IMAGE, game(), rng=0, target=1)
    ((coalitions, scores, weights),) = seen
    assert coalitions.shape == (62, D)
    assert coalitions[0].all()
    assert not coalitions[1].any()
    np.testing.assert_array_equal(coalitions[2::2], ~coalitions[3::2])
    assert set(weights[:2]) == {1.0}
    np.testing.assert_allclose(weights[2:], drawn(30)[1] / drawn(30)[1].max())
    np.testing.assert_array_equal(scores[:2, 0], TABLE[[-1, 0], 1])


def test_a_surrogate_is_not_needed_where_everything_was_asked():
    explanation = kernel(2**D, surrogate=ll.GaussianProcess("shapley")).explain(
        IMAGE, game(), rng=0, target=[0, 1]
    )
    np.testing.assert_allclose(explanation.importances, exact_values(TABLE), atol=1e-9)
    assert explanation.details["exact"]


def test_a_process_of_other_values_is_refused():
    with pytest.raises(InvalidInputError, match=r"Shapley values, not 'lime'.*\"shapley\""):
        kernel(60, surrogate=ll.GaussianProcess())
    with pytest.raises(InvalidInputError, match=r"`surrogate`.*weights"):
        kernel(60, surrogate="ridge")


def test_pairs_that_alone_determine_an_importance_leave_errors_unknown_and_say_so():
    def predict(batch):
        return np.tanh(batch[:, 0] @ np.arange(1.0, 8.0) / 9)

    image, warned = np.ones((1, 7)), 0
    for seed in range(10):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            errors = kernel(24).explain(image, predict, rng=seed).standard_errors
        warned += bool(caught)
        assert np.isnan(errors).any() == bool(caught)
        assert all("Raise n_samples" in str(warning.message) for warning in caught)
    assert 0 < warned < 10


def test_fidelity_is_not_known_where_only_the_ends_differ_by_more_than_rounding():
    def predict(batch):
        kept = batch[:, 0].sum(axis=1)
        return np.where(kept == 8, 0.9, 1e-160 * kept)

    for n_samples in (100, 300):
        found = kernel(n_samples).explain(np.ones((1, 8)), predict, rng=0)
        assert np.isnan(found.fidelity).all()
        assert np.isnan(found.details["training_fidelity"]).all()


def test_reliability_of_a_posterior_mean_is_about_the_true_correlation():
    from limelens._statistics import predicted_correlation

    said, true, as_if_unbiased = [], [], []
    for seed in range(12):
        weights = np.random.default_rng(seed).normal(size=12)
        pairs = np.random.default_rng(seed + 99).normal(size=(12, 12)) / 4

        def predict(batch, weights=weights, pairs=pairs):
            z = (batch[:, 0] > 0.5) * 1.0
            return z @ weights + np.einsum("ni,ij,nj->n", z, pairs, z)

        exact = ll.ExactShapley(segmenter=ll.Grid(cell=(1, 1)), fill=ll.Constant(0)).explain(
            np.ones((1, 12)), predict, rng=0
        )
        found = kernel(22, surrogate=ll.GaussianProcess("shapley")).explain(
            np.ones((1, 12)), predict, rng=0
        )
        said.append(found.reliability[0])
        true.append(np.corrcoef(found.importances[0], exact.importances[0])[0, 1])
        as_if_unbiased.append(predicted_correlation(found.importances, found.standard_errors)[0])
    assert abs(np.mean(said) - np.mean(true)) < 0.1
    assert abs(np.mean(said) - np.mean(true)) < abs(np.mean(as_if_unbiased) - np.mean(true))


def test_bars_of_a_model_that_answers_by_chance_are_those_of_one_answer_each():
    inside = []
    for seed in range(30):
        rng = np.random.default_rng(seed)

        def predict(batch, rng=rng):
            return brightness(batch * np.arange(8)) + rng.normal(0, 2, len(batch))

        with pytest.warns(LimelensWarning, match="answers at random"):
            found = kernel(2**D).explain(IMAGE, predict, rng=0)
        assert found.details["stochastic"]
        inside.append(np.abs(found.importances[0] - np.arange(8)) < 1.96 * found.standard_errors[0])
    assert 0.9 < np.mean(inside) < 0.99
