"""One entry of a list of images -> the image's name, and where it comes from."""

import os
from collections.abc import Mapping
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
        keys = [key for key, value in entry.items() if _is_picture(value)] or list(entry)
        return [f"each[{key!r}]" for key in keys[:1]]
    if not isinstance(entry, (tuple, list)):
        return []
    places = [place for place, each in enumerate(entry) if _is_picture(each)]
    words = [place for place, each in enumerate(entry) if isinstance(each, str)]
    if len(places) == len(entry) or not (places or words):
        return []  # slices of a volume, rows of numbers
    if not places:  # a path, and its label or its place
        return [f"each[{words[0]}]"] if len(words) < len(entry) else []
    alone = f"each[{places[0]}]"
    if words:
        return [f"(each[{words[0]}], {alone})", alone]
    return [f"(str(each[0]), {alone})", alone] if places == [1] else [alone]


def _is_picture(value: Any) -> bool:
    return hasattr(value, "getexif") or len(getattr(value, "shape", ())) > 1


def _is_number(value: Any) -> bool:
    return isinstance(value, (Number, np.bool_))
