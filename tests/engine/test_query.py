"""What the model is shown, what is kept of its answers, and what is refused."""

import contextlib
import gc
import weakref
from dataclasses import dataclass

import numpy as np
import pytest

from limelens.engine.query import Query
from limelens.engine.samples import Samples
from limelens.errors import InvalidInputError, LimelensWarning, PredictionError
from limelens.testing import AdditiveModel, Recorder, TableGame, all_coalitions

SEGMENTS = np.array([[0, 0, 1, 1], [2, 2, 3, 3]])
IMAGE = np.arange(1, 9, dtype=np.uint8).reshape(2, 4)
BACKGROUND = np.zeros((1, 2, 4), dtype=np.uint8)
WEIGHTS = np.array([1.0, -2.0, 3.0, 0.5])
ROWS = np.array([[1, 0, 1, 0], [0, 0, 0, 1], [1, 0, 1, 0], [1, 1, 1, 1]], dtype=bool)


def additive():
    return Recorder(AdditiveModel(SEGMENTS, WEIGHTS, image=IMAGE, background=0), keep=True)


def query(model, **settings):
    backgrounds = settings.pop("backgrounds", BACKGROUND)
    return Query(IMAGE, None, model, backgrounds, SEGMENTS, **settings)


def test_the_first_call_holds_the_intact_and_the_hidden_image():
    model = additive()
    asked = query(model)
    assert model.batch_sizes == [2]
    np.testing.assert_array_equal(model.batches[0], [IMAGE, BACKGROUND[0]])
    np.testing.assert_array_equal(asked.intact_scores, [2.5])
    np.testing.assert_array_equal(asked.hidden_scores, [0.0])


def test_scores_come_back_row_by_row_and_equal_rows_are_sent_once():
    model = additive()
    asked = query(model)
    np.testing.assert_allclose(asked.ask(ROWS)[:, 0], ROWS @ WEIGHTS)
    # two ends, two distinct rows and the intact image once more
    assert model.n_images == asked.n_predictions == 5
    np.testing.assert_allclose(asked.ask(ROWS[::-1])[:, 0], ROWS[::-1] @ WEIGHTS)
    assert model.n_images == 5


def test_hidden_segments_show_the_background_and_kept_ones_the_image():
    model = additive()
    query(model).ask(ROWS[:1])
    np.testing.assert_array_equal(model.batches[-1][0], [[1, 2, 0, 0], [5, 6, 0, 0]])
    assert model.batches[-1].dtype == np.uint8


@pytest.mark.parametrize("batch_size", [1, 2, 3, 64])
def test_no_batch_exceeds_the_batch_size(batch_size):
    model = additive()
    asked = query(model, batch_size=batch_size)
    every = (np.arange(16)[:, np.newaxis] >> np.arange(4) & 1).astype(bool)
    np.testing.assert_allclose(asked.ask(every)[:, 0], every @ WEIGHTS)
    asked.finish()
    assert max(model.batch_sizes) <= batch_size
    assert model.n_images == 16 + 1 + (batch_size in (2, 3))


def test_batches_are_bounded_in_bytes(monkeypatch):
    monkeypatch.setattr("limelens.engine.composer.BATCH_BYTES", 3 * IMAGE.nbytes)
    model = additive()
    every = (np.arange(16)[:, np.newaxis] >> np.arange(4) & 1).astype(bool)
    query(model).ask(every)
    assert max(model.batch_sizes) == 3


def test_an_image_larger_than_the_bytes_still_goes_alone(monkeypatch):
    monkeypatch.setattr("limelens.engine.composer.BATCH_BYTES", 1)
    model = additive()
    query(model).ask(ROWS)
    assert set(model.batch_sizes) == {1}


def test_a_score_is_the_mean_over_the_backgrounds():
    model = Recorder(lambda batch: batch.sum(axis=(1, 2)).astype(float), keep=True)
    backgrounds = np.stack([np.full((2, 4), 0), np.full((2, 4), 10)]).astype(np.uint8)
    asked = query(model, backgrounds=backgrounds)
    scores = asked.ask(ROWS[:1])  # keeps 1 + 2 + 5 + 6, hides four pixels
    np.testing.assert_allclose(scores, [[14 + 4 * 10 / 2]])
    np.testing.assert_allclose(asked.hidden_scores, [8 * 10 / 2])
    assert asked.n_predictions == model.n_images == 3 + 2 + 1


def test_samples_hold_every_row_and_can_be_used_again():
    first = query(additive())
    first.ask(ROWS)
    samples = first.samples()
    np.testing.assert_array_equal(
        samples.coalitions.astype(int), [[1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]]
    )
    model = additive()
    again = query(model, reuse=samples)
    np.testing.assert_array_equal(again.ask(ROWS), first.ask(ROWS))
    assert model.n_images == again.n_predictions == 1


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ((IMAGE + 1, BACKGROUND, SEGMENTS), "another image"),
        ((IMAGE, BACKGROUND + 1, SEGMENTS), "another background"),
        ((IMAGE, BACKGROUND, SEGMENTS[::-1]), "another segmentation"),
        ((IMAGE.astype(np.uint16), BACKGROUND, SEGMENTS), "another image"),
    ],
)
def test_rows_of_another_question_are_not_used_again(changed, words):
    image, background, segments = changed
    samples = query(additive()).samples()
    with pytest.raises(InvalidInputError, match=words):
        Query(image, None, additive(), background, segments, reuse=samples)


def test_reuse_must_be_an_explanation_or_samples():
    with pytest.raises(InvalidInputError, match="`reuse` must be an Explanation or its samples"):
        query(additive(), reuse=3)


@pytest.mark.parametrize("known", [ROWS[-1:], ROWS[:1], ROWS[1:]], ids=["intact", "other", "all"])
def test_rows_that_lack_an_end_are_completed_by_it(known):
    first = query(additive())
    samples = Samples(
        keys=np.packbits(known, axis=1),
        scores=(known @ WEIGHTS)[:, np.newaxis],
        n_segments=4,
        fingerprint=first.samples().fingerprint,
    )
    model = additive()
    asked = query(model, reuse=samples)
    np.testing.assert_array_equal([asked.intact_scores, asked.hidden_scores], [[2.5], [0.0]])
    assert model.n_images == 2  # the end that is lacking, and the intact image in any case
    np.testing.assert_array_equal(asked.ask(known), samples.scores)
    np.testing.assert_array_equal(asked.ask(np.zeros((1, 4), bool)), [[0.0]])


def test_a_failing_model_loses_nothing():
    every = (np.arange(16)[:, np.newaxis] >> np.arange(4) & 1).astype(bool)
    undisturbed = query(additive()).ask(every)
    model = additive()
    model.fail_at_call = 4
    asked = query(model, batch_size=4)
    with pytest.raises(RuntimeError, match="fails on purpose") as caught:
        asked.ask(every)
    assert len(caught.value.samples) == 2 + 3 + 4
    assert any("(4, 2, 4)" in note for note in caught.value.__notes__)
    rest = additive()
    np.testing.assert_array_equal(query(rest, reuse=caught.value.samples).ask(every), undisturbed)
    assert rest.n_images == 1 + (16 - 9) + 1


def test_the_rows_ride_on_exceptions_that_refuse_attributes():
    @dataclass(frozen=True)
    class LostError(Exception):
        worker: int

    model = Recorder(lambda batch: batch.mean(axis=(1, 2)), fail_at_call=2, error=LostError(7))
    with pytest.raises(LostError) as caught:
        query(model).ask(ROWS)
    assert len(caught.value.samples) == 2


def test_what_the_models_own_exceptions_call_samples_is_left_alone():
    error = RuntimeError("the third of my samples")
    error.samples = "mine"
    model = Recorder(lambda batch: batch.mean(axis=(1, 2)), fail_at_call=2, error=error)
    with pytest.raises(RuntimeError, match="third"):
        query(model).ask(ROWS)
    assert error.samples == "mine"


def test_an_exception_raised_again_carries_the_rows_of_the_last_run():
    error = RuntimeError("the same one every time")

    def run(fail_at_call, reuse=None):
        model = additive()
        model.error, model.fail_at_call = error, fail_at_call
        with pytest.raises(RuntimeError):
            query(model, batch_size=1, reuse=reuse).ask(ROWS)
        return error.samples

    assert len(run(3, reuse=run(3))) == 3


def test_a_target_refused_after_the_first_call_carries_what_that_call_paid_for():
    with pytest.raises(InvalidInputError, match="`target`") as caught:
        query(additive(), target=5)
    assert len(caught.value.samples) == 2


@pytest.mark.parametrize("kind", [KeyboardInterrupt, StopIteration, SystemExit])
def test_interrupting_a_run_keeps_the_rows_too(kind):
    model = Recorder(lambda batch: batch.mean(axis=(1, 2)))
    model.error = kind()
    model.fail_at_call = 2
    with pytest.raises(kind) as caught:
        query(model).ask(ROWS)
    assert len(caught.value.samples) == 2
    assert "raised by `predict_fn` on a uint8 batch" in caught.value.__notes__[0]


def test_out_of_memory_halves_the_batch_with_one_warning():
    every = (np.arange(16)[:, np.newaxis] >> np.arange(4) & 1).astype(bool)
    model = Recorder(AdditiveModel(SEGMENTS, WEIGHTS, image=IMAGE, background=0), max_images=4)
    asked = query(model, batch_size=8)
    with pytest.warns(LimelensWarning, match="going on with 4") as caught:
        scores = asked.ask(every)
    assert len(caught) == 1
    np.testing.assert_allclose(scores[:, 0], every @ WEIGHTS)
    assert asked.n_predictions == model.n_images == 16 + 1


def test_out_of_memory_with_one_image_is_the_callers_to_solve():
    def predict(batch):
        raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        query(predict, batch_size=1)


def test_out_of_memory_in_the_first_call_is_halved_too():
    model = Recorder(AdditiveModel(SEGMENTS, WEIGHTS, image=IMAGE, background=0), max_images=1)
    with pytest.warns(LimelensWarning, match="with 2 images a call .* going on with 1"):
        asked = query(model)
    np.testing.assert_array_equal([asked.intact_scores, asked.hidden_scores], [[2.5], [0.0]])
    np.testing.assert_allclose(asked.ask(ROWS)[:, 0], ROWS @ WEIGHTS)


def test_a_batch_spoiled_before_memory_ran_out_is_made_anew():
    def predict(batch):
        scores = batch.sum(axis=(1, 2)).astype(float)
        batch[:] = 0
        if len(batch) > 1:
            raise MemoryError("no room")
        return scores

    with pytest.warns(LimelensWarning, match="going on with 1"):
        asked = query(predict)
    np.testing.assert_array_equal([asked.intact_scores, asked.hidden_scores], [[36], [0]])


@pytest.mark.parametrize("kind", ["cuda", "xla"])
def test_accelerators_out_of_memory_are_recognised(kind):
    class OutOfMemoryError(RuntimeError):
        pass

    error = OutOfMemoryError("cuda") if kind == "cuda" else RuntimeError("RESOURCE_EXHAUSTED: x")
    inner = Recorder(lambda batch: batch.mean(axis=(1, 2)), fail_at_call=2, error=error)
    with pytest.warns(LimelensWarning, match="out of memory"):
        query(inner).ask(ROWS)


def test_a_model_that_reuses_its_output_buffer_is_read_correctly():
    buffer = np.zeros((64, 1))
    model = AdditiveModel(SEGMENTS, WEIGHTS, image=IMAGE, background=0)

    def predict(batch):
        buffer[: len(batch), 0] = model(batch)
        return buffer[: len(batch)]

    every = (np.arange(16)[:, np.newaxis] >> np.arange(4) & 1).astype(bool)
    asked = query(predict, batch_size=4)
    np.testing.assert_allclose(asked.ask(every)[:, 0], every @ WEIGHTS)
    np.testing.assert_allclose(asked.intact_scores, [2.5])


def test_a_reused_output_buffer_does_not_mix_backgrounds():
    buffer = np.zeros((64, 1))

    def predict(batch):
        buffer[: len(batch), 0] = batch.sum(axis=(1, 2))
        return buffer[: len(batch)]

    backgrounds = np.stack([np.full((2, 4), b, dtype=np.uint8) for b in (0, 10, 50)])
    asked = query(predict, backgrounds=backgrounds, batch_size=1)
    np.testing.assert_allclose(asked.intact_scores, [36])
    np.testing.assert_allclose(asked.hidden_scores, [8 * 20])
    np.testing.assert_allclose(asked.ask(ROWS[:1]), [[14 + 4 * 20]])


@pytest.mark.parametrize("dtype", [">u2", "<u2", ">f4"])
def test_the_byte_order_reaches_the_model_too(dtype):
    model = Recorder(lambda batch: batch.astype(float).sum(axis=(1, 2)))
    image, behind = IMAGE.astype(dtype), BACKGROUND.astype(dtype)
    Query(image, None, model, behind, SEGMENTS).ask(ROWS)
    assert set(model.dtypes) == {np.dtype(dtype)}


def test_a_model_that_writes_into_its_batch_does_no_harm():
    model = AdditiveModel(SEGMENTS, WEIGHTS, image=IMAGE, background=0)

    def predict(batch):
        scores = model(batch)
        batch[:] = 99
        return scores

    every = (np.arange(16)[:, np.newaxis] >> np.arange(4) & 1).astype(bool)
    np.testing.assert_allclose(query(predict, batch_size=4).ask(every)[:, 0], every @ WEIGHTS)
    assert IMAGE.max() == 8


def test_scores_keep_the_models_dtype_and_targets_are_float64():
    asked = query(lambda batch: batch.mean(axis=(1, 2)).astype(np.float32))
    scores = asked.ask(ROWS)
    assert scores.dtype == np.float32
    assert asked.values(scores).dtype == np.float64


def test_dense_outputs_are_reduced_by_a_callable_target():
    def predict(batch):  # a segmentation model: (n, H, W, 2)
        return np.stack([batch, 10 - batch.astype(float)], axis=-1)

    def second_class(scores):
        return scores[..., 1].mean(axis=(1, 2))

    asked = query(predict, target=second_class)
    values = asked.values(asked.ask(ROWS[:1]))
    np.testing.assert_allclose(values, [[10 - 14 / 8]])
    assert asked.target_names == ("second_class",)
    again = query(predict, target=second_class, reuse=asked.samples())
    np.testing.assert_array_equal(again.values(again.ask(ROWS[:1])), values)
    assert again.n_predictions == 2  # the ends, to see that the target is the same
    with pytest.raises(InvalidInputError, match="same target"):
        query(predict, reuse=asked.samples())
    with pytest.raises(InvalidInputError, match="another callable target"):
        query(predict, target=lambda s: s[..., 0].mean(axis=(1, 2)), reuse=asked.samples())


def test_the_values_of_dense_outputs_are_named_as_those_of_others():
    dense = query(lambda batch: np.stack([batch, batch], axis=-1), target=lambda s: s[:, 0, 0])
    flat = query(lambda batch: batch[:, 0, :2].astype(float), target=lambda s: s)
    assert dense.target_names == flat.target_names == ("target[0]", "target[1]")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda n: np.zeros((1, 3)), r"given 2 images .* got shape \(1, 3\)"),
        (lambda n: 0.5, "got a single number"),
        (lambda n: [[0.1, 0.2], [0.3]], "rows of different lengths"),
        (lambda n: np.full((n, 2), np.nan), "image 0 of this batch got NaN"),
        (lambda n: np.full((n, 2), np.inf), "NaN, infinite or larger"),
        (lambda n: np.full((n, 2), np.nan, np.float32), "image 0 of this batch got NaN"),
        (lambda n: np.full((n, 2), -np.inf, np.float16), "NaN, infinite or larger"),
        (lambda n: np.full((n, 2), 1e200), "NaN, infinite or larger"),
        (lambda n: np.full((n, 2), "cat"), "not real numbers"),
        (lambda n: (np.zeros(n), np.zeros(n)), "got a tuple of length 2"),
        (lambda n: {"scores": np.zeros(n)}, "got a dict"),
        (lambda n: None, "got None"),
        (lambda n: np.zeros((n, 2, 2)), "pass a callable target"),
        (lambda n: np.zeros((n, 0)), "got shape"),
        (lambda n: np.ma.array(np.zeros((n, 2)), mask=[[0, 1]] * n), "got masked values"),
        (lambda n: np.zeros((n, 1), dtype=complex), "not real numbers"),
    ],
)
def test_answers_that_are_no_scores_are_named(answer, words):
    with pytest.raises(PredictionError, match=words):
        query(lambda batch: answer(len(batch)))


def test_a_tensor_on_a_device_is_named_with_the_cure():
    class Tensor:
        device = "cuda:0"

        def detach(self):
            return self

        def __array__(self, dtype=None, copy=None):
            raise TypeError("can't convert cuda:0 device type tensor to numpy")

    with pytest.raises(
        PredictionError, match=r"on cuda:0 .* scores\.detach\(\)\.cpu\(\)\.float\(\)\.numpy"
    ):
        query(lambda batch: Tensor())


def test_a_list_of_tensors_is_not_said_to_be_ragged():
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            raise TypeError("can't convert cuda:0 device type tensor to numpy")

    with pytest.raises(PredictionError, match=r"a builtins\.list, which NumPy cannot read \(can't"):
        query(lambda batch: [Tensor(), Tensor()])


def test_a_model_that_changes_its_number_of_scores_is_refused_with_the_rows_paid_for():
    calls = []

    def predict(batch):
        calls.append(len(batch))
        return np.zeros((len(batch), 1 + len(calls)))

    with pytest.raises(PredictionError, match="3 scores an image after returning 2") as caught:
        query(predict).ask(ROWS)
    assert len(caught.value.samples) == 2


def test_progress_counts_the_images():
    told = []
    rows = all_coalitions(4)[1:6]
    query(additive(), batch_size=4, report=lambda *x: told.append(x)).ask(rows)
    assert told == [(6, 8), (8, 8)]


def test_progress_counts_the_copies_beside_small_batches():
    told = []
    rows = all_coalitions(4)[1:5]
    query(additive(), batch_size=2, report=lambda *x: told.append(x)).ask(rows)
    assert told == [(6, 8), (8, 8)]


def test_progress_counts_every_background():
    told = []
    backgrounds = np.stack([BACKGROUND[0], BACKGROUND[0] + 9])
    asked = query(
        additive(), backgrounds=backgrounds, batch_size=1, report=lambda *x: told.append(x)
    )
    asked.ask(ROWS[:2])
    asked.finish()
    # three ends, then two rows before two backgrounds, and the intact image
    assert told == [(5, 8), (7, 8), (8, 8)]


def test_means_over_backgrounds_are_taken_in_float64():
    third = lambda batch: np.full(len(batch), 1, dtype=np.float16) * batch[:, 0, 0]  # noqa: E731
    backgrounds = np.stack([BACKGROUND[0] + b for b in (0, 1, 0)]).astype(np.uint8)
    asked = query(lambda batch: third(batch).astype(np.float16), backgrounds=backgrounds)
    assert asked.hidden_scores.dtype == np.float64
    np.testing.assert_array_equal(asked.hidden_scores, [1 / 3])


def test_rows_of_the_same_bytes_in_another_shape_are_not_used_again():
    samples = query(additive()).samples()
    turned = [part.reshape(4, 2) for part in (IMAGE, BACKGROUND[0], SEGMENTS)]
    with pytest.raises(InvalidInputError, match="another image"):
        Query(turned[0], None, additive(), turned[1][np.newaxis], turned[2], reuse=samples)


def test_streams_of_other_masks_have_keys_of_their_own():
    model = Recorder(lambda batch: batch.sum(axis=(1, 2)).astype(float))
    asked = Query(IMAGE, None, model, BACKGROUND, None, mask_kind="rows")
    keys = np.array([[1, 7], [2, 7]], dtype=np.uint8)

    def compose(rows, background):
        batch = np.repeat(IMAGE[np.newaxis], len(rows), axis=0)
        batch[np.arange(len(rows)), rows] = asked.backgrounds[background, 0]
        return batch

    np.testing.assert_array_equal(asked.stream_values(keys, compose), [[26.0], [10.0]])
    np.testing.assert_array_equal(asked.stream_values(keys, compose), [[26.0], [10.0]])
    ends = np.array([[255, 255], [0, 0]], dtype=np.uint8)
    np.testing.assert_array_equal(asked.stream_values(ends, compose), [[36.0], [0.0]])
    assert model.n_images == 5
    other = Query(IMAGE, None, model, BACKGROUND, None, mask_kind="rows", reuse=asked.samples())
    with pytest.raises(InvalidInputError, match="masks of another size"):
        other.stream_values(keys[:, :1], compose)
    with pytest.raises(InvalidInputError, match="kind of masks"):
        Query(IMAGE, None, model, BACKGROUND, None, mask_kind="discs", reuse=asked.samples())


@pytest.mark.parametrize("target", [[3, 1], lambda scores: scores[:, [3, 1]]])
def test_target_values_are_asked_for_in_chunks_without_a_difference(target, monkeypatch):
    table = np.random.default_rng(0).normal(size=(2**4, 5))
    image, labels = np.ones((1, 4)), np.arange(4)[np.newaxis]
    model = TableGame(labels, table, image=image, background=0)
    asked = Query(image, None, model, np.zeros((1, 1, 4)), labels, target=target)
    monkeypatch.setattr("limelens.targets.columns.CHUNK_BYTES", 3 * 8 * 5)
    np.testing.assert_array_equal(asked.ask_values(all_coalitions(4)), table[:, [3, 1]])
    assert asked.ask_values(np.zeros((0, 4), bool)).shape == (0, 2)


def test_a_callable_target_is_given_few_scores_at_once(monkeypatch):
    sizes = []

    def target(scores):
        sizes.append(len(scores))
        return scores[:, 0]

    asked = query(additive(), target=target)
    monkeypatch.setattr("limelens.targets.columns.CHUNK_BYTES", 3 * 8)
    asked.ask_values(all_coalitions(4))
    asked.constant_targets()
    assert sizes[1:7] == sizes[-6:] == [3, 3, 3, 3, 3, 1]
    assert max(sizes) == 3


def test_a_callable_target_that_changes_its_mind_is_refused():
    asked = query(additive(), target=lambda scores: scores.repeat(1 + (len(scores) > 1), axis=1))
    with pytest.raises(PredictionError, match="2 values an image after returning 1"):
        asked.ask_values(ROWS)


def test_target_values_are_float64():
    asked = query(lambda batch: batch.sum(axis=(1, 2)).astype(np.float32))
    assert asked.ask_values(ROWS).dtype == np.float64


def test_rows_are_kept_in_one_piece_of_their_size():
    rows = all_coalitions(4)[1:-1]
    rooms = []
    asked = query(additive(), batch_size=3, report=lambda *_: rooms.append(asked._ledger._scores))
    asked.ask(rows)
    assert all(room is rooms[0] for room in rooms)
    scores = asked.samples().scores
    assert len(scores if scores.base is None else scores.base) == 16


def test_rows_of_an_earlier_run_are_shared_and_rows_that_never_came_take_no_room():
    earlier = query(additive()).samples()
    assert np.shares_memory(query(additive(), reuse=earlier).samples().scores, earlier.scores)
    calls = []

    def model(batch):
        calls.append(1)
        if len(calls) == 4:
            raise RuntimeError("no more")
        return batch.sum(axis=(1, 2)).astype(float)

    with pytest.raises(RuntimeError, match="no more") as caught:
        query(model, batch_size=2).ask(all_coalitions(4))
    scores = caught.value.samples.scores
    assert len(scores if scores.base is None else scores.base) == len(scores) == 4


def test_progress_ends_at_its_total_though_memory_ran_out_between_backgrounds():
    told, calls = [], []
    score = additive()

    def model(batch):
        calls.append(1)
        if len(calls) == 4:
            raise MemoryError
        return score(batch)

    backgrounds = np.stack([BACKGROUND[0] + b for b in (0, 9, 5)])
    asked = query(
        model, backgrounds=backgrounds, batch_size=4, report=lambda *done: told.append(done)
    )
    with pytest.warns(LimelensWarning, match="out of memory with 4 images"):
        asked.ask(all_coalitions(4)[1:-1])
    done, total = np.array(told).T
    assert done[-1] == total[-1]
    assert (done <= total).all()
    assert (np.diff(done) > 0).all()


def test_a_failed_run_keeps_no_batch_alive():
    batches = []

    def model(batch):
        batches.append(weakref.ref(batch))
        if len(batches) == 3:
            raise RuntimeError("no more")
        return batch.sum(axis=(1, 2)).astype(float)

    gc.disable()
    try:
        with contextlib.suppress(RuntimeError):
            query(model, batch_size=2).ask(all_coalitions(4))
        assert len(batches) == 3
        assert all(batch() is None for batch in batches[1:])
    finally:
        gc.enable()


@pytest.mark.parametrize("batch_size", [1, 8])
def test_the_second_look_is_taken_though_the_last_rows_are_known_already(batch_size):
    model = additive()
    asked = query(model, batch_size=batch_size)
    asked.ask(ROWS)
    asked.ask(ROWS)
    asked.finish()
    assert sum(np.array_equal(image, IMAGE) for batch in model.batches for image in batch) == 2
