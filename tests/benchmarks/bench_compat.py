"""`limelens.compat.lime_image` against lime itself: the same calls, the same numbers.

    OMP_NUM_THREADS=1 python tests/benchmarks/bench_compat.py [--quick]

The model is nearly free, so that what is timed is the packages. Needs the extra `reference`.
"""

import argparse
import contextlib
import functools
import io
import itertools
import warnings
from typing import Any

import lime.lime_image
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

from limelens.compat import lime_image

N_SAMPLES = 1000
CALLS = {
    "default": {},
    "5 features": {"num_features": 5},
    "batch_size=64": {"batch_size": 64},
}


def nearly_free(batch: Any) -> Any:
    """Score a batch by a few of its pixels, five classes."""
    rows = batch[:, ::53, ::53].reshape(len(batch), -1).astype(np.float64)[:, :30]
    sums = rows.reshape(len(batch), 5, -1).sum(axis=2)
    return sums / (1 + sums.sum(axis=1, keepdims=True))


class Case:
    """One photograph, explained by both packages with the same segments."""

    def __init__(self, name: str, size: int, dtype: str, settings: dict[str, Any]) -> None:
        self.image = photograph(name, size).astype(dtype)
        self.segments = superpixels(name, size, 50)
        self.settings = settings

    def explain(self, package: Any, num_samples: int) -> Any:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            return package.LimeImageExplainer(random_state=0).explain_instance(
                self.image,
                nearly_free,
                num_samples=num_samples,
                segmentation_fn=lambda image: self.segments,
                **self.settings,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two pictures, 224 pixels only")
    quick = parser.parse_args().quick
    pictures = PICTURES[:2] if quick else PICTURES
    sizes = (224,) if quick else (224, 512)
    ratios, milliseconds = Ratios(), []
    for size, dtype, call in itertools.product(sizes, ("uint8", "float32"), CALLS):
        ours, theirs = [], []
        # beyond 224 px nearly all of lime's time is proportional to the samples
        n_lime = N_SAMPLES if size == 224 else N_SAMPLES // 10
        for name in pictures:
            case = Case(name, size, dtype, CALLS[call])
            run_ours = functools.partial(case.explain, lime_image, N_SAMPLES)
            run_lime = functools.partial(case.explain, lime.lime_image, n_lime)
            mine = interleaved({"ours": run_ours}, 5)["ours"]
            lime_s = interleaved({"lime": run_lime}, 1, calls=1)["lime"] * N_SAMPLES / n_lime
            ratios.add((str(size), dtype, call), lime_s, mine)
            ours.append(mine.min())
            theirs.append(lime_s.min())
        middle = [f"{1000 * np.median(each):.0f}" for each in (theirs, ours)]
        milliseconds.append((str(size), dtype, call, *middle))
    print_conditions(
        f"`limelens.compat.lime_image`, {N_SAMPLES} samples, ~ 50 segments, 5 labels", pictures
    )
    columns = ("px", "image", "call")
    print("### lime / ours\n")
    print_table((*columns, *RATIO_COLUMNS), ratios.rows())
    print("### Milliseconds of an explanation, in the middle over the photographs\n")
    print_table((*columns, "lime", "ours"), milliseconds)


if __name__ == "__main__":
    main()
