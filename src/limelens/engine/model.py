"""The one place that says what a model may offer besides scores."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from limelens._checks.models import check_model
from limelens._checks.values import check_callable
from limelens._typing import Batch, ClassNames, Image, PredictFn
from limelens.errors import InvalidInputError

OFFERS = ("prepare", "predict_prepared", "gradient", "features", "class_names", "for_image")
"""Attributes that a plain callable may have; `Model` documents each."""

_CALLED = {
    "prepare": "(batch)",
    "predict_prepared": "(batch)",
    "gradient": "(batch, target)",
    "features": "(batch, target)",
    "for_image": "(image)",
}


@dataclass(frozen=True, eq=False)
class Model:
    """A `predict_fn` with all that it offers besides scores; None where it offers nothing.

    A plain callable with attributes of these names works as well.

    Parameters
    ----------
    predict_fn : callable
        From `(n, *image.shape)` to scores `(n, k)` or `(n,)`.
    prepare : callable, optional
        From a batch to the same images in the model's own form; it acts on each pixel alone. It
        goes with `predict_prepared`. Images are then prepared once and masked in that form.
    predict_prepared : callable, optional
        From a prepared batch to scores, equal to those of `predict_fn` for the batch.
    gradient : callable, optional
        From `(batch, target)` to the derivative of score column `target` by every element of the
        batch.
    features : callable, optional
        From `(batch, target)` to the activations of one layer and the derivatives of score column
        `target` by them, `(n, maps, *cells)` each.
    class_names : sequence of str or mapping from int to str, optional
        Names of the score columns; `explain` uses them if it is given none.
    for_image : callable, optional
        From the intact image to the model that is asked from then on. It serves scores that depend
        on the model's answer to the intact image. It may show the model that image once, or return
        the same `predict_fn` without doing so.

    Raises
    ------
    InvalidInputError
        If an argument cannot be called, or only one of `prepare` and `predict_prepared` is given.

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
        check_model("predict_fn", self.predict_fn)
        for name, takes in _CALLED.items():
            if getattr(self, name) is not None:
                check_callable(name, getattr(self, name), takes)
        if (self.prepare is None) != (self.predict_prepared is None):
            raise InvalidInputError(
                "`prepare` and `predict_prepared` must be given together; got one of them."
            )

    def __call__(self, batch: Batch) -> Any:
        """Score a batch."""
        return self.predict_fn(batch)


def as_model(predict_fn: PredictFn) -> Model:
    """Return a `Model`, made from a plain callable and its attributes if need be.

    Attributes that cannot be called are ignored, as is one of `prepare` and `predict_prepared`
    without the other.
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
        From `(n, *image.shape)` to scores `(n, k)` or `(n,)`.
    gradient_fn : callable, optional
        From `(batch, target)` to the derivative of score column `target` by every element of the
        batch, `(n, *image.shape)`; `IntegratedGradients` and `ExpectedGradients` need it.
    features_fn : callable, optional
        From `(batch, target)` to the activations of one layer and the derivatives of score column
        `target` by them, `(n, maps, *cells)` each; `GradCam` needs it.

    Returns
    -------
    Model
        A model that keeps everything `predict_fn` offers already, with the functions given.

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
    check_model("predict_fn", predict_fn)
    if gradient_fn is None and features_fn is None:
        raise InvalidInputError("`gradient_fn` or `features_fn` must be given; got neither.")
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
