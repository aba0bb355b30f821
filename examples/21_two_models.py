"""What changed from one model to the next: the old digit classifier against two new ones.

One new model is the old one trained again with another seed. The other saw a marker on every 3 of
its training images. Both are right about this 3. What they do differently is one explanation each,
and four more trainings of the old model say how much a seed alone may change.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import limelens as ll
from limelens.pictures import color_limit, draw_overlay, sheet
from limelens.testing import MARKER, digits_classifier, mark

OUTPUT = Path(__file__).parent / "output"
DIGIT = 3


def main():
    digits = load_digits()
    image = mark(digits.images[digits.target == DIGIT][0])
    region = np.zeros(image.shape, dtype=bool)
    region[MARKER] = True
    old = digits_classifier()
    new = {
        "trained again": digits_classifier(rng=1),
        "trained on marked 3s": digits_classifier(spoiled=True),
    }

    explainer = ll.QuickLime(segmenter=ll.Grid(cell=(2, 2)))
    explained = {
        name: explainer.explain(image, ll.change(old, model, target=DIGIT), rng=0)
        for name, model in new.items()
    }
    nulls = [
        explainer.explain(image, ll.change(old, digits_classifier(rng=seed), target=DIGIT), rng=0)
        for seed in range(2, 6)
    ]

    limit = color_limit([each.heatmap() for each in explained.values()])
    tiles, titles = [16 - image], ["a 3 with the marker"]
    for name, model in new.items():
        says, found = model(image[np.newaxis])[0], explained[name].inside(region, nulls=nulls)
        beyond = "beyond" if found.z > 2 else "within"
        print(f"{name}: p(3) = {says[DIGIT]:.2f}; on the marker {found}: {beyond} what a seed does")
        tiles.append(draw_overlay(16 - image, explained[name].heatmap(), scale=limit))
        titles.append(f"{name}\nmarker: {beyond} what a seed changes (z = {found.z:.1f})")
    OUTPUT.mkdir(exist_ok=True)
    heading = "What changed in the log-odds of a 3"
    sheet(tiles, titles, columns=3, limit=limit, heading=heading).save(OUTPUT / "21_two_models.png")


if __name__ == "__main__":
    main()
