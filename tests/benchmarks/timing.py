"""What the benchmarks share: pictures, interleaved timing, Markdown tables."""

import functools
import gc
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

PICTURES = (
    "astronaut", "cat", "coffee", "rocket", "retina", "hubble_deep_field",
    "immunohistochemistry", "stereo_motorcycle",
)  # fmt: skip


@functools.cache
def photograph(name: str, size: int) -> NDArray[np.uint8]:
    """Return one of scikit-image's bundled photographs, (size, size, 3)."""
    from skimage import data, transform

    loaded = getattr(data, name)()
    picture = loaded[0] if isinstance(loaded, tuple) else loaded
    resized = transform.resize(picture[..., :3], (size, size), anti_aliasing=True)
    return np.rint(resized * 255).astype(np.uint8)


@functools.cache
def superpixels(name: str, size: int, n_segments: int) -> NDArray[np.intp]:
    """Return SLIC segments 0..d-1, d near `n_segments`, found on a picture of at most 256 px."""
    from skimage import segmentation

    small = min(size, 256)
    best = None
    for asked in np.unique(np.linspace(n_segments, 3 * n_segments, 12).astype(int)):
        labels = segmentation.slic(photograph(name, small), n_segments=asked, start_label=0)
        if best is None or abs(labels.max() + 1 - n_segments) < abs(best.max() + 1 - n_segments):
            best = labels
    rows = np.arange(size) * small // size
    labels = best[rows][:, rows]
    return np.unique(labels, return_inverse=True)[1].reshape(size, size).astype(np.intp)


def interleaved(
    candidates: Mapping[str, Callable[[], object]],
    repeats: int,
    *,
    clock: Callable[[], int] = time.process_time_ns,
    calls: int = 2,
) -> dict[str, NDArray[np.float64]]:
    """Return the seconds of every call; the candidates take turns of `calls` calls each.

    The first call of a turn only brings the candidate's data back into the cache, where one
    candidate's data pushes out the other's.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    gc.disable()
    for _ in range(repeats):
        for name, run in candidates.items():
            for call in range(calls + 1):
                start = clock()
                run()
                elapsed = (clock() - start) / 1e9
                if call:
                    seconds[name].append(elapsed)
    gc.enable()
    return {name: np.array(values) for name, values in seconds.items()}


class Ratios:
    """Ratios of two candidates' times, gathered over pictures."""

    def __init__(self) -> None:
        self._rows: dict[Sequence[str], list[tuple[float, float]]] = {}

    def add(self, label: tuple[str, ...], above: Any, below: Any) -> None:
        """Keep the ratio of the minima and of the medians of repeated runs."""
        pair = (np.min(above) / np.min(below), np.median(above) / np.median(below))
        self._rows.setdefault(label, []).append(pair)

    def rows(self) -> list[tuple[str, ...]]:
        """Return label, middle over the pictures of both, and the worst and best of the minima."""
        table = []
        for label, pairs in self._rows.items():
            of_minima, of_medians = np.array(pairs).T
            table.append((
                *label,
                f"{np.median(of_minima):.3g}",
                f"{np.median(of_medians):.3g}",
                f"{of_minima.min():.3g}-{of_minima.max():.3g}",
            ))  # fmt: skip
        return table


RATIO_COLUMNS = ("ratio of minima", "of medians", "over the pictures")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a Markdown table."""
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)
    print()


def print_conditions(title: str, pictures: Sequence[str] = PICTURES) -> None:
    """Print a heading and what the numbers were measured with."""
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    print(f"## {title}\n")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, {threads} thread(s); "
        f"Python {platform.python_version()}, NumPy {np.__version__}. "
        "Candidates take turns in one process; CPU time; the ratio of their minima and of their "
        f"medians, in the middle over {len(pictures)} photographs.\n"
    )
