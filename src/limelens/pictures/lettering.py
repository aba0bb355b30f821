"""Words and numbers in a picture, in the one font that Pillow brings along."""

import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from limelens._checks.values import describe
from limelens.errors import InvalidInputError

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

FontFile = str | Path | None

_BEYOND_ASCII = "±·…°’"  # what Pillow's font can draw besides ASCII
_STAND_INS = str.maketrans({"−": "-", "–": "-", "—": "-", "“": '"', "”": '"', "‘": "'", "ß": "ss"})


@lru_cache(maxsize=32)
def load_font(font: FontFile, size: int) -> "FreeTypeFont":
    """Return a font at a size in pixels: Pillow's own for None, else a TrueType file.

    Raises
    ------
    InvalidInputError
        If the file is not there, or not a font.
    """
    from PIL import ImageFont  # noqa: PLC0415

    if font is None:
        return ImageFont.load_default(size)  # type: ignore[return-value]
    try:
        return ImageFont.truetype(str(font), size)
    except OSError as error:
        msg = f"`font` must be a TrueType font file; got {describe(font)} ({error})."
        raise InvalidInputError(msg) from error


def drawable(text: str, font: FontFile = None) -> str:
    """Return the text as the font can draw it: with Pillow's own, without accents.

    Examples
    --------
    >>> drawable("café − 3 °C, 猫")
    'cafe - 3 °C, ?'
    """
    if font is not None:
        return text
    letters = []
    for letter in text.translate(_STAND_INS):
        base = letter if letter in _BEYOND_ASCII else unicodedata.normalize("NFKD", letter)
        kept = "".join(each for each in base if each in _BEYOND_ASCII or " " <= each <= "~")
        letters.append(kept or ("" if unicodedata.combining(letter) else "?"))
    return "".join(letters)


def wrap(text: str, font: "FreeTypeFont", width: int, *, max_lines: int = 2) -> list[str]:
    """Return the text in lines no wider than `width` pixels; what does not fit ends in "…"."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and font.getlength(longer) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    shown = lines[:max_lines]
    if len(lines) > max_lines:
        shown[-1] += "…"
    return [_shorten(line, font, width) for line in shown]


def _shorten(line: str, font: "FreeTypeFont", width: int) -> str:
    if font.getlength(line) <= width:
        return line
    kept = line.rstrip("…")
    while kept and font.getlength(kept + "…") > width:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def signed(value: float) -> str:
    """Return an importance with its sign and three significant digits.

    Examples
    --------
    >>> signed(0.12345), signed(-2.0), signed(0.0), signed(0.00004)
    ('+0.123', '-2', '0', '+4e-05')
    """
    return f"{value:+.3g}" if value else "0"
