"""Words and numbers in a picture; every letter is drawn in a font that has it."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import floor, isfinite, log10
from typing import TYPE_CHECKING, TypeAlias

from limelens.errors import warn
from limelens.pictures.fonts import FontFile, font_with, has_letter, open_font, stand_in

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Color: TypeAlias = tuple[int, int, int]
Run: TypeAlias = tuple[FontFile, str]

_LONGEST = 4
"""Powers of ten up to which numbers with errors are written as decimals."""

_MOST_DECIMALS = 6
"""Of a number that is much smaller than others, or much more exact."""

_WIDE = r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uff60\U00020000-\U0003ffff]"
_PIECES = re.compile(rf"\s+|{_WIDE}|(?:(?!{_WIDE})\S)+")


@dataclass(frozen=True)
class Letters:
    """A font at a size, and behind it the fonts of the system.

    Parameters
    ----------
    font : path or None
        The font asked first; None is Pillow's own.
    size : int
        In pixels.
    """

    font: FontFile
    size: int

    def getlength(self, text: str) -> float:
        """Return the width of a text in pixels."""
        return sum(open_font(font, self.size).getlength(part) for font, part in self.runs(text))

    def runs(self, text: str) -> tuple[Run, ...]:
        """Return the text in pieces of one font each.

        One font for all of it where one has all its letters, else letter by letter.
        """
        return _runs(self.font, text)


def load_font(font: FontFile, size: int) -> Letters:
    """Return letters at a size in pixels; a file that is no font is an InvalidInputError."""
    open_font(font, size)
    return Letters(font, size)


@lru_cache(maxsize=1024)
def _runs(font: FontFile, text: str) -> tuple[Run, ...]:
    text = "".join(" " if each.isspace() else each for each in text if is_visible(each))
    if all(has_letter(font, each) for each in text):
        return ((font, text),)
    rarest = next(each for each in text if not has_letter(font, each))
    other = font_with(rarest)
    if other is not None and all(has_letter(other, each) for each in text):
        return ((other, text),)
    return _letter_by_letter(font, text)


def _letter_by_letter(font: FontFile, text: str) -> tuple[Run, ...]:
    runs: list[Run] = []
    for letter in text:
        if runs and unicodedata.combining(letter) and has_letter(runs[-1][0], letter):
            home, drawn = runs[-1][0], letter  # a mark is drawn by the font of its letter
        elif has_letter(font, letter):
            home, drawn = font, letter
        elif (found := font_with(letter)) is not None:
            home, drawn = found, letter
        else:
            home, drawn = font, "".join(each for each in stand_in(letter) if has_letter(font, each))
        if runs and runs[-1][0] == home:
            runs[-1] = (home, runs[-1][1] + drawn)
        else:
            runs.append((home, drawn))
    return tuple(runs)


def warn_of_missing(texts: Iterable[str], font: FontFile) -> None:
    """Warn once of all letters that neither the font nor any of the system's has."""
    letters = dict.fromkeys(letter for text in texts for letter in text if is_visible(letter))
    missing = [each for each in letters if not has_letter(font, each) and font_with(each) is None]
    if missing:
        warn(
            f"no font of this system has the letters {' '.join(missing)}: plain letters, or codes "
            "such as U+732B, stand in for them. Pass a font file that has them, for example "
            'font="NotoSansCJK-Regular.ttc".'
        )


def is_visible(letter: str) -> bool:
    """Return whether a letter may be drawn: it is no control and no switch of direction."""
    return letter.isspace() or unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Cn")


def draw_text(
    pen: "ImageDraw",
    place: tuple[float, float],
    text: str,
    letters: Letters,
    color: Color,
    *,
    anchor: str = "la",
    halo: Color | None = None,
) -> None:
    """Write a line of text, all fonts on one base line.

    Parameters
    ----------
    pen : PIL.ImageDraw.ImageDraw
    place : (float, float)
        x and y of the anchor.
    text : str
    letters : Letters
    color : (int, int, int)
    anchor : str
        "l", "m" or "r", then "a" (top) or "m" (middle), as in Pillow.
    halo : (int, int, int), optional
        Colour of a rim around the letters.
    """
    x, y = place
    x = round(x - {"l": 0.0, "m": 0.5, "r": 1.0}[anchor[0]] * letters.getlength(text))
    ascent, descent = open_font(letters.font, letters.size).getmetrics()
    y = round(y + (ascent if anchor[1] == "a" else (ascent - descent) / 2))
    for font, part in letters.runs(text):
        face = open_font(font, letters.size)
        rim = 0 if halo is None else max(2, letters.size // 8)
        pen.text((x, y), part, color, face, anchor="ls", stroke_width=rim, stroke_fill=halo)
        x += round(face.getlength(part))


def wrap(text: str, letters: Letters, width: int, *, max_lines: int = 2) -> list[str]:
    """Return the text in lines no wider than `width` pixels; a text that is cut ends in "…"."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        # Ideographs may be parted anywhere, words only at spaces.
        pieces = _PIECES.findall(" ".join(paragraph.split()))
        for piece in (part for each in pieces for part in _broken(each, letters, width)):
            longer = (line + piece).lstrip()
            if line.strip() and letters.getlength(longer.rstrip()) > width:
                lines.append(line.rstrip())
                longer = piece.lstrip()
            line = longer
        lines.append(line.rstrip())
    shown = lines[:max_lines]
    if len(lines) > max_lines:
        shown[-1] += "…"
    return [_shorten(line, letters, width) for line in shown]


def _broken(word: str, letters: Letters, width: int) -> Iterator[str]:
    """Yield a word, or the parts that fit on a line if it is wider than one."""
    while letters.getlength(word) > width and len(word) > 1:
        fitting = max(1, sum(letters.getlength(word[:n]) <= width for n in range(1, len(word))))
        yield word[:fitting]
        word = word[fitting:]
    yield word


def _shorten(line: str, letters: Letters, width: int) -> str:
    if letters.getlength(line) <= width:
        return line
    kept = line.rstrip("…")
    while kept and letters.getlength(kept + "…") > width:
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


def with_errors(values: Sequence[float], errors: Sequence[float]) -> list[str]:
    """Return numbers that stand side by side, each with its error, with equally many decimals.

    The largest number or error has two significant digits, the smallest error one, and no number
    has more than four. Where these decimals would leave a zero there are more, for a number without
    an error up to six. A number stands alone if its error is zero or unknown. Very large and very
    small numbers are written with powers of ten.

    Examples
    --------
    >>> with_errors([-2.0, -2.1, 0.004], [0.3, 0.0, 0.2])
    ['-2.0 ± 0.3', '-2.1', '0.0 ± 0.2']
    >>> with_errors([1000.0, 0.002], [50.0, 0.0005])
    ['+1000 ± 50', '+0.0020 ± 0.0005']
    >>> with_errors([3e-7, 0.0], [4e-8, 0.0])
    ['+3.0e-07 ± 4.0e-08', '0']
    """
    known = [error if isfinite(error) else 0.0 for error in errors]
    shared = _format_of([*values, *known], [error for error in known if error > 0])
    return [_with_error(shared, *pair) for pair in zip(values, known, strict=True)]


def _format_of(numbers: Sequence[float], errors: Sequence[float]) -> str:
    """Return the format that numbers and their errors share."""
    largest = max(map(abs, numbers), default=0.0)
    if not largest:
        return "{:+.0f}"
    whole = floor(log10(largest))
    if not -_LONGEST <= whole <= _LONGEST:
        return "{:+.1e}"
    finest = floor(log10(min(errors, default=largest)))
    return f"{{:+.{max(0, 1 - whole, min(-finest, 3 - whole))}f}}"


def _with_error(shared: str, value: float, error: float) -> str:
    """Return a number and its error in the shared format, or in one that leaves no zero of them."""
    of_value = of_error = shared
    smallest = error or abs(value)
    if smallest and not float(shared.format(smallest)):
        place = floor(log10(smallest))
        if place >= -_MOST_DECIMALS:
            of_value = of_error = f"{{:+.{-place}f}}"
        elif error:
            of_error = "{:+.1e}"
            of_value = of_error if abs(value) < 10**-_LONGEST else shared
    number = _number(of_value, value)
    return f"{number} ± {of_error.format(error)[1:]}" if error else number


def _number(written: str, value: float) -> str:
    """Return a number with its sign; what is rounded to zero has none."""
    text = written.format(value)
    return text if float(text) else "0" if "e" in text else text.lstrip("+-")
