"""The picture that is segmented: it shows the image's contrast for any dtype, range, channels."""

import functools
import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from limelens._checks.images import check_image
from limelens._checks.sizes import Sizes, offset_in_pixels
from limelens._checks.values import check_int
from limelens._resampling import block_starts, block_sums
from limelens._typing import Floats, Image

T = TypeVar("T", bound=np.generic)

_LEVELS = 4096

# Share of the pixels that is cut off at either end of the range.
_TAIL = 0.005

# The range is found on a regular grid with at most this many pixels along a side.
_SAMPLED_SIDE = 512

# Values quantised at once: 2 MB in float64.
_STRIP = 2**18


@dataclass(frozen=True, eq=False)
class View:
    """The picture that a segmenter looks at in place of the image; the model never sees it.

    Attributes
    ----------
    pixels : ndarray of float, shape (*reduced, c)
        One to three channels in [0, 1], channels last.
    is_color : bool
        True where the three channels are red, green and blue.
    spatial : tuple of int
        The image's spatial shape, to which `enlarge` brings labels back.
    offset : tuple of int
        Displacement along each axis, in pixels of the view; empty if there is none.
    undisplaced : View or None
        The view before it was displaced.
    valid : ndarray of bool, shape (*reduced,), or None
        Pixels that count, where the image has others.
    """

    pixels: Floats
    is_color: bool
    spatial: tuple[int, ...]
    offset: tuple[int, ...] = ()
    undisplaced: "View | None" = None
    valid: NDArray[np.bool_] | None = None

    @cached_property
    def _lab(self) -> Floats:
        from skimage.color import rgb2lab  # noqa: PLC0415

        if self.undisplaced is not None:  # colours are converted once for all displacements
            return _reflected(self.undisplaced.lab(), self.offset)
        lab: Floats = rgb2lab(self.pixels) if self.is_color else self.pixels * 100
        lab.flags.writeable = False
        return lab

    def lab(self) -> Floats:
        """Return the pixels on the scale of CIELAB, where full contrast is 100.

        Colours are converted, other channels are multiplied by 100. So settings that weigh colour
        against distance mean the same for grey, colour and many bands. The array is read-only and
        computed once.
        """
        return self._lab

    def displaced(self, offset: Sizes) -> "View":
        """Return the view with its content moved by `offset`; an int is pixels of the image.

        The border that a move uncovers shows the picture's reflection. For a negative offset the
        picture is mirrored first, so that whatever starts at one edge now starts at the other.

        Examples
        --------
        >>> view = segmenting_view(np.array([[0.0, 0.5, 1.0]])).displaced((0, 2))
        >>> view.pixels[..., 0]
        array([[1. , 0.5, 0. , 0.5, 1. ]])
        >>> view.enlarge(np.array([[7, 7, 8, 9, 9]]))
        array([[0, 1, 1]])
        """
        reduced = self.pixels.shape[:-1]
        moves = offset_in_pixels("offset", offset, self.spatial)
        steps = tuple(
            round(move * side / whole)
            for move, side, whole in zip(moves, reduced, self.spatial, strict=True)
        )
        if not any(steps):
            return self
        valid = self.valid
        if valid is not None:
            valid = _reflected(valid[..., np.newaxis], steps)[..., 0]
        pixels = _reflected(self.pixels, steps)
        return replace(self, pixels=pixels, offset=steps, undisplaced=self, valid=valid)

    def scaled(self, n_segments: int) -> int:
        """Return how many segments the view needs so that the image gets `n_segments`.

        Examples
        --------
        >>> segmenting_view(np.zeros((4, 4))).displaced(2).scaled(8)
        18
        """
        sides = zip(self.pixels.shape, self.offset, strict=False)
        return round(n_segments * math.prod(side / (side - abs(step)) for side, step in sides))

    def enlarge(self, labels: NDArray[Any]) -> NDArray[np.intp]:
        """Give every pixel of the image the label of the reduced pixel that it is part of.

        Labels of a displaced view are cut to the image and made consecutive again.
        """
        if self.offset:
            inside = labels[tuple(slice(abs(step), None) for step in self.offset)]
            inside = np.flip(inside, _backwards(self.offset))
            found, labels = np.unique(inside, return_inverse=True)
            labels = labels.reshape(inside.shape) - int(found[0] < 0)  # -1 stays no segment
        if labels.shape == self.spatial:
            return labels.astype(np.intp, copy=False)
        sides = zip(self.spatial, labels.shape, strict=True)
        blocks = [
            np.repeat(np.arange(reduced), np.diff(block_starts(side, reduced), append=side))
            for side, reduced in sides
        ]
        return labels.astype(np.intp, copy=False)[np.ix_(*blocks)]


def segmenting_view(
    image: Image, max_side: int | None = 512, valid: NDArray[np.bool_] | None = None
) -> View:
    """Make the picture that is segmented.

    The range between the image's own darkest and brightest pixels (without the outer half percent
    at either end) becomes [0, 1], in 4096 steps. These are fine enough for every picture, and
    coarse enough that rounding errors of float32 leave no trace. So the uint8, float 0-1 and float
    0-255 versions of one picture have the same view to the last bit.

    Up to three channels share one range, as colours do. If there are more, constant channels are
    left out, so that an opaque alpha changes nothing. If more than three are still left, each gets
    its own range, and their first three principal components are taken. An alpha channel that
    varies is treated like any other channel, because the model sees it too.

    Parameters
    ----------
    image : ndarray, shape (H, W), (H, W, C) or (D, H, W, C)
        Channels last, any dtype.
    max_side : int or None, optional
        A longer side is reduced to this many pixels by means over blocks, and the other sides in
        proportion. None keeps the size.
    valid : ndarray of bool, shape (*spatial,), optional
        True where pixels count. A pixel of the view counts if one of its pixels does.

    Returns
    -------
    View
        The picture, and the way back to the image's size.

    Raises
    ------
    InvalidInputError
        If the image is not finite numbers of two to four axes, or `max_side` is not an integer
        >= 2.

    Examples
    --------
    >>> segmenting_view(np.array([[10, 20], [20, 30]], dtype=np.uint16)).pixels[..., 0]
    array([[0. , 0.5],
           [0.5, 1. ]])
    """
    image, _ = check_image(image, ask=False)  # explain has asked, where the layout is known
    pixels = image[..., np.newaxis] if image.ndim == 2 else image
    spatial = pixels.shape[:-1]
    bands = _varying(pixels) if pixels.shape[-1] > 3 else pixels
    many = bands.shape[-1] > 3
    levels = _quantise(bands, each_band=many)
    reduced = _reduced_shape(spatial, max_side)
    view = _block_means(levels, reduced) / _LEVELS
    if many:
        view = _principal_components(view)
    if valid is not None:
        valid = _block_means(valid[..., np.newaxis].astype(np.uint16), reduced)[..., 0] > 0
    return View(view, is_color=bands.shape[-1] == 3, spatial=spatial, valid=valid)


def _block_means(levels: NDArray[np.uint16], reduced: tuple[int, ...]) -> Floats:
    """Average over blocks. Sums of integers are exact, whatever the order of summation."""
    sides = list(zip(levels.shape, reduced, strict=False))  # the channels stay
    starts = [block_starts(side, blocks) for side, blocks in sides]
    lengths = (np.diff(each, append=side) for each, (side, _) in zip(starts, sides, strict=True))
    counts = functools.reduce(np.multiply.outer, lengths)
    return np.asarray(block_sums(levels, starts) / counts[..., np.newaxis])


def _reflected(bands: NDArray[T], steps: tuple[int, ...]) -> NDArray[T]:
    """Return a picture moved by some pixels along each axis; its reflection fills the border."""
    mirrored = np.flip(bands, _backwards(steps))
    return np.pad(mirrored, [*((abs(step), 0) for step in steps), (0, 0)], mode="reflect")


def _backwards(steps: tuple[int, ...]) -> tuple[int, ...]:
    """Return the axes along which a view is displaced backwards."""
    return tuple(axis for axis, step in enumerate(steps) if step < 0)


def _varying(pixels: NDArray[Any]) -> NDArray[Any]:
    """Leave out constant channels; one is kept if all are constant."""
    axes = tuple(range(pixels.ndim - 1))
    varies = pixels.min(axis=axes) != pixels.max(axis=axes)
    return pixels[..., varies] if varies.any() else pixels[..., :1]


def _range(values: NDArray[Any]) -> tuple[float, float]:
    """Return the ends of the range without the outer half percent, or of all if these are equal.

    They are two order statistics of a regular grid of pixels, without interpolation. For integers
    the ends are therefore integers, and no level of `_quantise` lies where rounding decides.
    """
    step = -(-max(values.shape[:-1]) // _SAMPLED_SIDE)
    grid = (slice(None, None, step),) * (values.ndim - 1)
    sample = values[grid].astype(np.float64).ravel()
    tail = int(_TAIL * (sample.size - 1))
    ordered = np.partition(sample, (tail, sample.size - 1 - tail))
    low, high = ordered[tail], ordered[sample.size - 1 - tail]
    if low == high:
        low, high = values.min(), values.max()
    return float(low), float(high)


def _quantise(bands: NDArray[Any], *, each_band: bool) -> NDArray[np.uint16]:
    """Scale channels to 0..4096, all by one range or each by its own."""
    n_bands = bands.shape[-1]
    parts = [bands[..., k : k + 1] for k in range(n_bands)] if each_band else [bands]
    low, high = np.array([_range(part) for part in parts]).T
    span = np.where(high > low, high - low, 1.0)
    levels = np.empty(bands.shape, dtype=np.uint16)
    rows = max(1, _STRIP * len(bands) // bands.size)
    for start in range(0, len(bands), rows):
        strip = bands[start : start + rows].astype(np.float64)
        strip -= low
        strip /= span
        np.clip(strip, 0, 1, out=strip)
        strip *= _LEVELS
        levels[start : start + rows] = np.rint(strip, out=strip)
    return levels


def _reduced_shape(spatial: tuple[int, ...], max_side: int | None) -> tuple[int, ...]:
    """Return the shape whose longer side is at most `max_side`, in proportion."""
    longest = max(spatial)
    if max_side is None or longest <= check_int("max_side", max_side, minimum=2):
        return spatial
    return tuple(max(1, round(side * max_side / longest)) for side in spatial)


def _principal_components(view: Floats) -> Floats:
    """Return the first three principal components on one common scale within [0, 1]."""
    table = view.reshape(-1, view.shape[-1])
    centred = table - table.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, :-4:-1]  # the three largest eigenvalues come last
    # An eigenvector's sign is arbitrary: its largest entry is made positive.
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.sign(axes[largest, np.arange(3)])
    scores = centred @ axes
    scores -= scores.min(axis=0)
    return (scores / max(scores.max(), np.finfo(np.float64).tiny)).reshape(*view.shape[:-1], 3)
