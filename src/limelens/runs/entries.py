"""What a run knows of every image without opening its file."""

import hashlib
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import quote

from limelens.errors import LimelensError
from limelens.results.explanation import Explanation

_LONGEST = 180  # bytes of a file's name; most file systems allow 255


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One explained image of a run.

    Attributes
    ----------
    name : str
        The image's name.
    file : str
        Name of its explanation's file, in the run's folder.
    image : str
        The image's digest.
    targets : tuple of str
        Names of the explained targets.
    scores : tuple of float
        Values of the targets for the intact image; empty where they are not known.
    reliability : tuple of float
        As in `Explanation`; empty where it is not known.
    n_predictions : int
        Images that the model was shown.
    """

    name: str
    file: str
    image: str
    targets: tuple[str, ...]
    scores: tuple[float, ...]
    reliability: tuple[float, ...]
    n_predictions: int


@dataclass(frozen=True, kw_only=True, repr=False)
class Failure:
    """One image that could not be explained; the next call of the run tries it again.

    Attributes
    ----------
    name : str
        The image's name.
    error : str
        What was raised, on one line.
    traceback : str
        Where it was raised, as Python prints it.
    """

    name: str
    error: str
    traceback: str

    @classmethod
    def of(cls, name: str, error: Exception) -> "Failure":
        """Return what is kept of an exception."""
        words = " ".join(f"{type(error).__name__}: {error}".split())
        return cls(name=name, error=words, traceback="".join(traceback.format_exception(error)))

    def __repr__(self) -> str:
        return f"<Failure of {self.name!r}: {self.error}>"


def first_of(failures: Sequence[Failure]) -> str:
    """Say which image failed first, and why.

    Examples
    --------
    >>> first_of([Failure(name="a.png", error="OSError: cut short.", traceback="")])
    "the first, 'a.png', by OSError: cut short"
    """
    return f"the first, {failures[0].name!r}, by {failures[0].error.rstrip('.')}"


def is_of_all(error: Exception, target: object, *others: str) -> bool:
    """Return whether every other image would raise this error, too.

    That is so if it is about the target, unless this is a callable that may fail on some images
    only, about the names of the classes, or about one of the `others`, as its first words say.

    Examples
    --------
    >>> is_of_all(LimelensError("`target` must be below 10; got 12."), 12)
    True
    >>> is_of_all(LimelensError("`image` must be finite."), 12)
    False
    """
    named = ("`class_names`", "`predict_fn.class_names`", *others)
    named = named if callable(target) else ("`target`", *named)
    return isinstance(error, LimelensError) and str(error).startswith(named)


def entry_of(name: str, digest: str, explanation: Explanation) -> Entry:
    """Return the entry of an explanation."""
    values, reliability = explanation.target_values, explanation.reliability
    return Entry(
        name=name,
        file=file_name(name),
        image=digest,
        targets=explanation.target_names,
        scores=() if values is None else tuple(values[:, 0].tolist()),
        reliability=() if reliability is None else tuple(reliability.tolist()),
        n_predictions=explanation.n_predictions,
    )


def from_line(values: Mapping[str, Any]) -> Entry | Failure:
    """Return the entry or the failure of a line of the manifest.

    Raises
    ------
    TypeError
        If the line is of neither.
    """
    kind: Any = Failure if "error" in values else Entry
    held = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    if set(held) != {each.name for each in fields(kind)}:
        raise TypeError(sorted(held))
    line: Entry | Failure = kind(**held)
    return line


def file_name(name: str) -> str:
    """Return the file that an image's explanation is in; no two names have the same.

    Examples
    --------
    >>> file_name("cats/tom 1.jpg")
    'cats%2Ftom 1.jpg.npz'
    """
    quoted = quote(name, safe=" ()[]{}@,;+=&!#'$^", errors="surrogateescape")
    quoted = quoted.replace(".", "%2E", 1) if quoted.startswith(".") else quoted
    if len(quoted) > _LONGEST:
        digest = hashlib.blake2b(quoted.encode(), digest_size=16).hexdigest()
        quoted = f"{quoted[: _LONGEST - len(digest) - 1]}-{digest}"
    return f"{quoted}.npz"
