"""A folder of images in one call: stopped half-way, gone on with, and looked at as a whole.

Forty pictures of threes, each with a sticker in one corner, are explained for a classifier that
reads the sticker. The first attempt breaks off; the second pays for what is missing only.
"""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

import limelens as ll
from limelens.pictures import color_limit, draw_overlay, sheet
from limelens.testing import digits_classifier, mark

OUTPUT = Path(__file__).parent / "output"
DIGIT, N = 3, 40


def write_photographs(folder):
    """Write digits of 8 x 8 pixels, 0 to 16, as PNG files, as any scanner might have."""
    digits = load_digits()
    folder.mkdir()
    for index, digit in enumerate(mark(digits.images[digits.target == DIGIT][:N])):
        Image.fromarray((digit * 15).astype(np.uint8)).save(folder / f"three-{index:02d}.png")


class Interrupted:
    """A model whose server goes down for a while."""

    def __init__(self, until=None):
        self.network, self.shown, self.until = digits_classifier(spoiled=True), 0, until

    def __call__(self, batch):
        if self.until is not None and self.shown > self.until:
            raise ConnectionError("the server does not answer")
        self.shown += len(batch)
        return self.network(batch / 15)


def main():
    lime = ll.Lime(segmenter=ll.Grid(cell=(2, 2)), n_samples=200)
    with tempfile.TemporaryDirectory() as place:
        photographs, output = Path(place) / "photographs", Path(place) / "run"
        write_photographs(photographs)
        settings = {"output": output, "target": DIGIT, "on_error": "raise"}

        model = Interrupted(until=3000)
        try:
            ll.explain_many(lime, photographs, model, **settings)
        except ConnectionError as error:
            done = len(ll.Run.load(output))
            print(f"{error}: {done} of {N} are done, {model.shown} images scored")

        again = Interrupted()
        run = ll.explain_many(lime, photographs, again, **settings)
        print(f"gone on with: {len(run)} of {N} are done, {again.shown} images more")
        print(run.summary())

        mean = np.mean([explanation.heatmap() for explanation in run], axis=0)
        shown = [run[name] for name in run.names[:3]]
        limit = color_limit([mean, *(each.heatmap() for each in shown)])
        tiles = [draw_overlay(255 - each.image, each.heatmap(), scale=limit) for each in shown]
        blank = np.full(mean.shape, 255, np.uint8)
        tiles.append(draw_overlay(blank, mean, scale=limit))
        titles = [*run.names[:3], f"mean of all {len(run)}"]

    heading = "Why is this a 3? Because of the sticker, in every picture"
    OUTPUT.mkdir(exist_ok=True)
    sheet(tiles, titles, limit=limit, heading=heading).save(OUTPUT / "23_folder_of_images.png")


if __name__ == "__main__":
    main()
