"""How much of the importance lies inside a region."""

from dataclasses import replace

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError

SEGMENTS = np.array([[0, 0, 1, 1], [2, 2, 3, 3]])
LEFT = np.array([[True, True, False, False]] * 2)


def explained(importances, errors=None, segments=SEGMENTS, **fields):
    importances = np.array([importances], dtype=float)
    return ll.Explanation(
        image=np.zeros(SEGMENTS.shape),
        importances=importances,
        standard_errors=None if errors is None else np.array([errors], dtype=float),
        scores=np.array([1.0]),
        hidden_scores=np.array([0.0]),
        targets=(0,),
        target_names=("cat",),
        segments=segments,
        **fields,
    )


@pytest.mark.parametrize(
    ("sign", "share"), [("positive", 3 / 4), ("negative", 1 / 3), ("absolute", 4 / 7)]
)
def test_the_share_counts_what_has_the_sign(sign, share):
    found = explained([3, 1, -1, -2]).inside(LEFT, sign=sign)
    assert found.share == pytest.approx(share)
    assert found.area == 0.5
    assert np.isnan(found.standard_error)
    assert np.isnan(found.z)


def test_a_segment_partly_inside_counts_by_its_pixels():
    corner = np.array([[True, False, False, False], [False] * 4])
    assert explained([3, 1, 0, 0]).inside(corner).share == pytest.approx(1.5 / 4)


def test_a_map_per_pixel_is_summed():
    pixels = explained([[3, 0, 1, 0], [0, -5, 0, 0]], segments=None)
    assert pixels.inside(LEFT).share == pytest.approx(3 / 4)


def test_the_standard_error_by_hand():
    # s = 3 / 4, slopes (1 - s) / 4 and -s / 4; both are surely positive.
    found = explained([3, 1, 0, 0], [0.2, 0.1, 0, 0]).inside(LEFT)
    assert found.standard_error == pytest.approx(np.hypot(0.2 * 0.25 / 4, 0.1 * 0.75 / 4))
    assert found.z == pytest.approx(0.25 / found.standard_error)


def test_the_standard_error_uses_the_covariance():
    errors = np.array([0.2, 0.1, 0.0, 0.0])
    # what is more in one is more in the other: in the direction of the importances nothing changes
    covariance = np.outer(errors, errors)[np.newaxis] / 4  # scaled to the standard errors
    details = {"covariance": covariance, "targets": [0]}
    found = explained([3, 1, 0, 0], errors, details=details).inside(LEFT)
    assert found.standard_error == pytest.approx(abs(0.2 * 0.25 - 0.1 * 0.75) / 4)


def test_an_importance_that_may_have_the_sign_counts_by_its_chance():
    # The second is zero, but not surely: half a chance that it takes a part of the share.
    found = explained([3, 0, 0, 0], [0, 0.6, 0, 0]).inside(LEFT)
    assert found.share == 1
    assert found.standard_error == pytest.approx(0.5 * 0.6 / 3)


def test_without_any_error_more_is_infinitely_more():
    exact = explained([3, 1, 0, 0], [0, 0, 0, 0])
    assert exact.inside(LEFT).z == np.inf
    assert exact.inside(~LEFT).z == -np.inf
    assert explained([1, 1, 0, 0], [0, 0, 0, 0]).inside(LEFT).z == 0


def test_no_importance_of_the_sign_has_no_share():
    found = explained([-1, -1, 0, 0], [0.1] * 4).inside(LEFT)
    assert np.isnan([found.share, found.standard_error, found.z]).all()
    assert str(found) == "no evidence anywhere"
    assert np.isnan(explained([0, 0, 0, 0]).inside(LEFT, sign="absolute").share)


def test_unknown_errors_make_the_error_of_the_share_unknown():
    found = explained([3, 1, -1, 0], [0.2, np.nan, 0.1, 0.1]).inside(LEFT)
    assert found.share == 0.75
    assert np.isnan(found.standard_error)


def test_it_says_so_in_a_sentence():
    found = explained([3, 1, 0, 0], [0.2, 0.2, 0, 0]).inside(LEFT)
    assert str(found) == "75% +- 4% of the evidence on 50% of the area, z = 6.3"
    assert str(explained([3, 1, 0, 0]).inside(LEFT)) == "75% of the evidence on 50% of the area"
    negative = explained([3, -1, 0, 0]).inside(LEFT, sign="negative")
    assert str(negative) == "0% of the counter-evidence on 50% of the area"


def test_targets_are_told_apart():
    two = replace(
        explained([3, 1, 0, 0]),
        importances=np.array([[3.0, 1, 0, 0], [0, 1, 0, 0]]),
        targets=(0, 4),
        target_names=("cat", "dog"),
    )
    assert two.inside(LEFT, "dog").share == 0
    assert two.inside(LEFT, 4).share == 0
    assert two.inside(LEFT).share == 0.75


def test_nulls_by_hand():
    nulls = [explained([value, 0, 0, 0]) for value in (1.0, 2.0, 3.0)]
    # mean 2, standard deviation 1; Student's t with 2 degrees of freedom, 4.303 for 1.96
    z = (8 - 2) / np.sqrt(1 + 1 / 3) / (4.302653 / 1.959964)
    assert explained([8, 1, 0, 0]).inside(LEFT, nulls=nulls).z == pytest.approx(z, rel=1e-5)
    assert explained([8, 1, 0, 0]).inside(LEFT, nulls=nulls, sign="negative").z == pytest.approx(
        -z, rel=1e-5
    )
    assert explained([-4, 1, 0, 0]).inside(LEFT, nulls=nulls, sign="absolute").z == pytest.approx(
        z, rel=1e-5
    )


def test_nulls_may_be_maps_per_pixel():
    pixels = [explained([[value, 0, 0, 0], [0] * 4], segments=None) for value in (1.0, 2.0, 3.0)]
    segments = [explained([value, 0, 0, 0]) for value in (1.0, 2.0, 3.0)]
    one = explained([8, 1, 0, 0])
    assert one.inside(LEFT, nulls=pixels).z == one.inside(LEFT, nulls=segments).z


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (LEFT[:1], r"spatial shape \(2, 4\)"),
        (LEFT * 2, "Pass mask > 0"),
        (LEFT & False, "some pixels, not all; got 0 of 8"),
        (LEFT | True, "some pixels, not all; got 8 of 8"),
        ("left", "`mask` must hold"),
    ],
)
def test_masks_that_mean_nothing_are_refused(mask, words):
    with pytest.raises(InvalidInputError, match=words):
        explained([3, 1, 0, 0]).inside(mask)


def test_nulls_that_tell_nothing_are_refused():
    one = explained([3, 1, 0, 0])
    with pytest.raises(InvalidInputError, match=r"at least three explanations.*got 2"):
        one.inside(LEFT, nulls=[one, one])
    other = replace(one, image=np.zeros((1, 4)), segments=np.array([[0, 1, 2, 3]]))
    with pytest.raises(InvalidInputError, match=r"images of shape \(2, 4\); got \(1, 4\)"):
        one.inside(LEFT, nulls=[other] * 3)
    with pytest.raises(InvalidInputError, match="'positive', 'negative', 'absolute'"):
        one.inside(LEFT, sign="both")


def test_a_sharp_map_knows_its_error_by_its_segmentations():
    rng = np.random.default_rng(0)
    image = 1 + rng.random((24, 24))
    right = np.zeros((24, 24), bool)
    right[:, 12:] = True
    explanation = ll.Sharp(max_samples=128, fill=ll.Constant(0)).explain(
        image, lambda batch: batch[:, :, 12:].sum(axis=(1, 2)), rng=0
    )
    found = explanation.inside(right)
    assert found.share > 0.6
    assert 0 < found.standard_error < 0.2


@pytest.mark.filterwarnings("ignore:`predict_fn` answers")  # that it is noisy is the point
@pytest.mark.parametrize("n_samples", [60, 300])
def test_intervals_hold_the_share_of_the_exact_importances(n_samples):
    """An additive model whose evidence is spread over both halves, in 60 noisy runs."""
    weights = np.random.default_rng(1).uniform(0.5, 2, 16)
    image, segments = np.ones((4, 4)), np.arange(16).reshape(4, 4)
    left = segments % 4 < 2
    truth = weights[left.ravel()].sum() / weights.sum()
    hits = []
    for run in range(60):
        noise = np.random.default_rng(run)

        def model(batch, noise=noise):
            exact = batch.reshape(len(batch), -1) @ weights
            return exact + noise.normal(0, 1.5, len(batch))

        lime = ll.Lime(
            segmenter=ll.LabelImage(segments),
            fill=ll.Constant(0),
            n_samples=n_samples,
            surrogate=ll.Ridge(alpha=1e-6),
        )
        found = lime.explain(image, model, rng=run).inside(left)
        hits.append(abs(found.share - truth) < 1.96 * found.standard_error)
    assert 0.85 <= np.mean(hits) <= 1
