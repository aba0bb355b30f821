"""What hidden pixels are replaced with."""

import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.ndimage import gaussian_filter1d

from limelens import Ablation, Grid
from limelens._checks.images import check_background
from limelens.errors import InvalidInputError
from limelens.fills.inpaint import Inpaint
from limelens.fills.simple import Backgrounds, Blur, Constant, ImageMean, Noise, SegmentMean
from limelens.testing import Recorder

FILLS = [ImageMean(), SegmentMean(), Constant(0.5), Blur(2), Noise(), Noise(std=0.1), Inpaint()]
by_fill = pytest.mark.parametrize("fill", FILLS, ids=lambda fill: repr(fill))


def halves(*shape):
    """Return labels: the left half 0, the right half 1."""
    labels = np.zeros(shape, dtype=np.intp)
    labels[..., shape[-1] // 2 :] = 1
    return labels


@by_fill
@pytest.mark.parametrize(
    "shape", [(6, 8), (6, 8, 1), (6, 8, 3), (6, 8, 13), (4, 6, 8, 1), (4, 6, 8, 2)]
)
def test_every_fill_keeps_the_shape_and_the_image(fill, shape):
    image = np.random.default_rng(0).random(shape)
    image.flags.writeable = False
    segments = halves(*(shape if len(shape) == 2 else shape[:-1]))
    segments.flags.writeable = False
    background = fill(image, segments)
    assert background.shape == shape
    assert background.dtype == np.float64
    assert np.isfinite(background).all()
    np.testing.assert_array_equal(fill(image, segments), background)


@by_fill
@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.uint16, np.int16, np.float32])
def test_every_fill_fits_the_images_dtype(fill, dtype):
    largest = 1 if dtype == np.bool_ else 255
    image = np.rint(np.random.default_rng(0).random((9, 9, 3)) * largest).astype(dtype)
    background = check_background(fill(image, halves(9, 9)), image)
    assert background.dtype == dtype


@by_fill
@pytest.mark.parametrize("scale", [1e-6, 1, 255, 1e6])
def test_no_range_is_turned_to_zero(fill, scale):
    image = scale * (1 + np.random.default_rng(0).random((9, 9)))
    background = fill(image, halves(9, 9))
    if not isinstance(fill, Constant):
        assert background.min() >= image.min()
        assert background.max() <= image.max()


@by_fill
def test_fills_are_values(fill):
    assert pickle.loads(pickle.dumps(fill)) == fill
    name = next(iter(vars(fill)), "anything")
    with pytest.raises(FrozenInstanceError):
        setattr(fill, name, 1)


def test_image_mean_by_hand():
    image = np.array([[[0, 255], [1, 255]], [[2, 255], [0, 255]]], dtype=np.uint8)
    np.testing.assert_array_equal(ImageMean()(image, None), np.broadcast_to([0.75, 255], (2, 2, 2)))
    np.testing.assert_array_equal(ImageMean()(image[..., 0], None), np.full((2, 2), 0.75))


def test_image_mean_of_a_volume():
    volume = np.arange(16).reshape(2, 2, 2, 2)
    np.testing.assert_array_equal(ImageMean()(volume, None)[0, 0, 0], [7, 8])


def test_means_are_taken_in_float64():
    image = np.random.default_rng(0).random((50, 50)).astype(np.float16)
    wanted = image.astype(np.float64).mean()
    np.testing.assert_allclose(ImageMean()(image, None)[0, 0], wanted, rtol=1e-12)
    segments = halves(50, 50)
    wanted = image[:, :25].astype(np.float64).mean()
    np.testing.assert_allclose(SegmentMean()(image, segments)[0, 0], wanted, rtol=1e-12)


@pytest.mark.parametrize("fill", [ImageMean(), SegmentMean(), Blur(1)])
def test_extended_precision_is_averaged_too(fill):
    image = np.array([[1, 3, 5, 7]])
    background = fill(image.astype(np.longdouble), halves(1, 4))
    np.testing.assert_allclose(background, fill(image, halves(1, 4)))


def test_segment_mean_by_hand():
    image = np.array([[[0, 9], [1, 3], [7, 7]], [[5, 0], [0, 0], [8, 6]]], dtype=np.uint8)
    segments = np.array([[0, 0, 1], [0, 2, 1]])
    a, b, c = [2, 4], [7.5, 6.5], [0, 0]
    np.testing.assert_array_equal(SegmentMean()(image, segments), [[a, a, b], [a, c, b]])
    np.testing.assert_array_equal(
        SegmentMean()(image[..., 0], segments), [[2, 2, 7.5], [2, 0, 7.5]]
    )


@settings(deadline=None)
@given(
    image=arrays(np.int16, st.just((4, 5, 2))),
    ids=arrays(np.int8, (4, 5), elements=st.integers(-2, 3)),
)
def test_segment_mean_is_the_mean_of_each_segment(image, ids):
    ids[0, 0], ids[0, 1] = -5, 9
    background = SegmentMean()(image, ids)
    for label in np.unique(ids):
        here = ids == label
        wanted = np.broadcast_to(image[here].mean(axis=0), (here.sum(), 2))
        np.testing.assert_allclose(background[here], wanted, rtol=1e-13)


@pytest.mark.parametrize("fill", [SegmentMean(), Inpaint()])
def test_fills_of_segments_refuse_methods_without(fill):
    words = rf"`fill` must do without segments here.*{type(fill).__name__}\(\).*Use ImageMean\(\)"
    with pytest.raises(InvalidInputError, match=words):
        fill(np.zeros((3, 3)), None)


@pytest.mark.parametrize("fill", [SegmentMean(), Inpaint()])
def test_segments_of_another_shape_are_refused(fill):
    with pytest.raises(InvalidInputError, match=r"`segments` must have .* shape \(3, 4\)"):
        fill(np.zeros((3, 4, 3)), halves(4, 4))


def test_constant_for_all_channels_and_for_each():
    image = np.zeros((1, 2, 3), dtype=np.uint8)
    np.testing.assert_array_equal(Constant(7)(image, None), np.full((1, 2, 3), 7.0))
    np.testing.assert_array_equal(Constant([1, 2, 3])(image, None), [[[1, 2, 3], [1, 2, 3]]])
    np.testing.assert_array_equal(Constant([4])(image[..., 0], None), [[4, 4]])
    assert Constant(np.array([1, 2])) == Constant((1, 2))


def test_blur_keeps_the_mean_and_what_is_even():
    image = np.random.default_rng(0).random((7, 9, 2)) * [1, 5]
    blurred = Blur(3)(image, None)
    np.testing.assert_allclose(blurred.mean(axis=(0, 1)), image.mean(axis=(0, 1)))
    assert blurred.std() < image.std()
    np.testing.assert_allclose(Blur(3)(np.full((4, 4), 255, np.uint8), None), 255)


def test_blur_is_not_cut_to_integers():
    image = np.random.default_rng(0).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(Blur(2)(image, None), Blur(2)(image.astype(float), None))


@pytest.mark.parametrize("shape", [(6, 7), (6, 7, 2), (4, 5, 6, 2)])
def test_blur_is_along_every_spatial_axis_and_no_other(shape):
    image = np.random.default_rng(0).random(shape)
    wanted = image
    for axis in range(max(2, len(shape) - 1)):
        wanted = gaussian_filter1d(wanted, 1.5, axis=axis, mode="reflect")
    np.testing.assert_allclose(Blur(1.5)(image, None), wanted)


def test_noise_is_the_same_for_the_same_seed():
    image = np.linspace(0, 1, 20).reshape(4, 5)
    np.testing.assert_array_equal(Noise()(image, None), Noise()(image, None))
    assert not np.array_equal(Noise(rng=1)(image, None), Noise()(image, None))


@pytest.mark.parametrize("options", [{}, {"std": 0.2}, {"low": 3, "high": 4}])
def test_more_backgrounds_of_noise_start_with_the_same(options):
    image = np.linspace(0, 1, 24).reshape(2, 4, 3)
    few, many = Noise(n=2, **options)(image, None), Noise(n=5, **options)(image, None)
    assert many.shape == (5, 2, 4, 3)
    np.testing.assert_array_equal(many[:2], few)
    np.testing.assert_array_equal(Noise(**options)(image, None), few[0])


def test_uniform_noise_spans_its_range_evenly():
    noise = Noise(low=-3, high=1)(np.zeros((200, 200)), None)
    assert noise.min() >= -3
    assert noise.max() < 1
    np.testing.assert_allclose(np.quantile(noise, [0.25, 0.5, 0.75]), [-2, -1, 0], atol=0.06)


def test_uniform_noise_takes_the_images_range():
    image = np.full((50, 50), 20.0)
    image[0, :2] = 10, 90
    noise = Noise()(image, None)
    assert 10 <= noise.min() < 11
    assert 89 < noise.max() <= 90
    assert Noise(low=0)(image, None).min() < 1
    assert Noise(high=1000)(image, None).max() > 980


def test_normal_noise_lies_around_the_mean_of_each_channel():
    image = np.zeros((100, 100, 2))
    image[::2, :, 0], image[::2, :, 1] = 20, 40
    noise = Noise(std=2)(image, None)
    np.testing.assert_allclose(noise.mean(axis=(0, 1)), [10, 20], atol=4 * 2 / 100)
    np.testing.assert_allclose(noise.std(axis=(0, 1)), [2, 2], rtol=0.04)
    wide = Noise(std=1000)(image, None)
    assert (wide.min(), wide.max()) == (0, 40)


def test_noise_needs_a_range():
    with pytest.raises(InvalidInputError, match="`low` must be below `high`; got 5 and 5"):
        Noise()(np.full((2, 2), 5), None)
    with pytest.raises(InvalidInputError, match="`low` must be below `high`; got 9 and 8"):
        Noise(low=9, high=8)(np.zeros((2, 2)), None)


@pytest.mark.parametrize(
    ("shape", "channel_axis"),
    [
        ((5, 6), -1),
        ((5, 6), 2),
        ((5, 6, 3), -1),
        ((3, 5, 6), 0),
        ((4, 5, 6), None),
        ((4, 5, 6, 2), -1),
        ((2, 4, 5, 6), 0),
    ],
)
def test_backgrounds_come_in_the_callers_layout(shape, channel_axis):
    images = np.random.default_rng(0).random((2, *shape))
    if len(shape) == 2:
        last = images
    elif channel_axis is None:
        last = images[..., np.newaxis]
    else:
        last = np.stack([np.moveaxis(image, channel_axis, -1) for image in images])
    for given_images in (images, list(images)):
        background = Backgrounds(given_images, channel_axis=channel_axis)(last[0], None)
        np.testing.assert_array_equal(background, last)


def test_backgrounds_are_copied():
    images = np.zeros((1, 2, 2))
    fill = Backgrounds(images)
    images[:] = 1
    assert not fill(np.zeros((2, 2)), None).any()
    with pytest.raises(ValueError, match="read-only"):
        fill.images[:] = 1
    assert not pickle.loads(pickle.dumps(fill))(np.zeros((2, 2)), None).any()


def test_backgrounds_of_another_shape_are_refused():
    fill = Backgrounds(np.zeros((2, 3, 5, 6)))
    with pytest.raises(InvalidInputError, match=r"`images` must be .*\(5, 6, 3\).*channel_axis"):
        fill(np.zeros((5, 6, 3)), None)
    assert Backgrounds(fill.images, channel_axis=0)(np.zeros((5, 6, 3)), None).shape[0] == 2


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Constant(np.nan), "`value` must be a finite number"),
        (lambda: Constant("white"), "`value` must be a finite number"),
        (lambda: Constant([0, np.inf]), "`value` must be a finite number"),
        (lambda: Constant([0, 0])(np.zeros((2, 2, 3)), None), "one for each of the image's 3 ch"),
        (lambda: Blur(0), "`sigma` must be a finite number"),
        (lambda: Noise(low=np.nan), "`low` must be a finite number"),
        (lambda: Noise(high="1"), "`high` must be a finite number"),
        (lambda: Noise(std=0), "`std` must be a finite number"),
        (lambda: Noise(low=0, std=1), "`std` must be given without `low` and `high`"),
        (lambda: Noise(n=0), "`n` must be an integer >= 1; got 0"),
        (lambda: Noise(rng=None), "`rng` must be an integer >= 0; got None"),
        (lambda: Inpaint(max_side=3), "`max_side` must be an integer >= 4; got 3"),
        (lambda: Backgrounds(np.zeros((2, 3))), r"`images` must be a stack .*Backgrounds\(\[imag"),
        (lambda: Backgrounds([]), "`images` must be a stack or sequence of one or more"),
        (lambda: Backgrounds([np.full((2, 2), np.nan)]), "`images` must be finite"),
        (lambda: Backgrounds([np.zeros((2, 2)), np.zeros((3, 2))]), "`images` must be an array"),
        (lambda: Backgrounds(np.zeros((2, 3, 3, 3)), channel_axis=3), "`channel_axis` must be"),
    ],
)
def test_settings_are_checked(make, words):
    with pytest.raises(InvalidInputError, match=words):
        make()


@settings(deadline=None, max_examples=30)
@given(
    shape=array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=8),
    seed=st.integers(0, 99),
    n_segments=st.integers(2, 6),
    max_side=st.sampled_from([4, 5, None]),
)
def test_inpainting_stays_within_the_surroundings_for_any_segments(
    shape, seed, n_segments, max_side
):
    rng = np.random.default_rng(seed)
    image = rng.random((*shape, 2))
    segments = rng.integers(0, n_segments, shape)
    segments.flat[:2] = 0, 1
    background = Inpaint(max_side=max_side)(image, segments)
    assert background.min() >= image.min()
    assert background.max() <= image.max()


@pytest.mark.parametrize("color", [(0, 128, 300), (-1, 128, 255), (300, 0, 0)])
def test_a_fill_of_which_one_end_does_not_fit_the_dtype_is_refused(color):
    image = np.zeros((4, 4, 3), np.uint8)
    explainer = Ablation(segmenter=Grid(4), fill=Constant(color))
    with pytest.raises(InvalidInputError, match=r"must fit the image's dtype uint8, from 0 to 255"):
        explainer.explain(image, lambda batch: batch.mean(axis=(1, 2, 3)))


@pytest.mark.parametrize("color", [(0, 128, 255.4), (-0.4, 128, 255)])
def test_a_fill_that_fits_once_it_is_rounded_is_taken(color):
    model = Recorder(lambda batch: batch.mean(axis=(1, 2, 3)), keep=True)
    image = np.full((4, 4, 3), 7, np.uint8)
    Ablation(segmenter=Grid(4), fill=Constant(color)).explain(image, model)
    assert model.batches[0][1, 0, 0].tolist() == [0, 128, 255]
