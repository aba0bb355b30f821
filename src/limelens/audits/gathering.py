"""Images one after the other: of each, its regions and a few answers of the model are kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.images import check_native_image
from limelens._typing import ClassNames, Fill, Image
from limelens.audits.pairs import Pairs, ask_pairs
from limelens.audits.regions import Described
from limelens.audits.sights import MeanPicture, Sight, picture_of, places_of, thumbnail_of
from limelens.audits.sources import RegionSource
from limelens.engine.batches import BatchSize
from limelens.engine.model import Model
from limelens.engine.query import Query
from limelens.errors import InvalidInputError, warn
from limelens.fills.background import hide_behind
from limelens.runs.entries import Failure, first_of
from limelens.runs.reading import image_of
from limelens.runs.seeds import image_digest
from limelens.targets.columns import Target

_FEW = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Asking:
    """How every image is masked, and what the model is asked.

    Attributes
    ----------
    model : Model
    target, class_names, channel_axis, fill, batch_size, in_flight
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
    batch_size: BatchSize
    in_flight: int
    n_calls: int
    grid: tuple[int, int]


class Gathered:
    """What is kept of the images so far.

    Attributes
    ----------
    sights : list of Sight
    pictures : MeanPicture
    n_predictions : int
    target_name : str
    twice : list of (str, str)
        Names of two files, or entries, that are the same image.
    """

    def __init__(self) -> None:
        self.sights: list[Sight] = []
        self.pictures = MeanPicture()
        self.n_predictions = 0
        self.target_name = ""
        self.twice: list[tuple[str, str]] = []
        self._digests: dict[str, str] = {}

    def note(self, name: str, image: Image) -> None:
        """Remember an image, to tell whether it comes twice."""
        digest = image_digest(image)
        if digest in self._digests:
            self.twice.append((self._digests[digest], name))
        self._digests.setdefault(digest, name)

    def check_tables(self, tables: tuple[Described, ...], kinds: tuple[str, ...]) -> None:
        """Refuse descriptors that the first image did not have."""
        if not self.sights:
            return
        for kind, first, now in zip(kinds, self.sights[0].tables, tables, strict=True):
            if kind != "label" and list(first) != list(now):
                raise InvalidInputError(
                    "`descriptors` must return the same descriptors for every image; got "
                    f"{list(first)}, then {list(now)}."
                )

    def keep(
        self,
        name: str,
        score: float,
        places: NDArray[np.int32],
        tables: tuple[Described, ...],
        picture: NDArray[np.uint8],
    ) -> None:
        """Keep what is needed of one more image; `picture` is (H, W, 3)."""
        self.pictures.add(picture)
        self.sights.append(
            Sight(
                name=name,
                score=score,
                places=places,
                tables=tables,
                thumbnail=thumbnail_of(picture),
            )
        )

    def check_enough(self, argument: str, failures: Sequence[Failure] = ()) -> None:
        """Refuse fewer than two images; warn of too few, and of images that come twice."""
        n = len(self.sights)
        if n < 2:
            failed = f": {len(failures)} failed, {first_of(failures)}" if failures else ""
            raise InvalidInputError(
                f"`{argument}` must be at least two, better fifty; got {n}{failed}."
            )
        if self.twice:
            first, again = self.twice[0]
            warn(
                f"{len(self.twice)} images come twice, {again!r} for example is {first!r}. They "
                "are counted as independent, which makes intervals too narrow: leave them out."
            )
        if n < _FEW:
            warn(
                f"{n} images are too few to tell an effect from chance at the usual level; from "
                f"{_FEW} on it is possible, and fifty are better."
            )


class Answered(Gathered):
    """What is kept of images that the model was asked about.

    Attributes
    ----------
    pairs : list of Pairs
    """

    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[Pairs] = []

    def add(
        self,
        name: str,
        source: Any,
        regions: RegionSource,
        asking: Asking,
        rng: np.random.Generator,
        report: Callable[[int], None],
    ) -> None:
        """Ask about one more image: an array, a path, or a function that returns it."""
        try:
            picture, axis, _ = check_native_image(image_of(source), asking.channel_axis)
        except Exception:
            regions.labels.skip()
            raise
        segments, tables = regions.of(picture, axis)
        self.check_tables(tables, regions.kinds)
        self.note(name, picture)
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
            in_flight=asking.in_flight,
            report=lambda done, _: report(before + done),
            look_again=not self.pairs,  # one image tells whether the model answers alike
        )
        self._name_target(query)
        try:
            pairs = ask_pairs(query, asking.n_calls, rng)
        finally:
            self.n_predictions = before + query.n_predictions
        score = float(query.ends()[0][0])
        places = places_of(segments, asking.grid)
        self.keep(name, score, places, tables, picture_of(picture, axis))
        self.pairs.append(pairs)

    def _name_target(self, query: Query) -> None:
        if len(query.target_names) > 1:
            raise InvalidInputError(
                "`target` must give one value for each image, because an audit answers for one "
                f"class; got {len(query.target_names)}. Run one audit for each."
            )
        if not self.target_name:
            self.target_name = query.target_names[0]
