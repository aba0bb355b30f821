"""What `audit` finds from fifty digits at eight calls each, how often it errs, what it saves.

    python tests/benchmarks/bench_audit.py [--nulls 200] [--planted 100] [--coverage 100]

Planted: classifiers that read the marker of `examples/07_spurious_marker.py`. Null: classifiers
that saw the marker on any digit, as they are and with the weights of its pixels set to zero, so
that it can do nothing; and functions that hash their pixels, in which there is nothing to find at
all. Coverage: threes are
drawn from all threes with replacement, and the truth is that of all of them, from 400 pairs each.
Cost: calls for the same error of the class's map, against the mean of maps of single images
(least squares on Foldover designs, which has the same expectation) at their best budget.
"""

import argparse
import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from timing import print_table

import limelens as ll
from limelens.testing import MARKER, TanhNetwork, digits_classifier, mark

DIGIT, N_IMAGES, CALLS = 3, 50, 8
CELLS = ll.Grid(cell=(2, 2))
DIGITS = load_digits()
THREES = mark(DIGITS.images[DIGITS.target == DIGIT])
CORNER = (slice(0, 4), slice(12, 16))
BUDGETS = (18, 34, 66, 130, 258)


def audited(images: NDArray, model: Callable, seed: int, **settings: object) -> ll.Audit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # images drawn with replacement come twice
        return ll.audit(
            images,
            model,
            target=DIGIT,
            segmenter=CELLS,
            calls_per_image=CALLS,
            rng=seed,
            **settings,
        )


def blind(model: TanhNetwork) -> TanhNetwork:
    """Return a network that does not see the marker."""
    hidden = model.hidden.copy()
    hidden[MARKER.ravel()] = 0
    return TanhNetwork(hidden, model.hidden_bias, model.readout, model.readout_bias)


def hashed(seed: int) -> Callable[[NDArray], NDArray]:
    weights = 50 * np.random.default_rng(seed).normal(size=(64, DIGIT + 1))
    return lambda batch: 0.5 + 0.49 * np.sin(batch.reshape(len(batch), -1) @ weights)


def finds_marker(audit: ll.Audit) -> bool:
    return bool((audit.grid_found[CORNER] & (audit.grid_effects[CORNER] > 0)).any())


def sample(seed: int, *, replace: bool = False) -> NDArray:
    rng = np.random.default_rng([5, seed])
    return THREES[rng.choice(len(THREES), N_IMAGES, replace=replace)]


def detection(n_planted: int, n_nulls: int) -> None:
    power = [
        finds_marker(audited(sample(k), digits_classifier(spoiled=True, rng=k % 10), k))
        for k in range(n_planted)
    ]
    rows = [["marker planted: marker found", n_planted, np.mean(power)]]
    honest, exact, anything = [], [], []
    for k in range(n_nulls):
        model = digits_classifier(rng=k)
        honest.append(finds_marker(audited(sample(k), model, k)))
        found = audited(sample(k), blind(model), k)
        exact.append(found.grid_found[CORNER].any())
        anything.append(len(audited(sample(k), hashed(k), k).found) > 0)
    if n_nulls:
        rows += [
            ["honest classifier: marker found to raise", n_nulls, np.mean(honest)],
            ["blind to the marker: marker found at all", n_nulls, np.mean(exact)],
            ["nothing to find: anything found", n_nulls, np.mean(anything)],
        ]
    print_table(["50 digits x 8 calls", "runs", "share"], rows)


def effects_of(images: NDArray, model: Callable, n_pairs: int, seed: int) -> NDArray:
    """Return the effects of all cells in every image, (n, 16), from fair pairs."""
    segments, rng, found = CELLS(images[0]), np.random.default_rng(seed), []
    for image in images:
        shown = rng.random((n_pairs, 16)) < 0.5
        both = np.concatenate([shown, ~shown])
        p = model(np.where(both[:, segments], image, image.mean()))[:, DIGIT]
        values = np.log(p) - np.log1p(-p)
        differences = values[:n_pairs] - values[n_pairs:]
        found.append(np.linalg.lstsq(2.0 * shown - 1, differences, rcond=None)[0])
    return np.array(found)


def on_cells(values: NDArray) -> NDArray:
    return values[2::4, 2::4].ravel()


def coverage(n_runs: int) -> None:
    rows = []
    for name, model in {
        "spoiled": digits_classifier(spoiled=True),
        "honest": digits_classifier(),
    }.items():
        true = effects_of(THREES, model, 400, 0).mean(axis=0)
        held, ratios, any_region = [], [], []
        for k in range(n_runs):
            found = audited(sample(k, replace=True), model, k)
            half = 2.01 * on_cells(found.grid_errors)  # Student's t with 49 degrees of freedom
            error = on_cells(found.grid_effects) - true
            held.append(np.abs(error) <= half)
            ratios.append([np.mean(error**2), np.mean(on_cells(found.grid_errors) ** 2)])
            effect = found.effect("any region")
            any_region.append(effect.low <= true.mean() <= effect.high)
        actual, said = np.sqrt(np.mean(ratios, axis=0))
        rows.append([name, n_runs, np.mean(held), np.mean(any_region), said / actual])
    print_table(["", "runs", "places", "any region", "said / actual error"], rows)


def cost(n_runs: int) -> None:
    rows = []
    for name, model in {
        "spoiled": digits_classifier(spoiled=True),
        "honest": digits_classifier(),
    }.items():
        true = effects_of(THREES, model, 400, 0).mean(axis=0)
        runs = (audited(sample(k, replace=True), model, k) for k in range(n_runs))
        pooled = np.mean([(on_cells(run.grid_effects) - true) ** 2 for run in runs])
        single = {}
        for budget in BUDGETS:
            design = ll.Foldover()
            explainer = ll.Lime(
                segmenter=CELLS,
                n_samples=budget - 2,
                sampler=design,
                surrogate=ll.Ridge(1e-6),
                kernel_width=1e6,
                include_original=False,
            )
            squares = []
            for k in range(3):
                for image in sample(100 + k)[:20]:
                    e = explainer.explain(image, model, target=ll.log_odds(DIGIT), rng=k)
                    squares.append(np.mean((e.importances[0] - true) ** 2))
            # The mean of m images has a squared error m times smaller.
            single[budget] = budget * np.mean(squares) / pooled
        best = min(single, key=single.get)
        calls = N_IMAGES * CALLS
        rows.append([name, pooled**0.5, calls, single[best], best, single[258]])
        rows[-1] += [calls / single[best], calls / single[258]]
    head = ["", "rms error", "audit: calls", "one by one: calls", "at calls an image", "at 258"]
    print_table([*head, "ratio", "ratio at 258"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nulls", type=int, default=200)
    parser.add_argument("--planted", type=int, default=100)
    parser.add_argument("--coverage", type=int, default=100)
    arguments = parser.parse_args()
    detection(arguments.planted, arguments.nulls)
    coverage(arguments.coverage)
    cost(max(2, arguments.coverage // 3))


if __name__ == "__main__":
    main()
