"""Covariance of importances by the delta method, exact over all virtual coalitions."""

from collections.abc import Iterator
from itertools import repeat

import numpy as np

from limelens._typing import Floats
from limelens.gaussian.codes import walsh_hadamard
from limelens.gaussian.group_kernel import GroupKernel, group_spectrum
from limelens.gaussian.kernel import CrossKernel, agreement
from limelens.gaussian.likelihood import whiten
from limelens.gaussian.process import MaskProcess
from limelens.gaussian.virtual import VirtualCoalitions

# Most functionals, one a segment and target, that are multiplied by the kernel in one product, if
# these are several targets; and most of these targets.
_FUNCTIONALS, _AT_ONCE = 512, 4

# Segments whose transforms are read at a time.
_SEGMENTS = 64


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
        totals = _everywhere(process, virtual, kernel, weighted)
    elif virtual.codes is not None:
        totals = _in_a_group(process, virtual, kernel, weighted)
    else:
        totals = _in_pairs(process, virtual, kernel, weighted)
    found = []
    for total in totals:
        covariance = fitting.inverse @ total @ fitting.inverse.T
        covariance = 0.5 * (covariance + covariance.T)
        np.fill_diagonal(covariance, np.maximum(np.diagonal(covariance), 0.0))
        found.append(covariance)
    return np.stack(found)


def _everywhere(
    process: MaskProcess, virtual: VirtualCoalitions, kernel: GroupKernel, weighted: Floats
) -> Iterator[Floats]:
    """Yield the covariance of each target's functionals, (d, d), for all 2^d coalitions."""
    roots = np.sqrt(kernel.spectrum / len(virtual))
    offsets = (0.5 - virtual.fitting.centre)[:, np.newaxis]
    flips, shifted = virtual.flips[:, np.newaxis], np.empty((len(virtual.spins), len(virtual)))
    for column in weighted.T:
        transform = walsh_hadamard(column[np.newaxis])[0]
        # z - centre = f_i chi_i / 2 + (1 / 2 - centre), with the character chi_i of code c_i.
        transforms = _shift(virtual, transform, shifted) * (0.5 * flips) + offsets * transform
        # A K_VV A' = (A H) diag(l / v) (A H)'.
        rooted = transforms * roots
        # Parseval: (A H) (A H)' = v A A'.
        noise = process.noise * (transforms @ transforms.T) / len(virtual)
        known = process.explained(kernel.images(transforms))
        yield (1.0 - process.noise) * (rooted @ rooted.T - known) + noise


def _in_a_group(
    process: MaskProcess, virtual: VirtualCoalitions, kernel: CrossKernel, weighted: Floats
) -> Iterator[Floats]:
    """Yield the same for a group of coalitions that are not all."""
    roots = np.sqrt(group_spectrum(process.kernel, virtual) / len(virtual))
    flips, moved = virtual.flips, np.empty((len(virtual.spins), len(virtual)))
    explained = _explained(process, virtual, kernel, weighted)
    for column, known in zip(weighted.T, explained, strict=True):
        transform = walsh_hadamard(column[np.newaxis])[0]
        _shift(virtual, transform, moved)
        moved *= roots
        rooted = transform * roots
        prior = virtual.fitting.of_signs(
            np.outer(flips, flips) * (moved @ moved.T), flips * (moved @ rooted), rooted @ rooted
        )
        yield (1.0 - process.noise) * (prior - known)


def _in_pairs(
    process: MaskProcess, virtual: VirtualCoalitions, kernel: CrossKernel, weighted: Floats
) -> Iterator[Floats]:
    """Yield the same for coalitions that are no group, by the kernel's even and odd part."""
    first = virtual.coalitions[: len(virtual) // 2]
    parts = process.kernel.parts(agreement(first, first, process.kernel.relevance))
    if kernel.folded and weighted.shape[1] * len(virtual.spins) > len(first):
        # With so many functionals it is less work to take what the rows explain from the kernel.
        for part, cross, factor in zip(
            parts, (kernel.even, kernel.odd), process.factors, strict=True
        ):
            whitened = whiten(factor, cross.T)
            part -= (1.0 - process.noise) * (whitened.T @ whitened)
        explained: Iterator[Floats | float] = repeat(0.0, weighted.shape[1])
    else:
        explained = _explained(process, virtual, kernel, weighted)
    priors = _quadratic_forms(virtual, weighted, parts)
    for prior, known in zip(priors, explained, strict=True):
        yield (1.0 - process.noise) * (prior - known)


def _quadratic_forms(
    virtual: VirtualCoalitions, weighted: Floats, parts: tuple[Floats, Floats]
) -> Iterator[Floats]:
    """Yield (A_+ K_+ A_+' + A_- K_- A_-') / 2 of each target's functionals A and `parts` K.

    The diagonals of the parts are halved.
    """
    from scipy.linalg.blas import dtrmm  # noqa: PLC0415

    half, d = len(virtual) // 2, len(virtual.spins)
    # K = T + T', with half of the diagonal in the lower triangle T: half of the work.
    for part in parts:
        part[np.diag_indices(half)] *= 0.5
    halves = 0.5 * virtual.spins[:, :half].astype(np.float64)
    offsets = (0.5 - virtual.fitting.centre)[:, np.newaxis]
    plus, minus = _by_pairs(weighted)
    for some in _few(weighted.shape[1], d):
        total = np.zeros((1, 1))
        for triangle, own, other in zip(parts, (minus, plus), (plus, minus), strict=True):
            # z - 1/2 has the opposite sign in a complement.
            folded = own[some, np.newaxis] * halves + other[some, np.newaxis] * offsets
            moved = dtrmm(0.5, triangle.T, folded.reshape(-1, half).T, lower=0)
            total = total + moved.T.reshape(-1, d, half) @ folded.transpose(0, 2, 1)
        yield from total + total.transpose(0, 2, 1)


def _explained(
    process: MaskProcess, virtual: VirtualCoalitions, kernel: CrossKernel, weighted: Floats
) -> Iterator[Floats]:
    """Yield what the rows explain of the covariance of each target's functionals."""
    half, d = len(virtual) // 2, len(virtual.spins)
    halves = 0.5 * virtual.spins[:, :half].astype(np.float64)
    offsets = (0.5 - virtual.fitting.centre)[:, np.newaxis]
    plus, minus = _by_pairs(weighted)
    shared = plus @ kernel.even, minus @ kernel.odd
    for some in _few(weighted.shape[1], d):
        images, room = [], np.empty((len(plus[some]), d, half))
        for part, own, other in zip((kernel.even, kernel.odd), (minus, plus), shared, strict=True):
            np.multiply(own[some, np.newaxis], halves, out=room)
            moved = room.reshape(-1, half) @ part
            moved = moved.reshape(-1, d, part.shape[1])
            images.append(moved + other[some, np.newaxis] * offsets)
        for pair in zip(*images, strict=True):
            yield process.explained_in_blocks(kernel.images(*pair))


def _by_pairs(weighted: Floats) -> tuple[Floats, Floats]:
    """Return the sums and the differences of the halves of columns (v, t), (t, v / 2) each."""
    first, second = np.split(weighted.T, 2, axis=1)
    return first + second, first - second


def _few(n_targets: int, d: int) -> Iterator[slice]:
    """Yield slices of the targets that go into one product."""
    # Few rows a product would leave the processor idle.
    step = min(_AT_ONCE, max(1, _FUNCTIONALS // d))
    for start in range(0, n_targets, step):
        yield slice(start, start + step)


def _shift(virtual: VirtualCoalitions, transform: Floats, out: Floats) -> Floats:
    """Write each segment's shifted transform in a group, read at u ^ c_i, to `out`, (d, v)."""
    codes = virtual.codes if virtual.codes is not None else np.empty(0, dtype=np.int64)
    positions = np.arange(len(virtual))
    for start in range(0, len(codes), _SEGMENTS):
        some = slice(start, start + _SEGMENTS)
        places = positions ^ codes[some, np.newaxis]
        np.take(transform, places, out=out[some], mode="clip")
    return out
