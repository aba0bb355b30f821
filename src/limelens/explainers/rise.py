"""RISE: scores of many softly masked images, averaged by how much each image showed of a pixel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._axes import spatial_shape
from limelens._checks.values import check_flag, check_int, check_number, describe
from limelens._resampling import enlarging_factor
from limelens._statistics import is_still, split_half_reliability, weighted_r2
from limelens._typing import Batch, Floats, Image, Segments, Valid
from limelens.engine.query import Query
from limelens.errors import InvalidInputError
from limelens.explainers.base import Attribution, FillExplainer, only_where
from limelens.masking.soft import soft_composer
from limelens.masking.soft_sums import SoftSums

SUMS_BYTES = 32 * 2**20
"""Most bytes of sums over masks at once: further targets wait for their turn."""

_MAPS_A_TARGET = 24  # of sums and of what standard errors are computed from

_HARDLY_HIDDEN = 1e-6  # of all masks: below, n minus the sum of masks may be rounding

PILOT_MASKS = 64
PILOT_PS = (0.1, 0.25, 0.5, 0.75)


@dataclass(frozen=True, kw_only=True, eq=False)
class Rise(FillExplainer):
    r"""Randomised input sampling: average scores f over thousands of soft random masks M.

    ``debiased=True`` is the mean score when a pixel x is shown minus the mean when it is hidden::

        map(x) = sum_n f_n M_n(x) / sum_n M_n(x)  -  sum_n f_n (1 - M_n(x)) / sum_n (1 - M_n(x))

    It is positive where a pixel raises the score, and a constant score gives zero. Neighbouring
    pixels are shown together, so it measures a neighbourhood of about one cell. ``debiased=False``
    is the published ``sum_n f_n M_n(x) / (N p)``. This is a mean score, which is zero nowhere; only
    its differences between pixels have a meaning.

    Parameters
    ----------
    n_masks : int
        Number N of random masks.
    grid : int or tuple of int
        Cells of the coarse grid along each axis.
    p : float or None
        Chance that a cell is kept. None tries 0.1, 0.25, 0.5 and 0.75 with 64 masks each, and goes
        on with the p whose scores vary most (``details["p"]``). The masks tried with that p count
        among the N.
    debiased : bool
        Which of the two estimates to return.
    fill : callable
        What hidden pixels show; it is given no segments.

    Notes
    -----
    A mask is a random grid, enlarged by linear interpolation to one cell more than the image and
    shifted at random within a cell. Standard errors come from the spread over masks (linearised
    ratio estimates). `reliability` comes from the agreement of two maps, one from the masks with
    even numbers and one from those with odd numbers. `fidelity` is a held-out R². With D the
    debiased map of one half of the masks, the score of each mask n of the other half is predicted
    from :math:`\sum_x D(x) M_n(x)`, by a line fitted to the other masks of its half. It is NaN
    below six masks. A mask is made once, for the model, and never stored; sums over masks need only
    its narrow form (`limelens.masking.soft_sums`). Memory is
    O(batch_size · image + t · image + n_masks · (cells / 8 + k)).

    References
    ----------
    Petsiuk, Das, Saenko (2018), "RISE: randomized input sampling for explanation of black-box
    models", BMVC. arXiv:1806.07421

    Examples
    --------
    Only the right half raises the score:

    >>> import numpy as np
    >>> from limelens import Constant, Rise
    >>> right = lambda batch: batch[:, :, 4:].mean(axis=(1, 2))
    >>> rise = Rise(n_masks=1000, grid=(1, 4), fill=Constant(0))
    >>> rise.explain(np.ones((4, 8)), right, rng=0).heatmap()[0].round(1) + 0.0
    array([0. , 0. , 0.1, 0.2, 0.4, 0.5, 0.5, 0.4])
    """

    n_masks: int = 4000
    grid: int | tuple[int, ...] = 7
    p: float | None = 0.5
    debiased: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_int("n_masks", self.n_masks, minimum=2)
        for cells in self.grid if isinstance(self.grid, tuple) else (self.grid,):
            check_int("grid", cells, minimum=1)
        if self.p is not None:
            check_number("p", self.p, minimum=0, maximum=1, open_minimum=True, open_maximum=True)
        check_flag("debiased", self.debiased)

    def _segment(
        self, image: Image, channel_axis: int | None, valid: Valid
    ) -> tuple[Segments | None, dict[str, Any]]:
        # A grid that does not fit this image is refused before the model is asked.
        _cells(self.grid, spatial_shape(image.shape, channel_axis))
        return None, {}

    def _mask_kind(self) -> str:
        return f"soft {self.grid}"

    def _attribute(self, query: Query, rng: np.random.Generator) -> Attribution:
        masks = _Masks(query, self.grid)
        uniform = rng.random((self.n_masks, masks.n_cells + len(masks.cells)))
        p = self._pilot(query, masks, uniform) if self.p is None else self.p
        values = masks.values(uniform, p)
        intact, _ = query.ends()
        soft = masks.soft(uniform, p)
        parts = [
            self._estimate(soft, sums, values[:, few], intact[few], p, query.valid)
            # Scores relative to the intact image: a constant score then gives exact zeros.
            for few, sums in _sums(soft, values - intact)
        ]
        maps, errors, reliability, fidelity = map(np.concatenate, zip(*parts, strict=True))
        return Attribution(
            importances=maps.reshape(-1, *masks.spatial),
            standard_errors=errors.reshape(-1, *masks.spatial),
            fidelity=fidelity,
            reliability=reliability,
            details={"p": p, "scale": "difference" if self.debiased else "mean score"},
        )

    def _estimate(
        self,
        soft: SoftSums,
        sums: "_Sums",
        values: Floats,
        intact: Floats,
        p: float,
        valid: Valid,
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Return maps and standard errors (t, pixels), reliability and fidelity (t,)."""
        if self.debiased:
            maps, errors = sums.total.debiased(), sums.debiased_errors()
            first, second = (half.debiased() for half in sums.halves)
        else:
            maps, errors = sums.total.published(p, intact), sums.published_errors(p, intact)
            first, second = (half.published(p, intact) for half in sums.halves)
        # An error common to all pixels leaves the correlation alone, yet makes up most of these
        # standard errors. So the reliability is that of the two halves' maps.
        counts = slice(None) if valid is None else valid.ravel()
        reliability = split_half_reliability(first[:, counts], second[:, counts])
        return maps, errors, reliability, _fidelity(sums.halves, soft, values, valid)

    def _pilot(self, query: Query, masks: "_Masks", uniform: Floats) -> float:
        """Return the p whose scores vary most, over all targets."""
        few = uniform[:PILOT_MASKS]
        spreads = [masks.values(few, p).var(axis=0) for p in PILOT_PS]
        largest = np.maximum(np.max(spreads, axis=0), np.finfo(float).tiny)
        return PILOT_PS[int(np.argmax([(spread / largest).mean() for spread in spreads]))]


class _Masks:
    """The soft masks of one image: turns uniform numbers into grids, shifts, masks and scores."""

    def __init__(self, query: Query, grid: int | tuple[int, ...]) -> None:
        self.spatial = spatial_shape(query.image.shape, query.channel_axis)
        self.cells = _cells(grid, self.spatial)
        self.n_cells = int(np.prod(self.cells))
        self._query = query
        # One cell more than the image, so that every shift within a cell fits.
        self._steps = tuple(-(-side // n) for side, n in zip(self.spatial, self.cells, strict=True))
        self._factors = [
            enlarging_factor(n, (n + 1) * step)
            for n, step in zip(self.cells, self._steps, strict=True)
        ]
        self._composers = [
            soft_composer(query.image, background, self._factors, query.channel_axis)
            for background in query.backgrounds
        ]

    def values(self, uniform: Floats, p: float) -> Floats:
        """Return the target values (n, t) of the images under the masks."""
        grids, shifts = self._draw(uniform, p)
        bits = np.packbits(grids.reshape(len(grids), -1), axis=1)
        keys = np.concatenate([bits, shifts.astype(np.int32).view(np.uint8)], axis=1)

        def compose(rows: NDArray[np.intp], background: int) -> Batch:
            return self._composers[background](grids[rows], shifts[rows])

        return self._query.stream_values(keys, compose)

    def soft(self, uniform: Floats, p: float) -> SoftSums:
        """Return the masks, to be summed."""
        grids, shifts = self._draw(uniform, p)
        return SoftSums(grids=grids, shifts=shifts, factors=self._factors, spatial=self.spatial)

    def _draw(self, uniform: Floats, p: float) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
        grids = (uniform[:, : self.n_cells] < p).reshape(-1, *self.cells)
        shifts = np.floor(uniform[:, self.n_cells :] * self._steps).astype(np.intp)
        return grids, shifts


def _sums(soft: SoftSums, f: Floats) -> Iterator[tuple[slice, "_Sums"]]:
    """Yield some targets, and their sums over the masks, for scores f, (n, t)."""
    pixels = int(np.prod(soft.spatial))
    step = max(1, SUMS_BYTES // (_MAPS_A_TARGET * pixels * f.itemsize))
    ones, shown = np.ones((len(f), 1)), None
    for start in range(0, f.shape[1], step):
        few = slice(start, start + step)
        squares = f[:, few] ** 2
        linear, both = [_by_halves(f[:, few]), squares], [f[:, few], squares]
        if shown is None:  # the masks are summed themselves while they are at hand
            linear, both = [*linear, _by_halves(ones)], [*both, ones]
        sums, products = soft.sums(np.concatenate(linear, axis=1), np.concatenate(both, axis=1))
        if shown is None:
            shown = _Shown.of(soft, sums[-2:], products[-1:])
        yield few, _Sums.of(shown, f[:, few], sums, products)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Shown:
    """Sums over each half of the masks M, those of even and of odd numbers."""

    m: Floats  # (2, pixels) sums of M
    h: Floats  # of 1 - M
    mm: Floats  # (1, pixels) sum of M^2 over all masks

    @classmethod
    def of(cls, soft: SoftSums, m: Floats, mm: Floats) -> "_Shown":
        weights = _by_halves(np.ones((len(soft.grids), 1)))
        h = weights.sum(axis=0)[:, np.newaxis] - m
        if h.min() < _HARDLY_HIDDEN * len(weights):
            # By the hidden cells, so that a pixel that is never hidden has a sum of exactly 0.
            h, _ = replace(soft, grids=~soft.grids).sums(weights, np.empty((len(weights), 0)))
        return cls(m=m, h=h, mm=mm)


def _by_halves(weights: Floats) -> Floats:
    """Return weights (n, w) of the even masks, 0 for odd ones, and the converse; (n, 2 w)."""
    even = np.arange(len(weights))[:, np.newaxis] % 2 == 0
    return np.concatenate([np.where(even, weights, 0.0), np.where(even, 0.0, weights)], axis=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Means:
    """Sums over n masks per pixel, of M, 1 - M and f M, for centred scores f."""

    n: int
    f: Floats  # (t, 1) sums of the scores
    m: Floats  # (1, pixels)
    h: Floats
    fm: Floats  # (t, pixels)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether a pixel was both shown and hidden, (1, pixels)."""
        return (self.m > 0) & (self.h > 0)

    def shown_and_hidden(self) -> tuple[Floats, Floats]:
        """Return the mean score with a pixel and that without it, (t, pixels) each."""
        m, h = np.where(self.known, self.m, 1), np.where(self.known, self.h, 1)
        return self.fm / m, (self.f - self.fm) / h

    def debiased(self) -> Floats:
        """Return the mean with a pixel minus the mean without it; 0 where one is not known."""
        shown, hidden = self.shown_and_hidden()
        return np.where(self.known, shown - hidden, 0.0)

    def published(self, p: float, intact: Floats) -> Floats:
        """Return the mean of f M / p, where f + intact is the score itself."""
        return (self.fm + intact[:, np.newaxis] * self.m) / self.n / p


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sums:
    """The sums over both halves of the masks, and all that standard errors need."""

    halves: tuple[_Means, _Means]
    total: _Means
    ff: Floats  # (t, 1) sums of f^2; fmm below are sums of f M^2, and so on
    mm: Floats  # (1, pixels)
    fmm: Floats  # (t, pixels)
    ffm: Floats
    ffmm: Floats

    @classmethod
    def of(cls, shown: _Shown, f: Floats, sums: Floats, products: Floats) -> "_Sums":
        n, t = f.shape
        halves = [
            _Means(
                n=len(f[half::2]),
                f=f[half::2].sum(axis=0)[:, np.newaxis],
                m=shown.m[[half]],
                h=shown.h[[half]],
                fm=sums[half * t : (half + 1) * t],
            )
            for half in (0, 1)
        ]
        first, second = halves
        total = _Means(
            n=n,
            f=first.f + second.f,
            m=first.m + second.m,
            h=first.h + second.h,
            fm=first.fm + second.fm,
        )
        return cls(
            halves=(first, second),
            total=total,
            ff=np.square(f).sum(axis=0)[:, np.newaxis],
            mm=shown.mm,
            fmm=products[:t],
            ffm=sums[2 * t : 3 * t],
            ffmm=products[t : 2 * t],
        )

    def published_errors(self, p: float, intact: Floats) -> Floats:
        """Return the standard error of the mean of f M / p; f + intact is the score itself."""
        c, n = intact[:, np.newaxis], self.total.n
        mean = (self.total.fm + c * self.total.m) / n
        square = (self.ffmm + 2 * c * self.fmm + c**2 * self.mm) / n
        return np.sqrt(np.maximum(square - mean**2, 0) / n) / p

    def debiased_errors(self) -> Floats:
        """Return the standard error of the difference; NaN where it is not known."""
        total, known = self.total, self.total.known
        m, h = np.where(known, total.m, 1), np.where(known, total.h, 1)
        shown_mean, hidden_mean = total.shown_and_hidden()
        # Ratio estimates linearised: each mask moves the difference by f (c + a M) + (e + b M), to
        # first order. The variance is the sum of the squares of these moves.
        a, c = 1 / m + 1 / h, -1 / h
        b, e = -shown_mean / m - hidden_mean / h, hidden_mean / h
        variance = (
            c**2 * self.ff
            + 2 * a * c * self.ffm
            + a**2 * self.ffmm
            + 2 * (c * e * total.f + (a * e + b * c) * total.fm + a * b * self.fmm)
            + e**2 * total.n
            + 2 * b * e * total.m
            + b**2 * self.mm
        )
        return np.where(known, np.sqrt(np.maximum(variance, 0)), np.nan)


def _fidelity(halves: Sequence[_Means], soft: SoftSums, values: Floats, valid: Valid) -> Floats:
    """Return the R², (t,), of scores predicted from the masks and the map of the other half."""
    residuals = np.full(values.shape, np.nan)
    for half, other in ((0, 1), (1, 0)):
        own = replace(soft, grids=soft.grids[half::2], shifts=soft.shifts[half::2])
        maps = halves[other].debiased().reshape(-1, *soft.spatial)
        shown = own.inner(only_where(valid, maps).reshape(len(maps), -1))
        residuals[half::2] = _held_out(shown, values[half::2])
    r2 = weighted_r2(values, values - residuals, np.ones(len(values)))
    return np.where(is_still(values), np.nan, r2)


def _held_out(x: Floats, y: Floats) -> Floats:
    """Return the residual of each row from a line fitted to all other rows, per column.

    NaN for fewer than three rows.
    """
    n = len(x)
    if n < 3:
        return np.full(y.shape, np.nan)
    flat = is_still(x)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    x /= np.where(flat, 1.0, np.abs(x).max(axis=0))  # squares of tiny scores would underflow
    spread = np.where(flat, 1.0, np.square(x).sum(axis=0))
    slopes = np.where(flat, 0.0, (x * y).sum(axis=0) / spread)
    leverages = 1 / n + np.where(flat, 0.0, np.square(x) / spread)
    return (y - x * slopes) / np.maximum(1 - leverages, np.finfo(np.float64).eps)


def _cells(grid: int | tuple[int, ...], spatial: tuple[int, ...]) -> tuple[int, ...]:
    cells = grid if isinstance(grid, tuple) else (grid,) * len(spatial)
    if len(cells) != len(spatial) or any(n > side for n, side in zip(cells, spatial, strict=True)):
        raise InvalidInputError(
            f"`grid` must have at most one cell a pixel along each of {len(spatial)} axes of "
            f"{spatial}; got {describe(grid)}. Use for example grid=4."
        )
    return cells
