"""One entry of a list of images -> the image's name, and where it comes from."""

import os
from collections.abc import Callable, Mapping
from numbers import Number
from pathlib import Path
from typing import Any

import numpy as np

from limelens._checks.values import describe
from limelens.errors import InvalidInputError


def pair_of(entry: Any, index: int) -> tuple[str, Any]:
    """Return the name of one image and where it comes from, an array or a path.

    Parameters
    ----------
    entry : array, path, function or pair (name, image)
    index : int
        Its place, which names an array.

    Raises
    ------
    InvalidInputError
        If it is an image among other things, as the entries of most data sets are.
    """
    if isinstance(entry, (str, os.PathLike)):
        path = Path(entry)
        return path.name, path
    if isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], str):
        name, source = entry
        if not name:
            raise InvalidInputError("`images` must be named by strings; got '' as a name.")
        if not _is_number(source):
            return name, Path(source) if isinstance(source, (str, os.PathLike)) else source
    if calls := _only_the_image(entry):
        came = f"{type(entry).__name__} of {', '.join(type(each).__name__ for each in entry)}"
        if isinstance(entry, Mapping):
            came = f"mapping of {', '.join(map(repr, entry))}"
        ways = ", or without names ".join(f"images=({call} for each in images)" for call in calls)
        raise InvalidInputError(
            f"`images` must be images, their paths, or pairs (name, image); got a {came}. Pass "
            f"{ways}."
        )
    if isinstance(entry, tuple) and len(entry) == 2 and not _is_array(entry[0]):
        raise InvalidInputError(
            f"`images` must be named by strings; got {describe(entry[0])} as a name."
        )
    return f"image-{index:06d}", entry


def named_by_keys(images: Mapping[Any, Any]) -> list[tuple[str, Any]]:
    """Return the names and images of a mapping.

    Raises
    ------
    InvalidInputError
        If it is one from paths to labels, or has other names than strings.
    """
    if any(map(_is_number, images.values())):
        raise InvalidInputError(
            "`images` must be a mapping from name to image; got numbers in place of images. If its "
            "keys are the paths pass images=list(images)."
        )
    if odd := [name for name in images if not isinstance(name, str)]:
        raise InvalidInputError(
            f"`images` must be named by strings; got {describe(odd[0])} as a name. Pass "
            "images={str(name): image for name, image in images.items()}."
        )
    return [pair_of(each, 0) for each in images.items()]


def _only_the_image(entry: Any) -> list[str]:
    """Return what takes the image out of an entry of a data set, with a name and without.

    Nothing is returned for what may be an image itself, such as slices of a volume.

    Examples
    --------
    >>> picture = np.zeros((2, 2))
    >>> _only_the_image((picture, "cat"))
    ['(each[1], each[0])', 'each[0]']
    >>> _only_the_image((0, picture)), _only_the_image((picture, 0))
    (['(str(each[0]), each[1])', 'each[1]'], ['each[0]'])
    >>> _only_the_image({"label": 3, "image": picture}), _only_the_image([picture, picture])
    (["each['image']"], [])
    """
    if isinstance(entry, Mapping):
        return [f"each[{key!r}]" for key in (_likeliest(entry) or list(entry))[:1]]
    if not isinstance(entry, (tuple, list)):
        return []
    places = _likeliest(dict(enumerate(entry)))
    words = [place for place, each in enumerate(entry) if isinstance(each, str)]
    n_pictures = sum(map(_is_picture, entry))
    if all(map(_is_array, entry)) and n_pictures in (0, len(entry)):
        return []  # slices of a volume, rows of numbers
    if not places or len(words) == len(entry):
        return []
    alone = f"each[{places[0]}]"
    if _is_path(entry[places[0]]):
        return [alone]
    if words:
        return [f"(each[{words[0]}], {alone})", alone]
    return [f"(str(each[0]), {alone})", alone] if places == [1] else [alone]


def _likeliest(entry: Mapping[Any, Any]) -> list[Any]:
    """Return the keys of what may be the image in an entry: pictures if any, else paths, ..."""
    kinds: list[Callable[[Any], bool]] = [
        _is_picture,
        lambda value: isinstance(value, os.PathLike),
        lambda value: _is_path(value) and bool(Path(value).suffix),
        _is_path,
        lambda value: _is_array(value) and len(getattr(value, "shape", (0, 0))) > 1,
    ]
    found = ([key for key, value in entry.items() if is_kind(value)] for is_kind in kinds)
    return next(filter(None, found), [])


def _is_picture(value: Any) -> bool:
    return hasattr(value, "getexif") or len(getattr(value, "shape", ())) > 1


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike))


def _is_array(value: Any) -> bool:
    """Return whether this may hold numbers: an array of any kind, or what makes or reads one."""
    return not (
        value is None or isinstance(value, (bytes, Mapping)) or _is_number(value) or _is_path(value)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (Number, np.bool_))
