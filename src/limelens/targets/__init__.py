"""What is explained: columns and functions of scores, or what other outputs say of them."""

from limelens.targets.boxes import BoxScores, box_scores
from limelens.targets.change import Change, change
from limelens.targets.columns import Target, TargetColumns, Top
from limelens.targets.of_scores import log_odds, margin
from limelens.targets.regions import MaskScores, mask_scores
from limelens.targets.similarity import SimilarityScores, similarity_scores
from limelens.targets.texts import (
    LikelihoodScores,
    TextScores,
    TokenOverlap,
    likelihood_scores,
    text_scores,
    token_overlap,
)

__all__ = [
    "BoxScores",
    "Change",
    "LikelihoodScores",
    "MaskScores",
    "SimilarityScores",
    "Target",
    "TargetColumns",
    "TextScores",
    "TokenOverlap",
    "Top",
    "box_scores",
    "change",
    "likelihood_scores",
    "log_odds",
    "margin",
    "mask_scores",
    "similarity_scores",
    "text_scores",
    "token_overlap",
]
