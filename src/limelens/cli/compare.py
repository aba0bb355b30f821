"""`limelens compare`: one image, several methods, one picture."""

import argparse
import sys
from pathlib import Path

from limelens.cli.arguments import (
    Command,
    add_color,
    add_method,
    add_model,
    add_output,
    class_names_asked,
    colored,
    explainers_asked,
    model_asked,
    one_target_asked,
    target_words,
)
from limelens.demo import check_output
from limelens.pictures.overlay import draw_image
from limelens.pictures.sheet import sheet
from limelens.runs.reading import read_image


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("image", metavar="IMAGE", help="a file")
    parser.add_argument(
        "--methods",
        default="quicklime,sharp,occlusion",
        metavar="NAMES",
        help="explainers with commas between them (default: %(default)s)",
    )
    add_output(parser, "limelens-compare.png")
    add_color(parser)
    add_model(parser)
    add_method(parser)


def _run(options: argparse.Namespace) -> int:
    """Explain the image by each method, draw all side by side, and tell what each cost."""
    path = check_output(options.output)
    names = [name.strip() for name in options.methods.split(",") if name.strip()]
    explainers = explainers_asked(names, options)
    target = one_target_asked(options)
    image = colored(read_image(Path(options.image)), options.color)
    model = model_asked(options)
    found = [
        each.explain(
            image,
            model,
            target=target,
            class_names=class_names_asked(options),
            batch_size=options.batch_size,
            in_flight=options.in_flight,
            rng=options.seed,
        )
        for each in explainers
    ]
    tiles, titles = [draw_image(image)], [Path(options.image).name]
    for name, explanation in zip(names, found, strict=True):
        said, sure = next(target_words(explanation)), explanation.reliability
        told = "" if sure is None else f", reliability {sure[0]:.2f}"
        tiles.append(explanation.to_image())
        titles.append(f"{name}: {said}\n{explanation.n_predictions} calls{told}")
        sys.stdout.write(f"{name}: {said}; {explanation.n_predictions} calls{told}\n")
    sheet(tiles, titles, heading="Each map has a scale of its own").save(path)
    sys.stdout.write(f"{path}\n")
    return 0


COMPARE = Command(
    name="compare",
    usage="limelens compare IMAGE --model MODEL [--methods NAMES] [options]",
    help="explain one image by several methods and draw them side by side",
    examples="""\
  limelens compare cat.jpg --model net.onnx --size 224 --methods quicklime,sharp,rise
  limelens compare digit.png --model my_models:predict --methods lime,kernelshap --target 3""",
    add_arguments=_add_arguments,
    run=_run,
)
