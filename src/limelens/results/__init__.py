"""Importances to an explanation: the record of a run, and everything derived from it."""

from limelens.results.explanation import Explanation
from limelens.results.samples import Samples

__all__ = ["Explanation", "Samples"]
