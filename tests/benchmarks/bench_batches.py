"""How many images a call: is the size that "auto" finds as good as the best fixed one?

Run it by hand: `python tests/benchmarks/bench_batches.py [n_samples]`. The network needs PyTorch
and EfficientNet-lite0, and is left out without them. Times are seconds of the wall clock,
the least of several runs in turns; the ratio is to the best fixed size.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from timing import photograph, print_table

import limelens as ll

FIXED = (1, 2, 4, 8, 16, 32, 64, 111)  # 111 images of 224 px are 16 MiB
LATENCY = 0.05


def near_free(batch: np.ndarray) -> np.ndarray:
    """Take one pixel in 3000."""
    return batch[:, ::32, ::32].reshape(len(batch), -1).mean(axis=1)


def waiting(batch: np.ndarray) -> np.ndarray:
    """Answer after 50 ms, whatever is asked."""
    time.sleep(LATENCY)
    return near_free(batch)


def network() -> Callable[[Any], Any] | None:
    """Return EfficientNet-lite0 on one core of the CPU; None where it is not installed."""
    try:
        import torch
        from call_weights import efficientnet

        net = efficientnet("lite0").eval()
    except ImportError:
        return None
    torch.set_num_threads(1)

    def predict(batch: np.ndarray) -> np.ndarray:
        scaled = torch.from_numpy(np.ascontiguousarray(batch)).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode():
            return net((scaled - 0.45) / 0.225).softmax(1).numpy()

    return predict


def seconds(model: Callable[[Any], Any], n_samples: int, repeats: int, **settings: Any) -> Any:
    """Return the shortest time of a run, and its explanation."""
    lime = ll.Lime(segmenter=ll.Grid(49), n_samples=n_samples, surrogate=ll.Ridge())
    image, times = photograph("cat", 224), []
    for _ in range(repeats):
        start = time.perf_counter()
        found = lime.explain(image, model, target=0, rng=0, **settings)
        times.append(time.perf_counter() - start)
    return min(times), found


def compare(name: str, model: Callable[[Any], Any], n_samples: int, repeats: int) -> list[str]:
    """Return a row: each fixed size, "auto", its ratio to the best, and the size it found."""
    fixed = [seconds(model, n_samples, repeats, batch_size=size)[0] for size in FIXED]
    auto, found = seconds(model, n_samples, repeats)
    best = min(fixed)
    times = [f"{each:.2f}" for each in (*fixed, auto)]
    return [name, str(n_samples), *times, f"{auto / best:.2f}", str(found.details["batch_size"])]


def main() -> None:
    n_samples = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    rows = [
        compare("near-free", near_free, n_samples, 5),
        compare("50 ms a call", waiting, n_samples, 1),
    ]
    net = network()
    if net is not None:
        rows.append(compare("EfficientNet-lite0, one core", net, max(100, n_samples // 5), 1))
    head = ["model", "images", *(f"{size}" for size in FIXED), "auto", "ratio", "found"]
    print_table(head, rows)
    one, _ = seconds(waiting, n_samples, 1, batch_size=64)
    several, _ = seconds(waiting, n_samples, 1, batch_size=64, in_flight=8)
    print(f"\n50 ms a call, 64 images a call: {one:.2f} s; 8 in flight: {several:.2f} s")


if __name__ == "__main__":
    main()
