"""Masked images that were never scored go to the model, batch by batch, and their scores stay."""

from collections.abc import Callable
from threading import Lock
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Batch, Scores
from limelens.engine.answers import mean_scores
from limelens.engine.batches import Batches, BatchSize
from limelens.engine.caller import Answer, Caller
from limelens.engine.composer import Composer
from limelens.engine.inbox import Inbox
from limelens.engine.ledger import Ledger
from limelens.engine.pace import USUAL
from limelens.engine.second_look import Join, SecondLook
from limelens.errors import is_out_of_memory

Compose: TypeAlias = Callable[[NDArray[np.intp], int], Batch]
"""From row numbers `(b,)` and the number of a background to a fresh masked batch."""


_SMALL_BYTES = 2 * 2**20
"""So many bytes of small images go in one call, where it takes next to no time."""


def batches_of(composer: Composer, batch_size: BatchSize, in_flight: int) -> Batches:
    """Return the batches for what a composer makes."""
    most, timed = composer.most_images, composer.answers_at_once
    usual = max(USUAL, _SMALL_BYTES // max(1, composer.image_bytes))
    return Batches(batch_size, most, in_flight=in_flight, timed=timed, usual=usual)


class Payments:
    """Sends rows that a ledger lacks to the model, over every background, and enters their scores.

    Parameters
    ----------
    caller, batches, second_look
        How a batch is sent, how large it is, and what is looked at beside the rows.
    n_backgrounds : int
    report : callable or None
        Called with `(done, total)` images after every batch.

    Attributes
    ----------
    n_rows : int
        How many rows were paid for.
    """

    def __init__(
        self,
        caller: Caller,
        batches: Batches,
        second_look: SecondLook,
        n_backgrounds: int,
        report: Callable[[int, int], None] | None,
    ) -> None:
        self._caller, self._batches, self._second_look = caller, batches, second_look
        self._n_backgrounds, self._report = n_backgrounds, report
        # In vain: scored, but asked again because memory ran out between a batch's backgrounds.
        self._n_in_vain = self._total = self._most = 0
        self._composing = Lock()
        self.n_rows = 0

    def pay(
        self,
        ledger: Ledger,
        keys: NDArray[np.uint8],
        compose: Compose,
        composer: Composer,
        hidden: Scores,
    ) -> None:
        """Make sure that the ledger has the scores of all keys.

        Parameters
        ----------
        ledger : Ledger
        keys : ndarray of uint8, shape (n, w)
        compose : callable
        composer : Composer
            What is asked for the scores.
        hidden : ndarray, shape (k,)
            Scores of the hidden image.
        """
        missing = ledger.missing(keys)
        self._second_look.begin(len(missing), composer, hidden)
        while len(missing):
            n_due = len(missing) * self._n_backgrounds
            n_due += self._second_look.is_due * self._second_look.n_images
            self._total = self._caller.n_images - self._n_in_vain + n_due
            try:
                self._score(ledger, keys, missing, compose, composer)
                break
            except Exception as error:
                # JAX reports only when scores are fetched that memory ran out.
                size = self._batches.size
                if composer.on_host or size == 1 or not is_out_of_memory(error):
                    raise
                self._batches.halve(size, error)
                missing = ledger.missing(keys)

    def announce(self, n_rows: int) -> None:
        """Say how many rows the whole run may ask for, of which each stream is a part."""
        self._most = n_rows * self._n_backgrounds + self._second_look.n_images

    def finish(self) -> None:
        """Ask for what the second look still wants after the last batch of a run."""
        asked, stopped_early = (
            self._second_look.end(self._batches.size),
            self._caller.n_images < self._most,
        )
        self._most = 0
        if asked or stopped_early:
            self._tell()

    def _score(
        self,
        ledger: Ledger,
        keys: NDArray[np.uint8],
        missing: NDArray[np.intp],
        compose: Compose,
        composer: Composer,
    ) -> None:
        ledger.expect(len(missing))

        def receive(part: slice, answers: list[Answer]) -> None:
            scores = mean_scores([self._caller.receive(answer) for answer in answers])
            ledger.extend(keys[missing[part]], scores)
            self.n_rows += len(scores)
            self._second_look.notice(scores)
            self._second_look.settle()

        def score(part: slice, claimed: Join | None) -> list[Answer]:
            return self._send(missing[part], compose, composer, claimed)

        inbox = Inbox(receive, self._tell)
        try:
            self._batches.each(len(missing), score, inbox.add, claim=self._second_look.claim)
        except BaseException as error:  # noqa: BLE001
            inbox.open_all(error)
        else:
            inbox.open_all()

    def _tell(self) -> None:
        """Report how many images have been scored, of how many."""
        done = self._caller.n_images
        if self._report is not None:
            self._report(done, max(done, self._total + self._n_in_vain, self._most))

    def _send(
        self,
        rows: NDArray[np.intp],
        compose: Compose,
        composer: Composer,
        claimed: Join | None,
    ) -> list[Answer]:
        """Ask for some rows over every background; what was claimed goes with the first."""
        answers: list[Answer] = []
        try:
            for number in range(self._n_backgrounds):
                at_end = None
                with self._composing:  # batches are composed in buffers that all of them share
                    batch = compose(rows, number)
                    if claimed is not None and number == 0:
                        batch, at_end = claimed(batch, composer)
                answers.append(self._caller.send(batch, composer))
                answers[-1].at_end = at_end
        except BaseException:
            self._n_in_vain += sum(answer.n_images for answer in answers if answer.checked)
            if claimed is not None:
                self._second_look.take_back(claimed)
            raise
        return answers
