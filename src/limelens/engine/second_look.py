"""The intact image, shown once more among masked ones, has to score what it scored before."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from limelens._typing import Batch, Scores
from limelens.engine.agreement import (
    check_batch_independence,
    covers_zero_to_one,
    differs,
    is_flat,
    warn_of_chance,
    warn_of_chance_or_batch,
)
from limelens.engine.caller import Caller
from limelens.engine.composer import Composer, beside

AtEnd: TypeAlias = Callable[[Scores], None]
"""Is given all scores of a batch whose last image is no masked one."""

Join: TypeAlias = Callable[[Batch, Composer], tuple[Batch, AtEnd]]
"""From a batch to the same with one image more."""


@dataclass(frozen=True, eq=False)
class _Known:
    """What the intact image scored in the first call, and whether it was alone there."""

    scores: Scores
    alone: bool


class SecondLook:
    """Puts the intact image at the end of the first batch of masked images; compares its scores.

    Only where they differ is one more image asked, to tell chance from a dependence on the other
    images of the batch. It is an image of the next batch, twice: two answers in one batch differ
    by chance only. Where no batch follows it is the intact image, alone.

    A model that scales to the range of its batch scores the intact image, at one end of it, alike
    in every batch. Where a batch covers exactly 0 to 1 the intact image is shown alone as well.

    Parameters
    ----------
    caller : Caller
    is_open : bool
        Whether to look at all.

    Attributes
    ----------
    is_due : bool
        Whether the intact image is still to be shown once more.
    pairs : list of ndarray, shape (2, k)
        Two answers each to the same image, where the model answers at random; else empty.
    """

    def __init__(self, caller: Caller, *, is_open: bool = True) -> None:
        self._caller = caller
        self._is_open, self.is_due = is_open, False
        self._known: dict[str, _Known] = {}
        self._composer: Composer | None = None
        self._hidden: Scores = np.empty(0)
        self._doubt: Scores | None = None
        self._doubted: Scores | None = None
        self._may_be_scaled = False
        self.pairs: list[Scores] = []

    def know(self, asked: str, intact: Scores, *, alone: bool) -> None:
        """Take what the intact image scored, by the function that was asked."""
        self._known[asked] = _Known(intact, alone)

    def begin(self, n_rows: int, composer: Composer, hidden: Scores) -> None:
        """Be due with the first batch of so many rows; take the scores of the hidden image."""
        self.is_due = self._is_open and n_rows > 0 and composer.asked in self._known
        self._composer, self._hidden = composer, hidden

    def claim(self, batch_size: int) -> Join | None:
        """Return what puts one more image to the next batch, if this look wants one; it is used."""
        if batch_size == 1:
            return None
        if self.is_due:
            self._is_open = self.is_due = False
            return self._with_intact
        if self._doubt is not None:
            self._doubted, self._doubt = self._doubt, None
            return self._with_last_twice
        return None

    def take_back(self, claimed: Join) -> None:
        """Be due again: the batch that this was claimed for was not answered."""
        if claimed == self._with_intact:
            self._is_open = self.is_due = True
        else:
            self._doubt = self._doubted

    def _with_intact(self, batch: Batch, composer: Composer) -> tuple[Batch, AtEnd]:
        return beside(batch, composer.intact()), lambda scores: self._compare(scores, composer)

    def _with_last_twice(self, batch: Batch, composer: Composer) -> tuple[Batch, AtEnd]:
        last = batch[batch.shape[0] - 1 :, ...]
        return beside(batch, last), lambda scores: self._tell(scores[-2:], composer)

    def end(self) -> bool:
        """Ask for the intact image alone, where that is still wanted after the last batch.

        Return whether it was.
        """
        composer, again = self._composer, self._doubt
        if composer is None or not (self.is_due or again is not None or self._may_be_scaled):
            return False
        known, alone = self._known[composer.asked], self._alone(composer)
        if self._may_be_scaled:
            self._may_be_scaled = False
            check_batch_independence(known.scores, alone, self._hidden)
        elif self.is_due:  # every image goes by itself
            self._is_open = self.is_due = False
            if differs(known.scores, alone, self._hidden):
                self._is_random([known.scores, alone])
        elif again is not None:
            self._doubt = None
            self._tell_alone(known, again, alone)
        return True

    def _alone(self, composer: Composer) -> Scores:
        return self._caller.receive(self._caller.send(composer.intact(), composer))[0]

    def _compare(self, scores: Scores, composer: Composer) -> None:
        known = self._known[composer.asked]
        if differs(known.scores, scores[-1], self._hidden):
            self._doubt = scores[-1]
        else:
            self._may_be_scaled = not known.alone and covers_zero_to_one(scores)

    def _tell(self, pair: Scores, composer: Composer) -> None:
        """Judge by two answers to one image in one batch."""
        before, again = self._known[composer.asked].scores, self._doubted
        if again is None:
            return
        if differs(pair[0], pair[1], self._hidden):
            self._is_random([before, again], [*pair])
        else:
            check_batch_independence(before, again, self._hidden)

    def _tell_alone(self, known: _Known, again: Scores, alone: Scores) -> None:
        """Judge by three answers to the intact image, each in another company."""
        same = [not differs(alone, other, self._hidden) for other in (known.scores, again)]
        if known.alone and not same[0]:
            self._is_random([known.scores, again], [known.scores, alone])
        elif any(same) or is_flat(alone):
            check_batch_independence(known.scores, again, self._hidden)
        elif warn_of_chance_or_batch(known.scores, again, alone, self._hidden):
            self.pairs = [np.stack([known.scores, again]), np.stack([again, alone])]

    def _is_random(self, *pairs: list[Scores]) -> None:
        self.pairs = [np.stack(pair) for pair in pairs]
        warn_of_chance(self.pairs, self._hidden)
