"""A model with gradients, from functions that the caller has."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from limelens._checks.values import check_callable
from limelens._typing import Batch, PredictFn
from limelens.errors import InvalidInputError


@dataclass(frozen=True, eq=False)
class WithGradient:
    """A `predict_fn` that also answers `gradient` and, if given, `features`."""

    predict_fn: PredictFn
    gradient_fn: Callable[[Batch, int], Any] | None
    features_fn: Callable[[Batch, int], Any] | None

    def __call__(self, batch: Batch) -> Any:
        """Score a batch."""
        return self.predict_fn(batch)

    def __getattr__(self, name: str) -> Any:
        # By name only: a copy being made asks for other attributes before it has any fields.
        given = None
        if name in ("gradient", "features"):
            given = self.gradient_fn if name == "gradient" else self.features_fn
        if given is None:
            msg = f"{type(self).__name__!r} object has no attribute {name!r}"
            raise AttributeError(msg)
        return given


def with_gradient(
    predict_fn: PredictFn,
    gradient_fn: Callable[[Batch, int], Any] | None = None,
    *,
    features_fn: Callable[[Batch, int], Any] | None = None,
) -> WithGradient:
    """Give a model the gradients that gradient methods need.

    Parameters
    ----------
    predict_fn : callable
        `(n, *image.shape)` -> scores `(n, k)` or `(n,)`.
    gradient_fn : callable, optional
        `(batch, target)` -> derivative of score column `target` by every element of the batch,
        `(n, *image.shape)`; for `IntegratedGradients` and `ExpectedGradients`.
    features_fn : callable, optional
        `(batch, target)` -> activations of one layer and the derivatives of score column `target`
        by them, `(n, maps, *cells)` each; for `GradCam`.

    Returns
    -------
    callable
        The model with the attributes `gradient` and `features`, as far as they were given.

    Raises
    ------
    InvalidInputError
        If neither function is given, or one cannot be called.

    Examples
    --------
    >>> import numpy as np
    >>> model = with_gradient(
    ...     lambda batch: (batch**2).sum(axis=(1, 2)),
    ...     lambda batch, target: 2 * batch,
    ... )
    >>> model.gradient(np.array([[[1.0, 3.0]]]), 0)
    array([[[2., 6.]]])
    """
    check_callable("predict_fn", predict_fn, "(batch) -> scores")
    if gradient_fn is None and features_fn is None:
        msg = "`gradient_fn` or `features_fn` must be given; got neither."
        raise InvalidInputError(msg)
    for name, function in (("gradient_fn", gradient_fn), ("features_fn", features_fn)):
        if function is not None:
            check_callable(name, function, "(batch, target)")
    return WithGradient(predict_fn, gradient_fn, features_fn)
