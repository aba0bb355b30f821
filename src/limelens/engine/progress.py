"""How far a run is: a tqdm bar, a line of text, or the caller's own function."""

import sys
from types import TracebackType
from typing import Any

from limelens._checks.values import check_callable
from limelens._typing import Progress


class Reporter:
    """Calls `(done, total)`, or drives a bar that closes with the `with` block.

    Parameters
    ----------
    progress : None, bool or callable
        None and False report nothing; True draws a tqdm bar where tqdm is installed, else it
        writes one line of text to stderr, over and over.

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
            bar = _bar()
            self._bar = Line() if bar is None else bar
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
        self.close()

    def close(self) -> None:
        """Close the bar, if there is one; a second time does nothing."""
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()

    def report(self, done: int, total: int) -> None:
        """Report that `done` of `total` images have been scored."""
        if self._call is not None:
            self._call(done, total)
        elif self._bar is not None:
            self._bar.total = total
            self._bar.update(done - self._bar.n)


class Line:
    """One line on stderr that is written anew at every step: what tqdm's bar is without tqdm."""

    def __init__(self) -> None:
        self.n = self.total = 0
        self._width = 0

    def update(self, step: int) -> None:
        """Count further images."""
        self.n += step
        share = f"{100 * self.n // max(1, self.total)} %"
        text = f"{self.n} of {self.total} images, {share}"
        sys.stderr.write("\r" + text.ljust(self._width))
        sys.stderr.flush()
        self._width = len(text)

    def close(self) -> None:
        """End the line."""
        if self._width:
            sys.stderr.write("\n")
            sys.stderr.flush()


def _bar() -> Any:
    """Return a tqdm bar; None where tqdm is not installed."""
    try:
        from tqdm.auto import tqdm  # noqa: PLC0415 - extra `progress`
    except ImportError:
        return None
    return tqdm(unit="image")
