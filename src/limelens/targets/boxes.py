"""Detectors: how well the detections in an image match reference boxes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from limelens._axes import spatial_shape
from limelens._checks.models import check_model
from limelens._checks.values import check_choice, describe
from limelens._typing import Batch, Floats
from limelens.errors import InvalidInputError, PredictionError
from limelens.targets.detections import (
    BOX_FORMATS,
    Detections,
    read_detections,
    say_reversed,
    to_edges,
)
from limelens.targets.reading import check_names, given_numbers

_INSIDE = 0.9
"""Share of a reference box that must lie in the image; detectors draw boxes slightly beyond it."""


@dataclass(frozen=True, eq=False)
class BoxScores:
    """A detector as a model with one score per reference box; see `box_scores`.

    Parameters
    ----------
    detect : callable
    boxes : ndarray of float64, shape (t, 4)
        Left, top, right and bottom edges of the reference boxes.
    labels : ndarray, shape (t,), optional
    classes : ndarray of float64, shape (t, k), optional
        Class probabilities of the reference boxes.
    box_format : str
        Format of the boxes that `detect` returns.
    channel_axis : int or None
    class_names : tuple of str
        Names of the score columns.
    """

    detect: Callable[[Batch], Any]
    boxes: Floats
    labels: NDArray[Any] | None
    classes: Floats | None
    box_format: str
    channel_axis: int | None
    class_names: tuple[str, ...]

    gives_probabilities: ClassVar[bool] = False

    def __call__(self, batch: Batch) -> Floats:
        """Score a batch `(n, *image.shape)`: `(n, t)`, from 0 to 1."""
        self._check_inside(batch.shape[1:])
        found = read_detections(self.detect(batch), len(batch), self.box_format)
        return np.stack([self._score(each) for each in found])

    def _score(self, found: Detections) -> Floats:
        """Return the best match of every reference box, shape (t,)."""
        if not len(found.boxes):
            return np.zeros(len(self.boxes))
        match = overlaps(self.boxes, found.boxes) * self._agreement(found) * found.objectness
        return np.asarray(match.max(axis=1))

    def _agreement(self, found: Detections) -> Floats:
        """Return the cosine of the class vectors, (t, m); a label is a vector with a single 1."""
        if self.labels is None and self.classes is None:
            return np.ones((len(self.boxes), len(found.boxes)))
        if found.labels is None and found.classes is None:
            raise PredictionError(
                "`detect` returned neither labels nor class probabilities, which `labels` and "
                "`scores` are compared with. Leave both out to ask for a box of any class."
            )
        if self.labels is not None and found.labels is not None:
            _check_comparable(self.labels, found.labels)
            return (self.labels[:, np.newaxis] == found.labels).astype(np.float64)
        if self.labels is not None:
            return _column(_directions(found.classes), self.labels, "`labels`").T
        if found.labels is not None:
            return _column(_directions(self.classes), found.labels, "the detector's labels")
        ours, theirs = _directions(self.classes), _directions(found.classes)
        if ours.shape[1] != theirs.shape[1]:
            raise PredictionError(
                f"`scores` holds {ours.shape[1]} class probabilities a box, `detect` returned "
                f"{theirs.shape[1]}; give those of the same classes."
            )
        return np.asarray(ours @ theirs.T)

    def _check_inside(self, shape: tuple[int, ...]) -> None:
        """Refuse reference boxes that do not lie in this image."""
        axis = None if len(shape) == 2 else self.channel_axis
        spatial = spatial_shape(shape, axis)
        if len(spatial) != 2:
            raise InvalidInputError(
                f"`boxes` must lie in a flat picture; got images of shape {shape} with "
                f"channel_axis={axis}. Name the channels, as in box_scores(..., channel_axis=0)."
            )
        height, width = spatial
        limits = np.array([width, height])
        seen = np.clip(self.boxes[:, 2:], 0, limits) - np.clip(self.boxes[:, :2], 0, limits)
        shares = seen.prod(axis=1) / _areas(self.boxes)
        if (shares >= _INSIDE).all():
            return
        worst = int(shares.argmin())
        raise InvalidInputError(
            f"`boxes` must lie in the image, {width} wide and {height} high; of box {worst}, "
            f"{_words(self.boxes[worst])}, only {shares[worst]:.0%} does. Cut boxes off with "
            "np.clip; boxes of a picture that was resized need the same factor, and x comes "
            "before y. Images with channels first need channel_axis=0."
        )


def box_scores(
    detect: Callable[[Batch], Any],
    boxes: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    scores: ArrayLike | None = None,
    box_format: str = "xyxy",
    channel_axis: int | None = -1,
    names: Sequence[str] | None = None,
) -> BoxScores:
    r"""Explain a detector: make it a model with one score per reference box.

    All boxes of an image are explained from the same model calls. `Rise` on these scores is D-RISE;
    every other explainer works as well.

    Parameters
    ----------
    detect : callable
        From `(n, *image.shape)` to n entries, each with the detections of one image: an array
        (m, 4), or (m, 5) with scores, or (m, 6) with scores and labels; a tuple (boxes, scores,
        labels) or torchvision's dict with these names; or the list of dicts of a Hugging Face
        pipeline. Scores are (m,), or class probabilities (m, k). An image without detections has
        an empty list, an empty array, or None.
    boxes : array_like, shape (t, 4) or (4,)
        Boxes to explain, usually those that `detect` finds in the intact image; in pixels, x
        before y.
    labels : array_like of int or str, shape (t,) or a single one, optional
        Classes of the reference boxes. Without labels a box of any class matches.
    scores : array_like, shape (t, k), optional
        Class probabilities of the reference boxes, instead of labels.
    box_format : {"xyxy", "xywh", "cxcywh"}
        Meaning of the four numbers of all boxes: the edges; left and top edge, width and height;
        or centre, width and height. It does not matter for boxes with named edges ('xmin').
    channel_axis : int or None
        As in `explain`.
    names : sequence of str, optional
        Names of the score columns.

    Returns
    -------
    BoxScores
        A `predict_fn` with scores (n, t) from 0 to 1; 0 where nothing is detected.

    Raises
    ------
    InvalidInputError
        If an argument cannot be used; when called, if a box does not lie in the image.
    PredictionError
        When called, if the answer of `detect` cannot be read.

    Notes
    -----
    The score of reference box t is

    .. math:: \max_j\; \mathrm{IoU}(b_t, b_j) \cdot \cos(c_t, c_j) \cdot o_j

    over the detections j of an image, with boxes b, class probabilities c (a label is a vector with
    a single 1) and objectness o, which is the detection's score. For class probabilities (m, k)
    without an entry 'objectness', o is the largest of them.

    References
    ----------
    V. Petsiuk, R. Jain, V. Manjunatha et al., "Black-box explanation of object detectors via
    saliency maps", CVPR 2021, arXiv:2006.03204.

    Examples
    --------
    The detector finds half of the first reference box and nothing of the second class:

    >>> def detect(batch):
    ...     return [{"boxes": [[0, 0, 4, 2]], "scores": [0.8], "labels": [7]} for _ in batch]
    >>> model = box_scores(detect, [[0, 0, 4, 4], [0, 0, 4, 2]], labels=[7, 1])
    >>> model(np.zeros((1, 8, 8)))
    array([[0.4, 0. ]])
    >>> model.class_names
    ('box 0: 7', 'box 1: 1')
    """
    check_model("detect", detect, "detections")
    check_choice("box_format", box_format, BOX_FORMATS)
    edges = _check_boxes(boxes, box_format)
    t = len(edges)
    if labels is not None and scores is not None:
        raise InvalidInputError(
            "`labels` or `scores` must be given, not both: either says which class a box is of."
        )
    marks = None if labels is None else _check_labels(labels, t)
    return BoxScores(
        detect=detect,
        boxes=edges,
        labels=marks,
        classes=None if scores is None else _check_classes(scores, t),
        box_format=box_format,
        channel_axis=channel_axis,
        class_names=check_names(names, lambda: _default_names(t, marks), t),
    )


def overlaps(boxes: Floats, others: Floats) -> Floats:
    """Return intersection over union of boxes (t, 4) and others (m, 4): (t, m).

    Examples
    --------
    >>> overlaps(np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[1.0, 0.0, 3.0, 2.0]])).round(3)
    array([[0.333]])
    """
    first = np.maximum(boxes[:, np.newaxis, :2], others[:, :2])
    last = np.minimum(boxes[:, np.newaxis, 2:], others[:, 2:])
    shared = np.maximum(last - first, 0).prod(axis=2)
    return np.asarray(shared / (_areas(boxes)[:, np.newaxis] + _areas(others) - shared))


def _areas(edges: Floats) -> Floats:
    return np.asarray((edges[:, 2:] - edges[:, :2]).prod(axis=1))


def _words(edges: Floats) -> str:
    x0, y0, x1, y1 = edges
    return f"x from {x0:g} to {x1:g} and y from {y0:g} to {y1:g}"


def _directions(classes: Floats | None) -> Floats:
    """Return class vectors scaled to length 1; a vector of zeros stays and agrees with nothing."""
    vectors = np.asarray(classes, dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0))


def _column(vectors: Floats, labels: NDArray[Any], whose: str) -> Floats:
    """Return, for vectors (a, k) and labels (b,), the vectors' entries of those classes: (a, b)."""
    known = labels.dtype.kind in "iu" and labels.min() >= 0 and labels.max() < vectors.shape[1]
    if not known:
        raise PredictionError(
            f"{whose} must be columns of the class probabilities, from 0 to "
            f"{vectors.shape[1] - 1}; got {labels.tolist()[:5]}."
        )
    return np.asarray(vectors[:, labels])


def _check_comparable(labels: NDArray[Any], found: NDArray[Any]) -> None:
    if (labels.dtype.kind == "U") != (found.dtype.kind == "U"):
        raise PredictionError(
            f"`labels` must be of the kind that `detect` returns, {found.tolist()[:3]}; got "
            f"{labels.tolist()[:3]}. Names and numbers are never taken for each other."
        )


def _check_boxes(boxes: object, box_format: str) -> Floats:
    array = given_numbers("boxes", boxes).astype(np.float64)
    array = array[np.newaxis] if array.ndim == 1 else array
    if array.ndim != 2 or array.shape[1] != 4 or not len(array):
        raise InvalidInputError(
            f"`boxes` must have four numbers a box, shape (t, 4), at least one box; got "
            f"{describe(array)}. Of detections with more columns pass found[:, :4]."
        )
    edges = to_edges(array, box_format)
    if (wrong := say_reversed(edges, box_format)) is not None:
        raise InvalidInputError(f"`boxes` must start before they end; {wrong}")
    empty = np.flatnonzero(_areas(edges) == 0)
    if len(empty):
        raise InvalidInputError(
            f"`boxes` must have an area; box {empty[0]} has {_words(edges[empty[0]])}."
        )
    if np.abs(edges).max() <= 1 and (edges[:, 2:] - edges[:, :2]).max() < 1:
        raise InvalidInputError(
            "`boxes` must be in pixels; got boxes smaller than one, which look like shares of the "
            "image. Multiply them, and those of `detect`, by [width, height, width, height]."
        )
    return edges


def _check_labels(labels: object, t: int) -> NDArray[Any]:
    listed = [labels] if isinstance(labels, (str, int)) else labels
    texts = isinstance(listed, (list, tuple, np.ndarray)) and all(
        isinstance(each, str) for each in listed
    )
    array = np.asarray(listed) if texts else given_numbers("labels", listed)
    array = array[np.newaxis] if array.ndim == 0 else array
    if array.dtype.kind == "f" and (array == np.round(array)).all():  # a column of an array (m, 6)
        array = array.astype(np.int64)
    if array.shape != (t,) or array.dtype.kind not in "iuU":
        raise InvalidInputError(
            f"`labels` must be {t} whole numbers or strings, one a box; got {describe(array)}."
        )
    return array


def _check_classes(scores: object, t: int) -> Floats:
    array = given_numbers("scores", scores).astype(np.float64)
    if array.ndim != 2 or len(array) != t or array.shape[1] < 2:
        raise InvalidInputError(
            f"`scores` must be class probabilities of the reference boxes, shape ({t}, k); got "
            f"{describe(array)}. How sure the detector is of a reference box does not enter."
        )
    if array.min() < 0 or not array.any(axis=1).all():
        raise InvalidInputError(
            "`scores` must not be negative, nor all zero for a box; take the softmax of logits."
        )
    return array


def _default_names(t: int, labels: NDArray[Any] | None) -> list[str]:
    return [f"box {i}" if labels is None else f"box {i}: {labels[i]}" for i in range(t)]
