"""Outlines of regions along the edges of their pixels."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ring: TypeAlias = list[list[int]]
"""Corners `[x, y]` of a closed line, the first repeated at the end."""

_Corner: TypeAlias = tuple[int, int]


def segment_polygons(segments: NDArray[np.intp]) -> list[list[list[Ring]]]:
    """Return the polygons of every segment, in the order of their labels `0..d-1`.

    Each polygon is a part that hangs together over edges of pixels: its outline, then its holes.

    Parameters
    ----------
    segments : ndarray of int, shape (height, width)

    Returns
    -------
    polygons : list (segments) of list (polygons) of list of rings
        x is the column and y the row; pixel (0, 0) spans the square from (0, 0) to (1, 1).

    Examples
    --------
    >>> segment_polygons(np.array([[0, 0], [1, 1]]))[1]
    [[[[0, 1], [2, 1], [2, 2], [0, 2], [0, 1]]]]
    """
    from scipy.ndimage import find_objects, label  # noqa: PLC0415

    found = []
    for segment, box in enumerate(find_objects(segments + 1)):
        parts, n_parts = label(segments[box] == segment)
        top, left = box[0].start, box[1].start
        polygons = []
        for part in range(1, n_parts + 1):
            rings = sorted(_rings(parts == part), key=_area, reverse=True)  # holes are below zero
            polygons.append([[[x + left, y + top] for x, y in ring] for ring in rings])
        found.append(polygons)
    return found


def _rings(part: NDArray[np.bool_]) -> list[Ring]:
    """Follow the edges of a part, which stays on the right, until all edges are used."""
    edges = _edges(part)
    rings = []
    while edges:
        start = min(edges)
        heading, corner = edges[start][0], start
        corners: Ring = []
        while True:
            ways = edges[corner]
            # Where the part touches itself at a corner, turn left: what lies between is then a
            # ring of its own, since the part is connected elsewhere and so parts the two sides.
            left = (heading[1], -heading[0])
            taken = left if left in ways else ways[0]
            ways.remove(taken)
            if not ways:
                del edges[corner]
            if not corners or taken != heading:
                corners.append([corner[0], corner[1]])
            heading, corner = taken, (corner[0] + taken[0], corner[1] + taken[1])
            if corner == start:
                break
        rings.append([*corners, corners[0]])
    return rings


def _edges(part: NDArray[np.bool_]) -> dict[_Corner, list[_Corner]]:
    """Return the directions (dx, dy) of the edges from each corner, with the part on the right."""
    padded = np.pad(part, 1)
    inside = padded[1:-1, 1:-1]
    sides = (
        (inside & ~padded[:-2, 1:-1], (0, 0), (1, 0)),  # above: to the right
        (inside & ~padded[1:-1, 2:], (1, 0), (0, 1)),  # right: down
        (inside & ~padded[2:, 1:-1], (1, 1), (-1, 0)),  # below: to the left
        (inside & ~padded[1:-1, :-2], (0, 1), (0, -1)),  # left: up
    )
    edges: dict[_Corner, list[_Corner]] = {}
    for edge, (right, down), way in sides:
        for row, column in np.argwhere(edge).tolist():
            edges.setdefault((column + right, row + down), []).append(way)
    return edges


def _area(ring: Ring) -> float:
    """Return the area of a ring; holes, which are walked the other way, have a negative one."""
    x, y = np.array(ring, dtype=np.float64).T
    return float(x[:-1] @ y[1:] - x[1:] @ y[:-1]) / 2
