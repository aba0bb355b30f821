"""Covariance of importances by the delta method, exact over all virtual coalitions."""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from limelens._typing import Floats
from limelens.gaussian.codes import walsh_hadamard
from limelens.gaussian.group_kernel import GroupKernel, group_spectrum
from limelens.gaussian.kernel import CrossKernel, agreement
from limelens.gaussian.process import MaskProcess
from limelens.gaussian.virtual import VirtualCoalitions

# Targets whose functionals are multiplied by the kernel in one product.
_AT_ONCE = 4

_Parts: TypeAlias = tuple[Floats, Floats, Floats | float]


def delta_covariances(
    process: MaskProcess,
    virtual: VirtualCoalitions,
    kernel: CrossKernel | GroupKernel,
    spread: Floats,
) -> Floats:
    r"""Return the posterior covariance of the importances of each target, shape (t, d, d).

    Parameters
    ----------
    process : MaskProcess
    virtual : VirtualCoalitions
    kernel : CrossKernel or GroupKernel
        Between the virtual coalitions and the rows.
    spread : ndarray, shape (v, t)
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
    All targets share the kernel's matrices.

    The noise is part of the score and has one value for each coalition. Over thousands of virtual
    coalitions it averages out. Where these are all :math:`2^d`, it adds :math:`\nu A A'`.
    """
    fitting = virtual.fitting
    weighted = fitting.weights[:, np.newaxis] * spread
    if isinstance(kernel, GroupKernel):
        parts = _everywhere(process, virtual, kernel, weighted)
    elif virtual.codes is not None:
        parts = _in_a_group(process, virtual, kernel, weighted)
    else:
        parts = _in_pairs(process, virtual, kernel, weighted)
    found = []
    for prior, images, noise in parts:
        total = (1.0 - process.noise) * (prior - process.explained(images)) + noise
        covariance = fitting.inverse @ total @ fitting.inverse.T
        covariance = 0.5 * (covariance + covariance.T)
        np.fill_diagonal(covariance, np.maximum(np.diagonal(covariance), 0.0))
        found.append(covariance)
    return np.stack(found)


def _everywhere(
    process: MaskProcess, virtual: VirtualCoalitions, kernel: GroupKernel, weighted: Floats
) -> Iterator[_Parts]:
    """Yield a target's prior covariance, functionals' images and noise, for all 2^d coalitions."""
    roots = np.sqrt(kernel.spectrum / len(virtual))
    for column in weighted.T:
        transforms = _transforms(virtual, column)
        # A K_VV A' = (A H) diag(l / v) (A H)'.
        rooted = transforms * roots
        # Parseval: (A H) (A H)' = v A A'.
        noise = process.noise * (transforms @ transforms.T) / len(virtual)
        yield rooted @ rooted.T, kernel.images(transforms), noise


def _in_a_group(
    process: MaskProcess, virtual: VirtualCoalitions, kernel: CrossKernel, weighted: Floats
) -> Iterator[_Parts]:
    """Yield the same for a group of coalitions that are not all."""
    roots = np.sqrt(group_spectrum(process.kernel, virtual) / len(virtual))
    for column, (_, images) in zip(weighted.T, _imaged(virtual, kernel, weighted), strict=True):
        rooted = _transforms(virtual, column) * roots
        yield rooted @ rooted.T, images, 0.0


def _in_pairs(
    process: MaskProcess, virtual: VirtualCoalitions, kernel: CrossKernel, weighted: Floats
) -> Iterator[_Parts]:
    """Yield the same for coalitions that are no group, by the kernel's even and odd part."""
    first = virtual.coalitions[: len(virtual) // 2]
    even, odd = process.kernel.parts(agreement(first, first, process.kernel.relevance))
    for (sums, differences), images in _imaged(virtual, kernel, weighted):
        yield 0.5 * (sums @ even @ sums.T + differences @ odd @ differences.T), images, 0.0


def _imaged(
    virtual: VirtualCoalitions, kernel: CrossKernel, weighted: Floats
) -> Iterator[tuple[tuple[Floats, Floats], Floats]]:
    """Yield each target's folded functionals with the kernel's images of them."""
    for start in range(0, weighted.shape[1], _AT_ONCE):
        pairs = list(_paired(virtual, weighted[:, start : start + _AT_ONCE]))
        # One product for several targets: few rows a product would leave the processor idle.
        sums, differences = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        yield from zip(pairs, np.split(kernel.images(sums, differences), len(pairs)), strict=True)


def _paired(virtual: VirtualCoalitions, weighted: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Yield each target's functionals ``(Z - centre)' diag(weighted)``, folded.

    Folded are the halves of the columns added, and the second taken from the first, (d, v / 2)
    each.
    """
    half = len(virtual) // 2
    # z - 1/2 has the opposite sign in a complement.
    halves = 0.5 * virtual.spins[:, :half].astype(np.float64)
    offsets = (0.5 - virtual.fitting.centre)[:, np.newaxis]
    for column in weighted.T:
        plus, minus = column[:half] + column[half:], column[:half] - column[half:]
        yield halves * minus + offsets * plus, halves * plus + offsets * minus


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
