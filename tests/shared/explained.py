"""A small image, a model of it, and every explainer at a small budget."""

import numpy as np
import pytest

import limelens as ll

IMAGE = np.random.default_rng(0).random((24, 24)) + 0.5
GRID = ll.Grid(64)
EXPLAINERS = {
    "Lime": ll.Lime(segmenter=GRID, n_samples=100),
    "QuickLime": ll.QuickLime(segmenter=GRID, max_samples=100),
    "Ablation": ll.Ablation(segmenter=GRID),
    "Occlusion": ll.Occlusion(window=4, stride=2),
    "Rise": ll.Rise(n_masks=80),
    "KernelShap": ll.KernelShap(segmenter=ll.Grid(16), n_samples=80),
    "QuickShap": ll.QuickShap(segmenter=ll.Grid(16), max_samples=80),
    "PermutationShapley": ll.PermutationShapley(segmenter=ll.Grid(16), n_permutations=3),
    "ExactShapley": ll.ExactShapley(segmenter=ll.Grid(4)),
    "Owen": ll.Owen(segmenter=GRID, max_samples=60),
    "Sharp": ll.Sharp(max_samples=60),
    "Anchors": ll.Anchors(segmenter=ll.Grid(16), max_samples=200),
}
every_explainer = pytest.mark.parametrize("name", EXPLAINERS)
quietly = pytest.mark.filterwarnings("ignore::limelens.errors.LimelensWarning")


def logits(batch):
    batch = np.asarray(batch, dtype=np.float64) ** 2
    left, right = batch[:, :, :12].mean(axis=(1, 2)), batch[:, :, 12:].mean(axis=(1, 2))
    return np.stack([3 * left, 2 * right], axis=1)
