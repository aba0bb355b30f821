"""A page as a list of marks, and its two renderings: pixels for the screen, SVG for print."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, TypeAlias

from limelens.pictures.fonts import FontFile
from limelens.pictures.lettering import Color, draw_text, is_visible, load_font, warn_of_missing

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

PAGE, INK, SOFT, FAINT = (255, 255, 255), (28, 28, 30), (95, 95, 102), (226, 226, 230)


@dataclass(frozen=True)
class Words:
    """A line of text; `anchor` is the point of it that lies at (x, y), as in `draw_text`."""

    x: float
    y: float
    text: str
    size: int
    color: Color = INK
    anchor: str = "la"
    halo: Color | None = None


@dataclass(frozen=True)
class Box:
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    color: Color


@dataclass(frozen=True, eq=False)
class Tile:
    """A picture, drawn at a size of its own."""

    x: float
    y: float
    width: int
    height: int
    picture: "Picture"
    description: str = ""


Mark: TypeAlias = Words | Box | Tile


@dataclass(frozen=True, eq=False)
class Drawing:
    """Marks on a white page, drawn in their order.

    Parameters
    ----------
    width, height : int
        In pixels.
    marks : sequence of Words, Box or Tile

    Examples
    --------
    >>> Drawing(40, 20, [Box(5, 5, 10, 10, (200, 0, 0))]).to_picture().getpixel((8, 8))
    (200, 0, 0)
    """

    width: int
    height: int
    marks: Sequence[Mark]

    def to_picture(self, font: FontFile = None) -> "Picture":
        """Return the page as a Pillow image."""
        from PIL import Image as Pillow  # noqa: PLC0415
        from PIL import ImageDraw  # noqa: PLC0415

        warn_of_missing([mark.text for mark in self.marks if isinstance(mark, Words)], font)
        page = Pillow.new("RGB", (self.width, self.height), PAGE)
        pen = ImageDraw.Draw(page)
        for mark in self.marks:
            if isinstance(mark, Tile):
                page.paste(fit(mark.picture, (mark.width, mark.height)), place_of(mark))
            elif isinstance(mark, Box):
                x, y = place_of(mark)
                right, bottom = round(mark.x + mark.width) - 1, round(mark.y + mark.height) - 1
                pen.rectangle((x, y, max(x, right), max(y, bottom)), fill=mark.color)
            else:
                letters = load_font(font, mark.size)
                place = (mark.x, mark.y)
                draw_text(
                    pen, place, mark.text, letters, mark.color, anchor=mark.anchor, halo=mark.halo
                )
        return page

    def to_svg(self) -> str:
        """Return the page as SVG: words are text, pictures are embedded as PNG."""
        size = f'width="{self.width}" height="{self.height}"'
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} '
            f'viewBox="0 0 {self.width} {self.height}" '
            "font-family=\"Helvetica, Arial, 'DejaVu Sans', 'Noto Sans', sans-serif\">",
            f'<rect {size} fill="#ffffff"/>',
            *(_svg_of(mark) for mark in self.marks),
            "</svg>",
        ]
        return "\n".join(lines) + "\n"


def place_of(mark: Mark) -> tuple[int, int]:
    """Return the position of a mark, in whole pixels."""
    return round(mark.x), round(mark.y)


def fit(picture: "Picture", size: tuple[int, int]) -> "Picture":
    """Return a picture at another size; from twice the size on, whole pixels are repeated."""
    from PIL.Image import Resampling  # noqa: PLC0415

    repeated = size[0] >= 2 * picture.width
    how = Resampling.NEAREST if repeated else Resampling.LANCZOS
    return picture.convert("RGB").resize(size, how)


def encoded(picture: "Picture", kind: str, options: Mapping[str, Any] | None = None) -> bytes:
    """Return a picture as the content of a file of this kind; the options are Pillow's."""
    stream = io.BytesIO()
    picture.save(stream, format=kind, **(options or {}))
    return stream.getvalue()


def _svg_of(mark: Mark) -> str:
    if isinstance(mark, Box):
        return (
            f'<rect x="{mark.x:g}" y="{mark.y:g}" width="{mark.width:g}" height="{mark.height:g}" '
            f'fill="{_hex(mark.color)}"/>'
        )
    if isinstance(mark, Tile):
        source = base64.b64encode(encoded(mark.picture, "PNG")).decode("ascii")
        pixels = mark.width >= 2 * mark.picture.width
        crisp = ' image-rendering="pixelated"' if pixels else ""
        return (
            f'<image x="{mark.x:g}" y="{mark.y:g}" width="{mark.width}" height="{mark.height}" '
            f'preserveAspectRatio="none"{crisp} '
            f'href="data:image/png;base64,{source}"><title>{_text(mark.description)}</title></image>'
        )
    anchor = {"l": "start", "m": "middle", "r": "end"}[mark.anchor[0]]
    # The base line of an em square: 0.8 of it below the top, 0.35 below the middle.
    y = mark.y + mark.size * (0.8 if mark.anchor[1] == "a" else 0.35)
    halo = ""
    if mark.halo is not None:
        width = max(3, mark.size // 4)
        halo = f' stroke="{_hex(mark.halo)}" stroke-width="{width}" paint-order="stroke"'
    return (
        f'<text x="{mark.x:g}" y="{y:g}" font-size="{mark.size}" text-anchor="{anchor}" '
        f'fill="{_hex(mark.color)}"{halo}>{_text(mark.text)}</text>'
    )


def _text(words: str) -> str:
    shown = "".join(" " if each.isspace() else each for each in words if is_visible(each))
    return escape(shown, quote=False)


def _hex(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
