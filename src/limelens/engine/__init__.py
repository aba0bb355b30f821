"""Masked batches to scores: one image asked of one model, every answer kept."""

from limelens.engine.query import Query

__all__ = ["Query"]
