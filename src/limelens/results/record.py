"""What the fields of an explanation must be, and how one of its targets is found."""

from collections.abc import Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from limelens._axes import spatial_shape
from limelens._checks.images import check_segments
from limelens._checks.values import check_array, check_int, check_numeric, check_text, describe
from limelens._typing import Floats, Segments
from limelens.engine.samples import Samples
from limelens.errors import InvalidInputError
from limelens.results.layers import mean_and_error, sums_over
from limelens.results.ranking import sum_by_segment

if TYPE_CHECKING:
    from limelens.results.explanation import Explanation

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


def check_record(explanation: "Explanation") -> None:
    """Raise InvalidInputError unless the fields fit each other."""
    image = check_numeric("image", explanation.image)
    axis = explanation.channel_axis
    if axis is not None:
        check_int("channel_axis", axis, minimum=0, maximum=image.ndim - 1)
    n_targets = len(_check_tuple("targets", explanation.targets, Integral))
    if n_targets != len(_check_tuple("target_names", explanation.target_names, str)):
        msg = (
            f"`target_names` must name each of the {n_targets} targets; "
            f"got {describe(explanation.target_names)}."
        )
        raise InvalidInputError(msg)
    spatial = spatial_shape(image.shape, axis)
    _check_importances(explanation, n_targets, spatial)
    scores = check_array("scores", explanation.scores, ("k",))
    # NaN where the method hides nothing.
    check_array("hidden_scores", explanation.hidden_scores, scores.shape, finite=False)
    if explanation.target_values is not None:
        pairs = explanation.target_values  # NaN where the method hides nothing
        check_array("target_values", pairs, (n_targets, 2), dtype=np.float64, finite=False)
    for name in ("fidelity", "reliability"):
        if (value := getattr(explanation, name)) is not None:
            check_array(name, value, (n_targets,), dtype=np.float64, finite=False)
    if explanation.samples is not None and not isinstance(explanation.samples, Samples):
        msg = f"`samples` must be Samples or None; got {describe(explanation.samples)}."
        raise InvalidInputError(msg)
    if not isinstance(explanation.details, Mapping):
        msg = f"`details` must be a dict; got {describe(explanation.details)}."
        raise InvalidInputError(msg)
    check_int("n_predictions", explanation.n_predictions, minimum=0)
    check_text("explainer", explanation.explainer)


def _check_tuple(name: str, value: object, kind: type) -> tuple[object, ...]:
    """Return `value` if it is a non-empty tuple of one kind."""
    if not isinstance(value, tuple) or not value or not all(isinstance(v, kind) for v in value):
        words = "integers" if kind is Integral else "strings"
        msg = f"`{name}` must be a tuple of {words}, at least one; got {describe(value)}."
        raise InvalidInputError(msg)
    return value


def _check_importances(
    explanation: "Explanation", n_targets: int, spatial: tuple[int, ...]
) -> None:
    """Check importances, their standard errors and the segments they belong to."""
    d = 0
    if explanation.segments is not None:
        segments = check_array("segments", explanation.segments, spatial)
        if segments.dtype.kind not in "iu" or segments.min() < 0:
            msg = f"`segments` must hold the labels 0 to d-1; got {describe(segments)}."
            raise InvalidInputError(msg)
        sizes = np.bincount(segments.ravel())
        d = len(sizes)
        if not sizes.all():
            msg = f"`segments` must use every label up to {d - 1}; got none of {sizes.argmin()}."
            raise InvalidInputError(msg)
    per_segment = d > 0 and np.ndim(explanation.importances) == 2
    shape: tuple[int, ...] = (n_targets, d) if per_segment else (n_targets, *spatial)
    check_array("importances", explanation.importances, shape, dtype=np.float64)
    if explanation.standard_errors is not None:
        errors = explanation.standard_errors
        check_array("standard_errors", errors, shape, dtype=np.float64, finite=False)


def find_target(explanation: "Explanation", target: int | str | None) -> int:
    """Return the row of a target, given as score column or name; None is the first.

    Raises
    ------
    InvalidInputError
        If it is not among the explained targets, or its name is not unique.
    """
    if target is None:
        return 0
    known: tuple[int, ...] | tuple[str, ...] = (
        explanation.target_names if isinstance(target, str) else explanation.targets
    )
    askable = isinstance(target, (str, Integral)) and not isinstance(target, (bool, np.bool_))
    rows = [row for row, each in enumerate(known) if askable and each == target]
    if len(rows) == 1:
        return rows[0]
    if len(rows) > 1:
        columns = [int(explanation.targets[row]) for row in rows]
        msg = f"`target` must be unique; {target!r} names the columns {columns}: pass one of them."
        raise InvalidInputError(msg)
    pairs = zip(explanation.targets, explanation.target_names, strict=True)
    listed = ", ".join(f"{column} ({name!r})" for column, name in pairs)
    msg = f"`target` must be one of the explained targets {listed}; got {describe(target)}."
    raise InvalidInputError(msg)


def check_per_segment(explanation: "Explanation") -> Segments:
    """Return the segments that the importances belong to.

    Raises
    ------
    InvalidInputError
        If the importances are per pixel.
    """
    if explanation.segments is None or explanation.importances.ndim > 2:
        msg = (
            "The importances must be per segment; this explanation has one per pixel. "
            "Sum it over segments first: explanation.by_segment(labels)."
        )
        raise InvalidInputError(msg)
    return explanation.segments


def rows_of(explanation: "Explanation", row: int) -> dict[str, Any]:
    """Return the fields that have an entry per target, cut to the one in `row`."""
    one = slice(row, row + 1)
    values = {name: getattr(explanation, name) for name in PER_TARGET}
    return {name: None if value is None else value[one] for name, value in values.items()}


def summed_fields(explanation: "Explanation", labels: ArrayLike) -> dict[str, Any]:
    """Return the fields that change when importances per pixel are summed over segments."""
    if explanation.importances.ndim == 2:
        msg = (
            "`by_segment` must have an importance per pixel; this explanation has one per "
            "segment already: see `importances` and `segments`."
        )
        raise InvalidInputError(msg)
    spatial = spatial_shape(explanation.image.shape, explanation.channel_axis)
    segments, ids = check_segments(labels, spatial, name="labels")
    return {
        "importances": sum_by_segment(explanation.importances, segments),
        "standard_errors": _errors_of_sums(explanation, segments),
        "segments": segments,
        "details": {**explanation.details, "segment_ids": ids},
    }


def _errors_of_sums(explanation: "Explanation", segments: Segments) -> Floats | None:
    """Return the spread over the segmentations that a map is the mean of, where they are kept."""
    details = explanation.details
    if explanation.standard_errors is None or "layer_importances" not in details:
        return None
    rows = [list(details["targets"]).index(target) for target in explanation.targets]
    importances = [each[rows] for each in details["layer_importances"]]
    return mean_and_error(sums_over(details["layers"], importances, segments))[1]
