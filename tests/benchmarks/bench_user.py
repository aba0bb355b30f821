"""What a person waits for: the time of whole calls, outside the model, before and now.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_user.py [--only save]

The model is nearly free. "Before" are the milliseconds of the version that the goals were set
for, measured on another day: the ratio to them is a rough one. Ratios within the run are not.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from timing import photograph, print_table, superpixels

import limelens as ll
from limelens.games.lime_kernel import cosine_distance, kernel_weights

CLASSES = np.random.default_rng(0).normal(size=(30, 1000)) / 3
SMALL = np.random.default_rng(5).normal(size=(32 * 32 * 3, 5)) / 40

Row: TypeAlias = tuple[str, str, str, str, str]  # what, before, now, goal, whether it is met


def probabilities(batch: NDArray[Any]) -> NDArray[np.float32]:
    """Score a batch by thirty of its pixels: a thousand classes that compete."""
    pixels = batch[:, ::53, ::53].reshape(len(batch), -1)[:, :30].astype(np.float64) / 255
    odds = np.exp(pixels @ CLASSES)
    return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


def small_model(batch: NDArray[Any]) -> NDArray[np.float64]:
    """Score images of 32 pixels by all of them, five classes."""
    odds = np.exp(batch.reshape(len(batch), -1) / 255 @ SMALL)
    return odds / odds.sum(axis=1, keepdims=True)


def milliseconds(run: Callable[[], object], repeats: int = 3) -> float:
    """Return the shortest CPU time of a few calls, after one that warms up."""
    run()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(1e3 * (time.process_time() - start))
    return min(times)


def row(
    what: str, before: float | None, now: float, goal: float | None = None, unit: str = "ms"
) -> Row:
    """Return a line of the table; `goal` is the largest number that meets it."""
    earlier = "" if before is None else f"{before:.3g} {unit}"
    if goal is None:
        return what, earlier, f"{now:.3g} {unit}", "", ""
    return what, earlier, f"{now:.3g} {unit}", f"{goal:.3g} {unit}", "yes" if now <= goal else "no"


def targets() -> Iterator[Row]:
    """Ten and a hundred targets against one, `QuickShap` and `QuickLime` of 256 calls."""
    image, labels = photograph("astronaut", 224), superpixels("astronaut", 224, 50)
    before = {"QuickShap": {1: 84, 10: 684, 100: 12_000}, "QuickLime": {}}
    for name, earlier in before.items():
        explainer = getattr(ll, name)(
            segmenter=ll.LabelImage(labels), max_samples=256, tolerance=0.0
        )
        times = {
            n: milliseconds(
                lambda n=n, e=explainer: e.explain(image, probabilities, target=range(n), rng=0), 2
            )
            for n in (1, 10, 100)
        }
        yield row(f"`{name}`, one target", earlier.get(1), times[1])
        for n, goal in ((10, 2), (100, 8)):
            ratio = earlier[n] / earlier[1] if n in earlier else None
            yield row(f"`{name}`, {n} targets / one", ratio, times[n] / times[1], goal, "times")


def rise() -> Iterator[Row]:
    """`Rise` of a thousand masks."""
    image = photograph("astronaut", 224)
    explainer = ll.Rise(n_masks=1000)
    run = lambda: explainer.explain(image, probabilities, target=0, rng=0)  # noqa: E731
    yield row("`Rise(n_masks=1000)`, 224 px", 358, milliseconds(run), 130)


def cubes() -> Iterator[Row]:
    """Fits on many segments: the lasso against ridge, and the stability report."""
    rng = np.random.default_rng(0)
    before = {500: 0.49, 1000: 3.5, 2000: 28}
    for d in before:
        rows = rng.random((1000, d)) < 0.5
        effects = np.where(rng.random(d) < 0.1, rng.normal(size=d), 0.0)
        scores = 1 / (1 + np.exp(-((rows - 0.5) @ effects + 0.3 * rng.normal(size=1000))))
        problem = rows, scores[:, np.newaxis], kernel_weights(cosine_distance(rows), 0.25)
        ridge, lasso = (
            milliseconds(lambda s=s, p=problem: s(*p), 1) for s in (ll.Ridge(), ll.Lasso())
        )
        yield row(f"`Lasso`, {d} segments, 1000 rows", before[d], lasso / 1e3, 3 * ridge / 1e3, "s")
    explainer = ll.Lime(
        segmenter=ll.Grid(cell=(4, 5)), n_samples=1000, surrogate=ll.Ridge(), fill=ll.Constant(0)
    )
    explanation = explainer.explain(photograph("astronaut", 200), probabilities, target=0, rng=0)
    report = milliseconds(lambda: explanation.stability_report(rng=0), 1)
    yield row("`stability_report`, 2000 segments", None, report / 1e3, 2, "s")


def save() -> Iterator[Row]:
    """A file of a thousand rows of a thousand scores."""
    image = photograph("astronaut", 224)
    explanation = ll.Lime(n_samples=1000).explain(image, probabilities, target=0, rng=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "why.npz"
        yield row("`save`, 1000 classes", 158, milliseconds(lambda: explanation.save(path)), 20)
        yield row("size of that file", 3.7, path.stat().st_size / 1e6, 1, "MB")
        every = milliseconds(lambda: explanation.save(path, samples="all"))
        yield row("`save(samples='all')`", 158, every)


def small() -> Iterator[Row]:
    """Explanations of 32 x 32 x 3."""
    image = photograph("astronaut", 32)
    grid = ll.Grid(49)
    cases = {
        "Ablation": (ll.Ablation(segmenter=grid), 1220, 2),
        "KernelShap(200)": (ll.KernelShap(segmenter=grid, n_samples=200), 485, 2),
        "Lime(1000)": (ll.Lime(segmenter=grid, n_samples=1000), 117, 2),
        "QuickLime": (ll.QuickLime(segmenter=grid), 68, 2),
        "Owen": (ll.Owen(segmenter=grid), 55, 2),
        "QuickShap": (ll.QuickShap(segmenter=grid), 18, 5),
        "Anchors": (ll.Anchors(segmenter=grid), 1.2, 5),
    }
    for name, (explainer, a_second, times) in cases.items():
        run = lambda e=explainer: e.explain(image, small_model, rng=0)  # noqa: E731
        before = 1e3 / a_second
        yield row(f"`{name}`, 32 px", before, milliseconds(run), before / times)


FIRST = """
import time
start = time.process_time()
import numpy as np
import limelens as ll
image = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
ll.Lime({settings}).explain(image, lambda batch: batch[:, 9, 9], target=0, rng=0)
print(1e3 * (time.process_time() - start))
"""
PEERS = ("lime.lime_image", "captum.attr", "shap")


def first_use() -> Iterator[Row]:
    """A fresh process that imports limelens and explains; beside it, the import of its peers."""
    for name, settings, before in (
        ("a grid", "segmenter=ll.Grid(49), n_samples=100", 240),
        ("`Slic`", "n_samples=100", 530),
    ):
        took = min(fresh(FIRST.format(settings=settings)) for _ in range(3))
        yield row(f"first `Lime` of a process, {name}", before, took, 1.2 * before)
    for module in PEERS:
        if importlib.util.find_spec(module.split(".")[0]) is not None:
            code = f"import time; s = time.process_time(); import {module}; "
            took = fresh(code + "print(1e3 * (time.process_time() - s))")
            yield row(f"`import {module}`", None, took)


def fresh(code: str) -> float:
    """Return the number that a fresh process prints last."""
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env=dict(os.environ),
    )
    return float(run.stdout.split()[-1])


PARTS = {each.__name__: each for each in (targets, rise, cubes, save, small, first_use)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=PARTS, help="this part of the table alone")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print("## What a person waits for\n\nCPU time of whole calls, the shortest of a few.\n")
    parts = [PARTS[arguments.only]] if arguments.only else PARTS.values()
    columns = ("what", "before", "now", "goal", "met")
    print_table(columns, (line for part in parts for line in part()))


if __name__ == "__main__":
    main()
