"""What a run does with one image: read it, explain it, keep the result or say what went wrong."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from limelens._axes import read_only
from limelens._checks.images import check_image, in_native_order
from limelens._typing import ClassNames, Image
from limelens.engine.batches import BatchSize
from limelens.errors import InvalidInputError, add_note
from limelens.results.explanation import Explanation
from limelens.runs.entries import Entry, Failure, entry_of, file_name, is_of_all
from limelens.runs.folder import writing
from limelens.runs.models import loaded_model
from limelens.runs.reading import image_of
from limelens.runs.seeds import image_digest, image_seed
from limelens.targets.columns import Target


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """Everything that is the same for all images of a run.

    Attributes
    ----------
    explainer, predict_fn, rng, target, channel_axis, class_names, valid, batch_size, in_flight
        As `explain_many` takes them.
    stops : bool
        Whether the first failure ends the run.
    folder : Path or None
        Where explanations are kept.
    """

    explainer: Any
    predict_fn: Any
    rng: int
    target: Target
    channel_axis: int | None
    class_names: ClassNames
    valid: Any
    batch_size: BatchSize
    in_flight: int
    stops: bool
    folder: Path | None = None

    @cached_property
    def model(self) -> Any:
        """The model, loaded once in every process."""
        return loaded_model(self.predict_fn)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "model"}

    def __call__(self, name: str, source: Any) -> Explanation | Entry | Failure:
        """Explain one image.

        Returns
        -------
        Explanation, Entry or Failure
            The explanation, or the entry of the file that holds it, or what went wrong.

        Raises
        ------
        InvalidInputError
            If the model cannot be loaded, it has no such target or other class names, or the file
            of this name explains another image.
        OutputError
            If the explanation cannot be written.
        """
        model = self.model
        try:
            picture = self._picture(source)
            kept = self._kept(name, picture)
            explanation = self._explained(picture, model) if kept is None else kept
        except _ConflictError as error:
            raise InvalidInputError(str(error)) from None
        except Exception as error:
            if self.stops or is_of_all(error, self.target):
                add_note(error, f"raised for the image {name!r}")
                raise
            return Failure.of(name, error)
        if self.folder is None:
            return explanation
        if kept is None:
            with writing(self.folder):
                explanation.save(self.folder / file_name(name))
        return entry_of(name, image_digest(picture), explanation)

    def _picture(self, source: Any) -> Image:
        # `valid` may allow NaN
        array, _ = check_image(image_of(source), self.channel_axis, finite=False)
        return in_native_order(array)

    def _explained(self, picture: Image, model: Any) -> Explanation:
        return self.explainer.explain(
            picture,
            model,
            target=self.target,
            channel_axis=self.channel_axis,
            class_names=self.class_names,
            valid=self.valid(read_only(picture)) if callable(self.valid) else self.valid,
            batch_size=self.batch_size,
            in_flight=self.in_flight,
            rng=image_seed(picture, self.rng),
        )

    def _kept(self, name: str, picture: Image) -> Explanation | None:
        """Return what an earlier attempt has kept; None if it is torn or not there."""
        if self.folder is None:
            return None
        path = self.folder / file_name(name)
        try:
            kept = Explanation.load(path)
        except (FileNotFoundError, InvalidInputError):
            return None
        if image_digest(kept.image) != image_digest(picture):
            raise _ConflictError(
                f"`output` must be a folder of the same images; {str(path)!r} explains another one "
                f"than {name!r} is now. Take another folder, or give the images names that stay "
                "theirs: {name: image, ...}."
            )
        return kept


class _ConflictError(Exception):
    """A file explains another image: the folder is wrong, not the image."""
