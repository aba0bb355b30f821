"""The kernel among all coalitions at once, by Walsh's transform instead of a matrix."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Floats
from limelens.gaussian.codes import walsh_hadamard
from limelens.gaussian.kernel import MaskKernel
from limelens.gaussian.virtual import VirtualCoalitions


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupKernel:
    r"""The kernel between all :math:`2^d` coalitions and some of them.

    Attributes
    ----------
    spectrum : ndarray, shape (v,)
        Eigenvalues of the kernel among all, see `group_spectrum`.
    positions : ndarray of int, shape (n,)
        Positions of the some among all coalitions.

    Notes
    -----
    :math:`K = H \operatorname{diag}(l) H / v` with the Walsh-Hadamard matrix H: a product takes
    two transforms, d v additions each, and no kernel is evaluated.
    """

    spectrum: Floats
    positions: NDArray[np.intp]

    def __matmul__(self, vectors: Floats) -> Floats:
        """Return K @ vectors for vectors of shape (n, c); shape (v, c)."""
        # K P' x = H diag(l) H (P' x) / v, where P' puts the n entries at their positions.
        scattered = np.zeros((vectors.shape[1], len(self.spectrum)))
        scattered[:, self.positions] = vectors.T
        transforms = walsh_hadamard(scattered)
        transforms *= self.spectrum / len(self.spectrum)
        return walsh_hadamard(transforms).T

    def images(self, transforms: Floats) -> Floats:
        """Return functionals @ K, shape (r, n), given the functionals' transforms (r, v)."""
        # F K P = (F H) diag(l) H P / v: P takes the n positions out of all v.
        everywhere = walsh_hadamard(transforms * (self.spectrum / len(self.spectrum)))
        return np.asarray(everywhere[:, self.positions])


def group_spectrum(kernel: MaskKernel, virtual: VirtualCoalitions) -> Floats:
    """Return the eigenvalues, shape (v,), of the kernel among a group of virtual coalitions.

    They belong to the rows of the Walsh-Hadamard matrix; rounding below zero is cut off.
    """
    # l = H k(., z_0): coalition u = 0 has the signs f, so that its agreement is D . (f s).
    agreement = (virtual.flips * kernel.relevance) @ virtual.spins
    # k(a) is half the sum of its even and odd part. Eigenvalues of a kernel are never negative.
    even, odd = kernel.parts(agreement.astype(np.float64))
    return np.maximum(walsh_hadamard(0.5 * (even + odd)[np.newaxis])[0], 0.0)


def group_kernel(
    kernel: MaskKernel, virtual: VirtualCoalitions, positions: NDArray[np.intp]
) -> GroupKernel:
    """Return the kernel between a group of virtual coalitions and those at some positions."""
    return GroupKernel(spectrum=group_spectrum(kernel, virtual), positions=positions)
