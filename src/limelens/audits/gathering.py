"""Images one after the other: their regions, a few answers of the model, and nothing else kept."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from limelens._axes import channels_last, read_only, spatial_shape
from limelens._checks.images import check_native_image, check_segments
from limelens._typing import ClassNames, Fill, Image, Segmenter, Segments
from limelens.audits.labels import Labels
from limelens.audits.pairs import Pairs, ask_pairs
from limelens.audits.regions import (
    Describe,
    Described,
    ask_descriptors,
    properties,
    shares_of_labels,
)
from limelens.audits.sights import MeanPicture, Sight, picture_of, places_of, thumbnail_of
from limelens.engine.model import Model
from limelens.engine.query import Query
from limelens.errors import InvalidInputError
from limelens.fills.background import ask_segmenter, hide_behind
from limelens.runs.reading import read_image
from limelens.targets.columns import Target


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
        labels = self.labels.of(last)
        spatial = spatial_shape(image.shape, axis)
        tables: list[Described] = []
        segments = None
        if labels is not None:
            own, ids = check_segments(labels, spatial, name="labels")
            labels = ids[own]
            segments = own
        if self.segmenter is not None:
            segments, _ = ask_segmenter(self.segmenter, image, axis)
        if segments is None:
            raise TypeError("regions come from labels or from a segmenter")
        if labels is not None:
            tables.append(shares_of_labels(labels, segments, self.label_names))
        if self.descriptors is not None:
            tables.append(ask_descriptors(self.descriptors, last, segments))
        return segments, tuple(tables) or (properties(last, segments),)


@dataclass(frozen=True, kw_only=True, eq=False)
class Asking:
    """How every image is masked, and what the model is asked.

    Attributes
    ----------
    model : Model
    target, class_names, channel_axis, fill, batch_size
        As in `audit`.
    n_calls : int
        Masked images for each image.
    grid : (int, int)
    """

    model: Model
    target: Target
    class_names: ClassNames
    channel_axis: int | None
    fill: Fill
    batch_size: int
    n_calls: int
    grid: tuple[int, int]


class Gathered:
    """What is kept of the images so far.

    Attributes
    ----------
    sights : list of Sight
    pairs : list of Pairs
    pictures : MeanPicture
    n_predictions : int
    target_name : str
    """

    def __init__(self) -> None:
        self.sights: list[Sight] = []
        self.pairs: list[Pairs] = []
        self.pictures = MeanPicture()
        self.n_predictions = 0
        self.target_name = ""
        self._digests: dict[bytes, str] = {}
        self.twice: list[tuple[str, str]] = []

    def add(
        self,
        name: str,
        source: Any,
        regions: RegionSource,
        asking: Asking,
        rng: np.random.Generator,
        report: Callable[[int], None],
    ) -> None:
        """Ask about one more image, an array or a path."""
        image = read_image(source) if isinstance(source, Path) else source
        picture, axis, _ = check_native_image(image, asking.channel_axis)
        segments, tables = regions.of(picture, axis)
        self._check_tables(tables, regions.kinds)
        self._note(name, picture)
        before = self.n_predictions
        query = Query(
            picture,
            axis,
            asking.model,
            hide_behind(asking.fill, picture, axis, segments),
            segments,
            target=asking.target,
            class_names=asking.class_names,
            batch_size=asking.batch_size,
            report=lambda done, _: report(before + done),
        )
        self._name_target(query)
        self.pairs.append(ask_pairs(query, asking.n_calls, rng))
        self.n_predictions = before + query.n_predictions
        colors = picture_of(picture, axis)
        self.pictures.add(colors)
        self.sights.append(
            Sight(
                name=name,
                score=float(query.ends()[0][0]),
                places=places_of(segments, asking.grid),
                tables=tables,
                thumbnail=thumbnail_of(colors),
            )
        )

    def _note(self, name: str, picture: Image) -> None:
        """Remember an image, to tell whether it comes twice."""
        digest = hashlib.blake2b(np.ascontiguousarray(picture).tobytes(), digest_size=16)
        digest.update(repr((picture.shape, picture.dtype.str)).encode())
        earlier = self._digests.setdefault(digest.digest(), name)
        if len(self._digests) == len(self.sights) + len(self.twice):
            self.twice.append((earlier, name))

    def _check_tables(self, tables: tuple[Described, ...], kinds: tuple[str, ...]) -> None:
        """Refuse descriptors that the first image did not have."""
        if not self.sights:
            return
        for kind, first, now in zip(kinds, self.sights[0].tables, tables, strict=True):
            if kind != "label" and list(first) != list(now):
                msg = (
                    "`descriptors` must return the same descriptors for every image; got "
                    f"{list(first)}, then {list(now)}."
                )
                raise InvalidInputError(msg)

    def _name_target(self, query: Query) -> None:
        if len(query.target_names) > 1:
            msg = (
                "`target` must give one value for each image, because an audit answers for one "
                f"class; got {len(query.target_names)}. Run one audit for each."
            )
            raise InvalidInputError(msg)
        if not self.target_name:
            self.target_name = query.target_names[0]
