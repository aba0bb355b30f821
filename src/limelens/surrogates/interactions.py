"""Which segments work together: Shapley interaction indices of rows already paid for."""

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Coalitions, Floats
from limelens._validation import check_choice, describe
from limelens.errors import InvalidInputError
from limelens.results.samples import Samples
from limelens.surrogates.enumeration import exact_interactions
from limelens.surrogates.mask_kernel import distinct_rows, relevance, signs
from limelens.surrogates.mask_process import MaskProcess, fit_processes
from limelens.surrogates.moments import is_constant
from limelens.targets import Target, find_target

ESTIMATORS = ("exact", "gaussian_process")
MOST_ENUMERATED = 16
_MAX_NODES = 48  # the integrand is smooth: more nodes than these change nothing


def interaction_index(
    samples: object, *, target: Target = None, estimator: str = "exact"
) -> Floats:
    r"""Return how much more every two segments add together than one by one.

    Positive where each raises what the other adds (both eyes make a face), negative where one
    stands in for the other (either eye will do), zero where they add up. No model is called: the
    rows of an explanation are looked at again.

    Parameters
    ----------
    samples : Explanation or Samples
        What segment methods return; for "exact" of all coalitions, as `ExactShapley` pays for.
    target : None, int, sequence of int, Top or callable
        As in `Explainer.explain`; pass what was passed there.
    estimator : {"exact", "gaussian_process"}
        By enumeration, for at most 16 segments; or that of the Gaussian process that fits the
        rows best, in closed form, for any number of rows and segments.

    Returns
    -------
    interactions : ndarray of float64, shape (t, d, d)
        Symmetric, with a zero diagonal, in units of the score.

    Raises
    ------
    InvalidInputError
        If the rows are not of coalitions of segments, or not all that the estimator needs.

    Notes
    -----
    With :math:`w(s) = s!\,(d-2-s)!/(d-1)!`, summed over the coalitions S without i and j,

    .. math:: I_{ij} = \sum_S w(|S|) \left(v(S \cup ij) - v(S \cup i) - v(S \cup j) + v(S)\right).

    If no three segments interact, a Shapley value is a segment's own effect plus half of its
    interactions.

    The process is that of `GaussianProcess()`; see `process_interactions` for the closed form.
    Its answer is as good as its fit, so look at the fidelity of an explanation with
    ``surrogate=GaussianProcess()`` on the same rows first. Where it finds nothing but additive
    effects all interactions are exactly zero.

    References
    ----------
    M. Grabisch, M. Roubens, "An axiomatic approach to the concept of interaction among players in
    cooperative games", International Journal of Game Theory 28, 1999, doi:10.1007/s001820050125.

    Examples
    --------
    The score is 1 only if the first two pixels are both kept:

    >>> import numpy as np
    >>> from limelens import Constant, ExactShapley, Grid, interaction_index
    >>> explainer = ExactShapley(segmenter=Grid(cell=(1, 1)), fill=Constant(0))
    >>> image = np.ones((1, 3))
    >>> explanation = explainer.explain(image, lambda batch: batch[:, 0, :2].prod(axis=1))
    >>> interaction_index(explanation)
    array([[[0., 1., 0.],
            [1., 0., 0.],
            [0., 0., 0.]]])
    """
    check_choice("estimator", estimator, ESTIMATORS)
    rows = _check_samples(samples)
    coalitions = rows.coalitions
    intact = np.flatnonzero(coalitions.all(axis=1))
    if not len(intact):
        msg = "`samples` must hold the intact image, the row that keeps every segment."
        raise InvalidInputError(msg)
    values = find_target(target, rows.scores[intact[0]]).values(rows.scores)
    if estimator == "exact":
        return _enumerated(coalitions, values)
    return _expected(coalitions, values)


def process_interactions(process: MaskProcess) -> Floats:
    r"""Return the interaction indices of a process's posterior mean, shape (c, d, d).

    Notes
    -----
    The additive part of the kernel has no interactions. In the product
    :math:`\prod_k \rho_k^{[z_k \ne z_{nk}]}` toggling i changes its factor by
    :math:`s_{ni} (1 - \rho_i)`, and the weight of a coalition of size s among d - 2 others is
    :math:`w(s) = \int_0^1 p^s (1-p)^{d-2-s} dp`: the chance that each is kept with probability p,
    p uniform. Hence, with :math:`\alpha = (1 - \nu) C^{-1} (y - \bar y)`,

    .. math:: I_{ij} = (1 - \lambda) \sum_n \alpha_n s_{ni} s_{nj} (1 - \rho_i) (1 - \rho_j)
              \int_0^1 \prod_{k \ne i, j} \big[ p \rho_k^{1 - z_{nk}}
              + (1 - p) \rho_k^{z_{nk}} \big] dp ,

    a polynomial of degree d - 2, integrated exactly by Gauss and Legendre's rule.
    """
    kernel, kept = process.kernel, process.coalitions
    d, decays = kept.shape[1], kernel.decays
    total = np.zeros((process.weights.shape[1], d, d))
    scale = (1.0 - process.noise) * (1.0 - kernel.additive)
    nodes, shares = np.polynomial.legendre.leggauss(min(max(1, d // 2), _MAX_NODES))
    for p, share in zip((nodes + 1) / 2, shares / 2, strict=True):
        factors = np.where(kept, p + (1 - p) * decays, p * decays + 1 - p)
        toggled = signs(kept) * (1 - decays) / factors
        products = np.exp(np.log(factors).sum(axis=1))
        for column, alpha in enumerate(process.weights.T):
            weighted = toggled * (scale * share * alpha * products)[:, np.newaxis]
            total[column] += toggled.T @ weighted
    return _without_diagonal((total + total.transpose(0, 2, 1)) / 2)


def _check_samples(samples: object) -> Samples:
    rows = getattr(samples, "samples", samples)
    if not isinstance(rows, Samples) or rows.n_segments < 2:
        msg = (
            "`samples` must be an explanation of a method that keeps and hides segments, or its "
            f"samples; got {describe(samples)}."
        )
        raise InvalidInputError(msg)
    return rows


def _enumerated(coalitions: Coalitions, values: Floats) -> Floats:
    d = coalitions.shape[1]
    bits: NDArray[np.intp] = 1 << np.arange(min(d, MOST_ENUMERATED))
    codes, first = np.unique(coalitions[:, : len(bits)] @ bits, return_index=True)
    if len(codes) < 2**d:  # which more segments than can be enumerated never reach
        msg = (
            f"`samples` must hold all 2**{d} coalitions of {d} segments (at most "
            f"{MOST_ENUMERATED}) for estimator='exact'; got {len(coalitions)}. Pay for the rest "
            "with ExactShapley().explain(..., reuse=...), or pass estimator='gaussian_process'."
        )
        raise InvalidInputError(msg)
    table = values[first]
    return exact_interactions(lambda rows: table[rows @ bits], d)


def _expected(coalitions: Coalitions, values: Floats) -> Floats:
    n, d = coalitions.shape
    if n < 3:
        msg = f"`samples` must hold at least 3 rows for estimator='gaussian_process'; got {n}."
        raise InvalidInputError(msg)
    distinct, positions = distinct_rows(coalitions)
    values = values[np.unique(positions, return_index=True)[1]]
    varies = np.flatnonzero(~is_constant(values))
    found = np.zeros((values.shape[1], d, d))
    columns = [values[:, [target]] for target in varies]
    for target, process in zip(
        varies, fit_processes(distinct, columns, relevance(None, d)), strict=True
    ):
        found[target] = process_interactions(process)[0]
    return found


def _without_diagonal(matrices: Floats) -> Floats:
    matrices[:, np.arange(matrices.shape[1]), np.arange(matrices.shape[1])] = 0.0
    return matrices
