"""Why this picture was found: similarity to others, explained part by part.

Pictures are compared by their colours, as simple image search does it. The query shows a cat beside
a cup of coffee; each neighbour should be explained by its own half.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

import limelens as ll
from limelens.pictures import color_limit, draw_overlay, sheet

OUTPUT = Path(__file__).parent / "output"
LEVELS = 6


def embed(batch):
    """Return colour histograms, (n, 216), the square root of which makes rare colours count."""
    steps = (batch.astype(int) * LEVELS // 256) @ [LEVELS**2, LEVELS, 1]
    flat = steps.reshape(len(batch), -1)
    counts = np.stack([np.bincount(each, minlength=LEVELS**3) for each in flat])
    return np.sqrt(counts / flat.shape[1])


def small(image, width=120, height=120):
    """Return the picture at a size of its own."""
    return np.asarray(Image.fromarray(image).resize((width, height)))


def main():
    cat, coffee = data.chelsea()[:, 70:370], data.coffee()[:, 100:500]
    gallery = {
        "cat": small(cat[:, ::-1]),
        "coffee": small(coffee[:, ::-1]),
        "rocket": small(data.rocket()),
        "retina": small(data.retina()),
        "astronaut": small(data.astronaut()),
    }
    query = np.concatenate([small(cat), small(coffee)], axis=1)
    scores = ll.similarity_scores(embed, dict(zip(gallery, embed_all(gallery), strict=True)))
    explainer = ll.QuickShap(segmenter=ll.Slic(60), link="identity")
    explanation = explainer.explain(query, scores, target=ll.Top(2), rng=0)

    order = np.argsort(-explanation.scores)
    print(", ".join(f"{scores.class_names[i]} {explanation.scores[i]:.2f}" for i in order))
    limit = color_limit(explanation.importances)
    left = np.zeros(query.shape[:2], dtype=bool)
    left[:, :120] = True
    neighbours = np.concatenate([gallery["cat"], gallery["coffee"]], axis=1)
    tiles, titles = [query, neighbours], ["the query", "what was found: cat and coffee"]
    for target in explanation.targets:
        name = scores.class_names[target]
        found = explanation.inside(left if name == "cat" else ~left, target)
        print(f"{name}: {found}, its own half")
        tiles.append(draw_overlay(query, explanation.heatmap(target), scale=limit))
        titles.append(f"why {name}\n{found.share:.0%} of the evidence in its half")
    OUTPUT.mkdir(exist_ok=True)
    heading = "Image search: each result for its own reason"
    sheet(tiles, titles, columns=2, limit=limit, heading=heading).save(OUTPUT / "19_retrieval.png")


def embed_all(gallery):
    """Return the embeddings of pictures of a dict."""
    return embed(np.stack(list(gallery.values())))


if __name__ == "__main__":
    main()
