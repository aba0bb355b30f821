"""The masking engine alone: a data set of masked photographs, in a method of one's own.

One photograph is masked a thousand times; a simple score is averaged over the images in which a
segment is kept and over those in which it is hidden. That difference is the Banzhaf value, a
method of attribution in three lines. Every masked image costs little more than a copy.
"""

import time
from pathlib import Path

import numpy as np
from skimage import data

import limelens as ll
from limelens.pictures import sheet

OUTPUT = Path(__file__).parent / "output"


def orange(batch):
    """Score how much more red than blue an image is: (n, H, W, 3) -> (n,)."""
    return (batch[..., 0].astype(float) - batch[..., 2]).mean(axis=(1, 2)) / 255


def main():
    image = data.astronaut()[::2, ::2]  # (256, 256, 3) uint8
    segments = ll.Slic(60)(image)
    n_segments = segments.max() + 1
    background = ll.Blur(12)(image, segments)
    coalitions = np.random.default_rng(0).random((1000, n_segments)) < 0.5

    scores, seconds = [], 0.0
    for rows in np.split(coalitions, 20):
        start = time.perf_counter()
        batch = ll.perturb(image, segments, rows, background)
        seconds += time.perf_counter() - start
        scores.append(orange(batch))
    scores = np.concatenate(scores)
    print(f"{len(scores)} masked images, {1e6 * seconds / len(scores):.0f} microseconds each")

    kept = coalitions.T @ scores / coalitions.sum(axis=0)
    hidden = (~coalitions.T) @ scores / (~coalitions).sum(axis=0)
    importances = kept - hidden
    strongest = np.argsort(importances)[::-1][:5]
    for segment in strongest:
        print(f"segment {segment:2d} makes the photograph redder by {importances[segment]:.4f}")

    alone = np.isin(np.arange(n_segments), strongest)[np.newaxis]
    (shown,) = ll.perturb(image, segments, alone, 255)
    tiles = [image, *batch[:3], shown]
    titles = ["photograph", "masked", "masked", "masked", "the five reddest segments"]
    picture = sheet(tiles, titles, columns=5, heading="A thousand masked images", tile_side=240)
    OUTPUT.mkdir(exist_ok=True)
    picture.save(OUTPUT / "04_perturb.png")


if __name__ == "__main__":
    main()
