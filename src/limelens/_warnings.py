"""Warnings that point at the caller's line, however deep in the library they arise."""

import sys
import warnings

from limelens.errors import LimelensWarning


def warn(message: str, category: type[Warning] = LimelensWarning) -> None:
    """Warn at the first line outside limelens.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn("the signal is weak")
    >>> caught[0].category.__name__, str(caught[0].message)
    ('LimelensWarning', 'the signal is weak')
    """
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("limelens."):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
