"""Blocks of consecutive pixels, and the appearances each of them can have."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Coalitions

Indices = NDArray[np.intp]

MAX_IMAGES = 8.0
"""How many times as large as the image the table of all appearances may be."""

MAX_SEGMENTS = 12
"""A block that touches more segments is cut smaller."""

WIDTHS = (64, 32, 16, 8, 4, 2, 1)
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

    A block that touches the segments `s_0 < s_1 < ...` has the code `sum_j kept(s_j) << j`, which
    numbers its appearances. The table of all appearances holds, for each group of m blocks that
    touch equally many segments, m rows for each code. Where the background is the same
    everywhere, all blocks share row 0 for code 0.

    Attributes
    ----------
    width : int
        Pixels a block.
    groups : tuple of Group
        The blocks by the number of segments they touch; their table rows follow each other.
    tuples : ndarray of intp, shape (t, kmax)
        The distinct sets of segments, the smaller first, padded with `d`. The first `d` are the
        single segments.
    strides : ndarray of int, shape (t,)
        Table rows from one code of a set to the next: the size of its group. In 32 bits where
        the number of rows fits, for speed.
    first_of_size : tuple of int
        First set that has more than 0, 1, 2, ... segments.
    tuple_of_block : ndarray of intp, shape (n_blocks,)
    first_row : ndarray of intp, shape (n_blocks,)
        The row of code 0; where that is shared, where it would be.
    n_rows : int
        Rows of the table.
    shares_hidden : bool
        Whether all blocks share row 0 for code 0.
    """

    width: int
    groups: tuple[Group, ...]
    tuples: Indices
    strides: NDArray[np.signedinteger[Any]]
    first_of_size: tuple[int, ...]
    tuple_of_block: Indices
    first_row: Indices
    n_rows: int
    shares_hidden: bool

    def offsets(self, coalitions: Coalitions) -> Indices:
        """Return how far from `first_row` each set's appearance lies, shape (b, t).

        A row before the first one stands for the shared row 0.
        """
        n, d = coalitions.shape
        dtype = np.uint8 if self.tuples.shape[1] <= 8 else np.uint32
        # one row a segment: gathering whole rows of n bytes is what makes this cheap
        kept = np.zeros((d + 1, n), dtype)
        kept[:d] = coalitions.T
        codes = kept.take(self.tuples[:, 0], axis=0)
        for j, first in enumerate(self.first_of_size[1:], start=1):
            kept += kept  # bit j
            codes[first:] |= kept.take(self.tuples[first:, j], axis=0)
        offsets = codes * self.strides[:, np.newaxis]
        if self.shares_hidden:
            offsets -= (codes == 0) * self.strides.dtype.type(self.n_rows)
        return np.ascontiguousarray(offsets.T, dtype=np.intp)

    def sources(self, pixels: Indices, n_pixels: int) -> list[Indices]:
        """Return where the pixels of all table rows come from, one flat array a group.

        Parameters
        ----------
        pixels : ndarray of intp, shape (n_blocks * width,)
            The pixel of the image at each place of the blocks.
        n_pixels : int
            Added where a pixel comes from the image, and not from the background.
        """
        by_block = pixels.reshape(-1, self.width)
        parts = []
        for group in self.groups:
            codes = np.arange(1 << group.k)[:, np.newaxis, np.newaxis]
            slots = np.uint8(0) if group.slots is None else group.slots
            kept = (codes >> slots) & 1
            parts.append((by_block[group.blocks] + n_pixels * kept).ravel())
        return parts


def border_positions(owners: Indices) -> Indices:
    """Return the pixels whose predecessor in memory belongs to another segment."""
    return np.flatnonzero(owners[1:] != owners[:-1]) + 1


def choose_width(
    owners: Indices, borders: Indices, *, widest: int = 32, most_images: float = MAX_IMAGES
) -> int:
    """Return the widest block, of `widest` pixels at most, whose table is `most_images` at most.

    The number of segments in a block is bounded from above by its runs of equal pixels, less
    those that return to the segment before the last.
    """
    pixels = len(owners)
    returns = np.zeros(len(borders), np.bool_)
    returns[1:] = owners[borders[1:]] == owners[borders[:-1] - 1]
    for width in WIDTHS:
        if width > min(widest, pixels):
            continue
        block, place = np.divmod(borders, width)
        news = place != 0
        again = news[:-1] & (block[1:] == block[:-1]) & returns[1:]
        news[1:] &= ~again
        n_blocks = pixels // width  # without the rest of the pixels
        n_segments = np.bincount(block[news], minlength=n_blocks)[:n_blocks] + 1
        if n_segments.max() <= MAX_SEGMENTS and np.exp2(n_segments).mean() <= most_images:
            return width
    return 1


def cut(
    owners: Indices,
    n_segments: int,
    width: int,
    *,
    borders: Indices | None = None,
    shares_hidden: bool = False,
) -> Blocks:
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
    shares_hidden : bool
        Whether the background is the same everywhere.

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

    pure = np.ones(n_blocks, np.bool_)
    pure[mixed] = False
    first_row = np.empty(n_blocks, np.intp)
    strides = np.empty(len(tuples), np.intp)
    n_shared = int(shares_hidden)
    groups, n_rows = [], n_shared
    for k in range(1, tuples.shape[1] + 1):
        chosen = sizes == k
        members = np.flatnonzero(pure) if k == 1 else mixed[chosen]
        groups.append(Group(k=k, blocks=members, slots=None if k == 1 else slots[chosen]))
        m = len(members)
        first_row[members] = np.arange(m) + (n_rows - n_shared * m)
        strides[tuple_sizes == k] = m
        n_rows += m * ((1 << k) - n_shared)
    return Blocks(
        width=width,
        groups=tuple(groups),
        tuples=tuples,
        strides=strides.astype(np.int32 if n_rows < 2**31 else np.intp),
        first_of_size=tuple(np.searchsorted(tuple_sizes, range(tuples.shape[1]), "right").tolist()),
        tuple_of_block=tuple_of_block,
        first_row=first_row,
        n_rows=n_rows,
        shares_hidden=shares_hidden,
    )


def _mixed_blocks(
    owners: Indices, d: int, width: int, inside: Indices
) -> tuple[Indices, NDArray[np.uint8], Indices, Indices]:
    """Return the blocks with borders inside, their pixels' slots, their segments and how many.

    Works on runs of equal pixels, of which there are far fewer than pixels.
    """
    is_mixed = np.zeros(len(owners) // width + 1, np.bool_)
    is_mixed[inside // width] = True
    mixed = np.flatnonzero(is_mixed)
    number = np.cumsum(is_mixed) - 1
    starts = np.sort(np.concatenate([mixed * width, inside]))
    block = number[starts // width]
    lengths = np.diff(starts, append=0)
    last = np.flatnonzero(np.diff(block, append=-1))
    lengths[last] = (mixed + 1) * width - starts[last]

    pair, order = _sorted_with_order(block * d + owners[starts])
    is_new = np.ones(len(pair), np.bool_)
    is_new[1:] = pair[1:] != pair[:-1]
    pair_block, pair_owner = np.divmod(pair[is_new], d)
    sizes = np.bincount(pair_block, minlength=len(mixed))
    pair_slot = np.arange(len(pair_block)) - np.repeat(np.cumsum(sizes) - sizes, sizes)

    sets = np.full((len(mixed), max(int(sizes.max(initial=0)), 1)), d, np.intp)
    sets[pair_block, pair_slot] = pair_owner
    slot_of_run = np.empty(len(pair), np.uint8)
    slot_of_run[order] = pair_slot[np.cumsum(is_new) - 1]
    slots = np.repeat(slot_of_run, lengths)
    return mixed, slots.reshape(len(mixed), width), sets, sizes


def _sorted_with_order(keys: Indices) -> tuple[Indices, Indices]:
    """Return the keys sorted, and their order; one plain sort where both fit one integer."""
    shift = max(len(keys), 1).bit_length()
    if int(keys.max(initial=0)).bit_length() + shift >= np.iinfo(np.intp).bits:
        order = np.argsort(keys)
        return keys[order], order
    both = np.sort(keys << shift | np.arange(len(keys)))
    return both >> shift, both & ((1 << shift) - 1)


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
    ordered, order = _sorted_with_order(key)
    is_new = np.ones(len(key), np.bool_)
    is_new[1:] = ordered[1:] != ordered[:-1]
    first = order[is_new]
    number = np.empty(len(key), np.intp)
    number[order] = np.cumsum(is_new) - 1 + d
    single = np.full((d, sets.shape[1]), d, np.intp)
    single[:, 0] = np.arange(d)
    tuples = np.concatenate([single, sets[first]])
    return tuples, np.concatenate([np.ones(d, np.intp), sizes[first]]), number
