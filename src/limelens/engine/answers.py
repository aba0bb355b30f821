"""Checks of what the caller's functions answer: scores, coalitions, earlier answers."""

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Mapping,
    Sequence,
    Set,
)
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.conversions import call_for, odd_one
from limelens._checks.values import describe, hides_values, is_masked
from limelens._typing import Scores
from limelens.errors import PredictionError, warn

LARGEST_SCORE = 1e100
"""Sums of squares of larger scores would be infinite."""


def check_scores(
    raw: object, n_images: int, *, any_rank: bool = False, name: str = "predict_fn"
) -> NDArray[Any]:
    """Return what `predict_fn` answered as `(n_images, k)` finite numbers, in its own dtype.

    Parameters
    ----------
    raw : object
        The model's answer, untouched.
    n_images : int
        How many images the model was given.
    any_rank : bool
        Whether more than two axes are allowed: a callable target reduces them.
    name : str
        What the model is called in the signature.

    Raises
    ------
    PredictionError
        Says what came and what to return.
    """
    if type(raw) is np.ndarray and _is_sound(raw, n_images):  # as nearly every answer is
        return raw[:, np.newaxis] if raw.ndim == 1 else raw
    want = f"`{name}` was given {n_images} images and must return ({n_images}, n_targets) scores"
    if instead := _returned_instead(raw, n_images):
        raise PredictionError(f"{want} as one array; got {_kind(raw)}. {instead}")
    if is_masked(raw):
        raise PredictionError(f"{want}; got masked values. Give those a number: scores.filled(0).")
    scores = _as_array(raw, want)
    if scores.dtype.kind not in "buif":
        came = describe(scores if scores.ndim else raw)
        raise PredictionError(
            f"{want}; got {came}, which are not real numbers.{_made_numbers(raw, scores)}"
        )
    if scores.ndim == 0 or len(scores) != n_images or scores.size == 0:
        came = "a single number" if scores.ndim == 0 else f"shape {scores.shape}"
        raise PredictionError(f"{want}; got {came}.{_one_row_each(scores.shape, n_images)}")
    if scores.ndim > 2 and not any_rank:
        raise PredictionError(f"{want}; got shape {scores.shape}. {_reducing(scores.shape)}")
    _check_usable(scores, n_images, want)
    return scores[:, np.newaxis] if scores.ndim == 1 else scores


def _check_usable(scores: NDArray[Any], n_images: int, want: str) -> None:
    """Refuse scores that are not finite or cannot be squared."""
    usable = _usable(scores)
    if not usable.all():
        row, *column = np.argwhere(~usable)[0].tolist()
        first = scores[(row, *column)]
        msg = (
            f"{want}, all finite and up to {LARGEST_SCORE:g}, so that sums of squares are finite; "
            f"image {row} of this batch got NaN, infinite or larger scores, the first {first:g} in "
            f"column {column[0] if column else 0}."
        )
        if np.isposinf(first) and scores.dtype == np.float16:
            msg += " float16 ends at 65504: let it compute in float32."
        elif np.isneginf(first):
            msg += " Of a logarithm, bound what it is taken of: np.log(np.maximum(scores, 1e-12))."
        if n_images == 1:
            msg += (
                " Are they scaled by the batch's own mean or range, of which a single image has "
                "none? Use fixed numbers."
            )
        raise PredictionError(msg)


def warn_of_class_numbers(ends: NDArray[Any]) -> None:
    """Warn where scores (1 or 2, k) are numbers of classes: one whole number, or an order of them.

    `predict` and `argmax` give the first, `argsort` the other.
    """
    if ends.dtype.kind not in "iu":
        return
    if ends.shape[1] == 1:
        warn(
            f"`predict_fn` returns one whole number an image, {ends[0, 0]} for the intact one. If "
            "that is the number of a class, importances tell nothing: return the scores of all "
            "classes (scikit-learn: predict_proba in place of predict). If it counts something, "
            "return it as float: np.asarray(counts, float)."
        )
    elif (
        ends.shape[1] >= _FEWEST_SORTED
        and (np.sort(ends, axis=1) == np.arange(ends.shape[1])).all()
    ):
        warn(
            f"`predict_fn` returns the numbers 0 to {ends.shape[1] - 1} in some order for the "
            "intact and for the hidden image. If these are the classes by their rank, as argsort "
            "gives them, importances tell nothing: return the scores."
        )


_FEWEST_SORTED = 5
"""Of so many columns an honest model's are rarely in the order of their size, twice."""


def warn_of_sorted_scores(ends: NDArray[Any]) -> None:
    """Warn where the scores (2, k) of both ends are in the order of their size.

    Column 0 then is the highest score of an image, of whichever class that is.
    """
    steps = np.diff(ends.astype(np.float64), axis=1)
    is_sorted = bool((steps <= 0).all() or (steps >= 0).all())
    moves = bool((ends != ends[0]).any())  # otherwise both are one row, whose order says little
    n_distinct = 1 + np.count_nonzero(steps, axis=1)
    if is_sorted and moves and n_distinct.min() >= _FEWEST_SORTED:
        warn(
            "`predict_fn` returns the scores of the intact and of the hidden image in the order of "
            "their size. If every row is sorted, a column is another class for every image: "
            "return them in one order of the classes."
        )


def mean_scores(scores: Scores | Sequence[Scores]) -> Scores:
    """Return the mean over the backgrounds; of one, its scores in their own dtype."""
    if len(scores) == 1:
        return scores[0]
    return np.asarray(np.mean(scores, axis=0, dtype=np.float64))


def _is_sound(scores: NDArray[Any], n_images: int) -> bool:
    """Return whether an array is scores of so many images, of at most two axes."""
    if scores.dtype.kind not in "buif" or scores.ndim not in (1, 2) or not scores.size:
        return False
    return len(scores) == n_images and bool(_usable(scores).all())


def _usable(scores: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which scores are finite and can be squared."""
    if scores.dtype.kind != "f" or scores.dtype.itemsize <= 4:  # float32 ends at 3e38
        return np.isfinite(scores)
    return np.asarray(np.abs(scores) <= LARGEST_SCORE)


def _reducing(shape: tuple[int, ...]) -> str:
    """Return what makes scores of more than two axes two.

    The classes are on the one axis that is as long as no other: height and width are often equal,
    and rarely the number of classes. Where that does not tell, they are on the shortest.

    Examples
    --------
    >>> _reducing((2, 5, 1, 1))
    'Return scores.reshape(len(scores), -1).'
    >>> _reducing((2, 5, 4, 4))[-61:]
    'example target=lambda scores: scores[:, 1].mean(axis=(1, 2)).'
    """
    lengths = shape[1:]
    if sum(length > 1 for length in lengths) <= 1:
        return "Return scores.reshape(len(scores), -1)."
    alone = [axis for axis, length in enumerate(lengths, 1) if lengths.count(length) == 1]
    shortest = 1 + int(np.argmin(lengths))
    classes = alone[0] if len(alone) == 1 else shortest
    column = min(1, shape[classes] - 1)
    rest = tuple(range(1, len(lengths)))
    where = {1: f"scores[:, {column}]", len(lengths): f"scores[..., {column}]"}.get(
        classes, f"scores.take({column}, axis={classes})"
    )
    how = f"{where}.mean(axis={rest})"
    if len(set(lengths)) == 1:  # a map of one score, or no telling
        how = f"scores.mean(axis={tuple(range(1, len(shape)))})"
    return (
        "For such outputs pass a callable target that reduces them to (n,) or (n, t), for example "
        f"target=lambda scores: {how}."
    )


def _returned_instead(raw: object, n_images: int) -> str:
    """Return the line that makes scores of what is no array of them; nothing where it may be."""
    if raw is None or isinstance(raw, (str, bytes)):
        return "Return only the scores."
    for name in ("logits", "scores", "probs"):
        if hasattr(raw, name) and not hasattr(raw, "shape"):
            return f"Return output.{name}."
    if isinstance(raw, Mapping):
        return f"Return only the scores, for example output[{likely_scores(raw)!r}]."
    if isinstance(raw, tuple):
        return f"Return only the scores, for example output[{likely_scores(raw)}]."
    return _listed_instead(raw, n_images) if isinstance(raw, list) and raw else ""


def _listed_instead(raw: list[Any], n_images: int) -> str:
    first = raw[0]
    if isinstance(first, Mapping):
        return "Return a row of numbers an image: [list(image.values()) for image in output]."
    if isinstance(first, (list, tuple)) and first and isinstance(first[0], Mapping):
        return (
            "Return [[each['score'] for each in sorted(image, key=lambda each: each['label'])] "
            "for image in output], which has one order of the labels for all images."
        )
    if getattr(first, "ndim", 0) >= 2 and len(first) == n_images:
        likely = likely_scores(raw)
        return f"It holds several outputs; return one of them, for example output[{likely}]."
    return ""


def likely_scores(outputs: Mapping[Any, Any] | Sequence[Any]) -> Any:
    """Return the key of the output that looks most like scores, a table (n, k); else the first.

    Examples
    --------
    >>> likely_scores({"labels": np.array([1]), "probabilities": np.array([[0.2, 0.8]])})
    'probabilities'
    """
    keys = list(outputs) if isinstance(outputs, Mapping) else range(len(outputs))
    tables = (key for key in keys if getattr(outputs[key], "ndim", 0) == 2)
    return next(tables, next(iter(keys), None))


def _one_row_each(shape: tuple[int, ...], n_images: int) -> str:
    """Return what makes one row an image of scores of another shape.

    Examples
    --------
    >>> _one_row_each((3, 8), 8)
    ' If its columns are the images, return scores.T.'
    >>> _one_row_each((16,), 8)
    ' If it holds one image after the other, return scores.reshape(len(batch), -1).'
    """
    if len(shape) > 2 and shape[:2] == (1, n_images):
        return " Return scores[0]."
    said = ""
    if len(shape) == 2 and shape[1] == n_images:
        said = " If its columns are the images, return scores.T."
    elif len(shape) == 1 and shape[0] and shape[0] % n_images == 0:
        said = " If it holds one image after the other, return scores.reshape(len(batch), -1)."
    if not shape or shape[0] == 1:
        said += (
            " If it scores one image a call: "
            "predict_fn=lambda batch: np.array([np.ravel(predict_fn(image[np.newaxis])) "
            "for image in batch])."
        )
    return said


def _made_numbers(raw: object, scores: NDArray[Any]) -> str:
    """Return the call that makes an array of numbers of what holds numbers in another form."""
    if isinstance(raw, (Awaitable, AsyncIterator)):
        getattr(raw, "close", bool)()  # nobody will await it
        if isinstance(raw, Awaitable):
            return " Wait for it: predict_fn=lambda batch: asyncio.run(predict_fn(batch))."
        return " An asynchronous generator has no scores by itself; return an array."
    if callable(getattr(raw, "result", None)):
        return " Wait for it: return output.result()."
    if isinstance(raw, Set):
        return " A set has no order; return a list or an array."
    if call := call_for("scores", raw, scores):
        return f" Return {call}."
    odd = odd_one(scores)
    if odd.startswith(("'", '"')):
        return f" {odd} may be the name of a class: return the scores of all classes."
    return f" {odd} is none." if odd else ""


def _kind(raw: object) -> str:
    if isinstance(raw, list):
        return f"a list of {len(raw)} {type(raw[0]).__name__}s"
    if isinstance(raw, (tuple, dict)):
        return f"a {type(raw).__name__} of length {len(raw)}"
    return "None" if raw is None else f"a {type(raw).__name__}"


def _as_numpy(raw: Any) -> NDArray[Any]:
    """Return a host's array: also a tensor with a graph behind it, also of bfloat16."""
    if callable(getattr(raw, "detach", None)) and getattr(raw.device, "type", "") == "cpu":
        raw = raw.detach()
        raw = raw.float() if str(raw.dtype).endswith("bfloat16") else raw
    if isinstance(raw, list) and raw and all(hasattr(each, "detach") for each in raw):
        raw = [_as_numpy(each) for each in raw]
    array = np.asanyarray(raw)
    if hides_values(array):  # made by __array__
        raise TypeError("it hides values behind a mask")
    array = np.asarray(array)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def _as_array(raw: object, want: str) -> NDArray[Any]:
    try:
        return _as_numpy(raw)
    except (ValueError, TypeError, RuntimeError) as error:
        kind = f"{type(raw).__module__}.{type(raw).__name__}"
        if hasattr(raw, "detach") or hasattr(raw, "__dlpack__"):
            device = getattr(raw, "device", "a device")
            msg = (
                f"{want} as a NumPy array; got a {kind} on {device} that NumPy cannot read. "
                "Return scores.detach().cpu().float().numpy()."
            )
        elif isinstance(raw, (list, tuple)) and isinstance(error, ValueError):
            msg = f"{want}; got a list of rows of different lengths ({error})."
        else:
            msg = f"{want} as a NumPy array; got a {kind}, which NumPy cannot read ({error})."
        raise PredictionError(msg) from error
