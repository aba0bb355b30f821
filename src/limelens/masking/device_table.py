"""The pattern table on a device: batches gathered where the prepared image lives."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Coalitions, Segments
from limelens.masking.blocks import Blocks, border_positions, choose_width, cut
from limelens.masking.layout import Layout, layout_of


def namespace_of(array: Any) -> Any:
    """Return the Array API functions of the library that `array` belongs to.

    Raises
    ------
    ImportError
        Where array-api-compat is not installed.
    TypeError
        Where `array` belongs to no library known to it.
    """
    try:
        import array_api_compat  # noqa: PLC0415
    except ImportError as error:
        msg = "arrays on a device need array-api-compat: pip install limelens[array-api]"
        raise ImportError(msg) from error
    return array_api_compat.array_namespace(array)


def to_numpy(array: Any) -> NDArray[Any]:
    """Copy an array of any library to the host; bfloat16, which NumPy has not, becomes float32."""
    for method in ("detach", "cpu", "get"):  # torch; torch; CuPy
        if callable(getattr(array, method, None)):
            array = getattr(array, method)()
    if str(getattr(array, "dtype", "")).endswith("bfloat16"):
        array = namespace_of(array).astype(array, namespace_of(array).float32)
    return np.asarray(array)


@dataclass(frozen=True, kw_only=True, eq=False)
class DeviceTable:
    """Composer of masked batches on a device: only the codes of the segments travel.

    As `PatternTable`, in the functions of the Array API standard. The last pixels that fill no
    block are padded, and the padding is cut off again.

    Attributes
    ----------
    xp : module
        Array API namespace of all arrays here but `blocks`.
    layout : Layout
    blocks : Blocks
    table : array, shape (planes * blocks.n_rows, width * values)
    tuple_of_block : array, shape (n_blocks,)
    first_row : array, shape (planes, n_blocks)
        The table row of code 0 in every plane.
    """

    xp: Any
    layout: Layout
    blocks: Blocks
    table: Any
    tuple_of_block: Any
    first_row: Any

    def __call__(self, coalitions: Coalitions) -> Any:
        """Return the fresh batch `(b, *image.shape)` of coalitions `(b, d)`, on the device."""
        xp, layout = self.xp, self.layout
        offsets = on_device_of(self.table, self.blocks.offsets(coalitions), xp)
        rows = xp.take(offsets, self.tuple_of_block, axis=1)[:, None, :] + self.first_row
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
    width = choose_width(layout.owners, border_positions(layout.owners))
    n_padded = -layout.pixels % width
    owners = np.pad(layout.owners, (0, n_padded), mode="edge")
    blocks = cut(owners, int(owners.max()) + 1, width)
    pixel = np.minimum(np.arange(len(owners)), layout.pixels - 1)
    sources = [on_device_of(image, part, xp) for part in blocks.sources(pixel, layout.pixels)]
    shape = (layout.planes, layout.pixels, layout.values)
    both = xp.concat([xp.reshape(background, shape), xp.reshape(image, shape)], axis=1)
    planes = [xp.take(both[p, :, :], part, axis=0) for p in range(shape[0]) for part in sources]
    table = xp.reshape(xp.concat(planes, axis=0), (-1, width * layout.values))
    first_row = np.arange(layout.planes)[:, np.newaxis] * blocks.n_rows + blocks.first_row
    return DeviceTable(
        xp=xp,
        layout=layout,
        blocks=blocks,
        table=table,
        tuple_of_block=on_device_of(image, blocks.tuple_of_block, xp),
        first_row=on_device_of(image, first_row, xp),
    )


def on_device_of(like: Any, array: NDArray[Any], xp: Any) -> Any:
    """Copy a NumPy array to the device where `like` lies."""
    import array_api_compat  # noqa: PLC0415

    return xp.asarray(array, device=array_api_compat.device(like))
