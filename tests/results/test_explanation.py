import numpy as np
import pytest

from limelens.errors import InvalidInputError

PIXELS = {"importances": np.array([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [-1.0, -2.0, -3.0]]])}
ONE = {"targets": (1,), "target_names": ("cat",)}


def test_the_heatmap_holds_the_importance_of_each_pixels_segment(make):
    np.testing.assert_array_equal(
        make().heatmap(), [[0.5, 0.5, -0.25], [0.5, 0.5, -0.25], [0, 0, 0.125]]
    )


@pytest.mark.parametrize("target", [2, np.int64(2), "dog"])
def test_a_target_is_asked_for_by_column_or_name(make, target):
    np.testing.assert_array_equal(make().heatmap(target)[2], [-2, -2, 0])


def test_without_a_target_it_is_the_first(make):
    np.testing.assert_array_equal(make().heatmap(), make().heatmap(1))


@pytest.mark.parametrize("target", [0, 3, "bird", True, 1.0, (1,)])
def test_an_unknown_target_is_refused_with_the_known_ones(make, target):
    with pytest.raises(InvalidInputError, match=r"`target`.*1 \('cat'\), 2 \('dog'\); got"):
        make().heatmap(target)


def test_a_name_of_two_columns_is_not_guessed(make):
    twins = make(target_names=("cat", "cat"))
    with pytest.raises(InvalidInputError, match=r"'cat' names the columns \[1, 2\]"):
        twins.heatmap("cat")
    assert twins.heatmap(2)[0, 2] == 1.0


def test_a_map_per_pixel_is_its_own_heatmap_at_every_interpolation(make):
    explanation = make(**PIXELS, **ONE, segments=None)
    for interpolation in ("nearest", "bilinear", "bicubic"):
        found = explanation.heatmap(interpolation=interpolation)
        np.testing.assert_array_equal(found, PIXELS["importances"][0])


def test_the_heatmap_is_the_callers_to_change(make):
    explanation = make(**PIXELS, **ONE, segments=None)
    explanation.heatmap()[:] = 0
    assert explanation.importances.any()


def test_an_unknown_interpolation_is_refused(make):
    with pytest.raises(InvalidInputError, match=r"`interpolation`.*'nearest', 'bilinear'"):
        make().heatmap(interpolation="lanczos")


@pytest.mark.parametrize(
    ("sign", "expected"),
    [("positive", [0, 3]), ("negative", [1]), ("absolute", [0, 1, 3])],
)
def test_top_segments_come_strongest_first_and_never_with_zero(make, sign, expected):
    assert make().top_segments(4, sign=sign).tolist() == expected


def test_top_segments_of_equal_importance_keep_the_order_of_their_ids(make):
    explanation = make(importances=np.array([[1.0, 2.0, 1.0, 2.0], [0.0] * 4]))
    assert explanation.top_segments(3).tolist() == [1, 3, 0]
    assert explanation.top_segments(3, "dog").size == 0
    many = make(
        image=np.zeros((1, 100)),
        channel_axis=None,
        segments=np.arange(100)[np.newaxis],
        importances=np.tile(np.arange(100.0) % 2, (2, 1)),
    )
    assert many.top_segments(50).tolist() == list(range(1, 100, 2))


def test_the_top_mask_covers_the_top_segments(make):
    np.testing.assert_array_equal(
        make().top_mask(1, "dog", sign="negative"), [[0, 0, 0], [0, 0, 0], [1, 1, 0]]
    )
    assert make().top_mask(2).dtype == np.bool_


@pytest.mark.parametrize("n", [0, -1, 1.0, True])
def test_the_number_of_segments_is_a_positive_integer(make, n):
    with pytest.raises(InvalidInputError, match="`n` must be an integer >= 1"):
        make().top_segments(n)


@pytest.mark.parametrize("method", ["top_segments", "top_mask", "masked_image", "top_image"])
def test_a_map_per_pixel_has_no_top_segments(make, method):
    explanation = make(**PIXELS, **ONE, segments=None)
    with pytest.raises(InvalidInputError, match=r"per segment.*by_segment\(labels\)"):
        getattr(explanation, method)(2)


def test_the_masked_image_shows_the_top_segments_over_the_mean_colour(make):
    explanation = make()
    found = explanation.masked_image(1)
    np.testing.assert_array_equal(found[:2, :2], explanation.image[:2, :2])
    # Channel means of 0, 3, ..., 24 and so on are 12, 13, 14.
    np.testing.assert_array_equal(found[2], [[12, 13, 14]] * 3)
    assert found.dtype == np.uint8
    assert explanation.image[2, 0, 0] == 18


def test_the_masked_image_takes_any_fill(make):
    found = make().masked_image(
        1, "dog", fill=lambda image, segments: image * 0 + segments[..., None]
    )
    np.testing.assert_array_equal(found[..., 0], [[0, 0, 6], [0, 0, 15], [2, 2, 3]])


def test_the_masked_image_shows_the_first_of_several_backgrounds(make):
    found = make().masked_image(1, fill=lambda image, segments: np.stack([image * 0, image]))
    assert not found[2].any()


@pytest.mark.parametrize(
    ("shape", "channel_axis"),
    [((3, 3), None), ((2, 3, 3), 0), ((3, 2, 3), 1), ((3, 3, 13), 2)],
)
def test_the_masked_image_keeps_layout_and_dtype(make, shape, channel_axis):
    image = np.random.default_rng(0).random(shape).astype(np.float32)
    found = make(image=image, channel_axis=channel_axis).masked_image(1)
    assert (found.shape, found.dtype) == (shape, np.float32)
    kept = np.argwhere(make().top_mask(1))
    for row, column in kept:
        at = [row, column]
        if channel_axis is not None:
            at.insert(channel_axis, slice(None))
        np.testing.assert_array_equal(found[tuple(at)], image[tuple(at)])


def test_the_masked_image_of_a_volume(make):
    volume = np.arange(12, dtype=np.int16).reshape(3, 2, 2)
    segments = np.repeat(np.arange(3), 4).reshape(3, 2, 2)
    importances = np.array([[0.0, 1.0, 0.0]])
    explanation = make(
        image=volume, channel_axis=None, segments=segments, importances=importances, **ONE
    )
    assert explanation.masked_image(1).ravel().tolist() == [6] * 4 + [4, 5, 6, 7] + [6] * 4
    assert explanation.heatmap(interpolation="bicubic").shape == (3, 2, 2)


def test_for_target_keeps_one_row_of_everything_that_has_one_per_target(make):
    explanation = make(
        standard_errors=np.arange(8.0).reshape(2, 4),
        fidelity=np.array([0.5, 0.25]),
        target_values=np.array([[0.7, 0.3], [0.2, 0.4]]),
    )
    dog = explanation.for_target("dog")
    assert (dog.targets, dog.target_names) == ((2,), ("dog",))
    np.testing.assert_array_equal(dog.importances, explanation.importances[1:])
    np.testing.assert_array_equal(dog.standard_errors, [[4, 5, 6, 7]])
    np.testing.assert_array_equal(dog.target_values, [[0.2, 0.4]])
    assert dog.fidelity.tolist() == [0.25]
    assert dog.reliability is None
    assert dog.image is explanation.image


def test_by_segment_sums_a_map_over_labels_of_any_numbers(make):
    errors = np.ones((1, 3, 3))
    explanation = make(**PIXELS, **ONE, segments=None, standard_errors=errors)
    summed = explanation.by_segment([[7, 7, 7], [-1, -1, 9], [9, 9, 9]])
    np.testing.assert_array_equal(summed.importances, [[9, 6, 0]])
    assert summed.standard_errors is None
    assert summed.details["segment_ids"].tolist() == [-1, 7, 9]
    assert summed.top_mask(1)[1].tolist() == [True, True, False]
    assert summed.importances.sum() == explanation.importances.sum()


def test_by_segment_refuses_what_is_per_segment_already(make):
    with pytest.raises(InvalidInputError, match="one per segment already"):
        make().by_segment(np.eye(3, dtype=int))


def test_importances_may_be_per_pixel_although_there_are_segments(make):
    explanation = make(**PIXELS, **ONE)
    np.testing.assert_array_equal(explanation.heatmap(), PIXELS["importances"][0])


def test_nothing_given_is_changed(make):
    explanation = make()
    arrays = [explanation.image, explanation.importances, explanation.segments]
    for array in arrays:
        array.flags.writeable = False
    explanation.heatmap(interpolation="bicubic")
    explanation.top_mask(2)
    explanation.masked_image(2)
    explanation.to_image()


def test_a_zero_map_has_no_top_and_hides_all(make):
    explanation = make(importances=np.zeros((2, 4)))
    assert not explanation.top_mask(3, sign="absolute").any()
    assert np.ptp(explanation.masked_image(3), axis=(0, 1)).max() == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"importances": np.zeros((2, 5))}, r"`importances`.*float64, of shape \(2, 4\); got"),
        ({"importances": np.zeros((2, 4), np.float32)}, r"`importances`.*float64.*got float32"),
        ({"importances": np.zeros((1, 4))}, r"`importances`.*of shape \(2, 4\)"),
        ({"importances": np.zeros((2, 3, 2))}, r"`importances`.*of shape \(2, 3, 3\)"),
        ({"importances": np.full((2, 4), np.nan)}, "`importances` must be finite"),
        ({"segments": None}, r"`importances`.*of shape \(2, 3, 3\)"),
        ({"segments": np.zeros((3, 2), int)}, r"`segments`.*of shape \(3, 3\)"),
        ({"segments": np.full((3, 3), -1)}, "`segments` must hold the labels 0 to d-1"),
        (
            {"segments": np.diag([1, 1, 3])},
            "`segments` must use every label up to 3; got none of 2",
        ),
        ({"standard_errors": np.zeros((2, 3))}, r"`standard_errors`.*\(2, 4\)"),
        ({"targets": [1, 2]}, "`targets` must be a tuple of integers"),
        ({"targets": ()}, "`targets` must be a tuple of integers, at least one"),
        ({"target_names": ("cat",)}, "`target_names` must name each of the 2 targets"),
        ({"target_names": (1, 2)}, "`target_names` must be a tuple of strings"),
        ({"scores": np.zeros((1, 3))}, r"`scores`.*of shape \(k,\)"),
        ({"hidden_scores": np.zeros(2)}, r"`hidden_scores`.*of shape \(3,\)"),
        ({"fidelity": np.zeros(3)}, r"`fidelity`.*of shape \(2,\)"),
        ({"reliability": 0.5}, r"`reliability` must be a NumPy array.*got 0.5"),
        ({"target_values": np.zeros((2, 3))}, r"`target_values`.*of shape \(2, 2\)"),
        ({"samples": {}}, "`samples` must be Samples or None"),
        ({"details": None}, "`details` must be a dict"),
        ({"explainer": None}, "`explainer` must be a string"),
        ({"n_predictions": -1}, "`n_predictions` must be an integer"),
        ({"channel_axis": -1}, "`channel_axis` must be an integer from 0 to 2"),
        ({"image": np.array([["a"]])}, "`image` must hold booleans, integers or real numbers"),
    ],
)
def test_fields_that_do_not_fit_are_refused(make, changes, message):
    with pytest.raises(InvalidInputError, match=message):
        make(**changes)


def test_unknown_errors_and_fidelity_may_be_nan(make):
    make(standard_errors=np.full((2, 4), np.nan), fidelity=np.array([np.nan, 0.5]))
