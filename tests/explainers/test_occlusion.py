"""Occlusion: maps by hand, every pixel hidden, edges, shapes, regions."""

from fractions import Fraction

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError, LimelensWarning
from limelens.masking.window_grid import WindowGrid
from limelens.testing import Recorder

STRIP = np.array([[1.0, 2.0, 4.0, 8.0]])


def total(batch):
    return batch.reshape(len(batch), -1).sum(axis=1)


def occlude(image, model=total, **settings):
    settings = {"fill": ll.Constant(0)} | settings
    return ll.Occlusion(**settings).explain(image, model)


def test_overlapping_windows_are_averaged():
    found = occlude(np.array([[1.0, 2.0, 4.0]]), window=(1, 2), stride=1)
    np.testing.assert_array_equal(found.importances[0], [[3, 4.5, 6]])


def test_the_last_window_is_clipped():
    # windows 0-1 and 2-3 and, clipped, 4: what they hide is 3, 12 and 16
    found = occlude(np.array([[1.0, 2, 4, 8, 16]]), window=(1, 2), stride=(1, 2))
    np.testing.assert_array_equal(found.importances[0], [[3, 3, 12, 12, 16]])
    assert found.details["n_windows"] == 3


def test_centred_edges_start_on_the_corner_pixel():
    # windows of three centred on 0, 2: pixels 0-1 and 1-3; the next centre, 4, hides only 3
    found = occlude(STRIP, window=(1, 3), stride=(1, 2), edges="center")
    np.testing.assert_allclose(found.importances[0], [[3, (3 + 14) / 2, 14, (14 + 8) / 2]])


def test_windows_beside_each_other_share_the_image_exactly():
    image = np.random.default_rng(0).random((6, 4, 3))
    found = occlude(image, window=(3, 2), stride=(3, 2)).importances[0]
    np.testing.assert_allclose(
        found[::3, ::2], [[image[r : r + 3, c : c + 2].sum() for c in (0, 2)] for r in (0, 3)]
    )
    assert found[::3, ::2].sum() == pytest.approx(image.sum())


@pytest.mark.parametrize("edges", ["clip", "center"])
@pytest.mark.parametrize("shape", [(7, 10), (10, 7), (1, 11), (9, 9), (5, 6, 7)])
@pytest.mark.parametrize("window", [1, 0.2, 0.35, 1.0])
def test_every_pixel_is_hidden_at_least_once(edges, shape, window):
    image = np.ones(shape)
    model = Recorder(total, keep=True)
    explainer = ll.Occlusion(window=window, stride=0.1, edges=edges, fill=ll.Constant(0))
    explainer.explain(image, model, channel_axis=None)
    shown = np.concatenate(model.batches)[2:]  # without the intact and the hidden image
    assert (shown == 0).any(axis=0).all()


@pytest.mark.parametrize("side", [9, 10])
@pytest.mark.parametrize("window", [3, 4])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_the_number_of_windows_is_as_documented(side, window, stride):
    grid = WindowGrid.place((1, side), (1, window), (1, stride))
    assert len(grid.starts) == -(-(side - window) // stride) + 1


def test_constant_images_of_a_linear_model_give_the_windows_size():
    """Odd and even sides and windows: what a window hides is what it covers."""
    found = occlude(np.ones((5, 6)), window=(2, 3), stride=(2, 3))
    np.testing.assert_array_equal(
        found.importances[0], [[6] * 6, [6] * 6, [6] * 6, [6] * 6, [3] * 6]
    )


def test_all_targets_share_one_pass_and_integers_are_rounded():
    image = np.full((4, 4, 1), 200, dtype=np.uint8)
    model = Recorder(lambda b: np.stack([total(b / 1.0), -2 * total(b / 1.0)], axis=1), keep=True)
    explainer = ll.Occlusion(window=4, stride=4, fill=ll.Constant(100.6))
    found = explainer.explain(image, model, target=[0, 1])
    assert model.batches[0][1].max() == 101
    np.testing.assert_allclose(found.importances[:, 0, 0], [16 * 99, -2 * 16 * 99])


def test_a_disc_hides_the_ellipse():
    model = Recorder(total, keep=True)
    occlude(np.ones((4, 4)), model, window=4, stride=1, edges="center", shape="disc")
    hidden = 1 - model.batches[0]
    disc = np.array([[0, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 1, 0]])
    rows = np.concatenate(model.batches)[2:]
    assert any(np.array_equal(1 - row[:3, :3], disc[1:, 1:]) for row in rows)
    assert hidden.shape == (64 if len(rows) > 62 else len(model.batches[0]), 4, 4)


def test_a_disc_that_leaves_corners_unseen_is_refused():
    model = Recorder(total)
    with pytest.raises(InvalidInputError, match=r'never hides 4 pixels\. Use edges="center"'):
        occlude(np.ones((4, 4)), model, window=4, stride=4, shape="disc")
    assert model.n_images == 0


@pytest.mark.parametrize("size", [4, 5, 8])
@pytest.mark.parametrize("shape", [(20, 20), (17, 30), (9, 9, 9)])
def test_discs_can_be_refined_too(size, shape):
    image = np.random.default_rng(0).random(shape)
    axis = None if len(shape) == 3 else -1
    disc = ll.Occlusion(window=size, stride=1, shape="disc", edges="center", refine=0.1)
    details = disc.explain(image, total, channel_axis=axis).details
    assert details["n_windows"] < details["n_windows_full"]


def test_a_gaussian_blends_with_the_documented_weights():
    image, size = np.ones((1, 8)), (1, 8)
    model = Recorder(total, keep=True)
    found = occlude(image, model, window=size, stride=size, shape="gaussian")
    r = (np.arange(8) + 0.5 - 4) / 2  # in quarters of the side
    weights = np.exp(-(r**2) / 2) * np.exp(0)
    np.testing.assert_allclose(1 - model.batches[1][0][0], weights)
    np.testing.assert_allclose(found.importances[0][0], np.full(8, weights.sum()))


def test_soft_averages_are_weighted_by_how_much_a_window_hides():
    found = occlude(STRIP, window=(1, 2), stride=1, shape="gaussian").importances[0][0]
    w = np.exp(-0.5)  # one quarter of two pixels is half a pixel: both at r = 1
    drops = w * np.array([3, 6, 12])
    np.testing.assert_allclose(found, [drops[0], drops[:2].mean(), drops[1:].mean(), drops[2]])


def test_a_region_is_explained_and_the_rest_is_zero():
    image = np.ones((4, 8))
    model = Recorder(total)
    found = occlude(image, model, window=2, stride=2, roi=((0, 4), (0.5, 1.0)))
    np.testing.assert_array_equal(found.importances[0][:, 4:], 4)
    np.testing.assert_array_equal(found.importances[0][:, :4], 0)
    assert model.n_images == 2 + 4 + 1
    np.testing.assert_array_equal(found.details["covered"], found.importances[0] == 4)


def test_windows_that_reach_beyond_the_region_do_not_show_there():
    found = occlude(np.ones((4, 8)), window=4, stride=2, edges="center", roi=((0, 4), (4, 8)))
    assert not found.importances[0][:, :4].any()
    assert found.importances[0][:, 4:].all()


def test_rows_of_another_shape_are_not_used_again():
    image = np.random.default_rng(0).random((6, 6))
    boxes = occlude(image, window=3, stride=3)
    with pytest.raises(InvalidInputError, match="another segmentation or kind of masks"):
        ll.Occlusion(window=3, stride=3, shape="gaussian", fill=ll.Constant(0)).explain(
            image, total, reuse=boxes
        )


def test_volumes_are_hidden_in_three_dimensions():
    image = np.random.default_rng(0).random((4, 4, 4))
    explainer = ll.Occlusion(window=2, stride=2, fill=ll.Constant(0))
    found = explainer.explain(image, total, channel_axis=None).importances[0]
    assert found[0, 0, 0] == pytest.approx(image[:2, :2, :2].sum())
    assert found[3, 3, 3] == pytest.approx(image[2:, 2:, 2:].sum())


def test_refining_spends_calls_where_the_map_is_strong():
    image = np.zeros((40, 40)) + 0.01
    image[10:16, 24:30] = 5
    full = occlude(image, window=8, stride=2)
    coarse_to_fine = occlude(image, window=8, stride=2, refine=0.1)
    assert coarse_to_fine.n_predictions < 0.5 * full.n_predictions
    maps = full.importances[0], coarse_to_fine.importances[0]
    assert np.corrcoef(maps[0].ravel(), maps[1].ravel())[0, 1] > 0.9
    assert maps[0][maps[1] == maps[1].max()].min() > 0.85 * maps[0].max()
    assert coarse_to_fine.details["n_windows_full"] == full.details["n_windows"]


def test_refining_follows_every_target_and_either_sign(masked_images):
    image = np.ones((24, 24))

    def two_corners(batch):  # evidence in one corner, counter-evidence in the other
        return np.stack([batch[:, 0, 0], -batch[:, 23, 23]], axis=1)

    occlusion = ll.Occlusion(window=6, stride=2, refine=0.1, fill=ll.Constant(0))
    model = Recorder(two_corners, keep=True)
    details = occlusion.explain(image, model, target=[0, 1]).details
    assert details["n_windows"] == model.n_images - 3 > 16
    hidden = (1 - masked_images(model)).sum(axis=0)
    assert hidden[3, 3] > 1
    assert hidden[20, 20] > 1
    assert hidden[3, 20] == hidden[20, 3] == 1


def test_refining_where_nothing_is_left_to_refine_is_the_coarse_map():
    image = np.random.default_rng(0).random((12, 9))
    full = occlude(image, window=3, stride=3)
    found = occlude(image, window=3, stride=3, refine=0.3)
    np.testing.assert_array_equal(found.importances, full.importances)
    with pytest.warns(LimelensWarning, match="never changed"):
        still = occlude(image, lambda batch: np.ones(len(batch)), window=3, stride=1, refine=0.3)
    assert not still.importances.any()
    assert still.details["n_windows"] == 4 * 3  # of 10 x 7: a map of zeros has no strong part


@pytest.mark.parametrize("share", [np.float32(0.5), np.float64(0.5), Fraction(1, 2)])
def test_a_share_may_be_any_real_number(share):
    assert occlude(np.ones((4, 8)), window=share, stride=share).details["window"] == [2, 4]


def test_refining_everywhere_is_the_full_map():
    image = np.random.default_rng(0).random((12, 9))
    full = occlude(image, window=4, stride=1)
    np.testing.assert_allclose(
        occlude(image, window=4, stride=1, refine=1.0).importances, full.importances
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"window": 2, "stride": 3}, "`stride` may not exceed `window`"),
        ({"window": 5, "stride": 1}, "`window` must fit the image; got 5 pixels for a side of 4"),
        (
            {"window": (2, 2, 2), "stride": 1},
            "`window` must be one number, or 2 for the image's sides",
        ),
        ({"window": float("nan")}, "`window` must be an int >= 1"),
        ({"window": 0}, "`window` must be an int >= 1"),
        ({"window": 1.5}, r"a float in \(0, 1\]"),
        ({"stride": -1}, "`stride` must be an int >= 1"),
        ({"window": True}, "`window` must be an int >= 1"),
        ({"edges": "wrap"}, "`edges` must be one of 'clip', 'center'; got 'wrap'"),
        ({"shape": "star"}, "`shape` must be one of"),
        ({"refine": 0}, "`refine` must be a finite number"),
        ({"roi": ((0, 4),)}, "`roi` must be a pair"),
        ({"roi": ((0, 4), (3, 9))}, "`roi` must lie within the image"),
        ({"roi": ((2, 2), (0, 4))}, "`roi` must lie within the image"),
    ],
)
def test_sizes_that_cannot_be_are_named(settings, words):
    model = Recorder(total)
    with pytest.raises(InvalidInputError, match=words):
        occlude(np.ones((4, 4)), model, **settings)
    assert model.n_images == 0


def test_fills_that_need_segments_say_so():
    with pytest.raises(InvalidInputError, match="SegmentMean"):
        occlude(np.random.default_rng(0).random((4, 4)), fill=ll.SegmentMean())


@pytest.mark.parametrize("stop", [1.04, 1.5])
def test_a_share_of_the_side_above_one_is_refused(stop):
    with pytest.raises(InvalidInputError, match="`roi`"):
        occlude(np.ones((10, 10)), window=5, stride=5, roi=((0.0, stop), (0.0, 1.0)))
    occlude(np.ones((10, 10)), window=5, stride=5, roi=((0.0, 1.0), (0.0, 1.0)))
