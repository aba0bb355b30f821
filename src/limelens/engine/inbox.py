"""Answers on the way: those on a device are left there while the device works."""

import math
from collections.abc import Callable

from limelens.engine.caller import Answer

WAITING_BATCHES, WAITING_SCORES = 16, 2**20
"""Fetch once this many batches, or about this many scores, wait on the device.

Fetching blocks until everything sent has been scored, so it is done rarely.
"""


class Inbox:
    """Opens answers in the order in which the batches were sent.

    Answers on a device are fetched several batches at a time. They are opened after the next
    batch has been sent, so that the device works while the host reads them.

    Parameters
    ----------
    receive : callable
        Called with a slice of rows and its answers, one for each background.
    report : callable
        Called after that, unless an error was raised before.
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
        """Open every answer that is left, then raise the error that stopped the run, if any."""
        try:
            self._open(self._fetched + self._waiting, failure)
        finally:
            # The traceback refers to this frame, and the frame to the last batch: drop the link.
            del failure

    def _open(
        self, parts: list[tuple[slice, list[Answer]]], failure: BaseException | None = None
    ) -> None:
        """Open all answers even if one raises, as they are paid for; then raise the first error."""
        while parts:
            part, answers = parts.pop(0)
            try:
                self._receive(part, answers)
                if failure is None:
                    self._report()
            except BaseException as error:  # noqa: BLE001
                # An interrupt takes precedence over any error.
                if failure is None or (
                    isinstance(failure, Exception) and not isinstance(error, Exception)
                ):
                    failure = error
        try:
            if failure is not None:
                raise failure
        finally:
            del failure
