"""How many images a call of the model holds, and how many calls are under way at once."""

from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from limelens._checks.values import check_int
from limelens.engine.pace import USUAL, Pace
from limelens.errors import InvalidInputError, is_out_of_memory, warn

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")

BatchSize: TypeAlias = int | Literal["auto"]

Claim: TypeAlias = Any
"""What goes with a batch as one image more; None for nothing."""

FULL = 16
"""What goes with a batch waits for one of so many images, as long as batches may grow to it."""

FEW = (2, 3)
"""Beside so few images one may score the same by chance, though its score depends on them."""


def check_batch_size(batch_size: object, in_flight: object = 1) -> BatchSize:
    """Check a batch size, a number of images or "auto", and how many batches are in flight.

    Raises
    ------
    InvalidInputError
        If it is neither, or there is not at least one batch in flight.
    """
    check_int("in_flight", in_flight, minimum=1)
    if isinstance(batch_size, str):
        if batch_size == "auto":
            return "auto"
        raise InvalidInputError(
            f"`batch_size` must be 'auto' or a number of images; got {batch_size!r}."
        )
    return check_int("batch_size", batch_size, minimum=1)


class Batches:
    """Divides rows into batches, and scores them one after the other or several at once.

    Parameters
    ----------
    batch_size : int or "auto"
        Most images a call may hold; "auto" finds the size at which an image takes the least time.
    most : int
        Most images that "auto" may choose.
    in_flight : int
        How many batches may be under way at once. With several, "auto" is 64 images.
    timed : bool
        Whether the time of a call says what it costs: not where answers are awaited later.
    usual : int
        What "auto" takes where a call takes next to no time.

    Attributes
    ----------
    given : int or None
        The batch size that the caller gave; None for "auto".

    Examples
    --------
    No batch of a single image is left over at the end:

    >>> def score(part, claim):
    ...     return part.stop - part.start
    >>> Batches(3).each(7, score, lambda part, n: print(part, n))
    slice(0, 3, None) 3
    slice(3, 5, None) 2
    slice(5, 7, None) 2
    """

    def __init__(
        self,
        batch_size: BatchSize,
        most: int = USUAL,
        *,
        in_flight: int = 1,
        timed: bool = True,
        usual: int = USUAL,
    ) -> None:
        self.in_flight = in_flight
        self.given = None if batch_size == "auto" else batch_size
        self._size = min(USUAL, most) if batch_size == "auto" else batch_size
        self._pace = Pace(most, usual) if self.given is None and timed and in_flight == 1 else None

    @property
    def size(self) -> int:
        """Most images that the next batch may hold."""
        return self._size if self._pace is None else self._pace.size

    def each(
        self,
        n: int,
        score: Callable[[slice, Claim], T],
        keep: Callable[[slice, T], None],
        *,
        claim: Callable[[int], Claim] = lambda size: None,
    ) -> None:
        """Score n rows batch by batch, in smaller batches once memory has run out.

        Parameters
        ----------
        n : int
        score : callable
            From a slice of rows, and what was claimed for this batch, to their answer. With several
            batches in flight it is called from as many threads.
        keep : callable
            Is given each slice with its answer, in the order of the rows.
        claim : callable
            From the batch size to what goes with the next batch as one image more.
        """
        if self.in_flight == 1:
            self._one_by_one(n, score, keep, claim)
        else:
            self._several(n, score, keep, claim)

    def halve(self, n_images: int, error: Exception) -> None:
        """Go on with half as many images as memory did not suffice for, with a warning."""
        self._size, self._pace = n_images // 2, None
        warn(
            f"out of memory with {n_images} images a call ({type(error).__name__}); going on with "
            f"{self._size}. Pass a smaller batch_size to avoid the failed call.",
        )

    def _one_by_one(
        self,
        n: int,
        score: Callable[[slice, Claim], T],
        keep: Callable[[slice, T], None],
        claim: Callable[[int], Claim],
    ) -> None:
        done = 0
        while done < n:
            part, claimed, n_images = self._next(slice(done, n), claim)
            start = perf_counter()
            try:
                answer = score(part, claimed)
            except Exception as error:
                if n_images == 1 or not is_out_of_memory(error):
                    raise
                self.halve(n_images, error)
                continue
            if self._pace is not None:
                self._pace.took(n_images, perf_counter() - start)
            keep(part, answer)
            done = part.stop

    def _several(
        self,
        n: int,
        score: Callable[[slice, Claim], T],
        keep: Callable[[slice, T], None],
        claim: Callable[[int], Claim],
    ) -> None:
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

        left = [slice(0, n)] if n else []
        sent: deque[tuple[slice, int, Future[T]]] = deque()
        pool = ThreadPoolExecutor(self.in_flight)
        wait = True
        try:
            while left or sent:
                if left and len(sent) < self.in_flight:
                    rows = left.pop()
                    part, claimed, n_images = self._next(rows, claim)
                    if part.stop < rows.stop:
                        left.append(slice(part.stop, rows.stop))
                    sent.append((part, n_images, pool.submit(score, part, claimed)))
                    continue
                part, n_images, answer = sent.popleft()
                if self._is_to_be_divided(answer, n_images):
                    left.append(part)
                else:
                    keep(part, answer.result())
        except BaseException as failure:
            wait = isinstance(failure, Exception)  # an interrupt waits for no answer
            _keep_what_came(sent, keep, wait=wait)
            raise
        finally:
            pool.shutdown(wait=wait, cancel_futures=True)

    def _is_to_be_divided(self, answer: "Future[T]", n_images: int) -> bool:
        """Return whether memory ran out; several batches in flight run out of it together."""
        error = answer.exception()
        if not isinstance(error, Exception) or n_images == 1 or not is_out_of_memory(error):
            return False
        if n_images <= self._size:
            self.halve(n_images, error)
        return True

    def _next(self, left: slice, claim: Callable[[int], Claim]) -> tuple[slice, Claim, int]:
        """Return the rows of the next batch, what goes with them, and how many images that is."""
        n_left = left.stop - left.start
        grows = self._pace is not None and not self._pace.settled
        waits = grows and self.size < FULL and n_left > 2 * self.size
        claimed = None if waits else claim(self.size)
        n_beside = int(claimed is not None)
        n = room = max(1, self.size - n_beside)
        if n_left <= room:
            n = n_left
        elif n_left == room + 1 and room > 2:
            n = room - 1  # some models refuse a single image: none is left for the end
        return slice(left.start, left.start + n), claimed, n + n_beside


def _keep_what_came(
    sent: "deque[tuple[slice, int, Future[T]]]", keep: Callable[[slice, T], None], *, wait: bool
) -> None:
    """Keep the answers that are under way, as they are paid for; errors give way to the first."""
    for part, _, answer in sent:
        if (wait or answer.done()) and not answer.cancel():
            try:
                keep(part, answer.result())
            except Exception:  # noqa: BLE001 - the first error is raised by the caller
                continue
