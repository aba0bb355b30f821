"""How many calls LIME and KernelSHAP need for the error of QuickLime and QuickShap.

    python tests/benchmarks/bench_gains.py --to FOLDER [--pictures astronaut coffee] [--seeds 4]

EfficientNet-lite0 (extra `imagenet`) is asked for all 4096 coalitions of the 12 segments of a
bundled photograph, hidden behind `ImageMean`; a table that is in FOLDER is not asked again. So all
importances are known. Explained are the predicted class, the second one and the hundredth. A gain
is the calls at which the plain method's mean squared error falls to ours (log-log interpolation),
over our calls; a plus says that it did not fall so far with 4096.
"""

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from call_networks import pictures
from call_weights import NETWORKS, network, square
from numpy.typing import NDArray
from table_games import PIXELS
from timing import print_table

from limelens import ImageMean, KernelShap, Lime, QuickLime, QuickShap, RegionTree, Ridge, Slic
from limelens.testing import all_coalitions, exact_values

D, SIDE, BATCH = 12, 224, 8
CALLS = (64, 128, 256)
PLAIN_CALLS = (64, 128, 256, 512, 1024, 2048, 4096)
RANKS = {"predicted": 0, "second": 1, "hundredth": 99}


def twelve_segments(image: NDArray) -> NDArray[np.intp]:
    """Return superpixels of which there are twelve; if need be, smaller ones merged."""
    for wanted in range(D - 4, 3 * D):
        labels = Slic(wanted)(image)
        if labels.max() + 1 == D:
            return labels
    labels = Slic(4 * D)(image)
    d = int(labels.max()) + 1
    for number, pair in enumerate(RegionTree()(image, labels)[: d - D]):
        labels = np.where(np.isin(labels, pair), d + number, labels)
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape)


def record(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the probabilities, (4096, 1000), of all coalitions of a photograph."""
    import torch

    torch.set_num_threads(1)
    ask, prepare = network("lite0", "cpu"), NETWORKS["lite0"].prepare
    image = np.asarray(square(picture, SIDE))
    segments = twelve_segments(image)
    hidden = ImageMean()(image, segments)
    kept, rows = all_coalitions(D), []
    for start in range(0, len(kept), BATCH):
        shown = kept[start : start + BATCH][:, segments, np.newaxis]
        batch = np.where(shown, image, hidden).astype(image.dtype)
        rows.append(np.asarray(ask(torch.from_numpy(prepare(batch)))))
    return np.concatenate(rows).astype(np.float32)


def errors_of(
    makers: list[Callable[[int], object]], calls: tuple[int, ...], table: NDArray, column: int,
    truth: NDArray, seeds: int,
) -> NDArray[np.float64]:  # fmt: skip
    """Return mean squared errors by calls, of the best of some settings of a method."""
    bits = 1 << np.arange(D)

    def predict(batch: NDArray) -> NDArray:
        return table[(batch.reshape(len(batch), -1) > 0.5) @ bits]

    found = np.empty((len(makers), len(calls)))
    for row, maker in enumerate(makers):
        for place, n in enumerate(calls):
            missed = [
                maker(n).explain(np.ones((1, D)), predict, target=column, rng=seed).importances[0]
                - truth
                for seed in range(seeds)
            ]
            found[row, place] = np.square(missed).sum(axis=1).mean()
    return found.min(axis=0)


def gains(ours: NDArray, plain: NDArray) -> list[tuple[float, bool]]:
    """Return for each of our errors the gain, and whether it is only a lower bound."""
    falling = np.minimum.accumulate(plain)
    result = []
    for calls, error in zip(CALLS, ours, strict=True):
        beyond = error < falling[-1]
        needed = np.exp(np.interp(-np.log(error), -np.log(falling), np.log(PLAIN_CALLS)))
        result.append((float(needed / calls), bool(beyond)))
    return result


METHODS = {
    "QuickLime over Lime": (
        "lime",
        lambda n: QuickLime(**PIXELS, max_samples=n, tolerance=0),
        [
            lambda n: Lime(**PIXELS, n_samples=n),
            lambda n: Lime(**PIXELS, n_samples=n, surrogate=Ridge(0.0)),
        ],
    ),
    "QuickShap over KernelShap": (
        "shapley",
        lambda n: QuickShap(**PIXELS, max_samples=n, tolerance=0),
        [lambda n: KernelShap(**PIXELS, n_samples=n)],
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--pictures", nargs="*", default=["astronaut", "coffee", "rocket", "cat"])
    parser.add_argument("--seeds", type=int, default=4)
    settings = parser.parse_args()
    warnings.simplefilter("ignore")
    tables = {}
    for name, picture in pictures():
        path = settings.to / f"{name}.npy"
        if name in settings.pictures and not path.exists():
            np.save(path, record(picture))
        if name in settings.pictures:
            tables[name] = np.load(path)
    rows = []
    for title, (definition, ours, plain) in METHODS.items():
        for rank_name, rank in RANKS.items():
            cells: list[list[tuple[float, bool]]] = []
            for table in tables.values():
                column = int(np.argsort(-table[-1])[rank])
                truth = exact_values(table[:, column].astype(float), definition)[0]
                known = errors_of([ours], CALLS, table, column, truth, settings.seeds)
                other = errors_of(plain, PLAIN_CALLS, table, column, truth, settings.seeds)
                cells.append(gains(known, other))
            row = [title, rank_name]
            for place in range(len(CALLS)):
                seen = [each[place] for each in cells]
                texts = [f"{gain:.1f}{'+' if beyond else ''}" for gain, beyond in seen]
                row.append(f"{np.median([gain for gain, _ in seen]):.1f} ({', '.join(texts)})")
            rows.append(row)
    print(f"Median gain (each of {', '.join(tables)})\n")
    print_table(["", "class", *(f"at {n} calls" for n in CALLS)], rows)


if __name__ == "__main__":
    main()
