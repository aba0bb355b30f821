"""Advice of `_checks`: images, segments, fills and segmenters, sizes, numbers."""

import numpy as np
from PIL import Image, ImageCms
from skimage.data import astronaut

import limelens as ll
from limelens.testing import WindowDetector

rng = np.random.default_rng(0)
photo = astronaut()[:256:4, 80:336:4]
grey = rng.random((24, 24))
color = (255 * rng.random((24, 24, 3))).astype(np.uint8)
scan = rng.random((30, 64, 64))
planes = rng.random((3, 24, 24))
bands = rng.random((8, 8, 12))
batch = rng.random((1, 24, 24, 3))
cube = rng.random((12, 12, 12, 2))
short = rng.random((2, 12, 12, 3))
flipped = np.moveaxis(cube, -1, 0)[:, :2].copy()  # (2, 2, 12, 12): channels first
with_nan = grey.copy()
with_nan[0, 0] = np.nan
colors_with_nan = np.stack([with_nan] * 3, axis=-1)
valid = np.ones((24, 24), dtype=bool)
labels = np.arange(576).reshape(24, 24) // 100
half = labels // 3
one_pixel = np.eye(24) * np.eye(24)[3] > 0
scene = (255 * rng.random((24, 24, 5))).astype(np.uint8)
upright = Image.fromarray(color)
exif = upright.getexif()
exif[0x0112] = 6
upright.info["exif"] = exif.tobytes()
volume = rng.random((6, 8, 8))


def perturbed(out):
    return ll.perturb(grey, ll.Grid(4)(grey), [[1, 0, 1, 0]], 0, out=out)


def in_mode(mode):
    """Return a picture in any mode of Pillow."""
    ways = {"LAB": ("RGB",), "La": ("L", "LA"), "PA": ("P",), "RGBa": ("RGBA",)}
    picture = Image.fromarray(color)
    for step in (*ways.get(mode, ()), mode):
        if mode.startswith("I;16"):
            return Image.fromarray(color[..., 0].astype(">u2" if mode == "I;16B" else "<u2"))
        if step == "LAB":
            return ImageCms.profileToProfile(
                picture, *map(ImageCms.createProfile, ("sRGB", "LAB")), outputMode="LAB"
            )
        picture = picture.convert(step)
    return picture


NOT_AS_SHOWN = {
    "P": "RGB",
    "PA": "RGBA",
    "CMYK": "RGB",
    "HSV": "RGB",
    "YCbCr": "RGB",
    "LAB": "RGB",
    "RGBX": "RGB",
    "RGBa": "RGBA",
    "La": "LA",
}


def of_fill(fill, image=color):
    return ll.Ablation(segmenter=ll.Grid(4), fill=fill).explain(image, every_pixel)


def of_segmenter(segmenter, image=photo):
    return ll.Ablation(segmenter=segmenter).explain(image, every_pixel)


FILLS = {
    "blur": "Blur(8)",
    **dict.fromkeys(("mean", "avg", "average", "image_mean"), "ImageMean()"),
    "segment_mean": "SegmentMean()",
    **dict.fromkeys(("noise", "random"), "Noise()"),
    "inpaint": "Inpaint()",
    **dict.fromkeys(("black", "zero", "zeros"), "Constant(0)"),
    "white": "Constant(255)",
}
SEGMENTERS = {
    "slic": "Slic()",
    "quickshift": "Quickshift()",
    "felzenszwalb": "Felzenszwalb()",
    "watershed": "Watershed()",
    "grid": "Grid()",
}

CASES = [
    # images
    (
        "explain(scene).to_image()",
        {
            "bands=(2, 1, 0)": "explain(scene).to_image(bands=(2, 1, 0))",
            "bands=0": "explain(scene).to_image(bands=0)",
        },
    ),
    (
        "explain(scene[..., :4]).to_image()",
        {
            "bands=(0, 1, 2, 3)": "explain(scene[..., :4]).to_image(bands=(0, 1, 2, 3))",
            "bands=(2, 1, 0)": "explain(scene[..., :4]).to_image(bands=(2, 1, 0))",
            "bands=0": "explain(scene[..., :4]).to_image(bands=0)",
        },
    ),
    *[
        (
            f"image = in_mode({mode!r}); explain(image)",
            {
                f'image.convert("{shown}")': f"""
image = in_mode({mode!r})
explain(image.convert("{shown}"))
""",
            },
        )
        for mode, shown in NOT_AS_SHOWN.items()
    ],
    (
        "image = upright; explain(image)",
        {
            "PIL.ImageOps.exif_transpose(image)": """
import PIL
image = upright
explain(PIL.ImageOps.exif_transpose(image))
"""
        },
    ),
    (
        "explain(scan)",
        {
            "channel_axis=0": "explain(scan, channel_axis=0)",
            "channel_axis=None": "explain(scan, channel_axis=None)",
            "channel_axis=2": "explain(scan, channel_axis=2)",
        },
    ),
    ("image = batch; explain(image)", {"image[0]": "image = batch; explain(image[0])"}),
    ("explain(short)", {"channel_axis=3": "explain(short, channel_axis=3)"}),
    ("explain(flipped)", {"channel_axis=0": "explain(flipped, channel_axis=0)"}),
    (
        "explain(cube, channel_axis=None)",
        {"channel_axis=-1": "explain(cube, channel_axis=-1)"},
    ),
    (
        "explain(with_nan)",
        {
            "valid=np.isfinite(image)": """
image = with_nan
explain(image, lambda batch: every_pixel(np.nan_to_num(batch)), valid=np.isfinite(image))
""",
        },
    ),
    (
        "explain(colors_with_nan)",
        {
            "valid=np.isfinite(image).all(axis=2)": """
image = colors_with_nan
explain(image, lambda batch: every_pixel(np.nan_to_num(batch)),
        valid=np.isfinite(image).all(axis=2))
""",
        },
    ),
    (
        "explain(colors_with_nan, valid=valid)",
        {
            "valid=valid & np.isfinite(image).all(axis=2)": """
image = colors_with_nan
explain(image, lambda batch: every_pixel(np.nan_to_num(batch)),
        valid=valid & np.isfinite(image).all(axis=2))
""",
        },
    ),
    ("valid = ~valid; explain(grey, valid=valid)", {"~valid": "explain(grey, valid=~~valid)"}),
    (
        "valid = np.where(labels, 255, 0); explain(grey, valid=valid)",
        {
            "valid > 0": "valid = np.where(labels, 255, 0); explain(grey, valid=valid > 0)",
            "labels == label": "label = 3; explain(grey, valid=labels == label)",
        },
    ),
    # segments, fills
    (
        "of_segmenter(lambda image: labels.astype(np.uint64) + np.uint64(2**63), color)",
        {
            "np.unique(...)": """
far = labels.astype(np.uint64) + np.uint64(2**63)
of_segmenter(LabelImage(np.unique(far, return_inverse=True)[1].reshape(far.shape)), color)
""",
        },
    ),
    (
        "explain(volume, explainer=Ablation(segmenter=Quickshift()), channel_axis=None)",
        {
            "Slic()": "explain(volume, explainer=Ablation(segmenter=Slic()), channel_axis=None)",
            "Grid()": "explain(volume, explainer=Ablation(segmenter=Grid()), channel_axis=None)",
            "LabelImage(labels)": """
labels = np.arange(volume.size).reshape(volume.shape) // 100
explain(volume, explainer=Ablation(segmenter=LabelImage(labels)), channel_axis=None)
""",
        },
    ),
    (
        "Occlusion(fill=SegmentMean()).explain(color, every_pixel)",
        {
            "ImageMean()": "Occlusion(fill=ImageMean()).explain(color, every_pixel)",
            "Blur(sigma)": "sigma = 3; Occlusion(fill=Blur(sigma)).explain(color, every_pixel)",
        },
    ),
    (
        "perturb(photo, Grid(4)(photo), [[1, 0, 1, 0]], [0, 1, 2])",
        {
            "np.broadcast_to(color, image.shape)": """
image, color = photo, [0, 1, 2]
perturb(image, Grid(4)(image), [[1, 0, 1, 0]], np.broadcast_to(color, image.shape))
""",
        },
    ),
    (
        "out = np.empty((1, 24, 24)); out.flags.writeable = False; perturbed(out)",
        {"np.empty((1, 24, 24), 'float64')": "perturbed(np.empty((1, 24, 24), 'float64'))"},
    ),
    *[(f"of_fill({word!r})", {fill: f"of_fill({fill})"}) for word, fill in FILLS.items()],
    ("of_fill('white')", {"Constant(1)": "of_fill(Constant(1), color / 255)"}),
    (
        "of_fill('gray')",
        {fill: f"of_fill({fill})" for fill in ("ImageMean()", "Blur(8)", "Constant(0)", "Noise()")},
    ),
    ("of_fill(0)", {"Constant(0)": "of_fill(Constant(0))"}),
    ("of_fill((0, 128, 255))", {"Constant((0, 128, 255))": "of_fill(Constant((0, 128, 255)))"}),
    (
        "fill = color[::-1]; of_fill(fill)",
        {"Backgrounds([fill])": "fill = color[::-1]; of_fill(Backgrounds([fill]))"},
    ),
    (
        "fill = [color[::-1], color.T.swapaxes(0, 2)]; of_fill(fill)",
        {"Backgrounds(fill)": "fill = [color[::-1], 255 - color]; of_fill(Backgrounds(fill))"},
    ),
    *[
        (f"of_segmenter({word!r})", {each: f"of_segmenter({each})"})
        for word, each in SEGMENTERS.items()
    ],
    (
        "of_segmenter('superpixels')",
        {each: f"of_segmenter({each})" for each in ("Slic()", "Grid()", "Quickshift()")},
    ),
    ("of_segmenter(30)", {"Slic(30)": "of_segmenter(Slic(30))"}),
    (
        "segmenter = labels; of_segmenter(segmenter, color)",
        {"LabelImage(segmenter)": "segmenter = labels; of_segmenter(LabelImage(segmenter), color)"},
    ),
    (
        "explain(grey, explainer=Ablation(fill=Constant(0)), valid=one_pixel)",
        {
            "window=1, stride=1": """
explain(grey, explainer=Occlusion(window=1, stride=1, fill=Constant(0)), valid=one_pixel)
""",
        },
    ),
    # numbers and sizes
    ("Slic(offset='far')", {"offset=0.1": "Slic(offset=0.1)"}),
    (
        "of_segmenter(Slic(9, offset=70))",
        {"offset=0.1": "of_segmenter(Slic(9, offset=0.1))"},
    ),
    (
        "image = np.where(labels, np.inf, 1.0); explain(image)",
        {
            "np.nan_to_num(image, nan=1.0, posinf=1.0, neginf=1.0)": """
image = np.where(labels, np.inf, 1.0)
image[0] = 0
image = np.nan_to_num(image, nan=1.0, posinf=1.0, neginf=1.0)
explain(image)
""",
        },
    ),
    ("Ablation(fill=ImageMean)", {"fill=ImageMean()": "Ablation(fill=ImageMean())"}),
    (
        "image = np.ma.masked_less(grey, 0.5); explain(image)",
        {
            "explain(image.data, ..., valid=~np.ma.getmaskarray(image))": """
image = np.ma.masked_less(grey, 0.5)
explain(image.data, every_pixel, valid=~np.ma.getmaskarray(image))
""",
        },
    ),
    (
        "image = np.ma.masked_less(photo, 50); explain(image)",
        {
            "valid=~np.ma.getmaskarray(image).any(axis=-1)": """
image = np.ma.masked_less(photo, 50)
explain(image.data, every_pixel, valid=~np.ma.getmaskarray(image).any(axis=-1))
""",
        },
    ),
    (
        "labels = np.ma.masked_equal(labels, 3); LabelImage(labels)",
        {
            "labels.filled(6)": """
labels = np.ma.masked_equal(labels, 3)
assert LabelImage(labels.filled(6)).n_segments == 6
""",
            "labels.data": """
labels = np.ma.masked_equal(labels, 3)
assert LabelImage(labels.data).n_segments == 6
""",
            "explain(..., valid=~np.ma.getmaskarray(labels))": """
labels = np.ma.masked_equal(labels, 3)
five = Ablation(segmenter=LabelImage(labels.data))
found = five.explain(grey, every_pixel, valid=~np.ma.getmaskarray(labels))
assert found.importances.shape == (1, 5)
""",
        },
    ),
    (
        "labels = list(np.ma.masked_equal(labels, 3)); LabelImage(labels)",
        {
            "np.ma.array(labels).filled(6)": """
labels = list(np.ma.masked_equal(labels, 3))
assert LabelImage(np.ma.array(labels).filled(6)).n_segments == 6
""",
        },
    ),
    (
        "labels = np.ma.masked_equal(np.uint8(255 * half), 0); LabelImage(labels)",
        {
            "labels.astype(int).filled(256)": """
labels = np.ma.masked_equal(np.uint8(255 * half), 0)
assert LabelImage(labels.astype(int).filled(256)).n_segments == 2
""",
        },
    ),
    (
        "image = grey.astype(object); explain(image)",
        {
            "np.asarray(image, dtype=float)": """
image = grey.astype(object)
explain(np.asarray(image, dtype=float))
""",
        },
    ),
    # toy models
    ("WindowDetector(3)", {"np.s_[2:5, 3:6]": "WindowDetector(np.s_[2:5, 3:6])"}),
]
