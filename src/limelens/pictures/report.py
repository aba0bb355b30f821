"""An interactive page in one file: every segment says its importance, every target has its map."""

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._axes import spatial_shape
from limelens._typing import Floats
from limelens.pictures.colors import LOWERS, RAISES, strength
from limelens.pictures.display import as_plane, resize
from limelens.pictures.overlay import OPACITY, draw_backdrop, to_picture

_LEVELS = 32767


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportTarget:
    """One target of a page.

    Parameters
    ----------
    name : str
    notes : sequence of str
        Small print beside the name.
    importances : ndarray, shape (d,) or (*spatial,)
    standard_errors : ndarray of the same shape, optional
        Shown for segments.
    """

    name: str
    notes: Sequence[str]
    importances: Floats
    standard_errors: Floats | None = None


def report_page(
    image: NDArray[Any],
    targets: Sequence[ReportTarget],
    *,
    channel_axis: int | None,
    segments: NDArray[Any] | None,
    title: str,
    facts: Sequence[str],
    max_side: int,
) -> str:
    """Return the page as HTML that refers to nothing outside itself.

    The values of segments stand in it in full; those of pixels as shares of the largest in steps
    of 1 / 32767, at the size of the picture.

    Parameters
    ----------
    image : ndarray
        Any layout and dtype.
    targets : sequence of ReportTarget
    channel_axis : int or None
    segments : ndarray of int, shape (*spatial,), or None
        Needed where the importances are per segment.
    title : str
    facts : sequence of str
        Shown below the title.
    max_side : int
        Longest side of the picture.
    """
    color = draw_backdrop(image, channel_axis, "color", max_side)
    size = (color.shape[0], color.shape[1])
    spatial = spatial_shape(image.shape, channel_axis)
    content = {
        "title": title,
        "facts": list(facts),
        "height": size[0],
        "width": size[1],
        "shape": spatial if len(spatial) == 2 else None,
        "small": size[0] >= 2 * spatial[-2],
        "color": _data_uri(color),
        "grey": _data_uri(draw_backdrop(image, channel_axis, "grey", max_side)),
        "opacity": OPACITY,
        "raises": RAISES,
        "lowers": LOWERS,
        "runs": None if segments is None else _runs(segments, size),
        "targets": [_content_of(target, size) for target in targets],
    }
    # Within a script element only "<" could end the data early.
    data = json.dumps(content, allow_nan=False).replace("<", "\\u003c")
    page = resources.files("limelens.pictures").joinpath("report.html")
    return page.read_text(encoding="utf-8").replace("/*DATA*/", data)


def _content_of(target: ReportTarget, size: tuple[int, int]) -> dict[str, Any]:
    importances, errors = target.importances, target.standard_errors
    peak = float(np.abs(importances).max())
    content: dict[str, Any] = {"name": target.name, "notes": list(target.notes), "peak": peak}
    if importances.ndim == 1:
        content["importances"] = importances.tolist()
        content["errors"] = None if errors is None else [_or_none(error) for error in errors]
        return content | {"map": None}
    heat = resize(as_plane(importances, importances.ndim, empty=0), size)
    levels = np.rint(strength(heat, peak) * _LEVELS).astype("<i2")
    return content | {"map": _text(levels.tobytes()), "importances": None, "errors": None}


def _runs(segments: NDArray[Any], size: tuple[int, int]) -> str:
    """Return label, length, label, length, ... of the picture's pixels, row after row."""
    labels = resize(as_plane(segments.astype(np.intp), segments.ndim, empty=-1), size).ravel()
    starts = np.flatnonzero(np.diff(labels, prepend=labels[0] - 1))
    lengths = np.diff(starts, append=labels.size)
    return _text(np.stack([labels[starts], lengths], axis=1).astype("<i4").tobytes())


def _data_uri(rgb: NDArray[np.uint8]) -> str:
    stream = io.BytesIO()
    to_picture(rgb).save(stream, format="PNG")
    return "data:image/png;base64," + _text(stream.getvalue())


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
