"""Images of Pillow, and what has to be opened first."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

import limelens as ll
from limelens.errors import InvalidInputError, LimelensWarning

COLOR = (255 * np.random.default_rng(0).random((24, 30, 3))).astype(np.uint8)
FOUR = ll.Ablation(segmenter=ll.Grid(4))


def mean(batch):
    return batch.reshape(len(batch), -1).astype(float).mean(axis=1)


def in_file(kind, n=3, **how):
    """Return a file of n pictures, each brighter by one than the one before."""
    frames = [Image.fromarray(COLOR // 2 + np.uint8(index)) for index in range(n)]
    file = io.BytesIO()
    frames[0].save(file, kind, save_all=n > 1, append_images=frames[1:], **how)
    file.seek(0)
    return file


def test_a_file_of_several_pictures_says_which_of_them_is_explained():
    image = Image.open(in_file("TIFF"))
    image.seek(1)
    with pytest.warns(LimelensWarning, match="holds 3 pictures, and only number 1 is explained"):
        found = FOUR.explain(image, mean)
    np.testing.assert_array_equal(found.image, COLOR // 2 + np.uint8(1))


@pytest.mark.parametrize("kind", ["TIFF", "PNG"])
def test_a_single_picture_and_a_copy_of_one_are_explained_without_a_word(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FOUR.explain(Image.open(in_file(kind, n=1)), mean)
        FOUR.explain(Image.open(in_file(kind)).copy(), mean)


def test_a_photograph_with_a_preview_beside_it_is_one_picture():
    image = Image.open(in_file("MPO", n=2))
    assert image.n_frames == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FOUR.explain(image, mean)


def cut_short():
    return Image.open(io.BytesIO(in_file("PNG", n=1).getvalue()[:600]))


def closed():
    image = Image.open(in_file("PNG", n=1))
    image.close()
    return image


@pytest.mark.parametrize("image", [cut_short, closed])
def test_a_picture_that_cannot_be_read_is_named(image):
    with pytest.raises(InvalidInputError, match="`image` must be an image that can be read"):
        FOUR.explain(image(), mean)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("photo.png", r"got 'photo\.png'\. Open it: explain\(PIL\.Image\.open\(image\)"),
        (io.BytesIO(b"1"), r"PIL\.Image\.open\(image\)"),
        (b"123", r"PIL\.Image\.open\(io\.BytesIO\(image\)\)"),
        (None, "OpenCV returns for a file that it cannot read"),
        ([Image.fromarray(COLOR)] * 3, r"got a list of 3 Pillow images"),
    ],
)
def test_what_must_be_opened_or_chosen_first_says_so(image, words):
    with pytest.raises(InvalidInputError, match=words):
        FOUR.explain(image, mean)


def test_no_fill_takes_the_numbers_of_a_palette_for_colors():
    hsv = Image.fromarray(COLOR).convert("HSV")
    with pytest.raises(InvalidInputError, match=r"`images\[1\]` must be a Pillow image of grey"):
        ll.Backgrounds([Image.fromarray(COLOR), hsv])
    with pytest.raises(InvalidInputError, match="`fill` must be a Pillow image of grey"):
        ll.Ablation(fill=lambda image, segments: hsv).explain(COLOR, mean)
    with pytest.raises(InvalidInputError, match="`background` must be a Pillow image of grey"):
        ll.perturb(COLOR, ll.Grid(4)(COLOR), [[1, 0, 1, 0]], hsv)


def deep_png(path):
    """Write a PNG of 16 bits a channel, which Pillow does not."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in 257 * COLOR.astype(int))
    header = struct.pack(">IIBBBBB", 30, 24, 16, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


def test_files_of_16_bits_a_channel_say_that_eight_are_read(tmp_path):
    with pytest.warns(LimelensWarning, match="has 16 bits a channel, of which Pillow reads 8"):
        (found,) = ll.explain_many(FOUR, deep_png(tmp_path / "deep.png"), mean)
    np.testing.assert_array_equal(found.image, COLOR)


@pytest.mark.parametrize(("kind", "mode"), [("GIF", "RGB"), ("TIFF", "L")])
def test_the_advice_for_pages_of_a_file_keeps_their_colors(tmp_path, kind, mode):
    frame = Image.fromarray(COLOR).convert("P" if kind == "GIF" else mode)
    frame.save(tmp_path / "pages", kind, save_all=True, append_images=[frame.rotate(180)])
    (failure,) = ll.explain_many(FOUR, [tmp_path / "pages"], mean)
    assert ('frame.convert("RGB")' in failure.error) == (kind == "GIF")
