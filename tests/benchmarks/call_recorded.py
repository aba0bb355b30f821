"""Games of real networks, read from what `record_networks.py` kept of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from call_games import Floats, Game, Masks
from call_methods import LIME_CALLS, Answered
from numpy.typing import NDArray

N_COLUMNS = 60
"""Classes kept beside the targets: the likeliest over a game's coalitions."""

KERNEL_FACTORS = (1, 2, 4, 8, 16)
SHAPLEY_CALLS = (258, 514)


def ends_of(d: int) -> Masks:
    return np.repeat([[True], [False]], d, axis=1)


def reduce_columns(
    scores: NDArray, targets: NDArray[np.intp]
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Keep the targets and the likeliest classes, the smallest score of each row, and the rest.

    The smallest score stays by itself because the link's clipping depends on it. Rows still sum to
    one. Returns the scores and where the targets are in them.
    """
    likeliest = [c for c in np.argsort(-scores.mean(axis=0)) if c not in targets][:N_COLUMNS]
    chosen = [*targets, *likeliest]
    if len(chosen) == scores.shape[1]:
        return scores[:, chosen].astype(np.float32), np.arange(len(targets))
    others = np.delete(scores.astype(np.float64), chosen, axis=1)
    smallest = others.min(axis=1)
    kept = np.column_stack([scores[:, chosen], others.sum(axis=1) - smallest, smallest])
    return kept.astype(np.float32), np.arange(len(targets))


@dataclass(frozen=True, eq=False)
class Table:
    """Scores by coalition."""

    rows: dict[bytes, int]
    wide: NDArray[np.float32]
    narrow: NDArray[np.float32]

    def __call__(self, coalitions: Masks) -> NDArray[np.float32]:
        """Return scores (n, k); of coalitions kept for the targets only, NaN beside them."""
        keys = np.packbits(coalitions, axis=1)
        numbers = np.array([self.rows[key.tobytes()] for key in keys])
        scores = np.full((len(keys), self.wide.shape[1]), np.nan, np.float32)
        is_wide = numbers < len(self.wide)
        scores[is_wide] = self.wide[numbers[is_wide]]
        scores[~is_wide, : self.narrow.shape[1]] = self.narrow[numbers[~is_wide] - len(self.wide)]
        return scores


def save_answered(
    path: Path,
    known: Answered,
    columns: NDArray[np.intp],
    wide: tuple[Masks, NDArray],
    narrow: tuple[Masks, NDArray],
    arrays: Mapping[str, NDArray],
) -> None:
    game = known.game
    np.savez_compressed(
        path,
        name=game.name,
        cell=game.cell,
        energy=game.energy,
        targets=list(game.targets),
        columns=columns,
        truth=known.truth,
        truth_errors=known.truth_errors,
        link_truth=known.link_truth,
        link_truth_errors=known.link_truth_errors,
        unseen=np.stack([z for z, _ in known.unseen]),
        wide_keys=np.packbits(wide[0], axis=1),
        wide=wide[1],
        narrow_keys=np.packbits(narrow[0], axis=1),
        narrow=narrow[1].astype(np.float32),
        **arrays,
    )


def load_answered(path: Path) -> Answered:
    with np.load(path) as file:
        kept = dict(file)
    keys = [*kept["narrow_keys"], *kept["wide_keys"]]  # the wide ones win
    n_narrow, n_wide = len(kept["narrow_keys"]), len(kept["wide_keys"])
    numbers = [*range(n_wide, n_wide + n_narrow), *range(n_wide)]
    rows = {key.tobytes(): number for key, number in zip(keys, numbers, strict=True)}
    scores = Table(rows, kept["wide"], kept["narrow"])
    targets = dict(zip(kept["targets"].tolist(), kept["columns"].tolist(), strict=True))
    game = Game(
        str(kept["name"]), str(kept["cell"]), kept["energy"], scores, targets, kept["wide"].shape[1]
    )
    columns = kept["columns"]
    calls = tuple(kept.get("lime_calls", LIME_CALLS))
    unseen = tuple((z, scores(z)[:, columns].astype(np.float64)) for z in kept["unseen"])
    names = ("truth", "truth_errors", "link_truth", "link_truth_errors")
    return Answered(
        game, columns, *(kept[name] for name in names), unseen, kept.get("drops"),
        kernel_of(kept), calls,
    )  # fmt: skip


def kernel_of(kept: Mapping[str, Floats]) -> dict[tuple[int, int], Floats] | None:
    found = [name.split("_")[1:] for name in kept if name.startswith("kernel_")]
    return {(int(n), int(s)): kept[f"kernel_{n}_{s}"] for n, s in found} or None


def recorded(folder: Path | None, kind: str) -> Iterator[Answered]:
    """Yield the recorded games of a kind: `lime`, `few` or `shapley`."""
    for path in sorted(folder.glob(f"{kind}-*.npz")) if folder else ():
        yield load_answered(path)
