"""What hidden pixels are replaced with."""

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from limelens._axes import channels_last
from limelens._checks.images import check_fill_segments
from limelens._checks.pillow import check_pillow
from limelens._checks.values import check_int, check_number, check_numeric, describe
from limelens._typing import Floats, Image, Segments
from limelens.errors import InvalidInputError


@dataclass(frozen=True)
class ImageMean:
    """The image's mean colour everywhere: plain, and the same for every segment.

    It is the default of most explainers, and of MATLAB. If the mean is also the colour of
    something in the picture, hiding that thing changes little: try `Blur` or `Noise` as well.

    Examples
    --------
    >>> ImageMean()(np.array([[[0, 10], [4, 30]]]), None)
    array([[[ 2., 20.],
            [ 2., 20.]]])
    """

    def __call__(self, image: Image, segments: Segments | None) -> Floats:
        """Return the background of an image, channels last; `segments` are not needed."""
        return _everywhere(channel_means(image), image.shape)


@dataclass(frozen=True)
class SegmentMean:
    """Every segment in its own mean colour: detail vanishes, large shapes and colours stay.

    It is the gentlest fill, and that of the original LIME. What the model learns from a segment's
    mean colour alone is not hidden, so the segment gets no credit for it.

    Raises
    ------
    InvalidInputError
        On use with window or pixel methods, which have no segments.

    Notes
    -----
    The mean of segment ``s`` in channel ``c`` is ``sum(image[segments == s, c]) / size(s)``, summed
    in float64. For integer images the model sees it rounded to the nearest integer.

    Examples
    --------
    >>> image = np.array([[1, 2, 10, 20]], dtype=np.uint8)
    >>> SegmentMean()(image, np.array([[0, 0, 1, 1]]))
    array([[ 1.5,  1.5, 15. , 15. ]])
    """

    def __call__(self, image: Image, segments: Segments | None) -> Floats:
        """Return the background of an image, channels last, for labels of its spatial shape."""
        segments = check_fill_segments(segments, image, type(self).__name__)
        flat = segments.ravel()
        sizes = np.bincount(flat)
        table = image.reshape(flat.size, -1)
        columns = (table[:, c].astype(np.float64) for c in range(table.shape[1]))
        sums = [np.bincount(flat, weights=column) for column in columns]
        means = np.stack(sums, axis=-1) / sizes[:, np.newaxis]
        return np.take(means, flat, axis=0).reshape(image.shape)


@dataclass(frozen=True)
class Constant:
    """One value, or one per channel, everywhere: black, white, a sensor's zero.

    Parameters
    ----------
    value : float or sequence of float
        In the image's own units: 255 is white for uint8, 1 for floats in [0, 1].

    Raises
    ------
    InvalidInputError
        If the value is not finite, or on use if there is not one for each channel.

    Examples
    --------
    >>> Constant((255, 0, 0))
    Constant(value=(255.0, 0.0, 0.0))
    >>> Constant(7)(np.zeros((1, 2)), None)
    array([[7., 7.]])
    """

    value: float | Sequence[float]

    def __post_init__(self) -> None:
        if np.ndim(self.value) == 0:
            value: Any = check_number("value", self.value)
        else:
            value = tuple(check_number("value", each) for each in self.value)  # type: ignore[union-attr]
        object.__setattr__(self, "value", value)

    def __call__(self, image: Image, segments: Segments | None) -> Floats:
        """Return the background of an image, channels last; `segments` are not needed."""
        n_channels = 1 if image.ndim == 2 else image.shape[-1]
        if np.ndim(self.value) and np.size(self.value) != n_channels:
            raise InvalidInputError(
                f"`value` must be one number, or one for each of the image's {n_channels} "
                f"channel(s); got {self.value}."
            )
        return _everywhere(np.asarray(self.value, dtype=np.float64), image.shape)


@dataclass(frozen=True)
class Blur:
    """The image out of focus: colours and large shapes stay where they are, detail goes.

    Parameters
    ----------
    sigma : float, optional
        Standard deviation of the Gaussian in pixels, along every spatial axis; channels are never
        mixed. A segment is hidden only by a blur about as wide as itself. None is a tenth of the
        shortest side, about the width of a segment of fifty.

    Raises
    ------
    InvalidInputError
        If `sigma` is not above 0.

    Notes
    -----
    The image is mirrored at its borders, so its mean stays the same.

    Examples
    --------
    >>> Blur(1)(np.array([[0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0]]), None).round(1)
    array([[0. , 0.5, 2.2, 3.6, 2.2, 0.5, 0. ]])
    """

    sigma: float | None = None

    def __post_init__(self) -> None:
        if self.sigma is not None:
            check_number("sigma", self.sigma, minimum=0, open_minimum=True)

    def __call__(self, image: Image, segments: Segments | None) -> Floats:
        """Return the background of an image, channels last; `segments` are not needed."""
        from scipy.ndimage import gaussian_filter  # noqa: PLC0415

        spatial = image.shape if image.ndim == 2 else image.shape[:-1]
        width = min(spatial) / 10 if self.sigma is None else self.sigma
        sigma = [width] * len(spatial) + [0.0] * (image.ndim - len(spatial))
        # SciPy computes in float64 line by line. It knows neither half nor extended precision.
        known = image.dtype.kind != "f" or image.dtype.itemsize in (4, 8)
        lines = image if known else image.astype(np.float64)
        blurred: Floats = gaussian_filter(lines, sigma, mode="reflect", output=np.float64)
        return blurred


@dataclass(frozen=True)
class Noise:
    """Random pixels: nothing of the image is left, and no colour is preferred.

    A single background of noise may look like something by chance. With ``n=4`` or more the scores
    are averaged over several backgrounds, which takes n times as many model calls.

    Parameters
    ----------
    low, high : float, optional
        Ends of the uniform distribution; None is the smallest or largest value of the image.
    std : float, optional
        Draws from a normal distribution instead: around each channel's mean, cut at the image's
        smallest and largest value.
    n : int, optional
        Number of backgrounds. The first ones are the same for a larger number.
    rng : int, optional
        Seed: the same seed gives the same noise for images of the same shape.

    Raises
    ------
    InvalidInputError
        If a setting is out of its range, `std` is given with `low` or `high`, or on use if `low`
        is not below `high`.

    Examples
    --------
    >>> Noise(low=0, high=1)(np.zeros((1, 3)), None).round(2)
    array([[0.64, 0.27, 0.04]])
    >>> Noise(low=0, high=1, n=2)(np.zeros((1, 3)), None).round(2)
    array([[[0.64, 0.27, 0.04]],
    <BLANKLINE>
           [[0.02, 0.81, 0.91]]])
    """

    _: KW_ONLY
    low: float | None = None
    high: float | None = None
    std: float | None = None
    n: int = 1
    rng: int = 0

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name))
        if self.std is not None:
            check_number("std", self.std, minimum=0, open_minimum=True)
            if (self.low, self.high) != (None, None):
                raise InvalidInputError(
                    "`std` must be given without `low` and `high`; got both. Choose one."
                )
        check_int("n", self.n, minimum=1)
        check_int("rng", self.rng, minimum=0)

    def __call__(self, image: Image, segments: Segments | None) -> Floats:
        """Return one background, or `n` stacked; `segments` are not needed."""
        rng = np.random.default_rng(self.rng)
        shape = (self.n, *image.shape)
        low = float(image.min()) if self.low is None else self.low
        high = float(image.max()) if self.high is None else self.high
        if self.std is not None:
            drawn = channel_means(image) + self.std * rng.standard_normal(shape)
            noise = np.clip(drawn, low, high)
        elif low < high:
            noise = low + (high - low) * rng.random(shape)
        else:
            raise InvalidInputError(
                f"`low` must be below `high`; got {low:g} and {high:g}. What is not given is taken "
                "from the image, so give both for a constant image."
            )
        return noise[0] if self.n == 1 else noise


@dataclass(frozen=True, eq=False, repr=False)
class Backgrounds:
    """Hidden parts show other images, and scores are averaged over all of these.

    Real images, of other classes or of empty scenes, keep what the model sees plausible. The
    number of model calls is multiplied by the number of backgrounds.

    Parameters
    ----------
    images : array_like, shape (m, *image.shape), or sequence of m arrays
        In the layout and the units of the images that will be explained.
    channel_axis : int or None, optional
        Where each single background has its channels, as given to `explain`; None for volumes
        without channels. Backgrounds of shape (H, W) have none, whatever `channel_axis` says.

    Raises
    ------
    InvalidInputError
        If the backgrounds are not finite numbers of one shape, or on use if the image has another.

    Examples
    --------
    >>> scenes = [np.zeros((3, 2, 2)), np.ones((3, 2, 2))]
    >>> fill = Backgrounds(scenes, channel_axis=0)
    >>> fill
    Backgrounds(<2 images of shape (3, 2, 2)>, channel_axis=0)
    >>> fill(np.zeros((2, 2, 3)), None).shape
    (2, 2, 2, 3)
    """

    images: ArrayLike
    _: KW_ONLY
    channel_axis: int | None = -1

    def __post_init__(self) -> None:
        if isinstance(self.images, (list, tuple)):
            for index, each in enumerate(self.images):
                check_pillow(f"images[{index}]", each)
        images = np.array(check_numeric("images", self.images))
        if not 3 <= images.ndim <= 5 or images.size == 0:
            raise InvalidInputError(
                "`images` must be a stack or sequence of one or more images; got "
                f"{describe(images)}. A single image goes into a list: Backgrounds([image])."
            )
        ndim = images.ndim - 1
        if ndim > 2 and self.channel_axis is not None:
            check_int("channel_axis", self.channel_axis, minimum=-ndim, maximum=ndim - 1)
        images.flags.writeable = False
        object.__setattr__(self, "images", images)

    def __repr__(self) -> str:
        m, *shape = np.shape(self.images)
        size = f"{m} images of shape {tuple(shape)}"
        return f"Backgrounds(<{size}>, channel_axis={self.channel_axis})"

    def __call__(self, image: Image, segments: Segments | None) -> NDArray[Any]:
        """Return the backgrounds, channels last, for an image of their shape."""
        each = [channels_last(one, self.channel_axis) for one in np.asarray(self.images)]
        if each[0].shape != image.shape:
            raise InvalidInputError(
                f"`images` must be backgrounds of the image's shape {image.shape} (channels last); "
                f"got {each[0].shape}. A single image goes into a list, and channel_axis must say "
                "where each background has its channels."
            )
        return np.stack(each)


def _everywhere(value: Floats, shape: tuple[int, ...]) -> Floats:
    """Return one value, or one per channel, as a read-only array with one row in memory."""
    return np.broadcast_to(np.full(shape[1:], value), shape)


def channel_means(image: Image) -> Floats:
    """Return the mean of each channel, or of an image without channels, in float64."""
    n_spatial = min(image.ndim, max(2, image.ndim - 1))
    sums: Floats = image.sum(axis=0, dtype=np.float64)
    for _ in range(n_spatial - 1):  # axis by axis is many times faster than all at once
        sums = sums.sum(axis=0)
    return sums / math.prod(image.shape[:n_spatial])
