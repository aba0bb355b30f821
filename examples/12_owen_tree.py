"""A tree of regions, drawn on the image, and how fast it leads to what decides.

Segments that touch and look alike are merged, again and again. Owen values walk down that tree:
which half of the image matters, and which half of that. Five detectors that look for one object
anywhere in a photograph measure it, against halving a grid of pixels in the middle, which knows
nothing of the picture: the table shows the share of the importances inside the object's box.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from skimage import color, data, feature, transform

import limelens as ll
from limelens.pictures import color_limit, draw_image, sheet

OUTPUT = Path(__file__).parent / "output"
SIDE, BUDGETS = 96, (18, 34, 66, 130, 258)
METHODS = {
    "regions": {"segmenter": ll.Slic(100), "tree": ll.RegionTree()},
    "pixels, halved": {"segmenter": ll.Grid(cell=(3, 3)), "tree": ll.HalvingTree()},
}


def scenes():
    """Yield name, photograph (96, 96, 3) float32 in [0, 1], and the box of an object in it."""
    grey = color.gray2rgb(data.camera())
    found = {
        "face": (data.astronaut(), (0.15, 0.35, 0.34, 0.55)),
        "cat": (data.chelsea()[:, 75:375], (0.20, 0.72, 0.20, 0.75)),
        "rocket": (data.rocket()[:, 106:533], (0.02, 0.63, 0.46, 0.55)),
        "cup": (data.coffee()[:, 100:500], (0.15, 0.86, 0.15, 0.90)),
        "photographer": (grey, (0.16, 0.59, 0.37, 0.68)),
    }
    for name, (photograph, box) in found.items():
        image = transform.resize(photograph, (SIDE, SIDE), anti_aliasing=True)
        top, bottom, left, right = (round(SIDE * part) for part in box)
        yield name, image.astype(np.float32), np.s_[top:bottom, left:right]


def detector(image, box):
    """Score how well the object is found, wherever in the image it may be."""
    template = color.rgb2gray(image)[box]

    def predict_fn(batch):  # (n, 96, 96, 3) float32 -> (n,)
        best = [feature.match_template(grey, template).max() for grey in color.rgb2gray(batch)]
        return 1 / (1 + np.exp(-20 * (np.array(best) - 0.6)))

    return predict_fn


def mass_inside(heatmap, box):
    raises = heatmap.clip(min=0)
    return raises[box].sum() / raises.sum()


def groups(merges, n):
    """Cut a tree where it holds n groups; return their nodes."""
    d = len(merges) + 1
    nodes = {2 * d - 2}
    for k in range(d - 2, d - 1 - n, -1):  # the last merges are undone first
        nodes = nodes - {d + k} | set(merges[k])
    return nodes


def draw_tree(explanation, n_groups=24, side=384):
    """Draw outlines, wide where the tree divides first, and the tree between the groups."""
    merges, segments = explanation.details["merges"], explanation.segments
    d = len(merges) + 1
    members = list(np.eye(d, dtype=bool))
    for one, other in merges:
        members.append(members[one] | members[other])
    picture = draw_image(explanation.image).resize((side, side)).convert("RGB")
    for n, width in ((24, 1), (12, 3), (6, 5), (3, 9)):
        labels = np.zeros(segments.shape, dtype=np.uint8)
        for number, node in enumerate(groups(merges, n)):
            labels[members[node][segments]] = number
        large = np.asarray(Image.fromarray(labels).resize((side, side), Image.Resampling.NEAREST))
        edge = np.zeros((side, side), dtype=bool)
        edge[:-1] |= large[:-1] != large[1:]
        edge[:, :-1] |= large[:, :-1] != large[:, 1:]
        for _ in range(width // 2):
            edge[1:-1, 1:-1] |= edge[:-2, 1:-1] | edge[2:, 1:-1] | edge[1:-1, :-2] | edge[1:-1, 2:]
        picture.paste((250, 250, 250), mask=Image.fromarray(edge))
    rows, columns = (axis * side / SIDE for axis in np.indices(segments.shape))
    sums = [explanation.importances[0, each].sum() for each in members]
    centers = [(columns[m[segments]].mean(), rows[m[segments]].mean()) for m in members]
    pen, shown = ImageDraw.Draw(picture), groups(merges, n_groups)
    for k in range(d - 2, d - 1 - n_groups, -1):
        shown = shown | {d + k}
        for child in merges[k]:
            pen.line([centers[d + k], centers[child]], fill=(20, 20, 20), width=3)
    for node in shown:
        x, y = centers[node]
        radius = 3 + 9 * np.sqrt(max(sums[node], 0) / sums[-1])
        fill = (214, 69, 20) if sums[node] > 0 else (40, 90, 200)
        pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=fill, outline=(0, 0, 0))
    return picture


def main():
    shares = {name: np.zeros(len(BUDGETS)) for name in METHODS}
    tiles, titles = [], []
    for scene, image, box in scenes():
        predict_fn = detector(image, box)
        for name, settings in METHODS.items():
            earlier = None
            for k, budget in enumerate(BUDGETS):
                owen = ll.Owen(**settings, max_samples=budget)
                earlier = owen.explain(image, predict_fn, reuse=earlier)  # pays for what is new
                shares[name][k] += mass_inside(earlier.heatmap(), box) / 5
                if scene == "face" and budget in (18, 66, 258):
                    limit = color_limit(earlier.importances)
                    tiles.append(earlier.to_image(scale=limit))
                    titles.append(f"{name}, {budget} calls\nfull colour ±{limit:.2g}")
            if scene == "face" and name == "regions":
                tree = draw_tree(earlier)
    print("calls " + "".join(f"{budget:8d}" for budget in BUDGETS))
    for name, row in shares.items():
        print(f"{name:15s}" + "".join(f"{share:8.2f}" for share in row))

    picture = sheet(
        [tree, *tiles[:3], image_with_box(), *tiles[3:]],
        ["the tree of regions", *titles[:3], "the detector's object", *titles[3:]],
        columns=4,
        heading="Where is what decides? Owen values on a tree of regions, and on halved pixels",
        tile_side=280,
    )
    OUTPUT.mkdir(exist_ok=True)
    picture.save(OUTPUT / "12_owen_tree.png")


def image_with_box():
    """Show where the face is that the first detector looks for."""
    _, image, (rows, columns) = next(scenes())
    shown = image.copy()
    frame = np.ones(image.shape[:2], dtype=bool)
    frame[rows, columns] = False
    shown[frame] = 0.4 * shown[frame] + 0.6
    return draw_image(shown)


if __name__ == "__main__":
    main()
