"""Integrated gradients of digits: attributions, their positive and their negative part, one scale.

A small network with exact gradients, trained in half a second on the digits that come with
scikit-learn.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import limelens as ll
from limelens.pictures import color_limit, draw_overlay, sheet
from limelens.testing import digits_classifier

OUTPUT = Path(__file__).parent / "output"
DIGITS = (0, 3, 7)


def main():
    network = digits_classifier()
    images = load_digits().images  # (n, 8, 8) float64 of 0 to 16
    found = [ll.IntegratedGradients().explain(images[digit], network) for digit in DIGITS]
    maps = [explanation.heatmap() for explanation in found]
    limit = color_limit(maps)
    tiles, titles = [], []
    for digit, explanation, heatmap in zip(DIGITS, found, maps, strict=True):
        gap = explanation.details["completeness_gap"][0]
        print(f"{digit}: score {explanation.scores.max():.3f}, completeness gap {gap:.1e}")
        parts = {
            "all": heatmap,
            "positive": np.maximum(heatmap, 0),
            "negative": np.minimum(heatmap, 0),
        }
        tiles.append(images[digit])
        titles.append(f"{digit}: score {explanation.scores.max():.3f}")
        for name, part in parts.items():
            tiles.append(draw_overlay(images[digit], part, scale=limit))
            titles.append(f"{name}: sum {part.sum():+.2f}")
    OUTPUT.mkdir(exist_ok=True)
    sheet(
        tiles, titles, columns=4, limit=limit, tile_side=200, heading="Integrated gradients"
    ).save(OUTPUT / "14_integrated_gradients.png")


if __name__ == "__main__":
    main()
