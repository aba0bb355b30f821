"""The answer of an audit from finished explanations."""

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError, LimelensWarning

HALVES = np.array([[0, 0, 0, 1, 1, 1]] * 4)
ABLATION = ll.Ablation(segmenter=ll.LabelImage(HALVES), fill=ll.Constant(0))


def noise(n=12, shape=(4, 6), seed=0):
    return np.random.default_rng(seed).random((n, *shape))


def left(batch):
    p = batch[:, :, :3].mean(axis=(1, 2))
    return np.column_stack([p, 1 - p])


def explain(images=None, model=left, explainer=ABLATION, **settings):
    images = noise() if images is None else images
    return [explainer.explain(image, model, **({"target": 0} | settings)) for image in images]


def test_the_map_is_the_mean_of_the_importances():
    images = noise()
    found = ll.summarize(explain(images), grid=(1, 2))
    effects = images[:, :, :3].mean(axis=(1, 2))
    np.testing.assert_allclose(found.grid_effects, [[effects.mean(), 0]], atol=1e-12)
    np.testing.assert_allclose(found.grid_errors, [[effects.std(ddof=1) / 12**0.5, 0]], atol=1e-12)
    assert found.grid_found.tolist() == [[True, False]]
    assert found.n_predictions == 12 * 5
    assert found.quantity == "the score"
    np.testing.assert_allclose(found.scores, effects)


def test_it_agrees_with_an_audit_of_all_masks():
    images = noise()
    settings = {"labels": HALVES, "label_names": {0: "left", 1: "right"}, "grid": 2}
    explainer = ll.ExactShapley(segmenter=ll.LabelImage(HALVES), fill=ll.Constant(0.1))
    explanations = explain(images, explainer=explainer, target=ll.log_odds(0))
    found = ll.summarize(explanations, **settings)
    audit = ll.audit(images, left, target=0, fill=ll.Constant(0.1), **settings)
    np.testing.assert_allclose(found.grid_effects, audit.grid_effects, atol=1e-9)
    assert found.effect("left").value == pytest.approx(audit.effect("left").value)
    assert found.effect("left").standard_error == pytest.approx(audit.effect("left").standard_error)
    assert found.quantity == "log-odds"


def test_runs_folders_files_and_generators_give_the_same(tmp_path):
    images = {f"a{k:02d}": image for k, image in enumerate(noise())}
    run = ll.explain_many(ABLATION, images, left, target=0, output=tmp_path / "run")
    plain = ll.summarize(explain(images.values()))
    files = sorted((tmp_path / "run").glob("*.npz"))
    for source in (run, tmp_path / "run", str(tmp_path / "run"), files, iter(run)):
        found = ll.summarize(source)
        np.testing.assert_array_equal(found.grid_effects, plain.grid_effects)
    assert ll.summarize(run).names[3] == "a03"
    (tmp_path / "plain").mkdir()
    for file in files:
        (tmp_path / "plain" / file.name).write_bytes(file.read_bytes())
    assert ll.summarize(tmp_path / "plain").names[3] == "a03"


def test_images_that_failed_are_left_out_with_a_warning(tmp_path):
    images = {f"a{k:02d}": image for k, image in enumerate(noise(13))}
    images["a07"] = np.zeros(3)
    with pytest.warns(LimelensWarning, match="could not be explained"):
        run = ll.explain_many(ABLATION, images, left, target=0, output=tmp_path / "run")
    stream = list(ll.explain_many(ABLATION, images, left, target=0))
    for source in (run, stream):
        with pytest.warns(LimelensWarning, match="1 images failed, the first, 'a07', by Invalid"):
            assert len(ll.summarize(source).names) == 12


def test_where_all_images_failed_it_is_said_why(tmp_path):
    def gone(batch):
        raise ConnectionError("the service is gone")

    images = dict(zip("ab", noise(2), strict=True))
    with pytest.warns(LimelensWarning, match="could not be explained"):
        run = ll.explain_many(ABLATION, images, gone, target=0, output=tmp_path / "run")
    stream = list(ll.explain_many(ABLATION, images, gone, target=0))
    why = "failed, the first, 'a', by ConnectionError: the service is gone"
    for source in (run, stream):
        with (
            pytest.warns(LimelensWarning, match=f"2 images {why}; they are left out"),
            pytest.raises(InvalidInputError, match=f"better fifty; got 0: 2 {why}"),
        ):
            ll.summarize(source)
    with pytest.raises(InvalidInputError, match=f"an explained image to report; 2 {why}"):
        run.report()
    failed = "ConnectionError: the service is gone"
    assert str(run.summary()).endswith(f"2 failed: ConnectionError 2\n  a: {failed}")
    assert repr(stream[0]) == f"<Failure of 'a': {failed}>"
    for ask in (ll.average, ll.show, lambda each: ll.report(each, tmp_path / "all.html")):
        with pytest.raises(InvalidInputError, match=f"'a' failed: {failed}. Leave failures out"):
            ask(stream)


def test_maps_per_pixel_are_summed_over_cells():
    images = noise(12, (14, 14))

    def model(batch):
        return batch[:, :7, :7].mean(axis=(1, 2))

    explainer = ll.Occlusion(window=(2, 2), stride=(2, 2), fill=ll.Constant(0))
    found = ll.summarize(explain(images, model, explainer), grid=2)
    assert found.grid_found.tolist() == [[True, False], [False, False]]


def test_pixels_that_do_not_count_are_no_region():
    images = noise(12, (4, 8))
    valid = np.ones((4, 8), bool)
    valid[:, 6:] = False
    images[:, ~valid] = np.nan

    def model(batch):
        return np.nan_to_num(batch)[:, :, :3].mean(axis=(1, 2))

    explainer = ll.Ablation(segmenter=ll.Grid(4), fill=ll.Constant(0))
    found = ll.summarize(explain(images, model, explainer, valid=valid), grid=(1, 8))
    assert found.grid_effects[0, 0] > 0.1
    assert not found.grid_effects[0, 6:].any()
    assert np.isfinite(found.effect("any region").value)
    found.to_image()


def test_standard_errors_say_what_of_the_images_differences_is_noise():
    rng = np.random.default_rng(0)
    bare, known = [], []
    for each in explain(noise(60)):
        importances = 1 + rng.normal(size=(1, 2))
        fields = {
            name: getattr(each, name)
            for name in ("image", "segments", "scores", "hidden_scores", "targets", "target_names")
        }
        bare.append(ll.Explanation(importances=importances, **fields))
        errors = np.ones((1, 2))
        known.append(ll.Explanation(importances=importances, standard_errors=errors, **fields))
    settings = {"labels": HALVES, "label_names": {0: "left"}}
    first, second = (ll.summarize(each, **settings).effect("left") for each in (bare, known))
    assert first.value == second.value
    assert first.share < 0.9  # a sixth of the noisy effects are negative
    assert second.share > 0.95


def test_labels_and_descriptors_describe_the_segments():
    found = ll.summarize(
        explain(),
        labels=lambda image: HALVES,
        label_names={0: "left"},
        descriptors=lambda image, region: {"first": bool(region[0, 0])},
    )
    assert found.effect("left").found
    assert found.effect("first").value > 0


def test_explanations_of_different_targets_are_refused_and_the_advice_works():
    images = noise()
    mixed = [
        ABLATION.explain(image, left, target=[k % 2, 1 - k % 2]) for k, image in enumerate(images)
    ]
    with pytest.raises(InvalidInputError, match="must be of one target; got 'class 0', then"):
        ll.summarize(mixed)
    assert ll.summarize(mixed, target=0).effect("any region").value > 0


@pytest.mark.parametrize(
    ("explanations", "words"),
    [
        ([], "`explanations` must be at least two"),
        (explain()[:1], "`explanations` must be at least two"),
        (explain()[0], r"\[explanation\]"),
        ([1, 2], "must hold explanations"),
        ("no-such-folder", "no folder"),
        (7, "must be a sequence of Explanation"),
    ],
)
def test_what_is_no_explanation_is_refused(explanations, words):
    with pytest.raises(InvalidInputError, match=words):
        ll.summarize(explanations)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": 7}, "`target` must be one of the explained targets"),
        ({"level": 2}, "`level`"),
        ({"grid": -1}, "`grid`"),
        ({"labels": [HALVES]}, "`labels` must have one entry"),
        ({"labels": HALVES.T}, "spatial shape"),
        ({"descriptors": 3}, "`descriptors`"),
        ({"rng": "x"}, "`rng`"),
    ],
)
def test_what_cannot_be_used_is_refused(changes, words):
    with pytest.raises(InvalidInputError, match=words):
        ll.summarize(explain(), **changes)


def test_an_error_names_the_image():
    with pytest.raises(InvalidInputError) as error:
        ll.summarize(explain(), labels=[HALVES] * 5)
    assert "at 'image 6', after 5 images" in error.value.__notes__


def test_few_images_and_images_that_come_twice_are_warned_of():
    twice = explain()
    with pytest.warns(LimelensWarning, match="'image 13' for example is 'image 1'"):
        ll.summarize([*twice, twice[0]])
    with pytest.warns(LimelensWarning, match="9 images are too few"):
        ll.summarize(twice[:9])
