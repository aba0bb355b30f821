"""D-RISE and SBSM as xaitk-saliency defines them, on the masks that `Rise` made."""

import numpy as np
import pytest

import limelens as ll
from limelens.testing import ObjectDetector, Recorder

pytest.importorskip("xaitk_saliency", reason="needs xaitk-saliency")

from xaitk_saliency.impls.gen_descriptor_sim_sal.similarity_scoring import (
    SimilarityScoring,
)
from xaitk_saliency.impls.gen_detector_prop_sal.drise_scoring import DRISEScoring

IMAGE = np.ones((12, 16))
IMAGE[2:6, 2:6], IMAGE[7:10, 8:14] = 5, 9
DETECT = ObjectDetector([5, 9], tolerance=2)
BOXES = np.array([[2, 2, 6, 6], [8, 7, 14, 10]])
RISE = {"n_masks": 200, "grid": 4, "fill": ll.Constant(0)}


def run(model, **settings):
    """Explain, and return with it the masks in the order of the scores."""
    recorder = Recorder(model, keep=True)
    rise = ll.Rise(**RISE, **settings)
    explanation = rise.explain(IMAGE, recorder, target=range(2), rng=0)
    shown = np.concatenate(recorder.batches) / IMAGE  # hidden is 0, so this is the mask
    return explanation, shown[2:]  # the first two are the intact and the hidden image


def vectors(found):
    """Return xaitk's rows of box, objectness and classes; its boxes hold their last pixel."""
    rows = np.zeros((2, 7))
    for row, (box, score, label) in enumerate(zip(*found.values(), strict=True)):
        rows[row, :4] = box - [0, 0, 1, 1]
        rows[row, 4], rows[row, 5 + label] = score, 1
    rows[len(found["labels"]) :, 6] = 1  # never found, with objectness 0
    return rows


def test_rise_on_boxes_is_drise():
    scores = ll.box_scores(DETECT, BOXES, labels=[0, 1])
    explanation, masks = run(scores, debiased=False)
    perturbed = np.stack([vectors(found) for found in DETECT(masks * IMAGE)])
    reference = vectors({"boxes": BOXES, "scores": [1, 1], "labels": [0, 1]})
    theirs = DRISEScoring().generate(reference, perturbed, masks)
    # Theirs is per pixel the mean score under the masks that show it, ours the published sum.
    ours = explanation.importances * len(masks) * 0.5 / masks.sum(axis=0)
    np.testing.assert_allclose(theirs, ours / ours.max(axis=(1, 2), keepdims=True), atol=1e-9)


def test_rise_on_similarities_is_sbsm():
    def embed(batch):
        return np.stack(
            [batch[:, :7].mean(axis=(1, 2)), batch[:, 7:].mean(axis=(1, 2)) ** 2], axis=1
        )

    references = np.array([[1.0, 0.0], [0.0, 1.0]])
    scores = ll.similarity_scores(embed, references)
    explanation, masks = run(scores)
    intact, values = scores(IMAGE[np.newaxis])[0], scores(masks * IMAGE)
    # Debiased: mean score shown minus mean score hidden; theirs is how much is lost when hidden,
    # and only where it is a loss.
    shown = np.einsum("nt,nhw->thw", values, masks) / masks.sum(axis=0)
    hidden = shown - explanation.importances
    lost = np.maximum(intact - values, 0)
    gained = np.maximum(values - intact, 0)
    theirs = SimilarityScoring("cosine").generate(
        embed(IMAGE[np.newaxis])[0], references, embed(masks * IMAGE), masks
    )
    weights = (1 - masks).sum(axis=0)
    gains = np.einsum("nt,nhw->thw", gained, 1 - masks) / weights
    ours = intact[:, None, None] - hidden + gains
    np.testing.assert_allclose(ours, np.einsum("nt,nhw->thw", lost, 1 - masks) / weights, atol=1e-9)
    np.testing.assert_allclose(theirs, ours / ours.max(axis=(1, 2), keepdims=True), atol=1e-9)
