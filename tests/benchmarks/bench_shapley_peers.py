"""Shapley values: our estimators beside those of shapiq and shap, at equal calls of the model.

    python tests/benchmarks/bench_shapley_peers.py exact.npz --distilled FOLDER --seeds 10

`exact.npz` holds complete tables of scores, so that every importance is known. shapiq (1.8, which
asks for Python 3.12) and shap are used where they are installed. Printed is the squared error over
the squared importances: the median over the seeds, then the geometric mean over the games. Where
an estimator of others errs less than our best, its figure is bold.

ShaplEIG of shapiq (extra `shapleig`) fits a Gaussian process before each call, and takes half a
minute for 64 calls. `--shapleig` compares it, and nothing else, with `QuickShap`: at most 16
players, two games of a kind, 64 and 128 calls.
"""

import argparse
import json
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from table_games import PIXELS, PlayedGame, complete_games, distilled_games

from limelens import KernelShap, PermutationShapley, QuickShap

CALLS = (64, 128, 256, 512, 1026)
Method = Callable[[PlayedGame, int, int], np.ndarray]


def quickshap(game: PlayedGame, calls: int, seed: int) -> np.ndarray:
    explainer = QuickShap(**PIXELS, max_samples=calls, tolerance=0)
    return explainer.explain(game.picture, game.predict, rng=seed).importances[0]


def kernelshap(game: PlayedGame, calls: int, seed: int) -> np.ndarray:
    explainer = KernelShap(**PIXELS, n_samples=calls)
    return explainer.explain(game.picture, game.predict, rng=seed).importances[0]


def permutation(game: PlayedGame, calls: int, seed: int) -> np.ndarray:
    orders = max(1, round((calls - 2) / (2 * (game.d - 1))))
    explainer = PermutationShapley(**PIXELS, n_permutations=orders)
    return explainer.explain(game.picture, game.predict, rng=seed).importances[0]


def shapiq_methods() -> dict[str, Method]:
    """Return shapiq's estimators of Shapley values; none where it is not installed."""
    try:
        import shapiq.approximator as peers
    except ImportError:
        print("shapiq is not installed; its estimators are left out.\n")
        return {}
    makers = {
        "KernelSHAP, paired": lambda d, s: peers.KernelSHAP(d, pairing_trick=True, random_state=s),
        "LeverageSHAP": lambda d, s: peers.LeverageSHAP(d, random_state=s),
        "PermutationSampling": lambda d, s: peers.PermutationSamplingSV(d, random_state=s),
        "SVARM": lambda d, s: peers.SVARM(d, random_state=s),
        "RegressionMSR": lambda d, s: peers.RegressionMSR(d, "SV", random_state=s),
        "ProxySHAP, adjusted": lambda d, s: peers.ProxySHAP(
            d, max_order=1, index="SV", adjustment=True, random_state=s
        ),
        "OddSHAP": lambda d, s: peers.OddSHAP(d, random_state=s),
    }

    def of(maker: Callable) -> Method:
        def method(game: PlayedGame, calls: int, seed: int) -> np.ndarray:
            hidden = game.values(np.zeros((1, game.d), dtype=bool))[0]
            found = maker(game.d, seed).approximate(
                calls, lambda kept: game.values(np.atleast_2d(np.asarray(kept, bool))) - hidden
            )
            places = found.interaction_lookup
            return np.array(
                [found.values[places[(i,)]] if (i,) in places else 0.0 for i in range(game.d)]
            )

        return method

    return {f"shapiq {name}": of(maker) for name, maker in makers.items()}


def shap_methods() -> dict[str, Method]:
    """Return shap's two estimators for any model; none where it is not installed."""
    try:
        import shap
    except ImportError:
        print("shap is not installed; its estimators are left out.\n")
        return {}

    def predict(game: PlayedGame) -> Callable:
        return lambda rows: game.values(np.asarray(rows) > 0.5)

    def by_kernel(game: PlayedGame, calls: int, seed: int) -> np.ndarray:
        np.random.seed(seed)  # noqa: NPY002 - shap draws from the global generator
        explainer = shap.KernelExplainer(predict(game), np.zeros((1, game.d)))
        ones = np.ones((1, game.d))
        return np.ravel(explainer.shap_values(ones, nsamples=calls - 2, l1_reg=0, silent=True))

    def by_permutation(game: PlayedGame, calls: int, seed: int) -> np.ndarray:
        masker = shap.maskers.Independent(np.zeros((1, game.d)))
        explainer = shap.PermutationExplainer(predict(game), masker, seed=seed)
        least = 2 * game.d + 1
        if calls < least:
            return np.full(game.d, np.nan)
        return np.ravel(explainer(np.ones((1, game.d)), max_evals=calls, silent=True).values)

    return {"shap Kernel": by_kernel, "shap Permutation": by_permutation}


OURS: dict[str, Method] = {
    "**QuickShap**": quickshap,
    "**KernelShap**": kernelshap,
    "**PermutationShapley**": permutation,
}


def shapleig(game: PlayedGame, calls: int, seed: int) -> np.ndarray:
    from shapiq.approximator import ShaplEIG

    hidden = game.values(np.zeros((1, game.d), dtype=bool))[0]
    found = ShaplEIG(game.d, random_state=seed, show_progress=False).approximate(
        calls, lambda kept: game.values(np.atleast_2d(np.asarray(kept, bool))) - hidden
    )
    return np.array([found.values[found.interaction_lookup[(i,)]] for i in range(game.d)])


def measure(
    games: list[PlayedGame],
    methods: dict[str, Method],
    seeds: int,
    all_calls: tuple[int, ...] = CALLS,
) -> dict[str, dict]:
    """Return for every kind, calls and method the median errors of its games."""
    errors: dict[str, dict] = defaultdict(lambda: defaultdict(dict))
    for game in games:
        size = np.square(game.shapley).sum()
        for calls in all_calls:
            if calls >= 2**game.d:
                continue
            for name, method in methods.items():
                missed = []
                for seed in range(seeds):
                    try:
                        found = method(game, calls, seed)
                    except (ValueError, RuntimeError, ZeroDivisionError):  # too few calls for it
                        found = np.full(game.d, np.nan)
                    missed.append(np.square(found - game.shapley).sum() / size)
                errors[game.kind][calls].setdefault(name, []).append(float(np.median(missed)))
        print(f"<!-- {game.kind} {game.number} -->", flush=True)
    return {kind: dict(by_calls) for kind, by_calls in errors.items()}


HALVES = {"chosen on": slice(0, None, 2), "held out": slice(1, None, 2)}
"""Every second game of a kind served to choose what is new, see `PlayedGame.development`."""


def table(by_calls: dict[int, dict[str, list[float]]], methods: list[str]) -> str:
    """Return one kind of game as a table, one method a row, both halves of the games beside."""
    cells: dict[str, list[str]] = {name: [] for name in methods}
    for half in HALVES.values():
        for found in by_calls.values():
            means = {name: np.exp(np.mean(np.log(found[name][half]))) for name in methods}
            best = min(means[ours] for ours in OURS if ours in means)
            for name, mean in means.items():
                text = f"{mean:.2g}" if np.isfinite(mean) else "-"
                bold = name not in OURS and mean < best
                cells[name].append(f"**{text}**" if bold else text)
    calls = [str(each) for each in by_calls]
    heads = [
        f"{half}: {calls[0]}" if k == 0 else calls[k] for half in HALVES for k in range(len(calls))
    ]
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (1 + len(heads)) + "|"]
    lines += [
        f"| {name.replace('**', '`')} | " + " | ".join(row) + " |" for name, row in cells.items()
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", type=Path)
    parser.add_argument("--distilled", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--shapleig", action="store_true")
    parser.add_argument("--json", type=Path, help="where the medians are written")
    settings = parser.parse_args()
    warnings.simplefilter("ignore")
    games = list(complete_games(settings.tables))
    if settings.distilled:
        games += list(distilled_games(settings.distilled))
    if settings.shapleig:
        methods = {"**QuickShap**": quickshap, "shapiq ShaplEIG": shapleig}
        games = [game for game in games if game.d <= 16 and game.number < 2]
        errors = measure(games, methods, settings.seeds, (64, 128))
    else:
        methods = OURS | shapiq_methods() | shap_methods()
        errors = measure(games, methods, settings.seeds)
    for kind, by_calls in errors.items():
        n = len(next(iter(next(iter(by_calls.values())).values())))
        print(f"\n### {kind} ({n} games)\n\n{table(by_calls, list(methods))}")
    if settings.json:
        settings.json.write_text(json.dumps(errors, indent=1))


if __name__ == "__main__":
    main()
