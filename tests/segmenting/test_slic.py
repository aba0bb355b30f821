import numpy as np
import pytest
from skimage.segmentation import slic

from limelens.segmenting import slic as module
from limelens.segmenting.slic import divided


def whole(lab, n_segments, compactness, sigma):
    settings = {"n_segments": n_segments, "compactness": compactness, "sigma": sigma}
    mask = np.ones(lab.shape[:-1], bool)
    return slic(lab, **settings, convert2lab=False, channel_axis=-1, mask=mask)


def by_divided(lab, *settings):
    return divided(lab, *settings, np.ones(lab.shape[:-1], bool))


@pytest.fixture
def untried():
    module._is_known.cache_clear()
    yield
    module._is_known.cache_clear()


@pytest.mark.parametrize(
    "shape", [(8, 8, 1), (28, 28, 1), (32, 32, 3), (1, 9, 1), (5, 40, 3), (4, 6, 5, 1), (64, 64, 3)]
)
@pytest.mark.parametrize(("compactness", "sigma"), [(0.1, 1.0), (0.002, 0.0), (3.0, 2.5)])
def test_small_pictures_are_divided_as_scikit_image_does(shape, compactness, sigma):
    for seed in range(3):
        lab = np.random.default_rng(seed).random(shape) * 100 - 30
        n_segments = min(50, lab[..., 0].size - 1)
        expected = whole(lab, n_segments, compactness, sigma)
        found = by_divided(lab, n_segments, compactness, sigma)
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype


def test_a_flat_picture_is_divided_by_place_alone():
    flat = np.full((6, 6, 1), 7.0)
    np.testing.assert_array_equal(by_divided(flat, 4, 0.1, 1.0), whole(flat, 4, 0.1, 1.0))


def test_the_compiled_parts_do_what_slic_does(untried):
    assert module._is_known()


def _moved(*settings):
    raise ImportError("cannot import name '_slic'")


def _called_otherwise(*settings):
    raise TypeError("_slic_cython() takes 5 positional arguments but 7 were given")


def _other_labels(lab, *settings):
    return np.ones(lab.shape[:-1], int)


@pytest.mark.parametrize("parts", [_moved, _called_otherwise, _other_labels])
def test_parts_of_another_scikit_image_are_not_used(parts, untried, monkeypatch):
    monkeypatch.setattr(module, "_by_parts", parts)
    lab = np.random.default_rng(0).random((8, 8, 3))
    np.testing.assert_array_equal(by_divided(lab, 12, 0.1, 1.0), whole(lab, 12, 0.1, 1.0))
    assert not module._is_known()


def test_masks_with_holes_and_large_pictures_are_left_to_slic(monkeypatch):
    monkeypatch.setattr(module, "_by_parts", None)
    lab = np.random.default_rng(0).random((8, 8, 1))
    mask = np.ones((8, 8), bool)
    mask[0, 0] = False
    assert divided(lab, 12, 0.1, 1.0, mask)[0, 0] == 0
    large = np.random.default_rng(0).random((70, 70, 1))
    np.testing.assert_array_equal(by_divided(large, 9, 0.1, 1.0), whole(large, 9, 0.1, 1.0))
    assert divided(lab, 12, 0.1, 1.0).min() == 0
