"""Checks of the toys' arguments; general checks come from `limelens._checks.values`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from limelens._checks.images import to_dtype
from limelens._checks.values import check_array, check_int, check_numeric, describe
from limelens._typing import Batch, Floats, Image, Segments
from limelens.errors import InvalidInputError


def check_batch(batch: object, shape: tuple[int, ...]) -> Batch:
    """Return a batch of images of the given shape."""
    return check_array("batch", np.asarray(batch), ("n", *shape))


def check_weights(name: str, weights: object, n_segments: int) -> Floats:
    """Return one weight per segment, `(d,)`, or one row of them per target, `(t, d)`."""
    array = check_numeric(name, weights).astype(np.float64)
    if array.ndim not in (1, 2) or array.shape[-1] != n_segments or array.size == 0:
        raise InvalidInputError(
            f"`{name}` must be one number per segment, of shape ({n_segments},) or "
            f"(t, {n_segments}); got {describe(array)}."
        )
    return array


def check_table(name: str, table: object, maximum: int, n_segments: int | None = None) -> Floats:
    """Return the scores of all coalitions, `(2**d,)` or `(2**d, t)`."""
    array = check_numeric(name, table).astype(np.float64)
    rows = len(array) if array.ndim in (1, 2) else 0
    d = rows.bit_length() - 1
    wanted = d if n_segments is None else n_segments
    if rows != 2**wanted or not 1 <= wanted <= maximum:
        which = f"from 1 to {maximum}" if n_segments is None else f"{n_segments}"
        raise InvalidInputError(
            f"`{name}` must hold the scores of all coalitions, of shape (2**d,) or (2**d, t) "
            f"with d = {which} segments (at most {maximum}); got {describe(array)}."
        )
    return array


def check_members(members: object, n_segments: int) -> tuple[int, ...]:
    """Return distinct segment numbers, at least one."""
    if not isinstance(members, (Sequence, np.ndarray)) or len(members) == 0:
        raise InvalidInputError(
            f"`members` must be a sequence of segment numbers; got {describe(members)}."
        )
    checked = tuple(
        check_int("members", member, minimum=0, maximum=n_segments - 1) for member in members
    )
    if len(set(checked)) < len(checked):
        raise InvalidInputError(f"`members` must name each segment once; got {checked}.")
    return checked


def check_reference(
    background: object, image: Image, segments: Segments, channel_axis: int | None
) -> Image:
    """Return a background of the image's shape and dtype that differs in every segment."""
    array: Any = check_numeric("background", background)
    try:
        full = np.broadcast_to(array, image.shape)
    except ValueError as error:
        raise InvalidInputError(
            f"`background` must broadcast to the image's shape {image.shape}; "
            f"got {describe(array)}."
        ) from error
    full = to_dtype("background", full, image.dtype)
    differs = full != image
    if channel_axis is not None:
        differs = differs.any(axis=channel_axis)
    changed = np.bincount(segments.ravel(), weights=differs.ravel())
    if not changed.all():
        raise InvalidInputError(
            "`background` must differ from the image somewhere in every segment; they are equal "
            f"in all of segment {int(np.argmin(changed))}."
        )
    return full


def check_window(window: object) -> tuple[slice, ...]:
    """Return one slice per spatial axis."""
    slices = window if isinstance(window, tuple) else (window,)
    if not slices or not all(isinstance(part, slice) for part in slices):
        raise InvalidInputError(
            "`window` must be a slice per spatial axis, for example np.s_[2:5, 3:6]; "
            f"got {describe(window)}."
        )
    return slices


def check_matrix(name: str, matrix: object) -> Floats:
    """Return a square matrix of finite numbers."""
    array = check_numeric(name, matrix).astype(np.float64)
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise InvalidInputError(f"`{name}` must be square; got {describe(array)}.")
    return array
