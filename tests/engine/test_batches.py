"""How many images a call holds, and what several calls under way at once change: nothing."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

import limelens as ll
import limelens.engine.batches
from limelens.engine.batches import Batches
from limelens.engine.pace import Pace
from limelens.engine.payments import batches_of
from limelens.errors import InvalidInputError, LimelensWarning
from limelens.testing import Recorder

IMAGE = np.random.default_rng(0).random((16, 16, 3))
GRID = ll.Grid(16)
LIME = ll.Lime(segmenter=GRID, n_samples=120)


def halves(batch):
    means = [batch[:, :, side].mean(axis=(1, 2, 3)) for side in (slice(8), slice(8, 16))]
    return np.stack(means, axis=1)


def chosen(seconds, most=111, n_images=1000, first=None):
    """Return the sizes of a run's batches, and how much longer it took than the best fixed size."""
    pace, left, took, sizes = Pace(most), n_images, 0.0, []
    pace.took(2, seconds(2) if first is None else first)
    while left > 0:
        n = min(pace.size, left)
        took, left = took + seconds(n), left - n
        pace.took(n, seconds(n))
        sizes.append(n)

    def fixed(size):
        whole, rest = divmod(n_images, size)
        return whole * seconds(size) + (seconds(rest) if rest else 0)

    return sizes, took / min(fixed(size) for size in range(1, most + 1))


def small_caches(n):
    """Milliseconds an image of a network on one core, as measured."""
    known = {1: 22.5, 4: 20.3, 8: 24.8, 16: 31.4, 64: 48.1}
    return n * np.interp(np.log(n), np.log(list(known)), list(known.values())) / 1e3


@pytest.mark.parametrize(
    ("seconds", "size"),
    [
        (small_caches, 4),
        (lambda n: 0.05 + 1e-4 * n, 111),  # the way to the model takes the time
        (lambda n: 1e-5 * n, 64),  # next to no time
        (lambda n: 0.02 + 0.002 * n, 111),
        (lambda n: 0.01 * max(1, n / 32), 111),  # an accelerator that 32 images fill
        (lambda n: 0.005 + 0.01 * n, 8),
    ],
)
@pytest.mark.parametrize("first", [None, 0.5])
def test_the_size_found_costs_a_tenth_more_than_the_best_one_at_most(seconds, size, first):
    sizes, ratio = chosen(seconds, first=first)
    assert ratio < 1.1
    assert sizes[-3] == size or first


def test_the_search_begins_small_and_keeps_to_what_fits():
    sizes, _ = chosen(lambda n: 0.05 + 1e-4 * n)
    assert sizes[:4] == [4, 16, 111, 111]
    assert max(chosen(lambda n: 0.05, most=3)[0]) == 3
    assert max(chosen(lambda n: 0.05, most=10**6)[0]) == 256


@pytest.mark.parametrize(("side", "size"), [(8, 256), (40, 163), (64, 64), (400, 13)])
def test_of_small_images_a_call_holds_more_where_it_takes_next_to_no_time(side, size):
    n_bytes = 8 * side**2
    composer = SimpleNamespace(
        most_images=16 * 2**20 // n_bytes, answers_at_once=True, image_bytes=n_bytes
    )
    batches = batches_of(composer, "auto", 1)
    batches.each(2, lambda part, claim: None, lambda part, answer: None)
    assert batches.size == size


def test_one_disturbed_call_does_not_decide():
    pace = Pace(64)
    pace.took(2, 0.02)
    pace.took(4, 0.04)
    pace.took(8, 0.5)  # the computer was busy
    assert pace.size == 8
    pace.took(8, 0.06)
    assert pace.size == 16


def test_calls_that_hold_fewer_images_tell_nothing():
    pace = Pace(64)
    pace.took(2, 0.02)
    pace.took(3, 9.0)
    assert pace.size == 4


@pytest.mark.parametrize(
    ("n_rows", "seconds", "with_it"),
    [
        (200, lambda n: 0.05 + 0.01 * n, 16),  # 4 images a call, then 8, then 16
        (200, lambda n: 0.05 * n, 4),  # an image takes as long in larger batches: they stay small
        (12, lambda n: 0.05 + 0.01 * n, 7),  # no larger one will come
    ],
)
def test_what_goes_with_a_batch_waits_for_a_large_one(monkeypatch, n_rows, seconds, with_it):
    now, claimed = [0.0], []
    monkeypatch.setattr(limelens.engine.batches, "perf_counter", lambda: now[0])
    batches = Batches("auto", 64)

    def score(part, claim):
        n = part.stop - part.start + (claim is not None)
        now[0] += seconds(n)
        if claim is not None:
            claimed.append(n)

    batches.each(2, score, lambda *_: None)  # both ends
    batches.each(n_rows, score, lambda *_: None, claim=lambda _: None if claimed else True)
    assert claimed == [with_it]


# -- what the caller says ------------------------------------------------------------------------


def test_a_batch_size_that_is_given_is_obeyed_whatever_it_weighs():
    image = np.zeros((256, 256, 3))
    image[:128] = 1.0
    model = Recorder(lambda batch: batch[:, ::64, ::64].sum(axis=(1, 2, 3)))
    found = ll.Lime(segmenter=GRID, n_samples=100).explain(image, model, rng=0, batch_size=101)
    assert model.batch_sizes == [2, 100]
    assert found.details["batch_size"] == 101
    model = Recorder(model.predict_fn)
    found = ll.Lime(segmenter=GRID, n_samples=100).explain(image, model, rng=0)
    assert max(model.batch_sizes) <= 16 * 2**20 // image.nbytes
    assert found.details["batch_size"] <= 16 * 2**20 // image.nbytes


def test_the_size_of_a_run_can_be_passed_to_the_next():
    found = LIME.explain(IMAGE, halves, rng=0)
    again = LIME.explain(IMAGE, halves, rng=0, batch_size=found.details["batch_size"])
    np.testing.assert_array_equal(again.importances, found.importances)
    assert again.details["batch_size"] == found.details["batch_size"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"batch_size": "large"}, "`batch_size` must be 'auto' or a number of images; got 'large'"),
        ({"batch_size": 0}, "`batch_size` must be an integer >= 1; got 0"),
        ({"in_flight": 0}, "`in_flight` must be an integer >= 1; got 0"),
    ],
)
def test_other_sizes_are_refused_before_the_model_is_asked(settings, words):
    model = Recorder(halves)
    with pytest.raises(InvalidInputError, match=words):
        LIME.explain(IMAGE, model, **settings)
    assert model.n_images == 0


# -- models of a certain number of images ---------------------------------------------------------


def exactly(n):
    def model(batch):
        if len(batch) != n:
            raise ValueError(f"Got: {len(batch)} Expected: {n}")
        return halves(batch)

    return model


def test_a_model_of_eight_images_gets_eight():
    model = Recorder(exactly(8))
    with pytest.warns(LimelensWarning, match="fails on a batch of 2 images .* filled up to 8"):
        found = LIME.explain(IMAGE, model, rng=0, batch_size=8)
    assert set(model.batch_sizes) == {8}
    assert found.n_predictions == model.n_images
    expected = LIME.explain(IMAGE, halves, rng=0)
    np.testing.assert_array_equal(found.importances, expected.importances)


@pytest.mark.parametrize("n", [1, 8])
def test_the_advice_for_models_of_a_certain_number_works(n):
    with pytest.raises(ValueError, match="Expected") as caught:
        LIME.explain(IMAGE, exactly(n), rng=0)
    assert any("pass that number: batch_size=1" in note for note in caught.value.__notes__)
    found = ll.Ablation(segmenter=GRID).explain
    if n == 1:
        assert found(IMAGE, exactly(n), batch_size=n).n_predictions == 16 + 3
    else:
        with pytest.warns(LimelensWarning, match="filled up to 8"):
            assert found(IMAGE, exactly(n), batch_size=n).n_predictions == 8 + 24


@pytest.mark.parametrize("which", [{0}, {1}, {0, 1}])
@pytest.mark.parametrize("settings", [{"batch_size": 8}, {"batch_size": 8, "in_flight": 2}, {}])
def test_a_call_that_fails_by_chance_is_no_matter_of_the_number_of_images(which, settings):
    calls = []

    def flaky(batch):
        calls.append(len(batch))
        if len(calls) - 1 in which:
            raise RuntimeError("the service is away")
        return halves(batch)

    with pytest.raises(RuntimeError, match="is away"):
        LIME.explain(IMAGE, flaky, rng=0, **settings)


def test_a_model_that_is_broken_says_why_once():
    def broken(batch):
        raise ValueError("no such layer")

    with pytest.raises(ValueError, match="no such layer") as caught:
        LIME.explain(IMAGE, broken, batch_size=8)
    assert caught.value.__cause__ is None


# -- several batches under way --------------------------------------------------------------------


class Meeting:
    """Answers when as many calls as expected have come, or after a while."""

    def __init__(self, n):
        self.n, self.inside, self.most = n, 0, 0
        self.lock, self.full = threading.Lock(), threading.Event()

    def __call__(self, batch):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            if self.inside == self.n:
                self.full.set()
        self.full.wait(5)
        scores = halves(batch)
        with self.lock:
            self.inside -= 1
        return scores


EXPLAINERS = [
    LIME,
    ll.QuickLime(segmenter=GRID, max_samples=100),
    ll.Ablation(segmenter=GRID),
    ll.Occlusion(window=4, stride=2),
    ll.Rise(n_masks=80),
    ll.KernelShap(segmenter=GRID, n_samples=80),
    ll.QuickShap(segmenter=GRID, max_samples=80, tolerance=0),
    ll.PermutationShapley(segmenter=GRID, n_permutations=3),
    ll.ExactShapley(segmenter=ll.Grid(4)),
    ll.Owen(segmenter=GRID, max_samples=60),
    ll.Sharp(max_samples=60),
    ll.Anchors(segmenter=GRID, max_samples=200),
]


@pytest.mark.parametrize("explainer", EXPLAINERS, ids=lambda one: type(one).__name__)
def test_batches_in_flight_change_nothing(explainer):
    model = Recorder(halves)
    alone = explainer.explain(IMAGE, halves, rng=0, batch_size=7)
    several = explainer.explain(IMAGE, model, rng=0, batch_size=7, in_flight=4)
    np.testing.assert_array_equal(several.importances, alone.importances)
    np.testing.assert_array_equal(several.samples.keys, alone.samples.keys)
    assert several.n_predictions == alone.n_predictions == model.n_images


def test_gradients_are_asked_for_in_flight_too():
    model = ll.with_gradient(halves, lambda batch, target: np.ones_like(batch) / 384)
    gradients = ll.IntegratedGradients(n_steps=20)
    settings = {"target": 0, "batch_size": 3}
    with pytest.warns(LimelensWarning, match="add up to"):
        alone = gradients.explain(IMAGE, model, **settings)
    with pytest.warns(LimelensWarning, match="add up to"):
        several = gradients.explain(IMAGE, model, in_flight=4, **settings)
    np.testing.assert_array_equal(several.importances, alone.importances)
    assert several.n_predictions == alone.n_predictions == 22


def test_as_many_batches_are_under_way_as_asked_for():
    model = Meeting(3)
    batches = Batches(2, in_flight=3)
    kept = []
    batches.each(
        12,
        lambda part, claimed: model(IMAGE[np.newaxis].repeat(part.stop - part.start, 0)),
        lambda part, scores: kept.append((part.start, len(scores))),
        claim=lambda size: None,
    )
    assert model.most == 3
    assert kept == [(start, 2) for start in range(0, 12, 2)]


def test_rows_in_flight_are_kept_when_a_batch_fails():
    lock, calls = threading.Lock(), []

    def fails(batch):
        with lock:
            calls.append(len(batch))
            number = len(calls)
        if number == 5:
            raise ConnectionError("gone")
        time.sleep(0.01)
        return halves(batch)

    with pytest.raises(ConnectionError, match="gone") as caught:
        LIME.explain(IMAGE, fails, rng=0, batch_size=7, in_flight=3)
    paid = len(caught.value.samples)
    assert paid == sum(calls) - calls[4] - 1  # all that was sent, less the second look
    model = Recorder(halves)
    rest = LIME.explain(IMAGE, model, rng=0, reuse=caught.value.samples)
    expected = LIME.explain(IMAGE, halves, rng=0)
    np.testing.assert_array_equal(rest.importances, expected.importances)
    assert model.n_images == 1 + (122 - paid - 1) + 1


def test_an_interrupt_keeps_what_came_and_waits_for_nothing():
    release, lock, calls = threading.Event(), threading.Lock(), []

    def hangs(batch):
        with lock:
            calls.append(len(batch))
            number = len(calls)
        if number == 4:
            release.wait(20)
        return halves(batch)

    def progress(done, total):
        if done > 12:
            raise KeyboardInterrupt

    start = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            LIME.explain(IMAGE, hangs, rng=0, batch_size=6, in_flight=2, progress=progress)
    finally:
        release.set()
    assert time.monotonic() - start < 15
    assert len(caught.value.samples) >= 12


def test_memory_that_runs_out_in_flight_halves_the_batch_with_one_warning():
    def small(batch):
        if len(batch) > 4:
            raise MemoryError
        return halves(batch)

    with pytest.warns(LimelensWarning, match="out of memory with 8 images") as caught:
        found = LIME.explain(IMAGE, small, rng=0, batch_size=8, in_flight=3)
    assert len(caught) == 1
    assert found.details["batch_size"] == 4
    expected = LIME.explain(IMAGE, halves, rng=0)
    np.testing.assert_allclose(found.importances, expected.importances, atol=1e-12)


def test_several_backgrounds_in_flight_are_averaged_as_one_by_one():
    fill = ll.Backgrounds(np.stack([np.zeros_like(IMAGE), np.ones_like(IMAGE)]))
    lime = ll.Lime(segmenter=GRID, n_samples=60, fill=fill)
    alone = lime.explain(IMAGE, halves, rng=0, batch_size=7)
    several = lime.explain(IMAGE, halves, rng=0, batch_size=7, in_flight=3)
    np.testing.assert_array_equal(several.importances, alone.importances)


@pytest.mark.filterwarnings("ignore::limelens.errors.LimelensWarning")
def test_the_second_look_works_in_flight():
    def of_the_batch(batch):
        powers = np.exp(halves(batch))
        return powers / powers.sum(axis=0)

    with pytest.raises(ll.PredictionError, match="depends on the other images of the batch"):
        LIME.explain(IMAGE, of_the_batch, target=0, rng=0, batch_size=7, in_flight=4)
