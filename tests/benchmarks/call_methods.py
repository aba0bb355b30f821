"""lime's estimator, ours, the truth, and how far one is from another."""

from dataclasses import dataclass

import numpy as np
from call_games import Floats, Game, Masks
from numpy.typing import NDArray

from limelens import QuickLime, QuickShap
from limelens.gaussian.linked_fit import fit_linked
from limelens.gaussian.links import edges, logit
from limelens.gaussian.rows import Rows, merge_rows
from limelens.gaussian.verdict import TargetFit
from limelens.sampling import Leverage, ShapleySizes

LIME_CALLS = (32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1000, 1500, 2000, 3000)
CHUNK = 2500


@dataclass(frozen=True, eq=False)
class Answered:
    """A game with all that is needed to judge estimates of it.

    `truth` and `link_truth` are (t, d), on the score's scale and on log-odds (None where the scores
    are no probabilities); `truth_errors` their standard errors, (t,); `unseen` are coalitions of
    size about d / 2 and of all sizes with their values. `drops` (t, 2, seeds) are insertion minus
    deletion of lime at 1000 and of our last map, and `kernel` KernelSHAP's estimates by calls and
    seed, where they were recorded, because then the model is not there to be asked; `lime_calls`
    are those after which lime is looked at.
    """

    game: Game
    columns: NDArray[np.intp]
    truth: Floats
    truth_errors: Floats
    link_truth: Floats | None = None
    link_truth_errors: Floats | None = None
    unseen: tuple[tuple[Masks, Floats], ...] = ()
    drops: Floats | None = None
    kernel: dict[tuple[int, int], Floats] | None = None
    lime_calls: tuple[int, ...] = LIME_CALLS

    @property
    def cells(self) -> list[str]:
        return [f"{self.game.cell}, {target}" for target in self.game.targets]

    def held_out(self, target: int, phi: Floats) -> list[float]:
        """Return the correlation of the additive map with the unseen values of each kind."""
        return [
            float(np.corrcoef(coalitions @ phi, values[:, target])[0, 1])
            if np.ptp(phi) > 0 and np.ptp(values[:, target]) > 0
            else 0.0
            for coalitions, values in self.unseen
        ]


def answer(game: Game, n: int, definition: str = "lime") -> Answered:
    """Find the true importances from n coalitions in complementary pairs."""
    columns = np.array(list(game.targets.values()))
    rng = np.random.default_rng(99)
    both = np.concatenate([np.ones((1, game.d), bool), np.zeros((1, game.d), bool)])
    intact = game.scores(both)
    ends = intact[:, columns].astype(np.float64)
    limits = edges(intact.astype(np.float64)) if intact.min() >= 0 and intact.max() <= 1 else None
    plain, linked = Estimate(game.d, definition), Estimate(game.d, definition)
    for _ in range(max(2, n // CHUNK)):
        half = rng.random((CHUNK // 2, game.d)) < 0.5
        if definition == "shapley":
            half = Leverage()(CHUNK, game.d, rng)[::2]
        coalitions = np.concatenate([half, ~half])
        scores = game.scores(coalitions)
        values = scores[:, columns].astype(np.float64)
        plain.add(coalitions, values)
        if limits is not None:
            limits = min(limits, edges(scores.astype(np.float64)))
            linked.add(coalitions, logit(values, limits))
    truth, errors = plain.solve(ends[0] - ends[1])
    unseen = tuple(
        (z, game.scores(z)[:, columns].astype(np.float64))
        for z in (rng.random((600, game.d)) < 0.5, rng.random((600, game.d)) < rng.random((600, 1)))
    )
    if limits is None:
        return Answered(game, columns, truth, errors, unseen=unseen)
    link_ends = logit(ends, limits)
    return Answered(
        game, columns, truth, errors, *linked.solve(link_ends[0] - link_ends[1]), unseen
    )


class Estimate:
    """Least squares over many chunks, twice over halves of them: the difference is the error."""

    def __init__(self, d: int, definition: str) -> None:
        self.sums = [Sums(d, definition) for _ in range(3)]
        self.chunks = 0

    def add(self, coalitions: Masks, values: Floats) -> None:
        self.sums[0].add(coalitions, values)
        self.sums[1 + self.chunks % 2].add(coalitions, values)
        self.chunks += 1

    def solve(self, differences: Floats) -> tuple[Floats, Floats]:
        """Return importances (t, d) and their standard errors, one a target."""
        whole, first, second = (each.solve(differences) for each in self.sums)
        return whole, 0.5 * np.sqrt(np.square(first - second).mean(axis=1))


class Sums:
    """Normal equations of a weighted least-squares fit, added up chunk by chunk."""

    def __init__(self, d: int, definition: str) -> None:
        self.definition = definition
        self.gram, self.cross = np.zeros((d + 1, d + 1)), 0.0

    def add(self, coalitions: Masks, values: Floats) -> None:
        n, d = coalitions.shape
        sizes = coalitions.sum(axis=1)
        if self.definition == "lime":
            weights = lime_weights(coalitions)
        else:
            weights = 1.0 / np.maximum(sizes * (d - sizes), 1)
        design = np.column_stack([np.ones(n), coalitions])
        self.gram += (design * weights[:, np.newaxis]).T @ design
        self.cross = self.cross + (design * weights[:, np.newaxis]).T @ values

    def solve(self, differences: Floats) -> Floats:
        """Return importances (t, d); Shapley values sum to the differences."""
        if self.definition == "lime":
            return np.linalg.solve(self.gram, self.cross)[1:].T
        # In complementary pairs the intercept's part cancels under the sum.
        inverse = np.linalg.inv(self.gram[1:, 1:])
        ones, free = inverse.sum(axis=1), inverse @ self.cross[1:]
        gap = (free.sum(axis=0) - differences) / ones.sum()
        return (free - np.outer(ones, gap)).T


def lime_weights(coalitions: Masks) -> Floats:
    return np.exp(-np.square(1 - np.sqrt(coalitions.mean(axis=1))) / (2 * 0.25**2))


def lime_estimates(known: Answered, calls: tuple[int, ...], seed: int) -> dict[int, Floats]:
    """lime as published: row 0 intact, coin tosses, ridge(1) weighted by the kernel."""
    coalitions = lime_coalitions(known.game.d, max(calls), seed)
    values = known.game.scores(coalitions)[:, known.columns].astype(np.float64)
    return {n: ridge(coalitions[:n], values[:n]) for n in calls}


def lime_coalitions(d: int, n: int, seed: int) -> Masks:
    coalitions = np.random.default_rng([7, seed]).random((n, d)) < 0.5
    coalitions[0] = True
    return coalitions


def ridge(coalitions: Masks, values: Floats) -> Floats:
    weights = lime_weights(coalitions)
    centred = coalitions - weights @ coalitions / weights.sum()
    gram = (centred * weights[:, np.newaxis]).T @ centred + np.eye(coalitions.shape[1])
    cross = (centred * weights[:, np.newaxis]).T @ (values - weights @ values / weights.sum())
    return np.linalg.solve(gram, cross).T


def kernel_shap(game: Game, columns: NDArray, calls: int, seed: int) -> Floats:
    """Paired KernelSHAP: kernel sizes, complements, the sum met exactly."""
    rng = np.random.default_rng([8, seed])
    d = game.d
    coalitions = ShapleySizes()((calls - 2) // 2 * 2, d, rng)
    both = np.concatenate([np.ones((1, d), bool), np.zeros((1, d), bool)])
    ends = game.scores(both)[:, columns].astype(np.float64)
    values = game.scores(coalitions)[:, columns].astype(np.float64) - ends[1]
    gram = coalitions.T.astype(float) @ coalitions
    inverse = np.linalg.pinv(gram, hermitian=True)
    ones, free = inverse.sum(axis=1), inverse @ (coalitions.T @ values)
    gap = (free.sum(axis=0) - (ends[0] - ends[1])) / ones.sum()
    return (free - np.outer(ones, gap)).T


def our_blocks(game: Game, seed: int, *, shapley: bool = False, calls: int = 514) -> list[Masks]:
    explainer = (QuickShap if shapley else QuickLime)(max_samples=calls, tolerance=0)
    return list(explainer._blocks(game.d, np.random.default_rng([9, seed])))


def our_rows(known: Answered, blocks: list[Masks]) -> Rows:
    coalitions = np.concatenate(blocks)
    scores = known.game.scores(coalitions)
    values = scores[:, known.columns].astype(np.float64)
    targets = tuple(int(column) for column in known.columns)
    return merge_rows(coalitions, scores, values, targets=targets, energy=known.game.energy)


def our_fits(
    known: Answered, blocks: list[Masks], *, scale: str = "score", link: str = "auto",
    definition: str = "lime",
) -> list[TargetFit]:  # fmt: skip
    return fit_linked(our_rows(known, blocks), definition=definition, scale=scale, link=link)


def spearman(a: Floats, b: Floats) -> float:
    from scipy.stats import spearmanr

    return 0.0 if np.ptp(a) == 0 or np.ptp(b) == 0 else float(spearmanr(a, b).statistic)


def top(phi: Floats, k: int = 5) -> set[int]:
    return set(np.argsort(-np.abs(phi), kind="stable")[:k].tolist())


def certain_members(fit: TargetFit, truth: Floats, error: float) -> tuple[int, int, int]:
    """Count the certain members of the top five: right, wrong, undecided.

    Undecided where the truth, itself estimated, is within two standard errors of the border.
    """
    values, vectors = np.linalg.eigh(fit.spread)
    normal = np.random.default_rng(0).standard_normal((2000, len(values)))
    draws = fit.importances + normal @ (vectors * np.sqrt(np.maximum(values, 0))).T
    ranks = (-np.abs(draws)).argsort(axis=1).argsort(axis=1)
    certain = [s for s in top(fit.importances) if np.mean(ranks[:, s] < 5) >= 0.95]
    sizes, members = np.abs(truth), top(truth)
    fifth, sixth = np.sort(sizes)[[-5, -6]]
    counts = [0, 0, 0]
    for segment in certain:
        gap = abs(sizes[segment] - (sixth if segment in members else fifth))
        undecided = gap < 2.0 * np.sqrt(2.0) * error
        counts[2 if undecided else int(segment not in members)] += 1
    return counts[0], counts[1], counts[2]


def jaccard(a: Floats, b: Floats) -> float:
    return len(top(a) & top(b)) / len(top(a) | top(b))


def relative_error(phi: Floats, truth: Floats) -> float:
    return float(np.linalg.norm(phi - truth) / np.linalg.norm(truth))


def insertion_minus_deletion(game: Game, column: int, phi: Floats) -> float:
    order = np.argsort(-phi, kind="stable")
    kept = np.zeros((game.d + 1, game.d), bool)
    for size in range(1, game.d + 1):
        kept[size:, order[size - 1]] = True
    scores = game.scores(np.concatenate([kept, ~kept]))[:, column].astype(np.float64)
    return float(scores[: game.d + 1].mean() - scores[game.d + 1 :].mean())


def calls_needed(curve: dict[int, float], value: float) -> float:
    """Interpolate the calls at which a curve reaches a value, on a logarithmic scale of calls.

    Before the first point: the first; after the last: extrapolated by 1 - value ~ 1 / calls.
    """
    calls, best = sorted(curve), -np.inf
    rising = []
    for n in calls:
        best = max(best, curve[n])
        rising.append(best)
    if value <= rising[0]:
        return float(calls[0])
    if value > rising[-1]:
        return float(calls[-1] * min(2.0, (1 - rising[-1]) / max(1e-9, 1 - value)))
    return float(np.exp(np.interp(value, rising, np.log(calls))))
