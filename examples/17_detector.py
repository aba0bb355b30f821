"""Which pixels a detector finds a face by: every box explained from the same calls.

The detector is a cascade of local binary patterns that comes with scikit-image, trained on faces.
It knows no scores, only boxes; how far a box moves, or whether it vanishes, when parts of the
picture are hidden says what it looks at.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from skimage import data, feature

import limelens as ll
from limelens.pictures import color_limit, draw_overlay, sheet

OUTPUT = Path(__file__).parent / "output"


def two_faces():
    """Return the astronaut and her mirror image side by side, (100, 200, 3)."""
    one = Image.fromarray(data.astronaut()[0:240, 100:340]).resize((100, 100))
    return np.concatenate([np.asarray(one), np.asarray(one)[:, ::-1]], axis=1)


def make_detector():
    """Return `detect`: a batch of pictures to one array of boxes (m, 4) each."""
    cascade = feature.Cascade(data.lbp_frontal_face_cascade_filename())

    def detect(batch):
        return [
            [
                [found["c"], found["r"], found["width"], found["height"]]
                for found in cascade.detect_multi_scale(
                    image, scale_factor=1.2, step_ratio=1, min_size=(24, 24), max_size=(60, 60)
                )
            ]
            for image in batch
        ]

    return detect


def main():
    image, detect = two_faces(), make_detector()
    boxes = sorted(detect(image[np.newaxis])[0])
    scores = ll.box_scores(detect, boxes, box_format="xywh", names=["left face", "right face"])
    explainer = ll.QuickShap(segmenter=ll.Slic(40), max_samples=258, link="identity")
    explanation = explainer.explain(image, scores, target=[0, 1], rng=0)

    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    for x, y, width, height in boxes:
        draw.rectangle([x, y, x + width, y + height], outline=(255, 210, 0), width=2)
    limit = color_limit(explanation.importances)
    tiles, titles = [picture], ["what the cascade finds"]
    for target, (x, y, width, height) in enumerate(boxes):
        inside = np.zeros(image.shape[:2], dtype=bool)
        inside[y : y + height, x : x + width] = True
        found = explanation.inside(inside, target)
        print(f"{scores.class_names[target]}: {found}")
        tiles.append(draw_overlay(image, explanation.heatmap(target), scale=limit))
        titles.append(f"{scores.class_names[target]}\n{found.share:.0%} of the evidence in its box")
    print(f"{explanation.n_predictions} pictures shown to the detector, for both faces together")

    OUTPUT.mkdir(exist_ok=True)
    heading = "A face detector: each box has its own reasons"
    sheet(tiles, titles, columns=3, limit=limit, heading=heading).save(OUTPUT / "17_detector.png")


if __name__ == "__main__":
    main()
