"""Whether two answers of a model agree, and what it means where they do not."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._statistics import is_still
from limelens.errors import InvalidInputError, PredictionError, warn

_CAUSES = (
    "Usual causes: softmax over the batch (use axis=-1), batch normalisation in training mode "
    "(call net.eval()), scaling by the batch's own mean or range (use fixed numbers)"
)
_LITTLE = 0.01  # of what hiding everything changes
_DROPOUT = "Is dropout left on? PyTorch: call net.eval() before; Keras: training=False."


def is_within_rounding(values: NDArray[np.float64], precision: float) -> NDArray[np.bool_]:
    """Return which targets, shape (t,), change by no more than a few units in the last place.

    Examples
    --------
    >>> is_within_rounding(np.array([[1.0, 1.0], [1 - 3e-7, 0.9]]), 1.2e-7)
    array([ True, False])
    """
    rounding = 8 * precision * np.abs(values).max(axis=0)
    return np.asarray(is_still(values) | (np.ptp(values, axis=0) <= rounding))


def precision_of(scores: NDArray[Any]) -> float:
    """Return the relative precision of a model's numbers, whatever dtype they came in.

    Examples
    --------
    >>> precision_of(np.array([0.1])), precision_of(np.array([0.1], np.float32).astype(float))
    (2.220446049250313e-16, 1.1920928955078125e-07)
    """
    if scores.dtype.kind != "f":
        return 0.0
    for dtype in (np.float16, np.float32):
        with np.errstate(over="ignore"):
            # Most scores are told from the first row, at a small part of the cost.
            parts = (scores[:1], scores)
            if scores.dtype == dtype or all((part.astype(dtype) == part).all() for part in parts):
                return float(np.finfo(dtype).eps)
    return float(np.finfo(np.float64).eps)


def check_one_model(prepared: NDArray[Any], intact: NDArray[Any]) -> None:
    """Check that a model scores the intact image and what it prepares of it alike.

    Raises
    ------
    InvalidInputError
        If the scores differ by over 5 % of the largest, more than half precision makes of them.
    """
    apart = _apart(prepared, intact)
    if apart > 0.05:
        msg = (
            "`predict_fn(batch)` must be `predict_fn.predict_prepared(predict_fn.prepare(batch))`; "
            f"the intact image's scores differ by {apart:.2g} of the largest. Let both return the "
            "same (both probabilities, or both logits)."
        )
        raise InvalidInputError(msg)


def check_same_target(now: NDArray[Any], earlier: NDArray[Any]) -> None:
    """Check that a callable target makes of the intact and the hidden image what it did earlier.

    Raises
    ------
    InvalidInputError
        If its values differ by over a thousandth of the largest.
    """
    if _apart(now, earlier) > 1e-3:
        msg = (
            "`reuse` holds values of another callable target: of the intact and the hidden "
            "image they are not what `target` makes of the scores now. Pass the same target "
            "again, or explain without reuse."
        )
        raise InvalidInputError(msg)


def check_same_model(now: NDArray[Any], earlier: NDArray[Any]) -> None:
    """Check that the model answers, to the intact image, what the rows that are reused hold.

    Every score counts relative to its own size: another model may differ in the small ones only.
    Logits near zero carry the rounding of large ones, so where scores are negative a thousandth of
    the largest is let pass as well.

    Parameters
    ----------
    now, earlier : ndarray, shape (k,)

    Raises
    ------
    InvalidInputError
        If a score differs by over 5 % of itself (20 % in half precision).
    """
    a, b = now.astype(np.float64), earlier.astype(np.float64)
    if a.shape != b.shape:
        msg = (
            f"`reuse` holds rows of another model: {len(b)} scores an image, `predict_fn` "
            f"returns {len(a)}. Explain without reuse."
        )
        raise InvalidInputError(msg)
    half = min(now.dtype.itemsize, earlier.dtype.itemsize) <= 2
    sizes = np.maximum(np.abs(a), np.abs(b))
    rounding = (1e-3 if min(a.min(), b.min()) < 0 else 1e-7) * (10 if half else 1) * sizes.max()
    far = np.abs(a - b) > (0.2 if half else 0.05) * sizes + rounding
    if far.any():
        column = int(np.argmax(far))
        msg = (
            f"`reuse` holds rows of another model: of the intact image its column {column} is "
            f"{b[column]:.4g}, `predict_fn` answers {a[column]:.4g}. Explain without reuse; "
            "or, if it is the same model, let it answer the same every time (PyTorch: call "
            "net.eval() before)."
        )
        raise InvalidInputError(msg)


def differs(one: NDArray[Any], other: NDArray[Any], hidden: NDArray[Any]) -> bool:
    """Return whether the answers to one image differ by more than the ways of computing them do.

    Libraries add in another order for another batch: 1e-4 of the largest score is let pass, of half
    precision 1e-2. `hidden` are the scores of the hidden image, NaN where there is none.
    """
    half = one.dtype.itemsize <= 2 and one.dtype.kind == "f"
    apart = np.abs(one.astype(np.float64) - other.astype(np.float64)).max()
    return bool(apart > (1e-2 if half else 1e-4) * _largest(one, hidden))


def is_flat(scores: NDArray[Any]) -> bool:
    """Return whether scores of an image alone in its batch say that it was scaled by the batch.

    Softmax over a batch of one gives 1, whatever the image; centring by the batch gives 0.

    Examples
    --------
    >>> is_flat(np.array([1.0, 1.0])), is_flat(np.array([0.3, 0.7]))
    (True, False)
    """
    flat = np.abs(scores.astype(np.float64) - float(scores[0])).max() <= 1e-6
    return bool(flat and (len(scores) > 1 or float(scores[0]) in (0.0, 1.0)))


def covers_zero_to_one(scores: NDArray[Any]) -> bool:
    """Return whether each column of scores (n, k) has an exact 0, an exact 1 and what is between.

    Examples
    --------
    >>> covers_zero_to_one(np.array([[0.0], [0.4], [1.0]]))
    True
    >>> covers_zero_to_one(np.array([[0.0], [1.0]])), covers_zero_to_one(np.array([[0.1], [1.0]]))
    (False, False)
    """
    ends = (scores.min(axis=0) == 0) & (scores.max(axis=0) == 1)
    return bool((ends & ((scores > 0) & (scores < 1)).any(axis=0)).all())


def warn_of_chance(pairs: Sequence[NDArray[Any]], hidden: NDArray[Any]) -> None:
    """Warn of a model that answers the same image differently; pairs (2, k) of answers to one."""
    apart = max(float(np.abs(np.subtract(*pair.astype(np.float64))).max()) for pair in pairs)
    much = _how_much(apart, pairs[0][0], hidden)
    warn(
        f"`predict_fn` answers at random: shown again, {much}. Importances below that are "
        f"noise. {_DROPOUT}"
    )


def warn_of_chance_or_batch(
    before: NDArray[Any], again: NDArray[Any], alone: NDArray[Any], hidden: NDArray[Any]
) -> bool:
    """Warn of answers that differ either by chance or by the company of the image.

    Return whether: up to 1 % of what hiding everything changes is let pass, since batches of other
    sizes may be computed by other algorithms of lower precision.
    """
    both = np.stack([again, alone]).astype(np.float64)
    apart = float(np.abs(both - before).max())
    if apart <= _LITTLE * _changed(before, hidden):
        return False
    much = _how_much(apart, before, hidden)
    warn(
        f"`predict_fn` answers the same image differently: shown again, {much}. Either its answer "
        f"depends on the other images of the batch, or it answers at random. {_CAUSES}; or dropout "
        "is left on (call net.eval())."
    )
    return True


def check_batch_independence(
    before: NDArray[Any], again: NDArray[Any], hidden: NDArray[Any]
) -> None:
    """Refuse a model whose score of the intact image depends on the rest of its batch.

    Parameters
    ----------
    before, again, hidden : ndarray, shape (k,)
        Scores of the intact image in two batches, which differ, and of the hidden one.

    Raises
    ------
    PredictionError
        If they differ by 2 % of the largest score, and by 5 % of what hiding everything changes.
        Where they differ less, a warning says so.
    """
    apart = float(np.abs(before.astype(np.float64) - again.astype(np.float64)).max())
    changed = _changed(before, hidden)
    much = _how_much(apart, before, hidden)
    if apart > 0.02 * _largest(before, hidden) and apart > 0.05 * changed:
        msg = (
            "`predict_fn` must score every image by itself; its answer depends on the other images "
            f"of the batch: in another one {much}. {_CAUSES}. Or it answers otherwise in some "
            "calls only, by chance or in the first one."
        )
        raise PredictionError(msg)
    if apart > _LITTLE * changed:
        warn(
            f"the answer depends on the other images of the batch: in another one {much}. "
            f"{_CAUSES}."
        )


def _how_much(apart: float, before: NDArray[Any], hidden: NDArray[Any]) -> str:
    share = 100 * apart / _changed(before, hidden)
    return (
        f"the intact image's scores differ by up to {apart:.2g}, {share:.2g} % of what hiding "
        "everything changes"
    )


def _changed(before: NDArray[Any], hidden: NDArray[Any]) -> float:
    """Return by how much hiding everything changes the scores; their size where it does not."""
    changed = np.abs(before.astype(np.float64) - hidden.astype(np.float64)).max()
    return float(changed) if changed > 0 else _largest(before, hidden)


def _largest(before: NDArray[Any], hidden: NDArray[Any]) -> float:
    both = np.abs(np.stack([before, hidden]).astype(np.float64))
    return float(np.nanmax(both)) or 1.0


def _apart(scores: NDArray[Any], others: NDArray[Any]) -> float:
    """Return the largest difference as a share of the largest of the others."""
    if scores.shape != others.shape:
        return float("inf")
    a, b = scores.astype(np.float64), others.astype(np.float64)
    difference = float(np.abs(a - b).max())
    return difference / float(np.abs(b).max()) if difference > 0 and b.any() else difference
