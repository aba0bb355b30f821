"""One diverging scale: orange-red raises the score, blue lowers it, zero is clear."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_choice, check_number, check_numeric
from limelens._typing import Floats
from limelens.errors import InvalidInputError

SCALES = ("symmetric", "percentile", "raw")

# Far apart in hue, equal in luminance, and told apart with any of the usual colour deficiencies.
RAISES = (200, 60, 12)
LOWERS = (20, 106, 214)
TOP_RAISES = (0, 158, 70)
TOP_LOWERS = (215, 38, 56)


def color_limit(
    heatmaps: NDArray[Any] | Sequence[NDArray[Any]], scale: str | float = "symmetric"
) -> float:
    """Return the importance that gets the full colour; minus it gets the full opposite colour.

    Give it all the maps that will stand side by side, and the result to each of them as `scale`:
    then one colour means one importance everywhere.

    Parameters
    ----------
    heatmaps : ndarray, or sequence of ndarray
        One map or several; the shapes may differ.
    scale : {"symmetric", "percentile", "raw"} or float
        "symmetric": the largest absolute importance. "percentile": the 99th percentile of the
        absolute importances that are not zero, so that few extreme pixels do not pale the rest.
        "raw": 1, the whole range of a probability. A number: that importance.

    Returns
    -------
    limit : float
        0 if every importance is zero: such a map has no colour.

    Examples
    --------
    >>> color_limit([np.array([0.1, -0.4]), np.array([0.2])])
    0.4
    """
    if not isinstance(scale, str):
        return check_number("scale", scale, minimum=0.0, open_minimum=True)
    check_choice("scale", scale, SCALES)
    if scale == "raw":
        return 1.0
    maps = [heatmaps] if isinstance(heatmaps, np.ndarray) else list(heatmaps)
    if not maps:
        msg = "`heatmaps` must hold at least one map; got none."
        raise InvalidInputError(msg)
    sizes = [np.abs(check_numeric("heatmaps", each).astype(np.float64)) for each in maps]
    if scale == "symmetric":
        return max(float(size.max(initial=0.0)) for size in sizes)
    nonzero = np.concatenate([size[size > 0] for size in sizes])
    return float(np.percentile(nonzero, 99)) if nonzero.size else 0.0


def strength(heatmap: NDArray[Any], limit: float) -> Floats:
    """Return the importances as shares of the limit, cut at -1 and 1; all 0 for a limit of 0.

    Examples
    --------
    >>> strength(np.array([0.1, -0.4, 0.0]), 0.2)
    array([ 0.5, -1. ,  0. ])
    """
    if limit == 0:
        return np.zeros(heatmap.shape)
    return np.clip(heatmap, -limit, limit) / limit


def blend(
    backdrop: NDArray[Any], color: NDArray[Any] | tuple[int, int, int], alpha: NDArray[Any] | float
) -> NDArray[np.uint8]:
    """Return the color painted over the backdrop with the given opacity.

    Parameters
    ----------
    backdrop : ndarray of uint8, shape (..., 3)
    color : ndarray, shape (..., 3), or three numbers
    alpha : ndarray in [0, 1], shape (...), or number

    Examples
    --------
    >>> blend(np.array([[100, 100, 100]], np.uint8), (200, 100, 0), 0.5)
    array([[150, 100,  50]], dtype=uint8)
    """
    share = np.asarray(alpha, dtype=np.float32)[..., np.newaxis]
    mixed = backdrop + share * (np.asarray(color, dtype=np.float32) - backdrop)
    return np.rint(mixed).astype(np.uint8)


def diverging(heatmap: NDArray[Any], limit: float) -> NDArray[np.uint8]:
    """Return the colours of a map alone, on white.

    Parameters
    ----------
    heatmap : ndarray, shape (...)
    limit : float
        The importance of the full colour, see `color_limit`.

    Returns
    -------
    colors : ndarray of uint8, shape (..., 3)

    Examples
    --------
    >>> diverging(np.array([0.5, 0.0, -0.5]), 0.5)
    array([[200,  60,  12],
           [255, 255, 255],
           [ 20, 106, 214]], dtype=uint8)
    """
    white = np.full((*heatmap.shape, 3), 255, dtype=np.uint8)
    return paint(white, heatmap, limit, opacity=1.0)


def paint(
    backdrop: NDArray[np.uint8], heatmap: NDArray[Any], limit: float, *, opacity: float
) -> NDArray[np.uint8]:
    """Paint a map over a backdrop; the opacity of a pixel grows with the size of its importance."""
    share = strength(heatmap, limit)
    color = np.where((share > 0)[..., np.newaxis], np.array(RAISES), np.array(LOWERS))
    return blend(backdrop, color, opacity * np.abs(share))
