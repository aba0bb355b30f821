"""The exceptions and warnings that limelens raises.

* LimelensError
    x InvalidInputError (also a ValueError): an argument cannot be used as given.
    x PredictionError (also a RuntimeError): the model's answer cannot be used.
    x OutputError (also an OSError): results cannot be written where they are to go.
* LimelensWarning (a UserWarning): the answer is right, but something deserves attention.
    x ConvergenceWarning: the requested precision was not reached within the budget.
"""

import contextlib
import sys
import warnings


class LimelensError(Exception):
    """Base class of every exception that limelens raises on purpose."""


class InvalidInputError(LimelensError, ValueError):
    """An argument cannot be used as given; the message says what would work."""


class PredictionError(LimelensError, RuntimeError):
    """`predict_fn` returned something that is not a score per image.

    The rows that were already paid for are in the exception, as `error.samples`.
    """


class OutputError(LimelensError, OSError):
    """Results cannot be written where they are to go, because the disk is full for example."""


class LimelensWarning(UserWarning):
    """The answer is right, but something about it deserves attention."""


class ConvergenceWarning(LimelensWarning):
    """The requested precision was not reached within the budget of model calls."""


def is_out_of_memory(error: Exception) -> bool:
    """Recognise the errors of NumPy and the frameworks for this, without importing them.

    An error that was raised from such an error counts as one, too.

    Examples
    --------
    >>> is_out_of_memory(RuntimeError("DefaultCPUAllocator: not enough memory: you tried ..."))
    True
    >>> is_out_of_memory(RuntimeError("shapes do not match"))
    False
    """
    if isinstance(error, LimelensError):
        return False
    said = str(error).lower()
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ in ("OutOfMemoryError", "ResourceExhaustedError")
        or any(words in said for words in _OUT_OF_MEMORY)
        or (isinstance(error.__cause__, Exception) and is_out_of_memory(error.__cause__))
    )


_OUT_OF_MEMORY = (
    "out of memory",  # CUDA, HIP, MPS
    "out_of_memory",  # CUDA_ERROR_OUT_OF_MEMORY
    "outofmemory",  # hipErrorOutOfMemory
    "not enough memory",  # PyTorch on the CPU
    "can't allocate memory",
    "cannot allocate memory",  # the operating system
    "failed to allocate memory",  # ONNX Runtime, TensorFlow
    "failed to allocate",
    "unable to allocate",  # NumPy
    "could not allocate",
    "insufficient memory",  # OpenCV
    "allocation_failed",  # CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED
    "cumemalloc failed",
    "resource_exhausted",  # XLA
    "resource exhausted",
    "oom when allocating",  # TensorFlow
    "alloc_failed",  # CUBLAS_STATUS_ALLOC_FAILED, CUDNN_STATUS_ALLOC_FAILED
    "memoryallocation",  # cudaErrorMemoryAllocation
    "is smaller than requested bytes",  # ONNX Runtime's arena
    "bad_alloc",  # C++
    "bad allocation",
)


def add_note(error: BaseException, note: str) -> None:
    """Add a note to an exception; in Python 3.10 the attribute is only a convention."""
    with contextlib.suppress(AttributeError, TypeError):  # a frozen exception takes no note
        if hasattr(error, "add_note"):
            error.add_note(note)
        else:
            error.__notes__ = [*getattr(error, "__notes__", []), note]


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
