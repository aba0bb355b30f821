"""Ask real networks all that `bench_model_calls.py` wants to know of them, and keep it.

    python tests/benchmarks/record_networks.py --to FOLDER [--photographs FOLDER] [--seconds 400]
    python tests/benchmarks/record_networks.py --to FOLDER --foolbox --device openvino

The first on a GPU in half precision: EfficientNet-lite0, -lite1, -lite2 on scikit-image's bundled
photographs and on those of a folder. The second on a CPU: the twenty photographs that come with
foolbox, each under MobileNetV2, every second also in turn under EfficientNet-lite1, -lite2 and
Open NSFW. One file a game, of about half a megabyte, none twice; `bench_model_calls.py --recorded
FOLDER` reads them and needs no network then.
"""

import argparse
import itertools
import multiprocessing
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
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
from call_networks import few_segments, network_game, pictures
from call_recorded import KERNEL_FACTORS, SHAPLEY_CALLS, ends_of, reduce_columns, save_answered
from call_weights import foolbox_pictures
from numpy.typing import NDArray

from limelens.testing import all_coalitions

N_SEEDS = 3


@dataclass(frozen=True, eq=False)
class Remembering:
    """Asks for every coalition once."""

    ask: Callable[[Masks], NDArray]
    known: dict[bytes, NDArray] = field(default_factory=dict)

    def __call__(self, coalitions: Masks) -> NDArray:
        keys = [key.tobytes() for key in np.packbits(coalitions, axis=1)]
        new = {key: row for row, key in enumerate(keys) if key not in self.known}
        if new:
            scores = self.ask(coalitions[list(new.values())])
            self.known.update(zip(new, scores, strict=True))
        return np.stack([self.known[key] for key in keys])


def record_lime(game: Game, options: argparse.Namespace, path: Path) -> None:
    """LIME's target: the truth, what lime and QuickLime ask, and how well their maps do."""
    known = answer(game, options.truth)
    calls = tuple(n for n in LIME_CALLS if n <= options.lime)
    drops = np.full((len(known.columns), 2, 2), np.nan)
    for seed in range(2):
        fits = our_fits(known, our_blocks(game, seed))
        lime = lime_estimates(known, (1000,), seed)[1000]
        for t, column in enumerate(known.columns):
            for which, phi in enumerate((lime[t], fits[t].importances)):
                drops[t, which, seed] = insertion_minus_deletion(game, column, phi)
    ours = [block for seed in range(N_SEEDS) for block in our_blocks(game, seed)]
    plain = [lime_coalitions(game.d, max(calls), seed) for seed in range(N_SEEDS)]
    narrow = [*plain, *(z for z, _ in known.unseen)]
    save(path, known, game, ours, narrow, drops=drops, lime_calls=np.array(calls))


def record_shapley(game: Game, options: argparse.Namespace, path: Path) -> None:
    """Shapley values: the truth, what QuickShap asks, what KernelSHAP finds."""
    known = answer(game, options.truth, "shapley")
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


def record_few(game: Game, options: argparse.Namespace, path: Path) -> None:
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
    path = Path(options.to) / f"{kind}-{name}-{photograph}.npz"
    if path.exists():
        return f"{path.name}: there already"
    game = make(name, photograph, picture, options.device)
    game = replace(game, scores=Remembering(game.scores))
    KINDS[kind](game, options, path)
    return f"{path.name}: {game.d} segments, {game.targets}, {time.time() - start:.1f} s"


Job = tuple[str, str, str, NDArray, argparse.Namespace]


def jobs(options: argparse.Namespace) -> list[Job]:
    if options.foolbox:
        found = list(foolbox_pictures().items())
        turns = list(zip(itertools.cycle(("lite1", "lite2", "open_nsfw")), found[::2]))
        plan = [(kind, "mobilenet", each) for kind in ("few", "lime") for each in found]
        plan += [(kind, name, each) for kind in ("few", "lime") for name, each in turns]
    else:
        folder = Path(options.photographs) if options.photographs else None
        found = list(pictures(folder))
        plan = [(kind, "lite0", each) for kind in ("lime", "few") for each in found]
        plan += [("shapley", "lite0", each) for each in found[::3]]
        plan += [("lime", name, each) for each in found for name in ("lite1", "lite2")]
    return [(kind, name, *each, options) for kind, name, each in plan]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", required=True)
    parser.add_argument("--photographs")
    parser.add_argument("--foolbox", action="store_true", help="the second plan")
    parser.add_argument("--device", default="cuda", help="one of PyTorch's, or openvino")
    parser.add_argument("--truth", type=int, default=20_000, help="masks for the truth")
    parser.add_argument("--lime", type=int, default=max(LIME_CALLS), help="most calls of lime's")
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
