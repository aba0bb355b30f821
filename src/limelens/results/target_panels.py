"""Pictures of whole explanations: every target with its score, several on one scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np

from limelens._axes import spatial_shape
from limelens._checks.values import check_choice, check_int, check_text, describe
from limelens.errors import InvalidInputError
from limelens.pictures.display import as_plane, resize, shrunk
from limelens.pictures.drawing import Drawing
from limelens.pictures.fonts import FontFile
from limelens.pictures.marks import innermost
from limelens.pictures.overlay import draw_backdrop, numbered_picture
from limelens.pictures.panels import Bar, Meter, Panel, Scale, arrange
from limelens.results.heatmaps import chosen_interpolation
from limelens.results.ranking import strongest
from limelens.results.record import Record, target_row
from limelens.results.renderings import draw_explanation, drawn_limit
from limelens.results.words import facts_of, fidelity_words, score_range, score_words, shown_name

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

FORMATS = ("image", "svg")
_COLUMNS = 4


@dataclass(frozen=True, kw_only=True)
class Look:
    """How the pictures of some panels are drawn; `limit` is the importance of the full colour."""

    interpolation: str | None
    limit: float
    max_side: int
    bands: tuple[int, ...] | None


def figure_of(
    explanation: Record,
    targets: int | str | Sequence[int | str] | None,
    *,
    n: int = 5,
    interpolation: str | None = None,
    scale: str | float = "auto",
    title: str = "",
    panel_side: int = 320,
    font: FontFile = None,
    format: str = "image",  # noqa: A002
    bands: tuple[int, ...] | None = None,
) -> Drawing:
    """Return the image and a panel for each target; see `Explanation.figure`."""
    n = check_int("n", n, minimum=0)
    panel_side = check_int("panel_side", panel_side, minimum=64)
    check_choice("format", format, FORMATS)
    check_text("title", title)
    rows = find_targets(explanation, targets)
    limit, beyond = limit_of([(explanation, row) for row in rows], interpolation, scale)
    max_side = panel_side * (2 if format == "svg" else 1)  # print shows more pixels than a screen
    look = Look(interpolation=interpolation, limit=limit, max_side=max_side, bands=bands)
    panels = image_and_targets(explanation, rows, n, look)
    chunks = [panels[start : start + _COLUMNS] for start in range(0, len(panels), _COLUMNS)]
    return arrange(
        chunks,
        scales=[Scale(limit=limit, beyond=beyond)],
        heading=title,
        panel_side=panel_side,
        font=font,
    )


def image_and_targets(explanation: Record, rows: Sequence[int], n: int, look: Look) -> list[Panel]:
    """Return the panel of the image, and one for each of some targets."""
    return [
        original_panel(explanation, look),
        *(target_panel(explanation, row, n, look) for row in rows),
    ]


def find_targets(explanation: Record, targets: int | str | Sequence[int | str] | None) -> list[int]:
    """Return the rows of several targets; None is all of them."""
    if targets is None:
        return list(range(len(explanation.targets)))
    if isinstance(targets, (str, Integral)):
        return [target_row(explanation, targets)]
    if not isinstance(targets, Sequence) or not targets:
        raise InvalidInputError(
            "`targets` must be None (all), a score column or its name, or a sequence of them; "
            f"got {describe(targets)}."
        )
    return [target_row(explanation, target) for target in targets]


def limit_of(
    maps: Sequence[tuple[Record, int]], interpolation: str | None, scale: str | float
) -> tuple[float, bool]:
    """Return the importance of the full colour in all maps, and whether some exceed it."""
    drawn = [
        (explanation, row, chosen_interpolation(explanation, interpolation, drawn=True))
        for explanation, row in maps
    ]
    limit = max(drawn_limit(*each, scale) for each in drawn)
    return limit, any(drawn_limit(*each, "symmetric") > limit for each in drawn)


def original_panel(explanation: Record, look: Look) -> Panel:
    """Return the panel of the image itself, with the method and its number of calls below it."""
    image, axis = explanation.image, explanation.channel_axis
    spatial = spatial_shape(image.shape, axis)
    shown = draw_backdrop(image, axis, "color", look.max_side, explanation.valid, look.bands)
    facts = (explanation.explainer.partition("(")[0], *facts_of(explanation))
    return Panel(
        picture=numbered_picture(shown, spatial),
        title="the image",
        note=f"{' x '.join(map(str, spatial))}, {image.dtype}",
        words=", ".join(fact for fact in facts if fact),
    )


def target_panel(explanation: Record, row: int, n: int, look: Look) -> Panel:
    """Return the panel of one target: its map, score, strongest segments and their numbers."""
    ranked = _ranked(explanation, row, n)
    errors = explanation.standard_errors
    values = explanation.importances[row]
    return Panel(
        picture=map_of(explanation, row, look),
        title=shown_name(explanation, row),
        meter=_meter(explanation, row),
        note=score_words(explanation, row),
        numbers=_places(explanation, ranked, look.max_side),
        bars=[
            Bar(
                rank=rank,
                value=float(values[segment]),
                error=np.nan if errors is None else float(errors[row, segment]),
            )
            for rank, segment in enumerate(ranked, start=1)
        ],
        words=fidelity_words(explanation, row),
    )


def map_of(explanation: Record, row: int, look: Look) -> "Picture":
    """Return the map of one target over the image, in the colours of the legend."""
    return draw_explanation(
        explanation,
        int(explanation.targets[row]),
        interpolation=look.interpolation,
        scale=look.limit or "auto",  # a zero map has no number to be its limit
        max_side=look.max_side,
        bands=look.bands,
    )


def _ranked(explanation: Record, row: int, n: int) -> list[int]:
    values = explanation.importances[row]
    return [] if values.ndim > 1 or n == 0 else strongest(values, n, "absolute").tolist()


def _meter(explanation: Record, row: int) -> Meter | None:
    known = explanation.target_values
    if known is None or not np.isfinite(known[row, 0]):
        return None
    score, hidden = (float(value) for value in known[row])
    low, high = score_range(explanation)
    return Meter(score=score, hidden=hidden, low=low, high=high)


def _places(explanation: Record, ranked: Sequence[int], max_side: int) -> list[tuple[float, float]]:
    """Return the innermost point of each segment as shares of the picture's height and width."""
    segments = explanation.segments
    if segments is None or not ranked:
        return []
    plane = as_plane(segments.astype(np.intp), segments.ndim, empty=-1)
    plane = resize(plane, shrunk(plane.shape, max_side))  # places are found as well in the small
    height, width = plane.shape
    found = (innermost(plane == segment) for segment in ranked)
    middle = (height / 2, width / 2)  # of a segment that the slices shown do not meet
    return [
        ((row + 0.5) / height, (column + 0.5) / width)
        for row, column in (place or middle for place in found)
    ]
