"""Blocks of consecutive pixels, and the appearances each of them can have."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Coalitions, Indices

MAX_IMAGES = 8.0
"""Largest size of the table of all appearances, in images."""

MOST_IN_BLOCK = 12
"""Blocks are cut narrower until none touches more segments: k segments make 2**k appearances."""

WIDTHS = (64, 32, 16, 8, 4, 2, 1)
"""Pixels per block, best first: the wider the blocks, the fewer rows make an image."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """The blocks that touch exactly `k` segments, and so have `2**k` appearances.

    Attributes
    ----------
    k : int
    blocks : ndarray of intp, shape (m,)
        Numbers of these blocks, in rising order.
    slots : ndarray of uint8, shape (m, width) or None
        For each pixel, which bit of the block's code says whether the pixel is kept. None where
        k = 1, since there is only one bit.
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
    everywhere, row 0 of the table is the appearance with code 0 of every block.

    Attributes
    ----------
    width : int
        Pixels per block.
    groups : tuple of Group
        The blocks by the number of segments they touch. The table holds the rows of one group
        after those of the other.
    tuples : ndarray of intp, shape (t, kmax)
        The distinct sets of segments, smaller sets first, each padded with `d`. The first `d`
        sets are the single segments.
    strides : ndarray of int, shape (t,)
        For each set, the table rows from one code to the next: the number of blocks in its group.
        They have 32 bits where the number of rows allows it, for speed.
    first_of_size : tuple of int
        Number of the first set that has more than 0, 1, 2, ... segments.
    tuple_of_block : ndarray of intp, shape (n_blocks,)
        Number of the set of segments that each block touches.
    first_row : ndarray of intp, shape (n_blocks,)
        Table row of each block's code 0. If code 0 is shared, the row one stride before code 1.
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

        Added to `first_row`, the offset of a shared code 0 gives a negative row, which stands for
        row 0.
        """
        n, d = coalitions.shape
        # A code has one bit for each segment of the set.
        dtype = np.uint8 if self.tuples.shape[1] <= 8 else np.uint32
        # One row per segment: gathering whole rows of n bytes is what makes this cheap. Row d
        # stays 0, so that the padding of the smaller sets adds no bit.
        kept = np.zeros((d + 1, n), dtype)
        kept[:d] = coalitions.T
        codes = kept.take(self.tuples[:, 0], axis=0)
        for j, first in enumerate(self.first_of_size[1:], start=1):
            # Doubled j times, a kept segment counts 1 << j. Sets before `first` have no bit j.
            kept += kept
            codes[first:] |= kept.take(self.tuples[first:, j], axis=0)
        # Each code of a group has one row for each of its blocks: row = first_row + code * stride.
        offsets = codes * self.strides[:, np.newaxis]
        if self.shares_hidden:
            # first_row < n_rows for every block, so that the sum of both is negative.
            offsets -= (codes == 0) * self.strides.dtype.type(self.n_rows)
        return np.ascontiguousarray(offsets.T, dtype=np.intp)

    def sources(self, pixels: Indices, n_pixels: int) -> list[Indices]:
        """Return the source of every pixel of the table rows, one flat array per group.

        Parameters
        ----------
        pixels : ndarray of intp, shape (n_blocks * width,)
            The pixel of the image at each place of the blocks.
        n_pixels : int
            Number of pixels. Sources below it are pixels of the background; it is added to a
            source that is a pixel of the image.
        """
        by_block = pixels.reshape(-1, self.width)
        parts = []
        for group in self.groups:
            codes = np.arange(1 << group.k)[:, np.newaxis, np.newaxis]
            slots = np.uint8(0) if group.slots is None else group.slots
            # Shape (2**k, m, width): bit `slot` of the code decides about the pixel.
            kept = (codes >> slots) & 1
            parts.append((by_block[group.blocks] + n_pixels * kept).ravel())
        return parts


def border_positions(owners: Indices) -> Indices:
    """Return the pixels whose predecessor in memory belongs to another segment."""
    return np.flatnonzero(owners[1:] != owners[:-1]) + 1


def choose_width(
    owners: Indices, borders: Indices, *, widest: int = 32, most_images: float = MAX_IMAGES
) -> int:
    """Return the largest width, up to `widest` pixels, with a table of at most `most_images`.

    The segments of a block are not counted but bounded from above: by its runs of pixels of one
    segment, without the runs that return to the segment of the last run but one.
    """
    pixels = len(owners)
    # In a row A | B | A, the second border returns to the segment before the first border.
    returns = np.zeros(len(borders), np.bool_)
    returns[1:] = owners[borders[1:]] == owners[borders[:-1] - 1]
    for width in WIDTHS:
        if width > min(widest, pixels):
            continue
        block, place = np.divmod(borders, width)
        # A border at place 0 lies between two blocks and brings no second segment into either.
        news = place != 0
        # A return counts as known only if the block holds both borders, and so the first A too.
        again = news[:-1] & (block[1:] == block[:-1]) & returns[1:]
        news[1:] &= ~again
        n_blocks = pixels // width  # a last, incomplete block is left out
        n_segments = np.bincount(block[news], minlength=n_blocks)[:n_blocks] + 1
        # The table has 2**k rows for a block of k segments: the mean of 2**k is its size in images.
        if n_segments.max() <= MOST_IN_BLOCK and np.exp2(n_segments).mean() <= most_images:
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
        `border_positions(owners)`, if they are known already.
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

    # Set number s is segment s alone: right for every block without a border inside.
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
        # If code 0 is shared, the group's rows begin with code 1, one stride of m rows later.
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
    """Return the mixed blocks, the slots of their pixels, their segments and how many these are.

    A block is mixed if it has a border inside. All work is done on runs of pixels of one segment,
    of which there are far fewer than pixels.
    """
    is_mixed = np.zeros(len(owners) // width + 1, np.bool_)
    is_mixed[inside // width] = True
    mixed = np.flatnonzero(is_mixed)
    number = np.cumsum(is_mixed) - 1
    # In a mixed block a run starts with the block and at every border inside it.
    starts = np.sort(np.concatenate([mixed * width, inside]))
    block = number[starts // width]
    # A run ends where the next one starts, but the last of a block ends with its block.
    lengths = np.diff(starts, append=0)
    last = np.flatnonzero(np.diff(block, append=-1))
    lengths[last] = (mixed + 1) * width - starts[last]

    # One integer for block and segment: sorted, equal pairs are neighbours, and the segments of
    # a block rise, so that a segment's place among them is its slot.
    pair, order = _sorted_with_order(block * d + owners[starts])
    is_new = np.ones(len(pair), np.bool_)
    is_new[1:] = pair[1:] != pair[:-1]
    pair_block, pair_owner = np.divmod(pair[is_new], d)
    sizes = np.bincount(pair_block, minlength=len(mixed))
    pair_slot = np.arange(len(pair_block)) - np.repeat(np.cumsum(sizes) - sizes, sizes)

    sets = np.full((len(mixed), max(int(sizes.max(initial=0)), 1)), d, np.intp)
    sets[pair_block, pair_slot] = pair_owner
    # From the sorted order back to that of the runs, and from runs to pixels.
    slot_of_run = np.empty(len(pair), np.uint8)
    slot_of_run[order] = pair_slot[np.cumsum(is_new) - 1]
    slots = np.repeat(slot_of_run, lengths)
    return mixed, slots.reshape(len(mixed), width), sets, sizes


def _sorted_with_order(keys: Indices) -> tuple[Indices, Indices]:
    """Return the sorted keys and the order that sorts them.

    Where a key and its position fit into one integer, one plain sort finds both. Keys are not
    negative.
    """
    shift = max(len(keys), 1).bit_length()
    if int(keys.max(initial=0)).bit_length() + shift >= np.iinfo(np.intp).bits:
        order = np.argsort(keys)
        return keys[order], order
    # Key in the high bits, position in the low ones: equal keys stay in order.
    both = np.sort(keys << shift | np.arange(len(keys)))
    return both >> shift, both & ((1 << shift) - 1)


def _distinct_sets(sets: Indices, sizes: Indices, d: int) -> tuple[Indices, Indices, Indices]:
    """Return the distinct sets, their sizes, and the number of each given set among them.

    The distinct sets begin with the d single segments, in order.
    """
    # A number with the digits size, s_0, s_1, ... to the base d + 1 identifies a set. The size
    # comes first, so that the smaller sets do.
    key = sizes.astype(np.intp)
    bound = MOST_IN_BLOCK + 1
    for column in sets.T:
        if bound > np.iinfo(np.intp).max // (d + 1):
            # Before the next digit overflows: ranks keep the order and are small again.
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
