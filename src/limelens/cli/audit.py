"""`limelens audit`: what a class relies on, over all images of a folder."""

import argparse
import sys
import warnings
from collections.abc import Sequence
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
    add_output,
    add_segments,
    class_names_asked,
    images_asked,
    model_asked,
    names_of,
    one_target_asked,
    shown,
)
from limelens.cli.labels import label_files, read_labels
from limelens.demo import check_output
from limelens.errors import InvalidInputError, LimelensWarning
from limelens.runs.folder import is_run
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
    parser.add_argument(
        "--labels",
        metavar="DIR",
        help="what the regions are: for each image a label image of its name, photos/a.jpg and "
        "DIR/a.png; with --segments, superpixels are described by them",
    )
    parser.add_argument(
        "--label-names", metavar="FILE", help="names of the labels, one a line, from label 0 on"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all that is random")
    add_output(parser, "limelens-audit.png", "the picture of all effects")
    parser.add_argument(
        "--sheet", metavar="FILE", help="draw the images that depend on it most and least, too"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")
    add_color(parser)
    add_model(parser, required=False)


def _run(options: argparse.Namespace) -> int:
    """Ask, say what was found on standard output, and draw it."""
    places = [check_output(options.output)]
    if options.sheet:
        places.append(check_output(options.sheet, "sheet"))
    if len({Path(place).resolve() for place in places}) < len(places):
        raise InvalidInputError(f"--sheet must be another file than --output; got {options.sheet}")
    with warnings.catch_warnings():  # every failure gets a line of its own
        warnings.filterwarnings("ignore", ".*images (could not be used|failed)", LimelensWarning)
        found = _summarized(options) if _is_run(options.images) else _audited(options)
    sys.stdout.write(f"{found}\n")
    found.to_image().save(places[0])
    if options.sheet:
        found.contact_sheet().save(places[1])
    sys.stdout.write("".join(f"{place}\n" for place in places))
    for failure in found.failures:
        sys.stderr.write(f"limelens audit: {shown(failure.name)}: {shown(failure.error)}\n")
    return int(len(found.failures) > 0)


def _is_run(place: str) -> bool:
    return is_run(Path(place))


def _summarized(options: argparse.Namespace) -> Audit:
    """Return what the explanations of a run have in common."""
    asked = {"--model": options.model, "--segments": options.segments, "--color": options.color}
    beside = [name for name, value in asked.items() if value is not None]
    if beside:
        raise InvalidInputError(
            f"{beside[0]} must be left out: {options.images!r} holds a run, which is explained"
        )
    target = one_target_asked(options)
    run = Run.load(options.images)
    return summarize(run, target=target, rng=options.seed, **_labels(options, run.names))


def _audited(options: argparse.Namespace) -> Audit:
    """Ask the model about the images of a folder."""
    target = one_target_asked(options)
    target = _folder_as_class(options) if target is None else target  # 0 is a column
    if options.model is None:
        raise InvalidInputError(
            f"--model must be given: {options.images!r} holds images, and no run"
        )
    if target is None:
        raise InvalidInputError(
            "--target must be given, the class that the images are of, unless their folder has the "
            "name of one in --classes"
        )
    named = images_asked([options.images], options.color, None)
    labels = _labels(options, [name for name, _ in named])
    return audit(
        named,
        model_asked(options),
        target=target,
        calls_per_image=options.calls,
        segmenter=None if options.segments is None else limelens.Slic(options.segments),
        class_names=class_names_asked(options),
        batch_size=options.batch_size,
        in_flight=options.in_flight,
        rng=options.seed,
        progress=not options.quiet,
        **labels,
    )


def _folder_as_class(options: argparse.Namespace) -> str | None:
    """Return the name of the images' folder, if it is one of the classes."""
    name = Path(options.images).absolute().name
    return name if name in (class_names_asked(options) or ()) else None


def _labels(options: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """Return the labels of images by their names, and the labels' own names."""
    said: dict[str, Any] = {}
    if options.label_names is not None:
        said["label_names"] = dict(enumerate(names_of("--label-names", options.label_names)))
    if options.labels is not None:
        said["labels"] = map(read_labels, label_files(options.labels, names))
    return said


AUDIT = Command(
    name="audit",
    usage="limelens audit DIR [--model MODEL] [--target CLASS] [options]",
    help="find what a class relies on, over all images of a folder, at a few calls for each",
    examples="""\
  limelens audit wolves/ --model net.onnx --size 224 --classes labels.txt --target wolf
  limelens audit 'scans/*.png' --model my_models:predict --target 1 --calls 16 --sheet sheet.png
  limelens audit wolf/ --model net.onnx --classes labels.txt --labels masks/ --label-names parts.txt
  limelens audit run/""",
    add_arguments=_add_arguments,
    run=_run,
)
