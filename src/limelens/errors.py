"""The exceptions and warnings that limelens raises.

* LimelensError
    x InvalidInputError (also a ValueError): an argument cannot be used as given.
    x PredictionError (also a RuntimeError): the model's answer cannot be used.
* LimelensWarning (a UserWarning): the answer is right, yet something deserves attention.
    x ConvergenceWarning: the asked precision was not reached within the budget.
"""

import contextlib


class LimelensError(Exception):
    """Base class of every exception that limelens raises on purpose."""


class InvalidInputError(LimelensError, ValueError):
    """An argument cannot be used as given; the message says what would work."""


class PredictionError(LimelensError, RuntimeError):
    """`predict_fn` returned something that is not a score per image.

    The rows that were already paid for ride on the exception as `error.samples`.
    """


class LimelensWarning(UserWarning):
    """The answer is right, yet something about it deserves attention."""


class ConvergenceWarning(LimelensWarning):
    """The asked precision was not reached within the budget of model calls."""


def is_out_of_memory(error: Exception) -> bool:
    """Recognise NumPy's, CUDA's and XLA's ways of saying so, without importing them."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (
            isinstance(error, RuntimeError)
            and any(words in str(error) for words in ("out of memory", "RESOURCE_EXHAUSTED"))
        )
    )


def add_note(error: BaseException, note: str) -> None:
    """Add a note to an exception; Python 3.10 has the attribute only by convention."""
    with contextlib.suppress(AttributeError, TypeError):  # frozen ones take none
        if hasattr(error, "add_note"):
            error.add_note(note)
        else:
            error.__notes__ = [*getattr(error, "__notes__", []), note]
