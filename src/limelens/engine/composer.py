"""Prepare once, mask in the model's own space.

Scaling, channel order, dtype and device act on every pixel by itself, so they commute with
masking: the image and its backgrounds are prepared once instead of every masked image.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._axes import spatial_shape
from limelens._checks.values import describe
from limelens._typing import Background, Coalitions, Image, PredictFn, Segments
from limelens.errors import InvalidInputError, add_note
from limelens.masking.compose import coalition_composer
from limelens.masking.device_table import DeviceTable, device_table
from limelens.masking.devices import copy_of, is_device_array, namespace_of, to_numpy

BATCH_BYTES = 16 * 2**20
"""A batch larger than this is page-faulted anew at every call, 2-5 times slower."""

DEVICE_BATCH_BYTES = 2**30
"""A batch on a device need only fit there; small ones leave a GPU idle between calls."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedImage:
    """One image and its backgrounds in the space of the model's `predict_prepared`.

    Attributes
    ----------
    image : array, shape (*prepared.shape,)
        Of NumPy or of any library of the Array API, on any device.
    backgrounds : array, shape (m, *prepared.shape)
    segments : ndarray of intp
    channel_axis : int or None
        Where the prepared image has its channels.
    predict_prepared : callable
        The model's.
    image_bytes : int
        What one prepared image takes, wherever it lies.
    tables : dict of int to DeviceTable
        Composers on a device by background, kept once made.
    """

    image: Any
    backgrounds: Any
    segments: Segments
    channel_axis: int | None
    predict_prepared: PredictFn
    image_bytes: int
    tables: dict[int, DeviceTable] = field(default_factory=dict)

    @property
    def on_host(self) -> bool:
        """Whether batches are composed by NumPy, in the host's memory."""
        return isinstance(self.image, np.ndarray)

    def composer(self, background: int, n_rows: int) -> Callable[[Coalitions], Any]:
        """Return the function from coalitions `(b, d)` to a fresh prepared batch."""
        arrays = (self.image, self.backgrounds[background, ...], self.segments, self.channel_axis)
        if self.on_host:
            return coalition_composer(*arrays, n_rows)
        if background not in self.tables:  # the first is made when the preparation is tried
            self.tables[background] = device_table(*arrays)
        return self.tables[background]

    def predict(self, batch: Any) -> Any:
        """Score a prepared batch; on a device, return scores there that no later call changes."""
        scores = self.predict_prepared(batch)
        if not is_device_array(scores):
            return scores
        return to_numpy(scores) if self.on_host else copy_of(scores)


def prepare_once(
    model: PredictFn,
    image: Image,
    backgrounds: Background,
    segments: Segments,
    channel_axis: int | None,
) -> PreparedImage | None:
    """Prepare an image and its backgrounds, if the model offers to.

    Parameters
    ----------
    model : callable
        May have `prepare(batch)`, `(n, *image.shape)` to an array of n prepared images of the
        same height and width, and `predict_prepared(prepared)`, to scores. Then the model itself
        is expected to be `predict_prepared(prepare(batch))`.
    image : ndarray
    backgrounds : ndarray, shape (m, *image.shape)
    segments : ndarray of intp, shape (*spatial,)
    channel_axis : int or None

    Returns
    -------
    PreparedImage or None
        None where the model does not have both attributes.

    Raises
    ------
    InvalidInputError
        Where the preparation does not act on every pixel by itself, which is tried on three masked
        images: `prepare(masked)` must be `masked(prepared)` up to rounding. What looks at other
        images of its batch is seen if image, backgrounds and masked images differ in that.
    """
    prepare = getattr(model, "prepare", None)
    predict_prepared = getattr(model, "predict_prepared", None)
    if not (callable(prepare) and callable(predict_prepared)):
        return None
    # apart, so that what looks at other images of the batch is seen too; it may work in place
    prepared, behind = (
        _prepare(prepare, images.copy()) for images in (image[np.newaxis], backgrounds)
    )
    kinds = [(tuple(images.shape[1:]), str(images.dtype)) for images in (prepared, behind)]
    if kinds[0] != kinds[1]:
        msg = f"`predict_fn.prepare` must return images of one shape and dtype; got {kinds}."
        raise InvalidInputError(msg)
    rows = _rows_that_tell_segments_apart(int(segments.max()) + 1)
    masked = coalition_composer(image, backgrounds[0], segments, channel_axis, len(rows))(rows)
    wanted = to_numpy(_prepare(prepare, masked))

    for axis in _channel_axes(tuple(prepared.shape[1:]), segments.shape):
        candidate = PreparedImage(
            image=prepared[0, ...],
            backgrounds=behind,
            segments=segments,
            channel_axis=axis,
            predict_prepared=predict_prepared,
            image_bytes=wanted.nbytes // len(wanted),
        )
        if _equal(to_numpy(candidate.composer(0, len(rows))(rows)), wanted):
            return candidate
    msg = (
        "`predict_fn.prepare` must act on each pixel by itself; to prepare a masked image gave "
        "another result than to mask the prepared image. Leave to `predict_prepared` what looks "
        "at other pixels (resizing, blurring, scaling by the image's own range)."
    )
    raise InvalidInputError(msg)


def most_images(image: Image, prepared: PreparedImage | None) -> int:
    """Return how many images a batch may hold for their bytes, at least one."""
    n_bytes, most = image.nbytes, BATCH_BYTES
    if prepared is not None and prepared.on_host:
        n_bytes = max(n_bytes, prepared.image_bytes)
    elif prepared is not None:
        n_bytes, most = prepared.image_bytes, DEVICE_BATCH_BYTES
    return max(1, most // max(1, n_bytes))


def _rows_that_tell_segments_apart(n_segments: int) -> Coalitions:
    """Return three coalitions, (3, d), that no flip or turn of the segments leaves as they are.

    Up to eight segments have a code of three bits each of their own, others a random one.
    """
    codes = np.random.default_rng(0).integers(8, size=max(n_segments, 8))
    codes[:8] = np.arange(8)
    return (codes[:n_segments] >> np.arange(3)[:, np.newaxis] & 1).astype(np.bool_)


def _prepare(prepare: Callable[[Any], Any], batch: Any) -> Any:
    try:
        prepared = prepare(batch)
    except BaseException as error:
        add_note(error, f"raised by `predict_fn.prepare` on a {batch.dtype} batch of {batch.shape}")
        raise
    shape = getattr(prepared, "shape", None)
    if shape is None or len(shape) == 0 or shape[0] != len(batch):
        came = describe(prepared) if shape is None else f"shape {tuple(shape)}"
        msg = (
            f"`predict_fn.prepare` was given a batch of {len(batch)} and must return an array of "
            f"as many prepared images; got {came}."
        )
        raise InvalidInputError(msg)
    if isinstance(prepared, np.ndarray) and prepared.dtype.kind not in "biufc":
        msg = f"`predict_fn.prepare` must return numbers; got an array of {prepared.dtype}."
        raise InvalidInputError(msg)
    # the next call may answer in the same buffer
    if isinstance(prepared, np.ndarray):
        return prepared.copy()
    namespace_of(prepared)  # refuses arrays of which no table can be made
    return copy_of(prepared)


def _channel_axes(shape: tuple[int, ...], spatial: tuple[int, ...]) -> list[int | None]:
    """Return where the channels of a prepared image may be."""
    axes: list[int | None] = [None] if shape == spatial else []
    if len(shape) == len(spatial) + 1:
        axes = [axis for axis in range(len(shape)) if spatial_shape(shape, axis) == spatial]
    if not axes:
        msg = (
            f"`predict_fn.prepare` must keep the image's spatial shape {spatial}, with one axis "
            f"of channels or none; got images of shape {shape}. Resize in `predict_prepared`."
        )
        raise InvalidInputError(msg)
    return axes


def _equal(array: NDArray[Any], wanted: NDArray[Any]) -> bool:
    """Whether two batches are equal up to the rounding of their dtype."""
    if array.dtype != wanted.dtype or array.shape != wanted.shape:
        return False
    if np.array_equal(array, wanted):  # far quicker than what follows
        return True
    if wanted.dtype.kind != "f":
        return False
    largest = np.abs(wanted).max(initial=0, where=np.isfinite(wanted))
    tolerance = 4 * np.finfo(wanted.dtype).eps * largest
    return bool(np.allclose(array, wanted, rtol=0, atol=tolerance, equal_nan=True))
