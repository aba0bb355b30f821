"""A PyTorch network called from NumPy: scores, gradients and the maps of one layer."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

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

_TURN = threading.RLock()
"""One call at a time, because training flags and hooks belong to the network, not to a call."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TorchNetwork:
    """A network, and the conversion between its tensors and the caller's batches.

    Scores are computed under `no_grad`, not under `inference_mode`. A tensor that the network
    caches in `inference_mode` could never be differentiated afterwards, neither by `gradient` nor
    when the caller trains the network.

    Batches are NumPy arrays in the caller's layout. Prepared images have their channels first, or
    last with `channels_last`. They are NumPy arrays for a network on the CPU, and tensors on any
    other device.

    Attributes
    ----------
    net : torch.nn.Module
    pixels : Pixels
    device : torch.device
    dtype : torch.dtype
        Dtype of the tensors that the network gets.
    preprocess : callable or None
        Makes the network's input from a tensor `(n, C, *spatial)`. None uses `pixels` and `size`.
    is_raw : bool
        Whether `preprocess` gets the caller's own values and dtype, because no scale was given.
    size : (int, int) or None
        Height and width of the network's input.
    output : str or callable
    layer : torch.nn.Module or None
        `features` returns the maps of this layer.
    channels_last : bool
        Whether the tensors lie in memory with their channels last.
    keyword : str or None
        Keyword of the network's argument that takes images; None is its first argument.
    others : mapping
        Further arguments of the network, by keyword.
    """

    net: Any
    pixels: Pixels
    device: Any = None
    dtype: Any = None
    preprocess: Callable[[Any], Any] | None = None
    is_raw: bool = False
    size: tuple[int, int] | None = None
    output: Output = "softmax"
    layer: Any = None
    channels_last: bool = False
    keyword: str | None = None
    others: Mapping[str, Any] = field(default_factory=dict)

    def predict(self, batch: Batch) -> NDArray[Any]:
        """Return the scores on the host, `(n, k)` or with as many axes as the network returns."""
        import torch  # noqa: PLC0415

        with torch.no_grad():
            raw = self._ask(self._prepare(batch))
            if isinstance(self.output, str):
                check_activation(_host(raw), self.output, is_coarse=raw.element_size() == 2)
            return _host(self._activated(raw))

    def prepare(self, batch: Batch) -> Any:
        """Return the images on the network's device, scaled and normalised."""
        import torch  # noqa: PLC0415

        with torch.no_grad():
            prepared = self._prepare(batch)
            if self.channels_last:
                prepared = prepared.movedim(1, -1)
            prepared = prepared.contiguous()
            return prepared.numpy() if self.on_host else prepared

    def predict_prepared(self, prepared: Any) -> Any:
        """Return the scores of prepared images, on the device where those are."""
        import torch  # noqa: PLC0415

        with torch.no_grad():
            images = torch.from_numpy(native(prepared)) if self.on_host else prepared
            if self.channels_last:
                images = images.movedim(-1, 1)
            scores = self._activated(self._ask(images))
            return _host(scores) if self.on_host else scores

    def gradient(self, batch: Batch, target: int) -> NDArray[Any]:
        """Return the derivative of score column `target` by every value of the batch."""
        import torch  # noqa: PLC0415

        if self.is_raw and batch.dtype.kind != "f":
            raise InvalidInputError(
                f"`image` must be floating-point for gradients through `preprocess`; got "
                f"{batch.dtype}. Convert it, for example image.astype(np.float32) / 255."
            )
        with torch.inference_mode(mode=False), torch.enable_grad():
            leaf = torch.from_numpy(native(batch)).to(self.device, self._work()).requires_grad_()
            images = self._per_pixel(leaf, batch.dtype)
            column = score_column(self._activated(self._ask(images)), target, len(batch))
            return _host(_derivative(column, leaf, "the image"))

    def features(self, batch: Batch, target: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the layer's maps and the derivatives of score column `target` by them."""
        import torch  # noqa: PLC0415

        kept: list[Any] = []

        def keep(module: Any, args: Any, output: Any) -> Any:
            if not isinstance(output, torch.Tensor) or output.ndim != batch.ndim + (axis is None):
                raise InvalidInputError(
                    "`layer` must return maps (n, maps, *cells) with the image's spatial axes; "
                    f"{type(module).__name__} returned {describe_tensor(output)}. Choose another, "
                    "such as the last convolution."
                )
            kept.append(output.detach().requires_grad_())
            return kept[-1].clone()  # the next layer may change it in place

        axis = self.pixels.axis_of(batch.shape)
        with torch.inference_mode(mode=False):
            images = self._prepare(batch)
            with _TURN, torch.enable_grad():
                handle = self.layer.register_forward_hook(keep)
                try:
                    scores = self._activated(self._ask(images))
                finally:
                    handle.remove()
            if len(kept) != 1:
                raise InvalidInputError(
                    f"`layer` must be called once for a batch; {type(self.layer).__name__} was "
                    f"called {len(kept)} times. Choose a layer that is used in one place."
                )
            slopes = _derivative(score_column(scores, target, len(batch)), kept[0], "`layer`")
            return _host(kept[0]), _host(slopes)

    @property
    def on_host(self) -> bool:
        """Whether the network computes on the CPU."""
        return bool(self.device.type == "cpu")

    def _work(self) -> Any:
        """Return the dtype for scaling and normalising; half precision would lose too much."""
        import torch  # noqa: PLC0415

        return torch.promote_types(self.dtype, torch.float32)

    def _prepare(self, batch: Batch) -> Any:
        """Return a tensor `(n, C, *spatial)` on the device; on the CPU never in half precision."""
        import torch  # noqa: PLC0415

        own = batch.copy() if self.is_raw else batch  # `preprocess` may work in place
        images = self._per_pixel(torch.from_numpy(native(own)).to(self.device), batch.dtype)
        return images if self.on_host or self.is_raw else images.to(self.dtype)

    def _per_pixel(self, images: Any, dtype: np.dtype[Any]) -> Any:
        """Move the channels first, scale and normalise: all that treats each pixel by itself."""
        import torch  # noqa: PLC0415

        axis = self.pixels.axis_of(tuple(images.shape))
        images = images.unsqueeze(1) if axis is None else images.movedim(axis, 1)
        if self.is_raw:
            return images
        images = images.to(self._work()) * self.pixels.scale_of(dtype)
        moments = self.pixels.moments(images.shape[1])
        if moments is None:
            return images
        # Converted before they are moved, because not every device has float64.
        mean, std = (torch.from_numpy(values).to(images.dtype) for values in moments)
        shape = (-1, *(1,) * (images.ndim - 2))
        mean, std = (values.to(images.device).reshape(shape) for values in (mean, std))
        return (images - mean) / std

    def _ask(self, images: Any) -> Any:
        """Return the network's scores of `(n, C, *spatial)`, before softmax or sigmoid."""
        if self.size is not None:
            images = _resized(images, self.size)
        if self.preprocess is not None:
            images = _preprocessed(images, self.preprocess)
        if images.is_floating_point():
            images = images.to(self.dtype)
        if self.channels_last:
            images = images.contiguous(memory_format=memory_format(images.ndim))
        with _TURN:
            return self._forward(images)

    def _forward(self, images: Any) -> Any:
        """Call the network in evaluation mode and leave its training flags as they were."""
        flags = {module: module.training for module in self.net.modules()}
        trains = any(flags.values())
        try:
            trains = trains and _evaluating(self.net)
            named = {} if self.keyword is None else {self.keyword: images}
            returned = self.net(*(() if named else (images,)), **named, **self.others)
        except BaseException as error:
            given = f"{images.dtype} {tuple(images.shape)} on {images.device}"
            add_note(error, f"raised by the network on {given}, from `from_torch`")
            raise
        finally:
            if trains:
                self.net.train(flags[self.net])  # some modules fold weights here, so not by hand
                for module, flag in flags.items():
                    module.training = flag
        raw = self.output(returned) if callable(self.output) else pick(returned)
        return _check_tensor(raw, len(images), self.output)

    def _activated(self, raw: Any) -> Any:
        """Return scores in at least single precision; half would round small differences away."""
        import torch  # noqa: PLC0415

        if raw.is_floating_point():
            raw = raw.to(torch.promote_types(raw.dtype, torch.float32))
        if self.output == "softmax":
            return raw.softmax(dim=1)
        return raw.sigmoid() if self.output == "sigmoid" else raw


def memory_format(ndim: int) -> Any:
    """Return PyTorch's memory format with channels last, for pictures or volumes."""
    import torch  # noqa: PLC0415

    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return formats.get(ndim, torch.contiguous_format)


def _resized(images: Any, size: tuple[int, int]) -> Any:
    import torch  # noqa: PLC0415

    if images.ndim != 4:
        raise InvalidInputError(
            "`size` must be left out for volumes; resize them in `preprocess`. Got tensors of "
            f"shape {tuple(images.shape)}."
        )
    return torch.nn.functional.interpolate(
        images, size, mode="bilinear", align_corners=False, antialias=True
    )


def _preprocessed(images: Any, preprocess: Callable[[Any], Any]) -> Any:
    import torch  # noqa: PLC0415

    given = f"{images.dtype} {tuple(images.shape)}"
    try:
        made = preprocess(images)
    except BaseException as error:
        add_note(error, f"raised by `preprocess` on a tensor {given}")
        raise
    if not isinstance(made, torch.Tensor) or len(made) != len(images):
        raise InvalidInputError(
            f"`preprocess` was given a tensor {given} and must return one with as many images; "
            f"got {describe_tensor(made)}."
        )
    return made


def _evaluating(net: Any) -> bool:
    """Put a network into evaluation mode; False for one of torch.export, which has one mode."""
    try:
        net.eval()
    except NotImplementedError:
        return False
    return True


def _host(tensor: Any) -> NDArray[Any]:
    import torch  # noqa: PLC0415

    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:  # which NumPy does not have
        tensor = tensor.float()
    return np.asarray(tensor.cpu().numpy())


def _check_tensor(raw: Any, n_images: int, output: Output) -> Any:
    """Return the scores if they are a tensor with one row for each image."""
    import torch  # noqa: PLC0415

    source = "what `output` returned" if callable(output) else "what the network returned"
    if not isinstance(raw, torch.Tensor) or raw.ndim == 0 or len(raw) != n_images:
        raise InvalidInputError(
            f"`net` must give scores, a tensor ({n_images}, n_targets) for {n_images} images; "
            f"{source} was {describe_tensor(raw)}. Pass output=lambda outputs: ... to pick them."
        )
    return raw


def _derivative(column: Any, by: Any, name: str) -> Any:
    """Return the derivative of a score column by a tensor, of that tensor's shape."""
    import torch  # noqa: PLC0415

    found = None
    if column.requires_grad:
        (found,) = torch.autograd.grad(column.sum(), by, allow_unused=True)
    if found is None:
        raise InvalidInputError(
            f"the score must depend on {name} by operations that PyTorch can differentiate; it "
            "does not. Look for .detach(), .numpy(), integers or `torch.no_grad` on the way."
        )
    return found
