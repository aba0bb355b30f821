"""Marks on a picture: outlines of regions, and a number on each of them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Floats
from limelens.pictures.display import slice_places
from limelens.pictures.lettering import draw_text, load_font

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageDraw import ImageDraw

_INK, _HALO = (28, 28, 30), (255, 255, 255)


def innermost(region: NDArray[np.bool_]) -> tuple[int, int] | None:
    """Return row and column of the pixel farthest from the edge of a region; None if it is empty.

    Examples
    --------
    >>> region = np.zeros((5, 7), bool)
    >>> region[1:4, 1:4] = True
    >>> innermost(region)
    (2, 2)
    """
    from scipy.ndimage import distance_transform_edt  # noqa: PLC0415

    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    if not len(rows):
        return None
    box = region[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    depth = distance_transform_edt(np.pad(box, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(np.argmax(depth), depth.shape)
    return int(row + rows[0]), int(column + columns[0])


def number_regions(picture: "Picture", labels: NDArray[Any], ranked: Sequence[int]) -> None:
    """Write 1, 2, 3, ... on the regions of a picture, in the order of `ranked`.

    Parameters
    ----------
    picture : PIL.Image.Image
        Is drawn on.
    labels : ndarray of int, shape (height, width)
        Region of every pixel of the picture.
    ranked : sequence of int
        Labels of the regions, strongest first.
    """
    from PIL import ImageDraw  # noqa: PLC0415

    pen = ImageDraw.Draw(picture)
    size = max(12, min(28, max(picture.size) // 26))
    letters = load_font(None, size)
    for rank, label in enumerate(ranked, start=1):
        if (place := innermost(labels == label)) is None:
            continue
        word = str(rank)
        # Whole numbers stay on the picture where their region is at its border.
        half = letters.getlength(word) / 2 + 3
        column = min(max(place[1], half), picture.width - half)
        row = min(max(place[0], size * 0.6), picture.height - size * 0.6)
        draw_text(pen, (column, row), word, letters, _INK, anchor="mm", halo=_HALO)


def number_slices(picture: "Picture", shape: tuple[int, ...]) -> None:
    """Write the index of every slice of a volume's montage into its corner.

    Parameters
    ----------
    picture : PIL.Image.Image
        Is drawn on.
    shape : tuple of int
        Spatial shape of the image; nothing is written for a plane.
    """
    from PIL import ImageDraw  # noqa: PLC0415

    if len(shape) == 2:
        return
    places, (height, width) = slice_places(shape)
    down, across = picture.height / height, picture.width / width
    letters = load_font(None, max(11, min(20, round(shape[2] * across / 9))))
    pen = ImageDraw.Draw(picture)
    for index, top, left in places:
        place = (left * across + 4, top * down + 2)
        draw_text(pen, place, str(index), letters, _INK, halo=_HALO)


def draw_outlines(
    picture: "Picture",
    regions: Sequence[NDArray[np.bool_]],
    color: tuple[int, int, int],
    *,
    dashed: bool,
) -> None:
    """Draw the outlines of regions: lines of one colour with a white rim, solid or dashed.

    Parameters
    ----------
    picture : PIL.Image.Image
        Is drawn on.
    regions : sequence of ndarray of bool, shape (height, width)
    color : (int, int, int)
    dashed : bool
    """
    from PIL import ImageDraw  # noqa: PLC0415

    pen = ImageDraw.Draw(picture)
    width = max(2, round(max(picture.size) / 200))
    contours = [line for region in regions for line in _contours(region)]
    for contour in contours:
        _stroke(pen, contour, _HALO, width + 2)
    for contour in contours:
        for part in _dashes(contour, 4.0 * width) if dashed else [contour]:
            _stroke(pen, part, color, width)


def _contours(region: NDArray[np.bool_]) -> Iterator[Floats]:
    """Yield closed lines between a region and the rest, as (x, y) of picture corners."""
    from skimage import measure  # noqa: PLC0415

    find: Any = measure.find_contours
    for line in find(np.pad(region, 1).astype(np.float32), 0.5):
        yield np.clip(line[:, ::-1] - 1, 0, np.array(region.shape)[::-1] - 1.0)


def _dashes(contour: Floats, length: float) -> Iterator[Floats]:
    """Yield every second piece of a line, each about `length` long, the first from its start."""
    steps = np.hypot(*np.diff(contour, axis=0).T)
    way = np.concatenate([[0.0], np.cumsum(steps)])
    n_pairs = max(1, round(way[-1] / (2 * length)))  # whole pairs: a closed line meets itself well
    ends = np.linspace(0.0, way[-1], 2 * n_pairs + 1)
    for start, end in zip(ends[:-1:2], ends[1::2], strict=True):
        inside = way[(way > start) & (way < end)]
        at = np.concatenate([[start], inside, [end]])
        yield np.stack([np.interp(at, way, contour[:, axis]) for axis in (0, 1)], axis=1)


def _stroke(pen: "ImageDraw", line: Floats, color: tuple[int, int, int], width: int) -> None:
    pen.line([(float(x), float(y)) for x, y in line], fill=color, width=width, joint="curve")
