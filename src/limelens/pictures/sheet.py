"""Pictures side by side, with titles and a colour bar."""

import math
from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from limelens._checks.values import check_int, check_text
from limelens.errors import InvalidInputError
from limelens.pictures.drawing import fit
from limelens.pictures.fonts import FontFile
from limelens.pictures.legend import LEAST_WIDTH, color_bar
from limelens.pictures.lettering import Letters, draw_text, load_font, warn_of_missing, wrap
from limelens.pictures.overlay import draw_image

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageDraw import ImageDraw

_PAPER, _TEXT, _SOFT = (255, 255, 255), (28, 28, 30), (110, 110, 116)


_Words: TypeAlias = list[tuple[str, Letters, tuple[int, int, int]]]


@dataclass(frozen=True)
class _Style:
    """Sizes that follow from the side of a tile."""

    tile_side: int
    font: FontFile

    @property
    def gap(self) -> int:
        return max(8, self.tile_side // 16)

    @property
    def inset(self) -> int:
        return max(3, self.tile_side // 50)

    @property
    def heading_size(self) -> int:
        return max(14, self.tile_side // 14)

    @property
    def title_size(self) -> int:
        return max(12, self.tile_side // 20)

    def words(
        self, text: str, width: int, size: int, color: tuple[int, int, int] = _TEXT
    ) -> _Words:
        if not text.strip():
            return []
        font = load_font(self.font, size)
        return [(line, font, color) for line in wrap(text, font, width)]

    def tile_words(self, title: str, width: int) -> _Words:
        head, _, rest = title.partition("\n")
        words = self.words(head, width, self.title_size)
        return words + self.words(rest, width, max(11, self.tile_side // 25), _SOFT)


def sheet(
    tiles: Sequence[Any],
    titles: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    rows: Sequence[str] | None = None,
    limit: float | None = None,
    heading: str = "",
    tile_side: int = 320,
    font: FontFile = None,
) -> "Picture":
    """Return pictures side by side.

    Parameters
    ----------
    tiles : sequence of PIL.Image.Image or ndarray
        Arrays are drawn by `draw_image`: (H, W) or (H, W, C).
    titles : sequence of str, optional
        One title for each tile, above it. Text after a line break is small and grey.
    columns : int, optional
        Tiles in a row. Up to four tiles stand in one row, and more tiles in nearly a square.
    rows : sequence of str, optional
        One line for each row of tiles, above it.
    limit : float, optional
        Draws a colour bar from -limit to limit: the `scale` that the tiles were drawn with (see
        `color_limit`). 0 says that all importances are zero.
    heading : str
        Heading of the whole picture.
    tile_side : int
        Longest side of a tile in pixels, at least 64.
    font : path, optional
        A TrueType font that is used first. Letters that this font, or else Pillow's own, does not
        have come from the fonts of the system. One warning names letters that no font has.

    Returns
    -------
    picture : PIL.Image.Image

    Raises
    ------
    InvalidInputError
        If there is no tile, or not one title per tile and one line per row.

    Examples
    --------
    >>> grey = np.full((40, 60), 128, np.uint8)
    >>> sheet([grey, grey], ["one", "two"], tile_side=100).size
    (224, 102)
    """
    tile_side = check_int("tile_side", tile_side, minimum=64)
    pictures = [_fit(tile, tile_side) for tile in _check_tiles(tiles, titles)]
    n = len(pictures)
    columns = _default_columns(n) if columns is None else check_int("columns", columns, minimum=1)
    style = _Style(tile_side, font)
    lines = _check_rows(rows, -(-n // columns))
    warn_of_missing([check_text("heading", heading), *lines, *(titles or ())], font)
    cell_width = max(picture.width for picture in pictures)
    inner = min(columns, n) * (cell_width + style.gap) - style.gap
    bar = None
    if limit is not None:
        bar = color_bar(limit, max(LEAST_WIDTH, min(inner, 2 * tile_side)), font=font)
        inner = max(inner, bar.width)
    words = [style.tile_words(title, cell_width) for title in titles or [""] * n]
    cells = list(zip(pictures, words, strict=True))
    above = [(heading, style.heading_size)]
    bands = []
    for row, line in enumerate(lines):
        above.append((line, style.title_size))
        bands += [
            _text_band(each, inner)
            for text, size in above
            if (each := style.words(text, inner, size))
        ]
        bands.append(_band(cells[row * columns : (row + 1) * columns], cell_width, style))
        above = []
    return _stack(bands, bar, inner, style.gap)


def _band(cells: list[tuple["Picture", _Words]], cell_width: int, style: _Style) -> "Picture":
    """Return one row of tiles under their titles."""
    block = max(_height(words) for _, words in cells) + style.inset
    step = cell_width + style.gap
    width = len(cells) * step - style.gap
    band, pen = _page(width, block + max(picture.height for picture, _ in cells))
    for place, (picture, words) in enumerate(cells):
        _write(pen, words, place * step)
        band.paste(picture, (place * step, block))
    return band


def _text_band(words: _Words, width: int) -> "Picture":
    band, pen = _page(width, _height(words))
    _write(pen, words, 0)
    return band


def _stack(bands: list["Picture"], bar: "Picture | None", width: int, gap: int) -> "Picture":
    """Return the bands below each other, with the colour bar centred below them."""
    parts = bands + ([bar] if bar else [])
    page, _ = _page(width + 2 * gap, gap + sum(part.height + gap for part in parts))
    y = gap
    for part in parts:
        page.paste(part, ((page.width - part.width) // 2 if part is bar else gap, y))
        y += part.height + gap
    return page


def _check_tiles(tiles: Sequence[Any], titles: Sequence[str] | None) -> list["Picture"]:
    from PIL.Image import Image as Pillow  # noqa: PLC0415

    if isinstance(tiles, (np.ndarray, Pillow)) or not _is_list(tiles) or not len(tiles):
        raise InvalidInputError(
            "`tiles` must be a sequence of pictures, at least one: sheet([picture])."
        )
    if titles is not None and not (_is_list(titles) and len(titles) == len(tiles)):
        raise InvalidInputError(
            f"`titles` must be one for each of the {len(tiles)} tiles; got {titles!r}."
        )
    for title in titles or ():
        check_text("titles", title)
    return [tile if isinstance(tile, Pillow) else draw_image(tile) for tile in tiles]


def _check_rows(rows: Sequence[str] | None, n_rows: int) -> Sequence[str]:
    """Return a line for each row; without any, empty ones."""
    if rows is None:
        return [""] * n_rows
    if not _is_list(rows) or len(rows) != n_rows:
        raise InvalidInputError(
            f"`rows` must be one line for each of the {n_rows} rows of tiles; got {rows!r}."
        )
    return [check_text("rows", line) for line in rows]


def _is_list(values: object) -> bool:
    """Return whether these are several values, and no text, whose letters they would be."""
    return isinstance(values, Sized) and not isinstance(values, str)


def _fit(tile: "Picture", side: int) -> "Picture":
    """Return the tile with its longer side `side`."""
    times = side / max(tile.size)
    return fit(tile, (max(1, round(tile.width * times)), max(1, round(tile.height * times))))


def _default_columns(n: int) -> int:
    return n if n <= 4 else math.ceil(math.sqrt(n))


def _height(words: _Words) -> int:
    return sum(_line_height(font) for _, font, _ in words)


def _line_height(font: Letters) -> int:
    return round(1.3 * font.size)


def _write(pen: "ImageDraw", words: _Words, x: int) -> None:
    """Write lines from (x, 0) on downwards."""
    y = 0
    for line, font, color in words:
        draw_text(pen, (x, y), line, font, color)
        y += _line_height(font)


def _page(width: int, height: int) -> tuple["Picture", "ImageDraw"]:
    from PIL import Image as Pillow  # noqa: PLC0415
    from PIL import ImageDraw  # noqa: PLC0415

    page = Pillow.new("RGB", (width, height), _PAPER)
    return page, ImageDraw.Draw(page)
