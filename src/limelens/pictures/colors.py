"""One diverging scale: orange raises the score, blue lowers it, zero is light grey."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_choice, check_number, check_numeric
from limelens._typing import Floats
from limelens.errors import InvalidInputError

SCALES = ("auto", "symmetric", "percentile", "raw")
_MANY, _OUTSHINES = 1000, 2.0

# Far apart in hue, equal in luminance, and told apart with any of the usual colour deficiencies.
RAISES = (200, 60, 12)
LOWERS = (20, 106, 214)
# What lime marks segments with; nearly one colour with a red-green deficiency.
LIME_RAISES = (0, 158, 70)
LIME_LOWERS = (215, 38, 56)

OPACITY = 0.8
PAPER = 215
"""Grey of an importance of zero, in the legend and behind a flattened photograph."""

DETAIL_KEPT = 0.5  # of a photograph's detail under the full colour; more would move the colour


def color_limit(
    heatmaps: NDArray[Any] | Sequence[NDArray[Any]], scale: str | float = "auto"
) -> float:
    """Return the importance that gets the full colour; minus it gets the full opposite colour.

    Give it all the maps that will stand side by side, and the result to each of them as `scale`:
    then one colour means one importance everywhere.

    Parameters
    ----------
    heatmaps : ndarray, or sequence of ndarray
        One map or several; the shapes may differ.
    scale : {"auto", "symmetric", "percentile", "raw"} or float
        "symmetric": the largest absolute importance. "percentile": the 99th percentile of the
        absolute importances that are not zero, so that few extreme pixels do not pale the rest.
        "auto": "symmetric", but "percentile" where there are more than 1000 different importances
        and the largest is more than twice that percentile, as in maps of gradients. "raw": 1, the
        whole range of a probability. A number: that importance.

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
        raise InvalidInputError("`heatmaps` must hold at least one map; got none.")
    sizes = [np.abs(check_numeric("heatmaps", each).astype(np.float64)) for each in maps]
    largest = max(float(size.max(initial=0.0)) for size in sizes)
    nonzero = np.concatenate([size[size > 0] for size in sizes])
    if scale == "symmetric" or not nonzero.size:
        return largest
    percentile = float(np.percentile(nonzero, 99))
    if scale == "auto" and not (
        largest > _OUTSHINES * percentile and len(np.unique(nonzero)) > _MANY
    ):
        return largest
    return percentile


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


def legend_colors(
    heatmap: NDArray[Any], limit: float, *, opacity: float = OPACITY
) -> NDArray[np.uint8]:
    """Return the colours of the legend: those of importances without a photograph behind them.

    Parameters
    ----------
    heatmap : ndarray, shape (...)
    limit : float
        The importance of the full colour, see `color_limit`.
    opacity : float
        As given to `draw_overlay`.

    Returns
    -------
    colors : ndarray of uint8, shape (..., 3)

    Examples
    --------
    >>> legend_colors(np.array([0.5, 0.0, -0.5]), 0.5, opacity=1.0)
    array([[200,  60,  12],
           [215, 215, 215],
           [ 20, 106, 214]], dtype=uint8)
    """
    paper = np.full((*heatmap.shape, 3), PAPER, dtype=np.uint8)
    return paint(paper, heatmap, limit, opacity=opacity)


def paint(
    backdrop: NDArray[np.uint8], heatmap: NDArray[Any], limit: float, *, opacity: float
) -> NDArray[np.uint8]:
    """Paint a map over a backdrop; the opacity of a pixel grows with the size of its importance."""
    share = strength(heatmap, limit)
    color = np.where((share > 0)[..., np.newaxis], np.array(RAISES), np.array(LOWERS))
    return blend(backdrop, color, opacity * np.abs(share))


def paint_flattened(
    backdrop: NDArray[np.uint8], heatmap: NDArray[Any], limit: float, *, opacity: float
) -> NDArray[np.uint8]:
    """Paint a map over a flattened backdrop, so that every colour matches the legend.

    Of the backdrop only its distance from `PAPER` is added to the colour of the legend, less of it
    where the colour is strong: ``legend + (1 - opacity * share / 2) * (backdrop - PAPER)``.

    Examples
    --------
    >>> backdrop = np.full((1, 2, 3), PAPER + 10, np.uint8)
    >>> paint_flattened(backdrop, np.array([[0.0, 1.0]]), 1.0, opacity=1.0)
    array([[[225, 225, 225],
            [205,  65,  17]]], dtype=uint8)
    """
    share = np.abs(strength(heatmap, limit)).astype(np.float32)
    detail = backdrop.astype(np.float32) - PAPER
    kept = (1 - DETAIL_KEPT * opacity * share)[..., np.newaxis]
    flat = legend_colors(heatmap, limit, opacity=opacity)
    return np.clip(np.rint(flat + kept * detail), 0, 255).astype(np.uint8)
