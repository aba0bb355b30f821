"""Plain least squares on complementary pairs, with exact t-intervals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limelens._statistics import is_still, student, weighted_r2
from limelens._threads import one_blas_thread
from limelens._typing import Coalitions, Floats
from limelens.errors import InvalidInputError
from limelens.games.coalitions import average_rows, distinct_rows, signs
from limelens.surrogates.fit import Fit
from limelens.surrogates.moments import rows_that_count

_FULL_LEVERAGE = 1e-9


@dataclass(frozen=True)
class PairContrasts:
    r"""Ordinary least squares on complementary pairs of coalitions, without any prior.

    It suits designs like `Foldover`, which ask about the complement of every coalition: half the
    difference of the two scores is free of the mean and of all interactions of an even number of
    segments. The method is transparent and has textbook intervals. `GaussianProcess` has smaller
    errors, above all with few pairs.

    Importances are Banzhaf values: the mean difference that keeping a segment makes, where all
    coalitions count the same. Kernel weights enter only the fidelities. Rows of zero weight, or
    without their complement, are left out.

    Raises
    ------
    InvalidInputError
        On use, if there are not more pairs than segments, or if the pairs do not determine the
        effect of every segment.

    Notes
    -----
    With :math:`o_p = (f(z_p) - f(1 - z_p)) / 2` of P pairs, signs :math:`S = 2 z - 1`,

    .. math:: \phi = 2 (S'S)^{-1} S' o, \qquad \sigma^2 = \sum_p r_p^2 / (P - d), \qquad
              \operatorname{SE}(\phi_i) = 2 \sigma \sqrt{[(S'S)^{-1}]_{ii}} ,

    multiplied by :math:`t_{0.975, P - d} / 1.96`, so that 1.96 standard errors make a 95 %
    interval. On complete Hadamard blocks :math:`S'S = P I`. `details` holds "n_pairs",
    "degrees_of_freedom" and "n_unpaired", the number of rows that were left out.

    Examples
    --------
    >>> from limelens import Foldover
    >>> rows = Foldover()(16, 3, np.random.default_rng(0))
    >>> scores = rows @ np.array([[2.0], [-1.0], [0.0]]) + 5 * (rows[:, [0]] == rows[:, [1]])
    >>> PairContrasts()(rows, scores, np.ones(16)).importances.round(9) + 0.0
    array([[ 2., -1.,  0.]])
    """

    @one_blas_thread()
    def __call__(self, coalitions: Coalitions, scores: Floats, weights: Floats) -> Fit:
        """Fit every target; see `rows_that_count` for the arguments."""
        coalitions, values, weights = rows_that_count(coalitions, scores, weights)
        rows, positions = distinct_rows(coalitions)
        values = average_rows(values, positions, len(rows))
        weights = np.bincount(positions, weights).astype(np.float64)
        first, second = _pairs(rows)
        design = signs(rows[first])
        inverse = _inverse(design)
        odd, even = 0.5 * (values[first] - values[second]), 0.5 * (values[first] + values[second])
        halves = inverse @ (design.T @ odd)
        n, d = design.shape
        residuals = odd - design @ halves
        # Student's t instead of the normal distribution: the variance is estimated from n - d.
        spread = np.sqrt(np.square(residuals).sum(axis=0) / (n - d)) * student(n - d)
        slack = 1.0 - np.einsum("pi,ij,pj->p", design, inverse, design)
        slack[slack < _FULL_LEVERAGE] = np.nan
        both = np.concatenate([values[first], values[second]])
        pair_weights = np.concatenate([weights[first], weights[second]])
        level, constant = even - even.mean(axis=0), is_still(both)
        # Left out of a mean of n, a value lies n / (n - 1) times as far from the mean of the rest.
        unseen = level * n / (n - 1), residuals / slack[:, np.newaxis]

        def explained(even_part: Floats, odd_part: Floats) -> Floats:
            missed = np.concatenate([even_part + odd_part, even_part - odd_part])
            return np.where(constant, np.nan, weighted_r2(both, both - missed, pair_weights))

        errors = 2.0 * np.multiply.outer(spread, np.sqrt(np.diagonal(inverse)))
        return Fit(
            importances=2.0 * halves.T,
            intercepts=even.mean(axis=0) - halves.sum(axis=0),
            standard_errors=np.where(constant[:, np.newaxis], np.nan, errors),
            fidelity=explained(*unseen),
            training_fidelity=explained(level, residuals),
            details={
                "n_pairs": n,
                "degrees_of_freedom": n - d,
                "n_unpaired": len(rows) - 2 * n,
            },
        )


def _pairs(rows: Coalitions) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the row numbers of the first and the second of each complementary pair, (p,) each."""
    d = rows.shape[1]
    numbers = {row.tobytes(): number for number, row in enumerate(np.packbits(rows, axis=1))}
    mirrored = np.packbits(~rows, axis=1)
    partner = [numbers.get(row.tobytes(), -1) for row in mirrored]
    first = [number for number, other in enumerate(partner) if other > number]
    if len(first) <= d:
        raise InvalidInputError(
            f"`coalitions` must hold more complementary pairs than the {d} segments for "
            f"PairContrasts; got {len(first)}. Use sampler=Foldover() with n_samples of at least "
            f"{2 * d + 4}, or surrogate=GaussianProcess()."
        )
    return np.array(first), np.array([partner[number] for number in first])


def _inverse(design: Floats) -> Floats:
    gram = design.T @ design
    if np.linalg.matrix_rank(gram, hermitian=True) < len(gram):
        raise InvalidInputError(
            "`coalitions` must tell all segments apart for PairContrasts; two or more are always "
            "kept and hidden together. Use more samples or sampler=Foldover()."
        )
    return np.asarray(np.linalg.inv(gram))
