import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax

from limelens.errors import InvalidInputError
from limelens.games.coalitions import distinct_rows
from limelens.gaussian import likelihood, refining
from limelens.gaussian.linked_fit import fit_linked
from limelens.gaussian.rows import merge_rows
from limelens.testing import all_coalitions, exact_values


class Competition:
    """Logits with pairwise interactions; the truth from 60,000 coalitions in pairs."""

    def __init__(self, d=16, k=6, seed=0, sd=2.5):
        rng = np.random.default_rng(seed)
        self.d = d
        self.slopes = sd * rng.normal(size=(d, k)) / np.sqrt(d)
        self.pairs = rng.integers(0, d, size=(2, d))
        self.gains = 0.5 * sd * rng.normal(size=(d, k)) / np.sqrt(d)

    def __call__(self, coalitions):
        spins = 2.0 * coalitions - 1
        both = spins[:, self.pairs[0]] * spins[:, self.pairs[1]]
        return softmax(spins @ self.slopes + both @ self.gains, axis=1)

    def truth(self, kind):
        rng = np.random.default_rng(99)
        coalitions = rng.random((30_000, self.d)) < 0.5
        coalitions = np.concatenate([coalitions, ~coalitions])
        values = self(coalitions)
        if kind == "lime":
            distance = 1 - np.sqrt(coalitions.mean(axis=1))
            weights = np.exp(-np.square(distance / 0.25) / 2)
        design = np.column_stack([np.ones(len(coalitions)), coalitions])
        weighted = (design * weights[:, np.newaxis]).T
        return np.linalg.solve(weighted @ design, weighted @ values)[1:].T


def fit(coalitions, scores, targets=(0,), definition="lime", **settings):
    values = scores[:, list(targets)].astype(np.float64)
    rows = merge_rows(coalitions, scores, values, targets=targets)
    return fit_linked(rows, definition=definition, **settings)


@pytest.mark.parametrize("definition", ["lime", "shapley"])
@pytest.mark.parametrize("scale", ["score", "link"])
def test_all_coalitions_give_the_definition_exactly(definition, scale):
    table = expit(np.random.default_rng(0).normal(size=(64, 2)))
    rows = all_coalitions(6)
    found = fit(rows, table, (0, 1), definition, scale=scale)
    shown = table if scale == "score" else np.log(table) - np.log1p(-table)
    np.testing.assert_allclose(
        [each.importances for each in found], exact_values(shown, definition), atol=1e-9
    )
    assert [each.link for each in found] == ["exact", "exact"]
    assert not found[0].standard_errors.any()
    assert found[0].relative_error == 0
    assert found[0].reliability == 1


@pytest.mark.parametrize("definition", ["lime", "shapley"])
@pytest.mark.parametrize("scale", ["score", "link"])
def test_additive_scores_are_found_on_the_scale_they_are_additive_on(
    make_design, definition, scale
):
    rows = make_design(16, 1, ends=True)
    effects = np.random.default_rng(0).normal(size=16)
    scores = (rows @ effects)[:, np.newaxis] - 20.0
    if scale == "link":
        scores = expit(scores + 20.0)
    (found,) = fit(rows, scores, definition=definition, scale=scale)
    np.testing.assert_allclose(found.importances, effects, atol=0.02)


@pytest.mark.parametrize("scale", ["score", "link"])
def test_shapley_values_sum_to_the_difference_of_the_ends(make_design, scale):
    rows, game = make_design(16, 2, ends=True), Competition()
    scores = game(rows)
    (found,) = fit(rows, scores, definition="shapley", scale=scale)
    shown = scores[:2, 0] if scale == "score" else np.log(scores[:2, 0] / (1 - scores[:2, 0]))
    assert found.importances.sum() == pytest.approx(shown[0] - shown[1], abs=1e-9)


def test_probabilities_that_compete_get_the_softmax_link_others_log_odds_or_none(make_design):
    rows, game = make_design(16, 2, ends=True), Competition()
    scores = game(rows)
    assert fit(rows, scores)[0].link == "softmax"
    assert fit(rows, np.rint(scores * 256) / 256)[0].link == "log-odds"
    assert fit(rows, scores[:, [0]])[0].link == "log-odds"
    assert fit(rows, 3 * scores)[0].link == "identity"
    assert fit(rows, scores, scale="link")[0].link == "log-odds"


def test_a_score_that_is_additive_itself_keeps_the_identity(make_design):
    rows = make_design(16, 2, ends=True)
    effects = np.random.default_rng(0).random(16)
    scores = (rows @ effects / effects.sum())[:, np.newaxis]
    (found,) = fit(rows, scores)
    assert found.link == "identity"
    assert found.ratio > 1.25
    np.testing.assert_allclose(found.importances, effects / effects.sum(), atol=1e-3)


def test_what_was_asked_for_is_used(make_design):
    rows, scores = make_design(16, 2, ends=True), Competition()(make_design(16, 2, ends=True))
    for link in ("identity", "log-odds", "softmax"):
        assert fit(rows, scores, link=link)[0].link == link


def rare(p):
    """Make column 0 as rare as float32 cannot tell."""
    p = p.copy()
    p[:, 0] *= 1e-39 / p[:, 0].max()
    p[:, 1] += 1 - p.sum(axis=1)
    return p


def votes(p):
    """Round to steps of 0.02 that sum to 1."""
    p = np.rint(50 * p)
    p[:, 0] += 50 - p.sum(axis=1)
    return np.abs(p) / np.abs(p).sum(axis=1, keepdims=True)


def sometimes_zero(p):
    p = p.copy()
    p[p[:, 2] < np.median(p[:, 2]), 2] = 0
    return p / p.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("link", "change", "words"),
    [
        ("log-odds", lambda p: 2 * p, "'log-odds' needs probabilities, and these go from"),
        ("softmax", lambda p: p[:, :2], "needs three or more .* these are 2 score"),
        ("softmax", votes, "twice, and these are rounded"),
        ("softmax", lambda p: np.rint(p * 256).astype(int), "these are 6 whole number"),
        (
            "softmax",
            lambda p: p - 0.01,
            "these are -0.01 or more, .* sum to 0.94 to",
        ),
        ("softmax", lambda p: 0.9 * p, r"sum to 0\.9 to 0\.9\.$"),
        ("softmax", rare, r"column 0 is never above 1e-39, where all that is below 1.2e-38 "),
        ("softmax", sometimes_zero, "column 2 is 0 for some images, .* in float64"),
    ],
)
def test_a_link_that_does_not_fit_is_refused(make_design, link, change, words):
    rows = make_design(16, 2, ends=True)
    with pytest.raises(InvalidInputError, match=words):
        fit(rows, change(Competition()(rows)), link=link)


@pytest.mark.parametrize("link", ["log-odds", "softmax"])
def test_intervals_cover_the_true_coefficients_of_all_classes(make_design, link):
    hits = []
    for seed in range(4):
        game, rows = Competition(seed=seed), make_design(16, 1, seed=seed, ends=True)
        found = fit(rows, game(rows), tuple(range(6)), link=link)
        truth = game.truth("lime")
        for each, expected in zip(found, truth, strict=True):
            hits.append(np.abs(each.importances - expected) < 1.96 * each.standard_errors)
    assert 0.9 < np.mean(hits) <= 1.0


def test_competition_between_classes_is_worth_using(make_design):
    errors = {"identity": [], "log-odds": [], "softmax": []}
    for seed in range(3):
        game, rows = Competition(seed=seed), make_design(16, 2, seed=seed, ends=True)
        truth = game.truth("lime")
        for link, missed in errors.items():
            found = np.stack(
                [f.importances for f in fit(rows, game(rows), tuple(range(6)), link=link)]
            )
            missed.append(np.linalg.norm(found - truth) / np.linalg.norm(truth))
    means = {link: np.mean(missed) for link, missed in errors.items()}
    assert means["softmax"] < means["log-odds"] < means["identity"]


def test_targets_of_one_run_are_what_they_are_alone(make_design):
    rows = make_design(16, 2, ends=True)
    scores = Competition()(rows)[:, :1]
    other = expit(rows @ np.linspace(-1, 1, 16))[:, np.newaxis]
    together = fit(rows, np.hstack([scores, other]), (0, 1), link="log-odds")
    for target, alone in enumerate((scores, other)):
        (single,) = fit(rows, alone, link="log-odds")
        # The limits of the log-odds are those of all scores of the run.
        np.testing.assert_allclose(together[target].importances, single.importances, atol=1e-4)


@pytest.mark.parametrize("definition", ["lime", "shapley"])
@pytest.mark.parametrize(("n_classes", "ranks"), [(6, [4, 0, 5, 1, 2, 3]), (60, [7, 30, 12])])
def test_classes_that_compete_have_the_digits_they_have_alone(
    make_design, definition, n_classes, ranks
):
    rows = make_design(20, 2, ends=True)
    scores = Competition(20, n_classes)(rows)
    # Of many classes those among the 31 likeliest: these have the same rivals.
    targets = np.argsort(-scores.mean(axis=0))[ranks].tolist()
    together = fit(rows, scores, targets, definition)
    for target, beside in zip(targets, together, strict=True):
        (alone,) = fit(rows, scores, (target,), definition)
        assert beside.link == "softmax"
        for name in ("importances", "standard_errors", "inflation", "odd_inflation", "fidelity"):
            found, wanted = getattr(beside, name), getattr(alone, name)
            np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("factors", [(0, 1), (1e-40, 1e-40)])
def test_a_class_keeps_its_digits_beside_one_that_does_not_compete(make_design, factors):
    rows = make_design(20, 2, ends=True)
    scores = Competition(20, 60)(rows)
    likeliest, rarest = np.argsort(-scores.mean(axis=0))[[0, -1]].tolist()
    scores[:, rarest] *= np.resize(factors, len(rows))
    scores[:, likeliest] += 1 - scores.sum(axis=1)
    beside, other = fit(rows, scores, (likeliest, rarest), "lime")
    (alone,) = fit(rows, scores, (likeliest,), "lime")
    assert beside.link == alone.link == "softmax" != other.link
    np.testing.assert_allclose(beside.importances, alone.importances, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(beside.standard_errors, alone.standard_errors, rtol=1e-9)


def test_only_so_many_rows_choose_the_kernel_and_half_as_many_all_its_parameters(
    make_design, monkeypatch
):
    sizes, shares = [], []
    cholesky, ascend = likelihood.cholesky, refining._ascend
    monkeypatch.setattr(
        likelihood, "cholesky", lambda *args: sizes.append(len(args[0])) or cholesky(*args)
    )
    monkeypatch.setattr(
        refining, "_ascend", lambda *args: shares.append(len(args[0].values)) or ascend(*args)
    )
    rows = distinct_rows(make_design(12, 8, ends=True))[0]
    trees = np.where(rows[:, :3].all(axis=1), 3.0, np.where(rows[:, 3], 1.0, 0.0))[:, np.newaxis]
    n_pairs = len(rows) // 2
    for kernel_rows, most, learned in ((64, 32, 16), (10**6, n_pairs, 2 * ((n_pairs + 1) // 2))):
        sizes.clear()
        shares.clear()
        (found,) = fit(rows, trees, kernel_rows=kernel_rows)
        assert found.n_rows == len(rows)
        assert set(sizes) == {most}  # the even and the odd half of so many rows
        assert shares[0] == learned  # the first of their halves


def test_the_order_of_the_rows_does_not_matter(make_design):
    rows = make_design(16, 2, ends=True)
    scores = Competition()(rows)
    order = np.random.default_rng(0).permutation(len(rows))
    (one,), (other,) = fit(rows, scores), fit(rows[order], scores[order])
    np.testing.assert_array_equal(one.importances, other.importances)


def test_duplicated_rows_change_nothing(make_design):
    rows = make_design(16, 2, ends=True)
    scores = Competition()(rows)
    (one,), (other,) = fit(rows, scores), fit(np.tile(rows, (2, 1)), np.tile(scores, (2, 1)))
    np.testing.assert_allclose(other.importances, one.importances, rtol=1e-9)
    np.testing.assert_allclose(other.standard_errors, one.standard_errors, rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0, -3.0])
def test_a_constant_score_has_no_effect_and_no_error(make_design, value):
    rows = make_design(16, 2, ends=True)
    (found,) = fit(rows, np.full((len(rows), 1), value))
    np.testing.assert_array_equal(found.importances, 0)
    assert np.isnan(found.standard_errors).all()
    assert found.link == "none"
    assert np.isnan(found.relative_error)


def test_one_certain_answer_among_zeros_is_not_believed(make_design):
    rows = make_design(16, 2, ends=True)
    scores = np.zeros((len(rows), 1))
    scores[0] = 1.0
    (found,) = fit(rows, scores)
    assert np.isfinite(found.importances).all()
    assert found.relative_error > 0.9
    assert found.doubt


@pytest.mark.parametrize("n", [3, 10, 40])
def test_few_rows_of_many_segments_are_honest(n):
    rows = np.random.default_rng(0).random((n, 60)) < 0.5
    scores = expit(rows @ np.random.default_rng(1).normal(size=60))[:, np.newaxis]
    (found,) = fit(rows, scores)
    assert np.isfinite(found.importances).all()
    assert found.relative_error > 0.5


@given(
    kind=st.sampled_from(["votes", "steps", "tiny", "huge", "saturated", "float32"]),
    d=st.sampled_from([5, 15, 30]),
    definition=st.sampled_from(["lime", "shapley"]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=15, deadline=None)
def test_whatever_the_scores_the_answer_is_finite(kind, d, definition, seed):
    rng = np.random.default_rng(seed)
    rows = rng.random((40, d)) < 0.5
    raw = rows @ rng.normal(size=(d, 3)) + rng.normal(size=(40, 3))
    scores = {
        "votes": np.rint(10 * expit(raw)) / 10,
        "steps": (raw > 0).astype(float),
        "tiny": 1e-12 * expit(raw),
        "huge": 1e12 * raw,
        "saturated": expit(40 * raw),
        "float32": softmax(8 * raw, axis=1).astype(np.float32),
    }[kind]
    for found in fit(rows, scores, (0, 1, 2), definition):
        assert np.isfinite(found.importances).all()
        unknown = np.isnan(found.standard_errors)
        assert unknown.all() == (found.link == "none")
        assert unknown.all() or (found.standard_errors >= 0).all()


@pytest.mark.parametrize("definition", ["lime", "shapley"])
def test_five_hundred_segments(definition):
    d = 500
    rng = np.random.default_rng(0)
    rows = rng.random((150, d)) < 0.5
    rows = np.concatenate([np.repeat([[True], [False]], d, axis=1), rows, ~rows])
    effects = rng.standard_t(3, size=d) / 8
    scores = expit(rows @ effects - rows.mean() * effects.sum())[:, np.newaxis]
    (found,) = fit(rows, scores, definition=definition)
    assert np.isfinite(found.importances).all()
    assert np.corrcoef(found.importances, effects)[0, 1] > 0.5
    assert 0.1 < found.relative_error < 0.9


@pytest.mark.parametrize(("sign", "low", "high"), [(1, 0.1, 0.6), (-1, 1.5, 4.0)])
def test_error_bars_know_what_pairs_cancel(make_design, sign, low, high):
    """Additive scores with a rest that is the same, or the opposite, on the complement."""
    rng = np.random.default_rng(0)
    first = make_design(30, 2, ends=True)[::2]
    rows, rest = np.concatenate([first, ~first]), 0.5 * rng.standard_normal(len(first))
    scores = rows @ rng.normal(size=30) + np.concatenate([rest, sign * rest])
    (found,) = fit(rows, scores[:, np.newaxis])
    assert low < found.foldover < high
