"""What is asked of an image before a call is paid for: its layout, its mode, its byte order."""

import sys

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageOps

import limelens as ll
from limelens._checks.images import check_image
from limelens._checks.values import check_numeric
from limelens.errors import InvalidInputError, LimelensWarning
from limelens.testing import Recorder

ABLATION = ll.Ablation(segmenter=ll.Grid(4))


def first(batch):
    return batch.reshape(len(batch), -1).mean(axis=1)


@pytest.mark.parametrize(
    "shape",
    [
        (30, 128, 128),
        (3, 256, 256),
        (1, 64, 64),
        (4, 20, 30),
        (16, 16, 16),
        (13, 100, 100),
        (1, 32, 32, 3),
        (1, 3, 32, 32),
        (2, 32, 32, 3),
        (8, 3, 32, 32),
        (1, 1, 16, 16),
    ],
)
def test_a_layout_that_is_hardly_channels_last_is_asked_for_before_a_call(shape):
    model = Recorder(first)
    with pytest.raises(InvalidInputError, match=f"`channel_axis` must be given.*{len(shape) - 1}"):
        ABLATION.explain(np.random.default_rng(0).random(shape), model)
    assert model.batch_sizes == []


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((30, 28, 28), None),
        ((30, 28, 28), 0),
        ((30, 28, 28), 2),
        ((3, 16, 16), 0),
        ((2, 16, 16, 3), 3),
        ((2, 3, 16, 16), 1),
    ],
)
def test_the_layouts_that_the_message_names_work(shape, axis):
    image = np.random.default_rng(0).random(shape)
    explanation = ABLATION.explain(image, first, channel_axis=axis)
    assert explanation.channel_axis == axis


@pytest.mark.parametrize(
    "shape", [(8, 12, 3), (3, 4, 4), (1, 5, 4), (8, 12, 13), (4, 8, 8, 2), (64, 64, 16), (9, 9)]
)
def test_a_plausible_layout_is_not_asked_for(shape):
    array, axis = check_image(np.zeros(shape))
    assert array.shape == shape
    assert axis == (None if len(shape) == 2 else len(shape) - 1)


@pytest.mark.parametrize("mode", ["P", "PA", "HSV", "CMYK", "YCbCr", "LAB"])
def test_a_pillow_image_whose_numbers_are_no_colours_is_refused(mode):
    picture = Pillow.new("RGB", (16, 12), (200, 30, 30))
    picture = Pillow.new(mode, picture.size) if mode == "PA" else picture.convert(mode)
    shown = "RGBA" if mode == "PA" else "RGB"
    with pytest.raises(InvalidInputError, match=rf'mode \'{mode}\'.*image.convert\("{shown}"\)'):
        check_image(picture)
    array, _ = check_image(picture.convert(shown))
    assert array.shape == (12, 16, len(shown))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "I", "F", "I;16"])
def test_grey_and_rgb_pillow_images_are_taken(mode):
    array, _ = check_image(Pillow.new(mode, (16, 12)))
    assert array.shape[:2] == (12, 16)


def test_a_picture_that_is_to_be_turned_is_warned_of_and_the_advice_works():
    image = Pillow.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8))
    image.getexif()[0x0112] = 6
    with pytest.warns(LimelensWarning, match=r"Pass PIL.ImageOps.exif_transpose\(image\)"):
        array, _ = check_image(image)
    assert array.shape == (6, 8)
    assert check_image(ImageOps.exif_transpose(image))[0].shape == (8, 6)


def test_batches_are_in_this_machine_s_byte_order():
    other = ">f4" if sys.byteorder == "little" else "<f4"
    image = np.random.default_rng(0).random((8, 8)).astype(other)
    model = Recorder(first, keep=True)
    explanation = ABLATION.explain(image, model)
    assert all(batch.dtype.isnative and batch.dtype == np.float32 for batch in model.batches)
    np.testing.assert_array_equal(explanation.image, image)


@pytest.mark.parametrize(
    "values",
    [[1.0, -np.inf, 3.0], [np.nan, 2.0, np.inf], [np.nan, np.nan, -np.inf]],
)
def test_the_advice_against_nan_and_infinity_keeps_the_range(values):
    image = np.array(values)
    with pytest.raises(InvalidInputError, match="`image` must be finite") as caught:
        check_numeric("image", image)
    advice = str(caught.value).partition("for example with ")[2].removesuffix(".")
    mended = eval(advice, {"np": np, "image": image})
    finite = image[np.isfinite(image)]
    assert mended.min() == finite.min(initial=0 if not finite.size else np.inf)
    assert np.abs(mended).max() <= 3


SETTINGS = {
    "fill=0": ({"fill": 0}, "Constant(0)"),
    "fill=0.5": ({"fill": 0.5}, "Constant(0.5)"),
    "a colour": ({"fill": (255, 0, 0)}, "Constant((255, 0, 0))"),
    "blur": ({"fill": "blur"}, "Blur(8)"),
    "mean": ({"fill": "mean"}, "ImageMean()"),
    "an image": ({"fill": np.zeros((8, 8, 3), np.uint8)}, "Backgrounds([fill])"),
    "images": ({"fill": np.zeros((2, 8, 8, 3), np.uint8)}, "Backgrounds(fill)"),
    "labels": ({"segmenter": np.arange(64).reshape(8, 8) // 8}, "LabelImage(segmenter)"),
    "a list": ({"segmenter": [[0] * 8, [1] * 8] * 4}, "LabelImage(segmenter)"),
    "a number": ({"segmenter": 20}, "Slic(20)"),
    "slic": ({"segmenter": "slic"}, "Slic()"),
}


@pytest.mark.parametrize("case", SETTINGS)
@pytest.mark.filterwarnings("ignore:Slic")
def test_what_was_meant_by_a_fill_or_segmenter_is_named_and_works(case):
    setting, meant = SETTINGS[case]
    ((name, value),) = setting.items()
    with pytest.raises(InvalidInputError, match=f"`{name}` must be a callable") as caught:
        ll.Ablation(**setting)
    advice = str(caught.value).partition("Pass ")[2].removesuffix(".")
    assert advice == meant
    image = np.random.default_rng(0).integers(1, 255, (8, 8, 3), dtype=np.uint8)
    made = eval(advice, {name: value} | vars(ll) | {each: getattr(ll, each) for each in ll.__all__})
    explanation = ll.Ablation(**{"segmenter": ll.Grid(4)} | {name: made}).explain(image, first)
    assert explanation.importances.any()


def test_a_blur_without_a_width_hides_a_tenth_of_the_side():
    image = np.random.default_rng(0).random((20, 40))
    np.testing.assert_array_equal(ll.Blur()(image, None), ll.Blur(2.0)(image, None))
