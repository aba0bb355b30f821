"""Which of the model's outputs are explained: from scores to target values."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from numbers import Integral
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from limelens._axes import read_only
from limelens._checks.values import check_int, describe, is_masked
from limelens._statistics import precision_of, rounding_share
from limelens._typing import Floats, Scores
from limelens.errors import InvalidInputError, PredictionError, warn

CHUNK_BYTES = 32 * 2**20
"""Most bytes of scores that a callable target is given at once."""


@dataclass(frozen=True)
class Top:
    """The `k` highest scores of the intact image, highest first.

    Parameters
    ----------
    k : int
        Number of columns to explain.

    Examples
    --------
    >>> find_target(Top(2), np.array([0.1, 0.6, 0.3])).columns
    (1, 2)
    """

    k: int

    def __post_init__(self) -> None:
        check_int("k", self.k, minimum=1)


Target: TypeAlias = "int | str | Sequence[int | str] | Top | Callable[[NDArray[Any]], Any] | None"
"""None (highest score), columns or their names, `Top(k)`, or a function of the scores."""


class NamedTarget:
    """Base of the callable targets that take names of score columns, and are called by them."""

    label: str
    stretches: ClassVar[bool] = False
    """Whether it is meant for scores that hardly move, and shows their last places."""

    def with_names(self, names: Mapping[int, str] | None, n_columns: int) -> "NamedTarget":
        """Return the target of column numbers, with a label; `names` is None without names."""
        raise TypeError(f"{type(self).__name__} does not say which columns it names")

    def __call__(self, scores: NDArray[Any]) -> Any:
        """Return the values, shape (n,), of scores (n, k)."""
        raise TypeError(f"{type(self).__name__} does not say what it makes of scores")


@dataclass(frozen=True, eq=False)
class TargetColumns:
    """A target whose columns are known, from the scores of the intact image.

    Parameters
    ----------
    columns : tuple of int
        Score columns, or `0..t-1` of the callable's values.
    names : tuple of str or None
        Names of a callable's values; None where the class names apply.
    reduce : callable or None
        The callable target itself.
    """

    columns: tuple[int, ...]
    names: tuple[str, ...] | None = None
    reduce: Callable[[NDArray[Any]], Any] | None = None

    @property
    def is_callable(self) -> bool:
        """Whether a callable made the values; class names and argmax do not apply to them."""
        return self.names is not None

    def values(self, scores: Scores) -> Floats:
        """Return the target values, shape (n, t), of scores (n, k)."""
        if self.reduce is None:
            return scores[:, list(self.columns)].astype(np.float64)
        values = np.empty((len(scores), len(self.columns)))
        for part in chunks(*scores.shape):
            reduced = reduce_scores(self.reduce, scores[part])
            if reduced.shape[1] != values.shape[1]:
                raise PredictionError(
                    f"`target` returned {reduced.shape[1]} values an image after returning "
                    f"{values.shape[1]}. Return as many for every batch, whatever its size."
                )
            values[part] = reduced
        return values

    def moved_by_rounding(self, scores: Scores, ends: Scores) -> Floats:
        """Return by how much values of a callable, shape (t,), move if scores shrink by rounding.

        Some scores shrink and the others do not, in such a way that any two are told apart. Of
        both ends, scores (2, k), the one that moves least counts.

        Examples
        --------
        >>> ends = np.array([[0.7, 0.3], [0.2, 0.8]], np.float16)
        >>> found = find_target(lambda scores: scores[:, 0] - scores[:, 1], ends[0])
        >>> found.moved_by_rounding(ends, ends).round(4)  # 0.7 * 8 * 2**-10
        array([0.0054])
        """
        stretches = isinstance(self.reduce, NamedTarget) and self.reduce.stretches
        share = precision_of(scores) if stretches else rounding_share(scores)
        bits = np.arange(max(1, int(scores.shape[1] - 1).bit_length()))
        is_odd = (np.arange(scores.shape[1]) >> bits[:, np.newaxis] & 1).astype(bool)
        shrunken = ends * (1 - share * np.concatenate([is_odd, ~is_odd])[:, np.newaxis])
        rows = shrunken.reshape(-1, scores.shape[1]).astype(scores.dtype)
        try:
            with np.errstate(all="ignore"):
                moved = self.values(rows).reshape(-1, len(ends), len(self.columns))
                return np.asarray(np.abs(moved - self.values(ends)).max(axis=0).min(axis=0))
        except Exception:  # noqa: BLE001 - it was made for scores of the model only
            return np.zeros(len(self.columns))


def chunks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Divide scores, shape (n_rows, n_columns), so that a callable target gets a few at a time.

    Examples
    --------
    >>> list(chunks(5000, 1000))
    [slice(0, 4194, None), slice(4194, 5000, None)]
    """
    rows = max(1, CHUNK_BYTES // (8 * n_columns))
    for start in range(0, n_rows, rows):
        yield slice(start, min(start + rows, n_rows))


def column_named(column: object, names: Mapping[int, str] | None) -> int:
    """Return the number of a score column that may be given by its name.

    Raises
    ------
    InvalidInputError
        If it has no such name, or shares it with another.

    Examples
    --------
    >>> column_named("dog", {0: "cat", 1: "dog"})
    1
    """
    if not isinstance(column, str):
        return column  # type: ignore[return-value]
    if names is None:
        raise InvalidInputError(
            "`target` must be None, a column number, a sequence of them, Top(k) or a callable "
            f"where columns have no names; got {column!r}. Name them: class_names=[...]."
        )
    found = [number for number, name in names.items() if name == column]
    if len(found) == 1:
        return found[0]
    if found:
        raise InvalidInputError(
            f"`target` must be unique; {column!r} names the columns {found}: pass one of them."
        )
    listed = ", ".join(repr(name) for name in list(names.values())[:10])
    listed += ", ..." if len(names) > 10 else ""
    raise InvalidInputError(
        f"`target` must be one of the class names {listed}; got {column!r}."
        f"{meant(column, names.values())}"
    )


def meant(name: str, known: Iterable[str]) -> str:
    """Ask for the known name that is most like another; nothing where none is.

    Examples
    --------
    >>> meant("Tabby Cat", ["dog", "tabby cat"]), meant("x", ["dog"])
    (" Did you mean 'tabby cat'?", '')
    """
    plain = {each.strip().casefold(): each for each in known}
    alike = get_close_matches(name.strip().casefold(), plain, n=1, cutoff=0.75)
    return f" Did you mean {plain[alike[0]]!r}?" if alike else ""


def find_target(
    target: Target, intact: NDArray[Any], names: Mapping[int, str] | None = None
) -> TargetColumns:
    """Find the columns, or the function of the scores, that a target means.

    Parameters
    ----------
    target : None, int, sequence of int, Top or callable
        See `Explainer.explain`.
    intact : ndarray, shape (k,) or (1, ...) for scores of more than two axes
        The model's scores of the intact image.
    names : mapping from int to str, optional
        The class names by column.

    Raises
    ------
    InvalidInputError
        If a column does not exist or is named twice.
    """
    if isinstance(target, NamedTarget):
        target = target.with_names(names, len(intact))
    if callable(target) and not isinstance(target, type):
        values = _reduced(target, intact[np.newaxis])
        width = values.shape[1]
        # Of whole scores any column has an integer dtype, and only the best one's number is told.
        is_number = intact.dtype.kind not in "iu" or values[0, 0] == np.argmax(intact)
        if values.dtype.kind in "iu" and width == 1 and is_number:
            warn(
                f"`target` returns one whole number an image, {values[0, 0]} for the intact one. "
                "If that is the number of a class, as argmax gives it, importances tell nothing: "
                "return scores. If it counts something, return it as float: "
                "np.asarray(counts, float)."
            )
        return TargetColumns(tuple(range(width)), value_names(target, width), target)
    if target is None:
        return TargetColumns((int(np.argmax(intact)),))
    if isinstance(target, Top):
        if target.k > len(intact):
            raise InvalidInputError(
                f"`target` is Top({target.k}) but the model returns {len(intact)} scores an image."
            )
        # In float64, because unsigned integers wrap when negated and booleans cannot be negated.
        order = np.argsort(-intact.astype(np.float64), kind="stable")
        return TargetColumns(tuple(int(column) for column in order[: target.k]))
    return TargetColumns(_columns(target, len(intact), names))


def value_names(target: object, width: int) -> tuple[str, ...]:
    """Name the values of a callable target after the callable.

    Examples
    --------
    >>> value_names(np.max, 1)
    ('max',)
    """
    if isinstance(target, NamedTarget):
        return (target.label or str(target),)
    name = getattr(target, "__name__", type(target).__name__)
    name = "target" if name == "<lambda>" else name
    return (name,) if width == 1 else tuple(f"{name}[{j}]" for j in range(width))


def _columns(
    target: object, n_columns: int, names: Mapping[int, str] | None = None
) -> tuple[int, ...]:
    if isinstance(target, (Integral, str)):
        listed: list[object] = [target]
    elif isinstance(target, (Sequence, np.ndarray)) and not isinstance(target, bytes):
        listed = list(np.atleast_1d(target)) if isinstance(target, np.ndarray) else list(target)
    else:
        raise InvalidInputError(
            "`target` must be None, a column number or name, a sequence of them, Top(k) or a "
            f"callable; got {describe(target)}.{_made_columns(target)}"
        )
    columns = tuple(_check_column(column_named(each, names), n_columns) for each in listed)
    if not columns or len(set(columns)) < len(columns):
        raise InvalidInputError(
            f"`target` must name at least one column and none twice; got {describe(target)}."
        )
    return columns


def _check_column(column: object, n_columns: int) -> int:
    """Return the number of a score column, counted from the front."""
    if isinstance(column, Integral) and -n_columns <= int(column) < 0:
        raise InvalidInputError(
            f"`target` must be an integer from 0 to {n_columns - 1}; got {column}. Counted from "
            f"the front that is {n_columns + int(column)}."
        )
    return check_int("target", column, minimum=0, maximum=n_columns - 1)


def _made_columns(target: object) -> str:
    """Return the call that makes column numbers of what holds them in another form."""
    shape = getattr(target, "shape", None)
    if shape == () or (isinstance(target, float) and target.is_integer()):
        return " Pass int(target)."
    if shape is not None:  # of tensors and tables
        return " Pass np.asarray(target)."
    if isinstance(target, bytes):
        return " Pass target.decode()."
    listed = isinstance(target, Iterable) and not isinstance(target, Mapping)
    return " Pass list(target)." if listed else ""


def reduce_scores(reduce: Callable[[NDArray[Any]], Any], scores: NDArray[Any]) -> Floats:
    """Apply a callable target; its answer must be finite, `(n,)` or `(n, t)`."""
    return _reduced(reduce, scores).astype(np.float64)


def _reduced(reduce: Callable[[NDArray[Any]], Any], scores: NDArray[Any]) -> NDArray[Any]:
    """Return what a callable target makes of scores, shape (n, t), in the dtype it has."""
    n = len(scores)
    want = f"`target` was given scores of shape {scores.shape} and must return ({n},) or ({n}, t)"
    raw = reduce(read_only(scores))
    if is_masked(raw):
        raise PredictionError(f"{want} numbers; got masked ones. Return values.filled(0).")
    try:
        values = np.asarray(raw)
    except (ValueError, TypeError, RuntimeError) as error:
        raise PredictionError(
            f"{want} numbers; got {describe(raw)}, which NumPy cannot read ({error})."
        ) from error
    if values.ndim == 1:
        values = values[:, np.newaxis]
    if values.ndim != 2 or len(values) != n or 0 in values.shape or values.dtype.kind not in "buif":
        raise PredictionError(f"{want} numbers; got {describe(values if values.ndim else raw)}.")
    if not np.isfinite(values).all():
        bad = int(np.count_nonzero(~np.isfinite(values)))
        raise PredictionError(
            f"`target` must return finite numbers for finite scores; {bad} of {values.size} are "
            "NaN or infinite. Keep away from 0 what it divides by, or takes the logarithm of."
        )
    return values
