"""The answer of an audit from explanations that are there already."""

from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._axes import channels_last, read_only
from limelens._checks.values import check_number, check_rng
from limelens._typing import Seed, Segments
from limelens.audits.conclusions import conclude
from limelens.audits.families import families_of
from limelens.audits.gathering import Gathered
from limelens.audits.pooling import Estimate
from limelens.audits.regions import Describe, Described
from limelens.audits.result import Audit
from limelens.audits.sights import check_grid, picture_of, places_of
from limelens.audits.sources import RegionSource, region_source
from limelens.errors import InvalidInputError, add_note, warn
from limelens.fills.background import standing_in
from limelens.galleries.report import opened
from limelens.results.explanation import Explanation
from limelens.results.ranking import sum_by_segment
from limelens.results.record import target_row
from limelens.results.words import shown_name
from limelens.runs.entries import Failure, first_of
from limelens.runs.folder import MANIFEST
from limelens.runs.run import Run
from limelens.segmenting.fixed import Grid

_LOG_ODDS = ("log-odds", "log_odds(")


def summarize(
    explanations: Any,
    *,
    target: int | str | None = None,
    labels: Any = None,
    label_names: Mapping[int, str] | None = None,
    descriptors: Describe | None = None,
    grid: int | tuple[int, int] = 16,
    level: float = 0.01,
    rng: Seed = 0,
) -> Audit:
    """Say what finished explanations of a class have in common.

    It is the answer of `audit`, from importances instead of masks: where regions raise or lower
    the score on average, what they look like, how certain that is, and which images to look at.
    No model is asked. Memory holds one explanation at a time.

    Parameters
    ----------
    explanations : Run, iterable of Explanation or path, or path of a folder
        Of at least two images: what `explain_many` returns, explanations, files that
        `Explanation.save` wrote, or their folder. Images that failed are left out, with a warning.
    target : int or str, optional
        The class, a column or its name; None takes the first target of each explanation, which
        must be the same for all.
    labels, label_names, descriptors
        As in `audit`; labels describe the segments that were explained, by their share in each.
    grid, level, rng
        As in `audit`.

    Returns
    -------
    Audit
        Its effects are in the unit of the importances: "the score", or "log-odds" for a target
        such as `log_odds(3)`. `n_predictions` counts the calls of all explanations.

    Raises
    ------
    InvalidInputError
        If there are fewer than two explanations, they are of different targets, or an argument
        cannot be used; a note names the image.

    Notes
    -----
    Importances take the place of the estimated effects of `audit`. Of a map per pixel the sums
    over 49 cells do. The standard errors of importances, taken as independent, tell how much of
    the difference between images is noise, which matters for shares of images only. All intervals
    come from the differences between images.

    Examples
    --------
    >>> import limelens as ll
    >>> images = np.random.default_rng(0).random((12, 4, 6))
    >>> explainer = ll.Ablation(segmenter=ll.Grid(4), fill=ll.Constant(0))
    >>> corner = lambda batch: batch[:, :2, :3].mean(axis=(1, 2))
    >>> found = ll.summarize([explainer.explain(image, corner) for image in images], grid=2)
    >>> found.heatmap().round(2) + 0.0
    array([[0.54, 0.  ],
           [0.  , 0.  ]])
    """
    check_number("level", level, minimum=0, maximum=0.5, open_minimum=True)
    generator = check_rng(rng)
    cells = check_grid(grid)
    source = region_source(None, labels, label_names, descriptors)
    gathered, estimates, failures = Gathered(), [], list[Failure]()
    for name, explanation in _named(explanations, failures):
        try:
            estimates.append(_add(gathered, name, explanation, target, source, cells))
        except InvalidInputError as error:
            add_note(error, f"at {name!r}, after {len(gathered.sights)} images")
            raise
    source.labels.finish()
    gathered.check_enough("explanations", failures)
    families = families_of([sight.tables for sight in gathered.sights], source.kinds)
    return Audit(
        target_name=gathered.target_name.removeprefix("log-odds of "),
        quantity="log-odds" if gathered.target_name.startswith(_LOG_ODDS) else "the score",
        n_predictions=gathered.n_predictions,
        mean_picture=gathered.pictures.mean(),
        failures=tuple(failures),
        **conclude(gathered.sights, estimates, families, level=level, rng=generator),
    )


def _named(explanations: Any, failures: list[Failure]) -> Iterator[tuple[str, Explanation]]:
    """Yield every explanation with its image's name; images that failed go to `failures`."""
    if isinstance(explanations, (str, PathLike)) and (Path(explanations) / MANIFEST).is_file():
        explanations = Run.load(explanations)
    if isinstance(explanations, Run):
        failures += explanations.failures
        _warn_of_failures(failures)
        yield from zip(explanations.names, explanations, strict=True)
        return
    if isinstance(explanations, Iterable) and not isinstance(explanations, (str, PathLike)):
        explanations = _done(explanations, failures)
    yield from opened(explanations)
    _warn_of_failures(failures)


def _done(explanations: Iterable[Any], failures: list[Failure]) -> Iterator[Any]:
    for each in explanations:
        if isinstance(each, Failure):
            failures.append(each)
        else:
            yield each


def _warn_of_failures(failures: list[Failure]) -> None:
    if failures:
        warn(f"{len(failures)} images failed, {first_of(failures)}; they are left out.")


def _add(
    gathered: Gathered,
    name: str,
    explanation: Explanation,
    target: int | str | None,
    source: RegionSource,
    grid: tuple[int, int],
) -> Estimate:
    """Keep what is needed of one explanation, and return its importances as effects."""
    row = target_row(explanation, target)
    _check_target(gathered, explanation, row)
    estimate, segments = _effects(explanation, row)
    axis, where = explanation.channel_axis, explanation.valid
    image = standing_in(explanation.image, axis, where)
    tables = _tables(source, channels_last(read_only(image), axis), segments)
    gathered.check_tables(tables, source.kinds)
    gathered.note(name, explanation.image)
    gathered.n_predictions += explanation.n_predictions
    score = np.nan if explanation.target_values is None else explanation.target_values[row, 0]
    gathered.keep(name, float(score), places_of(segments, grid), tables, picture_of(image, axis))
    return estimate


def _check_target(gathered: Gathered, explanation: Explanation, row: int) -> None:
    called = shown_name(explanation, row)
    if not gathered.target_name:
        gathered.target_name = called
    if called != gathered.target_name:
        raise InvalidInputError(
            f"`explanations` must be of one target; got {gathered.target_name!r}, then {called!r}. "
            "Pass the one that all of them explain: target=..., or explain one class: "
            "explain(..., target=...)."
        )


def _effects(explanation: Explanation, row: int) -> tuple[Estimate, Segments]:
    """Return the importances of segments; of a map per pixel its sums over cells."""
    importances, errors = explanation.importances[row], explanation.standard_errors
    if explanation.segments is not None and importances.ndim == 1:
        own = None if errors is None else errors[row]
        return Estimate(effects=importances, errors=own), explanation.segments
    shape = importances.shape
    segments = Grid()(np.zeros(shape if len(shape) == 2 else (*shape, 1)))
    return Estimate(effects=sum_by_segment(importances[np.newaxis], segments)[0]), segments


def _tables(source: RegionSource, last: NDArray[Any], segments: Segments) -> tuple[Described, ...]:
    """Describe the segments; pixels that do not count are one more, which is dropped."""
    d = int(segments.max()) + 1
    tables = source.tables(last, source.labels_of(last), np.where(segments < 0, d, segments))
    return tuple({name: values[:d] for name, values in table.items()} for table in tables)
