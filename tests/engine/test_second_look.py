"""The intact image is shown again among masked ones: does the model answer alike?"""

import tracemalloc
import warnings

import numpy as np
import pytest
from explained import EXPLAINERS, IMAGE, every_explainer, logits, quietly

import limelens as ll
from limelens.engine.agreement import differs
from limelens.errors import InvalidInputError, LimelensWarning, PredictionError
from limelens.testing import Recorder


def softmax_over_the_batch(batch):
    powers = np.exp(logits(batch))
    return powers / powers.sum(axis=0)


def batch_norm_in_training_mode(batch):
    values = logits(batch)
    return (values - values.mean(axis=0)) / (values.std(axis=0) + 1e-3)


def scaled_by_the_batch(batch):
    with np.errstate(invalid="ignore"):
        return logits((batch - batch.mean()) / batch.std())


def dropout(seed):
    rng = np.random.default_rng(seed)
    return lambda batch: logits(batch) + rng.normal(0, 0.2, (len(batch), 1))


@every_explainer
@pytest.mark.parametrize("model", [softmax_over_the_batch, batch_norm_in_training_mode])
def test_a_score_that_depends_on_the_batch_is_refused_with_the_usual_causes(name, model):
    words = "depends on the other images of the batch"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(PredictionError, match=words) as caught:
            EXPLAINERS[name].explain(IMAGE, model, target=0, rng=0, batch_size=6)
    for cause in ("axis=-1", r"net.eval()", "the batch's own mean"):
        assert cause in str(caught.value)
    assert len(caught.value.samples) >= 1


@every_explainer
def test_a_score_that_depends_less_on_the_batch_is_at_least_warned_of(name):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "the answer depends on the other images of the batch")
        with pytest.raises((PredictionError, LimelensWarning), match="the batch's own mean"):
            EXPLAINERS[name].explain(IMAGE, scaled_by_the_batch, target=0, rng=0, batch_size=6)


@pytest.mark.parametrize("model", [softmax_over_the_batch, batch_norm_in_training_mode])
def test_one_batch_is_enough_to_tell(model):
    counted = Recorder(model)
    with pytest.raises(PredictionError, match="depends on the other images of the batch"):
        ll.Ablation(segmenter=ll.Grid(16)).explain(IMAGE, counted, target=0, batch_size=64)
    # both ends, all masked images and the intact one; both ends again, four
    # copies, and both ends alone
    assert counted.batch_sizes == [2, 16 + 1, 2, 4, 1, 1]


def ranks(batch):
    return logits(batch).argsort(axis=0).argsort(axis=0).astype(float)


def scaled_scores(batch):
    values = logits(batch)
    low, high = values.min(axis=0), values.max(axis=0)
    return (values - low) / np.maximum(high - low, 1e-12)


def scaled_pixels(batch):
    low, high = batch.min(axis=0), batch.max(axis=0)
    return logits((batch - low) / np.maximum(high - low, 1e-12))


BY_COMPANY = (softmax_over_the_batch, batch_norm_in_training_mode, ranks, scaled_scores)


@every_explainer
@pytest.mark.parametrize("batch_size", [2, 3])
@pytest.mark.parametrize("model", [*BY_COMPANY, scaled_pixels], ids=lambda each: each.__name__)
def test_beside_one_or_two_others_no_chance_hides_that_they_count(name, model, batch_size):
    with pytest.raises(PredictionError, match=r"depends on the (other images|place)"):
        EXPLAINERS[name].explain(IMAGE, model, target=0, rng=0, batch_size=batch_size)


def test_small_batches_are_looked_at_by_two_copies_of_the_intact_image():
    model = Recorder(logits, keep=True)
    ll.Ablation(segmenter=ll.Grid(4)).explain(IMAGE, model, target=0, batch_size=2)
    assert model.batch_sizes == [2, 2, 2, 2]
    assert (model.batches[2] == IMAGE).all()


def test_chance_costs_six_images_more_and_gives_bars():
    counted = Recorder(dropout(0))
    with pytest.warns(LimelensWarning, match="`predict_fn` answers at random: shown again"):
        found = ll.Ablation(segmenter=ll.Grid(16)).explain(IMAGE, counted, target=0)
    assert found.n_predictions == counted.n_images == 16 + 2 + 1 + 6
    assert (found.standard_errors > 0).all()


def test_noise_so_small_that_two_answers_often_agree_is_not_called_a_matter_of_place():
    told = []
    for seed in range(150):
        noise = np.random.default_rng(seed)

        def model(batch, noise=noise):
            return logits(batch) * (1 + noise.normal(0, 3e-4, (len(batch), 1)))

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            ll.Ablation(segmenter=ll.Grid(9)).explain(IMAGE, model, target=0, batch_size=8)
        told += [str(each.message) for each in caught]
    assert len(told) > 30
    assert not [message for message in told if "place" in message]


def beside_others(change):
    """Return a model that answers a batch at once, and then changes the rows."""

    def model(batch):
        return change(logits(batch))

    return model


PLACES = {
    "reversed": lambda scores: scores[::-1],
    "in another order": lambda scores: np.roll(scores, 1, axis=0),
    "one late": lambda scores: np.concatenate([scores[:1], scores[:-1]]),
    "first row": lambda scores: scores * np.where(np.arange(len(scores)) == 0, 1.2, 1)[:, None],
    "last row": lambda scores: scores * np.where(np.arange(len(scores)) == len(scores) - 1, 0, 1)[
        :, None
    ],
    "drifting along": lambda scores: scores * (1 + 0.1 * np.arange(len(scores)))[:, None],
    "ranks": lambda scores: scores.argsort(axis=0).argsort(axis=0).astype(float),
}  # fmt: skip


@pytest.mark.parametrize("batch_size", [2, 3])
@pytest.mark.parametrize("change", PLACES.values(), ids=PLACES)
def test_small_batches_show_that_the_place_counts_too(change, batch_size):
    with pytest.raises(PredictionError, match="`predict_fn` must"):
        EXPLAINERS["Ablation"].explain(
            IMAGE, beside_others(change), target=0, batch_size=batch_size
        )


@pytest.mark.parametrize("batch_size", [4, 6, 64])
@pytest.mark.parametrize("change", PLACES.values(), ids=PLACES)
def test_a_score_that_depends_on_the_place_in_the_batch_is_called_so(change, batch_size):
    with pytest.raises(
        PredictionError, match="depends on the place in the batch: in one batch, and every time"
    ):
        EXPLAINERS["Ablation"].explain(
            IMAGE, beside_others(change), target=0, batch_size=batch_size
        )


RANGES = {
    "s / s.max()": lambda s: s / s.max(),
    "s - s.max()": lambda s: s - s.max(),
    "s / s.sum()": lambda s: s / s.sum(),
    "s - s.mean()": lambda s: s - s.mean(),
    "(s - s.min()) / (s.max() - s.min())": lambda s: (s - s.min()) / np.ptp(s),
    "the same with an epsilon": lambda s: (s - s.min()) / (np.ptp(s) + 1e-8),
    "ranks": lambda s: s.argsort(axis=0).argsort(axis=0) / max(1, len(s) - 1),
    "s / norm(s)": lambda s: s / np.linalg.norm(s),
}


@quietly
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("batch_size", [4, 64, 100])
@pytest.mark.parametrize("scale", RANGES.values(), ids=RANGES)
def test_scores_scaled_by_the_batch_are_refused_where_the_intact_image_is_the_highest(
    scale, batch_size
):
    model = beside_others(lambda scores: scale(scores[:, :1]))
    with pytest.raises(PredictionError, match=r"(of|in) the batch") as caught:
        EXPLAINERS["Ablation"].explain(
            IMAGE, model, target=0, batch_size=batch_size, rng=0,
        )  # fmt: skip
    assert len(caught.value.samples) > 1


def test_a_single_image_that_has_no_range_is_told_of_scaling_by_the_batch():
    def scaled(batch):
        scores = logits(batch)[:, 0]
        with np.errstate(invalid="ignore"):
            return (scores - scores.min()) / np.ptp(scores)

    with pytest.raises(PredictionError, match=r"NaN.* by the batch's own mean or range"):
        EXPLAINERS["Ablation"].explain(IMAGE, scaled, batch_size=1)
    with pytest.raises(PredictionError, match=r"depends on the other .* by itself has no finite"):
        EXPLAINERS["Ablation"].explain(2 - IMAGE, scaled, batch_size=64)


@pytest.mark.parametrize("batch_size", [1, 6, 64])
def test_a_model_that_warms_up_is_told_that_it_changes_from_call_to_call(batch_size):
    def warming_up(batch, calls=[]):  # noqa: B006 - counts its calls
        calls.append(len(batch))
        return logits(batch) * (0.5 if len(calls) == 1 else 1)

    with pytest.raises(PredictionError, match=r"changes from call to call: .*call it once before"):
        EXPLAINERS["Ablation"].explain(IMAGE, warming_up, target=0, batch_size=batch_size)


def test_a_model_that_counts_its_calls_is_told_so():
    def counting(batch, calls=[]):  # noqa: B006
        calls.append(len(batch))
        return logits(batch) + 0.1 * len(calls)

    ablation = EXPLAINERS["Ablation"]
    with pytest.raises(PredictionError, match="it counts its calls"):
        ablation.explain(IMAGE, counting, target=0, batch_size=6)
    with pytest.warns(LimelensWarning, match="at random, or otherwise from call to call"):
        ablation.explain(IMAGE, counting, target=0, batch_size=1)


@every_explainer
@quietly
def test_a_model_that_answers_at_random_is_told_by_how_much(name):
    counted = Recorder(dropout(1))
    with pytest.warns(LimelensWarning, match="answers at random: .*differ by up to") as caught:
        found = EXPLAINERS[name].explain(IMAGE, counted, target=0, rng=0, batch_size=6)
    assert any("net.eval()" in str(each.message) for each in caught)
    assert found.n_predictions == counted.n_images
    assert 0.02 < found.details["answer_noise"][0] < 1
    assert "answers differ at random by" in repr(found)
    if name != "Anchors":  # which says yes or no, and has words
        assert np.nanmin(found.standard_errors) > 0


@every_explainer
@quietly
def test_the_second_look_costs_one_image_and_is_counted(name):
    model = Recorder(logits, keep=True)
    found = EXPLAINERS[name].explain(IMAGE, model, target=0, rng=0)
    assert found.n_predictions == model.n_images
    shown = np.concatenate(model.batches)
    again = 1 + (name == "QuickShap")  # all coalitions of few segments are asked in pairs
    assert (shown == IMAGE).all(axis=(1, 2)).sum() in (2, 1 + again)
    assert any((batch[-1] == IMAGE).all() for batch in model.batches[1:])
    assert "answer_noise" not in found.details


def row_of_the_first(batch):
    return np.repeat(logits(batch)[:1], len(batch), axis=0)


def in_any_order(seed):
    rng = np.random.default_rng(seed)
    return lambda batch: rng.permutation(logits(batch))


@every_explainer
def test_a_model_that_scores_only_the_first_image_of_a_batch_is_refused(name):
    with pytest.raises(PredictionError, match="must score every image by itself"):
        EXPLAINERS[name].explain(IMAGE, row_of_the_first, target=0, rng=0)


def test_a_constant_model_costs_two_images_more_and_is_no_model_of_the_first_image():
    model = Recorder(lambda batch: np.full((len(batch), 2), 0.3))
    with pytest.warns(LimelensWarning, match="never changed over the masked images"):
        found = ll.Ablation(segmenter=ll.Grid(16)).explain(IMAGE, model, target=0, batch_size=64)
    assert model.batch_sizes == [2, 16 + 1, 1, 1]
    assert not found.importances.any()


def test_rows_in_any_order_are_rarely_taken_for_the_right_ones():
    explainer, told = ll.Owen(segmenter=ll.Grid(64)), 0
    for seed in range(60):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                explainer.explain(IMAGE, in_any_order(seed), target=0, rng=0)
            except PredictionError:
                told += 1
                continue
        told += any("answer" in str(each.message) for each in caught)
    assert told >= 54  # 42 where the intact image was shown among the first two


def test_the_second_look_waits_for_a_batch_in_which_it_tells_something():
    model = Recorder(logits, keep=True)
    ll.Owen(segmenter=ll.Grid(64)).explain(IMAGE, model, target=0, batch_size=64)
    looked = next(i for i, batch in enumerate(model.batches[1:]) if (batch[-1] == IMAGE).all())
    assert [len(batch) for batch in model.batches[1 : 2 + looked]] == [2, 8, 16 + 1]


def test_the_second_look_comes_last_where_no_larger_batch_came():
    model = Recorder(logits, keep=True)
    found = ll.Owen(segmenter=ll.Grid(2)).explain(IMAGE, model, target=0)
    assert found.n_predictions == model.n_images
    assert [len(batch) for batch in model.batches[-3:]] == [2, 1, 1]  # beside the hidden one; alone
    assert (model.batches[-3][-1] == IMAGE).all()


@pytest.mark.parametrize("model", [softmax_over_the_batch, batch_norm_in_training_mode])
def test_where_the_look_comes_last_both_ends_are_shown_alone_as_well(model):
    with pytest.raises(PredictionError, match="score every image by itself"):
        ll.Owen(segmenter=ll.Grid(2)).explain(IMAGE, model, target=0)


@pytest.mark.parametrize(("batch_size", "alone"), [(1, True), (2, False), (7, False)])
def test_the_second_look_keeps_to_the_batch_size(batch_size, alone):
    model = Recorder(logits, keep=True)
    EXPLAINERS["Ablation"].explain(IMAGE, model, target=0, batch_size=batch_size)
    assert max(model.batch_sizes) == batch_size
    assert model.n_images == 64 + 2 + (2 if batch_size == 2 else 1)
    assert (model.batches[-1] == IMAGE).all() == alone


def test_every_image_alone_shows_chance_at_once():
    counted = Recorder(dropout(0))
    with pytest.warns(LimelensWarning, match="answers at random"):
        ll.Ablation(segmenter=ll.Grid(4)).explain(IMAGE, counted, target=0, batch_size=1)
    assert counted.n_images == 4 + 2 + 1 + 2


def test_a_run_that_goes_on_is_looked_at_once():
    model = Recorder(logits, keep=True)
    ll.PermutationShapley(segmenter=ll.Grid(16), n_permutations=9).explain(IMAGE, model, target=0)
    assert (np.concatenate(model.batches) == IMAGE).all(axis=(1, 2)).sum() == 2


def test_ways_of_computing_are_no_difference():
    scores = np.array([1.0, 0.5], np.float32)
    assert not differs(scores, scores + np.float32(5e-5), scores)
    assert differs(scores, scores + np.float32(5e-4), scores)
    assert not differs(scores.astype(np.float16), scores.astype(np.float16) * 0.995, scores)


def test_a_small_dependence_on_the_batch_is_warned_of():
    def nearly(batch):
        return logits(batch) * (1 + 0.01 * (len(batch) == 6))

    with pytest.warns(LimelensWarning, match="the answer depends on the other images"):
        found = EXPLAINERS["Ablation"].explain(IMAGE, nearly, target=0, batch_size=6)
    assert found.standard_errors is None


@every_explainer
@quietly
@pytest.mark.parametrize("batch_size", [6, 64])
def test_scaling_to_the_range_of_the_batch_is_refused(name, batch_size):
    def scaled(batch):  # any batch that holds the intact image gives it 1
        scores = logits(batch)[:, 0]
        return (scores - scores.min()) / (np.ptp(scores) + 1e-300)

    with pytest.raises(PredictionError, match="the batch's own mean or range") as caught:
        EXPLAINERS[name].explain(2 - IMAGE, scaled, rng=0, batch_size=batch_size)
    assert len(caught.value.samples) > 1


def test_an_intact_image_that_scores_the_highest_1_costs_two_images():
    def chain(batch):  # hiding the first pixel gives 0, hiding the second one 0.5
        return batch[:, 0, 0] * (1 + batch[:, 0, 1]) / 2

    counted = Recorder(chain)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = ll.Ablation(segmenter=ll.Grid(16), fill=ll.Constant(0)).explain(
            np.ones((4, 4)), counted
        )
    assert found.n_predictions == counted.n_images == 16 + 2 + 1 + 2
    np.testing.assert_allclose(found.importances[0, :3], [1, 0.5, 0])


def test_a_single_image_that_fails_in_another_way_raises_what_it_raised():
    calls = []

    def chain(batch):
        calls.append(len(batch))
        if len(calls) > 2:
            raise PredictionError("the service is away")
        return batch[:, 0, 0] * (1 + batch[:, 0, 1]) / 2

    explainer = ll.Ablation(segmenter=ll.Grid(16), fill=ll.Constant(0))
    with pytest.raises(PredictionError, match="the service is away"):
        explainer.explain(np.ones((4, 4)), chain, batch_size=32)


# -- reuse: is it the same model? ---------------------------------------------------------------


def small_columns(sign):
    def model(batch):
        left = 1e-4 * logits(batch)[:, 0]
        return np.stack([np.full(len(batch), 0.9), 1e-3 + sign * left], axis=1)

    return model


def test_rows_of_a_model_that_differs_in_small_scores_only_are_refused():
    ablation = ll.Ablation(segmenter=ll.Grid(16))
    first = ablation.explain(IMAGE, small_columns(1), target=1)
    other = Recorder(small_columns(-1))
    with pytest.raises(InvalidInputError, match=r"rows of another model: .* column 1 is 0.001"):
        ablation.explain(IMAGE, other, target=1, reuse=first)
    assert other.n_images == 1
    same = Recorder(small_columns(1))
    again = ablation.explain(IMAGE, same, target=1, reuse=first)
    assert same.n_images == 1
    np.testing.assert_array_equal(again.importances, first.importances)


def test_rows_of_a_model_with_another_number_of_scores_are_refused():
    ablation = ll.Ablation(segmenter=ll.Grid(16))
    first = ablation.explain(IMAGE, logits, target=1)
    with pytest.raises(InvalidInputError, match=r"another model: 2 scores .* returns 1"):
        ablation.explain(IMAGE, lambda batch: logits(batch)[:, :1], reuse=first)


def test_rounding_of_logits_near_zero_is_no_other_model():
    def logit(noise):
        return lambda batch: logits(batch) @ np.array([[30.0, 1e-3], [0, 0]]) + noise

    ablation = ll.Ablation(segmenter=ll.Grid(16))
    first = ablation.explain(IMAGE, logit(np.array([0, -0.02])), target=0)
    assert ablation.explain(IMAGE, logit(np.array([0, -0.015])), reuse=first).n_predictions == 1


# -- a model that refuses single images -----------------------------------------------------------


def test_a_model_that_fails_on_one_image_is_shown_it_twice():
    def squeezing(batch):
        return logits(batch).squeeze()  # of one image: (2,)

    expected = ll.Occlusion(window=12, stride=12).explain(IMAGE, logits, target=0, batch_size=4)
    model = Recorder(squeezing)
    exact = ll.ExactShapley(segmenter=ll.Grid(2))
    right = exact.explain(IMAGE, logits, target=0)
    with pytest.warns(LimelensWarning, match="fails on a batch of 1 image .* filled up to 2"):
        found = exact.explain(IMAGE, model, target=0, batch_size=2, reuse=right)  # asks for one
    assert found.n_predictions == model.n_images - 2  # the call that failed, and failed again
    np.testing.assert_allclose(found.importances, right.importances)
    assert expected.n_predictions == 4 + 3


def test_no_single_image_is_left_over_for_the_last_call():
    model = Recorder(logits)
    ll.Occlusion(window=4, stride=4).explain(IMAGE, model, target=0, batch_size=6)  # 36 windows
    assert model.batch_sizes == [2, 6, 6, 6, 6, 6, 5, 2]


def test_a_model_of_single_images_is_told_to_the_caller():
    def single(batch):
        if len(batch) != 1:
            raise ValueError("expected a batch of 1")
        return logits(batch)

    with pytest.raises(ValueError, match="expected a batch of 1") as caught:
        EXPLAINERS["Ablation"].explain(IMAGE, single, target=0)
    assert any("pass that number: batch_size=1" in note for note in caught.value.__notes__)
    EXPLAINERS["Ablation"].explain(IMAGE, single, target=0, batch_size=1)


def test_a_large_batch_size_costs_no_memory_until_a_call_fails():
    image = np.random.default_rng(0).random((256, 256))
    ablation = ll.Ablation(segmenter=ll.Grid(4))

    def peak(batch_size):
        tracemalloc.start()
        ablation.explain(image, lambda batch: batch.mean(axis=(1, 2)), batch_size=batch_size)
        bytes_used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return bytes_used

    assert peak(1000) < peak(8) + 8 * image.nbytes
