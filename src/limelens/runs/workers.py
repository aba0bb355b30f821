"""One job for many images: here one after the other, or wherever joblib's workers are."""

import itertools
import os
import pickle
import platform
import secrets
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_int, describe
from limelens.errors import InvalidInputError, LimelensWarning, warn

_WAITING = 8
"""Most explanations, for each worker, that wait here until the caller takes them."""


def check_n_jobs(n_jobs: object) -> int | None:
    """Return a number of workers: positive, negative to count from all cores, or joblib's."""
    if n_jobs is None:
        return None
    number = check_int("n_jobs", n_jobs, minimum=-(2**31))
    if number == 0:
        raise InvalidInputError(
            f"`n_jobs` must be 1 or more, -1 for all cores, or None; got {describe(n_jobs)}."
        )
    return number


def outcomes_of(
    job: Callable[[str, Any], Any],
    pairs: Iterable[tuple[str, Any]],
    n_jobs: int | None,
    *,
    are_small: bool,
) -> Iterator[Any]:
    """Yield what a job makes of every name and source, in their order.

    Parameters
    ----------
    job : callable
        From a name and a source to an outcome.
    pairs : iterable of (str, object)
    n_jobs : int or None
        As joblib takes it. 1 works in this process, unless a backend of `joblib.parallel_config`
        has workers of its own.
    are_small : bool
        Whether outcomes are small: any number of them may then wait for the caller.

    Raises
    ------
    InvalidInputError
        If the job cannot be sent to other processes.
    """
    import joblib  # noqa: PLC0415

    n_workers = joblib.effective_n_jobs(n_jobs)
    if n_workers == 1:
        return itertools.starmap(job, pairs)
    most = None if are_small else _WAITING * n_workers
    return _from_workers(_parcel(job), iter(pairs), n_jobs, most)


def _from_workers(
    parcel: NDArray[np.uint8],
    pairs: Iterator[tuple[str, Any]],
    n_jobs: int | None,
    most: int | None,
) -> Iterator[Any]:
    """Yield what comes back; hand out no more while `most` outcomes are under way or wait here."""
    import joblib  # noqa: PLC0415

    token, under_way, is_over = secrets.token_hex(16), 0, False
    failed: list[Exception] = []

    def handed_out() -> Iterator[Any]:
        nonlocal under_way, is_over
        while most is None or under_way < most:
            try:
                pair = next(pairs, None)
            except Exception as error:  # noqa: BLE001 - the caller's; what is under way comes first
                failed.append(error)
                pair = None
            if pair is None:
                is_over = True
                return
            under_way += 1
            yield joblib.delayed(_work)(token, parcel, pair[0], _sent(pair[1]), _here())

    # joblib bundles images by the time they take. One by one, no more than `most` ever wait here.
    bundle: Any = "auto" if most is None else 1
    with joblib.Parallel(n_jobs, return_as="generator", batch_size=bundle) as parallel:
        while not is_over:
            outcomes = parallel(handed_out())
            try:
                for outcome in outcomes:
                    under_way -= 1
                    yield _passed_on(*outcome)
            finally:
                with warnings.catch_warnings():  # joblib's, of the tasks that a caller gives up
                    warnings.simplefilter("ignore", UserWarning)
                    outcomes.close()
    if failed:
        raise failed[0]


_JOBS: dict[str, Any] = {}
"""The job of the run that this process works for: its model stays loaded from image to image."""


def _work(
    token: str, parcel: NDArray[np.uint8], name: str, source: Any, home: str
) -> tuple[Any, list[str]]:
    """Return the outcome of one image, and what was warned of where the caller does not see it."""
    if home == _here():  # a thread of the caller's process
        return _outcome(token, parcel, name, source), []
    with _noting() as warned:
        return _outcome(token, parcel, name, source), warned


def _passed_on(outcome: Any, warned: list[str]) -> Any:
    """Return an outcome; warn of what its worker noted."""
    for message in warned:
        warn(message)
    return outcome


def _here() -> str:
    """Return a name of this process."""
    return f"{platform.node()}:{os.getpid()}"


@contextmanager
def _noting() -> Iterator[list[str]]:
    """Take down the warnings of this package instead of showing them."""
    noted: list[str] = []
    shown = warnings.showwarning

    def note(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, LimelensWarning):
            noted.append(str(message))
        else:
            shown(message, category, *place, **more)

    warnings.showwarning = note
    try:
        yield noted
    finally:
        warnings.showwarning = shown


def _outcome(token: str, parcel: NDArray[np.uint8], name: str, source: Any) -> Any:
    job = _JOBS.get(token)
    if job is None:
        job = pickle.loads(parcel.data)
        _JOBS.clear()
        _JOBS[token] = job
    return job(name, pickle.loads(source.content) if isinstance(source, _Sent) else source)


@dataclass(frozen=True, eq=False)
class _Sent:
    """An array as plain bytes. joblib would keep a file of each array until the run is over."""

    content: bytes


def _sent(source: Any) -> Any:
    return _Sent(pickle.dumps(source)) if isinstance(source, np.ndarray) else source


def _parcel(job: object) -> NDArray[np.uint8]:
    """Return a job as bytes in an array, which joblib sends to every worker only once if large."""
    import joblib  # noqa: PLC0415

    try:
        # The wrapper pickles what plain pickle cannot, functions of the main script for example.
        wrapped = joblib.wrap_non_picklable_objects(job, keep_wrapper=False)
        return np.frombuffer(pickle.dumps(wrapped), dtype=np.uint8)
    except Exception as error:
        raise InvalidInputError(
            f"`predict_fn` and the explainer must be fit to be sent to other processes: {error}. "
            "Name the model by its place instead, predict_fn='module:function' or the path of an "
            "ONNX file, or stay in this process with n_jobs=1."
        ) from error
