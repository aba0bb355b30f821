"""Which way of composing masked batches is the cheapest for the rows that come."""

import numpy as np

from limelens._typing import Batch, Coalitions, Image, Segments
from limelens.masking.boxes import SegmentBoxes, segment_boxes
from limelens.masking.memory import FreshBatches
from limelens.masking.pattern_table import PatternTable, pattern_table

# Measured in nanoseconds on one core; only their ratios matter. To write one segment by its box
# costs BOX_COST and BOX_PIXEL_COST for each of its pixels; to build a table costs TABLE_COST and
# TABLE_PIXEL_COST for each pixel of the image; to choose every value of a masked image costs
# CHOICE_COST each.
BOX_COST = 1500
BOX_PIXEL_COST = 2
TABLE_COST = 1_000_000
TABLE_PIXEL_COST = 15
CHOICE_COST = 6

CHOICE_BYTES = 2**20
"""Most bytes that the masks of a choice take beside the batch."""


class SegmentComposer:
    """Composer of masked batches: the table once it pays, before that the cheaper of two ways.

    These are bounding boxes, and, for images of about a hundred pixels, a choice for every value.

    A batch equals `np.where(coalitions[:, segments], image, background)` bit for bit.

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

    Examples
    --------
    >>> image, background = np.array([[1, 2, 3]]), np.array([[7, 8, 9]])
    >>> compose = SegmentComposer(image, background, np.array([[0, 1, 1]]), None, 2)
    >>> compose(np.array([[True, False], [False, True]]))
    array([[[1, 8, 9]],
    <BLANKLINE>
           [[7, 2, 3]]])
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
        self._chooses = False

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
        if self._chooses:
            write_choice(coalitions, out, *self._arrays)
            return
        if self._boxes is None:
            self._boxes = segment_boxes(*self._arrays)
        self._boxes.write(coalitions, out)

    def _table_pays(self, coalitions: Coalitions) -> bool:
        """Return whether boxes and choices would cost more than a table.

        The rows still to come are expected to cost as much each as these. What was paid
        so far counts too, because more rows may come than were announced.
        """
        n, d = coalitions.shape
        if n == 0:
            return False
        pixels, choice_cost = self._arrays[2].size, float(CHOICE_COST * self._arrays[0].size)
        row_cost = choice_cost
        if choice_cost > BOX_COST:
            n_kept = np.count_nonzero(coalitions, axis=1)
            # Boxes start from the image or the background, whichever needs fewer writes, and a
            # segment has pixels / d pixels on average.
            n_writes = float(np.minimum(n_kept, d - n_kept).mean())
            row_cost = min(choice_cost, n_writes * (BOX_COST + BOX_PIXEL_COST * pixels / d))
        self._chooses = row_cost == choice_cost
        expected = self._spent + max(self._rows_left, n) * row_cost
        self._spent += n * row_cost
        return expected > TABLE_COST + TABLE_PIXEL_COST * pixels


def in_some_segment(segments: Segments) -> Segments:
    """Return segments without -1, which pixels that do not count have; a copy only if there are.

    The background is the image there, so that any segment may hold them.

    Examples
    --------
    >>> in_some_segment(np.array([[-1, 0, 1]]))
    array([[0, 0, 1]])
    """
    return segments if segments.min() >= 0 else np.maximum(segments, 0)


def write_choice(
    coalitions: Coalitions,
    out: Batch,
    image: Image,
    background: Image,
    segments: Segments,
    channel_axis: int | None,
) -> None:
    """Write a batch into `out`: for every value the image's or the background's, chosen by a mask.

    Examples
    --------
    >>> out = np.empty((1, 3))
    >>> write_choice(
    ...     np.array([[True, False]]), out, np.ones(3), np.zeros(3), np.array([0, 1, 0]), None
    ... )
    >>> out
    array([[1., 0., 1.]])
    """
    out[...] = background
    together = max(1, CHOICE_BYTES // segments.size)
    for start in range(0, len(out), together):
        shown = coalitions[start : start + together].take(segments, axis=1)
        if channel_axis is not None:
            shown = np.expand_dims(shown, 1 + channel_axis)
        np.copyto(out[start : start + together], image, where=shown)
