"""Seven surrogates, one run of the model: what the choice of the simple model changes.

A support vector machine looks for a face. Its answers to 1000 masked images are bought once;
`reuse=` fits every further surrogate to the same rows without a new call.
"""

from pathlib import Path
from time import perf_counter

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor

import limelens as ll
from limelens.demo import photographs, train
from limelens.pictures import color_limit, sheet

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


def main():
    classifier, _ = train()  # histograms of gradients and a support vector machine
    photograph = photographs()[0].image  # (105, 105, 3) uint8

    explanation, maps, titles = None, [], ["photograph"]
    print("surrogate                  fidelity  segments  new calls      s")
    for name, surrogate in SURROGATES.items():
        start = perf_counter()
        explanation = ll.Lime(surrogate=surrogate).explain(
            photograph, classifier, target=1, rng=0, reuse=explanation
        )
        seconds, used = perf_counter() - start, np.count_nonzero(explanation.importances)
        fidelity, calls = explanation.fidelity[0], explanation.n_predictions
        print(f"{name:26s} {fidelity:8.2f}  {used:8d}  {calls:9d}  {seconds:5.2f}")
        maps.append(explanation)
        titles.append(f"{name}: R² {fidelity:.2f}")

    small = ll.Lime(surrogate=ll.Tree(max_depth=2))
    tree = small.explain(photograph, classifier, target=1, rng=0, reuse=explanation)
    print("\nA tree of depth 2 in words (segment kept or hidden: score):")
    for rule in tree.details["surrogate"]["rules"][0]:
        print(f"  {rule}")

    OUTPUT.mkdir(exist_ok=True)
    heading = "One model, one photograph, one run: seven surrogates"
    limit = color_limit([each.importances for each in maps])
    tiles = [photograph, *(each.to_image(scale=limit) for each in maps)]
    picture = sheet(tiles, titles, columns=4, limit=limit, heading=heading, tile_side=280)
    picture.save(OUTPUT / "05_surrogates.png")


if __name__ == "__main__":
    main()
