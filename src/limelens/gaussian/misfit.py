"""What a process misses of the importances, found from its errors for rows left out."""

from math import comb

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Coalitions, Floats
from limelens.games.lime_kernel import cosine_distance, kernel_weights
from limelens.gaussian.virtual import LIME_WIDTH

# A row with a larger leverage is predicted by no other.
_FULL_LEVERAGE = 1.0 - 1e-9


def missed_importances(
    definition: str, coalitions: Coalitions, missed: Floats
) -> tuple[Floats, Floats]:
    r"""Return the importances of a surrogate's errors, shrunken as far as they are noise.

    Parameters
    ----------
    definition : {"lime", "shapley"}
    coalitions : ndarray of bool, shape (n, d)
        Distinct rows; for Shapley values in complementary pairs, where row i + n/2 hides what row
        i keeps.
    missed : ndarray, shape (n, t)
        Score minus what the surrogate predicts for a row that it has not seen.

    Returns
    -------
    importances : ndarray, shape (t, d)
        To be added to those of the surrogate. Shapley values sum to 0, since both ends are known.
    variances : ndarray, shape (t, d)
        Their posterior variances.

    Notes
    -----
    LIME's coefficients are a weighted fit to all coalitions, Shapley values a fit with fixed sum to
    half the differences within pairs (Covert and Lee 2021): the same fits to the errors of the rows
    say what the surrogate misses. A coalition that was asked has no error left, so the errors stand
    for the others of its kind and are multiplied by the share of these. The fit c is noisy. It is
    multiplied by :math:`b = \max(0, 1 - \sum_i s_i^2 / \sum_i c_i^2)`, with its HC3 standard errors
    s, the estimator of James and Stein (1961) that never changes a sign. Where the surrogate fits
    well, b is 0. The posterior variances are :math:`b s^2`.

    References
    ----------
    I. Covert, S.-I. Lee, "Improving KernelSHAP: practical Shapley value estimation using linear
    regression", AISTATS 2021, :arxiv:`2012.01536`.

    W. James, C. Stein, "Estimation with quadratic loss", Proc. 4th Berkeley Symposium, 1961.

    Examples
    --------
    Eight of the ten pairs that keep two of five segments were asked. Of them the surrogate missed
    one unit for segment 0 and saw one too many for segment 1. So it does for the other two pairs:

    >>> first = np.array([row for row in np.ndindex(2, 2, 2, 2, 2) if sum(row) == 2])[:8] > 0
    >>> rows = np.concatenate([first, ~first])
    >>> missed = rows[:, :1] * 1.0 - rows[:, 1:2]
    >>> missed_importances("shapley", rows, missed)[0].round(9) + 0.0
    array([[ 0.2, -0.2,  0. ,  0. ,  0. ]])
    """
    fit = _odd_parts if definition == "shapley" else _near_the_image
    design, values, weights = fit(coalitions, missed)
    n, d = design.shape
    none = np.zeros((values.shape[1], d))
    if n <= d:
        return none, none
    weighted = design * weights[:, np.newaxis]
    # c = (X' W X)^+ X' W y = M y, and a row's leverage is on the diagonal of X M.
    mapper = np.linalg.pinv(design.T @ weighted, hermitian=True) @ weighted.T
    leverage = np.einsum("nd,dn->n", design, mapper)
    if definition == "lime":
        leverage += weights / weights.sum()  # of the mean, which was subtracted
    if leverage.max() > _FULL_LEVERAGE:
        return none, none
    found = mapper @ values
    errors = (values - design @ found) / (1.0 - leverage)[:, np.newaxis]
    variances = np.square(mapper) @ np.square(errors)
    noise, signal = variances.sum(axis=0), np.square(found).sum(axis=0)
    share = 1.0 - np.minimum(noise, signal) / np.where(signal > 0, signal, 1.0)
    return (share * found).T, (share * variances).T


_Fitted = tuple[Floats, Floats, Floats]


def _odd_parts(coalitions: Coalitions, missed: Floats) -> _Fitted:
    """Return what Shapley values are fitted to: one row of a pair less its mean, the odd parts."""
    half, d = len(coalitions) // 2, coalitions.shape[1]
    sizes = coalitions[:half].sum(axis=1)
    inner = (sizes > 0) & (sizes < d)
    first, sizes = coalitions[:half][inner], sizes[inner]
    odd = 0.5 * (missed[:half] - missed[half:])[inner]
    design = first - first.mean(axis=1, keepdims=True)
    return design, odd * (1.0 - _asked(sizes, d))[:, np.newaxis], np.ones(len(odd))


def _asked(sizes: NDArray[np.intp], d: int) -> Floats:
    """Return for each pair the share of the pairs of its size that are among these."""
    smaller = np.minimum(sizes, d - sizes)
    counts = np.bincount(smaller, minlength=d // 2 + 1)
    # Whole numbers, as there may be more pairs than the largest float.
    shares = [
        count * (2 if 2 * size == d else 1) / comb(d, size)
        for size, count in enumerate(counts.tolist())
    ]
    return np.asarray(np.array(shares)[smaller])


def _near_the_image(coalitions: Coalitions, missed: Floats) -> _Fitted:
    """Return what LIME's coefficients are fitted to: rows and errors less their weighted means."""
    inner = coalitions.any(axis=1) & ~coalitions.all(axis=1)
    rows, errors = coalitions[inner], missed[inner]
    weights = kernel_weights(cosine_distance(rows), LIME_WIDTH)
    shares = weights / weights.sum()
    left = 1.0 - len(coalitions) * 0.5 ** coalitions.shape[1]  # 2^d may be beyond all floats
    return rows - shares @ rows, left * (errors - shares @ errors), weights
