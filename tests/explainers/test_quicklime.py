import warnings

import numpy as np
import pytest
from scipy.special import expit

from limelens import Constant, Explanation, Foldover, Grid, Lime, QuickLime, Top, log_odds, margin
from limelens.errors import ConvergenceWarning, InvalidInputError, LimelensWarning
from limelens.gaussian.linked_fit import fit_linked
from limelens.testing import Recorder, exact_values

CELLS = Grid(cell=(1, 1))


def picture(d=20):
    return np.ones((4, d // 4))


class Network:
    """Class probabilities of pictures with one segment a pixel: additive logits plus pairs."""

    def __init__(self, d=20, k=4, sd=2.0, pairs=0.6, seed=0):
        rng = np.random.default_rng(seed)
        self.slopes = sd * rng.normal(size=(d, k)) / np.sqrt(d)
        self.gains = pairs * sd * rng.normal(size=(d, k)) / np.sqrt(d)
        self.order = rng.permutation(d)

    def logits(self, batch):
        spins = 2.0 * batch.reshape(len(batch), -1) - 1
        return spins @ self.slopes + (spins * spins[:, self.order]) @ self.gains

    def __call__(self, batch):
        raised = np.exp(self.logits(batch))
        return raised / raised.sum(axis=1, keepdims=True)

    def table(self, d):
        """Scores of all coalitions of the first d segments, the others kept."""
        rows = (np.arange(2**d)[:, np.newaxis] >> np.arange(d) & 1).astype(float)
        return self(rows)


def make(**settings):
    return QuickLime(segmenter=CELLS, fill=Constant(0), **settings)


def explain(model=None, d=20, explain_settings=None, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return make(**settings).explain(
            picture(d), model or Network(d), **({"rng": 0} | (explain_settings or {}))
        )


def truth(model, target, d=20, n=40_000):
    rng = np.random.default_rng(99)
    rows = rng.random((n // 2, d)) < 0.5
    rows = np.concatenate([rows, ~rows])
    weights = np.exp(-np.square((1 - np.sqrt(rows.mean(axis=1))) / 0.25) / 2)
    design = np.column_stack([np.ones(n), rows])
    weighted = (design * weights[:, np.newaxis]).T
    return np.linalg.solve(weighted @ design, weighted @ model(rows.astype(float))[:, target])[1:]


@pytest.mark.parametrize("scale", ["score", "link"])
def test_few_segments_are_enumerated_and_the_answer_is_exact(scale):
    model = Network(8)
    found = explain(Recorder(model), 8, {"target": [0, 1, 2, 3]}, scale=scale)
    table = model.table(8)
    shown = table if scale == "score" else np.log(table) - np.log1p(-table)
    np.testing.assert_allclose(found.importances, exact_values(shown, "lime"), atol=1e-9)
    assert (
        found.n_predictions == 256 + 3
    )  # the intact image, then both ends again: does the model answer the same?
    assert found.details["status"] == "exact"
    assert not found.standard_errors.any()


def test_it_finds_what_lime_tends_to_with_fewer_calls():
    model = Network()
    found = explain(model, explain_settings={"target": 0}, max_samples=200, tolerance=0)
    plain = Lime(segmenter=CELLS, fill=Constant(0), n_samples=198, include_original=False).explain(
        picture(), model, target=0, rng=0
    )
    limit = truth(model, 0)
    errors = [
        np.linalg.norm(e.importances[0] - limit) / np.linalg.norm(limit) for e in (found, plain)
    ]
    assert errors[0] < 0.6 * errors[1]
    inside = np.abs(found.importances[0] - limit) < 1.96 * found.standard_errors[0]
    assert inside.mean() > 0.85
    assert found.reliability[0] == pytest.approx(
        np.corrcoef(found.importances[0], limit)[0, 1], abs=0.05
    )


def test_on_the_links_scale_it_explains_log_odds():
    model = Network()
    found = explain(
        model, explain_settings={"target": 0}, scale="link", max_samples=200, tolerance=0
    )

    def logit(rows):
        p = model(rows)
        return np.log(p) - np.log1p(-p)

    limit = truth(logit, 0)
    assert np.linalg.norm(found.importances[0] - limit) < 0.3 * np.linalg.norm(limit)
    assert found.details["links"] == ["log-odds"]


def test_regressions_are_explained_as_they_are():
    weights = np.linspace(-3, 5, 20)
    found = explain(lambda batch: 100 + batch.reshape(len(batch), -1) @ weights)
    np.testing.assert_allclose(found.importances[0], weights, atol=0.02)
    assert found.details["links"] == ["identity"]
    assert found.details["status"] == "converged"


@pytest.mark.parametrize(("target", "link"), [(margin(0), "identity"), (log_odds(0), "identity")])
def test_functions_of_the_scores_can_be_targets(target, link):
    model = Network(pairs=0.0)
    found = explain(model, explain_settings={"target": target})
    assert found.details["links"] == [link]
    assert np.isfinite(found.importances).all()


def test_many_targets_share_every_call():
    model = Recorder(Network())
    found = explain(model, explain_settings={"target": Top(3)}, max_samples=100)
    assert found.importances.shape == (3, 20)
    assert found.n_predictions == model.n_images <= 100
    assert len(found.details["statuses"]) == len(found.details["messages"]) == 3
    for message, name in zip(found.details["messages"], found.target_names, strict=True):
        assert f"{name}: {message}" in found.details["message"]


def test_the_first_block_has_both_ends_and_a_complete_foldover_block():
    model = Recorder(Network(), keep=True)
    explain(model, max_samples=51, tolerance=0, explain_settings={"batch_size": 64})
    kept = np.concatenate(model.batches).reshape(-1, 20)[:-1] > 0  # the last one is intact
    assert len(kept) == 50 == 2 + Foldover.block_size(20)
    assert kept[:2].all(axis=1).tolist() == [True, False]
    inner = 2.0 * kept[2:] - 1
    assert np.array_equal(inner.T @ inner, 48 * np.eye(20))


@pytest.mark.parametrize("d", [4, 5])
def test_no_call_of_a_budget_below_a_block_is_left_unspent(d):
    for max_samples in range(4, min(2**d, Foldover.block_size(d) + 2)):
        for seed in range(5):
            model = Recorder(Network(d), keep=True)
            explainer = make(max_samples=max_samples, tolerance=0, link="identity")
            explainer.explain(np.ones((1, d)), model, target=0, rng=seed)
            rows = np.concatenate(model.batches).reshape(-1, d)
            assert len(np.unique(rows, axis=0)) == max_samples


@pytest.mark.parametrize(
    ("max_samples", "expected"), [(20, 20), (49, 49), (50, 50), (97, 96), (98, 98), (514, 514)]
)
def test_without_a_tolerance_the_budget_is_spent_in_whole_pairs(max_samples, expected):
    found = explain(max_samples=max_samples, tolerance=0)
    assert found.n_predictions - 1 == found.details["n_calls"] == expected
    assert len(found.details["looks"]["n_calls"]) == 1


@pytest.mark.parametrize("d", [10, 11, 12, 13])
def test_no_coalition_is_asked_twice_where_there_are_few(d):
    model = Recorder(Network(d), keep=True)
    found = make(max_samples=514, tolerance=0).explain(np.ones((1, d)), model, rng=0)
    kept = np.concatenate(model.batches).reshape(-1, d) > 0
    assert found.n_predictions - 1 == len(np.unique(kept, axis=0)) == 514


def test_it_stops_as_soon_as_fresh_calls_agree_that_it_is_good_enough():
    weights = np.linspace(-3, 5, 20)
    easy = explain(lambda batch: batch.reshape(len(batch), -1) @ weights)
    assert easy.details["looks"]["n_calls"] == [50, 74]  # a block of 48, then half of the next
    assert np.isnan(easy.details["looks"]["relative_error"][:, 0]).tolist() == [True, False]
    assert easy.n_predictions == 75
    assert easy.details["converged"]
    harder = explain(Network(seed=3), explain_settings={"target": 0}, tolerance=0.1)
    assert harder.n_predictions > 50
    errors = harder.details["looks"]["relative_error"][:, 0]
    assert harder.details["looks"]["n_calls"][-1] == harder.details["n_calls"]
    assert harder.details["relative_error"][0] == errors[-1]
    assert harder.details["relative_error"][0] < harder.details["error_bound"][0] <= 0.1
    assert harder.details["converged"]


def test_nothing_is_fitted_to_the_first_of_several_blocks(monkeypatch):
    fitted = []

    def count(rows, **settings):
        fitted.append(len(rows.values))
        return fit_linked(rows, **settings)

    monkeypatch.setattr("limelens.gaussian.until_settled.fit_linked", count)
    weights = np.linspace(-3, 5, 20)
    found = explain(lambda batch: batch.reshape(len(batch), -1) @ weights)
    assert found.details["looks"]["n_calls"] == [50, 74]
    assert fitted == [74]
    make(max_samples=50, tolerance=0).explain(
        picture(), lambda batch: batch.reshape(len(batch), -1) @ weights, rng=0
    )
    assert fitted == [74, 50]  # the first block is the last


def test_a_single_block_never_calls_itself_converged():
    weights = np.linspace(-3, 5, 20)
    with pytest.warns(ConvergenceWarning, match="no further calls have checked it: raise max"):
        found = make(max_samples=50).explain(
            picture(), lambda batch: batch.reshape(len(batch), -1) @ weights, rng=0
        )
    assert found.details["relative_error"][0] < 0.05
    assert found.details["status"] == "not converged"
    raised = explain(lambda batch: batch.reshape(len(batch), -1) @ weights, max_samples=80)
    assert raised.details["status"] == "converged"


@pytest.mark.parametrize("d", [12, 13, 15])
def test_what_three_segments_do_together_is_not_pinned_on_a_fourth(d):
    for seed in range(6):
        together = np.random.default_rng(seed).choice(d, 3, replace=False)

        def face(batch, together=together):
            return expit(8 * (batch[:, 0, together] > 0.5).all(axis=1) - 4)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = make().explain(np.ones((1, d)), face, rng=seed)
        others = np.delete(found.importances[0], together)
        assert np.abs(others).max() < 0.5 * found.importances[0, together].min()
        top = found.top_confidence(4)
        sure = {s for s, word in zip(top.segments, top.words, strict=True) if word == "certain"}
        assert sure <= set(together)


def test_a_longer_run_of_the_same_seed_pays_only_for_what_is_new():
    model = Recorder(Network())
    short = explain(model, max_samples=60, tolerance=0)
    whole = explain(Network(), max_samples=110, tolerance=0)
    longer = explain(model, explain_settings={"reuse": short}, max_samples=110, tolerance=0)
    assert longer.n_predictions == whole.n_predictions - short.n_predictions + 2
    np.testing.assert_array_equal(longer.importances, whole.importances)


def test_another_seed_asks_other_coalitions():
    first, second = (explain(explain_settings={"rng": seed}, tolerance=0) for seed in (0, 1))
    assert not np.array_equal(first.importances, second.importances)
    assert np.corrcoef(first.importances[0], second.importances[0])[0, 1] > 0.9


def test_not_converged_warns_and_still_answers():
    def predict(batch):  # a parity: nothing additive to find
        return np.abs(batch.reshape(len(batch), -1)[:, :6].sum(axis=1) % 2 - 0.3)

    with pytest.warns(
        ConvergenceWarning, match=r"^not converged: relative error about .*raise max"
    ):
        found = make(max_samples=60).explain(picture(), predict, rng=0)
    assert not found.details["converged"]
    assert found.details["status"] == "not converged"
    assert np.isfinite(found.importances).all()


def test_saturated_probabilities_are_called_unreliable():
    def predict(batch):
        p = expit(60 * (batch.reshape(len(batch), -1)[:, :5].sum(axis=1) - 2.6))
        return np.clip(p, 1e-9, 1 - 1e-9) > 0.5

    with pytest.warns(ConvergenceWarning, match=r"^unreliable: the probability is at 0 or 1 for"):
        found = make(max_samples=60).explain(picture(), predict, rng=0)
    assert found.details["status"] == "unreliable"
    assert not found.details["converged"]


def test_one_answer_in_a_thousand_carries_no_error_bar_to_believe():
    def predict(batch):
        return 1e-4 + 0.9 * batch.reshape(len(batch), -1)[:, :12].all(axis=1)

    with pytest.warns(ConvergenceWarning, match="unreliable"):
        found = make(max_samples=110).explain(picture(), predict, rng=0)
    assert found.details["status"] == "unreliable"


def test_a_constant_score_is_a_zero_map_with_a_warning_and_no_error_bars():
    with pytest.warns(LimelensWarning, match="never changed"):
        found = make().explain(picture(), lambda batch: np.full(len(batch), 0.3), rng=0)
    assert not found.importances.any()
    assert np.isnan(found.standard_errors).all()
    assert found.details["status"] == "constant"
    assert found.details["converged"]
    assert found.n_predictions == 50 + 1 + 2  # all images alike: both ends are shown alone, too


def test_a_score_that_moves_by_rounding_only_is_warned_of_too():
    def predict(batch):
        return 0.3 + 1e-10 * batch.mean(axis=(1, 2))

    message = "constant: over 50 coalitions the score changed by less than a millionth"
    with pytest.warns(LimelensWarning, match=message):
        found = make().explain(picture(), predict, rng=0)
    assert not found.importances.any()


def test_the_strongest_segments_are_certain_where_they_stand_out():
    weights = np.array([9.0, 8.0, *np.linspace(-0.1, 0.1, 18)])
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(20, 3))

    def predict(batch):
        flat = batch.reshape(len(batch), -1)
        return flat @ weights + 0.3 * np.cos(9 * flat @ noise).sum(axis=1)

    found = explain(predict).top_confidence(3)
    assert found.segments[:2].tolist() == [0, 1]
    assert found.words[:2] == ("certain", "certain")
    assert found.words[2] == "open"


def test_everything_it_says_can_be_saved(tmp_path):
    found = explain(explain_settings={"target": [0, 1]}, max_samples=60)
    found.save(tmp_path / "why.npz")
    loaded = Explanation.load(tmp_path / "why.npz")
    assert loaded.details["message"] == found.details["message"]
    np.testing.assert_array_equal(loaded.details["covariance"], found.details["covariance"])
    assert loaded.top_confidence(3, 1).words == found.top_confidence(3, 1).words


def test_how_many_answers_choose_the_kernel_is_a_setting_and_is_told():
    few, most = explain(tolerance=0.0, kernel_rows=64), explain(tolerance=0.0)
    assert few.details["kernel_rows"] == 64
    assert most.details["kernel_rows"] == most.details["n_calls"] == 514
    assert (few.importances != most.importances).any()
    assert explain(d=8).details["kernel_rows"] == 0  # all coalitions were asked


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_samples": 3}, "`max_samples` must be an integer >= 4; got 3"),
        ({"tolerance": -0.1}, "`tolerance` must be a finite number"),
        ({"tolerance": 1}, "`tolerance` must be a finite number"),
        ({"scale": "logit"}, "`scale` must be one of 'score', 'link'; got 'logit'"),
        ({"kernel_rows": 63}, "`kernel_rows` must be an integer >= 64; got 63"),
        ({"link": "probit"}, "`link` must be one of 'auto', 'identity', 'log-odds', 'softmax'"),
        ({"link": "softmax", "scale": "link"}, "`link` must be .* with scale='link'"),
    ],
)
def test_settings_are_checked_at_once(settings, words):
    with pytest.raises(InvalidInputError, match=words):
        QuickLime(**settings)


def test_a_link_that_does_not_fit_the_scores_leaves_the_rows_on_the_error():
    with pytest.raises(InvalidInputError, match="'log-odds' needs probabilities") as caught:
        make(link="log-odds").explain(picture(), lambda batch: 5 + batch.sum(axis=(1, 2)), rng=0)
    assert len(caught.value.samples) == 50


def test_ten_thousand_times_the_score_is_ten_thousand_times_the_importance():
    model = Network()
    one = explain(lambda batch: model.logits(batch)[:, 0], tolerance=0, max_samples=60)
    other = explain(lambda batch: 1e4 * model.logits(batch)[:, 0], tolerance=0, max_samples=60)
    np.testing.assert_allclose(other.importances, 1e4 * one.importances, rtol=1e-8)
    np.testing.assert_allclose(other.standard_errors, 1e4 * one.standard_errors, rtol=1e-6)


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_it_goes_on_until_the_last_target_is_settled(order):
    """The first score is additive and settled at the second look; the second one is triples."""
    weights = np.linspace(-1, 1, 20)

    def model(batch):
        shown = batch.reshape(len(batch), -1)
        spins = 2 * shown - 1
        triples = spins[:, 0:3].prod(axis=1) + spins[:, 4:7].prod(axis=1) + spins[:, 9]
        return np.stack([shown @ weights, triples], axis=1)

    easy = explain(model, explain_settings={"target": 0}, max_samples=170)
    both = explain(model, explain_settings={"target": order}, max_samples=170)
    assert easy.details["status"] == "converged"
    assert easy.details["n_calls"] < 100
    assert both.details["n_calls"] == 170
    wanted = ["converged", "not converged"]
    assert both.details["statuses"] == [wanted[target] for target in order]
    assert not both.details["converged"]
    assert both.details["status"] == "not converged"


def rounded(steps):
    network = Network(20, k=3, seed=1)
    return lambda batch: np.round(network(batch) * steps) / steps


def test_rounded_probabilities_are_refused_by_the_softmax_link_which_names_the_steps():
    with pytest.raises(InvalidInputError, match="come in steps, as of a quantised model"):
        make(link="softmax").explain(picture(), rounded(64), rng=0)
    whole = make(link="softmax", max_samples=60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert whole.explain(picture(), Network(20, k=3, seed=1), rng=0).details["links"]


def test_a_probability_that_moves_by_a_few_steps_of_its_rounding_is_unreliable():
    network = Network(20, k=3, seed=1)

    def predict(batch, steps=64):
        return np.round((0.5 + 0.06 * (network(batch)[:, 0] - 0.5)) * steps) / steps

    with pytest.warns(
        ConvergenceWarning, match=r"unreliable: the probability moves by about [012]\.\d steps"
    ):
        found = make(max_samples=120).explain(picture(), predict, rng=0)
    assert found.details["status"] == "unreliable"
    assert "before they are rounded" in found.details["message"]
    fine = explain(lambda batch: predict(batch, 10_000), max_samples=120)
    assert fine.details["status"] != "unreliable"
