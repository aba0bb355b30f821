"""Keras models of any backend."""

from collections.abc import Callable
from typing import Any

from limelens._checks.extras import needed
from limelens._checks.values import check_callable, describe
from limelens._typing import ClassNames
from limelens.adapters.keras_model import DIFFERENTIABLE, KerasNetwork
from limelens.adapters.outputs import Output, check_output_choice
from limelens.adapters.pixels import check_pixels
from limelens.engine.model import Model
from limelens.errors import InvalidInputError


def from_keras(
    model: Any,
    *,
    preprocess: Callable[[Any], Any] | None = None,
    output: Output = "raw",
    layer: Any = None,
    channel_axis: int | None = -1,
    class_names: ClassNames = None,
) -> Model:
    """Make a model of a Keras model, its gradients and Grad-CAM included.

    Parameters
    ----------
    model : keras.Model or keras.Layer
        A model of Keras 3 with any backend. It is called with ``training=False``.
    preprocess : callable, optional
        Takes a tensor `(n, H, W, C)` of floats with the pixels' own values and returns the model's
        input, for example ``keras.applications.resnet50.preprocess_input``. Without it, the model
        gets these values: they are not divided by 255.
    output : str or callable
        "raw", "softmax" or "sigmoid" of what the model returned, or a callable (what the model
        returned) -> scores. The strings take the ``logits`` or the only entry of a mapping, and the
        first entry of a list. Most Keras models end in their own softmax.
    layer : keras.Layer or str, optional
        Layer for `GradCam`, or its name. It may lie in a model within the model, and must return
        maps (n, H, W, maps).
    channel_axis : int or None
        Where images have their channels, as in `explain`; None for a volume without channels.
    class_names : sequence of str or mapping from int to str, optional
        Names of the score columns.

    Returns
    -------
    Model
        With the backends PyTorch and JAX it offers `gradient`, per unit of the caller's pixels,
        and `features` if there is a `layer`.

    Raises
    ------
    InvalidInputError
        If an argument cannot be used, or `layer` is given with another backend.
    ImportError
        If Keras is missing.

    Notes
    -----
    Channels are moved to where the model has them, according to
    ``keras.config.image_data_format()``. A grey image gets an axis of one channel if the model
    asks for it.

    Examples
    --------
    >>> import keras
    >>> import numpy as np
    >>> layers = [keras.Input((2, 2, 1)), keras.layers.GlobalAveragePooling2D()]
    >>> model = from_keras(keras.Sequential(layers))
    >>> image = np.array([[1.0, 2.0], [3.0, 6.0]])
    >>> model(image[np.newaxis])
    array([[3.]], dtype=float32)
    >>> model.gradient(image[np.newaxis], 0)
    array([[[0.25, 0.25],
            [0.25, 0.25]]], dtype=float32)
    """
    keras = needed("keras", "Keras models need Keras and a backend", "keras")
    if not isinstance(model, keras.Layer):
        raise InvalidInputError(
            f"`model` must be a keras.Model; got {describe(model)}. Load a file first: "
            'keras.saving.load_model("model.keras").'
        )
    if preprocess is not None:
        check_callable("preprocess", preprocess, "(tensor) -> tensor")
    network = KerasNetwork(
        model=model,
        pixels=check_pixels(channel_axis, None, None, None),
        preprocess=preprocess,
        output=check_output_choice(output),
        layer=_layer(model, layer, keras),
    )
    can_differentiate = keras.backend.backend() in DIFFERENTIABLE
    return Model(
        predict_fn=network.predict,
        prepare=network.prepare,
        predict_prepared=network.predict_prepared,
        gradient=network.gradient if can_differentiate else None,
        features=None if layer is None else network.features,
        class_names=class_names,
    )


def _layer(model: Any, layer: Any, keras: Any) -> Any:
    """Return the layer that was given, or that has the given name."""
    if layer is None:
        return None
    if keras.backend.backend() not in DIFFERENTIABLE:
        raise InvalidInputError(
            "`layer` must be left out: gradients need the backend PyTorch or JAX; this is "
            f"{keras.backend.backend()}. Set KERAS_BACKEND=torch before Keras is imported."
        )
    if isinstance(layer, keras.Layer):
        return layer
    if not isinstance(layer, str):
        raise InvalidInputError(
            f"`layer` must be a keras.Layer or the name of one; got {describe(layer)}."
        )
    within = model._flatten_layers(include_self=False, recursive=True)
    named = [part for part in within if part.name == layer]
    if len(named) == 1:
        return named[0]
    names = [part.name for part in within]
    raise InvalidInputError(
        f"`layer` must be the name of one layer of `model`, such as {', '.join(names[-12:])}; got "
        f"{layer!r}, which {len(named)} have."
    )
