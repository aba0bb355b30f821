"""The units of importances: maps of different units need scales of their own."""

from collections.abc import Mapping
from typing import Any

SCORE = "score"
"""Change of the score by a region: of all methods that hide segments, windows or soft masks."""

SCORE_PER_PIXEL = "score per pixel"
"""A density: its sum over a region is the score that comes from there."""

ACTIVATION = "activation"


def unit_of(details: Mapping[str, Any]) -> str:
    """Return the unit that a method gave in its details, or "score".

    Examples
    --------
    >>> unit_of({"unit": "score per pixel"}), unit_of({})
    ('score per pixel', 'score')
    """
    return str(details.get("unit", SCORE))


def summed_over_pixels(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return details of importances that were summed over regions.

    Examples
    --------
    >>> unit_of(summed_over_pixels({"unit": "score per pixel"}))
    'score'
    """
    summed = dict(details)
    if unit_of(summed) == SCORE_PER_PIXEL:
        del summed["unit"]
    return summed
