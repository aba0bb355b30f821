"""The colour bar: which colour stands for which importance."""

from typing import TYPE_CHECKING

import numpy as np

from limelens._checks.values import check_int, check_number
from limelens.pictures.colors import OPACITY, legend_colors
from limelens.pictures.drawing import SOFT, Box, Drawing, Mark, Tile, Words
from limelens.pictures.fonts import FontFile
from limelens.pictures.lettering import load_font, signed
from limelens.pictures.overlay import to_picture

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

LEAST_WIDTH = 200  # narrower, its numbers would touch
_ALL_TICKS = 280


def color_bar(
    limit: float, width: int = 480, *, opacity: float = OPACITY, font: FontFile = None
) -> "Picture":
    """Return the scale from -limit to limit with its numbers, in the colours of the overlays.

    Parameters
    ----------
    limit : float
        0 or more; for 0 the bar has no colour, and says so.
    width : int
        In pixels, from 200 on.
    opacity : float
        As given to `draw_overlay`.
    font : path, optional
        As in `sheet`.

    Examples
    --------
    >>> color_bar(0.5, 200).width
    200
    """
    limit = check_number("limit", limit, minimum=0.0)
    width = check_int("width", width, minimum=LEAST_WIDTH)
    return legend(limit, width, opacity=opacity, font=font).to_picture(font)


def legend(
    limit: float,
    width: int,
    *,
    opacity: float = OPACITY,
    font: FontFile = None,
    beyond: bool = False,
) -> Drawing:
    """Return the colour bar as marks; `beyond` says that some importances exceed the limit."""
    size = max(11, min(14, width // 24))
    letters = load_font(font, size)
    thick, tick = size, max(3, size // 3)
    ends = (f"≤ {signed(-limit)}", f"≥ {signed(limit)}") if beyond else ("", "")
    names = {
        -1.0: ends[0] or signed(-limit),
        -0.5: signed(-limit / 2),
        0.0: "0",
        0.5: signed(limit / 2),
        1.0: ends[1] or signed(limit),
    }
    half = round(max(letters.getlength(names[end]) for end in (-1.0, 1.0)) / 2) + 3
    left, right = half, width - 1 - half
    ramp = np.linspace(-1.0, 1.0, right - left + 1)[np.newaxis].repeat(thick, axis=0)
    strip = to_picture(legend_colors(ramp, 1.0 if limit else 0.0, opacity=opacity))
    marks: list[Mark] = [Tile(left, 0, strip.width, thick, strip, "colour bar")]
    shares = (-1.0, -0.5, 0.0, 0.5, 1.0) if limit and width >= _ALL_TICKS else (-1.0, 0.0, 1.0)
    for share in shares if limit else (0.0,):
        x = round((left + right) / 2 + share * (right - left) / 2)
        marks.append(Box(x, thick, 1, tick, SOFT))
        marks.append(Words(x, thick + tick + 1, names[share], size, SOFT, "ma"))
    words = ("lowers the score", "raises the score") if limit else ("all importances are zero", "")
    y = thick + tick + size + 6
    marks.append(Words(left, y, words[0], size, SOFT))
    marks.append(Words(right, y, words[1], size, SOFT, "ra"))
    return Drawing(width, thick + tick + 3 * size + 4, marks)
