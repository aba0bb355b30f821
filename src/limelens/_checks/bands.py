"""Which channels a picture shows as its colours."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, TypeAlias

import numpy as np

from limelens._checks.values import check_int, describe
from limelens.errors import InvalidInputError, warn

Bands: TypeAlias = "int | Sequence[int] | None"
"""Channels that a picture shows: red, green, blue, and opacity if there are four; one is grey."""

_PILLOW = {"RGBA": (0, 1, 2, 3), "LA": (0, 0, 0, 1)}


def check_bands(bands: Bands, n_channels: int) -> tuple[int, ...] | None:
    """Return the channels that a picture shows as a tuple of one, three or four; None as it is.

    Parameters
    ----------
    bands : int, sequence of three or four int, or None
    n_channels : int
        1 for an image without channels.

    Examples
    --------
    >>> check_bands((3, 2, 1), 13), check_bands(7, 13)
    ((3, 2, 1), (7,))
    """
    if bands is None:
        return None
    wanted = "`bands` must be three channels (red, green, blue), four with an opacity, or one"
    if isinstance(bands, str) or not isinstance(bands, (Integral, Sequence, np.ndarray)):
        raise InvalidInputError(f"{wanted}; got {describe(bands)}.")
    listed: list[Any] = np.atleast_1d(np.asarray(bands, dtype=object)).tolist()
    if len(listed) not in (1, 3, 4):
        raise InvalidInputError(f"{wanted}; got {len(listed)} of them.")
    return tuple(check_int("bands", each, minimum=0, maximum=n_channels - 1) for each in listed)


def warn_of_bands(n_channels: int, bands: Bands) -> bool:
    """Warn if nobody said which of many channels are the colours of a picture, and say if so."""
    if bands is not None or n_channels < 4:
        return False
    shown = f"the average of {n_channels} channels"
    if n_channels == 4:
        shown = "channels 0, 1 and 2 of 4 as red, green and blue"
    opacity = ", bands=(0, 1, 2, 3) if channel 3 is opacity" if n_channels == 4 else ""
    warn(
        f"`bands` is not given, and the picture shows {shown}. Pass the channels of red, green and "
        f"blue, for example bands=(2, 1, 0){opacity}, or one channel as grey: bands=0."
    )
    return True


def pillow_bands(image: object) -> tuple[int, ...] | None:
    """Return the channels of a Pillow image that has an opacity; None for anything else.

    Examples
    --------
    >>> from PIL import Image
    >>> pillow_bands(Image.new("RGBA", (2, 2))), pillow_bands(Image.new("RGB", (2, 2)))
    ((0, 1, 2, 3), None)
    """
    if not type(image).__module__.startswith("PIL."):
        return None
    return _PILLOW.get(getattr(image, "mode", ""))
