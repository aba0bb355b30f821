"""How much of the importance lies inside a region, and how certain that is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from limelens._axes import spatial_shape
from limelens._checks.pixels import check_region_mask
from limelens._checks.values import check_choice
from limelens._statistics import label_sums, student
from limelens._typing import Floats
from limelens.errors import InvalidInputError
from limelens.results.layers import densities, mean_and_error
from limelens.results.ranking import SIGNS, rounding
from limelens.results.record import Record, target_row

_WORDS = {"positive": "evidence", "negative": "counter-evidence", "absolute": "importance"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Inside:
    """The share of an explanation's importance inside a region.

    Attributes
    ----------
    share : float
        Share of the importance, from 0 to 1; NaN if no importance has the requested sign.
    standard_error : float
        Standard error of the share; NaN if it is not known.
    area : float
        Share of the pixels that are inside.
    z : float
        Number of standard errors by which the share exceeds the area. With `nulls`, the number by
        which the importance inside exceeds that of the nulls.
    sign : str
        Which importance is meant: "positive", "negative" or "absolute".
    """

    share: float
    standard_error: float
    area: float
    z: float
    sign: str

    def __str__(self) -> str:
        if math.isnan(self.share):
            return f"no {_WORDS[self.sign]} anywhere"
        error = "" if math.isnan(self.standard_error) else f" +- {self.standard_error:.0%}"
        z = "" if math.isnan(self.z) else f", z = {self.z:.1f}"
        return (
            f"{self.share:.0%}{error} of the {_WORDS[self.sign]} on {self.area:.0%} of the area{z}"
        )


def inside(
    record: Record,
    mask: ArrayLike,
    target: int | str | None = None,
    *,
    sign: str = "positive",
    nulls: Sequence[Record] = (),
) -> Inside:
    r"""Return the share of the importance inside a region.

    Parameters
    ----------
    record : Explanation
    mask : array_like of bool, shape (*spatial,)
        The region. A segment that lies partly inside counts by the share of its pixels there.
    target : int or str, optional
        See `Explanation`.
    sign : {"positive", "negative", "absolute"}
        Which importance: that which raises the score, that which lowers it, or both.
    nulls : sequence of Explanation
        At least three explanations of images of this size in which there is nothing to find. `z`
        then tells whether more is found here than there.

    Returns
    -------
    Inside

    Raises
    ------
    InvalidInputError
        If the mask does not fit the image, or holds no pixel or every pixel.

    Notes
    -----
    Let :math:`p_i \ge 0` be the size of segment i's importance if it has the requested sign, else
    0, and :math:`a_i` the share of the segment that lies inside. The share is
    :math:`s = \sum a_i p_i / \sum p_i`. To first order (the delta method) its variance is

    .. math:: g' C g, \qquad g_i = \pm \Pr(\text{segment } i \text{ has the sign})\,
              (a_i - s) / \textstyle\sum p_i ,

    and :math:`z = (s - \text{area}) / \sqrt{g' C g}`. C is the covariance of the importances, if
    the explanation has it (``details["covariance"]`` of `QuickLime` and `QuickShap`, scaled to
    their standard errors). Otherwise the errors of segments are taken as independent. Errors of
    pixels are not independent: of the maps per pixel only that of `Sharp` has a standard error of
    the share, from the differences between its segmentations.

    Noise adds to the importance of either sign everywhere. So the share of an uncertain map is
    nearer to the area: inside a region that matters, s is too low rather than too high.

    With m nulls :math:`z = (T - \bar T) / (S \sqrt{1 + 1/m}\, q)`. Here T is the sum of
    :math:`a_i` times the signed importances, :math:`\bar T` and S are the mean and the standard
    deviation of the nulls' own sums, and q widens S by Student's t with m - 1 degrees of freedom.
    For "negative" z changes its sign, for "absolute" it loses it.

    Examples
    --------
    >>> from limelens import Explanation
    >>> explanation = Explanation(
    ...     image=np.zeros((1, 4)),
    ...     importances=np.array([[3.0, 1.0, -2.0, 0.0]]),
    ...     standard_errors=np.array([[0.2, 0.2, 0.2, 0.0]]),
    ...     scores=np.array([2.0]),
    ...     hidden_scores=np.array([0.0]),
    ...     targets=(0,),
    ...     target_names=("cat",),
    ...     segments=np.array([[0, 1, 2, 3]]),
    ... )
    >>> print(inside(explanation, [[True, False, False, False]]))
    75% +- 4% of the evidence on 25% of the area, z = 12.6
    """
    check_choice("sign", sign, SIGNS)
    row = target_row(record, target)
    where = _check_mask(mask, record)
    importances, shares = _per_part(record, row, where)
    strength = _strength(importances, sign)
    total, area = strength.sum(), float(where[... if record.valid is None else record.valid].mean())
    share = error = math.nan
    if total > 0:
        share = float(shares @ strength / total)
        chance = _chance(record, row, importances, sign)
        error = _error(record, row, chance * (shares - share) / total)
    z = _ratio(share - area, error)
    if len(nulls):
        z = _beyond(float(shares @ importances), nulls, where, sign)
    return Inside(share=share, standard_error=error, area=area, z=z, sign=sign)


def _per_part(record: Record, row: int, where: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return importances of segments or pixels, and the share of each that is inside."""
    importances, segments = record.importances[row], record.segments
    if segments is None or importances.ndim > 1:
        return importances.ravel(), where.ravel().astype(np.float64)
    return importances, label_sums(segments, where) / label_sums(segments)


def _strength(importances: Floats, sign: str) -> Floats:
    """Return the sizes of the importances that have the sign, and 0 for all others."""
    signed = {"positive": importances, "negative": -importances, "absolute": np.abs(importances)}
    return np.where(signed[sign] > rounding(importances), signed[sign], 0.0)


def _chance(record: Record, row: int, importances: Floats, sign: str) -> Floats:
    """Return the chance that each importance truly has the sign, times the sign's direction."""
    from scipy.special import ndtr  # noqa: PLC0415

    if sign == "absolute":
        return np.sign(importances)
    direction = 1.0 if sign == "positive" else -1.0
    certain = (_strength(importances, sign) > 0).astype(np.float64)
    errors = record.standard_errors
    if errors is None:
        return direction * certain
    error = errors[row].ravel()
    known = error > 0  # False for NaN
    chance = ndtr(direction * importances / np.where(known, error, 1.0))
    return np.asarray(direction * np.where(known, chance, certain))


def _error(record: Record, row: int, slopes: Floats) -> float:
    """Return the standard error of a linear function of the importances of one target."""
    errors = record.standard_errors
    columns = list(record.details.get("targets", ()))
    column = columns.index(record.targets[row]) if record.targets[row] in columns else None
    if errors is not None and errors.ndim > 2:
        return _error_over_layers(record, column, slopes)
    if errors is None or not np.isfinite(errors[row][slopes != 0]).all():
        return math.nan
    scaled = np.where(slopes != 0, errors[row] * slopes, 0.0)
    covariances = record.details.get("covariance")
    if covariances is None or column is None:
        return float(np.linalg.norm(scaled))
    covariance = covariances[column]
    deviations = np.sqrt(np.maximum(np.diagonal(covariance), 0.0))
    scaled = np.where(deviations > 0, scaled / np.where(deviations > 0, deviations, 1.0), 0.0)
    return float(np.sqrt(max(scaled @ covariance @ scaled, 0.0)))


def _error_over_layers(record: Record, column: int | None, slopes: Floats) -> float:
    """Return the standard error of a linear function of a map that is a mean of several."""
    layers = record.details.get("layers")
    if column is None or layers is None:
        return math.nan
    maps = densities(layers, [each[[column]] for each in record.details["layer_importances"]])
    weights = record.details.get("layer_weights")
    error = mean_and_error((each.ravel() @ slopes for each in maps), weights)[1]
    return math.nan if error is None else float(error)


def _ratio(excess: float, error: float) -> float:
    """Return excess over error; without any error it is infinite, or 0 without any excess."""
    if error > 0 or math.isnan(error):
        return excess / error
    return math.copysign(math.inf, excess) if abs(excess) > 1e-12 else 0.0


def _beyond(total: float, nulls: Sequence[Record], where: NDArray[np.bool_], sign: str) -> float:
    """Return by how many standard errors a sum of importances exceeds that of nulls."""
    sums = []
    for null in nulls:
        if spatial_shape(null.image.shape, null.channel_axis) != where.shape:
            raise InvalidInputError(
                f"`nulls` must explain images of shape {where.shape}; got {null.image.shape}."
            )
        for row in range(len(null.targets)):
            importances, shares = _per_part(null, row, where)
            sums.append(float(shares @ importances))
    m = len(sums)
    if m < 3:
        raise InvalidInputError(
            f"`nulls` must be at least three explanations, to show how far they spread; got {m}."
        )
    error = float(np.std(sums, ddof=1)) * math.sqrt(1 + 1 / m) * student(m - 1)
    z = _ratio(total - float(np.mean(sums)), error)
    return {"positive": z, "negative": -z, "absolute": abs(z)}[sign]


def _check_mask(mask: ArrayLike, record: Record) -> NDArray[np.bool_]:
    """Return the region, of the pixels that count."""
    where = check_region_mask("mask", mask, spatial_shape(record.image.shape, record.channel_axis))
    counts = np.ones(where.shape, dtype=np.bool_) if record.valid is None else record.valid
    n, n_all = int(np.count_nonzero(where & counts)), int(np.count_nonzero(counts))
    if n in (0, n_all):
        of = "" if record.valid is None else " that count"
        raise InvalidInputError(f"`mask` must hold some pixels{of}, not all; got {n} of {n_all}.")
    return where & counts
