"""Masked images a second through a network on a GPU, by where they are masked.

    python tests/benchmarks/bench_gpu.py [--device cuda] [--samples 8192]

A ResNet-50 in half precision with random weights, 224 px, about 50 segments; needs PyTorch, and for
the device path array-api-compat. Wall-clock time, the best and the middle of interleaved repeats:

- model only: one batch that already lies on the GPU, again and again, the scores fetched at the
  end;
- device: `prepare` puts the image on the GPU, batches are gathered there;
- from_torch: the same by `from_torch(net, dtype="half", channels_last=True)`;
- host: batches of uint8 are composed in NumPy, copied to the GPU and scaled there;
- lime-style: every image masked by a loop over its hidden segments, as lime does, scaled in NumPy.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from timing import photograph, print_table, superpixels
from torch import nn

from limelens import LabelImage, Lime, Ridge, SegmentMean, from_torch

MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 convolution around a shortcut (He et al. 2016, arXiv 1512.03385)."""

    def __init__(self, n_in: int, n_inner: int, stride: int) -> None:
        super().__init__()
        n_out = 4 * n_inner
        self.body = nn.Sequential(
            *convolution(n_in, n_inner, 1), nn.ReLU(inplace=True),
            *convolution(n_inner, n_inner, 3, stride), nn.ReLU(inplace=True),
            *convolution(n_inner, n_out, 1),
        )  # fmt: skip
        straight = stride == 1 and n_in == n_out
        self.shortcut = nn.Sequential(*(() if straight else convolution(n_in, n_out, 1, stride)))

    def forward(self, x: Any) -> Any:
        return torch.relu(self.body(x) + self.shortcut(x))


def convolution(n_in: int, n_out: int, size: int, stride: int = 1) -> Iterator[nn.Module]:
    yield nn.Conv2d(n_in, n_out, size, stride, size // 2, bias=False)
    yield nn.BatchNorm2d(n_out)


def resnet50() -> nn.Module:
    layers = [*convolution(3, 64, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    n_in = 64
    for n_inner, repeats, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for number in range(repeats):
            layers.append(Bottleneck(n_in, n_inner, stride if number == 0 else 1))
            n_in = 4 * n_inner
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(n_in, 1000))


class Model:
    """The network as a user wraps it: scaled on the GPU, offered to be prepared once."""

    def __init__(self, device: str, n_images: int) -> None:
        torch.manual_seed(0)
        torch.backends.cudnn.benchmark = True
        self.device = device
        self.dtype = torch.float16 if device == "cuda" else torch.float32
        network = resnet50().eval()
        self.adapted = from_torch(
            network, scale=1, mean=MEAN, std=DEVIATION, device=device, dtype=self.dtype,
            channels_last=True,
        )  # fmt: skip
        self.network = network.to(device, self.dtype, memory_format=torch.channels_last)
        self.mean, self.deviation = (torch.tensor(v, device=device) for v in (MEAN, DEVIATION))
        self.fixed = torch.rand(n_images, 224, 224, 3, device=device).to(self.dtype)

    def prepare(self, batch: Any) -> Any:
        """Move a uint8 HWC batch to the GPU and scale it there."""
        return ((torch.from_numpy(batch).to(self.device) - self.mean) / self.deviation).to(
            self.dtype
        )

    @torch.inference_mode()
    def predict_prepared(self, prepared: Any) -> Any:
        """Score HWC images; seen channels first, they lie in memory as cuDNN likes them."""
        return torch.softmax(self.network(prepared.permute(0, 3, 1, 2)).float(), dim=1)

    def on_host(self, batch: Any) -> Any:
        """Score a NumPy batch; what `predict_fn` is without `prepare`."""
        return self.predict_prepared(self.prepare(batch)).cpu().numpy()

    def __call__(self, batch: Any) -> Any:
        return self.on_host(batch)


class Case:
    """One photograph, explained in every way."""

    def __init__(self, model: Model, n_images: int, n_samples: int) -> None:
        self.model, self.n_images, self.n_samples = model, n_images, n_samples
        self.image = photograph("cat", 224)
        self.segments = superpixels("cat", 224, 50)
        background = SegmentMean()(self.image, self.segments)
        self.background = np.rint(background).astype(np.uint8)
        self.n_slow = max(n_images, n_samples // 16 // n_images * n_images)

    def model_only(self) -> int:
        for _ in range(-(-self.n_samples // self.n_images)):
            scores = self.model.predict_prepared(self.model.fixed)
        scores.cpu()
        return -(-self.n_samples // self.n_images) * self.n_images

    def _explain(self, predict_fn: Callable[[Any], Any]) -> Any:
        lime = Lime(
            segmenter=LabelImage(self.segments),
            fill=SegmentMean(),
            surrogate=Ridge(),
            n_samples=self.n_samples,
        )
        return lime.explain(self.image, predict_fn, target=0, rng=0, batch_size=self.n_images)

    def device(self) -> int:
        return self._explain(self.model).n_predictions

    def from_torch(self) -> int:
        return self._explain(self.model.adapted).n_predictions

    def host(self) -> int:
        return self._explain(self.model.on_host).n_predictions

    def lime_style(self) -> int:
        rng = np.random.default_rng(0)
        mean, deviation = np.array(MEAN), np.array(DEVIATION)
        for _ in range(self.n_slow // self.n_images):
            images = []
            for kept in rng.random((self.n_images, self.segments.max() + 1)) < 0.5:
                masked, hidden = self.image.copy(), np.zeros(self.segments.shape, bool)
                for segment in np.flatnonzero(~kept):
                    hidden[self.segments == segment] = True
                masked[hidden] = self.background[hidden]
                images.append(masked)
            scaled = (np.array(images) - mean) / deviation
            batch = torch.from_numpy(scaled.astype(np.float16)).to(self.model.device)
            self.model.predict_prepared(batch.to(self.model.dtype)).cpu().numpy()
        return self.n_slow

    def difference(self) -> float:
        """Return how far the importances of device and host are apart, relative."""
        ours, theirs = (self._explain(f).importances for f in (self.model, self.model.on_host))
        return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def rates(ways: dict[str, Callable[[], int]], repeats: int) -> dict[str, tuple[float, float]]:
    """Return the best and the middle number of images a second of ways that take turns."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(repeats + 1):
        for name, run in ways.items():
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            start = time.perf_counter()
            n_images = run()
            if number:  # the first turn chooses kernels
                found[name].append(n_images / (time.perf_counter() - start))
    return {name: (max(values), float(np.median(values))) for name, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--samples", type=int, default=8192)
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    name = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    print(f"## A ResNet-50 in {'half' if options.device == 'cuda' else 'single'} precision\n")
    print(f"{name}, PyTorch {torch.__version__}, NumPy {np.__version__}.\n")
    rows = []
    for n_images in options.batches:
        model = Model(options.device, n_images)
        case = Case(model, n_images, options.samples)
        ways = {
            "model only": case.model_only,
            "device": case.device,
            "from_torch": case.from_torch,
            "host": case.host,
            "lime-style": case.lime_style,
        }
        found = rates(ways, options.repeats)
        best, middle = found["model only"]
        for way, (fast, usual) in found.items():
            rows.append((n_images, way, f"{fast:.0f}", f"{usual:.0f}",
                         f"{fast / best:.0%}", f"{usual / middle:.0%}"))  # fmt: skip
        print(f"Batches of {n_images}: importances of device and host differ by "
              f"{case.difference():.1e}.\n")  # fmt: skip
    print_table(
        ("images a call", "masked", "images / s, best", "middle", "of model only, best", "middle"),
        rows,
    )


if __name__ == "__main__":
    main()
