"""Segmenters that follow what the image shows."""

import pickle
import warnings
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.ndimage import gaussian_filter
from skimage import data, segmentation

from limelens.errors import InvalidInputError, LimelensWarning
from limelens.segmenting import (
    Felzenszwalb,
    Quickshift,
    Slic,
    Watershed,
    segmenting_view,
    superpixels,
)

SEGMENTERS = [
    Slic(12),
    Quickshift(kernel_size=2, max_dist=8),
    Felzenszwalb(50, min_size=10),
    Watershed(12),
]
by_segmenter = pytest.mark.parametrize("segmenter", SEGMENTERS, ids=lambda s: type(s).__name__)


def picture(*shape, seed=0):
    """Return soft blobs, uint8."""
    rng = np.random.default_rng(seed)
    blobs = gaussian_filter(rng.random(shape), (3, 3, 0)[: len(shape)])
    return np.rint(255 * (blobs - blobs.min()) / np.ptp(blobs)).astype(np.uint8)


def same(labels, other):
    """Say whether two label images divide alike, whatever their ids."""
    pairs = np.unique(np.stack([np.ravel(labels), np.ravel(other)]), axis=1)
    return all(len(np.unique(row)) == pairs.shape[1] for row in pairs)


@by_segmenter
@pytest.mark.parametrize("shape", [(30, 36), (30, 36, 1), (30, 36, 2), (30, 36, 3), (30, 36, 13)])
def test_dtype_and_range_do_not_matter(segmenter, shape):
    image = picture(*shape)
    labels = segmenter(image)
    assert labels.shape == (30, 36)
    assert len(np.unique(labels)) > 1
    versions = [
        image / 255,
        image.astype(np.float32) / np.float32(255),
        image.astype(np.float64),
        image.astype(np.uint16) * 257,
        image.astype(np.int16) - 1024,
    ]
    for version in versions:
        np.testing.assert_array_equal(segmenter(version), labels)


@by_segmenter
def test_layout_and_alpha_do_not_matter(segmenter):
    image = picture(30, 36, 3)
    labels = segmenter(image)
    first = np.ascontiguousarray(np.moveaxis(image, -1, 0))
    rgba = np.concatenate([image, np.full((30, 36, 1), 255, dtype=np.uint8)], axis=-1)
    np.testing.assert_array_equal(segmenter(np.moveaxis(first, 0, -1)), labels)
    np.testing.assert_array_equal(segmenter(rgba), labels)
    np.testing.assert_array_equal(segmenter(image[..., 0]), segmenter(image[..., :1]))


@by_segmenter
def test_a_large_image_is_segmented_at_reduced_size(segmenter):
    image = picture(24, 32, 3)
    large = np.kron(image, np.ones((5, 5, 1), dtype=np.uint8))
    small = type(segmenter)(**{**vars(segmenter), "max_side": 32})
    np.testing.assert_array_equal(
        small(large), np.kron(segmenter(image), np.ones((5, 5), dtype=int))
    )


def test_the_size_is_kept_when_asked():
    image = picture(20, 30)
    assert not same(Slic(6, max_side=8)(image), Slic(6, max_side=None)(image))
    np.testing.assert_array_equal(Slic(6, max_side=None)(image), Slic(6)(image))


@by_segmenter
def test_boolean_images_are_divided_at_their_edge(segmenter):
    image = np.zeros((24, 24), dtype=bool)
    image[:, 12:] = True
    labels = segmenter(image)
    assert not set(labels[:, :10].ravel()) & set(labels[:, 14:].ravel())


@by_segmenter
def test_same_image_same_segments(segmenter):
    image = picture(20, 20, 3)
    image.flags.writeable = False
    again = pickle.loads(pickle.dumps(segmenter))
    assert again == segmenter
    np.testing.assert_array_equal(again(image), segmenter(image))


@by_segmenter
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_image_gets_a_label_per_pixel(segmenter, data):
    shape = data.draw(array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=9))
    dtype = data.draw(st.sampled_from([np.bool_, np.uint8, np.int32, np.uint64]))
    image = data.draw(arrays(dtype, shape))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LimelensWarning)  # of images with few pixels
        labels = segmenter(image)
    assert labels.shape == shape[:2]
    assert labels.dtype == np.intp


def test_slic_is_scikit_images_on_colours():
    image = picture(40, 50, 3)
    wanted = segmentation.slic(
        segmenting_view(image).pixels, 20, compactness=5, sigma=2, start_label=0
    )
    with pytest.warns(LimelensWarning, match="divides this image into only 13 segments"):
        labels = Slic(20, compactness=5, sigma=2)(image)
    np.testing.assert_array_equal(labels, wanted)


def test_slic_weighs_grey_as_it_weighs_colour():
    image = np.zeros((30, 30))
    image[:, 13:] = 1  # a grid of 9 would cut at 10 and 20
    labels = Slic(9, sigma=0)(image)
    assert not set(labels[:, :13].ravel()) & set(labels[:, 13:].ravel())


def test_compactness_makes_slic_square():
    image = picture(30, 30, 3)
    squares = Slic(9, compactness=1e4, sigma=0)(image)
    np.testing.assert_array_equal(np.unique(squares[5::10, 5::10]), range(9))
    assert np.bincount(squares.ravel()).max() <= 121


def test_slic_divides_volumes():
    volume = np.zeros((8, 8, 9, 1))
    volume[3:] = 1
    labels = Slic(8, sigma=0)(volume)
    assert labels.shape == (8, 8, 9)
    assert not set(labels[:3].ravel()) & set(labels[3:].ravel())


@pytest.mark.parametrize("segmenter", SEGMENTERS[1:], ids=lambda s: type(s).__name__)
def test_what_takes_no_volumes_says_what_does(segmenter):
    with pytest.raises(InvalidInputError, match=r"pictures only. Use Slic\(\), Grid\(\)"):
        segmenter(np.zeros((4, 5, 6, 1)))


def test_quickshift_is_scikit_images_on_colours():
    image = picture(30, 30, 3)
    wanted = segmentation.quickshift(
        segmenting_view(image).pixels, kernel_size=3, max_dist=6, ratio=0.5, rng=42
    )
    np.testing.assert_array_equal(Quickshift(kernel_size=3, max_dist=6, ratio=0.5)(image), wanted)


def test_the_seed_breaks_ties():
    even = np.zeros((20, 20))
    settings = {"kernel_size": 1, "max_dist": 3}
    assert not same(Quickshift(**settings, rng=1)(even), Quickshift(**settings, rng=2)(even))


def test_felzenszwalb_is_scikit_images():
    image = picture(30, 30, 3)
    wanted = segmentation.felzenszwalb(segmenting_view(image).pixels, scale=30, sigma=1, min_size=9)
    np.testing.assert_array_equal(Felzenszwalb(30, sigma=1, min_size=9)(image), wanted)


def test_watershed_has_one_basin_a_seed():
    labels = Watershed(16)(picture(40, 40, 3))
    np.testing.assert_array_equal(np.unique(labels), range(16))


def test_watershed_meets_at_the_ridge():
    image = np.zeros((11, 21))
    image[:, 14] = 1
    labels = Watershed(2, compactness=0)(image)
    np.testing.assert_array_equal(np.unique(labels[:, :14]), [0])
    np.testing.assert_array_equal(np.unique(labels[:, 15:]), [1])


def test_basins_meet_half_way_where_distance_outweighs_the_steepest_ridge():
    image = np.zeros((11, 21))
    image[:, 14] = 1
    labels = Watershed(2, compactness=0.5)(image)  # as much as the slope beside it
    np.testing.assert_array_equal(labels, np.arange(21) > 10 + np.zeros((11, 1)))


def test_channels_share_in_the_gradient():
    image = np.zeros((11, 21, 2))
    image[:, 14, 1] = 1
    labels = Watershed(2, compactness=0)(image)
    np.testing.assert_array_equal(np.unique(labels[:, :14]), [0])
    np.testing.assert_array_equal(np.unique(labels[:, 15:]), [1])


def test_compactness_makes_watershed_even():
    sizes = np.bincount(Watershed(16, compactness=10)(picture(40, 40, 3)).ravel())
    assert sizes.min() > 80
    assert sizes.max() < 125


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Slic(1), "`n_segments` must be an integer >= 2; got 1"),
        (lambda: Slic(2.5), "`n_segments` must be an integer >= 2; got 2.5"),
        (lambda: Slic(compactness=0), r"`compactness` must be a finite number in \(0, inf"),
        (lambda: Slic(sigma=-1), "`sigma` must be a finite number"),
        (lambda: Slic(max_side=1), "`max_side` must be an integer >= 2; got 1"),
        (lambda: Quickshift(kernel_size=0.5), "`kernel_size` must be a finite number"),
        (lambda: Quickshift(max_dist=0), "`max_dist` must be a finite number"),
        (lambda: Quickshift(ratio=2), "`ratio` must be a finite number"),
        (lambda: Quickshift(rng=None), "`rng` must be an integer >= 0; got None"),
        (lambda: Quickshift(max_side=0), "`max_side` must be an integer"),
        (lambda: Felzenszwalb(0), "`scale` must be a finite number"),
        (lambda: Felzenszwalb(sigma=np.inf), "`sigma` must be a finite number"),
        (lambda: Felzenszwalb(min_size=0), "`min_size` must be an integer >= 1; got 0"),
        (lambda: Felzenszwalb(max_side=True), "`max_side` must be an integer"),
        (lambda: Watershed(0), "`n_segments` must be an integer >= 2; got 0"),
        (lambda: Watershed(compactness=-1), "`compactness` must be a finite number"),
        (lambda: Watershed(max_side="big"), "`max_side` must be an integer"),
    ],
)
def test_settings_are_checked_at_once(make, words):
    with pytest.raises(InvalidInputError, match=words):
        make()


@by_segmenter
def test_settings_are_frozen_and_shown(segmenter):
    with pytest.raises(FrozenInstanceError):
        segmenter.max_side = 3
    assert "max_side=512" in repr(segmenter)


def test_only_the_obvious_setting_goes_by_position():
    with pytest.raises(TypeError, match="positional"):
        Slic(50, 10)
    with pytest.raises(TypeError, match="positional"):
        Quickshift(4)


def test_a_compactness_of_one_s_own_is_obeyed_and_too_few_segments_are_told():
    noise = np.random.default_rng(0).random((128, 128, 3))
    with pytest.warns(LimelensWarning, match=r"Slic\(50\) divides this image into only \d "):
        labels = Slic(50, compactness=9)(noise)
    assert len(np.unique(labels)) < 10
    assert len(np.unique(Slic(50)(noise))) >= 40
    assert len(np.unique(Slic(50, compactness=50)(noise))) >= 40


def displaced(segmenter, offset, **settings):
    return type(segmenter)(**{**vars(segmenter), "offset": offset, **settings})


def borders(labels):
    """Return where a row of labels changes."""
    return np.flatnonzero(np.diff(labels))


@pytest.mark.parametrize("segmenter", [Slic(16, sigma=0), Watershed(16)])
def test_an_offset_moves_borders_that_follow_no_edge(segmenter):
    even = np.zeros((40, 40))
    still = borders(segmenter(even)[20])
    moved = borders(displaced(segmenter, (0, 5))(even)[20])
    back = borders(displaced(segmenter, (0, -5))(even)[20])
    assert len(still) == 3
    np.testing.assert_allclose(moved[:2], still[:2] - 5, atol=1)
    np.testing.assert_array_equal(38 - back[::-1], moved)


@by_segmenter
def test_a_picture_by_hand_padded_with_its_reflection_has_the_same_segments(segmenter):
    image = np.clip(picture(30, 36, 3), 60, 190)  # one range, with and without the reflection
    if isinstance(segmenter, Slic):
        segmenter = Slic(12, compactness=12)  # obeyed with and without the reflection
    padded = np.pad(image, [(4, 0), (7, 0), (0, 0)], mode="reflect")
    n = 9 if isinstance(segmenter, Watershed) else 12  # a square grid of seeds has them
    wanted = n * (34 * 43) / (30 * 36)
    few = {"n_segments": n} if hasattr(segmenter, "n_segments") else {}
    more = {"n_segments": round(wanted)} if few else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LimelensWarning)
        by_hand = displaced(segmenter, 0, **more)(padded)[4:, 7:]
        found = displaced(segmenter, (4, 7), **few)(image)
    assert same(found, by_hand)
    np.testing.assert_array_equal(np.unique(found), range(found.max() + 1))


@by_segmenter
def test_a_negative_offset_is_that_of_the_mirrored_picture(segmenter):
    image = picture(30, 36, 3)
    mirrored = displaced(segmenter, (0, 6))(image[:, ::-1])[:, ::-1]
    assert same(displaced(segmenter, (0, -6))(image), mirrored)


@by_segmenter
def test_a_share_of_the_side_is_that_many_pixels(segmenter):
    image = picture(30, 40, 3)
    np.testing.assert_array_equal(
        displaced(segmenter, 0.1)(image), displaced(segmenter, (3, 4))(image)
    )
    assert not same(displaced(segmenter, 0.1)(image), segmenter(image))


@by_segmenter
def test_an_offset_is_reduced_with_the_picture(segmenter):
    image = picture(24, 32, 3)
    large = np.kron(image, np.ones((5, 5, 1), dtype=np.uint8))
    np.testing.assert_array_equal(
        displaced(segmenter, (15, 20), max_side=32)(large),
        np.kron(displaced(segmenter, (3, 4))(image), np.ones((5, 5), dtype=int)),
    )


def test_a_displaced_picture_gets_more_segments_of_the_same_size():
    even = np.zeros((40, 40))
    sizes = [np.bincount(Slic(16, sigma=0, offset=by)(even).ravel()).max() for by in (0, 0.5)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.35)


def test_an_offset_moves_the_segments_of_a_volume():
    volume = np.zeros((12, 12, 12, 1))
    still, moved = Slic(27, sigma=0)(volume), Slic(27, sigma=0, offset=(2, 0, 0))(volume)
    np.testing.assert_array_equal(moved[0, 0], still[0, 0])
    assert borders(moved[:, 0, 0])[0] == borders(still[:, 0, 0])[0] - 2


@by_segmenter
@pytest.mark.parametrize(
    ("offset", "words"),
    [
        (True, r"`offset` must be an int \(pixels\) or a float in \(-1, 1\)"),
        (1.0, r"\(share of the side\), or one for each side; got 1.0. Use for example offset=0.1"),
        (np.nan, "`offset` must be an int"),
        ("left", "`offset` must be an int"),
        ((3, None), "`offset` must be an int"),
    ],
)
def test_an_offset_that_is_none_is_refused_at_once(segmenter, offset, words):
    with pytest.raises(InvalidInputError, match=words):
        displaced(segmenter, offset)


def test_an_offset_must_fit_the_image():
    with pytest.raises(InvalidInputError, match=r"`offset` must be one number, or 2 for"):
        Slic(offset=(1, 2, 3))(np.zeros((8, 8)))
    with pytest.raises(InvalidInputError, match=r"less than the image's side; got 8 for.*offset=0"):
        Slic(offset=8)(np.zeros((8, 9)))
    with pytest.warns(LimelensWarning, match="single segment"):  # as the message advises
        assert Slic(2, offset=0.1)(picture(8, 9)).shape == (8, 9)
    assert Slic(2, offset=0.99)(np.zeros((1, 9))).shape == (1, 9)


@pytest.mark.parametrize("name", ["brick", "gravel", "astronaut"])
@pytest.mark.parametrize("n", [10, 50])
def test_slic_keeps_the_count_that_was_asked_for(name, n):
    image = getattr(data, name)()[::2, ::2]
    assert abs(len(np.unique(Slic(n)(image))) - n) <= 0.2 * n


def test_slic_leaves_the_compactness_alone_where_the_count_is_right():
    image = data.chelsea()[::2, ::2]
    asked = Slic(20)
    found = asked(image)
    np.testing.assert_array_equal(found, asked.divide(segmenting_view(image, 512)))


@pytest.mark.parametrize("compactness", [0.01, 10])
@pytest.mark.parametrize(("shape", "n"), [((8, 8), 50), ((5, 7, 3), 30), ((4, 4, 4, 1), 40)])
def test_a_seed_in_every_pixel_is_a_segment_in_every_pixel(shape, n, compactness, monkeypatch):
    view = segmenting_view(np.random.default_rng(0).integers(0, 2, shape).astype(float))
    slic = Slic(n, compactness=compactness)
    known = slic.divide(view)
    monkeypatch.setattr(superpixels, "a_seed_each", lambda *_: False)
    np.testing.assert_array_equal(known, slic.divide(view))
    assert len(np.unique(known)) == known.size
