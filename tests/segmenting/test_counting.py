"""The number of segments: as many as asked for, or a warning; a first try does not fail."""

import warnings

import numpy as np
import pytest
from skimage import data

import limelens as ll
from limelens.errors import LimelensWarning
from limelens.segmenting.within import middles

NUMBERS = (5, 10, 20, 50, 100)


def ramp(shape):
    return np.indices(shape).sum(axis=0).astype(float)


def noise(shape):
    return np.random.default_rng(0).random(shape)


def stripes(shape):
    return (np.indices(shape)[0] // 3 % 2).astype(float)


PICTURES = {
    "brick": lambda: data.brick()[:256, :256],
    "gravel": lambda: data.gravel()[:256, :256],
    "a photograph": lambda: data.astronaut()[::4, ::4],
    "a small photograph": lambda: data.astronaut()[::16, ::16],
    "a tiny photograph": lambda: data.astronaut()[::32, ::32],
    "noise": lambda: noise((64, 64)),
    "small noise": lambda: noise((16, 16)),
    "colour noise": lambda: noise((32, 32, 3)),
    "plain": lambda: np.zeros((16, 16)),
    "ramp": lambda: ramp((28, 28)),
    "stripes": lambda: stripes((60, 60)),
    "one pixel wide": lambda: noise((1, 200)),
    "three pixels high": lambda: noise((3, 300)),
}


@pytest.mark.parametrize("segmenter", [ll.Slic, ll.Watershed])
@pytest.mark.parametrize("name", PICTURES)
def test_about_as_many_segments_as_asked_for(name, segmenter):
    image = PICTURES[name]()
    for asked in NUMBERS:
        labels = segmenter(asked)(image)
        assert np.array_equal(np.unique(labels), np.arange(labels.max() + 1))
        assert 0.8 * asked <= labels.max() + 1 <= 1.2 * asked, asked
        np.testing.assert_array_equal(segmenter(asked)(image), labels)


@pytest.mark.parametrize("segmenter", [ll.Slic, ll.Watershed])
def test_where_pixels_are_too_few_one_warning_says_so(segmenter):
    words = rf"{segmenter.__name__}\(100\) divides this image into only 49 segments"
    with pytest.warns(LimelensWarning, match=words) as caught:
        labels = segmenter(100)(noise((7, 7)))
    assert labels.max() + 1 == 49
    (warning,) = caught
    advice = str(warning.message).rpartition("Use ")[2].partition(":")[0]
    eval(f"ll.{advice}", {"ll": ll})(noise((7, 7)))  # without a warning


def test_a_compactness_that_is_given_is_kept_and_too_few_segments_are_told():
    image = data.gravel()[:128, :128]
    with pytest.warns(LimelensWarning, match=r"Slic\(200\) divides this image into only") as caught:
        ll.Slic(200, compactness=0.01)(image)
    assert "Raise the compactness, or use Grid(200)." in str(caught[0].message)
    ll.Grid(200)(image)


@pytest.mark.parametrize(
    "segmenter", [ll.Felzenszwalb(), ll.Quickshift(), ll.Slic(), ll.Watershed()]
)
@pytest.mark.parametrize("image", [noise((7, 7)), noise((16, 16)), ramp((12, 12))], ids=str)
def test_a_first_try_does_not_fail(segmenter, image):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        labels = segmenter(image)
    assert len(np.unique(labels)) > 1
    assert len(caught) <= 1


@pytest.mark.parametrize("segmenter", [ll.Felzenszwalb(), ll.Quickshift()])
def test_one_segment_becomes_a_grid_with_a_warning_that_names_it(segmenter):
    name = type(segmenter).__name__
    with pytest.warns(LimelensWarning, match=f"{name} finds a single segment") as caught:
        labels = segmenter(np.zeros((12, 12)))
    assert "a grid of 49 cells instead. Pass segmenter=Grid(50)" in str(caught[0].message)
    np.testing.assert_array_equal(labels, ll.Grid(50)(np.zeros((12, 12))))


@pytest.mark.parametrize("segmenter", [ll.Felzenszwalb()])
def test_one_segment_where_pixels_count_becomes_a_grid_too(segmenter):
    image, valid = np.zeros((40, 40)), np.zeros((40, 40), dtype=bool)
    image[20:], valid[:20] = 99, True
    model = lambda batch: batch[:, valid].sum(axis=1)  # noqa: E731
    ablation = ll.Ablation(segmenter=segmenter, fill=ll.Constant(5))
    with pytest.warns(LimelensWarning, match=r"single segment.*a grid of \d+ cells"):
        found = ablation.explain(image, model, valid=valid)
    assert 40 <= found.importances.shape[1] <= 60
    np.testing.assert_array_equal(found.segments >= 0, valid)


@pytest.mark.parametrize("n_pixels", [2, 5, 30, 200])
@pytest.mark.parametrize(
    "segmenter",
    [ll.Slic(4, offset=0.1), ll.Slic(), ll.Watershed(), ll.Grid(9), ll.Felzenszwalb()],
    ids=str,
)
def test_scattered_pixels_are_divided_too(segmenter, n_pixels):
    valid = np.zeros((40, 50), dtype=bool)
    valid.ravel()[np.random.default_rng(0).choice(2000, n_pixels, replace=False)] = True
    ablation = ll.Ablation(segmenter=segmenter, fill=ll.Constant(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LimelensWarning)
        found = ablation.explain(
            noise((40, 50)), lambda batch: batch[:, valid].sum(axis=1), valid=valid
        )
    assert 2 <= found.importances.shape[1] <= n_pixels


def test_a_grid_counts_the_cells_that_hold_pixels_that_count():
    valid = np.zeros((40, 50), dtype=bool)
    valid.ravel()[np.random.default_rng(0).choice(2000, 200, replace=False)] = True
    labels = ll.Grid(49).within(np.zeros((40, 50)), valid)
    assert 40 <= len(np.unique(labels[valid])) <= 59


def test_the_middle_of_a_cell_that_is_empty_is_nowhere():
    assert middles(np.array([[0, 0, 0, 2, -1]])).tolist() == [[0, 1, 0, 3, 0]]
