"""RISE: its masks, both estimates by hand, its errors."""

import tracemalloc

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError, LimelensWarning
from limelens.explainers import rise
from limelens.masking import soft_sums
from limelens.testing import Recorder

IMAGE = np.ones((4, 8))
LARGE = np.ones((12, 16))  # so many different masks that equal ones hardly occur


def right_half(batch):
    return batch[:, :, 4:].mean(axis=(1, 2))


def masks_and_scores(**settings):
    """What the model was shown is the mask itself: image 1 over background 0."""
    model = Recorder(right_half, keep=True)
    explainer = ll.Rise(fill=ll.Constant(0), **settings)
    found = explainer.explain(LARGE, model, rng=0, batch_size=64)
    first, *rest = model.batches[1:]
    # The intact image comes last, and both ends alone after it, as it scores exactly 1.
    assert [len(batch) for batch in rest[:2]] == [1, 1]
    shown = np.concatenate([first[:-1], *rest[2:]])
    assert len(shown) == settings["n_masks"]
    return found, shown, right_half(shown)


def test_the_debiased_map_is_the_weighted_mean_with_minus_without():
    found, masks, scores = masks_and_scores(n_masks=40, grid=4)
    with_pixel = np.tensordot(scores, masks, 1) / masks.sum(axis=0)
    without = np.tensordot(scores, 1 - masks, 1) / (1 - masks).sum(axis=0)
    np.testing.assert_allclose(found.importances[0], with_pixel - without, atol=1e-12)


def test_the_published_map_is_the_mean_score_over_p():
    found, masks, scores = masks_and_scores(n_masks=40, grid=4, p=0.3, debiased=False)
    np.testing.assert_allclose(
        found.importances[0], np.tensordot(scores, masks, 1) / (40 * 0.3), atol=1e-12
    )


@pytest.mark.parametrize("debiased", [True, False])
def test_fidelity_is_that_of_masks_predicted_from_the_map_of_the_other_half(debiased):
    found, masks, scores = masks_and_scores(n_masks=41, grid=4, debiased=debiased)
    predicted = np.empty(41)
    for half in (0, 1):
        other, others = masks[1 - half :: 2], scores[1 - half :: 2]
        shown_mean = np.tensordot(others, other, 1) / other.sum(axis=0)
        map_ = shown_mean - np.tensordot(others, 1 - other, 1) / (1 - other).sum(axis=0)
        rows = np.arange(half, 41, 2)
        x = (masks[rows] * map_).sum(axis=(1, 2))
        for place, row in enumerate(rows):
            kept = np.arange(len(rows)) != place
            line = np.polyfit(x[kept], scores[rows][kept], 1)
            predicted[row] = np.polyval(line, x[place])
    unexplained = np.square(scores - predicted).sum() / np.square(scores - scores.mean()).sum()
    np.testing.assert_allclose(found.fidelity, [1 - unexplained], rtol=1e-10)
    assert 0.5 < found.fidelity[0] < 1


def test_fidelity_is_not_known_of_few_masks_nor_of_a_constant_score():
    few = ll.Rise(n_masks=5, grid=2, fill=ll.Constant(0)).explain(IMAGE, right_half, rng=0)
    assert np.isnan(few.fidelity).all()
    with pytest.warns(LimelensWarning, match="never changed"):
        still = ll.Rise(n_masks=50, grid=2, fill=ll.Constant(0)).explain(
            IMAGE, lambda batch: np.full(len(batch), 0.7), rng=0
        )
    assert np.isnan(still.fidelity).all()


def test_fidelity_of_tiny_scores_is_that_of_large_ones():
    explainer = ll.Rise(n_masks=50, grid=2, fill=ll.Constant(0))
    large = explainer.explain(IMAGE, right_half, rng=0)
    small = explainer.explain(IMAGE, lambda batch: right_half(batch) * 1e-130, rng=0)
    np.testing.assert_allclose(small.fidelity, large.fidelity)
    with pytest.warns(LimelensWarning, match="multiply the scores by a large one"):
        tiny = explainer.explain(IMAGE, lambda batch: right_half(batch) * 1e-170, rng=0)
    assert np.isnan(tiny.fidelity).all()  # squares underflow


@pytest.mark.parametrize("debiased", [True, False])
def test_reliability_is_about_the_true_correlation(debiased):
    explainer = ll.Rise(n_masks=60, grid=4, fill=ll.Constant(0), debiased=debiased)
    exact = ll.Rise(n_masks=20_000, grid=4, fill=ll.Constant(0), debiased=debiased).explain(
        LARGE, right_half, rng=99
    )
    runs = [explainer.explain(LARGE, right_half, rng=seed) for seed in range(30)]
    true = [np.corrcoef(r.importances.ravel(), exact.importances.ravel())[0, 1] for r in runs]
    assert np.mean([run.reliability[0] for run in runs]) == pytest.approx(np.mean(true), abs=0.06)


def test_a_map_of_noise_predicts_nothing():
    def noise(batch):
        return np.sin(1e6 * batch.sum(axis=(1, 2)))

    found = ll.Rise(n_masks=2000, grid=4, fill=ll.Constant(0)).explain(LARGE, noise, rng=0)
    assert abs(found.fidelity[0]) < 0.02


def test_masks_of_large_images_are_summed_few_at_a_time(monkeypatch):
    explainer = ll.Rise(n_masks=64, grid=4, fill=ll.Constant(0))
    together = explainer.explain(LARGE, right_half, rng=0).importances
    monkeypatch.setattr(soft_sums, "TABLE_BYTES", 3 * 8 * LARGE.shape[1])
    few = explainer.explain(LARGE, right_half, rng=0).importances
    np.testing.assert_allclose(few, together, atol=1e-12)
    image = np.random.default_rng(0).random((128, 128))
    tracemalloc.start()
    explainer.explain(image, right_half, batch_size=4, rng=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * image.nbytes  # as much as all the masks at once


def twelve_scores(batch):
    return batch.reshape(len(batch), -1)[:, ::7][:, :12] + batch.mean(axis=(1, 2))[:, np.newaxis]


def test_targets_that_wait_for_their_turn_get_the_maps_they_get_together(monkeypatch):
    explainer = ll.Rise(n_masks=60, grid=4, fill=ll.Constant(0))
    together = explainer.explain(LARGE, twelve_scores, target=list(range(12)), rng=0)
    monkeypatch.setattr(rise, "SUMS_BYTES", 5 * rise._MAPS_A_TARGET * 8 * LARGE.size)
    in_turns = explainer.explain(LARGE, twelve_scores, target=list(range(12)), rng=0)
    for name in ("importances", "standard_errors", "reliability", "fidelity"):
        np.testing.assert_allclose(
            getattr(in_turns, name), getattr(together, name), rtol=1e-9, atol=1e-12
        )
    alone = explainer.explain(LARGE, twelve_scores, target=11, rng=0)
    np.testing.assert_allclose(alone.importances[0], in_turns.importances[11], atol=1e-12)


def test_memory_grows_with_targets_by_the_maps_alone(monkeypatch):
    image = np.random.default_rng(0).random((96, 96))
    explainer = ll.Rise(n_masks=32, grid=4, fill=ll.Constant(0))
    monkeypatch.setattr(rise, "SUMS_BYTES", 1)  # one target after the other

    def peak(n_targets):
        tracemalloc.start()
        model = lambda batch: batch.reshape(len(batch), -1)[:, :40]  # noqa: E731
        explainer.explain(image, model, target=list(range(n_targets)), batch_size=1, rng=0)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(2)
    # Maps and standard errors, once in parts and once joined.
    assert peak(40) - peak(2) < 1.2 * 38 * 4 * image.nbytes


@pytest.mark.parametrize("debiased", [True, False])
def test_standard_errors_are_the_spread_over_seeds(debiased):
    explainer = ll.Rise(n_masks=100, grid=(2, 3), fill=ll.Constant(0), debiased=debiased)
    runs = [explainer.explain(IMAGE, right_half, rng=seed) for seed in range(80)]
    spread = np.std([run.importances[0] for run in runs], axis=0)
    claimed = np.sqrt(np.mean([run.standard_errors[0] ** 2 for run in runs], axis=0))
    np.testing.assert_allclose(claimed, spread, rtol=0.35)


def test_masks_are_kept_with_chance_p():
    _, masks, _ = masks_and_scores(n_masks=1000, grid=6, p=0.3)
    assert masks.mean() == pytest.approx(0.3, abs=0.015)
    assert masks.min() >= 0
    assert masks.max() <= 1


def test_every_pixel_is_shown_and_hidden():
    _, masks, _ = masks_and_scores(n_masks=200, grid=4)
    assert (masks.max(axis=0) > 0.9).all()
    assert (masks.min(axis=0) < 0.1).all()


def test_what_was_never_hidden_is_not_known():
    found = ll.Rise(n_masks=2, grid=2, p=0.999, fill=ll.Constant(0)).explain(
        IMAGE, right_half, rng=0
    )
    assert not found.importances.any()
    assert np.isnan(found.standard_errors).all()


def test_masks_of_another_grid_are_not_used_again():
    wide = ll.Rise(n_masks=9, grid=(1, 4), fill=ll.Constant(0)).explain(IMAGE, right_half, rng=0)
    with pytest.raises(InvalidInputError, match="kind of masks"):
        ll.Rise(n_masks=9, grid=(4, 1), fill=ll.Constant(0)).explain(
            IMAGE, right_half, rng=0, reuse=wide
        )


def test_more_masks_cost_only_what_is_new():
    explainer = ll.Rise(n_masks=20, grid=2, fill=ll.Constant(0))
    first = explainer.explain(IMAGE, right_half, rng=3)
    more = ll.Rise(n_masks=50, grid=2, fill=ll.Constant(0))
    found = more.explain(IMAGE, right_half, rng=3, reuse=first)
    fresh = more.explain(IMAGE, right_half, rng=3)
    assert found.n_predictions < fresh.n_predictions - 10
    np.testing.assert_array_equal(found.importances, fresh.importances)


def test_p_may_be_chosen_on_a_small_budget():
    def needs_nearly_everything(batch):
        return (batch.mean(axis=(1, 2)) > 0.65).astype(float)

    explainer = ll.Rise(n_masks=200, grid=3, p=None, fill=ll.Constant(0))
    assert explainer.explain(IMAGE, needs_nearly_everything, rng=0).details["p"] == 0.75
    needs_little = explainer.explain(IMAGE, lambda b: (b.mean(axis=(1, 2)) > 0.1) * 1.0, rng=0)
    assert needs_little.details["p"] < 0.3


def test_evidence_is_positive_and_counter_evidence_negative():
    model = lambda batch: right_half(batch) - batch[:, :, :4].mean(axis=(1, 2))  # noqa: E731
    found = ll.Rise(n_masks=1000, grid=(2, 4), fill=ll.Constant(0)).explain(IMAGE, model, rng=0)
    heatmap = found.heatmap()
    assert (heatmap[:, 5:] > 0).all()
    assert (heatmap[:, :3] < 0).all()


def test_random_maps_are_within_four_standard_errors_of_a_long_run():
    short = ll.Rise(n_masks=500, grid=(2, 4), fill=ll.Constant(0)).explain(IMAGE, right_half, rng=0)
    long = ll.Rise(n_masks=20_000, grid=(2, 4), fill=ll.Constant(0)).explain(
        IMAGE, right_half, rng=1
    )
    z = (short.importances - long.importances) / short.standard_errors
    assert np.abs(z).max() < 4


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"grid": 5}, "at most one cell a pixel along each of 2 axes"),
        ({"grid": (2, 2, 2)}, "`grid` must have at most one cell"),
        ({"grid": 0}, "`grid` must be an integer >= 1"),
        ({"p": 0}, "`p` must be a finite number"),
        ({"p": 1}, "`p` must be a finite number"),
        ({"n_masks": 1}, "`n_masks` must be an integer >= 2"),
        ({"debiased": None}, "`debiased` must be True or False"),
    ],
)
def test_settings_that_cannot_be_are_named(settings, words):
    model = Recorder(right_half)
    with pytest.raises(InvalidInputError, match=words):
        ll.Rise(fill=ll.Constant(0), **settings).explain(IMAGE, model)
    assert model.n_images == 0


class ThreeScores:
    """Scores of masks of 12 x 16 pixels that vary most at other chances of being kept."""

    def __call__(self, batch):
        mean = batch.mean(axis=(1, 2))
        scores = [1e4 * (mean > 0.5), mean > 0.7, batch[:, 2, 3] * batch[:, 9, 9]]
        return np.stack([score.astype(float) for score in scores], axis=1)


@pytest.mark.parametrize(("n_masks", "p"), [(2, 0.5), (3, 0.2), (5, 0.1), (5, 0.9), (40, 0.5)])
def test_few_masks_give_the_differences_and_their_linearised_errors_everywhere(
    n_masks, p, masked_images
):
    model = Recorder(ThreeScores(), keep=True)
    explainer = ll.Rise(n_masks=n_masks, grid=4, p=p, fill=ll.Constant(0))
    found = explainer.explain(LARGE, model, target=[0, 1, 2], rng=3)
    masks = masked_images(model)
    scores = ThreeScores()(masks)
    shown, hidden = masks.sum(axis=0), (1 - masks).sum(axis=0)
    known = (shown > 0) & (hidden > 0)
    assert n_masks > 5 or ((shown > 0) & (shown < 1)).any() or ((hidden > 0) & (hidden < 1)).any()
    shown, hidden = np.where(known, shown, 1), np.where(known, hidden, 1)
    for row, score in enumerate(scores.T):
        with_pixel = np.tensordot(score, masks, 1) / shown
        without = np.tensordot(score, 1 - masks, 1) / hidden
        column = score[:, np.newaxis, np.newaxis]
        moves = (column - with_pixel) * masks / shown - (column - without) * (1 - masks) / hidden
        scale = 1 + np.abs(found.scores[row])  # sums are of differences from the intact score
        expected = np.where(known, with_pixel - without, 0)
        np.testing.assert_allclose(found.importances[row], expected, atol=1e-9 * scale)
        errors = np.where(known, np.sqrt((moves**2).sum(axis=0)), np.nan)
        np.testing.assert_allclose(found.standard_errors[row], errors, atol=1e-6 * scale)


def test_p_is_chosen_for_all_targets_alike_whatever_their_scales():
    explainer = ll.Rise(n_masks=64, grid=4, p=None, fill=ll.Constant(0))
    spreads = []
    for p in rise.PILOT_PS:
        model = Recorder(ThreeScores(), keep=True)
        ll.Rise(n_masks=64, grid=4, p=p, fill=ll.Constant(0)).explain(LARGE, model, rng=0)
        spreads.append(ThreeScores()(np.concatenate(model.batches)[2:]).var(axis=0))
    shares = np.array(spreads) / np.max(spreads, axis=0)
    best, of_the_largest = shares.mean(axis=1).argmax(), shares[:, 0].argmax()
    assert best != of_the_largest
    found = explainer.explain(LARGE, ThreeScores(), target=[0, 1, 2], rng=0)
    assert found.details["p"] == rise.PILOT_PS[best]
