"""More than one of everything, for every explainer and every number it hands back.

Three targets, of which one is 10,000 times larger, one far from additive and one constant; two
backgrounds; channels first; twenty segments, so that no method enumerates them; budgets that
cannot be halved. One target of one background cannot tell a sum over targets from a sum per target.
"""

import inspect

import numpy as np
import pytest

import limelens as ll
from limelens.explainers.base import Explainer

EASY, HARD, CONSTANT = 0, 1, 2
TARGETS = [EASY, HARD, CONSTANT]


def two_backgrounds(image, segments):
    return np.stack([np.zeros(image.shape), np.full(image.shape, 0.5)])


DIVISIONS = [ll.Grid(20), ll.Grid(8), ll.Grid(cell=(8, 3))]
SETTINGS = {"segmenter": ll.Grid(20), "fill": two_backgrounds}
CASES = {
    "Ablation": ll.Ablation(**SETTINGS),
    "Ablation pairs": ll.Ablation(**SETTINGS, keep=True, interactions=True),
    "Anchors": ll.Anchors(**SETTINGS, max_samples=301),
    "ExactShapley": ll.ExactShapley(segmenter=ll.Grid(9), fill=two_backgrounds),
    "ExpectedGradients": ll.ExpectedGradients(samples=two_backgrounds, n_steps=9),
    "GradCam": ll.GradCam(),
    "IntegratedGradients": ll.IntegratedGradients(n_steps=5, baseline=two_backgrounds),
    "KernelShap": ll.KernelShap(**SETTINGS, n_samples=101),
    "Lime": ll.Lime(**SETTINGS, n_samples=101),
    "Lime selection": ll.Lime(**SETTINGS, n_samples=101, surrogate=ll.ForwardSelection(3)),
    "Lime process": ll.Lime(**SETTINGS, n_samples=101, surrogate=ll.GaussianProcess()),
    "Lime ridge": ll.Lime(**SETTINGS, n_samples=101, surrogate=ll.Ridge()),
    "Lime tree": ll.Lime(**SETTINGS, n_samples=101, surrogate=ll.Tree()),
    "Occlusion": ll.Occlusion(window=4, stride=2, fill=two_backgrounds),
    "Owen": ll.Owen(**SETTINGS, max_samples=51),
    "PermutationShapley": ll.PermutationShapley(**SETTINGS, n_permutations=3),
    "QuickLime": ll.QuickLime(**SETTINGS, max_samples=101, tolerance=0),
    "QuickShap": ll.QuickShap(**SETTINGS, max_samples=101, tolerance=0),
    "Rise": ll.Rise(n_masks=31, grid=3, fill=two_backgrounds),
    "Rise published": ll.Rise(n_masks=31, grid=3, fill=two_backgrounds, debiased=False),
    "Sharp": ll.Sharp(max_samples=41, segmenters=DIVISIONS, fill=two_backgrounds),
}
ONE_SEARCH_FOR_ALL = {
    "Anchors": "each target is a search of its own with the next random numbers",
    "Owen": "which groups are split depends on what they add to all targets",
    "Sharp": "the same, over several divisions",
}
OF_ALL_TARGETS = {"status", "message", "converged", "n_gradients", "batch_size", "kernel_rows"}
"""Entries of `details` that sum the targets up, or depend on how busy the computer was."""

each = pytest.mark.parametrize("name", CASES)
each_alike = pytest.mark.parametrize("name", [n for n in CASES if n not in ONE_SEARCH_FOR_ALL])
pytestmark = pytest.mark.filterwarnings("ignore::limelens.errors.LimelensWarning")


class Model:
    """Scores of images (2, 8, 10): a large sum, a product of six tanh of sums, a constant."""

    rng = np.random.default_rng(4)
    easy, inside = rng.normal(size=160) / 16, rng.normal(size=(160, 6)) / 4

    def __call__(self, batch):
        flat, bends = self._bends(batch)
        scores = [1e4 * (flat * self.easy).sum(axis=1), bends.prod(axis=1)]
        return np.stack([*scores, np.full(len(flat), 0.25)], axis=1)

    def gradient(self, batch, target):
        flat, bends = self._bends(batch)
        others = np.stack([np.delete(bends, j, axis=1).prod(axis=1) for j in range(6)], axis=1)
        slopes = {
            EASY: np.broadcast_to(1e4 * self.easy, flat.shape),
            HARD: ((others * (1 - bends**2))[:, np.newaxis] * self.inside).sum(axis=2),
            CONSTANT: np.zeros(flat.shape),
        }
        return slopes[target].reshape(batch.shape)

    def features(self, batch, target):
        slopes = self.gradient(batch, target).reshape(len(batch), -1)[:, :16]
        maps = np.abs(batch.reshape(len(batch), -1)[:, :16])
        return maps.reshape(-1, 1, 4, 4), slopes.reshape(-1, 1, 4, 4)

    def _bends(self, batch):
        flat = batch.reshape(len(batch), -1)
        # Sums, as a matrix product may round differently for another batch size.
        return flat, np.tanh((flat[:, :, np.newaxis] * self.inside).sum(axis=1))


IMAGE = np.random.default_rng(1).random((2, 8, 10)) + 0.2


def explain(explainer, target=TARGETS):
    return explainer.explain(IMAGE, Model(), target=target, channel_axis=0, rng=0)


@pytest.fixture(scope="module")
def together():
    """Return each case's explanation of all three targets, made once."""
    made = {}
    return lambda name: made.setdefault(name, explain(CASES[name]))


def assert_close(found, expected, scale=0.0):
    """Numbers agree to rounding, relative to the largest and to `scale`; all else is equal."""
    if np.asarray(expected).dtype.kind not in "fiu":
        assert found == expected
        return
    expected = np.asarray(expected, dtype=np.float64)
    scale = np.abs(expected[np.isfinite(expected)]).max(initial=scale)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * scale)


def assert_same_details(together, alone, row):
    """Each entry is either of all targets, and the same, or has a row for each of them."""
    assert together.keys() == alone.keys()
    for key in together.keys() - OF_ALL_TARGETS:
        several, one = together[key], alone[key]
        if isinstance(one, dict):
            assert_same_details(several, one, row)
        elif key == "relative_error" and np.ndim(one) == 2:  # looks come first
            assert_close(np.asarray(several)[:, row], np.asarray(one)[:, 0])
        elif np.ndim(one) and len(one) == 1 and len(several) == len(TARGETS):
            assert_close(several[row], one[0])
        else:
            assert_close(several, one)


def test_every_explainer_is_tried():
    tried = {type(explainer) for explainer in CASES.values()}
    public = {getattr(ll, name) for name in ll.__all__}
    explainers = {cls for cls in public if inspect.isclass(cls) and issubclass(cls, Explainer)}
    assert explainers <= tried, f"add a line to CASES in {__file__}"


@each_alike
@pytest.mark.parametrize("target", TARGETS)
def test_each_target_is_explained_as_if_it_were_alone(name, target, together):
    several, alone = together(name), explain(CASES[name], target=[target])
    for field in ("importances", "standard_errors", "fidelity", "reliability", "target_values"):
        found, expected = getattr(several, field), getattr(alone, field)
        assert (found is None) == (expected is None)
        if expected is not None:  # error bars of exact fits are nothing but rounding
            scale = np.abs(alone.importances).max() if field == "standard_errors" else 0.0
            assert_close(found[target], expected[0], scale)
    assert_same_details(several.details, alone.details, target)


@pytest.mark.parametrize("name", [name for name in CASES if name != "Anchors"])
def test_a_constant_target_among_others_is_zero_and_its_quality_is_not_known(name, together):
    explanation = together(name)
    if name != "Rise published":  # a mean score, nowhere zero
        assert not explanation.importances[CONSTANT].any()
        if explanation.reliability is not None:
            assert np.isnan(explanation.reliability[CONSTANT])
    if explanation.fidelity is not None:
        assert np.isnan(explanation.fidelity[CONSTANT])
        assert np.isfinite(explanation.fidelity[[EASY, HARD]]).all()


@pytest.mark.parametrize(
    "name", ["ExactShapley", "KernelShap", "Owen", "PermutationShapley", "QuickShap"]
)
def test_shapley_values_of_each_target_sum_to_its_difference(name, together):
    explanation = together(name)
    intact, hidden = explanation.target_values.T
    sums = explanation.importances.sum(axis=1)
    np.testing.assert_allclose(sums, intact - hidden, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["IntegratedGradients", "ExpectedGradients"])
def test_the_gap_of_each_target_is_what_its_own_importances_lack(name, together):
    explanation = together(name)
    intact, hidden = explanation.target_values.T
    lacking = intact - hidden - explanation.importances.sum(axis=(1, 2))
    found = explanation.details["completeness_gap"]
    np.testing.assert_allclose(found, lacking, rtol=1e-9, atol=1e-9)
    assert abs(lacking[HARD]) > 1e-6
    assert_close(explanation.details["per_channel"].sum(axis=1), explanation.importances)


# Coalitions asked with an odd budget of 101: `Lime` asks about what is hidden besides its samples,
# the methods that ask in complementary pairs leave the odd one out, and Rise pays for both ends.
ASKED = {
    "KernelShap": 100,
    "Lime": 102,
    "QuickLime": 100,
    "QuickShap": 100,
}


@pytest.mark.parametrize("name", ASKED)
def test_an_odd_budget_is_spent_in_complete_pairs_and_never_passed(name, together):
    assert len(together(name).samples.scores) == ASKED[name]
    # The intact image has one background, and is shown once more.
    assert together(name).n_predictions == 2 * ASKED[name]


@pytest.mark.parametrize("budget", [33, 49, 50, 51, 52, 67, 99, 131])
@pytest.mark.parametrize("method", [ll.QuickLime, ll.QuickShap])
def test_methods_that_stop_early_never_ask_more_than_their_budget(method, budget):
    explainer = method(segmenter=ll.Grid(20), fill=ll.Constant(0), max_samples=budget, tolerance=0)
    explanation = explain(explainer)
    rows = explanation.samples.coalitions
    assert budget - len(rows) in (0, 1)
    if budget >= 50:
        complements = {(~row).tobytes() for row in rows}
        assert complements == {row.tobytes() for row in rows}


@pytest.mark.parametrize("method", [ll.QuickLime, ll.QuickShap])
def test_every_look_is_at_complete_pairs(method):
    explainer = method(segmenter=ll.Grid(20), fill=ll.Constant(0), max_samples=231, tolerance=1e-6)
    looks = explain(explainer).details["looks"]["n_calls"]
    assert len(looks) > 2
    assert all(calls % 2 == 0 for calls in looks)


@each
def test_the_counts_in_details_are_those_of_the_run(name, together):
    explanation = together(name)
    n_asked = len(explanation.samples.scores) if explanation.samples is not None else 0
    counts = {
        "KernelShap": {"n_pairs": (n_asked - 2) // 2, "exact": False},
        "Owen": {"n_splits": (n_asked - 2) // 2, "exact": False},
        "PermutationShapley": {"n_orders": (n_asked - 2) // 19},
        "QuickLime": {"n_calls": n_asked, "targets": TARGETS},
        "QuickShap": {"n_calls": n_asked, "targets": TARGETS},
        "Occlusion": {"n_windows": 12, "n_windows_full": 12, "window": [4, 4], "stride": [2, 2]},
        "IntegratedGradients": {"n_gradients": len(TARGETS) * 2 * 5},
        "ExpectedGradients": {"n_gradients": len(TARGETS) * 9},
    }
    for key, value in counts.get(name, {}).items():
        assert explanation.details[key] == value
    assert explanation.n_predictions == 2 * n_asked or n_asked <= 2


@each
def test_what_is_derived_has_the_layout_of_the_image(name, together):
    explanation = together(name)
    assert explanation.heatmap(target=HARD).shape == (8, 10)
    if explanation.segments is None:
        return
    hidden = two_backgrounds(IMAGE, None)[0]
    for sign in ("positive", "negative"):
        mask = explanation.top_mask(3, target=EASY, sign=sign)
        shown = explanation.masked_image(3, target=EASY, sign=sign, fill=two_backgrounds)
        np.testing.assert_array_equal(shown, np.where(mask, IMAGE, hidden))
