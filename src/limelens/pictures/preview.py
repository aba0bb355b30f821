"""A picture of the segments, before any model call."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from limelens._checks.bands import Bands
from limelens._checks.strategies import check_segmenter
from limelens._statistics import label_sums
from limelens._typing import Segmenter, Segments
from limelens.fills.background import ask_segmenter
from limelens.pictures.colors import blend
from limelens.pictures.display import as_plane, display_size, hatched, resize, to_rgb
from limelens.pictures.lettering import draw_text, load_font, wrap
from limelens.pictures.overlay import asked_image, numbered_picture, outline

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_LINE, _SHADE, _PAPER, _TEXT = (255, 214, 10), (0, 0, 0), (255, 255, 255), (28, 28, 30)
_FONT_SIZE, _MARGIN, _LEAST_WIDTH = 14, 8, 256


def segment_preview(
    image: ArrayLike,
    segmenter: Segmenter,
    *,
    channel_axis: int | None = -1,
    valid: ArrayLike | None = None,
    bands: Bands = None,
) -> "Picture":
    """Draw the segments of an image, with their number and sizes; no model is asked.

    Parameters
    ----------
    image : array_like
        Any layout and dtype, as given to `explain`. A volume is shown as evenly spaced slices.
    segmenter : callable
        `(image) -> labels`, for example ``Slic(50)``.
    channel_axis : int or None, optional
        Where the image has its channels; None for a volume without.
    valid : array_like of bool, shape (H, W) or (D, H, W), optional
        Pixels that count, as given to `explain`. The others are in no segment, and are hatched.
    bands : int or sequence of int, optional
        The channels that are shown, see `draw_overlay`.

    Returns
    -------
    picture : PIL.Image.Image
        Small images are enlarged by whole pixels, large ones reduced to 1024 pixels; the sizes in
        the caption are those of the image.

    Raises
    ------
    InvalidInputError
        If the image or `valid` cannot be read, or the segmenter returns no label image of its
        spatial shape with at least two segments.

    Examples
    --------
    >>> from limelens import Grid
    >>> segment_preview(np.zeros((30, 40)), Grid(12)).size
    (280, 280)
    """
    image, channel_axis, where, colors = asked_image(image, channel_axis, valid, bands)
    segments, _ = ask_segmenter(check_segmenter(segmenter), image, channel_axis, where)
    drawn = _draw_boundaries(to_rgb(image, channel_axis, where, colors), segments)
    return _with_caption(numbered_picture(drawn, segments.shape), _summary(segments))


def _draw_boundaries(rgb: NDArray[np.uint8], segments: Segments) -> NDArray[np.uint8]:
    """Draw yellow lines with a dark rim, which stand out on every ground."""
    size = display_size(rgb.shape)
    labels = resize(as_plane(segments, segments.ndim, empty=-2), size)  # between slices: no label
    shaded = blend(hatched(resize(rgb, size), labels == -1), _SHADE, 0.6 * outline(labels, width=2))
    return blend(shaded, _LINE, outline(labels))


def _summary(segments: Segments) -> str:
    """Return the number of segments and their smallest, median and largest size."""
    sizes = label_sums(segments)
    unit = "pixels" if segments.ndim == 2 else "voxels"
    return (
        f"{len(sizes)} segments\nsmallest {sizes.min():.0f}, median {np.median(sizes):.0f}, "
        f"largest {sizes.max():.0f} {unit}"
    )


def _with_caption(drawn: "Picture", text: str) -> "Picture":
    """Return the picture centred over its caption, wide enough for the words."""
    from PIL import Image as Pillow  # noqa: PLC0415
    from PIL import ImageDraw  # noqa: PLC0415

    width, height = drawn.size
    page_width = max(width, _LEAST_WIDTH)
    font = load_font(None, _FONT_SIZE)
    lines = wrap(text, font, page_width - 2 * _MARGIN, max_lines=4)
    line_height = _FONT_SIZE + 4
    strip = 2 * _MARGIN + line_height * len(lines)
    page = Pillow.new("RGB", (page_width, height + strip), _PAPER)
    page.paste(drawn, ((page_width - width) // 2, 0))
    pen = ImageDraw.Draw(page)
    for row, line in enumerate(lines):
        draw_text(pen, (_MARGIN, height + _MARGIN + row * line_height), line, font, _TEXT)
    return page
