"""Explanations on disk: a NumPy archive with a readable header, and no pickle.

The file is an `.npz`, so `numpy.load` opens it, too. Its member `header` is JSON in UTF-8. It holds
the name and version of the format, all numbers and words, and for every array the name of its
member. It is not read by `numpy.load` here, because that unpacks a member before anything has
checked that its size is plausible.
"""

import io
import json
import math
import os
import struct
import sys
import tokenize
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import describe
from limelens.errors import InvalidInputError
from limelens.results.written import check_path, file_at, path_ending_in, written_whole

FORMAT, VERSION = "limelens.explanation", 4
_HEADER = "header"
_REDUCED = ".values"  # version 1 marked the samples of a callable's values by this suffix
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_LEVEL = 1  # of zlib: about five times as fast as the default, for files hardly larger
# A member is packed if that shortens this many of its bytes to less than this share.
_STRETCH, _WORTH_IT = 2**15, 0.8
# An archive may unpack to 64 MiB and 100 times its size; the header to 4 MiB and ten times the size
# of the archive, because JSON takes many times its size once it is parsed.
_LEAST, _MOST = 2**26, 100
_LEAST_HEADER, _MOST_HEADER = 2**22, 10
_format: Any = np.lib.format


def write_record(path: str | os.PathLike[str], fields: Mapping[str, Any]) -> None:
    """Write named values to a file. If writing fails, an earlier file stays as it was.

    Values may be None, booleans, numbers, strings, arrays of any dtype except objects, and lists,
    tuples and dicts of these. NumPy scalars come back as Python numbers. A link is followed, and
    the new file gets the permissions of the one that it replaces.

    Raises
    ------
    InvalidInputError
        If a value is something else, or `path` cannot be such a file.
    """
    target = file_at(path_ending_in(".npz", path, "explanation.save({path!r})"))
    arrays: dict[str, NDArray[Any]] = {}
    header = {"format": FORMAT, "version": VERSION, "fields": _encode_all(fields, arrays)}
    text = json.dumps(header, allow_nan=False).encode()
    members = {_HEADER: np.frombuffer(text, dtype=np.uint8), **arrays}
    with written_whole(target) as draft:
        _write_archive(draft, members, packed=True)
        try:
            with zipfile.ZipFile(draft) as archive:
                _check_sizes(archive, draft.stat().st_size)
        except InvalidInputError:  # it packs so well that `read_record` would refuse it
            _write_archive(draft, members, packed=False)


def read_record(path: str | os.PathLike[str], names: Collection[str]) -> dict[str, Any]:
    """Read a file of `write_record`. Its values must have exactly these names.

    Before anything is unpacked, memory is bounded by 64 MiB and 100 times the file's size.

    Raises
    ------
    InvalidInputError
        If the file is cut short, damaged, in another format, or of a newer version.
    FileNotFoundError
        If there is no such file.
    """
    name = _file_to_read(path)
    try:
        with open(name, "rb") as file, zipfile.ZipFile(file) as archive:  # noqa: PTH123
            _check_sizes(archive, os.fstat(file.fileno()).st_size)
            fields, version = _read_header(archive)
            declared = _array_names(fields)
            _check_members(archive, declared)
            arrays = {member: _read_array(archive, member) for member in declared}
            record = {field: _decode(value, arrays) for field, value in fields.items()}
            if version == 1:
                _upgrade(record)
            if version < 3:
                record.setdefault("valid", None)
            if version < 4 and record.get("samples") is not None:
                record["samples"].setdefault("columns", None)
    except (FileNotFoundError, PermissionError):
        raise
    except InvalidInputError as error:
        raise InvalidInputError(_unreadable(name, str(error))) from error
    except _DAMAGES as error:
        raise InvalidInputError(
            _unreadable(name, f"it is damaged or cut short: {error}")
        ) from error
    if set(record) != set(names):
        odd = sorted(set(record) ^ set(names))
        raise InvalidInputError(_unreadable(name, f"fields do not match: {odd}"))
    return record


def _file_to_read(path: object) -> str:
    name = os.fspath(check_path(path))
    if Path(name).is_dir():
        said = "it is a folder. That of a run is read by limelens.Run.load(path)"
        raise InvalidInputError(_unreadable(name, said))
    return name


def _upgrade(record: dict[str, Any]) -> None:
    """Add the fields of version 2 to those of version 1."""
    details = dict(record.get("details", {}))
    record["targets_are_columns"] = not details.pop("callable_target", False)
    record["details"] = details
    if record.get("samples") is not None:
        digests = record["samples"]["fingerprint"]
        record["samples"] |= {
            "fingerprint": digests.removesuffix(_REDUCED),
            "reduced": digests.endswith(_REDUCED),
        }


def _check_sizes(archive: zipfile.ZipFile, n_bytes: int) -> None:
    """Refuse an archive that would unpack to far more than its own size."""
    members = archive.infolist()
    odd = [each.filename for each in members if each.compress_type not in _PACKINGS]
    if odd:
        raise InvalidInputError(
            f"it is damaged or cut short: {odd[0]!r} is packed in a way that is not used here"
        )
    header = sum(each.file_size for each in members if each.filename == f"{_HEADER}.npy")
    total = sum(each.file_size for each in members)
    if header > _LEAST_HEADER + _MOST_HEADER * n_bytes or total > _LEAST + _MOST * n_bytes:
        raise InvalidInputError(
            f"its {n_bytes} bytes would unpack to {total}, far more than such a file holds"
        )


def _check_members(archive: zipfile.ZipFile, declared: Collection[str]) -> None:
    """Refuse an archive whose members are not exactly those that its header names."""
    found = sorted(archive.namelist())
    wanted = sorted(f"{name}.npy" for name in (_HEADER, *declared))
    if found != wanted:
        odd = sorted(set(found) ^ set(wanted))[:3] or "one is there twice"
        raise InvalidInputError(
            f"it is damaged or cut short: its members are not those of its header: {odd}"
        )


def _read_header(archive: zipfile.ZipFile) -> tuple[dict[str, Any], int]:
    """Return the encoded fields of an archive and its version; check format and version."""
    if f"{_HEADER}.npy" not in archive.namelist():
        raise InvalidInputError("it has no header")
    header = json.loads(_read_array(archive, _HEADER).tobytes().decode())
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise InvalidInputError("its header is of another format")
    version = header.get("version")
    if type(version) is not int or version < 1:
        raise InvalidInputError(f"it is damaged or cut short: {version!r} is no format version")
    if version > VERSION:
        raise InvalidInputError(
            f"it has format version {version}, this limelens reads up to {VERSION}: update it"
        )
    return dict(header["fields"]), version


_DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    ValueError,
    RuntimeError,  # zipfile's for an entry that claims to be encrypted; RecursionError
    KeyError,
    TypeError,
    AttributeError,
    NotImplementedError,
    OverflowError,
    MemoryError,  # Python's parser, of an array's description that nests too deep
    SyntaxError,
    tokenize.TokenError,  # NumPy's, of a description that ends too early
    struct.error,
)


def _unreadable(path: object, reason: str) -> str:
    return f"`path` must be a file written by Explanation.save; cannot read {path!r}: {reason}."


def _write_archive(path: Path, members: Mapping[str, NDArray[Any]], *, packed: bool) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in members.items():
            file = io.BytesIO()
            np.lib.format.write_array(file, array, allow_pickle=False)
            content = file.getbuffer()
            shrinks = packed and _shrinks(content)
            member = zipfile.ZipInfo(f"{name}.npy")  # of 1980: equal explanations, equal bytes
            packing = zipfile.ZIP_DEFLATED if shrinks else zipfile.ZIP_STORED
            archive.writestr(member, content, compress_type=packing, compresslevel=_LEVEL)


def _shrinks(content: memoryview) -> bool:
    """Tell whether packing is worth its time, by a stretch in the middle: noise never shrinks."""
    start = max(0, len(content) // 2 - _STRETCH // 2)
    stretch = content[start : start + _STRETCH]
    return len(zlib.compress(stretch, _LEVEL)) < _WORTH_IT * len(stretch)


def _read_array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """Return the array of a member, if the shape and dtype it declares fit the member's size."""
    member = archive.getinfo(f"{name}.npy")
    with archive.open(member) as file:
        read = {(1, 0): _format.read_array_header_1_0, (2, 0): _format.read_array_header_2_0}
        shape, _, dtype = read[_format.read_magic(file)](file)
        described = file.tell() + math.prod(shape) * dtype.itemsize
    if dtype.hasobject:
        raise InvalidInputError(
            f"it is damaged or cut short: {name!r} holds objects, never loaded: allow_pickle=False"
        )
    # Bounds every axis too: NumPy cannot hold an empty array of 2**100 columns.
    if described != member.file_size or max(shape, default=0) > sys.maxsize:
        raise InvalidInputError(
            f"it is damaged or cut short: {name!r} says it is of shape {shape}, {dtype}"
        )
    with archive.open(member) as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
        file.read(1)  # at the end of a member, `zipfile` compares its checksum
    return array


def _array_names(value: Any) -> list[str]:
    """Return the names of all members in encoded values, each once."""
    names: dict[str, None] = {}

    def collect(part: Any) -> None:
        if isinstance(part, dict) and set(part) == {"array"}:
            names[part["array"]] = None
        elif isinstance(part, (dict, list)):
            for each in part.values() if isinstance(part, dict) else part:
                collect(each)

    collect(list(value.values()))
    return list(names)


def _encode_all(fields: Mapping[str, Any], arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    try:
        encoded = {name: _encode(value, name, arrays) for name, value in fields.items()}
        json.dumps(encoded)
    except (RecursionError, ValueError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError(
            f"`details` must be finite in depth and its integers of some digits ({error})."
        ) from error
    return encoded


def _encode(value: Any, name: str, arrays: dict[str, NDArray[Any]]) -> Any:
    """Return a value as JSON can hold it. Every JSON object is one tag with its content."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        member = name if name not in arrays else f"{name}-{len(arrays)}"
        arrays[member] = value
        return {"array": member}
    if isinstance(value, list):
        return [_encode(each, name, arrays) for each in value]
    if isinstance(value, tuple):
        return {"tuple": [_encode(each, name, arrays) for each in value]}
    if isinstance(value, Mapping):
        return {"dict": [_encode([key, each], name, arrays) for key, each in value.items()]}
    raise InvalidInputError(
        f"`{name}` must hold None, booleans, numbers, strings, arrays, or lists, tuples and dicts "
        f"of these to be saved; got {describe(value)}."
    )


def _decode(value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if isinstance(value, list):
        return [_decode(each, arrays) for each in value]
    if not isinstance(value, dict):
        return value
    ((tag, content),) = value.items()
    if tag == "array":
        return arrays[content]
    if tag == "float":
        return float(content)
    decoded = _decode(content, arrays)
    return tuple(decoded) if {"tuple": True, "dict": False}[tag] else dict(decoded)
