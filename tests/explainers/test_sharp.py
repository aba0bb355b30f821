"""Sharp: several segmentations, one budget, one map a pixel."""

import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

import limelens as ll
from limelens.errors import InvalidInputError, LimelensWarning
from limelens.explainers.sharp import (
    N_FITTED,
    N_SEGMENTS,
    _fit,
    half_side,
    n_segmentations,
)
from limelens.results.smoothing import smooth_map
from limelens.segmenting.view import segmenting_view
from limelens.testing import Recorder


def blobs(*shape):
    """Return soft blobs in [0, 1]."""
    width = (3,) * (len(shape) - 1) + (0,)
    soft = gaussian_filter(np.random.default_rng(0).random(shape), width)
    return (soft - soft.min()) / np.ptp(soft)


IMAGE = blobs(40, 48, 3)
ROW = np.array([[1.0, 2.0, 8.0, 9.0]])
WAYS = [ll.LabelImage([[0, 0, 1, 1]]), ll.LabelImage([[0, 1, 1, 2]])]


def blob(batch):
    """Score what is left of a disc, which is no segment of any grid."""
    rows, columns = np.indices((40, 48))
    disc = (rows - 15) ** 2 + (columns - 30) ** 2 < 60
    return np.square((np.asarray(batch, float).mean(axis=-1) * disc).sum(axis=(1, 2)))


def by_hand(model, **fields):
    return ll.Sharp(segmenters=WAYS, fill=ll.Constant(0), **fields).explain(ROW, model)


def test_the_map_is_the_mean_of_the_segmentations_densities():
    """The third pixel scores 8: 4 a pixel of its half, 4 a pixel of its middle."""
    found = by_hand(lambda batch: batch[:, 0, 2])
    np.testing.assert_allclose(found.importances[0], [[0, 2, 4, 2]])
    spread = np.abs(np.array([0 - 0, 0 - 4, 4 - 4, 4 - 0])) / 2  # of two: half the difference
    np.testing.assert_allclose(found.standard_errors[0], [spread])
    np.testing.assert_array_equal(found.details["n_segments"], [2, 3])
    np.testing.assert_array_equal(found.details["layers"], [[[0, 0, 1, 1]], [[0, 1, 1, 2]]])
    np.testing.assert_allclose(found.details["layer_importances"][1], [[0, 8, 0]])


def test_the_same_labels_of_two_segmentations_are_not_taken_for_one_mask():
    """Label 0 holds the second pixel, which scores 2, in the first division only."""
    ways = [ll.LabelImage([[0, 0, 1, 1]]), ll.LabelImage([[0, 1, 1, 1]])]
    found = ll.Sharp(segmenters=ways, fill=ll.Constant(0)).explain(ROW, lambda x: x[:, 0, 1])
    np.testing.assert_allclose(found.importances[0], [[1 / 2, 5 / 6, 1 / 3, 1 / 3]])


def test_exact_owen_values_of_every_segmentation_are_what_is_averaged():
    labels = [ll.Grid(cell=10), ll.Grid(cell=(20, 12)), ll.Grid(cell=16)]
    sharp = ll.Sharp(segmenters=labels, max_samples=3000).explain(IMAGE, blob)
    owens = [ll.Owen(segmenter=each, max_samples=3000).explain(IMAGE, blob) for each in labels]
    assert all(owen.details["exact"] for owen in owens)
    maps = [
        (owen.importances[0] / np.bincount(owen.segments.ravel()))[owen.segments] for owen in owens
    ]
    np.testing.assert_allclose(sharp.importances[0], np.mean(maps, axis=0), atol=1e-12)
    errors = np.std(maps, axis=0, ddof=1) / np.sqrt(3)
    np.testing.assert_allclose(sharp.standard_errors[0], errors, atol=1e-12)
    np.testing.assert_array_equal(sharp.details["shared"], [0])


def test_a_group_never_split_is_spread_evenly_over_its_pixels():
    """One split of each: halves of 2 + 2 pixels, then pixel 0 against the rest of 3."""
    found = by_hand(lambda batch: batch[:, 0, 3], max_samples=6)
    assert found.n_predictions == 7
    np.testing.assert_allclose(found.details["layer_importances"][0], [[0, 9]])
    merged = found.details["layer_importances"][1][0]
    np.testing.assert_allclose(merged.sum(), 9)
    assert found.details["shared"][0] in (0, 0.5)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), max_samples=st.integers(10, 140))
def test_the_map_sums_to_the_change_of_the_score_at_every_budget(seed, max_samples):
    weights = np.random.default_rng(seed).normal(size=IMAGE.shape)

    def model(batch):
        total = (batch * weights).sum(axis=(1, 2, 3))
        return np.stack([np.tanh(total / 40), total**2], axis=1)

    found = ll.Sharp(max_samples=max_samples).explain(IMAGE, model, target=[0, 1], rng=seed)
    change = found.scores - found.hidden_scores
    np.testing.assert_allclose(found.importances.sum(axis=(1, 2)), change, atol=1e-9)


def test_an_objects_evidence_lies_in_the_object():
    rows, columns = np.indices((96, 96))
    disc = (rows - 35) ** 2 + (columns - 60) ** 2 < 250
    image = np.where(disc, 0.9, 0.25 + 0.1 * np.sin(rows / 5) * np.sin(columns / 7))

    def model(batch):
        return (np.asarray(batch) * disc).sum(axis=(1, 2))

    found = ll.Sharp().explain(image, model, rng=0)
    assert found.importances[0][disc].sum() / found.importances[0].sum() > 0.85
    strongest = np.argsort(-found.heatmap().ravel())[: disc.sum()]
    assert disc.ravel()[strongest].mean() > 0.85


def test_it_is_returned_and_drawn_smooth_and_kept_as_it_is():
    found = ll.Sharp(max_samples=30).explain(IMAGE, blob, rng=0)
    np.testing.assert_array_equal(found.heatmap(), smooth_map(found.importances[0]))
    np.testing.assert_array_equal(found.heatmap(interpolation="nearest"), found.importances[0])
    drawn, smooth = (np.asarray(found.to_image(**how)) for how in ({}, {"interpolation": "smooth"}))
    np.testing.assert_array_equal(drawn, smooth)


@pytest.mark.parametrize(
    ("calls", "n"), [(10, 4), (99, 4), (100, 8), (511, 8), (512, 16), (1087, 16), (2048, 32)]
)
def test_a_larger_budget_has_more_segmentations(calls, n):
    assert n_segmentations(calls) == n


@pytest.mark.parametrize("max_samples", [10, 64, 65, 128])
def test_the_budget_holds_and_its_ends_count(max_samples):
    model = Recorder(blob)
    found = ll.Sharp(max_samples=max_samples, faithful=False).explain(IMAGE, model, rng=0)
    n = found.details["n_segmentations"]
    assert n == n_segmentations(max_samples)
    assert model.n_images == found.n_predictions == 2 * (max_samples // 2) + 1
    assert found.details["n_splits"].sum() == (max_samples - 2) // 2
    assert (found.details["n_splits"] > 0).all()
    assert len(found.details["layers"]) == len(found.details["layer_importances"]) == n


def test_three_fifths_of_the_calls_go_to_fits_unless_there_are_few_or_own_divisions():
    def shares(**fields):
        """Return how many segmentations have a tree, and how many a fit."""
        details = ll.Sharp(**fields).explain(IMAGE, blob, rng=0).details
        n_trees = len(details["n_splits"])
        return n_trees, details["n_segmentations"] - n_trees

    assert shares() == shares(max_samples=100) == (4, 1)
    assert shares(max_samples=256) == (8, 2)
    assert shares(max_samples=99) == (4, 0)
    assert shares(max_samples=64, faithful=True) == (4, 1)
    assert shares(faithful=False) == (8, 0)
    assert shares(segmenters=[ll.Grid(4), ll.Grid(6), ll.Grid(9)]) == (3, 0)


def test_several_targets_cost_the_calls_of_one():
    def model(batch):
        return np.stack([blob(batch), batch[:, :9, :9].sum(axis=(1, 2, 3))] * 2, axis=1)

    one = ll.Sharp(max_samples=64).explain(IMAGE, model, target=0, rng=0)
    four = ll.Sharp(max_samples=64).explain(IMAGE, model, target=[0, 1, 2, 3], rng=0)
    assert one.n_predictions == four.n_predictions == 65
    np.testing.assert_array_equal(four.importances[0], four.importances[2])
    assert four.details["shared"].shape == (4,)


def test_a_larger_budget_costs_only_what_is_new():
    trees = ll.Sharp(max_samples=200, faithful=False), ll.Sharp(faithful=False)
    for larger, smaller in ((ll.Sharp(max_samples=190), ll.Sharp()), trees):
        first = smaller.explain(IMAGE, blob, rng=3)
        fresh = larger.explain(IMAGE, blob, rng=3)
        more = larger.explain(IMAGE, blob, rng=3, reuse=first)
        np.testing.assert_array_equal(more.importances, fresh.importances)
        assert more.n_predictions == fresh.n_predictions - first.n_predictions + 2


def test_a_larger_budget_asks_the_calls_of_its_fits_only_once():
    smaller, larger = ll.Sharp(max_samples=256), ll.Sharp(max_samples=384)
    first, fresh = (each.explain(IMAGE, blob, rng=3) for each in (smaller, larger))
    for k in (8, 9):
        np.testing.assert_array_equal(first.details["layers"][k], fresh.details["layers"][k])
    more = larger.explain(IMAGE, blob, rng=3, reuse=first)
    np.testing.assert_array_equal(more.importances, fresh.importances)
    assert more.n_predictions <= fresh.n_predictions - 2 * 76


def test_rows_of_another_seed_are_no_rows_of_this_one():
    first = ll.Sharp(max_samples=64).explain(IMAGE, blob, rng=0)
    fresh = ll.Sharp(max_samples=64).explain(IMAGE, blob, rng=1)
    other = ll.Sharp(max_samples=64).explain(IMAGE, blob, rng=1, reuse=first)
    assert other.n_predictions == 62 + 2  # the ends are the same; the intact image is shown twice
    np.testing.assert_array_equal(other.importances, fresh.importances)
    assert (fresh.importances != first.importances).any()


def test_segmentations_are_displaced_at_random_from_coarse_to_fine():
    trees = ll.Sharp(faithful=False)
    found = trees.explain(IMAGE, blob, rng=0)
    sizes = found.details["n_segments"]
    assert len(sizes) == len(N_SEGMENTS) == 8
    assert sizes[:2].max() < sizes[-2:].min()
    layers = found.details["layers"]
    assert len({labels.tobytes() for labels in layers}) == 8
    again = trees.explain(IMAGE, blob, rng=0)
    np.testing.assert_array_equal(again.details["layers"], layers)


@pytest.mark.parametrize(
    ("spatial", "side"), [((224, 224), 112), ((2000, 1000), 256), ((8, 12), 12), ((1, 1), 2)]
)
def test_it_segments_at_half_the_size(spatial, side):
    assert half_side(spatial) == side


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((40, 48), None), ((3, 40, 48), 0), ((40, 48, 7), -1), ((6, 12, 14), None)],
)
def test_every_layout_sums_up(shape, axis):
    image = np.random.default_rng(1).random(shape)

    def model(batch):
        return (batch.reshape(len(batch), -1) ** 2).sum(axis=1)

    found = ll.Sharp(max_samples=40).explain(image, model, channel_axis=axis, rng=0)
    change = found.scores[0] - found.hidden_scores[0]
    np.testing.assert_allclose(found.importances.sum(), change, atol=1e-9)


def test_channels_first_and_last_have_the_same_map():
    last = ll.Sharp(max_samples=40).explain(IMAGE, blob, rng=0)
    first = ll.Sharp(max_samples=40).explain(
        np.moveaxis(IMAGE, -1, 0),
        lambda batch: blob(np.moveaxis(batch, 1, -1)),
        channel_axis=0,
        rng=0,
    )
    np.testing.assert_allclose(first.importances, last.importances, atol=1e-12)


def test_what_the_model_sees_is_the_image_or_the_fill_pixel_by_pixel(masked_images):
    model = Recorder(blob, keep=True)
    ll.Sharp(max_samples=40, fill=ll.Constant(-1)).explain(IMAGE, model, rng=0)
    shown = np.concatenate([*model.batches[:1], masked_images(model)])
    kept = (shown == IMAGE).all(axis=-1)
    hidden = (shown == -1).all(axis=-1)
    assert (kept ^ hidden).all()
    assert len(np.unique(kept.reshape(len(kept), -1), axis=0)) == len(kept) == 40


def test_several_backgrounds_are_averaged():
    backgrounds = ll.Backgrounds(np.stack([np.zeros_like(IMAGE), np.full_like(IMAGE, 1.0)]))
    grids = [ll.Grid(4), ll.Grid(6)]

    def linear(batch):
        return batch[:, :20].sum(axis=(1, 2, 3))

    both = ll.Sharp(segmenters=grids, fill=backgrounds).explain(IMAGE, linear)
    mean = ll.Sharp(segmenters=grids, fill=ll.Constant(0.5)).explain(IMAGE, linear)
    np.testing.assert_allclose(both.importances, mean.importances, atol=1e-9)
    assert both.n_predictions == 2 * mean.n_predictions - 2


def test_a_callable_target_is_explained():
    def model(batch):
        return np.stack([blob(batch), 2 * blob(batch)], axis=1)

    found = ll.Sharp(max_samples=40).explain(IMAGE, model, target=ll.margin(1, 0), rng=0)
    plain = ll.Sharp(max_samples=40).explain(IMAGE, blob, rng=0)
    np.testing.assert_allclose(found.importances, plain.importances, atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 9), (2, 2), (3, 200), (5, 5, 1), (2, 3, 4)])
def test_tiny_and_thin_images_are_explained(shape):
    image = np.random.default_rng(4).random(shape)

    def model(batch):
        return batch.reshape(len(batch), -1)[:, 0]

    axis = -1 if shape[-1] == 1 else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = ll.Sharp(max_samples=40).explain(image, model, channel_axis=axis, rng=0)
    change = found.scores[0] - found.hidden_scores[0]
    np.testing.assert_allclose(found.importances.sum(), change, atol=1e-9)


def test_one_segmentation_has_no_error_bars():
    found = ll.Sharp(segmenters=[ll.Grid(9)]).explain(IMAGE, blob)
    assert found.standard_errors is None
    assert found.reliability is None


def test_evidence_in_a_region_has_its_own_error_bar():
    """In the left half one segmentation has 0 of 8, the other one 4."""
    found = by_hand(lambda batch: batch[:, 0, 2])
    halves = found.by_segment([[0, 0, 1, 1]])
    np.testing.assert_allclose(halves.importances, [[2, 6]])
    np.testing.assert_allclose(halves.standard_errors, [[2, 2]])


def test_the_region_of_everything_is_known_exactly():
    found = ll.Sharp(max_samples=64).explain(IMAGE, blob, rng=0)
    labels = np.zeros((40, 48), int)
    labels[0, 0] = 1
    summed = found.by_segment(labels)
    total = found.scores[0] - found.hidden_scores[0]
    assert summed.importances.sum() == pytest.approx(total)
    assert summed.standard_errors[0, 0] == pytest.approx(summed.standard_errors[0, 1])


def test_region_errors_are_those_of_the_target_that_is_left():
    def model(batch):
        return np.stack([blob(batch), batch[:, :9, :9].sum(axis=(1, 2, 3))], axis=1)

    both = ll.Sharp(max_samples=64).explain(IMAGE, model, target=[0, 1], rng=0)
    labels = (np.indices((40, 48)) // 20 * np.array([3, 1])[:, np.newaxis, np.newaxis]).sum(axis=0)
    expected = both.by_segment(labels).standard_errors[1]
    np.testing.assert_array_equal(
        both.for_target(1).by_segment(labels).standard_errors[0], expected
    )


@pytest.mark.parametrize(("faithful", "widest"), [(False, 1.5), (True, 3.5)])
def test_error_bars_cover_what_further_segmentations_would_say(faithful, widest):
    """Evidence in four regions, against the mean of 16 draws: Student's t of 7 degrees.

    Where trees and fits differ, but a fit hardly varies, bars are wider than needed.
    """
    rng = np.random.default_rng(2)
    weights = gaussian_filter(rng.normal(size=(40, 48)), 3)

    def model(batch):
        return np.tanh((batch.mean(axis=-1) * weights).sum(axis=(1, 2)) / 20)

    labels = (np.indices((40, 48)) // [[[20]], [[24]]] * [[[2]], [[1]]]).sum(axis=0)
    sharp = ll.Sharp(max_samples=100, faithful=faithful)
    draws = [sharp.explain(IMAGE, model, rng=seed).by_segment(labels) for seed in range(16)]
    found = np.array([each.importances for each in draws])
    errors = np.array([each.standard_errors for each in draws])
    inside = np.abs(found - found.mean(axis=0)) < 2.365 * errors
    assert np.mean(inside) > 0.88
    assert np.sqrt(np.square(errors).mean() / found.var(axis=0, ddof=1).mean()) < widest


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_samples": 9}, "`max_samples` must be an integer >= 10; got 9"),
        ({"max_samples": 64.0}, "`max_samples` must be an integer"),
        ({"segmenters": WAYS, "max_samples": 5}, "`max_samples` must be an integer >= 6; got 5"),
        ({"segmenters": []}, r"a sequence of callables .* segmenters=\[Slic\(30\), Slic\(60\)\]"),
        ({"segmenters": ll.Slic()}, "`segmenters` must be a sequence of callables"),
        ({"segmenters": [ll.Slic]}, r"segmenters=Slic\(\)"),
        ({"segmenters": [3]}, "`segmenters` must be a callable"),
        ({"fill": 0}, "`fill` must be a callable"),
    ],
)
def test_settings_are_checked_at_once(settings, words):
    with pytest.raises(InvalidInputError, match=words):
        ll.Sharp(**settings)


def test_a_fill_of_segments_is_refused_as_by_every_method_without_them():
    with pytest.raises(InvalidInputError, match="must do without segments"):
        ll.Sharp(fill=ll.SegmentMean()).explain(IMAGE, blob)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros((40, 48), int), "at least two segments"),
        (np.zeros((4, 4), int), "spatial shape"),
        (np.zeros((40, 48)), "integer labels"),
    ],
)
def test_bad_segments_are_refused_before_the_model_is_asked(labels, words):
    model = Recorder(blob)
    with pytest.raises(InvalidInputError, match=words):
        ll.Sharp(segmenters=[ll.Grid(4), lambda image: labels]).explain(IMAGE, model)
    assert model.n_images == 0


def test_a_single_pixel_that_counts_cannot_be_divided():
    one = np.zeros(IMAGE.shape[:2], dtype=bool)
    one[3, 4] = True
    with pytest.raises(InvalidInputError, match="A single pixel cannot be divided"):
        ll.Sharp(fill=ll.Constant(0)).explain(IMAGE, blob, valid=one)


def test_noise_is_divided_like_a_picture():
    """SLIC at its usual compactness leaves a single segment of it."""
    noise = np.random.default_rng(0).random((40, 48, 3))
    assert n_superpixels(noise) < 5
    found = ll.Sharp().explain(noise, blob, rng=0)
    asked = np.array([*N_SEGMENTS[::2], N_FITTED])
    assert (found.details["n_segments"] >= asked / 2).all()


def n_superpixels(image):
    return len(np.unique(ll.Slic(50, sigma=0.5).divide(segmenting_view(image))))


def test_a_faithful_map_adds_divisions_that_are_fitted_to_three_fifths_of_the_calls():
    found = ll.Sharp(max_samples=256, faithful=True).explain(IMAGE, blob, rng=0)
    rows = found.samples.keys
    assert len(rows) <= 256
    assert len(rows) > 256 - 4  # an odd call may be left
    assert found.details["n_segmentations"] == 8 + 2
    assert len(found.details["n_splits"]) == 8
    np.testing.assert_allclose(found.details["n_segments"][-2:], N_FITTED, rtol=0.2)
    change = found.scores[0] - found.hidden_scores[0]
    for values in found.details["layer_importances"]:
        assert np.isclose(values.sum(), change, rtol=1e-9)
    assert np.isclose(found.importances.sum(), change, rtol=1e-9)


def test_trees_have_seven_tenths_of_the_weight_in_a_map_and_the_fits_three():
    found = ll.Sharp(max_samples=256, faithful=True).explain(IMAGE, blob, rng=0)
    details = found.details
    np.testing.assert_allclose(details["layer_weights"], [7 / 80] * 8 + [3 / 20] * 2)
    maps = [
        (values[0] / np.bincount(labels.ravel()))[labels]
        for labels, values in zip(details["layers"], details["layer_importances"], strict=True)
    ]
    trees, fits = np.mean(maps[:8], axis=0), np.mean(maps[8:], axis=0)
    np.testing.assert_allclose(found.importances[0], 0.7 * trees + 0.3 * fits, atol=1e-12)


def test_errors_of_a_faithful_map_weigh_its_divisions_like_the_map():
    found = ll.Sharp(max_samples=256, faithful=True).explain(IMAGE, blob, rng=0)
    labels = np.indices((40, 48))[1] // 24
    weights = found.details["layer_weights"]
    sums = np.array([
        [(values[0] / np.bincount(each.ravel()))[each][labels == side].sum() for side in (0, 1)]
        for each, values in zip(
            found.details["layers"], found.details["layer_importances"], strict=True
        )
    ])  # fmt: skip
    mean = weights @ sums
    variance = weights @ (sums - mean) ** 2 / (1 - (weights**2).sum())
    regions = found.by_segment(labels)
    np.testing.assert_allclose(regions.importances[0], mean)
    np.testing.assert_allclose(
        regions.standard_errors[0], np.sqrt(variance * (weights**2).sum()), rtol=1e-6
    )
    alike = replace(found, details={k: v for k, v in found.details.items() if k != "layer_weights"})
    errors = [each.inside(labels == 0, sign="absolute").standard_error for each in (found, alike)]
    assert min(errors) > 0
    assert abs(errors[0] / errors[1] - 1) > 0.001


@pytest.mark.parametrize(
    ("calls", "n", "rows", "segments"),
    [(64, 1, 38, 38), (100, 1, 60, 60), (128, 1, 76, 70), (256, 2, 76, 70), (384, 3, 76, 70)],
)
def test_divisions_that_are_fitted_have_at_most_as_many_segments_as_rows(calls, n, rows, segments):
    sharp = ll.Sharp(max_samples=calls, faithful=True)
    assert sharp._for_fits() == (n, rows)
    found = sharp.explain(IMAGE, blob, rng=0).details["n_segments"][-n:]
    np.testing.assert_allclose(found, segments, rtol=0.2)


@pytest.mark.parametrize("channels_first", [False, True])
def test_a_fit_has_shapley_values_and_spreads_what_they_leave_unexplained_by_area(channels_first):
    """Hiding changes the segments by 4 and 3 on average; the trees found -1 and 2 in them.

    The last pixel does not count. Of two backgrounds, one is 2 below and one 2 above their mean.
    """
    image, labels = np.array([[2.0, 1.0, 1.0, 1.0, 9.0]]), np.array([[0, 1, 1, 1, -1]])
    backgrounds, axis = np.stack([image * 0 - 2, image * 0 + 2]), None
    if channels_first:  # an empty channel, which changes nothing
        image = np.stack([image, image * 0])
        backgrounds, axis = np.stack([backgrounds, backgrounds * 0], axis=1), 0
    ends = np.array([9.0]), np.array([0.0])
    query = SimpleNamespace(
        image=image, backgrounds=backgrounds, channel_axis=axis, ends=lambda: ends
    )
    coalitions = np.array([[1, 0], [0, 1], [1, 0]], dtype=bool)
    values = np.array([[4.0], [2.0], [4.5]])
    rows, scores = np.vstack([[[1, 1], [0, 0]], coalitions]).astype(bool), [[9.0], [0.0], *values]
    process = ll.GaussianProcess("shapley", energy=[4 * 1, 3 * 4])
    fitted = process(rows, np.array(scores), np.ones(5)).importances
    left = 9 - fitted.sum()
    assert abs(left) > 0.01
    found = _fit(query, labels, np.array([[-1.0, 2.0]]), coalitions, values)
    np.testing.assert_allclose(found, fitted + np.array([[left / 4, 3 * left / 4]]))
    for other in ([4, 3], [1, 4]):
        alike = ll.GaussianProcess("shapley", energy=other)
        assert not np.allclose(alike(rows, np.array(scores), np.ones(5)).importances, fitted)


def test_a_score_that_nothing_changes_is_told_once_and_its_fit_is_nothing():
    def model(batch):
        return np.stack([blob(batch), 0 * blob(batch)], axis=1)

    with pytest.warns(LimelensWarning, match="target 1 never changed") as told:
        found = ll.Sharp().explain(IMAGE, model, target=[0, 1], rng=0)
    assert len(told) == 1
    assert not found.importances[1].any()
    assert found.importances[0].any()


def test_pixels_whose_squares_are_beyond_the_largest_number_are_fitted():
    def shown(batch):
        return blob(batch / 1e160)

    plain, huge = (
        ll.Sharp().explain(IMAGE * scale, model, rng=0)
        for scale, model in ((1, blob), (1e160, shown))
    )
    change = huge.scores[0] - huge.hidden_scores[0]
    assert np.isclose(huge.importances.sum(), change, rtol=1e-9)
    assert np.corrcoef(huge.importances.ravel(), plain.importances.ravel())[0, 1] > 0.9


@pytest.mark.parametrize(("max_samples", "n_fits"), [(128, 1), (256, 2)])
def test_a_fit_expects_more_of_segments_in_which_the_trees_found_more(max_samples, n_fits):
    """Rows of the fits are the last images shown to the model, which is asked for two targets."""
    model = Recorder(lambda batch: np.stack([blob(batch), batch[:, 5, 5, 0]], axis=1), keep=True)
    sharp = ll.Sharp(max_samples=max_samples, fill=ll.Constant(0))
    found = sharp.explain(IMAGE, model, target=[0, 1], rng=0)
    layers, values = found.details["layers"], found.details["layer_importances"]
    areas = [np.bincount(labels.ravel()) for labels in layers]
    maps = sum((values[k] / areas[k])[:, layers[k]] for k in range(len(layers) - n_fits))
    shown = np.concatenate(model.batches).any(axis=-1)[-76 * n_fits :]  # no pixel of IMAGE is black
    for k, kept in zip(range(-n_fits, 0), np.split(shown, n_fits), strict=True):
        labels, n = layers[k].ravel(), len(areas[k])
        rows = np.array(
            [[each.ravel()[labels == segment].all() for segment in range(n)] for each in kept]
        )
        assert (kept == rows[:, layers[k]]).all()
        scores = np.vstack([found.scores, found.hidden_scores, model(kept[..., None] * IMAGE)])
        rows = np.vstack([np.ones(n, bool), np.zeros(n, bool), rows])
        changes = np.bincount(labels, np.square(IMAGE).sum(axis=-1).ravel())
        for target in (0, 1):
            evidence = np.bincount(labels, maps[target].ravel())
            process = ll.GaussianProcess("shapley", energy=changes * evidence**2)
            fitted = process(rows, scores[:, [target]], np.ones(len(rows))).importances[0]
            left = scores[0, target] - scores[1, target] - fitted.sum()
            wanted = fitted + left * areas[k] / areas[k].sum()
            np.testing.assert_allclose(
                values[k][target], wanted, rtol=1e-6, atol=1e-6 * abs(wanted).max()
            )


def test_a_faithful_map_is_the_same_whatever_the_batch_size():
    maps = [
        ll.Sharp(max_samples=64, faithful=True)
        .explain(IMAGE, blob, rng=3, batch_size=size)
        .importances
        for size in (1, 7, 64)
    ]
    np.testing.assert_array_equal(maps[0], maps[1])
    np.testing.assert_array_equal(maps[0], maps[2])


def test_a_faithful_map_refuses_divisions_of_the_users_own_and_few_calls():
    with pytest.raises(InvalidInputError, match=r"Use Sharp\(max_samples=256, faithful=True\)"):
        ll.Sharp(segmenters=WAYS, faithful=True)
    with pytest.raises(InvalidInputError, match="max_samples"):
        ll.Sharp(max_samples=63, faithful=True)
    assert ll.Sharp(max_samples=256, faithful=True).faithful


def test_bars_of_a_random_model_hold_its_noise():
    def noise(seed):
        draw = np.random.default_rng(seed).normal
        return lambda batch: draw(0, 1, len(batch))

    image = np.random.default_rng(0).random((16, 16))
    with pytest.warns(LimelensWarning, match="at random"):
        runs = [ll.Sharp(max_samples=40).explain(image, noise(seed), rng=0) for seed in range(12)]
    spread = np.var([each.importances[0] for each in runs], axis=0).mean()
    bars = np.mean([each.standard_errors[0] ** 2 for each in runs])
    assert 0.7 < bars / spread < 1.5
    assert min(each.standard_errors.min() for each in runs) > 1e-3  # the two ends are shared by all


def test_a_faithful_map_judges_rivals_of_the_object_beside_it():
    """The right third takes away half of what the left third adds, and does nothing alone."""
    image = np.zeros((48, 48))
    image[:, :16], image[:, 32:] = 1, 0.6

    def model(batch):
        shown = batch.mean(axis=1)
        return 10 * shown[:, :16].mean(axis=1) * (1 - shown[:, 32:].mean(axis=1) / 1.2)

    def rival(**settings):
        found = ll.Sharp(fill=ll.Constant(0), **settings).explain(image, model, rng=0)
        trees = range(len(found.details["n_splits"]))
        sums = [
            (found.details["layer_importances"][k][0] / np.bincount(layer.ravel()))[layer][:, 32:]
            for k, layer in zip(trees, found.details["layers"], strict=False)
        ]
        return np.mean([each.sum() for each in sums])

    assert rival() == pytest.approx(-5, abs=0.5)
    assert rival(faithful=False) == pytest.approx(-2.5, abs=0.5)
