"""Every way of hiding: a window, coarse to fine, one segment out or in, soft random masks.

MATLAB's automatic occlusion settings (window 20 %, stride 10 %, mean colour, bicubic) are the
first call; `refine` reaches nearly the same map with fewer.
"""

from pathlib import Path

import limelens as ll
from limelens.demo import photographs, train
from limelens.pictures import color_limit, draw_overlay, sheet

OUTPUT = Path(__file__).parent / "output"
METHODS = {
    "Occlusion": ll.Occlusion(window=0.2, stride=0.1, edges="center"),
    "Occlusion, refined": ll.Occlusion(window=0.2, stride=0.1, edges="center", refine=0.2),
    "Occlusion, gaussian": ll.Occlusion(window=0.3, stride=0.1, edges="center", shape="gaussian"),
    "Ablation": ll.Ablation(),
    "Ablation, keep": ll.Ablation(keep=True),
    "RISE": ll.Rise(n_masks=1000),
    "RISE, published": ll.Rise(n_masks=1000, debiased=False),
}


def signed_map(explanation):
    """Return the map; windows and masks overlap, so theirs are smooth; segments have edges."""
    heatmap = explanation.heatmap()
    if "debiased=False" in explanation.explainer:  # a mean score: only differences tell
        heatmap = heatmap - heatmap.mean()
    return heatmap


def main():
    classifier, _ = train()
    photograph = photographs()[0].image  # (105, 105, 3) uint8
    tiles, titles = [photograph], ["photograph"]
    print("method                 images shown")
    for name, method in METHODS.items():
        explanation = method.explain(photograph, classifier, target=1, rng=0)
        print(f"{name:22s} {explanation.n_predictions:12d}")
        heatmap = signed_map(explanation)
        limit = color_limit(heatmap)
        tiles.append(draw_overlay(photograph, heatmap, scale=limit))
        titles.append(f"{name}\n{explanation.n_predictions} images, full colour ±{limit:.2g}")
    OUTPUT.mkdir(exist_ok=True)
    sheet(tiles, titles, columns=4, tile_side=240, heading="What makes this a face?").save(
        OUTPUT / "08_hide_and_see.png"
    )


if __name__ == "__main__":
    main()
