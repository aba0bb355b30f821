"""Every way of composing equals `np.where`, bit for bit."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limelens.masking import memory as batches
from limelens.masking import pattern_table as pattern_tables
from limelens.masking import segment_composer
from limelens.masking.blocks import MAX_IMAGES, MOST_IN_BLOCK, border_positions, choose_width, cut
from limelens.masking.boxes import segment_boxes
from limelens.masking.pattern_table import PatternTable, pattern_table
from limelens.masking.segment_composer import SegmentComposer, write_choice


def where(image, background, segments, coalitions, channel_axis):
    kept = coalitions[:, segments]
    if channel_axis is not None:
        kept = np.expand_dims(kept, 1 + channel_axis % image.ndim)
    return np.where(kept, image, background)


def consecutive(labels):
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.intp)


@st.composite
def cases(draw):
    """Draw an image, its background, segments and coalitions in any layout."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    spatial = tuple(draw(st.lists(st.integers(1, 18), min_size=2, max_size=3)))
    n_labels = draw(st.integers(1, 12))
    scattered = rng.integers(0, n_labels, spatial)
    ordered = np.arange(scattered.size).reshape(spatial) * n_labels // scattered.size
    segments = consecutive(draw(st.sampled_from([scattered, ordered])))
    channel_axis = draw(st.sampled_from([None, *range(len(spatial) + 1)]))
    shape = list(spatial)
    if channel_axis is not None:
        shape.insert(channel_axis, draw(st.integers(1, 4)))
    dtype = draw(st.sampled_from(["bool", "uint8", "int16", ">u2", "float16", "f4", "f8"]))
    image, background = (rng.uniform(0, 255, (2, *shape))).astype(dtype)
    if draw(st.booleans()):
        image, background = image[::-1], np.asfortranarray(background)
    if draw(st.booleans()):
        background = np.full_like(background, background.flat[0])
    image.flags.writeable = background.flags.writeable = segments.flags.writeable = False
    coalitions = rng.random((draw(st.integers(0, 6)), segments.max() + 1)) < 0.5
    return image, background, segments, channel_axis, coalitions


def assert_same(batch, expected, dtype):
    assert batch.dtype == dtype
    assert batch.flags.c_contiguous
    assert batch.flags.writeable
    np.testing.assert_array_equal(batch, expected)


def composed(way, coalitions, image):
    """Return the batch that one way of composing writes."""
    out = np.empty((len(coalitions), *image.shape), image.dtype)
    way.write(coalitions, out)
    return out


@settings(deadline=None)
@given(cases(), st.sampled_from([None, 1, 2, 3, 5, 8, 32]))
def test_the_pattern_table_equals_where(case, width):
    image, background, segments, channel_axis, coalitions = case
    if width is not None and width > segments.size:
        width = None
    table = pattern_table(image, background, segments, channel_axis, width=width)
    expected = where(image, background, segments, coalitions, channel_axis)
    assert_same(composed(table, coalitions, image), expected, image.dtype)


@settings(deadline=None)
@given(
    cases(),
    st.sampled_from([1, 2, 3, 5, 8]),
    st.sampled_from([1, 30, 300]),
    st.sampled_from([1, 40, 2000]),
)
def test_tiles_of_the_table_put_together_equal_where(case, width, tile_bytes, n_indices):
    image, background, segments, channel_axis, coalitions = case
    width = min(width, segments.size)
    table = pattern_table(image, background, segments, channel_axis, width=width)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pattern_tables, "TILE_BYTES", tile_bytes)
        patch.setattr(pattern_tables, "CHUNK_INDICES", n_indices)
        batch = composed(table, coalitions, image)
    expected = where(image, background, segments, coalitions, channel_axis)
    assert_same(batch, expected, image.dtype)


@pytest.mark.parametrize(
    ("pixels", "n_bytes", "tiles"),
    [
        (8, 1 << 19, [(0, 3, 0, 4)]),
        (8, 24, [(0, 2, 0, 4), (2, 3, 0, 4)]),
        (8, 16, [(0, 1, 0, 4), (1, 2, 0, 4), (2, 3, 0, 4)]),
        (8, 8, [(p, p + 1, b, b + 2) for p in range(3) for b in (0, 2)]),
        (9, 1 << 19, [(0, 1, 0, 4), (1, 2, 0, 4), (2, 3, 0, 4)]),
    ],
)
def test_tiles_are_planes_together_or_parts_of_one(monkeypatch, pixels, n_bytes, tiles):
    monkeypatch.setattr(pattern_tables, "TILE_BYTES", n_bytes)
    image = np.arange(3 * pixels, dtype=np.uint8).reshape(3, 1, pixels)
    segments = np.arange(pixels).reshape(1, pixels) // 4
    # two rows of two pixels for each of four blocks in each of three planes: 48 bytes
    table = pattern_table(image, image[:, :, ::-1], segments, 0, width=2)
    assert table.table.nbytes == 48
    found = [(p.start, min(p.stop, 3), b.start, b.stop) for p, b in table._tiles(2)]
    assert found == tiles


def test_one_image_takes_all_its_rows_at_once(monkeypatch):
    monkeypatch.setattr(pattern_tables, "TILE_BYTES", 1)
    image, segments = np.arange(8).reshape(1, 8), np.arange(8).reshape(1, 8) // 4
    table = pattern_table(image, -image, segments, None, width=2)
    assert len(table._tiles(1)) == 1
    assert len(table._tiles(2)) > 1


def test_tiles_are_gathered_without_a_copy(monkeypatch):
    monkeypatch.setattr(pattern_tables, "TILE_BYTES", 1 << 13)
    segments = np.arange(32 * 32).reshape(32, 32) // 128
    image, coalitions = np.random.default_rng(0).random((32, 32)), np.eye(8, dtype=bool)
    table = pattern_table(image, -image, segments, None, width=16)
    out = np.empty((8, 32, 32))
    tracemalloc.start()
    table.write(coalitions, out)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(table._tiles(8)) == 2
    assert peak < out.nbytes / 4


@settings(deadline=None)
@given(cases())
def test_boxes_equal_where(case):
    image, background, segments, channel_axis, coalitions = case
    boxes = segment_boxes(image, background, segments, channel_axis)
    expected = where(image, background, segments, coalitions, channel_axis)
    assert_same(composed(boxes, coalitions, image), expected, image.dtype)


@settings(deadline=None)
@given(cases(), st.sampled_from([1, 100]))
def test_choices_equal_where(case, n_bytes):
    image, background, segments, channel_axis, coalitions = case
    out = np.empty((len(coalitions), *image.shape), image.dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment_composer, "CHOICE_BYTES", n_bytes)
        write_choice(coalitions, out, image, background, segments, channel_axis)
    expected = where(image, background, segments, coalitions, channel_axis)
    assert_same(out, expected, image.dtype)


@settings(deadline=None)
@given(cases(), st.sampled_from([1, 100, 100_000]))
def test_the_composer_equals_where_for_any_number_of_rows(case, n_rows):
    image, background, segments, channel_axis, coalitions = case
    composer = SegmentComposer(image, background, segments, channel_axis, n_rows)
    expected = where(image, background, segments, coalitions, channel_axis)
    for _ in range(2):
        assert_same(composer(coalitions), expected, image.dtype)


def test_every_batch_is_fresh():
    segments = np.repeat(np.arange(4), 16).reshape(8, 8)
    composer = SegmentComposer(np.ones((8, 8)), np.zeros((8, 8)), segments, None, 10_000)
    coalitions = np.eye(4, dtype=bool)
    first = composer(coalitions)
    first[:] = 7
    assert composer(coalitions).max() == 1
    assert first.min() == 7


def test_a_large_batch_is_used_again_only_when_nobody_holds_it(monkeypatch):
    monkeypatch.setattr(batches, "LARGE_BATCH", 0)
    segments = np.repeat(np.arange(4), 16).reshape(8, 8)
    composer = SegmentComposer(np.ones((8, 8)), np.zeros((8, 8)), segments, None, 10_000)
    kept, hidden = np.ones((1, 4), bool), np.zeros((1, 4), bool)
    address = composer(kept).ctypes.data
    first = composer(kept)
    assert first.ctypes.data == address
    part = first[0, :2]
    del first
    second = composer(hidden)
    assert part.min() == 1
    assert second.ctypes.data != address
    assert second.max() == 0
    third = composer(kept)
    assert second.max() == 0
    assert third.min() == 1


def test_few_rows_use_boxes_and_many_the_table():
    segments = np.arange(64 * 64).reshape(64, 64) // 256
    image, background = np.ones((64, 64)), np.zeros((64, 64))
    coalitions = np.tile([True, False], (8, 8))
    few = SegmentComposer(image, background, segments, None, 8)
    few(coalitions)
    assert few._table is None
    many = SegmentComposer(image, background, segments, None, 5000)
    many(coalitions)
    assert isinstance(many._table, PatternTable)


def test_each_value_of_a_tiny_image_is_chosen(monkeypatch):
    monkeypatch.setattr(segment_composer, "segment_boxes", None)
    monkeypatch.setattr(segment_composer, "pattern_table", None)
    compose = SegmentComposer(
        np.ones((8, 8)), np.zeros((8, 8)), np.arange(64).reshape(8, 8), None, 200
    )
    assert compose(np.eye(64, dtype=bool)).sum() == 64


def test_masks_of_choices_take_little_memory_beside_the_batch(monkeypatch):
    monkeypatch.setattr(segment_composer, "CHOICE_BYTES", 64)
    coalitions = np.ones((4096, 2), dtype=bool)
    out = np.empty((4096, 8, 8))
    tracemalloc.start()
    segments = np.arange(64).reshape(8, 8) % 2
    write_choice(coalitions, out, np.ones((8, 8)), np.zeros((8, 8)), segments, None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 4096 / 8


def test_the_table_comes_in_time_where_more_rows_than_announced_come():
    segments = np.arange(64 * 64).reshape(64, 64) // 256
    composer = SegmentComposer(np.ones((64, 64)), np.zeros((64, 64)), segments, None, 8)
    coalitions = np.tile([True, False], (8, 8))
    for _ in range(50):
        composer(coalitions)
    assert isinstance(composer._table, PatternTable)


def test_a_block_of_one_segment_has_two_rows_and_of_two_segments_four():
    blocks = cut(np.array([0, 0, 0, 1, 1, 1]), 2, 2)
    assert blocks.tuple_of_block.tolist() == [0, 2, 1]
    # rows 0, 1: blocks 0, 2 hidden; 2, 3: kept; 4 to 7: block 1
    assert blocks.first_row.tolist() == [0, 4, 1]
    assert blocks.n_rows == 8


def test_offsets_number_the_appearances_by_the_segments_kept():
    blocks = cut(np.array([0, 1, 2, 2, 0, 1]), 3, 3)
    coalitions = np.array([[True, False, False], [False, True, True]])
    # set 3 is {0, 1, 2}: bit j is segment j; two blocks have it, so codes are two rows apart
    np.testing.assert_array_equal(blocks.offsets(coalitions)[:, 3], [0b001 * 2, 0b110 * 2])


def test_a_constant_background_shares_one_row():
    image, background = np.arange(6).reshape(1, 6), np.zeros((1, 6), int)
    segments = np.array([[0, 0, 0, 1, 1, 1]])
    table = pattern_table(image, background, segments, None, width=2)
    assert table.table.tolist() == [[0, 0], [0, 1], [4, 5], [2, 0], [0, 3], [2, 3]]


def test_a_color_everywhere_shares_one_row_too():
    image = np.arange(12).reshape(1, 4, 3)
    background = np.array([7, 8, 9]) + np.zeros_like(image)
    segments = np.array([[0, 0, 1, 1]])
    table = pattern_table(image, background, segments, 2, width=2)
    assert table.table.tolist() == [[7, 8, 9, 7, 8, 9], [0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]


def test_negative_zeros_of_the_background_are_kept():
    image, background = np.ones((1, 4)), np.array([[0.0, 0.0, -0.0, -0.0]])
    segments = np.array([[0, 0, 1, 1]])
    table = pattern_table(image, background, segments, None, width=2)
    batch = composed(table, np.array([[False, False]]), image)
    assert np.signbit(batch).tolist() == [[[False, False, True, True]]]


def test_a_constant_color_per_channel_is_shared_within_each_channel():
    image = np.arange(12).reshape(2, 1, 6)
    background = np.array([20, 30]).reshape(2, 1, 1) + np.zeros_like(image)
    segments = np.array([[0, 0, 0, 1, 1, 1]])
    table = pattern_table(image, background, segments, 0, width=2)
    coalitions = np.array([[False, False], [True, False]])
    expected = where(image, background, segments, coalitions, 0)
    np.testing.assert_array_equal(composed(table, coalitions, image), expected)


def test_equal_sets_of_segments_share_one_code():
    owners = np.tile([0, 0, 0, 1], 50)
    assert len(cut(owners, 2, 4).tuples) == 3


@pytest.mark.parametrize(
    ("owners", "width"),
    [
        (np.zeros(100, np.intp), 32),
        (np.zeros(5, np.intp), 4),
        (np.arange(1024), 2),
        (np.tile([0, 1], 512), 32),  # many borders, but two segments a block
    ],
)
def test_the_width_is_the_widest_whose_table_stays_small(owners, width):
    assert choose_width(owners, border_positions(owners)) == width
    blocks = cut(owners, owners.max() + 1, width)
    assert blocks.n_rows * width <= MAX_IMAGES * len(owners)


@pytest.mark.parametrize(
    ("dtype", "n_channels", "width"),
    [("u1", 3, 64), ("f4", 3, 32), ("f8", 3, 16), ("f4", 1, 64), ("f4", 100, 1)],
)
def test_the_rows_of_a_table_are_wide_but_not_too_long(dtype, n_channels, width):
    image = np.ones((8, 16, n_channels), dtype)
    segments = np.zeros((8, 16), np.intp)
    assert pattern_table(image, 0 * image, segments, 2).blocks.width == width


@pytest.mark.parametrize(
    ("height", "n_striped", "dtype", "width"),
    [
        (224, 3, "f4", 32),  # 8 images
        (224, 4, "f4", 16),  # 10: 6.0 MB
        (224, 4, "u1", 32),  # 10: 1.5 MB, which a cache holds
        (224, 5, "u1", 32),  # 12: 1.8 MB
        (224, 6, "u1", 16),  # 14: 2.1 MB
        (8, 7, "u1", 32),  # 16
        (8, 7.5, "u1", 16),  # 17
    ],
)
def test_a_table_that_fits_a_cache_may_be_more_images(height, n_striped, dtype, width):
    segments = np.zeros((height, 224), np.intp)  # a row is seven blocks of 32 pixels
    stripes = np.repeat(np.arange(1, 29), 8)
    segments[:, : 32 * int(n_striped)] = stripes[: 32 * int(n_striped)]
    if n_striped > 7:
        segments[: height // 2, :4] = 29
    image = np.random.default_rng(0).integers(0, 255, (height, 224, 3)).astype(dtype)
    table = pattern_table(image, 0 * image, segments, 2)
    assert table.blocks.width == width
    # all hidden share one row
    assert table.table.nbytes <= max(8 * image.nbytes, min(7 * 2**18, 16 * image.nbytes))


def test_pixels_that_fill_no_block_do_not_count_for_the_bound():
    image = np.arange(67.0)[np.newaxis]
    # in blocks of 32 two appearances and 32, 17 on average; of all pixels 16.2 images
    segments = np.repeat(np.arange(6), [32, 7, 7, 6, 6, 9])[np.newaxis]
    assert pattern_table(image, image + 0.5, segments, None).blocks.width == 16


def test_blocks_are_no_wider_than_asked():
    owners = np.zeros(100, np.intp)
    assert choose_width(owners, border_positions(owners), widest=64) == 64
    assert choose_width(owners, border_positions(owners), widest=20) == 16


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(1, 9))
def test_the_table_never_outgrows_its_bound(seed, n_labels, run):
    rng = np.random.default_rng(seed)
    owners = np.repeat(rng.integers(0, n_labels, 40), rng.integers(1, run + 1, 40))
    width = choose_width(owners, border_positions(owners))
    n_blocks = -(-len(owners) // width)
    assert cut(owners, n_labels, width).n_rows <= MAX_IMAGES * n_blocks


def test_many_segments_in_many_blocks_are_told_apart():
    rng = np.random.default_rng(0)
    owners = rng.permutation(4000)
    segments = owners.reshape(40, 100)
    image, background = rng.random((2, 40, 100))
    coalitions = rng.random((3, 4000)) < 0.5
    table = pattern_table(image, background, segments, None, width=8)
    expected = where(image, background, segments, coalitions, None)
    np.testing.assert_array_equal(composed(table, coalitions, image), expected)


@pytest.mark.parametrize("shares_hidden", [False, True])
@pytest.mark.parametrize("k", range(1, MOST_IN_BLOCK + 1))
def test_a_block_of_every_number_of_segments_equals_where(k, shares_hidden):
    rng = np.random.default_rng(k)
    segments = np.zeros((64, 16), np.intp)
    segments[3] = np.arange(16) % k  # one block of sixteen pixels touches k segments
    image, background = rng.random((2, 64, 16))
    background = np.zeros_like(background) if shares_hidden else background
    coalitions = rng.random((40, k)) < 0.5
    table = pattern_table(image, background, segments, None, width=16)
    assert table.blocks.tuples.shape[1] == k
    expected = where(image, background, segments, coalitions, None)
    np.testing.assert_array_equal(composed(table, coalitions, image), expected)
