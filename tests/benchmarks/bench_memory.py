"""Peak memory of whole explanations, beyond image and segments; a subprocess each.

    python tests/benchmarks/bench_memory.py [--full]

Prints a Markdown table. The model is nearly free. `--full` shows the 12-megapixel photograph and
the 100-megapixel scan 10,000 masked images each, which takes a quarter of an hour to most of one.
"""

import argparse
import json
import subprocess
import sys

from timing import print_table

CASES = {
    "photograph, 224 px, uint8": ((224, 224, 3), "uint8", 1000, 1000),
    "photograph, 224 px, float32": ((224, 224, 3), "float32", 1000, 1000),
    "photograph, 512 px, uint8": ((512, 512, 3), "uint8", 1000, 1000),
    "photograph, 1024 px, float32": ((1024, 1024, 3), "float32", 300, 1000),
    "12 megapixels, uint8": ((3000, 4000, 3), "uint8", 200, 10_000),
    "100 megapixels, uint8": ((10_000, 10_000, 3), "uint8", 60, 10_000),
}

CHILD = """
import json, resource, sys, threading, time
import numpy as np
from limelens import Grid, ImageMean, Lime, Ridge

shape, dtype, n_samples = json.loads(sys.argv[1])
image = np.resize(np.random.default_rng(0).integers(0, 256, 1_000_003).astype(dtype), shape)
model = lambda batch: batch[:, ::997, ::997, 0].reshape(len(batch), -1)[:, :1].astype(float)

def explain(image, n_samples):
    lime = Lime(segmenter=Grid(49), fill=ImageMean(), surrogate=Ridge(), n_samples=n_samples)
    return lime.explain(image, model, target=0, rng=0)

explain(image[:64, :64], 60)  # loads every module
def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()

before, peak, running = resident(), [0], [True]
def watch():
    while running[0]:
        peak[0] = max(peak[0], resident())
        time.sleep(0.0005)

watcher = threading.Thread(target=watch, daemon=True)
watcher.start()
start = time.process_time()
explanation = explain(image, n_samples)
seconds = time.process_time() - start
running[0] = False
watcher.join()
print(json.dumps([peak[0] - before, image.nbytes, int(explanation.segments.max()) + 1, seconds]))
"""


def mebibytes(n_bytes: float) -> str:
    number = n_bytes / 2**20
    return f"{number:.3g} MiB" if number < 1000 else f"{number:.0f} MiB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="10,000 samples of the large images")
    full = parser.parse_args().full
    rows = []
    for name, (shape, dtype, few, many) in CASES.items():
        n_samples = many if full else few
        arguments = json.dumps([shape, dtype, n_samples])
        run = subprocess.run(
            [sys.executable, "-c", CHILD, arguments], check=True, capture_output=True, text=True
        )
        extra, image_bytes, n_segments, seconds = json.loads(run.stdout)
        batch = max(1, min(64, 2**24 // image_bytes)) * image_bytes
        aim = 2 * batch + 8 * image_bytes + n_samples * (n_segments + 1) * 8
        rows.append((
            name,
            f"{n_samples}",
            *(mebibytes(n_bytes) for n_bytes in (image_bytes, extra, aim)),
            f"{extra / aim:.2f}",
            f"{seconds:.3g} s",
        ))  # fmt: skip
    print("## Peak memory of `Lime.explain` beyond the image\n")
    print("The aim is 2 batches + 8 images + n (S + L) x 8 bytes.\n")
    columns = ("image", "samples", "image size", "peak", "aim", "peak / aim", "CPU time")
    print_table(columns, rows)


if __name__ == "__main__":
    main()
