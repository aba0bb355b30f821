"""Seven surrogates, one run of the model: what the choice of the simple model changes.

A support vector machine looks for a face. Its answers to 1000 masked images are bought once;
`reuse=` fits every further surrogate to the same rows without a new call.
"""

from pathlib import Path
from time import perf_counter

import numpy as np
from skimage import color, data, feature, transform
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import limelens as ll
from limelens.pictures import sheet

OUTPUT = Path(__file__).parent / "output"
SURROGATES = {
    "Lasso()": ll.Lasso(),
    "Lasso, BIC": ll.Lasso(criterion="bic"),
    "Ridge()": ll.Ridge(),
    "6 by forward selection": ll.ForwardSelection(6),
    "Tree()": ll.Tree(),
    "Tree, unsigned (MATLAB's)": ll.Tree(signed=False),
    "gradient boosting": ll.Regressor(GradientBoostingRegressor(n_estimators=50)),
}


def gradients(crops):
    """(n, 25, 25) grey -> (n, 512) histograms of oriented gradients."""
    cells = {"pixels_per_cell": (5, 5), "cells_per_block": (2, 2)}
    return np.stack([feature.hog(crop, orientations=8, **cells) for crop in crops])


def main():
    machine = make_pipeline(StandardScaler(), SVC())
    classifier = CalibratedClassifierCV(machine, ensemble=False)  # decisions -> probabilities
    classifier.fit(gradients(data.lfw_subset()), np.arange(200) < 100)
    photograph = data.astronaut()[75:180, 175:280]  # (105, 105, 3) uint8

    def predict_fn(batch):  # (n, 105, 105, 3) uint8 -> (n, 2)
        grey = color.rgb2gray(batch)
        crops = transform.resize(grey, (len(batch), 25, 25), anti_aliasing=True)
        return classifier.predict_proba(gradients(crops))

    explanation, tiles, titles = None, [photograph], ["photograph"]
    print("surrogate                  fidelity  segments  new calls      s")
    for name, surrogate in SURROGATES.items():
        start = perf_counter()
        explanation = ll.Lime(surrogate=surrogate).explain(
            photograph, predict_fn, target=1, rng=0, reuse=explanation
        )
        seconds, used = perf_counter() - start, np.count_nonzero(explanation.importances)
        fidelity, calls = explanation.fidelity[0], explanation.n_predictions
        print(f"{name:26s} {fidelity:8.2f}  {used:8d}  {calls:9d}  {seconds:5.2f}")
        tiles.append(explanation.to_image())
        titles.append(f"{name}: R² {fidelity:.2f}")

    small = ll.Lime(surrogate=ll.Tree(max_depth=2))
    tree = small.explain(photograph, predict_fn, target=1, rng=0, reuse=explanation)
    print("\nA tree of depth 2 in words (segment kept or hidden: score):")
    for rule in tree.details["surrogate"]["rules"][0]:
        print(f"  {rule}")

    OUTPUT.mkdir(exist_ok=True)
    heading = "One model, one photograph, one run: seven surrogates"
    sheet(tiles, titles, columns=4, heading=heading, tile_side=280).save(
        OUTPUT / "05_surrogates.png"
    )


if __name__ == "__main__":
    main()
