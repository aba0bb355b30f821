"""The card of an explanation in a notebook, and small tables."""

import base64
from html import escape

from limelens.pictures.drawing import encoded
from limelens.pictures.lettering import signed
from limelens.pictures.tables import html_table
from limelens.results.ranking import strongest
from limelens.results.record import Record
from limelens.results.renderings import one_line
from limelens.results.target_panels import figure_of
from limelens.results.words import number, share

_CARD_TARGETS, _CARD_ROWS, _PANEL_SIDE = 3, 5, 260


def png_of(explanation: Record) -> bytes:
    """Return the figure of the first targets as PNG."""
    drawing = figure_of(
        explanation,
        explanation.targets[:_CARD_TARGETS],
        panel_side=_PANEL_SIDE,
        bands=explanation.details.get("bands"),
    )
    return encoded(drawing.to_picture(None), "PNG")


def card(explanation: Record) -> str:
    """Return HTML for a notebook: the figure of the first targets and a table of the first five."""
    source = base64.b64encode(png_of(explanation)).decode()
    rows = [_card_row(explanation, row) for row in range(min(len(explanation.targets), _CARD_ROWS))]
    html = (
        '<div><img alt="the image and what raises and lowers each score" '
        f'src="data:image/png;base64,{source}"/>{html_table(_COLUMNS, rows)}'
        f"<p>{escape(one_line(explanation))}</p></div>"
    )
    return html.encode("utf-8", "replace").decode("utf-8")  # a notebook holds no half characters


_COLUMNS = ("target", "score", "hidden", "fidelity", "reliability", "strongest")


def _card_row(explanation: Record, row: int) -> list[str]:
    values, fidelity = explanation.target_values, explanation.fidelity
    reliability = explanation.reliability
    return [
        explanation.target_names[row],
        "" if values is None else number(values[row, 0]),
        "" if values is None else number(values[row, 1]),
        "" if fidelity is None else share(fidelity[row]),
        "" if reliability is None else share(reliability[row]),
        _strongest_words(explanation, row),
    ]


def _strongest_words(explanation: Record, row: int) -> str:
    importances = explanation.importances[row]
    if importances.ndim > 1:
        return f"{signed(importances.min())} to {signed(importances.max())}"
    errors = explanation.standard_errors
    words = []
    for segment in strongest(importances, 3, "absolute"):
        error = "" if errors is None else f" ± {number(errors[row, segment])}"
        words.append(f"segment {segment}: {signed(importances[segment])}{error}")
    return ", ".join(words) or "all zero"
