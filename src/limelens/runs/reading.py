"""Images by name: from folders, patterns, paths, arrays and whatever yields them."""

import glob
import os
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, Sequence, Set, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.pillow import check_one_picture, n_pictures, shown_mode
from limelens._checks.values import describe
from limelens.errors import InvalidInputError, warn
from limelens.runs.folder import MANIFEST, is_run
from limelens.runs.pairs import named_by_keys, pair_of

_PILLOWS = "png jpg jpeg jpe jfif webp avif bmp dib gif tif tiff tga jp2 ppm pgm pbm pnm"
SUFFIXES = frozenset(f".{name}" for name in [*_PILLOWS.split(), "npy"])
"""What a file of a folder ends in to be taken for an image."""


@dataclass(frozen=True, eq=False)
class Named:
    """Images in their order, each with its name.

    Attributes
    ----------
    pairs : iterable of (str, object)
        Names, and arrays or paths.
    total : int or None
        How many there are, if that is known.
    """

    pairs: Iterable[tuple[str, Any]]
    total: int | None


def named_images(images: Any, *, leave_out: Path | None = None) -> Named:
    """Return images by name; nothing is opened yet.

    Parameters
    ----------
    images : path, pattern, mapping, array or iterable
        As `explain_many` takes them.
    leave_out : Path, optional
        The folder of the results, whose files are no images of the run.

    Raises
    ------
    InvalidInputError
        If there are none, two have one name, or it is something else.
    """
    if isinstance(images, (str, os.PathLike)):
        images = _files(os.fspath(images), leave_out)
    elif isinstance(images, Mapping):
        images = named_by_keys(images)
    _refuse_one_image(images)
    _refuse_unordered(images)
    if isinstance(images, (Sequence, np.ndarray)):
        if not len(images):
            raise InvalidInputError(_NONE)
        pairs = [pair_of(each, index) for index, each in enumerate(images)]
        list(different(pairs))  # said before anything is paid for
        return Named(pairs, len(pairs))
    coming = (pair_of(each, index) for index, each in enumerate(images))
    return Named(different(coming), len(images) if isinstance(images, Sized) else None)


def different(pairs: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yield pairs as long as every name is new, and at least one.

    Raises
    ------
    InvalidInputError
        If there is none, or two have one name.
    """
    seen: dict[str, Any] = {}
    for name, source in pairs:
        if name in seen:
            where = [seen[name], source if isinstance(source, Path) else None]
            found = f" ({where[0]} and {where[1]})" if None not in where else ""
            raise InvalidInputError(
                f"`images` must have names of their own; {name!r} is there twice{found}. Pass the "
                "folder that holds them all, whose names keep the subfolders, or name them "
                "yourself: {name: image, ...} or pairs (name, image)."
            )
        seen[name] = source if isinstance(source, Path) else None
        yield name, source
    if not seen:
        raise InvalidInputError(_NONE)


_NONE = (
    "`images` must hold at least one image; got none. A generator that was used up yields nothing."
)


def _refuse_unordered(images: Any) -> None:
    """Refuse what has no order by which a result could be found, and keys that name no file."""
    if isinstance(images, Set) and not isinstance(images, (KeysView, ItemsView)):
        paths = all(isinstance(each, (str, os.PathLike)) for each in images)
        raise InvalidInputError(
            "`images` must have an order, by which results are found; got a "
            f"{type(images).__name__}. Pass images={'sorted' if paths else 'list'}(images)."
        )
    if isinstance(images, KeysView) and not any(
        isinstance(each, (str, os.PathLike)) and Path(each).exists() for each in images
    ):
        raise InvalidInputError(
            "`images` must be images or their paths; got the keys of a mapping, which are no "
            "files. Pass the mapping itself, {name: image, ...}."
        )


def _refuse_one_image(images: Any) -> None:
    """Refuse a single image, and what cannot be iterated over."""
    array = isinstance(images, np.ndarray) and len(images) > 0 and not _is_list(images)
    one = hasattr(images, "getexif") or (
        array and (images.ndim < 3 or (images.ndim == 3 and images.shape[-1] <= 4))
    )
    if one:
        came = describe(images)
        msg = f"`images` must be several images; got {came}. One image: images=[image]; a stack "
        msg += "of very narrow ones: list(stack)."
        raise InvalidInputError(msg)
    if hasattr(images, "columns"):
        raise InvalidInputError(
            f"`images` must be images or their paths; got {describe(images)}, a table. Pass the "
            "column that holds them: images=table[name]."
        )
    if not isinstance(images, Iterable):
        hint = " Call it: images=read()." if callable(images) else ""
        raise InvalidInputError(
            "`images` must be a folder, a pattern such as 'photos/*.jpg', paths, arrays, "
            f"{{name: image}} or a generator of these; got {describe(images)}.{hint}"
        )


def _is_list(images: NDArray[Any]) -> bool:
    """Return whether an array holds paths, or images as objects."""
    return images.ndim == 1 and images.dtype.kind in "OU"


def _files(text: str | bytes, leave_out: Path | None) -> list[tuple[str, Path]]:
    """Return the images of a folder, of a pattern, or the one file, by names that keep folders."""
    place = Path(os.fsdecode(text))
    if not text:  # which would be the current folder
        raise InvalidInputError("`images` must hold at least one image; the path is empty.")
    if place.is_file():
        return [(place.name, place)]
    if place.is_dir():
        root, found = place, _images_below(place)
        what = f"the folder {str(place)!r} holds no image ({', '.join(sorted(SUFFIXES))})"
    elif glob.has_magic(str(place)):
        root = _fixed_part(place)
        found = [Path(each) for each in glob.glob(str(place), recursive=True)]  # noqa: PTH207
        found = [path for path in found if path.is_file()]
        what = f"no file fits the pattern {str(place)!r}"
    else:
        root, found, what = place, [], f"there is no file or folder {str(place)!r}"
    if leave_out is not None and found:
        inside = leave_out.resolve()
        found = [path for path in found if inside not in path.resolve().parents]
        what = f"all of {str(place)!r} lie in the folder of the results. Take another for these"
    if not found:
        raise InvalidInputError(f"`images` must hold at least one image; {what}.")
    return sorted((path.relative_to(root).as_posix(), path) for path in found)


def _images_below(folder: Path) -> list[Path]:
    """Return the images of a folder and its subfolders; the pictures of a run are none.

    Raises
    ------
    InvalidInputError
        If the folder itself holds a run.
    """
    if is_run(folder):
        raise InvalidInputError(
            f"`images` must hold at least one image; the folder {str(folder)!r} holds the results "
            "of a run. Pass the folder of its images."
        )
    runs = {path.parent for path in folder.rglob(MANIFEST) if is_run(path.parent)}
    found = (path for path in folder.rglob("*") if _looks_like_one(path, folder))
    return [path for path in found if runs.isdisjoint(path.parents)]


def _fixed_part(pattern: Path) -> Path:
    """Return the folders of a pattern before its first wildcard."""
    fixed = [part for part in pattern.parents if not glob.has_magic(str(part))]
    return fixed[0]


def _looks_like_one(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return not hidden and path.suffix.lower() in SUFFIXES and path.is_file()


def image_of(source: Any) -> Any:
    """Return an image that is given as an array, a path, or a function that returns it."""
    image = read_image(source) if isinstance(source, Path) else source
    return image() if callable(image) else image


def read_image(path: Path) -> NDArray[Any]:
    """Return the image of a file: as it is stored, colours of a palette as they are shown.

    Files that end in .npy are arrays, all others are read by Pillow.

    Raises
    ------
    InvalidInputError
        If the file is missing, cut short, no image, or holds several of them.
    """
    try:
        if path.suffix.lower() == ".npy":
            return np.asarray(np.load(path, allow_pickle=False))
        return _decoded(path)
    except (InvalidInputError, MemoryError):
        raise
    except Exception as error:  # decoders raise what they like of a damaged file
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise InvalidInputError(
            f"`images` must be files that hold an image; cannot read {str(path)!r}: {reason}"
        ) from error


def _decoded(path: Path) -> NDArray[Any]:
    from PIL import Image  # noqa: PLC0415

    with Image.open(path) as picture:
        mode = _mode_to_read(picture)
        if (n := n_pictures(picture)) > 1:
            frame = "frame" if mode == picture.mode else f'frame.convert("{mode}")'
            raise InvalidInputError(
                f"`images` must be files of one image; {str(path)!r} holds {n}. Pass them as "
                f"arrays: [np.asarray({frame}) for frame in PIL.ImageSequence.Iterator(...)]."
            )
        _warn_of_halved_depth(path, picture)
        picture.load()  # raises here if the file is damaged
        if mode != picture.mode:
            return np.asarray(picture.convert(mode))
        return np.asarray(check_one_picture(picture))


def _mode_to_read(picture: Any) -> str:
    """Return the mode of Pillow in which a picture has the colours that it shows."""
    mode: str = picture.mode
    if mode == "P":
        return "RGBA" if "transparency" in picture.info else "RGB"
    if mode in ("1", "L", "LA", "RGB", "RGBA", "F") or mode.startswith("I"):
        return mode
    return shown_mode(mode)


def _warn_of_halved_depth(path: Path, picture: Any) -> None:
    """Warn of colours of 16 bits, of which Pillow reads eight."""
    if picture.mode in ("RGB", "RGBA", "LA") and any(
        ";16" in str(each[3]) for each in picture.tile
    ):
        warn(
            f"{str(path)!r} has 16 bits a channel, of which Pillow reads 8. If your model needs "
            "all of them read it with tifffile, or with OpenCV (IMREAD_UNCHANGED; blue comes "
            "first), and pass the array."
        )
