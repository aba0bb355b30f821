"""What QuickLime and QuickShap promise, held against games whose answers are known.

    python tests/benchmarks/bench_promises.py exact.npz --distilled FOLDER --seeds 10

Prints, each against its goal: coverage of the 95 % intervals where the result does not say
"unreliable", how often "converged" and "certain" were right, error bars of zero, calls left
unspent, and the time beside the model. Every second game of each kind is one on which figures were
chosen; "held out" are the others, and all distilled and logical ones but the first two.
"""

import argparse
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from table_games import (
    PIXELS,
    ROUNDINGS,
    PlayedGame,
    competing_logits,
    complete_games,
    distilled_games,
    logical_games,
)

from limelens import KernelShap, Lime, PermutationShapley, QuickLime, QuickShap
from limelens.explainers import sequential
from limelens.testing import exact_values

CALLS, TOLERANCE = (64, 128, 256, 512), 0.3
NEAR = 1e-9


@dataclass
class Count:
    """How often something was right, of how often."""

    right: float = 0
    n: int = 0

    def add(self, right: float, n: int = 1) -> None:
        self.right, self.n = self.right + right, self.n + n

    @property
    def share(self) -> float:
        return self.right / self.n if self.n else float("nan")

    def __str__(self) -> str:
        return f"{self.share:.3f} of {self.n}" if self.n else "-"


@dataclass
class Tally:
    """Everything that is counted of one kind of game and one explainer."""

    covered: Count = field(default_factory=Count)
    within: Count = field(default_factory=Count)
    nearly: Count = field(default_factory=Count)
    certain: Count = field(default_factory=Count)
    converged: Count = field(default_factory=Count)
    trusted: Count = field(default_factory=Count)
    zero_bars: int = 0
    unspent: int = 0


def quick(game: PlayedGame, explainer: Any, seed: int) -> Any:
    """Explain a game, whose energy stands in for that of the picture."""
    if game.energy is None:
        return explainer.explain(game.picture, game.predict, rng=seed)
    found = sequential.segment_energy
    try:
        sequential.segment_energy = lambda *_: game.energy
        return explainer.explain(game.picture, game.predict, rng=seed)
    finally:
        sequential.segment_energy = found


def count_certain(tally: Tally, explanation: Any, truth: np.ndarray) -> None:
    for k in (3, 5):
        found = explanation.top_confidence(k)
        kth = np.sort(truth)[-k]
        for segment, word in zip(found.segments, found.words, strict=True):
            if word == "certain":
                tally.certain.add(truth[segment] >= kth - NEAR and truth[segment] > NEAR)


def judge(tally: Tally, game: PlayedGame, maker: Any, definition: str, seeds: int) -> None:
    truth = game.importances(definition)
    for seed in range(seeds):
        for calls in CALLS:
            found = quick(game, maker(**PIXELS, max_samples=calls, tolerance=0), seed)
            status = found.details["status"]
            if status in ("exact", "constant"):
                continue
            tally.unspent = max(tally.unspent, calls - found.n_predictions)
            bars = found.standard_errors[0]
            tally.zero_bars += int((bars == 0).sum())
            tally.trusted.add(status != "unreliable")
            if status != "unreliable":
                inside = np.abs(found.importances[0] - truth) <= 1.96 * bars
                tally.covered.add(int(inside.sum()), len(inside))
            count_certain(tally, found, truth)
        found = quick(game, maker(**PIXELS, tolerance=TOLERANCE), seed)
        if found.details["status"] in ("exact", "constant"):
            continue
        tally.converged.add(found.details["status"] == "converged")
        if found.details["status"] == "converged":
            error = np.linalg.norm(found.importances[0] - truth) / np.linalg.norm(truth)
            tally.within.add(error <= TOLERANCE)
            tally.nearly.add(error <= 1.25 * TOLERANCE)


def others(games: list[PlayedGame], seeds: int) -> Iterator[tuple[str, Count]]:
    """Yield how often "certain" is right of the explainers that fit or average."""
    makers = {
        "Lime": lambda: Lime(**PIXELS, n_samples=256),
        "KernelShap": lambda: KernelShap(**PIXELS, n_samples=256),
        "PermutationShapley": lambda: PermutationShapley(**PIXELS, n_permutations=10),
    }
    for name, maker in makers.items():
        tally = Tally()
        for game in games:
            truth = game.importances("lime" if name == "Lime" else "shapley")
            for seed in range(seeds):
                found = maker().explain(game.picture, game.predict, rng=seed)
                count_certain(tally, found, truth)
        yield name, tally.certain


def verdict(value: float, goal: float, *, most: bool = False) -> str:
    met = value <= goal if most else value >= goal
    return "" if met or np.isnan(value) else " (missed)"


def show(tallies: dict[tuple[str, str], Tally]) -> None:
    print(
        "| kind | explainer | coverage (0.90) | trusted | converged | within (0.90) | within 1.25 "
        "(0.97) | certain right (0.98) | zero bars (0) | unspent (< 2) |"
    )
    print("|---" * 10 + "|")
    for (kind, name), tally in tallies.items():
        cells = [
            f"{tally.covered}{verdict(tally.covered.share, 0.90)}",
            f"{tally.trusted.share:.2f}",
            f"{tally.converged.share:.2f}",
            f"{tally.within}{verdict(tally.within.share, 0.90)}",
            f"{tally.nearly}{verdict(tally.nearly.share, 0.97)}",
            f"{tally.certain}{verdict(tally.certain.share, 0.98)}",
            f"{tally.zero_bars}{verdict(tally.zero_bars, 0, most=True)}",
            f"{tally.unspent}{verdict(tally.unspent, 1, most=True)}",
        ]
        print(f"| {kind} | {name} | " + " | ".join(cells) + " |")


def show_rounded(tables: Path, seeds: int) -> None:
    """Print the coverage of every class of networks whose answers are rounded."""
    print("\n| answers | explainer | half | likely | second | rare | rarest |\n" + "|---" * 7 + "|")
    for name, rounded in ROUNDINGS.items():
        for maker, definition in ((QuickShap, "shapley"), (QuickLime, "lime")):
            counts: dict[bool, list[Tally]] = {half: [Tally() for _ in range(4)] for half in (1, 0)}
            for development, logits in competing_logits(tables):
                table = rounded(logits)
                for column, tally in enumerate(counts[development]):
                    count_rounded(tally, table, column, maker, definition, seeds)
            for development, tallies in counts.items():
                half = "chosen on" if development else "held out"
                cells = [
                    f"{each.covered.share:.2f}{verdict(each.covered.share, 0.90)}, "
                    f"{each.trusted.share:.2f}"
                    for each in tallies
                ]
                print(f"| {name} | {maker.__name__} | {half} | " + " | ".join(cells) + " |")


def count_rounded(
    tally: Tally, table: np.ndarray, column: int, maker: Any, definition: str, seeds: int
) -> None:
    """Count how often bars of one class hold, and how often they are said to be trusted."""
    d = int(np.log2(len(table)))
    truth = exact_values(table[:, column].astype(np.float64), definition)[0]
    bits = 1 << np.arange(d)

    def predict(batch: Any) -> np.ndarray:
        return table[(batch.reshape(len(batch), -1) > 0.5) @ bits]

    for seed in range(seeds):
        for calls in CALLS[:3]:
            found = maker(**PIXELS, max_samples=calls, tolerance=0).explain(
                np.ones((1, d)), predict, target=column, rng=seed
            )
            if found.details["status"] == "constant":
                continue
            trusted = found.details["status"] != "unreliable"
            tally.trusted.add(trusted)
            if trusted:
                inside = np.abs(found.importances[0] - truth) <= 1.96 * found.standard_errors[0]
                tally.covered.add(int(inside.sum()), d)


def show_times() -> None:
    print("\n| d | calls | QuickLime ms | QuickShap ms | goal |\n|---|---|---|---|---|")
    for d, goal in ((16, 150), (50, 60)):
        slopes = np.random.default_rng(0).normal(size=d) / np.sqrt(d)

        def predict(batch: Any, slopes: np.ndarray = slopes) -> np.ndarray:
            return 1 / (1 + np.exp(-(2.0 * batch.reshape(len(batch), -1) - 1) @ slopes))

        took = []
        for maker in (QuickLime, QuickShap):
            explainer = maker(**PIXELS, max_samples=256, tolerance=0)
            times = []
            for seed in range(4):
                start = time.process_time()
                explainer.explain(np.ones((1, d)), predict, rng=seed)
                times.append(1e3 * (time.process_time() - start))
            took.append(min(times))
        marks = [f"{ms:.0f}{verdict(ms, goal, most=True)}" for ms in took]
        print(f"| {d} | 256 | {marks[0]} | {marks[1]} | {goal} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", type=Path)
    parser.add_argument("--distilled", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    settings = parser.parse_args()
    warnings.simplefilter("ignore")
    games = [*complete_games(settings.tables), *logical_games()]
    if settings.distilled:
        games += list(distilled_games(settings.distilled))
    tallies: dict[tuple[str, str], Tally] = defaultdict(Tally)
    for game in games:
        half = "chosen on" if game.development else "held out"
        for maker, definition in ((QuickShap, "shapley"), (QuickLime, "lime")):
            kind = f"{game.kind}, {half}"
            judge(tallies[kind, maker.__name__], game, maker, definition, settings.seeds)
        print(f"<!-- {game.kind} {game.number} -->", flush=True)
    show(dict(sorted(tallies.items())))
    print("\n| explainer | certain right (0.98) |\n|---|---|")
    for name, certain in others([g for g in games if g.table is not None], settings.seeds):
        print(f"| {name} | {certain}{verdict(certain.share, 0.98)} |")
    show_rounded(settings.tables, min(settings.seeds, 3))
    show_times()


if __name__ == "__main__":
    main()
