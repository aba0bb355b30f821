"""Checks of images of Pillow, and of what has to be opened first."""

import os
from typing import Any

from limelens._checks.values import describe
from limelens.errors import InvalidInputError, warn

_MODES = ("1", "L", "LA", "RGB", "RGBA", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_ORIENTATION = 0x0112  # of EXIF
_WITH_OPACITY = {"PA": "RGBA", "La": "LA", "RGBa": "RGBA"}


def shown_mode(mode: str) -> str:
    """Return the mode of Pillow that has the colours which another mode shows on a screen.

    Examples
    --------
    >>> shown_mode("CMYK"), shown_mode("La")
    ('RGB', 'LA')
    """
    return _WITH_OPACITY.get(mode, "RGB")


def is_pillow(value: object) -> bool:
    """Return whether a value is an image of Pillow, which need not be imported for that."""
    return type(value).__module__.startswith("PIL.") and hasattr(value, "getexif")


def check_one_picture(image: Any) -> Any:
    """Return an image for `explain`, if it is not one of Pillow with other values than colours.

    Warns of an image of Pillow that is to be turned, or that holds further pictures.

    Raises
    ------
    InvalidInputError
        For Pillow images with a palette, in HSV, CMYK and similar modes, or that cannot be read;
        for a list of them; for a path, a file and bytes.
    """
    if isinstance(image, (str, bytes, os.PathLike)) or hasattr(image, "readinto"):
        opened = "io.BytesIO(image)" if isinstance(image, bytes) else "image"
        raise InvalidInputError(
            f"`image` must be an array or a Pillow image; got {describe(image)}. Open it: "
            f"explain(PIL.Image.open({opened}), ...)."
        )
    if image is None:
        raise InvalidInputError(
            "`image` must be an array or a Pillow image; got None, which OpenCV returns for a file "
            "that it cannot read."
        )
    if isinstance(image, (list, tuple)) and image and is_pillow(image[0]):
        raise InvalidInputError(
            f"`image` must be one image; got a list of {len(image)} Pillow images. Pass one of "
            "them, image[0]; all of them to explain_many(explainer, image, predict_fn); a clip or "
            "a volume as np.stack(image)."
        )
    check_pillow("image", image)
    if is_pillow(image):
        _warn_of_more(image)
    return image


def _warn_of_more(image: Any) -> None:
    """Warn of what NumPy does not see of an image: how it is to be turned, further pictures."""
    if image.getexif().get(_ORIENTATION, 1) not in (0, 1):
        warn(
            "`image` is to be turned or flipped before it is shown, says its EXIF orientation; "
            "the model sees it as it is stored. Pass PIL.ImageOps.exif_transpose(image) if it "
            "learnt from upright pictures."
        )
    if (n := n_pictures(image)) > 1:
        warn(
            f"`image` holds {n} pictures, and only number {image.tell()} is explained. Pass "
            "image.copy() if that is meant; another one after image.seek(number)."
        )


def n_pictures(image: Any) -> int:
    """Return how many pictures a file of Pillow holds, without previews beside a photograph."""
    try:
        return 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
    except (OSError, ValueError, EOFError):  # its file is closed: only this one is left
        return 1


def check_pillow(name: str, image: Any) -> Any:
    """Return a value, if it is no image of Pillow whose values are other than colours.

    Raises
    ------
    InvalidInputError
        For Pillow images with a palette, in HSV, CMYK and similar modes, or that cannot be read.
    """
    if not is_pillow(image):
        return image
    if image.mode not in _MODES:
        what = "numbers of a palette" if image.mode in ("P", "PA") else "no colours as on a screen"
        raise InvalidInputError(
            f"`{name}` must be a Pillow image of grey or RGB; got mode {image.mode!r}, whose "
            f'values are {what}. Pass {name}.convert("{shown_mode(image.mode)}").'
        )
    try:
        image.load()
    except (OSError, ValueError, SyntaxError) as error:  # cut short, closed, damaged
        raise InvalidInputError(f"`{name}` must be an image that can be read; {error}.") from error
    return image
