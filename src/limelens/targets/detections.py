"""Detections for a batch: reads the usual forms and brings them to one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import describe
from limelens._typing import Floats
from limelens.errors import PredictionError
from limelens.targets.reading import numbers

BOX_FORMATS = ("xyxy", "xywh", "cxcywh")
"""Edges; left and top edge with width and height; centre with width and height."""

_FORMS = (
    "an array (m, 4), (m, 5) with scores or (m, 6) with scores and labels, a tuple (boxes, scores, "
    "labels), a dict with 'boxes', 'scores' and 'labels', or a list of dicts with 'box', 'score' "
    "and 'label'"
)
_EDGES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True, eq=False)
class Detections:
    """The detections of one image.

    Parameters
    ----------
    boxes : ndarray of float64, shape (m, 4)
        Left, top, right and bottom edges.
    objectness : ndarray of float64, shape (m,)
        How certain the detector is of each box, from 0 to 1.
    labels : ndarray of int or str, shape (m,), optional
    classes : ndarray of float64, shape (m, k), optional
        Class probabilities.
    """

    boxes: Floats
    objectness: Floats
    labels: NDArray[Any] | None = None
    classes: Floats | None = None


@dataclass(frozen=True, eq=False)
class _Parts:
    """One image's detections, taken apart and not yet checked."""

    boxes: object
    scores: object = None
    labels: object = None
    objectness: object = None


def read_detections(raw: object, n_images: int, box_format: str) -> list[Detections]:
    """Read the answer of `detect`: one entry per image, in any of the usual forms.

    Raises
    ------
    PredictionError
        If detections cannot be used; it says of which image, and what to return.

    Examples
    --------
    >>> found, none = read_detections([[[1, 2, 3, 4, 0.9]], []], 2, "xywh")
    >>> found.boxes, len(none.boxes)
    (array([[1., 2., 4., 6.]]), 0)
    """
    want = f"`detect` was given {n_images} images and must return a list of {n_images} entries"
    if isinstance(raw, Mapping):
        raise PredictionError(
            f"{want}, one an image; got one {type(raw).__name__}. Divide it: "
            "[{key: values[i] for key, values in found.items()} for i in range(len(batch))]."
        )
    if isinstance(raw, (str, bytes)) or not hasattr(raw, "__getitem__"):
        raise PredictionError(f"{want}, one an image; got {describe(raw)}.")
    if len(raw) != n_images:  # type: ignore[arg-type]
        raise PredictionError(
            f"{want}; got {len(raw)}. Of arrays for the whole batch make one entry an image: "  # type: ignore[arg-type]
            "list(zip(boxes, scores, labels)). For one image return [detections]."
        )
    return [
        _read(f"`detect`, for image {i} of this batch,", raw[i], box_format)
        for i in range(n_images)
    ]


def to_edges(boxes: Floats, box_format: str) -> Floats:
    """Return boxes (m, 4) of a format as left, top, right and bottom edges.

    Examples
    --------
    >>> to_edges(np.array([[5.0, 5.0, 4.0, 2.0]]), "cxcywh")
    array([[3., 4., 7., 6.]])
    """
    if box_format == "xyxy":
        return boxes
    first, size = boxes[:, :2], boxes[:, 2:]
    if box_format == "cxcywh":
        first = first - size / 2
    return np.concatenate([first, first + size], axis=1)


def say_reversed(edges: Floats, box_format: str) -> str | None:
    """Say which box ends before it starts, and what to do; None if none does."""
    wrong = np.flatnonzero((edges[:, 2:] < edges[:, :2]).any(axis=1))
    if not len(wrong):
        return None
    x0, y0, x1, y1 = edges[wrong[0]]
    others = " or ".join(f'box_format="{other}"' for other in BOX_FORMATS if other != box_format)
    return (
        f'box {wrong[0]}, read as "{box_format}", ends before it starts: x from {x0:g} to {x1:g}, '
        f"y from {y0:g} to {y1:g}. If its four numbers mean something else pass {others}."
    )


def _read(who: str, entry: Any, box_format: str) -> Detections:
    """Bring one image's detections to one form."""
    if isinstance(entry, list) and entry and all(isinstance(each, Mapping) for each in entry):
        return _checked(who, _of_pipeline(who, entry), "xyxy")  # its edges have names
    return _checked(who, _taken_apart(who, entry), box_format)


def _taken_apart(who: str, entry: Any) -> _Parts:
    if entry is None or (isinstance(entry, (list, tuple)) and not len(entry)):
        return _Parts(np.zeros((0, 4)))
    if isinstance(entry, Mapping):
        return _of_mapping(who, entry)
    if isinstance(entry, tuple):
        if len(entry) > 3:
            raise PredictionError(
                f"{who} returned a tuple of {len(entry)}; it must be (boxes, scores, labels)."
            )
        return _Parts(*entry)
    return _of_columns(who, entry)


def _of_mapping(who: str, entry: Mapping[Any, Any]) -> _Parts:
    """Read torchvision's dict, which is that of Hugging Face's post-processing, too."""
    if "boxes" in entry:
        names = ("boxes", "scores", "labels", "objectness")
        return _Parts(*(entry.get(name) for name in names))
    msg = f"{who} returned a dict without 'boxes'; its keys are {list(entry)}."
    if "pred_boxes" in entry:
        msg += " Let `detect` return processor.post_process_object_detection(outputs, ...)."
    raise PredictionError(msg)


def _of_pipeline(who: str, found: Sequence[Mapping[Any, Any]]) -> _Parts:
    """Read the list of dicts that a detection pipeline of Hugging Face returns."""
    for each in found:
        box = each.get("box")
        if not isinstance(box, Mapping) or not all(edge in box for edge in _EDGES):
            raise PredictionError(
                f"{who} returned a dict without 'box' of {', '.join(_EDGES)}; its keys are "
                f"{list(each)}. Detections must be {_FORMS}."
            )
    columns = [
        [each[name] for each in found] if all(name in each for each in found) else None
        for name in ("score", "label")
    ]
    return _Parts([[each["box"][edge] for edge in _EDGES] for each in found], *columns)


def _of_columns(who: str, entry: object) -> _Parts:
    """Read an array with a row per detection: box, score, label."""
    array = numbers(who, entry)
    if array.size == 0:
        return _Parts(np.zeros((0, 4)))
    if array.ndim == 2 and array.shape[1] in (4, 5, 6):
        return _Parts(array[:, :4], *array[:, 4:].T)
    msg = f"{who} returned {describe(array)}; detections must be {_FORMS}."
    if array.ndim == 2 and array.shape[1] > 6:
        msg += " Of columns with class probabilities make a tuple (boxes, probabilities)."
    raise PredictionError(msg)


def _checked(who: str, parts: _Parts, box_format: str) -> Detections:
    boxes = numbers(who, parts.boxes).astype(np.float64)
    boxes = boxes.reshape(0, 4) if boxes.size == 0 else boxes
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise PredictionError(
            f"{who} returned boxes that are {describe(boxes)}, not (m, 4); they must be {_FORMS}."
        )
    edges = to_edges(boxes, box_format)
    if (wrong := say_reversed(edges, box_format)) is not None:
        raise PredictionError(f"{who} returned what cannot be: {wrong}")
    m = len(boxes)
    scores = _probabilities(who, "scores", parts.scores, m)
    labels = _labels(who, parts.labels, m)
    if scores.ndim == 1:
        if parts.objectness is not None:
            raise PredictionError(
                f"{who} returned 'objectness' beside one score a box; return it as the scores."
            )
        return Detections(edges, scores, labels)
    if labels is not None:
        raise PredictionError(
            f"{who} returned labels beside class probabilities; return one of them."
        )
    if parts.objectness is None:
        return Detections(edges, scores.max(axis=1), classes=scores)
    objectness = _probabilities(who, "objectness", parts.objectness, m).reshape(m)
    return Detections(edges, objectness, classes=scores)


def _probabilities(who: str, name: str, value: object, m: int) -> Floats:
    """Return probabilities (m,) or (m, k); without any, every detection is certain."""
    if value is None:
        return np.ones(m)
    array = numbers(who, value).astype(np.float64)
    if array.size == 0 and m == 0:
        return np.zeros(0)
    if array.ndim not in (1, 2) or len(array) != m or array.size == 0:
        raise PredictionError(
            f"{who} returned {m} boxes and {name} that are {describe(array)}, not ({m},)."
        )
    if array.min() < 0 or array.max() > 1 + 1e-6:
        raise PredictionError(
            f"{who} returned {name} from {array.min():g} to {array.max():g}; they must be "
            "probabilities. Of logits take the sigmoid or softmax, of percentages a hundredth."
        )
    return array


def _labels(who: str, value: object, m: int) -> NDArray[Any] | None:
    """Return labels (m,), whole numbers or strings."""
    if value is None or m == 0:
        return None
    texts = isinstance(value, (list, tuple, np.ndarray)) and all(
        isinstance(each, str) for each in value
    )
    labels = np.asarray(value) if texts else numbers(who, value)
    whole = texts or labels.dtype.kind in "iu" or bool((labels == np.round(labels)).all())
    if labels.shape != (m,) or not whole:
        raise PredictionError(
            f"{who} returned {m} boxes and labels that are {describe(labels)}, not ({m},) of int."
        )
    return labels if texts else labels.astype(np.int64)
