import warnings

import numpy as np
import pytest

from limelens import Constant, Foldover, Grid, KernelShap, QuickLime, QuickShap
from limelens.errors import ConvergenceWarning, LimelensWarning
from limelens.testing import AdditiveModel, Recorder, SaturatingModel, exact_values

CELLS = Grid(cell=(1, 1))


def picture(d):
    return np.ones((2, d // 2))


def make_game(d, seed=0, sd=2.0):
    """Return a probability with pair interactions of a picture with one segment a pixel."""
    rng = np.random.default_rng(seed)
    slopes, gains = sd * rng.normal(size=(2, d)) / np.sqrt(d)
    order = rng.permutation(d)

    def predict(batch):
        spins = 2.0 * batch.reshape(len(batch), -1) - 1
        return 1 / (1 + np.exp(-(spins @ slopes + 0.6 * (spins * spins[:, order]) @ gains)))

    return predict


def table_of(predict, d):
    rows = (np.arange(2**d)[:, np.newaxis] >> np.arange(d) & 1).astype(float)
    return predict(rows)


def explain(predict, d, max_samples=514, tolerance=0.0, **settings):
    explainer = QuickShap(
        segmenter=CELLS, fill=Constant(0), max_samples=max_samples, tolerance=tolerance, **settings
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return explainer.explain(picture(d), predict, rng=0)


@pytest.mark.parametrize("scale", ["score", "link"])
def test_few_segments_are_enumerated_and_the_answer_is_exact(scale):
    predict = make_game(8)
    found = explain(predict, 8, scale=scale)
    table = table_of(predict, 8)
    shown = table if scale == "score" else np.log(table / (1 - table))
    np.testing.assert_allclose(found.importances, exact_values(shown, "shapley"), atol=1e-9)
    assert found.details["status"] == "exact"


@pytest.mark.parametrize(("scale", "worst"), [("score", 0.12), ("link", 0.12)])
def test_sampled_values_are_near_the_exact_and_within_their_intervals(scale, worst):
    predict = make_game(12)
    table = table_of(predict, 12)
    shown = table if scale == "score" else np.log(table / (1 - table))
    exact = exact_values(shown, "shapley")[0]
    found = explain(predict, 12, max_samples=200, scale=scale)
    missed = found.importances[0] - exact
    assert np.linalg.norm(missed) < worst * np.linalg.norm(exact)
    assert np.mean(np.abs(missed) < 1.96 * found.standard_errors[0]) > 0.8


def test_it_errs_less_than_kernel_shap_at_the_same_calls():
    errors = {"quick": [], "kernel": []}
    for seed in range(3):
        predict = make_game(12, seed)
        exact = exact_values(table_of(predict, 12), "shapley")[0]
        kernel = KernelShap(segmenter=CELLS, fill=Constant(0), n_samples=128)
        for name, found in (
            ("quick", explain(predict, 12, max_samples=128)),
            ("kernel", kernel.explain(picture(12), predict, rng=seed)),
        ):
            errors[name].append(np.linalg.norm(found.importances[0] - exact))
    assert np.mean(errors["quick"]) < 0.6 * np.mean(errors["kernel"])


@pytest.mark.parametrize("scale", ["score", "link"])
@pytest.mark.parametrize("d", [12, 40])
def test_importances_sum_to_the_difference_of_the_ends(scale, d):
    found = explain(make_game(d), d, scale=scale, max_samples=300)
    ends = np.array([found.scores[0], found.hidden_scores[0]])
    ends = ends if scale == "score" else np.log(ends / (1 - ends))
    assert found.importances.sum() == pytest.approx(ends[0] - ends[1], abs=1e-9)


def test_first_comes_a_foldover_block_then_as_many_pairs_of_all_sizes(masked_images):
    d = 20
    model = Recorder(make_game(d), keep=True)
    explain(model, d, max_samples=100)
    shown = np.concatenate([*model.batches[:1], masked_images(model)])
    kept = shown.reshape(-1, d) > 0
    block = Foldover.block_size(d)
    assert kept[:2].all(axis=1).tolist() == [True, False]
    spins = 2.0 * kept[2 : 2 + block] - 1
    assert np.array_equal(spins.T @ spins, block * np.eye(d))
    pairs = kept[2 + block :]
    assert np.array_equal(pairs[0::2], ~pairs[1::2])
    assert pairs.sum(axis=1).min() < 4
    assert len(kept) <= 100


@pytest.mark.parametrize(
    ("max_samples", "expected"), [(40, 40), (50, 50), (80, 80), (111, 110), (514, 514)]
)
def test_the_budget_is_spent_in_whole_pairs(max_samples, expected):
    found = explain(make_game(20), 20, max_samples=max_samples)
    assert found.details["n_calls"] == expected
    assert found.n_predictions == expected + 1


def test_no_coalition_is_paid_for_twice_however_many_are_asked():
    model = Recorder(make_game(10), keep=True)
    found = explain(model, 10, max_samples=600)
    kept = np.concatenate(model.batches).reshape(-1, 10) > 0
    assert len(np.unique(kept, axis=0)) == len(kept) - 1 == found.n_predictions - 1
    assert len(kept) - 1 == found.details["n_calls"] == 600


def test_the_first_look_comes_after_five_calls_a_segment_and_soon_a_check_of_it():
    weights = np.arange(20.0)
    found = explain(lambda b: b.reshape(len(b), -1) @ weights, 20, tolerance=0.3)
    assert found.details["looks"]["n_calls"] == [100, 124]
    assert found.details["status"] == "converged"
    np.testing.assert_allclose(found.importances[0], weights, atol=0.02)


def test_what_was_asked_is_known_so_that_few_open_coalitions_leave_little_error():
    """Scores without any rule: nothing can be learnt of a coalition but by asking."""
    table = np.random.default_rng(0).random(2**8)
    bits = 1 << np.arange(8)
    found = explain(lambda batch: table[batch.reshape(-1, 8).astype(int) @ bits], 8, 250)
    exact = exact_values(table, "shapley")[0]
    assert found.n_predictions == 250 + 1  # of 256, and no broken block is held back
    error = np.linalg.norm(found.importances[0] - exact) / np.linalg.norm(exact)
    assert 0 < error < 0.15
    outside = np.abs(found.importances[0] - exact) > 1.96 * found.standard_errors[0]
    assert outside.sum() <= 1
    assert np.linalg.norm(found.standard_errors[0]) < 0.3 * np.linalg.norm(exact)


@pytest.mark.filterwarnings("ignore:`predict_fn` answers (at random|the same image differently)")
@pytest.mark.parametrize("explainer", [QuickLime, QuickShap])
@pytest.mark.parametrize("scale", ["score", "link"])
def test_a_model_that_answers_by_chance_is_not_called_exact(explainer, scale):
    weights = np.arange(1.0, 7.0) / 10
    inside = []
    for seed in range(20):
        rng = np.random.default_rng(seed)

        def predict(batch, rng=rng):
            noise = rng.normal(0, 0.2, len(batch))
            return 1 / (1 + np.exp(-batch.reshape(len(batch), -1) @ weights - noise))

        with pytest.warns(LimelensWarning, match="stochastic: all 64 coalitions were asked, but"):
            found = explainer(segmenter=CELLS, fill=Constant(0), scale=scale).explain(
                picture(6), predict, rng=0
            )
        assert found.details["status"] == "stochastic"
        assert (found.standard_errors > 0).all()
        if scale == "link":
            inside.append(np.abs(found.importances[0] - weights) < 1.96 * found.standard_errors[0])
    if scale == "link":
        assert 0.85 < np.mean(inside) < 0.99


@pytest.mark.parametrize("explainer", [QuickLime, QuickShap])
def test_every_further_call_lowers_the_error_and_no_bar_is_zero(explainer):
    d, definition = 14, "lime" if explainer is QuickLime else "shapley"
    predict = make_game(d)
    exact = exact_values(table_of(predict, d), definition)[0]
    errors = []
    for max_samples in (258, 2050):
        found = explainer(
            segmenter=CELLS, fill=Constant(0), max_samples=max_samples, tolerance=0
        ).explain(picture(d), predict, rng=0)
        missed = found.importances[0] - exact
        errors.append(np.linalg.norm(missed) / np.linalg.norm(exact))
        assert found.standard_errors.min() > 0
        assert np.mean(np.abs(missed) < 1.96 * found.standard_errors[0]) > 0.75
    assert errors[1] < 0.35 * errors[0]
    assert errors[1] < 0.012  # where 8192 virtual coalitions had left 0.024


@pytest.mark.parametrize(("size", "level"), [(1e-10, 0.0), (1e-7, 0.5), (1.0, 1e8)])
def test_where_all_coalitions_were_asked_small_changes_count(size, level):
    weights = np.arange(1.0, 7.0) / 21

    def predict(batch):
        return level + size * ((batch[:, 0] > 0.5) @ weights)

    quickshap = QuickShap(segmenter=CELLS, fill=Constant(0))
    found = quickshap.explain(np.ones((1, 6)), predict, rng=0)
    assert found.details["status"] == "exact"
    np.testing.assert_allclose(
        found.importances[0], size * weights, rtol=1e-6, atol=10 * np.finfo(float).eps * level
    )


@pytest.mark.parametrize("link", ["sigmoid", "softmax"])
@pytest.mark.parametrize("method", [QuickLime, QuickShap])
def test_on_the_links_scale_a_squashed_model_has_the_weights_of_the_unsquashed(method, link):
    weights = np.linspace(-1, 1, 16)
    plain = AdditiveModel(
        np.arange(16).reshape(2, 8),
        np.stack([weights, 0 * weights], axis=1).T,
        image=picture(16),
        background=0,
    )
    explainer = method(segmenter=CELLS, fill=Constant(0), scale="link", max_samples=130)
    found = explainer.explain(picture(16), SaturatingModel(plain, link), target=0, rng=0)
    assert found.details["links"] == ["log-odds"]
    np.testing.assert_allclose(found.importances[0], weights, atol=0.02)
    assert found.fidelity[0] > 0.999


@pytest.mark.parametrize("d", [20, 24, 30])
def test_the_first_look_is_after_five_calls_a_segment_and_two_blocks(d):
    looks = explain(make_game(d), d, max_samples=400, tolerance=1e-6).details["looks"]["n_calls"]
    assert looks[0] == max(5 * d, 2 * Foldover.block_size(d))


@pytest.mark.parametrize("d", [10, 14])
def test_every_second_pair_keeps_or_hides_one_segment_until_all_of_these_are_asked(d):
    asked = explain(make_game(d), d, max_samples=6 * d).samples.coalitions
    kept = asked.sum(axis=1)
    single = np.cumsum((kept == 1) | (kept == d - 1))  # both of a pair follow each other
    assert abs(single[1 + d] - d / 2) <= 2
    assert single[-1] == 2 * d
    assert len(np.unique(asked, axis=0)) == len(asked) == 6 * d


@pytest.mark.parametrize(("d", "max_samples"), [(40, 64), (14, 42)])
def test_fewer_than_three_pairs_for_two_segments_are_of_all_sizes(d, max_samples):
    asked = explain(make_game(d), d, max_samples=max_samples).samples.coalitions
    sizes = np.minimum(asked.sum(axis=1), (~asked).sum(axis=1))[2:]
    assert np.mean(sizes == 1) < 3 / (d - 1)  # 2 of d - 1 sizes
    assert len(np.unique(sizes)) > d // 4


@pytest.mark.parametrize("max_samples", [34, 64, 130])
def test_bars_hold_on_thresholds_that_are_flat_at_both_ends(max_samples):
    """No segment wins or loses such a vote by itself; with 64 calls half of the pairs ask that."""
    d, inside, wrong = 12, [], 0
    for seed in range(15):
        rng = np.random.default_rng(seed)
        weights = rng.random(d)
        bar = weights.sum() * rng.uniform(0.3, 0.7)

        def vote(batch, weights=weights, bar=bar):
            return 10.0 * (batch.reshape(len(batch), -1) @ weights > bar)

        exact = exact_values(table_of(vote, d))[0]
        found = explain(vote, d, max_samples=max_samples)
        inside.append(np.abs(found.importances[0] - exact) < 1.96 * found.standard_errors[0])
        sure = found.top_confidence(3)
        third = np.sort(exact)[-3]
        wrong += sum(
            exact[segment] < third
            for segment, word in zip(sure.segments, sure.words, strict=True)
            if word == "certain"
        )
    assert np.mean(inside) > 0.92
    assert wrong <= 1
