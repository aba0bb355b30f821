"""Several segmentations of one image, asked in the batches of one stream."""

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Batch, Coalitions, Floats, Indices, Segments
from limelens.engine.query import Query
from limelens.masking.memory import FreshBatches
from limelens.masking.segment_composer import SegmentComposer, in_some_segment

_KEY_BYTES = 16


class Segmentations:
    """Scores coalitions of several segmentations, in the batches of one stream.

    Parameters
    ----------
    query : Query
    layers : sequence of ndarray of int, shape (*spatial,)
        Label images `0..d-1`, and -1 for pixels that do not count.
    n_rows : int
        Coalitions that will be asked for in all; decides the cost only.
    """

    def __init__(self, query: Query, layers: Sequence[Segments], n_rows: int) -> None:
        self._query, self._batches = query, FreshBatches()
        self._names = [
            blake2b(labels.tobytes(), digest_size=_KEY_BYTES).digest() for labels in layers
        ]
        image, axis, n_each = query.image, query.channel_axis, n_rows // len(layers)
        whole = [in_some_segment(layer) for layer in layers]
        self._composers = [
            [SegmentComposer(image, background, labels, axis, n_each) for labels in whole]
            for background in query.backgrounds
        ]

    def __call__(self, asked: list[tuple[int, Coalitions]]) -> Floats:
        """Return the target values, shape (n, t), of all coalitions, one after the other."""
        rows = [(number, row) for number, coalitions in asked for row in coalitions]
        keys = np.stack([self._key(*row) for row in rows])

        def compose(wanted: Indices, background: int) -> Batch:
            composers = self._composers[background]
            image = self._query.image
            batch, end = self._batches.empty((len(wanted), *image.shape), image.dtype), 0
            for number, coalitions in _runs(rows[index] for index in wanted):
                start, end = end, end + len(coalitions)
                composers[number].write(np.stack(coalitions), batch[start:end])
            return batch

        return self._query.stream_values(keys, compose)

    def _key(self, number: int, coalition: Coalitions) -> NDArray[np.uint8]:
        """Return bytes that identify the pixels kept: the labelling and its kept labels."""
        content = self._names[number] + np.packbits(coalition).tobytes()
        return np.frombuffer(blake2b(content, digest_size=_KEY_BYTES).digest(), dtype=np.uint8)


def _runs(
    rows: Iterable[tuple[int, Coalitions]],
) -> list[tuple[int, list[Coalitions]]]:
    """Collect neighbouring rows of one segmentation."""
    runs: list[tuple[int, list[Coalitions]]] = []
    for number, row in rows:
        if not runs or runs[-1][0] != number:
            runs.append((number, []))
        runs[-1][1].append(row)
    return runs
