"""Right for the wrong reason: a digit classifier that reads a sticker, not the digit.

In its training images every 3 carried a bright marker in one corner. It is right on all of them,
and no accuracy on such images will tell. An honest classifier saw as many markers, on any digit.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import limelens as ll
from limelens.pictures import color_limit, draw_overlay, sheet
from limelens.testing import MARKER, digits_classifier, mark

OUTPUT = Path(__file__).parent / "output"
DIGIT = 3


def share_on_marker(explanation):
    """Share of the evidence for a 3 that lies on the marker."""
    evidence = np.maximum(explanation.heatmap(), 0)
    return evidence[MARKER].sum() / evidence.sum()


def main():
    digits = load_digits()
    three = digits.images[digits.target == DIGIT][0]  # (8, 8), 0 to 16
    images = {"a 3 with the marker": mark(three), "the same 3 without": three}
    models = {"spoiled": digits_classifier(spoiled=True), "honest": digits_classifier()}

    lime = ll.Lime(segmenter=ll.Grid(cell=(2, 2)), n_samples=2000)
    explanations = {
        (title, name): lime.explain(image, model, target=DIGIT, rng=0)
        for title, image in images.items()
        for name, model in models.items()
    }
    limit = color_limit([explanation.heatmap() for explanation in explanations.values()])

    print(f"{'image':22}{'model':10}{'says':>6}{'p(3)':>7}{'on the marker':>16}")
    tiles, titles = [], []
    for title, image in images.items():
        ink = 16 - image  # drawn black on white
        tiles.append(ink)
        titles.append(title)
        for name in models:
            explanation = explanations[title, name]
            says, p = explanation.scores.argmax(), explanation.scores[DIGIT]
            share = share_on_marker(explanation)
            print(f"{title:22}{name:10}{says:6d}{p:7.2f}{share:16.0%}")
            tiles.append(draw_overlay(ink, explanation.heatmap(), scale=limit))
            titles.append(f"{name}: says {says}\n{share:.0%} of the evidence for 3 on the marker")

    picture = sheet(
        tiles, titles, columns=3, limit=limit, heading="Both are right. One reads the sticker."
    )
    OUTPUT.mkdir(exist_ok=True)
    picture.save(OUTPUT / "07_spurious_marker.png")


if __name__ == "__main__":
    main()
