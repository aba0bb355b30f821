"""As many segments as asked for: the closest of several attempts, or a grid."""

import math
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from limelens.errors import warn
from limelens.segmenting.fixed import Grid

NEAR = 0.2
"""Share of the number asked for by which it may be missed without a warning."""

_FELT = 0.01  # smallest compactness beside which colours are surely no larger than rounding allows


def n_labels(labels: NDArray[np.intp]) -> int:
    """Return the number of labels `0..d-1`; -1 is none.

    Examples
    --------
    >>> n_labels(np.array([[0, 1, -1]]))
    2
    """
    return int(labels.max()) + 1


def is_about(n: int, asked: int) -> bool:
    """Return whether a number of segments is within a fifth of what was asked for, or one off.

    Examples
    --------
    >>> [is_about(n, 10) for n in (7, 8, 12, 13)]
    [False, True, True, False]
    """
    return abs(n - asked) <= max(1.0, NEAR * asked)


@lru_cache(maxsize=64)
def a_seed_each(shape: tuple[int, ...], n_seeds: int, compactness: float) -> bool:
    """Return whether every pixel of a square grid of seeds has one, and stays a segment alone.

    It does where distance counts at all: its own seed is nearer than any other, whatever the
    colours.

    Examples
    --------
    >>> a_seed_each((8, 8), 50, 10.0), a_seed_each((8, 8), 25, 10.0)
    (True, False)
    """
    if math.prod(shape) > 4 * n_seeds or compactness < _FELT:
        return False
    from skimage.util import regular_grid  # noqa: PLC0415

    steps = regular_grid(shape, n_seeds)  # type: ignore[no-untyped-call]
    return all(each.step in (None, 1) and not each.start for each in steps)


def closest(
    attempts: Iterable[NDArray[np.intp]],
    asked: int,
    name: str,
    *,
    cure: str = "",
    displaced: bool = False,
) -> NDArray[np.intp]:
    """Return the first labels of about as many segments as asked for, else the closest.

    A warning says how many there are if no attempt has about as many. `attempts` is read only as
    far as needed; `cure` is what helps against too few. If the picture is `displaced`, its border
    cuts segments, and more of them are fine.
    """
    found: list[NDArray[np.intp]] = []
    for labels in attempts:
        found.append(labels)
        n = n_labels(labels)
        if is_about(n, asked) or (displaced and n > asked):
            return labels
    best = min(found, key=lambda labels: abs(n_labels(labels) - asked))
    n, n_pixels = n_labels(best), int(np.count_nonzero(best >= 0))
    if n > 1:
        advice = f"{cure if n < asked else ''}use Grid({asked})."
        if n_pixels < asked:
            advice = f"use {name}({n_pixels}): there are no more pixels."
        few = "only " if n < asked else ""
        advice = advice[0].upper() + advice[1:]
        warn(f"{name}({asked}) divides this image into {few}{n} segments. {advice}")
    return best


def or_cells(
    labels: NDArray[np.intp], name: str, asked: int, valid: NDArray[np.bool_] | None = None
) -> NDArray[np.intp]:
    """Return the labels, or with a warning those of a grid if all pixels that count have the same.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     or_cells(np.zeros((2, 4), dtype=int), "Slic", 2)
    array([[0, 0, 1, 1],
           [0, 0, 1, 1]])
    """
    counts = labels >= 0 if valid is None else valid
    counting = labels[counts]
    if counting.size < 2 or counting.min() != counting.max():
        return labels
    grid = Grid(max(2, min(asked, counting.size)))
    image = np.zeros(labels.shape if labels.ndim == 2 else (*labels.shape, 1))
    cells = grid(image) if counts.all() else grid.within(image, counts)
    warn(
        f"{name} finds a single segment in this image: it is divided into a grid of "
        f"{len(np.unique(cells[counts]))} cells instead. Pass segmenter=Grid({asked}) for "
        "this, or LabelImage with segments of your own."
    )
    return cells
