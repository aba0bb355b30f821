"""Peak memory of the Shapley family, beyond the image; a subprocess each.

    python tests/benchmarks/bench_shapley_memory.py

Prints a Markdown table. 500 calls of a nearly free model on float32 photographs with 50 segments;
with 1000 classes one of them is explained. For comparison: shap's image explainer took 1.15 GB
at 224 pixels and 6.0 GB at 512, and about 9 GB more with 1000 classes.
"""

import json
import subprocess
import sys

from timing import print_table

METHODS = {
    "ExactShapley": "ExactShapley(segmenter=Grid(9))",
    "KernelShap": "KernelShap(segmenter=Grid(49), n_samples=500)",
    "PermutationShapley": "PermutationShapley(segmenter=Grid(49), n_permutations=5)",
    "Owen": "Owen(segmenter=Grid(49), max_samples=500)",
    "QuickShap": "QuickShap(segmenter=Grid(49), tolerance=0, max_samples=514)",
}
CASES = ((224, 2), (224, 1000), (512, 2), (512, 1000))

CHILD = """
import json, resource, sys, threading, time
import numpy as np
from limelens import *

settings, side, n_classes = json.loads(sys.argv[1])
explainer = eval(settings)
image = np.random.default_rng(0).random((side, side, 3)).astype(np.float32)
scales = np.linspace(0.1, 1, n_classes).astype(np.float32)

def model(batch):
    return batch[:, ::29, ::29, 0].mean(axis=(1, 2))[:, np.newaxis] * scales

explainer.explain(image[:64, :64], model, target=1, rng=0)  # loads every module
def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()

before, peak, running = resident(), [0], [True]
def watch():
    while running[0]:
        peak[0] = max(peak[0], resident())
        time.sleep(0.0005)

watcher = threading.Thread(target=watch)
watcher.start()
explanation = explainer.explain(image, model, target=1, rng=0)
running[0] = False
watcher.join()
kept = explanation.samples.keys.nbytes + explanation.samples.scores.nbytes
print(json.dumps([peak[0] - before, image.nbytes, explanation.n_predictions, kept]))
"""


def main() -> None:
    rows = []
    for name, settings in METHODS.items():
        for side, n_classes in CASES:
            arguments = json.dumps([settings, side, n_classes])
            run = subprocess.run(
                [sys.executable, "-c", CHILD, arguments], check=True, capture_output=True, text=True
            )
            extra, image_bytes, calls, kept = json.loads(run.stdout)
            everything = calls * image_bytes
            rows.append(
                (
                    name,
                    f"{side}",
                    f"{n_classes}",
                    f"{calls}",
                    f"{extra / 2**20:.0f} MiB",
                    f"{kept / 2**20:.1f} MiB",
                    f"{everything / 2**20:.0f} MiB",
                )
            )
    header = ("method", "pixels", "classes", "calls", "peak", "kept rows", "all masked images")
    print_table(header, rows)


if __name__ == "__main__":
    main()
