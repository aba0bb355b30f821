"""Hidden segments painted over from what surrounds them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limelens._checks.images import check_fill_segments
from limelens._checks.values import check_int
from limelens._resampling import block_sums, linear_weights
from limelens._typing import Floats, Image, Segments

_REACH = 2  # pixels around a hole that the biharmonic equation looks at


@dataclass(frozen=True, kw_only=True)
class Inpaint:
    """Every segment painted over smoothly from its surroundings, as if it had never been there.

    Each segment is filled alone, from the pixels around it, with a biharmonic surface. This
    removes small things from plain surroundings; a segment as large as its surroundings turns into
    a smear.

    Parameters
    ----------
    max_side : int or None, optional
        A segment longer than this is filled at reduced size; None never reduces. The cost grows
        with the number of pixels inside a segment.

    Raises
    ------
    InvalidInputError
        If `max_side` is not an integer >= 4, or on use with window or pixel methods, which have
        no segments.

    Notes
    -----
    Solves ``Δ²u = 0`` inside the segment for the given values around it, and cuts ``u`` at the
    smallest and the largest of these values, per channel.

    References
    ----------
    Damelin and Hoang (2018). On surface completion and image inpainting by biharmonic functions:
    numerical aspects. Int. J. Math. Math. Sci. :doi:`10.1155/2018/3950312`

    Examples
    --------
    >>> image = np.array([[10.0, 20.0, 30.0, 40.0, 50.0]] * 5)
    >>> spot = np.zeros((5, 5), dtype=int)
    >>> spot[2, 2] = 1
    >>> image[spot == 1] = 99
    >>> Inpaint()(image, spot)[2].round(6)[2:3]
    array([30.])
    """

    max_side: int | None = 16

    def __post_init__(self) -> None:
        if self.max_side is not None:
            check_int("max_side", self.max_side, minimum=4)

    def __call__(self, image: Image, segments: Segments | None) -> Floats:
        """Return the background of an image, channels last, for labels of its spatial shape."""
        from scipy.ndimage import find_objects  # noqa: PLC0415

        segments = check_fill_segments(segments, image, type(self).__name__)
        pixels = image[..., np.newaxis] if image.ndim == 2 else image
        filled = np.empty(pixels.shape)
        for label, box in enumerate(find_objects(segments + 1)):
            step = self._step(box)
            room = tuple(
                slice(max(0, side.start - _REACH * step), side.stop + _REACH * step) for side in box
            )
            hidden = segments[room] == label
            filled[room][hidden] = _fill_hole(pixels[room].astype(np.float64), hidden, step)
        return filled.reshape(image.shape)

    def _step(self, box: tuple[slice, ...]) -> int:
        """Return how many pixels, along each axis, are averaged into one."""
        longest = max(side.stop - side.start for side in box)  # the quotient is rounded up
        return 1 if self.max_side is None else -(-longest // self.max_side)


def _fill_hole(pixels: Floats, hidden: NDArray[np.bool_], step: int) -> Floats:
    """Return values for the hidden pixels, shape (n_hidden, c), from those around them."""
    from skimage.restoration import inpaint_biharmonic  # noqa: PLC0415

    known, shares = _block_means(pixels, ~hidden, step)
    hole = shares == 0
    if hole.any():
        known = inpaint_biharmonic(known, hole, channel_axis=-1)
    return _enlarge(known, hidden.shape, step)[hidden]


def _block_means(
    pixels: Floats, known: NDArray[np.bool_], step: int
) -> tuple[Floats, NDArray[np.intp]]:
    """Average the known pixels of every block and count them; a block without any gets 0."""
    starts = [np.arange(0, side, step) for side in known.shape]
    sums = block_sums(pixels * known[..., np.newaxis], starts)
    counts = block_sums(known.astype(np.intp), starts)
    return sums / np.maximum(counts, 1)[..., np.newaxis], counts


def _enlarge(blocks: Floats, shape: tuple[int, ...], step: int) -> Floats:
    """Interpolate linearly from the middles of blocks to pixels, axis by axis."""
    if step == 1:
        return blocks
    for axis, side in enumerate(shape):
        # Pixel p has its middle at p + 1/2, block b at (b + 1/2) * step.
        shares = linear_weights((np.arange(side) + 0.5) / step - 0.5, blocks.shape[axis])
        blocks = np.moveaxis(np.tensordot(shares, blocks, axes=(1, axis)), 0, axis)
    return blocks
