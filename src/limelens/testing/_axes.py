"""Where a batch has its channels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Batch


def batch_axis(batch: Batch, channel_axis: int | None) -> int | None:
    """Return the channel axis of a batch, counted from the front; `channel_axis` is an image's."""
    ndim = batch.ndim - 1
    return None if ndim == 2 or channel_axis is None else channel_axis % ndim + 1


def with_channels_last(batch: Batch, channel_axis: int | None) -> NDArray[Any]:
    """Return a batch with its channels last: a single one where it has no axis for them."""
    axis = batch_axis(batch, channel_axis)
    return batch[..., np.newaxis] if axis is None else np.moveaxis(batch, axis, -1)
