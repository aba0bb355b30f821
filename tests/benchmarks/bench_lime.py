"""Whole explanations: `Lime` against the lime package, at equal segments, samples and fill.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_lime.py [--size 224] [--full]

The model is nearly free, so that what is timed is the library; a second table has a real network
where its weights are installed (extra `imagenet`). Needs the extra `reference`.
"""

import argparse
import itertools
import os
import warnings
from typing import Any

os.environ["TQDM_DISABLE"] = "1"  # lime has no other way to be quiet

import numpy as np
from call_networks import installed, network
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

from limelens import LabelImage, Lasso, Lime, Ridge, SegmentMean

N_SAMPLES = 1000
BATCH = 64
REPEATS = {224: 9}  # the others take long enough for three


def nearly_free(batch: Any) -> Any:
    """Score a batch by a few of its pixels, five classes."""
    rows = batch[:, ::53, ::53].reshape(len(batch), -1).astype(np.float64)[:, :30]
    sums = rows.reshape(len(batch), 5, -1).sum(axis=2)
    return sums / (1 + sums.sum(axis=1, keepdims=True))


class Case:
    """One photograph, explained by both."""

    def __init__(self, name: str, size: int, dtype: str) -> None:
        self.image = photograph(name, size).astype(dtype)
        self.segments = superpixels(name, size, 50)
        self.few = {224: 200, 512: 40}.get(size, 10)
        self.settings = {
            "segmenter": LabelImage(self.segments),
            "fill": SegmentMean(),
            "n_samples": N_SAMPLES,
        }
        n_images = min(BATCH, max(1, 2**24 // self.image.nbytes))
        self.batch = np.empty((n_images, *self.image.shape), dtype)

    def ridge(self) -> Any:
        """Explain with the surrogate that lime has."""
        return self._limelens(Ridge(1.0))

    def lasso(self) -> Any:
        """Explain with our default surrogate."""
        return self._limelens(Lasso())

    def _limelens(self, surrogate: Any) -> Any:
        explainer = Lime(surrogate=surrogate, **self.settings)
        return explainer.explain(self.image, nearly_free, target=0, rng=0)

    def lime(self) -> Any:
        """Explain with a few samples and the start: a thousand would take minutes at 1024 px."""
        return self._lime(self.few + 2)

    def lime_start(self) -> Any:
        return self._lime(2)

    def _lime(self, n_samples: int) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return LimeImageExplainer(random_state=0).explain_instance(
                self.image,
                nearly_free,
                labels=(0,),
                top_labels=None,
                num_samples=n_samples,
                batch_size=BATCH,
                segmentation_fn=lambda image: self.segments,
            )

    def memcpy(self) -> None:
        self.batch[:] = self.image


def real_network(pictures: tuple[str, ...]) -> None:
    """Print the same for EfficientNet-lite0 on one core, 100 samples, images in [0, 1]."""
    import torch

    torch.set_num_threads(1)
    predict = network("lite0", "cpu")

    def model(batch: Any) -> Any:
        scaled = (np.asarray(batch, np.float32) * 255 - 127) / 128
        return predict(torch.from_numpy(scaled)).numpy()

    ratios = Ratios()
    for name in pictures:
        image = photograph(name, 224).astype(np.float32) / 255
        segments = superpixels(name, 224, 50)
        lime = Lime(
            segmenter=LabelImage(segments), fill=SegmentMean(), surrogate=Ridge(), n_samples=100
        )

        def theirs(image: Any = image, segments: Any = segments) -> Any:
            return LimeImageExplainer(random_state=0).explain_instance(
                image.astype(np.float64), model, labels=(0,), top_labels=None, num_samples=100,
                batch_size=BATCH, segmentation_fn=lambda _: segments,
            )  # fmt: skip

        def ours(lime: Any = lime, image: Any = image) -> Any:
            return lime.explain(image, model, target=0, rng=0)

        seconds = interleaved({"lime": theirs, "ours": ours}, 2, calls=1)
        ratios.add(("224", "float"), seconds["lime"], seconds["ours"])
    print("### lime / `Lime`, EfficientNet-lite0 on one core, 100 samples\n")
    print_table(("px", "image", *RATIO_COLUMNS), ratios.rows())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, help="this size only, and no network")
    parser.add_argument("--full", action="store_true", help="eight photographs instead of three")
    arguments = parser.parse_args()
    pictures = PICTURES if arguments.full else PICTURES[:3]
    sizes = (arguments.size,) if arguments.size else (224, 512, 1024)
    to_lime, overhead = Ratios(), Ratios()
    for size, dtype, name in itertools.product(sizes, ("uint8", "float32"), pictures):
        case = Case(name, size, dtype)
        ours = {"Ridge": case.ridge, "Lasso": case.lasso}
        theirs = {"lime": case.lime, "start": case.lime_start}
        candidates = ours | theirs | {"memcpy": case.memcpy}
        seconds = interleaved(candidates, REPEATS.get(size, 3), calls=1)
        per_sample = (seconds["lime"] - seconds["start"]) / case.few
        scaled = seconds["start"] + per_sample * N_SAMPLES
        for surrogate in ours:
            label = (str(size), dtype, surrogate)
            to_lime.add(label, scaled, seconds[surrogate])
            one = seconds["memcpy"] / len(case.batch)
            overhead.add(label, seconds[surrogate] / N_SAMPLES, one)
    print_conditions(f"Whole explanations, {N_SAMPLES} samples, ~ 50 segments", pictures)
    columns = ("px", "image", "surrogate", *RATIO_COLUMNS)
    print(
        "### lime / `Lime`\n\nlime's time is that of its start and of a few samples, scaled up.\n"
    )
    print_table(columns, to_lime.rows())
    print("### Time a sample in the whole of `explain` / memcpy of one image\n")
    print_table(columns, overhead.rows())
    if installed() and not arguments.size:
        real_network(pictures)


if __name__ == "__main__":
    main()
