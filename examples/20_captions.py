"""Which part of the picture each word of a caption is about.

The captioner is small: a classifier of handwritten digits, asked twice, that answers in a sentence.
It is treated as a large one would be: only its text is seen.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import limelens as ll
from limelens.pictures import color_limit, draw_overlay, sheet
from limelens.testing import digits_classifier

OUTPUT = Path(__file__).parent / "output"
NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def make_captioner():
    """Return `answer`: pictures of two digits (n, 8, 16) to sentences."""
    classify = digits_classifier()

    def answer(batch):
        halves = [classify(batch[:, :, :8]), classify(batch[:, :, 8:])]
        both = zip(*(half.argmax(axis=1) for half in halves), strict=True)
        return [f"a {NAMES[a]} left of a {NAMES[b]}" for a, b in both]

    return answer


def main():
    digits, answer = load_digits(), make_captioner()
    three, seven = (digits.images[digits.target == digit][0] for digit in (3, 7))
    image = np.concatenate([three, seven], axis=1)
    caption = answer(image[np.newaxis])[0]
    words = ["three", "seven"]
    scores = ll.text_scores(answer, ll.token_overlap(words))
    explainer = ll.QuickShap(
        segmenter=ll.Grid(cell=(2, 4)), fill=ll.Constant(0), max_samples=1026, link="identity"
    )
    explanation = explainer.explain(image, scores, target=[0, 1], class_names=words, rng=0)

    print(caption)
    limit = color_limit(explanation.importances)
    left = np.zeros(image.shape, dtype=bool)
    left[:, :8] = True
    tiles, titles = [16 - image], [f'"{caption}"']
    for target, word in enumerate(words):
        found = explanation.inside(left if word == "three" else ~left, target)
        print(f"{word}: {found}, its own digit")
        tiles.append(draw_overlay(16 - image, explanation.heatmap(target), scale=limit))
        titles.append(f'why "{word}"\n{found.share:.0%} of the evidence in its digit')
    OUTPUT.mkdir(exist_ok=True)
    heading = "A captioner: each word has its place"
    sheet(tiles, titles, columns=3, limit=limit, heading=heading).save(OUTPUT / "20_captions.png")


if __name__ == "__main__":
    main()
