"""Gradients and features of a differentiable model, asked for in batches and checked."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._axes import over_channels
from limelens._checks.values import check_numeric, describe
from limelens._typing import Batch, Floats, Image
from limelens.engine.query import Query
from limelens.errors import InvalidInputError, PredictionError, add_note


def check_floating(image: Image) -> None:
    """Refuse images that cannot be changed in small steps.

    Raises
    ------
    InvalidInputError
        If the image is not floating-point.
    """
    if image.dtype.kind != "f":
        raise InvalidInputError(
            f"`image` must be floating-point for gradients; got {describe(image)}. Convert it as "
            "the model expects, for example image.astype(np.float32) / 255."
        )


def score_columns(query: Query) -> tuple[int, ...]:
    """Return the targets' score columns; a gradient exists for columns only.

    Raises
    ------
    InvalidInputError
        If the target is a callable.
    """
    if query.columns.is_callable:
        raise InvalidInputError(
            "`target` must be a score column for gradient methods, not a callable. Let the model "
            "itself return that value as a score."
        )
    return query.targets


def ask_gradient(query: Query, batch: Batch, target: int) -> Floats:
    """Return the derivatives of a score column by the image's elements, (n, *image.shape).

    They are zero for pixels that do not count.

    Raises
    ------
    InvalidInputError
        If the model offers no gradient; the message shows how to give one.
    PredictionError
        If the gradient has another shape or is not finite.
    """
    array = _as_numbers("gradient", _ask(query, "gradient", batch, target))
    if query.valid is not None and array.shape == batch.shape:
        array = np.where(over_channels(query.valid, query.image, query.channel_axis), array, 0)
    _check(array, batch.shape, "gradient")
    return array.astype(np.float64)


def ask_features(query: Query, batch: Batch, target: int) -> tuple[Floats, Floats]:
    """Return a layer's activations and the score's derivatives by them, (n, maps, *cells) each.

    Raises
    ------
    InvalidInputError
        If the model offers no features; the message shows how to give them.
    PredictionError
        If the answer is not a pair of arrays of the same shape, or not finite.
    """
    answer = _ask(query, "features", batch, target)
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise PredictionError(
            f"`features` must return (activations, gradients); got {describe(answer)}."
        )
    activations, gradients = (_as_numbers("features", each) for each in answer)
    if activations.ndim < 3 or len(activations) != len(batch) or 0 in activations.shape:
        raise PredictionError(
            f"`features` was given {len(batch)} images and must return activations "
            f"({len(batch)}, maps, *cells); got {describe(activations)}."
        )
    _check(activations, activations.shape, "features")
    _check(gradients, activations.shape, "features")
    return activations.astype(np.float64), gradients.astype(np.float64)


_GIVE = {
    "gradient": "limelens.with_gradient(predict_fn, gradient_fn), or limelens.from_torch(net)",
    "features": (
        "limelens.with_gradient(predict_fn, features_fn=features_fn), or "
        "limelens.from_torch(net, layer=...)"
    ),
}


def _ask(query: Query, name: str, batch: Batch, target: int) -> Any:
    offered = getattr(query.model, name)
    if offered is None:
        raise InvalidInputError(
            f"`predict_fn` must offer `{name}(batch, target)` for this method; got one without. "
            f"Give it one: {_GIVE[name]}."
        )
    try:
        answer = offered(batch, target)
    except BaseException as error:
        add_note(error, f"raised by `{name}` on a {batch.dtype} batch of {batch.shape}")
        raise
    query.count(len(batch))
    return answer


def _as_numbers(name: str, raw: object) -> NDArray[Any]:
    """Return what a function of the model answered as an array of numbers."""
    try:
        return check_numeric(name, raw, finite=False)
    except InvalidInputError as error:
        raise PredictionError(f"What `{name}` returns: {error}") from error


def _check(array: NDArray[Any], shape: tuple[int, ...], name: str) -> None:
    if array.shape != shape or array.dtype.kind not in "buif":
        raise PredictionError(
            f"`{name}` must return numbers of shape {shape}; got {describe(array)}."
        )
    if not np.isfinite(array).all():
        raise PredictionError(f"`{name}` must return finite numbers; got NaN or infinite ones.")
