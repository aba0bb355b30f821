"""Models that do what models should not: each is explained rightly, refused, or warned of."""

import gc
import itertools
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import limelens as ll
from limelens.errors import PredictionError
from limelens.testing import Recorder

IMAGE = np.random.default_rng(0).random((12, 12)) + 0.5
ABLATION = ll.Ablation(segmenter=ll.Grid(16))
ways = pytest.mark.parametrize("how", [{}, {"batch_size": 4}, {"batch_size": 4, "in_flight": 3}])


def scores_of(batch):
    squares = np.asarray(batch, np.float64) ** 2
    return np.stack([squares[:, :, :6].mean(axis=(1, 2)), squares[:, :, 6:].mean(axis=(1, 2))], 1)


RIGHT = ABLATION.explain(IMAGE, scores_of, target=0)


def explain(model, **how):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return ABLATION.explain(IMAGE, model, **({"target": 0} | how))


# -- the same answer to every batch ----------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [4, 5, 6])
def test_a_model_that_keeps_answers_by_shape_is_refused(batch_size):
    kept = {}
    model = Recorder(lambda batch: kept.setdefault(batch.shape, scores_of(batch)))
    with pytest.raises(PredictionError, match=r"every batch of \d images alike") as caught:
        explain(model, batch_size=batch_size)
    assert model.n_images <= 2 + 4 * batch_size
    assert len(caught.value.samples) < 2 + 3 * batch_size


def test_labels_that_repeat_cost_nothing_more():
    bright = Recorder(lambda batch: (batch[:, ::3, ::3].sum(axis=(1, 2)) > 3.5).astype(float))
    found = ll.Ablation(segmenter=ll.Grid(cell=(1, 1)), fill=ll.Constant(0)).explain(
        np.ones((6, 6)), bright, batch_size=6
    )
    assert found.n_predictions == bright.n_images == 36 + 3


def test_a_model_that_keeps_answers_of_the_images_is_not():
    kept = {}
    model = Recorder(lambda batch: kept.setdefault(batch.tobytes(), scores_of(batch)))
    found = explain(model, batch_size=4)
    np.testing.assert_array_equal(found.importances, RIGHT.importances)
    assert found.n_predictions == model.n_images == 19


def test_a_score_that_repeats_from_row_to_row_is_right_and_costs_one_batch_more():
    def of_columns(batch):  # the same for every row of cells
        return (batch * np.arange(1, 5)).sum(axis=(1, 2))

    model = Recorder(of_columns)
    found = ll.Ablation(segmenter=ll.Grid(cell=(1, 1)), fill=ll.Constant(0)).explain(
        np.ones((4, 4)), model, batch_size=4
    )
    assert found.importances[0].tolist() == [1, 2, 3, 4] * 4
    assert found.n_predictions == model.n_images == 19 + 4


def test_a_model_that_keeps_answers_by_the_place_of_the_batch_in_memory_is_refused():
    answers, places = {}, itertools.cycle("ab")

    def model(batch):  # as of two buffers that are filled in turn
        return answers.setdefault((next(places), len(batch)), scores_of(batch))

    with pytest.raises(PredictionError, match="must score the images that it is given"):
        ll.Ablation(segmenter=ll.Grid(36)).explain(IMAGE, model, target=0, batch_size=4)


# -- in place, in one buffer, in another dtype -----------------------------------------------------


@ways
def test_a_model_may_write_into_its_batch_and_into_its_last_answer(how):
    buffer = np.zeros((64, 2))

    def model(batch):
        np.multiply(batch, batch, out=batch)
        if how.get("in_flight"):
            return scores_of(np.sqrt(batch))
        buffer[: len(batch)] = scores_of(np.sqrt(batch))
        return buffer[: len(batch)]

    np.testing.assert_allclose(explain(model, **how).importances, RIGHT.importances)
    assert (IMAGE >= 0.5).all()


@pytest.mark.parametrize("first", [np.float32, np.float16, ">f8", np.longdouble])
def test_the_first_answer_may_have_another_dtype(first):
    calls = []

    def model(batch):
        calls.append(len(batch))
        return scores_of(batch).astype(first) if len(calls) == 1 else scores_of(batch)

    found = explain(model)
    assert found.samples.scores.dtype == np.result_type(np.float64, first)
    np.testing.assert_allclose(found.importances, RIGHT.importances, atol=1e-3)


@ways
def test_another_number_of_scores_later_is_refused(how):
    model = lambda b: np.tile(scores_of(b), (1, 1 + (len(b) > 2)))  # noqa: E731
    with pytest.raises(PredictionError, match="returned 4 scores an image after returning 2"):
        explain(model, **how)


@ways
@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_one_row_that_is_no_number_is_named(how, odd):
    def model(batch):
        scores = scores_of(batch)
        scores[3:4, 1] = odd
        return scores

    words = f"image 3 of this batch got NaN, .* the first {odd:g} in column 1"
    with pytest.raises(PredictionError, match=words) as caught:
        explain(model, **how)
    assert ("Of a logarithm" in str(caught.value)) == (odd == -np.inf)
    assert len(caught.value.samples) >= 2


def test_half_precision_that_overflows_is_told():
    def model(batch):
        with np.errstate(over="ignore"):
            return (1e6 * scores_of(batch)).astype(np.float16)

    with pytest.raises(PredictionError, match=r"float16 ends at 65504: .* in float32"):
        explain(model)


@pytest.mark.parametrize(("dtype", "k", "n_told"), [(int, 5, 1), (int, 4, 0), (float, 5, 0)])
def test_class_numbers_by_their_rank_are_warned_of(dtype, k, n_told):
    def order(batch):
        seen = np.asarray(batch).reshape(len(batch), -1)[:, :k]
        return seen.argsort(axis=1).astype(dtype)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ABLATION.explain(IMAGE, order, target=0)
    told = [str(each.message) for each in caught]
    assert sum("returns the numbers 0 to 4 in some order" in each for each in told) == n_told


def test_whole_scores_in_any_order_are_no_class_numbers():
    def points(batch):
        return np.rint(100 * np.asarray(batch).reshape(len(batch), -1)[:, :6]).astype(int)

    explain(points)


@ways
@pytest.mark.parametrize("n", [-1, 1])
def test_more_or_fewer_rows_later_are_refused(how, n):
    def model(batch):
        scores = scores_of(batch)
        if len(batch) == 2:
            return scores
        return scores[:n] if n < 0 else np.concatenate([scores, scores[:n]])

    with pytest.raises(PredictionError, match=r"was given \d+ images and must return"):
        explain(model, **how)


# -- answers that are still to come ----------------------------------------------------------------


async def waiting(batch):
    return scores_of(batch)


def one_by_one(batch):
    yield from scores_of(batch)


PENDING = {
    "coroutine": (waiting, "asyncio.run"),
    "future": (lambda batch: ThreadPoolExecutor(1).submit(scores_of, batch), r"output\.result\(\)"),
    "generator": (one_by_one, r"np\.array\(list\(scores\)\)"),
    "map": (lambda batch: map(float, scores_of(batch)[:, 0]), r"np\.array\(list\(scores\)\)"),
    "set": (lambda batch: set(scores_of(batch)[:, 0]), "A set has no order"),
    "dict": (lambda batch: dict(enumerate(scores_of(batch))), "a dict of length 2"),
    "nothing": (lambda batch: None, "got None"),
    "transposed": (lambda batch: np.ones((3, len(batch))), r"return scores\.T"),
}


@pytest.mark.parametrize("case", PENDING)
def test_what_is_no_array_yet_is_told_how_it_becomes_one(case):
    model, words = PENDING[case]
    with pytest.raises(PredictionError, match=words):
        explain(model)
    gc.collect()  # a coroutine that nobody awaits would warn here


# -- what a model may raise ------------------------------------------------------------------------

RAISED = [StopIteration, KeyboardInterrupt, SystemExit, GeneratorExit, StopAsyncIteration]
RAISED += [RecursionError, AssertionError, LookupError, EOFError, BufferError, UserWarning]


@pytest.mark.parametrize("how", [{"batch_size": 4}, {"batch_size": 4, "in_flight": 3}], ids=str)
@pytest.mark.parametrize("error", RAISED)
def test_whatever_a_model_raises_leaves_with_the_rows_that_were_paid_for(error, how):
    calls = []

    def model(batch):
        calls.append(len(batch))
        if len(calls) == 3:
            raise error("no more")
        return scores_of(batch)

    with pytest.raises(error, match="no more") as caught:
        explain(model, **how)
    assert len(caught.value.samples) >= 5
    again = explain(scores_of, reuse=caught.value.samples)
    np.testing.assert_array_equal(again.importances, RIGHT.importances)
