"""From masked batches to scores: one model is asked about one image, every answer is kept."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from limelens._typing import (
    Background,
    Batch,
    ClassNames,
    Coalitions,
    Floats,
    Image,
    Indices,
    PredictFn,
    Scores,
    Segments,
    Valid,
)
from limelens.engine.batches import FEW, Batches, BatchSize, check_batch_size
from limelens.engine.caller import Caller
from limelens.engine.class_names import check_class_names
from limelens.engine.coarseness import visible_steps
from limelens.engine.composer import prepared, unprepared
from limelens.engine.ledger import Ledger
from limelens.engine.model import as_model, settled
from limelens.engine.payments import Compose, Payments, batches_of
from limelens.engine.probe import probe
from limelens.engine.rounding import is_within_rounding, moved_by_rounding
from limelens.engine.samples import Attaching, Samples, attach_samples, check_reuse, fingerprint
from limelens.engine.second_look import SecondLook
from limelens.errors import InvalidInputError
from limelens.games.coalitions import both_ends
from limelens.targets.columns import (
    NamedTarget,
    Target,
    TargetColumns,
    chunks,
    find_target,
    value_names,
)

T = TypeVar("T")


class Query:
    """Asks one model about one image: probes it, streams masked batches, keeps every answer.

    Equal rows are sent once, and rows of `reuse` are not sent again. A row's score is the mean
    over the backgrounds. Memory is O(batch · image + rows · (d / 8 + k)) bytes.

    Parameters
    ----------
    image : ndarray
        The image in the caller's layout.
    channel_axis : int or None
    predict_fn : callable
        From `(n, *image.shape)` to scores `(n, k)` or `(n,)`; may offer `prepare`, see
        `prepare_once`.
    backgrounds : ndarray, shape (m, *image.shape)
        What hidden pixels are replaced with, in the image's dtype. Methods that hide nothing have
        none, and their `hidden_scores` are NaN.
    segments : ndarray of int or None
        Label image `0..d-1`, -1 outside `valid`; None for window, soft-mask and gradient methods.
    mask_kind : str
        Meaning of the rows' keys; rows of another kind are never reused.
    target, class_names, batch_size, in_flight, reuse, valid
        See `Explainer.explain`.
    look_again : bool
        Whether the intact image is shown once more among masked ones.
    report : callable or None
        Called with `(done, total)` images after every batch.

    Attributes
    ----------
    intact_scores, hidden_scores : ndarray, shape (k,)
        Scores of the intact image and of the image with everything hidden.
    columns : TargetColumns
    target_names : tuple of str
    second_look : SecondLook
        Whether the model answers twice alike.
    """

    def __init__(
        self,
        image: Image,
        channel_axis: int | None,
        predict_fn: PredictFn,
        backgrounds: Background,
        segments: Segments | None,
        *,
        mask_kind: str = "coalitions",
        target: Target = None,
        class_names: ClassNames = None,
        batch_size: BatchSize = "auto",
        in_flight: int = 1,
        report: Callable[[int, int], None] | None = None,
        reuse: object = None,
        valid: Valid = None,
        look_again: bool = True,
    ) -> None:
        size = check_batch_size(batch_size, in_flight)
        self.image, self.channel_axis = image, channel_axis
        self.backgrounds, self.segments, self.valid = backgrounds, segments, valid
        self.n_segments = 0 if segments is None else int(segments.max()) + 1
        self.model, n_shown = settled(as_model(predict_fn), image)
        self.report = report
        self._target = target
        self._itself = unprepared(self.model, image, backgrounds, segments, channel_axis)
        self._composer = prepared(self._itself, self.model)
        self._batches = batches_of(self._composer, size, in_flight)
        self._caller = Caller(target, self._batches, n_shown)
        few = self._batches.given in FEW
        self.second_look = SecondLook(self._caller, is_open=look_again, with_copy=few)
        self._payments = Payments(*self._asking, len(backgrounds), report)
        self._fingerprint = fingerprint(image, segments, backgrounds, mask_kind, valid)
        self._width = max(1, -(-self.n_segments // 8))
        self._ledger = Ledger()
        self._take_over(reuse)
        self._begin(class_names)

    @property
    def targets(self) -> tuple[int, ...]:
        """Score columns of the targets, or `0..t-1` of a callable's values."""
        return self.columns.columns

    @property
    def batch_size(self) -> int:
        """Most images a call may hold now."""
        return self._batches.size

    @property
    def n_predictions(self) -> int:
        """Images that the model has scored for this query."""
        return self._caller.n_images

    @property
    def pays(self) -> bool:
        """Whether any masked image was scored for this query: not if all rows are reused."""
        return self._payments.n_rows > 0

    @property
    def at_random(self) -> bool:
        """Whether the model was found to answer at random."""
        return bool(self.second_look.pairs)

    def count(self, n_images: int) -> None:
        """Count images that the model saw in another way, such as for gradients."""
        self._caller.count(n_images)

    def ask(self, coalitions: Coalitions) -> Scores:
        """Return the scores, shape (n, k), of coalitions (n, d); True where kept."""
        return self._ledger.find(self._ask(coalitions))

    def ask_values(self, coalitions: Coalitions) -> Floats:
        """Return the target values, shape (n, t), of coalitions (n, d); True where kept."""
        return self._known_values(self._ask(coalitions))

    def ask_again(self, coalitions: Coalitions) -> Floats:
        """Return fresh target values (n, t) of coalitions asked before; their rows stay."""
        kept, self._ledger = self._ledger, Ledger()
        try:
            return self.ask_values(coalitions)
        finally:
            self._ledger = kept

    def announce(self, n_rows: int, *, begins_with_few: bool = False) -> None:
        """Say how many rows the whole run may ask for, so that progress is a share of all.

        Where it begins with few the second look may wait for a larger batch, or for the end.
        """
        self._payments.announce(n_rows)
        if begins_with_few:
            self.second_look.expect(n_rows)

    def finish(self) -> None:
        """End the run: show the intact image alone, if it is still open whether the model is sound.

        Raises
        ------
        PredictionError
            If the model's score depends on the other images of its batch.
        """
        with Attaching(self):
            self._payments.finish()

    def stream_values(self, keys: NDArray[np.uint8], compose: Compose) -> Floats:
        """Return the target values, shape (n, t), of any masked images, one key per row.

        Parameters
        ----------
        keys : ndarray of uint8, shape (n, w)
            Bytes that identify the mask of a row. All bits set mean the intact image, no bit set
            means that everything is hidden.
        compose : callable
            From `(rows, background)` to a fresh batch of those rows with that background.
        """
        self._set_width(keys.shape[1])
        with Attaching(self):
            self._payments.pay(self._ledger, keys, compose, self._itself, self.hidden_scores)
        return self._known_values(keys)

    def in_batches(
        self, n: int, score: Callable[[slice], T], keep: Callable[[slice, T], None]
    ) -> None:
        """Score n rows batch by batch, in smaller batches once memory has run out.

        `score` is given slices of at most `batch_size` rows, in as many threads as batches are in
        flight; `keep` is given each slice and its answer, in the order of the rows.
        """
        self._batches.each(n, lambda part, claimed: score(part), keep)

    def values(self, scores: Scores) -> Floats:
        """Return the target values, shape (n, t), of scores (n, k)."""
        return self.columns.values(scores)

    def values_of(self, images: Batch) -> Floats:
        """Return the target values (n, t) of images that no key stands for; they are not kept."""
        return self.values(self._caller.receive(self._caller.send(images, self._itself)))

    def ends(self) -> tuple[Floats, Floats]:
        """Return the target values, shape (t,) each, of the intact and the hidden image."""
        both = self.values(np.stack([self.intact_scores, self.hidden_scores]))
        return both[0], both[1]

    def samples(self) -> Samples:
        """Return every row that was paid for, in the order of payment."""
        return Samples(
            keys=self._ledger.keys(self._width),
            scores=self._ledger.scores(),
            n_segments=self.n_segments,
            fingerprint=self._fingerprint,
            reduced=self._caller.reduces,
        )

    def constant_targets(self) -> NDArray[np.bool_]:
        """Return, shape (t,), True where a target never changed by more than rounding."""
        if len(self._ledger) < 3:
            return np.zeros(len(self.targets), dtype=bool)
        scores, moved = self._ledger.scores(), None
        if self.columns.reduce is not None:
            moved = self.columns.moved_by_rounding(scores, scores[:2])
        return is_within_rounding(self.values(scores), scores, moved=moved)

    def rounding(self) -> tuple[Floats, Floats]:
        """Return by how much rounding can move targets, and the steps that are seen, (t,) each.

        The steps of functions of the scores are not looked for, and are 0.
        """
        scores = self._ledger.scores()
        if self.columns.reduce is not None:
            moved = self.columns.moved_by_rounding(scores, scores[:2])
            return moved, np.zeros(len(moved))
        values = self.values(scores)
        steps = visible_steps(values, scores.dtype)
        return np.maximum(moved_by_rounding(values, scores), steps), steps

    def _known_values(self, keys: NDArray[np.uint8]) -> Floats:
        """Return the target values of rows of the ledger; of many classes no more than those."""
        if self.columns.reduce is None:
            return self._ledger.find(keys, self.targets).astype(np.float64)
        values = np.empty((len(keys), len(self.targets)))
        for part in chunks(len(keys), len(self.intact_scores)):
            values[part] = self.values(self._ledger.find(keys[part]))
        return values

    def _ask(self, coalitions: Coalitions) -> NDArray[np.uint8]:
        """Make sure that the ledger has the scores of coalitions, and return their keys."""
        keys = np.packbits(coalitions, axis=1)

        def compose(rows: Indices, background: int) -> Batch:
            return self._composer.batch(coalitions[rows], background, len(coalitions))

        with Attaching(self):
            self._payments.pay(self._ledger, keys, compose, self._composer, self.hidden_scores)
        return keys

    def _begin(self, class_names: ClassNames) -> None:
        try:  # no context: an interrupt may come while one is left
            self.intact_scores, self.hidden_scores = self._probe()
            self.columns, self.target_names = self._find_columns(class_names)
            self.second_look.watch(() if self.columns.is_callable else self.targets)
        except BaseException as error:
            attach_samples(error, self)
            raise

    def _probe(self) -> tuple[Scores, Scores]:
        """Return the scores of the intact and the hidden image, shape (k,) each."""
        keys = self._end_keys(self._width)[: 1 + min(1, len(self.backgrounds))]
        return probe(self._ledger, keys, *self._asking, (self._itself, self._composer))

    @property
    def _asking(self) -> tuple[Caller, Batches, SecondLook]:
        return self._caller, self._batches, self.second_look

    def _end_keys(self, width: int) -> NDArray[np.uint8]:
        if self.segments is None:
            return np.array([[255], [0]], dtype=np.uint8).repeat(width, axis=1)
        return np.packbits(both_ends(self.n_segments), axis=1)

    def _take_over(self, reuse: object) -> None:
        earlier = check_reuse(reuse, self._fingerprint)
        if earlier is None:
            return
        if earlier.reduced and not callable(self._target):
            raise InvalidInputError(
                f"`reuse` holds values of a callable target, and `target` is {self._target!r}. "
                "Pass the same target again, or explain without reuse."
            )
        self._caller.reduces = earlier.reduced
        self._width = earlier.keys.shape[1]
        self._ledger.take_over(earlier.keys, earlier.scores)

    def _set_width(self, width: int) -> None:
        """Rewrite the two ends' keys once the first stream shows how wide keys are."""
        if width == self._width:
            return
        if len(self._ledger) > 2:
            raise InvalidInputError(
                "`reuse` holds rows of masks of another size; they fit the same settings only. "
                "Explain without reuse."
            )
        ledger, scores = Ledger(), self._ledger.scores()
        ledger.extend(self._end_keys(width), scores)
        self._width, self._ledger = width, ledger  # only once it is filled

    def _find_columns(self, class_names: ClassNames) -> tuple[TargetColumns, tuple[str, ...]]:
        """Return the target's columns, and their names."""
        if self._caller.reduces:
            n_values = len(self.intact_scores)
            called = value_names(self._target, n_values)
            return TargetColumns(tuple(range(n_values)), called), called
        names = self._class_names(class_names)
        found = find_target(self._target, self.intact_scores, names)
        called = tuple(str(each) if names is None else names[each] for each in found.columns)
        return found, found.names or called

    def _class_names(self, class_names: ClassNames) -> dict[int, str] | None:
        """Return the names of the score columns; None where there are none."""
        name, given = "class_names", class_names
        if given is None:
            name, given = "predict_fn.class_names", self.model.class_names
        foreign = callable(self._target) and not isinstance(self._target, NamedTarget)
        if given is None or foreign or self._caller.reduces:
            return None
        return check_class_names(given, len(self.intact_scores), name=name)
