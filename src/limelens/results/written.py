"""Files that are written whole, or stay as they were."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from limelens._checks.values import describe
from limelens.errors import InvalidInputError

_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp")

_CALLS = {
    **dict.fromkeys(_PICTURES, "explanation.to_image().save({path!r}) for a picture"),
    **dict.fromkeys((".html", ".htm"), "explanation.to_html({path!r}) for a page"),
    **dict.fromkeys((".csv", ".tsv"), "explanation.to_csv({path!r}) for a table"),
    ".npz": "explanation.save({path!r}) for the explanation itself",
}
"""What writes a file that ends so."""

_KINDS: Mapping[str, tuple[str, ...]] = {
    ".npz": (".npz",),
    ".html": (".html", ".htm"),
    ".csv": (".csv", ".tsv", ".txt"),
}
"""What a file of each kind may end in."""


def check_path(path: object) -> Path:
    """Return the path of a file.

    Raises
    ------
    InvalidInputError
        If it is no string and no path, or no file can have it.
    """
    if not isinstance(path, (str, os.PathLike)) or "\0" in os.fspath(path):
        raise InvalidInputError(f"`path` must be the path of a file; got {describe(path)}.")
    return Path(path)


def path_ending_in(kind: str, path: object, call: str, *, several: bool = False) -> Path:
    """Return a path that ends in the suffix of a kind of file, or in none.

    Parameters
    ----------
    kind : {".npz", ".html", ".csv"}
    path : object
        As the caller gave it.
    call : str
        The call that writes this kind, with `{path!r}` for the path.
    several : bool
        Whether the file is of several explanations, which are in no other kind of file.

    Raises
    ------
    InvalidInputError
        If it ends in another suffix; the message has the call that writes such a file.
    """
    named = check_path(path)
    suffix = named.suffix.lower()
    if suffix and suffix not in _KINDS[kind]:
        is_other = suffix in _CALLS and not several
        meant = _CALLS[suffix] if is_other else call
        bare = named.with_suffix("")
        right = str(named if is_other else bare.with_suffix(kind))  # why.npz of why.npz.gz
        raise InvalidInputError(
            f"`path` must end in {' or '.join(_KINDS[kind])} (or in nothing); got {str(named)!r}. "
            f"Call {meant.format(path=right)}."
        )
    return named


def file_at(named: Path) -> Path:
    """Return the file to write, with links followed; check that a file can be there."""
    target = Path(os.path.realpath(named))
    if target.is_symlink() or (target.exists() and not target.is_file()):
        raise InvalidInputError(
            f"`path` must be the path of a file; {str(named)!r} is none: it is a folder, a pipe, a "
            "device or a link to itself."
        )
    if not target.parent.is_dir():
        home = (
            ", as ~ is no folder here: pass Path(path).expanduser()" if _is_of_home(named) else ""
        )
        raise FileNotFoundError(errno.ENOENT, f"There is no such folder{home}", str(target.parent))
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "The file is read-only", str(target))
    return target


def _is_of_home(named: Path) -> bool:
    return named.parts[0].startswith("~")


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """Yield a draft to write, which then takes the place and the permissions of a file."""
    draft = target.with_name(f".{secrets.token_hex(16)}")
    try:
        yield draft
        if target.exists():
            shutil.copymode(target, draft)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def write_text(named: Path, text: str) -> None:
    """Write text in UTF-8: whole into a file, straight into a pipe or a device.

    Names may hold what is no text, such as half of a pair of code units: these are escaped.
    """
    content = text.encode(errors="backslashreplace")
    if named.exists() and not (named.is_file() or named.is_dir()):
        named.write_bytes(content)
        return
    with written_whole(file_at(named)) as draft:
        draft.write_bytes(content)
