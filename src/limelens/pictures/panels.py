"""Panels of a page: an image, and maps with name, score, words and strongest segments."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from limelens.pictures.colors import LOWERS, OPACITY, PAPER, RAISES
from limelens.pictures.drawing import FAINT, INK, SOFT, Box, Drawing, Mark, Tile, Words
from limelens.pictures.fonts import FontFile
from limelens.pictures.legend import LEAST_WIDTH, legend
from limelens.pictures.lettering import Color, load_font, signed, wrap

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_HALO, _METER = (255, 255, 255), (88, 88, 96)


@dataclass(frozen=True, kw_only=True)
class Meter:
    """A score as a bar from zero, and the score with everything hidden as a tick.

    Parameters
    ----------
    score : float
    hidden : float
        NaN where it is not known: no tick.
    low, high : float
        Ends of the bar; `low` at most 0, `high` at least 0.
    """

    score: float
    hidden: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Bar:
    """The importance of one numbered segment; `error` is NaN where it is not known."""

    rank: int
    value: float
    error: float = np.nan


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """One picture of a page, with the words and bars around it.

    Parameters
    ----------
    picture : PIL.Image.Image
    title : str
        Above the picture.
    meter : Meter, optional
        Between title and picture.
    note : str
        Small, between title and picture.
    numbers : sequence of (float, float)
        Where 1, 2, ... stand in the picture: shares of its height and width.
    bars : sequence of Bar
        Below the picture.
    words : str
        Small, below it all.
    """

    picture: "Picture"
    title: str
    meter: Meter | None = None
    note: str = ""
    numbers: Sequence[tuple[float, float]] = ()
    bars: Sequence[Bar] = ()
    words: str = ""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What the full colour of some pictures stands for.

    Parameters
    ----------
    limit : float
        Importance of the full colour.
    beyond : bool
        Whether some importances exceed it.
    title : str
        Says above the colour bar which pictures are meant; "" if it holds for all.
    """

    limit: float
    beyond: bool = False
    title: str = ""


@dataclass(frozen=True)
class _Sizes:
    """Sizes that follow from the width of a panel."""

    width: int
    font: FontFile

    @property
    def gap(self) -> int:
        return max(10, self.width // 16)

    @property
    def title(self) -> int:
        return max(13, self.width // 20)

    @property
    def small(self) -> int:
        return max(11, self.width // 26)

    def lines(self, text: str, size: int, width: int, most: int = 2) -> list[str]:
        if not text.strip():
            return []
        return wrap(text, load_font(self.font, size), width, max_lines=most)


def arrange(
    rows: Sequence[Sequence[Panel]],
    *,
    scales: Sequence[Scale],
    heading: str = "",
    panel_side: int = 320,
    font: FontFile = None,
) -> Drawing:
    """Return panels in rows under a heading, and below them the colour bar of every scale.

    Parameters
    ----------
    rows : sequence of sequences of Panel
        At least one panel.
    scales : sequence of Scale
        At least one.
    heading : str
    panel_side : int
        Longer side of a picture in pixels.
    font : path, optional
        As in `sheet`.
    """
    widest = max(_fitted(panel, panel_side)[0] for row in rows for panel in row)
    sizes = _Sizes(max(widest, panel_side // 2), font)
    gap = sizes.gap
    columns = max(len(row) for row in rows)
    inner = max(LEAST_WIDTH, columns * (sizes.width + gap) - gap)
    marks: list[Mark] = []
    y = float(gap)
    for line in sizes.lines(heading, sizes.title + 3, inner, 3):
        marks.append(Words(gap, y, line, sizes.title + 3))
        y += 1.4 * (sizes.title + 3)
    for row in rows:
        y = _add_row(marks, row, y, panel_side, sizes) + gap
    width = min(inner, max(LEAST_WIDTH, 480))
    for scale in scales:
        left = gap + (inner - width) // 2
        for line in sizes.lines(scale.title, sizes.small, width):
            marks.append(Words(left, y, line, sizes.small))
            y += 1.4 * sizes.small
        bar = legend(scale.limit, width, font=font, beyond=scale.beyond)
        marks += [_moved(mark, left, y) for mark in bar.marks]
        y = round(y) + bar.height + gap
    return Drawing(inner + 2 * gap, round(y), marks)


def _fitted(panel: Panel, side: int) -> tuple[int, int]:
    """Return the size of a panel's picture with its longer side `side`."""
    times = side / max(panel.picture.size)
    return max(1, round(panel.picture.width * times)), max(1, round(panel.picture.height * times))


def _add_row(
    marks: list[Mark], row: Sequence[Panel], top: float, side: int, sizes: _Sizes
) -> float:
    """Add a row of panels whose pictures share a base line; return where the row ends."""
    heads = [_head(panel, sizes) for panel in row]
    under = top + max(height for _, height in heads)
    end = under
    for place, (panel, (head, height)) in enumerate(zip(row, heads, strict=True)):
        left = sizes.gap + place * (sizes.width + sizes.gap)
        marks += [_moved(mark, left, under - height) for mark in head]
        width, tall = _fitted(panel, side)
        marks.append(Tile(left, under, width, tall, panel.picture, panel.title))
        marks += _numbers(panel, left, under, (width, tall))
        foot, below = _foot(panel, sizes)
        marks += [_moved(mark, left, under + tall) for mark in foot]
        end = max(end, under + tall + below)
    return end


def _head(panel: Panel, sizes: _Sizes) -> tuple[list[Mark], float]:
    """Return title, score and note from (0, 0) on, and their height."""
    marks: list[Mark] = []
    y = 0.0
    for line in sizes.lines(panel.title, sizes.title, sizes.width):
        marks.append(Words(0, y, line, sizes.title))
        y += 1.3 * sizes.title
    if panel.meter is not None:
        y += 2
        marks += _meter(panel.meter, y, sizes)
        y += 0.55 * sizes.small + 3
    for line in sizes.lines(panel.note, sizes.small, sizes.width):
        marks.append(Words(0, y, line, sizes.small, SOFT))
        y += 1.3 * sizes.small
    return marks, y + 4


def _meter(meter: Meter, y: float, sizes: _Sizes) -> list[Mark]:
    height = 0.55 * sizes.small
    span = (meter.high - meter.low) or 1.0
    zero = (0 - meter.low) / span * sizes.width
    end = (meter.score - meter.low) / span * sizes.width
    marks: list[Mark] = [
        Box(0, y, sizes.width, height, FAINT),
        Box(min(zero, end), y, abs(end - zero), height, _METER),
    ]
    if np.isfinite(meter.hidden):
        hidden = (meter.hidden - meter.low) / span * (sizes.width - 2)
        marks.append(Box(hidden, y - 2, 2, height + 4, INK))
    return marks


def _numbers(panel: Panel, left: float, top: float, size: tuple[int, int]) -> list[Mark]:
    """Return the ranks on a picture, moved inside where they would be cut."""
    letter = max(12, min(26, max(size) // 22))
    marks: list[Mark] = []
    for rank, (row, column) in enumerate(panel.numbers, start=1):
        half = 0.3 * letter * len(str(rank)) + 3
        x = min(max(column * size[0], half), size[0] - half)
        y = min(max(row * size[1], 0.6 * letter), size[1] - 0.6 * letter)
        marks.append(Words(left + x, top + y, str(rank), letter, INK, "mm", _HALO))
    return marks


def _foot(panel: Panel, sizes: _Sizes) -> tuple[list[Mark], float]:
    """Return the bars and the words below a picture from (0, 0) on, and their height."""
    small = sizes.small
    marks: list[Mark] = []
    y = 0.5 * small
    if panel.bars:
        marks += _bars(panel.bars, y, sizes)
        y += 1.4 * small * len(panel.bars) + 0.3 * small
    for line in sizes.lines(panel.words, small, sizes.width, 4):
        marks.append(Words(0, y, line, small, SOFT))
        y += 1.3 * small
    return marks, y


def _bars(bars: Sequence[Bar], top: float, sizes: _Sizes) -> list[Mark]:
    """Return a line for each bar: its number, the bar itself, its value and standard error."""
    small, letters = sizes.small, load_font(sizes.font, sizes.small)
    peak = max(abs(bar.value) for bar in bars) or 1.0
    texts = [_value_of(bar, peak) for bar in bars]
    left = 1.6 * small
    room = max(10.0, sizes.width - left - max(map(letters.getlength, texts)) - 0.6 * small)
    marks: list[Mark] = []
    for line, (bar, text) in enumerate(zip(bars, texts, strict=True)):
        y = top + 1.4 * small * line
        length = max(1.0, abs(bar.value) / peak * room)
        color = _painted(RAISES if bar.value > 0 else LOWERS)
        marks.append(Words(left - 0.5 * small, y, str(bar.rank), small, INK, "ra"))
        marks.append(Box(left, y + 0.15 * small, length, 0.8 * small, color))
        marks.append(Words(sizes.width, y, text, small, INK, "ra"))
    return marks


def _value_of(bar: Bar, peak: float) -> str:
    if np.isnan(bar.error):
        return signed(bar.value)
    error = bar.error if bar.error > 1e-9 * peak else 0.0  # zero but for rounding
    return f"{signed(bar.value)} ± {error:.2g}"


def _painted(color: Color) -> Color:
    """Return the colour that pictures and legend show: blended with the paper by its opacity."""
    red, green, blue = (round(PAPER + OPACITY * (each - PAPER)) for each in color)
    return red, green, blue


def _moved(mark: Mark, x: float, y: float) -> Mark:
    return replace(mark, x=mark.x + x, y=mark.y + y)
