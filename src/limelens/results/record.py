"""The record of one explained image: its fields, their checks, and the way to find a target."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from limelens._axes import spatial_shape
from limelens._checks.images import check_segments
from limelens._checks.pixels import check_valid
from limelens._checks.values import (
    check_array,
    check_choice,
    check_flag,
    check_int,
    check_numeric,
    check_text,
    describe,
)
from limelens._statistics import label_sums
from limelens._typing import Floats, Image, Scores, Segments, Valid
from limelens.engine.samples import Samples
from limelens.errors import InvalidInputError
from limelens.results.layers import mean_and_error, sums_over
from limelens.results.ranking import sum_by_segment
from limelens.results.units import summed_over_pixels

PER_TARGET = (
    "importances",
    "targets",
    "target_names",
    "target_values",
    "standard_errors",
    "fidelity",
    "reliability",
)
"""The fields with one entry, or one row, per target."""


SAVED_SAMPLES = ("targets", "all", None)


@dataclass(frozen=True, kw_only=True, eq=False)
class Record:
    """All that is known about one explained image.

    `Explanation` documents the fields and adds everything derived from them.
    """

    image: Image
    importances: Floats
    scores: Scores
    hidden_scores: Scores
    targets: tuple[int, ...]
    target_names: tuple[str, ...]
    target_values: Floats | None = None
    segments: Segments | None = None
    standard_errors: Floats | None = None
    fidelity: Floats | None = None
    reliability: Floats | None = None
    n_predictions: int = 0
    samples: Samples | None = None
    channel_axis: int | None = None
    explainer: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    targets_are_columns: bool = True
    valid: Valid = None

    def __post_init__(self) -> None:
        _check(self)


def _check(record: Record) -> None:
    """Raise InvalidInputError unless the fields fit each other."""
    image = check_numeric("image", record.image, finite=False)
    axis = record.channel_axis
    if axis is not None:
        check_int("channel_axis", axis, minimum=0, maximum=image.ndim - 1)
    n_targets = len(_check_tuple("targets", record.targets, Integral))
    if n_targets != len(_check_tuple("target_names", record.target_names, str)):
        raise InvalidInputError(
            f"`target_names` must name each of the {n_targets} targets; "
            f"got {describe(record.target_names)}."
        )
    spatial = spatial_shape(image.shape, axis)
    check_valid(record.valid, image, axis)
    _check_importances(record, n_targets, spatial)
    scores = check_array("scores", record.scores, ("k",))
    # NaN where the method hides nothing.
    check_array("hidden_scores", record.hidden_scores, scores.shape, finite=False)
    if record.target_values is not None:
        pairs = record.target_values  # NaN where the method hides nothing
        check_array("target_values", pairs, (n_targets, 2), dtype=np.float64, finite=False)
    for name in ("fidelity", "reliability"):
        if (value := getattr(record, name)) is not None:
            check_array(name, value, (n_targets,), dtype=np.float64, finite=False)
    if record.samples is not None and not isinstance(record.samples, Samples):
        raise InvalidInputError(
            f"`samples` must be Samples or None; got {describe(record.samples)}."
        )
    if not isinstance(record.details, Mapping):
        raise InvalidInputError(f"`details` must be a dict; got {describe(record.details)}.")
    check_int("n_predictions", record.n_predictions, minimum=0)
    check_text("explainer", record.explainer)
    check_flag("targets_are_columns", record.targets_are_columns)


def _check_tuple(name: str, value: object, kind: type) -> tuple[object, ...]:
    """Return `value` if it is a non-empty tuple of one kind."""
    if not isinstance(value, tuple) or not value or not all(isinstance(v, kind) for v in value):
        words = "integers" if kind is Integral else "strings"
        raise InvalidInputError(
            f"`{name}` must be a tuple of {words}, at least one; got {describe(value)}."
        )
    return value


def _check_importances(record: Record, n_targets: int, spatial: tuple[int, ...]) -> None:
    """Check importances, their standard errors and the segments they belong to."""
    d = 0
    if record.segments is not None:
        segments = check_array("segments", record.segments, spatial)
        counts = True if record.valid is None else record.valid
        if segments.dtype.kind not in "iu" or ((segments >= 0) != counts).any():
            outside = "" if record.valid is None else " where `valid` is True, else -1"
            raise InvalidInputError(
                f"`segments` must hold the labels 0 to d-1{outside}; got {describe(segments)}."
            )
        if segments.max() >= segments.size:  # before memory is taken for all labels below it
            raise InvalidInputError(
                f"`segments` must use every label up to {segments.max()}; got fewer pixels."
            )
        sizes = label_sums(segments)
        d = len(sizes)
        if not sizes.all():
            raise InvalidInputError(
                f"`segments` must use every label up to {d - 1}; got none of {sizes.argmin()}."
            )
    per_segment = d > 0 and np.ndim(record.importances) == 2
    shape: tuple[int, ...] = (n_targets, d) if per_segment else (n_targets, *spatial)
    check_array("importances", record.importances, shape, dtype=np.float64)
    if record.standard_errors is not None:
        errors = record.standard_errors
        check_array("standard_errors", errors, shape, dtype=np.float64, finite=False)


def target_row(record: Record, target: int | str | None) -> int:
    """Return the row of a target, given as score column or name; None is the first.

    Raises
    ------
    InvalidInputError
        If it is not among the explained targets, or its name is not unique.
    """
    if target is None:
        return 0
    known: tuple[int, ...] | tuple[str, ...] = (
        record.target_names if isinstance(target, str) else record.targets
    )
    askable = isinstance(target, (str, Integral)) and not isinstance(target, (bool, np.bool_))
    rows = [row for row, each in enumerate(known) if askable and each == target]
    if len(rows) == 1:
        return rows[0]
    if len(rows) > 1:
        columns = [int(record.targets[row]) for row in rows]
        raise InvalidInputError(
            f"`target` must be unique; {target!r} names the columns {columns}: pass one of them."
        )
    pairs = zip(record.targets, record.target_names, strict=True)
    listed = ", ".join(f"{column} ({name!r})" for column, name in pairs)
    raise InvalidInputError(
        f"`target` must be one of the explained targets {listed}; got {describe(target)}."
    )


def check_per_segment(record: Record) -> Segments:
    """Return the segments that the importances belong to.

    Raises
    ------
    InvalidInputError
        If the importances are per pixel.
    """
    if record.segments is None or record.importances.ndim > 2:
        raise InvalidInputError(
            "The importances must be per segment; this explanation has one per pixel. "
            "Sum it over segments first: explanation.by_segment(labels)."
        )
    return record.segments


def rows_of(record: Record, row: int) -> dict[str, Any]:
    """Return the fields that have an entry per target, with only the entry of `row`."""
    one = slice(row, row + 1)
    values = {name: getattr(record, name) for name in PER_TARGET}
    cut = {name: None if value is None else value[one] for name, value in values.items()}
    return cut | {"details": _details_of(record.details, one, len(record.targets), ())}


DETAILS_PER_TARGET = frozenset(
    {
        *("targets", "intercepts", "training_fidelity", "answer_noise", "rounding", "interactions"),
        *("per_channel", "completeness_gap", "cells", "shared", "success", "precision"),
        *("precision_low", "precision_high", "coverage", "n_draws", "messages", "paths"),
        *(
            "holding",
            "failing",
            "statuses",
            "links",
            "relative_error",
            "error_bound",
            "steps",
            "inflation",
        ),
        *("saturation", "carriers", "additive_share", "ratio", "additive", "noise"),
        *("covariance", "chosen_by", "alphas", "n_selected", "rules", "order", "gains"),
    }
)
"""The details with one entry per target; a method of your own names its in `per_target`."""

_LISTS_OF_ROWS = ("layer_importances",)  # one array (t, d) for each of several divisions


def _details_of(
    details: Mapping[str, Any], one: slice, n_targets: int, own: Collection[str]
) -> dict[str, Any]:
    """Return details with every entry per target cut to one target."""
    own = (*own, *details.get("per_target", ()))
    cut: dict[str, Any] = {}
    for name, value in details.items():
        if name == "looks":  # (looks, t)
            cut[name] = {**value, "relative_error": value["relative_error"][:, one]}
        elif isinstance(value, Mapping):
            cut[name] = _details_of(value, one, n_targets, own)
        elif name in _LISTS_OF_ROWS:
            cut[name] = [each[one] for each in value]
        elif (name in DETAILS_PER_TARGET or name in own) and len(value) == n_targets:
            cut[name] = value[one]
        else:
            cut[name] = value
    return cut


def summed_fields(record: Record, labels: ArrayLike) -> dict[str, Any]:
    """Return the fields that change when importances per pixel are summed over segments."""
    if record.importances.ndim == 2:
        raise InvalidInputError(
            "`by_segment` must have an importance per pixel; this explanation has one per "
            "segment already: see `importances` and `segments`."
        )
    spatial = spatial_shape(record.image.shape, record.channel_axis)
    segments, ids = check_segments(labels, spatial, name="labels", valid=record.valid)
    return {
        "importances": sum_by_segment(record.importances, segments),
        "standard_errors": _errors_of_sums(record, segments),
        "segments": segments,
        "details": {**summed_over_pixels(record.details), "segment_ids": ids},
    }


def _errors_of_sums(record: Record, segments: Segments) -> Floats | None:
    """Return standard errors from the spread over segmentations, if the record keeps these."""
    details = record.details
    if record.standard_errors is None or "layer_importances" not in details:
        return None
    rows = [list(details["targets"]).index(target) for target in record.targets]
    importances = [each[rows] for each in details["layer_importances"]]
    sums = sums_over(details["layers"], importances, segments)
    return mean_and_error(sums, details.get("layer_weights"))[1]


def rows_to_save(record: Record, samples: str | None) -> dict[str, Any] | None:
    """Return the fields of those of a record's samples that a file is to keep.

    Parameters
    ----------
    record : Record
    samples : {"targets", "all", None}
        The scores of the targets, all scores, or no rows. A callable target's scores are always
        kept whole: it may read any of them.
    """
    check_choice("samples", samples, SAVED_SAMPLES)
    rows = record.samples
    if rows is None or samples is None:
        return None
    held = range(rows.scores.shape[1]) if rows.columns is None else rows.columns
    of_columns = record.targets_are_columns and not rows.reduced and set(record.targets) <= {*held}
    if samples == "targets" and of_columns and len(record.targets) < len(held):
        rows = rows.only(record.targets)
    return vars(rows)
