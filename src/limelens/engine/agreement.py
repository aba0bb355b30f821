"""Whether two answers of a model agree, and what it means where they do not."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._statistics import rounding_share
from limelens.engine.rounding import least_steps
from limelens.errors import InvalidInputError, PredictionError, warn

_BY_COMPANY = (
    "Usual causes: softmax over the batch (use axis=-1), batch normalisation in training mode "
    "(call net.eval()), scaling by the batch's own mean or range (use fixed numbers)"
)
_BY_PLACE = (
    "Usual causes: a pool of workers that answers in another order, ranks within the batch, a "
    "first or last row that is treated in another way"
)
_BY_CALL = (
    "Usual causes: it counts its calls, warms up (call it once before), or draws at random once a "
    "call (PyTorch: call net.eval() before)"
)
_DROPOUT = "Is dropout left on? PyTorch: call net.eval() before; Keras: training=False."
_LITTLE = 0.01  # of what hiding everything changes
_BY_BATCH, _BY_TARGET = 1e-4, 1e-2  # of a score: by so much answers to one image may differ


def _tolerance(least: float, *scores: NDArray[Any]) -> float:
    """Return the share of a score by which two answers may differ; in half precision it is wide."""
    return max(least, *(2 * rounding_share(each[np.newaxis]) for each in scores))


def check_one_model(prepared: NDArray[Any], intact: NDArray[Any]) -> None:
    """Check that a model scores the intact image and what it prepares of it alike.

    Raises
    ------
    InvalidInputError
        If the scores differ by over 5 % of the largest, more than half precision makes of them.
    """
    apart = _apart(prepared, intact)
    if apart > 0.05:
        raise InvalidInputError(
            "`predict_fn(batch)` must be `predict_fn.predict_prepared(predict_fn.prepare(batch))`; "
            f"the intact image's scores differ by {apart:.2g} of the largest. Let both return the "
            "same (both probabilities, or both logits)."
        )


def check_same_target(now: NDArray[Any], earlier: NDArray[Any]) -> None:
    """Check that a callable target makes of the intact and the hidden image what it did earlier.

    Raises
    ------
    InvalidInputError
        If its values differ by over a thousandth of the largest (more in half precision).
    """
    if _apart(now, earlier) > _tolerance(1e-3, now.ravel(), earlier.ravel()):
        raise InvalidInputError(
            "`reuse` holds values of another callable target: of the intact and the hidden "
            "image they are not what `target` makes of the scores now. Pass the same target "
            "again, or explain without reuse."
        )


def check_same_model(now: NDArray[Any], earlier: NDArray[Any]) -> None:
    """Check that the model answers, to the intact image, what the rows that are reused hold.

    Parameters
    ----------
    now, earlier : ndarray, shape (k,)

    Raises
    ------
    InvalidInputError
        If a score is far apart.
    """
    if now.shape != earlier.shape:
        raise InvalidInputError(
            f"`reuse` holds rows of another model: {len(earlier)} scores an image, `predict_fn` "
            f"returns {len(now)}. Explain without reuse."
        )
    if (far := far_apart(now, earlier)).any():
        column = int(np.argmax(far))
        raise InvalidInputError(
            f"`reuse` holds rows of another model: of the intact image its column {column} is "
            f"{earlier[column]:.4g}, `predict_fn` answers {now[column]:.4g}. Explain without "
            "reuse; or, if it is the same model, let it answer the same every time (PyTorch: call "
            "net.eval() before)."
        )


def far_apart(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which scores (k,) of one image differ by over 5 % of themselves.

    In half precision 20 % are let pass. Every score counts relative to its own size: another model
    may differ in the small ones only. Logits near zero carry the rounding of large ones, so where
    scores are negative a thousandth of the largest is let pass as well.

    Examples
    --------
    >>> far_apart(np.array([0.9, 0.001]), np.array([0.9, 0.002]))
    array([False,  True])
    """
    a, b = one.astype(np.float64), other.astype(np.float64)
    half = _tolerance(0, one, other) > 1e-3
    sizes = np.maximum(np.abs(a), np.abs(b))
    rounding = (1e-3 if min(a.min(), b.min()) < 0 else 1e-7) * (10 if half else 1) * sizes.max()
    return np.abs(a - b) > (0.2 if half else 0.05) * sizes + rounding


def differs(one: NDArray[Any], other: NDArray[Any], hidden: NDArray[Any]) -> bool:
    """Return whether the answers to one image differ by more than the ways of computing them do.

    Libraries add in another order for another batch: 1e-4 of the largest score is let pass, and
    twice the rounding of half precision. `hidden` are the scores of the hidden image, NaN where
    there is none.
    """
    apart = _distance(one, other)
    if apart <= _BY_BATCH * np.abs(one).max():
        return False  # whatever the precision and the hidden image allow beside
    allowed = _tolerance(_BY_BATCH, one, other) * _largest(one, hidden) + least_steps(one)
    return apart > allowed


def targets_differ(
    one: NDArray[Any], other: NDArray[Any], hidden: NDArray[Any], targets: tuple[int, ...]
) -> bool:
    """Return whether the targets' own scores differ, which may be small beside all others.

    They do so by more than a hundredth of themselves. Logits near zero carry the rounding of large
    ones, so where scores are negative a millionth of the largest is let pass.

    Examples
    --------
    >>> one, other, hidden = np.array([[900.0, 0.5], [900.0, 0.4], [100.0, 0.1]])
    >>> differs(one, other, hidden), targets_differ(one, other, hidden, (1,))
    (False, True)
    """
    columns = list(targets)
    apart = _distance(one[columns], other[columns])
    if apart <= _BY_TARGET * np.abs(one[columns]).max():
        return False
    is_signed = min(one.min(), other.min()) < 0
    rounding = (1e-6 if is_signed else 0.0) * _largest(one, hidden)
    largest = _largest(one[columns], hidden[columns])
    return apart > max(rounding, _tolerance(_BY_TARGET, one, other) * largest)


def may_be_scaled(scores: NDArray[Any]) -> bool:
    """Return whether scores (n, k) of a batch may be scaled to the range of that batch.

    The intact image (the last row), if it is at an end of that range, then scores 0 or 1.

    Examples
    --------
    >>> may_be_scaled(np.array([[0.2], [0.6], [1.0]]))
    True
    >>> may_be_scaled(np.array([[0.2], [0.6], [0.9]])), may_be_scaled(np.array([[0], [1], [1]]))
    (False, False)
    """
    intact, low, high = scores[-1], scores.min(axis=0), scores.max(axis=0)
    is_end = ((intact == 0) | (intact == 1)) & ((intact == low) | (intact == high))
    others = ((scores != 0) & (scores != 1)).any(axis=0)
    return bool((is_end & others).any())


def all_alike(scores: NDArray[Any]) -> bool:
    """Return whether all images of a batch got the same scores, perhaps those of one of them.

    Examples
    --------
    >>> all_alike(np.array([[0.2, 0.8], [0.2, 0.8]])), all_alike(np.array([[0.2], [0.3]]))
    (True, False)
    """
    return len(scores) > 1 and bool((scores == scores[0]).all())


def why_it_differs(
    first: Sequence[NDArray[Any]],
    again: NDArray[Any],
    repeated: NDArray[Any],
    ask_copies: Callable[[], NDArray[Any]],
    hidden: NDArray[Any],
) -> list[NDArray[Any]] | None:
    """Say why the intact image scored otherwise when it was shown again.

    Parameters
    ----------
    first : sequence of ndarray, shape (k,)
        Its scores in the first call, and those of the hidden image if that was beside it.
    again : ndarray, shape (k,)
        Its scores among masked images.
    repeated : ndarray, shape (n, k)
        All scores when the first call was made once more.
    ask_copies : callable () -> ndarray, shape (n, k)
        Asks for the scores of copies of it in one batch: once, and again where they differ but the
        first call was answered alike. A small error at random may agree in two numbers by chance.
    hidden : ndarray, shape (k,)
        Scores of the hidden image, NaN where there is none.

    Returns
    -------
    list of ndarray, shape (2, k)
        Pairs of answers to the same image, where these differ by chance; else empty. None if
        neither the call nor the place in the batch is why: so the other images of the batch are.

    Raises
    ------
    PredictionError
        If the answer depends on the place in the batch, or on the call, by 2 % of the largest
        score and 5 % of what hiding everything changes. Where it depends on them less, a warning
        says so.
    """
    known, copies = first[0], ask_copies()
    by_place = any(differs(copies[0], other, hidden) for other in copies[1:])
    by_call = _differ(first, repeated, hidden)
    if by_place and not by_call:
        by_call = _differ(copies, ask_copies(), hidden)
    if by_place and by_call:
        answers = [known, again, repeated[0], *copies]
        pairs = [np.stack(pair) for pair in zip(answers[::2], answers[1::2], strict=False)]
        return warn_of_chance(pairs, hidden)
    if by_call:
        return check_calls(known, again, (), hidden)
    if not by_place:
        return None
    apart = max(_distance(one, other) for one in (known, *copies) for other in (again, *copies))
    _refuse_or_warn(
        "return scores in the order of the images",
        "depends on the place in the batch: in one batch, and every time alike, "
        f"{_how_much(apart, known, hidden)}. {_BY_PLACE}",
        apart, known, hidden,
    )  # fmt: skip
    return []


def _differ(
    answers: Iterable[NDArray[Any]], others: Iterable[NDArray[Any]], hidden: NDArray[Any]
) -> bool:
    return any(differs(*pair, hidden) for pair in zip(answers, others, strict=False))


def warn_of_chance(
    pairs: list[NDArray[Any]], hidden: NDArray[Any], *, surely: bool = True
) -> list[NDArray[Any]]:
    """Warn of a model that answers the same image differently; return the pairs (2, k)."""
    apart = max(_distance(*pair) for pair in pairs)
    much = _how_much(apart, pairs[0][0], hidden)
    warn(
        f"`predict_fn` answers at random{'' if surely else ', or otherwise from call to call'}: "
        f"shown again, {much}. Importances below that are noise. {_DROPOUT}"
    )
    return pairs


def check_calls(
    known: NDArray[Any], again: NDArray[Any], later: Sequence[NDArray[Any]], hidden: NDArray[Any]
) -> list[NDArray[Any]]:
    """Refuse a model that answers otherwise in later calls, or warn of one that answers at random.

    The two later answers agree with `again` where it is not chance; none were asked where that is
    known. Return pairs as `why_it_differs` does.
    """
    if any(differs(again, answer, hidden) for answer in later):
        pairs = [np.stack([known, again]), np.stack(later)]
        return warn_of_chance(pairs, hidden, surely=False)
    apart = _distance(known, again)
    _refuse_or_warn(
        "answer the same every time",
        f"changes from call to call: {_how_much(apart, known, hidden)}. {_BY_CALL}",
        apart, known, hidden,
    )  # fmt: skip
    return [np.stack([known, again])]


def check_company(
    ends: tuple[NDArray[Any], NDArray[Any]],
    alone: Sequence[NDArray[Any]],
    again: NDArray[Any],
) -> None:
    """Refuse a model whose score of an image depends on the rest of its batch.

    Parameters
    ----------
    ends, alone : pair of ndarray, shape (k,)
        Scores of the intact and the hidden image in the first call, and of each by itself.
    again : ndarray, shape (k,)
        Scores of the intact image among masked ones.

    Raises
    ------
    PredictionError
        If they differ as much as `why_it_differs` refuses.
    """
    pairs = [(ends[0], again), *zip(ends, alone, strict=True)]
    if not any(differs(*pair, ends[1]) for pair in pairs):
        return
    apart = max(_distance(*pair) for pair in pairs)
    true = alone if np.isfinite(alone).all() else ends  # by themselves they are not mixed up
    _refuse_or_warn(
        "score every image by itself",
        f"depends on the other images of the batch: {_how_much(apart, *true)}. {_BY_COMPANY}",
        apart, *true,
    )  # fmt: skip


def check_memory(alike: NDArray[Any], copies: NDArray[Any], hidden: NDArray[Any]) -> None:
    """Refuse a model that answers copies of the intact image as it answered other images.

    Parameters
    ----------
    alike : ndarray, shape (b, k)
        Scores of two batches of different images.
    hidden : ndarray, shape (k,)
        Scores of the hidden image.
    copies : ndarray, shape (b, k)
        Scores of as many copies of the intact image.

    Raises
    ------
    PredictionError
        If these are the same, number by number, or differ among themselves: an honest model may
        score two batches alike, but copies of one image are alike as well.
    """
    if np.array_equal(alike, copies) or any(differs(copies[0], each, hidden) for each in copies):
        raise PredictionError(
            "`predict_fn` must score the images that it is given; it answers every batch of "
            f"{len(alike)} images alike. Does it keep answers by the shape or the place of the "
            "batch, or return an earlier one? Let it compute every batch anew."
        )


def _refuse_or_warn(
    must: str, but: str, apart: float, before: NDArray[Any], hidden: NDArray[Any]
) -> None:
    """Refuse a model whose answer differs much, warn of one whose answer differs a little."""
    changed = _changed(before, hidden)
    if apart > 0.02 * _largest(before, hidden) and apart > 0.05 * changed:
        raise PredictionError(f"`predict_fn` must {must}; its answer {but}.")
    if apart > _LITTLE * changed:
        warn(f"the answer {but}.")


def _distance(one: NDArray[Any], other: NDArray[Any]) -> float:
    return float(np.abs(one.astype(np.float64) - other.astype(np.float64)).max())


def _how_much(apart: float, before: NDArray[Any], hidden: NDArray[Any]) -> str:
    if not np.isfinite(apart):
        return "an image by itself has no finite score"
    share = 100 * apart / (_changed(before, hidden) or apart)
    return (
        f"scores of the same image differ by up to {apart:.2g}, {share:.2g} % of what hiding "
        "everything changes"
    )


def _changed(before: NDArray[Any], hidden: NDArray[Any]) -> float:
    """Return by how much hiding everything changes the scores; their size where it does not."""
    changed = np.abs(before.astype(np.float64) - hidden.astype(np.float64)).max()
    return float(changed) if changed > 0 else _largest(before, hidden)


def _largest(before: NDArray[Any], hidden: NDArray[Any]) -> float:
    both = np.abs(np.stack([before, hidden]).astype(np.float64))
    return float(np.nanmax(both))


def _apart(scores: NDArray[Any], others: NDArray[Any]) -> float:
    """Return the largest difference as a share of the largest of both."""
    if scores.shape != others.shape:
        return float("inf")
    a, b = scores.astype(np.float64), others.astype(np.float64)
    difference = float(np.abs(a - b).max())
    return difference / float(np.maximum(np.abs(a), np.abs(b)).max()) if difference > 0 else 0.0
