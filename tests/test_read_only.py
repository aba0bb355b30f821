"""Whatever a caller's function is shown it cannot change."""

import numpy as np
import pytest

import limelens as ll
from limelens.surrogates import Fit

IMAGE = np.arange(12.0).reshape(3, 4)
GRID = ll.Grid(cell=1)


def model(batch):
    return batch.reshape(len(batch), -1)[:, :2]


def writes_image(image, segments=None):
    image[...] = 0


def writes_segments(image, segments):
    segments[...] = 0


def surrogate_that_writes(which):
    def surrogate(*rows):
        rows[which][...] = 0
        return Fit(importances=np.zeros((1, 12)), intercepts=np.zeros(1))

    return surrogate


def writes_scores(scores):
    scores -= scores.max()
    return scores[:, 0]


def gradient_model():
    return ll.with_gradient(model, lambda batch, target: batch * 0)


CASES = {
    "fill, image": lambda: ll.Lime(segmenter=GRID, fill=writes_image).explain(IMAGE, model),
    "fill, segments": lambda: ll.Lime(segmenter=GRID, fill=writes_segments).explain(IMAGE, model),
    "fill of windows": lambda: ll.Occlusion(window=2, fill=writes_image).explain(IMAGE, model),
    "segmenter": lambda: ll.Lime(segmenter=writes_image).explain(IMAGE, model),
    "tree, image": lambda: ll.Owen(segmenter=GRID, tree=writes_image).explain(IMAGE, model),
    "tree, segments": lambda: ll.Owen(segmenter=GRID, tree=writes_segments).explain(IMAGE, model),
    "surrogate, coalitions": lambda: ll.Lime(
        segmenter=GRID, surrogate=surrogate_that_writes(0)
    ).explain(IMAGE, model),
    "surrogate, values": lambda: ll.Lime(
        segmenter=GRID, surrogate=surrogate_that_writes(1)
    ).explain(IMAGE, model),
    "surrogate, weights": lambda: ll.KernelShap(
        segmenter=GRID, n_samples=40, surrogate=surrogate_that_writes(2)
    ).explain(IMAGE, model),
    "target": lambda: ll.Lime(segmenter=GRID).explain(IMAGE, model, target=writes_scores),
    "baseline": lambda: ll.IntegratedGradients(baseline=writes_image).explain(
        IMAGE, gradient_model()
    ),
    "baselines": lambda: ll.ExpectedGradients(samples=writes_image).explain(
        IMAGE, gradient_model()
    ),
    "fill of masked_image": lambda: explanation().masked_image(1, fill=writes_image),
    "segments of masked_image": lambda: explanation().masked_image(1, fill=writes_segments),
    "segmenter of segment_preview": lambda: ll.segment_preview(IMAGE, writes_image),
}


def explanation():
    return ll.Ablation(segmenter=GRID, fill=ll.Constant(0)).explain(IMAGE, model)


@pytest.mark.parametrize("case", CASES)
def test_writing_into_what_is_shown_is_refused_by_numpy(case):
    before = IMAGE.copy()
    with pytest.raises(ValueError, match=r"read-only"):
        CASES[case]()
    np.testing.assert_array_equal(IMAGE, before)


def test_a_sampler_is_shown_no_array():
    seen = []

    def sampler(*arguments):
        seen.extend(type(each) for each in arguments)
        return np.eye(12, dtype=bool)

    ridge = ll.Ridge()
    ll.Lime(segmenter=GRID, n_samples=12, sampler=sampler, surrogate=ridge).explain(IMAGE, model)
    assert seen == [int, int, np.random.Generator]
