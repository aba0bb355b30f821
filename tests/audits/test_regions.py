"""What a region is."""

import numpy as np
import pytest

from limelens.audits.families import label_family, other_family
from limelens.audits.regions import ask_descriptors, properties, shares_of_labels
from limelens.errors import InvalidInputError, LimelensWarning

HALVES = np.array([[0] * 8 + [1] * 8] * 16)


def picture(left, right):
    image = np.empty((16, 16, 3), np.uint8)
    image[:, :8], image[:, 8:] = left, right
    return image


@pytest.mark.parametrize(
    ("left", "right", "name"),
    [
        ((250, 250, 250), (10, 10, 10), "bright"),
        ((250, 0, 0), (0, 250, 0), "red"),
        ((250, 250, 0), (0, 0, 250), "yellow"),
    ],
)
def test_colours_have_the_words_that_people_use(left, right, name):
    found = properties(picture(left, right), HALVES)[name]
    assert found[0] > found[1] + 0.4


def test_a_checkerboard_is_more_textured_than_a_wall():
    image = np.full((16, 16), 0.5)
    image[:, 8:] += 0.5 * (np.indices((16, 8)).sum(axis=0) % 2) - 0.25
    found = properties(image, HALVES)["textured"]
    assert found[1] > 3 * found[0]


def test_the_middle_is_not_at_the_border():
    segments = np.zeros((9, 9), dtype=np.intp)
    segments[3:6, 3:6] = 1
    found = properties(np.eye(9), segments)
    assert found["at the border"][0] > 0.6 > 0.25 > found["at the border"][1]
    np.testing.assert_allclose(found["large"], np.log2([72 / 40.5, 9 / 40.5]))


def test_dtype_range_and_layout_do_not_matter():
    rgb = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    opaque = np.concatenate([rgb, np.full((16, 16, 1), 255, np.uint8)], axis=2)
    first = properties(rgb, HALVES)
    for other in (rgb / 255, rgb.astype(np.float32), opaque):
        for name, values in properties(other, HALVES).items():
            np.testing.assert_allclose(values, first[name], atol=1e-3)


@pytest.mark.parametrize("shape", [(16, 16), (16, 16, 1), (16, 16, 2), (16, 16, 7)])
def test_without_colours_nothing_is_red_or_yellow(shape):
    found = properties(np.random.default_rng(0).random(shape), HALVES)
    assert not found["red"].any()
    assert not found["yellow"].any()
    assert all(values.shape == (2,) for values in found.values())


def test_volumes_have_all_properties():
    segments = np.indices((4, 6, 5)).sum(axis=0) % 2
    found = properties(np.random.default_rng(0).random((4, 6, 5, 1)), segments)
    assert all(np.isfinite(values).all() for values in found.values())


def test_labels_are_shares_of_a_segment():
    labels = np.array([[4, 4, 7, 7]])
    found = shares_of_labels(labels, np.array([[0, 1, 1, 1]]), {7: "ruler"})
    np.testing.assert_allclose(found["label 4"], [1, 1 / 3])
    np.testing.assert_allclose(found["ruler"], [0, 2 / 3])


def test_a_label_may_lack_in_some_images():
    both = {"a": np.array([1.0, 0.0]), "b": np.array([0.0, 1.0])}
    family = label_family([both, {"b": np.array([1.0])}])
    assert family.names == ("a", "b")
    assert family.tables[1].tolist() == [[0.0, 1.0]]


def test_labels_that_cannot_be_told_apart_are_warned_of():
    with pytest.warns(LimelensWarning, match="`labels` cannot all be told apart"):
        label_family([{"a": np.array([0.5, 1.0]), "b": np.array([0.5, 1.0])}])


def test_descriptors_are_relative_to_the_images_other_regions():
    described = [{"x": np.array([1.0, 3.0])}, {"x": np.array([101.0, 103.0])}]
    family = other_family(described, "property")
    assert family.names == ("any region", "x")
    assert family.units == ("the region", "1 sd")
    assert [table.tolist() for table in family.tables] == [[[1.0, -1.0], [1.0, 1.0]]] * 2


def test_yes_and_no_keep_their_unit():
    family = other_family([{"text": np.array([0.0, 1.0, 0.0, 1.0])}], "descriptor")
    assert family.units[1] == "yes or no"
    assert np.ptp(family.tables[0][:, 1]) == 1


def test_a_descriptor_without_news_is_left_out_with_a_warning():
    x = np.array([1.0, 2.0, 4.0])
    described = [{"x": x, "twice": 2 * x, "same": np.ones(3)}]
    with pytest.warns(LimelensWarning, match="'twice', 'same'"):
        family = other_family(described, "descriptor")
    assert family.names == ("any region", "x")
    assert other_family(described, "property").names == ("any region", "x")  # ours, no warning


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        (2.0, ["descriptor 0"]),
        ([1, 2], ["descriptor 0", "descriptor 1"]),
        ({"ink": np.float32(3)}, ["ink"]),
    ],
)
def test_descriptors_may_be_numbers_vectors_or_mappings(answer, names):
    found = ask_descriptors(lambda image, region: answer, np.zeros((16, 16)), HALVES)
    assert list(found) == names
    assert found[names[0]].shape == (2,)


@pytest.mark.parametrize("answer", [{}, {3: 1.0}, "red", None, [[1.0]], {"a": [1, 2]}, np.nan, []])
def test_descriptors_that_are_no_numbers_are_refused(answer):
    with pytest.raises(InvalidInputError, match="`descriptors` must"):
        ask_descriptors(lambda image, region: answer, np.zeros((16, 16)), HALVES)


def test_descriptors_must_be_alike_for_all_regions():
    def describe(image, region):
        return {"left" if region[0, 0] else "right": 1.0}

    with pytest.raises(InvalidInputError, match="same descriptors for every region"):
        ask_descriptors(describe, np.zeros((16, 16)), HALVES)


def test_a_function_cannot_write_into_what_it_is_shown():
    def scribble(image, region):
        image[...] = 1

    with pytest.raises(ValueError, match="read-only"):
        ask_descriptors(scribble, np.zeros((16, 16)), HALVES)
