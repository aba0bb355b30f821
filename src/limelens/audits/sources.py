"""Where the regions of an image come from, and what is known of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._axes import channels_last, read_only
from limelens._checks.images import check_segments
from limelens._checks.strategies import check_segmenter
from limelens._checks.values import check_callable, describe
from limelens._typing import Image, Segmenter, Segments
from limelens.audits.labels import Labels
from limelens.audits.regions import (
    Describe,
    Described,
    ask_descriptors,
    properties,
    shares_of_labels,
)
from limelens.errors import InvalidInputError
from limelens.fills.background import ask_segmenter
from limelens.segmenting.superpixels import Slic


@dataclass(frozen=True, kw_only=True, eq=False)
class RegionSource:
    """What is known of the regions of any image.

    Attributes
    ----------
    segmenter : callable or None
        None takes the labels themselves.
    labels : Labels
    label_names : mapping from int to str
    descriptors : callable or None
    """

    segmenter: Segmenter | None
    labels: Labels
    label_names: Mapping[int, str]
    descriptors: Describe | None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of the tables that `tables` returns, in its order."""
        labelled = ("label",) if self.labels else ()
        described = ("descriptor",) if self.descriptors is not None else ()
        return (*labelled, *described) or ("property",)

    def of(self, image: Image, axis: int | None) -> tuple[Segments, tuple[Described, ...]]:
        """Return the segments of the next image, and a table of each kind of descriptor."""
        last = channels_last(read_only(image), axis)
        labels = self.labels_of(last)
        if self.segmenter is not None:
            segments, _ = ask_segmenter(self.segmenter, image, axis)
        elif labels is not None:
            segments, _ = check_segments(labels, labels.shape)
        else:
            raise TypeError("regions come from labels or from a segmenter")
        return segments, self.tables(last, labels, segments)

    def labels_of(self, last: Image) -> NDArray[np.intp] | None:
        """Return the labels of the next image, channels last; None where there are none."""
        labels = self.labels.of(last)
        if labels is None:
            return None
        own, ids = check_segments(labels, last.shape[: max(2, last.ndim - 1)], name="labels")
        return ids[own]

    def tables(
        self, last: Image, labels: NDArray[np.intp] | None, segments: Segments
    ) -> tuple[Described, ...]:
        """Return a table of each kind of descriptor, of segments that are known."""
        tables: list[Described] = []
        if labels is not None:
            tables.append(shares_of_labels(labels, segments, self.label_names))
        if self.descriptors is not None:
            tables.append(ask_descriptors(self.descriptors, last, segments))
        return tuple(tables) or (properties(last, segments),)


def region_source(segmenter: Any, labels: Any, label_names: Any, descriptors: Any) -> RegionSource:
    """Return a source of regions, of arguments as `audit` takes them.

    Without a segmenter and labels the regions are those of `Slic()`.
    """
    if segmenter is None and labels is None:
        segmenter = Slic()
    if descriptors is not None:
        check_callable("descriptors", descriptors, "(image, region) -> numbers")
    if segmenter is not None:
        check_segmenter(segmenter)
    named = isinstance(label_names, Mapping) and all(
        isinstance(name, str) for name in label_names.values()
    )
    if label_names is not None and not named:
        raise InvalidInputError(
            f"`label_names` must be a mapping from label to name; got {describe(label_names)}."
        )
    if label_names is not None and labels is None:
        raise InvalidInputError("`label_names` must come with `labels`; got none.")
    return RegionSource(
        segmenter=segmenter,
        labels=Labels(labels),
        label_names={} if label_names is None else label_names,
        descriptors=descriptors,
    )
