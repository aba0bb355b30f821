"""`limelens audit`: what a class relies on, over all images of a folder."""

import argparse
import sys
from pathlib import Path
from typing import Any

import limelens
from limelens.audits.audit import audit
from limelens.audits.result import Audit
from limelens.audits.summarize import summarize
from limelens.cli.arguments import (
    Command,
    add_color,
    add_model,
    add_segments,
    checked_picture,
    class_names_asked,
    images_asked,
    model_asked,
    one_target_asked,
)
from limelens.errors import InvalidInputError
from limelens.runs.folder import MANIFEST
from limelens.runs.run import Run


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "images", metavar="DIR", help="images of the class: a folder or a pattern, or a run"
    )
    parser.add_argument(
        "--calls",
        type=int,
        default=8,
        metavar="N",
        help="calls an image (default: %(default)s)",
    )
    add_segments(parser, "segments")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all that is random")
    parser.add_argument(
        "--output",
        metavar="FILE",
        default="limelens-audit.png",
        help="where the picture of all effects goes (default: %(default)s)",
    )
    parser.add_argument(
        "--sheet", metavar="FILE", help="draw the images that depend on it most and least, too"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")
    add_color(parser)
    add_model(parser, required=False)


def _run(options: argparse.Namespace) -> int:
    """Ask, say what was found on standard output, and draw it."""
    places = [checked_picture(path) for path in (options.output, options.sheet) if path]
    found = _summarized(options) if _is_run(options.images) else _audited(options)
    sys.stdout.write(f"{found}\n")
    found.to_image().save(places[0])
    if options.sheet:
        found.contact_sheet().save(places[1])
    sys.stdout.write("".join(f"{place}\n" for place in places))
    return 0


def _is_run(place: str) -> bool:
    return Path(place, MANIFEST).is_file()


def _summarized(options: argparse.Namespace) -> Audit:
    """Return what the explanations of a run have in common."""
    asked = {"--model": options.model, "--segments": options.segments, "--color": options.color}
    beside = [name for name, value in asked.items() if value is not None]
    if beside:
        msg = f"{beside[0]} must be left out: {options.images!r} holds a run, which is explained"
        raise InvalidInputError(msg)
    target = one_target_asked(options)
    return summarize(Run.load(options.images), target=target, rng=options.seed)


def _audited(options: argparse.Namespace) -> Audit:
    """Ask the model about the images of a folder."""
    target = one_target_asked(options)
    if options.model is None:
        msg = f"--model must be given: {options.images!r} holds images, and no run"
        raise InvalidInputError(msg)
    if target is None:
        msg = "--target must be given: the class that the images are of"
        raise InvalidInputError(msg)
    named: Any = images_asked([options.images], options.color, None)
    if options.color:  # functions that read and turn, called when their turn comes
        named = ((name, read()) for name, read in named)
    return audit(
        named,
        model_asked(options),
        target=target,
        calls_per_image=options.calls,
        segmenter=None if options.segments is None else limelens.Slic(options.segments),
        class_names=class_names_asked(options),
        batch_size=options.batch_size,
        rng=options.seed,
        progress=not options.quiet,
    )


AUDIT = Command(
    name="audit",
    usage="limelens audit DIR [--model MODEL] [--target CLASS] [options]",
    help="find what a class relies on, over all images of a folder, at a few calls for each",
    examples="""\
  limelens audit wolves/ --model net.onnx --size 224 --classes labels.txt --target wolf
  limelens audit 'scans/*.png' --model my_models:predict --target 1 --calls 16 --sheet sheet.png
  limelens audit run/""",
    add_arguments=_add_arguments,
    run=_run,
)
