"""Fresh batches begin with a cache line and are nobody else's."""

import weakref

import numpy as np
import pytest

from limelens.masking import memory as batches
from limelens.masking.memory import ALIGNMENT, FreshBatches, aligned_empty, with_one_more
from limelens.masking.pattern_table import pattern_table
from limelens.masking.perturb import perturb
from limelens.masking.segment_composer import SegmentComposer

BYTES = np.dtype(np.uint8)


def address(array):
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("dtype", ["?", "u1", "f2", ">f8", "c16", "V12", "M8[s]", "i4,f8"])
@pytest.mark.parametrize("shape", [(), (1,), (3, 5, 7), (64, 9, 9, 3)])
def test_arrays_begin_with_a_cache_line_and_are_plain(dtype, shape):
    for _ in range(5):
        array = aligned_empty(shape, np.dtype(dtype))
        assert address(array) % ALIGNMENT == 0
        assert (type(array), array.dtype, array.shape) == (np.ndarray, np.dtype(dtype), shape)
        assert array.flags.c_contiguous
        assert array.flags.writeable


@pytest.mark.parametrize("shape", [(0,), (0, 4, 3), (2, 0)])
def test_empty_arrays_have_their_shape(shape):
    assert aligned_empty(shape, np.dtype("f4")).shape == shape


def test_all_of_an_array_lies_in_its_own_memory():
    array = aligned_empty((1000,), BYTES)
    start = address(array) - address(array.base)
    assert 0 <= start <= len(array.base) - 1000


def test_python_objects_are_refused():
    with pytest.raises(TypeError):
        aligned_empty((2,), np.dtype(object))


def test_every_maker_of_batches_aligns_them():
    image, segments = np.ones((5, 7), np.uint8), np.arange(35).reshape(5, 7) // 5
    rows = np.ones((3, 7), bool)
    table = pattern_table(image, 0 * image, segments, None)
    for n_rows in (1, 100_000):
        compose = SegmentComposer(image, 0 * image, segments, None, n_rows)
        made = [table.table, compose(rows), perturb(image, segments, rows, 0)]
        assert [address(array) % ALIGNMENT for array in made] == [0, 0, 0]


@pytest.fixture
def fresh(monkeypatch):
    monkeypatch.setattr(batches, "LARGE_BATCH", 1000)
    return FreshBatches()


def test_a_large_batch_that_was_let_go_is_used_again(fresh):
    # by its owner, as freed memory may come back at the same address
    owner = weakref.ref(fresh.empty((4, 300), BYTES).base)
    assert fresh.empty((4, 300), BYTES).base is owner()
    assert fresh.empty((4, 150), np.dtype("u2")).base is owner()


@pytest.mark.parametrize("keep", [
    lambda batch: batch,
    lambda batch: batch[1, 3:5],
    lambda batch: batch.reshape(-1).view("u4"),
    lambda batch: memoryview(batch),
    lambda batch: iter(batch),
])  # fmt: skip
def test_a_large_batch_is_left_to_whoever_keeps_it_or_a_part(fresh, keep):
    batch = fresh.empty((4, 300), BYTES)
    where, kept = address(batch), keep(batch)
    del batch
    other = fresh.empty((4, 300), BYTES)
    assert address(other) != where
    del kept
    assert address(fresh.empty((4, 300), BYTES)) != address(other)


def test_a_batch_of_another_size_has_memory_of_that_size(fresh):
    fresh.empty((4, 300), BYTES)
    larger = fresh.empty((5, 300), BYTES)
    assert len(larger.base) == 1500 + ALIGNMENT + 300  # and room for one more image
    del larger
    assert len(fresh.empty((4, 300), BYTES).base) == 1200 + ALIGNMENT + 300


def test_small_batches_are_not_held(fresh):
    fresh.empty((999,), BYTES)
    assert fresh._owner is None


@pytest.mark.parametrize("large", [10**9, 1])
@pytest.mark.parametrize("dtype", ["u1", ">f8", "?"])
def test_one_more_image_takes_no_second_batch(large, dtype, monkeypatch):
    monkeypatch.setattr(batches, "LARGE_BATCH", large)
    batch, image = FreshBatches().empty((4, 3, 5), np.dtype(dtype)), np.ones((1, 3, 5), dtype)
    batch[:] = 0
    longer = with_one_more(batch, image)
    assert np.shares_memory(longer, batch)
    assert (longer.dtype, longer.flags.c_contiguous) == (batch.dtype, True)
    np.testing.assert_array_equal(longer, np.concatenate([batch, image]))


@pytest.mark.parametrize("large", [10**9, 1])
def test_what_follows_a_part_of_a_batch_is_left_alone(large, monkeypatch):
    monkeypatch.setattr(batches, "LARGE_BATCH", large)
    batch, image = FreshBatches().empty((4, 3), np.dtype("f8")), np.ones((1, 3))
    batch[:] = 0
    for n in (1, 2, 3):
        assert with_one_more(batch[:n], image).shape == (n + 1, 3)
    for other in (
        np.zeros((2, 3)),
        np.zeros((3, 3))[:2],
        FreshBatches().empty((1, 3), np.dtype("f8")),
    ):
        assert not np.shares_memory(with_one_more(other, image), other)
    assert not batch.any()
