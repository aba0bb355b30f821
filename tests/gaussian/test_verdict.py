import numpy as np
import pytest

from limelens.gaussian.verdict import TargetFit, judge, summarise, unknown_fit

LEARNED = np.sqrt(1.32)  # the kernel was learned: 1 + 32 / 100 rows


def make_fit(importances=(3.0, -4.0, 0.0), error=1.0, **settings):
    d = len(importances)
    settings = {"link": "log-odds", "curved": True, "inflation": 1.0, "n_rows": 100} | settings
    settings = {"covariance": error**2 * np.eye(d)} | settings
    return TargetFit(importances=np.array(importances), **settings)


def test_standard_errors_pay_for_inflation_but_never_gain_by_it():
    np.testing.assert_allclose(make_fit(inflation=0.5).standard_errors, 1.1 * LEARNED)
    np.testing.assert_allclose(make_fit(inflation=1.44).standard_errors, 1.1 * 1.2 * LEARNED)
    softmax, straight = make_fit(link="softmax", inflation=1.44), make_fit(curved=False)
    np.testing.assert_allclose(softmax.standard_errors, 1.2 * LEARNED)
    np.testing.assert_allclose(straight.standard_errors, LEARNED)


def test_standard_errors_pay_for_a_kernel_learned_from_few_rows():
    few, many = (make_fit(curved=False, n_rows=n).standard_errors for n in (32, 3_200_000))
    np.testing.assert_allclose(few**2, 2.0)
    np.testing.assert_allclose(many, 1.0, atol=1e-5)


MANY = (3.0, -4.0, *np.zeros(18))


def test_standard_errors_follow_the_differences_of_pairs_with_a_prior_of_ten():
    settings = {"curved": False, "n_rows": 80, "odd_inflation": 0.5}
    np.testing.assert_allclose(make_fit(MANY, **settings).standard_errors ** 2, 30 / 50 * 1.4)
    curved = settings | {"curved": True, "inflation": 2.0}  # 0.5 / 2, and twice as wide
    expected = 1.21 * 2 * 20 / 50 * 1.4
    np.testing.assert_allclose(make_fit(MANY, **curved).standard_errors ** 2, expected)
    none = settings | {"odd_inflation": float("nan")}
    np.testing.assert_allclose(make_fit(MANY, **none).standard_errors ** 2, 1.4)


def test_of_few_segments_no_bar_is_narrower_for_it():
    settings = {"curved": False, "n_rows": 80}
    narrow = make_fit(odd_inflation=0.5, **settings)
    np.testing.assert_allclose(narrow.standard_errors**2, 1.4)
    wide = make_fit(odd_inflation=3.0, **settings)
    np.testing.assert_allclose(wide.standard_errors**2, 1.4 * 130 / 50)


def test_relative_error_adds_the_errors_to_the_size():
    fit = make_fit(curved=False, n_rows=10**9)  # |phi|² = 25, S = 3
    assert fit.relative_error == pytest.approx(np.sqrt(3 / 28))


def test_the_bound_on_the_error_holds_nine_times_in_ten_and_for_several_looks():
    rng = np.random.default_rng(0)
    for shape in (np.eye(3), np.diag([1.0, 1e-3, 1e-3]), np.ones((3, 3)) + np.eye(3)):
        fit = make_fit((30.0, -40.0, 0.0), curved=False, n_rows=10**9, covariance=shape)
        assert fit.error_bound > fit.relative_error
        errors = rng.multivariate_normal(np.zeros(3), 1.2**2 * shape, size=20_000)
        squares = np.square(errors).sum(axis=1)
        within = np.mean(np.sqrt(squares / (squares + 2500)) < fit.error_bound)
        assert within == pytest.approx(0.9, abs=0.015)


def test_reliability_is_the_share_of_the_variance_under_a_root():
    fit = make_fit((6.0, 0.0), error=4.0)  # variance 9, error 16, without widening
    assert fit.reliability == pytest.approx(0.6)
    many = (6.0, 0.0) * 10
    narrow = make_fit(many, error=4.0, curved=False, n_rows=80, odd_inflation=0.25)
    assert narrow.reliability == pytest.approx(np.sqrt(9 / (9 + 16 * 20 / 50)))
    wide = make_fit((6.0, 0.0), error=4.0, curved=False, n_rows=80, odd_inflation=4.0)
    assert wide.reliability == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("settings", "doubt"),
    [
        ({}, ""),
        ({"saturation": 0.11}, "saturation"),
        ({"inflation": 2.1}, "inflation"),
        ({"carriers": 4.9}, "carriers"),
        ({"carriers": 4.9, "n_rows": 40}, ""),
        ({"saturation": 0.5, "curved": False}, ""),
        ({"carriers": 4.9, "curved": False}, "carriers"),
        ({"steps": 3.9}, "steps"),
        ({"steps": 3.9, "curved": False}, "steps"),
        ({"steps": 4.1}, ""),
    ],
)
def test_doubts_about_the_error_bars(settings, doubt):
    assert make_fit(**settings).doubt == doubt


def test_what_no_further_calls_have_checked_is_not_converged():
    found = judge(make_fit(error=0.2), tolerance=0.3, n_calls=130, checks=0)
    assert found.status == "not converged"
    assert "no further calls have checked it: raise max_samples" in found.message
    found = judge(make_fit(error=0.0), tolerance=0.3, n_calls=130, checks=0)
    assert found.status == "not converged"
    assert judge(make_fit(error=0.2), tolerance=0, n_calls=130, checks=0).settled


def test_after_the_first_check_the_bound_must_be_a_tenth_below_the_tolerance():
    fit = make_fit(error=0.2)
    close, wide = fit.error_bound / 0.95, fit.error_bound / 0.85
    found = judge(fit, tolerance=close, n_calls=62, checks=1)
    assert found.status == "not converged"
    assert "few further calls have checked it: raise max_samples" in found.message
    assert judge(fit, tolerance=wide, n_calls=62, checks=1).status == "converged"
    assert judge(fit, tolerance=close, n_calls=82, checks=2).status == "converged"


def test_converged_says_how_well():
    found = judge(make_fit(error=0.2), tolerance=0.3, n_calls=130)
    assert found.status == "converged"
    assert found.settled
    assert found.message == (
        "converged: relative error about 9%, at most 15%, after 130 calls (asked 30%), correlation "
        "with the exact answer about 1.00"
    )


def test_not_converged_says_what_it_would_take():
    fit = make_fit(error=2.0, curved=False)
    needed = int(np.ceil(130 * (fit.error_bound / 0.3) ** 2))
    found = judge(fit, tolerance=0.3, n_calls=130)
    assert found.status == "not converged"
    assert not found.settled
    assert "relative error about 62%, at most 81%, after 130 calls (asked 30%" in found.message
    assert f"at least {needed})" in found.message
    assert "raise max_samples, use fewer segments" in found.message
    assert "scale='link'" not in found.message
    assert "scale='link'" in judge(make_fit(error=2.0), tolerance=0.3, n_calls=9).message


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"saturation": 0.4}, "the probability is at 0 or 1 for 40% of the coalitions"),
        ({"inflation": 3.0}, "squared errors are 3.0 times the expected"),
        ({"carriers": 1.8}, "about 2 coalitions carry all of the score's variation"),
    ],
)
def test_unreliable_says_why(settings, words):
    found = judge(make_fit(error=0.01, **settings), tolerance=0.3, n_calls=130)
    assert found.status == "unreliable"
    assert words in found.message
    assert found.message.endswith("use scale='link'")
    assert not found.settled


def test_advice_for_rounded_probabilities_and_for_scores_as_they_are():
    rounded = judge(make_fit(error=0.01, steps=2.0), tolerance=0.3, n_calls=130)
    assert "moves by about 2.0 steps of the model's rounding" in rounded.message
    assert rounded.message.endswith("before they are rounded")
    straight = judge(make_fit(error=0.01, carriers=2, curved=False), tolerance=0.3, n_calls=130)
    assert straight.message.endswith("raise max_samples or use fewer segments")


def test_a_model_that_answers_by_chance_is_settled_but_not_exact():
    found = judge(make_fit(link="exact", error=0.1, curved=False), tolerance=0.3, n_calls=8)
    assert (found.status, found.settled) == ("stochastic", True)
    exact = judge(make_fit(link="exact", error=0.0, curved=False), tolerance=0.3, n_calls=8)
    assert exact.status == "exact"


def test_labels_are_not_sent_to_the_log_odds():
    found = judge(make_fit(error=0.01, saturation=1.0), tolerance=0.3, n_calls=130)
    assert found.status == "unreliable"
    assert found.message.endswith("answer with probabilities instead of labels")


def test_without_a_tolerance_every_reliable_answer_is_settled():
    found = judge(make_fit(error=9.0), tolerance=0, n_calls=130)
    assert found.settled
    assert "(none was asked)" in found.message


def test_exact_and_constant_need_no_more_calls():
    exact = judge(make_fit(link="exact", error=0.0, curved=False), tolerance=0.3, n_calls=8)
    assert (exact.status, exact.settled) == ("exact", True)
    constant = judge(unknown_fit(3), tolerance=0.3, n_calls=8)
    assert (constant.status, constant.settled) == ("constant", True)
    assert "less than a millionth" in constant.message


def test_the_summary_is_the_worst_and_says_all():
    verdicts = [judge(make_fit(error=e), tolerance=0.3, n_calls=9) for e in (0.1, 5.0)]
    found = summarise(verdicts, ["cat", "dog"])
    assert found.status == "not converged"
    assert found.message.startswith("cat: converged")
    assert ". dog: not converged" in found.message
    assert summarise(verdicts[:1], ["cat"]).message == verdicts[0].message
