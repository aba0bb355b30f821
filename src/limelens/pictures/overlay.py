"""An image with what matters painted over it."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from limelens._axes import spatial_shape
from limelens._checks.images import check_image
from limelens._checks.values import check_array, check_choice, check_int, check_number
from limelens._typing import Floats
from limelens.pictures.colors import TOP_LOWERS, TOP_RAISES, blend, color_limit, diverging, paint
from limelens.pictures.display import MAX_SIDE, as_plane, display_size, resize, to_grey, to_rgb

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

OPACITY = 0.65
BACKDROPS = ("grey", "color")
_WHITE, _INK = (255, 255, 255), (40, 40, 40)
_LIFT = 0.45  # how far the grey backdrop is lifted to white, so that colours compare


def draw_image(
    image: NDArray[Any], *, channel_axis: int | None = -1, max_side: int = MAX_SIDE
) -> "Picture":
    """Return the picture of an image of any layout and dtype (see `to_rgb`).

    Small images are enlarged by whole pixels to about 256 pixels, large ones reduced to
    `max_side`.
    """
    image, channel_axis = check_image(image, channel_axis)
    return to_picture(draw_backdrop(image, channel_axis, "color", max_side))


def draw_overlay(
    image: NDArray[Any],
    heatmap: Floats,
    *,
    channel_axis: int | None = -1,
    segments: NDArray[Any] | None = None,
    scale: str | float = "symmetric",
    opacity: float = OPACITY,
    backdrop: str = "grey",
    max_side: int = MAX_SIDE,
) -> "Picture":
    """Return the image with its importances painted over it.

    Orange-red raises the score, blue lowers it; the larger the importance, the less of the image
    shines through. Zero has no colour.

    Parameters
    ----------
    image : ndarray
        Any layout and dtype.
    heatmap : ndarray, shape (*spatial,)
    channel_axis : int or None
        Where the image has its channels.
    segments : ndarray of int, shape (*spatial,), optional
        Draws the boundaries between them.
    scale : {"symmetric", "percentile", "raw"} or float
        The importance of the full colour, see `color_limit`.
    opacity : float
        Of the full colour, in [0, 1].
    backdrop : {"grey", "color"}
        The image in light greys, on which the colours compare, or as it is.
    max_side : int
        Longest side of the picture.

    Returns
    -------
    picture : PIL.Image.Image

    Raises
    ------
    InvalidInputError
        If the arrays do not fit each other, or an option is none of the above.

    Examples
    --------
    >>> image = np.full((2, 2), 128, np.uint8)
    >>> picture = draw_overlay(image, np.array([[0.0, 0.2], [0.0, -0.1]]))
    >>> picture.size
    (256, 256)
    """
    image, channel_axis = check_image(image, channel_axis)
    spatial = spatial_shape(image.shape, channel_axis)
    heatmap = check_array("heatmap", heatmap, spatial)
    if segments is not None:
        segments = check_array("segments", segments, spatial)
    opacity = check_number("opacity", opacity, minimum=0.0, maximum=1.0)
    limit = color_limit(heatmap, scale)
    base = draw_backdrop(image, channel_axis, backdrop, max_side)
    return to_picture(paint_overlay(base, heatmap, limit, segments=segments, opacity=opacity))


def paint_overlay(
    base: NDArray[np.uint8],
    heatmap: NDArray[Any],
    limit: float,
    *,
    segments: NDArray[Any] | None = None,
    opacity: float = OPACITY,
) -> NDArray[np.uint8]:
    """Paint a map, and the boundaries of segments, over a picture of any other size."""
    size = base.shape[:2]
    heat = resize(as_plane(heatmap, heatmap.ndim, empty=0), size)
    painted = paint(base, heat, limit, opacity=opacity)
    if segments is None:
        return painted
    labels = resize(as_plane(segments.astype(np.intp), segments.ndim, empty=-1), size)
    return blend(painted, _INK, 0.5 * outline(labels))


def draw_top(
    image: NDArray[Any],
    raises: NDArray[np.bool_],
    lowers: NDArray[np.bool_],
    *,
    channel_axis: int | None = -1,
    max_side: int = MAX_SIDE,
) -> "Picture":
    """Return the image with a green veil over what raises the score, red over what lowers it.

    Parameters
    ----------
    image : ndarray
        Any layout and dtype; shown in its own colours.
    raises, lowers : ndarray of bool, shape (*spatial,)
    channel_axis : int or None
    max_side : int
        Longest side of the picture.

    Returns
    -------
    picture : PIL.Image.Image
    """
    image, channel_axis = check_image(image, channel_axis)
    spatial = spatial_shape(image.shape, channel_axis)
    painted = draw_backdrop(image, channel_axis, "color", max_side)
    for name, mask, color in (("raises", raises, TOP_RAISES), ("lowers", lowers, TOP_LOWERS)):
        where = check_array(name, mask, spatial, dtype=np.bool_)
        where = resize(as_plane(where, where.ndim, empty=0), painted.shape[:2])
        painted = blend(painted, color, np.where(where, 0.45, 0.0))
        painted = blend(painted, _WHITE, 0.9 * outline(where, width=3))
        painted = blend(painted, color, outline(where, width=1))
    return to_picture(painted)


def draw_heatmap(
    heatmap: Floats, *, scale: str | float = "symmetric", max_side: int = MAX_SIDE
) -> "Picture":
    """Return the picture of a map alone, on white."""
    heatmap = check_array("heatmap", heatmap, ("height", "width", "depth")[: np.ndim(heatmap)])
    plane = as_plane(heatmap, heatmap.ndim, empty=0)
    plane = resize(plane, display_size(plane.shape, check_int("max_side", max_side, minimum=16)))
    return to_picture(diverging(plane, color_limit(heatmap, scale)))


def outline(labels: NDArray[Any], *, width: int = 1) -> NDArray[np.float32]:
    """Return the opacity of soft lines along the boundaries between labels, shape (H, W).

    A line of `width` 1 is a pixel wide, with a soft rim; each one more adds a pixel at each side.
    """
    edge = np.zeros(labels.shape, dtype=np.float32)
    edge[:-1] = labels[:-1] != labels[1:]
    edge[:, :-1] = np.maximum(edge[:, :-1], labels[:, :-1] != labels[:, 1:])
    for _ in range(width - 1):
        for axis in (0, 1):
            before, here, after = _neighbours(edge, axis)
            edge = np.maximum(np.maximum(before, after), here)
    for axis in (0, 1):
        before, here, after = _neighbours(edge, axis)
        edge = (before + here + here + after) * np.float32(0.25)
    return np.minimum(edge * np.float32(1.3), np.float32(1))


def _neighbours(edge: NDArray[np.float32], axis: int) -> list[NDArray[np.float32]]:
    """Return the picture moved back by a pixel, as it is, and moved on; the border repeats."""
    n = edge.shape[axis]
    padded = np.pad(edge, [(int(axis == 0),) * 2, (int(axis == 1),) * 2], mode="edge")
    return [padded.take(range(start, start + n), axis=axis) for start in range(3)]


def draw_backdrop(
    image: NDArray[Any],
    channel_axis: int | None,
    backdrop: str = "grey",
    max_side: int = MAX_SIDE,
) -> NDArray[np.uint8]:
    """Return a checked image as (H, W, 3), of the size and in the colours it is painted over."""
    check_choice("backdrop", backdrop, BACKDROPS)
    max_side = check_int("max_side", max_side, minimum=16)
    rgb = to_rgb(image, channel_axis)
    rgb = resize(rgb, display_size(rgb.shape, max_side))
    return rgb if backdrop == "color" else blend(to_grey(rgb), _WHITE, _LIFT)


def to_picture(rgb: NDArray[np.uint8]) -> "Picture":
    """Return (H, W, 3) as a Pillow image."""
    from PIL import Image as Pillow  # noqa: PLC0415

    return Pillow.fromarray(np.ascontiguousarray(rgb))
