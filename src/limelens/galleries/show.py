"""Several maps side by side: of many images and targets, or both signs of one map."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from limelens._checks.bands import Bands
from limelens._checks.values import check_int, check_text, describe, if_failed
from limelens._typing import Floats
from limelens.errors import InvalidInputError, warn
from limelens.pictures.fonts import FontFile
from limelens.pictures.panels import Panel, Scale, arrange
from limelens.results.record import Record, target_row
from limelens.results.renderings import asked_of_all
from limelens.results.target_panels import Look, image_and_targets, limit_of, map_of, original_panel
from limelens.results.units import unit_of
from limelens.results.words import number, shown_name

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


_BLANK = 100
"""A map this many times weaker than the full colour has no colour that an eye can see."""


def show(
    explanations: Iterable[Record],
    *,
    n: int = 5,
    interpolation: str | None = None,
    scale: str | float = "auto",
    title: str = "",
    panel_side: int = 320,
    font: FontFile = None,
    bands: Bands = None,
) -> "Picture":
    """Show several explanations side by side: a row for each, a column for each target.

    All maps of one unit share one scale. Effects of regions (most methods), shares of pixels
    (`Sharp`, gradients) and activations (`GradCam`) cannot be compared, so each of these units has
    a colour bar of its own, which names the methods that it holds for.

    Parameters
    ----------
    explanations : iterable of Explanation
        Explanations of one image or of many.
    n : int, optional
        How many of the strongest segments are numbered and listed.
    interpolation : str, optional
        See `Explanation.heatmap`.
    scale : {"auto", "symmetric", "percentile", "raw"} or float, optional
        The importance of the full colour, see `color_limit`. A number is that of all maps, whatever
        their unit.
    title : str, optional
        Heading of the picture.
    panel_side : int, optional
        Longer side of each picture in pixels.
    font : path, optional
        As in `sheet`.
    bands : int or sequence of int, optional
        The channels of the images that are shown, see `draw_overlay`.

    Returns
    -------
    picture : PIL.Image.Image

    Raises
    ------
    InvalidInputError
        If there is no explanation, or an option cannot be used.

    Examples
    --------
    >>> import limelens as ll
    >>> image = np.eye(8)
    >>> explainer = ll.Ablation(segmenter=ll.Grid(4), fill=ll.Constant(0))
    >>> bright = explainer.explain(image, lambda batch: batch.mean(axis=(1, 2)))
    >>> show([bright, bright], panel_side=100).size[0]
    230
    """
    listed = check_explanations(explanations)
    n, panel_side = check_int("n", n, minimum=0), check_int("panel_side", panel_side, minimum=64)
    check_text("title", title)
    scales = _scale_of_each_unit(listed, interpolation, scale)
    colors = asked_of_all(listed, bands)
    rows = [
        image_and_targets(
            each,
            range(len(each.targets)),
            n,
            Look(
                interpolation=interpolation,
                limit=scales[_unit(each, scale)].limit,
                max_side=panel_side,
                bands=shown,
            ),
        )
        for each, shown in zip(listed, colors, strict=True)
    ]
    drawing = arrange(
        rows, scales=list(scales.values()), heading=title, panel_side=panel_side, font=font
    )
    return drawing.to_picture(font)


def _unit(explanation: Record, scale: str | float) -> str:
    """Return the unit of a map, or "" if a number was given as the scale of all maps."""
    return unit_of(explanation.details) if isinstance(scale, str) else ""


def _scale_of_each_unit(
    explanations: Sequence[Record], interpolation: str | None, scale: str | float
) -> dict[str, Scale]:
    """Return what the full colour stands for in the maps of each unit."""
    units = dict.fromkeys(_unit(each, scale) for each in explanations)
    scales: dict[str, Scale] = {}
    for unit in units:
        alike = [each for each in explanations if _unit(each, scale) == unit]
        maps = [(each, row) for each in alike for row in range(len(each.targets))]
        limit, beyond = limit_of(maps, interpolation, scale)
        _warn_of_blank_maps(maps, interpolation, limit)
        title = f"{', '.join(dict.fromkeys(map(_method, alike)))}: {unit}" if len(units) > 1 else ""
        scales[unit] = Scale(limit=limit, beyond=beyond, title=title)
    return scales


def _method(explanation: Record) -> str:
    return explanation.explainer.partition("(")[0] or "explanation"


def _warn_of_blank_maps(
    maps: Sequence[tuple[Record, int]], interpolation: str | None, limit: float
) -> None:
    """Warn of a map that the common scale leaves blank although it is not zero."""
    for explanation, row in maps:
        strongest, _ = limit_of([(explanation, row)], interpolation, "symmetric")
        if 0 < strongest < limit / _BLANK:
            alone = "explanation"
            if len(explanation.targets) > 1:
                alone += f".for_target({explanation.targets[row]})"
            warn(
                f"the map of {shown_name(explanation, row)!r} by {_method(explanation)} is blank "
                f"on the common scale: its strongest importance is {strongest:.2g}, the full "
                f"colour {limit:.2g}. Show it by itself: show([{alone}])."
            )
            return


def check_explanations(explanations: Iterable[Record]) -> list[Record]:
    """Return explanations as a list, at least one.

    Raises
    ------
    InvalidInputError
        If something else is among them, or they are one explanation by itself.
    """
    if isinstance(explanations, Record) or not isinstance(explanations, Iterable):
        raise InvalidInputError(
            "`explanations` must be a sequence of Explanation: [explanation]; "
            f"got {describe(explanations)}."
        )
    listed = list(explanations)
    wrong = [each for each in listed if not isinstance(each, Record)]
    if wrong or not listed:
        got = f"{describe(wrong[0])}.{if_failed(wrong[0])}" if wrong else "none."
        raise InvalidInputError(f"`explanations` must hold explanations, at least one; got {got}")
    return listed


def signed_panels(
    explanation: Record,
    target: int | str | None = None,
    *,
    interpolation: str | None = None,
    scale: str | float = "auto",
    panel_side: int = 320,
    font: FontFile = None,
    bands: Bands = None,
) -> "Picture":
    """Show one map three times: all of it, what raises the score, what lowers it.

    Parameters
    ----------
    explanation : Explanation
    target : int or str, optional
        A score column or its name; None is the first target.
    interpolation : str, optional
        See `Explanation.heatmap`.
    scale : {"auto", "symmetric", "percentile", "raw"} or float, optional
        The importance of the full colour in all three, see `color_limit`.
    panel_side : int, optional
        Longer side of each picture in pixels.
    font : path, optional
        As in `sheet`.
    bands : int or sequence of int, optional
        The channels of the images that are shown, see `draw_overlay`.

    Returns
    -------
    picture : PIL.Image.Image

    Raises
    ------
    InvalidInputError
        If there is no such target, or an option cannot be used.

    Examples
    --------
    >>> import limelens as ll
    >>> explainer = ll.Ablation(segmenter=ll.Grid(4), fill=ll.Constant(0))
    >>> bright = explainer.explain(np.eye(8), lambda batch: batch.mean(axis=(1, 2)))
    >>> signed_panels(bright, panel_side=100).size[0]
    450
    """
    (listed,) = check_explanations([explanation])
    panel_side = check_int("panel_side", panel_side, minimum=64)
    row = target_row(listed, target)
    limit, beyond = limit_of([(listed, row)], interpolation, scale)
    values = listed.importances[row]
    parts: list[tuple[str, Floats]] = [
        ("all", values),
        ("raises the score", np.maximum(values, 0.0)),
        ("lowers the score", np.minimum(values, 0.0)),
    ]
    (colors,) = asked_of_all([listed], bands)
    look = Look(interpolation=interpolation, limit=limit, max_side=panel_side, bands=colors)
    panels = [original_panel(listed, look)]
    for name, part in parts:
        whole = listed.importances.copy()
        whole[row] = part
        shown = replace(listed, importances=whole)
        picture = map_of(shown, row, look)
        total = f"sum of importances {number(float(part.sum()))}"
        panels.append(Panel(picture=picture, title=name, note=total))
    heading = shown_name(listed, row)
    drawing = arrange(
        [panels],
        scales=[Scale(limit=limit, beyond=beyond)],
        heading=heading,
        panel_side=panel_side,
        font=font,
    )
    return drawing.to_picture(font)
