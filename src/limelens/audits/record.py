"""The numbers of an audit: effects, the mean map, and each image's own part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Floats
from limelens.audits.regions import WORDS
from limelens.runs.entries import Failure

ANY = "any region"
"""Name of the mean effect of all regions."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What one kind of region does, averaged over the images.

    Parameters
    ----------
    name : str
        Of the label, the property, the descriptor or the place.
    kind : {"pattern", "any", "property", "descriptor", "label", "place"}
        A pattern is all properties together that were found, "any" the mean over all regions.
    unit : str
        Of what `value` is the effect: "the region", "1 sd" (a region that has one standard
        deviation more of it than the other regions of its image), "yes or no".
    value : float
        Mean change when such a region is shown rather than hidden.
    standard_error : float
        Of `value`, clustered by image.
    low, high : float
        95 % interval of `value`.
    share, share_low, share_high : float
        Share of images in which the effect has this sign, and its 95 % interval; NaN if it is
        not known.
    control, control_error : float
        Mean and standard deviation of `value` after the descriptors were shuffled between the
        segments of each image.
    p : float
        How often chance would make anything of its family as clear as this.
    found : bool
        Whether `p` is below the level of its family.

    Examples
    --------
    >>> import limelens as ll
    >>> images = np.random.default_rng(0).random((12, 16, 16))
    >>> found = ll.audit(images, lambda batch: batch.mean(axis=(1, 2)), target=0)
    >>> effect = found.effect("any region")
    >>> bool(effect.low < effect.value < effect.high)
    True
    """

    name: str
    kind: str
    unit: str
    value: float
    standard_error: float
    low: float
    high: float
    share: float
    share_low: float
    share_high: float
    control: float
    control_error: float
    p: float
    found: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Findings:
    """All numbers of an audit; `Audit` documents the fields and adds everything derived."""

    target_name: str
    quantity: str
    effects: tuple[Effect, ...]
    grid_effects: Floats
    grid_errors: Floats
    grid_p: Floats
    grid_found: NDArray[np.bool_]
    names: tuple[str, ...]
    scores: Floats
    image_effects: Floats
    image_errors: Floats
    level: float
    n_predictions: int
    mean_picture: NDArray[np.uint8]
    thumbnails: tuple[bytes, ...]
    failures: tuple[Failure, ...] = ()

    @property
    def found(self) -> tuple[Effect, ...]:
        """The effects that chance does not explain."""
        return tuple(effect for effect in self.effects if effect.found)


def clearest(effects: Sequence[Effect]) -> int:
    """Return the row of the effect that is most standard errors away from its control."""

    def clarity(effect: Effect) -> tuple[bool, float]:
        error = effect.standard_error
        if not error > 0:
            return effect.found, 0.0
        beyond = effect.value - (0.0 if np.isnan(effect.control) else effect.control)
        return effect.found, abs(beyond) / error

    return max(range(len(effects)), key=lambda row: clarity(effects[row]))


def order_of(audit: Findings, row: int) -> NDArray[np.intp]:
    """Return the images, those first whose own effect is largest in the direction of the mean."""
    sign = np.sign(audit.effects[row].value) or 1.0
    return np.argsort(-sign * audit.image_effects[:, row], kind="stable")


def called(effect: Effect) -> str:
    """Return what regions are called that have more, or less, of a property, and so raise.

    It names the side that `value` says, so that the size of `value` is what these regions add.
    """
    much, little = WORDS.get(effect.name, (f"high {effect.name!r}", f"low {effect.name!r}"))
    if effect.unit == "yes or no":
        much, little = f"{effect.name!r}", f"not {effect.name!r}"
    return much if effect.value > 0 else little
