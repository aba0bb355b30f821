"""The picture of any image: three colours, 8 bits, one plane, a size that fits the screen."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._axes import channels_last
from limelens.pictures.colors import PAPER

MIN_SIDE = 256
MAX_SIDE = 1024
N_SLICES = 9
DETAIL = 40
"""Grey levels that a flattened picture strays from `PAPER`: 10 of CIEDE2000, seen but no more."""
SPREAD, MOST_GAIN = 16.0, 2.0
HATCH, HATCH_GREY = 8, 140


def to_rgb(
    image: NDArray[Any],
    channel_axis: int | None = -1,
    valid: NDArray[np.bool_] | None = None,
    bands: tuple[int, ...] | None = None,
) -> NDArray[np.uint8]:
    """Return the picture of an image, shape (H, W, 3).

    Parameters
    ----------
    image : ndarray
        Any layout and dtype; see `channel_axis`. A 2-D image has no channels.
    channel_axis : int or None
    valid : ndarray of bool, shape (*spatial,), optional
        Pixels that count. The values of others are cut to the range of these, NaN to its middle.
    bands : tuple of int, optional
        The channels that are shown: one as grey, three as red, green and blue, a fourth as opacity.

    Returns
    -------
    rgb : ndarray of uint8, shape (H, W, 3)

    Notes
    -----
    uint8 stays as it is, bool becomes black and white, floats within [0, 1] are multiplied by
    255. Everything else is stretched between its 0.5th and 99.5th percentile. One channel is
    grey, three are red, green and blue, and so are the first three of four. A fourth of the
    `bands` is an opacity, over white. Two or more than four channels are stretched one by one and
    averaged to grey. A volume becomes a montage of up to nine evenly spaced slices.

    Examples
    --------
    >>> to_rgb(np.array([[0.0, 1.0]]))[..., 0]
    array([[  0, 255]], dtype=uint8)
    >>> to_rgb(np.zeros((3, 20, 30)), channel_axis=0).shape
    (20, 30, 3)
    """
    last = channels_last(image, channel_axis)
    if last.ndim == 2:
        last = last[..., np.newaxis]
    if valid is not None:
        last = _within_range(last, valid)
    if bands is None and last.shape[-1] == 4:
        bands = (0, 1, 2)
    if bands is not None:
        last = last[..., list(bands)]
    plane = as_plane(last, last.ndim - 1, empty=None)
    n_channels = plane.shape[-1]
    if n_channels in (1, 3):
        eight = _to_uint8(plane)
    elif n_channels == 4:
        eight = _over_white(_to_uint8(plane[..., :3]), _to_uint8(plane[..., 3:]))
    else:
        total = np.zeros(plane.shape[:2], dtype=np.float32)
        for channel in range(n_channels):
            total += _stretch(plane[..., channel])
        eight = np.rint(total / n_channels).astype(np.uint8)[..., np.newaxis]
    return np.ascontiguousarray(np.broadcast_to(eight, (*plane.shape[:2], 3)))


def _within_range(last: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[Any]:
    """Cut each channel of pixels that do not count to the range of those that do."""
    if last.dtype.kind == "b":
        return last
    counting = last[valid]
    low, high = counting.min(axis=0), counting.max(axis=0)
    outside = last[~valid]
    missing = np.isnan(outside) if last.dtype.kind == "f" else np.zeros(outside.shape, bool)
    cut = last.copy()
    cut[~valid] = np.where(missing, low / 2 + high / 2, np.clip(outside, low, high))
    return cut


def hatched(rgb: NDArray[np.uint8], where: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return a picture that is paler, and crossed by diagonal lines, where pixels do not count.

    Examples
    --------
    >>> hatched(np.zeros((1, 8, 3), np.uint8), np.arange(8)[np.newaxis] >= 4)[0, :, 0]
    array([  0,   0,   0,   0, 108, 108, 108, 140], dtype=uint8)
    """
    height, width = where.shape
    line = (np.arange(height)[:, np.newaxis] + np.arange(width)) % HATCH == HATCH - 1
    pale = (rgb.astype(np.uint16) + PAPER + 1) // 2
    drawn = np.where(line[..., np.newaxis], np.uint16(HATCH_GREY), pale).astype(np.uint8)
    return np.where(where[..., np.newaxis], drawn, rgb)


def to_grey(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture without its colours, still (H, W, 3): luma of ITU-R BT.601."""
    luma = rgb @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return np.repeat(np.rint(luma).astype(np.uint8)[..., np.newaxis], 3, axis=-1)


def flatten(rgb: NDArray[np.uint8], valid: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """Return the picture as detail on one light grey, so that colours over it compare.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (H, W, 3)
    valid : ndarray of bool, shape (H, W), optional
        Pixels that count: the mean of their neighbourhood is that of these alone.

    Returns
    -------
    flat : ndarray of uint8, shape (H, W, 3)
        Within `DETAIL` grey levels of `PAPER`; a picture without detail is `PAPER` everywhere.

    Notes
    -----
    With g the luma and m its mean over a neighbourhood (three moving averages, each a tenth of
    the longer side wide): ``PAPER + A tanh(c (g - m) / A)``, where A is `DETAIL` and c makes the
    standard deviation 16 grey levels, at most doubling it.

    Examples
    --------
    >>> flatten(np.zeros((2, 2, 3), np.uint8))[..., 0]
    array([[215, 215],
           [215, 215]], dtype=uint8)
    """
    grey = to_grey(rgb)[..., 0].astype(np.float32)
    local = grey - _smooth(grey)
    if valid is not None:
        weights = np.maximum(_smooth(valid.astype(np.float32)), np.float32(1e-6))
        local = np.where(valid, grey - _smooth(np.where(valid, grey, 0)) / weights, local)
    spread = float(local.std() if valid is None else local[valid].std())
    gain = min(MOST_GAIN, SPREAD / spread) if spread else 0.0
    level = PAPER + DETAIL * np.tanh(local * np.float32(gain / DETAIL))
    return np.repeat(np.rint(level).astype(np.uint8)[..., np.newaxis], 3, axis=-1)


def _smooth(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of each pixel's neighbourhood."""
    from scipy.ndimage import uniform_filter  # noqa: PLC0415

    width = max(3, round(max(grey.shape) / 10) | 1)
    for _ in range(3):
        grey = uniform_filter(grey, width, mode="reflect")
    return grey


def as_plane(array: NDArray[Any], n_spatial: int, *, empty: float | None) -> NDArray[Any]:
    """Return a 2-D array as it is, a volume as a montage of evenly spaced slices.

    `empty` is the value between the slices and after the last; None is the largest of the array.

    Examples
    --------
    >>> as_plane(np.arange(3).reshape(3, 1, 1), 3, empty=-1)
    array([[ 0, -1,  1],
           [-1, -1, -1],
           [ 2, -1, -1]])
    """
    if n_spatial == 2:
        return array
    places, shape = slice_places(array.shape[:3])
    height, width = array.shape[1:3]
    fill = array.max() if empty is None else empty
    plane = np.full((*shape, *array.shape[3:]), fill, dtype=array.dtype)
    for index, top, left in places:
        plane[top : top + height, left : left + width] = array[index]
    return plane


def slice_places(shape: tuple[int, ...]) -> tuple[list[tuple[int, int, int]], tuple[int, int]]:
    """Return which slices of a volume are shown, with their corners, and the montage's size.

    Examples
    --------
    >>> slice_places((3, 1, 1))
    ([(0, 0, 0), (1, 0, 2), (2, 2, 0)], (3, 3))
    """
    depth, height, width = shape
    n = min(depth, N_SLICES)
    columns = int(np.ceil(np.sqrt(n)))
    gap = max(1, max(height, width) // 64)
    places = [
        (round(index), (k // columns) * (height + gap), (k % columns) * (width + gap))
        for k, index in enumerate(np.linspace(0, depth - 1, n).tolist())
    ]
    return places, (-(-n // columns) * (height + gap) - gap, columns * (width + gap) - gap)


def display_size(shape: tuple[int, ...], max_side: int = MAX_SIDE) -> tuple[int, int]:
    """Return the size a picture is drawn at: whole multiples up, or just below `max_side`.

    Examples
    --------
    >>> display_size((25, 25)), display_size((480, 640)), display_size((3000, 4000))
    ((275, 275), (480, 640), (768, 1024))
    """
    height, width = shape[:2]
    side = max(height, width)
    if side > max_side:
        return max(1, round(height * max_side / side)), max(1, round(width * max_side / side))
    times = max(1, min(-(-MIN_SIDE // side), max_side // side))
    return height * times, width * times


def shrunk(size: tuple[int, ...], most: int) -> tuple[int, int]:
    """Return a height and width in proportion, with the longer side at most `most` pixels."""
    height, width = size[:2]
    times = min(1.0, most / max(height, width))
    return max(1, round(height * times)), max(1, round(width * times))


def resize(array: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Return a picture or map at another size: pixels are repeated to enlarge, averaged to reduce.

    Parameters
    ----------
    array : ndarray, shape (H, W) or (H, W, 3)
        uint8 pictures, float maps; integer labels are picked, never averaged.
    size : (int, int)
        Height and width.
    """
    from PIL import Image as Pillow  # noqa: PLC0415

    if array.shape[:2] == tuple(size):
        return array
    (new_h, new_w), (old_h, old_w) = size, array.shape[:2]
    if (new_h >= old_h and new_w >= old_w) or array.dtype.kind in "ib":
        rows = (2 * np.arange(new_h) + 1) * old_h // (2 * new_h)
        columns = (2 * np.arange(new_w) + 1) * old_w // (2 * new_w)
        return array[rows[:, np.newaxis], columns]
    source = array if array.dtype == np.uint8 else array.astype(np.float32)
    reduced = Pillow.fromarray(source).resize((new_w, new_h), Pillow.Resampling.BOX)
    return np.asarray(reduced)


def _to_uint8(values: NDArray[Any]) -> NDArray[np.uint8]:
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind == "b":
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind == "f" and values.min() >= 0 and values.max() <= 1:
        return np.rint(values * 255.0).astype(np.uint8)
    return np.rint(_stretch(values)).astype(np.uint8)


def _stretch(values: NDArray[Any]) -> NDArray[np.float32]:
    """Scale values to 0..255 without the outermost half percents; a constant becomes grey."""
    step = max(1, int(np.sqrt(values.size / 1_000_000)))  # a million values know the percentiles
    low, high = np.percentile(values[::step, ::step].astype(np.float64), [0.5, 99.5])
    if high <= low:
        low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.full(values.shape, 127.5, dtype=np.float32)
    return np.clip((values - low) * (255.0 / (high - low)), 0, 255).astype(np.float32)


def _over_white(rgb: NDArray[np.uint8], opacity: NDArray[np.uint8]) -> NDArray[np.uint8]:
    share = opacity / np.float32(255)
    return np.rint(255 - share * (255 - rgb.astype(np.float32))).astype(np.uint8)
