"""Models that prepare once, and are then shown images masked in their own space."""

import numpy as np
import pytest

from limelens import Constant, Grid, Lime, Noise, Occlusion
from limelens.engine.composer import prepared, unprepared
from limelens.engine.model import as_model
from limelens.engine.query import Query
from limelens.errors import InvalidInputError, LimelensWarning, PredictionError
from limelens.masking.blocks import border_positions
from limelens.masking.device_table import device_table
from limelens.masking.devices import copy_of, to_numpy
from limelens.testing import Recorder

MEAN, STD = np.array([0.5, 0.4, 0.3]), np.array([0.2, 0.25, 0.3])
WEIGHTS = np.random.default_rng(1).normal(size=(3, 12, 10))
IMAGE = np.random.default_rng(0).integers(0, 256, (12, 10, 3)).astype(np.uint8)
SEGMENTS = np.arange(120).reshape(12, 10) // 30


class Model:
    """Scores of images HWC uint8, through a scaled CHW float copy."""

    def __call__(self, batch):
        return to_numpy(self.predict_prepared(self.prepare(batch)))

    def prepare(self, batch):
        scaled = (batch / 255 - MEAN) / STD
        return np.moveaxis(scaled, -1, 1)

    def predict_prepared(self, prepared):
        sums = (prepared * WEIGHTS).sum(axis=(2, 3))
        return np.tanh(sums / 50)


class DeviceModel(Model):
    """The same, on another library's arrays."""

    def __init__(self, xp):
        self.xp = xp

    def prepare(self, batch):
        return self.xp.asarray(np.ascontiguousarray(super().prepare(batch)))

    def predict_prepared(self, prepared):
        sums = self.xp.sum(prepared * self.xp.asarray(WEIGHTS), axis=(2, 3))
        return self.xp.tanh(sums / 50)


def device_libraries():
    """Return array libraries other than NumPy; tests skip those that are not installed."""
    names = {"strict": "array_api_strict", "torch": "torch", "jax": "jax.numpy"}
    return [pytest.param(name, id=short) for short, name in names.items()]


@pytest.fixture(params=device_libraries())
def xp(request):
    pytest.importorskip("array_api_compat")
    return pytest.importorskip(request.param)


def changed(model, name, function):
    """Return the model with one method exchanged."""
    kind = type("Changed", (type(model),), {name: staticmethod(function)})
    return kind()


def query(model, *, backgrounds=1, **settings):
    backgrounds = np.full((backgrounds, *IMAGE.shape), 117, np.uint8)
    return Query(IMAGE, 2, model, backgrounds, SEGMENTS, **settings)


def rows(n=40):
    return np.random.default_rng(2).random((n, 4)) < 0.5


def composer_of(model, image, backgrounds, segments, channel_axis):
    model = as_model(model)
    return prepared(unprepared(model, image, backgrounds, segments, channel_axis), model)


def test_scores_are_those_without_preparation():
    model = Model()
    np.testing.assert_allclose(
        query(model).ask(rows()), query(lambda batch: model(batch)).ask(rows()), rtol=1e-12
    )


def test_every_masked_batch_comes_prepared_and_is_counted():
    model = Recorder(Model(), keep=True)
    asked = query(model, batch_size=8)
    asked.ask(rows())
    assert model.shapes[0] == (2, 12, 10, 3)  # the probe asks predict_fn itself
    assert {shape[1:] for shape in model.shapes[1:]} == {(3, 12, 10)}
    assert max(model.batch_sizes) <= 8
    assert asked.n_predictions == model.n_images


def test_scores_on_a_device_come_back_as_numpy(xp):
    scores = query(DeviceModel(xp)).ask(rows())
    assert isinstance(scores, np.ndarray)
    # JAX works in float32
    np.testing.assert_allclose(scores, query(Model()).ask(rows()), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("fill", [Constant(0), Noise(n=2)])
def test_explanations_are_the_same_with_and_without(fill):
    model = Model()
    lime = Lime(segmenter=Grid(cell=(4, 5)), fill=fill, n_samples=60)
    one = lime.explain(IMAGE, model, rng=0)
    other = lime.explain(IMAGE, lambda batch: model(batch), rng=0)
    np.testing.assert_allclose(one.importances, other.importances, rtol=1e-9, atol=1e-12)
    assert one.n_predictions == other.n_predictions + 1  # the intact image, both ways


def test_methods_without_segments_ask_predict_fn_itself():
    model = Recorder(Model())
    Occlusion(window=(6, 5), stride=(6, 5)).explain(IMAGE, model)
    assert {shape[1:] for shape in model.shapes} == {(12, 10, 3)}


def test_a_model_without_both_attributes_is_asked_itself():
    half = changed(Model(), "predict_prepared", None)
    backgrounds = IMAGE[np.newaxis] // 2
    assert composer_of(half, IMAGE, backgrounds, SEGMENTS, 2).asked == "predict_fn"


@pytest.mark.parametrize("prepare", [
    lambda batch: np.moveaxis(batch / batch.max(axis=(1, 2, 3), keepdims=True), -1, 1),
    lambda batch: np.moveaxis((batch + np.roll(batch, 1, axis=1)) / 2.0, -1, 1),
    lambda batch: np.moveaxis(batch - batch.mean(axis=0), -1, 1),
], ids=["own range", "blur", "batch mean"])  # fmt: skip
def test_what_looks_at_other_pixels_is_refused(prepare):
    with pytest.raises(InvalidInputError, match="prepare` must act on each pixel"):
        query(changed(Model(), "prepare", prepare))


def test_resizing_is_refused():
    with pytest.raises(InvalidInputError, match=r"keep the image's spatial shape \(12, 10\)"):
        query(changed(Model(), "prepare", lambda batch: batch[:, ::2, ::2]))


@pytest.mark.parametrize("prepare", [lambda batch: batch[:1], lambda batch: list(batch)])
def test_one_prepared_image_for_each_image_is_needed(prepare):
    with pytest.raises(InvalidInputError, match="must return an array of as many prepared images"):
        query(changed(Model(), "prepare", prepare), backgrounds=3)


def test_what_looks_at_the_range_of_the_batch_is_refused():
    image = IMAGE // 2
    image[0, 0] = 255  # one bright segment

    def prepare(batch):
        return np.moveaxis(batch / batch.max(), -1, 1)

    for labels in (SEGMENTS, (SEGMENTS + 1) % 4, (SEGMENTS + 2) % 4, (SEGMENTS + 3) % 4):
        with pytest.raises(InvalidInputError, match="prepare` must act on each pixel"):
            Query(image, 2, changed(Model(), "prepare", prepare), image[np.newaxis] // 3, labels)


def test_prepare_may_work_in_place():
    class InPlace(Model):
        def prepare(self, batch):
            batch //= 2
            return batch

        def predict_prepared(self, prepared):
            return prepared[:, 2:4, :, 0].mean(axis=(1, 2))

    image, backgrounds = IMAGE.copy(), np.stack([IMAGE // 3, IMAGE[::-1] // 5])
    before = image.copy(), backgrounds.copy()
    asked = Query(image, 2, InPlace(), backgrounds, SEGMENTS)
    each = Query(image, 2, lambda batch: InPlace()(batch), backgrounds, SEGMENTS)
    np.testing.assert_array_equal(asked.ask(rows()), each.ask(rows()))
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(backgrounds, before[1])


def test_prepare_may_answer_in_one_buffer():
    class Buffered(Model):
        def prepare(self, batch):
            prepared = super().prepare(batch)
            self.buffer = getattr(self, "buffer", np.empty((64, *prepared.shape[1:])))
            self.buffer[: len(batch)] = prepared
            return self.buffer[: len(batch)]

    np.testing.assert_array_equal(query(Buffered()).ask(rows()), query(Model()).ask(rows()))


def test_errors_say_which_of_the_models_functions_answered_wrongly():
    def fail(batch):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError) as caught:
        query(changed(Model(), "prepare", fail))
    assert "raised by `predict_fn.prepare`" in caught.value.__notes__[0]

    def as_it_was(model):
        return changed(model, "__call__", Model().__call__)

    broken = changed(Model(), "predict_prepared", fail)
    with pytest.raises(RuntimeError) as caught:
        query(as_it_was(broken)).ask(rows())
    assert "raised by `predict_fn.predict_prepared`" in caught.value.__notes__[0]
    broken = changed(Model(), "predict_prepared", lambda batch: None)
    with pytest.raises(PredictionError, match=r"`predict_fn.predict_prepared` was given .* None"):
        query(as_it_was(broken)).ask(rows())


def test_channels_are_found_where_an_image_is_as_high_as_it_has_channels():
    image = np.random.default_rng(0).integers(0, 256, (3, 3, 3)).astype(np.uint8)
    segments = np.array([[0, 0, 1], [2, 0, 1], [2, 2, 1]])
    for axis in (0, 2):
        model = changed(
            Model(), "prepare", lambda batch, axis=axis: np.moveaxis(batch, -1, 1 + axis)
        )
        composer = composer_of(model, image, image[np.newaxis] // 2, segments, 2)
        assert composer.channel_axis == axis


def test_batches_are_bounded_by_the_bytes_of_the_prepared_image():
    image = np.zeros((200, 200, 3), np.uint8)
    image[:100] = 200
    segments = np.arange(200)[:, None] // 50 + np.zeros((200, 200), np.intp)
    model = changed(Model(), "predict_prepared", lambda prepared: prepared.mean(axis=(2, 3)))
    composer = composer_of(model, image, image[np.newaxis] // 2, segments, 2)
    assert composer.most_images == 2**24 // (200 * 200 * 3 * 8)
    asked = Query(image, 2, model, image[np.newaxis] // 2, segments, batch_size=64)
    assert asked.batch_size == 64  # what the caller says is obeyed


def test_batches_on_a_device_are_bounded_by_its_memory_only(xp, monkeypatch):
    image, model = np.tile(IMAGE, (20, 20, 1)), DeviceModel(xp)
    model.predict_prepared = lambda prepared: xp.sum(prepared, axis=(2, 3))
    segments = np.kron(SEGMENTS, np.ones((20, 20), np.intp))
    on_host = changed(Model(), "predict_prepared", lambda prepared: prepared.sum(axis=(2, 3)))
    image_bytes = on_host.prepare(image[np.newaxis]).nbytes
    background = image[np.newaxis] // 2
    most = composer_of(on_host, image, background, segments, 2).most_images
    assert most == 2**24 // image_bytes < 64
    assert Query(image, 2, model, background, segments).batch_size == 64
    n_bytes = to_numpy(model.prepare(image[np.newaxis])).nbytes  # JAX works in float32
    monkeypatch.setattr("limelens.engine.composer.DEVICE_BATCH_BYTES", 7 * n_bytes)
    assert Query(image, 2, model, background, segments).batch_size == 7
    assert Query(image, 2, model, background, segments, batch_size=500).batch_size == 500


@pytest.mark.parametrize(("shape", "axis"), [
    ((12, 10, 3), 2), ((3, 12, 10), 0), ((12, 3, 10), 1), ((12, 10), None), ((2, 6, 10), None),
    ((7, 13, 2), 2), ((2, 7, 13), 0),
])  # fmt: skip
def test_batches_on_a_device_equal_where(xp, shape, axis):
    rng = np.random.default_rng(0)
    spatial = tuple(size for i, size in enumerate(shape) if i != axis)
    n_pixels = int(np.prod(spatial))
    segments = np.arange(n_pixels).reshape(spatial) * 5 // n_pixels
    assert len(border_positions(segments.ravel())) == 4
    image, background = rng.random((2, *shape)).astype(np.float32)
    coalitions = rng.random((6, 5)) < 0.5
    compose = device_table(xp.asarray(image), xp.asarray(background), segments, axis)
    batch = compose(coalitions)
    assert type(batch) is type(xp.asarray(image))
    kept = coalitions[:, segments]
    kept = kept if axis is None else np.expand_dims(kept, 1 + axis)
    np.testing.assert_array_equal(to_numpy(batch), np.where(kept, image, background))


def test_without_array_api_compat_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "array_api_compat", None)
    with pytest.raises(ImportError, match=r"pip install limelens\[array-api\]"):
        device_table(object(), object(), SEGMENTS, None)


class Slow(DeviceModel):
    """Says when it is asked; like a replayed CUDA graph, it answers in one and the same buffer."""

    def __init__(self, xp, fails_at=None, error=None):
        super().__init__(xp)
        self.events, self.buffer = [], None
        self.fails_at, self.error = fails_at, error or RuntimeError("no more")

    def predict_prepared(self, prepared):
        if len(self.events) == self.fails_at:
            raise self.error
        self.events.append("asked")
        scores = super().predict_prepared(prepared)
        if self.buffer is None or self.buffer.shape != scores.shape:
            self.buffer = self.xp.asarray(scores, copy=True)
        self.buffer[...] = scores
        return self.buffer


@pytest.fixture(params=["array_api_strict", "torch"])
def mutable(request):
    pytest.importorskip("array_api_compat")
    return pytest.importorskip(request.param)


def fetches(model, monkeypatch, memory=None):
    def fetch(scores):
        model.events.append("fetched")
        if memory is not None and scores.shape[0] > memory:
            raise MemoryError("RESOURCE_EXHAUSTED")
        return to_numpy(scores)

    monkeypatch.setattr("limelens.engine.caller.to_numpy", fetch)


@pytest.mark.parametrize("bound", [{"WAITING_BATCHES": 8}, {"WAITING_SCORES": 8 * 3}])
@pytest.mark.parametrize("n", [8, 10])
def test_scores_stay_on_the_device_for_some_batches(mutable, bound, n, monkeypatch):
    for name, value in bound.items():
        monkeypatch.setattr(f"limelens.engine.inbox.{name}", value)
    model, z = Slow(mutable), np.random.default_rng(0).random((40, 4)) < 0.5
    z = np.unique(z, axis=0)[1:-1][:n]
    fetches(model, monkeypatch)
    asked = query(model, batch_size=1, report=lambda done, total: model.events.append("opened"))
    model.events.clear()
    scores = asked.ask(z)
    # the device has work again before the host looks at what it fetched
    at_first = ["asked"] * 8 + ["fetched"] * 8
    rest = ["asked", *["opened"] * 8, "asked", *["fetched", "opened"] * 2]
    assert model.events == at_first + (rest if n == 10 else ["opened"] * 8)
    np.testing.assert_allclose(scores, query(Model()).ask(z), rtol=1e-12)


def test_a_score_that_is_none_loses_no_other(mutable, monkeypatch):
    rows = np.unique(np.random.default_rng(0).random((40, 4)) < 0.5, axis=0)[1:-1][:11]
    model = Slow(mutable)
    monkeypatch.setattr("limelens.engine.inbox.WAITING_BATCHES", 8)
    monkeypatch.setattr(
        "limelens.engine.caller.to_numpy",
        lambda scores: to_numpy(scores) * (np.nan if len(model.events) == 8 else 1),
    )
    asked = query(model, batch_size=1)
    model.events.clear()
    with pytest.raises(PredictionError, match="NaN") as caught:
        asked.ask(rows)
    assert len(model.events) == 9  # the ninth is sent before the first eight are looked at
    assert caught.value.samples.coalitions[2:].tolist() == [rows[8].tolist()]


def test_what_was_sent_is_kept_when_the_model_fails(mutable):
    z = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], bool)
    model = Slow(mutable, fails_at=3)
    asked = query(model, batch_size=1)
    model.events.clear()
    with pytest.raises(RuntimeError, match="no more") as caught:
        asked.ask(z)
    assert caught.value.samples.coalitions[2:].tolist() == z[:3].tolist()
    np.testing.assert_allclose(caught.value.samples.scores[2:], query(Model()).ask(z[:3]))


def test_memory_that_runs_out_late_is_halved_too(mutable, monkeypatch):
    model, z = Slow(mutable), np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]], bool)
    fetches(model, monkeypatch, memory=1)
    asked = query(model, batch_size=3)
    with pytest.warns(LimelensWarning, match="out of memory with 3 images"):
        scores = asked.ask(z)
    assert asked.batch_size == 1
    np.testing.assert_allclose(scores, query(Model()).ask(z), rtol=1e-12)


@pytest.mark.parametrize("every", [1, 3])
def test_progress_never_falls_where_a_device_model_answers_in_numpy(mutable, every):
    class Mixed(DeviceModel):
        asked = 0

        def predict_prepared(self, prepared):
            self.asked += 1
            scores = super().predict_prepared(prepared)
            return scores if self.asked % every else to_numpy(scores)

    z, told = np.unique(rows(), axis=0)[1:-1], []
    asked = query(
        Mixed(mutable), backgrounds=2, batch_size=3, report=lambda *done: told.append(done)
    )
    scores = asked.ask(z)
    done, total = np.array(told).T
    assert (np.diff(done) >= 0).all()
    assert set(total) == {done[-1]}
    np.testing.assert_allclose(scores, query(Model(), backgrounds=2).ask(z), rtol=1e-12)


def test_many_segments_in_the_last_pixels_do_not_blow_up_the_table(xp):
    segments = np.repeat([0, 1], [700, 571])
    segments[-23:] = 2 + np.arange(23)  # 1271 pixels are 39 blocks of 32 and these
    image = xp.asarray(np.random.default_rng(0).random((31, 41)).astype(np.float32))
    table = device_table(image, image / 2, segments.reshape(31, 41), None)
    assert to_numpy(table.table).size < 9 * 1296
    rows = np.random.default_rng(1).random((5, 25)) < 0.5
    host, labels = to_numpy(image), segments.reshape(31, 41)
    np.testing.assert_array_equal(
        to_numpy(table(rows)), np.where(rows[:, labels], host, to_numpy(image / 2))
    )


def test_prepare_must_not_change_its_dtype():
    counted = iter([float, "f4", float])
    with pytest.raises(InvalidInputError, match="of one shape and dtype"):
        query(changed(Model(), "prepare", lambda b: np.moveaxis(b, -1, 1).astype(next(counted))))


class Stopped(BaseException):
    """As KeyboardInterrupt, which pytest itself would heed."""


def test_an_interrupt_is_not_lost_when_memory_runs_out_behind_it(mutable, monkeypatch):
    z = np.unique(np.random.default_rng(0).random((40, 4)) < 0.5, axis=0)[1:-1][:9]
    model = Slow(mutable, fails_at=2, error=Stopped())
    asked = query(model, batch_size=2)
    model.events.clear()
    fetches(model, monkeypatch, memory=1)
    with pytest.raises(Stopped):
        asked.ask(z)
    assert model.events == ["asked"] * 2 + ["fetched"] * 2


@pytest.mark.parametrize("first", [ValueError("first"), Stopped()])
def test_of_several_errors_the_first_is_raised_and_nobody_is_told_of_more(
    first, mutable, monkeypatch
):
    z = np.unique(np.random.default_rng(0).random((40, 4)) < 0.5, axis=0)[1:-1][:6]
    monkeypatch.setattr("limelens.engine.inbox.WAITING_BATCHES", 4)
    told = []

    def report(done, total):
        told.append(done)
        raise first if len(told) == 1 else ValueError("another")

    with pytest.raises(type(first)) as caught:
        query(Slow(mutable), batch_size=1, report=report).ask(z)
    assert caught.value is first
    assert len(told) == 1
    # four fetched and the fifth, which was sent before the first was opened
    assert caught.value.samples.coalitions[2:].tolist() == z[:5].tolist()


def test_an_interrupt_goes_before_an_error(mutable, monkeypatch):
    z = np.unique(np.random.default_rng(0).random((40, 4)) < 0.5, axis=0)[1:-1][:6]
    events = iter([None, ValueError("NaN"), Stopped(), ValueError("more"), None, None])
    asked = query(Slow(mutable), batch_size=1)
    check = asked._caller._check

    def failing(answer):
        event = next(events)
        if event is not None:
            raise event
        return check(answer)

    monkeypatch.setattr(asked._caller, "_check", failing)
    with pytest.raises(Stopped) as caught:
        asked.ask(z)
    assert caught.value.samples.coalitions[2:].tolist() == z[[0, 4, 5]].tolist()


def test_what_led_to_an_array_is_not_kept_with_it():
    torch = pytest.importorskip("torch")
    pytest.importorskip("array_api_compat")
    weights = torch.ones(3, requires_grad=True)
    assert copy_of(2 * weights).grad_fn is None


@pytest.mark.parametrize("d", [2, 30, 200])
def test_scattered_segments_on_a_device_equal_where(xp, d):
    rng = np.random.default_rng(d)
    segments = np.repeat(rng.permutation(np.arange(40 * 8) % d).reshape(40, 8), 4, axis=1)
    image, background = rng.random((2, 40, 32)).astype(np.float32)
    z = rng.random((5, d)) < 0.5
    compose = device_table(xp.asarray(image), xp.asarray(background), segments, None)
    np.testing.assert_array_equal(to_numpy(compose(z)), np.where(z[:, segments], image, background))


MOVES = {
    "up and down": lambda batch: batch[:, ::-1],
    "left and right": lambda batch: batch[:, :, ::-1],
    "half a turn": lambda batch: batch[:, ::-1, ::-1],
    "a quarter": lambda batch: np.rot90(batch, axes=(1, 2)),
    "transposed": lambda batch: batch.swapaxes(1, 2),
    "rolled by two cells": lambda batch: np.roll(batch, 4, axis=1),  # of two pixels each
}


@pytest.mark.parametrize(
    ("move", "cells"),
    # two cells of four are all the way round
    [(m, c) for m in MOVES for c in (4, 9, 16, 49, 100) if (m, c) != ("rolled by two cells", 4)],
)
def test_what_moves_pixels_is_refused_on_any_grid(move, cells):
    side = int(np.sqrt(cells))
    image = np.random.default_rng(0).integers(0, 256, (side * 2, side * 2, 3)).astype(np.uint8)
    segments = Grid(cells)(image)
    assert segments.max() + 1 == cells
    # Whatever the pixels, the moved image is prepared alike: only where they are hidden tells.
    image[:], background = 200, np.full((1, *image.shape), 117, np.uint8)
    model = changed(Model(), "prepare", lambda batch: MOVES[move](batch) / 255.0)
    with pytest.raises(InvalidInputError, match="prepare` must act on each pixel"):
        composer_of(model, image, background, segments, 2)


def test_two_ways_to_a_score_must_agree():
    class Both(Model):
        def __call__(self, batch):
            return np.exp(super().__call__(batch))

    with pytest.raises(InvalidInputError, match=r"must be `predict_fn.predict_prepared\("):
        query(Both())


def test_rows_that_are_reused_cost_the_intact_image_alone():
    asked = query(Model())
    asked.ask(rows())
    again = query(Model(), reuse=asked.samples())
    again.ask(rows())
    assert again.n_predictions == 1


def test_prepared_pixels_may_be_nan_but_must_be_numbers():
    def logarithm(batch):
        with np.errstate(all="ignore"):
            return np.moveaxis(np.log(batch.astype(float) - 117), -1, 1)

    model = changed(Model(), "prepare", logarithm)
    background = np.full((1, *IMAGE.shape), 117, np.uint8)
    assert np.isnan(composer_of(model, IMAGE, background, SEGMENTS, 2).image).any()
    with pytest.raises(InvalidInputError, match="must return numbers; got an array of object"):
        query(changed(Model(), "prepare", lambda batch: batch.astype(object)))


@pytest.mark.parametrize("d", range(2, 9))
def test_what_mixes_any_two_of_up_to_eight_segments_is_refused(d):
    image = np.full((1, d), 200.0)
    background, segments = np.zeros((1, 1, d)), np.arange(d)[np.newaxis]
    for one in range(d):
        for other in range(one):
            places = np.arange(d)
            places[[one, other]] = other, one
            model = changed(Model(), "prepare", lambda batch, places=places: batch[:, :, places])
            with pytest.raises(InvalidInputError, match="prepare` must act on each pixel"):
                composer_of(model, image, background, segments, None)


@pytest.mark.parametrize(("n_roundings", "accepted"), [(1, True), (4, True), (64, False)])
def test_a_preparation_may_round_otherwise_for_another_batch(n_roundings, accepted):
    def prepare(batch):  # batches of several images come out a little larger
        eps = np.finfo(batch.dtype).eps
        return batch * (1 + n_roundings * eps * (len(batch) > 1))

    image, background = np.full((4, 4), 1.0, np.float32), np.zeros((1, 4, 4), np.float32)
    model = changed(Model(), "prepare", prepare)
    segments = np.arange(16).reshape(4, 4) // 4
    if accepted:
        assert composer_of(model, image, background, segments, None).asked != "predict_fn"
    else:
        with pytest.raises(InvalidInputError, match="prepare` must act on each pixel"):
            composer_of(model, image, background, segments, None)


@pytest.mark.parametrize(("share", "accepted"), [(0.04, True), (0.06, False)])
@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_two_ways_to_a_score_agree_relative_to_the_largest_though_one_is_zero(
    share, accepted, scale
):
    class Both(Model):
        def __call__(self, batch):
            scores = np.zeros((len(batch), 3))
            scores[:, 1:] = scale, scale * (1 + share)
            return scores

        def predict_prepared(self, prepared):
            scores = np.zeros((len(prepared), 3))
            scores[:, 1:] = scale
            return scores

    if accepted:
        query(Both())
    else:
        with pytest.raises(InvalidInputError, match=r"must be `predict_fn.predict_prepared\("):
            query(Both())


def test_what_mixes_many_segments_is_seen_seven_times_of_eight():
    d = 40
    image = np.full((1, d), 200.0)
    background, segments, refused = np.zeros((1, 1, d)), np.arange(d)[np.newaxis], 0
    for one in range(8, d - 1):
        places = np.arange(d)
        places[[one, one + 1]] = one + 1, one
        model = changed(Model(), "prepare", lambda batch, places=places: batch[:, :, places])
        try:
            composer_of(model, image, background, segments, None)
        except InvalidInputError:
            refused += 1
    assert refused >= 0.8 * (d - 9)
