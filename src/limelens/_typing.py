"""Named arrays and callables: the vocabulary of every signature."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Image: TypeAlias = NDArray[Any]
"""One image in the caller's own layout and dtype; never modified."""

Batch: TypeAlias = NDArray[Any]
"""`(n, *image.shape)`: what `predict_fn` receives, in the image's dtype."""

Segments: TypeAlias = NDArray[np.intp]
"""Label image of the spatial shape, with the labels `0..d-1`."""

Coalitions: TypeAlias = NDArray[np.bool_]
"""`(n, d)`; True where a segment is kept."""

Masks: TypeAlias = NDArray[Any]
"""`(n, *spatial)`, bool or in [0, 1]; 1 where a pixel is kept."""

Background: TypeAlias = NDArray[Any]
"""`(m, *image.shape)`: what hidden pixels are replaced with, in the image's dtype."""

Valid: TypeAlias = "NDArray[np.bool_] | None"
"""Which pixels count, `(*spatial,)`; None where all do."""

Floats: TypeAlias = NDArray[np.float64]
"""Any array of float64: weights, importances, targets of a fit."""

Indices: TypeAlias = NDArray[np.intp]
"""Numbers of rows, columns or places. Inner functions name it: NDArray[...] is not free."""

Scores: TypeAlias = NDArray[Any]
"""`(n, k)`: the model's unaltered output, one row per image."""

PredictFn: TypeAlias = Callable[[Batch], Any]
"""From `(n, *image.shape)` to scores `(n, k)` or `(n,)`."""

Segmenter: TypeAlias = Callable[[Image], Any]
"""From a channels-last image to a label image of its spatial shape."""

Fill: TypeAlias = Callable[[Image, Any], Any]
"""From a channels-last image and segments (or None) to background(s) of the image's shape."""

Game: TypeAlias = "Callable[[Coalitions], Floats]"
"""From coalitions `(n, d)` to target values `(n, t)`."""

Sampler: TypeAlias = Callable[[int, int, np.random.Generator], Any]
"""From `(n, d, rng)` to coalitions `(n, d)`."""

Seed: TypeAlias = "int | np.random.Generator | np.random.SeedSequence | None"
"""Anything that `numpy.random.default_rng` takes."""

ClassNames: TypeAlias = "Sequence[str] | Mapping[int, str] | None"
"""Names of the score columns: a sequence, or a mapping from column to name."""

Progress: TypeAlias = "bool | Callable[[int, int], None] | None"
"""None, True (a tqdm bar) or a callable `(done, total)`."""

__all__ = [
    "ArrayLike",
    "Background",
    "Batch",
    "ClassNames",
    "Coalitions",
    "Fill",
    "Floats",
    "Game",
    "Image",
    "Masks",
    "PredictFn",
    "Progress",
    "Sampler",
    "Scores",
    "Seed",
    "Segmenter",
    "Segments",
    "Valid",
]
