"""Matplotlib views: the overlay with its scale, and the strongest segments with their errors."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Floats
from limelens.pictures.colors import LOWERS, RAISES, paint
from limelens.pictures.lettering import signed
from limelens.pictures.overlay import OPACITY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BACKDROP = 225


def plot_overlay(
    overlay: NDArray[np.uint8],
    limit: float,
    *,
    title: str = "",
    labels: NDArray[Any] | None = None,
    importances: Floats | None = None,
    standard_errors: Floats | None = None,
    shown: NDArray[np.intp] | None = None,
    opacity: float = OPACITY,
) -> "Figure":
    """Return a figure: the overlay with a colour bar and, for segments, a bar for each shown.

    Parameters
    ----------
    overlay : ndarray of uint8, shape (H, W, 3)
    limit : float
        The importance of the full colour.
    title : str
    labels : ndarray of int, shape (H, W), optional
        Segment of every pixel of the overlay; negative outside.
    importances, standard_errors : ndarray, shape (d,), optional
    shown : ndarray of int, optional
        Ids of the segments that get a number in the picture and a bar beside it, in this order.
    opacity : float
        With which the overlay was painted.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Of its own, not one of pyplot's: nothing to close.

    Raises
    ------
    ImportError
        Without matplotlib, the extra `plot`.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        msg = "plots need matplotlib: pip install limelens[plot]"
        raise ImportError(msg) from error

    aspect = overlay.shape[1] / overlay.shape[0]
    width = float(np.clip(4.6 * aspect, 2.8, 9.0)) + 1.1
    if importances is None or shown is None or len(shown) == 0:
        figure = Figure(figsize=(width, 4.9), layout="compressed")
        left = figure.subplots()
    else:
        figure = Figure(figsize=(width + 3.4, 4.9), layout="compressed")
        left, right = figure.subplots(1, 2, width_ratios=(width, 3.4))
        _draw_bars(right, importances, standard_errors, shown)
        if labels is not None:
            _draw_numbers(left, labels, shown)
    left.imshow(overlay)
    left.set_axis_off()
    left.set_title(title, loc="left", fontsize=11)
    _draw_scale(left, limit, opacity)
    return figure


def _draw_scale(axes: "Axes", limit: float, opacity: float) -> None:
    from matplotlib.cm import ScalarMappable  # noqa: PLC0415
    from matplotlib.colors import ListedColormap, Normalize  # noqa: PLC0415

    ramp = np.linspace(-limit, limit, 255)
    colors = paint(np.full((255, 3), _BACKDROP, dtype=np.uint8), ramp, limit, opacity=opacity)
    span = limit or 1.0  # a zero map has a scale without colours, and no number but 0
    scale = ScalarMappable(Normalize(-span, span), ListedColormap(colors / 255.0))
    ticks = np.linspace(-limit, limit, 5) if limit else [0.0]
    bar = axes.figure.colorbar(scale, ax=axes, shrink=0.8, pad=0.02, ticks=ticks)
    bar.ax.set_yticks(ticks, [signed(float(tick)) for tick in ticks])
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=2)
    bar.set_label("change of the score", fontsize=8)


def _draw_bars(
    axes: "Axes",
    importances: Floats,
    standard_errors: Floats | None,
    shown: NDArray[np.intp],
) -> None:
    values = importances[shown]
    colors = np.where((values > 0)[:, np.newaxis], RAISES, LOWERS) / 255.0
    errors = None if standard_errors is None else np.nan_to_num(standard_errors[shown])
    place = np.arange(len(shown))
    grey = {"ecolor": "0.35", "capsize": 2, "elinewidth": 1}
    axes.barh(place, values, color=colors, alpha=0.8, height=0.7, xerr=errors, error_kw=grey)
    axes.set_yticks(place, [str(segment) for segment in shown], fontsize=8)
    axes.invert_yaxis()
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.tick_params(axis="x", labelsize=8)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_ylabel("segment", fontsize=8)
    axes.set_xlabel("importance" + ("" if errors is None else " ± standard error"), fontsize=8)


def _draw_numbers(axes: "Axes", labels: NDArray[Any], shown: NDArray[np.intp]) -> None:
    """Write the id of each segment at its innermost pixel."""
    from matplotlib.patheffects import withStroke  # noqa: PLC0415
    from scipy.ndimage import distance_transform_edt  # noqa: PLC0415

    for segment in shown:
        inside = np.pad(labels == segment, 1)
        if inside.any():
            depth = distance_transform_edt(inside)
            row, column = np.unravel_index(np.argmax(depth), depth.shape)
            x, y = float(column - 1), float(row - 1)
            text = axes.text(x, y, str(segment), fontsize=8, ha="center", va="center", color="k")
            text.set_path_effects([withStroke(linewidth=2, foreground="w")])
