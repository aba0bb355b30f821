"""The segmenters of `lime.wrappers.scikit_image`: functions of scikit-image with fixed settings."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from limelens._checks.values import check_choice
from limelens._typing import Image
from limelens.errors import warn

__all__ = ["BaseWrapper", "SegmentationAlgorithm"]

ALGORITHMS = ("quickshift", "felzenszwalb", "slic")


class BaseWrapper:
    """A function with settings for its call.

    Parameters
    ----------
    target_fn : callable, optional
        A function, or an object with `__call__`. None is the wrapper itself.
    target_params : any
        Settings by keyword. They are first checked by `set_params`.
    """

    def __init__(self, target_fn: Any = None, **target_params: Any) -> None:
        self.target_fn = target_fn
        self.target_params: dict[str, Any] = target_params

    def _check_params(self, parameters: Iterable[str]) -> None:
        """Raise ValueError if the function does not take one of the parameters."""
        checked = self._callable()
        if isinstance(parameters, str):
            raise TypeError("invalid argument: list or dictionary expected")
        for name in parameters:
            if not takes(checked, name):
                raise ValueError(f"{name} is not a valid parameter")

    def set_params(self, **params: Any) -> None:
        """Replace all settings.

        Raises
        ------
        ValueError
            If the function does not take one of the settings.
        """
        self._check_params(params)
        self.target_params = params

    def filter_params(
        self, fn: Callable[..., Any], override: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the settings that `fn` takes, and all of `override`.

        Examples
        --------
        >>> def area(width, height): return width * height
        >>> BaseWrapper(width=2, depth=3).filter_params(area, override={"height": 5})
        {'width': 2, 'height': 5}
        """
        kept = {name: value for name, value in self.target_params.items() if takes(fn, name)}
        return kept | (override or {})

    def _callable(self) -> Callable[..., Any]:
        if self.target_fn is None:
            if callable(self):
                return self
            raise TypeError(
                "invalid argument: tested object is not callable, please provide a valid target_fn"
            )
        if inspect.isfunction(self.target_fn) or inspect.ismethod(self.target_fn):
            return self.target_fn
        return self.target_fn.__call__  # as in lime: AttributeError if it cannot be called


class SegmentationAlgorithm(BaseWrapper):
    """One of three superpixel algorithms of scikit-image, with fixed settings.

    Labels are those of scikit-image: with "slic" they start at 1 unless `start_label=0`.

    Parameters
    ----------
    algo_type : str
        "quickshift", "felzenszwalb" or "slic".
    target_params : any
        Settings of that function. A setting that it does not have is ignored with a warning. An
        example is the `random_seed` of quickshift, which scikit-image now calls `rng`.

    Raises
    ------
    InvalidInputError
        If there is no such algorithm.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((2, 4, 3))
    >>> image[:, 2:] = 1
    >>> SegmentationAlgorithm("slic", n_segments=2, sigma=0)(image)
    array([[1, 1, 2, 2],
           [1, 1, 2, 2]])
    """

    def __init__(self, algo_type: str, **target_params: Any) -> None:
        from skimage import segmentation  # noqa: PLC0415

        self.algo_type = check_choice("algo_type", algo_type, ALGORITHMS)
        function = getattr(segmentation, algo_type)
        super().__init__(function, **target_params)
        known = self.filter_params(function)
        ignored = [name for name in target_params if name not in known]
        if ignored:
            warn(f"{algo_type} of scikit-image has no {', '.join(ignored)}: ignored.")
        self.set_params(**known)

    def __call__(self, *args: Image) -> Any:
        """Return the label image of the first argument."""
        return self.target_fn(args[0], **self.target_params)


def takes(function: Callable[..., Any], name: str) -> bool:
    """Return whether a function has a parameter that can be given by this keyword."""
    parameter = inspect.signature(function).parameters.get(name)
    return parameter is not None and parameter.kind in (
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    )
