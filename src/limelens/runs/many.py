"""One explainer, many images: in this process or in many, into a folder that outlives a stop."""

import platform
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np

import limelens
from limelens._checks.values import check_choice, check_int, check_numeric, describe
from limelens._typing import ArrayLike, ClassNames, Image, PredictFn, Progress
from limelens.engine.batches import BatchSize, check_batch_size
from limelens.engine.progress import Reporter
from limelens.errors import InvalidInputError, warn
from limelens.results.explanation import Explanation
from limelens.runs.entries import Failure, first_of
from limelens.runs.folder import Manifest, check_folder
from limelens.runs.job import Job
from limelens.runs.models import check_place
from limelens.runs.reading import Named, named_images
from limelens.runs.run import Run
from limelens.runs.settings import described, model_name
from limelens.runs.workers import check_n_jobs, outcomes_of
from limelens.targets.columns import Target


@overload
def explain_many(
    explainer: Any,
    images: Any,
    predict_fn: PredictFn | str | PathLike[str],
    *,
    output: None = None,
    n_jobs: int | None = 1,
    rng: int = 0,
    progress: Progress = None,
    on_error: Literal["record", "raise"] = "record",
    target: Target = None,
    channel_axis: int | None = -1,
    class_names: ClassNames = None,
    valid: ArrayLike | Callable[[Image], ArrayLike] | None = None,
    batch_size: BatchSize = 64,
    in_flight: int = 1,
) -> Iterator[Explanation | Failure]: ...


@overload
def explain_many(
    explainer: Any,
    images: Any,
    predict_fn: PredictFn | str | PathLike[str],
    *,
    output: str | PathLike[str],
    n_jobs: int | None = 1,
    rng: int = 0,
    progress: Progress = None,
    on_error: Literal["record", "raise"] = "record",
    target: Target = None,
    channel_axis: int | None = -1,
    class_names: ClassNames = None,
    valid: ArrayLike | Callable[[Image], ArrayLike] | None = None,
    batch_size: BatchSize = 64,
    in_flight: int = 1,
) -> Run: ...


def explain_many(
    explainer: Any,
    images: Any,
    predict_fn: PredictFn | str | PathLike[str],
    *,
    output: str | PathLike[str] | None = None,
    n_jobs: int | None = 1,
    rng: int = 0,
    progress: Progress = None,
    on_error: Literal["record", "raise"] = "record",
    target: Target = None,
    channel_axis: int | None = -1,
    class_names: ClassNames = None,
    valid: ArrayLike | Callable[[Image], ArrayLike] | None = None,
    batch_size: BatchSize = 64,
    in_flight: int = 1,
) -> Iterator[Explanation | Failure] | Run:
    """Explain a model's answers on many images.

    With `output`, every explanation is one file in that folder, and the same call after any kind
    of interruption goes on: what is done is not paid for again, a torn file is made anew, and
    failures are tried again. Without it, explanations are yielded as they are made. Either way
    memory holds a few images, however many there are.

    Parameters
    ----------
    explainer : Explainer
        Or any object with `explain`.
    images : path, pattern, mapping, array or iterable
        A folder with its subfolders, except those that hold a run; a pattern such as
        ``photos/*.jpg``, a stack of images `(n, *image.shape)`, a mapping from name to image, or
        anything that yields images, paths, or pairs (name, image). An image may be a function
        without arguments that returns it. Files are read by Pillow, or as arrays if they end in
        .npy.
    predict_fn : callable, path or str
        As in `explain`. The path of an ONNX file, or "module:function", is loaded by each worker
        itself.
    output : path, optional
        Folder of the explanations and of their manifest: new, empty, or of the same run. Images
        are known by their names: paths by the file's name, in a folder with the subfolders before
        it, nameless arrays by their place.
    n_jobs : int or None
        Worker processes; -1 takes all cores, and None what `joblib.parallel_config` says. Its
        backends (dask, ray, spark) take the work to other machines.
    rng : int
        Seed of the run. An image's own seed depends on it and on the image's content alone, see
        `limelens.runs.image_seed`.
    progress : None, bool or callable
        True shows a bar; a callable gets `(done, total)` images. Where the number of images is
        not known, the total counts those that came so far.
    on_error : {"record", "raise"}
        What happens when an image cannot be explained: it becomes a `Failure` with the traceback
        and the run goes on, or the exception ends the run. A target that the model does not have
        always ends it, as no image could be explained.
    target, channel_axis, class_names, valid, in_flight
        As in `explain`, for all images; `valid` may be a function from an image to its mask, too.
    batch_size : int or "auto"
        As in `explain`, but fixed unless you pass "auto": the size that is found depends on time,
        and the last digits of many models' scores depend on the size.

    Returns
    -------
    run : Run, or iterator of Explanation and Failure
        A run with `output`, otherwise an iterator in the order of the images.

    Raises
    ------
    InvalidInputError
        If an argument cannot be used. That is said before the model is asked. Only two mistakes
        show later: two images of one name, and an image whose name an earlier attempt used for
        another one.
    OutputError
        If an explanation cannot be written. What is there stays, and the same call goes on.

    Examples
    --------
    >>> import limelens as ll
    >>> images = [np.zeros((4, 4)), np.eye(4)]
    >>> explainer = ll.Ablation(segmenter=ll.Grid(4), fill=ll.Constant(0.5))
    >>> for explanation in explain_many(explainer, images, lambda b: b.mean(axis=(1, 2))):
    ...     print(explanation.importances)
    [[-0.125 -0.125 -0.125 -0.125]]
    [[ 0.    -0.125 -0.125  0.   ]]
    """
    job = Job(
        explainer=_check_explainer(explainer),
        predict_fn=check_place(predict_fn),
        rng=check_int("rng", rng, minimum=0),
        target=target,
        channel_axis=channel_axis,
        class_names=class_names,
        valid=valid
        if valid is None or callable(valid)
        else np.array(check_numeric("valid", valid)),
        batch_size=check_batch_size(batch_size),
        in_flight=check_int("in_flight", in_flight, minimum=1),
        stops=check_choice("on_error", on_error, ("record", "raise")) == "raise",
        folder=None if output is None else check_folder(output),
    )
    named, n_jobs = named_images(images, leave_out=job.folder), check_n_jobs(n_jobs)
    found = _reported(job, named, n_jobs, Reporter(progress))
    return found if job.folder is None else _kept(job, job.folder, found)


def _kept(job: Job, folder: Path, found: Iterator[Any]) -> Run:
    """Note every outcome in the manifest of a folder, and return the run."""
    with Manifest(folder, _settings(job), _versions()) as manifest:
        names = []
        for outcome in found:
            manifest.add(outcome)
            names.append(outcome.name)
        manifest.settle(names)
    run = Run.load(folder)
    _warn_of_failures(run, set(names))
    return run


def _reported(job: Job, named: Named, n_jobs: int | None, reporter: Reporter) -> Iterator[Any]:
    """Yield the outcome of every image, and report each."""
    seen = 0

    def counted() -> Iterator[tuple[str, Any]]:
        nonlocal seen
        for pair in named.pairs:
            seen += 1
            yield pair

    with reporter:
        found = outcomes_of(job, counted(), n_jobs, are_small=job.folder is not None)
        for done, outcome in enumerate(found, start=1):
            reporter.report(done, named.total or seen)
            yield outcome


def _check_explainer(explainer: Any) -> Any:
    if isinstance(explainer, type) or not callable(getattr(explainer, "explain", None)):
        call = f" Pass an instance: {explainer.__name__}()." if isinstance(explainer, type) else ""
        raise InvalidInputError(
            f"`explainer` must be an explainer, such as Lime(); got {describe(explainer)}.{call}"
        )
    return explainer


def _settings(job: Job) -> dict[str, Any]:
    """Return what the explanations of a run depend on, beside the images."""
    return {
        "explainer": described(job.explainer),
        "predict_fn": model_name(job.predict_fn),
        "rng": job.rng,
        "target": described(job.target),
        "channel_axis": job.channel_axis,
        "class_names": described(job.class_names),
        "valid": described(job.valid),
    }


def _versions() -> dict[str, str]:
    return {
        "limelens": limelens.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def _warn_of_failures(run: Run, names: set[str]) -> None:
    failed = [each for each in run.failures if each.name in names]
    if failed:
        warn(
            f"{len(failed)} of {len(names)} images could not be explained, {first_of(failed)}. All "
            "are in `failures` of the run; the same call tries them again."
        )
