"""Which coalitions of segments the model is asked about."""

from limelens.sampling.designs import Foldover, Leverage, ShapleySizes
from limelens.sampling.samplers import Bernoulli, Exhaustive

__all__ = ["Bernoulli", "Exhaustive", "Foldover", "Leverage", "ShapleySizes"]
