"""A toy detector and a toy segmenter, which recognise objects by their colour."""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from limelens._checks.values import check_array, check_number, check_numeric
from limelens._typing import Batch, Floats


@dataclass(frozen=True, eq=False)
class _ColoredObjects:
    """Base of both: every object has one colour. Parameters are documented in the subclasses."""

    colors: ArrayLike
    _: KW_ONLY
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        colors = check_numeric("colors", self.colors).astype(np.float64)
        colors = colors[:, np.newaxis] if colors.ndim == 1 else colors
        object.__setattr__(self, "colors", check_array("colors", colors, ("k", "n_channels")))
        check_number("tolerance", self.tolerance, minimum=0)

    def _seen(self, batch: Batch) -> NDArray[np.bool_]:
        """Return for every colour which pixels have it, `(n, k, H, W)`."""
        last = batch[..., np.newaxis] if batch.ndim == 3 else batch
        away = np.abs(last[:, np.newaxis] - np.asarray(self.colors)[:, np.newaxis, np.newaxis])
        return np.asarray((away <= self.tolerance).all(axis=-1))


@dataclass(frozen=True, eq=False)
class ObjectDetector(_ColoredObjects):
    """Detect one object of each colour: the box around its visible pixels.

    The label of a detection is the number of its colour, and its score is the share of its box that
    has the colour. An object without a visible pixel is not detected.

    True attribution of `box_scores(detector, box, label)`, for hard masks, a fill of another colour
    and a box that encloses the intact object: the box of the visible pixels lies in the given box,
    so the score is the number of visible pixels divided by the area of the given box. This is
    additive. A segment gets the share of the box that its pixels of this colour fill, and nothing
    for objects of other colours.

    Parameters
    ----------
    colors : array_like, shape (k, channels) or (k,)
        One colour for each class; for grey images one number.
    tolerance : float, default 0
        Largest difference in any channel that still counts.

    Raises
    ------
    InvalidInputError
        If `colors` is not a table of numbers, or `tolerance` is negative.

    Examples
    --------
    >>> detect = ObjectDetector([5, 9])
    >>> image = np.array([[5, 5, 0, 0], [5, 0, 0, 9]])
    >>> found = detect(image[np.newaxis])[0]
    >>> found["boxes"], found["scores"], found["labels"]
    (array([[0., 0., 2., 2.],
           [3., 1., 4., 2.]]), array([0.75, 1.  ]), array([0, 1]))
    """

    def __call__(self, batch: Batch) -> list[dict[str, NDArray[Any]]]:
        """Return one dict for each image of a batch `(n, H, W)` or `(n, H, W, channels)`."""
        return [self._found(seen) for seen in self._seen(batch)]

    def _found(self, seen: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
        labels = np.flatnonzero(seen.any(axis=(1, 2)))
        boxes, scores = np.zeros((len(labels), 4)), np.zeros(len(labels))
        for i, label in enumerate(labels):
            y, x = np.nonzero(seen[label])
            boxes[i] = x.min(), y.min(), x.max() + 1, y.max() + 1
            scores[i] = len(x) / ((boxes[i, 2] - boxes[i, 0]) * (boxes[i, 3] - boxes[i, 1]))
        return {"boxes": boxes, "scores": scores, "labels": labels}


@dataclass(frozen=True, eq=False)
class ColorSegmenter(_ColoredObjects):
    """Segment by colour. Class 0 are the pixels that have none of the colours.

    True attribution of `mask_scores(segmenter, [(c, None)])`, for hard masks and a fill of another
    colour: the score is the share of the object's pixels that are visible. So a segment gets the
    share of the object that lies in it, with "mean" and with "iou".

    Parameters
    ----------
    colors : array_like, shape (k, channels) or (k,)
        Colours of the classes 1 to k; for grey images one number each.
    tolerance : float, default 0
        Largest difference in any channel that still counts.

    Raises
    ------
    InvalidInputError
        If `colors` is not a table of numbers, or `tolerance` is negative.

    Examples
    --------
    >>> ColorSegmenter([5, 9])(np.array([[[5, 5, 9, 7]]])).argmax(axis=1)
    array([[[1, 1, 2, 0]]])
    """

    def __call__(self, batch: Batch) -> Floats:
        """Score every pixel of a batch `(n, H, W[, channels])`: `(n, 1 + k, H, W)`."""
        seen = self._seen(batch).astype(np.float64)
        none = 1 - seen.max(axis=1, keepdims=True)
        return np.concatenate([none, seen], axis=1)
