"""Eight answers to one question: what takes the place of the hidden pixels?

Above, what a support vector machine for faces sees when everything is hidden; below, what it then
says mattered. Where the maps agree, the answer is about the photograph; where they do not, it is
about the fill.
"""

from pathlib import Path
from time import perf_counter

import numpy as np
from skimage import color, data, feature, transform
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import limelens as ll
from limelens.pictures import sheet

OUTPUT = Path(__file__).parent / "output"


def gradients(crops):
    """(n, 25, 25) grey -> (n, 512) histograms of oriented gradients."""
    cells = {"pixels_per_cell": (5, 5), "cells_per_block": (2, 2)}
    return np.stack([feature.hog(crop, orientations=8, **cells) for crop in crops])


def main():
    machine = make_pipeline(StandardScaler(), SVC())
    classifier = CalibratedClassifierCV(machine, ensemble=False)  # decisions -> probabilities
    classifier.fit(gradients(data.lfw_subset()), np.arange(200) < 100)
    photograph = data.astronaut()[75:180, 175:280]  # (105, 105, 3) uint8
    elsewhere = [data.coffee()[i : i + 105, 400:505] for i in (0, 200)]

    def predict_fn(batch):  # (n, 105, 105, 3) uint8 -> (n,)
        grey = color.rgb2gray(batch)
        crops = transform.resize(grey, (len(batch), 25, 25), anti_aliasing=True)
        return classifier.predict_proba(gradients(crops))[:, 1]

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
    backgrounds, maps, names = [], [], []
    print("fill                      ms  score when all is hidden  fidelity")
    for name, fill in fills.items():
        start = perf_counter()
        background = fill(photograph, segments)
        milliseconds = 1000 * (perf_counter() - start)
        shown = background[0] if background.ndim == 4 else background
        lime = ll.Lime(segmenter=segmenter, fill=fill, n_samples=200)
        explanation = lime.explain(photograph, predict_fn, rng=0)
        hidden, fidelity = explanation.hidden_scores[0], explanation.fidelity[0]
        print(f"{name:22s} {milliseconds:5.0f}  {hidden:24.2f}  {fidelity:8.2f}")
        backgrounds.append(np.rint(shown).astype(np.uint8))
        maps.append(explanation.to_image())
        names.append(f"{name}\nall hidden: face {hidden:.2f}")

    OUTPUT.mkdir(exist_ok=True)
    half = len(fills) // 2
    tiles = [*backgrounds[:half], *maps[:half], *backgrounds[half:], *maps[half:]]
    below = ["what then mattered"] * half
    titles = [*names[:half], *below, *names[half:], *below]
    picture = sheet(
        tiles, titles, columns=half, heading="Eight fills, one photograph, one model", tile_side=240
    )
    picture.save(OUTPUT / "03_fills.png")


if __name__ == "__main__":
    main()
