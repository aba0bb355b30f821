"""Six ways to divide a photograph, looked at before any model is asked.

The segments decide what an explanation can say at all. The table tells how many they are and how
large; then one picture in other clothes (floats, 16 bits, channels first, an alpha) is divided
again, into the same segments.
"""

from pathlib import Path
from time import perf_counter

import numpy as np
from scipy import ndimage
from skimage import data, feature

import limelens as ll
from limelens.pictures import sheet

OUTPUT = Path(__file__).parent / "output"
SEGMENTERS = {
    "Slic(50)": ll.Slic(50),
    "Quickshift()": ll.Quickshift(max_side=256),
    "Felzenszwalb(300)": ll.Felzenszwalb(300, min_size=200),
    "Watershed(50)": ll.Watershed(50),
    "Grid(49)": ll.Grid(49),
}


def known_objects(grey):
    """Each coin is a segment, and what is between them is one: edges, filled, without crumbs."""
    filled = ndimage.binary_fill_holes(feature.canny(grey / 255))
    objects, _ = ndimage.label(filled)
    return np.where(np.bincount(objects.ravel())[objects] > 300, objects, 0)


def main():
    photograph = data.coffee()[:400, 100:500]  # (400, 400, 3) uint8
    coins = data.coins()[:, :303]  # (303, 303) uint8
    jobs = [(name, photograph, segmenter) for name, segmenter in SEGMENTERS.items()]
    jobs.append(("LabelImage(coins)", coins, ll.LabelImage(known_objects(coins))))

    tiles, titles = [], []
    print("segmenter            segments  smallest  median  largest     ms")
    for name, image, segmenter in jobs:
        start = perf_counter()
        labels = segmenter(image)
        milliseconds = 1000 * (perf_counter() - start)
        sizes = np.unique(labels, return_counts=True)[1]
        print(
            f"{name:20s} {len(sizes):8d}  {sizes.min():8d}  {np.median(sizes):6.0f}"
            f"  {sizes.max():7d}  {milliseconds:5.0f}"
        )
        tiles.append(ll.segment_preview(image, ll.LabelImage(labels)))
        titles.append(name)

    labels = ll.Slic(50)(photograph)
    alpha = np.full((*photograph.shape[:2], 1), 255, dtype=np.uint8)
    versions = {
        "float 0-1": photograph / 255,
        "float32 0-255": photograph.astype(np.float32),
        "16 bits": photograph.astype(np.uint16) * 257,
        "RGBA": np.concatenate([photograph, alpha], axis=-1),
    }
    print("\nSlic(50) on the same picture as")
    for name, version in versions.items():
        same = np.array_equal(ll.Slic(50)(version), labels)
        print(f"  {name:14s} {'the same segments' if same else 'OTHER SEGMENTS'}")

    OUTPUT.mkdir(exist_ok=True)
    heading = "Six segmenters, before any model call"
    picture = sheet(tiles, titles, columns=3, heading=heading, tile_side=400)
    picture.save(OUTPUT / "02_segmenters.png")


if __name__ == "__main__":
    main()
