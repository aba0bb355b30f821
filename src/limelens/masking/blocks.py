"""Blocks of consecutive pixels, and the appearances each of them can have."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Coalitions

Indices = NDArray[np.intp]

MAX_IMAGES = 8.0
"""How many times as large as the image the table of all appearances may be."""

MAX_SEGMENTS = 16
"""A block that touches more segments is cut smaller."""

WIDTHS = (32, 16, 8, 4, 2, 1)
"""Pixels a block, best first."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """The blocks that touch exactly `k` segments, and so have `2**k` appearances.

    Attributes
    ----------
    k : int
    blocks : ndarray of intp, shape (m,)
        Which blocks, in rising order.
    slots : ndarray of uint8, shape (m, width) or None
        Of each pixel: the bit of the block's code that says whether it is kept. None where k = 1.
    """

    k: int
    blocks: Indices
    slots: NDArray[np.uint8] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Blocks:
    """An image cut in memory order into blocks of `width` pixels.

    A block that touches the segments `s_0 < s_1 < ...` has the code `sum_j kept(s_j) << j`; its
    appearance is row `first_row + code` of the table of all appearances.

    Attributes
    ----------
    width : int
        Pixels a block.
    groups : tuple of Group
        The blocks by the number of segments they touch; their table rows follow each other.
    tuples : ndarray of intp, shape (t, kmax)
        The distinct sets of segments, the smaller first, padded with `d`. The first `d` are the
        single segments.
    sizes : ndarray of intp, shape (t,)
        Segments in each set.
    tuple_of_block : ndarray of intp, shape (n_blocks,)
    first_row : ndarray of intp, shape (n_blocks,)
    n_rows : int
        Rows of the table.
    """

    width: int
    groups: tuple[Group, ...]
    tuples: Indices
    sizes: Indices
    tuple_of_block: Indices
    first_row: Indices
    n_rows: int

    def codes(self, coalitions: Coalitions) -> Indices:
        """Return the code of every distinct set of segments, shape (b, t)."""
        n, d = coalitions.shape
        dtype = np.uint8 if self.tuples.shape[1] <= 8 else np.uint32
        # one row a segment: gathering whole rows of n bytes is what makes this cheap
        kept = np.zeros((d + 1, n), dtype)
        kept[:d] = coalitions.T
        codes = np.take(kept, self.tuples[:, 0], axis=0)
        for j in range(1, self.tuples.shape[1]):
            larger = int(np.searchsorted(self.sizes, j, side="right"))
            codes[larger:] |= np.take(kept, self.tuples[larger:, j], axis=0) << dtype(j)
        return np.ascontiguousarray(codes.T, dtype=np.intp)


def border_positions(owners: Indices) -> Indices:
    """Return the pixels whose predecessor in memory belongs to another segment."""
    return np.flatnonzero(owners[1:] != owners[:-1]) + 1


def choose_width(owners: Indices, borders: Indices) -> int:
    """Return the widest block whose appearances fit the bound `MAX_IMAGES`.

    The number of runs in a block bounds the number of segments it touches from above.
    """
    pixels = len(owners)
    for width in WIDTHS:
        if width > pixels:
            continue
        inside = borders[borders % width != 0]
        runs = np.bincount(inside // width, minlength=-(-pixels // width)) + 1
        if runs.max() <= MAX_SEGMENTS and np.exp2(runs).mean() <= MAX_IMAGES:
            return width
    return 1


def cut(owners: Indices, n_segments: int, width: int, borders: Indices | None = None) -> Blocks:
    """Cut the pixels into blocks of `width`; a last, incomplete block is left out.

    Parameters
    ----------
    owners : ndarray of intp, shape (pixels,)
        The segment, `0..n_segments - 1`, of each pixel in memory order.
    n_segments : int
    width : int
        At most `pixels`.
    borders : ndarray of intp, optional
        `border_positions(owners)`, where they are known already.

    Examples
    --------
    >>> blocks = cut(np.array([0, 0, 0, 1, 1, 1]), 2, 2)
    >>> blocks.tuple_of_block  # block 1 touches both segments: set number 2
    array([0, 2, 1])
    >>> blocks.n_rows  # 2 + 4 + 2
    8
    """
    n_blocks = len(owners) // width
    borders = border_positions(owners) if borders is None else borders
    inside = borders[(borders % width != 0) & (borders < n_blocks * width)]
    mixed, slots, sets, sizes = _mixed_blocks(owners, n_segments, width, inside)

    tuple_of_block = owners[: n_blocks * width : width].copy()
    tuples, tuple_sizes, tuple_of_block[mixed] = _distinct_sets(sets, sizes, n_segments)

    size_of_block = np.ones(n_blocks, np.intp)
    size_of_block[mixed] = sizes
    first_row = np.empty(n_blocks, np.intp)
    groups, n_rows = [], 0
    for k in np.flatnonzero(np.bincount(size_of_block)).tolist():
        members = np.flatnonzero(size_of_block == k)
        groups.append(Group(k=k, blocks=members, slots=None if k == 1 else slots[sizes == k]))
        first_row[members] = n_rows + (np.arange(len(members)) << k)
        n_rows += len(members) << k
    return Blocks(
        width=width,
        groups=tuple(groups),
        tuples=tuples,
        sizes=tuple_sizes,
        tuple_of_block=tuple_of_block,
        first_row=first_row,
        n_rows=n_rows,
    )


def _mixed_blocks(
    owners: Indices, d: int, width: int, inside: Indices
) -> tuple[Indices, NDArray[np.uint8], Indices, Indices]:
    """Return the blocks with borders inside, their pixels' slots, their segments and how many.

    Works on runs of equal pixels, of which there are far fewer than pixels.
    """
    mixed = np.unique(inside // width)
    starts = np.sort(np.concatenate([mixed * width, inside]))
    block = np.searchsorted(mixed, starts // width)  # numbered among the mixed blocks
    ends = np.minimum(np.append(starts[1:], owners.size), (mixed[block] + 1) * width)

    pairs, pair_of_run = np.unique(block * d + owners[starts], return_inverse=True)
    pair_block, pair_owner = np.divmod(pairs, d)
    sizes = np.bincount(pair_block, minlength=len(mixed))
    pair_slot = np.arange(len(pairs)) - np.repeat(np.cumsum(sizes) - sizes, sizes)

    sets = np.full((len(mixed), max(int(sizes.max(initial=0)), 1)), d, np.intp)
    sets[pair_block, pair_slot] = pair_owner
    slots = np.repeat(pair_slot[pair_of_run].astype(np.uint8), ends - starts)
    return mixed, slots.reshape(len(mixed), width), sets, sizes


def _distinct_sets(sets: Indices, sizes: Indices, d: int) -> tuple[Indices, Indices, Indices]:
    """Return the single segments and then the distinct sets, their sizes, each set's number."""
    key = sizes.astype(np.intp)
    bound = MAX_SEGMENTS + 1
    for column in sets.T:
        if bound > np.iinfo(np.intp).max // (d + 1):
            key = np.unique(key, return_inverse=True)[1]
            bound = len(key)
        key = key * (d + 1) + column
        bound *= d + 1
    _, first, number = np.unique(key, return_index=True, return_inverse=True)
    single = np.full((d, sets.shape[1]), d, np.intp)
    single[:, 0] = np.arange(d)
    tuples = np.concatenate([single, sets[first]])
    return tuples, np.concatenate([np.ones(d, np.intp), sizes[first]]), number + d
