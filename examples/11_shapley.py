"""Shapley values of a photograph: exact, estimated with error bars, and who works with whom.

With twelve segments every coalition can be shown to the model, so estimates can be checked: the
table compares their error with what their standard errors promise, at no further call, because
`reuse=` knows all rows. The same rows tell which segments work together.
"""

from pathlib import Path

import numpy as np
from PIL import ImageDraw
from skimage import color, data, feature, transform
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import limelens as ll
from limelens.pictures import color_limit, draw_image, sheet

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


def draw_interactions(image, segments, index, n_pairs=6, side=384):
    """Draw a line between segments that work together (red) or replace each other (blue)."""
    picture = draw_image(image).resize((side, side)).convert("RGB")
    scale = side / len(image)
    ids = np.arange(segments.max() + 1)
    centers = [(np.argwhere(segments == each).mean(axis=0)[::-1] * scale) for each in ids]
    pen = ImageDraw.Draw(picture)
    ones, others = np.triu_indices(len(ids), 1)
    strongest = np.argsort(-np.abs(index[ones, others]))[:n_pairs]
    for one, other in zip(ones[strongest], others[strongest], strict=True):
        share = index[one, other] / np.abs(index).max()
        fill = (214, 69, 20) if share > 0 else (40, 90, 200)
        ends = [tuple(centers[one]), tuple(centers[other])]
        pen.line(ends, fill=fill, width=1 + round(14 * abs(share)))
    return picture


def main():
    classifier = train()
    photograph = data.astronaut()[75:180, 175:280]  # (105, 105, 3) uint8

    def predict_fn(batch):  # (n, 105, 105, 3) uint8 -> (n, 2)
        grey = color.rgb2gray(batch)
        crops = transform.resize(grey, (len(batch), 25, 25), anti_aliasing=True)
        return classifier.predict_proba(gradients(crops))

    setting = {"segmenter": ll.Slic(16)}
    about = {"target": 1, "class_names": ["no face", "face"]}
    exact = ll.ExactShapley(**setting).explain(photograph, predict_fn, **about)
    truth = exact.importances[0]
    change = exact.scores[1] - exact.hidden_scores[1]
    print(f"{len(truth)} segments, {exact.n_predictions} calls")
    print(f"importances sum to {truth.sum():.9f}, the score changes by {change:.9f}")

    estimates = {
        "KernelShap, 60": ll.KernelShap(**setting, n_samples=60),
        "KernelShap, 240": ll.KernelShap(**setting, n_samples=240),
        "PermutationShapley, 3": ll.PermutationShapley(**setting, n_permutations=3),
        "PermutationShapley, 12": ll.PermutationShapley(**setting, n_permutations=12),
    }
    maps, titles = [exact], [f"exact, {exact.n_predictions} calls"]
    print("estimate                  new calls  error  promised  sum - change")
    for name, explainer in estimates.items():
        found = explainer.explain(photograph, predict_fn, **about, rng=1, reuse=exact)
        error = np.linalg.norm(found.importances[0] - truth)
        promised = np.linalg.norm(found.standard_errors[0])
        gap = found.importances.sum() - change
        print(f"{name:24s}  {found.n_predictions:9d}  {error:5.3f}  {promised:8.3f}  {gap:12.0e}")
        maps.append(found)
        titles.append(f"{name}\nerror {error:.2f}, promised {promised:.2f}")

    limit = color_limit([each.importances for each in maps])
    tiles = [each.to_image(scale=limit) for each in maps]
    (index,) = ll.interaction_index(exact, target=1)
    tiles.append(draw_interactions(photograph, exact.segments, index))
    titles.append("who works together\nred: more together, blue: either will do")
    picture = sheet(
        tiles,
        titles,
        columns=3,
        limit=limit,
        heading="Shapley values of a face: exact, and estimated with error bars",
        tile_side=280,
    )
    OUTPUT.mkdir(exist_ok=True)
    picture.save(OUTPUT / "11_shapley.png")


if __name__ == "__main__":
    main()
