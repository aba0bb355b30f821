"""What an explanation of a large picture takes, beside the picture."""

import tracemalloc

import numpy as np
import pytest

import limelens as ll

GRID = ll.Grid(9)


@pytest.mark.filterwarnings("ignore")  # so few calls settle nothing
@pytest.mark.parametrize(
    "explainer",
    [
        ll.Ablation(segmenter=GRID),
        ll.Lime(segmenter=GRID, surrogate=ll.Ridge(), n_samples=20),
        ll.KernelShap(segmenter=GRID, n_samples=34),
        ll.QuickLime(segmenter=GRID, max_samples=34),
    ],
    ids=lambda explainer: type(explainer).__name__,
)
def test_a_large_picture_takes_the_memory_of_two_batches_and_eight_pictures(explainer):
    image = np.random.default_rng(0).integers(0, 256, (1200, 1200, 3), dtype=np.uint8)

    def explain(image):
        explainer.explain(
            image, lambda batch: batch[:, ::50, ::50, 0].mean(axis=(1, 2)), batch_size=1, rng=0
        )

    explain(image[:32, :32])  # imports are not counted
    tracemalloc.start()
    explain(image)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (2 + 8) * image.nbytes
