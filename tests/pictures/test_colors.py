import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limelens.errors import InvalidInputError
from limelens.pictures.colors import (
    LOWERS,
    PAPER,
    RAISES,
    blend,
    color_limit,
    legend_colors,
    strength,
)


def test_the_symmetric_limit_is_the_largest_absolute_importance_of_all_maps():
    assert color_limit(np.array([[0.1, -0.4], [0.2, 0.0]])) == 0.4
    assert color_limit([np.array([0.1]), np.array([[0.3, -0.7]])]) == 0.7


def test_the_percentile_limit_leaves_out_zeros_and_the_outermost_percent():
    values = np.concatenate([np.zeros(1000), np.arange(1, 102) * -1.0])
    assert color_limit(values, "percentile") == pytest.approx(100.0)


def test_few_pixels_that_outshine_very_many_do_not_set_the_automatic_limit():
    many = np.linspace(0.001, 1.0, 2000)
    spiked = np.append(many, 5.0)
    assert color_limit(many) == 1.0
    assert color_limit(spiked) == color_limit(spiked, "percentile") < 1.0


def test_the_automatic_limit_of_segments_is_the_largest_however_few_outshine_the_rest():
    importances = np.append(np.linspace(0.001, 0.01, 200), 5.0)
    assert color_limit(importances) == 5.0
    assert color_limit(np.repeat(importances, 100)) == 5.0  # spread over pixels


def test_the_raw_limit_is_one_and_a_number_is_itself():
    assert color_limit(np.array([0.1]), "raw") == 1.0
    assert color_limit(np.array([0.1]), 0.05) == 0.05


@pytest.mark.parametrize("scale", ["symmetric", "percentile"])
def test_maps_of_zeros_have_the_limit_zero(scale):
    assert color_limit([np.zeros(3), np.zeros((2, 2))], scale) == 0.0


def test_integer_maps_have_limits_too():
    assert color_limit(np.array([-128, 5], dtype=np.int8)) == 128.0


@pytest.mark.parametrize(
    ("maps", "scale", "message"),
    [
        (np.ones(2), "log", "`scale` must be one of 'auto', 'symmetric', 'percentile', 'raw'"),
        (np.ones(2), -1.0, "`scale` must be a finite number"),
        (np.ones(2), True, "`scale` must be a finite number"),
        ([], "symmetric", "`heatmaps` must hold at least one map"),
        (np.array([np.nan]), "symmetric", "`heatmaps` must be finite"),
    ],
)
def test_limits_that_cannot_be_are_refused(maps, scale, message):
    with pytest.raises(InvalidInputError, match=message):
        color_limit(maps, scale)


def test_strength_is_cut_at_the_limit():
    np.testing.assert_array_equal(
        strength(np.array([-3.0, -0.5, 0, 1, 9]), 2.0), [-1, -0.25, 0, 0.5, 1]
    )


@settings(max_examples=50, deadline=None)
@given(
    values=st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=4),
    limit=st.floats(0, 1e300),
)
def test_strength_is_never_nan_nor_beyond_one(values, limit):
    found = strength(np.array(values), limit)
    assert np.all(np.abs(found) <= 1)


def test_a_limit_of_zero_has_no_colour_even_for_other_values():
    np.testing.assert_array_equal(legend_colors(np.array([0.0, 1.0]), 0.0), np.full((2, 3), PAPER))


def test_the_ends_of_the_legend_are_its_colours_and_zero_is_grey():
    found = legend_colors(np.array([-2.0, 0.0, 2.0]), 2.0, opacity=1.0)
    assert [tuple(color) for color in found] == [LOWERS, (PAPER,) * 3, RAISES]


def test_colours_of_opposite_importances_are_equally_far_from_grey():
    raises, lowers = legend_colors(np.array([0.5, -0.5]), 1.0, opacity=1.0).astype(int)
    np.testing.assert_allclose(raises, (PAPER + np.array(RAISES)) / 2, atol=1)
    np.testing.assert_allclose(lowers, (PAPER + np.array(LOWERS)) / 2, atol=1)


def luminance(color):
    """Return the relative luminance of an sRGB colour (IEC 61966-2-1)."""
    share = np.array(color) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_neither_sign_looks_stronger_than_the_other():
    assert luminance(RAISES) == pytest.approx(luminance(LOWERS), abs=0.03)


def test_blending_rounds_instead_of_cutting():
    found = blend(np.array([[0, 0, 0]], np.uint8), (255, 255, 255), np.array([0.304]))
    assert found.tolist() == [[78, 78, 78]]  # 77.52
