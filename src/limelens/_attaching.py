"""Rows already paid for ride on the exception that stops a run."""

import contextlib
from types import NoneType
from typing import Protocol

from limelens.results.samples import Samples


class Asked(Protocol):
    """Whatever knows its rows: a query."""

    def samples(self) -> Samples:
        """Return every row that was paid for."""


class Attaching:
    """Lets the rows already paid for ride on whatever stops the block.

    A class, as a generator's context manager writes into exceptions that may be frozen.
    """

    def __init__(self, query: Asked) -> None:
        self._query = query

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None:
            attach_samples(error, self._query)


def attach_samples(error: BaseException, query: Asked) -> None:
    """Hang the rows already paid for on an exception, as `error.samples`."""
    if isinstance(getattr(error, "samples", None), (Samples, NoneType)):
        with contextlib.suppress(AttributeError, TypeError):
            # Past the exception's own __setattr__: it may be a frozen dataclass.
            BaseException.__setattr__(error, "samples", query.samples())
