"""Segments that do not look at the image."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limelens._checks.images import check_segments
from limelens.errors import InvalidInputError
from limelens.segmenting import Grid, LabelImage


def cells(labels):
    """Return the number of cells along each axis, having seen that they are rectangles."""
    counts = []
    for axis in range(labels.ndim):
        line = np.moveaxis(labels, axis, 0).reshape(labels.shape[axis], -1)
        counts.append(1 + int((np.diff(line, axis=0) != 0).any(axis=1).sum()))
    assert len(np.unique(labels)) == np.prod(counts)
    return tuple(counts)


@pytest.mark.parametrize(
    ("n_segments", "shape", "wanted"),
    [
        (49, (224, 224, 3), (7, 7)),
        (100, (224, 224, 3), (10, 10)),
        (12, (300, 400), (3, 4)),
        (12, (400, 300), (4, 3)),
        (50, (100, 200, 3), (5, 10)),
        (2, (10, 10), (1, 2)),
        (49, (1, 100), (1, 49)),
        (49, (100, 1), (49, 1)),
        (20, (3, 1000), (1, 20)),
        (1000, (4, 5), (4, 5)),
        (27, (30, 30, 30, 1), (3, 3, 3)),
        (32, (10, 40, 40, 1), (1, 6, 5)),
    ],
)
def test_cells_are_nearly_square(n_segments, shape, wanted):
    labels = Grid(n_segments)(np.zeros(shape))
    assert labels.shape == (shape if len(shape) == 2 else shape[:-1])
    assert cells(labels) == wanted


def test_a_grid_by_hand():
    np.testing.assert_array_equal(
        Grid(4)(np.zeros((3, 5))), [[0, 0, 0, 1, 1], [0, 0, 0, 1, 1], [2, 2, 2, 3, 3]]
    )


@settings(max_examples=60, deadline=None)
@given(shape=st.tuples(st.integers(1, 60), st.integers(1, 60)), n_segments=st.integers(2, 200))
def test_cells_are_about_as_many_as_asked_and_alike(shape, n_segments):
    labels = Grid(n_segments)(np.zeros(shape))
    rows, columns = cells(labels)
    n = min(n_segments, shape[0] * shape[1])
    assert n / 2 <= rows * columns <= 2 * n
    sizes = np.bincount(labels.ravel())
    high, wide = -(-shape[0] // rows), -(-shape[1] // columns)
    assert sizes.max() <= high * wide
    assert sizes.min() >= max(1, (high - 1)) * max(1, (wide - 1))


@pytest.mark.parametrize(
    ("cell", "shape", "wanted"),
    [
        (2, (4, 5), (2, 3)),
        ((1, 5), (4, 5), (4, 1)),
        (0.5, (4, 10), (2, 2)),
        ((0.5, 2), (4, 10, 3), (2, 5)),
        ((2, 2, 5), (4, 4, 10, 1), (2, 2, 2)),
        ((9, 2), (4, 4), (1, 2)),
    ],
)
def test_cells_of_a_given_size(cell, shape, wanted):
    assert cells(Grid(cell=cell)(np.zeros(shape))) == wanted


def test_the_last_cell_is_cut_by_the_edge():
    np.testing.assert_array_equal(Grid(cell=2)(np.zeros((1, 5))), [[0, 0, 1, 1, 2]])


def test_a_cell_larger_than_the_image_is_one_segment_which_explains_nothing():
    with pytest.raises(InvalidInputError, match="at least two segments; got one"):
        check_segments(Grid(cell=9)(np.zeros((4, 5))), (4, 5))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Grid(1), "`n_segments` must be an integer >= 2; got 1"),
        (lambda: Grid(None), "`n_segments` must be an integer >= 2; got None"),
        (lambda: Grid(60, cell=3), "`n_segments` must not be given with `cell`; got 60"),
        (lambda: Grid(cell=0), "`cell` must be an int >= 1"),
        (lambda: Grid(cell=1.5), "`cell` must be an int >= 1"),
        (lambda: Grid(cell="8"), "`cell` must be an int >= 1"),
        (lambda: Grid(cell=(8, 8))(np.zeros((9, 9, 9, 1))), "`cell` must be one number, or 3"),
        (lambda: Grid()(np.zeros(9)), "`image.ndim` must be an integer from 2 to 4; got 1"),
    ],
)
def test_settings_are_checked(make, words):
    with pytest.raises(InvalidInputError, match=words):
        make()


def test_a_grid_shows_what_decides():
    assert repr(Grid(9)) == "Grid(n_segments=9, cell=None)"
    assert repr(Grid(cell=(8, 4))) == "Grid(n_segments=None, cell=(8, 4))"
    assert Grid(cell=8) == Grid(None, cell=8)


def test_known_labels_come_back_as_they_were_given():
    labels = np.array([[7, 7], [-3, 12]], dtype=np.int16)
    segmenter = LabelImage(labels)
    labels[:] = 0
    for shape in [(2, 2), (2, 2, 3)]:
        np.testing.assert_array_equal(segmenter(np.zeros(shape)), [[7, 7], [-3, 12]])
    assert segmenter.n_segments == 3


def test_known_labels_of_a_volume():
    labels = np.arange(24).reshape(2, 3, 4)
    np.testing.assert_array_equal(LabelImage(labels)(np.zeros((2, 3, 4, 1))), labels)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([[1.0, 2.0]], "`labels` must hold integer labels; got float64"),
        ([[1, 1]], "`labels` must divide the image into at least two segments"),
        ([1, 2], "`labels.ndim` must be an integer from 2 to 3; got 1"),
        ([["a", "b"]], "`labels` must hold"),
    ],
)
def test_unusable_labels_are_refused_at_once(labels, words):
    with pytest.raises(InvalidInputError, match=words):
        LabelImage(labels)


def test_labels_of_another_shape_are_refused():
    with pytest.raises(InvalidInputError, match=r"`labels` must .* shape \(3, 2\)"):
        LabelImage([[1, 2, 3], [1, 2, 3]])(np.zeros((3, 2, 3)))


def test_labels_are_shown_in_short():
    assert repr(LabelImage(np.eye(300, dtype=int))) == (
        "LabelImage(<2 segments of shape (300, 300)>)"
    )


@pytest.mark.parametrize(
    ("labels", "sent"),
    [
        (np.array([[0, 255]]), np.uint8),
        (np.array([[-1, 300]]), np.int32),
        (np.array([[0, 2**40]]), np.int64),
        (np.array([[3, 4]], np.int8), np.int8),
        (np.array([[0, 1]], ">i4"), np.uint8),
    ],
)
def test_labels_are_pickled_in_the_smallest_type_and_come_back_in_their_own(labels, sent):
    segmenter = LabelImage(labels)
    assert segmenter.__reduce__()[1][0].dtype == sent
    copied = pickle.loads(pickle.dumps(segmenter))
    assert copied.labels.dtype == labels.dtype
    np.testing.assert_array_equal(copied.labels, labels)
    assert repr(copied) == repr(segmenter)
