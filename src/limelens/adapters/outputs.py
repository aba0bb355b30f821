"""Scores from a network's outputs: the right entry, and softmax or sigmoid."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_callable, check_int, describe
from limelens.engine.answers import likely_scores
from limelens.errors import InvalidInputError

Output: TypeAlias = "str | Callable[[Any], Any]"
"""How outputs become scores: "softmax", "sigmoid", "raw", or a callable."""

CHOICES = ("softmax", "sigmoid", "raw")
_NAMES = ("logits", "logits_per_image")  # the second is that of CLIP and similar models
_KEYS = (*_NAMES, "out")  # torchvision's, for segmentation


def check_output_choice(output: object) -> Any:
    """Return `output` if it is one of the names or can be called."""
    if isinstance(output, str) and output in CHOICES:
        return output
    if not callable(output):
        listed = ", ".join(f'"{choice}"' for choice in CHOICES)
        raise InvalidInputError(
            f"`output` must be {listed} or a callable (outputs) -> scores; got {describe(output)}."
        )
    return check_callable("output", output, "(outputs) -> scores")


def pick(returned: Any) -> Any:
    """Return the scores from a network's outputs.

    This is the ``logits`` or ``logits_per_image`` of an object or mapping, the ``out`` or the only
    entry of a mapping, or the first entry of a tuple or list. Anything else is returned as it is.

    Raises
    ------
    InvalidInputError
        If a mapping does not say which of its entries are the scores.

    Examples
    --------
    >>> pick(([1.0], [2.0])), pick({"logits": [1.0], "hidden": [2.0]})
    ([1.0], [1.0])
    """
    for name in _NAMES:
        if getattr(returned, name, None) is not None:
            return getattr(returned, name)
    if isinstance(returned, Mapping):
        keys = list(returned)
        known = [key for key in _KEYS if key in returned]
        if known or len(keys) == 1:
            return returned[known[0] if known else keys[0]]
        if not keys:
            raise InvalidInputError(
                "`output` must be a callable for a network that returns an empty mapping."
            )
        raise InvalidInputError(
            f"`output` must say which entry of the network's outputs {keys} are the scores; pass "
            f"output=lambda outputs: outputs[{likely_scores(returned)!r}], with softmax where it "
            "is needed."
        )
    return returned[0] if isinstance(returned, (tuple, list)) and len(returned) else returned


def check_activation(raw: NDArray[Any], output: Output, *, is_coarse: bool = False) -> None:
    """Refuse a softmax of one score, which is always 1, and of scores that are probabilities.

    Parameters
    ----------
    raw : ndarray, shape (n,) or (n, k, ...)
        Scores before any softmax.
    output : str or callable
    is_coarse : bool
        Whether the scores were computed in half precision.

    Raises
    ------
    InvalidInputError
        If `output` is "softmax" and there is one score for each image, or every image's scores are
        probabilities already.
    """
    if output != "softmax" or raw.dtype.kind != "f":
        return
    if raw.ndim < 2 or raw.shape[1] == 1:
        raise InvalidInputError(
            f'`output` must be "sigmoid" or "raw" for a network with one score an image; got '
            f'"softmax" of shape {raw.shape}, which is 1 whatever the image shows.'
        )
    sums = raw.sum(axis=1, dtype=np.float64)
    tolerance = 1e-2 if is_coarse else 1e-4
    if raw.size and (raw >= 0).all() and (np.abs(sums - 1) < tolerance).all():
        raise InvalidInputError(
            '`output` must be "raw" for a network whose outputs already sum to 1; got "softmax", '
            "which would flatten them."
        )


def activated(raw: NDArray[Any], output: Output, *, is_coarse: bool = False) -> NDArray[Any]:
    """Return softmax over axis 1 or sigmoid of an array, as `output` asks.

    Examples
    --------
    >>> activated(np.array([[0.0, 0.0]]), "softmax")
    array([[0.5, 0.5]])
    """
    from scipy.special import expit, softmax  # noqa: PLC0415

    check_activation(raw, output, is_coarse=is_coarse)
    if output == "softmax":
        return np.asarray(softmax(raw, axis=1))
    return np.asarray(expit(raw)) if output == "sigmoid" else raw


def score_column(scores: Any, target: int, n_images: int) -> Any:
    """Return one column of the scores of any framework, shape (n,).

    Raises
    ------
    InvalidInputError
        If the scores have more axes, or no such column.
    """
    columns = scores.reshape((n_images, 1)) if len(scores.shape) == 1 else scores
    if len(columns.shape) != 2:
        raise InvalidInputError(
            "`output` must reduce the network's outputs to scores (n, k) for gradients; got shape "
            f"{tuple(scores.shape)}. Pass output=lambda outputs: ..., for example a mean."
        )
    return columns[:, check_int("target", target, minimum=0, maximum=columns.shape[1] - 1)]


def describe_tensor(value: Any) -> str:
    """Describe a value in a few words, for an error message; a tensor by its shape."""
    shape = getattr(value, "shape", None)
    return type(value).__name__ + ("" if shape is None else f" of shape {tuple(shape)}")
