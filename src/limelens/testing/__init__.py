"""Toy classifiers with known attributions, exact values by enumeration, a recording model."""

from limelens.testing.exact import all_coalitions, exact_values
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
    "AdditiveModel",
    "AndModel",
    "OrModel",
    "Recorder",
    "SaturatingModel",
    "SegmentModel",
    "TableGame",
    "XorModel",
    "all_coalitions",
    "exact_values",
]
