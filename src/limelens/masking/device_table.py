"""The pattern table on a device: batches gathered where the prepared image lives."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Coalitions, Segments
from limelens.masking.blocks import Blocks, border_positions, choose_width, cut
from limelens.masking.devices import namespace_of, on_device_of
from limelens.masking.layout import Layout, layout_of

WIDEST = 32
"""Most pixels per block. The image is padded to a multiple of it, which every width divides."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DeviceTable:
    """Composer of masked batches on a device: only the coalitions travel there.

    It works like `PatternTable`, with functions of the Array API standard. The image is padded
    until its pixels fill the last block, and the padding is cut off again. Nothing here waits for
    the device: one byte per segment is small enough to be sent at once, while the batch before is
    still being scored.

    Attributes
    ----------
    xp : module
        Array API namespace of all arrays here but `blocks`.
    layout : Layout
    blocks : Blocks
    table : array, shape (planes * blocks.n_rows, width * values)
    bits : array of float, shape (d, t)
        2**j where a segment is the j-th of a set of segments, else 0.
    strides : array, shape (t,)
        Table rows from one code of a set to the next.
    tuple_of_block : array, shape (n_blocks,)
    first_row : array, shape (planes, n_blocks)
        The table row of code 0 in every plane.
    """

    xp: Any
    layout: Layout
    blocks: Blocks
    table: Any
    bits: Any
    strides: Any
    tuple_of_block: Any
    first_row: Any

    def __call__(self, coalitions: Coalitions) -> Any:
        """Return the fresh batch `(b, *image.shape)` of coalitions `(b, d)`, on the device."""
        xp, layout = self.xp, self.layout
        kept = on_device_of(self.table, coalitions.astype(np.uint8), xp)
        # Exact in any floating dtype: sums of distinct powers of two, 2**MOST_IN_BLOCK at most.
        codes = xp.astype(xp.astype(kept, xp.float32) @ self.bits, self.strides.dtype)
        # The equation of `Blocks.offsets`, here with a row of its own for every code 0.
        rows = xp.take(codes * self.strides, self.tuple_of_block, axis=1)
        rows = rows[:, None, :] + self.first_row
        batch = xp.take(self.table, xp.reshape(rows, (-1,)), axis=0)
        batch = xp.reshape(batch, (len(coalitions), layout.planes, -1))
        batch = batch[:, :, : layout.pixels * layout.values]
        return xp.reshape(batch, (len(coalitions), *layout.shape))


def device_table(
    image: Any, background: Any, segments: Segments, channel_axis: int | None
) -> DeviceTable:
    """Precompute all appearances of all blocks, on the device of `image`.

    Parameters
    ----------
    image, background : array, shape (*image.shape,)
        Of one library, dtype and device.
    segments : ndarray of intp, shape (*spatial,)
        Labels `0..d-1`.
    channel_axis : int or None
        Counted from the front.
    """
    xp = namespace_of(image)
    layout = layout_of(image, segments, channel_axis)
    owners = np.pad(layout.owners, (0, -layout.pixels % WIDEST), mode="edge")
    width = choose_width(owners, border_positions(owners), widest=WIDEST)
    blocks = cut(owners, int(owners.max()) + 1, width)
    # The padding repeats the last pixel.
    pixel = np.minimum(np.arange(len(owners)), layout.pixels - 1)
    sources = [on_device_of(image, part, xp) for part in blocks.sources(pixel, layout.pixels)]
    shape = (layout.planes, layout.pixels, layout.values)
    # Background first: a source below layout.pixels is hidden, any other is kept.
    both = xp.concat([xp.reshape(background, shape), xp.reshape(image, shape)], axis=1)
    planes = [xp.take(both[p, :, :], part, axis=0) for p in range(shape[0]) for part in sources]
    table = xp.reshape(xp.concat(planes, axis=0), (-1, width * layout.values))
    first_row = np.arange(layout.planes)[:, np.newaxis] * blocks.n_rows + blocks.first_row
    return DeviceTable(
        xp=xp,
        layout=layout,
        blocks=blocks,
        table=table,
        bits=on_device_of(image, _bits(blocks, int(owners.max()) + 1), xp),
        strides=on_device_of(image, blocks.strides.astype(np.intp), xp),
        tuple_of_block=on_device_of(image, blocks.tuple_of_block, xp),
        first_row=on_device_of(image, first_row, xp),
    )


def _bits(blocks: Blocks, d: int) -> NDArray[np.float32]:
    """Return the matrix that turns coalitions (b, d) into the codes of all sets, (b, t)."""
    n_sets, most = blocks.tuples.shape
    bits = np.zeros((d + 1, n_sets), np.float32)  # row d takes the padding of the smaller sets
    for j in range(most):
        bits[blocks.tuples[:, j], np.arange(n_sets)] = 1 << j
    return bits[:d]
