"""A model that prepares inside `predict_fn`, against one that offers `prepare`.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_prepare.py

The preparation is the usual one: uint8 HWC to float32 CHW, scaled by mean and deviation. What
comes after it is nearly free.
"""

from typing import Any

import numpy as np
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

from limelens import LabelImage, Lime, Ridge

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


class Model:
    """Prepares every image, and offers to prepare once."""

    def prepare(self, batch: Any) -> Any:
        scaled = (batch.astype(np.float32) / 255 - MEAN) / DEVIATION
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))

    def predict_prepared(self, prepared: Any) -> Any:
        return prepared[:, :, ::53, ::53].sum(axis=(2, 3))

    def __call__(self, batch: Any) -> Any:
        return self.predict_prepared(self.prepare(batch))


def main() -> None:
    ratios, model = Ratios(), Model()

    def in_predict_fn(batch: Any) -> Any:
        return model(batch)

    for size in (224, 512):
        for name in PICTURES[:3]:
            image, segments = photograph(name, size), superpixels(name, size, 50)
            lime = Lime(segmenter=LabelImage(segments), surrogate=Ridge(), n_samples=200)

            def explain(predict_fn: Any, lime: Any = lime, image: Any = image) -> Any:
                return lime.explain(image, predict_fn, target=0, rng=0)

            seconds = interleaved(
                {"each": lambda: explain(in_predict_fn), "once": lambda: explain(model)},
                2,
            )
            ratios.add((str(size),), seconds["each"], seconds["once"])
    print_conditions("Prepared for each masked image / prepared once", PICTURES[:3])
    print_table(("px", *RATIO_COLUMNS), ratios.rows())


if __name__ == "__main__":
    main()
