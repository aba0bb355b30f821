"""Warnings point at the caller."""

import numpy as np
import pytest
from PIL import Image as Pillow

import limelens as ll
from limelens.errors import LimelensWarning


def test_a_warning_names_the_callers_file():
    image = np.random.default_rng(0).random((6, 6))
    explainer = ll.Ablation(segmenter=ll.Grid(cell=(3, 3)))
    with pytest.warns(LimelensWarning, match="never changed") as caught:
        explainer.explain(image, lambda batch: np.zeros(len(batch)))
    assert caught[0].filename == __file__


def test_a_warning_from_deep_within_names_the_callers_file():
    picture = Pillow.fromarray(np.arange(36, dtype=np.uint8).reshape(6, 6))
    picture.getexif()[0x0112] = 6  # to be turned
    with pytest.warns(LimelensWarning, match="EXIF orientation") as caught:
        ll.Ablation(segmenter=ll.Grid(cell=(3, 3))).explain(
            picture, lambda batch: batch[:, 0, 0] / 7
        )
    assert {each.filename for each in caught} == {__file__}
