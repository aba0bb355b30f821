"""Segments that do not depend on the image: regular cells, or labels that are known already."""

from dataclasses import KW_ONLY, dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from limelens._checks.images import check_segments, check_unmasked_labels
from limelens._checks.sizes import check_size, size_in_pixels
from limelens._checks.values import check_array, check_int, check_numeric
from limelens._typing import Image
from limelens.errors import InvalidInputError
from limelens.segmenting.within import divided_within

_TRIES = 5
_N_CELLS = 49


@dataclass(frozen=True)
class Grid:
    """Rectangular, nearly square cells, whatever the image shows, as in MATLAB's ``imageLIME``.

    Importances on a grid form a small regular map, which enlarges smoothly. Volumes are divided
    as well.

    Parameters
    ----------
    n_segments : int or None, optional
        About how many cells; their sides then differ by at most one pixel. None with `cell`.
    cell : int, float or tuple of them, optional
        Size of a cell, instead of the number of cells. An int is pixels, a float a share of the
        side; give one for all sides or one for each. The image's edge cuts the last cells.

    Raises
    ------
    InvalidInputError
        If both are given, or one is out of its range.

    Examples
    --------
    >>> Grid(6)(np.zeros((4, 7)))
    array([[0, 0, 0, 1, 1, 2, 2],
           [0, 0, 0, 1, 1, 2, 2],
           [3, 3, 3, 4, 4, 5, 5],
           [3, 3, 3, 4, 4, 5, 5]])
    >>> Grid(cell=(3, 4))(np.zeros((4, 7)))
    array([[0, 0, 0, 0, 1, 1, 1],
           [0, 0, 0, 0, 1, 1, 1],
           [0, 0, 0, 0, 1, 1, 1],
           [2, 2, 2, 2, 3, 3, 3]])
    """

    n_segments: int | None = _N_CELLS
    _: KW_ONLY
    cell: int | float | tuple[int | float, ...] | None = None

    def __post_init__(self) -> None:
        if self.cell is None:
            check_int("n_segments", self.n_segments, minimum=2)
            return
        check_size("cell", self.cell)
        if self.n_segments not in (None, _N_CELLS):
            raise InvalidInputError(
                f"`n_segments` must not be given with `cell`; got {self.n_segments}."
            )
        object.__setattr__(self, "n_segments", None)

    def __call__(self, image: Image) -> NDArray[np.intp]:
        """Return the label image of an image or volume, channels last."""
        spatial = _spatial(image)
        if self.cell is None:
            counts = _cell_counts(spatial, self.n_segments or _N_CELLS)
            lines = [np.arange(side) * n // side for side, n in zip(spatial, counts, strict=True)]
        else:
            cell = size_in_pixels("cell", self.cell, spatial)
            lines = [np.arange(side) // step for side, step in zip(spatial, cell, strict=True)]
        labels = lines[0]
        for line in lines[1:]:
            labels = labels[..., np.newaxis] * (int(line[-1]) + 1) + line
        return labels

    def within(self, image: Image, valid: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return labels of the pixels that count, about `n_segments` of them; -1 elsewhere."""
        if self.cell is not None:
            return np.where(valid, self(image), -1)

        def divide(image: Image, valid: NDArray[np.bool_]) -> NDArray[np.intp]:
            # More cells than asked for, as some of them hold no pixel that counts.
            asked = self.n_segments or _N_CELLS
            n, best, closest = asked / float(valid.mean()), image, np.inf
            for _ in range(_TRIES):
                cells = Grid(max(2, min(valid.size, round(n))))(image)
                occupied = len(np.unique(cells[valid]))
                if abs(occupied - asked) < closest:
                    best, closest = cells, abs(occupied - asked)
                n *= asked / occupied
            return np.asarray(best, dtype=np.intp)

        return divided_within(image, valid, divide)


@dataclass(frozen=True, eq=False, repr=False)
class LabelImage:
    """Segments that are known already: organs, objects, fields, another library's superpixels.

    Parameters
    ----------
    labels : array_like of int, shape (H, W) or (D, H, W)
        One id per pixel, of the shape of the images that will be explained. Any ids; copied.

    Raises
    ------
    InvalidInputError
        If the labels are not integers of two or three axes with at least two different ids, or
        the image has another shape.

    Examples
    --------
    >>> halves = LabelImage([[7, 7, 9, 9]])
    >>> halves
    LabelImage(<2 segments of shape (1, 4)>)
    >>> halves(np.zeros((1, 4, 3)))
    array([[7, 7, 9, 9]])
    """

    labels: ArrayLike
    n_segments: int = field(init=False)

    def __post_init__(self) -> None:
        check_unmasked_labels("labels", self.labels)
        labels = np.array(check_numeric("labels", self.labels, finite=False))
        check_int("labels.ndim", labels.ndim, minimum=2, maximum=3)
        _, ids = check_segments(labels, labels.shape, name="labels")
        labels.flags.writeable = False
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "n_segments", len(ids))

    def __repr__(self) -> str:
        shape = np.shape(self.labels)
        return f"LabelImage(<{self.n_segments} segments of shape {shape}>)"

    def __reduce__(self) -> tuple[Any, ...]:
        # A pool of processes is sent the labels again and again: as few bytes as their range takes.
        labels = np.asarray(self.labels)
        types = map(np.min_scalar_type, (labels.min(), labels.max()))
        smallest = labels.astype(np.result_type(*types))
        fits = smallest.dtype.itemsize < labels.dtype.itemsize and smallest.dtype.kind in "iu"
        return _unpickled, (smallest if fits else labels, labels.dtype)

    def __call__(self, image: Image) -> NDArray[Any]:
        """Return the labels as they were given, for an image of their shape."""
        return check_array("labels", self.labels, _spatial(image))


def _unpickled(labels: NDArray[Any], dtype: np.dtype[Any]) -> LabelImage:
    return LabelImage(labels.astype(dtype))


def _spatial(image: Image) -> tuple[int, ...]:
    """Return the spatial shape of a channels-last image."""
    check_int("image.ndim", np.ndim(image), minimum=2, maximum=4)
    shape = np.shape(image)
    return shape if len(shape) == 2 else shape[:-1]


def _cell_counts(spatial: tuple[int, ...], n_segments: int) -> tuple[int, ...]:
    """Return the number of nearly square cells along each axis, nearly `n_segments` in all.

    The shortest axis comes first, so that the others make up for cells that a thin axis cannot
    hold.
    """
    counts = [1] * len(spatial)
    axes = sorted(range(len(spatial)), key=spatial.__getitem__)
    left = float(n_segments)
    for position, axis in enumerate(axes):
        rest = axes[position:]
        # The side of a cube that fills the axes left with as many cells as are left.
        side = (prod(spatial[other] for other in rest) / left) ** (1 / len(rest))
        counts[axis] = min(spatial[axis], max(1, round(spatial[axis] / side)))
        left = max(1.0, left / counts[axis])
    return tuple(counts)
