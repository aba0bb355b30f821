"""The forward-selection surrogate: the few segments that explain most, one after the other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_int
from limelens._statistics import DEPENDENT
from limelens._threads import one_blas_thread
from limelens._typing import Coalitions, Floats
from limelens.surrogates.fit import Fit
from limelens.surrogates.lasso_path import sweep
from limelens.surrogates.linear import least_squares, linear_fit
from limelens.surrogates.moments import r2_of_residuals, weighted_moments

# Targets are treated together while their tables hold at most this many numbers (8 MB).
_BLOCK = 2**20


def forward_selection(
    gram: Floats, cross: Floats, n_features: int
) -> tuple[NDArray[np.intp], Floats]:
    r"""Choose columns greedily, each the one that lowers the squared error most.

    Parameters
    ----------
    gram : ndarray, shape (d, d)
        Weighted products of the centred columns.
    cross : ndarray, shape (d, t)
        Weighted products of the centred columns with the centred targets.
    n_features : int
        Columns to choose; fewer are chosen when no independent one is left.

    Returns
    -------
    order : ndarray of int, shape (t, k)
        Columns in the order of their choice. Of equally good columns the first is chosen.
    gains : ndarray, shape (t, k)
        How much each choice lowered the weighted sum of squares.

    Notes
    -----
    On the Gram matrix swept on the chosen columns, column j lowers the sum of squares by
    :math:`(c_j - G_{jA} G_{AA}^{-1} c_A)^2 / (G_{jj} - G_{jA} G_{AA}^{-1} G_{Aj})`, so that a step
    costs O(d²) per target whatever the number of rows.

    Examples
    --------
    >>> order, gains = forward_selection(np.eye(3), np.array([[1.0], [-3.0], [2.0]]), 2)
    >>> order
    array([[1, 2]])
    >>> gains
    array([[9., 4.]])
    """
    block = max(1, _BLOCK // len(gram) ** 2)
    starts = range(0, cross.shape[1], block)
    parts = [_select(gram, cross[:, first : first + block], n_features) for first in starts]
    # All targets share the rank of the Gram matrix, so that only rounding makes lengths differ.
    length = min(order.shape[1] for order, _ in parts)
    order = np.concatenate([order[:, :length] for order, _ in parts])
    return order, np.concatenate([gains[:, :length] for _, gains in parts])


def _select(gram: Floats, cross: Floats, n_features: int) -> tuple[NDArray[np.intp], Floats]:
    """Choose columns for a block of targets."""
    cross, scale = cross.T, np.diagonal(gram)
    targets = np.arange(len(cross))
    tables = np.repeat(gram[np.newaxis], len(cross), axis=0)
    chosen = np.zeros(cross.shape, dtype=np.bool_)
    order = np.empty((len(cross), min(n_features, len(gram))), dtype=np.intp)
    gains = np.empty(order.shape)
    for step in range(order.shape[1]):
        # Rows j not in A of a swept table hold G_jA inv(G_AA): `known` is G_jA inv(G_AA) c_A, and
        # the diagonal is G_jj - G_jA inv(G_AA) G_Aj.
        known = (tables @ np.where(chosen, cross, 0.0)[:, :, np.newaxis])[:, :, 0]
        remaining = np.diagonal(tables, axis1=1, axis2=2)
        usable = ~chosen & (remaining > DEPENDENT * scale)
        if not usable.any(axis=1).all():
            return order[:, :step], gains[:, :step]
        gain = np.full(cross.shape, -1.0)
        np.divide(np.square(cross - known), remaining, out=gain, where=usable)
        order[:, step] = gain.argmax(axis=1)
        gains[:, step] = gain[targets, order[:, step]]
        chosen[targets, order[:, step]] = True
        sweep(tables, order[:, step])
    return order, gains


@dataclass(frozen=True)
class ForwardSelection:
    """Weighted least squares on the few segments that explain most.

    For a list of a fixed length: each step adds the segment that raises the weighted R² most.

    Parameters
    ----------
    n_features : int
        How many segments to choose. All are chosen if there are fewer, and only as many as are
        linearly independent if the rows cannot tell more apart.

    Raises
    ------
    InvalidInputError
        If `n_features` is not a positive integer.

    Notes
    -----
    The choices are the same as those of refitting ordinary least squares for every candidate, at
    a thousandth of the work (see `forward_selection`). Importances and HC3 standard errors are
    those of the least-squares fit on the chosen segments. A segment that was not chosen has
    importance 0 and standard error NaN, because its effect was not estimated. ``fidelity`` is the
    exact leave-one-out R² of that fit; the choice is taken as given.

    ``details`` holds ``order``, the segments of each target in the order of their choice (-1 for
    a constant target), ``gains``, the in-sample R² that each of them added, and
    ``effective_rows``.

    References
    ----------
    Ribeiro, Singh and Guestrin (2016). "Why should I trust you?" Explaining the predictions of
    any classifier. KDD. :doi:`10.1145/2939672.2939778`

    Examples
    --------
    >>> rows = np.random.default_rng(0).random((64, 4)) < 0.5
    >>> scores = 0.1 + rows @ np.array([[0.5], [0.0], [-0.25], [0.0]])
    >>> fit = ForwardSelection(2)(rows, scores, np.ones(64))
    >>> fit.importances.round(6) + 0.0
    array([[ 0.5 ,  0.  , -0.25,  0.  ]])
    >>> fit.details["order"]
    array([[0, 2]])
    """

    n_features: int

    def __post_init__(self) -> None:
        check_int("n_features", self.n_features, minimum=1)

    @one_blas_thread()
    def __call__(self, coalitions: Coalitions, scores: Floats, weights: Floats) -> Fit:
        """Fit every target; see `rows_that_count` for the arguments."""
        moments = weighted_moments(coalitions, scores, weights)
        order, gains = forward_selection(moments.gram, moments.cross, self.n_features)
        shape = (moments.n_targets, moments.n_segments)
        importances, errors = np.zeros(shape), np.full(shape, np.nan)
        residuals, held_out = moments.values.copy(), moments.values.copy()
        for target in np.flatnonzero(moments.varies):
            chosen = np.sort(order[target])
            solved = least_squares(moments, columns=chosen, targets=[target])
            importances[target, chosen] = solved.coefs[:, 0]
            errors[target, chosen] = solved.standard_errors[:, 0]
            residuals[:, target] = solved.residuals[:, 0]
            held_out[:, target] = solved.held_out[:, 0]
        totals = np.where(moments.varies, moments.totals, 1.0)[:, np.newaxis]
        return linear_fit(
            moments,
            importances=importances,
            standard_errors=errors,
            fidelity=r2_of_residuals(moments, held_out),
            training_fidelity=r2_of_residuals(moments, residuals),
            details={
                "order": np.where(moments.varies[:, np.newaxis], order, -1),
                "gains": gains / totals,
                "effective_rows": moments.effective_rows,
            },
        )
