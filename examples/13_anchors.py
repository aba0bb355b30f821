"""The fewest segments that hold a prediction: an anchor, in words and as a picture."""

from pathlib import Path

import numpy as np

import limelens as ll
from limelens.demo import photographs, train
from limelens.pictures import sheet

OUTPUT = Path(__file__).parent / "output"


def main():
    shapes, pixels = train()
    photograph = photographs()[0].image  # (105, 105, 3) uint8
    anchors = ll.Anchors(segmenter=ll.Grid(16), threshold=0.9, tolerance=0.3)
    tiles, titles = [photograph], ["photograph"]
    for name, classifier in (("shapes", shapes), ("pixels", pixels)):
        found = anchors.explain(photograph, classifier, target=1, rng=0)
        print(f"{name}: {found.details['messages'][0]}")
        print(f"  coverage {found.details['coverage'][0]:.3f}, {found.n_predictions} images shown")
        size = int(np.count_nonzero(found.importances[0]))
        tiles.append(found.masked_image(max(1, size)) if size else photograph)
        precision = found.details["precision"][0]
        titles.append(f"{name}: an anchor of {size}\nholds in {precision:.0%} of draws")
    OUTPUT.mkdir(exist_ok=True)
    sheet(tiles, titles, heading="What is enough for 'face'?").save(OUTPUT / "13_anchors.png")


if __name__ == "__main__":
    main()
