"""`limelens.compat.lime_image` against the installed lime: the same masks, numbers and pictures."""

import itertools
import warnings
from functools import cache, partial

import numpy as np
import pytest
from skimage import data, transform
from sklearn.linear_model import BayesianRidge, ElasticNet, Lasso, LinearRegression

from limelens.compat import lime_image
from limelens.compat.scikit_image import SegmentationAlgorithm

lime = pytest.importorskip("lime.lime_image", reason="needs the extra `reference`")

TOLERANCE = 1e-10
HEIGHT, WIDTH, N_CLASSES = 96, 128, 4


@cache
def photograph(name):
    """One of scikit-image's bundled pictures, cropped to 4:3 and reduced."""
    loaded = getattr(data, name)()
    picture = loaded[0] if isinstance(loaded, tuple) else loaded
    rows = min(picture.shape[0], picture.shape[1] * 3 // 4)
    picture = picture[:rows, : rows * 4 // 3]
    reduced = transform.resize(picture, (HEIGHT, WIDTH), anti_aliasing=True)
    reduced = np.rint(reduced * 255).astype(np.uint8)
    reduced.flags.writeable = False
    return reduced


class Watched:
    """A smooth classifier of four classes that remembers what it was shown."""

    def __init__(self, dtype=np.float64):
        self.dtype = dtype
        self.shown = []

    def __call__(self, batch):
        self.shown.append(batch.copy())
        pixels = batch.astype(np.float64).mean(axis=3) / 255
        cells = pixels.reshape(len(batch), 6, HEIGHT // 6, 8, WIDTH // 8).mean(axis=(2, 4))
        cells = cells.reshape(len(batch), -1)
        weights = np.random.default_rng(7).normal(size=(2, cells.shape[1], N_CLASSES))
        logits = cells @ weights[0] + 2 * np.tanh(cells @ weights[1])
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(self.dtype)


def grid(image):
    """Own labels: 3 x 5 cells."""
    rows = np.arange(image.shape[0]) * 3 // image.shape[0]
    columns = np.arange(image.shape[1]) * 5 // image.shape[1]
    return rows[:, np.newaxis] * 5 + columns


def algorithm(name, **settings):
    """The same segmenter in either package."""
    return lambda package: package(name, **settings)


FACTORS = {
    "photo": ["astronaut", "cat", "coffee", "rocket", "camera", "retina"],
    "segmenter": [
        None,
        algorithm("slic", n_segments=20, start_label=0),
        algorithm("felzenszwalb", scale=100, sigma=1, min_size=250),
        lambda package: grid,
    ],
    "seed": [0, 7, 2024],
    "num_features": [5, 10, 100000],
    "selection": ["auto", "none", "forward_selection", "highest_weights", "lasso_path"],
    "hide_color": [None, 0, (10, 200, 30)],
    "regressor": [
        lambda: None,
        lambda: Lasso(alpha=0.001),
        LinearRegression,
        lambda: ElasticNet(alpha=0.01),
        BayesianRidge,
    ],
    "labels": [
        {"top_labels": 1},
        {"top_labels": 5},
        {"top_labels": 2, "labels": (0,)},
        {"top_labels": None, "labels": (3, 0)},
        {"top_labels": 0},
    ],
    "image_dtype": ["uint8", "float32", "float64"],
    "score_dtype": ["float64", "float32"],
    "sampling": [
        {"num_samples": 60, "batch_size": 10},
        {"num_samples": 75, "batch_size": 64},
        {"num_samples": 90, "batch_size": 7, "random_seed": 5},
    ],
    "distance": [
        ({}, {}),
        ({"kernel_width": 0.1}, {}),
        ({"kernel": lambda d, kernel_width: 1 / (1 + d / kernel_width)}, {}),
        ({"kernel_width": 3}, {"distance_metric": "euclidean"}),
    ],
}


def covering_design():
    """Return few rows of levels in which every pair of levels of two factors occurs."""
    design = []
    rng = np.random.default_rng(0)
    levels = [range(len(values)) for values in FACTORS.values()]
    pairs = list(itertools.combinations(range(len(levels)), 2))
    open_ = {(i, j, a, b) for i, j in pairs for a in levels[i] for b in levels[j]}
    while open_:
        tries = [[int(rng.integers(len(each))) for each in levels] for _ in range(50)]
        covered = [open_ & {(i, j, row[i], row[j]) for i, j in pairs} for row in tries]
        best = max(range(50), key=lambda k: len(covered[k]))
        if covered[best]:
            open_ -= covered[best]
            design.append(dict(zip(FACTORS, tries[best], strict=True)))
    return design


def explain(package, algorithms, levels, model):
    """Explain one row of the design with one of the packages."""
    chosen = {name: values[levels[name]] for name, values in FACTORS.items()}
    image = photograph(chosen["photo"]).astype(chosen["image_dtype"])
    if chosen["image_dtype"] == "float64":
        image /= 255
    construction, call = chosen["distance"]
    explainer = package.LimeImageExplainer(
        feature_selection=chosen["selection"], random_state=chosen["seed"], **construction
    )
    segmenter = chosen["segmenter"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*(converge|Ill-conditioned|dropping)")
        return explainer.explain_instance(
            image,
            model,
            num_features=chosen["num_features"],
            hide_color=chosen["hide_color"],
            model_regressor=chosen["regressor"](),
            segmentation_fn=None if segmenter is None else segmenter(algorithms),
            **chosen["labels"],
            **chosen["sampling"],
            **call,
        )


def assert_same_images(theirs, ours):
    assert [batch.dtype for batch in ours] == [batch.dtype for batch in theirs]
    for mine, lime_s in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine, lime_s)


def assert_same_weights(theirs, ours):
    """The same ids and weights in the same order, but for ties."""
    assert {type(part) for pair in ours for part in pair} == {np.int64, np.float64}
    weights = dict(theirs)
    assert sorted(weights) == sorted(dict(ours))
    np.testing.assert_allclose([weights[k] for k, _ in ours], [w for _, w in ours], 0, TOLERANCE)
    sizes = [abs(weights[k]) for k, _ in ours]
    np.testing.assert_array_less(np.diff(sizes), TOLERANCE)


def assert_same(theirs, ours):
    close = partial(np.testing.assert_allclose, rtol=0, atol=TOLERANCE, strict=True)
    np.testing.assert_array_equal(ours.image, theirs.image, strict=True)
    np.testing.assert_array_equal(ours.segments, theirs.segments, strict=True)
    assert getattr(ours, "top_labels", None) == getattr(theirs, "top_labels", None)
    assert list(ours.local_exp) == list(theirs.local_exp)
    for label, weights in theirs.local_exp.items():
        assert_same_weights(weights, ours.local_exp[label])
        close(np.asarray(ours.intercept[label]), np.asarray(theirs.intercept[label]))
    close(np.asarray(ours.score), np.asarray(theirs.score))
    close(np.asarray(ours.local_pred), theirs.local_pred)


PICTURES = [
    {},
    {"num_features": 3, "hide_rest": True},
    {"positive_only": False, "negative_only": True, "num_features": 4},
    {"positive_only": False, "num_features": 6},
    {"positive_only": False, "hide_rest": True, "num_features": 1000, "min_weight": 0.01},
    {"min_weight": 0.02, "num_features": 100},
]


def assert_same_pictures(theirs, ours):
    for label in theirs.local_exp:
        if any(weight == 0 for _, weight in theirs.local_exp[label]):
            continue  # painted green by lime alone
        for settings in PICTURES:
            expected = theirs.get_image_and_mask(label, **settings)
            for mine, lime_s in zip(
                ours.get_image_and_mask(label, **settings), expected, strict=True
            ):
                np.testing.assert_array_equal(mine, lime_s, strict=True)


@pytest.mark.parametrize(
    "levels", covering_design(), ids=lambda row: "".join(map(str, row.values()))
)
def test_masks_numbers_and_pictures_equal_lime_s(levels):
    score_dtype = FACTORS["score_dtype"][levels["score_dtype"]]
    shown_by_lime, shown = Watched(score_dtype), Watched(score_dtype)
    from lime.wrappers.scikit_image import SegmentationAlgorithm as LimeAlgorithm

    theirs = explain(lime, LimeAlgorithm, levels, shown_by_lime)
    ours = explain(lime_image, SegmentationAlgorithm, levels, shown)
    assert_same_images(shown_by_lime.shown, shown.shown)
    assert_same(theirs, ours)
    assert_same_pictures(theirs, ours)
