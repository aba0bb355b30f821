"""How far a run is: a tqdm bar, a line of text, or the caller's own function."""

import sys
from typing import Any

from limelens._checks.values import check_callable
from limelens._typing import Progress


class Reporter:
    """Calls `(done, total)`, or drives a bar that opens and closes with the `with` block.

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
        self._shows = progress is True
        if not self._shows and progress not in (None, False):
            self._call = check_callable("progress", progress, "(done, total), True or None")

    def __enter__(self) -> "Reporter":
        if self._shows:
            bar = _bar()
            self._bar = Line() if bar is None else bar
            _OPEN.append(self._bar)
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the bar, if there is one; a second time does nothing."""
        bar, self._bar = self._bar, None
        if bar is not None:
            _OPEN.remove(bar)
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

    def clear(self) -> None:
        """Blank the line until the next step."""
        sys.stderr.write("\r" + " " * self._width + "\r")

    def close(self) -> None:
        """End the line."""
        if self._width:
            sys.stderr.write("\n")
            sys.stderr.flush()


_OPEN: list[Any] = []
"""The bars that are shown now."""


def say(text: str) -> None:
    """Write a line to stderr, where no bar that is shown is in its way."""
    for bar in _OPEN:
        bar.clear()
    sys.stderr.write(f"{text}\n")


def _bar() -> Any:
    """Return a tqdm bar; None where tqdm is not installed."""
    try:
        from tqdm.auto import tqdm  # noqa: PLC0415 - extra `progress`
    except ImportError:
        return None
    return tqdm(unit="image")
