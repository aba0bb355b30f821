import numpy as np
import pytest
from scipy.stats import rankdata

import limelens as ll
from limelens._statistics import predicted_correlation, split_half_reliability
from limelens.errors import InvalidInputError
from limelens.games.lime_kernel import cosine_distance, kernel_weights
from limelens.results import Explanation, Samples, stability
from limelens.results.stability import StabilityReport, _complements, _correlation
from limelens.surrogates import Ridge


def test_it_is_the_share_of_variance_that_is_not_noise_under_a_root():
    # Variance of (0, 10) is 25; mean squared error of (1, sqrt 17) is 9; sqrt(1 - 9 / 25) = 0.8
    errors = np.array([[1.0, np.sqrt(17.0)]])
    assert predicted_correlation(np.array([[0.0, 10.0]]), errors) == pytest.approx(0.8)


def test_more_noise_than_variance_leaves_nothing():
    assert predicted_correlation(np.array([[0.0, 1.0]]), np.ones((1, 2))) == 0.0


def test_without_noise_it_is_one():
    assert predicted_correlation(np.array([[1.0, 2.0]]), np.zeros((1, 2))) == 1.0


def test_constant_importances_have_no_correlation():
    found = predicted_correlation(np.array([[0.1, 0.1, 0.1], [0.0, 0.0, 0.0]]), np.zeros((2, 3)))
    assert np.isnan(found).all()


def test_unknown_errors_leave_it_unknown_for_that_target_only():
    errors = np.array([[np.nan, 1.0], [0.0, 0.0]])
    found = predicted_correlation(np.array([[0.0, 1.0], [0.0, 1.0]]), errors)
    np.testing.assert_array_equal(found, [np.nan, 1.0])


@pytest.mark.parametrize("noise", [0.3, 0.75, 1.5])
def test_it_predicts_what_noise_does_to_the_correlation(noise):
    rng = np.random.default_rng(0)
    truth = rng.normal(size=5000)
    noisy = truth + rng.normal(scale=noise, size=5000)
    predicted = predicted_correlation(noisy[np.newaxis], np.full((1, 5000), noise))[0]
    assert predicted == pytest.approx(np.corrcoef(truth, noisy)[0, 1], abs=0.02)


def make_explanation(importances, errors, *, samples=None, details=None):
    importances = np.atleast_2d(np.asarray(importances, dtype=np.float64))
    t, d = importances.shape
    return Explanation(
        image=np.zeros((1, d)),
        importances=importances,
        standard_errors=None if errors is None else np.atleast_2d(np.asarray(errors, float)),
        scores=np.zeros(t),
        hidden_scores=np.zeros(t),
        targets=tuple(range(t)),
        target_names=tuple("abcdef"[:t]),
        segments=np.arange(d)[np.newaxis],
        samples=samples,
        details=details or {},
    )


def test_without_errors_the_strongest_are_certain():
    found = make_explanation([3.0, -5.0, 1.0, 2.0], np.zeros(4)).top_confidence(2)
    assert found.segments.tolist() == [0, 3]
    assert found.words == ("certain", "certain")
    assert found.set_probability == 1.0
    assert str(found) == "certain: 0, 3"


def test_membership_is_the_probability_of_the_normal_distribution():
    # 1 beats 2 with probability Phi(1 / sqrt 2) = 0.760; 0 is far above both.
    found = make_explanation([10.0, 2.0, 1.0], np.ones(3)).top_confidence(2)
    assert found.segments.tolist() == [0, 1]
    np.testing.assert_allclose(found.membership, [1.0, 0.760], atol=0.03)
    assert found.words == ("certain", "likely")
    assert found.set_probability == pytest.approx(0.760, abs=0.03)
    assert str(found) == "certain: 0; likely: 1"


def test_errors_of_a_process_have_heavy_tails_too():
    # The difference is 1.8 standard deviations: 0.964 of a normal distribution, 0.939 of t(6).
    details = {"covariance": np.eye(2)[np.newaxis], "targets": [0]}
    found = make_explanation([10.0, 10 - 1.8 * np.sqrt(2)], np.ones(2), details=details)
    said = found.top_confidence(1)
    assert said.membership[0] == pytest.approx(0.939, abs=0.01)
    assert said.words == ("likely",)


def test_where_there_is_little_evidence_tails_are_heavier():
    def membership(**more):
        details = {"covariance": np.eye(2)[np.newaxis], "targets": [0], **more}
        found = make_explanation([10.0, 10 - 2.1 * np.sqrt(2)], np.ones(2), details=details)
        return found.top_confidence(1).membership[0]

    def carried_by(carriers, n_calls=100):
        return membership(carriers=np.array([carriers]), n_calls=n_calls)

    # The difference is 2.1 standard deviations: t with 3 or 6 degrees of freedom.
    assert carried_by(1.5) == pytest.approx(0.937, abs=0.01)
    assert carried_by(1.5) < carried_by(5.0) < membership() == pytest.approx(0.960, abs=0.01)
    assert carried_by(3.0) == carried_by(1.5)  # no fewer than three
    assert carried_by(7.0) == carried_by(np.inf) == membership()
    assert carried_by(np.inf, n_calls=12) == carried_by(5.0)  # four pairs more than segments
    assert carried_by(np.inf, n_calls=4) == carried_by(1.5)


def test_fewer_than_three_calls_a_segment_make_nothing_certain():
    def words(error=0.01, **details):
        found = make_explanation([10.0, 1.0], np.full(2, error), details=details)
        return found.top_confidence(1).words

    assert words(n_calls=5) == words(n_pairs=2) == ("likely",)
    assert words(n_calls=6) == words(n_pairs=3) == words() == ("certain",)
    assert words(n_calls=4, error=0) == ("certain",)  # all coalitions were asked


def test_tails_are_heavier_for_the_target_with_little_evidence():
    details = {
        "covariance": np.stack([np.eye(2)] * 2),
        "targets": [1, 0],
        "carriers": np.array([100.0, 1.5]),
        "n_calls": 100,
    }
    apart = [[10.0, 10 - 2.1 * np.sqrt(2)]] * 2
    found = make_explanation(apart, np.ones((2, 2)), details=details)
    few, many = (found.top_confidence(1, target).membership[0] for target in (0, 1))
    assert few == pytest.approx(0.937, abs=0.01)
    assert many == pytest.approx(0.960, abs=0.01)


def test_errors_that_are_shared_do_not_blur_the_order():
    covariance = np.ones((1, 3, 3)) + 1e-6 * np.eye(3)
    details = {"covariance": covariance, "targets": [0]}
    explanation = make_explanation([10.0, 9.0, 8.0], np.ones(3), details=details)
    assert explanation.top_confidence(1).words == ("certain",)
    alone = make_explanation([10.0, 9.0, 8.0], np.ones(3))
    assert alone.top_confidence(1).words != ("certain",)


def test_each_target_has_its_own_covariance_also_when_cut_out():
    covariance = np.stack([np.eye(2), 1e-12 * np.eye(2)])
    details = {"covariance": covariance, "targets": [0, 1]}
    explanation = make_explanation([[1.0, 0.9], [1.0, 0.9]], np.ones((2, 2)), details=details)
    assert explanation.top_confidence(1, "a").words == ("open",)
    assert explanation.for_target("b").top_confidence(1).words == ("certain",)


@pytest.mark.parametrize(("sign", "expected"), [("negative", [1]), ("absolute", [1, 0])])
def test_the_sign_says_which_are_meant(sign, expected):
    found = make_explanation([3.0, -5.0, 1.0], np.zeros(3)).top_confidence(2, sign=sign)
    assert found.segments.tolist() == expected


def test_nothing_stands_out_of_a_zero_map():
    found = make_explanation(np.zeros(3), np.full(3, np.nan)).top_confidence(2)
    assert len(found.segments) == 0
    assert str(found) == "no segment stands out"


def test_without_standard_errors_there_is_no_confidence():
    with pytest.raises(InvalidInputError, match="must have standard errors"):
        make_explanation([1.0, 2.0], None).top_confidence(1)


def make_samples(n, noise, d=6, seed=0, effects=None):
    rng = np.random.default_rng(seed)
    rows = np.unique(rng.random((n, d)) < 0.5, axis=0)
    effects = np.arange(d) if effects is None else effects
    scores = rows @ effects + noise * rng.normal(size=len(rows))
    keys = np.packbits(rows, axis=1)
    return Samples(keys=keys, scores=scores[:, np.newaxis], n_segments=d, fingerprint="")


def test_without_noise_sub_samples_agree():
    samples = make_samples(400, 0.0, d=10)
    report = make_explanation(np.zeros(10), None, samples=samples).stability_report(k=2, rng=0)
    assert report.sizes == (len(samples.scores) // 4, len(samples.scores) // 2)
    assert report.n_rows == len(samples.scores)
    assert report.correlation > 0.95
    assert report.overlaps[-1] > 0.9
    assert report.calls_for(0.9) < len(samples)


def test_more_rows_agree_more_and_noise_costs_rows():
    explanations = [
        make_explanation(np.zeros(10), None, samples=make_samples(200, noise, d=10))
        for noise in (3.0, 12.0)
    ]
    quiet, loud = (explanation.stability_report(rng=0) for explanation in explanations)
    assert quiet.correlations[0] < quiet.correlations[1] < quiet.correlation
    assert loud.correlation < quiet.correlation
    assert loud.calls_for() > 2 * quiet.calls_for()


def test_the_expected_correlation_is_that_of_two_runs():
    reports, pairs = [], []
    for seed in range(12):
        maps = []
        for other in (0, 1):
            samples = make_samples(160, 8.0, d=10, seed=2 * seed + other)
            explanation = make_explanation(np.zeros(10), None, samples=samples)
            fit = stability._fits(samples.coalitions, samples.scores[:, 0])
            maps.append(fit([np.arange(len(samples))])[0])
            if not other:
                reports.append(explanation.stability_report(n_splits=5, rng=0).correlation)
        pairs.append(_correlation(*map(rankdata, maps)))
    assert np.mean(reports) == pytest.approx(np.mean(pairs), abs=0.08)


def test_equal_importances_share_their_rank():
    # Spearman's correlation of [0, 0, 5] and [0, 4, 0]; by position the ties would agree.
    assert _correlation(rankdata([0, 0, 5]), rankdata([0, 4, 0])) == pytest.approx(-0.5)


def test_complements_stay_together():
    rows = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 1], [0, 0, 0], [1, 1, 0]], dtype=bool)
    groups = _complements(rows)
    assert groups[0] == groups[1]
    assert groups[2] == groups[3]
    assert len(set(groups.tolist())) == 3


def test_one_strong_segment_is_stable_though_the_ranks_of_the_others_are_noise():
    samples = make_samples(400, 0.3, d=30, effects=np.arange(30) == 4)
    report = make_explanation(np.zeros(30), None, samples=samples).stability_report(rng=0)
    assert report.correlations[-1] < 0.3
    assert report.linear_correlations[-1] > 0.8


@pytest.mark.parametrize("scale", [2.0**-560, 2.0**-990, 2.0**460])
def test_a_report_does_not_depend_on_the_scale(scale):
    plain, scaled = (
        make_explanation(
            np.zeros(6), None, samples=make_samples(200, 0.3 * s, effects=np.arange(6) * s)
        ).stability_report(rng=0)
        for s in (1.0, scale)
    )
    np.testing.assert_allclose(scaled.linear_correlations, plain.linear_correlations)
    np.testing.assert_allclose(scaled.correlations, plain.correlations)


def test_scores_that_never_change_agree_in_nothing():
    samples = make_samples(200, 0.0, effects=np.zeros(6))
    report = make_explanation(np.zeros(6), None, samples=samples).stability_report(rng=0)
    assert report.correlations == report.linear_correlations == (0.0, 0.0)


def test_a_report_needs_rows():
    with pytest.raises(InvalidInputError, match="must have samples, at least 16"):
        make_explanation([1.0, 2.0], None).stability_report()


def test_a_report_says_it_in_words():
    report = StabilityReport(
        sizes=(10, 20), correlations=(0.5, 0.6), linear_correlations=(0.8, 0.9),
        overlaps=(0.3, 0.4), n_rows=40, correlation=0.75, k=5,
    )  # fmt: skip
    assert str(report).splitlines() == [
        "10 rows: rank correlation 0.50, linear 0.80, overlap of the top 5 0.30",
        "20 rows: rank correlation 0.60, linear 0.90, overlap of the top 5 0.40",
        "40 rows: rank correlation 0.75 expected",
        "rank correlation 0.9 takes about 120 rows",
    ]
    never = StabilityReport(
        sizes=(10,), correlations=(-0.1,), linear_correlations=(0.0,), overlaps=(0.0,), n_rows=20,
        correlation=0.0, k=5,
    )  # fmt: skip
    assert never.calls_for(0.5) == np.inf


def test_a_callable_target_is_refused_even_where_it_is_a_column_at_the_intact_image():
    weights = np.random.default_rng(1).normal(size=(8, 2))

    def predict(batch):
        kept = (batch[:, 0] > 0.5) * 1.0
        return np.stack([kept @ np.abs(weights[:, 0]), 4 - 3 * kept @ weights[:, 1]], axis=1)

    lime = ll.Lime(segmenter=ll.Grid(cell=(1, 1)), fill=ll.Constant(0), n_samples=200)
    found = lime.explain(np.ones((1, 8)), predict, target=lambda s: s.max(axis=1), rng=0)
    assert found.target_values[0, 0] == found.scores[0]
    with pytest.raises(InvalidInputError, match="is a function of the scores"):
        found.stability_report(rng=0)


def test_what_is_only_rounding_is_neither_strong_nor_certain():
    settings = {"segmenter": ll.Grid(cell=(1, 1)), "fill": ll.Constant(0)}
    image = np.array([[0.3, 0.8, 0.5]])

    def predict(batch):
        return batch[:, 0] @ np.array([-1.0, 0.0, 1.0])

    for explainer in (ll.QuickShap(**settings), ll.KernelShap(**settings)):
        found = explainer.explain(image, predict, rng=0)
        for sign, segments in (("positive", [2]), ("negative", [0]), ("absolute", [2, 0])):
            said = found.top_confidence(3, sign=sign)
            assert said.segments.tolist() == segments
            assert said.words == ("certain",) * len(segments)
            assert said.set_probability == 1.0
        assert found.top_segments(3).tolist() == [2]


FIVE = {"segmenter": ll.Grid(cell=(1, 1)), "fill": ll.Constant(0)}


def of_five(predict, explainer=ll.QuickShap, **settings):
    return explainer(**FIVE, **settings).explain(np.ones((1, 5)), predict, target=0, rng=0)


@pytest.mark.parametrize("scores", [lambda x: 0.2 + 1e-7 * x, lambda x: 1e6 + x])
def test_rounding_of_a_score_that_hardly_moves_is_never_certain(scores):
    """Two segments are needed together; the others get what float64 makes of their zeros."""
    found = of_five(lambda batch: scores(batch.reshape(len(batch), -1)[:, :2].all(axis=1) * 1.0))
    assert found.details["status"] == "exact"
    said = found.top_confidence(5)
    words = dict(zip(said.segments.tolist(), said.words, strict=True))
    assert {segment for segment, word in words.items() if word == "certain"} == {0, 1}


@pytest.mark.parametrize("explainer", [ll.QuickShap, ll.QuickLime])
def test_segments_less_than_a_step_of_the_score_apart_are_not_certain(explainer):
    def predict(batch, rounded=True):
        slopes = np.array([0.063, 0.028, 0.022, 0.0, 0.0]) / np.pi
        scores = 0.5 + batch.reshape(len(batch), -1) @ slopes
        return np.round(scores * 256) / 256 if rounded else scores

    with pytest.warns(ll.LimelensWarning, match="moves by about 2.9 steps of 0.0039"):
        rounded = of_five(predict, explainer)
    np.testing.assert_array_equal(rounded.details["rounding"], [1 / 256])
    assert rounded.top_confidence(2).words == ("certain", "open")
    exact = of_five(lambda batch: predict(batch, rounded=False), explainer)
    assert exact.details["rounding"] < 1e-14
    assert exact.top_confidence(2).words == ("certain", "certain")


@pytest.mark.parametrize(("dtype", "step"), [(np.uint8, 1), (np.int8, 1), (int, 0), (bool, 0)])
def test_bytes_of_a_quantised_network_are_rounded_to_whole_numbers(dtype, step):
    """Other whole numbers may be counts, which are exact."""
    slopes = np.array([[40.0, 20.0, 8.0, 4.0, 3.7], [0.0, 0.0, 0.0, 1.0, 9.0]])
    found = of_five(lambda batch: (batch.reshape(len(batch), -1) @ slopes.T).astype(dtype))
    np.testing.assert_array_equal(found.details["rounding"], [step])


def test_what_rounding_can_do_follows_the_model_and_the_scale():
    slopes = np.array([2.0, 1.0, -1.0, 0.3, 0.1])

    def predict(batch):
        p = 1 / (1 + np.exp(-batch.reshape(len(batch), -1) @ slopes))
        return np.stack([p, 1 - p], axis=1).astype(np.float32)

    on_score, on_link = of_five(predict), of_five(predict, scale="link")
    share = 8 * 2.0**-23  # of float32
    largest = 1 / (1 + np.exp(-3.3))
    assert on_score.details["rounding"][0] == pytest.approx(share * largest, rel=0.03)
    # dlogit / dp = 1 / (p (1 - p)) is 4 at one half, and more elsewhere.
    assert 4 < on_link.details["rounding"][0] / on_score.details["rounding"][0] < 10


def test_each_target_has_its_own_rounding_also_when_cut_out():
    def predict(batch):
        slopes = np.array([0.3, 0.2, 0.1, 0.101, 0.0]) / np.pi
        scores = 0.5 + batch.reshape(len(batch), -1) @ slopes[:, np.newaxis]
        return np.concatenate([scores, np.round(256 * scores) / 256], axis=1)

    explainer = ll.QuickShap(**FIVE)
    both = explainer.explain(np.ones((1, 5)), predict, target=[0, 1], rng=0)
    assert both.details["rounding"][0] < 1e-14 < both.details["rounding"][1]
    assert both.for_target(1).details["rounding"] == both.details["rounding"][1]
    words = both.for_target(1).top_confidence(3).words
    assert words == both.top_confidence(3, target=1).words != both.top_confidence(3).words


def test_an_explanation_that_does_not_know_its_rounding_is_read_as_before():
    found = make_explanation([3.0, 1e-9, 0.0], np.zeros(3)).top_confidence(2)
    assert found.words == ("certain", "certain")


def test_a_posterior_mean_errs_besides_what_it_varies_by():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=20_000)
    seen = truth + rng.normal(scale=0.8, size=truth.shape)
    mean, deviation = seen / (1 + 0.64), np.sqrt(0.64 / 1.64)
    predicted = predicted_correlation(
        mean[np.newaxis], np.full((1, len(mean)), deviation), shrunken=True
    )
    assert predicted[0] == pytest.approx(np.corrcoef(truth, mean)[0, 1], abs=0.01)


def test_halves_tell_the_correlation_of_the_whole_with_the_truth():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=20_000)
    halves = truth + rng.normal(scale=1.2, size=(2, *truth.shape)) + np.array([[3.0], [-1.0]])
    predicted = split_half_reliability(halves[:1], halves[1:])
    whole = halves.mean(axis=0)
    assert predicted[0] == pytest.approx(np.corrcoef(truth, whole)[0, 1], abs=0.01)
    flat = np.ones((1, 5))
    assert np.isnan(split_half_reliability(flat, np.arange(5.0)[np.newaxis])).all()


def test_in_a_notebook_certainty_is_a_table(make):
    found = make(standard_errors=np.full((2, 4), 1e-6)).top_confidence(2, sign="absolute")
    table = found._repr_html_()
    assert "<td>1</td><td>0</td><td>100%</td><td>certain</td>" in table
    assert "exactly these: 100%" in table
    none = make(importances=np.zeros((2, 4))).top_confidence(2)
    assert "no segment stands out" in none._repr_html_()


def test_in_a_notebook_stability_is_a_table():
    report = StabilityReport(
        sizes=(10, 20),
        correlations=(0.5, 0.75),
        linear_correlations=(0.6, 0.8),
        overlaps=(0.25, 1.0),
        n_rows=40,
        correlation=0.875,
        k=3,
    )
    table = report._repr_html_()
    assert "<td>20</td><td>0.75</td><td>0.80</td><td>1.00</td>" in table
    assert "overlap of the top 3" in table
    assert "<td>40</td><td>0.88 expected</td>" in table


@pytest.mark.parametrize("n", [16, 40, 90])
def test_maps_of_few_rows_are_lime_s_plain_fit(n):
    """The system of the rows against that of the segments, above and below as many rows."""
    rng = np.random.default_rng(n)
    rows, values = rng.random((n, 24)) < 0.5, rng.normal(size=n)
    weights = kernel_weights(cosine_distance(rows), 0.25)
    fit = stability._fits(rows, values)
    subsets = np.arange(0, n, 2), np.arange(n // 4)
    for kept, found in zip(subsets, fit(subsets), strict=True):
        expected = Ridge(1.0)(rows[kept], values[kept], weights[kept]).importances[0]
        np.testing.assert_allclose(found, expected, atol=1e-10)
    assert not stability._fits(rows, np.ones(n))([np.arange(n // 4)]).any()
