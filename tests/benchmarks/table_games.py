"""Games whose every score is known, and networks distilled from one: for the Shapley benchmarks.

A game is a function of coalitions `(n, d)` of bool -> values `(n,)`, with its exact importances.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, expit, softmax

from limelens import Constant, Grid
from limelens.games.coalitions import coalition_chunks
from limelens.games.constrained import constrained_least_squares
from limelens.games.lime_kernel import cosine_distance, kernel_weights
from limelens.testing import exact_values

Values = Callable[[NDArray[np.bool_]], NDArray[np.float64]]
CHUNK, DRAWS = 20_000, 300_000


@dataclass(frozen=True, eq=False)
class PlayedGame:
    """A game with a name, its kind, whether a figure may be chosen on it, and its energy."""

    kind: str
    number: int
    d: int
    values: Values
    table: NDArray[np.float64] | None = None
    energy: NDArray[np.float64] | None = None

    @property
    def development(self) -> bool:
        """Every second game: what was chosen was chosen on these."""
        return self.number % 2 == 0

    @cached_property
    def shapley(self) -> NDArray[np.float64]:
        if self.table is not None:
            return exact_values(self.table)[0]
        return self._sampled_shapley()

    @cached_property
    def lime(self) -> NDArray[np.float64]:
        if self.table is not None:
            return exact_values(self.table, "lime")[0]
        return self._sampled_lime()

    def importances(self, definition: str) -> NDArray[np.float64]:
        return self.shapley if definition == "shapley" else self.lime

    def predict(self, batch: NDArray[Any]) -> NDArray[np.float64]:
        """Score pictures of one segment a pixel."""
        return self.values(batch.reshape(len(batch), -1) > 0.5)

    @property
    def picture(self) -> NDArray[np.float64]:
        return np.ones((1, self.d))

    def _sampled_shapley(self) -> NDArray[np.float64]:
        rng, parts = np.random.default_rng(9), []
        both = self.values(np.repeat([[True], [False]], self.d, axis=1))
        for _ in range(DRAWS // CHUNK):
            sizes = rng.integers(1, self.d, CHUNK)
            kept = rng.random((CHUNK, self.d)).argsort(axis=1).argsort(axis=1) < sizes[:, None]
            odd = (self.values(kept) - self.values(~kept)) / 2
            weights = 1.0 / (sizes * (self.d - sizes))
            fit = constrained_least_squares(kept - 0.5, odd[:, None], both[:1] - both[1:], weights)
            parts.append(fit.coefs[0])
        return np.mean(parts, axis=0)

    def _sampled_lime(self) -> NDArray[np.float64]:
        rng = np.random.default_rng(5)
        gram, moments = np.zeros((self.d + 1, self.d + 1)), np.zeros(self.d + 1)
        for _ in range(DRAWS // CHUNK):
            half = rng.random((CHUNK // 2, self.d)) < 0.5
            kept = np.concatenate([half, ~half])
            weights = kernel_weights(cosine_distance(kept), 0.25)
            design = np.column_stack([np.ones(CHUNK), kept])
            gram += (design.T * weights) @ design
            moments += (design.T * weights) @ self.values(kept)
        return np.linalg.solve(gram, moments)[1:]


PIXELS = {"segmenter": Grid(cell=(1, 1)), "fill": Constant(0)}


def complete_games(path: Path) -> Iterator[PlayedGame]:
    """Yield the games of a file of complete tables, entry c the coalition whose bits are c's."""
    with np.load(path) as tables:
        for kind in tables.files:
            for number, table in enumerate(tables[kind].astype(np.float64)):
                d = int(np.log2(len(table)))
                yield PlayedGame(kind, number, d, _looked_up(table), table)


def _looked_up(table: NDArray[np.float64]) -> Values:
    bits = 1 << np.arange(int(np.log2(len(table))))
    return lambda kept: table[kept @ bits]


ROUNDINGS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float32]]] = {
    "float32": lambda logits: softmax(logits, axis=1).astype(np.float32),
    "8-bit logits": lambda logits: softmax(_in_steps(logits, np.ptp(logits) / 255), axis=1).astype(
        np.float32
    ),
    "probabilities in steps of 1/256": lambda logits: _in_steps(
        softmax(logits, axis=1), 1 / 256
    ).astype(np.float32),
}
"""How a network may round its answers, by name."""


def _in_steps(values: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    return np.round(values / step) * step


def competing_logits(path: Path) -> Iterator[tuple[bool, NDArray[np.float64]]]:
    """Yield whether figures may be chosen on them, and the logits (2^d, 5) of competing classes.

    The log-odds of four photographs compete: one is likely, the others are rarer and rarer.
    """
    with np.load(path) as tables:
        games = np.clip(tables["resnet18_d14"].astype(np.float64), 1e-6, 1 - 1e-6)
    log_odds = np.log(games) - np.log1p(-games)
    log_odds -= log_odds.mean(axis=1, keepdims=True)
    for half in (0, 1):
        own = log_odds[half::2]
        for first in range(len(own)):
            order = np.roll(np.arange(len(own)), -first)[:4]
            classes = own[order] * [[1.0], [0.8], [0.8], [0.8]] + [[1.0], [0.0], [-1.5], [-3.0]]
            yield half == 0, np.concatenate([classes, np.full((1, own.shape[1]), -1.0)]).T


def distilled_games(folder: Path) -> Iterator[PlayedGame]:
    """Yield the distilled networks of a folder, the residual of high order they lack added."""
    for number, path in enumerate(sorted(folder.glob("game*.npz"))):
        with np.load(path) as stored:
            net = {name: stored[name].astype(np.float64) for name in stored.files}
        d = net["f_0_weight"].shape[1]
        log_odds = _with_residual(net, d)
        yield PlayedGame(
            "distilled", number, d, lambda kept, f=log_odds: expit(f(kept)), None, net["energy"]
        )


def _with_residual(net: dict[str, NDArray[Any]], d: int) -> Values:
    rng = np.random.default_rng(0)
    waves = rng.choice([-1, 0, 1], size=(64, d), p=[0.15, 0.7, 0.15])
    phases, sizes = rng.uniform(0, 2 * np.pi, 64), rng.normal(size=64)
    sizes /= np.linalg.norm(sizes)
    sd, mu = float(net["sd"].ravel()[0]), float(net["mu"].ravel()[0])

    def gelu(t: NDArray[np.float64]) -> NDArray[np.float64]:
        return t / 2 * (1 + erf(t / np.sqrt(2)))

    def log_odds(kept: NDArray[np.bool_]) -> NDArray[np.float64]:
        x = 2.0 * kept - 1
        hidden = gelu(x @ net["f_0_weight"].T + net["f_0_bias"])
        hidden = gelu(hidden @ net["f_2_weight"].T + net["f_2_bias"])
        smooth = hidden @ net["f_4_weight"].T + net["f_4_bias"]
        smooth += x @ net["lin_weight"].T + net["lin_bias"]
        rough = np.cos(1.3 * x @ waves.T + phases) @ sizes
        return sd * (smooth[:, 0] + np.sqrt(0.18) * rough) + mu

    return log_odds


def logical_games(d: int = 12, n: int = 4) -> Iterator[PlayedGame]:
    """Yield ANDs, ORs, parities and sums of random trees of d segments: n of each."""
    every = np.concatenate(list(coalition_chunks(d)))
    for number in range(n):
        rng = np.random.default_rng(1000 + number)

        def some(k: int, rng: np.random.Generator = rng) -> NDArray[np.bool_]:
            return every[:, rng.choice(d, k, replace=False)]

        tables = {
            "AND of three": some(3).all(axis=1),
            "AND of four": some(4).all(axis=1),
            "AND of six": some(6).all(axis=1),
            "OR of three": some(3).any(axis=1),
            "XOR of two": some(2).sum(axis=1) % 2 + 0.2 * some(1)[:, 0],
            "random trees": sum(rng.normal(size=8)[some(3) @ [1, 2, 4]] for _ in range(3)),
        }
        for kind, table in tables.items():
            values = np.asarray(table, dtype=np.float64)
            yield PlayedGame(kind, number, d, _looked_up(values), values)
