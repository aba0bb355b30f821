"""Why these pixels are a coin: a segmenter explained region by region.

A random forest sees every pixel through its surroundings at several scales. For two coins the
example asks how much the mean probability of "coin" inside them depends on which part of the
picture.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data, feature, measure
from sklearn.ensemble import RandomForestClassifier

import limelens as ll
from limelens.pictures import color_limit, draw_overlay, sheet

OUTPUT = Path(__file__).parent / "output"


def features(image):
    """Return what the forest knows of every pixel, (H, W, features)."""
    return feature.multiscale_basic_features(image, sigma_min=1, sigma_max=8, texture=False)


def make_segmenter(image, truth):
    """Return `segment`: a batch (n, H, W) to the probabilities of ground and coin."""
    forest = RandomForestClassifier(20, max_depth=8, min_samples_leaf=20, random_state=0)
    forest.fit(features(image).reshape(truth.size, -1), truth.ravel())

    def segment(batch):
        known = np.stack([features(each) for each in batch])
        answer = forest.predict_proba(known.reshape(-1, known.shape[-1]))
        return answer.reshape(*batch.shape, 2)

    return segment


def main():
    picture = Image.fromarray(data.coins()[20:150, 20:380])
    image = np.asarray(picture.resize((144, 52)))
    segment = make_segmenter(image, image > 110)
    coins = measure.label(segment(image[np.newaxis])[0, ..., 1] > 0.5)
    halves = [coins[:, :72], coins[:, 72:]]
    two = [coins == np.bincount(half[half > 0]).argmax() for half in halves]  # their largest coins

    scores = ll.mask_scores(
        segment, [(1, coin) for coin in two], channel_axis=-1, names=["left coin", "right coin"]
    )
    explainer = ll.QuickShap(segmenter=ll.Slic(60), max_samples=258, link="identity")
    explanation = explainer.explain(image, scores, target=[0, 1], rng=0)

    limit = color_limit(explanation.importances)
    tiles, titles = [image], ["coins"]
    for target, coin in enumerate(two):
        found = explanation.inside(coin, target)
        name = scores.class_names[target]
        print(f"{name}: mean probability {explanation.scores[target]:.2f}, {found}")
        tiles.append(draw_overlay(image, explanation.heatmap(target), scale=limit))
        titles.append(f"why the {name} is one\n{found.share:.0%} of the evidence in it")
    OUTPUT.mkdir(exist_ok=True)
    heading = "Why these pixels are a coin"
    sheet(tiles, titles, columns=1, limit=limit, heading=heading).save(OUTPUT / "18_segmenter.png")


if __name__ == "__main__":
    main()
