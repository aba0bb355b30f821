"""How many images a call of the model holds: bounded, and halved when memory runs out."""

from collections.abc import Callable
from typing import TypeVar

from limelens.errors import is_out_of_memory, warn

T = TypeVar("T")


class Batches:
    """Divides rows into batches of at most `size` images.

    Parameters
    ----------
    size : int
        Most images a call may hold; halved when memory ran out.

    Examples
    --------
    No batch of a single image is left over at the end:

    >>> Batches(3).each(7, lambda part: part.stop - part.start, lambda part, n: print(part, n))
    slice(0, 3, None) 3
    slice(3, 5, None) 2
    slice(5, 7, None) 2
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def each(
        self,
        n: int,
        score: Callable[[slice], T],
        keep: Callable[[slice, T], None],
        *,
        n_beside: Callable[[int], int] = lambda size: 0,
    ) -> None:
        """Score n rows batch by batch.

        Parameters
        ----------
        n : int
        score : callable
            From a slice of rows to their answer.
        keep : callable
            Is given each slice with its answer.
        n_beside : callable
            From the batch size to how many further images go with the next batch.
        """
        done = 0
        while done < n:
            beside = n_beside(self.size)
            part = slice(done, done + self._next(n - done, beside))
            try:
                scores = score(part)
            except Exception as error:
                n_images = part.stop - done + beside
                if n_images == 1 or not is_out_of_memory(error):
                    raise
                self.halve(n_images, error)
                continue
            keep(part, scores)
            done = part.stop

    def halve(self, n_images: int, error: Exception) -> None:
        """Go on with half as many images as memory did not suffice for, with a warning."""
        self.size = n_images // 2
        warn(
            f"out of memory with {n_images} images a call ({type(error).__name__}); going on with "
            f"{self.size}. Pass a smaller batch_size to avoid the failed call.",
        )

    def _next(self, n_left: int, n_beside: int) -> int:
        """Return how many rows the next batch holds."""
        room = max(1, self.size - n_beside)
        if n_left <= room:
            return n_left
        # Some models refuse a single image: no batch of one is left for the end.
        return room - int(n_left == room + 1 and room > 2)
