"""Whole explanations: `Lime` against the lime package, at equal segments, samples and fill.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_lime.py [--quick]

The model is nearly free, so that what is timed is the library. Needs the extra `reference`.
"""

import argparse
import itertools
import os
import warnings
from typing import Any

os.environ["TQDM_DISABLE"] = "1"  # lime has no other way to be quiet

import numpy as np
from lime.lime_image import LimeImageExplainer
from timing import (
    PICTURES,
    RATIO_COLUMNS,
    Ratios,
    interleaved,
    photograph,
    print_conditions,
    print_table,
    superpixels,
)

from limelens import LabelImage, Lime, SegmentMean

N_SAMPLES = 1000
BATCH = 64


def nearly_free(batch: Any) -> Any:
    """Score a batch by a few of its pixels, five classes."""
    rows = batch[:, ::53, ::53].reshape(len(batch), -1).astype(np.float64)[:, :30]
    sums = rows.reshape(len(batch), 5, -1).sum(axis=2)
    return sums / (1 + sums.sum(axis=1, keepdims=True))


class Case:
    """One photograph, explained by both."""

    def __init__(self, name: str, size: int, dtype: str, n_samples: int) -> None:
        self.image = photograph(name, size).astype(dtype)
        self.segments = superpixels(name, size, 50)
        self.n_samples = n_samples
        self.ours = Lime(
            segmenter=LabelImage(self.segments), fill=SegmentMean(), n_samples=n_samples
        )
        self.batch = np.empty((min(BATCH, max(1, 2**24 // self.image.nbytes)), *self.image.shape))
        self.batch = self.batch.astype(dtype)

    def limelens(self) -> Any:
        return self.ours.explain(self.image, nearly_free, target=0, rng=0)

    def lime(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return LimeImageExplainer(random_state=0).explain_instance(
                self.image,
                nearly_free,
                labels=(0,),
                top_labels=None,
                num_samples=self.n_samples,
                batch_size=BATCH,
                segmentation_fn=lambda image: self.segments,
            )

    def memcpy(self) -> None:
        self.batch[:] = self.image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two pictures, smaller sizes")
    quick = parser.parse_args().quick
    pictures = PICTURES[:2] if quick else PICTURES
    sizes = (224,) if quick else (224, 512, 1024)
    to_lime, overhead = Ratios(), Ratios()
    for size, dtype, name in itertools.product(sizes, ("uint8", "float32"), pictures):
        # lime's time is proportional to the samples; at 1024 px it needs a minute for 1000
        lime_samples = N_SAMPLES if size == 224 else N_SAMPLES // 10
        label = (str(size), dtype)
        case = Case(name, size, dtype, N_SAMPLES)
        seconds = interleaved({"ours": case.limelens, "memcpy": case.memcpy}, 5)
        theirs = interleaved({"lime": Case(name, size, dtype, lime_samples).lime}, 1, calls=1)
        scaled = theirs["lime"] * N_SAMPLES / lime_samples
        to_lime.add(label, scaled, seconds["ours"])
        overhead.add(label, seconds["ours"] / N_SAMPLES, seconds["memcpy"] / len(case.batch))
    print_conditions(f"Whole explanations, {N_SAMPLES} samples, ~ 50 segments", pictures)
    columns = ("px", "image", *RATIO_COLUMNS)
    print("### lime / `Lime`\n")
    print_table(columns, to_lime.rows())
    print("### Time a sample in the whole of `explain` / memcpy of one image\n")
    print_table(columns, overhead.rows())


if __name__ == "__main__":
    main()
