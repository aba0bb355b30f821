"""An image with its importances painted over it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from limelens._axes import spatial_shape
from limelens._checks.bands import Bands, check_bands, pillow_bands, warn_of_bands
from limelens._checks.images import check_native_image
from limelens._checks.values import check_array, check_choice, check_int, check_number
from limelens._typing import Floats, Image
from limelens.pictures.colors import (
    LIME_LOWERS,
    LIME_RAISES,
    LOWERS,
    OPACITY,
    PAPER,
    RAISES,
    blend,
    color_limit,
    legend_colors,
    paint,
    paint_flattened,
)
from limelens.pictures.display import (
    DETAIL,
    MAX_SIDE,
    as_plane,
    display_size,
    flatten,
    hatched,
    resize,
    to_rgb,
)
from limelens.pictures.marks import draw_outlines, number_regions, number_slices

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

BACKDROPS = ("grey", "color")
TOP_COLORS = {"limelens": (RAISES, LOWERS), "lime": (LIME_RAISES, LIME_LOWERS)}
"""Colours of `draw_top`: for segments that raise the score, and for those that lower it."""
_INK, _VEIL = (40, 40, 40), 0.45
_LINE = (PAPER - DETAIL,) * 3  # boundaries are no darker than detail: they keep the colours too


def draw_image(
    image: NDArray[Any],
    *,
    channel_axis: int | None = -1,
    max_side: int = MAX_SIDE,
    valid: ArrayLike | None = None,
    bands: Bands = None,
) -> "Picture":
    """Return the picture of an image of any layout and dtype (see `to_rgb`).

    Small images are enlarged by whole pixels to about 256 pixels, large ones reduced to
    `max_side`. Pixels outside `valid`, bool of shape (*spatial,), are hatched, and may be NaN.
    `bands`: see `draw_overlay`.
    """
    image, channel_axis, where, colors = asked_image(image, channel_axis, valid, bands)
    shown = draw_backdrop(image, channel_axis, "color", max_side, where, colors)
    return numbered_picture(shown, spatial_shape(image.shape, channel_axis))


def draw_overlay(
    image: NDArray[Any],
    heatmap: Floats,
    *,
    channel_axis: int | None = -1,
    segments: NDArray[Any] | None = None,
    scale: str | float = "auto",
    opacity: float = OPACITY,
    backdrop: str = "grey",
    max_side: int = MAX_SIDE,
    valid: ArrayLike | None = None,
    bands: Bands = None,
) -> "Picture":
    """Return the image with its importances painted over it.

    Orange raises the score, blue lowers it; zero is light grey. Over the grey backdrop every
    colour is that of the legend (`color_bar`), whatever the image shows there, up to a difference
    of 12 of CIEDE2000 that lets the image's detail through. So one colour is one importance.

    Parameters
    ----------
    image : ndarray
        Any layout and dtype.
    heatmap : ndarray, shape (*spatial,)
    channel_axis : int or None
        Where the image has its channels.
    segments : ndarray of int, shape (*spatial,), optional
        Draws the boundaries between them.
    scale : {"auto", "symmetric", "percentile", "raw"} or float
        The importance of the full colour, see `color_limit`.
    opacity : float
        Of the full colour, in [0, 1].
    backdrop : {"grey", "color"}
        The detail of the image on one light grey, on which the colours compare, or the image as
        it is, on which they do not.
    max_side : int
        Longest side of the picture.
    valid : array_like of bool, shape (*spatial,), optional
        Pixels that count; the others are hatched, and may be NaN in the image.
    bands : int or sequence of int, optional
        The channels that are shown: (red, green, blue), (red, green, blue, opacity), or one as
        grey. None shows a Pillow image as Pillow does. Of an array it shows three channels as
        colours, with a warning the first three of four, and the average of more.

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
    image, channel_axis, where, colors = asked_image(image, channel_axis, valid, bands)
    spatial = spatial_shape(image.shape, channel_axis)
    heatmap = check_array("heatmap", heatmap, spatial)
    if segments is not None:
        segments = check_array("segments", segments, spatial)
    opacity = check_number("opacity", opacity, minimum=0.0, maximum=1.0)
    limit = color_limit(heatmap, scale)
    base = draw_backdrop(image, channel_axis, backdrop, max_side, where, colors)
    return paint_overlay(
        base, heatmap, limit, segments=segments, opacity=opacity, backdrop=backdrop
    )


def paint_overlay(
    base: NDArray[np.uint8],
    heatmap: NDArray[Any],
    limit: float,
    *,
    segments: NDArray[Any] | None,
    opacity: float,
    backdrop: str,
) -> "Picture":
    """Paint a map, and the boundaries of segments, over what `draw_backdrop` made of an image."""
    size = base.shape[:2]
    heat = resize(as_plane(heatmap, heatmap.ndim, empty=0), size)
    edge = None
    if segments is not None:
        labels = resize(as_plane(segments.astype(np.intp), segments.ndim, empty=-1), size)
        edge = outline(labels)
    if backdrop == "grey":
        lined = base if edge is None else blend(base, _LINE, edge)
        painted = paint_flattened(lined, heat, limit, opacity=opacity)
    else:
        painted = paint(base, heat, limit, opacity=opacity)
        painted = painted if edge is None else blend(painted, _INK, 0.5 * edge)
    return numbered_picture(painted, heatmap.shape)


def draw_top(
    image: NDArray[Any],
    raises: NDArray[np.bool_],
    lowers: NDArray[np.bool_],
    *,
    channel_axis: int | None = -1,
    segments: NDArray[Any] | None = None,
    ranked: Sequence[int] = (),
    colors: str = "limelens",
    max_side: int = MAX_SIDE,
    valid: ArrayLike | None = None,
    bands: Bands = None,
) -> "Picture":
    """Return the image with segments marked: orange raises the score, blue lowers it.

    Parameters
    ----------
    image : ndarray
        Any layout and dtype; shown in its own colours.
    raises, lowers : ndarray of bool, shape (*spatial,)
        Get a veil and an outline: solid where the score is raised, dashed where it is lowered.
    channel_axis : int or None
    segments : ndarray of int, shape (*spatial,), optional
        With `ranked`: outlines and numbers each of these segments by itself.
    ranked : sequence of int
        Labels of the segments that get the numbers 1, 2, ...
    colors : {"limelens", "lime"}
        "limelens": orange and blue, told apart with any colour deficiency, as everywhere here.
        "lime": green and red, as lime draws them.
    max_side : int
        Longest side of the picture.
    valid, bands
        As in `draw_overlay`.

    Returns
    -------
    picture : PIL.Image.Image
    """
    image, channel_axis, counts, channels = asked_image(image, channel_axis, valid, bands)
    spatial = spatial_shape(image.shape, channel_axis)
    check_choice("colors", colors, tuple(TOP_COLORS))
    painted = draw_backdrop(image, channel_axis, "color", max_side, counts, channels)
    size = painted.shape[:2]
    labels = None
    if segments is not None:
        labels = check_array("segments", segments, spatial).astype(np.intp)
        labels = resize(as_plane(labels, labels.ndim, empty=-1), size)
    outlined = []
    for name, mask, color in zip(
        ("raises", "lowers"), (raises, lowers), TOP_COLORS[colors], strict=True
    ):
        where = check_array(name, mask, spatial, dtype=np.bool_)
        where = resize(as_plane(where, where.ndim, empty=0), size)
        painted = blend(painted, color, np.where(where, _VEIL, 0.0))
        regions = [where] if labels is None else [where & (labels == label) for label in ranked]
        outlined.append((color, name == "lowers", [each for each in regions if each.any()]))
    picture = to_picture(painted)
    for color, dashed, regions in outlined:
        draw_outlines(picture, regions, color, dashed=dashed)
    if labels is not None:
        number_regions(picture, labels, ranked)
    number_slices(picture, spatial)
    return picture


def draw_heatmap(
    heatmap: Floats, *, scale: str | float = "auto", max_side: int = MAX_SIDE
) -> "Picture":
    """Return the picture of a map alone, in the colours of the legend (`color_bar`)."""
    heatmap = check_array("heatmap", heatmap, ("height", "width", "depth")[: np.ndim(heatmap)])
    plane = as_plane(heatmap, heatmap.ndim, empty=0)
    plane = resize(plane, display_size(plane.shape, check_int("max_side", max_side, minimum=16)))
    return numbered_picture(legend_colors(plane, color_limit(heatmap, scale)), heatmap.shape)


def outline(labels: NDArray[Any], *, width: int = 1) -> NDArray[np.float32]:
    """Return the opacity of soft lines along the boundaries between labels, shape (H, W).

    A line of `width` 1 is a pixel wide, with a soft rim; each one more adds a pixel at each side.
    """
    from scipy.ndimage import correlate1d, maximum_filter  # noqa: PLC0415

    edge = np.zeros(labels.shape, dtype=np.float32)
    edge[:-1] = labels[:-1] != labels[1:]
    edge[:, :-1] = np.maximum(edge[:, :-1], labels[:, :-1] != labels[:, 1:])
    edge = maximum_filter(edge, 2 * width - 1, mode="nearest")
    for axis in (0, 1):
        edge = correlate1d(edge, [0.25, 0.5, 0.25], axis=axis, mode="nearest")
    return np.minimum(edge * np.float32(1.3), np.float32(1))


def draw_backdrop(
    image: NDArray[Any],
    channel_axis: int | None,
    backdrop: str = "grey",
    max_side: int = MAX_SIDE,
    valid: NDArray[np.bool_] | None = None,
    bands: tuple[int, ...] | None = None,
) -> NDArray[np.uint8]:
    """Return a checked image as (H, W, 3), of the size and in the colours it is painted over."""
    check_choice("backdrop", backdrop, BACKDROPS)
    max_side = check_int("max_side", max_side, minimum=16)
    rgb = to_rgb(image, channel_axis, valid, bands)
    rgb = resize(rgb, display_size(rgb.shape, max_side))
    if valid is not None:
        valid = resize(as_plane(valid, valid.ndim, empty=1), rgb.shape[:2])
    rgb = rgb if backdrop == "color" else flatten(rgb, valid)
    return rgb if valid is None else hatched(rgb, ~valid)


def asked_image(
    image: object, channel_axis: int | None, valid: ArrayLike | None, bands: Bands
) -> tuple[Image, int | None, NDArray[np.bool_] | None, tuple[int, ...] | None]:
    """Return a checked image, its channel axis, the pixels that count and the channels to show.

    A warning is given if nobody knows which channels are shown.
    """
    bands = pillow_bands(image) if bands is None else bands
    checked, axis, where = check_native_image(image, channel_axis, valid)
    n_channels = 1 if axis is None else checked.shape[axis]
    warn_of_bands(n_channels, bands)
    return checked, axis, where, check_bands(bands, n_channels)


def numbered_picture(rgb: NDArray[np.uint8], spatial: tuple[int, ...]) -> "Picture":
    """Return (H, W, 3) as a Pillow image; the slices of a volume get their numbers."""
    picture = to_picture(rgb)
    number_slices(picture, spatial)
    return picture


def to_picture(rgb: NDArray[np.uint8]) -> "Picture":
    """Return (H, W, 3) as a Pillow image."""
    from PIL import Image as Pillow  # noqa: PLC0415

    return Pillow.fromarray(np.ascontiguousarray(rgb))
