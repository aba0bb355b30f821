"""The calls that `bench_user` times, in whatever version of limelens is imported.

Run as a script it reads the name of a case a line, runs it once, and prints its number.
"""

import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from timing import photograph, superpixels

import limelens as ll
from limelens.games.lime_kernel import cosine_distance, kernel_weights

CLASSES = np.random.default_rng(0).normal(size=(30, 1000)) / 3
SMALL = np.random.default_rng(5).normal(size=(32 * 32 * 3, 5)) / 40
LATENCY = 0.05
_inside = [0.0]  # seconds of the processor in the model

Case = Callable[[], float]


def outside(model: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Count the time that the model takes."""

    def counted(batch: Any) -> Any:
        start = time.process_time()
        scores = model(batch)
        _inside[0] += time.process_time() - start
        return scores

    return counted


@outside
def probabilities(batch: NDArray[Any]) -> NDArray[np.float32]:
    """Score a batch by thirty of its pixels: a thousand classes that compete."""
    pixels = batch[:, ::53, ::53].reshape(len(batch), -1)[:, :30].astype(np.float64) / 255
    odds = np.exp(pixels @ CLASSES)
    return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


@outside
def small_model(batch: NDArray[Any]) -> NDArray[np.float64]:
    """Score images of 32 pixels by all of them, five classes."""
    odds = np.exp(batch.reshape(len(batch), -1) / 255 @ SMALL)
    return odds / odds.sum(axis=1, keepdims=True)


@outside
def near_free(batch: NDArray[Any]) -> NDArray[Any]:
    """Take one pixel in a thousand."""
    return batch[:, ::32, ::32].reshape(len(batch), -1).mean(axis=1)


def waiting(batch: NDArray[Any]) -> NDArray[Any]:
    """Answer after 50 ms, whatever is asked."""
    time.sleep(LATENCY)
    return near_free(batch)


def cpu(run: Callable[[], object]) -> float:
    """Return the milliseconds of the processor that a call takes outside the model."""
    _inside[0] = 0.0
    start = time.process_time()
    run()
    return 1e3 * (time.process_time() - start - _inside[0])


def wall(run: Callable[[], object]) -> float:
    """Return the milliseconds of the clock."""
    start = time.perf_counter()
    run()
    return 1e3 * (time.perf_counter() - start)


def labels() -> Any:
    """Return fifty given segments, so that segmenting is not timed."""
    return ll.LabelImage(superpixels("astronaut", 224, 50))


def of_targets(name: str, n: int) -> Case:
    explainer = getattr(ll, name)(segmenter=labels(), max_samples=256, tolerance=0.0)
    image = photograph("astronaut", 224)
    return lambda: cpu(lambda: explainer.explain(image, probabilities, target=range(n), rng=0))


def rise(side: int, n_masks: int, n_targets: int) -> Case:
    image, explainer = photograph("astronaut", side), ll.Rise(n_masks=n_masks)
    return lambda: cpu(
        lambda: explainer.explain(image, probabilities, target=range(n_targets), rng=0)
    )


def fit(surrogate: Any, d: int) -> Case:
    """A thousand rows of d segments, of which a tenth matter."""
    rng = np.random.default_rng(0)
    rows = rng.random((1000, d)) < 0.5
    effects = np.where(rng.random(d) < 0.1, rng.normal(size=d), 0.0)
    scores = 1 / (1 + np.exp(-((rows - 0.5) @ effects + 0.3 * rng.normal(size=1000))))
    problem = rows, scores[:, np.newaxis], kernel_weights(cosine_distance(rows), 0.25)
    return lambda: cpu(lambda: surrogate(*problem))


def stability(side: int, cell: tuple[int, int], n_samples: int) -> Case:
    """The report on hardly more rows than segments, those of a grid of such cells."""
    explainer = ll.Lime(
        segmenter=ll.Grid(cell=cell), n_samples=n_samples, surrogate=ll.Ridge(), fill=ll.Constant(0)
    )
    image = photograph("astronaut", side)
    explanation = explainer.explain(image, probabilities, target=0, rng=0)
    return lambda: cpu(lambda: explanation.stability_report(rng=0))


@cache
def thousand_classes() -> Any:
    image = photograph("astronaut", 224)
    return ll.Lime(segmenter=labels(), n_samples=1000).explain(
        image, probabilities, target=0, rng=0
    )


def save(**settings: Any) -> Case:
    path, explanation = Path(tempfile.mkdtemp()) / "why.npz", thousand_classes()
    return lambda: cpu(lambda: explanation.save(path, **settings))


def size_of_file() -> float:
    path = Path(tempfile.mkdtemp()) / "why.npz"
    thousand_classes().save(path)
    return path.stat().st_size / 1e6


def small(explainer: Any) -> Case:
    image = photograph("astronaut", 32)
    return lambda: cpu(lambda: explainer.explain(image, small_model, rng=0))


def again() -> float:
    """Lime with its default segmenter, of an image that was just explained."""
    image, lime = photograph("astronaut", 224), ll.Lime(n_samples=100)
    lime.explain(image, near_free, target=0, rng=0)
    return cpu(lambda: lime.explain(image, near_free, target=0, rng=0))


def of_batches(clock: Callable[..., float], model: Any, **settings: Any) -> Case:
    lime, image = ll.Lime(segmenter=labels(), n_samples=1000), photograph("astronaut", 224)
    return lambda: clock(lambda: lime.explain(image, model, target=0, rng=0, **settings))


def threads(explainer: Any) -> Case:
    image = photograph("astronaut", 224)
    return lambda: wall(lambda: explainer.explain(image, near_free, target=0, rng=0))


GRID = ll.Grid(49)
CASES: dict[str, Callable[[], Case]] = {
    **{
        f"{name}, {n}": lambda name=name, n=n: of_targets(name, n)
        for name in ("QuickShap", "QuickLime")
        for n in (1, 10, 100)
    },
    "Rise, 224 px": lambda: rise(224, 1000, 1),
    "Rise, 10 targets": lambda: rise(224, 1000, 10),
    "Rise, 1024 px": lambda: rise(1024, 100, 1),
    **{f"Ridge, {d}": lambda d=d: fit(ll.Ridge(), d) for d in (500, 1000, 2000)},
    **{f"Lasso, {d}": lambda d=d: fit(ll.Lasso(), d) for d in (500, 1000, 2000)},
    "stability, 1000": lambda: stability(192, (6, 6), 1100),
    "stability, 2000": lambda: stability(200, (4, 5), 2100),
    "save": lambda: save(),
    "size": lambda: size_of_file,
    "save all": lambda: save(samples="all"),
    "Ablation": lambda: small(ll.Ablation(segmenter=GRID)),
    "KernelShap(200)": lambda: small(ll.KernelShap(segmenter=GRID, n_samples=200)),
    "Lime(1000)": lambda: small(ll.Lime(segmenter=GRID, n_samples=1000)),
    "QuickLime": lambda: small(ll.QuickLime(segmenter=GRID)),
    "Owen": lambda: small(ll.Owen(segmenter=GRID)),
    "QuickShap": lambda: small(ll.QuickShap(segmenter=GRID)),
    "Anchors": lambda: small(ll.Anchors(segmenter=GRID)),
    "again": lambda: again,
    "one at a time": lambda: of_batches(wall, waiting, batch_size=64),
    "8 in flight": lambda: of_batches(wall, waiting, batch_size=64, in_flight=8),
    **{
        f"batches of {size}": lambda size=size: of_batches(cpu, near_free, batch_size=size)
        for size in (16, 32, 64, 111, "auto")
    },
    "Lime, 224 px": lambda: of_batches(cpu, near_free),
    "threads, QuickLime": lambda: threads(
        ll.QuickLime(segmenter=labels(), max_samples=1026, tolerance=0.0)
    ),
    "threads, KernelShap": lambda: threads(ll.KernelShap(segmenter=labels(), n_samples=300)),
    "threads, Lime": lambda: threads(ll.Lime(segmenter=labels(), n_samples=300)),
}


def main() -> None:
    warnings.simplefilter("ignore")
    ready: dict[str, Case] = {}
    for line in sys.stdin:
        name = line.strip()
        if name not in ready:
            ready[name] = CASES[name]()
        print(ready[name](), flush=True)


if __name__ == "__main__":
    main()
