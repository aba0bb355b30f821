"""Functions of coalitions whose true importances can be had: what the calls benchmark runs on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Masks = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Game:
    """One image and one model, seen as a function of coalitions.

    `scores(coalitions) -> (n, k)`; `targets` names the columns that are explained; the name of a
    target's cell is `{cell} {target}`.
    """

    name: str
    cell: str
    energy: Floats
    scores: Callable[[Masks], NDArray]
    targets: dict[str, int]
    classes: int = field(default=1)

    @property
    def d(self) -> int:
        return len(self.energy)


def sigmoid(x: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.clip(x, -700, 700)))


def softmax(logits: Floats) -> Floats:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def target_columns(intact: Floats, seed: int = 0) -> dict[str, int]:
    """Return the predicted and the second class, and a random one below 0.001 if there is one."""
    order = np.argsort(-intact)
    rare = order[2:][intact[order[2:]] < 1e-3]
    columns = {"predicted": int(order[0]), "second": int(order[1])}
    if len(rare):
        columns["rare"] = int(np.random.default_rng(seed).choice(rare))
    return columns


# Distilled from a real network


@dataclass(frozen=True, eq=False)
class Distilled:
    """One of the shared games: a perceptron fitted to a real network, plus a high-order rest."""

    weights: dict[str, Floats]
    seed: int = 0

    def log_odds(self, coalitions: Masks) -> Floats:
        w, x = self.weights, 2.0 * coalitions - 1.0
        hidden = gelu(x @ w["f_0_weight"].T + w["f_0_bias"])
        hidden = gelu(hidden @ w["f_2_weight"].T + w["f_2_bias"])
        total = hidden @ w["f_4_weight"].T + w["f_4_bias"] + x @ w["lin_weight"].T + w["lin_bias"]
        return w["sd"] * total[:, 0] + w["mu"] + self._rest(x)

    def _rest(self, x: Floats) -> Floats:
        """9 % of the variance in interactions of high order, as the network itself has."""
        rng = np.random.default_rng(self.seed + 100)
        signs = rng.choice([-1, 0, 1], size=(x.shape[1], 64), p=[0.15, 0.7, 0.15])
        a = rng.normal(size=64)
        phase = rng.uniform(0, 2 * np.pi, 64)
        waves = np.cos(1.3 * x @ signs + phase) @ (a / np.linalg.norm(a))
        return np.sqrt(0.18) * self.weights["sd"] * waves


def gelu(t: Floats) -> Floats:
    from scipy.special import erf

    return t / 2 * (1 + erf(t / np.sqrt(2)))


def shared_games(folder: Path) -> Iterator[Game]:
    for number, path in enumerate(sorted(folder.glob("game*.npz"))):
        with np.load(path) as file:
            weights = {name: file[name].astype(np.float64) for name in file}
        game = Distilled(weights, number)

        def scores(coalitions: Masks, game: Distilled = game) -> NDArray:
            return sigmoid(game.log_odds(coalitions))[:, np.newaxis].astype(np.float32)

        yield Game(path.stem, "distilled", weights["energy"], scores, {"predicted": 0})


# Synthetic, with the variance shares of real networks


class Competition:
    """Logits of k classes from 12 shared functions and one of their own each.

    Every function has the additive, even and odd-interaction shares that were measured on real
    networks' log-odds.
    """

    def __init__(self, seed: int, d: int, k: int, shares: tuple[float, ...], sd: float) -> None:
        rng = np.random.default_rng(seed)
        self.d, self.shares, self.sd = d, shares, sd
        self.energy = rng.lognormal(0, 1, d)
        self.banks = [self._bank(rng, 12), self._bank(rng, k)]
        self.mix = rng.normal(size=(k, 12)) / np.sqrt(12)
        self.base = rng.normal(size=k)
        intact = self.logits(np.ones((1, d), bool))[0]
        self.base[int(np.argmax(intact))] += rng.uniform(1, 5)

    def _bank(self, rng: np.random.Generator, n: int) -> dict[str, Floats]:
        size = np.sqrt(self.energy)
        slopes = rng.standard_t(4, size=(n, self.d)) * size
        bank = {
            "slopes": slopes / np.linalg.norm(slopes, axis=1, keepdims=True),
            "signs": rng.choice([-1, 0, 1], size=(n, 24, self.d), p=[0.04, 0.92, 0.04]),
            "a": rng.normal(size=(n, 24)),
            "phase": rng.uniform(0, 2 * np.pi, (n, 24)),
        }
        x = 2.0 * (rng.random((2000, self.d)) < 0.5) - 1
        even, odd = self._waves(x, bank)
        bank["lean"] = np.linalg.lstsq(x, odd, rcond=None)[0]
        bank["even_mean"], bank["even_sd"] = even.mean(axis=0), even.std(axis=0)
        bank["odd_sd"] = (odd - x @ bank["lean"]).std(axis=0)
        return bank

    @staticmethod
    def _waves(x: Floats, bank: dict[str, Floats]) -> tuple[Floats, Floats]:
        even, odd = [], []
        for signs, a, phase in zip(bank["signs"], bank["a"], bank["phase"], strict=True):
            angles = 1.3 * x @ signs.T
            even.append(np.cos(angles) @ (np.cos(phase) * a))
            odd.append(np.sin(angles) @ (np.sin(phase) * a))
        return np.stack(even, axis=1), np.stack(odd, axis=1)

    def _values(self, x: Floats, bank: dict[str, Floats]) -> Floats:
        additive, pairs, triples = np.sqrt(self.shares)
        even, odd = self._waves(x, bank)
        return (
            additive * x @ bank["slopes"].T
            + pairs * (even - bank["even_mean"]) / bank["even_sd"]
            + triples * (odd - x @ bank["lean"]) / bank["odd_sd"]
        )

    def logits(self, coalitions: Masks) -> Floats:
        x = 2.0 * coalitions - 1
        shared, own = (self._values(x, bank) for bank in self.banks)
        return self.sd * (np.sqrt(0.7) * shared @ self.mix.T + np.sqrt(0.3) * own) + self.base


SHARES = ((0.71, 0.22, 0.07), (0.82, 0.15, 0.03), (0.60, 0.30, 0.10))


def synthetic_games(n: int, k: int = 60, first_seed: int = 1000) -> Iterator[Game]:
    for number in range(n):
        kind = number % len(SHARES)
        seed = first_seed + number
        made = Competition(seed, 44 + 3 * (number % 5), k, SHARES[kind], (3.5, 2.5, 4.5)[kind])

        def scores(coalitions: Masks, made: Competition = made) -> NDArray:
            return softmax(made.logits(coalitions)).astype(np.float32)

        intact = scores(np.ones((1, made.d), bool))[0]
        yield Game(
            f"synthetic{number}", "synthetic", made.energy, scores, target_columns(intact), k
        )
