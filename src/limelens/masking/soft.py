"""Soft masks: small random grids, enlarged smoothly and shifted, never stored.

Enlarging by linear interpolation is a matrix product along each axis, so a mask of any size costs
two small products: `mask = R[a : a + H] @ grid @ R[b : b + W].T`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from limelens._axes import spatial_shape
from limelens._typing import Batch, Image, Masks

PRODUCT_VALUES = 1 << 17
"""Values of one mask multiplied at once. Linear algebra may round the last rows of a product
differently, so that masks have the same bits only where their products have the same rows."""

PRODUCTS = 4
"""Products blended at once: 2 MiB in float32. Fewer cost more calls than the cache gains."""

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
    first, *others = cuts_of(windows_of(factors, spatial), shifts)
    masks = np.empty((len(grids), *spatial), factors[0].dtype)
    return enlarge(_along_first(first, grids.astype(masks.dtype, copy=False)), others, masks)


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
    windows = windows_of(factors, spatial)
    few = max(1, PRODUCTS * PRODUCT_VALUES // contrasts[0].size)

    def compose(grids: NDArray[Any], shifts: NDArray[np.intp]) -> Batch:
        out = np.empty((len(grids), *image.shape), image.dtype)
        pictures = out.reshape(len(out), *shape)
        targets = _planes(pictures, None if channel_axis is None else channel_axis + 1)
        grids, starts = grids.astype(precision, copy=False), shifts * steps
        for start in range(0, len(grids), few):
            some = slice(start, start + few)
            cuts = cuts_of(windows, starts[some])
            _blend(grids[some], cuts, contrasts, hiddens, targets[:, some])
        return out

    return compose


def _planes(image: Image, channel_axis: int | None) -> NDArray[Any]:
    """View an image as `(planes, *spatial)`, a batch of them as `(planes, b, *spatial)`."""
    if channel_axis is None:
        return image[np.newaxis]
    return np.moveaxis(image, channel_axis, 0)


def windows_of(factors: Factors, spatial: tuple[int, ...]) -> Factors:
    """Return views of the rows of each factor that a mask of each shift uses.

    Their shape is `(starts, size_i, cells_i)` for axis i.
    """
    pairs = zip(factors, spatial, strict=True)
    return [sliding_window_view(each, size, axis=0).swapaxes(1, 2) for each, size in pairs]


def cuts_of(windows: Factors, shifts: NDArray[np.intp]) -> Factors:
    """Return the rows of each factor that every mask uses: `(b, size_i, cells_i)` for axis i."""
    return [each[starts] for each, starts in zip(windows, shifts.T, strict=True)]


def _along_first(first: NDArray[Any], grids: NDArray[Any]) -> NDArray[Any]:
    """Multiply the grids' first axis by its factor: the masks' rows, not yet enlarged along them.

    The other axes are still as short as the grid, so that this product is cheap.
    """
    rows = first @ grids.reshape(*grids.shape[:2], -1)
    return np.asarray(rows.reshape(*first.shape[:2], *grids.shape[2:]))


def enlarge(rows: NDArray[Any], factors: Factors, out: NDArray[Any]) -> NDArray[Any]:
    """Multiply the other axes by their factors; the results, `(b, *spatial)`, are the masks."""
    *between, last = factors
    for factor in between:
        rows = factor[:, np.newaxis] @ rows
    last = last.swapaxes(1, 2)
    for _ in between:
        last = last[:, np.newaxis]
    step = _product_rows(out)
    for start in range(0, rows.shape[1], step):
        part = slice(start, start + step)
        np.matmul(rows[:, part], last, out=out[:, part])
    return out


def _product_rows(masks: NDArray[Any]) -> int:
    """Return how many rows of a mask are made by one product."""
    return max(1, PRODUCT_VALUES // masks[0, 0].size)


def _blend(
    grids: NDArray[Any],
    factors: Factors,
    contrasts: NDArray[Any],
    hiddens: NDArray[Any],
    targets: NDArray[Any],
) -> None:
    """Write `hidden + mask * contrast` into every plane of each image, some rows at a time."""
    first, *others = factors
    rows = _along_first(first, grids)
    step = PRODUCTS * _product_rows(targets[0])
    masks = np.empty((len(rows), min(step, rows.shape[1]), *targets.shape[3:]), rows.dtype)
    # A mask that serves one plane only may be overwritten by its blend.
    blends = masks if len(targets) == 1 else np.empty_like(masks)
    for start in range(0, rows.shape[1], step):
        part = slice(start, start + step)
        n = rows[:, part].shape[1]
        mask, blend = enlarge(rows[:, part], others, masks[:, :n]), blends[:, :n]
        for contrast, hidden, target in zip(contrasts, hiddens, targets, strict=True):
            np.multiply(mask, contrast[part], out=blend)
            _add(blend, hidden[part], target[:, part])


def _add(blend: NDArray[Any], hidden: NDArray[Any], target: NDArray[Any]) -> None:
    """Write `blend + hidden` into the target, rounded for integers; `blend` may be overwritten."""
    if target.dtype == blend.dtype:
        np.add(blend, hidden, out=target)
        return
    blend += hidden
    if target.dtype.kind in "ib":
        np.rint(blend, out=blend)
    np.copyto(target, blend, casting="unsafe")
