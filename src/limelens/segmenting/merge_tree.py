"""Binary trees over the segments: which segments belong together, and how closely."""

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_number, check_numeric, describe
from limelens._statistics import label_sums
from limelens._typing import Coalitions, Floats, Image, Segments
from limelens.errors import InvalidInputError
from limelens.segmenting.adjacency import Regions, find_regions
from limelens.segmenting.view import View, segmenting_view

_UNSEEN = 1.0
"""A squared colour difference in CIELAB that the eye does not notice."""


@dataclass(frozen=True)
class RegionTree:
    r"""Merge the two neighbours that are most alike, again and again.

    Only segments that touch are merged, so every group is one connected region. Small regions of
    similar colour without an edge between them are merged first.

    Parameters
    ----------
    boundary : float, optional
        Weight of the edge between two regions, relative to the difference of their mean colours.

    Raises
    ------
    InvalidInputError
        If `boundary` is negative or not finite.

    Notes
    -----
    Each step merges the pair of touching regions with the smallest

    .. math:: \frac{A_i A_j}{A_i + A_j} \, \frac{n_i n_j}{n_i + n_j} \,
              \left(\lVert c_i - c_j \rVert^2 + b\, e_{ij}^2 + 1\right)

    with areas A, numbers of segments n, mean colours c in CIELAB, e the mean colour step across
    the common border, b the `boundary`. The first factor times the squared distance is the
    criterion of Ward (1963). The second factor keeps the tree shallow, because the calls that
    `Owen` needs double with every level. Colours are those of the picture that segmenters look at,
    which is the same for every dtype and range.

    SciPy's and scikit-learn's trees of Ward's criterion know no border strength and no numbers of
    segments, so the tree is grown here.

    References
    ----------
    J. H. Ward, "Hierarchical grouping to optimize an objective function", Journal of the American
    Statistical Association 58, 1963, doi:10.1080/01621459.1963.10500845.

    Examples
    --------
    Two dark segments and two bright ones; the groups 4 and 5 are made first:

    >>> image = np.array([[0.0, 0.1, 0.8, 1.0]])
    >>> RegionTree()(image, np.array([[0, 1, 2, 3]]))
    array([[0, 1],
           [2, 3],
           [4, 5]])
    """

    boundary: float = 1.0

    def __post_init__(self) -> None:
        check_number("boundary", self.boundary, minimum=0)

    def __call__(self, image: Image, segments: Segments) -> NDArray[np.intp]:
        """Return the merges, shape (d - 1, 2), of segments `0..d-1` of a channels-last image."""
        return self.merge(segmenting_view(image), segments)

    def merge(self, view: View, segments: Segments) -> NDArray[np.intp]:
        """Return the merges of segments of an image, given its view."""
        growing = _Growing(find_regions(view, segments), self.boundary)
        heap = growing.all_costs()
        heapq.heapify(heap)
        merges: list[tuple[int, int]] = []
        while len(merges) < growing.n_merges:
            if not heap:
                heap = growing.bridges()
                heapq.heapify(heap)
            # Costs of nodes that have been merged since are skipped, not removed from the heap.
            _, one, other = heapq.heappop(heap)
            if growing.alive[one] and growing.alive[other]:
                merges.append((one, other))
                for cost in growing.merge(one, other):
                    heapq.heappush(heap, cost)
        return np.array(merges, dtype=np.intp).reshape(-1, 2)


@dataclass(frozen=True)
class HalvingTree:
    """Cut the segments in two halves across their longer extent, again and again.

    The content of the picture plays no part. Methods for pixels cut images in this way, and
    `RegionTree` is measured against it.

    Examples
    --------
    >>> HalvingTree()(np.zeros((1, 4)), np.array([[0, 1, 2, 3]]))
    array([[0, 1],
           [2, 3],
           [4, 5]])
    """

    def __call__(self, image: Image, segments: Segments) -> NDArray[np.intp]:
        """Return the merges, shape (d - 1, 2), of segments `0..d-1`; the image is not used."""
        areas = label_sums(segments)
        sums = [label_sums(segments, axis) for axis in [*np.indices(segments.shape)]]
        centers = np.stack(sums, axis=1) / areas[:, np.newaxis]
        merges: list[tuple[int, int]] = []
        _halve(np.arange(len(areas)), centers, merges)
        return np.array(merges, dtype=np.intp)


def _halve(ids: NDArray[np.intp], centers: Floats, merges: list[tuple[int, int]]) -> int:
    """Append the merges within a group, lowest first, then its own; return the group's number."""
    if len(ids) == 1:
        return int(ids[0])
    longest = int(np.argmax(np.ptp(centers[ids], axis=0)))
    order = ids[np.argsort(centers[ids, longest], kind="stable")]
    halves = order[: len(ids) // 2], order[len(ids) // 2 :]
    merges.append((_halve(halves[0], centers, merges), _halve(halves[1], centers, merges)))
    return len(centers) + len(merges) - 1


def tree_members(merges: NDArray[np.intp]) -> Coalitions:
    """Return which segments each node of a tree holds, shape (2 d - 1, d).

    Nodes `0..d-1` are the segments, node `d + k` is the result of merge number k. The last node
    holds all segments.

    Examples
    --------
    >>> tree_members(np.array([[0, 2], [1, 3]])).astype(int)
    array([[1, 0, 0],
           [0, 1, 0],
           [0, 0, 1],
           [1, 0, 1],
           [1, 1, 1]])
    """
    d = len(merges) + 1
    members = np.zeros((2 * d - 1, d), dtype=np.bool_)
    members[:d] = np.eye(d, dtype=np.bool_)
    for k, (one, other) in enumerate(merges):
        members[d + k] = members[one] | members[other]
    return members


class _Growing:
    """Regions while they are merged: nodes `0..d-1` are the segments, later ones are merges."""

    def __init__(self, regions: Regions, boundary: float) -> None:
        d = len(regions.areas)
        self.n_merges = d - 1
        self.alive = [True] * d + [False] * (d - 1)
        self._boundary = boundary
        self._n_nodes = d
        self._areas = [*regions.areas.tolist(), *[0.0] * (d - 1)]
        self._counts = [1.0] * d + [0.0] * (d - 1)
        self._colors = np.r_[regions.colors, np.zeros((d - 1, regions.colors.shape[1]))]
        self._borders: list[dict[int, tuple[float, int]]] = [{} for _ in range(2 * d - 1)]
        borders = regions.borders
        for (one, other), step, length in zip(
            borders.pairs.tolist(), borders.steps.tolist(), borders.lengths.tolist(), strict=True
        ):
            self._borders[one][other] = self._borders[other][one] = step, length

    def all_costs(self) -> list[tuple[float, int, int]]:
        """Return the costs of all possible merges, each as `(cost, node, node)`."""
        return [
            cost
            for one, near in enumerate(self._borders)
            for cost in self._costs(one, [other for other in near if other > one])
        ]

    def bridges(self) -> list[tuple[float, int, int]]:
        """Let islands touch without an edge, and return the costs of merging any two of them.

        Pixels that do not count may lie between them.
        """
        islands = [node for node, alive in enumerate(self.alive) if alive]
        for one in islands:
            self._borders[one] = {other: (0.0, 1) for other in islands if other != one}
        return self.all_costs()

    def merge(self, one: int, other: int) -> list[tuple[float, int, int]]:
        """Merge two touching nodes and return the costs of merging the new node further."""
        new = self._n_nodes
        self._n_nodes += 1
        parts = [one, other]
        self.alive[one] = self.alive[other] = False
        self.alive[new] = True
        areas = [self._areas[part] for part in parts]
        self._areas[new] = sum(areas)
        self._counts[new] = sum(self._counts[part] for part in parts)
        self._colors[new] = np.array(areas) @ self._colors[parts] / self._areas[new]
        near = self._borders[new]
        for part in parts:
            for neighbour, (step, length) in self._borders[part].items():
                if neighbour not in parts:
                    before = near.get(neighbour, (0.0, 0))
                    near[neighbour] = before[0] + step, before[1] + length
                    self._borders[neighbour].pop(part)
        for neighbour, border in near.items():
            self._borders[neighbour][new] = border
        return self._costs(new, list(near))

    def _costs(self, one: int, others: list[int]) -> list[tuple[float, int, int]]:
        if not others:
            return []
        apart = np.square(self._colors[others] - self._colors[one]).sum(axis=1).tolist()
        costs = []
        # Few neighbours: plain numbers take less time than arrays of them.
        for other, distance in zip(others, apart, strict=True):
            step, length = self._borders[one][other]
            slope = step / length
            distance += self._boundary * (slope * slope) + _UNSEEN
            size = _joint(self._areas[one], self._areas[other])
            size *= _joint(self._counts[one], self._counts[other])
            costs.append((size * distance, min(one, other), max(one, other)))
        return costs


def _joint(one: float, other: float) -> float:
    """Return Ward's factor `a b / (a + b)`."""
    return one * other / (one + other)


def check_merges(merges: object, n_segments: int) -> NDArray[np.intp]:
    """Return a tree's answer as the merges of a binary tree, int of shape (n_segments - 1, 2).

    Row k joins two earlier nodes to node `n_segments + k`; each node is joined once.

    Examples
    --------
    >>> check_merges([[0, 2], [1, 3]], 3)
    array([[0, 2],
           [1, 3]])
    """
    array = check_numeric("tree", merges)
    want = f"`tree` must return merges, int of shape ({n_segments - 1}, 2)"
    if array.shape != (n_segments - 1, 2) or array.dtype.kind not in "iu":
        raise InvalidInputError(f"{want}, for {n_segments} segments; got {describe(array)}.")
    nodes = np.arange(2 * n_segments - 2)
    exists = (array < n_segments + np.arange(n_segments - 1)[:, np.newaxis]).all()
    if not exists or not np.array_equal(np.sort(array, axis=None), nodes):
        raise InvalidInputError(
            f"{want}, that join every node once: row k makes node {n_segments} + k of two nodes "
            f"that exist by then, segments 0 to {n_segments - 1} or earlier rows'."
        )
    return array.astype(np.intp)
