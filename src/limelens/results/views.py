"""What an explanation looks like: its picture, its line of text, its card in a notebook."""

import base64
import io
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_flag, check_int, check_number
from limelens._typing import Floats
from limelens.pictures.colors import color_limit
from limelens.pictures.display import MAX_SIDE, as_plane, resize
from limelens.pictures.figures import plot_overlay
from limelens.pictures.lettering import signed
from limelens.pictures.overlay import OPACITY, draw_backdrop, draw_top, paint_overlay, to_picture
from limelens.pictures.report import ReportTarget, report_page
from limelens.results.heatmaps import chosen_interpolation, pixel_map, spread
from limelens.results.ranking import strongest
from limelens.results.record import Record, check_per_segment, find_target

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image as Picture


_CARD_TARGETS, _CARD_SIDE, _PAGE_SIDE = 5, 480, 640


def draw_explanation(
    record: Record,
    target: int | str | None = None,
    *,
    interpolation: str | None = None,
    scale: str | float = "symmetric",
    opacity: float = OPACITY,
    backdrop: str = "grey",
    max_side: int = MAX_SIDE,
    boundaries: bool | None = None,
) -> "Picture":
    """Return the overlay of one target; see `Explanation.to_image`."""
    interpolation = chosen_interpolation(record, interpolation, drawn=True)
    opacity = check_number("opacity", opacity, minimum=0.0, maximum=1.0)
    row = find_target(record, target)
    limit = drawn_limit(record, row, interpolation, scale)
    if boundaries is None:
        boundaries = record.importances.ndim == 2 and interpolation == "nearest"
    elif check_flag("boundaries", boundaries):
        check_per_segment(record)
    base = draw_backdrop(record.image, record.channel_axis, backdrop, max_side)
    heat = _display_map(record, row, interpolation, base.shape[:2])
    segments = record.segments if boundaries else None
    return to_picture(paint_overlay(base, heat, limit, segments=segments, opacity=opacity))


def draw_masks(
    record: Record, mask: NDArray[np.bool_], heatmap: Floats, max_side: int
) -> "Picture":
    """Return the image with the mask in green where it raises the score, else in red."""
    raises, lowers = mask & (heatmap > 0), mask & (heatmap < 0)
    axis = record.channel_axis
    return draw_top(record.image, raises, lowers, channel_axis=axis, max_side=max_side)


def drawn_limit(record: Record, row: int, interpolation: str, scale: str | float) -> float:
    """Return the importance of the full colour: of segments, or of the map that is drawn."""
    importances = record.importances[row]
    if importances.ndim > 1 and interpolation != "nearest":
        return color_limit(pixel_map(record, row, interpolation), scale)
    return color_limit(importances, scale)


def _display_map(record: Record, row: int, interpolation: str, size: tuple[int, int]) -> Floats:
    """Return the map of one target; what is smoothed is smoothed at the size it is seen at."""
    segments, importances = record.segments, record.importances[row]
    flat = record.image.ndim - (record.channel_axis is not None) == 2
    if not flat or interpolation in ("nearest", "guided"):
        return pixel_map(record, row, interpolation)
    if segments is not None and importances.ndim == 1:
        return spread(importances, resize(segments, size), interpolation)
    stride = record.details.get("stride")
    if stride is not None:
        sides = zip(stride, size, importances.shape, strict=True)
        stride = [step * shown / side for step, shown, side in sides]
    return spread(resize(importances, size), None, interpolation, stride=stride)


def describe_targets(record: Record, most: int) -> str:
    """Return the first targets by name, with their value where it is known."""
    words = []
    for row, name in enumerate(record.target_names[:most]):
        values = record.target_values
        words.append(repr(name) + ("" if values is None else f" {values[row, 0]:.3g}"))
    more = len(record.targets) - most
    return ", ".join(words) + (f" and {more} more" if more > 0 else "")


def one_line(record: Record) -> str:
    """Return the repr: what was explained, by what, how well, at what price."""
    method = record.explainer.partition("(")[0]
    image, fidelity = record.image, record.fidelity
    parts = [f"{describe_targets(record, 3)} of a {image.shape} {image.dtype} image"]
    if record.segments is not None:
        parts.append(f"{int(record.segments.max()) + 1} segments")
    if fidelity is not None:
        parts.append(f"fidelity {_number(fidelity[0])}")
    parts.append(f"{record.n_predictions} predictions")
    return f"<Explanation{f' by {method}' if method else ''}: {'; '.join(parts)}>"


def card(record: Record) -> str:
    """Return HTML for a notebook: the overlay of the first target, a table of the first five."""
    stream = io.BytesIO()
    draw_explanation(record, max_side=_CARD_SIDE).save(stream, format="PNG")
    source = base64.b64encode(stream.getvalue()).decode()
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in _card_row(record, row))}</tr>"
        for row in range(min(len(record.targets), _CARD_TARGETS))
    )
    return (
        f'<div><img alt="importances over the image" src="data:image/png;base64,{source}"/>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"<p>{escape(one_line(record))}</p></div>"
    )


_COLUMNS = ("target", "score", "hidden", "fidelity", "reliability", "strongest")


def _card_row(record: Record, row: int) -> list[str]:
    values, fidelity = record.target_values, record.fidelity
    reliability = record.reliability
    return [
        record.target_names[row],
        "" if values is None else _number(values[row, 0]),
        "" if values is None else _number(values[row, 1]),
        "" if fidelity is None else _number(fidelity[row]),
        "" if reliability is None else _number(reliability[row]),
        _strongest_words(record, row),
    ]


def _strongest_words(record: Record, row: int) -> str:
    importances = record.importances[row]
    if importances.ndim > 1:
        return f"{signed(importances.min())} to {signed(importances.max())}"
    errors = record.standard_errors
    words = []
    for segment in strongest(importances, 3, "absolute"):
        error = "" if errors is None else f" ± {_number(errors[row, segment])}"
        words.append(f"segment {segment}: {signed(importances[segment])}{error}")
    return ", ".join(words) or "all zero"


def _number(value: float) -> str:
    return "unknown" if np.isnan(value) else f"{value:.3g}"


def plot_explanation(
    record: Record,
    target: int | str | None,
    *,
    n: int,
    interpolation: str | None,
    scale: str | float,
) -> "Figure":
    """Return the matplotlib figure of one target; see `Explanation.plot`."""
    n = check_int("n", n, minimum=0)
    row = find_target(record, target)
    importances, errors = record.importances[row], record.standard_errors
    interpolation = chosen_interpolation(record, interpolation, drawn=True)
    picture = draw_explanation(record, target, interpolation=interpolation, scale=scale)
    overlay = np.asarray(picture)
    title = record.target_names[row]
    if record.target_values is not None:
        title += f"  {_number(record.target_values[row, 0])}"
    limit = drawn_limit(record, row, interpolation, scale)
    if importances.ndim > 1:
        return plot_overlay(overlay, limit, title=title)
    segments = check_per_segment(record)
    labels = resize(as_plane(segments, segments.ndim, empty=-1), overlay.shape[:2])
    return plot_overlay(
        overlay,
        limit,
        title=title,
        labels=labels,
        importances=importances,
        standard_errors=None if errors is None else errors[row],
        shown=strongest(importances, n, "absolute"),
    )


def interactive_page(record: Record) -> str:
    """Return the HTML page of all targets; see `Explanation.to_html`."""
    errors = record.standard_errors
    targets = [
        ReportTarget(
            name=name,
            notes=_notes(record, row),
            importances=record.importances[row],
            standard_errors=None if errors is None else errors[row],
        )
        for row, name in enumerate(record.target_names)
    ]
    per_segment = record.importances.ndim == 2
    n_predictions = f"{record.n_predictions} predictions"
    return report_page(
        record.image,
        targets,
        channel_axis=record.channel_axis,
        segments=record.segments if per_segment else None,
        title=f"Why {record.target_names[0]}?",
        facts=[fact for fact in (record.explainer, n_predictions) if fact],
        max_side=_PAGE_SIDE,
    )


def _notes(record: Record, row: int) -> list[str]:
    """Return what is known of a target beside its importances."""
    notes = []
    if record.target_values is not None:
        intact, hidden = record.target_values[row]
        known = "" if np.isnan(hidden) else f", hidden {_number(hidden)}"
        notes.append(f"score {_number(intact)}{known}")
    for name in ("fidelity", "reliability"):
        if (values := getattr(record, name)) is not None:
            notes.append(f"{name} {_number(values[row])}")
    return notes
