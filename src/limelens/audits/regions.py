"""What a region is: brightness, colour, texture, size, place, or what the caller knows of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from limelens._axes import read_only
from limelens._checks.values import check_numeric, describe
from limelens._typing import Floats, Image, Segments
from limelens.errors import InvalidInputError
from limelens.segmenting.view import segmenting_view

Described: TypeAlias = Mapping[str, Floats]
"""From the name of a descriptor to its value for every segment, shape (d,)."""

Describe: TypeAlias = Callable[[Image, NDArray[np.bool_]], Any]
"""From a channels-last image and a region (bool, spatial) to numbers: by name, one, or several."""

WORDS = {
    "bright": ("bright", "dark"),
    "red": ("red", "green"),
    "yellow": ("yellow", "blue"),
    "textured": ("textured", "smooth"),
    "large": ("large", "small"),
    "at the border": ("at the border", "in the centre"),
}
"""What a region is called that has much, or little, of a property."""

_COLORS = (3, 4)  # red, green, blue, and an opacity
_WINDOWS = 32  # of local contrast along the longer side


def properties(image: Image, segments: Segments) -> dict[str, Floats]:
    """Return six numbers for every segment: brightness, colour, texture, size and place.

    Parameters
    ----------
    image : ndarray, channels last
    segments : ndarray of int, spatial shape

    Returns
    -------
    dict of ndarray, shape (d,)
        "bright", "red" and "yellow" are the mean L, a and b of CIELAB over 100 (of images without
        colours the last two are 0), relative to the image's own range. "textured" is the mean
        standard deviation of L in a small window. "large" is the binary logarithm of the area over
        the mean area. "at the border" is the mean distance from the centre, 0 there and 1 at the
        border.

    Examples
    --------
    >>> image = np.array([[0.0, 0.0, 1.0, 1.0]])
    >>> found = properties(image, np.array([[0, 0, 1, 1]]))
    >>> found["bright"], found["large"]
    (array([0., 1.]), array([0., 0.]))
    """
    from scipy.ndimage import uniform_filter  # noqa: PLC0415

    light, red, yellow = _colors(image, segments.ndim)
    window = max(3, round(max(segments.shape) / _WINDOWS) | 1)
    mean = uniform_filter(light, window, mode="reflect")
    variance = uniform_filter(light**2, window, mode="reflect") - mean**2
    pixels = {
        "bright": light,
        "red": red,
        "yellow": yellow,
        "textured": np.sqrt(np.maximum(variance, 0.0)),
        "at the border": _distance_from_centre(segments.shape),
    }
    found = {name: mean_by_segment(values, segments) for name, values in pixels.items()}
    sizes = np.bincount(segments.ravel())
    return found | {"large": np.log2(sizes / sizes.mean())}


def mean_by_segment(values: NDArray[Any], segments: Segments) -> Floats:
    """Return the mean of a map over every segment, shape (d,).

    Examples
    --------
    >>> mean_by_segment(np.array([[1.0, 3.0, 5.0]]), np.array([[0, 0, 1]]))
    array([2., 5.])
    """
    labels = segments.ravel()
    sums = np.bincount(labels, weights=values.ravel())
    return np.asarray(sums / np.bincount(labels))


def shares_of_labels(
    labels: NDArray[Any], segments: Segments, names: Mapping[int, str]
) -> dict[str, Floats]:
    """Return the share of every segment that has each label; labels of one name are one.

    Examples
    --------
    >>> shares_of_labels(np.array([[4, 4, 7]]), np.array([[0, 1, 1]]), {4: "ruler"})
    {'ruler': array([1. , 0.5]), 'label 7': array([0. , 0.5])}
    """
    found: dict[str, Floats] = {}
    for label in np.unique(labels):
        name = names.get(int(label), f"label {label}")
        found[name] = found.get(name, 0.0) + mean_by_segment(labels == label, segments)
    return found


def ask_descriptors(describe_region: Describe, image: Image, segments: Segments) -> Described:
    """Return what the caller's function says of every segment.

    Raises
    ------
    InvalidInputError
        If it returns neither a number, nor several, nor numbers by name, or if the names differ
        between regions.
    """
    shown = read_only(image)
    rows = [
        _as_numbers(describe_region(shown, read_only(segments == segment)))
        for segment in range(int(segments.max()) + 1)
    ]
    names = list(rows[0])
    for row in rows:
        if list(row) != names:
            raise InvalidInputError(
                "`descriptors` must return the same descriptors for every region; got "
                f"{names} and {list(row)}."
            )
    return {name: np.array([row[name] for row in rows]) for name in names}


def _as_numbers(answer: Any) -> dict[str, float]:
    if isinstance(answer, Mapping):
        if not answer or not all(isinstance(name, str) for name in answer):
            raise InvalidInputError(
                f"`descriptors` must return numbers by name; got {describe(answer)}."
            )
        named = {str(name): check_numeric("descriptors", value) for name, value in answer.items()}
    else:
        values = np.atleast_1d(check_numeric("descriptors", answer))
        named = {f"descriptor {k}": values[k] for k in range(len(values))}
    if not named or any(np.ndim(value) for value in named.values()):
        raise InvalidInputError(
            "`descriptors` must return a number, a vector, or a mapping from name to number for "
            f"one region; got {describe(answer)}."
        )
    return {name: float(value) for name, value in named.items()}


def _colors(image: Image, n_spatial: int) -> Sequence[Floats]:
    """Return L, a and b over 100; without colours a and b are zero."""
    if image.ndim > n_spatial:
        n_channels = image.shape[-1]
        image = image[..., :3] if n_channels in _COLORS else image.mean(axis=-1, keepdims=True)
    view = segmenting_view(image, None)
    lab = np.asarray(view.lab(), dtype=np.float64).reshape(*view.spatial, -1) / 100
    if view.is_color:
        return [np.ascontiguousarray(lab[..., k]) for k in range(3)]
    light = np.ascontiguousarray(lab[..., 0])
    return light, np.zeros_like(light), np.zeros_like(light)


def _distance_from_centre(shape: tuple[int, ...]) -> Floats:
    """Return the distance along the axis where it is largest: 0 at the centre, 1 at the border."""
    sides = [np.abs(2 * (np.arange(side) + 0.5) / side - 1) for side in shape]
    return np.asarray(np.maximum.reduce(np.meshgrid(*sides, indexing="ij")))
