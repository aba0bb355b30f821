"""The last few segmentations are kept: by content, bounded, and never shared with the caller."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from limelens import Slic
from limelens.segmenting import remembered


@pytest.fixture(autouse=True)
def n_divided(monkeypatch):
    """Return a list that grows by one for every division."""
    calls, divide = [], Slic.divide
    monkeypatch.setattr(Slic, "divide", lambda self, view: calls.append(1) or divide(self, view))
    remembered._kept.clear()
    return calls


def picture(seed=0, dtype=np.uint8):
    return np.random.default_rng(seed).integers(0, 99, (20, 24, 3)).astype(dtype)


def test_the_same_content_is_divided_once(n_divided):
    first = Slic(12)(picture())
    n = len(n_divided)
    np.testing.assert_array_equal(Slic(12)(picture().copy(order="F")), first)
    assert len(n_divided) == n


@pytest.mark.parametrize(
    ("slic", "image"),
    [
        (Slic(13), picture()),
        (Slic(12, sigma=2), picture()),
        (Slic(12, max_side=None), picture()),
        (Slic(12), picture(1)),
        (Slic(12), picture(dtype=np.float32)),
        (Slic(12), picture().reshape(24, 20, 3)),
    ],
)
def test_other_content_or_settings_are_divided_anew(slic, image, n_divided):
    Slic(12)(picture())
    n = len(n_divided)
    slic(image)
    assert len(n_divided) > n


def test_what_the_caller_does_to_the_labels_stays_with_the_caller():
    first = Slic(12)(picture())
    wanted = first.copy()
    first[:] = 7
    second = Slic(12)(picture())
    np.testing.assert_array_equal(second, wanted)
    second[:] = 7
    np.testing.assert_array_equal(Slic(12)(picture()), wanted)


def test_only_the_last_few_are_kept(n_divided):
    for seed in range(remembered.MOST + 1):
        Slic(12)(picture(seed))
    n = len(n_divided)
    Slic(12)(picture(1))
    assert len(n_divided) == n
    Slic(12)(picture(0))
    assert len(n_divided) > n
    assert len(remembered._kept) == remembered.MOST


def test_their_bytes_are_bounded(monkeypatch):
    monkeypatch.setattr(remembered, "MOST_BYTES", 1000)
    for seed in range(4):
        Slic(12)(picture(seed))  # 480 bytes each
    assert len(remembered._kept) == 2
    remembered.remember(b"large", np.zeros((40, 40), dtype=np.intp))
    assert len(remembered._kept) == 2


def test_threads_get_the_same_labels():
    wanted = [Slic(12)(picture(seed)) for seed in range(12)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda seed: Slic(12)(picture(seed % 12)), range(96)))
    for seed, labels in enumerate(found):
        np.testing.assert_array_equal(labels, wanted[seed % 12])
