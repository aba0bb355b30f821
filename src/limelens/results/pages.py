"""Interactive pages of explanations."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from limelens._axes import spatial_shape
from limelens._checks.bands import Bands
from limelens._checks.values import check_choice, check_int, check_text, describe
from limelens._typing import Floats
from limelens.errors import InvalidInputError
from limelens.pictures.colors import color_limit
from limelens.pictures.report import THEMES, PageTarget, page, page_item
from limelens.results.confidence import top_confidence
from limelens.results.heatmaps import chosen_interpolation, pixel_map
from limelens.results.record import Record
from limelens.results.renderings import asked_of_all
from limelens.results.units import unit_of
from limelens.results.words import (
    facts_of,
    fidelity_words,
    question,
    score_range,
    score_words,
    shown_name,
)

_AMONG = 5


def interactive_page(
    explanation: Record,
    *,
    title: str,
    max_side: int,
    theme: str,
    compare: Record | None,
    bands: Bands,
) -> str:
    """Return the HTML page of all targets; see `Explanation.to_html`."""
    check_text("title", title)
    max_side = check_int("max_side", max_side, minimum=16)
    check_choice("theme", theme, THEMES)
    shown = [explanation]
    if compare is not None:
        _check_same_shape(explanation, compare)
        shown.append(compare)
    (colors,) = asked_of_all([explanation], bands)
    item = explanation_item(shown, max_side, colors)
    return page([item], "report.js", title=title, theme=theme)


def explanation_item(
    shown: Sequence[Record],
    max_side: int,
    bands: tuple[int, ...] | None,
    *,
    quality: int = 82,
    brief: bool = False,
) -> dict[str, Any]:
    """Return the content of a page about one image, with one or two explanations of it.

    `brief` leaves out single channels and the words for the strongest segments, which take space
    or time.
    """
    first = shown[0]
    targets = [
        _target_of(each, row, layer, suffix=_suffix(each) if len(shown) > 1 else "", brief=brief)
        for layer, each in enumerate(shown)
        for row in range(len(each.targets))
    ]
    return page_item(
        first.image,
        targets,
        channel_axis=first.channel_axis,
        layers=[each.segments if each.importances.ndim == 2 else None for each in shown],
        valid=first.valid,
        bands=bands,
        facts=[fact for each in shown for fact in (each.explainer, *facts_of(each)) if fact],
        max_side=max_side,
        quality=quality,
        all_bands=not brief,
    )


def _check_same_shape(explanation: Record, compare: Record) -> None:
    if not isinstance(compare, Record):
        raise InvalidInputError(f"`compare` must be an Explanation; got {describe(compare)}.")
    ours, theirs = (
        spatial_shape(each.image.shape, each.channel_axis) for each in (explanation, compare)
    )
    if ours != theirs:
        raise InvalidInputError(
            f"`compare` must explain an image of the same height and width, {ours}; "
            f"got {theirs}. Write a page for each: compare.to_html(path)."
        )


def _suffix(explanation: Record) -> str:
    return f" · {explanation.explainer.partition('(')[0] or 'explanation'}"


def _target_of(
    explanation: Record, row: int, layer: int, *, suffix: str, brief: bool
) -> PageTarget:
    values, errors = _shown_map(explanation, row), explanation.standard_errors
    known = explanation.target_values
    score, hidden = (np.nan, np.nan) if known is None else known[row]
    only, without = paid_scores(explanation, row)
    sure = {} if brief else _sure(explanation, row)
    return PageTarget(
        name=shown_name(explanation, row) + suffix,
        title=question(explanation, row),
        note=score_words(explanation, row),
        words=fidelity_words(explanation, row),
        score=float(score),
        hidden=float(hidden),
        score_range=score_range(explanation),
        importances=values,
        standard_errors=None if errors is None else errors[row],
        limit=color_limit(values),
        unit=unit_of(explanation.details),
        sure=sure,
        among=len(sure) or _AMONG,
        only=only,
        without=without,
        layer=layer,
    )


def _shown_map(explanation: Record, row: int) -> Floats:
    """Return importances per segment as they are, a map per pixel as pictures draw it."""
    if explanation.importances.ndim == 2:
        return explanation.importances[row]
    interpolation = chosen_interpolation(explanation, None, drawn=True)
    return pixel_map(explanation, row, interpolation)


def _sure(explanation: Record, row: int) -> dict[int, str]:
    """Return which of the strongest segments are certain, likely or open, where that is known."""
    errors = explanation.standard_errors
    if explanation.importances.ndim > 2 or errors is None or not np.isfinite(errors[row]).all():
        return {}
    found = top_confidence(explanation, _AMONG, int(explanation.targets[row]), sign="absolute")
    return dict(zip(found.segments.tolist(), found.words, strict=True))


def paid_scores(explanation: Record, row: int) -> tuple[Floats | None, Floats | None]:
    """Return the scores with only, and without, the k strongest segments, where they were asked.

    Both have shape (d + 1,), for k from 0 to d; NaN where the model was not asked. None for maps
    per pixel, and for targets that are a function of the scores.
    """
    samples, column = explanation.samples, explanation.targets[row]
    of_scores = not explanation.targets_are_columns
    if samples is None or not samples.n_segments or of_scores:
        return None, None
    kept = samples.columns or range(samples.scores.shape[1])
    if explanation.importances.ndim > 2 or column not in kept:
        return None, None
    d, paid = samples.n_segments, samples.of_column(column).astype(np.float64)
    asked = {key.tobytes(): place for place, key in enumerate(samples.keys)}
    order = np.argsort(-np.abs(explanation.importances[row]), kind="stable")
    only = np.zeros((d + 1, d), dtype=np.bool_)
    only[:, order] = np.tri(d + 1, d, -1, dtype=np.bool_)
    pair = []
    for coalitions in (only, ~only):
        places = [asked.get(key.tobytes(), -1) for key in np.packbits(coalitions, axis=1)]
        pair.append(np.where(np.array(places) < 0, np.nan, paid[places]))
    return pair[0], pair[1]
