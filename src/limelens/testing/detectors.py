"""Toy classifiers that look at raw pixels: a colour, edges, a window."""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from limelens._checks.values import check_array, check_int, check_number, check_numeric
from limelens._typing import Batch, Floats
from limelens.testing._axes import batch_axis, with_channels_last
from limelens.testing._checks import check_window


@dataclass(frozen=True, eq=False)
class ColorDetector:
    """Score the share of pixels that have one colour.

    True attribution of every method, for hard masks and a fill of another colour: a segment gets
    the share of all pixels that lie in it and have the colour. A pixel gets ``1 / n_pixels`` if it
    has the colour, else 0. The model has no useful gradient.

    Parameters
    ----------
    color : float or sequence of float
        One number per channel, or one for all.
    tolerance : float, default 0
        Largest difference in any channel that still counts.
    channel_axis : int or None, default -1
        As in `explain`; a 2-D image has none.

    Raises
    ------
    InvalidInputError
        If `color` is not a number or a row of numbers, or `tolerance` is negative.

    Examples
    --------
    >>> model = ColorDetector((255, 0, 0))
    >>> red, grey = (255, 0, 0), (90, 90, 90)
    >>> model(np.array([[[red, grey, grey, grey]], [[red, red, grey, red]]], dtype=np.uint8))
    array([0.25, 0.75])
    """

    color: ArrayLike
    _: KW_ONLY
    tolerance: float = 0.0
    channel_axis: int | None = -1

    def __post_init__(self) -> None:
        color = np.atleast_1d(check_numeric("color", self.color)).astype(np.float64)
        object.__setattr__(self, "color", check_array("color", color, ("n_channels",)))
        check_number("tolerance", self.tolerance, minimum=0)

    def __call__(self, batch: Batch) -> Floats:
        """Score a batch `(n, *image.shape)`."""
        last = with_channels_last(batch, self.channel_axis)
        near = (np.abs(last - np.asarray(self.color)) <= self.tolerance).all(axis=-1)
        return near.reshape(len(batch), -1).mean(axis=1)


@dataclass(frozen=True, eq=False)
class EdgeDetector:
    """Score the mean step between neighbouring pixels along one axis.

    True attribution: by enumeration, `exact_values(model(batch))`. The score is a sum over pairs
    of neighbours, so only touching segments interact. Masks cut edges of their own into the
    picture: with a fill that differs from a flat region, hiding part of the region *raises* the
    score. This toy is meant for studying that effect.

    Parameters
    ----------
    axis : int, default -1
        Spatial axis along which steps are taken; the last is from left to right.
    channel_axis : int or None, default -1
        As in `explain`; a 2-D image has none. Channels are averaged.

    Raises
    ------
    InvalidInputError
        If `axis` is not an integer.

    Examples
    --------
    A step of 1 in the middle; the fill 0.5 shows half of it when one side is hidden:

    >>> model = EdgeDetector()
    >>> model(np.array([[[0.0, 1.0]], [[0.0, 0.5]], [[0.5, 1.0]], [[0.5, 0.5]]]))
    array([1. , 0.5, 0.5, 0. ])
    """

    axis: int = -1
    _: KW_ONLY
    channel_axis: int | None = -1

    def __post_init__(self) -> None:
        check_int("axis", self.axis, minimum=-3, maximum=2)

    def __call__(self, batch: Batch) -> Floats:
        """Score a batch `(n, *image.shape)`."""
        channel = batch_axis(batch, self.channel_axis)
        spatial = [axis for axis in range(1, batch.ndim) if axis != channel]
        steps = np.abs(np.diff(batch.astype(np.float64), axis=spatial[self.axis]))
        return steps.reshape(len(batch), -1).mean(axis=1)


@dataclass(frozen=True, eq=False)
class WindowDetector:
    """Score the mean brightness inside a window and nothing else.

    True attribution of every method: a segment gets ``sum of (image - background) / n`` over its
    elements inside the window, where n is the number of elements (pixels times channels) of the
    window. Integrated gradients are ``(image - baseline) / n`` for each element inside. Everything
    outside gets zero, which makes the window a ground truth for localisation.

    Parameters
    ----------
    window : slice or tuple of slice
        One per spatial axis, as in ``np.s_[2:5, 3:6]``.
    channel_axis : int or None, default -1
        As in `explain`; a 2-D image has none.

    Raises
    ------
    InvalidInputError
        If `window` is not made of slices.

    Examples
    --------
    >>> model = WindowDetector(np.s_[:, 1:3])
    >>> model(np.array([[[9.0, 1.0, 2.0, 9.0]]]))
    array([1.5])
    >>> model.gradient(np.zeros((1, 1, 4)), 0)
    array([[[0. , 0.5, 0.5, 0. ]]])
    """

    window: Any
    _: KW_ONLY
    channel_axis: int | None = -1

    def __post_init__(self) -> None:
        object.__setattr__(self, "window", check_window(self.window))

    def __call__(self, batch: Batch) -> Floats:
        """Score a batch `(n, *image.shape)`."""
        seen = batch[self._index(batch)].reshape(len(batch), -1)
        return seen.astype(np.float64).mean(axis=1)

    def gradient(self, batch: Batch, target: int) -> Floats:
        """Return the score's derivative by every element, `(n, *image.shape)`."""
        check_int("target", target, minimum=0, maximum=0)
        slopes = np.zeros(batch.shape)
        slopes[self._index(batch)] = 1.0
        return slopes * (len(batch) / slopes.sum())

    def _index(self, batch: Batch) -> tuple[slice, ...]:
        axis = batch_axis(batch, self.channel_axis)
        index = [slice(None), *self.window]
        if axis is not None:
            index.insert(axis, slice(None))
        return tuple(index)
