"""Where the windows of a sliding window lie."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limelens._checks.sizes import Region, Sizes, check_region, size_in_pixels
from limelens.errors import InvalidInputError


@dataclass(frozen=True, eq=False)
class WindowGrid:
    """Every position of a sliding window, and which pixels it covers.

    Attributes
    ----------
    sides, window, stride : tuple of int
        In pixels, one number per spatial axis.
    bounds : tuple of (start, stop)
        The region that is explained.
    axis_starts : tuple of ndarray
        First pixel of the windows along each axis; it may lie outside the image.
    starts : ndarray of intp, shape (n, n_axes)
        First pixel of every window, in row-major order.
    """

    sides: tuple[int, ...]
    window: tuple[int, ...]
    stride: tuple[int, ...]
    bounds: tuple[tuple[int, int], ...]
    axis_starts: tuple[NDArray[np.intp], ...]
    starts: NDArray[np.intp]

    @classmethod
    def place(
        cls,
        sides: tuple[int, ...],
        window: Sizes,
        stride: Sizes,
        *,
        edges: str = "clip",
        roi: Region | None = None,
    ) -> "WindowGrid":
        """Place the windows over an image of these sides.

        Raises
        ------
        InvalidInputError
            If a window exceeds its side, a stride its window, or the region the image.

        Examples
        --------
        >>> WindowGrid.place((1, 10), (1, 3), (1, 3)).axis_starts[1]
        array([0, 3, 6, 9])
        >>> WindowGrid.place((1, 10), (1, 3), (1, 3), edges="center").axis_starts[1]
        array([-1,  2,  5,  8])
        """
        bounds = check_region(roi, sides)
        lengths = tuple(stop - start for start, stop in bounds)
        pixels = size_in_pixels("window", window, lengths)
        steps = size_in_pixels("stride", stride, lengths)
        for size, step, length in zip(pixels, steps, lengths, strict=True):
            if size > length:
                raise InvalidInputError(
                    f"`window` must fit the image; got {size} pixels for a side of {length}. Give "
                    "one size per axis, or a share of the side such as window=0.2."
                )
            if step > size:
                raise InvalidInputError(
                    f"`stride` may not exceed `window`, or pixels are never hidden; got {step} and "
                    f"{size} pixels. Lower the stride, for example stride={size}."
                )
        axis_starts = tuple(
            low + _axis_starts(high - low, size, step, edges)
            for (low, high), size, step in zip(bounds, pixels, steps, strict=True)
        )
        mesh = np.meshgrid(*axis_starts, indexing="ij")
        starts = np.stack([axis.ravel() for axis in mesh], axis=1)
        return cls(tuple(sides), pixels, steps, bounds, axis_starts, starts)

    def region(self) -> tuple[slice, ...]:
        """Return the explained region as an index of a spatial array."""
        return tuple(slice(start, stop) for start, stop in self.bounds)

    def overlap(self, number: int | np.intp) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """Return the pixels of the image under a window, and the window's pixels over them."""
        box, part = [], []
        for start, size, side in zip(self.starts[number], self.window, self.sides, strict=True):
            low, high = max(int(start), 0), min(int(start) + size, side)
            box.append(slice(low, high))
            part.append(slice(low - int(start), high - int(start)))
        return tuple(box), tuple(part)

    def over(self, valid: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """Return which windows, shape (n,), lie over a pixel that counts; None: all pixels do."""
        if valid is None:
            return np.ones(len(self.starts), dtype=bool)
        return np.array([valid[self.overlap(k)[0]].any() for k in range(len(self.starts))])

    def coarse(self, *, round_windows: bool = False) -> NDArray[np.bool_]:
        """Return which windows to keep, shape (n,), so that few still cover every pixel.

        Round windows have to overlap: in n dimensions, a disc holds a cube with 1 / sqrt(n) of
        its side.
        """
        share = len(self.sides) ** -0.5 if round_windows else 1.0
        chosen = []
        for starts, size, step in zip(self.axis_starts, self.window, self.stride, strict=True):
            along = np.zeros(len(starts), dtype=bool)
            # Starts are `step` apart, so that the chosen windows are at most share * size apart.
            along[:: max(1, int(share * size) // step)] = True
            along[-1] = True
            chosen.append(along)
        mesh = np.meshgrid(*chosen, indexing="ij")
        return np.asarray(np.logical_and.reduce(mesh)).ravel()

    def count_missed(self, hiding: NDArray[np.bool_], chosen: NDArray[np.bool_]) -> int:
        """Return how many pixels of the region none of the chosen windows hides."""
        hidden = np.zeros(self.sides, dtype=bool)
        for number in np.flatnonzero(chosen):
            box, part = self.overlap(number)
            hidden[box] |= hiding[part]
        return int(np.count_nonzero(~hidden[self.region()]))

    def centred_on(self, pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which windows, shape (n,), have their central pixel among the given ones."""
        centres = np.clip(self.starts + np.array(self.window) // 2, 0, np.array(self.sides) - 1)
        return np.asarray(pixels[tuple(centres.T)])


def _axis_starts(side: int, window: int, stride: int, edges: str) -> NDArray[np.intp]:
    # -(-a // b) is a / b rounded up.
    if edges == "clip":
        # ceil((side - window) / stride) + 1 windows: the last one reaches the far edge.
        return stride * np.arange(-(-(side - window) // stride) + 1)
    # Windows centred on the pixels 0, stride, 2 stride, ... up to the far edge or beyond.
    starts = stride * np.arange(-(-(side - 1) // stride) + 1) - window // 2
    return np.asarray(starts[starts < side])
