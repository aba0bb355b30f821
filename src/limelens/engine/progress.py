"""Progress of a run: a tqdm bar or the caller's own function."""

from types import TracebackType
from typing import Any

from limelens._checks.values import check_callable
from limelens._typing import Progress


class Reporter:
    """Calls `(done, total)`, or drives a tqdm bar that closes with the `with` block.

    Parameters
    ----------
    progress : None, bool or callable
        None and False report nothing; True needs the extra `progress`.

    Examples
    --------
    >>> with Reporter(lambda done, total: print(done, "of", total)) as reporter:
    ...     reporter.report(64, 1000)
    64 of 1000
    """

    def __init__(self, progress: Progress) -> None:
        self._call = None
        self._bar: Any = None
        if progress is True:
            self._bar = _bar()
        elif progress not in (None, False):
            self._call = check_callable("progress", progress, "(done, total)")

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def report(self, done: int, total: int) -> None:
        """Report that `done` of `total` images have been scored."""
        if self._call is not None:
            self._call(done, total)
        elif self._bar is not None:
            self._bar.total = total
            self._bar.update(done - self._bar.n)


def _bar() -> Any:
    try:
        from tqdm.auto import tqdm  # noqa: PLC0415 - extra `progress`
    except ImportError as error:
        msg = "progress=True needs tqdm: pip install limelens[progress]"
        raise ImportError(msg) from error
    return tqdm(unit="image")
