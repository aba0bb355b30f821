"""Checks of what the caller's functions answer: scores, coalitions, earlier answers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import describe
from limelens._typing import ClassNames, Scores
from limelens.errors import InvalidInputError, PredictionError

LARGEST_SCORE = 1e150


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
    want = f"`{name}` was given {n_images} images and must return ({n_images}, n_targets) scores"
    if raw is None or isinstance(raw, (tuple, dict, str, bytes)):
        msg = f"{want} as one array; got {_kind(raw)}. Return only the scores."
        raise PredictionError(msg)
    if np.ma.is_masked(raw):
        msg = f"{want}; got masked values. Give those a number: scores.filled(0)."
        raise PredictionError(msg)
    scores = _as_array(raw, want)
    if scores.dtype.kind not in "buif":
        msg = f"{want}; got {describe(scores)}, which are not real numbers."
        raise PredictionError(msg)
    if scores.ndim == 0 or len(scores) != n_images or scores.size == 0:
        msg = f"{want}; got {'a single number' if scores.ndim == 0 else f'shape {scores.shape}'}."
        raise PredictionError(msg)
    if scores.ndim > 2 and not any_rank:
        msg = (
            f"{want}; got shape {scores.shape}. For such outputs pass a callable target that "
            "reduces them to (n,) or (n, t), for example "
            "target=lambda scores: scores[..., 1].mean(axis=(1, 2))."
        )
        raise PredictionError(msg)
    usable = _usable(scores)
    if not usable.all():
        row = int(np.argwhere(~usable)[0][0])
        msg = (
            f"{want}, all finite and up to {LARGEST_SCORE:g} (their squares must be finite too); "
            f"image {row} of this batch got NaN, infinite or larger scores."
        )
        raise PredictionError(msg)
    return scores[:, np.newaxis] if scores.ndim == 1 else scores


def mean_scores(scores: Scores | Sequence[Scores]) -> Scores:
    """Return the mean over the backgrounds; of one, its scores in their own dtype."""
    if len(scores) == 1:
        return scores[0]
    return np.asarray(np.mean(scores, axis=0, dtype=np.float64))


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
            "`reuse` holds values of another callable target: of the intact and the hidden image "
            "they are not what `target` makes of the scores now. Pass the same target again, or "
            "explain without reuse."
        )
        raise InvalidInputError(msg)


def _apart(scores: NDArray[Any], others: NDArray[Any]) -> float:
    """Return the largest difference as a share of the largest of the others."""
    if scores.shape != others.shape:
        return float("inf")
    a, b = scores.astype(np.float64), others.astype(np.float64)
    difference = float(np.abs(a - b).max())
    return difference / float(np.abs(b).max()) if difference > 0 and b.any() else difference


def _usable(scores: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which scores are finite and can be squared."""
    if scores.dtype.kind != "f" or float(np.finfo(scores.dtype).max) <= LARGEST_SCORE:
        return np.isfinite(scores)
    return np.asarray(np.abs(scores) <= LARGEST_SCORE)


def _kind(raw: object) -> str:
    if isinstance(raw, (tuple, dict)):
        return f"a {type(raw).__name__} of length {len(raw)}"
    return "None" if raw is None else f"a {type(raw).__name__}"


def _as_array(raw: object, want: str) -> NDArray[Any]:
    try:
        return np.asarray(raw)
    except (ValueError, TypeError, RuntimeError) as error:
        kind = f"{type(raw).__module__}.{type(raw).__name__}"
        if hasattr(raw, "detach") or hasattr(raw, "__dlpack__"):
            device = getattr(raw, "device", "a device")
            msg = (
                f"{want} as a NumPy array; got a {kind} on {device} that NumPy cannot read. "
                "Return scores.detach().cpu().numpy()."
            )
        elif isinstance(raw, (list, tuple)) and isinstance(error, ValueError):
            msg = f"{want}; got a list of rows of different lengths ({error})."
        else:
            msg = f"{want} as a NumPy array; got a {kind}, which NumPy cannot read ({error})."
        raise PredictionError(msg) from error


def check_class_names(
    class_names: ClassNames, n_columns: int, *, name: str = "class_names"
) -> dict[int, str]:
    """Return the names of the score columns by column; unnamed columns are their number."""
    names = {column: str(column) for column in range(n_columns)}
    if class_names is None:
        return names
    if isinstance(class_names, Mapping):
        unknown = [column for column in class_names if column not in names]
        if unknown:
            msg = f"`{name}` names column {unknown[0]!r}; the model has {n_columns} columns."
            raise InvalidInputError(msg)
        return names | {int(column): str(text) for column, text in class_names.items()}
    listed = isinstance(class_names, (Sequence, np.ndarray)) and not isinstance(class_names, str)
    if not listed or len(class_names) != n_columns:
        msg = (
            f"`{name}` must be a sequence that names all {n_columns} score columns, or a "
            f"mapping from column to name; got {describe(class_names)}."
        )
        raise InvalidInputError(msg)
    return {column: str(text) for column, text in enumerate(class_names)}


def check_reuse(reuse: Any, fingerprint: str) -> Any:
    """Return the samples of an earlier explanation, if they are of the same query.

    Parameters
    ----------
    reuse : Explanation, Samples or None
    fingerprint : str
        Digests of image, segments and backgrounds, joined by dots.
    """
    samples = getattr(reuse, "samples", reuse)
    if samples is None:
        if reuse is None:
            return None
        msg = (
            "`reuse` is an explanation without samples; explain anew. Files keep them with "
            "explanation.save(path, samples='all')."
        )
        raise InvalidInputError(msg)
    if not hasattr(samples, "fingerprint"):
        msg = f"`reuse` must be an Explanation or its samples; got {describe(reuse)}."
        raise InvalidInputError(msg)
    if samples.columns is not None:
        msg = (
            f"`reuse` must hold all scores of the model; got only those of its columns "
            f"{samples.columns}, as files do by default. Save the explanation with "
            "save(path, samples='all'), or explain without reuse."
        )
        raise InvalidInputError(msg)
    theirs = samples.fingerprint.split(".")
    names = ("image", "segmentation or kind of masks", "background")
    for name, ours, other in zip(names, fingerprint.split("."), theirs, strict=True):
        if ours != other:
            msg = (
                f"`reuse` holds rows of another {name}; rows can be used again only with the same "
                "image, segments and background."
            )
            raise InvalidInputError(msg)
    return samples
