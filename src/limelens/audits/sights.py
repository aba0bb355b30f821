"""What is kept of one image: small numbers and a thumbnail, never the image."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import NDArray

from limelens._axes import channels_last
from limelens._checks.values import check_int, describe
from limelens._typing import Floats, Image, Segments
from limelens.audits.regions import Described
from limelens.errors import InvalidInputError
from limelens.pictures.display import resize, shrunk, to_rgb
from limelens.pictures.drawing import encoded
from limelens.pictures.overlay import to_picture

_THUMBNAIL, _QUALITY, MEAN_SIDE = 128, 85, 128
_SLICES = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Sight:
    """One image of an audit.

    Attributes
    ----------
    name : str
    score : float
        Value of the target for the intact image.
    places : ndarray of int, shape (s, rows, columns)
        The segment at the centre of every cell of the common grid, in each of s slices; pictures
        have one. -1 where there is none.
    tables : tuple of mappings
        For each kind of descriptor its values by name, shape (d,).
    thumbnail : bytes
        A JPEG.
    """

    name: str
    score: float
    places: NDArray[np.int32]
    tables: tuple[Described, ...]
    thumbnail: bytes

    def on_grid(self, effects: Floats) -> Floats:
        """Return the effects (..., d) on the common grid, shape (..., rows, columns)."""
        nothing = np.zeros((*effects.shape[:-1], 1))  # where no segment is: -1, the last
        return np.asarray(np.concatenate([effects, nothing], axis=-1)[..., self.places].mean(-3))

    def weights_at(self, row: int, column: int, d: int) -> Floats:
        """Return the weight of each segment in the value of one cell, shape (d,)."""
        here = self.places[:, row, column]
        return np.bincount(here[here >= 0], minlength=d) / len(here)


def places_of(segments: Segments, grid: tuple[int, int]) -> NDArray[np.int32]:
    """Return the segment at the centre of every cell of a grid, shape (s, rows, columns).

    Examples
    --------
    >>> places_of(np.array([[0, 0, 1, 2]]), (1, 2))
    array([[[0, 2]]], dtype=int32)
    """
    slices = segments if segments.ndim == 3 else segments[np.newaxis]
    counts = (min(len(slices), _SLICES), *grid)
    lines = [
        (2 * np.arange(n) + 1) * side // (2 * n)
        for side, n in zip(slices.shape, counts, strict=True)
    ]
    return slices[np.ix_(*lines)].astype(np.int32)


def picture_of(image: Image, channel_axis: int | None) -> NDArray[np.uint8]:
    """Return an image in three colours, shape (H, W, 3); of a volume the mean of its slices."""
    last = channels_last(image, channel_axis)
    if last.ndim == 4:
        last = last.mean(axis=0)
    return to_rgb(last, None if last.ndim == 2 else -1)


def thumbnail_of(picture: NDArray[np.uint8]) -> bytes:
    """Return a small JPEG of a picture, shape (H, W, 3)."""
    small = resize(picture, shrunk(picture.shape, _THUMBNAIL))
    return encoded(to_picture(small), "JPEG", {"quality": _QUALITY})


class MeanPicture:
    """The mean of pictures of any size, each stretched to a square."""

    def __init__(self) -> None:
        self._sum = np.zeros((MEAN_SIDE, MEAN_SIDE, 3))
        self._n = 0

    def add(self, picture: NDArray[np.uint8]) -> None:
        """Add one picture, shape (H, W, 3)."""
        self._sum += resize(resize(picture, _reduced(picture.shape)), (MEAN_SIDE, MEAN_SIDE))
        self._n += 1

    def mean(self) -> NDArray[np.uint8]:
        """Return the mean, shape (side, side, 3)."""
        return np.rint(self._sum / max(self._n, 1)).astype(np.uint8)


def _reduced(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return a size with no side longer than the mean picture's, so that pixels are averaged."""
    return min(shape[0], MEAN_SIDE), min(shape[1], MEAN_SIDE)


def check_grid(grid: object) -> tuple[int, int]:
    """Return the rows and columns of a grid; one number stands for both."""
    sides = (grid, grid) if isinstance(grid, Integral) else grid
    if not isinstance(sides, (tuple, list)) or len(sides) != 2:
        raise InvalidInputError(
            f"`grid` must be a number of cells, or (rows, columns); got {describe(grid)}."
        )
    rows, columns = (check_int("grid", side, minimum=1, maximum=128) for side in sides)
    return rows, columns
