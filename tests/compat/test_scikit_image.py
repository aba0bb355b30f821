"""The segmenters' wrapper: which settings it keeps, refuses and drops."""

import numpy as np
import pytest
from skimage import segmentation

from limelens.compat.scikit_image import BaseWrapper, SegmentationAlgorithm
from limelens.errors import InvalidInputError, LimelensWarning

IMAGE = np.random.default_rng(0).random((20, 24, 3))


def scale(image, factor, *, offset=0):
    return factor * image + offset


class Scale:
    def __call__(self, image, factor):
        return factor * image


def test_any_settings_are_held():
    assert BaseWrapper().target_params == {}
    assert BaseWrapper(depth=3, name="x").target_params == {"depth": 3, "name": "x"}
    assert BaseWrapper(scale).target_fn(2, 3) == 6


@pytest.mark.parametrize("target", [scale, Scale(), Scale().__call__])
def test_settings_are_set_if_the_function_takes_them(target):
    wrapper = BaseWrapper(target, image=1)
    wrapper.set_params(factor=3)
    assert wrapper.target_params == {"factor": 3}
    with pytest.raises(ValueError, match="depth is not a valid parameter"):
        wrapper.set_params(factor=4, depth=2)
    assert wrapper.target_params == {"factor": 3}


def test_names_of_parameters_come_in_a_collection():
    for wrong in ("factor", None):
        with pytest.raises(TypeError):
            BaseWrapper(scale)._check_params(wrong)


def test_a_target_must_be_callable():
    with pytest.raises(AttributeError):
        BaseWrapper([1, 2])._check_params(["factor"])
    with pytest.raises(TypeError, match="not callable"):
        BaseWrapper()._check_params(["factor"])


def test_a_wrapper_without_target_is_its_own():
    class Own(BaseWrapper):
        def __call__(self, depth):
            return depth

    Own()._check_params(["depth"])
    with pytest.raises(ValueError, match="width is not"):
        Own()._check_params(["width"])


def test_settings_are_filtered_by_what_a_function_takes():
    wrapper = BaseWrapper(factor=2, depth=3, offset=1)
    assert wrapper.filter_params(scale) == {"factor": 2, "offset": 1}
    assert wrapper.filter_params(scale, override={"offset": 5}) == {"factor": 2, "offset": 5}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("quickshift", {"kernel_size": 2, "max_dist": 6, "ratio": 0.5}),
        ("felzenszwalb", {"scale": 10, "min_size": 20}),
        ("slic", {"n_segments": 6, "compactness": 5, "start_label": 0}),
    ],
)
def test_labels_are_scikit_image_s(name, settings):
    algorithm = SegmentationAlgorithm(name, **settings)
    expected = getattr(segmentation, name)(IMAGE, **settings)
    np.testing.assert_array_equal(algorithm(IMAGE), expected, strict=True)
    assert algorithm.algo_type == name
    assert algorithm.target_params == settings


def test_settings_that_scikit_image_lacks_are_dropped_aloud():
    with pytest.warns(LimelensWarning, match=r"slic of scikit-image has no n_segment"):
        algorithm = SegmentationAlgorithm("slic", n_segment=5, sigma=1)
    assert algorithm.target_params == {"sigma": 1}


def test_unknown_algorithms_are_refused():
    with pytest.raises(InvalidInputError, match="`algo_type` must be one of 'quickshift', "):
        SegmentationAlgorithm("watershed")
