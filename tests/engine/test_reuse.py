"""Rows of an earlier run: the same query takes them for one image, any other one is refused."""

from dataclasses import replace

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError
from limelens.testing import Recorder

RNG = np.random.default_rng(0)
IMAGE, WEIGHTS = RNG.random((24, 24, 3)).astype(np.float32), RNG.random((24, 24, 3))
GRID = ll.Grid(16)
LABELS = GRID(IMAGE)
ABLATION = ll.Ablation(segmenter=GRID)


def model(batch):
    scores = (batch.astype(float) * WEIGHTS).sum(axis=(1, 2, 3))
    return np.stack([scores, scores**2 / 100, 1 - scores / 1000], axis=1)


FIRST = ABLATION.explain(IMAGE, model, target=0, class_names=["a", "b", "c"])


def of_labels(labels, **settings):
    return ll.Ablation(segmenter=ll.LabelImage(labels), **settings)


CORNER = np.zeros((24, 24), bool)
CORNER[4:] = True

OTHER = {
    # segments
    "fewer segments": {"explainer": ll.Ablation(segmenter=ll.Grid(9))},
    "as many other segments": {"explainer": of_labels(np.arange(576).reshape(24, 24) % 16)},
    "the same segments, renumbered": {"explainer": of_labels(RNG.permutation(16)[LABELS])},
    "fewer pixels that count": {"valid": CORNER},
    # what hides
    "another fill": {"explainer": ll.Ablation(segmenter=GRID, fill=ll.Constant(0))},
    "two backgrounds": {
        "explainer": ll.Ablation(segmenter=GRID, fill=ll.Backgrounds(np.zeros((2, 24, 24, 3))))
    },
    "windows": {"explainer": ll.Occlusion(window=6, stride=6)},
    "soft masks": {"explainer": ll.Rise(n_masks=20)},
    "many segmentations": {"explainer": ll.Sharp(max_samples=32)},
    # the image
    "upside down": {"image": IMAGE[::-1]},
    "float64": {"image": IMAGE.astype(np.float64)},
    "uint8": {"image": (255 * IMAGE).astype(np.uint8)},
    "twice as bright": {"image": 2 * IMAGE},
    "a last digit": {"image": np.nextafter(IMAGE, 2)},
    "channels first": {"image": np.moveaxis(IMAGE, -1, 0), "channel_axis": 0},
    "a volume": {"channel_axis": None},
}
AS_IT_IS = {
    "the same": {},
    "other ids of the segments": {"explainer": of_labels(10 * LABELS + 7)},
    "all pixels count": {"valid": np.ones((24, 24), bool)},
    "another byte order": {"image": IMAGE.astype(">f4")},
    "another order in memory": {"image": np.asfortranarray(IMAGE)},
    "the channel axis by its number": {"channel_axis": 2},
    "another target": {"target": 1},
    "several targets": {"target": [2, 0]},
    "the highest": {"target": ll.Top(3)},
    "a target by name": {"target": "b", "class_names": ["c", "b", "a"]},
    "a margin": {"target": ll.margin(0, 1)},
    "a function": {"target": lambda scores: scores[:, 0] * 2},
    "rows of one target": {"reuse": FIRST.for_target(0)},
    "its samples": {"reuse": FIRST.samples},
    "rows that are there twice": {
        "reuse": replace(
            FIRST.samples,
            keys=np.concatenate([FIRST.samples.keys] * 2),
            scores=np.concatenate([FIRST.samples.scores, FIRST.samples.scores + 1]),
        )
    },
}
MODELS = {
    "columns the other way round": lambda batch: model(batch)[:, ::-1],
    "two columns changed": lambda batch: model(batch)[:, [1, 0, 2]],
    "a column less": lambda batch: model(batch)[:, :2],
    "columns more": lambda batch: np.tile(model(batch), (1, 2)),
    "one score": lambda batch: model(batch)[:, 0],
    "every score larger": lambda batch: 1.2 * model(batch),
    "every score negative": lambda batch: -model(batch),
    "whole numbers": lambda batch: model(batch).astype(int),
}


def explain(predict_fn=model, **changes):
    how = {"explainer": ABLATION, "image": IMAGE, "target": 0, "rng": 0, "reuse": FIRST} | changes
    return how.pop("explainer").explain(how.pop("image"), predict_fn, **how)


@pytest.mark.parametrize("change", OTHER)
def test_rows_of_another_query_are_refused_before_a_call(change):
    with pytest.raises(InvalidInputError, match="`reuse` holds rows of another"):
        explain(lambda batch: pytest.fail("asked"), **OTHER[change])


@pytest.mark.parametrize("change", AS_IT_IS)
def test_rows_of_the_same_query_cost_one_image_and_give_the_same_map(change):
    asked = Recorder(model)
    found = explain(asked, **AS_IT_IS[change])
    assert asked.n_images == found.n_predictions == 1
    fresh = explain(**AS_IT_IS[change] | {"reuse": None})
    np.testing.assert_array_equal(found.importances, fresh.importances)
    assert found.target_names == fresh.target_names


@pytest.mark.parametrize("name", MODELS)
def test_rows_of_another_model_are_refused_for_one_image(name):
    asked = Recorder(MODELS[name])
    with pytest.raises(InvalidInputError, match="`reuse` holds rows of another model"):
        explain(asked)
    assert asked.n_images == 1


@pytest.mark.parametrize(
    "explainer",
    [
        ll.Lime(segmenter=GRID, n_samples=60),
        ll.KernelShap(segmenter=GRID, n_samples=60),
        ll.Anchors(segmenter=GRID, max_samples=60),
        ll.Owen(segmenter=GRID, max_samples=40),
        ll.PermutationShapley(segmenter=GRID, n_permutations=1),
    ],
    ids=lambda each: type(each).__name__,
)
def test_other_methods_on_the_same_segments_take_the_rows_and_answer_alike(explainer):
    found, fresh = explain(explainer=explainer), explain(explainer=explainer, reuse=None)
    np.testing.assert_allclose(found.importances, fresh.importances, rtol=1e-9, atol=1e-12)
    assert found.n_predictions < fresh.n_predictions


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (ll.Occlusion(window=6, stride=6), ll.Occlusion(window=4, stride=4)),
        (ll.Occlusion(window=6, stride=6), ll.Occlusion(window=6, stride=3)),
        (ll.Rise(n_masks=20, p=0.5), ll.Rise(n_masks=20, p=0.3)),
    ],
)
def test_windows_and_masks_of_other_settings_are_not_mixed_up(first, second):
    rows = explain(explainer=first, reuse=None)
    found, fresh = explain(explainer=second, reuse=rows), explain(explainer=second, reuse=None)
    np.testing.assert_allclose(found.importances, fresh.importances, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("wrong", [{"samples": 1}, np.ones((3, 3)), [FIRST], "why.npz", 7, True])
def test_what_holds_no_rows_is_refused(wrong):
    with pytest.raises(InvalidInputError, match="`reuse` must be an Explanation or its samples"):
        explain(reuse=wrong)
