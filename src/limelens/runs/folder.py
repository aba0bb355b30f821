"""The folder of a run: its manifest, which only grows, and the files that one attempt may leave."""

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from limelens._checks.values import describe
from limelens.errors import InvalidInputError, OutputError, warn
from limelens.runs.entries import Entry, Failure, from_line
from limelens.runs.settings import digest_of_settings

MANIFEST, _FORMAT, _VERSION = "manifest.jsonl", "limelens.run", 1
_UNSET = "not set"
# What `write_record` and `_replace` leave if they are killed.
_DRAFT = re.compile(r"\.[0-9a-f]{32}")


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn an OSError into one that says how to go on after results could not be written."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"the results cannot be written to {str(folder)!r}: {reason}. What is there is whole: "
            "make room, or see to the permissions, and the same call goes on from there."
        ) from error


def check_folder(output: object) -> Path:
    """Return the folder of a run, which may be new, empty, or hold an earlier attempt."""
    if not isinstance(output, (str, os.PathLike)) or not os.fspath(output):
        raise InvalidInputError(f"`output` must be the path of a folder; got {describe(output)}.")
    folder = Path(os.fsdecode(output))
    with writing(folder):  # a name may be too long to be looked for
        is_file = folder.exists() and not folder.is_dir()
    if is_file:
        raise InvalidInputError(
            f"`output` must be a folder; {str(folder)!r} is a file. Take another name."
        )
    return folder


def is_run(folder: Path) -> bool:
    """Return whether a folder holds a run, and not just a file of the manifest's name."""
    try:
        with (folder / MANIFEST).open("rb") as file:
            return f'"format": "{_FORMAT}"'.encode() in file.read(100)
    except OSError:
        return False


class Manifest:
    """The manifest of a folder; within a `with` block lines are added to it.

    Only one process has it at a time. The first line holds the settings, and every further line is
    an entry or a failure. If several lines have one name, the last counts. A line that was cut
    short is left out.

    Parameters
    ----------
    folder : Path
    settings : mapping
        What JSON can hold.
    versions : mapping from str to str
        Versions of what the results may depend on.

    Raises
    ------
    InvalidInputError
        If the folder holds something else, another run, or another process is at work in it.
    OutputError
        If it cannot be written to.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, Any], versions: Mapping[str, str]
    ) -> None:
        self._folder = folder
        self._head: dict[str, Any] = {
            "format": _FORMAT,
            "version": _VERSION,
            "settings": settings,
            "digest": digest_of_settings(settings),
            "versions": dict(versions),
        }
        self._lines: dict[str, Entry | Failure] = {}
        self._lock: int | None = None

    def __enter__(self) -> "Manifest":
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self._folder)
        try:
            self._take_over()
            with writing(self._folder):
                self._replace(self._lines.values())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        if self._lock is not None:
            os.close(self._lock)

    def add(self, line: Entry | Failure) -> None:
        """Note what became of an image."""
        self._lines[line.name] = line
        with writing(self._folder), (self._folder / MANIFEST).open("a", encoding="utf-8") as file:
            file.write(_json(asdict(line)))

    def settle(self, names: Iterable[str]) -> None:
        """Put the lines in the order of the images, each once; those of earlier images follow."""
        order = dict.fromkeys([*names, *self._lines])
        with writing(self._folder):
            self._replace(self._lines[name] for name in order if name in self._lines)

    def _take_over(self) -> None:
        """Read what an earlier attempt has left, and clear away its drafts."""
        path = self._folder / MANIFEST
        if not path.exists():
            found = sorted(each.name for each in self._folder.iterdir() if each.name[0] != ".")
            if found:
                raise InvalidInputError(
                    f"`output` must be a folder that is new, empty, or of the same run; "
                    f"{str(self._folder)!r} holds {found[0]!r}, and no {MANIFEST}. Take another."
                )
            return
        head, lines = read_manifest(self._folder, name="output")
        if head["digest"] != self._head["digest"]:
            raise InvalidInputError(
                _another(self._folder, head["settings"], self._head["settings"])
            )
        _warn_of_versions(head["versions"], self._head["versions"])
        self._head["versions"] = head["versions"]
        self._lines = {line.name: line for line in lines}
        for each in self._folder.iterdir():
            if _DRAFT.fullmatch(each.name):
                each.unlink(missing_ok=True)

    def _replace(self, lines: Iterable[Entry | Failure]) -> None:
        """Replace the manifest at once: a kill leaves the old or the new one, never a part."""
        draft = self._folder / f".{os.urandom(16).hex()}"
        try:
            with draft.open("w", encoding="utf-8") as file:
                file.write(_json(self._head))
                file.writelines(_json(asdict(line)) for line in lines)
            draft.replace(self._folder / MANIFEST)
        finally:
            draft.unlink(missing_ok=True)


def read_manifest(
    folder: Path, *, name: str = "folder"
) -> tuple[dict[str, Any], list[Entry | Failure]]:
    """Return the first line of a manifest, and its entries and failures, the last of each name.

    Raises
    ------
    InvalidInputError
        If the folder holds no manifest that this version can read. The message calls the argument
        `name`.
    """
    path = folder / MANIFEST
    try:
        first, *rest = path.read_text(encoding="utf-8", errors="replace").split("\n")
        head = json.loads(first)
        known = head["format"] == _FORMAT and head["version"] <= _VERSION
        known = known and {"settings", "digest", "versions"} <= set(head)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is empty or damaged"
        msg = f"`{name}` must be the folder of a run; {str(path)!r} cannot be read: {reason}."
        if not isinstance(error, OSError):
            msg += " Take another folder; Explanation.load reads the .npz files of this one."
        raise InvalidInputError(msg) from error
    if not known:
        raise InvalidInputError(
            f"`{name}` must be the folder of a run; {str(path)!r} is of format {head['format']!r}, "
            f"version {head['version']!r}, and this limelens reads {_FORMAT!r} up to {_VERSION}."
        )
    lines: dict[str, Entry | Failure] = {}
    for text in rest:
        with contextlib.suppress(ValueError, TypeError):  # cut short by a kill
            line = from_line(json.loads(text))
            lines[line.name] = line
    return head, list(lines.values())


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values) + "\n"  # ASCII: names of files need not be text


def _locked(folder: Path) -> int | None:
    """Return a descriptor that keeps other processes out; the system frees it with ours."""
    if sys.platform == "win32":
        return None
    import fcntl  # noqa: PLC0415

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise InvalidInputError(
            f"`output` must be free; another process is at work in {str(folder)!r}. Wait for it."
        ) from error
    except OSError:  # a file system without locks
        os.close(descriptor)
        return None
    return descriptor


def _another(folder: Path, kept: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Say which settings differ from those of the run in a folder."""
    parts = [
        f"{name} was {_short(was)} and is {_short(is_)}" for name, was, is_ in _unlike(kept, now)
    ]
    return (
        f"`output` must be a folder of the same run; {str(folder)!r} holds another one: "
        f"{'; '.join(parts)}. Take another folder, or the same settings."
    )


def _unlike(kept: Any, now: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield where two settings differ, as deep as their names agree."""
    if isinstance(kept, dict) and isinstance(now, dict) and set(kept) & set(now):
        for key in dict.fromkeys([*kept, *now]):
            pair = kept.get(key, _UNSET), now.get(key, _UNSET)
            yield from _unlike(*pair, f"{name}.{key}" if name else key)
    elif kept != now:
        yield name, kept, now


def _short(value: Any) -> str:
    text = value if value is _UNSET else json.dumps(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _warn_of_versions(kept: Mapping[str, str], now: Mapping[str, str]) -> None:
    parts = [
        f"{name} {kept.get(name)} (now {now.get(name)})"
        for name in dict.fromkeys([*kept, *now])
        if kept.get(name) != now.get(name)
    ]
    if parts:
        warn(
            f"the run was begun with {', '.join(parts)}: images that are explained now may differ "
            "in the last digits from what the first ones would be today."
        )
