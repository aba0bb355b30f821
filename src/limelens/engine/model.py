"""What a model may offer beside scores, in one place."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from limelens._checks.values import check_callable
from limelens._typing import Batch, ClassNames, Image, PredictFn
from limelens.errors import InvalidInputError

OFFERS = ("prepare", "predict_prepared", "gradient", "features", "class_names", "for_image")
"""What a plain callable may offer as attributes; `Model` names each."""

_CALLED = {
    "prepare": "(batch)",
    "predict_prepared": "(batch)",
    "gradient": "(batch, target)",
    "features": "(batch, target)",
    "for_image": "(image)",
}


@dataclass(frozen=True, eq=False)
class Model:
    """A `predict_fn` with what it offers beside scores; None stands for what it does not.

    A plain callable with attributes of these names serves as well.

    Parameters
    ----------
    predict_fn : callable
        `(n, *image.shape)` -> scores `(n, k)` or `(n,)`.
    prepare : callable, optional
        Batch -> the same images as the model wants them, pixel by pixel; given together with
        `predict_prepared`. Then images are prepared once, and masked where they then lie.
    predict_prepared : callable, optional
        Prepared batch -> scores, equal to `predict_fn` of the batch.
    gradient : callable, optional
        `(batch, target)` -> derivative of score column `target` by every element of the batch.
    features : callable, optional
        `(batch, target)` -> activations of one layer and the derivatives of score column `target`
        by them, `(n, maps, *cells)` each.
    class_names : sequence of str or mapping from int to str, optional
        Names of the score columns; `explain` uses them where it is given none.
    for_image : callable, optional
        The intact image -> the model to ask from then on, for scores that depend on what the model
        answers to the intact image. It may show the model that image once, or return the very
        `predict_fn` without doing so.

    Raises
    ------
    InvalidInputError
        If something given cannot be called, or one of `prepare` and `predict_prepared` is missing.

    Examples
    --------
    >>> model = Model(lambda batch: batch.mean(axis=(1, 2)), class_names=["bright"])
    >>> import numpy as np
    >>> model(np.array([[[1.0, 3.0]]])), model.class_names, model.gradient is None
    (array([2.]), ['bright'], True)
    """

    predict_fn: PredictFn
    prepare: Callable[[Batch], Any] | None = None
    predict_prepared: Callable[[Any], Any] | None = None
    gradient: Callable[[Batch, int], Any] | None = None
    features: Callable[[Batch, int], Any] | None = None
    class_names: ClassNames = None
    for_image: Callable[[Image], PredictFn] | None = None

    def __post_init__(self) -> None:
        check_callable("predict_fn", self.predict_fn, "(batch) -> scores")
        for name, takes in _CALLED.items():
            if getattr(self, name) is not None:
                check_callable(name, getattr(self, name), takes)
        if (self.prepare is None) != (self.predict_prepared is None):
            msg = "`prepare` and `predict_prepared` must be given together; got one of them."
            raise InvalidInputError(msg)

    def __call__(self, batch: Batch) -> Any:
        """Score a batch."""
        return self.predict_fn(batch)


def as_model(predict_fn: PredictFn) -> Model:
    """Return a model, or a plain callable with what it offers as attributes, as a `Model`.

    One of `prepare` and `predict_prepared` without the other is no offer, nor is an attribute
    that cannot be called.
    """
    if isinstance(predict_fn, Model):
        return predict_fn
    offers = {name: getattr(predict_fn, name, None) for name in OFFERS}
    for name in _CALLED:
        if not callable(offers[name]):
            offers[name] = None
    if offers["prepare"] is None or offers["predict_prepared"] is None:
        offers["prepare"] = offers["predict_prepared"] = None
    return Model(predict_fn, *(offers[name] for name in OFFERS))


def settled(model: Model, image: Image) -> tuple[Model, int]:
    """Return the model to ask about one image, and how often it was shown that image for this."""
    if model.for_image is None:
        return model, 0
    answering = as_model(model.for_image(image.copy()))
    return answering, int(answering.predict_fn is not model.predict_fn)


def with_gradient(
    predict_fn: PredictFn,
    gradient_fn: Callable[[Batch, int], Any] | None = None,
    *,
    features_fn: Callable[[Batch, int], Any] | None = None,
) -> Model:
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
    Model
        All that the model offers already, with `gradient` and `features` as far as they were given.

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
    if gradient_fn is not None:
        check_callable("gradient_fn", gradient_fn, "(batch, target)")
    if features_fn is not None:
        check_callable("features_fn", features_fn, "(batch, target)")
    model = as_model(predict_fn)
    return replace(
        model,
        gradient=gradient_fn or model.gradient,
        features=features_fn or model.features,
    )
