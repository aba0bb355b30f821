"""The exceptions and warnings that limelens raises.

* LimelensError
    x InvalidInputError (also a ValueError): an argument cannot be used as given.
    x PredictionError (also a RuntimeError): the model's answer cannot be used.
* LimelensWarning (a UserWarning): the answer is right, yet something deserves attention.
    x ConvergenceWarning: the asked precision was not reached within the budget.
"""


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
