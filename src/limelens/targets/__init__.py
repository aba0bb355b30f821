"""Scores to target values: which of the model's outputs are explained."""

from limelens.targets.columns import Target, TargetColumns, Top
from limelens.targets.of_scores import log_odds, margin

__all__ = ["Target", "TargetColumns", "Top", "log_odds", "margin"]
