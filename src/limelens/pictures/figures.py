"""Matplotlib views: the overlay with its scale, and the strongest segments with their errors."""

import io
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.extras import needed
from limelens._typing import Floats
from limelens.pictures.colors import LOWERS, OPACITY, RAISES, legend_colors
from limelens.pictures.fonts import FontFile
from limelens.pictures.lettering import Letters, signed, warn_of_missing, wrap
from limelens.pictures.marks import innermost

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDE = 2.0  # from this aspect on, bars stand below the picture
_BARS_WIDTH, _BAR_HEIGHT = 3.4, 0.27


def plot_overlay(
    overlay: NDArray[np.uint8],
    limit: float,
    *,
    title: str = "",
    labels: NDArray[Any] | None = None,
    importances: Floats | None = None,
    standard_errors: Floats | None = None,
    shown: NDArray[np.intp] | None = None,
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
        Ids of the segments that get their rank as a number in the picture and a bar, strongest
        first.

    Returns
    -------
    figure : matplotlib.figure.Figure
        It is not one of pyplot's figures, so it need not be closed. At the end of a notebook cell
        it shows itself.

    Raises
    ------
    ImportError
        Without matplotlib, the extra `plot`.
    """
    matplotlib = needed("matplotlib.figure", "plots need matplotlib", "plot")
    n_bars = 0 if importances is None or shown is None else len(shown)
    aspect = overlay.shape[1] / overlay.shape[0]
    figure = matplotlib.Figure(layout="constrained" if aspect > _WIDE else "compressed")
    picture, bars = _divide(figure, aspect, n_bars)
    if bars is not None and importances is not None and shown is not None:
        _draw_bars(bars, importances, standard_errors, shown)
        if labels is not None:
            _draw_numbers(picture, labels, shown)
    picture.imshow(overlay)
    picture.set_axis_off()
    _write_title(picture, title, float(np.clip(4.6 * aspect, 2.8, 9.0)))
    _draw_scale(picture, limit)
    # A notebook calls this method. With pyplot, matplotlib itself would register it.
    figure._repr_png_ = partial(_png_of, figure)
    return figure


def _png_of(figure: "Figure") -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=100, bbox_inches="tight")
    return stream.getvalue()


def _divide(figure: "Figure", aspect: float, n_bars: int) -> "tuple[Axes, Axes | None]":
    """Return axes for the picture, and for the bars beside it or, if it is wide, below it."""
    width = float(np.clip(4.6 * aspect, 2.8, 9.0))
    height = float(np.clip(width / aspect, 1.0, 4.6))
    bars_height = max(1.2, 0.8 + _BAR_HEIGHT * n_bars)
    if n_bars == 0:
        figure.set_size_inches(width + 1.3, max(2.2, height + 0.4))
        return figure.subplots(), None
    if aspect > _WIDE:
        above = max(1.8, height)
        figure.set_size_inches(width + 1.3, above + bars_height + 0.4)
        picture, bars = figure.subplots(2, 1, height_ratios=(above, bars_height))
    else:
        figure.set_size_inches(width + 1.3 + _BARS_WIDTH, max(height + 0.4, bars_height))
        picture, bars = figure.subplots(1, 2, width_ratios=(width + 1.3, _BARS_WIDTH))
    return picture, bars


def _write_title(axes: "Axes", title: str, width: float) -> None:
    """Write the name of the target within a width in inches, each letter in a font that has it."""
    from matplotlib import font_manager  # noqa: PLC0415

    own: FontFile = font_manager.findfont("DejaVu Sans")
    families = ["DejaVu Sans"]
    warn_of_missing([title], own)
    letters = Letters(own, 15)  # 11 points at 100 dots an inch
    lines = [letters.runs(line) for line in wrap(title, letters, round(100 * width))]
    for font, _ in (run for line in lines for run in line):
        if font is not None and font != own:
            font_manager.fontManager.addfont(str(font))
            families.append(font_manager.FontProperties(fname=str(font)).get_name())
    drawable = "\n".join("".join(part for _, part in line) for line in lines)
    text = axes.set_title(drawable, loc="left", fontsize=11, family=families)
    text.set_parse_math(False)  # dollars are dollars


def _draw_scale(axes: "Axes", limit: float) -> None:
    from matplotlib.cm import ScalarMappable  # noqa: PLC0415
    from matplotlib.colors import ListedColormap, Normalize  # noqa: PLC0415

    colors = legend_colors(np.linspace(-limit, limit, 255), limit)
    span = limit or 1.0  # a zero map has a scale without colours, and no number but 0
    scale = ScalarMappable(Normalize(-span, span), ListedColormap(colors / 255.0))
    ticks = np.linspace(-limit, limit, 3) if limit else np.zeros(1)
    bar = axes.figure.colorbar(scale, ax=axes, shrink=0.8, pad=0.02, ticks=ticks)
    bar.ax.set_yticks(ticks, [signed(float(tick)) for tick in ticks])
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=2)
    bar.set_label("change of the score" if limit else "all importances are zero", fontsize=8)


def _draw_bars(
    axes: "Axes",
    importances: Floats,
    standard_errors: Floats | None,
    shown: NDArray[np.intp],
) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator  # noqa: PLC0415

    values = importances[shown]
    colors = np.where((values > 0)[:, np.newaxis], RAISES, LOWERS) / 255.0
    errors = None if standard_errors is None else np.nan_to_num(standard_errors[shown])
    place = np.arange(len(shown))
    grey = {"ecolor": "0.35", "capsize": 2, "elinewidth": 1}
    axes.barh(place, values, color=colors, alpha=OPACITY, height=0.7, xerr=errors, error_kw=grey)
    names = [f"{rank} · segment {segment}" for rank, segment in enumerate(shown, start=1)]
    axes.set_yticks(place, names, fontsize=8)
    axes.invert_yaxis()
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    peak = float(np.abs(values).max())
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: signed(value if abs(value) > 1e-9 * peak else 0.0))
    )
    axes.tick_params(axis="x", labelsize=8)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel("importance" + ("" if errors is None else " ± standard error"), fontsize=8)


def _draw_numbers(axes: "Axes", labels: NDArray[Any], shown: NDArray[np.intp]) -> None:
    """Write the rank of each segment at its innermost pixel."""
    from matplotlib.patheffects import withStroke  # noqa: PLC0415

    for rank, segment in enumerate(shown, start=1):
        if (place := innermost(labels == segment)) is not None:
            y, x = place
            text = axes.text(x, y, str(rank), fontsize=8, ha="center", va="center", color="k")
            text.set_path_effects([withStroke(linewidth=2, foreground="w")])
