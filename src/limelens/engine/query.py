"""From masked batches to scores: one model is asked about one image, every answer is kept."""

from collections.abc import Callable
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_int
from limelens._statistics import is_still
from limelens._typing import (
    Background,
    Batch,
    ClassNames,
    Coalitions,
    Floats,
    Image,
    PredictFn,
    Scores,
    Segments,
    Valid,
)
from limelens.engine.answers import (
    check_class_names,
    check_one_model,
    check_reuse,
    check_same_target,
    check_scores,
    mean_scores,
)
from limelens.engine.composer import Composer, prepared, unprepared
from limelens.engine.inbox import Answer, Inbox
from limelens.engine.ledger import Ledger
from limelens.engine.model import as_model, settled
from limelens.engine.samples import Attaching, Samples, fingerprint
from limelens.errors import InvalidInputError, add_note, is_out_of_memory, warn
from limelens.games.coalitions import both_ends
from limelens.masking.devices import is_device_array
from limelens.targets.columns import (
    NamedTarget,
    Target,
    TargetColumns,
    chunks,
    find_target,
    reduce_scores,
    value_names,
)

T = TypeVar("T")

Compose: TypeAlias = Callable[[NDArray[np.intp], int], Batch]
"""From row numbers `(b,)` and the number of a background to a fresh masked batch."""


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
    target, class_names, batch_size, reuse, valid
        See `Explainer.explain`.
    report : callable or None
        Called with `(done, total)` images after every batch.

    Attributes
    ----------
    intact_scores, hidden_scores : ndarray, shape (k,)
        Scores of the intact image and of the image with everything hidden.
    columns : TargetColumns
    targets : tuple of int
    target_names : tuple of str
    n_predictions : int
        Images that the model has scored for this query.
    batch_size : int
        Most images in a call. It is bounded by their bytes, and halved when memory runs out.
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
        batch_size: int = 64,
        report: Callable[[int, int], None] | None = None,
        reuse: object = None,
        valid: Valid = None,
    ) -> None:
        self.image, self.channel_axis = image, channel_axis
        self.backgrounds, self.segments, self.valid = backgrounds, segments, valid
        self.n_segments = 0 if segments is None else int(segments.max()) + 1
        # In vain: scored, but asked again because memory ran out between a batch's backgrounds.
        self.n_predictions = self._n_in_vain = 0
        self.model, asked = settled(as_model(predict_fn), image)
        self.n_predictions += asked
        self._target = target
        self.report = report
        check_int("batch_size", batch_size, minimum=1)
        self._itself = unprepared(self.model, image, backgrounds, segments, channel_axis)
        self._composer = prepared(self._itself, self.model)
        self.batch_size = min(batch_size, self._composer.most_images)
        self._fingerprint = fingerprint(image, segments, backgrounds, mask_kind, valid)
        self._width = max(1, -(-self.n_segments // 8))
        self._ledger = Ledger()
        self._reduces = False  # scores of more than two axes are kept as target values only
        self._take_over(reuse)
        with Attaching(self):
            self._probe()
            self.columns, self.target_names = self._find_columns(class_names)
            self.targets = self.columns.columns

    def ask(self, coalitions: Coalitions) -> Scores:
        """Return the scores, shape (n, k), of coalitions (n, d); True where kept."""
        return self._ledger.find(self._ask(coalitions))

    def ask_values(self, coalitions: Coalitions) -> Floats:
        """Return the target values, shape (n, t), of coalitions (n, d); True where kept."""
        keys = self._ask(coalitions)
        if self.columns.reduce is None:
            return self._ledger.find(keys, self.targets).astype(np.float64)
        values = np.empty((len(keys), len(self.targets)))
        for part in chunks(len(keys), len(self.intact_scores)):
            values[part] = self.values(self._ledger.find(keys[part]))
        return values

    def ask_again(self, coalitions: Coalitions) -> Floats:
        """Return fresh target values (n, t) of coalitions asked before; their rows stay."""
        kept, self._ledger = self._ledger, Ledger()
        try:
            return self.ask_values(coalitions)
        finally:
            self._ledger = kept

    def stream(self, keys: NDArray[np.uint8], compose: Compose) -> Scores:
        """Return the scores, shape (n, k), of any masked images, one key per row.

        Parameters
        ----------
        keys : ndarray of uint8, shape (n, w)
            Bytes that identify the mask of a row. All bits set mean the intact image, no bit set
            means that everything is hidden.
        compose : callable
            From `(rows, background)` to a fresh batch of those rows with that background.
        """
        self._pay(keys, compose, self._itself)
        return self._ledger.find(keys)

    def in_batches(
        self, n: int, score: Callable[[slice], T], keep: Callable[[slice, T], None]
    ) -> None:
        """Score n rows batch by batch, in smaller batches once memory has run out.

        `score` is given slices of at most `batch_size` rows; `keep` is given each slice and its
        answer.
        """
        done = 0
        while done < n:
            part = slice(done, min(done + self.batch_size, n))
            try:
                scores = score(part)
            except Exception as error:
                if part.stop - done == 1 or not is_out_of_memory(error):
                    raise
                self._halve(part.stop - done, error)
                continue
            keep(part, scores)
            done = part.stop

    def values(self, scores: Scores) -> Floats:
        """Return the target values, shape (n, t), of scores (n, k)."""
        return self.columns.values(scores)

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
            reduced=self._reduces,
        )

    def constant_targets(self) -> NDArray[np.bool_]:
        """Return which targets, shape (t,), have the same value in all rows."""
        if len(self._ledger) < 3:
            return np.zeros(len(self.targets), dtype=bool)
        values = self.values(self._ledger.scores())
        return is_still(values)

    def _ask(self, coalitions: Coalitions) -> NDArray[np.uint8]:
        """Make sure that the ledger has the scores of coalitions, and return their keys."""
        keys = np.packbits(coalitions, axis=1)

        def compose(rows: NDArray[np.intp], background: int) -> Batch:
            return self._composer.batch(coalitions[rows], background, len(coalitions))

        self._pay(keys, compose, self._composer)
        return keys

    def _pay(self, keys: NDArray[np.uint8], compose: Compose, asked: Composer) -> None:
        """Make sure that the ledger has the scores of all keys; ask for those that are missing."""
        self._set_width(keys.shape[1])

        def score(rows: NDArray[np.intp]) -> list[Answer]:
            backgrounds, before = range(len(self.backgrounds)), self.n_predictions
            try:
                return [self._send(compose(rows, b), asked) for b in backgrounds]
            except BaseException:
                self._n_in_vain += self.n_predictions - before
                raise

        missing = self._ledger.missing(keys)
        with Attaching(self):
            while len(missing):
                try:
                    self._score_missing(keys, missing, score)
                    break
                except Exception as error:
                    # JAX reports only when scores are fetched that memory ran out.
                    if (
                        self._composer.on_host
                        or self.batch_size == 1
                        or not is_out_of_memory(error)
                    ):
                        raise
                    self._halve(self.batch_size, error)
                    missing = self._ledger.missing(keys)

    def _end_keys(self) -> NDArray[np.uint8]:
        if self.segments is None:
            return np.array([[255], [0]], dtype=np.uint8).repeat(self._width, axis=1)
        return np.packbits(both_ends(self.n_segments), axis=1)

    def _take_over(self, reuse: object) -> None:
        earlier = check_reuse(reuse, self._fingerprint)
        if earlier is None:
            return
        self._reduces = earlier.reduced
        if self._reduces and not callable(self._target):
            msg = "`reuse` holds values of a callable target; pass the same target again."
            raise InvalidInputError(msg)
        self._width = earlier.keys.shape[1]
        self._ledger.take_over(earlier.keys, earlier.scores)

    def _set_width(self, width: int) -> None:
        """Rewrite the two ends' keys once the first stream shows how wide keys are."""
        if width == self._width:
            return
        if len(self._ledger) > 2:
            msg = "`reuse` holds rows of masks of another size; reuse needs the same settings."
            raise InvalidInputError(msg)
        scores = self._ledger.scores()
        self._width = width
        self._ledger = Ledger()
        self._ledger.extend(self._end_keys(), scores)

    def _probe(self) -> None:
        keys = self._end_keys()[: 1 + min(1, len(self.backgrounds))]
        # Values of a callable target are asked again, to see whether it is the same callable.
        missing, earlier = self._ledger.missing(keys), None
        if self._reduces and not len(missing):
            missing, earlier = np.arange(len(keys)), self._ledger.find(keys)
        if len(missing):
            ends = [self.image[np.newaxis], self.backgrounds]
            images = np.concatenate([ends[end] for end in missing], dtype=self.image.dtype)

            def score(rows: slice) -> Scores:
                return self._receive(self._send(images[rows].copy(), self._itself))

            parts: list[Scores] = []
            self.in_batches(len(images), score, lambda _, scores: parts.append(scores))
            scores = np.concatenate(parts)
            n_intact = int(missing[0] == 0)
            rows = [*scores[:n_intact]]
            if n_intact < len(images):
                rows.append(mean_scores(scores[n_intact:]))
            if earlier is None:
                self._ledger.extend(keys[missing], np.stack(rows))
            else:
                check_same_target(np.stack(rows), earlier)
            if self._composer is not self._itself and n_intact:
                self._check_prepared(rows[0])
        ends = list(self._ledger.find(keys))
        self.intact_scores = ends[0]
        self.hidden_scores = ends[1] if len(ends) == 2 else np.full(ends[0].shape, np.nan)

    def _check_prepared(self, intact: Scores) -> None:
        batch = self._composer.try_out(np.ones((1, self.n_segments), dtype=np.bool_))
        check_one_model(self._receive(self._send(batch, self._composer))[0], intact)

    def _score_missing(
        self,
        keys: NDArray[np.uint8],
        missing: NDArray[np.intp],
        score: Callable[[NDArray[np.intp]], list[Answer]],
    ) -> None:
        total = self.n_predictions - self._n_in_vain + len(missing) * len(self.backgrounds)
        self._ledger.expect(len(missing))

        def receive(part: slice, answers: list[Answer]) -> None:
            scores = mean_scores([self._receive(answer) for answer in answers])
            self._ledger.extend(keys[missing[part]], scores)

        def report() -> None:
            if self.report is not None:
                self.report(self.n_predictions, total + self._n_in_vain)

        inbox = Inbox(receive, report)
        try:
            self.in_batches(len(missing), lambda part: score(missing[part]), inbox.add)
        except BaseException as error:  # noqa: BLE001
            inbox.open_all(error)
        else:
            inbox.open_all()

    def _send(self, batch: Batch, composer: Composer) -> Answer:
        """Ask the model; an answer on a device stays there."""
        asked = composer.asked
        try:
            answer = Answer(composer.predict(batch), batch.shape[0], asked)
        except BaseException as error:
            add_note(error, f"raised by `{asked}` on a {batch.dtype} batch of {batch.shape}")
            raise
        # The model itself has to answer in NumPy; only `predict_prepared` may answer on a device.
        if composer is self._itself or not is_device_array(answer.raw):
            # A model may write all its answers into the same buffer.
            answer.raw, answer.checked = self._check(answer).copy(), True
        return answer

    def _receive(self, answer: Answer) -> Scores:
        """Return the scores, shape (b, k), of a batch; wait for them if need be."""
        if answer.checked:
            return answer.raw
        answer.fetch()
        return self._check(answer)

    def _check(self, answer: Answer) -> Scores:
        n, target = answer.n_images, self._target
        scores = check_scores(answer.raw, n, any_rank=callable(target), name=answer.asked)
        if scores.ndim > 2 and callable(target):
            self._reduces = True
            scores = reduce_scores(target, scores)
        self._ledger.check_columns(scores.shape[1])
        self.n_predictions += n
        return scores

    def _halve(self, n_images: int, error: Exception) -> None:
        warn(
            f"out of memory with {n_images} images a call ({type(error).__name__}); going on with "
            f"{n_images // 2}. Pass a smaller batch_size to avoid the failed call.",
        )
        self.batch_size = n_images // 2

    def _find_columns(self, class_names: ClassNames) -> tuple[TargetColumns, tuple[str, ...]]:
        """Return the target's columns, and their names."""
        if self._reduces:
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
        if given is None or foreign or self._reduces:
            return None
        return check_class_names(given, len(self.intact_scores), name=name)
