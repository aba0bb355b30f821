"""An explanation as a picture, as a figure, and as a line of text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from limelens._checks.bands import Bands, check_bands, warn_of_bands
from limelens._checks.values import check_flag, check_int, check_number
from limelens._typing import Floats
from limelens.pictures.colors import OPACITY, color_limit
from limelens.pictures.display import MAX_SIDE, as_plane, resize
from limelens.pictures.figures import plot_overlay
from limelens.pictures.overlay import draw_backdrop, draw_top, paint_overlay
from limelens.results.heatmaps import chosen_interpolation, pixel_map, spread
from limelens.results.ranking import strongest
from limelens.results.record import Record, check_per_segment, target_row
from limelens.results.words import number, share, shown_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image as Picture


def draw_explanation(
    record: Record,
    target: int | str | None = None,
    *,
    interpolation: str | None = None,
    scale: str | float = "auto",
    opacity: float = OPACITY,
    backdrop: str = "grey",
    max_side: int = MAX_SIDE,
    boundaries: bool | None = None,
    bands: tuple[int, ...] | None = None,
) -> "Picture":
    """Return the overlay of one target; see `Explanation.to_image`."""
    interpolation = chosen_interpolation(record, interpolation, drawn=True)
    opacity = check_number("opacity", opacity, minimum=0.0, maximum=1.0)
    row = target_row(record, target)
    limit = drawn_limit(record, row, interpolation, scale)
    if boundaries is None:
        boundaries = record.importances.ndim == 2 and interpolation == "nearest"
    elif check_flag("boundaries", boundaries):
        check_per_segment(record)
    image = record.image, record.channel_axis
    base = draw_backdrop(*image, backdrop, max_side, record.valid, bands)
    heat = _display_map(record, row, interpolation, base.shape[:2])
    segments = record.segments if boundaries else None
    return paint_overlay(base, heat, limit, segments=segments, opacity=opacity, backdrop=backdrop)


def shown_bands(record: Record, bands: Bands) -> tuple[int, ...] | None:
    """Return the channels that pictures show: as asked, else as the image itself said."""
    asked = record.details.get("bands") if bands is None else bands
    return check_bands(asked, n_channels(record))


def n_channels(record: Record) -> int:
    """Return the number of channels of the image, 1 if it has no axis for them."""
    return 1 if record.channel_axis is None else record.image.shape[record.channel_axis]


def asked_of_all(records: Sequence[Record], bands: Bands) -> list[tuple[int, ...] | None]:
    """Return `shown_bands` of each, with one warning if nobody said what some channels are."""
    shown = [shown_bands(each, bands) for each in records]
    any(warn_of_bands(n_channels(each), of) for each, of in zip(records, shown, strict=True))
    return shown


def draw_top_segments(
    record: Record,
    ranked: NDArray[np.intp],
    row: int,
    *,
    colors: str,
    max_side: int,
    bands: Bands,
) -> "Picture":
    """Return the image with segments marked, strongest first; see `Explanation.top_image`."""
    values, segments = record.importances[row], check_per_segment(record)
    raises, lowers = (np.isin(segments, ranked[sign * values[ranked] > 0]) for sign in (1.0, -1.0))
    return draw_top(
        record.image,
        raises,
        lowers,
        channel_axis=record.channel_axis,
        segments=segments,
        ranked=ranked.tolist(),
        colors=colors,
        max_side=max_side,
        valid=record.valid,
        bands=record.details.get("bands") if bands is None else bands,
    )


def drawn_limit(record: Record, row: int, interpolation: str, scale: str | float) -> float:
    """Return the importance of the full colour: of segments, or of the map that is drawn."""
    importances = record.importances[row]
    if importances.ndim > 1 and interpolation != "nearest":
        return color_limit(pixel_map(record, row, interpolation), scale)
    return color_limit(importances, scale)


def _display_map(record: Record, row: int, interpolation: str, size: tuple[int, int]) -> Floats:
    """Return the map of one target; a smooth map is smoothed at the size of the picture."""
    segments, importances = record.segments, record.importances[row]
    flat = record.image.ndim - (record.channel_axis is not None) == 2
    if not flat or interpolation in ("nearest", "guided"):
        return pixel_map(record, row, interpolation)
    valid = None if record.valid is None else resize(record.valid, size)
    if segments is not None and importances.ndim == 1:
        return spread(importances, resize(segments, size), interpolation, valid=valid)
    stride = record.details.get("stride")
    if stride is not None:
        sides = zip(stride, size, importances.shape, strict=True)
        stride = [step * shown / side for step, shown, side in sides]
    heat = resize(importances, size)
    return spread(heat, None, interpolation, stride=stride, valid=valid)


def describe_targets(record: Record, most: int) -> str:
    """Return the first targets by name, with their value where it is known."""
    words = []
    for row, name in enumerate(record.target_names[:most]):
        values = record.target_values
        words.append(repr(name) + ("" if values is None else f" {number(values[row, 0])}"))
    more = len(record.targets) - most
    return ", ".join(words) + (f" and {more} more" if more > 0 else "")


def one_line(record: Record) -> str:
    """Return the repr: the targets, the explainer, the fidelity and the number of calls."""
    method = record.explainer.partition("(")[0]
    image, fidelity = record.image, record.fidelity
    parts = [f"{describe_targets(record, 3)} of a {image.shape} {image.dtype} image"]
    if record.segments is not None:
        parts.append(f"{int(record.segments.max()) + 1} segments")
    if fidelity is not None:
        parts.append(f"fidelity {share(fidelity[0])}")
    parts.append(f"{record.n_predictions} predictions")
    if "answer_noise" in record.details:
        parts.append(f"answers differ at random by {number(record.details['answer_noise'][0])}")
    return f"<Explanation{f' by {method}' if method else ''}: {'; '.join(parts)}>"


def plot_explanation(
    record: Record,
    target: int | str | None,
    *,
    n: int,
    interpolation: str | None,
    scale: str | float,
    bands: Bands,
) -> "Figure":
    """Return the matplotlib figure of one target; see `Explanation.plot`."""
    n = check_int("n", n, minimum=0)
    row = target_row(record, target)
    importances, errors = record.importances[row], record.standard_errors
    interpolation = chosen_interpolation(record, interpolation, drawn=True)
    (colors,) = asked_of_all([record], bands)
    picture = draw_explanation(
        record, target, interpolation=interpolation, scale=scale, bands=colors
    )
    overlay = np.asarray(picture)
    title = shown_name(record, row)
    if record.target_values is not None:
        title += f", score {number(record.target_values[row, 0])}"
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
