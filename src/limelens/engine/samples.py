"""The rows that a run paid for: what was shown to the model, and the model's answers."""

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from html import escape
from os import PathLike
from types import NoneType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_array, check_flag, check_int, check_text, describe
from limelens._typing import Background, Coalitions, Image, Scores, Segments, Valid
from limelens.errors import InvalidInputError, add_note
from limelens.pictures.tables import html_table

_ROWS_SHOWN, _COLUMNS_SHOWN = 5, 4


@dataclass(frozen=True, eq=False)
class Samples:
    """Every distinct row that was sent to the model, with the model's unaltered answer.

    Memory is n * (d / 8 + k * itemsize) bytes: the masked images themselves are never kept.

    Parameters
    ----------
    keys : ndarray of uint8, shape (n, w)
        Bytes that tell the rows apart. For segment methods they are
        `numpy.packbits(coalitions, axis=1)`, so that `w = ceil(d / 8)`. For window and soft-mask
        methods they identify the mask.
    scores : ndarray, shape (n, k)
        The model's output in its own dtype; with several backgrounds, its mean over them.
    n_segments : int
        Number of segments d; 0 for methods without segments.
    fingerprint : str
        Digests of image, segments and backgrounds; the rows are valid for these only.
    reduced : bool
        Whether `scores` are the values of a callable target, because the model's own scores have
        more than two axes.
    columns : tuple of int, optional
        The model's columns that `scores` holds, where these are not all. Such rows cannot be
        reused, as an explainer may read any score.

    Raises
    ------
    InvalidInputError
        If the arrays do not fit each other, or `scores` holds NaN or infinite values.

    Examples
    --------
    >>> coalitions = np.array([[True, True, True], [True, False, True]])
    >>> samples = Samples(
    ...     keys=np.packbits(coalitions, axis=1),
    ...     scores=np.array([[0.9], [0.2]]),
    ...     n_segments=3,
    ...     fingerprint="",
    ... )
    >>> samples.coalitions
    array([[ True,  True,  True],
           [ True, False,  True]])
    >>> len(samples)
    2
    """

    keys: NDArray[np.uint8]
    scores: Scores
    n_segments: int
    fingerprint: str
    reduced: bool = field(default=False, kw_only=True)
    columns: tuple[int, ...] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        d = check_int("n_segments", self.n_segments, minimum=0)
        width = -(-d // 8) if d else "w"
        keys = check_array("keys", self.keys, ("n", width), dtype=np.uint8)
        check_array("scores", self.scores, (len(keys), "k"))
        check_text("fingerprint", self.fingerprint)
        check_flag("reduced", self.reduced)
        if self.columns is not None:
            columns = [check_int("columns", each, minimum=0) for each in self.columns]
            check_array("columns", np.array(columns, np.intp), (self.scores.shape[1],))
            object.__setattr__(self, "columns", tuple(columns))

    @classmethod
    def from_fields(cls, values: object) -> "Samples | None":
        """Return the samples of fields by name, as they are read from a file; None of None."""
        if values is None:
            return None
        names = [each.name for each in fields(cls)]
        if not isinstance(values, dict) or set(values) != set(names):
            msg = f"`samples` must be a mapping of the fields {', '.join(names)}; got "
            raise InvalidInputError(f"{msg}{describe(values)}.")
        return cls(**values)

    def __len__(self) -> int:
        return len(self.keys)

    def __repr__(self) -> str:
        what = f"{self.n_segments} segments" if self.n_segments else "no segments"
        columns = f"{self.scores.shape[1]} score columns"
        if self.columns is not None:
            columns = f"{columns} of more: {', '.join(map(str, self.columns))}"
        return f"<Samples: {len(self)} rows, {what}, {columns}>"

    def _repr_html_(self) -> str:
        columns = range(min(int(self.scores.shape[1]), _COLUMNS_SHOWN))
        rows = []
        for row in range(min(len(self), _ROWS_SHOWN)):
            kept = ""
            if self.n_segments:
                n_kept = np.unpackbits(self.keys[row], count=self.n_segments).sum()
                kept = f"{n_kept} of {self.n_segments}"
            scores = (f"{float(self.scores[row, column]):.3g}" for column in columns)
            rows.append([str(row), kept, *scores])
        called = columns if self.columns is None else self.columns[:_COLUMNS_SHOWN]
        head = ["row", "segments kept", *(f"score {column}" for column in called)]
        return f"{html_table(head, rows)}<p>{escape(repr(self))}</p>"

    def only(self, columns: Sequence[int]) -> "Samples":
        """Return the same rows with the scores of these columns of the model alone.

        Examples
        --------
        >>> keys = np.zeros((1, 1), np.uint8)
        >>> samples = Samples(keys, np.array([[0.1, 0.2, 0.7]]), n_segments=3, fingerprint="")
        >>> samples.only([2, 0]).scores, samples.only([2, 0]).columns
        (array([[0.7, 0.1]]), (2, 0))
        """
        scores = np.stack([self.of_column(column) for column in columns], axis=1)
        return replace(self, scores=scores, columns=tuple(columns))

    def of_column(self, column: int) -> NDArray[Any]:
        """Return the scores, shape (n,), of one column of the model.

        Raises
        ------
        InvalidInputError
            If that column was not kept.
        """
        kept = tuple(range(self.scores.shape[1])) if self.columns is None else self.columns
        if column not in kept:
            raise InvalidInputError(
                f"`column` must be one of the columns that these rows have scores of, {kept}; got "
                f"{column}. Files hold all with explanation.save(path, samples='all')."
            )
        return np.asarray(self.scores[:, kept.index(column)])

    @property
    def coalitions(self) -> Coalitions:
        """The rows as booleans, shape (n, d); True where a segment was kept.

        Raises
        ------
        InvalidInputError
            If the rows come from a method without segments.
        """
        if self.n_segments == 0:
            raise InvalidInputError(
                "`coalitions` must come from a method with segments; these rows come from a method "
                "that hides windows or soft masks. Use `scores`, or explain with Lime or Ablation."
            )
        bits = np.unpackbits(self.keys, axis=1, count=self.n_segments)
        return bits.view(np.bool_)


def check_reuse(reuse: Any, fingerprint: str) -> Samples | None:
    """Return the samples of an earlier explanation, if they are of the same query.

    Parameters
    ----------
    reuse : Explanation, Samples or None
    fingerprint : str
        Digests of image, segments and backgrounds, joined by dots.
    """
    samples = getattr(reuse, "samples", reuse)
    if samples is None:
        if reuse is None:
            return None
        raise InvalidInputError(
            "`reuse` is an explanation without samples; explain anew. Files keep them with "
            "explanation.save(path, samples='all')."
        )
    if not hasattr(samples, "fingerprint"):
        raise InvalidInputError(
            f"`reuse` must be an Explanation or its samples; got {describe(reuse)}.{_meant(reuse)}"
        )
    if samples.columns is not None:
        raise InvalidInputError(
            f"`reuse` must hold all scores of the model; got only those of its columns "
            f"{samples.columns}, as files do by default. Save the explanation with "
            "save(path, samples='all'), or explain without reuse."
        )
    theirs = samples.fingerprint.split(".")
    names = ("image", "segmentation or kind of masks", "background")
    theirs += [""] * (len(names) - len(theirs))  # of samples that were made by hand
    for name, ours, other in zip(names, fingerprint.split("."), theirs, strict=False):
        if ours != other:
            raise InvalidInputError(
                f"`reuse` holds rows of another {name}; rows can be used again only with the same "
                "image, segments and background."
            )
    return samples


def _meant(reuse: object) -> str:
    """Return the call that makes an explanation of what may stand for one."""
    if isinstance(reuse, (str, PathLike)):
        return " Pass limelens.Explanation.load(reuse)."
    is_one = isinstance(reuse, (list, tuple)) and len(reuse) == 1
    return " Pass reuse[0]." if is_one else ""


def fingerprint(
    image: Image,
    segments: Segments | None,
    backgrounds: Background,
    mask_kind: str,
    valid: Valid = None,
) -> str:
    """Return digests of all that rows of scores depend on: image, segments, backgrounds."""
    if valid is not None:  # of windows; segments are -1 there
        mask_kind += _digest(np.packbits(valid))
    labels: NDArray[Any] | bytes = mask_kind.encode()
    if segments is not None:
        numbered = segments if valid is None else segments + 1
        labels = numbered.astype(np.min_scalar_type(numbered.max()))
    return ".".join(_digest(part) for part in (image, labels, backgrounds))


def _digest(part: NDArray[Any] | bytes) -> str:
    digest = hashlib.blake2b(digest_size=12)
    if isinstance(part, bytes):
        digest.update(part)
    else:
        digest.update(f"{part.dtype.str}{part.shape}".encode())
        digest.update(np.ascontiguousarray(part).view(np.uint8).data)
    return digest.hexdigest()


class Asked(Protocol):
    """Something that knows the rows it paid for, such as a query."""

    def samples(self) -> Samples:
        """Return every row that was paid for."""


class Attaching:
    """Context that attaches the rows already paid for to any exception that leaves it.

    It is a class because a generator's context manager writes into exceptions, which may be
    frozen.
    """

    def __init__(self, query: Asked) -> None:
        self._query = query

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None:
            attach_samples(error, self._query)


def attach_samples(error: BaseException, query: Asked | None) -> None:
    """Hang the rows already paid for on an exception, as `error.samples`; without a query none are.

    Where the exception has `samples` of its own they stay: ours are `error.limelens_samples`, and a
    note says so.
    """
    if query is None:
        return
    name = "samples"
    if not isinstance(getattr(error, name, None), (Samples, NoneType)):
        name = "limelens_samples"
        if not hasattr(error, name):
            add_note(error, f"the rows that were paid for are error.{name}: pass them as reuse=")
    with contextlib.suppress(AttributeError, TypeError):
        # Past the exception's own __setattr__: it may be a frozen dataclass.
        BaseException.__setattr__(error, name, query.samples())
