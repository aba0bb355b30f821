"""From the caller's pixels to a network's input: axes, scale, mean and deviation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_int, check_number, check_numeric, describe
from limelens._typing import Batch
from limelens.errors import InvalidInputError

FACTORS = {"uint8": 1 / 255, "uint16": 1 / 65535}
"""Factors of integers where no scale is given; floats and booleans are not scaled."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pixels:
    """How one pixel becomes a network's input: ``(value * scale - mean) / std``.

    Parameters
    ----------
    channel_axis : int or None
        Where an image has its channels; a 2-D image has none.
    scale : float or None
        None for the scale that belongs to the image's dtype, see `scale_of`.
    mean, std : ndarray, shape (channels,) or (1,), or None
        In units of the scaled values; None for 0 and 1.
    """

    channel_axis: int | None = -1
    scale: float | None = None
    mean: NDArray[np.float64] | None = None
    std: NDArray[np.float64] | None = None

    def scale_of(self, dtype: np.dtype[Any]) -> float:
        """Return the factor of values of a dtype.

        Raises
        ------
        InvalidInputError
            If no scale was given and the range of the dtype's values is not known.

        Examples
        --------
        >>> Pixels().scale_of(np.dtype("float32")), Pixels(scale=2.0).scale_of(np.dtype("uint8"))
        (1.0, 2.0)
        """
        if self.scale is not None:
            return self.scale
        if dtype.kind in "fb":
            return 1.0
        if dtype.name not in FACTORS:
            raise InvalidInputError(
                f"`scale` must be given for images of {dtype}, whose range is not known; got None. "
                "For 12-bit images pass scale=1/4095."
            )
        return FACTORS[dtype.name]

    def moments(self, n_channels: int) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Return the mean and the deviation of every channel, shape (n_channels,) each.

        Returns None if neither was given.

        Raises
        ------
        InvalidInputError
            If they were given for another number of channels.
        """
        if self.mean is None and self.std is None:
            return None
        both = []
        for name, given, missing in (("mean", self.mean, 0.0), ("std", self.std, 1.0)):
            values = np.array([missing]) if given is None else given
            if len(values) not in (1, n_channels):
                raise InvalidInputError(
                    f"`{name}` must have one value per channel; got {len(values)} for images "
                    f"with {n_channels} channels. `channel_axis` says where those are."
                )
            both.append(np.resize(values, n_channels))
        return both[0], both[1]

    def axis_of(self, shape: tuple[int, ...]) -> int | None:
        """Return the channel axis of a batch of some shape; None if it has no channels.

        Raises
        ------
        InvalidInputError
            If images have no such axis, or look as if their channels came first.
        """
        ndim = len(shape)
        if ndim == 3 or self.channel_axis is None:
            return None
        if not -ndim < self.channel_axis < ndim - 1:
            raise InvalidInputError(
                f"`channel_axis` must be an axis of images {shape[1:]}; got {self.channel_axis}."
            )
        if self.channel_axis == -1 and shape[1] in (1, 3) and min(shape[2:]) > 16:
            raise InvalidInputError(
                f"`channel_axis` must be 0 for images {shape[1:]}, which look as if their channels "
                f"came first; got -1. Pass channel_axis=0 to the adapter too, or {ndim - 2} if "
                "they do come last."
            )
        return self.channel_axis % (ndim - 1) + 1


def check_pixels(channel_axis: object, scale: object, mean: object, std: object) -> Pixels:
    """Check the settings of an adapter and return them as one record.

    Examples
    --------
    >>> check_pixels(-1, None, [0.5, 0.4, 0.3], 0.2).std
    array([0.2])
    """
    if channel_axis is not None:
        channel_axis = check_int("channel_axis", channel_axis, minimum=-4, maximum=3)
    if scale is not None:
        scale = check_number("scale", scale)
        if scale == 0:
            raise InvalidInputError("`scale` must not be 0: every image would be the same.")
    return Pixels(
        channel_axis=channel_axis,
        scale=scale,
        mean=_per_channel("mean", mean),
        std=_per_channel("std", std),
    )


def check_pixel_size(size: object) -> tuple[int, int] | None:
    """Return a height and width in pixels; one number stands for both.

    Examples
    --------
    >>> check_pixel_size(224)
    (224, 224)
    """
    if size is None:
        return None
    is_pair = isinstance(size, (Sequence, np.ndarray)) and not isinstance(size, str)
    both: Any = size if is_pair else (size, size)
    if len(both) != 2:
        raise InvalidInputError(
            f"`size` must be a number of pixels or (height, width); got {describe(size)}."
        )
    height, width = (check_int("size", side, minimum=1) for side in both)
    return height, width


def native(batch: Batch) -> Batch:
    """Return an array that any framework can read: contiguous, writeable, in native byte order."""
    if batch.dtype.char == "g":  # long double, which no framework has
        batch = batch.astype(np.float64)
    return np.require(batch, dtype=batch.dtype.newbyteorder("="), requirements=["C", "W"])


def refuse_beside_preprocess(given: Mapping[str, object]) -> None:
    """Refuse settings, by name, that `preprocess` replaces."""
    for name, value in given.items():
        if value is not None:
            raise InvalidInputError(
                f"`{name}` must be left out when `preprocess` is given, which does all of that; "
                f"got {describe(value)}."
            )


def _per_channel(name: str, values: object) -> NDArray[np.float64] | None:
    if values is None:
        return None
    array = np.atleast_1d(check_numeric(name, values).astype(np.float64))
    if array.ndim != 1 or array.size == 0:
        raise InvalidInputError(
            f"`{name}` must be a number or one number per channel; got {describe(values)}."
        )
    if name == "std" and (array <= 0).any():
        raise InvalidInputError(f"`std` must be positive; got {describe(values)}.")
    return array
