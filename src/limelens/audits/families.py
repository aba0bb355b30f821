"""Descriptors of all images made comparable: one table for each image, with columns by name."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limelens._typing import Floats
from limelens.audits.inference import is_singular
from limelens.audits.record import ANY
from limelens.audits.regions import Described
from limelens.errors import warn

_REPEATS = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Family:
    """Descriptors of one kind, for all images.

    Attributes
    ----------
    kind : {"label", "property", "descriptor"}
    names : tuple of str
        Of the columns.
    units : tuple of str
        What one unit of each column is.
    tables : list of ndarray, shape (d_i, p)
    """

    kind: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    tables: list[Floats]


def families_of(described: Sequence[Sequence[Described]], kinds: Sequence[str]) -> list[Family]:
    """Return one family for each kind, of the tables of every image."""
    return [
        label_family(each) if kind == "label" else other_family(each, kind)
        for kind, each in zip(kinds, zip(*described, strict=True), strict=True)
    ]


def label_family(described: Sequence[Described]) -> Family:
    """Return the share of each segment that has each label; a label may lack in some images."""
    names = tuple(dict.fromkeys(name for each in described for name in each))
    tables = [_columns(each, names) for each in described]
    if is_singular(tables):
        warn(
            "`labels` cannot all be told apart: some cover the same segments in every image. "
            "Their effect is shared out; without `segmenter` every label is a region by itself."
        )
    return Family(kind="label", names=names, units=("the region",) * len(names), tables=tables)


def other_family(described: Sequence[Described], kind: str) -> Family:
    """Return descriptors relative to the image's other segments, in standard deviations.

    A descriptor that is 0 or 1 everywhere keeps its unit. One that never differs within an image,
    or repeats others, says nothing and is left out.
    """
    names = tuple(described[0])
    raw = [_columns(each, names) for each in described]
    centred = [table - table.mean(axis=0) for table in raw]
    binary = np.logical_and.reduce([((table == 0) | (table == 1)).all(axis=0) for table in raw])
    squares = np.sum([np.square(table).sum(axis=0) for table in centred], axis=0)
    size = np.sqrt(np.sum([np.square(table).sum(axis=0) for table in raw], axis=0))
    deviation = np.sqrt(squares / sum(map(len, raw)))
    varies = np.sqrt(squares) > 1e-9 * size
    unit = np.where(binary | ~varies, 1.0, deviation)
    kept = _distinct([table / unit for table in centred], np.flatnonzero(varies).tolist())
    if kind == "descriptor" and len(kept) < len(names):
        lost = ", ".join(repr(name) for k, name in enumerate(names) if k not in kept)
        warn(
            f"`descriptors` {lost}: the same for all regions of an image, or a repetition of "
            "others. Nothing can be said of it, and it is left out."
        )
    return Family(
        kind=kind,
        names=(ANY, *(names[k] for k in kept)),
        units=("the region", *("yes or no" if binary[k] else "1 sd" for k in kept)),
        tables=[
            np.column_stack([np.ones(len(table)), (table / unit)[:, kept]]) for table in centred
        ],
    )


def _distinct(tables: Sequence[Floats], columns: Sequence[int]) -> list[int]:
    """Return the columns that those before them do not determine."""
    total = np.sum([table.T @ table for table in tables], axis=0)
    kept: list[int] = []
    for k in columns:
        inside, across = total[np.ix_(kept, kept)], total[kept, k]
        left = total[k, k] - across @ np.linalg.pinv(inside, hermitian=True) @ across
        if left > _REPEATS * total[k, k]:
            kept.append(int(k))
    return kept


def _columns(described: Described, names: Sequence[str]) -> Floats:
    absent = np.zeros(len(next(iter(described.values()))))
    return np.column_stack([described.get(name, absent) for name in names]).astype(np.float64)
