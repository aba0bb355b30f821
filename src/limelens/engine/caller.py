"""One call of the model: what is sent, what comes back, and how many images it was shown."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from limelens._typing import Batch, Scores
from limelens.engine.answers import check_scores
from limelens.engine.batches import Batches
from limelens.engine.composer import Composer, filled
from limelens.errors import PredictionError, add_note, is_out_of_memory, warn
from limelens.masking.devices import copy_of, is_device_array, to_numpy
from limelens.targets.columns import Target, reduce_scores


@dataclass
class Answer:
    """A model's answer to one batch.

    Attributes
    ----------
    raw : array
        The answer, on the host or on a device.
    n_images : int
        How many images the model was given.
    n_rows : int
        How many of them were asked for; the rest only filled the batch up.
    asked : str
        Name of the function that answered.
    checked : bool
        Whether `raw` has become checked scores that nothing will change later.
    at_end : callable or None
        Is given all scores where the last image is no masked one; they end before it.
    """

    raw: Any
    n_images: int
    n_rows: int
    asked: str
    checked: bool = False
    at_end: Callable[[Scores], None] | None = None

    def fetch(self) -> None:
        """Wait for the scores and copy them to the host."""
        if is_device_array(self.raw):
            self.raw = to_numpy(self.raw)


_OTHER = (
    "If it takes single images, pass "
    "predict_fn=lambda batch: np.array([predict_fn(image) for image in batch]), with "
    "PIL.Image.fromarray(image) for those of Pillow; if channels come first, "
    "predict_fn(batch.transpose(0, 3, 1, 2))"
)


class Caller:
    """Shows batches to a model; checks and counts what it answers.

    Parameters
    ----------
    target : Target
        Scores of more than two axes are reduced by it at once, if it is a callable.
    batches : Batches
        How many images a call may hold.
    n_images : int
        How many images the model was shown before.

    Attributes
    ----------
    n_images : int
        How many images the model has scored.
    reduces : bool
        Whether scores have more than two axes, so that only target values are kept.
    """

    def __init__(self, target: Target, batches: Batches, n_images: int = 0) -> None:
        self._target, self._batches = target, batches
        self.n_images = n_images
        self._n_columns: int | None = None
        self.reduces = False
        self._n_least, self._one_is_enough = 1, False
        self._counting = Lock()

    def send(self, batch: Batch, composer: Composer) -> Answer:
        """Ask the model; an answer on a device stays there.

        Some models refuse a single image, exported ones take exactly as many as they were exported
        for. Where the first such call fails the batch is filled up, and from then on every batch.
        """
        n = int(batch.shape[0])
        if n < self._n_least:
            batch = filled(batch, self._n_least)
        more = self._n_to_try(n)
        if not more:
            return self._send(batch, composer, n)
        # The model may work on its batch in place.
        spare = batch.copy() if isinstance(batch, np.ndarray) else copy_of(batch)
        try:
            answer = self._send(batch, composer, n)
        except Exception as error:
            if isinstance(error, OSError) or is_out_of_memory(error):
                raise
            answer, self._n_least = self._try_more(spare, more, composer, error), more
        self._one_is_enough |= n == 1
        return answer

    def receive(self, answer: Answer) -> Scores:
        """Return the scores, shape (b, k), of a batch; wait for them if need be."""
        if not answer.checked:
            answer.fetch()
            answer.raw, answer.checked = self._check(answer), True
        scores: Scores = answer.raw[: answer.n_rows]
        if answer.at_end is None:
            return scores
        look, answer.at_end = answer.at_end, None
        look(scores)
        return scores[:-1]

    def count(self, n_images: int) -> None:
        """Count images that the model saw."""
        with self._counting:
            self.n_images += n_images

    def _n_to_try(self, n: int) -> int:
        """Return with how many images a call may succeed that fails with n; 0 for no more."""
        given = self._batches.given
        if given is not None and n < given and not self.n_images:
            return given  # an exported network may take exactly as many as the caller says
        alone = n == 1 and self._n_least == 1 and not self._one_is_enough
        return 2 if alone and self._batches.size > 1 else 0

    def _try_more(self, batch: Batch, more: int, composer: Composer, error: Exception) -> Answer:
        """Return the answer to a batch that is filled up, where it failed as it is, and still does.

        A model that fails by chance, such as a service that is away, raises what it raised.
        """
        n = int(batch.shape[0])
        try:
            answer = self._send(filled(batch, more), composer, n)
        except Exception:  # noqa: BLE001 - the first error says what is wrong
            raise error from None
        try:
            self._send(batch, composer, n)
        except Exception as again:  # noqa: BLE001 - so it is the number of images
            said = f"{type(again).__name__}: {again}"
        else:
            add_note(error, f"asked again, `{composer.asked}` answered: it fails by chance")
            raise error
        warn(
            f"`{composer.asked}` fails on a batch of {n} image{'s' * (n > 1)} ({said}); smaller "
            f"batches are filled up to {more} with copies, which count in n_predictions. Let it "
            "score any number of images, 1 included."
        )
        return answer

    def _send(self, batch: Batch, composer: Composer, n_rows: int) -> Answer:
        asked, n = composer.asked, int(batch.shape[0])
        try:
            answer = Answer(composer.predict(batch), n, n_rows, asked)
        except BaseException as error:
            add_note(error, f"raised by `{asked}` on a {batch.dtype} batch of {batch.shape}")
            if not self.n_images and n > 1:
                add_note(
                    error,
                    f"if `{asked}` takes a certain number of images only, pass that number: "
                    "batch_size=1 for one image a call",
                )
            if not self.n_images:
                add_note(
                    error, f"`{asked}` is given a batch: images along the first axis. {_OTHER}"
                )
            raise
        # The model itself has to answer in NumPy; only `predict_prepared` may answer on a device.
        if asked == "predict_fn" or not is_device_array(answer.raw):
            # A model may write all its answers into the same buffer.
            answer.raw, answer.checked = self._check(answer).copy(), True
        return answer

    def _check(self, answer: Answer) -> Scores:
        n, target = answer.n_images, self._target
        scores = check_scores(answer.raw, n, any_rank=callable(target), name=answer.asked)
        if scores.ndim > 2 and callable(target):
            self.reduces = True
            scores = reduce_scores(target, scores)
        n_columns = self._n_columns or scores.shape[1]
        if scores.shape[1] != n_columns:
            raise PredictionError(
                f"`predict_fn` returned {scores.shape[1]} scores an image after returning "
                f"{n_columns}. Return as many for every batch, whatever its size."
            )
        self._n_columns = n_columns
        self.count(n)
        return np.asarray(scores)
