"""lime's segments, hidden image and masked batches, made by this library's masking."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.images import check_unmasked_labels
from limelens._checks.models import check_model
from limelens._checks.values import describe
from limelens._typing import Batch, Coalitions, Image, Scores, Segments
from limelens.compat.scikit_image import SegmentationAlgorithm
from limelens.engine.answers import check_scores
from limelens.errors import InvalidInputError, add_note, warn
from limelens.masking.segment_composer import SegmentComposer
from limelens.segmenting.view import segmenting_view


def segment_image(
    image: Image, segmentation_fn: Callable[[Image], Any], *, strict: bool
) -> NDArray[Any]:
    """Return the label image. scikit-image's algorithms get three channels if they need them."""
    try:
        labels = segmentation_fn(image)
    except ValueError:
        can_convert = isinstance(segmentation_fn, SegmentationAlgorithm) and image.ndim == 3
        if strict or not can_convert or image.shape[2] == 3:
            raise
        pixels = segmenting_view(image, None).pixels
        # One or two channels are made three by adding their mean.
        third = pixels.mean(axis=2, keepdims=True).repeat(3 - pixels.shape[2], axis=2)
        labels = segmentation_fn(np.concatenate([pixels, third], axis=2))
        warn(
            f"`image` with {image.shape[-1]} channel(s) is segmented by a view in three colours; "
            "lime raises a ValueError. Pass your own segmentation_fn to decide."
        )
    check_unmasked_labels("segments", labels)
    return np.asarray(labels)


def label_ids(labels: NDArray[Any]) -> NDArray[Any]:
    """Return the distinct labels in rising order."""
    if labels.dtype.kind in "iu" and labels.min() >= 0 and labels.max() < labels.size:
        return np.flatnonzero(np.bincount(labels.ravel()))
    return np.unique(labels)


def are_consecutive(ids: NDArray[Any]) -> bool:
    """Return whether the ids are `0..d-1`."""
    return np.array_equal(ids, np.arange(len(ids)))


def numbered(segments: NDArray[Any]) -> Segments:
    """Return the label image with `0..d-1` in place of its ids."""
    ids = label_ids(segments)
    places = segments if are_consecutive(ids) else np.searchsorted(ids, segments)
    return places.astype(np.intp, copy=False)


def consecutive(segments: NDArray[Any], image: Image, *, strict: bool) -> NDArray[Any]:
    """Return labels as `0..d-1` in the order of their ids, in their own dtype."""
    if segments.shape not in (image.shape[:-1], image.shape) or segments.size == 0:
        raise InvalidInputError(
            f"`segments` must have the image's spatial shape {image.shape[:-1]}; "
            f"got {describe(segments)}."
        )
    if strict:
        return segments
    _check_whole(segments)
    ids = label_ids(segments)
    if are_consecutive(ids):
        return segments
    warn(
        f"`segments` has {len(ids)} ids from {ids[0]} to {ids[-1]}: lime would never hide some of "
        "them, here each is hidden. Number them from 0 yourself, or pass strict_lime=True."
    )
    return numbered(segments).astype(segments.dtype)


def _check_whole(segments: NDArray[Any]) -> None:
    """Refuse ids that would be others as whole numbers, which `local_exp` holds."""
    with np.errstate(invalid="ignore"):
        whole = segments.dtype.kind in "biufO" and (segments.astype(np.int64) == segments).all()
    if not whole:
        raise InvalidInputError(
            "`segments` must be labels that are whole numbers below 2**63; got "
            f"{describe(segments)}. Number them anew: "
            "np.unique(labels, return_inverse=True)[1].reshape(labels.shape)."
        )


def hidden_image(image: Image, segments: NDArray[Any], hide_color: Any, *, strict: bool) -> Image:
    """Return the image with every segment hidden, in the image's dtype.

    As in lime, means are summed in the image's precision and cut to integers, not rounded.
    """
    hidden = image.copy()
    if hide_color is not None:
        hidden[:] = hide_color
        return hidden
    owners = numbered(segments).ravel()
    sizes = np.bincount(owners)
    pixels = image.reshape(owners.size, -1)
    # NumPy sorts small integers by radix, which is faster.
    order = np.argsort(owners.astype(np.min_scalar_type(len(sizes))), kind="stable")
    parts = np.split(pixels.take(order, axis=0), np.cumsum(sizes)[:-1])
    channels = range(3 if strict else pixels.shape[1])
    # One channel at a time, as in lime: over both axes NumPy would add in another order.
    colors = np.array([[np.mean(part[:, c]) for c in channels] for part in parts])
    hidden.reshape(pixels.shape)[:] = colors.astype(image.dtype).take(owners, axis=0)
    return hidden


def kept_segments(data: NDArray[Any], ids: NDArray[Any]) -> Coalitions:
    """Return which segments the rows keep, `(n, d)`, where column k of the data is the label k.

    A label that is not a column number is never hidden.
    """
    if are_consecutive(ids):
        return data.astype(np.bool_)
    kept = np.ones((len(data), len(ids)), dtype=np.bool_)
    _, columns, places = np.intersect1d(np.arange(data.shape[1]), ids, return_indices=True)
    kept[:, places] = data[:, columns] != 0
    return kept


def masked_batches(
    image: Image, hidden: Image, segments: NDArray[Any], kept: Coalitions, batch_size: int
) -> Iterator[Batch]:
    """Yield the masked images of all rows, `batch_size` at a time."""
    labels = numbered(segments)
    axis = None if labels.ndim == image.ndim else image.ndim - 1
    hidden = np.asarray(hidden).astype(image.dtype, copy=False)
    compose = SegmentComposer(image, hidden, labels, axis, len(kept))
    for start in range(0, len(kept), batch_size):
        yield compose(kept[start : start + batch_size])


class Scorer:
    """The classifier with a check of its answers.

    Parameters
    ----------
    classifier_fn : callable
    labels : sequence of int
        Score columns that will be explained. The first answer is checked for them.
    strict : bool
        Whether answers are passed on without a check.
    """

    def __init__(
        self, classifier_fn: Callable[[Batch], Any], labels: Sequence[int] = (), *, strict: bool
    ) -> None:
        self.classifier_fn = (
            classifier_fn if strict else check_model("classifier_fn", classifier_fn)
        )
        self._labels = labels
        self._strict = strict
        self._is_first = True

    def __call__(self, batch: Batch) -> Scores:
        """Return the scores `(b, k)` of a batch."""
        n_images, shape, dtype = len(batch), batch.shape, batch.dtype
        try:
            raw = self.classifier_fn(batch)
        except BaseException as error:
            add_note(error, f"raised by `classifier_fn` on a {dtype} batch of {shape}")
            raise
        if self._strict:
            return np.asarray(raw)
        raw = list(raw) if isinstance(raw, tuple) else raw
        scores = check_scores(raw, n_images, name="classifier_fn")
        if self._is_first:
            self._is_first = False
            self._look_at(raw, scores)
        return scores

    def _look_at(self, raw: Any, scores: Scores) -> None:
        """Raise an error or warn if the first answer does not fit the labels."""
        n_columns = scores.shape[1]
        for label in self._labels:
            if not -n_columns <= label < n_columns:
                raise InvalidInputError(
                    f"`labels` must be columns of the {n_columns} scores that `classifier_fn` "
                    f"returns; got {describe(label)}."
                )
        if np.ndim(raw) == 1:
            are_classes = np.asarray(raw).dtype.kind in "iu"
            warn(
                "`classifier_fn` returns one score an image, read as label 0; lime raises an "
                "IndexError. Return shape (n, 1) to say so."
                f"{_NO_CLASSES * are_classes}"
            )


_NO_CLASSES = (
    " If these whole numbers are those of classes importances tell nothing: return the scores of "
    "all classes (scikit-learn: predict_proba in place of predict)."
)
