"""Virtual coalitions: where a fitted surrogate is asked, at no model call, what it would say."""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import lgamma

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Coalitions, Floats
from limelens.games.lime_kernel import cosine_distance, kernel_weights
from limelens.gaussian.codes import bch_codes, code_signs, random_codes

LIME_WIDTH = 0.25

FULL_FACTORIAL = 13
"""Most segments whose coalitions are all asked of a surrogate."""

_MOST_BCH = 64

_SHAPLEY_PAIRS = 4096

_COARSE = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitting:
    """A weighted least-squares fit of any scores on fixed coalitions, worked out beforehand.

    Attributes
    ----------
    weights : ndarray, shape (v,)
        Kernel weights of the definition.
    centre : ndarray, shape (d,)
        Weighted mean of the coalitions; 0 for Shapley values.
    inverse : ndarray, shape (d, d)
        Inverse of the weighted Gram matrix, for Shapley values that under a fixed sum.
    ends : ndarray, shape (d,)
        How the difference of intact and hidden image is shared out; 0 but for Shapley values.
    """

    weights: Floats
    centre: Floats
    inverse: Floats
    ends: Floats

    def importances(self, coalitions: Coalitions, values: Floats, differences: Floats) -> Floats:
        """Return the importances (t, d) that values (v, t) on the coalitions define.

        `differences`, shape (t,), are the values of the intact image less those of the hidden one.
        """
        weighted = values * self.weights[:, np.newaxis]
        moments = weighted.T @ coalitions - np.outer(weighted.sum(axis=0), self.centre)
        return np.asarray(moments @ self.inverse.T + np.outer(differences, self.ends))


@dataclass(frozen=True, kw_only=True, eq=False)
class VirtualCoalitions:
    r"""Coalitions on which a surrogate is projected on a definition of importance.

    Made by `virtual_coalitions`; shared between calls, so nothing in it is ever changed.

    Attributes
    ----------
    definition : str
        "lime", "banzhaf" or "shapley".
    coalitions : ndarray of bool, shape (v, d)
        Folded: the second half are the complements of the first.
    spins : ndarray of float32, shape (d, v)
        1 where a segment is kept and -1 where it is hidden.
    codes : ndarray of int, shape (d,), or None
        For a group of :math:`v = 2^q` coalitions: the columns' q-bit codes; coalition u has
        :math:`s_i(u) = f_i (-1)^{\mathrm{popcount}(u \,\&\, c_i)}`.
    flips : ndarray, shape (d,)
        The signs :math:`f_i`.
    exact : bool
        Whether these are all :math:`2^d` coalitions.
    fitting : Fitting
        The least-squares fit on them.
    coarse : VirtualCoalitions, optional
        Fewer of them, enough for a covariance; None where a group makes that cheap.
    """

    definition: str
    coalitions: Coalitions
    spins: NDArray[np.float32]
    codes: NDArray[np.int64] | None
    flips: Floats
    exact: bool
    fitting: Fitting
    coarse: "VirtualCoalitions | None" = None

    def __len__(self) -> int:
        return len(self.coalitions)

    def positions(self, coalitions: Coalitions) -> NDArray[np.intp]:
        """Return where coalitions are among all of them, if these are all; shape (n,)."""
        bits = 1 << np.arange(coalitions.shape[1])
        places = np.empty(len(self), dtype=np.intp)
        places[self.coalitions @ bits] = np.arange(len(self))
        return places[coalitions @ bits]

    def importances(self, values: Floats, differences: Floats) -> Floats:
        """Return the importances (t, d) of values (v, t); see `Fitting.importances`."""
        return self.fitting.importances(self.coalitions, values, differences)


@lru_cache(maxsize=8)
def virtual_coalitions(n_segments: int, definition: str) -> VirtualCoalitions:
    """Return the virtual coalitions for images of `n_segments`; the same at every call.

    Parameters
    ----------
    n_segments : int
    definition : {"lime", "banzhaf", "shapley"}
        LIME's coefficients (cosine kernel, width .25), Banzhaf values or Shapley values.

    Returns
    -------
    VirtualCoalitions
        All coalitions up to 13 segments. Above, for LIME and Banzhaf: an orthogonal array of
        strength 5 up to 64 segments (8192 coalitions from 33 on), so that no interaction of two,
        three or four segments leaks into an importance under uniform weights; beyond that a random
        linear code of strength 3, to be used with a control variate. For Shapley values: 4096
        complementary pairs, their sizes uniform on 1..d-1.

    References
    ----------
    A. S. Hedayat, N. J. A. Sloane, J. Stufken, "Orthogonal arrays", Springer, 1999, chapters 4
    and 5 (arrays from the duals of BCH codes).

    Examples
    --------
    >>> virtual = virtual_coalitions(53, "lime")
    >>> virtual.coalitions.shape
    (8192, 53)
    """
    exact = n_segments <= FULL_FACTORIAL
    rng = np.random.default_rng(n_segments)
    flips = np.where(rng.random(n_segments) < 0.5, -1.0, 1.0)
    codes: NDArray[np.int64] | None = None
    if exact or definition != "shapley":
        codes = _codes(n_segments, rng)
        coalitions = code_signs(codes) * flips > 0
    else:
        coalitions = _pairs_of_all_sizes(n_segments, rng)
    whole = VirtualCoalitions(
        definition=definition,
        coalitions=coalitions,
        spins=_spins(coalitions),
        codes=codes,
        flips=flips,
        exact=exact,
        fitting=fitting_on(coalitions, definition, complete=exact),
    )
    return whole if codes is not None else replace(whole, coarse=_thinned(whole))


def _thinned(virtual: VirtualCoalitions) -> VirtualCoalitions:
    """Return every second pair: sizes stay uniform, for they come in order."""
    first = virtual.coalitions[: len(virtual) // 2 : _COARSE]
    coalitions = np.concatenate([first, ~first])
    fitting = fitting_on(coalitions, virtual.definition, complete=False)
    return replace(virtual, coalitions=coalitions, spins=_spins(coalitions), fitting=fitting)


def _spins(coalitions: Coalitions) -> NDArray[np.float32]:
    return np.ascontiguousarray(np.where(coalitions.T, np.float32(1), np.float32(-1)))


def fitting_on(coalitions: Coalitions, definition: str, *, complete: bool) -> Fitting:
    """Work out the fit that defines an importance, on given coalitions.

    Parameters
    ----------
    coalitions : ndarray of bool, shape (v, d)
    definition : {"lime", "banzhaf", "shapley"}
    complete : bool
        Whether these are all coalitions; otherwise their sizes are uniform on 1..d-1 for Shapley
        values, and they are drawn alike for the others.
    """
    if definition == "shapley":
        return _shapley_fitting(coalitions, complete=complete)
    n, d = coalitions.shape
    if definition == "banzhaf":
        return Fitting(
            weights=np.ones(n),
            centre=np.full(d, 0.5),
            inverse=np.eye(d) * (4.0 / n),
            ends=np.zeros(d),
        )
    weights = kernel_weights(cosine_distance(coalitions), LIME_WIDTH)
    centre = weights @ coalitions / weights.sum()
    centred = coalitions - centre
    inverse = np.asarray(np.linalg.inv((centred * weights[:, np.newaxis]).T @ centred))
    return Fitting(weights=weights, centre=centre, inverse=inverse, ends=np.zeros(d))


def _shapley_fitting(coalitions: Coalitions, *, complete: bool) -> Fitting:
    """Fit with Shapley's kernel, the importances summing to the ends' difference.

    Where sizes are uniform the kernel leaves the weight 1 / (k (d - k)); among all coalitions it
    is that over the number of coalitions of the size.
    """
    d = coalitions.shape[1]
    sizes = coalitions.sum(axis=1)
    inner = (sizes > 0) & (sizes < d)
    weights = np.zeros(len(coalitions))
    weights[inner] = 1.0 / (sizes[inner] * (d - sizes[inner]))
    if complete:
        k = np.arange(d + 1)
        log_count = np.array([lgamma(d + 1) - lgamma(i + 1) - lgamma(d - i + 1) for i in k])
        weights *= np.exp(-log_count)[sizes]
    inverse = np.linalg.inv((coalitions * weights[:, np.newaxis]).T @ coalitions)
    ends = inverse.sum(axis=1) / inverse.sum()
    # Lagrange's multiplier of the sum turns the inverse into a projection.
    constrained = inverse - np.outer(ends, inverse.sum(axis=0))
    return Fitting(weights=weights, centre=np.zeros(d), inverse=np.asarray(constrained), ends=ends)


def _codes(d: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return one code a segment; all have the highest bit, which folds the array."""
    if d <= FULL_FACTORIAL:
        numbers = np.arange(d)
        return np.asarray(1 << (d - 1) | np.where(numbers < d - 1, 1 << numbers, 0))
    return bch_codes(d) if d <= _MOST_BCH else random_codes(d, rng)


def _pairs_of_all_sizes(d: int, rng: np.random.Generator) -> Coalitions:
    sizes = 1 + (np.arange(_SHAPLEY_PAIRS) * (d - 1)) // _SHAPLEY_PAIRS
    ranks = rng.random((_SHAPLEY_PAIRS, d)).argsort(axis=1).argsort(axis=1)
    first = ranks < sizes[:, np.newaxis]
    return np.concatenate([first, ~first])
