import numpy as np
import pytest

from limelens.results import Explanation

QUARTERS = np.array([[0, 0, 1], [0, 0, 1], [2, 2, 3]])


@pytest.fixture
def make():
    """Return a function that builds a small explanation: four segments, two targets."""

    def build(**changes):
        fields = {
            "image": np.arange(27, dtype=np.uint8).reshape(3, 3, 3),
            "channel_axis": 2,
            "importances": np.array([[0.5, -0.25, 0.0, 0.125], [0.0, 1.0, -2.0, 0.0]]),
            "segments": QUARTERS,
            "scores": np.array([0.1, 0.7, 0.2]),
            "hidden_scores": np.array([0.3, 0.3, 0.4]),
            "targets": (1, 2),
            "target_names": ("cat", "dog"),
        }
        return Explanation(**(fields | changes))

    return build
