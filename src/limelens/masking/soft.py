"""Soft masks: small random grids, enlarged smoothly and shifted, never stored.

Enlarging by linear interpolation is a matrix product along each axis, so a mask of any size costs
two small products: `mask = R[a : a + H] @ grid @ R[b : b + W].T`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._axes import spatial_shape
from limelens._typing import Batch, Image, Masks

CHUNK_VALUES = 1 << 17
"""Values blended at once: 512 KiB in float32, few enough for the cache."""

Factors = Sequence[NDArray[np.floating[Any]]]


def soft_masks(
    grids: NDArray[Any], shifts: NDArray[np.intp], factors: Factors, spatial: tuple[int, ...]
) -> Masks:
    """Enlarge every grid and cut its mask out at its shift.

    Parameters
    ----------
    grids : ndarray, shape (b, *cells)
        1 where a cell is kept, 0 where it is hidden; of the factors' dtype or bool.
    shifts : ndarray of intp, shape (b, n_spatial)
        Where the mask begins in the enlarged grid: along axis i, from 0 to `size_i - spatial_i`.
    factors : sequence of ndarray, shape (size_i, cells_i)
        `enlarging_factor` of each axis.
    spatial : tuple of int
        Shape of the masks.

    Returns
    -------
    ndarray, shape (b, *spatial)
        In the factors' dtype, from 0 to 1. Each mask is computed by itself, so it does not
        depend on the others in the batch.

    Examples
    --------
    >>> from limelens._resampling import enlarging_factor
    >>> factors = [enlarging_factor(1, 2), enlarging_factor(2, 4)]
    >>> soft_masks(np.array([[[1.0, 0.0]]]), np.array([[0, 1]]), factors, (1, 2))
    array([[[0.75, 0.25]]])
    """
    grids = grids.astype(factors[0].dtype, copy=False)
    masks = np.empty((len(grids), *spatial), factors[0].dtype)
    for grid, shift, mask in zip(grids, shifts.tolist(), masks, strict=True):
        first, *others = _cut(factors, shift, spatial)
        _enlarge(_along_first(first, grid), others, mask)
    return masks


def soft_composer(
    image: Image, background: Image, factors: Factors, channel_axis: int | None
) -> Callable[[NDArray[Any], NDArray[np.intp]], Batch]:
    """Return the function that blends an image with its background under soft masks.

    Parameters
    ----------
    image, background : ndarray, shape (*image.shape,)
        Of the same dtype; neither is modified.
    factors : sequence of ndarray, shape (size_i, cells_i)
        `enlarging_factor` of each spatial axis.
    channel_axis : int or None
        Counted from the front.

    Returns
    -------
    callable
        Grids `(b, *cells)` and shifts `(b, n_spatial)`, as in `soft_masks`, to a fresh
        C-contiguous batch `(b, *image.shape)`: `background + mask * (image - background)` in the
        image's dtype, rounded for integers.

    Notes
    -----
    The blend is computed in float32 if that holds the image's values exactly, else in float64. If
    the channels come last, the rows of the last factor are repeated for each channel, so that the
    product already has the layout of the image.

    Examples
    --------
    >>> image, background = np.array([[9, 9]], np.uint8), np.array([[1, 1]], np.uint8)
    >>> from limelens._resampling import enlarging_factor
    >>> factors = [enlarging_factor(1, 1), enlarging_factor(2, 2)]
    >>> compose = soft_composer(image, background, factors, None)
    >>> compose(np.array([[[0.5, 1.0]]]), np.array([[0, 0]]))
    array([[[5, 9]]], dtype=uint8)
    """
    precision = np.result_type(image.dtype, np.float32)
    factors = [np.asarray(factor, precision) for factor in factors]
    spatial = spatial_shape(image.shape, channel_axis)
    shape, steps = image.shape, np.ones(len(spatial), np.intp)
    if channel_axis is not None and channel_axis == image.ndim - 1:
        # One axis of the product for the last spatial axis and the channels: `steps` values for
        # each pixel, so that shifts are multiplied by them.
        factors[-1] = np.repeat(factors[-1], shape[-1], axis=0)
        steps[-1] = shape[-1]
        spatial = shape = (*spatial[:-1], spatial[-1] * shape[-1])
        channel_axis = None
    hidden = background.reshape(shape).astype(precision)
    with np.errstate(invalid="ignore"):
        contrast = image.reshape(shape).astype(precision) - hidden
    contrast[~np.isfinite(hidden)] = 0  # pixels that do not count may be NaN or infinite
    if image.dtype.kind == "u":
        hidden += 0.5  # the cast cuts the fraction off, which now rounds: blends are not negative
    contrasts, hiddens = _planes(contrast, channel_axis), _planes(hidden, channel_axis)

    def compose(grids: NDArray[Any], shifts: NDArray[np.intp]) -> Batch:
        out = np.empty((len(grids), *image.shape), image.dtype)
        grids = grids.astype(precision, copy=False)
        for grid, shift, target in zip(
            grids, (shifts * steps).tolist(), out.reshape(len(out), *shape), strict=True
        ):
            cut = _cut(factors, shift, spatial)
            _blend(grid, cut, contrasts, hiddens, _planes(target, channel_axis))
        return out

    return compose


def _planes(image: Image, channel_axis: int | None) -> NDArray[Any]:
    """View the image as `(planes, *spatial)`."""
    if channel_axis is None:
        return image[np.newaxis]
    return np.moveaxis(image, channel_axis, 0)


def _cut(factors: Factors, shift: list[int], spatial: tuple[int, ...]) -> Factors:
    """Return the rows of each factor that a mask of the spatial shape uses."""
    pairs = zip(factors, shift, spatial, strict=True)
    return [factor[start : start + size] for factor, start, size in pairs]


def _along_first(first: NDArray[Any], grid: NDArray[Any]) -> NDArray[Any]:
    """Multiply the grid's first axis by its factor: the mask's rows, not yet enlarged along them.

    The other axes are still as short as the grid, so that this product is cheap.
    """
    rows = first @ grid.reshape(len(grid), -1)
    return np.asarray(rows.reshape(len(first), *grid.shape[1:]))


def _enlarge(rows: NDArray[Any], factors: Factors, out: NDArray[Any]) -> NDArray[Any]:
    """Multiply the other axes by their factors; the result is the mask."""
    *between, last = factors
    for factor in between:
        rows = factor @ rows
    return np.asarray(np.matmul(rows, last.T, out=out))


def _blend(
    grid: NDArray[Any],
    factors: Factors,
    contrasts: NDArray[Any],
    hiddens: NDArray[Any],
    targets: NDArray[Any],
) -> None:
    """Write `hidden + mask * contrast` into every plane.

    So few rows are blended at a time that all steps work in the cache.
    """
    first, *others = factors
    rows = _along_first(first, grid)
    step = max(1, CHUNK_VALUES // targets[0, 0].size)
    masks = np.empty((min(step, len(rows)), *targets.shape[2:]), rows.dtype)
    # A mask that serves one plane only may be overwritten by its blend.
    blends = masks if len(targets) == 1 else np.empty_like(masks)
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        n = len(rows[part])
        mask, blend = _enlarge(rows[part], others, masks[:n]), blends[:n]
        for contrast, hidden, target in zip(contrasts, hiddens, targets, strict=True):
            np.multiply(mask, contrast[part], out=blend)
            blend += hidden[part]
            if targets.dtype.kind in "ib":
                np.rint(blend, out=blend)
            np.copyto(target[part], blend, casting="unsafe")
