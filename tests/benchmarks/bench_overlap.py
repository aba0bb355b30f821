"""How much of a device's time the host leaves unused, on a machine without such a device.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_overlap.py [--samples 8192]

The device is a stand-in: it takes batches in the order they are sent for, works on them at a given
rate while the host goes on, and lets whoever fetches scores wait until all that was sent is done,
as a CUDA stream does. The rates are those of `bench_gpu.py`'s ResNet-50 on an H100, in batches of
64 and of 256. Its memory is the host's, so what the host does for it, gathering masked images, is
done on small ones of 64 px; about 50 segments, 1000 scores an image. Needs PyTorch for the CPU and
array-api-compat. Wall-clock time of whole explanations, set-up and fit included.
"""

import argparse
import time
from typing import Any

import numpy as np
import torch
from timing import photograph, print_table, superpixels

from limelens import LabelImage, Lime, Ridge
from limelens.engine import composer as prepared

RATES = {64: 11795, 256: 13793}
SIZE, N_SCORES = 64, 1000


class Device:
    """Works at a rate, in order, beside the host."""

    def __init__(self, rate: float) -> None:
        self.rate, self.free_at, self.idle = rate, 0.0, 0.0

    def send(self, n_images: int) -> None:
        now = time.perf_counter()
        self.idle += max(0.0, now - self.free_at)
        self.free_at = max(now, self.free_at) + n_images / self.rate

    def wait(self) -> None:
        time.sleep(max(0.0, self.free_at - time.perf_counter()))


class OnDevice(torch.Tensor):
    """Scores that are there once the device is done."""

    device_of: Device

    def cpu(self) -> Any:
        self.device_of.wait()
        return self.as_subclass(torch.Tensor).clone()


class Model:
    """Scores that are drawn once; only the time they take counts."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.scores: dict[int, Any] = {}
        OnDevice.device_of = device

    def prepare(self, batch: Any) -> Any:
        return torch.from_numpy(batch).to(torch.float16)

    def predict_prepared(self, prepared: Any) -> Any:
        n_images = len(prepared)
        self.device.send(n_images)
        if n_images not in self.scores:
            scores = torch.rand((n_images, N_SCORES), generator=torch.Generator().manual_seed(0))
            scores[0] = torch.linspace(0, 1, N_SCORES)  # as the image alone gets
            self.scores[n_images] = scores.as_subclass(OnDevice)
        return self.scores[n_images]

    def __call__(self, batch: Any) -> Any:
        return self.predict_prepared(self.prepare(batch)).cpu().numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=8192)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    print("## A device's time in `Lime.explain`\n")
    print(f"PyTorch {torch.__version__}, NumPy {np.__version__}; best and middle of repeats.\n")
    torch.set_num_threads(1)
    # copied, scores would be an ordinary tensor that waits for nothing; nor are they overwritten
    prepared.copy_of = lambda scores: scores
    image, segments = photograph("cat", SIZE), superpixels("cat", SIZE, 50)
    lime = Lime(segmenter=LabelImage(segments), surrogate=Ridge(), n_samples=options.samples)
    rows = []
    for n_images, rate in RATES.items():
        device = Device(rate)
        model, seconds, idle = Model(device), [], []
        for number in range(options.repeats + 1):
            device.idle, device.free_at = 0.0, time.perf_counter()
            start = time.perf_counter()
            lime.explain(image, model, target=0, rng=0, batch_size=n_images)
            if number:  # the first loads what is loaded late
                seconds.append(time.perf_counter() - start)
                idle.append(device.idle + time.perf_counter() - device.free_at)
        alone = options.samples / rate
        shares = (f"{alone / value:.0%}" for value in (min(seconds), np.median(seconds)))
        rows.append((n_images, f"{rate} / s", *shares, f"{min(idle) * 1e3:.0f} ms"))
    print_table(
        ("images a call", "rate", "of model only, best", "middle", "nothing to do, best"), rows
    )


if __name__ == "__main__":
    main()
