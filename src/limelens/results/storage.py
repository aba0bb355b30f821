"""Explanations on disk: a NumPy archive with a readable header, and no pickle.

The file is an `.npz`, so that `numpy.load` opens it too. Its member `header` is JSON in UTF-8:
the format's name and version, the numbers and words, and for every array the name of its member.
"""

import io
import json
import math
import os
import uuid
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import describe
from limelens.errors import InvalidInputError

FORMAT, VERSION = "limelens.explanation", 2
_HEADER = "header"
_REDUCED = ".values"  # version 1 marked the samples of a callable's values by this suffix
_EPOCH = (1980, 1, 1, 0, 0, 0)  # one time for all files: equal explanations are equal bytes


def write_record(path: str | os.PathLike[str], fields: Mapping[str, Any]) -> None:
    """Write named values to a file; the file is complete or not there.

    Values may be None, booleans, numbers, strings, arrays of any dtype but objects, and lists,
    tuples and dicts of these. NumPy scalars come back as Python numbers.

    Raises
    ------
    InvalidInputError
        If a value is nothing of the kind.
    """
    arrays: dict[str, NDArray[Any]] = {}
    content = {name: _encode(value, name, arrays) for name, value in fields.items()}
    header = {"format": FORMAT, "version": VERSION, "fields": content}
    text = json.dumps(header, allow_nan=False)
    target = Path(path)
    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        with zipfile.ZipFile(draft, "w") as archive:
            _write_array(archive, _HEADER, np.frombuffer(text.encode(), dtype=np.uint8))
            for name, array in arrays.items():
                _write_array(archive, name, array)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def read_record(path: str | os.PathLike[str], names: Collection[str]) -> dict[str, Any]:
    """Read what `write_record` wrote; the values must have just these names.

    Raises
    ------
    InvalidInputError
        If the file is cut short, damaged, not one of ours, or of a newer version.
    FileNotFoundError
        If there is none.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            fields, version = _read_header(archive, os.fspath(path))
            members = [name.removesuffix(".npy") for name in archive.namelist()]
            arrays = {name: _read_array(archive, name) for name in members if name != _HEADER}
            record = {name: _decode(value, arrays) for name, value in fields.items()}
            if version == 1:
                _upgrade(record)
    except (FileNotFoundError, PermissionError, IsADirectoryError, InvalidInputError):
        raise
    except _DAMAGES as error:
        msg = _unreadable(os.fspath(path), f"it is damaged or cut short: {error}")
        raise InvalidInputError(msg) from error
    if set(record) != set(names):
        odd = sorted(set(record) ^ set(names))
        raise InvalidInputError(_unreadable(os.fspath(path), f"fields do not match: {odd}"))
    return record


def _upgrade(record: dict[str, Any]) -> None:
    """Give the fields of version 1 those that version 2 added."""
    details = dict(record.get("details", {}))
    record["targets_are_columns"] = not details.pop("callable_target", False)
    record["details"] = details
    if record.get("samples") is not None:
        digests = record["samples"]["fingerprint"]
        record["samples"] |= {
            "fingerprint": digests.removesuffix(_REDUCED),
            "reduced": digests.endswith(_REDUCED),
        }


def _read_header(archive: zipfile.ZipFile, path: str) -> tuple[dict[str, Any], int]:
    """Return the encoded fields of an archive in our format, and its version, which we know."""
    if f"{_HEADER}.npy" not in archive.namelist():
        raise InvalidInputError(_unreadable(path, "it has no header"))
    header = json.loads(_read_array(archive, _HEADER).tobytes().decode())
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise InvalidInputError(_unreadable(path, "its header is of another format"))
    version = header["version"]
    if version > VERSION:
        reason = f"it has format version {version}, this limelens reads up to {VERSION}: update it"
        raise InvalidInputError(_unreadable(path, reason))
    return dict(header["fields"]), version


_DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    ValueError,
    RuntimeError,  # zipfile's for an entry that claims to be encrypted
    KeyError,
    TypeError,
    AttributeError,
    NotImplementedError,
)


def _unreadable(path: object, reason: str) -> str:
    return f"`path` must be a file written by Explanation.save; cannot read {path!r}: {reason}."


def _write_array(archive: zipfile.ZipFile, name: str, array: NDArray[Any]) -> None:
    member = zipfile.ZipInfo(f"{name}.npy", date_time=_EPOCH)
    member.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(member, "w", force_zip64=True) as file:
        np.lib.format.write_array(file, array, allow_pickle=False)


def _read_array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    # Read whole, so that the archive checks the sum over every byte before one is used.
    content = io.BytesIO(archive.read(f"{name}.npy"))
    return np.lib.format.read_array(content, allow_pickle=False)


def _encode(value: Any, name: str, arrays: dict[str, NDArray[Any]]) -> Any:
    """Return what JSON can hold; every JSON object is one tag and its content."""
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
    msg = (
        f"`{name}` must hold None, booleans, numbers, strings, arrays, or lists, tuples and dicts "
        f"of these to be saved; got {describe(value)}."
    )
    raise InvalidInputError(msg)


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
