"""Ask real networks, on a GPU, all that `bench_model_calls.py` wants to know of them, and keep it.

    python tests/benchmarks/record_networks.py --to FOLDER [--photographs FOLDER] [--seconds 400]

EfficientNet-lite0, -lite1, -lite2 (as far as their packages are installed) on scikit-image's
bundled photographs and on those of a folder, in half precision. One file a game, of about half a
megabyte; `bench_model_calls.py --recorded FOLDER` reads them and needs no network then.
"""

import argparse
import itertools
import multiprocessing
import time
import warnings
from pathlib import Path

import numpy as np
from call_games import Game, Masks
from call_methods import (
    LIME_CALLS,
    answer,
    insertion_minus_deletion,
    kernel_shap,
    lime_coalitions,
    lime_estimates,
    our_blocks,
    our_fits,
)
from call_networks import SIDES, few_segments, network_game, pictures
from call_recorded import KERNEL_FACTORS, SHAPLEY_CALLS, ends_of, reduce_columns, save_answered
from numpy.typing import NDArray

from limelens.testing import all_coalitions

N_SEEDS = 3


def record_lime(game: Game, n_truth: int, path: Path) -> None:
    """LIME's target: the truth, what lime and QuickLime ask, and how well their maps do."""
    known = answer(game, n_truth)
    drops = np.full((len(known.columns), 2, 2), np.nan)
    for seed in range(2):
        fits = our_fits(known, our_blocks(game, seed))
        lime = lime_estimates(known, (1000,), seed)[1000]
        for t, column in enumerate(known.columns):
            for which, phi in enumerate((lime[t], fits[t].importances)):
                drops[t, which, seed] = insertion_minus_deletion(game, column, phi)
    ours = [block for seed in range(N_SEEDS) for block in our_blocks(game, seed)]
    plain = [lime_coalitions(game.d, max(LIME_CALLS), seed) for seed in range(N_SEEDS)]
    save(path, known, game, ours, [*plain, *(z for z, _ in known.unseen)], drops=drops)


def record_shapley(game: Game, n_truth: int, path: Path) -> None:
    """Shapley values: the truth, what QuickShap asks, what KernelSHAP finds."""
    known = answer(game, n_truth, "shapley")
    seeds = range(N_SEEDS)
    ours = [
        block
        for calls, seed in itertools.product(SHAPLEY_CALLS, seeds)
        for block in our_blocks(game, seed, shapley=True, calls=calls)
    ]
    kernel = {
        f"kernel_{factor * calls}_{seed}": kernel_shap(game, known.columns, factor * calls, seed)
        for calls, factor, seed in itertools.product(SHAPLEY_CALLS, KERNEL_FACTORS, seeds)
    }
    save(path, known, game, ours, [z for z, _ in known.unseen], **kernel)


def record_few(game: Game, n_truth: int, path: Path) -> None:
    """Nine or ten segments: every coalition."""
    known = answer(game, 2 * 2500)  # replaced by enumeration when it is read
    save(path, known, game, [all_coalitions(game.d)], [z for z, _ in known.unseen])


def save(
    path: Path, known, game: Game, wide: list[Masks], narrow: list[Masks], **arrays: NDArray
) -> None:
    """Score coalitions: `wide` for all the columns that matter, `narrow` for the targets only."""
    wide_rows = np.unique(np.concatenate([ends_of(game.d), *wide]), axis=0)
    narrow_rows = np.unique(np.concatenate(narrow), axis=0)
    scores, columns = reduce_columns(game.scores(wide_rows), known.columns)
    targets = game.scores(narrow_rows)[:, known.columns]
    save_answered(path, known, columns, (wide_rows, scores), (narrow_rows, targets), arrays)


KINDS = {"lime": record_lime, "few": record_few, "shapley": record_shapley}


def record(job: tuple[str, str, str, NDArray, argparse.Namespace]) -> str:
    kind, name, photograph, picture, options = job
    warnings.simplefilter("ignore")
    start = time.time()
    make = few_segments if kind == "few" else network_game
    game = make(name, photograph, picture, options.device)
    path = Path(options.to) / f"{kind}-{name}-{photograph}.npz"
    KINDS[kind](game, options.truth, path)
    return f"{path.name}: {game.d} segments, {game.targets}, {time.time() - start:.1f} s"


def jobs(options: argparse.Namespace) -> list[tuple[str, str, str, NDArray, argparse.Namespace]]:
    found = list(pictures(Path(options.photographs) if options.photographs else None))
    names = options.networks or list(SIDES)
    plan = [("lime", names[0], each) for each in found]
    plan += [("few", names[0], each) for each in found]
    plan += [("shapley", names[0], each) for each in found[::3]]
    plan += [("lime", name, each) for each in found for name in names[1:]]
    return [(kind, name, *each, options) for kind, name, each in plan]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", required=True)
    parser.add_argument("--photographs")
    parser.add_argument("--networks", nargs="*")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--truth", type=int, default=20_000)
    parser.add_argument("--processes", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=400, help="begin no game after that")
    parser.add_argument("--jobs", type=int, help="only so many")
    options = parser.parse_args()
    Path(options.to).mkdir(parents=True, exist_ok=True)
    end = time.time() + options.seconds
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for line in pool.imap_unordered(record, jobs(options)[: options.jobs]):
            print(line, flush=True)
            if time.time() > end:
                pool.terminate()
                break


if __name__ == "__main__":
    main()
