"""The masking engine against copying memory and against `np.where`.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_engine.py [--quick]

Prints Markdown tables. Every engine is compared bit for bit with `np.where` first.
"""

import argparse
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from skimage.transform import resize
from timing import (
    PICTURES,
    RATIO_COLUMNS,
    Ratios,
    interleaved,
    photograph,
    print_conditions,
    print_table,
    superpixels,
)

from limelens._resampling import enlarging_factor
from limelens.engine.composer import BATCH_BYTES
from limelens.fills.simple import ImageMean
from limelens.masking.pattern_table import pattern_table
from limelens.masking.segment_composer import SegmentComposer
from limelens.masking.soft import soft_composer, soft_masks
from limelens.masking.windows import compose_windows

LAYOUTS = {"uint8 HWC": ("u1", 2), "float32 HWC": ("f4", 2), "float32 CHW": ("f4", 0)}
MANY = 100_000  # rows, so that the table pays


class Case:
    """One photograph in one layout, and what is timed on it."""

    def __init__(self, name: str, size: int, layout: str, n_segments: int) -> None:
        dtype, self.axis = LAYOUTS[layout]
        picture = np.moveaxis(photograph(name, size), 2, self.axis)
        self.image = np.ascontiguousarray(picture).astype(dtype)
        self.background = np.full_like(self.image, 117)
        self.segments = superpixels(name, size, n_segments)
        self.d = int(self.segments.max()) + 1
        self.n = max(1, min(64, BATCH_BYTES // self.image.nbytes))
        self.batch = np.empty((self.n, *self.image.shape), dtype)
        self.rng = np.random.default_rng(0)
        self.coalitions = self.rng.random((self.n, self.d)) < 0.5

    def memcpy(self) -> None:
        self.batch[:] = self.image

    def where(self) -> Any:
        kept = np.expand_dims(self.coalitions[:, self.segments], 1 + self.axis)
        return np.where(kept, self.image, self.background)

    def table(self) -> Any:
        return pattern_table(self.image, self.background, self.segments, self.axis)

    def fill(self) -> Any:
        return ImageMean()(np.moveaxis(self.image, self.axis, -1), None)

    def composer(self, n_rows: int) -> Any:
        return SegmentComposer(self.image, self.background, self.segments, self.axis, n_rows)

    def random_coalitions(self) -> dict[str, Callable[[], Any]]:
        ours = self.composer(MANY)
        np.testing.assert_array_equal(ours(self.coalitions), self.where())
        return {"memcpy": self.memcpy, "ours": lambda: ours(self.coalitions), "where": self.where}

    def single_segments(self) -> dict[str, Callable[[], Any]]:
        rows = np.eye(self.d, dtype=bool)[np.arange(self.n) % self.d]
        ours = self.composer(self.d)
        return {"memcpy": self.memcpy, "ours": lambda: ours(rows)}

    def windows(self) -> dict[str, Callable[[], Any]]:
        side = self.segments.shape[0]
        starts = self.rng.integers(0, side * 7 // 8, (self.n, 2))
        boxes = np.stack([starts, starts + side // 8], axis=2)
        return {
            "memcpy": self.memcpy,
            "ours": lambda: compose_windows(self.image, self.background, boxes, self.axis),
        }

    def soft(self) -> dict[str, Callable[[], Any]]:
        side = self.segments.shape[0]
        cell = -(-side // 7)
        precision = np.result_type(self.image.dtype, np.float32)
        factors = [enlarging_factor(7, side + cell, precision)] * 2
        blend = soft_composer(self.image, self.background, factors, self.axis)
        grids = (self.rng.random((self.n, 7, 7)) < 0.5).astype(precision)
        shifts = self.rng.integers(0, cell, (self.n, 2))
        large = (side + cell, side + cell)
        return {
            "memcpy": self.memcpy,
            "ours": lambda: blend(grids, shifts),
            "masks": lambda: soft_masks(grids, shifts, factors, (side, side)),
            "resize": lambda: resize(grids[0], large, order=1, mode="edge"),
        }


def random_coalitions(sizes: list[int], pictures: tuple[str, ...], repeats: int) -> None:
    to_memcpy, where_to_us, set_up = Ratios(), Ratios(), Ratios()
    for size, layout, segments in itertools.product(sizes, LAYOUTS, (50, 100)):
        label = (str(size), layout, f"~ {segments}")
        for name in pictures:
            case = Case(name, size, layout, segments)
            seconds = interleaved(case.random_coalitions(), repeats)
            to_memcpy.add(label, seconds["ours"], seconds["memcpy"])
            where_to_us.add(label, seconds["where"], seconds["ours"])
            once = interleaved({"table": case.table, "fill": case.fill}, repeats)
            set_up.add(label, once["table"] + once["fill"], seconds["ours"] / case.n)
    columns = ("px", "image", "segments", *RATIO_COLUMNS)
    print("### Compose / memcpy\n\nHow many copies (`batch[:] = image`) a masked image costs.\n")
    print_table(columns, to_memcpy.rows())
    print("### `np.where(coalitions[:, segments][..., None], image, background)` / compose\n")
    print_table(columns, where_to_us.rows())
    print("### Set-up / compose\n\nHow many masked images the fill and the table cost.\n")
    print_table(columns, set_up.rows())


def other_masks(sizes: list[int], pictures: tuple[str, ...], repeats: int) -> None:
    boxes, single, soft, masks = Ratios(), Ratios(), Ratios(), Ratios()
    for size, layout, name in itertools.product(sizes, LAYOUTS, pictures):
        label = (str(size), layout)
        case = Case(name, size, layout, 50)
        for ratios, candidates in ((boxes, case.windows()), (single, case.single_segments())):
            seconds = interleaved(candidates, repeats)
            ratios.add(label, seconds["ours"], seconds["memcpy"])
        seconds = interleaved(case.soft(), repeats)
        soft.add(label, seconds["ours"], seconds["memcpy"])
        masks.add(label, seconds["resize"], seconds["masks"] / case.n)
    columns = ("px", "image", *RATIO_COLUMNS)
    print("### One window hidden / memcpy\n")
    print_table(columns, boxes.rows())
    print("### One segment of ~ 50 kept, few rows / memcpy\n")
    print_table(columns, single.rows())
    print("### Soft mask made and blended / memcpy\n")
    print_table(columns, soft.rows())
    print("### `skimage.transform.resize` / soft mask\n")
    print_table(columns, masks.rows())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two pictures, fewer repeats")
    quick = parser.parse_args().quick
    pictures, repeats = (PICTURES[:2], 5) if quick else (PICTURES, 9)
    print_conditions("The masking engine", pictures)
    random_coalitions([224, 512, 1024], pictures, repeats)
    other_masks([224, 512], pictures, repeats)


if __name__ == "__main__":
    main()
