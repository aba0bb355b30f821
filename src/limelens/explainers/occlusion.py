"""Occlusion: slide a window over the image and watch the score fall."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from limelens._axes import spatial_shape
from limelens._checks.sizes import Region, Sizes, check_roi, check_size
from limelens._checks.values import check_choice, check_number
from limelens._typing import Batch, Floats, Image, Segments, Valid
from limelens.engine.query import Query
from limelens.errors import InvalidInputError
from limelens.explainers.base import Attribution, FillExplainer, only_where
from limelens.masking.window_grid import WindowGrid
from limelens.masking.windows import compose_shapes, compose_windows, ellipse, gaussian


@dataclass(frozen=True, kw_only=True, eq=False)
class Occlusion(FillExplainer):
    """Hide a sliding window and average the score's fall over the windows that cover a pixel.

    With h_w(x) the degree to which window w hides pixel x (0 or 1 for boxes and discs)::

        map(x) = sum_w h_w(x) (f(image) - f(image without w)) / sum_w h_w(x)

    A value is the fall of the score when a whole window is hidden; it is positive where the pixels
    raise the score. Every pixel is hidden at least once. Memory is
    O(batch_size · image + n_windows · k).

    Parameters
    ----------
    window, stride : int, float or tuple of them
        Size and step of the window, one for all axes or one for each (height, width). An int is
        pixels, a float a share of the side. The stride may not exceed the window.
    edges : {"clip", "center"}
        "clip": windows start at the corner and the far edge cuts the last one; there are
        ``ceil((side - window) / stride) + 1`` along an axis. "center": the first window is centred
        on the corner pixel, and all edges cut windows (MATLAB's MaskClipping).
    shape : {"box", "disc", "gaussian"}
        Shape of the window. "disc" hides the ellipse within the box. "gaussian" blends with the
        weight ``exp(-r^2 / 2)``, r in quarters of the window's side, and is cut off at the box.
    roi : tuple of (start, stop), optional
        Region to explain, one pair per axis in pixels or shares; outside it the map is zero.
    refine : float, optional
        Spend calls where the map is strong. Windows are first placed without overlap. Windows at
        every `stride` follow only if their central pixel is, for any target, among the share
        `refine` of pixels with the highest absolute values of that coarse map.
    fill : callable
        What the window shows; it is given no segments.

    Notes
    -----
    ``details`` holds ``"n_windows"``, ``"window"`` and ``"stride"`` in pixels,
    ``"n_windows_full"``, the number of windows without `refine`, and, if `roi` leaves pixels out,
    the bool array ``"covered"``.

    References
    ----------
    Zeiler, Fergus (2014), "Visualizing and understanding convolutional networks", ECCV.
    doi:10.1007/978-3-319-10590-1_53

    Examples
    --------
    Hiding the two windows lowers the score by 1 + 2 and by 2 + 4; both cover the middle pixel:

    >>> import numpy as np
    >>> from limelens import Constant, Occlusion
    >>> occlusion = Occlusion(window=(1, 2), stride=1, fill=Constant(0))
    >>> total = lambda batch: batch.sum(axis=(1, 2))
    >>> occlusion.explain(np.array([[1.0, 2.0, 4.0]]), total).importances[0]
    array([[3. , 4.5, 6. ]])
    """

    of_differences = True

    window: Sizes = 0.2
    stride: Sizes = 0.1
    edges: Literal["clip", "center"] = "clip"
    shape: Literal["box", "disc", "gaussian"] = "box"
    roi: Region | None = None
    refine: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_size("window", self.window)
        check_size("stride", self.stride)
        if self.roi is not None:
            check_roi(self.roi)
        check_choice("edges", self.edges, ("clip", "center"))
        check_choice("shape", self.shape, ("box", "disc", "gaussian"))
        if self.refine is not None:
            check_number("refine", self.refine, minimum=0, maximum=1, open_minimum=True)

    def _mask_kind(self) -> str:
        return f"windows {self.shape}"

    def _segment(
        self, image: Image, channel_axis: int | None, valid: Valid
    ) -> tuple[Segments | None, dict[str, Any]]:
        # Windows that do not fit this image are refused before the model is asked.
        self._place(spatial_shape(image.shape, channel_axis))
        return None, {}

    def _attribute(self, query: Query, rng: np.random.Generator) -> Attribution:
        grid, hiding, asked = self._place(spatial_shape(query.image.shape, query.channel_axis))
        counts = grid.over(query.valid)  # hiding the other windows changes nothing
        asked &= counts
        intact, _ = query.ends()
        average = _Average(len(intact), grid, hiding)
        average.add(np.flatnonzero(asked), intact - _ask(query, grid, hiding, asked))
        if self.refine:
            strong = _strongest(only_where(query.valid, average.map()), self.refine)
            more = grid.centred_on(strong) & counts & ~asked
            if more.any():
                average.add(np.flatnonzero(more), intact - _ask(query, grid, hiding, more))
            asked |= more
        details: dict[str, Any] = {
            "n_windows": int(np.count_nonzero(asked)),
            "n_windows_full": int(np.count_nonzero(counts)),
            "window": list(grid.window),
            "stride": list(grid.stride),
        }
        if self.roi is not None:
            details["covered"] = np.zeros(grid.sides, dtype=bool)
            details["covered"][grid.region()] = True
        return Attribution(importances=average.map(), details=details)

    def _place(self, sides: tuple[int, ...]) -> tuple[WindowGrid, NDArray[Any], NDArray[np.bool_]]:
        """Return the windows, how they hide their pixels, and which are asked for at first."""
        grid = WindowGrid.place(sides, self.window, self.stride, edges=self.edges, roi=self.roi)
        hiding = self._hiding(grid.window)
        asked = np.ones(len(grid.starts), dtype=bool)
        if self.refine:
            asked = grid.coarse(round_windows=self.shape == "disc")
        missed = 0 if self.shape != "disc" else grid.count_missed(hiding, asked)
        if missed:
            raise InvalidInputError(
                f"`shape`={self.shape!r} with this stride never hides {missed} pixels. Use "
                'edges="center" and a stride of at most half of the window.'
            )
        return grid, hiding, asked

    def _hiding(self, window: tuple[int, ...]) -> NDArray[Any]:
        """Return how much each pixel of the window is hidden, bool or in [0, 1]."""
        if self.shape == "box":
            return np.ones(window, dtype=bool)
        return ellipse(window) if self.shape == "disc" else gaussian(window)


def _ask(query: Query, grid: WindowGrid, hiding: NDArray[Any], asked: NDArray[np.bool_]) -> Floats:
    """Return the target values, shape (n, t), with each of the asked windows hidden."""
    starts = grid.starts[asked]
    boxes = np.stack([starts, starts + grid.window], axis=2)
    whole = hiding.dtype == np.bool_ and bool(hiding.all())

    def compose(rows: NDArray[np.intp], background: int) -> Batch:
        image, behind = query.image, query.backgrounds[background]
        if whole:
            return compose_windows(image, behind, boxes[rows], query.channel_axis)
        return compose_shapes(image, behind, hiding, starts[rows], query.channel_axis)

    keys = boxes.reshape(len(boxes), -1).astype(np.int32).view(np.uint8)
    return query.stream_values(keys, compose)


class _Average:
    """Mean of the windows' values over the windows that cover a pixel, weighted by hiding."""

    def __init__(self, n_targets: int, grid: WindowGrid, hiding: NDArray[Any]) -> None:
        self._grid = grid
        self._hiding = hiding.astype(np.float64)
        self._sums = np.zeros((n_targets, *grid.sides))
        self.weights = np.zeros(grid.sides)

    def add(self, windows: NDArray[np.intp], values: Floats) -> None:
        """Add windows of the grid with their values, shape (n, t)."""
        shape = (-1,) + (1,) * len(self._grid.sides)
        for window, value in zip(windows, values, strict=True):
            box, part = self._grid.overlap(window)
            hiding = self._hiding[part]
            self._sums[(slice(None), *box)] += value.reshape(shape) * hiding
            self.weights[box] += hiding

    def map(self) -> Floats:
        """Return the averages, shape (t, *spatial); zero outside the region."""
        inside = np.zeros(self._grid.sides, dtype=bool)
        inside[self._grid.region()] = True
        shown = inside & (self.weights > 0)
        return np.divide(self._sums, self.weights, out=np.zeros_like(self._sums), where=shown)


def _strongest(maps: Floats, share: float) -> NDArray[np.bool_]:
    """Return which pixels are, for any target, among the share with the highest absolute map."""
    flat = np.abs(maps).reshape(len(maps), -1)
    n_pixels = flat.shape[1]
    cut = np.partition(flat, n_pixels - max(1, round(share * n_pixels)), axis=1)
    lowest = cut[:, n_pixels - max(1, round(share * n_pixels))]
    strong = (flat >= lowest[:, np.newaxis]) & (flat > 0)
    return np.asarray(strong.any(axis=0)).reshape(maps.shape[1:])
