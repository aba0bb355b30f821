"""PyTorch networks."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import ArrayLike

from limelens._checks.extras import needed
from limelens._checks.values import check_callable, check_flag, describe
from limelens._typing import ClassNames
from limelens.adapters.outputs import Output, check_output_choice
from limelens.adapters.pixels import check_pixel_size, check_pixels, refuse_beside_preprocess
from limelens.adapters.torch_network import TorchNetwork, memory_format
from limelens.engine.model import Model
from limelens.errors import InvalidInputError

PRECISIONS = {"half": "float16", "bfloat16": "bfloat16", "single": "float32", "double": "float64"}


def from_torch(
    net: Any,
    *,
    preprocess: Callable[[Any], Any] | None = None,
    scale: float | None = None,
    mean: ArrayLike | None = None,
    std: ArrayLike | None = None,
    size: int | Sequence[int] | None = None,
    output: Output = "softmax",
    layer: Any = None,
    device: Any = None,
    dtype: Any = None,
    channels_last: bool = False,
    channel_axis: int | None = -1,
    class_names: ClassNames = None,
) -> Model:
    """Make a model of a PyTorch network, its gradients and Grad-CAM included.

    Images keep the caller's layout and dtype: `(H, W, C)`, grey or volumes, of integers or floats.
    The network gets a tensor `(n, C, H, W)` of ``(image * scale - mean) / std`` on its device,
    resized to `size`. Scaling is done once for an image, not for every masked copy of it.

    Parameters
    ----------
    net : torch.nn.Module
        Called in evaluation mode without gradients. Its training flags are restored.
    preprocess : callable, optional
        Takes a tensor `(n, C, H, W)` of the caller's own values and dtype, times `scale` if that
        is given, and returns the network's input. It replaces `mean`, `std` and `size`.
    scale : float, optional
        Factor of the pixels. None is 1/255 for uint8, 1/65535 for uint16, 1 for floats and
        booleans, and 1 with `preprocess`.
    mean, std : float or sequence of float, optional
        Mean and deviation of every channel, in units of the scaled pixels.
    size : int or (int, int), optional
        Height and width of the network's input. Images are resized bilinearly with antialiasing.
    output : str or callable
        "softmax", "sigmoid" or "raw" of what the network returned, or a callable (what the network
        returned) -> scores. The strings take the ``logits`` of an object or mapping, the ``out``
        or the only entry of a mapping, and the first entry of a tuple.
    layer : torch.nn.Module or str, optional
        Part of `net` for `GradCam`, or its name there. It must return maps (n, maps, H, W).
    device : torch.device or str, optional
        None is the device of the network's parameters.
    dtype : torch.dtype or str, optional
        "half", "bfloat16", "single" or "double". None is the dtype of the parameters.
    channels_last : bool
        Whether tensors have their channels last in memory. On a GPU, convolutions are faster then.
    channel_axis : int or None
        Where images have their channels, as in `explain`; None for a volume without channels.
    class_names : sequence of str or mapping from int to str, optional
        Names of the score columns.

    Returns
    -------
    Model
        Offers `gradient` (per unit of the caller's pixels) and, with `layer`, `features`.

    Raises
    ------
    InvalidInputError
        If an argument cannot be used, `net` is no network, or `layer` is not a part of it.
    ImportError
        If PyTorch is missing, or array-api-compat for another device than the CPU.

    Notes
    -----
    With `channels_last`, or another `device` or `dtype` than the network's, the model uses a copy
    of the network as it is now. The network itself is never moved or converted. Calls from several
    threads are made one after the other. Gradients are those of the scores, after softmax or
    sigmoid. ``output="raw"`` gives gradients of the logits, as in the publication of Grad-CAM.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.AvgPool2d(2), torch.nn.Flatten())
    >>> model = from_torch(net, output="raw")
    >>> image = np.array([[255, 255], [0, 0]], np.uint8)
    >>> model(image[np.newaxis])
    array([[0.5]], dtype=float32)
    >>> model.gradient(image[np.newaxis] / 255.0, 0)
    array([[[0.25, 0.25],
            [0.25, 0.25]]], dtype=float32)
    """
    if preprocess is not None:
        check_callable("preprocess", preprocess, "(tensor) -> tensor")
        refuse_beside_preprocess({"mean": mean, "std": std, "size": size})
    network = TorchNetwork(
        net=check_network(net),
        pixels=check_pixels(channel_axis, scale, mean, std),
        preprocess=preprocess,
        is_raw=preprocess is not None and scale is None,
        size=check_pixel_size(size),
        output=check_output_choice(output),
        layer=layer,
        channels_last=check_flag("channels_last", channels_last),
    )
    return model_of(placed(network, device, dtype), class_names)


def model_of(network: TorchNetwork, class_names: ClassNames) -> Model:
    """Return a model with everything that a network offers; `features` only with a layer."""
    return Model(
        predict_fn=network.predict,
        prepare=network.prepare,
        predict_prepared=network.predict_prepared,
        gradient=network.gradient,
        features=None if network.layer is None else network.features,
        class_names=class_names,
    )


def check_network(net: object) -> Any:
    """Return `net` if it is a PyTorch network. A state or a path is not one yet."""
    torch = needed("torch", "PyTorch networks need PyTorch", "torch")
    if isinstance(net, torch.nn.Module):
        return net
    msg = f"`net` must be a torch.nn.Module; got {describe(net)}."
    if isinstance(net, dict):
        msg = "`net` must be a torch.nn.Module; got a state. Load it: net.load_state_dict(state)."
    raise InvalidInputError(msg)


def placed(network: TorchNetwork, device: Any, dtype: Any) -> TorchNetwork:
    """Return the network on a device and in a precision, as a copy unless it is there already."""
    import torch  # noqa: PLC0415

    net = network.net
    name = _name_of_layer(net, network.layer)
    tensors = [*net.parameters(), *net.buffers()]
    floats = [tensor for tensor in tensors if tensor.is_floating_point()]
    own_device = tensors[0].device if tensors else torch.device("cpu")
    own_dtype = floats[0].dtype if floats else torch.float32
    to_device = own_device if device is None else _device(device)
    to_dtype = own_dtype if dtype is None else _dtype(dtype)
    if "meta" in (own_device.type, to_device.type):
        raise InvalidInputError(
            "`net` must have values; it is on PyTorch's meta device. Load its weights first."
        )
    if to_device.type != "cpu":
        needed("array_api_compat", "networks off the CPU need array-api-compat", "torch")
    if (to_device, to_dtype) != (own_device, own_dtype) or network.channels_last:
        with torch.inference_mode(mode=False):  # else the copy could never be differentiated
            net = copy.deepcopy(net).to(to_device, to_dtype)
    for parameter in net.parameters() if network.channels_last else ():
        parameter.data = parameter.data.contiguous(memory_format=memory_format(parameter.ndim))
    layer = None if name is None else dict(net.named_modules())[name]
    return replace(network, net=net, layer=layer, device=to_device, dtype=to_dtype)


def _name_of_layer(net: Any, layer: Any) -> str | None:
    """Return the name of a layer within the network."""
    if layer is None:
        return None
    names = {name: module for name, module in net.named_modules() if name}
    if isinstance(layer, str) and layer in names:
        return layer
    for name, module in names.items():
        if module is layer:
            return name
    some = ", ".join(repr(name) for name in list(names)[-5:])
    came = describe(layer) if isinstance(layer, str) else type(layer).__name__
    raise InvalidInputError(
        f"`layer` must be a part of `net` or the name of one, such as {some}; got {came}."
    )


def _device(device: Any) -> Any:
    import torch  # noqa: PLC0415

    try:
        found = torch.device(device)
        return torch.empty(0, device=found).device  # "cuda" becomes "cuda:0"
    except (RuntimeError, TypeError, AssertionError) as error:
        raise InvalidInputError(
            f"`device` must be one that PyTorch has here; got {describe(device)} ({error})."
        ) from error


def _dtype(dtype: Any) -> Any:
    import torch  # noqa: PLC0415

    found = getattr(torch, PRECISIONS[dtype]) if dtype in PRECISIONS else dtype
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        listed = ", ".join(f'"{name}"' for name in PRECISIONS)
        raise InvalidInputError(
            f"`dtype` must be {listed} or a floating torch.dtype; got {describe(dtype)}."
        )
    return found
