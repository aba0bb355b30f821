"""Masked images as rows gathered from a table of all appearances of their blocks."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Batch, Coalitions, Image, Segments
from limelens.masking.batches import aligned_empty
from limelens.masking.blocks import Blocks, Indices, border_positions, choose_width, cut
from limelens.masking.layout import Layout, layout_of

CHUNK_INDICES = 1 << 17
"""Row numbers looked up at once: 1 MB of them stay in the cache between the three steps."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PatternTable:
    """Composer of masked batches: one row gather an image.

    Attributes
    ----------
    layout : Layout
    blocks : Blocks
    table : ndarray, shape (planes * blocks.n_rows, width * values)
        All appearances of all blocks.
    tail : tuple of ndarray
        Background and image of the last pixels, `(planes, rest, values)`, which fill no block.
    """

    layout: Layout
    blocks: Blocks
    table: NDArray[Any]
    tail: tuple[NDArray[Any], NDArray[Any]]

    def __call__(self, coalitions: Coalitions) -> Batch:
        """Return the fresh batch `(b, *image.shape)` of coalitions `(b, d)`."""
        shape = (len(coalitions), *self.layout.shape)
        out = aligned_empty(shape, self.table.dtype)
        self.write(coalitions, out)
        return out

    def write(self, coalitions: Coalitions, out: Batch) -> None:
        """Write the batch into `out`, which is C-contiguous and of the image's dtype."""
        layout = self.layout
        n_blocks = layout.planes * len(self.blocks.first_row)
        offsets = self.blocks.offsets(coalitions)
        rest = self.tail[0].shape[1]
        flat = out.reshape(len(out), layout.planes, layout.pixels * layout.values)
        step = max(1, CHUNK_INDICES // n_blocks)
        for start in range(0, len(out), step):
            rows = self._rows(offsets[start : start + step])
            target = flat[start : start + step]
            if rest == 0:
                shape = (len(target), n_blocks, self.table.shape[1])
                np.take(self.table, rows, axis=0, out=target.reshape(shape), mode="clip")
            else:
                self._write_planes(rows, target)
        if rest:
            values = flat.reshape(len(out), layout.planes, layout.pixels, layout.values)
            kept = np.take(coalitions, layout.owners[-rest:], axis=1)[:, None, :, None]
            background, image = self.tail
            values[:, :, -rest:] = np.where(kept, image, background)

    def _rows(self, offsets: Indices) -> Indices:
        """Return the table rows of a few images, shape (b, planes * n_blocks)."""
        blocks, planes = self.blocks, self.layout.planes
        n_blocks = len(blocks.first_row)
        # "clip" because the default would check first, in a buffer; and for the shared row 0
        if planes == 1:
            rows = np.empty((len(offsets), n_blocks), np.intp)
            np.take(offsets, blocks.tuple_of_block, axis=1, out=rows, mode="clip")
            rows += blocks.first_row
            return rows
        rows = np.empty((len(offsets), planes, n_blocks), np.intp)
        first = np.take(offsets, blocks.tuple_of_block, axis=1, mode="clip")
        first += blocks.first_row
        np.maximum(first, 0, out=first)  # the shared row is the first of its plane
        np.add(first[:, None], np.arange(planes)[:, None] * blocks.n_rows, out=rows)
        return rows.reshape(len(offsets), -1)

    def _write_planes(self, rows: Indices, target: NDArray[Any]) -> None:
        """Gather plane by plane, where whole blocks leave a rest of each plane."""
        planes, width = self.layout.planes, self.table.shape[1]
        rows = rows.reshape(len(target), planes, -1)
        n_values = rows.shape[2] * width
        for image_rows, image in zip(rows, target, strict=True):
            for plane_rows, plane in zip(image_rows, image, strict=True):
                into = plane[:n_values].reshape(-1, width)
                self.table.take(plane_rows, axis=0, out=into, mode="clip")


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
        Pixels a block; chosen by the borders between the segments where None.

    Notes
    -----
    A block of consecutive pixels that touches k segments has 2**k appearances, and k is 1 or 2
    for most. Blocks are cut as wide as a table of at most 8 images allows.
    """
    layout = layout_of(image, segments, channel_axis)
    owners = layout.owners
    borders = border_positions(owners)
    width = choose_width(owners, borders) if width is None else width
    kept, hidden = layout.flat(image), layout.flat(background)
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
        for j in range(group.k):
            shown = group.slots == j
            for code in range(1 << j):
                row = rows[(code | 1 << j) - n_shared]
                row[...] = hidden[:1] if code < n_shared else rows[code - n_shared]
                np.copyto(row, image, where=shown)


def _is_constant(pixels: NDArray[Any]) -> bool:
    """Whether all pixels of every plane are equal, bit for bit."""
    raw = pixels.reshape(len(pixels), -1).view(np.uint8)
    step = pixels.dtype.itemsize * pixels.shape[2]
    return bool((raw[:, step:] == raw[:, :-step]).all())


def _as_pixels(part: NDArray[Any], pixel: np.dtype[Any], width: int) -> NDArray[Any]:
    """View values as blocks of pixels, one item of raw bytes each, shape (n_blocks, width)."""
    return part.reshape(-1).view(pixel).reshape(-1, width)
