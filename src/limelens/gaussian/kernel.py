"""How alike two coalitions are: the kernel of the mask Gaussian process."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from limelens._typing import Coalitions, Floats
from limelens.games.coalitions import is_folded, signs

# What a flip of a segment of mean relevance leaves of the product part.
_DECAY = 0.95

# Every segment's root energy is raised by this share of the mean: a segment that hardly changes may
# still matter, and one that changes very much may not be all that does.
_FLOOR = 0.05

# Numbers of a chunk that stays in the cache: 256 KiB.
_CACHED = 32_768


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskKernel:
    r"""Prior covariance of a score between two coalitions.

    Parameters
    ----------
    relevance : ndarray, shape (d,)
        Expected share of each segment in the score's variation, summing to 1; see `relevance`.
    additive : float
        Share of the additive part, from 0 (interactions of all orders) to 1 (additive only).
    decay : float
        What is left of the product part where a segment of mean relevance flips.

    Notes
    -----
    With :math:`s = 2 z - 1`, relevance :math:`D`, :math:`\rho_i = r^{d D_i}`, r the decay:

    .. math:: k(z, z') = 1 + \lambda \sum_i D_i s_i s_i'
              + (1 - \lambda) \prod_i \rho_i^{[z_i \ne z_i']}

    Everything depends on the agreement :math:`a = \sum_i D_i s_i s_i'` alone: the product is
    :math:`r^{d (1 - a) / 2}`. Hiding what was kept and keeping what was hidden in both
    coalitions changes nothing; in one of them it turns the sign of :math:`a`.

    Examples
    --------
    >>> kernel = MaskKernel(relevance=np.array([0.5, 0.5]), additive=1.0)
    >>> kernel.matrix(np.array([[1, 1], [1, 0]], dtype=bool), np.array([[1, 1]], dtype=bool))
    array([[2.],
           [1.]])
    """

    relevance: Floats
    additive: float
    decay: float = _DECAY

    @property
    def log_decay(self) -> float:
        """Logarithm of the product over all segments."""
        return len(self.relevance) * float(np.log(self.decay))

    @property
    def decays(self) -> Floats:
        """How much each segment's flip takes from the product, shape (d,)."""
        return np.exp(self.log_decay * self.relevance)

    def parts(self, agreement: Floats) -> tuple[Floats, Floats]:
        """Return the even part k(a) + k(-a) and the odd part k(a) - k(-a).

        The odd part is written over `agreement`.
        """
        odd = agreement
        if self.additive == 1:
            odd *= 2.0
            return np.full_like(odd, 2.0), odd
        even = np.empty_like(odd)
        rows = max(1, _CACHED // max(1, odd[:1].size))
        for start in range(0, len(odd), rows):  # a few rows at a time stay in the cache
            self._parts(even[start : start + rows], odd[start : start + rows])
        return even, odd

    def _parts(self, even: Floats, odd: Floats) -> None:
        """Write both parts, with one exponential; `odd` holds the agreement at first."""
        share = 1.0 - self.additive
        # even becomes g(a) = (1 - lambda) exp((1 - a) / 2 * log_decay), the product part of k(a).
        np.subtract(1.0, odd, out=even)
        even *= 0.5 * self.log_decay
        np.exp(even, out=even)
        even *= share
        # g(-a) = (1 - lambda)^2 exp(log_decay) / g(a) needs no second exponential.
        mirrored = (share**2 * np.exp(self.log_decay)) / even
        odd *= 2.0 * self.additive
        odd += even
        odd -= mirrored
        even += mirrored
        even += 2.0

    def matrix(self, left: Coalitions, right: Coalitions) -> Floats:
        """Return the kernel between the rows of two sets of coalitions, shape (n, m)."""
        even, odd = self.parts(agreement(left, right, self.relevance))
        return np.asarray(0.5 * (even + odd))


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossKernel:
    r"""The kernel between folded coalitions and others, by its even and odd part.

    Attributes
    ----------
    even, odd : ndarray, shape (v / 2, n) or, if `folded`, (v / 2, n / 2)
        Parts of the kernel between the first halves.
    folded : bool
        Whether the other coalitions are folded as well.

    Notes
    -----
    With :math:`x_\pm` the sum and the difference of the halves of a vector, the first half of
    :math:`K x` is :math:`(K_+ x_+ + K_- x_-) / 2`, the second :math:`(K_+ x_+ - K_- x_-) / 2`: a
    quarter of the entries, half of the work.
    """

    even: Floats
    odd: Floats
    folded: bool

    def __matmul__(self, vectors: Floats) -> Floats:
        """Return K @ vectors for vectors of shape (n, c); shape (v, c)."""
        half = len(vectors) // 2
        plus = minus = vectors
        if self.folded:
            plus, minus = vectors[:half] + vectors[half:], vectors[:half] - vectors[half:]
        even, odd = 0.5 * (self.even @ plus), 0.5 * (self.odd @ minus)
        return np.concatenate([even + odd, even - odd])

    def images(self, even: Floats, odd: Floats) -> tuple[Floats, ...]:
        """Return (F @ K)' of functionals F in the blocks of a process, see `in_blocks`.

        `even` and `odd` are products with the parts of this kernel: of the sums of the two halves
        of F with the even part, of their differences with the odd part.
        """
        if self.folded:
            return np.sqrt(0.5) * even.T, np.sqrt(0.5) * odd.T
        return (0.5 * (even + odd).T,)


def cross_kernel(kernel: MaskKernel, left: Coalitions, right: Coalitions) -> CrossKernel:
    """Return the kernel between folded coalitions `left` and any `right`."""
    folded = is_folded(right)
    right = right[: len(right) // 2] if folded else right
    even, odd = kernel.parts(agreement(left[: len(left) // 2], right, kernel.relevance))
    return CrossKernel(even=even, odd=odd, folded=folded)


def relevance(energy: ArrayLike | None, n_segments: int) -> Floats:
    """Return the prior share of each segment: those that hiding changes more shall matter more.

    Parameters
    ----------
    energy : array_like, shape (d,), optional
        Squared change of the pixels of each segment when it is hidden. With None all segments get
        the same share.
    n_segments : int

    Returns
    -------
    relevance : ndarray, shape (d,)
        Proportional to ``sqrt(energy)`` plus 5 % of its mean, summing to 1. An energy that is
        not finite counts as 0, and where nothing changes all segments get the same share.

    Examples
    --------
    >>> relevance([9.0, 1.0], 2).round(3)
    array([0.738, 0.262])
    """
    if energy is None:
        return np.full(n_segments, 1.0 / n_segments)
    roots = np.sqrt(np.clip(np.nan_to_num(np.asarray(energy, np.float64), posinf=0.0), 0.0, None))
    if roots.sum() == 0:
        return np.full(n_segments, 1.0 / n_segments)
    roots = roots / roots.max()
    roots = roots + _FLOOR * roots.mean()
    return np.asarray(roots / roots.sum())


def agreement(left: Coalitions, right: Coalitions, weights: Floats) -> Floats:
    """Return `sum_i weights_i s_i s'_i` between all rows, s = 2 z - 1; shape (n, m)."""
    return np.asarray((signs(left) * weights) @ signs(right).T)
