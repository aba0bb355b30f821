"""The mean of several maps of one image."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from limelens._checks.values import describe, if_failed
from limelens._statistics import predicted_correlation
from limelens._typing import Floats, Segments
from limelens.engine.agreement import far_apart
from limelens.errors import InvalidInputError
from limelens.results.explanation import Explanation
from limelens.results.layers import densities, mean_and_error
from limelens.results.units import SCORE, SCORE_PER_PIXEL, unit_of

_SHARED = {
    "image": ("image", "Explain the same image."),
    "channel_axis": ("channel axis", "Explain with the same `channel_axis`."),
    "valid": ("mask of pixels that count", "Explain with the same `valid`."),
    "targets": ("tuple of targets", "Explain with the same `target`, in the same order."),
    "targets_are_columns": ("kind of target", "Explain with the same `target`."),
    "target_names": ("tuple of target names", "Explain with the same `class_names`."),
}
"""What all explanations must share, in words, and what helps where they do not."""


def average(explanations: Sequence[Explanation]) -> Explanation:
    r"""Return the mean map of several explanations of one image.

    They may differ in seed, segmentation, fill or method. What they agree on stays, and accidents
    of one of them fade.

    Parameters
    ----------
    explanations : sequence of Explanation
        Explanations of the same image and the same targets, all per segment or all per pixel.

    Returns
    -------
    Explanation
        If all have the same segments, a mean per segment. If the segments differ, a map per pixel:
        every segment's importance is spread evenly over its pixels, so that the sum of a map does
        not change. This map is drawn smooth. Maps per pixel are averaged as they are.

        `standard_errors` come from the spread over the explanations: the standard deviation over
        :math:`\sqrt n`, which goes with Student's t of n - 1 degrees of freedom. They are None for
        a single explanation. `scores`, `hidden_scores` and `target_values` are means,
        `n_predictions` is the sum; `samples` and `fidelity` are None. `details` holds
        ``"explainers"``, the repr of each, and, if the segments differ, ``"layers"``,
        ``"layer_importances"`` and ``"targets"`` as for `Sharp`.

    Raises
    ------
    InvalidInputError
        If these are not explanations, are of different images, models, targets or units, or if
        some are per segment and others per pixel. Models and targets are different if their values
        of the intact image differ by over 5 %, unless the model was found to answer at random.

    Examples
    --------
    Two ways to cut four pixels in two; the score is the third pixel:

    >>> import limelens as ll
    >>> image = np.array([[1.0, 2.0, 8.0, 9.0]])
    >>> third_pixel = lambda batch: batch[:, 0, 2]
    >>> cuts = [[[0, 0, 1, 1]], [[0, 0, 0, 1]]]
    >>> explainers = [ll.Owen(segmenter=ll.LabelImage(cut), fill=ll.Constant(0)) for cut in cuts]
    >>> found = average([explainer.explain(image, third_pixel) for explainer in explainers])
    >>> found.importances.round(2)
    array([[[1.33, 1.33, 3.33, 2.  ]]])
    """
    explanations = _check(explanations)
    _check_units(explanations)
    first = explanations[0]
    segments, importances, errors, found = _mean_map(explanations)
    shown = {"bands": first.details["bands"]} if "bands" in first.details else {}
    steps = [each.details["rounding"] for each in explanations if "rounding" in each.details]
    if steps:
        shown["rounding"] = np.max(steps, axis=0)
    return Explanation(
        image=first.image,
        importances=importances,
        standard_errors=errors,
        segments=segments,
        targets=first.targets,
        target_names=first.target_names,
        scores=np.mean([each.scores for each in explanations], axis=0),
        hidden_scores=np.mean([each.hidden_scores for each in explanations], axis=0),
        target_values=_mean_values(explanations),
        reliability=_reliability(importances, errors),
        n_predictions=sum(each.n_predictions for each in explanations),
        channel_axis=first.channel_axis,
        valid=first.valid,
        explainer=f"average({', '.join(dict.fromkeys(each.explainer for each in explanations))})",
        details={"explainers": [each.explainer for each in explanations], **found, **shown},
    )


def _mean_map(
    explanations: list[Explanation],
) -> tuple[Segments | None, Floats, Floats | None, dict[str, Any]]:
    """Return the segments of the mean map if it has any, the map, its errors, and details."""
    first = explanations[0]
    if first.importances.ndim > 2 or _same_segments(explanations):
        details: dict[str, Any] = {}
        wanted = {each.details.get("interpolation") for each in explanations}
        if "smooth" in wanted and first.importances.ndim > 2:
            details["interpolation"] = "smooth"
        if (unit := unit_of(first.details)) != SCORE:
            details["unit"] = unit
        return (first.segments, *mean_and_error([e.importances for e in explanations]), details)
    labels = [each.segments for each in explanations if each.segments is not None]
    values = [each.importances for each in explanations]
    details = {
        "layers": np.stack(labels),
        "layer_importances": values,
        "targets": list(first.targets),
        "interpolation": "smooth",
        "unit": SCORE_PER_PIXEL,
    }
    return (None, *mean_and_error(densities(labels, values)), details)


def _check(explanations: object) -> list[Explanation]:
    """Return explanations of one image and the same targets, of one kind."""
    if isinstance(explanations, Explanation) or not isinstance(explanations, Sequence):
        raise InvalidInputError(
            "`explanations` must be a list of Explanation; "
            f"got {describe(explanations)}. Use average([one, other])."
        )
    found = [each for each in explanations if isinstance(each, Explanation)]
    if not found or len(found) < len(explanations):
        odd = [each for each in explanations if not isinstance(each, Explanation)]
        got = f"{describe(odd[0])}.{if_failed(odd[0])}" if odd else "none."
        raise InvalidInputError(
            f"`explanations` must hold Explanation objects, at least one; got {got}"
        )
    first = found[0]
    for number, each in enumerate(found):
        for name, (words, cure) in _SHARED.items():
            if not _equal(getattr(each, name), getattr(first, name)):
                raise InvalidInputError(
                    f"`explanations` must be of one {words}; number {number} has another than "
                    f"the first. {cure}"
                )
        if each.scores.shape != first.scores.shape:
            raise InvalidInputError(
                f"`explanations` must have the same number of scores; number {number} has "
                f"{each.scores.shape[0]}, the first {first.scores.shape[0]}."
            )
        _check_answers(number, each, first)
        if (each.importances.ndim == 2) != (first.importances.ndim == 2):
            raise InvalidInputError(
                "`explanations` must be all per segment or all per pixel; number "
                f"{number} is not as the first. Sum maps per pixel first: "
                "explanation.by_segment(labels)."
            )
    return found


def _check_answers(number: int, each: Explanation, first: Explanation) -> None:
    """Check that one model scored the intact image, and that one target was made of the scores."""
    if "answer_noise" in each.details or "answer_noise" in first.details:
        return  # answers to one image differ
    if (far := far_apart(each.scores, first.scores)).any():
        column = int(np.argmax(far))
        raise InvalidInputError(
            f"`explanations` must be of one model; of the intact image number {number} has "
            f"{each.scores[column]:.4g} in score column {column}, the first "
            f"{first.scores[column]:.4g}. Explain with the same `predict_fn`, without dropout; "
            "maps of two models are looked at side by side: show([one, other])."
        )
    if first.targets_are_columns or each.target_values is None or first.target_values is None:
        return  # columns were compared already
    values = np.stack([each.target_values, first.target_values])
    one, other = values[:, :, 0]
    # A difference of scores may be near zero: the hidden image says how large it gets. Where it is
    # near zero in both, rounding of the scores is all that is left.
    scores = np.stack([each.scores, first.scores])
    share = 1e-2 if np.float16 in (each.scores.dtype, first.scores.dtype) else 1e-4
    room = 0.01 * np.nanmax(np.abs(values), axis=(0, 2)) + share * np.abs(scores).max()
    far = np.abs(one - other) > 0.05 * np.maximum(np.abs(one), np.abs(other)) + room
    if far.any():
        row = int(np.argmax(far))
        raise InvalidInputError(
            f"`explanations` must be of one target; number {number} makes {one[row]:.4g} of the "
            f"intact image's scores, the first {other[row]:.4g}. Explain with the same `target`; "
            "maps of two targets are looked at side by side: show([one, other])."
        )


def _check_units(explanations: list[Explanation]) -> None:
    """Check that a sum of the maps means something."""
    units = [unit_of(each.details) for each in explanations]
    for number, unit in enumerate(units):
        if unit != units[0]:
            raise InvalidInputError(
                f"`explanations` must be in one unit; number {number} is in {unit!r}, the first "
                f"in {units[0]!r}. Look at them side by side: show([one, other])."
            )


def _equal(value: object, other: object) -> bool:
    if isinstance(value, np.ndarray) and isinstance(other, np.ndarray):
        same_nan = value.dtype.kind == "f"  # of pixels that do not count
        return value.dtype == other.dtype and np.array_equal(value, other, equal_nan=same_nan)
    return type(value) is type(other) and value == other


def _same_segments(explanations: list[Explanation]) -> bool:
    first = explanations[0].segments
    return first is not None and all(
        each.segments is not None and np.array_equal(each.segments, first) for each in explanations
    )


def _mean_values(explanations: list[Explanation]) -> Floats | None:
    values = [each.target_values for each in explanations if each.target_values is not None]
    if len(values) < len(explanations):
        return None
    return np.asarray(np.mean(values, axis=0), dtype=np.float64)


def _reliability(importances: Floats, errors: Floats | None) -> Floats | None:
    if errors is None:
        return None
    rows, their_errors = (each.reshape(len(each), -1) for each in (importances, errors))
    return predicted_correlation(rows, their_errors)
