"""Pixels that do not count (`valid`): explainers, segmenters, fills, views leave them alone."""

from dataclasses import replace

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError
from limelens.explainers.base import Explainer
from limelens.pictures.display import HATCH_GREY
from limelens.testing import Recorder

SHAPE = (8, 12, 3)
VALID = np.zeros(SHAPE[:2], dtype=bool)
VALID[1:7, 2:9] = True
VALID[1, 2] = VALID[6, 8] = False
SIX = ll.Grid(6)
GRADIENTS = {
    "IntegratedGradients": ll.IntegratedGradients(n_steps=5),
    "IntegratedGradients smooth": ll.IntegratedGradients(n_steps=4, smooth=0.1, n_smooth=2),
    "ExpectedGradients": ll.ExpectedGradients(samples=ll.Noise(low=0.0, high=1.0, n=3), n_steps=9),
    "GradCam": ll.GradCam(),
}
CASES = {
    "Ablation": ll.Ablation(segmenter=SIX, keep=True, interactions=True),
    "Ablation blur": ll.Ablation(segmenter=SIX, fill=ll.Blur(2)),
    "Ablation segment mean": ll.Ablation(segmenter=SIX, fill=ll.SegmentMean()),
    "Ablation inpaint": ll.Ablation(segmenter=SIX, fill=ll.Inpaint()),
    "Ablation noise": ll.Ablation(segmenter=SIX, fill=ll.Noise()),
    "Anchors": ll.Anchors(segmenter=SIX, max_samples=300),
    "ExactShapley": ll.ExactShapley(segmenter=SIX),
    "KernelShap": ll.KernelShap(segmenter=SIX, n_samples=40),
    "Lime": ll.Lime(segmenter=ll.Slic(6), n_samples=60),
    "Occlusion": ll.Occlusion(window=4, stride=2),
    "Occlusion refined": ll.Occlusion(window=4, stride=2, refine=0.3, shape="gaussian"),
    "Owen": ll.Owen(segmenter=ll.Watershed(6)),
    "PermutationShapley": ll.PermutationShapley(segmenter=SIX, n_permutations=3),
    "QuickLime": ll.QuickLime(segmenter=SIX, max_samples=40),
    "QuickShap": ll.QuickShap(segmenter=SIX, max_samples=40),
    "Rise": ll.Rise(n_masks=30, grid=3),
    "Rise published": ll.Rise(n_masks=30, grid=3, debiased=False),
    "Sharp": ll.Sharp(max_samples=30),
    "Sharp label images": ll.Sharp(
        segmenters=[ll.Felzenszwalb(min_size=4), ll.LabelImage(np.indices(SHAPE[:2]).sum(0) // 3)]
    ),
    **GRADIENTS,
}
each = pytest.mark.parametrize("name", CASES)


class InsideModel:
    """Three scores of the pixels that count, with gradients and one feature layer."""

    def __init__(self, valid=VALID):
        self.valid = valid
        self.weights = np.random.default_rng(5).normal(size=(*SHAPE, 3)) * valid[..., None, None]

    def __call__(self, batch):
        seen = np.where(self.valid[..., None], batch, 0)
        return np.stack([(one[..., None] * self.weights).sum(axis=(0, 1, 2)) for one in seen])

    def gradient(self, batch, target):
        slopes = np.broadcast_to(self.weights[..., target], batch.shape).copy()
        slopes[:, ~self.valid] = np.nan  # what a network makes of NaN
        return slopes

    def features(self, batch, target):
        maps = np.where(self.valid[..., None], batch, 0).sum(axis=-1)[:, None, ::4, ::4]
        return maps, np.ones_like(maps)


def picture(outside=0.5):
    image = np.random.default_rng(3).random(SHAPE)
    image[~VALID] = outside
    image.flags.writeable = False
    return image


def explain(name, image=None, model=None, valid=VALID, **settings):
    settings.setdefault("rng", 0)
    image = picture() if image is None else image
    return CASES[name].explain(image, model or InsideModel(), valid=valid, **settings)


def test_every_explainer_is_tried():
    public = [getattr(ll, name) for name in ll.__all__]
    explainers = {each for each in public if isinstance(each, type) and issubclass(each, Explainer)}
    tried = {type(explainer) for explainer in CASES.values()}
    assert explainers <= tried, f"add a line to CASES in {__file__}"


@each
@pytest.mark.parametrize("outside", [-9999.0, np.nan, np.inf, -3.4e38])
def test_what_lies_outside_changes_nothing(name, outside):
    first, other = explain(name), explain(name, picture(outside))
    np.testing.assert_array_equal(other.importances, first.importances)
    for field in ("standard_errors", "fidelity", "reliability"):
        if getattr(first, field) is not None:
            np.testing.assert_array_equal(getattr(other, field), getattr(first, field))
    assert np.isfinite(other.importances).all()
    assert name == "Anchors" or first.importances.any()


@each
@pytest.mark.parametrize("outside", [-9999.0, np.nan])
def test_the_model_sees_pixels_that_do_not_count_as_they_are(name, outside):
    model = Recorder(InsideModel(), keep=True)
    image = picture(outside)
    explain(name, image, model)
    for batch in model.batches:
        np.testing.assert_array_equal(
            batch[:, ~VALID], np.broadcast_to(image[~VALID], batch[:, ~VALID].shape)
        )


@each
def test_maps_are_zero_where_pixels_do_not_count(name):
    explanation = explain(name)
    for interpolation in ("nearest", "bilinear", "bicubic", "smooth", "guided"):
        heatmap = explanation.heatmap(interpolation=interpolation)
        assert not heatmap[~VALID].any()
        assert np.isfinite(heatmap).all()
    np.testing.assert_array_equal(explanation.valid, VALID)


@each
def test_a_mask_that_holds_every_pixel_is_no_mask(name):
    everything = np.ones(SHAPE[:2], dtype=bool)
    image = np.random.default_rng(3).random(SHAPE)
    model = InsideModel(everything)
    model.gradient(image[np.newaxis], 0)
    with_mask = explain(name, image, model, valid=everything)
    without = explain(name, image, model, valid=None)
    np.testing.assert_array_equal(with_mask.importances, without.importances)
    assert with_mask.valid is None
    assert with_mask.samples.fingerprint == without.samples.fingerprint


@each
def test_rows_are_reused_with_the_same_mask_only(name):
    first = explain(name)
    again = explain(name, reuse=first)
    n_gradients = again.details.get("n_gradients", name == "GradCam")
    n_noisy = getattr(GRADIENTS.get(name), "n_smooth", 0) if "smooth" in name else 0
    assert again.n_predictions == 1 + n_gradients + n_noisy
    other = VALID.copy()
    other[3, 3] = False
    model = InsideModel(other)
    with pytest.raises(InvalidInputError, match="`reuse` holds rows of another"):
        explain(name, model=model, valid=other, reuse=first)


@each
@pytest.mark.parametrize("layout", ["channels first", "volume", "grey"])
def test_the_mask_has_the_spatial_axes_in_every_layout(name, layout):
    rng = np.random.default_rng(0)
    axis = {"channels first": 0, "volume": None, "grey": -1}[layout]
    shape = {"channels first": (3, 8, 12), "volume": (4, 8, 8), "grey": (8, 12)}[layout]
    if name in GRADIENTS or (layout != "channels first" and "label" in name):
        pytest.skip("asked elsewhere")
    if layout == "volume" and ("Water" in repr(CASES[name]) or "Felz" in repr(CASES[name])):
        pytest.skip("planes only")
    image = rng.random(shape)
    spatial = shape if axis is None or len(shape) == 2 else shape[1:]
    valid = np.zeros(spatial, dtype=bool)
    valid[..., 1:7, 2:7] = True
    outside = ~np.broadcast_to(valid, shape)
    image[outside] = np.nan
    weights = rng.normal(size=shape)

    def model(batch):
        return np.stack([np.where(outside, 0, one * weights).sum() for one in batch])

    explanation = explain(name, image, model, valid=valid, channel_axis=axis)
    assert not explanation.heatmap()[~valid].any()
    assert name == "Anchors" or explanation.heatmap().any()


# -- segments --------------------------------------------------------------------------------------

SEGMENTERS = {
    "Slic": ll.Slic(12),
    "Slic displaced": ll.Slic(12, offset=0.1),
    "Quickshift": ll.Quickshift(max_dist=8),
    "Felzenszwalb": ll.Felzenszwalb(min_size=20),
    "Watershed": ll.Watershed(12),
    "Watershed displaced": ll.Watershed(12, offset=-0.1),
    "Grid": ll.Grid(12),
    "Grid of cells": ll.Grid(cell=(7, 7)),
    "your own": lambda image: np.indices(image.shape[:2]).sum(axis=0) // 20,
}


def scene():
    """Two bodies in padding, one of them small; both have texture."""
    rng = np.random.default_rng(1)
    valid = np.zeros((60, 80), dtype=bool)
    rows, columns = np.indices(valid.shape)
    valid |= (rows - 30) ** 2 + (columns - 30) ** 2 < 22**2
    valid[10:16, 66:74] = True
    image = np.where(valid, 40 + 20 * rng.random(valid.shape) + columns / 4, -2000.0)
    return image, valid


@pytest.mark.parametrize("name", SEGMENTERS)
def test_no_segment_holds_pixels_that_count_and_others(name):
    image, valid = scene()
    ablation = ll.Ablation(segmenter=SEGMENTERS[name])
    segments = ablation.explain(image, lambda b: b[:, valid].mean(axis=1), valid=valid).segments
    np.testing.assert_array_equal(segments >= 0, valid)
    assert np.array_equal(np.unique(segments[valid]), np.arange(segments.max() + 1))


@pytest.mark.parametrize("name", ["Slic", "Watershed", "Grid"])
def test_the_number_of_segments_is_that_of_the_pixels_that_count(name):
    image, valid = scene()
    ablation = ll.Ablation(segmenter=SEGMENTERS[name])
    segments = ablation.explain(image, lambda b: b[:, valid].mean(axis=1), valid=valid).segments
    assert 8 <= segments.max() + 1 <= 17


def test_a_label_image_keeps_its_ids_where_pixels_count():
    labels = np.array([[7, 7, 9, 9, 4]])
    valid = np.array([[True, False, True, True, False]])
    found = ll.Ablation(segmenter=ll.LabelImage(labels), fill=ll.Constant(0)).explain(
        np.ones((1, 5)), lambda batch: batch.sum(axis=(1, 2)), valid=valid
    )
    assert found.segments.tolist() == [[0, -1, 1, 1, -1]]
    assert found.details["segment_ids"].tolist() == [7, 9]
    assert found.importances.tolist() == [[1, 2]]


def test_trees_join_what_pixels_that_do_not_count_keep_apart():
    valid = np.array([[True, True, False, True, True]])
    owen = ll.Owen(segmenter=ll.Grid(cell=(1, 1)), fill=ll.Constant(0))
    found = owen.explain(np.ones((1, 5)), lambda batch: batch.sum(axis=(1, 2)), valid=valid)
    assert found.importances.tolist() == [[1, 1, 1, 1]]
    assert found.details["merges"].tolist() == [[0, 1], [2, 3], [4, 5]]


# -- fills -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fill", "hidden"),
    [
        (ll.ImageMean(), [3, 3]),
        (ll.SegmentMean(), [2, 4]),
        (ll.Constant(7), [7, 7]),
        (ll.Blur(1e-3), [2, 4]),
    ],
)
def test_fills_see_pixels_that_count_only(fill, hidden):
    model = Recorder(lambda batch: batch[:, 0, :2].sum(axis=1), keep=True)
    segmenter = ll.LabelImage([[0, 1, 1, 1]])
    image = np.array([[2.0, 4.0, -2000.0, -2000.0]])
    if isinstance(fill, (ll.SegmentMean, ll.Blur)):  # the image itself, but for its padding
        with pytest.raises(InvalidInputError, match="returned the image itself"):
            ll.Ablation(segmenter=segmenter, fill=fill).explain(image, model, valid=[[1, 1, 0, 0]])
        return
    ll.Ablation(segmenter=segmenter, fill=fill).explain(image, model, valid=[[1, 1, 0, 0]])
    assert model.batches[0][1].tolist() == [[*hidden, -2000, -2000]]


def test_padding_no_longer_spoils_the_mean():
    image, valid = scene()
    model = Recorder(lambda batch: batch[:, valid].mean(axis=1), keep=True)
    ll.Ablation(segmenter=ll.Grid(9)).explain(image, model, valid=valid)
    hidden = model.batches[0][1]
    np.testing.assert_allclose(hidden[valid], image[valid].mean())
    assert (hidden[~valid] == -2000).all()


# -- windows ---------------------------------------------------------------------------------------


def test_windows_over_nothing_that_counts_are_not_paid_for():
    image, valid = np.ones((4, 40)), np.zeros((4, 40), dtype=bool)
    valid[:, :8] = True
    occlusion = ll.Occlusion(window=(4, 4), stride=(4, 4), fill=ll.Constant(0))
    model = Recorder(lambda batch: batch[:, valid].sum(axis=1))
    found = occlusion.explain(image, model, valid=valid)
    assert found.details["n_windows"] == found.details["n_windows_full"] == 2
    assert found.n_predictions == model.n_images == 5
    assert found.importances[0, 0].tolist() == [16.0] * 8 + [0.0] * 32


# -- errors ----------------------------------------------------------------------------------------


def ask(image, valid, **settings):
    ablation = ll.Ablation(segmenter=ll.Grid(4), fill=ll.Constant(0))
    return ablation.explain(image, lambda batch: batch.sum(axis=(1, 2)), valid=valid, **settings)


@pytest.mark.parametrize(("shape", "axis"), [((4, 4, 3), 2), ((3, 4, 4), 0)])
def test_a_mask_with_channels_is_told_how_it_gets_rid_of_them(shape, axis):
    words = rf"Pass valid\.any\(axis={axis}\), or valid\.all\(axis={axis}\)"
    with pytest.raises(InvalidInputError, match=words):
        ask(np.ones(shape), np.ones(shape, bool), channel_axis=axis)


@pytest.mark.parametrize(
    ("valid", "words"),
    [
        (np.ones((4, 5), bool), r"`valid` must have the image's spatial shape \(4, 4\)"),
        (np.ones((4, 4, 1), bool), r"`valid` must have the image's spatial shape \(4, 4\)"),
        (True, r"`valid` must have the image's spatial shape \(4, 4\)"),
        (np.full((4, 4), 255, np.uint8), r"`valid` must hold True and False.*Pass valid > 0"),
        (np.full((4, 4), "yes"), "`valid` must hold booleans"),
        (np.zeros((4, 4), bool), r"`valid` must be True for some pixels; got none.*Pass ~valid"),
    ],
)
def test_a_mask_that_cannot_be_one_is_refused(valid, words):
    with pytest.raises(InvalidInputError, match=words):
        ask(np.ones((4, 4)), valid)


def test_the_advice_on_a_mask_of_0_and_255_works():
    valid = np.full((4, 4), 255, np.uint8)
    valid[0] = 0
    assert ask(np.ones((4, 4)), valid > 0).importances.sum() == 12


def test_the_advice_on_a_mask_the_wrong_way_round_works():
    valid = np.zeros((4, 4), bool)
    assert ask(np.ones((4, 4)), ~valid).importances.sum() == 16


@pytest.mark.parametrize("axis", [-1, 0])
def test_nan_where_pixels_count_is_refused_with_the_mask_that_works(axis):
    image = np.ones((4, 4) if axis == -1 else (3, 4, 4))
    valid = np.ones((4, 4), dtype=bool)
    valid[0, 0] = False
    image[..., 0, 0] = image[..., 1, 1] = np.nan
    model = lambda batch: np.nansum(batch.reshape(len(batch), -1), axis=1)  # noqa: E731
    ablation = ll.Ablation(segmenter=ll.Grid(4), fill=ll.Constant(0))
    with pytest.raises(InvalidInputError, match="`image` must be finite where `valid`") as caught:
        ablation.explain(image, model, valid=valid, channel_axis=axis)
    advice = str(caught.value).rpartition("valid=")[2].removesuffix(".")
    better = eval(advice, {"valid": valid, "np": np, "image": image})
    found = ablation.explain(image, model, valid=better, channel_axis=axis)
    assert not found.valid[1, 1]


@pytest.mark.parametrize("shape", [(2, 2), (2, 2, 3)])
def test_without_a_mask_nan_is_refused_and_the_mask_that_works_is_named(shape):
    image = np.ones(shape)
    image[0, 1] = np.nan
    with pytest.raises(InvalidInputError, match="Or leave those pixels out") as caught:
        ask(image, None)
    mask = eval(
        str(caught.value).rpartition("valid=")[2].removesuffix("."), {"np": np, "image": image}
    )
    ablation = ll.Ablation(segmenter=ll.Grid(4), fill=ll.Constant(0))
    found = ablation.explain(image, lambda b: np.nansum(b.reshape(len(b), -1), axis=1), valid=mask)
    assert found.heatmap()[0, 1] == 0


def test_one_segment_that_counts_is_refused():
    valid = np.zeros((4, 4), dtype=bool)
    valid[0, 0] = True
    with pytest.raises(InvalidInputError, match="at least two segments where `valid` is True"):
        ask(np.ones((4, 4)), valid)


# -- what is made of it ----------------------------------------------------------------------------


@pytest.fixture(params=["per segment", "per pixel"])
def found(request):
    image, valid = scene()
    image[~valid] = np.nan

    def model(batch):
        return batch[:, 20:30, 20:40].mean(axis=(1, 2))

    explainer = ll.Ablation(segmenter=ll.Grid(20)) if "seg" in request.param else ll.Occlusion()
    return explainer.explain(image, model, valid=valid)


def test_it_is_saved_and_loaded(found, tmp_path):
    found.save(tmp_path / "why.npz")
    loaded = ll.Explanation.load(tmp_path / "why.npz")
    np.testing.assert_array_equal(loaded.valid, found.valid)
    np.testing.assert_array_equal(loaded.image, found.image)


def test_the_caller_may_change_the_mask_later():
    image, valid = scene()
    found = ll.Ablation(segmenter=ll.Grid(9)).explain(
        image, lambda b: b[:, 20:30, 20:40].mean(axis=(1, 2)), valid=valid
    )
    valid[:] = True
    assert not found.valid.all()


def test_pictures_hatch_what_does_not_count(found):
    for picture in (found.to_image(), found.to_image(backdrop="color")):
        pixels = np.asarray(picture)
        side = pixels.shape[0] // found.image.shape[0]
        valid = found.valid.repeat(side, 0).repeat(side, 1)
        line = (pixels == HATCH_GREY).all(axis=-1)
        assert 0.08 < line[~valid].mean() < 0.2  # a line in eight
        assert line[valid].mean() < 0.02


def test_reading_it_works_with_nan_outside(found, tmp_path):
    if found.segments is not None:
        masked = found.masked_image(2)
        np.testing.assert_array_equal(masked[~found.valid], found.image[~found.valid])
        assert np.isfinite(masked[found.valid]).all()
        assert not found.top_mask(3)[~found.valid].any()
        found.top_image(3)
        assert len(found.to_geojson()["features"]) == found.importances.shape[1]
        n_pixels = sum(each["n_pixels"] for each in found.to_dict()["segments"])
        assert n_pixels == np.count_nonzero(found.valid)
    else:
        assert found.to_csv().count("\n") == 1 + np.count_nonzero(found.valid)
        labels = np.arange(found.image.size).reshape(found.image.shape) // 800
        halves = found.by_segment(labels)
        np.testing.assert_allclose(halves.importances.sum(), found.importances.sum())
        assert (halves.segments[~found.valid] == -1).all()
    found.figure()
    found.to_napari()
    assert "hatched pixels do not count" in found.to_html()
    ll.report([found], tmp_path / "all.html")
    ll.show([found, found])
    ll.signed_panels(found)
    assert found._repr_html_()


def test_plots_work_with_nan_outside(found):
    pytest.importorskip("matplotlib")
    found.plot()


def test_the_mean_of_two_explanations_keeps_the_mask():
    image, valid = scene()
    image[~valid] = np.nan
    model = lambda batch: batch[:, 20:30, 20:40].mean(axis=(1, 2))  # noqa: E731
    runs = [ll.Ablation(segmenter=ll.Grid(n)).explain(image, model, valid=valid) for n in (12, 20)]
    mean = ll.average(runs)
    np.testing.assert_array_equal(mean.valid, valid)
    assert not mean.importances[:, ~valid].any()
    np.testing.assert_allclose(
        mean.importances.sum(), np.mean([run.importances.sum() for run in runs])
    )
    everywhere = ll.Ablation(segmenter=ll.Grid(12)).explain(np.where(valid, image, 0), model)
    with pytest.raises(InvalidInputError, match="must be of one"):
        ll.average([runs[0], everywhere])


def test_a_region_is_compared_with_the_area_that_counts():
    valid = np.array([[True, True, False, False]])
    found = ll.Ablation(segmenter=ll.Grid(cell=(1, 1)), fill=ll.Constant(0)).explain(
        np.array([[3.0, 1.0, 9.0, 9.0]]), lambda b: b[:, 0, :2].sum(axis=1), valid=valid
    )
    inside = found.inside([[True, False, True, True]])
    assert (inside.share, inside.area) == (0.75, 0.5)
    with pytest.raises(InvalidInputError, match="some pixels that count, not all; got 0 of 2"):
        found.inside([[False, False, True, True]])
    with pytest.raises(InvalidInputError, match="some pixels that count, not all; got 2 of 2"):
        found.inside([[True, True, False, True]])


def test_smoothing_takes_the_mean_of_what_counts():
    image, valid = scene()
    found = ll.Ablation(segmenter=ll.Grid(12)).explain(
        image, lambda b: b[:, valid].sum(axis=1), valid=valid
    )
    level = np.ones_like(found.importances)
    flat = replace(found, importances=level)
    for interpolation in ("bilinear", "bicubic", "smooth"):
        heatmap = flat.heatmap(interpolation=interpolation)
        np.testing.assert_allclose(heatmap[valid], 1.0)
        assert not heatmap[~valid].any()
