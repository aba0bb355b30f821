"""Pictures and masks of lime's result, and the way on to limelens' own."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

import limelens as ll
from limelens.compat.lime_image import ImageExplanation, LimeImageExplainer
from limelens.errors import InvalidInputError, LimelensWarning
from limelens.testing import AdditiveModel, Recorder

SEGMENTS = np.array([[0, 1, 2, 3, 4]])
IMAGE = np.array([[[10, 11, 12], [20, 21, 22], [30, 31, 32], [40, 41, 42], [50, 51, 52]]], np.uint8)
PAIRS = [(3, -0.5), (1, 0.4), (0, 0.2), (4, -0.1), (2, 0.0)]


def made(*, image=IMAGE, segments=SEGMENTS, pairs=PAIRS, **settings):
    explanation = ImageExplanation(image, segments, **settings)
    explanation.local_exp[7] = pairs
    return explanation


@pytest.mark.parametrize(
    ("settings", "mask"),
    [
        ({}, [1, 1, 0, 0, 0]),
        ({"num_features": 1}, [0, 1, 0, 0, 0]),
        ({"min_weight": 0.2}, [0, 1, 0, 0, 0]),
        ({"positive_only": False, "negative_only": True}, [0, 0, 0, 1, 1]),
        ({"positive_only": False, "negative_only": True, "min_weight": 0.1}, [0, 0, 0, 1, 0]),
        ({"positive_only": False, "num_features": 3}, [1, 1, 0, -1, 0]),
        ({"positive_only": False, "num_features": 3, "min_weight": 0.3}, [0, 1, 0, -1, 0]),
        ({"positive_only": False, "num_features": 4, "min_weight": 0.1}, [1, 1, 0, -1, -1]),
    ],
)
def test_the_mask_marks_the_strongest_segments(settings, mask):
    picture, found = made().get_image_and_mask(7, **settings)
    np.testing.assert_array_equal(found, [mask], strict=True)
    expected = IMAGE.copy()
    if settings == {} or "negative_only" in settings:
        np.testing.assert_array_equal(picture, expected, strict=True)


def test_both_signs_are_painted_with_the_largest_value_of_the_image():
    picture, _ = made().get_image_and_mask(7, positive_only=False, num_features=2)
    expected = IMAGE.copy()
    expected[0, 3, 0] = 52
    expected[0, 1, 1] = 52
    np.testing.assert_array_equal(picture, expected, strict=True)


@pytest.mark.parametrize("settings", [{}, {"positive_only": False}])
def test_the_rest_is_black_and_of_float64(settings):
    picture, mask = made(pairs=PAIRS[:4]).get_image_and_mask(7, hide_rest=True, **settings)
    assert picture.dtype == np.float64
    assert not picture[mask == 0].any()
    np.testing.assert_array_equal(picture[0, 1, [0, 2]], IMAGE[0, 1, [0, 2]])


def test_paint_on_black_is_as_bright_as_on_the_image():
    settings = {"positive_only": False, "hide_rest": True, "num_features": 1}
    picture, _ = made().get_image_and_mask(7, **settings)
    np.testing.assert_array_equal(picture[0, 3], [52, 41, 42])


def test_the_image_itself_is_never_painted():
    explanation = made(image=IMAGE.copy())
    explanation.get_image_and_mask(7, positive_only=False, num_features=4)
    np.testing.assert_array_equal(explanation.image, IMAGE)


def test_the_mask_has_the_labels_dtype_and_room_for_minus_one():
    for dtype, signed in ((np.int16, np.int16), (np.uint8, np.int64)):
        explanation = made(segments=SEGMENTS.astype(dtype))
        assert explanation.get_image_and_mask(7)[1].dtype == dtype
        mask = explanation.get_image_and_mask(7, positive_only=False, num_features=4)[1]
        np.testing.assert_array_equal(mask, np.array([[1, 1, 0, -1, -1]], signed), strict=True)


def test_unknown_labels_and_contradictions_are_refused_in_lime_s_words():
    with pytest.raises(KeyError) as caught:
        made().get_image_and_mask(1)
    assert caught.value.args == ("Label not in explanation",)
    words = r"^Positive_only and negative_only cannot be true at the same time\.$"
    with pytest.raises(ValueError, match=words):
        made().get_image_and_mask(7, positive_only=True, negative_only=True)


def test_negative_only_works_alone_unless_strict():
    with pytest.warns(LimelensWarning, match="`negative_only` alone"):
        _, mask = made().get_image_and_mask(7, negative_only=True)
    np.testing.assert_array_equal(mask, [[0, 0, 0, 1, 1]])
    with pytest.raises(ValueError, match="cannot be true at the same time"):
        made(strict_lime=True).get_image_and_mask(7, negative_only=True)


def test_segments_without_weight_are_painted_only_by_strict_lime():
    settings = {"positive_only": False, "num_features": 5}
    with pytest.warns(LimelensWarning, match="1 of the segments have weight 0"):
        picture, mask = made().get_image_and_mask(7, **settings)
    np.testing.assert_array_equal(mask, [[1, 1, 0, -1, -1]])
    np.testing.assert_array_equal(picture[0, 2], IMAGE[0, 2])
    picture, mask = made(strict_lime=True).get_image_and_mask(7, **settings)
    np.testing.assert_array_equal(mask, [[1, 1, 1, -1, -1]])
    np.testing.assert_array_equal(picture[0, 2], [30, 52, 32])


def test_an_image_of_one_channel_is_painted_in_colour():
    explanation = made(image=IMAGE[..., :1])
    picture, _ = explanation.get_image_and_mask(7, positive_only=False, num_features=2)
    assert picture.shape == (1, 5, 3)
    np.testing.assert_array_equal(picture[0, [0, 1, 3]], [[10] * 3, [20, 50, 20], [50, 40, 40]])


WEIGHTS = np.array([[0.5, -0.25, 0.0, 0.125, 0.25], [0.1, 0.2, 0.3, 0.4, 0.5]])


def explained(segments=SEGMENTS, *, explainer=None, **settings):
    model = Recorder(AdditiveModel(SEGMENTS, WEIGHTS, image=IMAGE, background=0))
    settings = {
        "num_samples": 80,
        "hide_color": 0,
        "progress_bar": False,
        "model_regressor": LinearRegression(),
    } | settings
    construction = {"random_state": 0} | (explainer or {})
    return LimeImageExplainer(**construction).explain_instance(
        IMAGE, model, segmentation_fn=lambda image: segments, **settings
    ), model


def test_importances_are_lime_s_weights_highest_label_first():
    lime, _ = explained()
    explanation = lime.as_limelens(class_names=["cat", "dog"])
    assert explanation.targets == (1, 0)
    assert explanation.target_names == ("dog", "cat")
    for row, label in enumerate((1, 0)):
        for segment, weight in lime.local_exp[label]:
            assert explanation.importances[row, segment] == weight
    np.testing.assert_array_equal(explanation.segments, SEGMENTS)
    np.testing.assert_allclose(explanation.scores, WEIGHTS.sum(axis=1))
    assert explanation.n_predictions == 80
    assert explanation.channel_axis == 2
    np.testing.assert_array_equal(
        explanation.details["training_fidelity"], [lime.score[1], lime.score[0]]
    )
    np.testing.assert_array_equal(
        explanation.details["intercepts"], [lime.intercept[1], lime.intercept[0]]
    )


def test_segments_that_took_no_part_have_importance_zero():
    explanation = explained(num_features=2, top_labels=None, labels=(0,))[0].as_limelens()
    assert explanation.targets == (0,)
    assert np.count_nonzero(explanation.importances) == 2


def test_a_label_counted_from_the_end_names_its_column():
    explanation = explained(top_labels=None, labels=(-1,))[0].as_limelens()
    assert explanation.targets == (1,)


@pytest.mark.parametrize("num_samples", [6, 80])
def test_its_rows_are_never_paid_for_again(num_samples):
    lime, model = explained(num_samples=num_samples)
    explanation = lime.as_limelens()
    paid = model.n_images
    every = (np.arange(32)[:, np.newaxis] >> np.arange(5) & 1).astype(bool)
    known = {key.tobytes() for key in explanation.samples.keys}
    shapley = ll.ExactShapley(
        segmenter=ll.LabelImage(explanation.segments),
        fill=ll.Backgrounds([explanation.details["background"]]),
    )
    again = shapley.explain(IMAGE, model, target=[0, 1], reuse=explanation)
    looks = 2  # the intact image: are the rows of this model, does it answer twice alike?
    assert model.n_images - paid == len(every) - len(known) + looks == again.n_predictions
    np.testing.assert_allclose(again.importances, WEIGHTS, atol=1e-12)


def test_the_score_of_the_hidden_image_is_known_if_it_was_drawn():
    assert not np.isnan(explained(num_samples=200)[0].as_limelens().hidden_scores).any()
    assert np.isnan(explained(num_samples=3)[0].as_limelens().hidden_scores).all()


def test_strict_columns_find_their_segments():
    with pytest.warns(LimelensWarning, match="each is hidden"):
        right = explained(SEGMENTS + 1)[0].as_limelens()
    np.testing.assert_allclose(right.importances[1], WEIGHTS[0], atol=1e-12)
    strict = explained(SEGMENTS + 1, explainer={"strict_lime": True})[0].as_limelens()
    np.testing.assert_array_equal(strict.segments, SEGMENTS)
    np.testing.assert_array_equal(strict.details["segment_ids"], [1, 2, 3, 4, 5])
    np.testing.assert_allclose(strict.importances[1, :4], WEIGHTS[0, :4], atol=1e-12)
    assert strict.importances[1, 4] == 0  # no column of its own: never hidden
    assert strict.samples.coalitions[:, 4].all()


def test_it_draws_saves_and_loads(tmp_path):
    explanation = explained()[0].as_limelens()
    explanation.save(tmp_path / "lime.npz")
    again = ll.Explanation.load(tmp_path / "lime.npz")
    np.testing.assert_array_equal(again.importances, explanation.importances)
    assert again.explainer.startswith("LimeImageExplainer(kernel_width=0.25")
    np.testing.assert_array_equal(explanation.heatmap(), explanation.importances[:1])
    assert explanation.to_image().size


def test_an_explanation_without_a_run_cannot_be_converted():
    with pytest.raises(InvalidInputError, match="must come from LimeImageExplainer"):
        made().as_limelens()
