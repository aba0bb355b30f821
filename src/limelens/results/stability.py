"""How much an explanation would change with other samples."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, inf

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_int, check_number, check_rng
from limelens._statistics import is_still
from limelens._threads import one_blas_thread
from limelens._typing import Coalitions, Floats, Seed
from limelens.errors import InvalidInputError
from limelens.games.lime_kernel import cosine_distance, kernel_weights
from limelens.pictures.tables import html_table
from limelens.results.ranking import strongest
from limelens.results.record import Record, target_row
from limelens.surrogates.linear import penalised_inverse
from limelens.surrogates.moments import weighted_moments

# The defaults of lime.lime_image.
_KERNEL_WIDTH, _RIDGE = 0.25, 1.0

_FEWEST_ROWS = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class StabilityReport:
    """How well maps from halves and quarters of the rows agree.

    Attributes
    ----------
    sizes : tuple of int
        Rows per sub-sample: a quarter, a half.
    correlations : tuple of float
        Mean rank correlation of two maps from disjoint sub-samples of each size. Segments without
        effect count as much as others, and their ranks are noise.
    linear_correlations : tuple of float
        Mean linear correlation of the same maps, which the strong segments dominate.
    overlaps : tuple of float
        Mean Jaccard overlap of their k strongest segments (absolute).
    n_rows : int
        Rows paid for.
    correlation : float
        Expected rank correlation of two maps from `n_rows` rows each.
    k : int
    """

    sizes: tuple[int, ...]
    correlations: tuple[float, ...]
    linear_correlations: tuple[float, ...]
    overlaps: tuple[float, ...]
    n_rows: int
    correlation: float
    k: int

    def calls_for(self, correlation: float = 0.9) -> float:
        """Return how many rows two maps need to correlate this well; infinity if no number does.

        Spearman and Brown's formula: with r at n rows, ``n r' (1 - r) / (r (1 - r'))`` rows for r'.
        """
        wanted = check_number(
            "correlation", correlation, minimum=0, maximum=1, open_minimum=True, open_maximum=True
        )
        known, n = self.correlations[-1], self.sizes[-1]
        if known <= 0:
            return inf
        return float(ceil(n * wanted * (1.0 - known) / (known * (1.0 - wanted)) - 1e-9))

    def __str__(self) -> str:
        halves = zip(
            self.sizes, self.correlations, self.linear_correlations, self.overlaps, strict=True
        )
        lines = [
            f"{size} rows: rank correlation {r:.2f}, linear {linear:.2f}, "
            f"overlap of the top {self.k} {overlap:.2f}"
            for size, r, linear, overlap in halves
        ]
        lines.append(f"{self.n_rows} rows: rank correlation {self.correlation:.2f} expected")
        lines.append(f"rank correlation 0.9 takes about {self.calls_for(0.9):.0f} rows")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = ["rows", "rank correlation", "linear", f"overlap of the top {self.k}"]
        halves = zip(
            self.sizes, self.correlations, self.linear_correlations, self.overlaps, strict=True
        )
        rows = [[str(size), *(f"{value:.2f}" for value in values)] for size, *values in halves]
        rows.append([str(self.n_rows), f"{self.correlation:.2f} expected", "", ""])
        wanted = f"rank correlation 0.9 takes about {self.calls_for(0.9):.0f} rows"
        return f"{html_table(head, rows)}<p>{wanted}</p>"


@one_blas_thread(with_scipy=True)
def stability_report(
    record: Record,
    target: int | str | None = None,
    *,
    k: int = 5,
    n_splits: int = 20,
    rng: Seed = None,
) -> StabilityReport:
    """Explain sub-samples of the rows already paid for and compare their maps.

    Parameters
    ----------
    record : Record
        An explanation of a method with segments, with its samples.
    target : int or str, optional
        See `Explanation`.
    k : int
        Number of the strongest segments that are compared.
    n_splits : int
        Number of random divisions of the rows.
    rng : int, numpy.random.Generator or None

    Notes
    -----
    No model is called. Every map is LIME's plain fit (kernel of width 0.25, ridge of 1), whatever
    method made the explanation. For QuickLime and QuickShap, whose surrogates need fewer rows, the
    correlation is therefore a lower bound. Complementary coalitions stay together. Two maps also
    agree in the errors that they share. So the report says how much the map would change with
    another seed, not how right it is: see `Explanation.reliability` for that.

    References
    ----------
    C. Spearman, "Correlation calculated from faulty data", British Journal of Psychology 3, 1910,
    doi:10.1111/j.2044-8295.1910.tb00206.x.
    W. Brown, "Some experimental results in the correlation of mental abilities", British Journal
    of Psychology 3, 1910, doi:10.1111/j.2044-8295.1910.tb00207.x.

    Raises
    ------
    InvalidInputError
        If there are no coalitions, fewer than 16, or the target is a function of the scores.
    """
    from scipy.stats import rankdata  # noqa: PLC0415

    k, n_splits = check_int("k", k, minimum=1), check_int("n_splits", n_splits, minimum=1)
    generator = check_rng(rng)
    coalitions, values = _rows_of(record, target_row(record, target))
    groups = _complements(coalitions)
    n_groups, fit = int(groups.max()) + 1, _fits(coalitions, values)
    sizes, means = [], []
    for parts in (4, 2):
        likeness = []
        divided = (generator.permutation(n_groups)[groups] % parts for _ in range(n_splits))
        maps = fit([np.flatnonzero(part == p) for part in divided for p in (0, 1)])
        for a, b in zip(maps[::2], maps[1::2], strict=True):
            ranks = (rankdata(each) for each in (a, b))  # equal importances share their rank
            likeness.append((_correlation(*ranks), _correlation(a, b), _overlap(a, b, k)))
        sizes.append(len(values) // parts)
        means.append(np.mean(likeness, axis=0).tolist())
    correlations, linear, overlaps = zip(*means, strict=True)
    half = max(correlations[-1], 0.0)
    return StabilityReport(
        sizes=tuple(sizes),
        correlations=correlations,
        linear_correlations=linear,
        overlaps=overlaps,
        n_rows=len(values),
        correlation=2.0 * half / (1.0 + half),  # Spearman and Brown: twice as many rows
        k=k,
    )


def _rows_of(record: Record, row: int) -> tuple[Coalitions, Floats]:
    """Return the coalitions paid for and one target's values on them."""
    samples = record.samples
    if samples is None or len(samples) < _FEWEST_ROWS:
        raise InvalidInputError(
            f"`explanation` must have samples, at least {_FEWEST_ROWS} rows of them; got "
            f"{0 if samples is None else len(samples)}. Explain with more samples; files keep them "
            "unless they are told not to."
        )
    if not record.targets_are_columns:
        raise InvalidInputError(
            "`target` must be a score column for a stability report; "
            f"{record.target_names[row]!r} is a function of the scores."
        )
    return samples.coalitions, samples.of_column(record.targets[row]).astype(np.float64)


def _complements(coalitions: Coalitions) -> NDArray[np.intp]:
    """Return a number for every row; a coalition and its complement have the same number."""
    folded = np.where(coalitions[:, :1], coalitions, ~coalitions)
    return np.unique(np.packbits(folded, axis=1), axis=0, return_inverse=True)[1].ravel()


def _fits(coalitions: Coalitions, values: Floats) -> Callable[[Sequence[NDArray[np.intp]]], Floats]:
    """Return the function from sets of rows to the coefficients of LIME's plain fits on them."""
    weights = kernel_weights(cosine_distance(coalitions), _KERNEL_WIDTH)
    n, d = coalitions.shape
    # Products of all rows serve every fit on fewer rows than segments.
    products = _weighted_products(coalitions, weights) if n // 4 <= d else np.empty((0, 0))

    def fit(subsets: Sequence[NDArray[np.intp]]) -> Floats:
        maps, spread = np.zeros((len(subsets), d)), np.zeros((len(subsets), n))
        for place, rows in enumerate(subsets):
            if len(rows) > d:
                moments = weighted_moments(
                    coalitions[rows], values[rows, np.newaxis], weights[rows]
                )
                maps[place] = penalised_inverse(moments.gram, _RIDGE) @ moments.cross[:, 0]
            else:
                inner = products[np.ix_(rows, rows)]
                spread[place, rows] = _by_rows(inner, values[rows], weights[rows])
        return maps + spread @ coalitions.astype(np.float64) if spread.any() else maps

    return fit


def _weighted_products(coalitions: Coalitions, weights: Floats) -> Floats:
    """Return W^1/2 Z Z' W^1/2 of coalitions Z (n, d) and the diagonal matrix W of their weights."""
    single = coalitions.astype(np.float32)  # these products are exact: whole numbers below 2^24
    products = (single @ single.T).astype(np.float64)
    roots = np.sqrt(weights)
    products *= roots
    products *= roots[:, np.newaxis]
    return products


def _by_rows(products: Floats, values: Floats, weights: Floats) -> Floats:
    """Return multipliers of the rows that add them up to the ridge coefficients.

    `products` (n, n) are those of `_weighted_products`, and overwritten. With X the rows less their
    weighted mean and W the weights, coefficients (X' W X + a I)^-1 X' W y are
    X' W^1/2 (W^1/2 X X' W^1/2 + a I)^-1 W^1/2 y: the smaller system where there are fewer rows than
    segments.
    """
    from scipy.linalg import blas, cho_factor, cho_solve  # noqa: PLC0415

    total, roots = weights.sum(), np.sqrt(weights)
    # P_ij - m_i - m_j + s, with m the products with the mean and s its square, times both roots.
    with_mean = products @ (roots / total)
    square = with_mean @ (roots / total)
    offset = 0.5 * square * roots - with_mean
    system = blas.dsyr2(1.0, offset, roots, lower=1, a=products.T, overwrite_a=1)
    system[np.diag_indices_from(system)] += _RIDGE
    shares = weights / total
    moved = np.where(is_still(values), 0.0, values - shares @ values)
    factor = cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
    multipliers = roots * cho_solve(factor, roots * moved, check_finite=False)
    return np.asarray(multipliers - shares * multipliers.sum())


def _correlation(a: Floats, b: Floats) -> float:
    """Return the linear correlation, or 0 if one of the two does not vary."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    # squares of tiny importances would underflow
    return float(np.corrcoef(a / np.abs(a).max(), b / np.abs(b).max())[0, 1])


def _overlap(a: Floats, b: Floats, k: int) -> float:
    first, second = (set(strongest(each, k, "absolute").tolist()) for each in (a, b))
    return len(first & second) / max(1, len(first | second))
