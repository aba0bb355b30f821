"""Every explainer gives the numbers it gave when they were recorded.

`python tests/test_recorded.py` records them anew: do so only for a change that is meant to give
other numbers, say in the changelog which, and look at what else the record changed.
"""

from pathlib import Path

import numpy as np
import pytest

import limelens as ll

DATA = Path(__file__).parent / "data"
RECORD, VERSION_1 = DATA / "recorded.npz", DATA / "version1.npz"

GRID = ll.Grid(cell=3)
EXPLAINERS = {
    "Ablation": ll.Ablation(segmenter=GRID, fill=ll.ImageMean()),
    "Ablation keep": ll.Ablation(segmenter=GRID, keep=True, interactions=True),
    "Anchors": ll.Anchors(segmenter=ll.Grid(6), max_samples=300, fill=ll.ImageMean()),
    "ExactShapley": ll.ExactShapley(segmenter=ll.Grid(6), fill=ll.ImageMean()),
    "ExpectedGradients": ll.ExpectedGradients(samples=ll.Noise(low=0.0, high=1.0, n=3), n_steps=9),
    "GradCam": ll.GradCam(),
    "IntegratedGradients": ll.IntegratedGradients(n_steps=5),
    "KernelShap": ll.KernelShap(segmenter=GRID, n_samples=150, fill=ll.ImageMean()),
    "Lime": ll.Lime(segmenter=GRID, n_samples=120, fill=ll.ImageMean()),
    "Lime foldover": ll.Lime(
        segmenter=GRID, n_samples=96, sampler=ll.Foldover(), surrogate=ll.Ridge()
    ),
    "Lime forest": ll.Lime(segmenter=GRID, n_samples=120, surrogate=ll.Tree(max_depth=3)),
    "Lime process": ll.Lime(segmenter=GRID, n_samples=96, surrogate=ll.GaussianProcess()),
    "Lime selected": ll.Lime(segmenter=GRID, n_samples=96, surrogate=ll.ForwardSelection(3)),
    "Occlusion": ll.Occlusion(window=4, stride=2, fill=ll.ImageMean()),
    "Occlusion gaussian": ll.Occlusion(window=4, stride=2, shape="gaussian", fill=ll.Blur(2)),
    "Owen": ll.Owen(segmenter=GRID, max_samples=60, fill=ll.ImageMean()),
    "PermutationShapley": ll.PermutationShapley(segmenter=GRID, n_permutations=3),
    "QuickLime": ll.QuickLime(segmenter=GRID, fill=ll.SegmentMean()),
    "QuickLime few": ll.QuickLime(segmenter=ll.Grid(6), max_samples=64, fill=ll.SegmentMean()),
    "QuickShap": ll.QuickShap(segmenter=GRID, max_samples=160, fill=ll.ImageMean()),
    "Rise": ll.Rise(n_masks=60, grid=3, fill=ll.ImageMean()),
    "Rise published": ll.Rise(n_masks=60, grid=3, debiased=False, fill=ll.ImageMean()),
    "Sharp": ll.Sharp(max_samples=40, segmenters=[GRID, ll.Grid(6)]),
}
GRADIENTS = ("ExpectedGradients", "GradCam", "IntegratedGradients")


def picture(name):
    rng = np.random.default_rng(len(name))
    if name == "grey":
        return (rng.random((9, 12)) * 255).astype(np.uint8)
    return rng.random((9, 15, 3) if name == "colour" else (4, 9, 12))


class Model:
    """Probabilities of three classes, from a layer of sixteen tanh of the pixels."""

    def __init__(self, shape):
        rng = np.random.default_rng(7)
        self.inside = rng.normal(size=(int(np.prod(shape)), 16)) / 3
        self.outside = rng.normal(size=(16, 3))

    def _layers(self, batch):
        scale = 255 if batch.dtype == np.uint8 else 1
        flat = batch.reshape(len(batch), -1).astype(np.float64) / scale
        # Sums, as a matrix product may round differently for another batch size.
        hidden = np.tanh((flat[:, :, None] * self.inside).sum(axis=1))
        logits = (hidden[:, :, None] * self.outside).sum(axis=1)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return hidden, odds / odds.sum(axis=1, keepdims=True)

    def __call__(self, batch):
        return self._layers(batch)[1]

    def gradient(self, batch, target):
        hidden, p = self._layers(batch)
        by_logits = p[:, [target]] * (np.eye(3)[target] - p)
        by_hidden = (by_logits[:, None, :] * self.outside).sum(axis=2)
        by_inside = by_hidden * (1 - hidden**2)
        return (by_inside[:, None, :] * self.inside).sum(axis=2).reshape(batch.shape)

    def features(self, batch, target):
        hidden, _ = self._layers(batch)
        cells = (2,) * (3 if batch.shape[1] == 4 else 2)
        maps = hidden[:, : int(np.prod(cells))].reshape(-1, 1, *cells)
        return maps, maps**2


def explain(name, image_name, seed):
    image = picture(image_name)
    channel_axis = None if image_name == "volume" else -1
    model = Model(image.shape)
    return EXPLAINERS[name].explain(
        image, model, target=[0, 2], channel_axis=channel_axis, rng=seed
    )


def numbers(explanation):
    """Return what must stay, one after the other; one number stands for all scores and rows."""
    scores = explanation.samples.scores[:, 0]
    optional = (explanation.standard_errors, explanation.fidelity, explanation.reliability)
    parts = [
        explanation.importances,
        np.array([explanation.n_predictions, scores @ np.cos(np.arange(len(scores)))]),
        *(value for value in optional if value is not None),
    ]
    return np.concatenate([part.ravel() for part in parts])


def cases():
    for name in EXPLAINERS:
        for image in ("colour", "grey", "volume"):
            if not (name in GRADIENTS and image == "grey"):
                for seed in (0, 1):
                    yield name, image, seed


@pytest.mark.filterwarnings("ignore::limelens.errors.LimelensWarning")
@pytest.mark.parametrize(("name", "image", "seed"), list(cases()))
def test_the_numbers_are_those_recorded(name, image, seed):
    with np.load(RECORD) as record:
        wanted = record[f"{name}/{image}/{seed}"]
    explanation = explain(name, image, seed)
    found, n_exact = numbers(explanation), explanation.importances.size + 2
    # One processor's matrix products differ from another's in the last digits, which the
    # standard errors of a process enlarge.
    np.testing.assert_allclose(found[:n_exact], wanted[:n_exact], rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(found[n_exact:], wanted[n_exact:], rtol=1e-4, atol=1e-8)


def test_a_file_of_version_1_loads():
    explanation = ll.Explanation.load(VERSION_1)
    with np.load(RECORD) as record:
        np.testing.assert_array_equal(explanation.importances, record["version 1/importances"])
    assert explanation.target_names == ("0", "2")


@pytest.mark.parametrize("what", ["explanation", "samples"])
def test_rows_of_a_version_1_file_cost_one_image(what):
    earlier = ll.Explanation.load(VERSION_1)
    image = picture("colour")
    reuse = earlier if what == "explanation" else earlier.samples
    again = EXPLAINERS["Lime"].explain(image, Model(image.shape), target=[0, 2], rng=0, reuse=reuse)
    assert again.n_predictions == 1
    np.testing.assert_allclose(again.importances, earlier.importances, rtol=1e-9)


def record():
    """Write the numbers of every case, and print which differ from those before."""
    found = {
        f"{name}/{image}/{seed}": numbers(explain(name, image, seed))
        for name, image, seed in cases()
    }
    found["version 1/importances"] = ll.Explanation.load(VERSION_1).importances
    if RECORD.exists():
        with np.load(RECORD) as earlier:
            for key in sorted(earlier.keys() | found.keys()):
                same = key in earlier and key in found
                if not (same and np.array_equal(earlier[key], found[key], equal_nan=True)):
                    print("differs:", key)  # noqa: T201
    np.savez_compressed(RECORD, **found)


if __name__ == "__main__":
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        record()
