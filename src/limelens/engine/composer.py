"""Prepare once, mask in the model's own space.

Scaling, channel order, dtype and device act on each pixel alone, so they commute with masking.
The image and its backgrounds are therefore prepared once, instead of every masked image.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._axes import spatial_shape
from limelens._checks.values import describe
from limelens._typing import Background, Coalitions, Image, PredictFn, Segments
from limelens.engine.model import Model
from limelens.errors import InvalidInputError, add_note
from limelens.masking.device_table import device_table
from limelens.masking.devices import copy_of, is_device_array, namespace_of, to_numpy
from limelens.masking.segment_composer import SegmentComposer, in_some_segment

BATCH_BYTES = 16 * 2**20
"""Larger batches get new memory at every call, whose first use makes them 2-5 times slower."""

DEVICE_BATCH_BYTES = 2**30
"""A batch on a device only has to fit there; small ones leave a GPU idle between calls."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Composer:
    """One image and its backgrounds in the space in which the model is asked.

    A model without `prepare` is asked in the image's own space. There the preparation is the
    identity, and nothing else differs.

    Attributes
    ----------
    image : array, shape (*prepared.shape,)
        Array of NumPy or of any library with the Array API, on any device.
    backgrounds : array, shape (m, *prepared.shape)
    segments : ndarray of intp or None
        None for methods that compose their batches themselves.
    channel_axis : int or None
        Where the prepared image has its channels.
    predict : callable
        Function that scores such a batch: the model itself, or its `predict_prepared`.
    asked : str
        Name of this function in messages.
    image_bytes : int
        Bytes of one image, on the host or on a device.
    """

    image: Any
    backgrounds: Any
    segments: Segments | None
    channel_axis: int | None
    predict: PredictFn
    asked: str
    image_bytes: int
    _ways: dict[int, Callable[[Coalitions], Any]] = field(default_factory=dict)

    @property
    def on_host(self) -> bool:
        """Whether batches are composed by NumPy, in the host's memory."""
        return isinstance(self.image, np.ndarray)

    @property
    def answers_at_once(self) -> bool:
        """Whether an answer is there when the call returns, so that its time says what it costs."""
        return self.on_host or getattr(getattr(self.image, "device", None), "type", "") == "cpu"

    @property
    def most_images(self) -> int:
        """Most images that a batch's bytes allow, at least one, where the caller leaves it open."""
        most = BATCH_BYTES if self.on_host else DEVICE_BATCH_BYTES
        return max(1, most // max(1, self.image_bytes))

    def batch(self, coalitions: Coalitions, background: int, n_rows: int) -> Any:
        """Return a fresh batch; the rows expected in all, `n_rows`, only change what it costs."""
        if background not in self._ways:
            self._ways[background] = self._way(background, n_rows)
        return self._ways[background](coalitions)

    def intact(self, n: int = 1) -> Any:
        """Return a batch of n copies of the intact image, which the model may work on in place."""
        if self.on_host:
            return np.repeat(self.image[np.newaxis], n, axis=0)
        one = self.image[None, ...]
        return copy_of(one) if n == 1 else namespace_of(one).concat([one] * n)

    def hidden(self, background: int) -> Any:
        """Return a batch of the image with everything hidden, for the model to work on."""
        one = self.backgrounds[background : background + 1, ...]
        return one.copy() if self.on_host else copy_of(one)

    def try_out(self, coalitions: Coalitions) -> Any:
        """Return a batch over the first background, composed as if it were the only batch."""
        if self.on_host:
            return self._way(0, len(coalitions))(coalitions)
        return self.batch(coalitions, 0, len(coalitions))

    def _way(self, background: int, n_rows: int) -> Callable[[Coalitions], Any]:
        if self.segments is None:
            raise TypeError("coalitions need segments; this query has none")
        arrays = (self.image, self.backgrounds[background, ...], self.segments, self.channel_axis)
        return SegmentComposer(*arrays, n_rows) if self.on_host else device_table(*arrays)


def beside(batch: Any, intact: Any) -> Any:
    """Return a batch with another one at its end."""
    if isinstance(batch, np.ndarray):
        return np.concatenate([batch, intact], dtype=batch.dtype)
    return namespace_of(batch).concat([batch, intact])


def filled(batch: Any, n: int) -> Any:
    """Return a batch of n images: the last one is repeated where there are fewer."""
    if n <= batch.shape[0]:
        return batch
    last = batch[batch.shape[0] - 1 :, ...]
    if isinstance(batch, np.ndarray):
        return np.concatenate([batch, np.repeat(last, n - len(batch), axis=0)], dtype=batch.dtype)
    return namespace_of(batch).concat([batch, *[last] * (n - batch.shape[0])])


def unprepared(
    model: Model,
    image: Image,
    backgrounds: Background,
    segments: Segments | None,
    channel_axis: int | None,
) -> Composer:
    """Return the composer that asks the model itself, in the image's own space."""
    return Composer(
        image=image,
        backgrounds=backgrounds,
        segments=None if segments is None else in_some_segment(segments),
        channel_axis=channel_axis,
        predict=model.predict_fn,
        asked="predict_fn",
        image_bytes=image.nbytes,
    )


def prepared(itself: Composer, model: Model) -> Composer:
    """Prepare an image and its backgrounds; return `itself` where the model prepares nothing.

    Parameters
    ----------
    itself : Composer
        Composer of the image's own space. It is returned unchanged if there are no segments.
    model : Model
        If it has `prepare` and `predict_prepared`, the model itself is expected to equal
        `predict_prepared(prepare(batch))`.

    Raises
    ------
    InvalidInputError
        If the preparation does not act on each pixel alone. This is tried on three masked images:
        `prepare(masked)` must equal `masked(prepared)` up to rounding. A preparation that depends
        on other images of its batch is noticed if image, backgrounds and masked images differ in
        what it looks at.
    """
    segments, prepare, predict = itself.segments, model.prepare, model.predict_prepared
    if segments is None or prepare is None or predict is None:
        return itself
    # Image and backgrounds apart, so that a preparation that looks at other images of its batch is
    # noticed; copies, because it may work in place.
    image, behind = (
        _prepare(prepare, images.copy())
        for images in (itself.image[np.newaxis], itself.backgrounds)
    )
    kinds = [(tuple(images.shape[1:]), str(images.dtype)) for images in (image, behind)]
    if kinds[0] != kinds[1]:
        raise InvalidInputError(
            f"`predict_fn.prepare` must return images of one shape and dtype; got {kinds}."
        )
    rows = _rows_that_tell_segments_apart(int(segments.max()) + 1)
    wanted = to_numpy(_prepare(prepare, itself.try_out(rows)))
    on_host, n_bytes = isinstance(image, np.ndarray), wanted.nbytes // len(wanted)
    for axis in _channel_axes(tuple(image.shape[1:]), segments.shape):
        candidate = Composer(
            image=image[0, ...],
            backgrounds=behind,
            segments=segments,
            channel_axis=axis,
            predict=_owned(predict, on_host=on_host),
            asked="predict_fn.predict_prepared",
            # On the host the batch that `prepare` is given must fit as well.
            image_bytes=max(itself.image_bytes, n_bytes) if on_host else n_bytes,
        )
        if _equal(to_numpy(candidate.try_out(rows)), wanted):
            return candidate
    raise InvalidInputError(
        "`predict_fn.prepare` must act on each pixel by itself; to prepare a masked image gave "
        "another result than to mask the prepared image. Leave to `predict_prepared` what looks "
        "at other pixels (resizing, blurring, scaling by the image's own range)."
    )


def _owned(predict: PredictFn, *, on_host: bool) -> PredictFn:
    """Return a function whose scores are copies, so that no later call can change them.

    Scores on a device are copied there, or to the host if images are composed on the host.
    """

    def score(batch: Any) -> Any:
        scores = predict(batch)
        if not is_device_array(scores):
            return scores
        return to_numpy(scores) if on_host else copy_of(scores)

    return score


def _rows_that_tell_segments_apart(n_segments: int) -> Coalitions:
    """Return three coalitions, (3, d), that a flip or a turn of the image would change.

    Over the three coalitions each segment has a code of three bits. The first eight segments have
    different codes, all others a random one.
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
        raise InvalidInputError(
            f"`predict_fn.prepare` was given a batch of {len(batch)} and must return an array of "
            f"as many prepared images; got {came}."
        )
    if isinstance(prepared, np.ndarray) and prepared.dtype.kind not in "biufc":
        raise InvalidInputError(
            f"`predict_fn.prepare` must return numbers; got an array of {prepared.dtype}."
        )
    # The next call may answer in the same buffer.
    if isinstance(prepared, np.ndarray):
        return prepared.copy()
    namespace_of(prepared)  # raises for arrays of which no table can be made
    return copy_of(prepared)


def _channel_axes(shape: tuple[int, ...], spatial: tuple[int, ...]) -> list[int | None]:
    """Return where the channels of a prepared image may be."""
    axes: list[int | None] = [None] if shape == spatial else []
    if len(shape) == len(spatial) + 1:
        axes = [axis for axis in range(len(shape)) if spatial_shape(shape, axis) == spatial]
    if not axes:
        raise InvalidInputError(
            f"`predict_fn.prepare` must keep the image's spatial shape {spatial}, with one axis "
            f"of channels or none; got images of shape {shape}. Resize in `predict_prepared`."
        )
    return axes


def _equal(array: NDArray[Any], wanted: NDArray[Any]) -> bool:
    """Return whether two batches are equal up to the rounding of their dtype."""
    if array.dtype != wanted.dtype or array.shape != wanted.shape:
        return False
    if np.array_equal(array, wanted):  # far quicker than what follows
        return True
    if wanted.dtype.kind != "f":
        return False
    largest = np.abs(wanted).max(initial=0, where=np.isfinite(wanted))
    tolerance = 4 * np.finfo(wanted.dtype).eps * largest
    return bool(np.allclose(array, wanted, rtol=0, atol=tolerance, equal_nan=True))
