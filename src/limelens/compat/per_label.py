"""A mapping from labels to values that is also a number, as two versions of lime return them."""

from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

from limelens.errors import InvalidInputError

__all__ = ["PerLabel"]


class PerLabel(NDArrayOperatorsMixin, dict[Any, Any]):
    """Mapping from label to value, and the last label's value wherever a number is needed.

    lime's development version keeps a mapping. Its last release keeps only the value of the label
    that was fitted last. Code that was written for either of them works with this class.

    Examples
    --------
    >>> score = PerLabel({3: 0.25, 7: 0.5})
    >>> score[3]
    0.25
    >>> float(score), f"{score:.3f}", bool(score > 0.4)
    (0.5, '0.500', True)
    >>> PerLabel({0: np.array([0.25]), 7: np.array([0.5])})[7]
    array([0.5])
    >>> PerLabel({7: np.array([0.5])}).tolist()
    [0.5]
    """

    def __getattr__(self, name: str) -> Any:
        # Methods and attributes of the release's number or array: `tolist`, `item`, `shape`, ...
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(np.asarray(self.last), name)

    @property
    def last(self) -> Any:
        """The value of the label that was fitted last."""
        if not self:
            raise InvalidInputError("`labels` must hold at least one label; none was explained.")
        return next(reversed(self.values()))

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        return np.array(self.last, dtype=dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Any:
        values = [each.last if isinstance(each, PerLabel) else each for each in inputs]
        return getattr(ufunc, method)(*values, **settings)

    def __float__(self) -> float:
        return float(np.asarray(self.last).item())

    def __round__(self, n_digits: int | None = None) -> float:
        return round(float(self), n_digits)

    def __format__(self, spec: str) -> str:
        return format(float(self), spec) if spec else str(self)

    def __missing__(self, key: Any) -> Any:
        # Code for the last release reads its array of one number by `local_pred[0]`.
        if key == 0 and self and np.ndim(self.last) == 1:
            return self.last[0]
        raise KeyError(key)

    def __eq__(self, other: object) -> Any:
        return dict.__eq__(self, other) if isinstance(other, dict) else self.last == other

    def __ne__(self, other: object) -> Any:
        return dict.__ne__(self, other) if isinstance(other, dict) else self.last != other

    __hash__ = None
    __or__, __ror__, __ior__ = dict.__or__, dict.__ror__, dict.__ior__
