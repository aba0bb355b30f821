"""Which coalitions of segments the model is asked about."""

from limelens.sampling.bernoulli import Bernoulli, Exhaustive
from limelens.sampling.designs import Foldover, Leverage, ShapleySizes

__all__ = ["Bernoulli", "Exhaustive", "Foldover", "Leverage", "ShapleySizes"]
