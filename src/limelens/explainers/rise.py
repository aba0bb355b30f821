"""RISE: scores of many softly masked images, averaged by how much each image showed of a pixel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
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
from limelens.masking.soft import soft_composer, soft_masks

CHUNK, CHUNK_BYTES = 64, 64 * 2**20
"""Most masks summed at once, and most bytes; independent of the batch size, as are the sums."""

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
    below six masks. Masks are computed three times and never stored: memory is
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
        values = query.values(masks.scores(uniform, p))
        # Scores relative to the intact image: a constant score then gives exact zeros.
        intact, _ = query.ends()
        halves = [_Sums.of(masks, uniform[h::2], p, values[h::2] - intact) for h in (0, 1)]
        sums = halves[0] + halves[1]

        def estimate(sums: _Sums) -> tuple[Floats, Floats]:
            return sums.debiased() if self.debiased else sums.published(p, intact)

        maps, errors = estimate(sums)
        # An error common to all pixels leaves the correlation alone, yet makes up most of these
        # standard errors. So the reliability is that of the two halves' maps.
        counts = slice(None) if query.valid is None else query.valid.ravel()
        first, second = (estimate(half)[0].reshape(len(maps), -1)[:, counts] for half in halves)
        return Attribution(
            importances=maps,
            standard_errors=errors,
            fidelity=_fidelity(halves, masks, uniform, p, values, query.valid),
            reliability=split_half_reliability(first, second),
            details={"p": p, "scale": "difference" if self.debiased else "mean score"},
        )

    def _pilot(self, query: Query, masks: "_Masks", uniform: Floats) -> float:
        """Return the p whose scores vary most, over all targets."""
        few = uniform[:PILOT_MASKS]
        spreads = [query.values(masks.scores(few, p)).var(axis=0) for p in PILOT_PS]
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

    def scores(self, uniform: Floats, p: float) -> NDArray[np.generic]:
        """Return the scores (n, k) of the images under the masks."""
        grids, shifts = self._draw(uniform, p)
        bits = np.packbits(grids.reshape(len(grids), -1), axis=1)
        keys = np.concatenate([bits, shifts.astype(np.int32).view(np.uint8)], axis=1)

        def compose(rows: NDArray[np.intp], background: int) -> Batch:
            return self._composers[background](grids[rows], shifts[rows])

        return self._query.stream(keys, compose)

    def few_at_a_time(self, uniform: Floats, p: float) -> Iterator[tuple[slice, Floats]]:
        """Yield a slice of the masks' numbers with these masks, shape (n, pixels)."""
        chunk = max(1, min(CHUNK, CHUNK_BYTES // (8 * int(np.prod(self.spatial)))))
        for start in range(0, len(uniform), chunk):
            rows = slice(start, start + chunk)
            masks = soft_masks(*self._draw(uniform[rows], p), self._factors, self.spatial)
            yield rows, masks.reshape(len(masks), -1)

    def _draw(self, uniform: Floats, p: float) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
        grids = (uniform[:, : self.n_cells] < p).reshape(-1, *self.cells)
        shifts = np.floor(uniform[:, self.n_cells :] * self._steps).astype(np.intp)
        return grids, shifts


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums over masks per pixel: M and M^2, alone and times f and f^2, for centred scores f."""

    spatial: tuple[int, ...]
    n: int
    f: Floats  # (t, 1) sums of the scores, and of their squares
    ff: Floats  # sums of f^2; fmm below are sums of f M^2, and so on
    m: Floats  # (1, pixels)
    mm: Floats
    fm: Floats  # (t, pixels)
    fmm: Floats
    ffm: Floats
    ffmm: Floats

    @classmethod
    def of(cls, masks: _Masks, uniform: Floats, p: float, values: Floats) -> "_Sums":
        n, t = values.shape
        left = np.concatenate([np.ones((n, 1)), values, values**2], axis=1)
        sums = np.zeros((2, 1 + 2 * t, int(np.prod(masks.spatial))))
        for rows, m in masks.few_at_a_time(uniform, p):
            sums[0] += left[rows].T @ m
            sums[1] += left[rows].T @ (m * m)
        return cls(
            spatial=masks.spatial,
            n=n,
            f=values.sum(axis=0)[:, np.newaxis],
            ff=(values**2).sum(axis=0)[:, np.newaxis],
            m=sums[0, :1],
            mm=sums[1, :1],
            fm=sums[0, 1 : 1 + t],
            fmm=sums[1, 1 : 1 + t],
            ffm=sums[0, 1 + t :],
            ffmm=sums[1, 1 + t :],
        )

    def __add__(self, other: "_Sums") -> "_Sums":
        sums = {
            field.name: getattr(self, field.name) + getattr(other, field.name)
            for field in fields(self)
            if field.name != "spatial"
        }
        return _Sums(spatial=self.spatial, **sums)

    def published(self, p: float, intact: Floats) -> tuple[Floats, Floats]:
        """Return the mean of f M / p and its standard error; f + intact is the score itself."""
        c = intact[:, np.newaxis]
        mean = (self.fm + c * self.m) / self.n
        square = (self.ffmm + 2 * c * self.fmm + c**2 * self.mm) / self.n
        errors = np.sqrt(np.maximum(square - mean**2, 0) / self.n)
        return self._shaped(mean / p), self._shaped(errors / p)

    def debiased(self) -> tuple[Floats, Floats]:
        """Return the mean with a pixel minus the mean without it, and the standard error.

        Where a pixel was always shown or always hidden the map is zero and the error NaN.
        """
        hidden = self.n - self.m
        known = (self.m > 0) & (hidden > 0)
        m, h = np.where(known, self.m, 1), np.where(known, hidden, 1)
        shown_mean, hidden_mean = self.fm / m, (self.f - self.fm) / h
        # Ratio estimates linearised: each mask moves the difference by f (c + a M) + (e + b M), to
        # first order. The variance is the sum of the squares of these moves.
        a, c = 1 / m + 1 / h, -1 / h
        b, e = -shown_mean / m - hidden_mean / h, hidden_mean / h
        variance = (
            c**2 * self.ff
            + 2 * a * c * self.ffm
            + a**2 * self.ffmm
            + 2 * (c * e * self.f + (a * e + b * c) * self.fm + a * b * self.fmm)
            + e**2 * self.n
            + 2 * b * e * self.m
            + b**2 * self.mm
        )
        errors = np.where(known, np.sqrt(np.maximum(variance, 0)), np.nan)
        return self._shaped(np.where(known, shown_mean - hidden_mean, 0.0)), self._shaped(errors)

    def _shaped(self, maps: Floats) -> Floats:
        return maps.reshape(-1, *self.spatial)


def _fidelity(
    halves: Sequence[_Sums],
    masks: _Masks,
    uniform: Floats,
    p: float,
    values: Floats,
    valid: Valid,
) -> Floats:
    """Return the R², (t,), of scores predicted from the masks and the map of the other half."""
    residuals = np.full(values.shape, np.nan)
    for half, other in ((0, 1), (1, 0)):
        maps = only_where(valid, halves[other].debiased()[0]).reshape(values.shape[1], -1)
        shown = [m @ maps.T for _, m in masks.few_at_a_time(uniform[half::2], p)]
        residuals[half::2] = _held_out(np.concatenate(shown), values[half::2])
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
        msg = (
            f"`grid` must have at most one cell a pixel along each of {len(spatial)} axes of "
            f"{spatial}; got {describe(grid)}. Use for example grid=4."
        )
        raise InvalidInputError(msg)
    return cells
