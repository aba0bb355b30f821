"""Covariance of importances by the delta method, exact over all virtual coalitions."""

import numpy as np

from limelens._typing import Floats
from limelens.gaussian.codes import walsh_hadamard
from limelens.gaussian.group_kernel import GroupKernel, group_spectrum
from limelens.gaussian.kernel import CrossKernel, agreement
from limelens.gaussian.process import MaskProcess
from limelens.gaussian.virtual import VirtualCoalitions


def delta_covariance(
    process: MaskProcess,
    virtual: VirtualCoalitions,
    kernel: CrossKernel | GroupKernel,
    spread: Floats,
) -> Floats:
    r"""Return the posterior covariance of the importances of one target, shape (d, d).

    Parameters
    ----------
    process : MaskProcess
    virtual : VirtualCoalitions
    kernel : CrossKernel or GroupKernel
        Between the virtual coalitions and the rows.
    spread : ndarray, shape (v,)
        Standard deviation that the score would have at each virtual coalition if the kernel's
        variance there were 1; see `Link.curve`.

    Notes
    -----
    With :math:`A = P \operatorname{diag}(g)`, P the projection and g the spread,

    .. math:: \operatorname{Cov} \phi = (1 - \nu) \big[ A K_{VV} A'
              - (1 - \nu) (A K_{VN}) C^{-1} (A K_{VN})' \big].

    Both parts use the same kernel on the same coalitions, so their difference is negative by
    rounding only. In a group of coalitions :math:`K_{uu'}` depends on :math:`u \oplus u'` alone,
    so that the Walsh-Hadamard matrix H diagonalises it:
    :math:`K = H \operatorname{diag}(l) H / v`. The rows of :math:`P` are characters times kernel
    weights, and a product with a character shifts a transform. So :math:`(A H)_{iu}` is read off
    one transform of length v at :math:`u \oplus c_i`, and no v x v matrix is formed. Without a
    group, the even and the odd part of :math:`K_{VV}` are formed; each has a quarter of its size.

    The noise is part of the score and has one value for each coalition. Over thousands of virtual
    coalitions it averages out. Where these are all :math:`2^d`, it adds :math:`\nu A A'`.
    """
    fitting = virtual.fitting
    weighted = fitting.weights * spread
    if virtual.codes is None:
        functionals = _centred(virtual, weighted)
        prior = _prior_among(virtual, functionals, process)
    else:
        transforms = _transforms(virtual, weighted)
        if isinstance(kernel, GroupKernel):
            spectrum = kernel.spectrum
        else:
            spectrum = group_spectrum(process.kernel, virtual)
        # A K_VV A' = (A H) diag(l / v) (A H)'.
        roots = transforms * np.sqrt(spectrum / len(virtual))
        prior = roots @ roots.T
        functionals = transforms if virtual.exact else _centred(virtual, weighted)
    images = kernel.images(functionals)
    total = (1.0 - process.noise) * (prior - process.explained(images))
    if virtual.exact:
        # Parseval: (A H) (A H)' = v A A'.
        total += process.noise * (transforms @ transforms.T) / len(virtual)
    covariance = fitting.inverse @ total @ fitting.inverse.T
    covariance = 0.5 * (covariance + covariance.T)
    np.fill_diagonal(covariance, np.maximum(np.diagonal(covariance), 0.0))
    return covariance


def _centred(virtual: VirtualCoalitions, weighted: Floats) -> Floats:
    """Return the functionals ``(Z - centre)' diag(weighted)``, shape (d, v)."""
    offsets = 0.5 - virtual.fitting.centre
    return np.asarray((0.5 * virtual.spins + offsets[:, np.newaxis]) * weighted)


def _transforms(virtual: VirtualCoalitions, weighted: Floats) -> Floats:
    """Return the Walsh-Hadamard transforms of the same functionals in a group, shape (d, v)."""
    codes = virtual.codes if virtual.codes is not None else np.empty(0, dtype=np.int64)
    transform = walsh_hadamard(weighted[np.newaxis])[0]
    positions = np.arange(len(virtual))
    # z - centre = f_i chi_i / 2 + (1 / 2 - centre), with the character chi_i of code c_i.
    shifted = np.empty((len(codes), len(virtual)))
    offsets = 0.5 - virtual.fitting.centre
    for row, code, flip, offset in zip(shifted, codes, virtual.flips, offsets, strict=True):
        np.take(transform, positions ^ code, out=row)
        row *= 0.5 * flip
        row += offset * transform
    return shifted


def _prior_among(virtual: VirtualCoalitions, functionals: Floats, process: MaskProcess) -> Floats:
    """Return ``F K F'`` of functionals (d, v) on folded coalitions, by the kernel's two parts."""
    half = len(virtual) // 2
    first = virtual.coalitions[:half]
    parts = process.kernel.parts(agreement(first, first, process.kernel.relevance))
    sums, differences = (
        functionals[:, :half] + functionals[:, half:],
        functionals[:, :half] - functionals[:, half:],
    )
    return np.asarray(0.5 * (sums @ parts[0] @ sums.T + differences @ parts[1] @ differences.T))
