"""Masked images for a few rows: copy the image, then write segments by bounding box."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Batch, Coalitions, Image, Segments


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentBoxes:
    """Composer of masked batches that needs no table, only the segments' bounding boxes.

    A row starts as a copy of the image if most of its segments are kept, else of the background.
    Each segment that differs costs one masked write.

    Attributes
    ----------
    image, background : ndarray
        C-contiguous; with channels last, one item of raw bytes per pixel.
    boxes : tuple of tuple of slice
        Bounding box of each segment in `image`.
    inside : tuple of ndarray of bool, or True
        For each segment, which pixels of its box belong to it: True for all.
    """

    image: NDArray[Any]
    background: NDArray[Any]
    boxes: tuple[tuple[slice, ...], ...]
    inside: tuple[NDArray[np.bool_] | bool, ...]

    def write(self, coalitions: Coalitions, out: Batch) -> None:
        """Write the batch into `out`, which is C-contiguous and of the image's dtype."""
        targets = out.view(self.image.dtype).reshape(len(out), *self.image.shape)
        mostly_kept = 2 * np.count_nonzero(coalitions, axis=1) >= coalitions.shape[1]
        bases = [self.image if kept else self.background for kept in mostly_kept.tolist()]
        if mostly_kept.all():
            targets[:] = self.image
        else:
            for target, base in zip(targets, bases, strict=True):
                target[...] = base
        differ = np.nonzero(coalitions != mostly_kept[:, np.newaxis])
        for row, segment in zip(*(each.tolist() for each in differ), strict=True):
            box = self.boxes[segment]
            other = self.background if mostly_kept[row] else self.image
            inside = self.inside[segment]
            if inside is True:
                targets[row][box] = other[box]
            else:
                np.copyto(targets[row][box], other[box], where=inside)


def segment_boxes(
    image: Image, background: Image, segments: Segments, channel_axis: int | None
) -> SegmentBoxes:
    """Find the segments' boxes; image and background have the same shape and dtype."""
    from scipy import ndimage  # noqa: PLC0415

    kept, hidden = np.ascontiguousarray(image), np.ascontiguousarray(background)
    axis = None if channel_axis is None else channel_axis % image.ndim
    if axis == image.ndim - 1:
        # Channels last: a pixel is one item, so the mask need not be repeated for each channel.
        pixel = np.dtype((np.void, image.dtype.itemsize * image.shape[-1]))
        kept, hidden = kept.view(pixel)[..., 0], hidden.view(pixel)[..., 0]
        axis = None
    boxes: list[tuple[slice, ...]] = []
    inside: list[NDArray[np.bool_] | bool] = []
    sizes = np.bincount(segments[segments >= 0]).tolist()
    # find_objects takes label 0 for background, hence + 1.
    for segment, box in enumerate(ndimage.find_objects(segments + 1)):
        boxes.append(box if axis is None else (*box[:axis], slice(None), *box[axis:]))
        if math.prod(side.stop - side.start for side in box) == sizes[segment]:
            inside.append(True)  # as of a grid: the whole box, which is written faster
            continue
        mask = segments[box] == segment
        inside.append(mask if axis is None else np.expand_dims(mask, axis))
    return SegmentBoxes(
        image=kept,
        background=hidden,
        boxes=tuple(boxes),
        inside=tuple(inside),
    )
