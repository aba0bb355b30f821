"""Which unit the importances of every method have."""

import numpy as np
import pytest

import limelens as ll
from limelens.results.units import unit_of

IMAGE = np.random.default_rng(0).random((12, 12))


class Model:
    """Counts bright pixels, with slopes and features."""

    def __call__(self, batch):
        return (batch**2).sum(axis=(1, 2))

    def gradient(self, batch, target):
        return 2 * batch

    def features(self, batch, target):
        return batch[:, np.newaxis], np.ones((len(batch), 1, 12, 12))


GRID, BLACK = ll.Grid(4), ll.Constant(0)
OWEN = ll.Owen(segmenter=GRID, fill=BLACK)
SHARP = ll.Sharp(segmenters=[GRID, ll.Grid(9)], fill=BLACK)
UNITS = [
    (OWEN, "score"),
    (ll.Occlusion(window=4, stride=4), "score"),
    (ll.Rise(n_masks=20), "score"),
    (SHARP, "score per pixel"),
    (ll.IntegratedGradients(n_steps=3), "score per pixel"),
    (ll.ExpectedGradients(samples=ll.Noise(low=0, high=1, n=2), n_steps=4), "score per pixel"),
    (ll.GradCam(), "activation"),
]


def explain(explainer):
    return explainer.explain(IMAGE, Model(), rng=0)


@pytest.mark.parametrize(("explainer", "unit"), UNITS)
def test_every_method_says_the_unit_of_its_importances(explainer, unit):
    assert unit_of(explain(explainer).details) == unit


def test_shares_of_pixels_summed_over_regions_are_changes_of_the_score():
    halves = np.indices((12, 12))[0] // 6
    assert unit_of(explain(SHARP).by_segment(halves).details) == "score"
    assert unit_of(explain(ll.GradCam()).by_segment(halves).details) == "activation"


@pytest.mark.parametrize(
    ("explainers", "unit"),
    [
        ([OWEN, OWEN], "score"),
        ([OWEN, ll.Owen(segmenter=ll.Grid(9), fill=BLACK)], "score per pixel"),
        ([SHARP, SHARP], "score per pixel"),
    ],
)
def test_a_mean_has_the_unit_of_its_parts(explainers, unit):
    assert unit_of(ll.average([explain(each) for each in explainers]).details) == unit
