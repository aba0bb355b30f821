"""The mean of several maps of one image."""

from dataclasses import replace

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError

IMAGE = np.random.default_rng(0).random((12, 12))


def model(batch):
    first = batch[:, :6].sum(axis=(1, 2))
    return np.stack([first, batch[:, 3, 3] ** 2], axis=1)


def other_model(batch):
    """Return the same highest score of `IMAGE`, and another second one."""
    scores = model(batch)
    return scores * [1, 0.8]


def explain(explainer, **settings):
    return explainer.explain(IMAGE, model, **({"target": [0, 1], "rng": 0} | settings))


def owens(*sizes):
    return [explain(ll.Owen(segmenter=ll.Grid(n), fill=ll.Constant(0))) for n in sizes]


def test_with_the_same_segments_it_is_a_mean_a_segment():
    limes = [explain(ll.Lime(segmenter=ll.Grid(9), n_samples=50), rng=seed) for seed in range(3)]
    found = ll.average(limes)
    values = np.stack([each.importances for each in limes])
    np.testing.assert_allclose(found.importances, values.mean(axis=0))
    np.testing.assert_allclose(
        found.standard_errors, values.std(axis=0, ddof=1) / np.sqrt(3), atol=1e-12
    )
    np.testing.assert_array_equal(found.segments, limes[0].segments)
    assert found.n_predictions == sum(each.n_predictions for each in limes)
    assert found.reliability.shape == (2,)
    steps = [each.details["rounding"] for each in limes]
    np.testing.assert_array_equal(found.details["rounding"], np.max(steps, axis=0))
    assert len(found.top_segments(1)) == 1


def test_with_other_segments_it_is_a_mean_density_a_pixel():
    four, nine = owens(4, 9)
    found = ll.average([four, nine])
    maps = np.stack(
        [four.importances[:, four.segments] / 36, nine.importances[:, nine.segments] / 16]
    )
    np.testing.assert_allclose(found.importances, maps.mean(axis=0))
    np.testing.assert_allclose(found.standard_errors, np.abs(maps[0] - maps[1]) / 2, atol=1e-12)
    assert found.segments is None
    np.testing.assert_allclose(
        found.importances.sum(axis=(1, 2)), four.scores - four.hidden_scores, atol=1e-9
    )


def test_a_mean_over_segmentations_is_drawn_smooth_and_knows_its_regions():
    four, nine = owens(4, 9)
    found = ll.average([four, nine])
    assert (found.heatmap() != found.importances[0]).any()
    top = (np.indices((12, 12))[0] >= 6).astype(int)
    # rows 0 to 5: two of four cells, three and three halves of nine
    one = np.array([four.importances[:, cells].sum(axis=1) for cells in ([0, 1], [2, 3])]).T
    thirds = nine.importances.reshape(2, 3, 3).sum(axis=2)
    other = np.stack([thirds[:, 0] + thirds[:, 1] / 2, thirds[:, 1] / 2 + thirds[:, 2]], axis=1)
    halves = found.by_segment(top)
    np.testing.assert_allclose(halves.importances, (one + other) / 2)
    np.testing.assert_allclose(halves.standard_errors, np.abs(one - other) / 2, atol=1e-12)


def test_maps_a_pixel_are_averaged_as_they_are():
    windows = [explain(ll.Occlusion(window=size, stride=2)) for size in (2, 4)]
    found = ll.average(windows)
    np.testing.assert_allclose(
        found.importances, (windows[0].importances + windows[1].importances) / 2
    )
    np.testing.assert_array_equal(found.heatmap(), found.importances[0])


def test_an_average_of_sharp_maps_is_drawn_smooth_as_they_are():
    sharp = [explain(ll.Sharp(max_samples=20), rng=seed) for seed in (0, 1)]
    found = ll.average(sharp)
    assert found.details["interpolation"] == "smooth"
    np.testing.assert_allclose(
        found.importances.sum(axis=(1, 2)), sharp[0].importances.sum(axis=(1, 2)), atol=1e-9
    )


def test_one_explanation_averages_to_itself_without_error_bars():
    (four,) = owens(4)
    found = ll.average([four])
    np.testing.assert_array_equal(found.importances, four.importances)
    assert found.standard_errors is None
    assert found.reliability is None


def test_it_is_an_explanation_like_any_other(tmp_path):
    found = ll.average(owens(4, 9))
    assert repr(found).startswith("<Explanation by average: '0'")
    found.save(tmp_path / "mean.npz")
    back = ll.Explanation.load(tmp_path / "mean.npz")
    np.testing.assert_array_equal(back.heatmap(1), found.heatmap(1))
    np.testing.assert_allclose(
        back.for_target(1).by_segment(owens(4)[0].segments).standard_errors,
        found.by_segment(owens(4)[0].segments).standard_errors[1:],
    )
    found.to_image()


def test_methods_that_hide_nothing_leave_the_hidden_score_unknown():
    class WithGradient:
        def __call__(self, batch):
            return batch.sum(axis=(1, 2))[:, np.newaxis]

        def gradient(self, batch, target):
            return np.ones(batch.shape)

    cases = [ll.IntegratedGradients(n_steps=n).explain(IMAGE, WithGradient()) for n in (3, 5)]
    assert np.isfinite(ll.average(cases).importances).all()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda one: one, r"must be a list of Explanation; .*Use average\(\[one, other\]\)"),
        (lambda one: [], "at least one; got none"),
        (lambda one: [one, 3], "must hold Explanation objects, at least one; got 3"),
        (lambda one: [one, replace(one, image=IMAGE + 1)], "of one image; number 1 has another"),
        (lambda one: [one, replace(one, image=IMAGE.astype(np.float32))], "of one image"),
        (lambda one: [one, one.for_target(1)], "targets; number 1 .* the same `target`"),
        (lambda one: [one, replace(one, target_names=("a", "b"))], "names; .*`class_names`"),
        (lambda one: [one, replace(one, scores=np.ones(3), hidden_scores=np.ones(3))],
         "same number of scores; number 1 has 3, the first 2"),
        (lambda one: [one, explain(ll.Occlusion(window=4, stride=2))],
         r"all per segment or all per pixel; .*by_segment\(labels\)"),
        (lambda one: [explain(ll.Occlusion(window=4, stride=2)), explain(ll.Sharp(max_samples=20))],
         r"in one unit; number 1 is in 'score per pixel', the first in 'score'"),
    ],
)  # fmt: skip
def test_what_cannot_be_averaged_is_named(make, words):
    (one,) = owens(4)
    with pytest.raises(InvalidInputError, match=words):
        ll.average(make(one))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (other_model, r"of one model; .* number 1 has 0\.\d+ in score column 1, the first 0\.\d+"),
        (lambda batch: -model(batch), "of one model; .* in score column 0"),
    ],
)
def test_maps_of_two_models_are_not_averaged(other, words):
    fours = [
        ll.Owen(segmenter=ll.Grid(4)).explain(IMAGE, predict_fn, target=[0, 1], rng=0)
        for predict_fn in (model, other)
    ]
    with pytest.raises(InvalidInputError, match=words):
        ll.average(fours)


def test_maps_of_two_meanings_of_a_target_are_not_averaged():
    def of(target):
        return ll.Owen(segmenter=ll.Grid(4)).explain(IMAGE, model, target=target, rng=0)

    with pytest.raises(InvalidInputError, match=r"of one target; number 1 makes .* of the intact"):
        ll.average([of(lambda scores: scores[:, 0]), of(lambda scores: scores[:, 1])])
    with pytest.raises(InvalidInputError, match=r"kind of target; .* the same `target`"):
        ll.average([of(0), of(lambda scores: scores[:, 0])])


def test_a_difference_near_zero_may_be_rounding():
    scale = float(model(IMAGE[None])[0, 0] / model(IMAGE[None])[0, 1])

    def single(batch):
        return (model(batch) * [1, scale]).astype(np.float32)

    def otherwise(batch):
        return np.nextafter(single(batch), np.float32(np.inf))

    both = [
        ll.Owen(segmenter=ll.Grid(4)).explain(IMAGE, each, target=ll.margin(0, 1), rng=0)
        for each in (single, lambda batch: otherwise(batch) * np.float32([1 + 1e-6, 1]))
    ]
    values = [float(each.target_values[0, 0]) for each in both]
    assert abs(values[0] - values[1]) > 0.05 * max(np.abs(values))
    assert ll.average(both).importances.shape == (1, 4)


def test_a_difference_that_is_zero_in_all_images_may_be_rounding():
    def twins(batch, moved):
        return np.repeat(model(batch)[:, :1], 2, axis=1) * [1, 1 + moved]

    both = [
        ll.Owen(segmenter=ll.Grid(4)).explain(
            IMAGE, lambda batch, m=moved: twins(batch, m), target=ll.margin(0, 1), rng=0
        )
        for moved in (1e-5, -1e-5)
    ]
    assert ll.average(both).importances.shape == (1, 4)


def test_a_logit_near_zero_is_compared_beside_the_others():
    """The image in one color scores as little, so the other logits say what is rounding."""

    def logits(near_zero):
        return ll.with_gradient(
            lambda batch: [near_zero, 5, -5] + (batch - IMAGE).mean((1, 2))[:, np.newaxis],
            lambda batch, _: np.full(batch.shape, 1 / IMAGE.size),
        )

    both = [
        ll.IntegratedGradients(baseline=ll.ImageMean()).explain(
            IMAGE, logits(near_zero), target=0, channel_axis=None, rng=0
        )
        for near_zero in (1e-4, 2e-4)
    ]
    assert ll.average(both).importances.shape == (1, *IMAGE.shape)


def test_maps_of_a_model_that_answers_at_random_are_averaged():
    rng = np.random.default_rng(0)

    def noisy(batch):
        return model(batch) * rng.normal(1, 0.2, (len(batch), 1))

    with pytest.warns(ll.LimelensWarning, match="at random"):
        both = [
            ll.Owen(segmenter=ll.Grid(4)).explain(IMAGE, noisy, target=0, rng=n) for n in (0, 1)
        ]
    assert abs(both[0].scores[0] - both[1].scores[0]) > 0.05 * both[0].scores[0]
    assert ll.average(both).importances.shape == (1, 4)


@pytest.mark.parametrize("order", [1, -1])
def test_maps_with_and_without_pixels_that_do_not_count_are_not_averaged(order):
    windows = [explain(ll.Occlusion(window=4), valid=valid) for valid in (None, IMAGE > 0.1)]
    with pytest.raises(InvalidInputError, match="pixels that count; number 1 has"):
        ll.average(windows[::order])


def test_the_advice_to_sum_maps_over_segments_works():
    (one,) = owens(4)
    other = explain(ll.Occlusion(window=4, stride=2)).by_segment(one.segments)
    assert ll.average([one, other]).importances.shape == (2, 4)


def test_scores_that_differ_are_averaged_target_by_target():
    limes = [
        explain(ll.Lime(segmenter=ll.Grid(9), n_samples=50, fill=ll.Constant(c))) for c in (0, 1)
    ]
    pairs = np.stack([each.target_values for each in limes])
    assert (pairs[0] != pairs[1]).any()
    np.testing.assert_allclose(ll.average(limes).target_values, pairs.mean(axis=0))
    without = replace(limes[1], target_values=None)
    assert ll.average([limes[0], without]).target_values is None
