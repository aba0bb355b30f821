"""Virtual coalitions: a fitted surrogate is evaluated on them, without any model call."""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Coalitions, Floats
from limelens.games.constrained import shapley_kernel
from limelens.games.lime_kernel import cosine_distance, kernel_weights
from limelens.gaussian.codes import bch_codes, code_signs, random_codes
from limelens.sampling.distinct import pair_weights, sized_pairs

LIME_WIDTH = 0.25

FULL_FACTORIAL = 16
"""Up to this many segments a surrogate is evaluated on all coalitions."""

# Most columns for codes of 2 m + 1 = 13 bits, one for each element of GF(2^6).
_MOST_BCH = 64

# 2^13 = 8192 coalitions: the error that they add is well below the standard errors.
_BITS = 13

# Of so many segments the last eight are remembered, of more only the last: 13 bytes a segment and
# coalition, 160 MiB for 1600 segments.
_MOST_REMEMBERED = 128

# As many coalitions for Shapley values, and fewer for their covariance, in complementary pairs.
_SHAPLEY_PAIRS = 4096
_COARSE_PAIRS = 768


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitting:
    """A weighted least-squares fit of any scores on fixed coalitions, prepared beforehand.

    Attributes
    ----------
    weights : ndarray, shape (v,)
        Kernel weights of the definition.
    centre : ndarray, shape (d,)
        Weighted mean of the coalitions; 0 for Shapley values.
    inverse : ndarray, shape (d, d)
        Inverse of the weighted Gram matrix; for Shapley values, the inverse under a fixed sum.
    ends : ndarray, shape (d,)
        Share of v(all) - v(none) given to each segment; zero except for Shapley values.
    known : ndarray, shape (v / 2,)
        For each complementary pair, the share of all pairs of its size that are here: 1 where
        nothing was left to chance.
    """

    weights: Floats
    centre: Floats
    inverse: Floats
    ends: Floats
    known: Floats

    def importances(
        self, coalitions: Coalitions | Floats, values: Floats, differences: Floats
    ) -> Floats:
        """Return the importances (t, d) that values (v, t) on the coalitions define.

        `differences`, shape (t,), are values of the intact image minus those of the hidden one.
        """
        # (Z - c)' W Z has the inverse `inverse`: phi = inverse (Z - c)' W v + ends * difference.
        weighted = values * self.weights[:, np.newaxis]
        moments = weighted.T @ coalitions - np.outer(weighted.sum(axis=0), self.centre)
        return np.asarray(moments @ self.inverse.T + np.outer(differences, self.ends))

    def noise_covariance(self, coalitions: Coalitions) -> Floats:
        """Return the covariance (d, d) of importances of values with independent variance 1."""
        moved = (coalitions - self.centre) * self.weights[:, np.newaxis]
        inner = self.inverse @ (moved.T @ moved) @ self.inverse.T
        return np.asarray(inner + 2.0 * np.outer(self.ends, self.ends))

    def left_over(
        self, coalitions: Coalitions | Floats, values: Floats, differences: Floats
    ) -> Floats:
        """Return the weighted values (v, t) without the additive function that fits them.

        If the coalitions, which are folded, were drawn, this is what makes importances noisy.
        """
        half = len(coalitions) // 2
        first, lean = coalitions[:half] - self.centre, 1.0 - 2.0 * self.centre
        effects = self.importances(coalitions, values, differences)
        additive = first @ effects.T
        # A complement is 1 - z, which is `lean` minus `first` from the centre.
        left = values - np.concatenate([additive, effects @ lean - additive])
        left -= self.weights @ left / self.weights.sum()
        left *= self.weights[:, np.newaxis]
        return np.asarray(left)

    def of_signs(self, squares: Floats, sums: Floats, total: Floats | float) -> Floats:
        """Return the Gram matrix (d, d) of functionals of coalitions from those of their signs.

        As z - c = s / 2 + (1/2 - c), they are half of one functional for each segment's signs,
        and a multiple of one more: `squares` (d, d) is the Gram matrix of the former, `sums` (d,)
        their products with the latter, and `total` its square.
        """
        return _of_signs(0.5 - self.centre, squares, sums, total)


@dataclass(frozen=True, kw_only=True, eq=False)
class VirtualCoalitions:
    r"""Coalitions on which a surrogate is evaluated to find importances of some definition.

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
        Fewer coalitions, enough for a covariance; None where a group makes all of them cheap.
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

    @cached_property
    def kept(self) -> Floats:
        """The coalitions as numbers 1 and 0, shape (v, d): for products without a copy."""
        numbers = self.coalitions.astype(np.float64)
        numbers.setflags(write=False)
        return numbers

    def positions(self, coalitions: Coalitions) -> NDArray[np.intp]:
        """Return the positions, shape (n,), of coalitions; for a set of all 2^d coalitions only."""
        bits = 1 << np.arange(coalitions.shape[1])
        places = np.empty(len(self), dtype=np.intp)
        places[self.coalitions @ bits] = np.arange(len(self))
        return places[coalitions @ bits]

    def importances(self, values: Floats, differences: Floats) -> Floats:
        """Return the importances (t, d) of values (v, t); see `Fitting.importances`."""
        return self.fitting.importances(self.kept, values, differences)


def virtual_coalitions(n_segments: int, definition: str) -> VirtualCoalitions:
    """Return the virtual coalitions for images of `n_segments`, which always are the same.

    Parameters
    ----------
    n_segments : int
    definition : {"lime", "banzhaf", "shapley"}
        LIME's coefficients (cosine kernel, width 0.25), Banzhaf values or Shapley values.

    Returns
    -------
    VirtualCoalitions
        All coalitions for up to 16 segments. For more segments, LIME and Banzhaf values use an
        orthogonal array of strength 5 (8192 coalitions) up to 64 segments: under uniform weights
        no interaction of two, three or four segments leaks into an importance. Beyond 64 segments
        they use a random linear code of strength 3, which needs a control variate. Shapley values
        use 4096 complementary pairs, all different, with sizes uniform on 1..d-1 where there are
        enough pairs.

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
    return (_remembered if n_segments <= _MOST_REMEMBERED else _last)(n_segments, definition)


def _made(n_segments: int, definition: str) -> VirtualCoalitions:
    """Make the virtual coalitions of `virtual_coalitions`."""
    exact = n_segments <= FULL_FACTORIAL
    rng = np.random.default_rng(n_segments)
    flips = np.where(rng.random(n_segments) < 0.5, -1.0, 1.0)
    if not exact and definition == "shapley":
        whole, coarse = (
            _pairs_of_all_sizes(n_pairs, n_segments, rng)
            for n_pairs in (_SHAPLEY_PAIRS, _COARSE_PAIRS)
        )
        return replace(whole, coarse=coarse)
    codes = _codes(n_segments, rng)
    coalitions = code_signs(codes) * flips > 0
    return VirtualCoalitions(
        definition=definition,
        coalitions=coalitions,
        spins=_spins(coalitions),
        codes=codes,
        flips=flips,
        exact=exact,
        fitting=fitting_on(coalitions, definition, complete=exact),
    )


_remembered, _last = lru_cache(maxsize=8)(_made), lru_cache(maxsize=1)(_made)


def _pairs_of_all_sizes(n_pairs: int, d: int, rng: np.random.Generator) -> VirtualCoalitions:
    first = sized_pairs(n_pairs, np.ones(d - 1), rng)[0::2]
    coalitions = np.concatenate([first, ~first])
    return VirtualCoalitions(
        definition="shapley",
        coalitions=coalitions,
        spins=_spins(coalitions),
        codes=None,
        flips=np.ones(d),
        exact=False,
        fitting=fitting_on(coalitions, "shapley", complete=False),
    )


def _spins(coalitions: Coalitions) -> NDArray[np.float32]:
    return np.ascontiguousarray(np.where(coalitions.T, np.float32(1), np.float32(-1)))


def fitting_on(coalitions: Coalitions, definition: str, *, complete: bool) -> Fitting:
    """Prepare the fit that defines an importance, on given coalitions.

    Parameters
    ----------
    coalitions : ndarray of bool, shape (v, d)
        Folded.
    definition : {"lime", "banzhaf", "shapley"}
    complete : bool
        Whether these are all coalitions. Otherwise they were drawn: for Shapley values by
        `sized_pairs` with equal shares of all sizes, for the others uniformly.
    """
    if definition == "shapley":
        return _shapley_fitting(coalitions, complete=complete)
    n, d = coalitions.shape
    if definition == "banzhaf":
        return Fitting(
            weights=np.ones(n),
            centre=np.full(d, 0.5),
            inverse=np.eye(d) * (4.0 / n),  # orthogonal columns z - 1/2 with the square n / 4
            ends=np.zeros(d),
            known=np.zeros(n // 2),
        )
    weights = kernel_weights(cosine_distance(coalitions), LIME_WIDTH)
    centre = weights @ coalitions / weights.sum()
    inverse = np.asarray(np.linalg.inv(_gram(coalitions, weights, centre)))
    return Fitting(
        weights=weights, centre=centre, inverse=inverse, ends=np.zeros(d), known=np.zeros(n // 2)
    )


def _shapley_fitting(coalitions: Coalitions, *, complete: bool) -> Fitting:
    """Prepare the fit with the Shapley kernel, whose importances sum to the ends' difference."""
    d = coalitions.shape[1]
    if complete:
        weights, known = shapley_kernel(coalitions), np.ones(len(coalitions) // 2)
    else:
        sizes = np.arange(1, d)
        first = coalitions[: len(coalitions) // 2]
        by_pair, known = pair_weights(first, np.ones(d - 1), 1.0 / (sizes * (d - sizes)))
        weights = np.concatenate([by_pair, by_pair])
    inverse = np.linalg.inv(_gram(coalitions, weights, np.zeros(d)))
    # With the Lagrange multiplier of the sum, A = Z' W Z and D the difference of the ends:
    # phi = A^-1 b - A^-1 1 (1' A^-1 b - D) / (1' A^-1 1).
    ends = inverse.sum(axis=1) / inverse.sum()
    constrained = np.asarray(inverse - np.outer(ends, inverse.sum(axis=0)))
    return Fitting(weights=weights, centre=np.zeros(d), inverse=constrained, ends=ends, known=known)


def _gram(coalitions: Coalitions, weights: Floats, centre: Floats) -> Floats:
    """Return (Z - c)' W (Z - c) of folded coalitions Z."""
    # z - c is s / 2 + (1/2 - c), and that of the complement -s / 2 + (1/2 - c): one square of half
    # as many rows.
    half = len(weights) // 2
    kept, hidden = weights[:half], weights[half:]
    signs = np.where(coalitions[:half], 1.0, -1.0)
    sums = (kept - hidden) @ signs
    signs *= np.sqrt(kept + hidden)[:, np.newaxis]
    return _of_signs(0.5 - centre, signs.T @ signs, sums, weights.sum())


def _of_signs(offsets: Floats, squares: Floats, sums: Floats, total: Floats | float) -> Floats:
    """Return the Gram matrix of `Fitting.of_signs`, given 1/2 - c."""
    crossed = np.outer(0.5 * sums, offsets)
    return 0.25 * squares + crossed + crossed.T + total * np.outer(offsets, offsets)


def _codes(d: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return one code per segment; all have the highest bit set, which folds the array."""
    if d <= FULL_FACTORIAL:
        # d independent codes of d bits: all 2^d coalitions.
        numbers = np.arange(d)
        return np.asarray(1 << (d - 1) | np.where(numbers < d - 1, 1 << numbers, 0))
    if d > _MOST_BCH:
        return random_codes(d, rng)
    codes = bch_codes(d)
    bits = int(codes.max()).bit_length() - 1
    # Five independent codes stay independent whatever bits are inserted below the highest one.
    more = rng.integers(0, 1 << max(_BITS - 1 - bits, 0), d)
    return np.asarray(codes & (1 << bits) - 1 | more << bits | 1 << max(_BITS - 1, bits))
