"""Our own matrix products are small: one thread does them sooner than several that wait."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_IN_USE = threading.Lock()


@cache
def _libraries(of_scipy: bool) -> Any:  # noqa: FBT001 - looked for again when that comes
    """Return the libraries of linear algebra that are loaded; looking for them takes a while."""
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415

    return ThreadpoolController().select(user_api="blas").lib_controllers


@contextmanager
def one_blas_thread(*, with_scipy: bool = False) -> Iterator[None]:
    """Do linear algebra on one thread, also as a decorator; never around a user's model.

    With several threads the fits of this package, of some hundred rows, take two to five times as
    long on a machine that has other work, and their last digits depend on the number of threads.

    Parameters
    ----------
    with_scipy : bool
        Whether SciPy's linear algebra is used, which is a library of its own. It is loaded now, so
        that it is limited too; loading it takes a tenth of a second, once.

    Examples
    --------
    >>> from threadpoolctl import threadpool_info
    >>> with one_blas_thread():
    ...     {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}
    {1}
    """
    # The limit is of the whole process. Only one fit at a time sets it and gives it back, or the
    # last of two that overlap would give back the limit of the first one.
    if with_scipy:
        import scipy.linalg  # noqa: F401, PLC0415
    if not _IN_USE.acquire(blocking=False):
        yield
        return
    limited: list[tuple[Any, int]] = []
    try:
        for library in _libraries("scipy.linalg" in sys.modules):
            if (n_threads := library.num_threads) not in (1, None):
                limited.append((library, n_threads))
                library.set_num_threads(1)
        yield
    finally:
        for library, n_threads in limited:
            library.set_num_threads(n_threads)
        _IN_USE.release()
