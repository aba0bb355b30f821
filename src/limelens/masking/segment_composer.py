"""Which way of composing masked batches is the cheapest for the rows that come."""

from collections.abc import Callable

import numpy as np

from limelens._typing import Batch, Coalitions, Image, Segments
from limelens.masking.boxes import SegmentBoxes, segment_boxes
from limelens.masking.memory import FreshBatches
from limelens.masking.pattern_table import PatternTable, pattern_table

# Measured in nanoseconds on one core; only their ratios matter. To write one segment by its box
# costs BOX_COST and BOX_PIXEL_COST for each of its pixels; to build a table costs TABLE_COST and
# TABLE_PIXEL_COST for each pixel of the image.
BOX_COST = 1500
BOX_PIXEL_COST = 2
TABLE_COST = 1_000_000
TABLE_PIXEL_COST = 15


class SegmentComposer:
    """Composer of masked batches: bounding boxes at first, the table once it pays.

    Parameters
    ----------
    image, background : ndarray, shape (*image.shape,)
        Of the same dtype.
    segments : ndarray of intp, shape (*spatial,)
        Labels `0..d-1`.
    channel_axis : int or None
    n_rows : int
        Coalitions that will be asked for in all; decides the cost only, never the result.
    """

    def __init__(
        self,
        image: Image,
        background: Image,
        segments: Segments,
        channel_axis: int | None,
        n_rows: int,
    ) -> None:
        self._arrays = (image, background, segments, channel_axis)
        self._rows_left = n_rows
        self._spent = 0.0
        self._batches = FreshBatches()
        self._boxes: SegmentBoxes | None = None
        self._table: PatternTable | None = None

    def __call__(self, coalitions: Coalitions) -> Batch:
        """Return the fresh, C-contiguous batch `(b, *image.shape)` of coalitions `(b, d)`."""
        image = self._arrays[0]
        out = self._batches.empty((len(coalitions), *image.shape), image.dtype)
        self.write(coalitions, out)
        return out

    def write(self, coalitions: Coalitions, out: Batch) -> None:
        """Write the batch into `out`, which is C-contiguous and of the image's dtype."""
        if self._table is None and self._table_pays(coalitions):
            self._table = pattern_table(*self._arrays)
            self._boxes = None
        self._rows_left -= len(coalitions)
        if self._table is not None:
            self._table.write(coalitions, out)
            return
        if self._boxes is None:
            self._boxes = segment_boxes(*self._arrays)
        self._boxes.write(coalitions, out)

    def _table_pays(self, coalitions: Coalitions) -> bool:
        """Return whether boxes would cost more than a table.

        The rows still to come are expected to cost as much each as these. What the boxes have
        cost so far counts too, because more rows may come than were announced.
        """
        n, d = coalitions.shape
        if n == 0:
            return False
        pixels = self._arrays[2].size
        n_kept = np.count_nonzero(coalitions, axis=1)
        # Boxes start from the image or the background, whichever needs fewer writes, and a
        # segment has pixels / d pixels on average.
        n_writes = float(np.minimum(n_kept, d - n_kept).mean())
        row_cost = n_writes * (BOX_COST + BOX_PIXEL_COST * pixels / d)
        expected = self._spent + max(self._rows_left, n) * row_cost
        self._spent += n * row_cost
        return expected > TABLE_COST + TABLE_PIXEL_COST * pixels


def coalition_composer(
    image: Image,
    background: Image,
    segments: Segments,
    channel_axis: int | None,
    n_rows: int,
) -> Callable[[Coalitions], Batch]:
    """Return the function that makes masked batches of one image over one background.

    Parameters
    ----------
    image, background : ndarray, shape (*image.shape,)
        Of the same dtype; any layout in memory, never modified.
    segments : ndarray of intp, shape (*spatial,)
        Labels `0..d-1`.
    channel_axis : int or None
        Where the image has its channels.
    n_rows : int
        Coalitions that will be asked for in all; decides the cost only, never the result.

    Returns
    -------
    callable
        Coalitions `(b, d)`, True where a segment is kept, to a fresh C-contiguous batch
        `(b, *image.shape)` in the image's dtype. It equals
        `np.where(coalitions[:, segments], image, background)` bit for bit.

    Examples
    --------
    >>> image, background = np.array([[1, 2, 3]]), np.array([[7, 8, 9]])
    >>> compose = coalition_composer(image, background, np.array([[0, 1, 1]]), None, 2)
    >>> compose(np.array([[True, False], [False, True]]))
    array([[[1, 8, 9]],
    <BLANKLINE>
           [[7, 2, 3]]])
    """
    return SegmentComposer(image, background, segments, channel_axis, n_rows)
