"""How many model calls QuickLime and QuickShap save: the eight figures, as Markdown tables.

    python tests/benchmarks/bench_model_calls.py [--games FOLDER] [--images 7] [--seeds 3]
        [--recorded FOLDER [--alone]]

Runs on games distilled from a real network (where their folder is), on synthetic games with the
variance shares of real networks, and on small networks trained on the spot on bundled pictures;
with the extra `imagenet` also on EfficientNet-lite0. `--recorded` adds what `record_networks.py`
kept of real networks on a GPU, `--alone` leaves out all else. Set OMP_NUM_THREADS=1.
"""

import argparse
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from call_games import Game, shared_games, synthetic_games
from call_methods import (
    LIME_CALLS,
    Answered,
    answer,
    calls_needed,
    certain_members,
    insertion_minus_deletion,
    jaccard,
    kernel_shap,
    lime_estimates,
    our_blocks,
    our_fits,
    our_rows,
    relative_error,
    spearman,
)
from call_models import digit_games, face_games, small_games, texture_games
from call_networks import network_games
from call_recorded import KERNEL_FACTORS, SHAPLEY_CALLS, recorded
from numpy.typing import NDArray
from timing import print_table

from limelens.gaussian.linked_fit import fit_linked
from limelens.gaussian.verdict import TargetFit, judge

TOLERANCE = 0.3


@dataclass(frozen=True)
class Run:
    """One fit of one target, judged."""

    cell: str
    game: str
    target: int
    seed: int
    blocks: int
    calls: int
    scale: str
    fit: TargetFit
    spearman: float
    error: float
    coverage: float
    correlation: float
    status: str


def games(options: argparse.Namespace) -> Iterator[Game | Answered]:
    yield from recorded(options.recorded, "lime")
    if options.alone:
        return
    yield from shared_games(Path(options.games))
    yield from synthetic_games(options.images)
    yield from texture_games(options.images)
    yield from digit_games(options.images)
    yield from face_games(options.images)
    yield from network_games(max(1, options.images // 3))


def our_runs(known: Answered, seeds: int) -> Iterator[Run]:
    """Fit after one, two, three ... blocks, on both scales."""
    for seed in range(seeds):
        blocks = our_blocks(known.game, seed)
        for count in range(1, len(blocks) + 1):
            rows = our_rows(known, blocks[:count])
            calls = sum(map(len, blocks[:count]))
            for scale in ("score", "link") if known.link_truth is not None else ("score",):
                if scale == "link" and count > 2:
                    continue
                fits = fit_linked(rows, definition="lime", scale=scale)
                yield from judged(known, fits, seed, count, calls, scale)


def judged(
    known: Answered, fits: list[TargetFit], seed: int, blocks: int, calls: int, scale: str
) -> Iterator[Run]:
    truth = known.truth if scale == "score" else known.link_truth
    errors = known.truth_errors if scale == "score" else known.link_truth_errors
    for number, (cell, fit) in enumerate(zip(known.cells, fits, strict=True)):
        if np.ptp(truth[number]) == 0:
            continue  # a constant score has no explanation
        phi, exact = fit.importances, truth[number]
        spread = np.hypot(fit.standard_errors, errors[number])  # the truth has an error as well
        inside = np.abs(phi - exact) <= 1.96 * spread
        yield Run(
            cell=cell,
            game=known.game.name,
            target=number,
            seed=seed,
            blocks=blocks,
            calls=calls,
            scale=scale,
            fit=fit,
            spearman=spearman(phi, exact),
            error=relative_error(phi, exact),
            coverage=float("nan") if fit.link == "none" else float(inside.mean()),
            correlation=float(np.corrcoef(phi, exact)[0, 1]),
            status=judge(fit, tolerance=TOLERANCE, n_calls=calls).status,
        )


@dataclass(frozen=True, eq=False)
class Measured:
    """Everything that was run on one game."""

    known: Answered
    runs: list[Run]
    lime: dict[tuple[int, int], list[tuple[float, float, float]]]
    maps: dict[tuple[str, int], list]


def measure(game: Game | Answered, options: argparse.Namespace) -> Measured:
    known = game if isinstance(game, Answered) else answer(game, options.truth)
    runs = list(our_runs(known, options.seeds))
    lime, maps = defaultdict(list), defaultdict(list)
    for seed in range(options.seeds):
        estimates = lime_estimates(known, known.lime_calls, seed)
        for calls, phi in estimates.items():
            for number, exact in enumerate(known.truth):
                if np.ptp(exact) > 0:
                    found = (
                        spearman(phi[number], exact),
                        relative_error(phi[number], exact),
                        jaccard(phi[number], exact),
                    )
                    lime[number, calls].append(found)
                    maps[f"lime {calls}", number].append(phi[number])
    for run in runs:
        if run.scale == "score":
            maps[f"ours {run.blocks}", run.target].append(run.fit.importances)
    return Measured(known, runs, dict(lime), dict(maps))


def by_cell(measured: list[Measured]) -> dict[str, list[tuple[Measured, int]]]:
    cells = defaultdict(list)
    for one in measured:
        for number, cell in enumerate(one.known.cells):
            if (number, LIME_CALLS[0]) in one.lime:
                cells[cell].append((one, number))
    return dict(cells)


def ours_of(members: list[tuple[Measured, int]], blocks: int, scale: str = "score") -> list[Run]:
    return [
        run
        for one, number in members
        for run in one.runs
        if (run.target, run.blocks, run.scale) == (number, blocks, scale)
    ]


def lime_curve(members: list[tuple[Measured, int]], which: int = 0) -> dict[int, float]:
    return {
        calls: float(np.mean([found[which] for one, n in members for found in one.lime[n, calls]]))
        for calls in members[0][0].known.lime_calls
    }


def figure_1_and_2(measured: list[Measured]) -> None:
    print("\n## 1, 2. Calls that lime needs for the same Spearman correlation to the truth\n")
    rows, gains, lowest = [], {1: [], 2: [], "softmax": []}, []
    for cell, members in by_cell(measured).items():
        curve, found = lime_curve(members), [cell, len(members)]
        for blocks in (1, 2):
            runs = ours_of(members, blocks)
            ours, calls = np.mean([r.spearman for r in runs]), np.mean([r.calls for r in runs])
            equal = float(np.interp(np.log(calls), np.log(list(curve)), list(curve.values())))
            gain = calls_needed(curve, float(ours)) / calls
            gains[blocks].append(gain)
            lowest.append(ours - equal)
            if runs[0].fit.link == "softmax":
                gains["softmax"].append(gain)
            found += [f"{calls:.0f}", f"{equal:.2f}", f"{ours:.2f}", f"{gain:.1f}"]
        rows.append([*found, f"{curve[1000]:.2f}"])
    head = ["cell", "games", "calls", "lime", "ours", "gain", "calls", "lime", "ours", "gain"]
    print_table([*head, "lime 1000"], rows)
    for name, values in gains.items():
        words = "softmax link, both" if name == "softmax" else f"{name} block(s)"
        if values:
            print(f"\nMedian gain, {words}: {np.median(values):.1f}; lowest {min(values):.1f}.")
    print(f"\nOurs minus lime at equal calls, lowest cell: {min(lowest):+.3f}.")


def figure_2_at_514(measured: list[Measured]) -> None:
    print("\n## 2. At most 514 calls against lime at 1000, predicted classes\n")
    rows = []
    for cell, members in by_cell(measured).items():
        if not cell.endswith("predicted"):
            continue
        found = [cell]
        for name in ("ours", "lime"):
            drops, right = [], []
            for one, n in members:
                last = max(run.blocks for run in one.runs)
                maps = one.maps[f"ours {last}" if name == "ours" else "lime 1000", n]
                column, kept = one.known.columns[n], one.known.drops
                if kept is not None:
                    drops += kept[n, int(name == "ours")].tolist()
                else:
                    drops += [
                        insertion_minus_deletion(one.known.game, column, phi) for phi in maps[:2]
                    ]
                right += [spearman(phi, one.known.truth[n]) for phi in maps]
            found += [f"{np.mean(drops):.3f}", f"{np.mean(right):.3f}"]
        rows.append(found)
    print_table(["cell", "ours ins-del", "ours truth", "lime ins-del", "lime truth"], rows)


def details_table(measured: list[Measured]) -> None:
    print("\n## Agreement between seeds, top five, relative error\n")
    rows = []
    for cell, members in by_cell(measured).items():
        found = [cell]
        for name in ("lime 256", "lime 1000", "ours 1", "ours 2"):
            selves, top_five, errors = [], [], []
            for one, n in members:
                maps = one.maps[name, n]
                selves += [spearman(a, b) for i, a in enumerate(maps) for b in maps[:i]]
                top_five += [jaccard(phi, one.known.truth[n]) for phi in maps]
                errors += [relative_error(phi, one.known.truth[n]) for phi in maps]
            found.append(
                f"{np.mean(selves):.2f} / {np.mean(top_five):.2f} / {np.median(errors):.2f}"
            )
        rows.append(found)
    head = [
        "cell: self-Spearman / J@5 / relative L2",
        "lime 256",
        "lime 1000",
        "1 block",
        "2 blocks",
    ]
    print_table(head, rows)


def held_out_table(measured: list[Measured]) -> None:
    print("\n## Held-out correlation of the additive map with the score (p = 0.5 / all sizes)\n")
    rows = []
    for cell, members in by_cell(measured).items():
        found = [cell]
        for name in ("lime 256", "lime 1000", "ours 1", "ours 2"):
            pairs = [one.known.held_out(n, one.maps[name, n][0]) for one, n in members[:4]]
            half, sizes = np.mean(pairs, axis=0)
            found.append(f"{half:.2f} / {sizes:.2f}")
        rows.append(found)
    print_table(["cell", "lime 256", "lime 1000", "1 block", "2 blocks"], rows)


def figure_3(options: argparse.Namespace) -> None:
    print("\n## 3. Log-odds of the distilled games, few calls: Spearman to the truth\n")
    rows = []
    for game in shared_games(Path(options.games)):
        known, found = answer(game, options.truth), [game.name, game.d]
        for calls in (66, 96, 128, 240):
            values = []
            for seed in range(2 * options.seeds):
                blocks = our_blocks(game, seed, calls=calls)
                (fit,) = our_fits(known, blocks, scale="link")
                values.append(spearman(fit.importances, known.link_truth[0]))
            found.append(f"{np.mean(values):.3f} ({sum(map(len, blocks))})")
        rows.append(found)
    if rows:
        print_table(["game", "segments", *(f"<= {n} (asked)" for n in (66, 96, 128, 240))], rows)


def shapley_cases(options: argparse.Namespace, large: list[Game]) -> Iterator[Answered]:
    """Yield games with known Shapley values: few segments enumerated, many sampled."""
    for known in recorded(options.recorded, "few"):
        yield exact_shapley(known.game)
    yield from recorded(options.recorded, "shapley")
    if options.alone:
        return
    for small in small_games(options.images // 2):
        yield exact_shapley(small)
    for game in large[:3]:
        yield exact_shapley(merge_segments(game, 10))
    for game in large:
        yield answer(game, options.truth, "shapley")


def figure_4(options: argparse.Namespace, large: list[Game]) -> None:
    print("\n## 4. Shapley values: relative error, and the calls KernelSHAP needs for it\n")
    rows, gains = [], defaultdict(list)
    for known in shapley_cases(options, large):
        game, few = known.game, known.game.d <= 12
        for calls in (128, 256) if few else SHAPLEY_CALLS:
            if calls >= 2**game.d:
                continue  # enumerated
            ours, kernel = [], defaultdict(list)
            for seed in range(options.seeds):
                blocks = our_blocks(game, seed, shapley=True, calls=calls)
                for n, fit in enumerate(our_fits(known, blocks, definition="shapley")):
                    ours.append(relative_error(fit.importances, known.truth[n]))
                for factor in KERNEL_FACTORS:
                    phi = kernel_estimate(known, factor * calls, seed)
                    kernel[factor] += [
                        relative_error(p, t) for p, t in zip(phi, known.truth, strict=True)
                    ]
            curve = {f: np.median(v) for f, v in kernel.items()}
            needed = np.interp(-np.median(ours), [-v for v in curve.values()], np.log2(list(curve)))
            gains[few, calls].append(2**needed)
            rows.append([
                game.name, game.d, sum(map(len, blocks)), f"{np.median(ours):.3f}",
                *(f"{v:.3f}" for v in curve.values()), f"{2**needed:.1f}",
            ])  # fmt: skip
    head = ["game", "d", "calls", "ours", *(f"KernelSHAP x{f}" for f in KERNEL_FACTORS), "gain"]
    print_table(head, rows)
    for (few, calls), values in gains.items():
        kind = "few segments" if few else "many segments"
        print(f"\nMedian gain, {kind}, {calls} calls: {np.median(values):.1f} of {len(values)}.")


def kernel_estimate(known: Answered, calls: int, seed: int) -> NDArray[np.float64]:
    if known.kernel is not None:
        return known.kernel[calls, seed]
    return kernel_shap(known.game, known.columns, calls, seed)


def merge_segments(game: Game, d: int) -> Game:
    """Join the segments of a game to d groups."""
    group = np.random.default_rng(5).permutation(np.arange(game.d) % d)
    energy = np.bincount(group, weights=game.energy)
    name = f"{game.name}, merged"
    return Game(name, game.cell, energy, lambda z: game.scores(z[:, group]), game.targets)


def exact_shapley(game: Game) -> Answered:
    from limelens.testing import all_coalitions, exact_values

    columns = np.array(list(game.targets.values()))
    table = game.scores(all_coalitions(game.d))[:, columns].astype(np.float64)
    truth = exact_values(table, "shapley")
    return Answered(game, columns, truth, np.zeros(len(truth)))


def figure_5(measured: list[Measured]) -> None:
    print("\n## 5. 95 % intervals, predicted correlation, certain members of the top five\n")
    rows = []
    for scale in ("score", "link"):
        for cell, members in by_cell(measured).items():
            found = [f"{cell} ({scale})"]
            for blocks in (1, 2):
                runs = ours_of(members, blocks, scale)
                trusted = [run for run in runs if not run.fit.doubt]
                if not runs:
                    break
                cover = f"{np.nanmean([r.coverage for r in runs]):.3f}"
                inside = f"{np.nanmean([r.coverage for r in trusted]):.3f}" if trusted else "-"
                predicted = np.nanmean([r.fit.reliability for r in runs])
                actual = np.nanmean([r.correlation for r in runs])
                found += [
                    cover,
                    f"{inside} ({len(trusted)}/{len(runs)})",
                    f"{predicted:.3f} / {actual:.3f}",
                ]
            else:
                rows.append(found)
    head = [
        "cell",
        *(
            f"{w}, {b}"
            for b in (1, 2)
            for w in ("coverage", "if trusted", "correlation said / true")
        ),
    ]
    print_table(head, rows)
    everything = [run for one in measured for run in one.runs]
    for scale in ("score", "link"):
        for blocks in (1, 2):
            runs = [
                r for r in everything if (r.scale, r.blocks) == (scale, blocks) and not r.fit.doubt
            ]
            print(f"\nMean coverage where trusted, {scale}, {blocks} block(s): "
                  f"{np.nanmean([r.coverage for r in runs]):.3f} of {len(runs)} runs.")  # fmt: skip
    for blocks in (1, 2, 4):
        counts = [
            certain_members(run.fit, known.truth[run.target], known.truth_errors[run.target])
            for known, runs in ((one.known, one.runs) for one in measured)
            for run in runs
            if (run.blocks, run.scale) == (blocks, "score") and run.fit.link != "none"
            and not run.fit.doubt
        ]  # fmt: skip
        right, wrong, undecided = np.sum(counts, axis=0)
        print(f"\nCertain members of the top five, {blocks} block(s): {right} of {right + wrong} "
              f"right; {undecided} more are within two errors of the truth's border.")  # fmt: skip


def figure_6(measured: list[Measured]) -> None:
    print(f"\n## 6. Stopping at a predicted relative error of {TOLERANCE}\n")
    table = defaultdict(list)
    for one in measured:
        groups = defaultdict(list)
        for run in one.runs:
            if run.scale == "score":
                groups[run.cell, run.seed].append(run)
        for (cell, _), runs in groups.items():
            ordered = sorted(runs, key=lambda run: run.blocks)
            stop = next((r for r in ordered if r.status == "converged"), ordered[-1])
            table[cell].append(stop)
    rows, everything = [], []
    for cell, stops in [*table.items(), ("all", [s for v in table.values() for s in v])]:
        kept = [stop for stop in stops if stop.status == "converged"]
        everything = kept
        statuses = [
            sum(s.status == name for s in stops)
            for name in ("converged", "not converged", "unreliable")
        ]
        errors = [stop.error for stop in kept]
        rows.append([
            cell, len(stops), f"{np.mean([s.calls for s in stops]):.0f}", *statuses,
            f"{np.median(errors):.2f}" if kept else "-",
            f"{np.mean(np.array(errors) <= TOLERANCE):.2f}" if kept else "-",
            f"{np.mean(np.array(errors) <= 1.25 * TOLERANCE):.3f}" if kept else "-",
            f"{np.median([s.error for s in stops if s.status != 'converged'] or [np.nan]):.2f}",
        ])  # fmt: skip
    head = ["cell", "runs", "calls", "converged", "not converged", "unreliable", "median error",
            "<= 0.3", "<= 0.375", "others' error"]  # fmt: skip
    print_table(head, rows)
    share = np.mean([stop.error <= 1.25 * TOLERANCE for stop in everything])
    print(f"\nConverged runs with an actual error within 1.25 times the tolerance: {share:.3f}.")


def figure_7(options: argparse.Namespace, measured: list[Measured]) -> None:
    print("\n## 7. Mean relative error by calls: never rises\n")
    chosen = [one for one in measured if one.known.game.cell in ("distilled", "synthetic")][:4]
    budgets = (24, 40, 56, 80, 98, 114, 130, 160, 194, 226, 290, 386, 482)
    rows = []
    for one in chosen:
        known, found = one.known, [one.known.game.name]
        for calls in budgets:
            errors = []
            for seed in range(4 * options.seeds):
                blocks = our_blocks(known.game, seed, calls=calls)
                fits = our_fits(known, blocks)
                errors += [
                    relative_error(f.importances, t) for f, t in zip(fits, known.truth, strict=True)
                ]
            found.append(f"{np.mean(errors):.2f}")
        rows.append(found)
    print_table(["game", *(f"<= {b}" for b in budgets)], rows)


def figure_8(measured: list[Measured]) -> None:
    print("\n## 8. Time beside the model, one thread, error bars included\n")
    rows = []
    for cell in ("distilled", "synthetic"):
        one = next((m for m in measured if m.known.game.cell == cell and m.known.game.d > 49), None)
        if one is None:
            continue
        game = one.known.game
        single = Game(
            game.name, cell, game.energy, game.scores, dict(list(game.targets.items())[:1])
        )
        known = Answered(single, one.known.columns[:1], one.known.truth[:1], np.zeros(1))
        for calls in (114, 258, 514):
            blocks = our_blocks(single, 0, calls=calls)
            rows_ = our_rows(known, blocks)
            times = []
            for _ in range(9):
                start = time.process_time()
                (fit,) = fit_linked(rows_, definition="lime")
                times.append(1e3 * (time.process_time() - start))
            rows.append(
                [
                    game.name,
                    game.d,
                    sum(map(len, blocks)),
                    fit.link,
                    f"{np.median(times):.0f}",
                    f"{min(times):.0f}",
                ]
            )
    print_table(["game", "d", "calls", "link", "ms, median", "ms, best"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--games", default="../shared/games")
    parser.add_argument("--recorded", type=Path, help="what record_networks.py kept")
    parser.add_argument("--alone", action="store_true", help="recorded games only")
    parser.add_argument("--images", type=int, default=7)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--truth", type=int, default=60_000)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    start, measured = time.time(), []
    for game in games(options):
        measured.append(measure(game, options))
    print(f"{len(measured)} games, {options.seeds} seeds, {time.time() - start:.0f} s.")
    figure_1_and_2(measured)
    figure_2_at_514(measured)
    details_table(measured)
    held_out_table(measured)
    if not options.alone:
        figure_3(options)
    figure_4(options, [one.known.game for one in measured][:5])
    figure_5(measured)
    figure_6(measured)
    figure_7(options, measured)
    figure_8(measured)
    print(f"\n{time.time() - start:.0f} s in all.")


if __name__ == "__main__":
    main()
