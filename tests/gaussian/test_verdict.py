import numpy as np
import pytest

from limelens.gaussian.verdict import TargetFit, judge, summarise, unknown_fit


def make_fit(importances=(3.0, -4.0, 0.0), error=1.0, **settings):
    d = len(importances)
    settings = {"link": "log-odds", "curved": True, "inflation": 1.0, "n_rows": 100} | settings
    return TargetFit(importances=np.array(importances), covariance=error**2 * np.eye(d), **settings)


def test_standard_errors_pay_for_inflation_but_never_gain_by_it():
    np.testing.assert_allclose(make_fit(inflation=0.5).standard_errors, 1.1)
    np.testing.assert_allclose(make_fit(inflation=1.44).standard_errors, 1.1 * 1.2)
    np.testing.assert_allclose(make_fit(link="softmax", inflation=1.44).standard_errors, 1.2)
    np.testing.assert_allclose(make_fit(curved=False, inflation=1.44).standard_errors, 1.0)


def test_standard_errors_follow_the_differences_of_pairs_with_a_prior_of_ten():
    settings = {"curved": False, "n_rows": 80, "odd_inflation": 0.5}
    np.testing.assert_allclose(make_fit(**settings).standard_errors ** 2, 30 / 50)
    curved = settings | {"curved": True, "inflation": 2.0}  # .5 / 2, and twice as wide for the rest
    np.testing.assert_allclose(make_fit(**curved).standard_errors ** 2, 1.21 * 2 * 20 / 50)
    none = settings | {"odd_inflation": float("nan")}
    np.testing.assert_allclose(make_fit(**none).standard_errors, 1.0)


def test_relative_error_adds_the_errors_to_the_size():
    fit = make_fit(curved=False)  # |phi|² = 25, S = 3
    assert fit.relative_error == pytest.approx(np.sqrt(3 / 28))


def test_reliability_is_the_share_of_the_variance_under_a_root():
    fit = make_fit((6.0, 0.0), error=4.0)  # variance 9, error 16, without widening
    assert fit.reliability == pytest.approx(0.6)
    narrow = make_fit((6.0, 0.0), error=4.0, curved=False, n_rows=80, odd_inflation=0.25)
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
    ],
)
def test_doubts_about_the_error_bars(settings, doubt):
    assert make_fit(**settings).doubt == doubt


def test_what_no_further_calls_have_checked_is_not_converged():
    found = judge(make_fit(error=0.2), tolerance=0.3, n_calls=130, checked=False)
    assert found.status == "not converged"
    assert "no further calls have checked it: raise max_samples" in found.message
    assert judge(make_fit(error=0.2), tolerance=0, n_calls=130, checked=False).settled


def test_converged_says_how_well():
    found = judge(make_fit(error=0.2), tolerance=0.3, n_calls=130)
    assert found.status == "converged"
    assert found.settled
    assert found.message == (
        "converged: relative error about 8% after 130 calls (asked 30%), correlation with the "
        "exact answer about 1.00"
    )


def test_not_converged_says_what_it_would_take():
    fit = make_fit(error=2.0, curved=False)  # sqrt(12 / 37) = .57, so 130 (.57 / .3)² = 469
    found = judge(fit, tolerance=0.3, n_calls=130)
    assert found.status == "not converged"
    assert not found.settled
    assert "relative error about 57% after 130 calls (asked 30%" in found.message
    assert "at least 469)" in found.message
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
