"""The intact image, shown once more among masked ones, has to score what it scored before."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from limelens._typing import Batch, Scores
from limelens.engine.agreement import (
    all_alike,
    check_calls,
    check_company,
    check_memory,
    differs,
    may_be_scaled,
    targets_differ,
    why_it_differs,
)
from limelens.engine.answers import mean_scores
from limelens.engine.batches import FULL
from limelens.engine.caller import Caller
from limelens.engine.composer import Composer, beside
from limelens.errors import PredictionError
from limelens.masking.memory import with_one_more

AtEnd: TypeAlias = Callable[[Scores], None]
"""Is given all scores of a batch whose last image is no masked one."""

Join: TypeAlias = Callable[[Batch, Composer], tuple[Batch, AtEnd]]
"""From a batch to the same with one image more."""


_FEWEST_ALIKE = 4
"""So many different scores, in the same order, are hardly those of other images by chance."""

_PARTS_TO_WAIT = 2
"""A method that asks for few rows this often has no larger batches to come."""


@dataclass(frozen=True, eq=False)
class _Known:
    """What the intact image scored in the first call, and whether it was alone there."""

    scores: Scores
    alone: bool


class SecondLook:
    """Puts the intact image at the end of the first batch of masked images; compares its scores.

    Only where they differ is the model asked more, to tell why. The first call is made again: the
    same images in the same places differ by chance or by time. Copies of the intact image are put
    into one batch: in one call they differ by chance or by their place.

    A model that scales to the range of its batch scores the intact image, at one end of it, alike
    in every batch, 0 or 1; one that answers with the score of the first image scores all alike.
    Where scores are exactly these both ends are shown alone as well.

    Beside one or two others the intact image may well score the same though these count, as where
    ranks are returned. In batches of so few it is shown beside a copy of itself instead.

    Parameters
    ----------
    caller : Caller
    is_open : bool
        Whether to look at all.
    with_copy : bool
        Whether batches hold so few images that it is shown beside a copy of itself.

    Attributes
    ----------
    is_due : bool
        Whether the intact image is still to be shown once more.
    n_images : int
        How many images it costs.
    pairs : list of ndarray, shape (2, k)
        Two answers each to the same image, where the model answers at random; else empty.
    """

    def __init__(self, caller: Caller, *, is_open: bool = True, with_copy: bool = False) -> None:
        self._caller = caller
        self._is_open, self.is_due = is_open, False
        self._with_copy, self._asks_copies = with_copy, False
        self._known: dict[str, _Known] = {}
        self._composer: Composer | None = None
        self._hidden: Scores = np.empty(0)
        self._targets: tuple[int, ...] = ()
        self._only: tuple[int, ...] = ()
        self._most = 0
        self._doubt: Scores | None = None
        self._last: Scores = np.empty((0, 1))
        self._alike: Scores | None = None
        self._earlier: set[int] = set()
        self._is_trusted = False
        self._is_suspect = False
        self._n_expected, self._n_waited, self._waits = 0, 0, False
        self.n_images = 2 if with_copy else 1
        self.pairs: list[Scores] = []

    def expect(self, n_rows: int) -> None:
        """Take how many rows the whole run may ask for, in several parts."""
        self._n_expected = n_rows

    def know(self, asked: str, intact: Scores, *, alone: bool) -> None:
        """Take what the intact image scored, by the function that was asked."""
        self._known[asked] = _Known(intact, alone)

    def watch(self, columns: tuple[int, ...]) -> None:
        """Compare these columns also by themselves: other scores may dwarf them."""
        self._targets = columns

    def begin(self, n_rows: int, composer: Composer, hidden: Scores) -> None:
        """Be due with the first batch of so many rows; take the scores of the hidden image."""
        # Where all rows are known already, an earlier part may still wait for its look.
        self.is_due |= self._is_open and n_rows > 0 and composer.asked in self._known
        self._composer, self._hidden = composer, hidden
        # Some methods begin with a few rows. Among more images a model that mixes up rows at random
        # puts the last one last more rarely.
        self._n_expected -= n_rows
        self._waits = n_rows < FULL <= self._n_expected and self._n_waited < _PARTS_TO_WAIT
        self._n_waited += n_rows > 0

    def claim(self, batch_size: int) -> Join | None:
        """Return what puts one more image to the next batch, if this look wants one; it is used."""
        self._asks_copies = self._with_copy and self.is_due and batch_size > 1
        if batch_size == 1 or not self.is_due or (self._waits and not self._with_copy):
            return None
        self._most = batch_size
        if self._with_copy:  # not before the rows of that batch are kept
            return None
        self._is_open = self.is_due = False
        return self._with_intact

    def take_back(self, claimed: Join) -> None:
        """Be due again: the batch that this was claimed for was not answered."""
        self._is_open = self.is_due = True

    def _with_intact(self, batch: Batch, composer: Composer) -> tuple[Batch, AtEnd]:
        intact = composer.intact()
        on_host = isinstance(batch, np.ndarray)
        longer = with_one_more(batch, intact) if on_host else beside(batch, intact)
        return longer, lambda scores: self._compare(scores, composer)

    def _compare(self, scores: Scores, composer: Composer) -> None:
        """Compare the last of all scores of a batch, that of the intact image, with the first."""
        known = self._known[composer.asked].scores
        if self._differs(known, scores[-1]):
            self._doubt = scores[-1].copy()
        else:
            ends = np.stack([known, self._hidden])
            self._is_suspect = may_be_scaled(scores) or (all_alike(ends) and all_alike(scores))

    def _compare_copies(self, composer: Composer) -> None:
        """Show the intact image beside itself; as if the last batch had held it."""
        for copy in self._ask(composer.intact(2), composer):
            if self._doubt is None:
                self._compare(np.vstack([self._last, copy]), composer)
        # Where each image gets the score of the one before it, copies show nothing.
        self._is_suspect |= all_alike(np.stack([self._known[composer.asked].scores, self._hidden]))

    def _differs(self, known: Scores, again: Scores) -> bool:
        """Tell whether the answers differ; if only the target's do, the others are left out."""
        if differs(known, again, self._hidden):
            return True
        if not self._targets or not targets_differ(known, again, self._hidden, self._targets):
            return False
        self._only = self._targets
        return True

    def _seen(self, scores: Scores) -> Scores:
        """Return scores (..., k) with zeros in the columns that are not looked at."""
        if not self._only:
            return scores
        seen = np.zeros_like(scores)
        seen[..., self._only] = scores[..., self._only]
        return seen

    def notice(self, scores: Scores) -> None:
        """Take the scores of every batch; doubt those that are the same as of an earlier one.

        Shorter batches are compared with the start of the one before. Once the model has shown that
        such scores are right it is not asked again.
        """
        if self._is_trusted:
            return
        n = min(len(scores), len(self._last))
        alike = np.array_equal(scores[:n], self._last[:n])
        whole = hash((scores.shape, scores.tobytes()))
        n, alike = (len(scores), True) if whole in self._earlier else (n, alike)
        if alike and n >= _FEWEST_ALIKE and len(np.unique(scores[:n], axis=0)) >= _FEWEST_ALIKE:
            self._alike = scores
        self._last = scores
        self._earlier.add(whole)

    def settle(self) -> None:
        """Ask the model what the comparison left open, now that the rows of that batch are kept."""
        alike, self._alike = self._alike, None
        if alike is not None and self._composer is not None:
            copies = self._ask(self._composer.intact(len(alike)), self._composer)
            check_memory(alike, copies, self._hidden)
            self._is_trusted = True
        if self._asks_copies and self._composer is not None:
            self._is_open = self.is_due = self._asks_copies = False
            self._compare_copies(self._composer)
        composer, doubt, is_suspect = self._composer, self._doubt, self._is_suspect
        self._doubt, self._is_suspect = None, False
        if composer is None:
            return
        known = self._known[composer.asked]
        intact, hidden = self._seen(known.scores), self._seen(self._hidden)
        again = intact if doubt is None else self._seen(doubt)
        if doubt is not None:
            repeated = self._ask(self._first_call(composer, known), composer)
            first = [intact]
            if len(repeated) == 2 and composer.backgrounds.shape[0] == 1:
                first.append(hidden)
            pairs = why_it_differs(
                first, again, repeated, lambda: self._ask_copies(composer), hidden
            )
            self.pairs = pairs or []
            is_suspect = pairs is None
        if is_suspect:
            check_company((intact, hidden), self._ends_alone(composer), again)

    def _ends_alone(self, composer: Composer) -> list[Scores]:
        """Return the scores of the intact and the hidden image, each by itself.

        They are infinite where these are no numbers: a single image has no range to be scaled by.
        """
        each = (composer.hidden(m) for m in range(composer.backgrounds.shape[0]))
        try:
            hidden = mean_scores([self._ask(one, composer)[0] for one in each])
            return [self._alone(composer), hidden]
        except PredictionError as error:
            if "finite" not in str(error):  # it failed in another way, which says nothing of ranges
                raise
            return [np.full(self._hidden.shape, np.inf)] * 2

    def end(self, batch_size: int) -> bool:
        """Ask for the intact image, if no batch had it: alone, where every image goes by itself.

        Return whether it was.
        """
        composer = self._composer
        if composer is None or not self.is_due:
            return False
        self._is_open = self.is_due = False
        if batch_size > 1:  # no large batch came
            self._most = batch_size
            batch, at_end = self._with_intact(composer.hidden(0), composer)
            at_end(self._caller.receive(self._caller.send(batch, composer)))
            # The first call held the same two: whether they disturb each other, each alone tells.
            self._is_suspect |= self._doubt is None
            self.settle()
            return True
        known, again = self._known[composer.asked].scores, self._alone(composer)
        if self._differs(known, again):
            later = [self._alone(composer), self._alone(composer)]
            first = self._seen(known), self._seen(again)
            self.pairs = check_calls(*first, later, self._seen(self._hidden))
        return True

    def _alone(self, composer: Composer) -> Scores:
        return self._ask(composer.intact(), composer)[0]

    def _ask(self, batch: Batch, composer: Composer) -> Scores:
        return self._seen(self._caller.receive(self._caller.send(batch, composer)))

    def _first_call(self, composer: Composer, known: _Known) -> Batch:
        intact = composer.intact()
        return intact if known.alone else beside(intact, composer.backgrounds)[: self._most, ...]

    def _ask_copies(self, composer: Composer) -> Scores:
        """Ask for the intact image three times; the hidden one between shows a mixed-up order."""
        with_hidden = beside(composer.intact(2), composer.hidden(0))
        batch = beside(with_hidden, composer.intact())[: self._most, ...]
        return self._ask(batch, composer)[[0, 1, 3][: self._most - 1]]
