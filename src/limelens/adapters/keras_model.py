"""A Keras model called from NumPy with any backend; PyTorch and JAX give gradients, too."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import describe
from limelens._typing import Batch
from limelens.adapters.outputs import (
    Output,
    check_activation,
    describe_tensor,
    pick,
    score_column,
)
from limelens.adapters.pixels import Pixels, native
from limelens.errors import InvalidInputError, add_note

DIFFERENTIABLE = ("torch", "jax")
_TURN = threading.RLock()
"""One call of `features` at a time, because all calls listen to the same layer."""


@dataclass(frozen=True, kw_only=True, eq=False)
class KerasNetwork:
    """A Keras model, and the conversion between its tensors and the caller's batches.

    Attributes
    ----------
    model : keras.Layer
        A model, or any layer that can be called.
    pixels : Pixels
        Where images have their channels. Values are only converted to floats.
    preprocess : callable or None
        From a tensor of images in the model's layout to the model's input.
    output : str or callable
    layer : keras.Layer or None
        `features` returns the maps of this layer.
    """

    model: Any
    pixels: Pixels
    preprocess: Callable[[Any], Any] | None
    output: Output
    layer: Any

    def predict(self, batch: Batch) -> NDArray[Any]:
        """Return the scores of a batch in the caller's layout."""
        with without_gradients():
            raw = self._ask(self._tensor(self._arranged(batch)))
            if isinstance(self.output, str):
                check_activation(host(raw), self.output)
            return host(self._activated(raw))

    def prepare(self, batch: Batch) -> Any:
        """Return the images in the model's layout, in floats, on its device."""
        arranged = self._arranged(batch).astype(self._dtype(), copy=False)
        tensor = self._tensor(arranged)
        return np.ascontiguousarray(arranged) if is_on_host(tensor) else tensor

    def predict_prepared(self, prepared: Any) -> Any:
        """Return the scores of prepared images, on the device where those are."""
        with without_gradients():
            scores = self._activated(self._ask(self._tensor(prepared)))
            return host(scores) if isinstance(prepared, np.ndarray) else scores

    def gradient(self, batch: Batch, target: int) -> NDArray[Any]:
        """Return the derivative of score column `target` by every value of the batch."""
        arranged = self._arranged(batch)

        def column(images: Any) -> Any:
            return score_column(self._activated(self._ask(images)), target, len(batch))

        slopes = host(derivative(column, self._tensor(arranged), "the image"))
        return self._as_given(slopes, batch)

    def features(self, batch: Batch, target: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the layer's maps and the derivatives of score column `target` by them."""
        import keras  # noqa: PLC0415

        images, kept = self._tensor(self._arranged(batch)), []

        def keep(maps: Any) -> Any:
            kept.append(host(maps))
            return maps

        with _TURN:
            with without_gradients(), Listening(self.layer, keep):
                self._ask(images)
            self._check_maps(kept, len(batch[0].shape) + (self.pixels.axis_of(batch.shape) is None))

            def column(change: Any) -> Any:
                with Listening(self.layer, lambda maps: maps + change):
                    return score_column(self._activated(self._ask(images)), target, len(batch))

            none = keras.ops.convert_to_tensor(np.zeros_like(kept[0]))
            slopes = host(derivative(column, none, "`layer`"))
        axis = self._channel_axis(kept[0].ndim)
        return np.moveaxis(kept[0], axis, 1), np.moveaxis(slopes, axis, 1)

    def _ask(self, images: Any) -> Any:
        """Return the model's scores of images in its own layout, before softmax or sigmoid."""
        given = f"{images.dtype} {tuple(images.shape)}"
        try:
            made = images if self.preprocess is None else self.preprocess(images)
            returned = self.model(made, training=False)
        except BaseException as error:
            add_note(error, f"raised by the model or `preprocess` on {given}, from `from_keras`")
            raise
        raw = self.output(returned) if callable(self.output) else pick(returned)
        shape: Any = getattr(raw, "shape", ())
        if not len(shape) or shape[0] != images.shape[0]:
            raise InvalidInputError(
                f"`model` must give scores ({images.shape[0]}, n_targets) for {images.shape[0]} "
                f"images; got {describe_tensor(raw)}. Pass output=lambda outputs: ... to pick them."
            )
        return raw

    def _activated(self, raw: Any) -> Any:
        import keras  # noqa: PLC0415

        if keras.backend.standardize_dtype(raw.dtype) in ("float16", "bfloat16"):
            raw = keras.ops.cast(raw, "float32")
        if self.output == "softmax":
            return keras.ops.softmax(raw, axis=1)
        return keras.ops.sigmoid(raw) if self.output == "sigmoid" else raw

    def _arranged(self, batch: Batch) -> Batch:
        """Return a batch with its channels where the model has them."""
        axis = self.pixels.axis_of(batch.shape)
        if axis is not None:
            return native(np.moveaxis(batch, axis, self._channel_axis(batch.ndim)))
        shape = getattr(self.model, "input_shape", None)
        if isinstance(shape, tuple) and len(shape) == batch.ndim:
            return native(batch)  # a model of images without channels
        return native(np.expand_dims(batch, self._channel_axis(batch.ndim + 1)))

    def _as_given(self, arranged: NDArray[Any], batch: Batch) -> NDArray[Any]:
        """Undo `_arranged`."""
        axis = self.pixels.axis_of(batch.shape)
        if axis is not None:
            return np.moveaxis(arranged, self._channel_axis(batch.ndim), axis)
        return arranged.reshape(batch.shape)

    def _channel_axis(self, ndim: int) -> int:
        import keras  # noqa: PLC0415

        return 1 if keras.config.image_data_format() == "channels_first" else ndim - 1

    def _dtype(self) -> Any:
        import keras  # noqa: PLC0415

        return keras.config.floatx()

    def _tensor(self, images: Any) -> Any:
        import keras  # noqa: PLC0415

        return keras.ops.convert_to_tensor(images, dtype=self._dtype())

    def _check_maps(self, kept: list[NDArray[Any]], ndim: int) -> None:
        kind = type(self.layer).__name__
        if len(kept) != 1:
            raise InvalidInputError(
                f"`layer` must be called once for a batch; {kind} was called {len(kept)} times. "
                "Choose a layer that the model uses, in one place."
            )
        if kept[0].ndim != ndim + 1:
            raise InvalidInputError(
                "`layer` must return maps (n, *cells, maps) with the image's spatial axes; "
                f"{kind} returned {describe(kept[0])}. Choose another, such as the last "
                "convolution."
            )


class Listening:
    """Within the `with` block, the outputs of a layer pass through a function."""

    def __init__(self, layer: Any, change: Callable[[Any], Any]) -> None:
        self._layer, self._change = layer, change

    def __enter__(self) -> None:
        original, change = self._layer.call, self._change

        def call(*args: Any, **settings: Any) -> Any:
            return change(original(*args, **settings))

        # Keras has no hooks. Its own __setattr__ would register the function as part of the layer.
        self._layer.__dict__["call"] = call

    def __exit__(self, *error: object) -> None:
        del self._layer.__dict__["call"]


def without_gradients() -> Any:
    """Return a context in which the backend stores nothing for gradients."""
    import contextlib  # noqa: PLC0415

    import keras  # noqa: PLC0415

    if keras.backend.backend() != "torch":
        return contextlib.nullcontext()
    import torch  # noqa: PLC0415

    return torch.no_grad()


def derivative(column: Callable[[Any], Any], at: Any, name: str) -> Any:
    """Return the derivative of the sum of a column of scores, on PyTorch or JAX."""
    import keras  # noqa: PLC0415

    if keras.backend.backend() == "jax":
        import jax  # noqa: PLC0415

        return jax.grad(lambda images: column(images).sum())(at)
    import torch  # noqa: PLC0415

    found = None
    with torch.inference_mode(mode=False), torch.enable_grad():
        leaf = at.detach().clone().requires_grad_()
        scores = column(leaf)
        if scores.requires_grad:
            (found,) = torch.autograd.grad(scores.sum(), leaf, allow_unused=True)
    if found is None:
        raise InvalidInputError(
            f"the score must depend on {name} by operations that the backend can differentiate; "
            "it does not. Use keras.ops in `preprocess` and `output`."
        )
    return found


def is_on_host(tensor: Any) -> bool:
    """Whether a tensor lies in the host's memory. TensorFlow's count as such wherever they are."""
    import keras  # noqa: PLC0415

    backend = keras.backend.backend()
    if backend == "torch":
        return bool(tensor.device.type == "cpu")
    if backend == "jax":
        return all(device.platform == "cpu" for device in tensor.devices())
    return True


def host(tensor: Any) -> NDArray[Any]:
    """Copy a backend's tensor to the host; bfloat16 becomes float32, as NumPy does not have it."""
    import keras  # noqa: PLC0415

    if keras.backend.standardize_dtype(tensor.dtype) == "bfloat16":
        tensor = keras.ops.cast(tensor, "float32")
    if keras.backend.backend() == "torch":  # NumPy warns of the way in which Keras copies it
        tensor = tensor.detach().cpu().numpy()
    return np.array(tensor)
