"""LIME's answer for a fraction of the model calls, and how far it can be trusted.

A small network tells the bundled pictures apart by their texture. One patch it has not seen is
explained by LIME with 1000 calls and, twice, with as many as `QuickLime` asks for by itself;
then `QuickLime` says which segments are certain, and what more calls would change.
"""

from pathlib import Path

import numpy as np
from skimage import data, transform
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import limelens as ll
from limelens.pictures import color_limit, sheet

OUTPUT = Path(__file__).parent / "output"
PICTURES = ("astronaut", "chelsea", "coffee", "rocket", "immunohistochemistry", "hubble_deep_field")
NAMES = ("astronaut", "cat", "coffee", "rocket", "tissue", "galaxies")
SIDE = 48


def features(patches):
    """(n, 48, 48, 3) -> colours and edges of 3 x 3 cells, (n, 72)."""
    grey = patches.mean(axis=3)
    down, right = np.diff(grey, axis=1)[:, :, :-1], np.diff(grey, axis=2)[:, :-1]
    maps = np.concatenate([patches[:, :-1, :-1], np.abs(np.stack([down, right], axis=3))], axis=3)
    maps = np.concatenate([maps, np.square(maps[..., :3])], axis=3)[:, :45, :45]
    return maps.reshape(len(patches), 3, 15, 3, 15, 8).mean(axis=(2, 4)).reshape(len(patches), -1)


def load(name):
    picture = np.asarray(getattr(data, name)(), dtype=np.float64) / 255
    return transform.resize(picture[..., :3], (256, 384))


def train(rng):
    patches, labels = [], []
    for label, name in enumerate(PICTURES):
        picture = load(name)
        for row, column in rng.integers(0, (256 - SIDE, 200), size=(150, 2)):
            patches.append(picture[row : row + SIDE, column : column + SIDE])
            labels.append(label)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=400))
    return model.fit(features(np.array(patches)), labels)


def main():
    rng = np.random.default_rng(0)
    model = train(rng)
    patch = load("chelsea")[90 : 90 + SIDE, 230 : 230 + SIDE]
    asked = {"segmenter": ll.Slic(50), "fill": ll.Constant(0.5)}
    settings = {"target": NAMES.index("cat"), "class_names": NAMES}

    def predict_fn(batch):  # (n, 48, 48, 3) -> (n, 6)
        return model.predict_proba(features(batch))

    quick = ll.QuickLime(**asked).explain(patch, predict_fn, rng=0, **settings)
    n_calls = quick.details["n_calls"]
    short, again, long = (
        ll.Lime(n_samples=n, **asked).explain(patch, predict_fn, rng=seed, **settings)
        for n, seed in ((n_calls, 0), (n_calls, 1), (1000, 0))
    )

    print(quick.details["message"])
    print("the five strongest, by their size:", quick.top_confidence(5, sign="absolute"))
    print("what the rows already paid for say of plain LIME:")
    print(quick.stability_report(rng=0))
    print("segment  importance  95 % interval     LIME, 1000 calls")
    for segment in quick.top_segments(5, sign="absolute"):
        importance, error = quick.importances[0, segment], quick.standard_errors[0, segment]
        low, high = importance - 1.96 * error, importance + 1.96 * error
        print(
            f"{segment:7d}  {importance:+10.3f}  {low:+.3f} to {high:+.3f}  "
            f"{long.importances[0, segment]:+10.3f}"
        )
    shown = {
        f"QuickLime, {n_calls} calls": quick,
        "LIME, 1000 calls": long,
        f"LIME, {n_calls} calls": short,
        f"LIME, {n_calls} calls, another seed": again,
    }
    limit = color_limit([explanation.importances for explanation in shown.values()])
    picture = sheet(
        [patch, *(explanation.to_image(scale=limit) for explanation in shown.values())],
        [f"cat {quick.scores[settings['target']]:.2f}", *shown],
        columns=5,
        limit=limit,
        heading="The same map for fewer calls of the model",
        tile_side=280,
    )
    OUTPUT.mkdir(exist_ok=True)
    picture.save(OUTPUT / "10_quicklime.png")


if __name__ == "__main__":
    main()
