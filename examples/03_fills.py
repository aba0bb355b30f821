"""Eight answers to one question: what takes the place of the hidden pixels?

Above, what a support vector machine for faces sees when everything is hidden; below, what it then
says mattered. Where the maps agree, the answer is about the photograph; where they do not, it is
about the fill.
"""

from pathlib import Path
from time import perf_counter

import numpy as np
from skimage import data

import limelens as ll
from limelens.demo import photographs, train
from limelens.pictures import color_limit, sheet

OUTPUT = Path(__file__).parent / "output"


def main():
    classifier, _ = train()  # histograms of gradients and a support vector machine
    photograph = photographs()[0].image  # (105, 105, 3) uint8
    elsewhere = [data.coffee()[i : i + 105, 400:505] for i in (0, 200)]

    fills = {
        "ImageMean()": ll.ImageMean(),
        "SegmentMean()": ll.SegmentMean(),
        "Constant(0)": ll.Constant(0),
        "Constant((0, 80, 160))": ll.Constant((0, 80, 160)),
        "Blur(8)": ll.Blur(8),
        "Noise()": ll.Noise(),
        "Inpaint()": ll.Inpaint(),
        "Backgrounds(images)": ll.Backgrounds(elsewhere),
    }
    segmenter = ll.LabelImage(ll.Slic(40)(photograph))
    segments = segmenter.labels
    backgrounds, found, names = [], [], []
    print("fill                      ms  score when all is hidden  fidelity")
    for name, fill in fills.items():
        start = perf_counter()
        background = fill(photograph, segments)
        milliseconds = 1000 * (perf_counter() - start)
        shown = background[0] if background.ndim == 4 else background
        lime = ll.Lime(segmenter=segmenter, fill=fill, n_samples=200)
        explanation = lime.explain(photograph, classifier, target=1, rng=0)
        hidden, fidelity = explanation.hidden_scores[1], explanation.fidelity[0]
        print(f"{name:22s} {milliseconds:5.0f}  {hidden:24.2f}  {fidelity:8.2f}")
        backgrounds.append(np.rint(shown).astype(np.uint8))
        found.append(explanation)
        names.append(f"{name}\nall hidden: face {hidden:.2f}")

    OUTPUT.mkdir(exist_ok=True)
    limit = color_limit([each.importances for each in found])
    maps = [each.to_image(scale=limit) for each in found]
    half = len(fills) // 2
    tiles = [*backgrounds[:half], *maps[:half], *backgrounds[half:], *maps[half:]]
    below = ["what then mattered"] * half
    titles = [*names[:half], *below, *names[half:], *below]
    heading = "Eight fills, one photograph, one model"
    picture = sheet(tiles, titles, columns=half, limit=limit, heading=heading, tile_side=240)
    picture.save(OUTPUT / "03_fills.png")


if __name__ == "__main__":
    main()
