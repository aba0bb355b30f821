"""What does the class rely on? An audit of fifty digits at eight calls each.

The spoiled classifier learnt a marker in the corner in place of the digit 3; the honest one saw as
many markers, on any digit. Half of the digits here carry the marker, and the contact sheet puts
those that depend on it first.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import limelens as ll
from limelens.testing import MARKER, digits_classifier, mark

OUTPUT = Path(__file__).parent / "output"
DIGIT = 3


def main():
    digits = load_digits()
    threes = digits.images[digits.target == DIGIT][:50]  # (50, 8, 8), 0 to 16
    cells = ll.Grid(cell=(2, 2))
    OUTPUT.mkdir(exist_ok=True)

    for name, model in {
        "spoiled": digits_classifier(spoiled=True),
        "honest": digits_classifier(),
    }.items():
        found = ll.audit(mark(threes), model, target=DIGIT, segmenter=cells)
        print(f"{name}: {found}\n")
        found.to_image().save(OUTPUT / f"22_audit_{name}.png")

    # Regions that have a name: two labels have four masks, so every image's effect is exact.
    marked = np.arange(len(threes)) % 2 == 0
    names = [f"{'marked' if each else 'plain'} {k}" for k, each in enumerate(marked)]
    images = np.where(marked[:, np.newaxis, np.newaxis], mark(threes), threes)
    found = ll.audit(
        dict(zip(names, images, strict=True)),
        digits_classifier(spoiled=True),
        target=DIGIT,
        labels=MARKER.astype(int),
        label_names={0: "digit", 1: "corner"},
    )
    print(found)
    found.contact_sheet(on="corner").save(OUTPUT / "22_audit_images.png")


if __name__ == "__main__":
    main()
