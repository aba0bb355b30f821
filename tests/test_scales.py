"""Scores of every size and precision: no false warning, and nothing is painted that is rounding."""

import re
import warnings

import numpy as np
import pytest

import limelens as ll
from limelens._statistics import rounding_share
from limelens.engine.agreement import check_same_model, targets_differ
from limelens.errors import InvalidInputError, LimelensWarning, PredictionError
from limelens.gaussian.linked_fit import possible_links
from limelens.gaussian.rows import merge_rows
from limelens.surrogates import Tree

IMAGE = np.random.default_rng(0).random((16, 16)) + 0.5
GRID = ll.Grid(16)

EXPLAINERS = {
    "Lime": ll.Lime(segmenter=GRID, n_samples=60),
    "Lime, Ridge": ll.Lime(segmenter=GRID, n_samples=60, surrogate=ll.Ridge()),
    "QuickLime": ll.QuickLime(segmenter=ll.Grid(25), max_samples=160),
    "Ablation": ll.Ablation(segmenter=GRID),
    "Occlusion": ll.Occlusion(window=4, stride=4),
    "Rise": ll.Rise(n_masks=60, grid=4),
    "KernelShap": ll.KernelShap(segmenter=GRID, n_samples=60),
    "QuickShap": ll.QuickShap(segmenter=ll.Grid(25), max_samples=240),
    "QuickShap, all": ll.QuickShap(segmenter=ll.Grid(4), max_samples=16),
    "PermutationShapley": ll.PermutationShapley(segmenter=GRID, n_permutations=2),
    "ExactShapley": ll.ExactShapley(segmenter=ll.Grid(4)),
    "Owen": ll.Owen(segmenter=GRID, max_samples=40),
    "Owen, trees": ll.Owen(segmenter=GRID, max_samples=40, n_trees=2),
    "Sharp": ll.Sharp(max_samples=32),
    "Anchors": ll.Anchors(segmenter=ll.Grid(4), max_samples=400, fill=ll.Constant(0)),
    "IntegratedGradients": ll.IntegratedGradients(n_steps=8),
    "ExpectedGradients": ll.ExpectedGradients(
        samples=ll.Backgrounds(np.zeros((1, 16, 16))), n_steps=8
    ),
    "GradCam": ll.GradCam(),
}
quietly = pytest.mark.filterwarnings("ignore::limelens.errors.LimelensWarning")
every_explainer = pytest.mark.parametrize("name", EXPLAINERS)
masking = pytest.mark.parametrize(
    "name", [each for each in EXPLAINERS if "Grad" not in each]
)  # those that show masked images


def bfloat16(scores):
    """Round to eight bits, as `tensor.bfloat16().float()` does."""
    bits = np.asarray(scores, np.float32).view(np.uint32)
    return ((bits + 0x8000) & np.uint32(0xFFFF0000)).view(np.float32)


PRECISIONS = {
    "bfloat16": bfloat16,
    "float16": lambda scores: scores.astype(np.float16),
    "float16 in float32": lambda scores: scores.astype(np.float16).astype(np.float32),
    "float32": lambda scores: scores.astype(np.float32),
}
each_precision = pytest.mark.parametrize("precision", PRECISIONS)
SCALES = {"1": 1.0, "1e-30": 1e-30, "1e+30": 1e30, "1e-140": 1e-140, "1e+98": 1e98}
each_scale = pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)


def halves(batch):
    """Score how bright the left half is, and with it the right one."""
    squares = np.asarray(batch, np.float64) ** 2
    left, right = squares[:, :, :8].mean(axis=(1, 2)), squares[:, :, 8:].mean(axis=(1, 2))
    return np.stack([left + 0.5 * left * right, right], axis=1)


class Model:
    """`halves` with what its users do to it, and its gradient; the layer is the left half."""

    def __init__(self, finish=lambda scores: scores):
        self.finish = finish

    def __call__(self, batch):
        return self.finish(halves(batch))

    def gradient(self, batch, target):
        squares = batch**2
        left, right = squares[:, :, :8].mean(axis=(1, 2)), squares[:, :, 8:].mean(axis=(1, 2))
        slopes = 2 * batch / squares[0, :, :8].size
        slopes[:, :, :8] *= (1 + 0.5 * right)[:, np.newaxis, np.newaxis]
        slopes[:, :, 8:] *= 0.5 * left[:, np.newaxis, np.newaxis]
        return slopes * float(self.finish(np.ones((1, 2)))[0, 0])

    def features(self, batch, target):
        return batch[:, np.newaxis, ::4, ::4], self.gradient(batch, target)[:, np.newaxis, ::4, ::4]


def explain(name, finish=lambda scores: scores, **settings):
    settings = {"target": 0, "rng": 0} | settings
    return EXPLAINERS[name].explain(IMAGE, Model(finish), **settings)


def said(caught):
    return [str(each.message) for each in caught]


# -- sizes -----------------------------------------------------------------------------------------


@every_explainer
@each_scale
def test_scores_of_any_size_give_the_same_map_in_their_size_and_the_same_words(name, scale):
    maps, pictures, words = [], [], []
    for factor in (1.0, scale):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = explain(name, lambda scores, factor=factor: scores * factor)
        maps.append(found.importances / (1.0 if name == "Anchors" else factor))
        pictures.append(np.asarray(found.to_image()))
        words.append([re.sub(r"[\d.e+-]+", "", each) for each in said(caught)])
        assert found.importances.any()
    np.testing.assert_allclose(maps[1], maps[0], rtol=1e-7, atol=1e-9 * np.abs(maps[0]).max())
    assert words[0] == words[1]
    assert np.abs(pictures[1].astype(int) - pictures[0]).max() <= 1


@masking
def test_changes_whose_squares_vanish_are_zero_and_say_so(name):
    with pytest.warns(LimelensWarning, match="multiply the scores by a large one") as caught:
        found = explain(name, lambda scores: scores * 1e-200)
    assert not found.importances.any()
    assert len([each for each in said(caught) if "never changed" in each]) == 1


@masking
def test_scores_whose_squares_are_infinite_are_refused(name):
    with pytest.raises(PredictionError, match=r"up to 1e\+100, so that sums of squares are finite"):
        explain(name, lambda scores: scores * 1e101)


def test_a_tree_of_scores_whose_squares_vanish_has_no_branch():
    rows = np.random.default_rng(0).random((40, 3)) < 0.5
    fit = Tree()(rows, 1e-200 * rows[:, :1].astype(float), np.ones(40))
    assert not fit.importances.any()


@pytest.mark.parametrize("largest", [1e-12, 1e-30, 1e-140])
def test_probabilities_count_by_their_own_size(largest):
    coalitions = np.unique(np.random.default_rng(0).random((40, 6)) < 0.5, axis=0)
    scores = largest * np.linspace(0.2, 1, len(coalitions))[:, np.newaxis]
    rows = merge_rows(coalitions, scores, scores, targets=(0,))
    assert not rows.changes_by_rounding(0)
    assert not rows.has_log_odds(0)
    assert possible_links(rows, "auto", "score") == {0: ["identity"]}


@pytest.mark.parametrize("settings", [{"link": "log-odds"}, {"scale": "link"}], ids=str)
def test_log_odds_below_the_trusted_limits_are_constant(settings):
    quick = ll.QuickLime(segmenter=ll.Grid(25), max_samples=60, **settings)
    words = r"constant: over \d+ coalitions the log-odds stayed the same, .* below 1e-10 counts as"
    with pytest.warns(LimelensWarning, match=words):
        found = quick.explain(IMAGE, lambda batch: 1e-30 * halves(batch), target=0, rng=0)
    assert not found.importances.any()


def test_small_probabilities_are_explained_as_they_are_where_no_log_odds_are_asked_for():
    plain = ll.QuickLime(
        segmenter=ll.Grid(25), max_samples=60, tolerance=0, scale="link", link="identity"
    )
    found = plain.explain(IMAGE, lambda batch: 1e-30 * halves(batch), target=0, rng=0)
    large = plain.explain(IMAGE, lambda batch: 3.0 + halves(batch), target=0, rng=0)
    np.testing.assert_allclose(1e30 * found.importances, large.importances, rtol=1e-6, atol=1e-9)


# -- precisions ------------------------------------------------------------------------------------


@every_explainer
@each_precision
@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e3])
def test_scores_that_move_are_explained_at_every_precision_without_more_words(
    name, precision, scale
):
    exact = explain(name, lambda scores: scores * scale)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = explain(name, lambda scores: PRECISIONS[precision](scores * scale))
    assert "answer_noise" not in found.details
    assert not said(caught)
    assert found.n_predictions == exact.n_predictions or name == "Anchors"
    largest = np.abs(exact.importances).max()
    unit = rounding_share(PRECISIONS[precision](np.random.default_rng(0).random((9, 9))))
    allowed = 1 if name == "Anchors" else 4 * unit * halves(IMAGE[np.newaxis])[0, 0] * scale
    assert np.abs(found.importances - exact.importances).max() < max(allowed, 1e-5 * largest)


@masking
@each_precision
@pytest.mark.parametrize("level", [1.0, 1e-30, 40.0])
def test_what_moves_by_units_in_the_last_place_only_is_not_painted(name, precision, level):
    rng = np.random.default_rng(3)
    unit = {"bfloat16": 2.0**-8, "float32": 2.0**-24}.get(precision, 2.0**-11)
    if "float16" in precision.split() and level == 1e-30:
        level = 1e-3

    def noise(scores):
        steps = np.zeros((len(scores), 1))
        steps[2:] = rng.integers(0, 3, (max(0, len(scores) - 2), 1))
        return PRECISIONS[precision](level * (1 - unit * steps))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = explain(name, noise, batch_size=64)
    assert not found.importances.any()
    assert any("never changed by more than rounding" in each for each in said(caught))
    assert not any("at random" in each or "depends" in each for each in said(caught))


def test_the_rounding_of_large_scores_is_no_wrong_gradient():
    model = Model(lambda scores: (100 + scores).astype(np.float16))  # in steps of 0.06
    model.gradient = lambda batch, target: Model().gradient(batch, target)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ll.IntegratedGradients(n_steps=8).explain(IMAGE / 2, model, target=0)


def test_steps_of_half_precision_below_its_normal_numbers_are_rounding():
    rng = np.random.default_rng(0)

    def model(batch):  # 1e-6 in steps of 6e-8
        steps = rng.integers(0, 3, len(batch)) * (len(batch) > 2)
        return (np.float16(1e-6) + np.float16(6e-8) * steps).astype(np.float16)

    with pytest.warns(LimelensWarning, match="never changed by more than rounding"):
        found = EXPLAINERS["Ablation"].explain(IMAGE, model)
    assert not found.importances.any()


RANDOM = np.random.default_rng(1).random((9, 3))


@pytest.mark.parametrize(
    ("scores", "share"),
    [
        (RANDOM, 8 * 2.0**-52),
        (RANDOM.astype(np.float32), 8 * 2.0**-23),
        (RANDOM.astype(np.float32).astype(float), 8 * 2.0**-23),
        (RANDOM.astype(np.float16), 8 * 2.0**-10),
        (RANDOM.astype(np.float16).astype(float), 8 * 2.0**-10),
        (bfloat16(RANDOM), 2 * 2.0**-7),
        (bfloat16(RANDOM * 1e-30), 2 * 2.0**-7),
        (bfloat16(RANDOM * 1e30), 2 * 2.0**-7),
        (RANDOM.astype(np.longdouble), 8 * 2.0**-52),
        (np.zeros((3, 2)), 8 * 2.0**-52),
        (np.arange(3), 0),
        (RANDOM > 0.5, 0),
    ],
)
def test_the_rounding_is_that_of_the_numbers_whatever_their_dtype(scores, share):
    assert rounding_share(scores) == share


@pytest.mark.parametrize("n", [1, 10, 100, 128, 2000])
def test_votes_counts_and_labels_are_exact(n):
    votes = np.random.default_rng(0).integers(0, n + 1, (50, 1))
    assert rounding_share(votes / n) == 8 * 2.0**-52 or n == 128  # votes of 128 look like float16
    assert rounding_share(votes.astype(float)) == 8 * 2.0**-52
    assert rounding_share(votes.astype(np.float32)) == 8 * 2.0**-23


def test_a_count_that_changes_a_little_is_explained():
    def count(batch):
        return 2000.0 - (batch[:, 0, 0] < 1) * 3.0

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = ll.Ablation(segmenter=ll.Grid(cell=(1, 1)), fill=ll.Constant(0)).explain(
            np.ones((4, 4)), count
        )
    assert found.importances[0].tolist() == [3.0] + [0.0] * 15


# -- targets made of scores ------------------------------------------------------------------------

SATURATED = {
    "margin": (ll.margin(0, 1), 1.0),
    "log_odds": (ll.log_odds(0), 1.0),
    "margin of large logits": (ll.margin(0, 1), 3000.0),
    "a function": (lambda scores: scores[:, 0] - scores[:, 1], 1.0),
}


@quietly
@masking
@pytest.mark.parametrize("case", SATURATED)
def test_targets_of_scores_that_only_round_are_zero_too(name, case):
    target, level = SATURATED[case]
    rng = np.random.default_rng(0)

    def saturated(scores):
        unit = np.spacing(np.float32(level)) / 2
        steps = np.zeros((len(scores), 2))
        steps[2:] = rng.integers(0, 3, (max(0, len(scores) - 2), 2))
        both = np.array([level, level - 0.02 if level > 1 else 1e-7])
        return (both - unit * steps * [1, 0]).astype(np.float32)

    with pytest.warns(LimelensWarning, match="never changed by more than rounding"):
        found = explain(name, saturated, target=target, batch_size=64)
    assert not found.importances.any()


def test_targets_of_scores_are_explained_if_either_end_is_not_saturated():
    def nearly_certain(batch):
        return 1 / (1 + np.exp(-40 * (batch[:, 0, 0] - 0.5))).astype(np.float32)

    found = ll.Ablation(segmenter=ll.Grid(cell=(1, 1)), fill=ll.Constant(0)).explain(
        np.ones((4, 4)), nearly_certain, target=ll.log_odds(0)
    )
    assert found.importances[0, 0] > 20
    assert not found.importances[0, 1:].any()


def test_a_step_that_the_intact_image_is_just_on_is_no_rounding():
    def bright(scores):
        return (scores[:, 0] >= 0.5).astype(float)

    found = ll.Ablation(segmenter=ll.Grid(cell=(1, 1)), fill=ll.Constant(0)).explain(
        np.ones((4, 4)), lambda batch: 0.5 * batch[:, 0, 0], target=bright
    )
    assert found.importances[0].tolist() == [1.0] + [0.0] * 15


def test_a_function_that_refuses_other_scores_than_the_models_is_let_be():
    def target(scores):
        if not np.isin(scores, known).all():
            raise KeyError("never seen")
        return scores[:, 0]

    known = np.unique(halves(IMAGE[np.newaxis]))
    with pytest.warns(LimelensWarning, match="never changed over"):
        EXPLAINERS["Ablation"].explain(IMAGE, lambda b: np.tile(known, (len(b), 1)), target=target)


# -- the second look, at every size ----------------------------------------------------------------


def over_the_batch(scores):
    return scores / scores.sum(axis=0)


@masking
@each_scale
def test_a_dependence_on_the_batch_is_refused_at_every_size(name, scale):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(PredictionError, match="depends on the other images of the batch"):
            explain(name, lambda scores: scale * over_the_batch(scores), batch_size=6)


@masking
@each_precision
def test_a_dependence_on_the_batch_is_refused_at_every_precision(name, precision):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(PredictionError, match="depends on the other images of the batch"):
            explain(name, lambda s: PRECISIONS[precision](over_the_batch(s)), batch_size=6)


@quietly
@masking
@each_scale
def test_answers_at_random_are_told_at_every_size(name, scale):
    rng = np.random.default_rng(0)

    def random(scores):
        return scale * (scores + rng.normal(0, 0.3, (len(scores), 1)))

    with pytest.warns(LimelensWarning, match="answers at random"):
        found = explain(name, random, batch_size=6)
    assert 0.05 < found.details["answer_noise"][0] / scale < 2


@masking
@pytest.mark.parametrize("precision", ["bfloat16", "float16", "float16 in float32"])
def test_another_last_place_in_another_batch_is_no_other_answer(name, precision):
    unit = {"bfloat16": 2.0**-8}.get(precision, 2.0**-11)

    def nearly(scores):  # sums in another order for another number of images
        return PRECISIONS[precision](scores * (1 + unit * (len(scores) % 3)))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = explain(name, nearly, batch_size=7)
    assert not [each for each in said(caught) if "not converged" not in each]
    assert found.details.get("status") != "stochastic"


@pytest.mark.parametrize("large", [1e3, 1e6, 1e-3])
def test_a_target_that_other_scores_dwarf_is_looked_at_by_itself(large):
    rng = np.random.default_rng(0)

    def random(scores):
        small = 1e-4 * large * (scores[:, 1:] + rng.normal(0, 0.1, (len(scores), 1)))
        return np.concatenate([large * scores[:, :1], small], axis=1)

    for settings in ({}, {"batch_size": 1}, {"batch_size": 6}):
        with pytest.warns(LimelensWarning, match="answers at random"):
            found = explain("Ablation", random, target=1, **settings)
        assert 0.02 < found.details["answer_noise"][0] / (1e-4 * large) < 0.5
        explain("Ablation", random, target=0, **settings)  # whose own answers do not differ

    def together(scores):
        small = 1e-4 * large * over_the_batch(scores[:, 1:])
        return np.concatenate([large * scores[:, :1], small], axis=1)

    with pytest.raises(PredictionError, match="depends on the other images of the batch"):
        explain("Ablation", together, target=1)


def test_rounding_of_large_logits_is_no_other_answer_of_a_small_one():
    one = np.array([40.0, -1e-4])
    other, hidden = one + np.array([0, 1e-5]), np.array([10.0, -2e-4])
    assert not targets_differ(one, other, hidden, (1,))
    assert targets_differ(one, one + np.array([0, 1e-3]), hidden, (1,))


def test_scores_that_were_all_zero_are_compared_too():
    def warming_up(batch, calls=[]):  # noqa: B006 - counts its calls
        calls.append(len(batch))
        return 1e-9 * halves(batch) * (len(calls) > 1)

    with pytest.raises(PredictionError, match="changes from call to call"):
        EXPLAINERS["Ablation"].explain(IMAGE, warming_up, target=0)


# -- rows of another run, at every size ------------------------------------------------------------


@quietly
@each_scale
@pytest.mark.parametrize("precision", ["float64", *PRECISIONS])
def test_rows_are_reused_with_the_same_model_and_refused_with_another(scale, precision):
    def finish(scores):
        return PRECISIONS.get(precision, np.asarray)(scores * scale)

    if "float16" in precision:
        scale = {1e-140: 1e-3, 1e-30: 1e-2}.get(scale, 1.0)
    if precision in ("bfloat16", "float32"):
        scale = float(np.clip(scale, 1e-30, 1e30))
    first = explain("Ablation", finish)
    unit = {"float64": 0.0, "float32": 1e-6, "bfloat16": 2.0**-8}.get(precision, 2.0**-11)
    again = explain("Ablation", lambda scores: finish(scores * (1 + unit)), reuse=first)
    assert again.n_predictions == 1
    np.testing.assert_array_equal(again.importances, first.importances)
    with pytest.raises(InvalidInputError, match="rows of another model"):
        explain("Ablation", lambda scores: finish(scores[:, ::-1] * 1.5), reuse=first)


@quietly
@each_scale
def test_values_of_another_callable_target_are_refused_at_every_size(scale):
    def dense(scores):
        return scale * scores[:, :, np.newaxis, np.newaxis] * np.ones((2, 4, 4))

    def mean(scores):
        return scores[:, 0].mean(axis=(1, 2))

    first = explain("Ablation", dense, target=mean)
    assert explain("Ablation", dense, target=mean, reuse=first).n_predictions == 2
    with pytest.raises(InvalidInputError, match="another callable target"):
        explain("Ablation", dense, target=lambda s: s[:, 1].mean(axis=(1, 2)), reuse=first)
    nothing = explain("Ablation", lambda s: 0 * dense(s), target=mean)
    with pytest.raises(InvalidInputError, match="another callable target"):
        explain("Ablation", dense, target=mean, reuse=nothing)


def test_small_scores_of_half_precision_may_differ_more_when_rows_are_reused():
    known, now = np.array([0.9, 0.1]), np.array([0.9, 0.108])
    check_same_model(bfloat16(now), bfloat16(known))
    with pytest.raises(InvalidInputError, match="rows of another model"):
        check_same_model(now.astype(np.float32), known.astype(np.float32))


@pytest.mark.parametrize(
    ("value", "told"), [(1.0, True), (1 - 2e-7, True), (0.0, True), (0.5, False)]
)
def test_a_probability_that_is_at_its_end_always_is_told_of_logits(value, told):
    with pytest.warns(LimelensWarning, match="never changed over the masked images") as caught:
        EXPLAINERS["Ablation"].explain(IMAGE, lambda batch: np.full(len(batch), value))
    assert ("let `predict_fn` return logits" in said(caught)[0]) == told


def test_one_of_several_targets_at_its_end_is_enough_to_speak_of_logits():
    def still(batch):
        return np.full((len(batch), 2), [0.5, 1.0])

    with pytest.warns(LimelensWarning, match="If it is a probability at its end"):
        ll.Ablation(segmenter=ll.Grid(4)).explain(np.eye(8), still, target=(0, 1))
