"""A notebook written for lime: one import line is changed, all the rest stays as it was.

The flow of lime's image tutorial: explain, show the positive segments alone, show both signs, make
a heat map of the weights. The last lines go on with what lime has no word for.
"""

from pathlib import Path

import numpy as np
from skimage.segmentation import mark_boundaries
from skimage.transform import resize

from limelens.compat import lime_image  # was: from lime import lime_image
from limelens.demo import CLASS_NAMES, photographs, train
from limelens.pictures import color_limit, draw_overlay, sheet

OUTPUT = Path(__file__).parent / "output"


def main():
    predict_fn, _ = train()
    face = resize(photographs()[0].image, (224, 224))  # a crop in colour, 105 x 105 before
    image = np.rint(face * 255).astype(np.uint8)

    explainer = lime_image.LimeImageExplainer(random_state=0)
    explanation = explainer.explain_instance(
        image, predict_fn, top_labels=2, hide_color=0, num_samples=1000, progress_bar=False
    )
    label = explanation.top_labels[0]

    temp, mask = explanation.get_image_and_mask(
        label, positive_only=True, num_features=5, hide_rest=True
    )
    positive = mark_boundaries(temp / 255, mask)
    temp, mask = explanation.get_image_and_mask(
        label, positive_only=False, num_features=10, hide_rest=False
    )
    both_signs = mark_boundaries(temp / 255, mask)
    weights = dict(explanation.local_exp[label])
    heatmap = np.vectorize(weights.get)(explanation.segments)

    print(f"{CLASS_NAMES[label]}: R2 {explanation.score[label]:.3f}, local prediction", end=" ")
    print(f"{explanation.local_pred[label][0]:.3f}, {len(weights)} segments")
    for segment, weight in explanation.local_exp[label][:5]:
        print(f"  segment {segment:2d}  {weight:+.3f}")

    # from here on limelens: names, samples, error bars of any explainer with reuse=ours
    ours = explanation.as_limelens(class_names=CLASS_NAMES)
    print(ours)
    limit = color_limit(heatmap)
    tiles = [
        image,
        mark_boundaries(image, explanation.segments),
        positive,
        both_signs,
        draw_overlay(image, heatmap, scale=limit),
        ours.to_image(scale=limit),
    ]
    titles = [
        "image",
        f"{explanation.segments.max() + 1} segments: quickshift",
        "get_image_and_mask\npositive, rest hidden",
        "get_image_and_mask\nboth signs",
        "heat map of local_exp",
        "as_limelens().to_image()",
    ]
    OUTPUT.mkdir(exist_ok=True)
    heading = "lime's notebook, on limelens"
    picture = sheet(tiles, titles, columns=3, limit=limit, heading=heading)
    picture.save(OUTPUT / "15_lime_notebook.png")


if __name__ == "__main__":
    main()
