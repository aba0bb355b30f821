"""Images that an audit has to do without."""

from limelens._checks.values import check_choice
from limelens.errors import warn
from limelens.runs.entries import Failure, first_of, is_of_all

_HOPELESS = 5
"""So many failures before the first image that can be used are not the fault of the images."""


class Losses:
    """The images that could not be used, and when they are too many.

    Parameters
    ----------
    target : object
        The caller's.
    on_error : {"record", "raise"}
        Whether images are left out, or the first failure ends the audit.

    Attributes
    ----------
    failures : list of Failure
    """

    def __init__(self, target: object, on_error: str) -> None:
        self._target = target
        self._stops = check_choice("on_error", on_error, ("record", "raise")) == "raise"
        self._first: Exception | None = None
        self.failures: list[Failure] = []

    def take(self, name: str, error: Exception, n_used: int) -> None:
        """Note an image that could not be used after `n_used` others, or raise the error."""
        asked = ("`labels` must have one entry", "`descriptors`", "`label_names`")
        if self._stops or is_of_all(error, self._target, *asked):
            raise error
        self._first = self._first or error
        self.failures.append(Failure.of(name, error))
        if n_used == 0 and len(self.failures) == _HOPELESS:
            raise self._first

    def tell(self, n_used: int) -> None:
        """Warn of the images that were left out; raise the first error if too few are left."""
        if self._first is None:
            return
        if n_used < 2:
            raise self._first
        n = n_used + len(self.failures)
        warn(
            f"{len(self.failures)} of {n} images could not be used, {first_of(self.failures)}. All "
            "are in `failures` of the audit."
        )
