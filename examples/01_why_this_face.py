"""Every stage on the way from a photograph to a picture that says why.

A support vector machine on gradients tells faces from other crops. Its answer to one photograph
is explained: importances, the five strongest segments, and two checks that ask the model again.
"""

from pathlib import Path

import numpy as np
from skimage import color, data, feature, transform
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import limelens as ll
from limelens.pictures import color_limit, sheet

OUTPUT = Path(__file__).parent / "output"


def gradients(crops):
    """(n, 25, 25) grey -> (n, 512) histograms of oriented gradients."""
    cells = {"pixels_per_cell": (5, 5), "cells_per_block": (2, 2)}
    return np.stack([feature.hog(crop, orientations=8, **cells) for crop in crops])


def train():
    """A hundred faces and a hundred other crops come with scikit-image."""
    machine = make_pipeline(StandardScaler(), SVC())
    classifier = CalibratedClassifierCV(machine, ensemble=False)  # decisions -> probabilities
    return classifier.fit(gradients(data.lfw_subset()), np.arange(200) < 100)


def main():
    classifier = train()
    photograph = data.astronaut()[75:180, 175:280]  # (105, 105, 3) uint8

    def predict_fn(batch):  # (n, 105, 105, 3) uint8 -> (n, 2)
        grey = color.rgb2gray(batch)
        crops = transform.resize(grey, (len(batch), 25, 25), anti_aliasing=True)
        return classifier.predict_proba(gradients(crops))

    explanation = ll.Lime(segmenter=ll.Slic(50)).explain(
        photograph, predict_fn, target=1, class_names=["no face", "face"], rng=0
    )
    print(explanation)
    print("segment  importance  standard error")
    for segment in explanation.top_segments(5, sign="absolute"):
        importance = explanation.importances[0, segment]
        error = explanation.standard_errors[0, segment]
        print(f"{segment:7d}  {importance:+10.3f}  {error:14.3f}")

    kept = np.ones((1, len(explanation.importances[0])), dtype=bool)
    kept[0, explanation.top_segments(5)] = False
    background = ll.ImageMean()(photograph, explanation.segments)
    (without,) = ll.perturb(photograph, explanation.segments, kept, background)
    alone = explanation.masked_image(12)
    scores = predict_fn(np.stack([photograph, without, alone]))[:, 1]
    picture = sheet(
        [
            photograph,
            explanation.to_image(),
            explanation.top_image(5, sign="positive"),
            without,
            alone,
        ],
        [
            f"face {scores[0]:.2f}",
            "importances",
            "the five strongest",
            f"without these five: face {scores[1]:.2f}",
            f"the twelve strongest alone: face {scores[2]:.2f}",
        ],
        columns=5,
        limit=color_limit(explanation.heatmap()),
        heading="Why is this a face?",
        tile_side=280,
    )
    OUTPUT.mkdir(exist_ok=True)
    picture.save(OUTPUT / "01_why_this_face.png")


if __name__ == "__main__":
    main()
