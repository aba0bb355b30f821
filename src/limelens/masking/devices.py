"""Arrays of other libraries: their namespace, copies, and the way to NumPy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.extras import needed


def namespace_of(array: Any) -> Any:
    """Return the Array API functions of the library that `array` belongs to.

    Raises
    ------
    ImportError
        Where array-api-compat is not installed.
    TypeError
        Where `array` belongs to no library known to it.
    """
    api = needed("array_api_compat", "arrays on a device need array-api-compat", "array-api")
    return api.array_namespace(array)


def to_numpy(array: Any) -> NDArray[Any]:
    """Copy an array of any library to the host; bfloat16, which NumPy lacks, becomes float32."""
    for method in ("detach", "cpu", "get"):  # torch; torch; CuPy
        if callable(getattr(array, method, None)):
            array = getattr(array, method)()
    if str(getattr(array, "dtype", "")).endswith("bfloat16"):
        array = namespace_of(array).astype(array, namespace_of(array).float32)
    return np.asarray(array)


def is_device_array(scores: object) -> bool:
    """Return whether something is an array of another library than NumPy."""
    return hasattr(scores, "dtype") and not isinstance(scores, (np.ndarray, np.generic))


def copy_of(array: Any) -> Any:
    """Copy an array on its device, or to the host if its library knows no Array API."""
    if callable(getattr(array, "detach", None)):  # else torch keeps the whole graph that led to it
        array = array.detach()
    try:
        xp = namespace_of(array)
    except TypeError:
        return to_numpy(array)
    return xp.asarray(array, copy=True)


def on_device_of(like: Any, array: NDArray[Any], xp: Any) -> Any:
    """Copy a NumPy array to the device where `like` lies."""
    import array_api_compat  # noqa: PLC0415

    return xp.asarray(array, device=array_api_compat.device(like))
