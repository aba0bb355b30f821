"""An interactive page in one file: it shows every region's importance, and every target's map."""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._axes import channels_last, spatial_shape
from limelens._typing import Floats
from limelens.pictures.colors import DETAIL_KEPT, LOWERS, OPACITY, PAPER, RAISES, strength
from limelens.pictures.display import (
    DETAIL,
    MOST_GAIN,
    SPREAD,
    display_size,
    hatched,
    resize,
    shrunk,
    to_rgb,
)
from limelens.pictures.drawing import encoded
from limelens.pictures.overlay import to_picture

THEMES = ("auto", "light", "dark")
LEVELS = 1000
"""Steps from zero to the largest importance in which a map per pixel travels."""
_MAP_SIDE, _VOLUME_PIXELS, _MOST_SLICES, _MOST_BANDS = 256, 3_000_000, 64, 24
_LOSSLESS_PIXELS = 128 * 128


@dataclass(frozen=True, kw_only=True, eq=False)
class PageTarget:
    """One target of a page.

    Parameters
    ----------
    name : str
    title : str
        Heading of the page while the target is shown.
    note : str
        Small print below the name.
    words : str
        Text below the list of targets while this one is shown.
    score, hidden : float
        Scores of the image and with everything hidden; NaN where not known.
    score_range : (float, float)
        Ends of the bar that shows the score.
    importances : ndarray, shape (d,) or (*spatial,)
    standard_errors : ndarray of the same shape, optional
        Shown for segments.
    limit : float
        Importance of the full colour.
    unit : str
        Only targets of one unit are ever shown on one scale.
    sure : mapping from int to str
        Segment: "certain", "likely" or "open".
    among : int
        How many strongest segments these words are about.
    only, without : ndarray, shape (d + 1,), optional
        Score with only, and without, the k strongest segments; NaN where not asked.
    layer : int
        Which of the page's segments the importances belong to.
    """

    name: str
    title: str
    importances: Floats
    limit: float
    unit: str = ""
    note: str = ""
    words: str = ""
    score: float = np.nan
    hidden: float = np.nan
    score_range: tuple[float, float] = (0.0, 1.0)
    standard_errors: Floats | None = None
    sure: Mapping[int, str] = field(default_factory=dict)
    among: int = 0
    only: Floats | None = None
    without: Floats | None = None
    layer: int = 0


@dataclass(frozen=True, eq=False)
class _Canvas:
    """How an image is cut to what a page shows: slices, height, width."""

    slices: NDArray[np.intp]
    height: int
    width: int
    valid: NDArray[np.bool_] | None

    @classmethod
    def of(
        cls, spatial: tuple[int, ...], max_side: int, valid: NDArray[np.bool_] | None
    ) -> "_Canvas":
        height, width = spatial[-2:]
        depth = 1 if len(spatial) == 2 else spatial[0]
        slices = np.unique(np.linspace(0, depth - 1, min(depth, _MOST_SLICES)).round().astype(int))
        times = min(1.0, max_side / max(height, width))
        times = min(times, np.sqrt(_VOLUME_PIXELS / (len(slices) * height * width)))
        return cls(slices, max(1, round(height * times)), max(1, round(width * times)), valid)

    def cut(self, array: NDArray[Any], n_spatial: int) -> list[NDArray[Any]]:
        """Return the slices shown of an array, each at its size on the page."""
        planes = [array] if n_spatial == 2 else [array[index] for index in self.slices]
        return [resize(plane, (self.height, self.width)) for plane in planes]


def page_item(
    image: NDArray[Any],
    targets: Sequence[PageTarget],
    *,
    channel_axis: int | None,
    layers: Sequence[NDArray[Any] | None],
    facts: Sequence[str],
    max_side: int,
    quality: int = 82,
    all_bands: bool = True,
    valid: NDArray[np.bool_] | None = None,
    bands: tuple[int, ...] | None = None,
) -> dict[str, Any]:
    """Return the content of a page about one image, ready for JSON.

    The importances of segments stand in it in full; those of pixels in steps of 1 / 1000 of the
    largest, at most 256 pixels wide. Of a volume up to 64 slices are shown, of many channels up to
    24 one by one besides their average.

    Parameters
    ----------
    image : ndarray
        Any layout and dtype.
    targets : sequence of PageTarget
    channel_axis : int or None
    layers : sequence of (ndarray of int, shape (*spatial,), or None)
        The segments that the targets' importances belong to.
    facts : sequence of str
        Shown below the title.
    max_side : int
        Longest side of the picture.
    quality : int
        Of the photograph's compression, up to 100.
    all_bands : bool
        Whether channels are also shown one by one.
    valid : ndarray of bool, shape (*spatial,), optional
        Pixels that count; the others are hatched.
    bands : tuple of int, optional
        The channels that are shown, see `to_rgb`.
    """
    spatial = spatial_shape(image.shape, channel_axis)
    canvas = _Canvas.of(spatial, max_side, valid)
    enlarged = display_size((canvas.height, canvas.width), max_side)
    return {
        "facts": list(facts),
        "height": canvas.height,
        "width": canvas.width,
        "depth": len(canvas.slices),
        "slices": canvas.slices.tolist(),
        "shape": list(spatial),
        "times": max(1, enlarged[1] // canvas.width),
        "photos": _photos(image, channel_axis, canvas, quality, bands=bands, all_bands=all_bands),
        "layers": [{"runs": _runs(layer, canvas)} for layer in layers],
        "targets": [_content_of(target, canvas) for target in targets],
    }


def page(
    items: Sequence[dict[str, Any]],
    script: str,
    *,
    title: str,
    theme: str,
    extra: Mapping[str, Any] | None = None,
) -> str:
    """Return HTML that refers to nothing outside itself.

    Parameters
    ----------
    items : sequence of dict
        See `page_item`.
    script : str
        "report.js" or "gallery.js", which runs after "viewer.js".
    title : str
        Heading of the page; "" takes that of the target.
    theme : {"auto", "light", "dark"}
    extra : mapping, optional
        Further entries of the page's data.
    """
    colors = {
        "raises": RAISES,
        "lowers": LOWERS,
        "paper": PAPER,
        "detail": DETAIL,
        "kept": DETAIL_KEPT,
        "spread": SPREAD,
        "gain": MOST_GAIN,
        "opacity": OPACITY,
    }
    content = {"title": title, "colors": colors, "items": list(items), **(extra or {})}
    # Within a script element only "<" could end the data early.
    data = json.dumps(content, allow_nan=False).replace("<", "\\u003c")
    parts = {
        "/*THEME*/": theme,
        "/*STYLE*/": _file("page.css"),
        "/*SCRIPT*/": _file("viewer.js") + _file(script),
        "/*DATA*/": data,
    }
    text = _file("page.html")
    for mark, part in parts.items():  # data last: nothing in it can be taken for a mark
        text = text.replace(mark, part, 1)
    return text


def _file(name: str) -> str:
    return resources.files("limelens.pictures").joinpath("page", name).read_text(encoding="utf-8")


def _content_of(target: PageTarget, canvas: _Canvas) -> dict[str, Any]:
    importances, errors = target.importances, target.standard_errors
    peak = float(np.abs(importances).max())
    content: dict[str, Any] = {
        "name": target.name,
        "title": target.title,
        "note": target.note,
        "words": target.words,
        "score": _or_none(target.score),
        "hidden": _or_none(target.hidden),
        "range": list(target.score_range),
        "peak": peak,
        "limit": target.limit,
        "unit": target.unit,
        "sure": {str(segment): word for segment, word in target.sure.items()},
        "among": target.among,
        "layer": target.layer,
        "only": _numbers(target.only),
        "without": _numbers(target.without),
    }
    if importances.ndim == 1:
        numbers = {"importances": _numbers(importances), "errors": _numbers(errors)}
        return content | numbers | {"map": None}
    size = shrunk((canvas.height, canvas.width), _MAP_SIDE)
    planes = [importances] if importances.ndim == 2 else [importances[i] for i in canvas.slices]
    maps = [resize(plane, size) for plane in planes]
    return content | {"map": packed_map(maps, peak), "importances": None, "errors": None}


def packed_map(maps: Sequence[Floats], peak: float) -> dict[str, Any]:
    """Return maps of one size as whole steps, of which the differences along rows travel."""
    levels = np.rint(np.stack([strength(each, peak) * LEVELS for each in maps])).astype("<i2")
    steps = np.diff(levels, axis=-1, prepend=np.int16(0)).astype("<i2")
    height, width = levels.shape[1:]
    packed = _packed(steps.tobytes())
    return {"steps": packed, "height": height, "width": width, "levels": LEVELS}


def _runs(segments: NDArray[Any] | None, canvas: _Canvas) -> str | None:
    """Return the labels, then the lengths, of the runs of all pixels, slice after slice."""
    if segments is None:
        return None
    planes = canvas.cut(segments.astype(np.intp), segments.ndim)
    labels = np.concatenate([plane.ravel() for plane in planes])
    starts = np.flatnonzero(np.diff(labels, prepend=labels[0] - 1))
    lengths = np.diff(starts, append=labels.size)
    return _packed(np.concatenate([labels[starts], lengths]).astype("<i4").tobytes())


def _photos(
    image: NDArray[Any],
    channel_axis: int | None,
    canvas: _Canvas,
    quality: int,
    *,
    bands: tuple[int, ...] | None,
    all_bands: bool,
) -> list[dict[str, str]]:
    """Return the image as strips of slices: its picture first, then each channel."""
    last = channels_last(image, channel_axis)
    n_spatial = len(spatial_shape(image.shape, channel_axis))
    flat = last[..., np.newaxis] if last.ndim == n_spatial else last
    n_channels = flat.shape[-1]
    source = _strip(flat, n_spatial, canvas, quality, bands)
    photos = [{"name": _name_of(bands, n_channels), "source": source}]
    if all_bands and n_channels not in (1, 3) and (bands is None or len(bands) < 4):
        listed = np.linspace(0, n_channels - 1, min(n_channels, _MOST_BANDS)).round().astype(int)
        photos += [
            {
                "name": f"channel {band}",
                "source": _strip(flat, n_spatial, canvas, quality, (band,)),
            }
            for band in listed.tolist()
        ]
    return photos


def _name_of(bands: tuple[int, ...] | None, n_channels: int) -> str:
    if bands is None and n_channels == 4:
        bands = (0, 1, 2)
    if n_channels in (1, 3) or (bands is not None and len(bands) == 4):
        return "all"
    if bands is None:
        return f"average of {n_channels}"
    listed = ", ".join(map(str, bands))
    return f"channels {listed}" if len(bands) > 1 else f"channel {listed} alone"


def _strip(
    flat: NDArray[Any],
    n_spatial: int,
    canvas: _Canvas,
    quality: int,
    bands: tuple[int, ...] | None,
) -> str:
    """Return the slices below each other as the source of an image."""
    valid = canvas.valid
    if n_spatial == 3:
        shown = flat[canvas.slices]
        flat = shown.reshape(-1, *shown.shape[2:])  # one picture, so that all slices compare
        valid = None if valid is None else valid[canvas.slices].reshape(-1, valid.shape[-1])
    rgb = to_rgb(flat, -1, valid, bands)
    n = len(canvas.slices)
    planes = rgb.reshape(n, -1, *rgb.shape[1:])
    small = np.concatenate([resize(plane, (canvas.height, canvas.width)) for plane in planes])
    if canvas.valid is not None:
        small = hatched(small, ~np.concatenate(canvas.cut(canvas.valid, n_spatial)))
    return _data_uri(small, quality)


def _data_uri(rgb: NDArray[np.uint8], quality: int) -> str:
    """Return a picture as WebP, or as JPEG if Pillow lacks WebP; small ones are lossless."""
    from PIL import features  # noqa: PLC0415

    height, width = rgb.shape[:2]
    kind, options = "webp", {"quality": quality, "method": 2}
    if height * width <= _LOSSLESS_PIXELS:
        kind, options = "png", {}
    elif max(height, width) > 16383 or not features.check("webp"):
        kind, options = "jpeg", {"quality": quality}
    return f"data:image/{kind};base64,{_text(encoded(to_picture(rgb), kind.upper(), options))}"


def _numbers(values: Floats | None) -> str | None:
    return None if values is None else _text(np.ascontiguousarray(values, dtype="<f8").tobytes())


def _packed(content: bytes) -> str:
    return _text(zlib.compress(content, 6))


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
