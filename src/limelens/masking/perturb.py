"""The masking engine as one public function, for libraries that bring their own method."""

import numpy as np
from numpy.typing import ArrayLike

from limelens._axes import spatial_shape
from limelens._checks.images import (
    check_coalitions,
    check_image,
    check_one_background,
    check_out,
    check_segments,
)
from limelens._typing import Batch
from limelens.masking.memory import aligned_empty
from limelens.masking.segment_composer import SegmentComposer


def perturb(
    image: ArrayLike,
    segments: ArrayLike,
    coalitions: ArrayLike,
    background: ArrayLike,
    *,
    channel_axis: int | None = -1,
    out: Batch | None = None,
) -> Batch:
    """Make one masked image for each coalition of segments.

    Pixel by pixel `np.where(coalitions[:, segments], image, background)`, for all channels and bit
    for bit, at a speed near that of copying the image.

    Parameters
    ----------
    image : array_like
        `(H, W)`, `(H, W, C)`, `(C, H, W)` with `channel_axis=0`, or a volume. Never modified.
    segments : array_like of int, shape (*spatial,)
        Label image with any d >= 2 distinct labels.
    coalitions : array_like of bool, shape (n, d)
        True where a segment is kept; column j is the j-th smallest label.
    background : array_like, shape (*image.shape,), or a number
        What hidden pixels are replaced with; rounded if the image holds integers.
    channel_axis : int or None
        Where the image has its channels. A 2-D image has none, whatever `channel_axis` says.
    out : ndarray, shape (n, *image.shape), optional
        C-contiguous array of the image's dtype to write into, instead of a fresh one.

    Returns
    -------
    ndarray, shape (n, *image.shape)
        In the image's dtype; `out` where it is given.

    Raises
    ------
    InvalidInputError
        Where shapes do not fit, a value does not fit the image's dtype, or `out` cannot be used.

    See Also
    --------
    Lime : Explain a prediction with images masked in this way.

    Notes
    -----
    The image is cut in memory order into blocks of consecutive pixels. A block that touches k
    segments has 2**k appearances; these are precomputed once, and a masked image is then one
    gather of rows. A few coalitions are written segment by segment instead. Memory beyond the
    result is O(image.size): the table takes at most 8 images or 1.75 MiB, labels and the building
    of the table take 15 to 130 bytes per pixel. Row numbers take some 3 MB, and each coalition 24
    bytes.

    Examples
    --------
    >>> image = np.array([[1, 2, 3], [4, 5, 6]])
    >>> segments = [[0, 0, 1], [0, 1, 1]]
    >>> perturb(image, segments, [[True, False], [False, True]], 0)
    array([[[1, 2, 0],
            [4, 0, 0]],
    <BLANKLINE>
           [[0, 0, 3],
            [0, 5, 6]]])
    """
    array, axis = check_image(image, channel_axis)
    labels, ids = check_segments(segments, spatial_shape(array.shape, axis))
    rows = check_coalitions(coalitions, len(ids))
    hidden = check_one_background(background, array)
    shape = (len(rows), *array.shape)
    if out is None:
        batch = aligned_empty(shape, array.dtype)
    else:
        batch = check_out(out, shape, array.dtype)
        if np.may_share_memory(out, array) or np.may_share_memory(out, hidden):
            array, hidden = array.copy(), hidden.copy()
        if np.may_share_memory(out, rows):
            rows = rows.copy()
    SegmentComposer(array, hidden, labels, axis, len(rows)).write(rows, batch)
    return batch
