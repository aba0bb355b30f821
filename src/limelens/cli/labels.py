"""Label images from a folder: one beside each image, of the same name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens.errors import InvalidInputError
from limelens.runs.reading import SUFFIXES


def label_files(folder: str, names: Sequence[str]) -> list[Path]:
    """Return the label image of every name: the same name, or one with another ending.

    Raises
    ------
    InvalidInputError
        If a name has none, or several.
    """
    return [_label_file(Path(folder), name) for name in names]


def _label_file(folder: Path, name: str) -> Path:
    same = folder / name
    if same.is_file():
        return same
    found = [
        each
        for each in (same.parent.iterdir() if same.parent.is_dir() else ())
        if each.stem == same.stem and each.suffix.lower() in SUFFIXES
    ]
    if len(found) != 1:
        came = f"{sorted(each.name for each in found)}" if found else "none"
        raise InvalidInputError(
            f"--labels must hold one label image for {name!r}, {str(same)!r}; got {came}"
        )
    return found[0]


def read_labels(path: Path) -> NDArray[Any]:
    """Return the labels of a file: its numbers as they are stored, those of a palette too.

    Raises
    ------
    InvalidInputError
        If it cannot be read, or does not hold one whole number for each pixel.
    """
    labels = _stored(path)
    if labels.ndim != 2 or labels.dtype.kind not in "biu":
        raise InvalidInputError(
            f"--labels must be images of one whole number a pixel; {str(path)!r} holds "
            f"{labels.dtype} of shape {labels.shape}. Store PNG files in grey or with a palette, "
            "or .npy files."
        )
    return labels.astype(np.intp)


def _stored(path: Path) -> NDArray[Any]:
    from PIL import Image  # noqa: PLC0415

    try:
        if path.suffix.lower() == ".npy":
            return np.asarray(np.load(path, allow_pickle=False))
        with Image.open(path) as picture:
            return np.asarray(picture)
    except Exception as error:  # decoders raise what they like of a damaged file
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise InvalidInputError(
            f"--labels must be files that hold label images; cannot read {str(path)!r}: {reason}"
        ) from error
