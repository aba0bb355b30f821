"""All pictures of an explanation: overlays, one scale for several, top segments, page and figure.

The model is a function anybody can check: how orange, and how dark, is the photograph? So the
pictures can be checked by eye: the suit is orange, the helmet and the table are dark.
"""

from pathlib import Path

import numpy as np
from skimage import data, transform

import limelens as ll
from limelens.pictures import color_limit, draw_heatmap, sheet

OUTPUT = Path(__file__).parent / "output"


def predict_fn(batch):
    """(n, H, W, 3) uint8 -> (n, 2): the shares of orange and of dark pixels."""
    red, green, blue = np.moveaxis(batch[:, ::4, ::4].astype(int), -1, 0)
    orange = (red > 150) & (red - blue > 90) & (red - green > 40)
    dark = red + green + blue < 120
    return np.stack([orange.mean(axis=(1, 2)), dark.mean(axis=(1, 2))], axis=1)


def one_explanation_many_pictures(photograph, names):
    """Explain two targets in one run, and look at them in eight ways."""
    explanation = ll.Lime(segmenter=ll.Slic(60), n_samples=400).explain(
        photograph, predict_fn, target=[0, 1], class_names=names, rng=0
    )
    print(explanation)
    limit = color_limit(explanation.importances)  # one colour, one importance, in all tiles
    tiles = {
        "the photograph": photograph,
        "orange\nto_image()": explanation.to_image("orange", scale=limit),
        "dark\nto_image('dark')": explanation.to_image("dark", scale=limit),
        "orange, smooth\ninterpolation='bicubic'": explanation.to_image(
            "orange", scale=limit, interpolation="bicubic"
        ),
        "over the photograph\nbackdrop='color'": explanation.to_image(
            "dark", scale=limit, backdrop="color", interpolation="bilinear", boundaries=True
        ),
        "the map alone\ndraw_heatmap(heatmap())": draw_heatmap(
            explanation.heatmap("orange"), scale=limit
        ),
        "top six of dark\nsolid raises, dashed lowers": explanation.top_image(6, "dark"),
        "only the top eight of orange\nmasked_image(8)": explanation.masked_image(8),
    }
    picture = sheet(
        list(tiles.values()),
        list(tiles),
        columns=4,
        limit=limit,
        heading="How orange, how dark?",
        tile_side=300,
    )
    picture.save(OUTPUT / "06_pictures.png")
    explanation.figure(title="How orange, how dark?").save(OUTPUT / "06_figure.png")
    (OUTPUT / "06_figure.svg").write_text(explanation.figure(format="svg"), encoding="utf-8")
    ll.signed_panels(explanation, "dark").save(OUTPUT / "06_signed_panels.png")
    explanation.to_html(OUTPUT / "06_pictures.html")
    ll.report([explanation, explanation.for_target("dark")], OUTPUT / "06_gallery.html")
    explanation.save(OUTPUT / "06_explanation.npz")
    again = ll.Explanation.load(OUTPUT / "06_explanation.npz")
    print("loaded:", again)
    return explanation


def any_size(photograph):
    """Draw thumbnails and posters alike: small images grow by whole pixels, large ones shrink."""
    tiles, titles = [], []
    for side in (25, 256, 1500):
        image = (transform.resize(photograph, (side, side)) * 255).astype(np.uint8)
        explainer = ll.Lime(segmenter=ll.Grid(49), n_samples=200)
        explanation = explainer.explain(image, predict_fn, target=0, batch_size=16, rng=0)
        limit = color_limit(explanation.importances)
        for interpolation in ("nearest", "bicubic"):
            tiles.append(explanation.to_image(scale=limit, interpolation=interpolation))
            titles.append(
                f"{side} x {side} pixels, {interpolation}\n7 x 7 grid, full colour ±{limit:.2g}"
            )
    sheet(tiles, titles, columns=6, tile_side=240).save(OUTPUT / "06_any_size.png")


def main():
    OUTPUT.mkdir(exist_ok=True)
    photograph = data.astronaut()
    explanation = one_explanation_many_pictures(photograph, ["orange", "dark"])
    any_size(photograph)
    try:
        explanation.plot(n=10).savefig(OUTPUT / "06_plot.png", dpi=120)
    except ImportError as error:  # matplotlib is an extra
        print(error)


if __name__ == "__main__":
    main()
