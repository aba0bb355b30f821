"""The labels of images, one after the other."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from limelens._checks.values import describe
from limelens.errors import InvalidInputError

_OVER = object()


class Labels:
    """The label image of every image: one for all, one for each, or made by a function.

    Parameters
    ----------
    labels : None, ndarray, callable or iterable
        As in `audit`.
    """

    def __init__(self, labels: Any) -> None:
        self._make: Callable[[Any], Any] | None = None
        self._each: Iterator[Any] | None = None
        self._same: Any = None
        self._failed: Exception | None = None
        if callable(labels):
            self._make = labels
        elif isinstance(labels, np.ndarray) and labels.ndim == 2:
            self._same = labels
        elif labels is not None:
            if isinstance(labels, (str, bytes)) or not isinstance(labels, Iterable):
                raise InvalidInputError(
                    "`labels` must be a label image for all, an iterable with one for each image, "
                    f"or a callable (image) -> labels; got {describe(labels)}."
                )
            self._each = iter(labels)

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return not (self._make is None and self._each is None and self._same is None)

    def of(self, image: Any) -> Any:
        """Return the label image of the next image, channels last."""
        if self._each is None:
            return self._same if self._make is None else self._make(image)
        try:
            labels = next(self._each, _OVER)
        except Exception as error:
            self._failed = error  # of this image; a generator is over for all
            raise
        if labels is _OVER:
            after = f" after {type(self._failed).__name__}: {self._failed}" if self._failed else "."
            raise InvalidInputError(
                f"`labels` must have one entry for each image; got fewer{after}"
            ) from self._failed
        if labels is None:
            raise InvalidInputError(
                "`labels` must have one entry for each image; got None. Leave out the images "
                "that have none."
            )
        return labels

    def skip(self) -> None:
        """Leave out the label image of an image that cannot be used."""
        if self._each is not None:
            next(self._each, None)

    def finish(self) -> None:
        """Refuse label images that are left over."""
        if self._each is not None and next(self._each, _OVER) is not _OVER:
            raise InvalidInputError("`labels` must have one entry for each image; got more.")
