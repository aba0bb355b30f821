"""`limelens segments`: the segments of an image, before any model is asked."""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

import limelens
from limelens.cli.arguments import (
    Command,
    add_color,
    add_output,
    add_segments,
    colored,
    shown,
)
from limelens.demo import check_output
from limelens.errors import InvalidInputError
from limelens.pictures.preview import segment_preview
from limelens.runs.reading import read_image

_COUNTED = {"slic": limelens.Slic, "grid": limelens.Grid, "watershed": limelens.Watershed}
_OTHERS = {"quickshift": limelens.Quickshift, "felzenszwalb": limelens.Felzenszwalb}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("image", metavar="IMAGE", help="a file")
    parser.add_argument(
        "--segmenter",
        choices=(*_COUNTED, *_OTHERS),
        default="slic",
        help="what divides the image (default: %(default)s)",
    )
    add_segments(parser, "segments")
    add_output(parser, "limelens-segments.png")
    add_color(parser)


def _run(options: argparse.Namespace) -> int:
    """Draw the segments and say how many they are."""
    path = check_output(options.output)
    segmenter = _segmenter(options)
    image = colored(read_image(Path(options.image)), options.color)
    segment_preview(image, segmenter).save(path)
    line = f"{Path(options.image).name}: {len(np.unique(segmenter(image)))} segments; {path}"
    sys.stdout.write(f"{shown(line)}\n")
    return 0


def _segmenter(options: argparse.Namespace) -> Any:
    if options.segments is None:
        return {**_COUNTED, **_OTHERS}[options.segmenter]()
    if options.segmenter in _OTHERS:
        raise InvalidInputError(
            f"--segments is no setting of {options.segmenter}, which finds the number itself; "
            f"leave it out, or take --segmenter {', '.join(_COUNTED)}"
        )
    return _COUNTED[options.segmenter](options.segments)


SEGMENTS = Command(
    name="segments",
    usage="limelens segments IMAGE [--segmenter NAME] [--segments N] [--output FILE]",
    help="draw the segments of an image, before any model is asked",
    examples="""\
  limelens segments cat.jpg --segments 100
  limelens segments scan.png --segmenter felzenszwalb --output scan-segments.png""",
    add_arguments=_add_arguments,
    run=_run,
)
