"""Answers that were sent for: those on a device are left there while it works."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from limelens.masking.devices import is_device_array, to_numpy

WAITING_BATCHES, WAITING_SCORES = 16, 2**20
"""Most batches, and about how many scores of them, that are left on a device: to fetch them is to
wait for all that was sent."""


@dataclass
class Answer:
    """What a model answered to one batch.

    Attributes
    ----------
    raw : array
        On the host, or on a device.
    n_images : int
    asked : str
        What the function is called that answered.
    checked : bool
        Whether they are scores already, and nothing later changes them.
    """

    raw: Any
    n_images: int
    asked: str
    checked: bool = False

    def fetch(self) -> None:
        """Wait for the scores, and bring them to the host."""
        if is_device_array(self.raw):
            self.raw = to_numpy(self.raw)


class Inbox:
    """Opens answers in the order they were sent for.

    Answers on a device are fetched several batches at a time, and opened when the next batch has
    been sent, so that the device works while the host looks at them.

    Parameters
    ----------
    receive : callable
        What to do with a slice of rows and its answers, one for each background.
    report : callable
        What to do then, unless anything was raised before.
    """

    def __init__(
        self, receive: Callable[[slice, list[Answer]], None], report: Callable[[], None]
    ) -> None:
        self._receive, self._report = receive, report
        self._waiting: list[tuple[slice, list[Answer]]] = []
        self._fetched: list[tuple[slice, list[Answer]]] = []

    def add(self, part: slice, answers: list[Answer]) -> None:
        """Take the answers of a slice of rows, and open those that were fetched before."""
        self._waiting.append((part, answers))
        self._open(self._fetched)
        if all(answer.checked for answer in answers):
            self._open(self._waiting)
            return
        sent = [answer for _, waiting in self._waiting for answer in waiting]
        n_scores = sum(math.prod(answer.raw.shape) for answer in sent)
        if len(self._waiting) >= WAITING_BATCHES or n_scores >= WAITING_SCORES:
            for answer in sent:
                answer.fetch()
            self._fetched, self._waiting = self._waiting, []

    def open_all(self, failure: BaseException | None = None) -> None:
        """Open every answer that is left, and raise what had stopped the run, if anything had."""
        try:
            self._open(self._fetched + self._waiting, failure)
        finally:
            del failure  # else its traceback, of which this frame is part, keeps the last batch

    def _open(
        self, parts: list[tuple[slice, list[Answer]]], failure: BaseException | None = None
    ) -> None:
        """Open all, though one of them raises: they are paid for. The first error goes on."""
        while parts:
            part, answers = parts.pop(0)
            try:
                self._receive(part, answers)
                if failure is None:
                    self._report()
            except BaseException as error:  # noqa: BLE001
                # an interrupt goes before any error
                if failure is None or (
                    isinstance(failure, Exception) and not isinstance(error, Exception)
                ):
                    failure = error
        try:
            if failure is not None:
                raise failure
        finally:
            del failure
