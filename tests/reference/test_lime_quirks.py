"""lime's corners: its state, its failures, its rounding, and what `strict_lime` brings back."""

import io
import re
import unittest
import warnings

import numpy as np
import pytest
from sklearn.linear_model import Lasso

from limelens.compat import lime_image
from limelens.compat.lime_base import LimeBase
from limelens.compat.scikit_image import BaseWrapper, SegmentationAlgorithm

lime = pytest.importorskip("lime.lime_image", reason="needs the extra `reference`")

TOLERANCE = 1e-10
IMAGE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
SEGMENTS = np.add.outer(np.arange(24) // 8 * 4, np.arange(32) // 8)
WEIGHTS = np.random.default_rng(1).normal(size=12)
CLOSE = {"rtol": 0, "atol": TOLERANCE}


class Model:
    """Two scores that depend on the brightness of the twelve cells; remembers its batches."""

    def __init__(self, function=lambda cells: np.tanh(cells @ WEIGHTS)):
        self.function = function
        self.batches = []

    def __call__(self, batch):
        self.batches.append(batch.copy())
        pixels = batch.astype(np.float64).mean(axis=tuple(range(3, batch.ndim))) / 255
        cells = pixels.reshape(len(batch), 3, 8, 4, 8).mean(axis=(2, 4)).reshape(len(batch), -1)
        scores = self.function(cells)
        return np.stack([scores, 1 - 2 * scores], axis=1)


def explain(package, model, *, segments=SEGMENTS, image=IMAGE, explainer=None, **settings):
    construction = {"random_state": 0} | (explainer or {})
    settings = {"num_samples": 60, "hide_color": 0} | settings
    return package.LimeImageExplainer(**construction).explain_instance(
        image, model, segmentation_fn=lambda image: segments, **settings
    )


def both(function=None, *, strict=True, explainer=None, **settings):
    models = [Model() if function is None else Model(function) for _ in range(2)]
    theirs = explain(lime, models[0], explainer=explainer, **settings)
    ours = explain(
        lime_image, models[1], explainer={"strict_lime": strict} | (explainer or {}), **settings
    )
    for mine, lime_s in zip(models[1].batches, models[0].batches, strict=True):
        np.testing.assert_array_equal(mine, lime_s, strict=True)
    for label, weights in theirs.local_exp.items():
        expected, found = dict(weights), dict(ours.local_exp[label])
        assert sorted(found) == sorted(expected)
        np.testing.assert_allclose([found[k] for k in expected], list(expected.values()), **CLOSE)
        np.testing.assert_allclose(ours.intercept[label], theirs.intercept[label], **CLOSE)
    np.testing.assert_allclose(ours.score, theirs.score, **CLOSE)
    np.testing.assert_allclose(ours.local_pred, theirs.local_pred, **CLOSE)
    return theirs, ours


def assert_same_picture(theirs, ours, label, **settings):
    expected = theirs.get_image_and_mask(label, **settings)
    for mine, lime_s in zip(ours.get_image_and_mask(label, **settings), expected, strict=True):
        np.testing.assert_array_equal(mine, lime_s, strict=True)


def test_the_generator_advances_from_call_to_call():
    pair = [p.LimeImageExplainer(random_state=3) for p in (lime, lime_image)]
    for _ in range(2):
        models = Model(), Model()
        for explainer, model in zip(pair, models, strict=True):
            explainer.explain_instance(
                IMAGE, model, num_samples=9, segmentation_fn=lambda image: SEGMENTS
            )
        np.testing.assert_array_equal(models[0].batches[0], models[1].batches[0])
    states = [explainer.random_state.get_state()[1:3] for explainer in pair]
    np.testing.assert_array_equal(states[0][0], states[1][0])
    assert states[0][1] == states[1][1]


def test_a_random_state_given_is_shared_and_none_is_numpy_s_own():
    shared = np.random.RandomState(5)
    explainer = lime_image.LimeImageExplainer(random_state=shared)
    assert explainer.random_state is explainer.base.random_state is shared
    theirs = lime.LimeImageExplainer().random_state
    assert lime_image.LimeImageExplainer().random_state is theirs


def test_data_labels_draws_and_answers_as_lime_does():
    rows = [
        package.LimeImageExplainer(random_state=1).data_labels(
            IMAGE, np.zeros_like(IMAGE), SEGMENTS, Model(), 23, batch_size=5
        )
        for package in (lime, lime_image)
    ]
    for theirs, ours in zip(*rows, strict=True):
        np.testing.assert_array_equal(ours, theirs, strict=True)


@pytest.mark.parametrize("method", ["forward_selection", "highest_weights", "lasso_path"])
@pytest.mark.parametrize(
    "function",
    [
        lambda cells: cells[:, 2] - 2 * cells[:, 7],
        lambda cells: cells @ np.arange(12) * 0.01,
        lambda cells: np.full(len(cells), 0.5),
        lambda cells: np.round(cells[:, 1] * 2),
    ],
    ids=["two segments", "linear", "constant", "steps"],
)
@pytest.mark.filterwarnings("ignore:Ill-conditioned")
def test_equal_candidates_are_told_apart_as_scikit_learn_rounds(function, method):
    for seed in range(2):
        explainer = {"feature_selection": method, "random_state": seed}
        both(function, explainer=explainer, num_features=4)


@pytest.mark.filterwarnings("ignore")  # scikit-learn's, of singular fits
@pytest.mark.parametrize("method", ["forward_selection", "highest_weights", "lasso_path", "none"])
def test_fewer_rows_than_segments(method):
    both(num_samples=8, num_features=8, explainer={"feature_selection": method})


def test_weights_that_vanish_leave_the_fit_to_scikit_learn():
    both(explainer={"kernel_width": 0.001}, num_samples=30)


@pytest.mark.parametrize(
    "segments", [SEGMENTS + 1, SEGMENTS * 3 - 6, SEGMENTS % 5 * 2], ids=["from 1", "gaps", "even"]
)
@pytest.mark.parametrize("hide_color", [None, 9])
def test_strict_hides_only_what_lime_hides(segments, hide_color):
    theirs, ours = both(segments=segments, hide_color=hide_color)
    np.testing.assert_array_equal(ours.segments, segments)
    for settings in ({}, {"positive_only": False, "num_features": 100}):
        assert_same_picture(theirs, ours, 0, **settings)


def test_strict_paints_zero_weights_green():
    theirs, ours = both(model_regressor=Lasso(alpha=10))
    assert not any(weight for _, weight in ours.local_exp[0])
    for settings in ({}, {"positive_only": False}, {"positive_only": False, "hide_rest": True}):
        assert_same_picture(theirs, ours, 0, **settings)


def outcome(call):
    """Return the type and the words of what a call raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call()
        except Exception as error:  # noqa: BLE001 - whatever lime raises
            return type(error), str(error)
    return None


@pytest.mark.parametrize("channels", [1, 2, 4, 6])
@pytest.mark.parametrize("hide_color", [None, 0])
@pytest.mark.parametrize("own_segments", [False, True])
def test_strict_fails_where_lime_fails_on_channels(channels, hide_color, own_segments):
    image = np.random.default_rng(2).integers(0, 256, (24, 32, channels), dtype=np.uint8)

    def run(package, **settings):
        model, explainer = Model(), package.LimeImageExplainer(random_state=0, **settings)
        segmenter = (lambda image: SEGMENTS) if own_segments else None
        explainer.explain_instance(
            image, model, hide_color=hide_color, num_samples=20, segmentation_fn=segmenter
        )

    theirs = outcome(lambda: run(lime))
    ours = outcome(lambda: run(lime_image, strict_lime=True))
    assert (theirs is None) == (ours is None) == (own_segments and hide_color == 0)
    if theirs:
        assert ours[0] is theirs[0]


def test_strict_fails_on_one_score_an_image():
    def run(package, **settings):
        explain(package, lambda batch: batch.mean(axis=(1, 2, 3)), explainer=settings)

    assert outcome(lambda: run(lime_image, strict_lime=True)) == outcome(lambda: run(lime))


def test_errors_have_lime_s_words():
    theirs, ours = both(labels=(1,), top_labels=None)
    for settings in (
        {"label": 0},
        {"label": 1, "positive_only": True, "negative_only": True},
        {"label": 1, "negative_only": True},
    ):
        expected = outcome(lambda s=settings: theirs.get_image_and_mask(**s))
        assert expected is not None
        assert outcome(lambda s=settings: ours.get_image_and_mask(**s)) == expected
    with pytest.raises(TypeError, match=re.escape(outcome(lambda: float(None))[1])):
        lime_image.LimeImageExplainer(kernel_width=None)


def test_verbose_prints_the_same_lines(capsys):
    lines = []
    for package in (lime, lime_image):
        explain(package, Model(), explainer={"verbose": True}, labels=(1, 0), top_labels=None)
        lines.append(capsys.readouterr().out.split())
    assert len(lines[0]) == len(lines[1]) == 12
    for theirs, ours in zip(*lines, strict=True):
        try:
            np.testing.assert_allclose(float(ours.strip("[]")), float(theirs.strip("[]")), **CLOSE)
        except ValueError:
            assert ours == theirs


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize(
    "method", ["auto", "none", "forward_selection", "highest_weights", "lasso_path"]
)
def test_lime_base_selects_and_fits_any_rows(method, binary):
    from lime.lime_base import LimeBase as LimeLimeBase

    rng = np.random.default_rng(4)
    rows = rng.integers(0, 2, (80, 9)) if binary else rng.normal(size=(80, 9))
    rows[0] = 1
    scores = np.stack([rows @ rng.normal(size=9) + rng.normal(size=80), rng.random(80)], axis=1)
    distances = rng.random(80)
    theirs, ours = (base(lambda d: np.exp(-d), random_state=0) for base in (LimeLimeBase, LimeBase))
    weights = np.exp(-distances)
    for n in (4, 7, 20):
        np.testing.assert_array_equal(
            ours.feature_selection(rows, scores[:, 1], weights, n, method),
            theirs.feature_selection(rows, scores[:, 1], weights, n, method),
        )
        expected = theirs.explain_instance_with_data(rows, scores, distances, 1, n, method)
        found = ours.explain_instance_with_data(rows, scores, distances, 1, n, method)
        assert [k for k, _ in found[1]] == [k for k, _ in expected[1]]
        np.testing.assert_allclose(np.array(found[1]), np.array(expected[1]), **CLOSE)
        for part in (0, 2, 3):
            np.testing.assert_allclose(found[part], expected[part], **CLOSE)
    np.testing.assert_array_equal(
        ours.forward_selection(rows, scores[:, 0], weights, 3),
        theirs.forward_selection(rows, scores[:, 0], weights, 3),
    )
    for mine, lime_s in zip(
        ours.generate_lars_path(rows * 1.0, scores[:, 0]),
        theirs.generate_lars_path(rows * 1.0, scores[:, 0]),
        strict=True,
    ):
        np.testing.assert_array_equal(mine, lime_s)


def test_lime_s_own_tests_of_its_segmenters_pass_on_ours(monkeypatch):
    from lime.tests import test_scikit_image as upstream
    from skimage.segmentation import quickshift

    def without_seed(image, random_seed, **settings):
        return quickshift(image, **settings)  # scikit-image has renamed it

    monkeypatch.setattr(upstream, "BaseWrapper", BaseWrapper)
    monkeypatch.setattr(upstream, "SegmentationAlgorithm", SegmentationAlgorithm)
    monkeypatch.setattr(upstream, "quickshift", without_seed)
    suite = unittest.defaultTestLoader.loadTestsFromModule(upstream)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = unittest.TextTestRunner(stream=io.StringIO()).run(suite)
    assert result.testsRun == 7
    assert result.wasSuccessful(), result.failures + result.errors
