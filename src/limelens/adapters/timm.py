"""Networks of timm."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from limelens._checks.extras import needed
from limelens._checks.values import check_flag
from limelens._typing import ClassNames
from limelens.adapters.outputs import Output, check_output_choice
from limelens.adapters.pixels import Pixels
from limelens.adapters.torch import check_network, model_of, placed
from limelens.adapters.torch_network import TorchNetwork
from limelens.engine.model import Model
from limelens.errors import InvalidInputError


def from_timm(
    net: Any,
    *,
    output: Output = "softmax",
    layer: Any = None,
    device: Any = None,
    dtype: Any = None,
    channels_last: bool = False,
    class_names: ClassNames = None,
) -> Model:
    """Make a model of a network of timm, with the preprocessing of its own configuration.

    Images are resized, cropped and normalised by ``timm.data.create_transform`` for evaluation.
    The map is in the caller's pixels, and is zero where they are cropped away.

    Parameters
    ----------
    net : torch.nn.Module
        A network made by ``timm.create_model``. Images have their channels last and are uint8,
        uint16, or floats from 0 to 1.
    output : str or callable
        "softmax", "sigmoid", "raw" or a callable (what the network returned) -> scores.
    layer : torch.nn.Module or str, optional
        Part of `net` for `GradCam`, or its name there. It must return maps (n, maps, H, W).
    device : torch.device or str, optional
        None is the device of the network's parameters.
    dtype : torch.dtype or str, optional
        "half", "bfloat16", "single" or "double". None is the dtype of the parameters.
    channels_last : bool
        Whether tensors have their channels last in memory. On a GPU, convolutions are faster then.
    class_names : sequence of str or mapping from int to str, optional
        None takes ImageNet's names if the configuration says that the network was trained on it.

    Returns
    -------
    Model
        As `from_torch` makes it.

    Raises
    ------
    InvalidInputError
        If an argument cannot be used, or `net` has no configuration of timm.
    ImportError
        If timm or PyTorch is missing.

    Notes
    -----
    Images of uint8 go through the transform one by one as Pillow images, so the scores are exactly
    timm's. Floats are resized as a batch on the network's device, without Pillow's rounding to
    256 levels. This is faster on a GPU, and `gradient` needs it.

    Examples
    --------
    >>> import numpy as np
    >>> import timm
    >>> net = timm.create_model("test_resnet", pretrained=False, num_classes=3)
    >>> model = from_timm(net)
    >>> model(np.zeros((2, 200, 300, 3), np.uint8)).shape
    (2, 3)
    """
    check_network(net)
    timm = needed("timm.data", "networks of timm need timm", "timm")
    if not getattr(net, "pretrained_cfg", None):
        raise InvalidInputError(
            "`net` must have the configuration that timm.create_model gives it; got a "
            f"{type(net).__name__} without. Use from_torch(net, mean=..., std=..., size=...)."
        )
    config = timm.resolve_model_data_config(net)
    network = TorchNetwork(
        net=net,
        pixels=Pixels(),
        preprocess=Transformed(transform=timm.create_transform(**config, is_training=False)),
        is_raw=True,
        output=check_output_choice(output),
        layer=layer,
        channels_last=check_flag("channels_last", channels_last),
    )
    names = _imagenet_names(net, timm) if class_names is None else class_names
    return model_of(placed(network, device, dtype), names)


@dataclass(frozen=True, kw_only=True, eq=False)
class Transformed:
    """A transform of timm for tensors `(n, C, H, W)` of the caller's pixels."""

    transform: Any

    def __call__(self, images: Any) -> Any:
        """Return the transformed images, on their device."""
        name = str(images.dtype).removeprefix("torch.")
        if name != "uint8" or images.shape[1] not in (1, 3):
            return self.transform(images * Pixels().scale_of(np.dtype(name)))
        import torch  # noqa: PLC0415
        from PIL import Image  # noqa: PLC0415

        arrays = images.movedim(1, -1).cpu().numpy()
        pictures = (
            Image.fromarray(array.squeeze(-1) if array.shape[-1] == 1 else array)
            for array in arrays
        )
        return torch.stack([self.transform(picture) for picture in pictures]).to(images.device)


def _imagenet_names(net: Any, timm: Any) -> tuple[str, ...] | None:
    """Return the names of the classes the network was trained on, if its configuration says so."""
    config = net.pretrained_cfg
    own = config.get("label_names")
    if own and len(own) == net.num_classes:
        return tuple(own)
    tag = str(config.get("tag") or "")
    trained_on_imagenet = any(part.startswith("in") and part[-1:] == "k" for part in tag.split("_"))
    subset = timm.infer_imagenet_subset(net)
    if not trained_on_imagenet or subset is None or config.get("num_classes") != net.num_classes:
        return None
    return tuple(timm.ImageNetInfo(subset).label_descriptions())
