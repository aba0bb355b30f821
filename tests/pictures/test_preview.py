"""What the segments look like, before any model call."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limelens.errors import InvalidInputError
from limelens.pictures.preview import _summary, segment_preview
from limelens.segmenting import Grid, LabelImage, Slic


def yellow(picture):
    """Say which pixels are of the lines' colour."""
    red, green, blue = np.moveaxis(np.asarray(picture).astype(int), -1, 0)
    return np.minimum(red, green) - blue > 60


def test_lines_run_between_the_segments_and_nowhere_else():
    image = np.full((100, 300, 3), 90, dtype=np.uint8)
    labels = np.zeros((100, 300), dtype=int)
    labels[:, 200:] = 4
    lines = yellow(segment_preview(image, LabelImage(labels)))[:100]
    columns = np.flatnonzero(lines.all(axis=0))
    assert set(columns) <= {198, 199, 200, 201}
    assert 199 in columns
    assert not lines[:, :198].any()
    assert not lines[:, 202:].any()


@pytest.mark.parametrize("value", [0, 128, 255])
def test_lines_stand_out_on_every_ground(value):
    image = np.full((100, 300), value, dtype=np.uint8)
    picture = np.asarray(segment_preview(image, Grid(cell=(100, 150)))).astype(int)
    row = picture[50]
    assert np.abs(row - value).sum(axis=-1).max() > 150


def test_the_caption_tells_number_and_sizes():
    segments = np.array([[0, 0, 0, 1], [2, 2, 2, 2]])
    assert _summary(segments) == "3 segments\nsmallest 1, median 3, largest 4 pixels"
    assert _summary(segments.reshape(2, 2, 2)).endswith("voxels")


def test_the_caption_counts_what_is_there_whatever_the_ids():
    image = np.zeros((300, 300))
    plain = segment_preview(image, Grid(4))
    odd = segment_preview(image, lambda last: 10 * Grid(4)(last) - 7)
    np.testing.assert_array_equal(np.asarray(odd), np.asarray(plain))


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        ((25, 25), (275, 275)),
        ((224, 224, 3), (448, 448)),
        ((480, 640, 3), (480, 640)),
        ((3000, 4000), (768, 1024)),
        ((600, 20), (600, 20)),
    ],
)
def test_pictures_of_any_size_are_legible(shape, wanted):
    image = np.full(shape, 100, dtype=np.uint8)
    picture = segment_preview(image, Grid(12))
    height, width = wanted
    assert picture.width == max(width, 256)
    assert 40 <= picture.height - height <= 100
    caption = np.asarray(picture)[height:]
    assert (caption.min(axis=-1) < 90).sum() > 200  # dark letters
    assert (caption == 255).mean() > 0.7


def test_layouts_give_the_same_picture():
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    wanted = np.asarray(segment_preview(image, Slic(8)))
    first = np.ascontiguousarray(np.moveaxis(image, -1, 0))
    np.testing.assert_array_equal(
        np.asarray(segment_preview(first, Slic(8), channel_axis=0)), wanted
    )


@pytest.mark.parametrize(
    ("shape", "channel_axis"), [((6, 20, 30), None), ((6, 20, 30, 2), -1), ((2, 6, 20, 30), 0)]
)
def test_volumes_are_shown_as_slices(shape, channel_axis):
    volume = np.zeros(shape)
    picture = segment_preview(volume, Grid(12), channel_axis=channel_axis)
    assert yellow(picture).any()


@settings(max_examples=15, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(2, 40)),
    channels=st.sampled_from([(), (1,), (2,), (3,), (4,), (9,)]),
    dtype=st.sampled_from([np.bool_, np.uint8, np.uint16, np.float32]),
)
def test_any_image_can_be_looked_at(shape, channels, dtype):
    image = np.ones((*shape, *channels), dtype=dtype)
    bands = None if channels in [(), (1,), (2,), (3,)] else (3, 1, 0)
    assert segment_preview(image, Grid(2), channel_axis=2, bands=bands).mode == "RGB"


@pytest.mark.parametrize(
    ("segmenter", "words"),
    [
        (Slic, r"got the class Slic itself. Pass an instance: segmenter=Slic\(\)"),
        (50, "`segmenter` must be a callable"),
        (lambda image: np.zeros((4, 5), dtype=int), "at least two segments; got one"),
        (lambda image: np.arange(12).reshape(3, 4), r"spatial shape \(4, 5\)"),
        (lambda image: np.linspace(0, 9, 20).reshape(4, 5), "`segments` must hold integer labels"),
    ],
)
def test_what_is_no_segmentation_is_refused(segmenter, words):
    with pytest.raises(InvalidInputError, match=words):
        segment_preview(np.zeros((4, 5)), segmenter)


def test_pixels_that_do_not_count_are_in_no_segment_and_hatched():
    image = np.full((60, 90, 3), 90, dtype=np.uint8)
    image[:, 60:] = 0
    valid = np.arange(90) < np.full((60, 1), 60)
    columns = LabelImage(np.indices((60, 90))[1] // 30)
    pixels = np.asarray(segment_preview(image, columns, valid=valid))[:180]  # three times as large
    inside, outside = pixels[:, 10:80], pixels[:, 190:260]
    assert (inside == 90).all()
    assert len(np.unique(outside.reshape(-1, 3), axis=0)) == 2  # pale, and the hatching
    assert yellow(pixels)[:, 85:95].any()
    assert yellow(pixels)[:, 175:185].any()


def test_a_segmenter_is_asked_within_the_pixels_that_count():
    image = np.random.default_rng(0).random((40, 40))
    valid = np.zeros((40, 40), dtype=bool)
    valid[10:30, 10:30] = True
    whole = segment_preview(image, Grid(16), valid=valid)
    cut = segment_preview(image, lambda last: Grid(16)(last), valid=valid)
    assert not np.array_equal(np.asarray(whole), np.asarray(cut))


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(InvalidInputError, match="`valid`"):
        segment_preview(np.zeros((20, 30)), Grid(4), valid=np.ones((3, 3), dtype=bool))
