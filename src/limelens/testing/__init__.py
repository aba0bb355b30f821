"""Toy classifiers with known attributions, exact values by enumeration, a recording model."""

from limelens.testing.detectors import ColorDetector, EdgeDetector, WindowDetector
from limelens.testing.differentiable import (
    ConvolutionModel,
    LinearModel,
    PowerModel,
    QuadraticModel,
)
from limelens.testing.digits import MARKER, TanhNetwork, digits_classifier, mark
from limelens.testing.exact import all_coalitions, exact_values
from limelens.testing.objects import ColorSegmenter, ObjectDetector
from limelens.testing.recorder import Recorder
from limelens.testing.segment_models import (
    AdditiveModel,
    AndModel,
    OrModel,
    SaturatingModel,
    SegmentModel,
    TableGame,
    XorModel,
)

__all__ = [
    "MARKER",
    "AdditiveModel",
    "AndModel",
    "ColorDetector",
    "ColorSegmenter",
    "ConvolutionModel",
    "EdgeDetector",
    "LinearModel",
    "ObjectDetector",
    "OrModel",
    "PowerModel",
    "QuadraticModel",
    "Recorder",
    "SaturatingModel",
    "SegmentModel",
    "TableGame",
    "TanhNetwork",
    "WindowDetector",
    "XorModel",
    "all_coalitions",
    "digits_classifier",
    "exact_values",
    "mark",
]
