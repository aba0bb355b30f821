"""Checks of images, segments, coalitions and backgrounds."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.pillow import check_one_picture, check_pillow
from limelens._checks.pixels import check_named_axes, check_valid
from limelens._checks.values import (
    check_int,
    check_numeric,
    describe,
    hides_values,
    may_be_masked,
)
from limelens._typing import Background, Coalitions, Image, Segments
from limelens.errors import InvalidInputError


def check_image(
    image: Any, channel_axis: object = -1, *, ask: bool = True, finite: bool = True
) -> tuple[Image, int | None]:
    """Return the image as an array and its channel axis counted from the front.

    A 2-D image has no channel axis, whatever `channel_axis` says. With `ask`, the default
    `channel_axis` is refused for an image whose last axis hardly holds channels. With `finite`,
    NaN and infinite values are refused.
    """
    if hides_values(image):
        each = "" if np.ndim(image) == 2 or channel_axis is None else f".any(axis={channel_axis})"
        raise InvalidInputError(
            "`image` must not be masked: NumPy would show what the mask hides. Leave those pixels "
            f"out: explain(image.data, ..., valid=~np.ma.getmaskarray(image){each})."
        )
    array = check_numeric("image", check_one_picture(image), finite=finite)
    if array.ndim < 2 or 0 in array.shape:
        raise InvalidInputError(
            f"`image` must have at least two axes, none of them empty; got {describe(array)}."
        )
    if array.ndim == 2 or channel_axis is None:
        if array.ndim > 3:
            raise InvalidInputError(
                "`image` without channels must be (H, W) or (D, H, W); got shape "
                f"{array.shape}. If its last axis holds channels pass channel_axis=-1."
            )
        return array, None
    axis = check_int("channel_axis", channel_axis, minimum=-array.ndim, maximum=array.ndim - 1)
    if array.ndim > 4:
        raise InvalidInputError(
            f"`image` must have two or three spatial axes and channels; got {describe(array)}."
        )
    axis %= array.ndim
    if ask and channel_axis == -1:
        _check_layout(array.shape)
    return array, axis


def check_native_image(
    image: object, channel_axis: object = -1, valid: object = None
) -> tuple[Image, int | None, NDArray[np.bool_] | None]:
    """Return the image in this machine's byte order, its channel axis, and which pixels count.

    Pixels outside `valid` may be NaN or infinite.
    """
    array, axis = check_image(image, channel_axis, finite=False)
    array = in_native_order(array)
    check_named_axes(image, axis, valid)
    where = check_valid(valid, array, axis)
    return array, axis, where


def in_native_order(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array in this machine's byte order, the only one that most models accept.

    Examples
    --------
    >>> in_native_order(np.zeros(2, ">f4")).dtype.isnative
    True
    """
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _check_layout(shape: tuple[int, ...]) -> None:
    """Refuse a shape whose last axis hardly holds channels, if `channel_axis` was not given."""
    *spatial, n_channels = shape
    # Equal last sides look like square planes, so even a few "channels" are doubtful.
    few = 0 if n_channels == spatial[-1] else _BANDS
    many = n_channels > max(_COLORS, few) and n_channels >= min(spatial)
    if len(shape) == 3 and many:
        raise InvalidInputError(
            f"`channel_axis` must be given for an image of shape {shape}, which would be read as "
            f"{spatial[0]} x {spatial[1]} pixels with {n_channels} channels. Pass channel_axis=0 "
            "if its channels come first, channel_axis=None if it is a volume without channels, "
            "channel_axis=2 if the last axis does hold channels."
        )
    if len(shape) == 4 and (many or spatial[0] <= _FEW):
        raise InvalidInputError(
            f"`channel_axis` must be given for an image of shape {shape}. If it is a batch, pass "
            "one image of it: image[0]. If it is a volume, pass channel_axis=3 for channels last, "
            "channel_axis=0 for channels first."
        )


_COLORS = 4  # most channels of a picture for the screen
_BANDS = 16  # about the number of bands of a satellite's camera
_FEW = 2  # so few slices hardly make a volume


def check_segments(
    labels: object,
    spatial: tuple[int, ...],
    *,
    name: str = "segments",
    valid: NDArray[np.bool_] | None = None,
) -> tuple[Segments, NDArray[np.intp]]:
    """Return labels made consecutive, `0..d-1` in the order of the ids, and the ids.

    Pixels outside `valid` get the label -1, whatever theirs was.

    Examples
    --------
    >>> segments, ids = check_segments([[10, 10], [-3, 7]], (2, 2))
    >>> segments
    array([[2, 2],
           [0, 1]])
    >>> ids
    array([-3,  7, 10])
    """
    check_unmasked_labels(name, labels)
    array = check_numeric(name, labels, finite=False)
    if array.dtype.kind == "f":
        raise InvalidInputError(
            f"`{name}` must hold integer labels; got {describe(array)}.{_made_labels(name, array)}"
        )
    if array.shape != tuple(spatial):
        raise InvalidInputError(
            f"`{name}` must have the image's spatial shape {tuple(spatial)}; got {describe(array)}."
        )
    if (high := int(array.max())) > np.iinfo(np.intp).max:
        raise InvalidInputError(
            f"`{name}` must be labels below 2**63; got {high}. Number them anew: np.unique(...)."
        )
    array = array.astype(np.intp, copy=False)
    if valid is None:
        return _consecutive(array, name)
    segments = np.full(array.shape, -1, dtype=np.intp)
    segments[valid], ids = _consecutive(array[valid], name, where=" where `valid` is True")
    return segments, ids


def check_unmasked_labels(name: str, labels: object) -> None:
    """Refuse a masked label image: any number in place of what is masked makes a segment of it."""
    is_list = isinstance(labels, (list, tuple))  # NumPy would leave them away
    try:
        masked: Any = np.ma.array(labels) if is_list else np.asanyarray(labels)
    except Exception:  # noqa: BLE001 - what cannot be an array is refused with other words
        return
    if not hides_values(masked) or masked.dtype.kind not in "biuf":
        return
    one = name
    if not isinstance(labels, np.ma.MaskedArray):
        one = f"np.{'ma.array' if is_list else 'asanyarray'}({name})"
    known = masked.compressed()
    free = int(known.max()) + 1 if known.size else 0
    fits = masked.dtype.kind in "iu" and free <= np.iinfo(masked.dtype).max
    raise InvalidInputError(
        f"`{name}` must not be masked. What is masked becomes a segment of its own by "
        f"{one}{'' if fits else '.astype(int)'}.filled({free}); it is left out by {one}.data with "
        f"explain(..., valid=~np.ma.getmaskarray({one}))."
    )


def _made_labels(name: str, array: NDArray[Any]) -> str:
    """Say what makes labels of whole numbers that came as floats."""
    known = array[~np.isnan(array)]
    if not known.size or not (np.isfinite(known) & (known == np.rint(known))).all():
        return ""
    if known.size == array.size:
        return f" Pass np.asarray({name}, dtype=int)."
    return f" Give those that are NaN a label, too: np.nan_to_num({name}, nan=-1).astype(int)."


def _consecutive(
    array: NDArray[np.intp], name: str, *, where: str = ""
) -> tuple[Segments, NDArray[np.intp]]:
    """Return labels `0..d-1` of the same order, and the ids they had."""
    low, high = int(array.min()), int(array.max())
    if high - low < 4 * array.size + 1024:
        present = np.bincount((array - low).ravel()) > 0
        ids = np.flatnonzero(present) + low
        segments = array - low
        if not present.all():
            segments = (np.cumsum(present) - 1)[segments]
    else:
        ids, inverse = np.unique(array, return_inverse=True)
        segments = inverse.reshape(array.shape)
    if len(ids) < 2:
        cure = "Use smaller segments, or labels that differ."
        if array.size == 1:
            cure = (
                "A single pixel cannot be divided; Occlusion explains it with window=1, stride=1."
            )
        raise InvalidInputError(
            f"`{name}` must divide the image into at least two segments{where}; got one. {cure}"
        )
    return np.ascontiguousarray(segments, dtype=np.intp), ids.astype(np.intp)


def check_planar(ndim: int, segmenter: str) -> None:
    """Refuse a volume for a segmenter that takes only pictures."""
    if ndim == 4:
        raise InvalidInputError(
            "`segmenter` must take volumes for an image with three spatial axes; got "
            f"{segmenter}(), which takes pictures only. Use Slic(), Grid() or LabelImage(labels)."
        )


def check_fill_segments(segments: object, image: Image, fill: str) -> Segments:
    """Return the segments of a channels-last image, for a fill that needs them."""
    if segments is None:
        raise InvalidInputError(
            "`fill` must do without segments here, window and pixel methods have none; got "
            f"{fill}(), which needs them. Use ImageMean() or Blur(sigma)."
        )
    return check_segments(segments, image.shape[: max(2, image.ndim - 1)])[0]


def check_coalitions(coalitions: object, n_segments: int) -> Coalitions:
    """Return coalitions as a C-contiguous bool array of shape (n, n_segments)."""
    array = check_numeric("coalitions", coalitions)
    if array.ndim != 2 or array.shape[1] != n_segments:
        raise InvalidInputError(
            f"`coalitions` must be (n, {n_segments}), one column per segment; "
            f"got {describe(array)}."
        )
    if array.dtype != np.bool_ and not np.isin(array, (0, 1)).all():
        raise InvalidInputError(
            "`coalitions` must hold True (kept) and False (hidden) only, or 1 and 0; "
            f"got {array.dtype} from {array.min():g} to {array.max():g}."
        )
    return np.ascontiguousarray(array, dtype=np.bool_)


def check_energy(energy: object, n_segments: int | None = None) -> NDArray[np.float64]:
    """Return the energy of every segment, numbers >= 0 of shape (d,)."""
    array = check_numeric("energy", energy).astype(np.float64)
    fits = array.ndim == 1 and n_segments in (None, len(array))
    if not fits or (array < 0).any():
        wanted = "d" if n_segments is None else n_segments
        raise InvalidInputError(
            f"`energy` must be {wanted} numbers, one per segment, none negative; "
            f"got {describe(array)}."
        )
    return array


def check_background(background: object, image: Image, *, name: str = "fill") -> Background:
    """Return the background(s) as `(m, *image.shape)` in the image's dtype.

    For an integer dtype, values are rounded, not cut. A value that the dtype cannot hold raises an
    error.
    """
    array = check_numeric(name, check_pillow(name, background))
    if array.shape == image.shape:
        array = array[np.newaxis]
    if array.ndim != image.ndim + 1 or array.shape[1:] != image.shape or len(array) == 0:
        raise InvalidInputError(
            f"`{name}` must return a background of the image's shape {image.shape} or "
            f"(m, *{image.shape}); got {describe(array)}."
        )
    return np.ascontiguousarray(to_dtype(name, array, image.dtype))


def check_one_background(background: object, image: Image) -> Image:
    """Return one background of the image's shape and dtype; a number becomes a flat one."""
    array = check_numeric("background", check_pillow("background", background))
    if array.shape not in ((), image.shape):
        raise InvalidInputError(
            f"`background` must be a number or of the image's shape {image.shape}; "
            f"got {describe(array)}. A color per channel: np.broadcast_to(color, image.shape)."
        )
    array = to_dtype("background", array, image.dtype)
    return np.full(image.shape, array) if array.ndim == 0 else array


def check_out(out: object, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return `out` if a batch can be written into it."""
    wanted = f"`out` must be a writeable, C-contiguous {dtype} array of shape {shape}"
    if may_be_masked() and np.ma.isMaskedArray(out):
        raise InvalidInputError(f"{wanted}; got a masked array.")
    if not isinstance(out, np.ndarray) or out.shape != shape or out.dtype != dtype:
        raise InvalidInputError(f"{wanted}; got {describe(out)}.")
    if not (out.flags.c_contiguous and out.flags.writeable):
        came = "one that is not contiguous" if out.flags.writeable else "a read-only one"
        raise InvalidInputError(
            f"{wanted}; got {came}. Make one with np.empty({shape}, {str(dtype)!r})."
        )
    return out


def to_dtype(name: str, values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Convert values to an image's dtype. They are rounded for integers, and must fit."""
    if values.dtype == dtype:
        return values
    info: Any = np.finfo if dtype.kind == "f" else np.iinfo
    low, high = (0, 1) if dtype.kind == "b" else (info(dtype).min, info(dtype).max)
    ends = [values.min(), values.max()] if values.size else []
    exact = float if values.dtype.kind == "f" else int  # Python compares exactly
    if not all(int(low) <= round(exact(end)) <= int(high) for end in ends):
        raise InvalidInputError(
            f"`{name}` must fit the image's dtype {dtype}, from {low} to {high}; got values from "
            f"{ends[0]:g} to {ends[1]:g}. Convert the image to a wider float if it needs them."
        )
    if dtype.kind == "f" or values.dtype.kind != "f":
        return values.astype(dtype)
    converted = np.empty(values.shape, dtype)
    np.rint(values, out=converted, casting="unsafe")  # without a second float array
    return converted


def check_coalition_rows(coalitions: object, n_segments: int, n_samples: int) -> Coalitions:
    """Return a sampler's coalitions as a writable copy; there must be at least one."""
    try:
        rows = check_coalitions(coalitions, n_segments)
    except InvalidInputError as error:
        raise InvalidInputError(
            f"`sampler` was asked for ({n_samples}, {n_segments}) coalitions: {error}"
        ) from error
    if len(rows) == 0:
        raise InvalidInputError(
            f"`sampler` was asked for {n_samples} coalitions and returned none."
        )
    return rows.copy()
