"""Masked images as rows gathered from a table of all appearances of their blocks."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Batch, Coalitions, Image, Indices, Segments
from limelens.masking.blocks import MAX_IMAGES, Blocks, border_positions, choose_width, cut
from limelens.masking.layout import Layout, layout_of
from limelens.masking.memory import aligned_empty

TILE_BYTES = 768 << 10
"""Size of the parts of a table. A part stays in the cache while all images take rows from it."""

CHUNK_ROWS, CHUNK_INDICES = 256, 1 << 17
"""Most coalitions coded at once, and most row numbers looked up at once (1 MB of them)."""

SMALL_TABLE_BYTES, SMALL_TABLE_IMAGES = 7 << 18, 16.0
"""A table of up to 1.75 MiB fits the cache of a core and may hold up to 16 images.

That allows wider blocks, so that fewer rows make a masked image.
"""

ROW_BYTES = 384
"""Longest row. Longer ones are copied no faster, and wider blocks have more appearances."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PatternTable:
    """Composer of masked batches: one gather of table rows per image.

    Attributes
    ----------
    layout : Layout
    blocks : Blocks
    table : ndarray, shape (planes * blocks.n_rows, width * values)
        All appearances of all blocks.
    tail : tuple of ndarray
        The last pixels of background and image, which fill no block, `(planes, rest, values)`.
    """

    layout: Layout
    blocks: Blocks
    table: NDArray[Any]
    tail: tuple[NDArray[Any], NDArray[Any]]

    def write(self, coalitions: Coalitions, out: Batch) -> None:
        """Write the batch into `out`, which is C-contiguous and of the image's dtype."""
        layout, n_blocks = self.layout, len(self.blocks.first_row)
        pixels = out.reshape(len(out), layout.planes, layout.pixels, layout.values)
        in_blocks = pixels[:, :, : n_blocks * self.blocks.width]
        in_blocks = in_blocks.reshape(len(out), layout.planes, n_blocks, self.table.shape[1])
        background, image = self.tail
        rest = background.shape[1]
        for part, rows in self._parts(coalitions):
            target = in_blocks[part]
            for planes, blocks in self._tiles(len(rows)):
                self._gather(rows[:, planes, blocks], target[:, planes, blocks])
            if rest:
                kept = np.take(coalitions[part], layout.owners[-rest:], axis=1)
                pixels[part, :, -rest:] = np.where(kept[:, None, :, None], image, background)

    def _parts(self, coalitions: Coalitions) -> Iterator[tuple[slice, Indices]]:
        """Yield a few images at a time, and their table rows, `(b, planes, n_blocks)`."""
        step = max(1, CHUNK_INDICES // (self.layout.planes * len(self.blocks.first_row)))
        for first in range(0, len(coalitions), CHUNK_ROWS):
            offsets = self.blocks.offsets(coalitions[first : first + CHUNK_ROWS])
            for start in range(0, len(offsets), step):
                rows = self._rows(offsets[start : start + step])
                yield slice(first + start, first + start + len(rows)), rows

    def _rows(self, offsets: Indices) -> Indices:
        """Return the table rows of a few images, shape (b, planes, n_blocks)."""
        blocks, planes = self.blocks, self.layout.planes
        rows = np.empty((len(offsets), planes, len(blocks.first_row)), np.intp)
        first = rows[:, 0]
        # mode="clip" writes into `out` at once; the default mode would buffer it.
        offsets.take(blocks.tuple_of_block, axis=1, out=first, mode="clip")
        first += blocks.first_row
        if planes > 1:
            # A negative row means the shared row 0, which every plane has. It must be 0 before
            # plane p adds p * n_rows; with a single plane the clipping in `_gather` does that.
            np.maximum(first, 0, out=first)
            np.add(first[:, None], np.arange(1, planes)[:, None] * blocks.n_rows, out=rows[:, 1:])
        return rows

    def _tiles(self, n_images: int) -> list[tuple[slice, slice]]:
        """Return the planes and blocks that are gathered together: whole planes, or parts of one.

        The table is many times as large as an image, and every image needs rows from all of it.
        So all images take their rows from one part of the table, then all from the next.
        """
        planes, n_blocks = self.layout.planes, len(self.blocks.first_row)
        n_tiles = max(1, self.table.nbytes // TILE_BYTES) if n_images > 1 else 1
        together, n_parts = -(-planes // n_tiles), max(1, n_tiles // planes)
        if self.tail[0].shape[1]:
            together = 1  # the pixels that fill no block lie between one plane and the next
        ends = [n_blocks * part // n_parts for part in range(n_parts + 1)]
        return [
            (slice(plane, plane + together), slice(*part))
            for plane in range(0, planes, together)
            for part in itertools.pairwise(ends)
        ]

    def _gather(self, rows: Indices, target: NDArray[Any]) -> None:
        """Copy table rows (b, planes, blocks) into `target`, which each image fills without gaps.

        Clipping turns negative row numbers into the shared row 0.
        """
        if target.flags.c_contiguous:
            self.table.take(rows, axis=0, out=target, mode="clip")
            return
        for image_rows, image in zip(rows, target, strict=True):
            self.table.take(image_rows, axis=0, out=image, mode="clip")


def pattern_table(
    image: Image,
    background: Image,
    segments: Segments,
    channel_axis: int | None,
    *,
    width: int | None = None,
) -> PatternTable:
    """Precompute all appearances of all blocks of one image over one background.

    Parameters
    ----------
    image, background : ndarray, shape (*image.shape,)
        Of the same dtype.
    segments : ndarray of intp, shape (*spatial,)
        Labels `0..d-1`.
    channel_axis : int or None
    width : int, optional
        Pixels per block. None chooses the width by the borders between the segments.

    Notes
    -----
    A block of consecutive pixels that touches k segments has 2**k appearances, and k is 1 or 2
    for most blocks. Two limits set the width of the blocks: a row has at most 384 bytes, and the
    table at most the size of 8 images, or of 16 images if it stays within 1.75 MiB.
    """
    layout = layout_of(image, segments, channel_axis)
    owners = layout.owners
    borders = border_positions(owners)
    kept, hidden = layout.flat(image), layout.flat(background)
    if width is None:
        widest = max(1, ROW_BYTES // (kept.itemsize * layout.values))
        fitting = min(SMALL_TABLE_BYTES / max(1, image.nbytes), SMALL_TABLE_IMAGES)
        most = max(MAX_IMAGES, fitting)
        width = choose_width(owners, borders, widest=widest, most_images=most)
    blocks = cut(
        owners,
        int(owners.max()) + 1,
        width,
        borders=borders,
        shares_hidden=_is_constant(hidden),
    )
    main = len(blocks.first_row) * width
    table = aligned_empty((layout.planes, blocks.n_rows, width * layout.values), kept.dtype)
    for plane, plane_kept, plane_hidden in zip(table, kept, hidden, strict=True):
        _fill_table(plane, blocks, plane_kept[:main], plane_hidden[:main])
    return PatternTable(
        layout=layout,
        blocks=blocks,
        table=table.reshape(-1, table.shape[2]),
        tail=(hidden[:, main:].copy(), kept[:, main:].copy()),
    )


def _fill_table(
    table: NDArray[Any], blocks: Blocks, kept: NDArray[Any], hidden: NDArray[Any]
) -> None:
    """Write all appearances; kept and hidden are the pixels `(n_blocks * width, values)`."""
    # One item of raw bytes per pixel, so that a mask of pixels serves all its values.
    width = blocks.width
    pixel = np.dtype((np.void, kept.dtype.itemsize * kept.shape[1]))
    kept, hidden, table = (_as_pixels(part, pixel, width) for part in (kept, hidden, table))
    n_shared = int(blocks.shares_hidden)
    table[:n_shared] = hidden[:n_shared]
    start = n_shared
    for group in blocks.groups:
        n_codes, m = (1 << group.k) - n_shared, len(group.blocks)
        rows = table[start : start + n_codes * m].reshape(n_codes, m, width)
        start += n_codes * m
        if n_shared == 0:
            np.take(hidden, group.blocks, axis=0, out=rows[0], mode="clip")
        if group.slots is None:
            np.take(kept, group.blocks, axis=0, out=rows[-1], mode="clip")
            continue
        image = np.take(kept, group.blocks, axis=0, mode="clip")
        # Appearance code | 1 << j is appearance `code`, which has no bit from j on, with one more
        # segment shown. In this order appearance `code` is always there already.
        for j in range(group.k):
            shown = group.slots == j
            for code in range(1 << j):
                row = rows[(code | 1 << j) - n_shared]
                row[...] = hidden[:1] if code < n_shared else rows[code - n_shared]
                np.copyto(row, image, where=shown)


def _is_constant(pixels: NDArray[Any]) -> bool:
    """Return whether all pixels of every plane are equal, bit for bit."""
    raw = pixels.reshape(len(pixels), -1).view(np.uint8)
    # If every pixel equals the next one, all are equal.
    step = pixels.dtype.itemsize * pixels.shape[2]
    return bool((raw[:, step:] == raw[:, :-step]).all())


def _as_pixels(part: NDArray[Any], pixel: np.dtype[Any], width: int) -> NDArray[Any]:
    """View values as blocks of pixels, one item of raw bytes each, shape (n_blocks, width)."""
    return part.reshape(-1).view(pixel).reshape(-1, width)
