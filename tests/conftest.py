"""Rows, designs and explanations for several rooms; what pytest needs to know of PyTorch."""

import os
import re
from importlib.util import find_spec

import numpy as np
import pytest

from limelens.galleries import show
from limelens.pictures.drawing import Tile, Words
from limelens.pictures.panels import arrange
from limelens.results import Explanation, target_panels
from limelens.sampling import Foldover
from limelens.surrogates import cosine_distance, kernel_weights

OPERATORS = []  # PyTorch forgets a library of operators with its object


def declare_operators_of_torchvision():
    """Let torchvision be imported beside a PyTorch that its compiled operators do not fit.

    timm and transformers resize with its Python part. PyPI has its operators for CUDA only, so
    that beside PyTorch's CPU build the import stops at the first one that is missing. Those are
    declared here; nothing that is tested calls one.
    """
    import torch

    declared = []
    while True:
        try:
            import torchvision  # noqa: F401
        except RuntimeError as error:
            missing = re.search(r"operator torchvision::(\w+) does not exist", str(error))
            if missing is None or missing[1] in declared:
                raise
            declared.append(missing[1])
            OPERATORS.append(torch.library.Library("torchvision", "FRAGMENT"))
            OPERATORS[-1].define(f"{missing[1]}(Tensor a, Tensor b, float c) -> Tensor")
        else:
            return


def pytest_configure():
    if find_spec("torch"):
        os.environ.setdefault("KERAS_BACKEND", "torch")
        if find_spec("torchvision"):
            declare_operators_of_torchvision()


@pytest.fixture(scope="session")
def masked_images():
    """Return a function from a `Recorder` to all masked images that it was shown.

    The first batch holds both ends, and the last image of a later one is the intact one again. An
    end that is shown alone is no masked image.
    """

    def shown(model):
        intact, batches = model.batches[0][0], [each for each in model.batches[1:] if len(each) > 1]
        again = next(i for i, each in enumerate(batches) if np.array_equal(each[-1], intact))
        batches[again] = batches[again][:-1]
        return np.concatenate(batches)

    return shown


@pytest.fixture(scope="session")
def make_rows():
    """Return a function that draws coalitions (n, d), scores (n, t) and LIME's weights (n,).

    The scores bend, so that no surrogate fits them exactly; of the segments only the first
    `n_relevant` matter, where that is given.
    """

    def draw(n=60, d=6, t=2, *, seed=0, noise=0.1, curve=np.tanh, n_relevant=None):
        rng = np.random.default_rng(seed)
        rows = rng.random((n, d)) < 0.5
        rows[0] = True
        effects = rng.normal(size=(d, t))
        effects[d if n_relevant is None else n_relevant :] = 0
        scores = curve(rows @ effects) + noise * rng.normal(size=(n, t))
        return rows, scores, kernel_weights(cosine_distance(rows), 0.25)

    return draw


@pytest.fixture(scope="session")
def make_design():
    """Return a function that draws blocks of complementary pairs, after both ends if asked."""

    def draw(d, n_blocks, *, seed=0, ends=False):
        size = n_blocks * Foldover.block_size(d)
        design = Foldover()(size, d, np.random.default_rng(seed))
        return np.concatenate([np.repeat([[True], [False]], d, axis=1)[: 2 * ends], design])

    return draw


@pytest.fixture
def make():
    """Return a function that builds a small explanation: four segments, two targets."""

    def build(**changes):
        fields = {
            "image": np.arange(27, dtype=np.uint8).reshape(3, 3, 3),
            "channel_axis": 2,
            "importances": np.array([[0.5, -0.25, 0.0, 0.125], [0.0, 1.0, -2.0, 0.0]]),
            "segments": np.array([[0, 0, 1], [0, 0, 1], [2, 2, 3]]),
            "scores": np.array([0.1, 0.7, 0.2]),
            "hidden_scores": np.array([0.3, 0.3, 0.4]),
            "targets": (1, 2),
            "target_names": ("cat", "dog"),
        }
        return Explanation(**(fields | changes))

    return build


@pytest.fixture
def scored(make):
    """Return that explanation with everything that pictures say of a target."""
    return make(
        target_values=np.array([[0.7, 0.3], [0.2, 0.4]]),
        fidelity=np.array([0.95, 0.4]),
        reliability=np.array([0.8, np.nan]),
        standard_errors=np.full((2, 4), 0.0625),
        explainer="Lime(n_samples=9)",
        n_predictions=10,
    )


@pytest.fixture
def words(monkeypatch):
    """Return the words of every page of panels, and after them its pictures."""
    pages = []

    def remember(*args, **options):
        drawing = arrange(*args, **options)
        pages.append(
            [mark.text for mark in drawing.marks if isinstance(mark, Words)]
            + [mark for mark in drawing.marks if isinstance(mark, Tile)]
        )
        return drawing

    for module in (target_panels, show):
        monkeypatch.setattr(module, "arrange", remember)
    return pages
