"""`limelens explain`: pictures of why, for some images or for whole folders."""

import argparse
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

from limelens.cli.arguments import (
    Command,
    add_color,
    add_method,
    add_model,
    class_names_asked,
    explainers_asked,
    images_asked,
    model_asked,
    shown,
    target_asked,
    target_words,
)
from limelens.errors import InvalidInputError, LimelensWarning
from limelens.results.explanation import Explanation
from limelens.runs.entries import Failure
from limelens.runs.folder import writing
from limelens.runs.many import explain_many
from limelens.runs.run import Run


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="files, folders or patterns")
    parser.add_argument(
        "--output",
        metavar="DIR",
        help="folder of all results; the same command goes on after a stop (default: a picture for "
        "each image in the current folder)",
    )
    parser.add_argument(
        "--html",
        action="store_true",
        help="write pages, too: DIR/report.html, or one for each image",
    )
    parser.add_argument(
        "--method", default="quicklime", metavar="NAME", help="an explainer (default: %(default)s)"
    )
    add_color(parser)
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes; -1: all cores")
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")
    add_model(parser)
    add_method(parser)


def _run(options: argparse.Namespace) -> int:
    """Explain, write the pictures, and say on standard output what each shows."""
    output = None if options.output is None else Path(options.output)
    explainer = explainers_asked([options.method], options)[0]
    settings: dict[str, Any] = {
        "n_jobs": options.jobs,
        "rng": options.seed,
        "target": target_asked(options),
        "class_names": class_names_asked(options),
        "batch_size": options.batch_size,
        "in_flight": options.in_flight,
    }
    images = images_asked(options.images, options.color, output)
    model = model_asked(options)
    _start_workers(options.jobs)
    if output is not None:
        settings["progress"] = not options.quiet
        with warnings.catch_warnings():  # every failure gets a line of its own
            warnings.filterwarnings("ignore", ".*images could not be explained", LimelensWarning)
            done = explain_many(explainer, images, model, output=output, **settings)
        return _told(done, options)
    places = _places([name for name, _ in images], options.method)
    progress = None if options.quiet else _count  # a bar would share its line with results
    outcomes = explain_many(explainer, images, model, progress=progress, **settings)
    failed = [_failed(*each, options) for each in zip(places, outcomes, strict=True)]
    return int(any(failed))


def _start_workers(n_jobs: int) -> None:
    """Start joblib's processes, deaf to Ctrl-C: it is this one that stops them, with one line."""
    if n_jobs in (0, 1) or not hasattr(signal, "pthread_sigmask"):
        return
    from multiprocessing import resource_tracker  # noqa: PLC0415

    import joblib  # noqa: PLC0415

    resource_tracker.ensure_running()  # up to Python 3.11 its start would unblock the signal
    kept = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # which processes inherit
    try:
        n_workers = joblib.effective_n_jobs(n_jobs)
        joblib.Parallel(n_jobs)(joblib.delayed(abs)(each) for each in range(n_workers))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, kept)


def _told(run: Run, options: argparse.Namespace) -> int:
    """Draw every explanation of a run that has no picture yet, and tell all."""
    for entry, explanation in zip(run.entries, run, strict=True):
        path = run.folder / f"{entry.file.removesuffix('.npz')}.png"
        if not path.exists():
            with writing(run.folder):
                explanation.figure().save(path)
        _tell(entry.name, explanation, path)
    for failure in run.failures:
        _complain(failure)
    if options.html and len(run):
        with writing(run.folder):
            sys.stdout.write(f"{run.report()}\n")
    return int(len(run.failures) > 0)


def _failed(place: Path, found: Explanation | Failure, options: argparse.Namespace) -> bool:
    """Draw one explanation, and return whether it failed."""
    if isinstance(found, Failure):
        _complain(found)
        return True
    with writing(place.parent):
        found.figure().save(place)
        if options.html:
            found.to_html(place.with_suffix(".html"))
    _tell(place.stem.rpartition("-")[0], found, place)
    return False


def _places(names: list[str], method: str) -> list[Path]:
    """Return a picture for each image, in the current folder."""
    places = [Path(f"{Path(name).stem}-{method.lower()}.png") for name in names]
    twice = [name for name, place in zip(names, places, strict=True) if places.count(place) > 1]
    if any("/" in name for name in names) or twice:
        raise InvalidInputError(
            "--output DIR must be given for folders, and for images of one name"
        )
    return places


def _tell(name: str, explanation: Explanation, path: Path) -> None:
    said = "; ".join(target_words(explanation))
    sure = explanation.reliability
    told = "" if sure is None else f"; reliability {sure[0]:.2f}"
    line = f"{name}: {said}{told}; {explanation.n_predictions} calls; {path}"
    sys.stdout.write(f"{shown(line)}\n")


def _count(done: int, total: int) -> None:
    sys.stderr.write(f"{done} of {total} images\n")


def _complain(failure: Failure) -> None:
    sys.stderr.write(f"limelens explain: {shown(failure.name)}: {shown(failure.error)}\n")


EXPLAIN = Command(
    name="explain",
    usage="limelens explain IMAGE... --model MODEL [options]",
    help="write for each image a picture of why the model answers as it does",
    examples="""\
  limelens explain cat.jpg --model net.onnx --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 \\
      --size 224 --classes labels.txt
  limelens explain photos/ --model my_models:predict --method sharp --output run/ --html --jobs 2
  limelens explain 'scans/*.png' --model net.onnx --color grey --target tumour --output run/""",
    add_arguments=_add_arguments,
    run=_run,
)
