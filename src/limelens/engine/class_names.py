"""Checks of the names of the score columns."""

from collections.abc import Iterable, KeysView, Mapping, Sequence, Set
from numbers import Integral
from os import PathLike
from typing import Any

import numpy as np

from limelens._checks.values import describe, is_masked
from limelens._typing import ClassNames
from limelens.errors import InvalidInputError


def check_class_names(
    class_names: ClassNames, n_columns: int, *, name: str = "class_names"
) -> dict[int, str]:
    """Return the names of the score columns by column; unnamed columns are their number."""
    names = {column: str(column) for column in range(n_columns)}
    if class_names is None:
        return names
    if isinstance(class_names, Mapping):
        return names | {
            _check_column(column, class_names, n_columns, name): _check_name(text, column, name)
            for column, text in class_names.items()
        }
    listed = isinstance(class_names, (Sequence, np.ndarray)) and not isinstance(class_names, str)
    if not listed or len(class_names) != n_columns or is_masked(class_names):
        raise InvalidInputError(
            f"`{name}` must be a sequence that names all {n_columns} score columns, or a "
            f"mapping from column to name; got {describe(class_names)}."
            f"{_listing(class_names, n_columns, name)}"
        )
    return {column: _check_name(text, column, name) for column, text in enumerate(class_names)}


def _listing(class_names: Any, n_columns: int, name: str) -> str:
    """Return the call that makes a sequence of so many names of what else holds them.

    Examples
    --------
    >>> _listing(["", "cat", "dog"], 2, "names")
    ' 1 empty: without these it fits, [text for text in names if text].'
    >>> _listing({"cat", "dog"}, 2, "names")
    ' A set has no order: pass a list in the order of the columns.'
    """
    if isinstance(class_names, (str, PathLike)):
        return f" A file with a name a line: Path({name}).read_text().splitlines()."
    if isinstance(class_names, bytes) or not isinstance(class_names, Iterable):
        return ""
    if isinstance(class_names, (Sequence, np.ndarray)):
        if len(class_names) == 1 and np.shape(class_names[0]) == (n_columns,):
            return f" Pass {name}[0]."
        n_empty = sum(isinstance(text, str) and not text for text in class_names)
        fits = n_empty and len(class_names) - n_empty == n_columns
        without = f"{n_empty} empty: without these it fits, [text for text in {name} if text]."
        return f" {without}" if fits else ""
    if isinstance(class_names, Set) and not isinstance(class_names, KeysView):
        return " A set has no order: pass a list in the order of the columns."
    # a column of a table has a shape
    return f" Pass {'np.asarray' if hasattr(class_names, 'shape') else 'list'}({name})."


def _check_column(column: object, class_names: Mapping[Any, Any], n_columns: int, name: str) -> int:
    """Return a key of the class names, if it is the number of a score column."""
    if isinstance(column, Integral) and not isinstance(column, bool) and column in range(n_columns):
        return int(column)
    keys, cure = list(class_names), ""
    if all(isinstance(key, str) and key.isdecimal() for key in keys):
        cure = f" Pass {{int(column): text for column, text in {name}.items()}}."
    elif all(isinstance(each, Integral) for each in class_names.values()):
        cure = f" Turn it round: {{column: text for text, column in {name}.items()}}."
    raise InvalidInputError(
        f"`{name}` names column {column!r}; the model has {n_columns} columns.{cure}"
    )


def _check_name(text: object, column: int, name: str) -> str:
    """Return the name of a class; columns without one, or with an empty one, are their number."""
    if isinstance(text, bytes):
        raise InvalidInputError(
            f"`{name}` must be texts; got the bytes {describe(text)}. Decode them: "
            f"[each.decode() for each in {name}]."
        )
    if isinstance(text, (Mapping, Set, list, tuple, np.ndarray)) or _is_missing(text):
        raise InvalidInputError(
            f"`{name}` must be texts; column {column} is called {describe(text)}. Leave out what "
            "has no name: class_names={0: 'cat', 2: 'dog'}."
        )
    return str(text) if str(text).strip() else str(column)


def _is_missing(value: object) -> bool:
    """Return whether a value stands for none, as NaN and the NA of pandas do: it equals nothing."""
    try:
        return value is None or not bool(value == value)
    except (TypeError, ValueError):
        return True
