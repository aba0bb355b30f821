"""The mask Gaussian process as a surrogate of any explainer."""

from dataclasses import KW_ONLY, dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from limelens._checks.images import check_energy
from limelens._checks.values import check_choice, check_int
from limelens._statistics import is_still, weighted_r2
from limelens._threads import one_blas_thread
from limelens._typing import Coalitions, Floats
from limelens.games.coalitions import average_rows, distinct_rows
from limelens.gaussian.closed_forms import banzhaf_effects, shapley_effects
from limelens.gaussian.kernel import relevance
from limelens.gaussian.likelihood import FEWEST_KERNEL_ROWS, KERNEL_ROWS, random_rows
from limelens.gaussian.links import Link
from limelens.gaussian.process import MaskProcess, fit_processes
from limelens.gaussian.projection import project
from limelens.gaussian.virtual import virtual_coalitions
from limelens.surrogates.fit import Fit
from limelens.surrogates.moments import rows_that_count

DEFINITIONS = ("lime", "banzhaf", "shapley")


@dataclass(frozen=True, eq=False)
class GaussianProcess:
    r"""A Gaussian process on coalitions: additive effects, interactions of all orders, noise.

    On real networks it has the best held-out R² of all surrogates, even with fewer rows than
    segments. Unlike the linear surrogates it models the score of every coalition. So the rows'
    weights do not say where the fit has to be close; instead `values` says which average of the
    fitted differences is reported.

    Parameters
    ----------
    values : {"lime", "banzhaf", "shapley"}
        What is reported: LIME's coefficients (all coalitions, weighted by a cosine kernel of
        width 0.25), Banzhaf values (all coalitions count the same) or Shapley values (all sizes
        of coalitions count the same).
    energy : array_like, shape (d,), optional
        How much hiding changes each segment: the squared change of its pixels. Segments that
        change more are expected to matter more. Without `energy` all are expected to matter alike.
    kernel_rows : int
        Of more distinct rows than these, so many random ones choose :math:`\lambda` and
        :math:`\nu`, for which the time grows as their cube. All rows are fitted in any case.

    Raises
    ------
    InvalidInputError
        If a setting is none of these; on use, if `energy` does not fit the coalitions.

    Notes
    -----
    The kernel, with :math:`s = 2z - 1`, relevance :math:`D \propto \sqrt{energy} + 5\,\%` of the
    mean, :math:`\sum D = 1`, :math:`\rho_i = 0.95^{d D_i}`:

    .. math:: k(z, z') = 1 + \lambda \sum_i D_i s_i s_i'
              + (1 - \lambda) \prod_i \rho_i^{[z_i \ne z_i']}, \qquad
              C = \sigma^2 [(1 - \nu) K + \nu I].

    The marginal likelihood chooses :math:`\lambda` and :math:`\nu` for each target on its own, and
    :math:`\sigma^2` follows from them. `standard_errors` are the posterior standard deviations;
    `fidelity` is the weighted R² of the closed-form leave-one-out predictions. Rows of weight zero
    are left out and equal rows are averaged; otherwise weights enter only fidelities and
    intercepts. With ``values="lime"`` and up to 16 segments, only coalitions without a row are
    uncertain. `details` holds "additive" (:math:`\lambda`) and "noise" (:math:`\nu`) of each
    target, and "kernel_rows", how many rows chose them. The fit takes O(n³) time and O(n²) memory.

    References
    ----------
    C. E. Rasmussen, C. K. I. Williams, "Gaussian processes for machine learning", MIT Press, 2006.

    Examples
    --------
    >>> rows = np.array([[1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 1], [1, 1, 0], [0, 0, 1]], bool)
    >>> scores = rows @ np.array([[2.0], [-1.0], [0.0]])
    >>> GaussianProcess()(rows, scores, np.ones(6)).importances.round(2) + 0.0
    array([[ 2., -1.,  0.]])
    """

    values: str = "lime"
    _: KW_ONLY
    energy: ArrayLike | None = None
    kernel_rows: int = field(default=KERNEL_ROWS, metadata={"later": True})

    def __post_init__(self) -> None:
        check_choice("values", self.values, DEFINITIONS)
        if self.energy is not None:
            object.__setattr__(self, "energy", check_energy(self.energy))
        check_int("kernel_rows", self.kernel_rows, minimum=FEWEST_KERNEL_ROWS)

    @one_blas_thread(with_scipy=True)
    def __call__(self, coalitions: Coalitions, scores: Floats, weights: Floats) -> Fit:
        """Fit every target; see `rows_that_count` for the arguments."""
        coalitions, values, weights = rows_that_count(coalitions, scores, weights)
        d, n_targets = coalitions.shape[1], values.shape[1]
        energy = None if self.energy is None else check_energy(self.energy, d)
        distinct, positions = distinct_rows(coalitions)
        values = average_rows(values, positions, len(distinct))
        weights = np.bincount(positions, weights).astype(np.float64)
        importances, errors = np.zeros((n_targets, d)), np.full((n_targets, d), np.nan)
        intercepts, hyper = weights @ values / weights.sum(), np.full((2, n_targets), np.nan)
        held_out, fitted = values.copy(), values.copy()
        # Two distinct rows leave nothing to choose lambda and nu by.
        constant = is_still(values) | (len(distinct) < 3)
        columns = [values[:, [target]] for target in np.flatnonzero(~constant)]
        processes = fit_processes(distinct, columns, relevance(energy, d), self.kernel_rows)
        for target, process in zip(np.flatnonzero(~constant), processes, strict=True):
            importances[target], covariance = _effects(process, values[:, [target]], self.values)
            errors[target] = np.sqrt(np.diagonal(covariance))
            # The intercept of weighted least squares with these coefficients: ybar - zbar' phi.
            intercepts[target] -= weights @ distinct @ importances[target] / weights.sum()
            held_out[:, target] -= process.residuals[:, 0]
            fitted[:, target] = process.predict(distinct)[:, 0]
            hyper[:, target] = process.kernel.additive, process.noise
        unknown = np.where(constant, np.nan, 0.0)
        return Fit(
            importances=importances,
            intercepts=intercepts,
            standard_errors=errors,
            fidelity=weighted_r2(values, held_out, weights) + unknown,
            training_fidelity=weighted_r2(values, fitted, weights) + unknown,
            shrunken=True,
            details={
                "additive": hyper[0],
                "noise": hyper[1],
                "kernel_rows": len(random_rows(distinct, self.kernel_rows)) if processes else 0,
            },
        )


def _effects(process: MaskProcess, column: Floats, definition: str) -> tuple[Floats, Floats]:
    """Return the importances (d,) of a process of one column and their covariance (d, d)."""
    if definition != "lime":
        effects = banzhaf_effects if definition == "banzhaf" else shapley_effects
        values, covariance = effects(process)
        return values[0], process.variances[0] * covariance
    virtual = virtual_coalitions(process.coalitions.shape[1], definition)
    link = Link(columns=column, explained=column)
    seen = project(process, link, virtual, process.residuals, np.zeros(1))
    return seen.importances[0], seen.covariance[0]
