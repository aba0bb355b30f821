"""Importances to an explanation: the record of a run, and everything derived from it."""

from limelens.engine.samples import Samples
from limelens.results.explanation import Explanation

__all__ = ["Explanation", "Samples"]
