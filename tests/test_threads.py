"""Our fits take one thread of the linear algebra; a user's model keeps all of its own."""

import threading

import numpy as np
import pytest
import scipy.linalg  # noqa: F401 - its library shall be loaded before threads are counted
from threadpoolctl import threadpool_info, threadpool_limits

import limelens as ll
from limelens._threads import one_blas_thread

IMAGE = np.linspace(0, 1, 144).reshape(12, 12)
GRID = ll.Grid(cell=(4, 3))  # twelve segments


def blas_threads():
    """Return how many threads the libraries of linear algebra have."""
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def three_threads():
    with threadpool_limits(3, user_api="blas"):
        if blas_threads() != {3}:
            pytest.skip("these libraries have no three threads")
        yield


@pytest.mark.parametrize(
    "explainer",
    [
        ll.Lime(segmenter=GRID, n_samples=60),
        ll.KernelShap(segmenter=GRID, n_samples=60),
        ll.QuickLime(segmenter=GRID, max_samples=80),
        ll.QuickShap(segmenter=GRID, max_samples=80),
        ll.QuickShap(segmenter=ll.Grid(cell=(6, 6)), max_samples=80),  # all coalitions, then again
    ],
    ids=lambda explainer: type(explainer).__name__,
)
def test_the_model_never_sees_the_limit_of_our_own_fits(explainer):
    seen = []

    def predict_fn(batch):
        seen.append(blas_threads())
        return batch.mean(axis=(1, 2))

    explainer.explain(IMAGE, predict_fn, rng=0)
    assert all(threads == {3} for threads in seen)
    assert blas_threads() == {3}


def test_our_fits_take_one_thread(monkeypatch):
    seen, solve = [], np.linalg.inv

    def watched(matrix):
        seen.append(blas_threads())
        return solve(matrix)

    monkeypatch.setattr(np.linalg, "inv", watched)
    coalitions = np.random.default_rng(0).random((30, 3)) < 0.5
    ll.Ridge()(coalitions, coalitions @ np.ones((3, 1)), np.ones(30))
    assert seen
    assert all(threads == {1} for threads in seen)


def test_an_error_gives_the_threads_back():
    with pytest.raises(ZeroDivisionError), one_blas_thread():
        raise ZeroDivisionError
    assert blas_threads() == {3}


def test_fits_that_overlap_leave_no_limit_behind():
    """The one that began first ends first."""
    second_began, first_ended = threading.Event(), threading.Event()

    def second():
        with one_blas_thread():
            second_began.set()
            first_ended.wait(5)

    with one_blas_thread():
        other = threading.Thread(target=second)
        other.start()
        second_began.wait(5)
        assert blas_threads() == {1}
    first_ended.set()
    other.join()
    assert blas_threads() == {3}
