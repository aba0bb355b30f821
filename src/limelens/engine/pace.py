"""The batch size at which an image takes the least time, found while a run goes on."""

from dataclasses import dataclass

START = 4
"""The first size that is tried, and the smallest: on a CPU the best one is rarely above 16."""

USUAL, MOST = 64, 256
"""Size for models of which a call takes next to no time, and the largest that is tried."""

FREE = 1e-3
"""Seconds of a call below which a search is not worth its own calls."""


@dataclass(frozen=True)
class _Tried:
    """A size with the shortest time of a call."""

    size: int
    seconds: float

    @property
    def rate(self) -> float:
        """Seconds an image."""
        return self.seconds / self.size


class Pace:
    """Tries larger batches as long as an image then takes less time, and settles on the best.

    A size counts as worse only after two calls: the first may have been disturbed. Where a call
    takes as long with more images, the next size is four times as large, and then the largest
    allowed: what is waited for is the way to the model.

    Parameters
    ----------
    most : int
        The largest size that fits.
    usual : int
        The size for a model of which a call takes next to no time.

    Examples
    --------
    A call takes a second and a millisecond an image:

    >>> pace = Pace(111)
    >>> for _ in range(5):
    ...     pace.took(pace.size, 1 + pace.size / 1000)
    ...     print(pace.size, end=" ")
    4 16 111 111 111
    """

    def __init__(self, most: int, usual: int = USUAL) -> None:
        self._most = min(most, MOST)
        self._usual = min(usual, self._most)
        self.size = min(START, self._most)
        self.settled = False
        self._first: float | None = None
        self._best: _Tried | None = None
        self._failed: set[int] = set()
        self._shortest, self._n_calls, self._n_flat = float("inf"), 0, 0

    def took(self, n_images: int, seconds: float) -> None:
        """Learn how long a call took; the first one may hold any number of images."""
        if self.settled or (self._first is not None and n_images != self.size):
            return
        if seconds < FREE:
            self._settle(self._usual)
        elif self._first is None:
            self._first = seconds
        else:
            self._judge(seconds)

    def _judge(self, seconds: float) -> None:
        self._shortest, self._n_calls = min(self._shortest, seconds), self._n_calls + 1
        now, best = _Tried(self.size, self._shortest), self._best
        if best is None or now.rate < 0.95 * best.rate:
            before = self._first if best is None else best.seconds
            self._n_flat = self._n_flat + 1 if now.seconds < 1.25 * (before or 0) else 0
            self._best = now
            self._try_next(now)
        elif self._n_calls == 2:
            self._failed.add(self.size)
            self._try_next(best)

    def _try_next(self, best: _Tried) -> None:
        """Try a size that is larger than the best one, if none up to it has failed; else settle."""
        size = min(self._most, best.size * 2)
        if not self._failed and self._n_flat:
            size = min(self._most, best.size * 4) if self._n_flat == 1 else self._most
        if size == best.size or any(best.size < failed <= size for failed in self._failed):
            self._settle(best.size)
            return
        self.size, self._shortest, self._n_calls = size, float("inf"), 0

    def _settle(self, size: int) -> None:
        self.size, self.settled = size, True
