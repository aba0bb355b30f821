"""`limelens.compat.scikit_image` under the path that it has in lime."""

from limelens.compat.scikit_image import BaseWrapper, SegmentationAlgorithm

__all__ = ["BaseWrapper", "SegmentationAlgorithm"]
