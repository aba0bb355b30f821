"""The public function over the masking engine."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limelens.errors import InvalidInputError
from limelens.masking.perturb import perturb

IMAGE = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
SEGMENTS = np.array([[0, 0, 1], [0, 1, 1]])


def test_hidden_segments_show_the_background_and_kept_ones_the_image():
    batch = perturb(IMAGE, SEGMENTS, [[1, 1], [0, 0], [1, 0]], IMAGE + 10)
    np.testing.assert_array_equal(batch, [IMAGE, IMAGE + 10, [[1, 2, 13], [4, 15, 16]]])
    assert batch.dtype == np.uint8


def test_columns_belong_to_the_labels_in_rising_order():
    batch = perturb(IMAGE, [[7, 7, -2], [7, -2, -2]], [[True, False]], 0)
    np.testing.assert_array_equal(batch, [[[0, 0, 3], [0, 5, 6]]])


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_rows=st.integers(0, 300),
    channel_axis=st.sampled_from([None, 0, 1, 2, -1]),
    dtype=st.sampled_from(["u1", "i4", "f4", ">f8"]),
)
def test_it_equals_where_and_leaves_its_arguments_alone(seed, n_rows, channel_axis, dtype):
    rng = np.random.default_rng(seed)
    axis = None if channel_axis is None else channel_axis % 3
    shape = [7, 5] if axis is None else np.insert([7, 5], axis, 3)
    segments = rng.integers(0, 4, (5, 7)).T
    segments[0, :2] = 0, 3
    image = (rng.uniform(0, 99, shape).astype(dtype))[::-1]
    background = np.asfortranarray(rng.integers(0, 99, shape).astype(dtype))
    d = len(np.unique(segments))
    coalitions = rng.random((n_rows, d)) < 0.5
    for array in (image, background, segments, coalitions):
        array.flags.writeable = False
    batch = perturb(image, segments, coalitions, background, channel_axis=channel_axis)
    labels = np.unique(segments, return_inverse=True)[1].reshape(7, 5)
    kept = coalitions[:, labels]
    kept = kept if axis is None else np.expand_dims(kept, 1 + axis)
    np.testing.assert_array_equal(batch, np.where(kept, image, background))
    assert batch.dtype == image.dtype


def test_out_is_written_and_returned():
    out = np.full((2, 2, 3), 99, np.uint8)
    assert perturb(IMAGE, SEGMENTS, [[0, 0], [1, 1]], 7, out=out) is out
    np.testing.assert_array_equal(out, [np.full((2, 3), 7), IMAGE])


def test_out_may_hold_the_image_or_the_background():
    expected = [[[11, 12, 3], [14, 5, 6]], [[1, 2, 13], [4, 15, 16]]]
    out = np.stack([IMAGE, IMAGE])
    perturb(out[0], SEGMENTS, [[0, 1], [1, 0]], IMAGE + 10, out=out)
    np.testing.assert_array_equal(out, expected)
    out = np.stack([IMAGE + 10, IMAGE])
    perturb(IMAGE, SEGMENTS, [[0, 1], [1, 0]], out[0], out=out)
    np.testing.assert_array_equal(out, expected)


def test_out_may_hold_the_coalitions():
    image, segments = np.array([[0, 1, 1, 1, 0, 1]], dtype=bool), np.array([[0, 0, 0, 1, 1, 1]])
    memory = np.zeros((2, 1, 6), dtype=bool)
    coalitions = memory.reshape(-1)[:4].reshape(2, 2)
    coalitions[:] = [[1, 0], [0, 1]]
    expected = perturb(image, segments, coalitions.copy(), ~image, channel_axis=None)
    perturb(image, segments, coalitions, ~image, channel_axis=None, out=memory)
    np.testing.assert_array_equal(memory, expected)


def test_a_fractional_background_is_rounded_for_integers():
    assert perturb(IMAGE, SEGMENTS, [[0, 0]], 6.7).max() == 7


@pytest.mark.parametrize("out", [
    np.empty((1, 2, 3), np.float32),
    np.empty((2, 2, 3), np.uint8),
    np.empty((1, 2, 6), np.uint8)[:, :, ::2],
    [[[0, 0, 0], [0, 0, 0]]],
    np.ma.masked_all((1, 2, 3), np.uint8),
])  # fmt: skip
def test_an_unfit_out_is_refused(out):
    with pytest.raises(InvalidInputError, match=r"`out` must be a writeable, C-contiguous uint8"):
        perturb(IMAGE, SEGMENTS, [[1, 0]], 0, out=out)


def test_a_read_only_out_is_refused():
    out = np.empty((1, 2, 3), np.uint8)
    out.flags.writeable = False
    with pytest.raises(InvalidInputError, match="got a read-only one"):
        perturb(IMAGE, SEGMENTS, [[1, 0]], 0, out=out)


@pytest.mark.parametrize(
    ("background", "words"),
    [
        (np.zeros((1, 3)), r"number or of the image's shape \(2, 3\)"),
        (256, "must fit the image's dtype uint8"),
        (np.nan, "`background` must be finite"),
    ],
)
def test_an_unfit_background_is_refused(background, words):
    with pytest.raises(InvalidInputError, match=words):
        perturb(IMAGE, SEGMENTS, [[1, 0]], background)


def test_coalitions_need_a_column_for_each_segment():
    with pytest.raises(InvalidInputError, match=r"`coalitions` must be \(n, 2\)"):
        perturb(IMAGE, SEGMENTS, [[1, 0, 1]], 0)


def test_segments_need_the_spatial_shape():
    with pytest.raises(InvalidInputError, match="`segments` must have the image's spatial shape"):
        perturb(np.zeros((2, 3, 3)), SEGMENTS, [[1, 0]], 0, channel_axis=0)


class NeedsDetaching:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"image": None}, "`image` must be an array or a Pillow image; got None"),
        ({"segments": str}, "`segments` must hold .* got <class 'str'>"),
        ({"image": NeedsDetaching()}, "`image` must be an array of numbers; .* requires grad"),
        ({"coalitions": [[2, 0]]}, "or 1 and 0; got int64 from 0 to 2"),
        ({"segments": np.zeros((2, 3), int)}, "at least two segments; got one. .* labels that"),
        ({"segments": np.array([[2**63, 0, 1]] * 2, np.uint64)}, r"labels below 2\*\*63; got 9223"),
    ],
)
def test_what_came_is_named(changed, words):
    arguments = {"image": IMAGE, "segments": SEGMENTS, "coalitions": [[1, 0]], "background": 0}
    with pytest.raises(InvalidInputError, match=words):
        perturb(**arguments | changed)


def test_unsigned_labels_in_range_are_labels():
    labels = np.array([[3, 3, 2**62]] * 2, np.uint64)
    assert perturb(IMAGE, labels, [[True, False]], 0).tolist() == [[[1, 2, 0], [4, 5, 0]]]


@pytest.mark.parametrize(
    ("shape", "d", "row_bytes"),
    [((32, 32, 3), 64, 20), ((1, 127, 3), 2, 30)],
    ids=["blocks only", "and a rest"],
)
def test_memory_does_not_grow_with_the_rows(shape, d, row_bytes):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, shape).astype(np.uint8)
    segments = np.arange(image[..., 0].size).reshape(shape[:2]) * d // image[..., 0].size
    peaks = []
    for n in (1000, 10_000):
        rows, out = rng.random((n, d)) < 0.5, np.empty((n, *image.shape), np.uint8)
        perturb(image, segments, rows[:200], 7)  # loads what is loaded late
        tracemalloc.start()
        perturb(image, segments, rows, 7, out=out)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + row_bytes * 9000  # rows are counted and checked
