"""Many requests under way at once: failed ones are tried again, and answers are put in order."""

import hashlib
import queue
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import is_masked
from limelens._typing import Batch
from limelens.errors import PredictionError

BUGS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    NotImplementedError,
    TypeError,
)
"""Exceptions of a caller's function that a second try does not mend."""


class PassingError(Exception):
    """A failure that may pass; `wait` is the number of seconds that the server asked to wait."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


@dataclass(frozen=True, kw_only=True, eq=False)
class Remote:
    """A model behind requests, called with a whole batch.

    Attributes
    ----------
    send : callable
        ``(images (m, *image.shape)) -> scores`` sends one request. The request is sent again after
        any exception except `BUGS` and `PredictionError`.
    images_per_request, in_flight, retries : int
    timeout, backoff : float
        Seconds to wait for an answer and before the second try; each further wait is twice as long.
    answered : dict of bytes to ndarray
        Scores of images whose call failed as a whole, by the image's digest. They are not asked
        for again.
    """

    send: Callable[[Batch], Any]
    images_per_request: int
    in_flight: int
    retries: int
    timeout: float
    backoff: float
    answered: dict[bytes, NDArray[Any]] = field(default_factory=dict)

    def __call__(self, batch: Batch) -> NDArray[Any]:
        """Score a batch, shape (n, k)."""
        digests = [digest(image) for image in batch] if self.answered else []
        rows: dict[int, NDArray[Any]] = {
            number: self.answered[key] for number, key in enumerate(digests) if key in self.answered
        }
        missing = [number for number in range(len(batch)) if number not in rows]
        step = self.images_per_request
        groups = [missing[start : start + step] for start in range(0, len(missing), step)]
        try:
            self._send_all(batch, groups, rows)
        except BaseException:
            self.answered.update({digest(batch[number]): row for number, row in rows.items()})
            raise
        for key in digests:
            self.answered.pop(key, None)
        return in_one_array([rows[number] for number in range(len(batch))])

    def _send_all(
        self, batch: Batch, groups: list[list[int]], rows: dict[int, NDArray[Any]]
    ) -> None:
        """Fill `rows` with the answers of all groups; on an error, with those that have come."""
        if not groups:
            return
        stop = threading.Event()
        pool = ThreadPoolExecutor(min(self.in_flight, len(groups)))
        asked = {pool.submit(self._ask, batch[group], stop): group for group in groups}
        try:
            for future in as_completed(asked):
                future.result()
        except BaseException as error:
            stop.set()
            # Requests under way have been paid for, so wait for them, unless it is an interrupt.
            pool.shutdown(wait=isinstance(error, Exception), cancel_futures=True)
            raise
        else:
            pool.shutdown()
        finally:
            for future, group in asked.items():
                if future.done() and not future.cancelled() and future.exception() is None:
                    rows.update(zip(group, future.result(), strict=False))

    def _ask(self, images: Batch, stop: threading.Event) -> list[NDArray[Any]]:
        """Return one row for each image; none if another request has already failed for good."""
        if stop.is_set():
            return []
        try:
            return self._insist(images, stop)
        except BaseException:
            stop.set()
            raise

    def _insist(self, images: Batch, stop: threading.Event) -> list[NDArray[Any]]:
        """Return one row for each image, after as many tries as are needed and allowed."""
        tries = 0
        while True:
            tries += 1
            try:
                return split_rows(within(self.timeout, self.send, images), len(images))
            except (PredictionError, *BUGS):
                raise
            except Exception as error:
                asked_for = error.wait if isinstance(error, PassingError) else None
                # Partly random, so that requests that failed together are not all sent together.
                pause = self.backoff * 2 ** (tries - 1) * random.uniform(0.5, 1)
                pause = max(pause, min(asked_for or 0, self.timeout))
                if tries > self.retries or stop.wait(pause):
                    raise self._given_up(error, tries, images) from error

    @staticmethod
    def _given_up(error: Exception, tries: int, images: Batch) -> PredictionError:
        n = len(images)
        msg = (
            f"the remote model gave no answer for {n} image{'s' * (n > 1)} in {tries} "
            f"{'tries' if tries > 1 else 'try'}; the last failed with {type(error).__name__}: "
            f"{error}. Rows that were answered are kept: call explain again with "
            "reuse=error.samples and the same model."
        )
        return PredictionError(msg)


def split_rows(scores: Any, n_images: int) -> list[NDArray[Any]]:
    """Return one request's answer as one row for each image, with at least one axis.

    The scores of a single image may come with or without an axis for images.

    Raises
    ------
    PredictionError
        If there is not one row for each image.

    Examples
    --------
    >>> split_rows([0.2, 0.8], 1), split_rows([0.2, 0.8], 2)
    ([array([0.2, 0.8])], [array([0.2]), array([0.8])])
    """
    if is_masked(scores):
        raise PredictionError(f"a request of {n_images} images must not be answered with a mask.")
    array = np.asarray(scores)
    if array.dtype.kind not in "buif":
        raise PredictionError(
            f"a request of {n_images} images must be answered with numbers; got {array.dtype} of "
            f"shape {array.shape}."
        )
    if n_images == 1 and (array.ndim < 2 or len(array) != 1):
        array = array[np.newaxis]
    if array.ndim == 0 or len(array) != n_images:
        raise PredictionError(
            f"a request of {n_images} images must be answered with as many rows of scores; got "
            f"shape {array.shape}."
        )
    return [np.atleast_1d(row) for row in array]


def in_one_array(rows: list[NDArray[Any]]) -> NDArray[Any]:
    """Stack rows; rows of different shapes are an error."""
    shapes = {row.shape for row in rows}
    if len(shapes) > 1:
        raise PredictionError(
            f"every image must be answered with as many scores; got rows of shapes {shapes}."
        )
    return np.stack(rows)


def within(seconds: float, function: Callable[[Any], Any], argument: Any) -> Any:
    """Call a function and stop waiting for it after some seconds.

    Raises
    ------
    TimeoutError
        If there is no answer by then. The call itself goes on in a thread that nobody waits for.

    Examples
    --------
    >>> within(10, len, "seven")
    5
    """
    answers: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put((True, function(argument)))
        except BaseException as error:  # noqa: BLE001
            answers.put((False, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        succeeded, answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds:g} s") from None
    if not succeeded:
        raise answer
    return answer


def digest(image: NDArray[Any]) -> bytes:
    """Return a digest of an image's pixels, shape and dtype."""
    head = f"{image.dtype} {image.shape}".encode()
    return hashlib.blake2b(head + np.ascontiguousarray(image).tobytes(), digest_size=16).digest()
