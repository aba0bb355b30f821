"""Many images: explained one by one, kept in a folder, gone on with after a stop."""

from limelens.runs.entries import Entry, Failure
from limelens.runs.many import explain_many
from limelens.runs.run import Run, RunSummary
from limelens.runs.seeds import image_seed

__all__ = ["Entry", "Failure", "Run", "RunSummary", "explain_many", "image_seed"]
