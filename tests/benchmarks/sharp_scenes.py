"""Pictures of which it is known where the answer lies, and how well a map says so."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float64]
Mask = NDArray[np.bool_]

SIDE = 224
NEAR = 14
"""Pixels from the true border that count as near it."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture, (side, side, 3) in [0, 1], and where each of its score columns has its object."""

    name: str
    image: NDArray[np.float32]
    objects: dict[int, Mask]
    model: str


# -- mosaics ------------------------------------------------------------------------------

CELLS = {281: "cat", 967: "coffee", 872: "camera", 665: "stereo_motorcycle"}
"""Column of ImageNet and picture: tabby, espresso, tripod, moped."""


FOOLBOX_CALLED_OTHERWISE = ("imagenet_03_990", "imagenet_07_609", "imagenet_14_129")
"""Photographs of foolbox for which EfficientNet-lite0 does not name the class of the file."""


def mosaics(n: int) -> Iterator[Scene]:
    """Yield four photographs side by side, the cross off the centre, in every order in turn."""
    for seed in range(n):
        rng = np.random.default_rng(seed)
        columns = rng.permutation(list(CELLS)).tolist()
        cells = [(column, bundled(CELLS[column])) for column in columns]
        yield mosaic(f"mosaic {seed}", cells, rng)


def foolbox_mosaics(n: int) -> Iterator[Scene]:
    """Yield mosaics of four of the photographs that come with foolbox, drawn for each."""
    from call_weights import foolbox_pictures

    named = {
        int(stem.split("_")[2]): picture
        for stem, picture in (foolbox_pictures() if n else {}).items()
        if stem not in FOOLBOX_CALLED_OTHERWISE
    }
    for seed in range(n):
        rng = np.random.default_rng(seed)
        columns = rng.permutation(list(named))[:4].tolist()
        yield mosaic(f"foolbox {seed}", [(column, named[column]) for column in columns], rng)


def mosaic(
    name: str, cells: list[tuple[int, NDArray[np.uint8]]], rng: np.random.Generator
) -> Scene:
    """Return four photographs, each with its column, around a cross off the centre."""
    from skimage import transform

    cross = np.full(2, SIDE // 2)
    while np.abs(cross - SIDE / 2).max() < 0.06 * SIDE:
        cross = np.rint(SIDE * rng.uniform(0.35, 0.65, 2)).astype(int)
    image, objects = np.zeros((SIDE, SIDE, 3), np.float32), {}
    for place, (column, picture) in enumerate(cells):
        rows = slice(0, cross[0]) if place < 2 else slice(cross[0], SIDE)
        sides = slice(0, cross[1]) if place % 2 == 0 else slice(cross[1], SIDE)
        mask = np.zeros((SIDE, SIDE), bool)
        mask[rows, sides] = True
        shape = rows.stop - rows.start, sides.stop - sides.start
        seen = fitted(picture, shape) / 255
        image[rows, sides] = transform.resize(seen, shape, anti_aliasing=True)
        objects[column] = mask
    return Scene(name, image, objects, "lite0")


def fitted(picture: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the largest part around the centre that has the proportions of `shape`."""
    scale = min(side / wanted for side, wanted in zip(picture.shape, shape, strict=False))
    sizes = [int(wanted * scale) for wanted in shape]
    top, left = ((side - size) // 2 for side, size in zip(picture.shape, sizes, strict=False))
    return picture[top : top + sizes[0], left : left + sizes[1]]


def bundled(name: str) -> NDArray[np.uint8]:
    """Return a photograph that comes with scikit-image or scikit-learn, (H, W, 3)."""
    from skimage import data
    from sklearn.datasets import load_sample_image

    if name.endswith(".jpg"):
        return np.asarray(load_sample_image(name))
    loaded = getattr(data, name)()
    picture = np.asarray(loaded[0] if isinstance(loaded, tuple) else loaded)
    return np.stack([picture] * 3, axis=-1) if picture.ndim == 2 else picture[..., :3]


# -- objects outlined by hand -------------------------------------------------------------

# In 224ths of the largest square around the centre of the photograph: (column, row).
PAGODA = (
    (52, 15), (58, 18), (58, 35), (75, 50), (112, 62), (108, 72), (115, 90), (112, 110),
    (120, 125), (118, 145), (135, 180), (120, 185), (90, 190), (-22, 190), (-22, 172), (-9, 165),
    (-8, 140), (-3, 125), (-8, 100), (-2, 85), (-5, 62), (20, 50), (42, 36), (45, 18),
)  # fmt: skip
TRIPOD = (
    (113, 60), (143, 60), (143, 85), (131, 88), (132, 138), (145, 150), (178, 223), (170, 223),
    (138, 160), (131, 150), (131, 212), (124, 212), (124, 150), (120, 160), (108, 223), (100, 223),
    (118, 145), (125, 135), (124, 88), (113, 84),
)  # fmt: skip
MOTORCYCLE = (
    (-30, 100), (0, 88), (8, 75), (30, 70), (60, 86), (95, 80), (105, 70), (130, 72), (165, 62),
    (172, 45), (185, 30), (197, 50), (202, 75), (182, 92), (192, 115), (224, 120), (250, 150),
    (245, 190), (224, 208), (205, 205), (180, 182), (150, 165), (100, 170), (95, 190), (85, 190),
    (88, 162), (60, 170), (28, 178), (8, 168), (-5, 150), (-8, 128), (-12, 112),
)  # fmt: skip
OUTLINES = {
    ("coffee", 967): [(105, 130, 106, 88), (106, 62, 66, 55)],
    ("flower.jpg", 985): [(106, 117, 72, 73), (141, 232, 45, 36)],
    ("china.jpg", 698): [PAGODA],
    ("camera", 872): [TRIPOD],
    ("stereo_motorcycle", 665): [MOTORCYCLE],
}
"""Picture and column: ellipses (column, row, half width, half height) or polygons."""

FOOLBOX_OUTLINES = {
    ("imagenet_00_243", 243): [
        ((58, 44), (79, 32), (98, 40), (102, 77), (132, 86), (123, 105), (126, 133), (110, 160),
        (112, 184), (100, 190), (93, 170), (86, 200), (70, 200), (60, 160), (58, 114), (51, 91),
        (60, 77))
    ],
    ("imagenet_01_559", 559): [
        ((63, 80), (149, 80), (149, 219), (74, 219)), ((0, 10), (37, 15), (42, 61), (5, 66)),
        ((42, 12), (84, 12), (91, 61), (47, 61)), ((112, 7), (177, 7), (181, 57), (102, 52)),
        ((181, 7), (223, 15), (223, 71), (177, 61)), ((0, 99), (65, 126), (56, 182), (0, 154)),
        ((158, 136), (223, 89), (223, 192), (172, 173))
    ],
    ("imagenet_02_438", 438): [
        ((81, 114), (139, 114), (134, 216), (88, 216)), ((165, 142), (221, 142), (218, 216),
        (167, 216))
    ],
    ("imagenet_04_949", 949): [
        (110, 37, 23, 26), (190, 83, 23, 25), (116, 96, 20, 22), (21, 98, 19, 19),
        (65, 105, 19, 20), (159, 134, 16, 17), (47, 147, 17, 21), (92, 147, 18, 17),
        (107, 198, 16, 18)
    ],
    ("imagenet_05_853", 853): [
        ((40, 47), (110, 19), (222, 38), (222, 80), (147, 71), (45, 80))
    ],
    ("imagenet_06_609", 609): [
        ((49, 77), (55, 63), (95, 60), (128, 66), (147, 86), (182, 100), (179, 128), (147, 131),
        (119, 134), (114, 147), (86, 142), (72, 123), (54, 121), (44, 100))
    ],
    ("imagenet_07_609", 511): [
        ((18, 72), (63, 61), (119, 71), (202, 103), (216, 126), (212, 159), (188, 164),
        (156, 164), (147, 140), (72, 122), (40, 126), (21, 103))
    ],
    ("imagenet_08_915", 915): [
        ((2, 156), (44, 125), (95, 160), (90, 170), (2, 170)), ((118, 133), (155, 100),
        (224, 86), (224, 193), (123, 184))
    ],
    ("imagenet_09_455", 455): [
        (111, 122, 90, 86)
    ],
    ("imagenet_10_541", 541): [
        ((28, 36), (56, 27), (172, 27), (203, 41), (195, 171), (177, 199), (112, 210),
        (51, 199), (37, 171))
    ],
    ("imagenet_11_630", 630): [
        ((0, 40), (47, 42), (84, 54), (140, 40), (223, 58), (223, 133), (140, 148), (47, 148),
        (0, 142))
    ],
    ("imagenet_12_741", 741): [
        ((4, 18), (108, 18), (108, 218), (4, 218)), ((159, 18), (223, 18), (223, 218),
        (159, 218))
    ],
    ("imagenet_13_471", 471): [
        ((41, 44), (83, 26), (120, 44), (190, 44), (190, 58), (129, 72), (185, 109), (190, 156),
        (148, 188), (92, 184), (64, 147), (1, 161), (1, 128), (36, 91))
    ],
    ("imagenet_15_99", 99): [
        ((3, 105), (45, 44), (73, 44), (59, 72), (64, 128), (40, 165), (17, 119)), ((105, 44),
        (147, 30), (147, 109), (143, 165), (110, 212), (96, 156), (101, 91)), ((212, 63),
        (224, 58), (224, 137), (214, 119))
    ],
    ("imagenet_16_251", 251): [
        ((63, 2), (175, 2), (182, 69), (170, 134), (147, 129), (119, 162), (72, 167), (68, 125),
        (58, 78)), ((2, 2), (30, 13), (21, 171), (2, 171)), ((188, 2), (223, 2), (223, 195),
        (202, 190))
    ],
    ("imagenet_17_22", 22): [
        ((2, 63), (35, 68), (91, 91), (119, 109), (165, 72), (202, 54), (223, 72), (202, 109),
        (165, 123), (175, 151), (119, 147), (105, 128), (44, 137), (7, 123))
    ],
    ("imagenet_18_317", 317): [
        ((65, 46), (90, 38), (120, 50), (113, 74), (113, 134), (90, 176), (70, 204), (62, 171),
        (60, 88))
    ],
    ("imagenet_19_305", 305): [
        ((60, 123), (81, 91), (127, 68), (164, 63), (183, 91), (155, 114), (118, 128),
        (71, 147), (34, 156), (20, 128))
    ],
}  # fmt: skip
"""Photograph of foolbox and column that EfficientNet-lite0 names, in 224ths of both its sides."""


def outlined() -> Iterator[Scene]:
    """Yield two views of each photograph, its object left and right of the centre."""
    from skimage import transform

    for (name, column), shapes in OUTLINES.items():
        picture = bundled(name)
        mask = drawn(shapes, picture.shape[:2])
        size = int(0.85 * min(picture.shape[:2]))
        top = (picture.shape[0] - size) // 2
        for left in (0, picture.shape[1] - size):
            view = (slice(top, top + size), slice(left, left + size))
            image = transform.resize(picture[view] / 255, (SIDE, SIDE), anti_aliasing=True)
            seen = transform.resize(mask[view].astype(float), (SIDE, SIDE), order=1) > 0.5
            share = seen.mean()
            if 0.02 < share < 0.8:
                side = "right" if left == 0 else "left"
                yield Scene(f"{name} {side}", image.astype(np.float32), {column: seen}, "lite0")


def foolbox_outlined(n: int) -> Iterator[Scene]:
    """Yield photographs that come with foolbox, stretched to a square, most of one object."""
    from call_weights import foolbox_pictures
    from skimage import transform

    pictures = foolbox_pictures() if n else {}
    for (stem, column), shapes in list(FOOLBOX_OUTLINES.items())[:n]:
        image = transform.resize(pictures[stem] / 255, (SIDE, SIDE), anti_aliasing=True)
        mask = drawn(shapes, (SIDE, SIDE))
        yield Scene(f"foolbox {stem}", image.astype(np.float32), {column: mask}, "lite0")


def drawn(shapes: list[tuple], spatial: tuple[int, ...]) -> Mask:
    """Return where any of the shapes is."""
    from skimage.draw import ellipse, polygon

    scale = min(spatial) / SIDE
    top, left = ((side - min(spatial)) / 2 for side in spatial)
    mask = np.zeros(spatial, bool)
    for shape in shapes:
        if isinstance(shape[0], tuple):
            columns, rows = np.array(shape).T * scale
            where = polygon(rows + top, columns + left, spatial)
        else:
            x, y, width, height = np.array(shape) * scale
            where = ellipse(y + top, x + left, height, width, shape=spatial)
        mask[where] = True
    return mask


# -- scenes that are drawn ----------------------------------------------------------------


COLORS = ((0.9, 0.3, 0.2), (0.2, 0.4, 0.9))


def drawn_scenes(n: int) -> Iterator[Scene]:
    """Yield two bright discs on a texture; the model counts pixels of the colour of each."""
    from scipy.ndimage import gaussian_filter

    rows, columns = np.indices((SIDE, SIDE))
    for seed in range(n):
        rng = np.random.default_rng(seed)
        texture = gaussian_filter(rng.normal(size=(SIDE, SIDE, 3)), (4, 4, 0))
        image = (0.4 + 0.1 * texture / texture.std()).clip(0, 1).astype(np.float32)
        objects: dict[int, Mask] = {}
        for number, color in enumerate(COLORS):
            left = SIDE * (0.1 + 0.5 * number), SIDE * (0.3 + 0.5 * number)
            x, y = rng.uniform(*left), SIDE * rng.uniform(0.2, 0.8)
            mask = (rows - y) ** 2 + (columns - x) ** 2 < (SIDE * rng.uniform(0.08, 0.16)) ** 2
            image[mask] = color
            objects[number] = mask
        yield Scene(f"discs {seed}", image, objects, "colors")


# -- how well a map says so ---------------------------------------------------------------


def auc(heatmap: Map, mask: Mask) -> float:
    """Return the chance that a pixel inside has the higher value than one outside."""
    from scipy.stats import rankdata

    inside = np.count_nonzero(mask)
    ranks = rankdata(heatmap.ravel())[mask.ravel()].sum()
    return float((ranks - inside * (inside + 1) / 2) / (inside * (mask.size - inside)))


def precision(heatmap: Map, mask: Mask) -> float:
    """Return the share of the strongest pixels, as many as there are inside, that lie inside."""
    order = np.argsort(-heatmap.ravel(), kind="stable")[: np.count_nonzero(mask)]
    return float(mask.ravel()[order].mean())


def border_auc(heatmap: Map, mask: Mask) -> float:
    """Return the AUC of the pixels within 14 of the true border."""
    from scipy.ndimage import distance_transform_edt

    apart = np.where(mask, distance_transform_edt(mask), distance_transform_edt(~mask))
    near = apart <= NEAR
    return auc(heatmap[near], mask[near])


def pointing(heatmap: Map, mask: Mask) -> float:
    """Return 1 if the strongest pixel lies inside."""
    return float(mask.ravel()[np.argmax(heatmap)])


def insertion_minus_deletion(
    heatmap: Map, image: NDArray, probability: Callable[[NDArray], NDArray], steps: int = 14
) -> float:
    """Return mean probability while the strongest pixels are shown, less while they are hidden.

    Means are over 0, 1, ..., `steps` parts of the pixels. The first and the last step show the same
    two images in both means, so nobody is asked about them.
    """
    ranks = np.empty(heatmap.size, int)
    ranks[np.argsort(-heatmap.ravel(), kind="stable")] = np.arange(heatmap.size)
    shares = np.arange(1, steps)[:, None, None] / steps
    first = ranks.reshape(heatmap.shape) < shares * ranks.size
    mean = image.mean(axis=(0, 1))
    shown = np.where(first[..., None], image, mean).astype(image.dtype)
    hidden = np.where(first[..., None], mean, image).astype(image.dtype)
    return float(probability(shown).sum() - probability(hidden).sum()) / (steps + 1)


def centred_blob(shape: tuple[int, int]) -> Map:
    """Return a map that has seen nothing: photographers put things in the middle."""
    rows, columns = (np.arange(side) - (side - 1) / 2 for side in shape)
    return -np.hypot(rows[:, None] / shape[0], columns / shape[1])


def edge_density(image: NDArray) -> Map:
    """Return a map that has not seen the model: where the picture is busy."""
    from limelens.results.smoothing import smooth_map

    grey = image.mean(axis=2).astype(float)
    return smooth_map(np.hypot(*np.gradient(grey)))
