"""Which font can draw a letter: Pillow's own, the caller's, one of the system's."""

import os
import sys
import unicodedata
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from limelens._checks.values import describe
from limelens.errors import InvalidInputError

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

FontFile: TypeAlias = "str | Path | None"

# Asked in this order; then every other font there is, plain ones before bold and slanted ones.
_PREFERRED = (
    *("dejavusans", "notosans-regular", "liberationsans-regular", "segoeui", "arial", "helvetica"),
    *("arial unicode", "notosanscjk-regular", "wqy-microhei", "wqy-zenhei", "msyh", "yugothm"),
    *("malgun", "pingfang", "hiragino sans gb", "applesdgothicneo", "notosanssc-regular"),
)
_STYLED = ("bold", "italic", "oblique", "mono", "serif", "condensed", "light", "black", "emoji")
_UNASSIGNED = "\U0010fffd"  # no font has it: what is drawn for it is the sign of a missing letter
_PROBE_SIZE = 16


@lru_cache(maxsize=256)
def open_font(font: FontFile, size: int) -> "FreeTypeFont":
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
        raise InvalidInputError(
            f"`font` must be a TrueType font file; got {describe(font)} ({error})."
        ) from error


def has_letter(font: FontFile, letter: str) -> bool:
    """Return whether a font has a glyph of its own for a letter.

    Examples
    --------
    >>> has_letter(None, "a"), has_letter(None, "猫")
    (True, False)
    """
    if letter.isspace():
        return True
    return _drawn(font, letter) != _drawn(font, _UNASSIGNED)


@lru_cache(maxsize=4096)
def _drawn(font: FontFile, letter: str) -> tuple[tuple[int, int], bytes]:
    mask = open_font(font, _PROBE_SIZE).getmask(letter)
    return mask.size, bytes(mask)


@lru_cache(maxsize=1024)
def font_with(letter: str) -> Path | None:
    """Return the first font of the system that has a letter, or None."""
    for path in system_fonts():
        try:
            if has_letter(path, letter):
                return path
        except (InvalidInputError, OSError):  # a font of pictures, or a damaged one
            continue
    return None


@lru_cache(maxsize=1)
def system_fonts() -> tuple[Path, ...]:
    """Return the font files of the system, and of matplotlib where it is installed."""
    files = [
        path
        for folder in _folders()
        for kind in ("*.ttf", "*.otf", "*.ttc", "*.TTF", "*.OTF", "*.TTC")
        for path in folder.rglob(kind)
        if "lastresort" not in path.stem.lower()  # has a box for every letter, in place of it
    ]
    return tuple(sorted(dict.fromkeys(files), key=_preference))


def _preference(path: Path) -> tuple[int, bool, str]:
    name = path.stem.lower()
    rank = _PREFERRED.index(name) if name in _PREFERRED else len(_PREFERRED)
    return rank, any(style in name for style in _STYLED), str(path)


def _folders() -> list[Path]:
    """Return the folders in which this system keeps its fonts."""
    home = Path.home()
    folders = {
        "darwin": [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"],
        "win32": [
            Path(os.environ.get("WINDIR", r"C:\Windows")) / "Fonts",
            home / "AppData/Local/Microsoft/Windows/Fonts",
        ],
    }.get(
        sys.platform,
        [
            Path("/usr/share/fonts"),
            Path("/usr/local/share/fonts"),
            home / ".fonts",
            home / ".local/share/fonts",
        ],
    )
    if (found := find_spec("matplotlib")) and found.origin:  # it brings DejaVu along
        folders = [*folders, Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"]
    return [folder for folder in folders if folder.is_dir()]


def stand_in(letter: str) -> str:
    """Return a replacement for a letter that no font has: a similar plain letter, or its code.

    Examples
    --------
    >>> [stand_in(letter) for letter in "éŁßﬁ−猫"]
    ['e', 'L', 'ss', 'fi', '-', 'U+732B ']
    """
    if letter in _LIKE:
        return _LIKE[letter]
    plain = "".join(
        each
        for each in unicodedata.normalize("NFKD", letter)
        if " " <= each <= "~" and not unicodedata.combining(each)
    )
    if plain:
        return plain
    if unicodedata.combining(letter):
        return ""
    words = unicodedata.name(letter, "").split()
    if words[:1] == ["LATIN"] and "LETTER" in words[:-1]:
        base = words[words.index("LETTER") + 1]
        return base if "CAPITAL" in words else base.lower()
    return f"U+{ord(letter):04X} "


_LIKE = {
    "−": "-",
    "–": "-",
    "—": "-",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "…": "...",
    "ß": "ss",
    "≤": "<=",
    "≥": ">=",
}
