"""Checks of fills and segmenters; errors name the fill or segmenter that was probably meant."""

from numbers import Real
from typing import Any

import numpy as np

from limelens._checks.values import check_callable, describe
from limelens._typing import Fill, Segmenter
from limelens.errors import InvalidInputError

_FILLS = {
    "blur": "Blur(8)",
    **dict.fromkeys(("mean", "avg", "average", "image_mean"), "ImageMean()"),
    "segment_mean": "SegmentMean()",
    **dict.fromkeys(("noise", "random"), "Noise()"),
    "inpaint": "Inpaint()",
    **dict.fromkeys(("black", "zero", "zeros"), "Constant(0)"),
    "white": "Constant(255), or Constant(1) for floats in [0, 1]",
}
_SEGMENTERS = {
    "slic": "Slic()",
    "quickshift": "Quickshift()",
    "felzenszwalb": "Felzenszwalb()",
    "watershed": "Watershed()",
    "grid": "Grid()",
}


def check_fill(name: str, fill: Any) -> Fill:
    """Return `fill` if it can be called.

    Raises
    ------
    InvalidInputError
        Otherwise. For a number, a word or an array, the message names the fill to use.
    """
    meant = ""
    listed = isinstance(fill, (list, tuple))
    if isinstance(fill, str):
        meant = _FILLS.get(fill.lower(), "one of ImageMean(), Blur(8), Constant(0), Noise()")
    elif _is_number(fill) or (listed and fill and all(_is_number(each) for each in fill)):
        meant = f"Constant({fill})"
    elif listed or isinstance(fill, np.ndarray):
        grey = name == "samples" and not listed and fill.ndim == 3 and fill.shape[-1] > 4
        meant = f"Backgrounds({name if listed or grey or fill.ndim > 3 else f'[{name}]'})"
    _refuse(name, fill, meant)
    checked: Fill = check_callable(name, fill, "(image, segments) -> background")
    return checked


def check_segmenter(segmenter: Any) -> Segmenter:
    """Return `segmenter` if it can be called.

    Raises
    ------
    InvalidInputError
        Otherwise. For a number, a word or an array, the message names the segmenter to use.
    """
    meant = ""
    if isinstance(segmenter, str):
        meant = _SEGMENTERS.get(segmenter.lower(), "one of Slic(), Grid(), Quickshift()")
    elif _is_number(segmenter):
        meant = f"Slic({segmenter})"
    elif isinstance(segmenter, (np.ndarray, list, tuple)):
        meant = "LabelImage(segmenter)"
    _refuse("segmenter", segmenter, meant)
    checked: Segmenter = check_callable("segmenter", segmenter, "(image) -> label image")
    return checked


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _refuse(name: str, value: object, meant: str) -> None:
    if meant:
        raise InvalidInputError(
            f"`{name}` must be a callable; got {describe(value)}. Pass {meant}."
        )
