"""Every method on one photograph, in one picture: what each calls important, and at what price.

The model scores how orange and how dark a photograph is, in a way that can be differentiated. So
all methods can be asked, and the answers checked by eye: the suit is orange. `python
examples/09_every_method.py` builds the picture that the documentation shows.
"""

from pathlib import Path

import numpy as np
from skimage import data, transform

import limelens as ll
from limelens.pictures import color_limit, sheet

OUTPUT = Path(__file__).parent / "output"
CELL = 14  # side of the blocks that the features are means of
ORANGE, DARK = np.array([[3.0, -1.0, -3.0], [-2.0, -2.0, -2.0]])
BIAS = np.array([-1.2, -0.2])


def evidence(batch):
    """(n, H, W, 3) -> (n, 2, H, W) in (0, 1): how orange and how dark every pixel is."""
    colors = np.stack([batch @ ORANGE, batch @ DARK], axis=1)
    return 1 / (1 + np.exp(-4 * (colors + BIAS[:, np.newaxis, np.newaxis])))


def predict_fn(batch):
    """(n, H, W, 3) -> (n, 2): mean evidence of orange and of dark."""
    return evidence(batch).mean(axis=(2, 3))


def gradient(batch, target):
    """Derivative of one score with respect to every pixel and channel."""
    share = evidence(batch)[:, target]
    slope = 4 * share * (1 - share) / share[0].size
    return slope[..., np.newaxis] * (ORANGE, DARK)[target]


def features(batch, target):
    """Return block means of the evidence, (n, 2, h, w), and the score's derivative by them."""
    share = evidence(batch)
    n, k, height, width = share.shape
    maps = share.reshape(n, k, height // CELL, CELL, width // CELL, CELL).mean(axis=(3, 5))
    slopes = np.zeros_like(maps)
    slopes[:, target] = 1 / maps[0, 0].size
    return maps, slopes


SEGMENTER = ll.Slic(40)
METHODS = {
    "Sharp": ll.Sharp(),
    "Lime": ll.Lime(segmenter=SEGMENTER, n_samples=400),
    "QuickLime": ll.QuickLime(segmenter=SEGMENTER),
    "KernelShap": ll.KernelShap(segmenter=SEGMENTER, n_samples=400),
    "QuickShap": ll.QuickShap(segmenter=SEGMENTER),
    "PermutationShapley": ll.PermutationShapley(segmenter=SEGMENTER, n_permutations=6),
    "ExactShapley": ll.ExactShapley(segmenter=ll.Slic(9)),
    "Owen": ll.Owen(segmenter=SEGMENTER),
    "Ablation": ll.Ablation(segmenter=SEGMENTER),
    "Anchors": ll.Anchors(segmenter=SEGMENTER),
    "Occlusion": ll.Occlusion(window=0.15, stride=0.05),
    "Rise": ll.Rise(n_masks=600),
    "GradCam": ll.GradCam(),
    "IntegratedGradients": ll.IntegratedGradients(),
    "ExpectedGradients": ll.ExpectedGradients(samples=ll.Noise(low=0.0, high=1.0, n=8)),
}


def montage(photograph):
    """Explain the photograph with every method, and return one page of all maps."""
    model = ll.with_gradient(predict_fn, gradient, features_fn=features)
    tiles, titles = [photograph], ["the photograph\n224 x 224"]
    for name, explainer in METHODS.items():
        explanation = explainer.explain(
            photograph, model, target=0, class_names=["orange", "dark"], batch_size=32, rng=0
        )
        limit = color_limit(explanation.importances)
        unit = explanation.details.get("unit", "score")
        full = f"full colour ±{limit:.2g} {unit}" if limit else "all importances are zero"
        tiles.append(explanation.to_image(scale=limit or "auto"))
        titles.append(f"{name}, {explanation.n_predictions} images\n{full}")
        print(f"{name:20} {explanation}")
    return sheet(
        tiles, titles, columns=4, tile_side=270, heading="Why orange? Every method's answer"
    )


def main():
    """Write `09_every_method.png`."""
    OUTPUT.mkdir(exist_ok=True)
    photograph = transform.resize(data.astronaut(), (224, 224), anti_aliasing=True)
    montage(photograph).save(OUTPUT / "09_every_method.png")


if __name__ == "__main__":
    main()
