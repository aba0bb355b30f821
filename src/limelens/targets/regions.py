"""Segmenters: a class's scores inside regions of their dense answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from limelens._checks.models import check_model
from limelens._checks.values import check_choice, check_int, check_numeric, describe
from limelens._typing import Batch, Floats, Image
from limelens.errors import InvalidInputError, PredictionError
from limelens.targets.reading import check_names, rows

_MEASURES = ("mean", "dice", "iou")


@dataclass(frozen=True, eq=False)
class MaskScores:
    """A segmenter as a model with one score per region; see `mask_scores`.

    Parameters
    ----------
    segment : callable
    classes : tuple of int
        The class of each region.
    masks : tuple of (ndarray of bool or None)
        Pixels of each region; None for the pixels in which the model sees the class in the intact
        image.
    channel_axis : int
        Where the classes are in an answer: 1 or -1.
    measure : str
    class_names : tuple of str
        Names of the score columns.
    """

    segment: Callable[[Batch], Any]
    classes: tuple[int, ...]
    masks: tuple[NDArray[np.bool_] | None, ...]
    channel_axis: int
    measure: str
    class_names: tuple[str, ...]

    gives_probabilities: ClassVar[bool] = False

    def __call__(self, batch: Batch) -> Floats:
        """Score a batch `(n, *image.shape)`: `(n, t)`."""
        masks = [mask for mask in self.masks if mask is not None]
        if len(masks) < len(self.masks):
            raise InvalidInputError(
                "`regions` with None for a mask need the intact image, which explainers give. "
                "Elsewhere call mask_scores(...).for_image(image) first."
            )
        maps = self._maps(batch)
        for mask in masks:
            if mask.shape != maps.shape[2:]:
                raise PredictionError(
                    f"`regions` has a mask of shape {mask.shape}, `segment` returned maps of shape "
                    f"{maps.shape[2:]}. Give masks of that shape, or let `segment` resize its maps."
                )
        if self.measure == "mean":
            columns = [
                maps[:, c][:, m].mean(axis=1) for c, m in zip(self.classes, masks, strict=True)
            ]
        else:
            found = maps.argmax(axis=1)
            columns = [
                self._overlap(found == c, m) for c, m in zip(self.classes, masks, strict=True)
            ]
        return np.stack(columns, axis=1).astype(np.float64)

    def for_image(self, image: Image) -> "MaskScores":
        """Return the same model with each None replaced by the model's own mask of an image.

        Raises
        ------
        InvalidInputError
            If the model does not see the class anywhere in the image.
        """
        if all(mask is not None for mask in self.masks):
            return self
        found = self._maps(np.array(image)[np.newaxis]).argmax(axis=1)[0]
        masks = [
            found == c if mask is None else mask
            for c, mask in zip(self.classes, self.masks, strict=True)
        ]
        for c, mask in zip(self.classes, masks, strict=True):
            if not mask.any():
                raise InvalidInputError(
                    f"`regions` asks for the model's own mask of class {c}, which it sees nowhere "
                    f"in the intact image. It sees the classes {np.unique(found).tolist()}; ask "
                    f"for one of them, or give a mask: ({c}, mask)."
                )
        return replace(self, masks=tuple(masks))

    def _maps(self, batch: Batch) -> NDArray[Any]:
        """Return the dense answer as `(n, k, *spatial)`."""
        want = "scores (n, k, H, W)" if self.channel_axis == 1 else "scores (n, H, W, k)"
        answer = rows("`segment`", self.segment(batch), len(batch), want, ndim=(3, 4, 5))
        if answer.ndim == 3:
            raise PredictionError(
                f"`segment` must return {want}; got {describe(answer)}. Of label maps make scores: "
                "(labels[:, None] == np.arange(k)[:, None, None])."
            )
        maps = np.moveaxis(answer, self.channel_axis, 1)
        if max(self.classes) >= maps.shape[1]:
            raise InvalidInputError(
                f"`regions` asks for class {max(self.classes)}; `segment` returned scores of "
                f"{maps.shape[1]} classes, numbered from 0, along axis {self.channel_axis}. "
                "Classes along the last axis need channel_axis=-1."
            )
        own = self.measure != "mean" or any(mask is None for mask in self.masks)
        if maps.shape[1] == 1 and own:
            raise PredictionError(
                "`segment` must return scores of at least two classes for the model's own mask; "
                "got one. Of a single probability p make two: np.concatenate([1 - p, p], axis="
                f"{self.channel_axis})."
            )
        return maps

    def _overlap(self, found: NDArray[np.bool_], mask: NDArray[np.bool_]) -> Floats:
        """Return the overlap of the pixels found, (n, *spatial), with a region: (n,)."""
        both = found[:, mask].sum(axis=1)
        sizes = found.reshape(len(found), -1).sum(axis=1) + mask.sum()
        return np.asarray(2 * both / sizes if self.measure == "dice" else both / (sizes - both))


def mask_scores(
    segment: Callable[[Batch], Any],
    regions: Sequence[tuple[int, ArrayLike | None]],
    *,
    channel_axis: int = 1,
    measure: str = "mean",
    names: Sequence[str] | None = None,
) -> MaskScores:
    r"""Explain a segmenter: make it a model with one score per region.

    Parameters
    ----------
    segment : callable
        From `(n, *image.shape)` to the scores of every class at every pixel, `(n, k, H, W)` or
        `(n, H, W, k)`; volumes have one more axis.
    regions : sequence of (int, mask)
        Pairs of a class and its mask, which is bool and has the maps' shape. None instead of a mask
        takes all pixels in which the class has the highest score in the intact image.
    channel_axis : {1, -1}
        Where the classes are.
    measure : {"mean", "dice", "iou"}
        "mean" is the mean score of the class inside the mask. The others measure how well the
        pixels in which the class has the highest score agree with the mask.
    names : sequence of str, optional
        Names of the score columns.

    Returns
    -------
    MaskScores
        A `predict_fn` with scores (n, t). If a mask is None, explaining shows the model the intact
        image once more; without an explainer, call its `for_image(image)` first.

    Raises
    ------
    InvalidInputError
        If an argument cannot be used; when called, if a class does not exist or is seen nowhere.
    PredictionError
        When called, if the answer of `segment` is not scores for every pixel.

    Notes
    -----
    With R the region and S the pixels in which the class wins, "dice" is
    :math:`2 |R \cap S| / (|R| + |S|)` and "iou" is :math:`|R \cap S| / |R \cup S|`. Only "mean"
    uses how certain the model is; prefer it, unless your question is about the shape of the answer.

    Examples
    --------
    A segmenter of two classes, dark and bright, and the bright region of an image:

    >>> def segment(batch):
    ...     return np.stack([1 - batch, batch], axis=1)
    >>> image = np.array([[0.9, 0.8, 0.1]])
    >>> model = mask_scores(segment, [(1, [[True, True, False]])])
    >>> model(np.array([image, image * [1, 0, 1]])).round(2)
    array([[0.85],
           [0.45]])
    >>> mask_scores(segment, [(1, None)], measure="iou").for_image(image)(np.array([image / 2]))
    array([[0.]])
    """
    check_model("segment", segment, "scores of every pixel")
    axis = check_choice("channel_axis", channel_axis, (1, -1))
    check_choice("measure", measure, _MEASURES)
    pairs = _check_regions(regions)
    classes = tuple(c for c, _ in pairs)
    return MaskScores(
        segment=segment,
        classes=classes,
        masks=tuple(mask for _, mask in pairs),
        channel_axis=axis,
        measure=measure,
        class_names=check_names(
            names, lambda: [f"region {i}: class {c}" for i, c in enumerate(classes)], len(pairs)
        ),
    )


def _check_regions(regions: object) -> list[tuple[int, NDArray[np.bool_] | None]]:
    is_list = isinstance(regions, Sequence) and not isinstance(regions, str)
    if not is_list or not len(regions):  # type: ignore[arg-type]
        raise InvalidInputError(
            f"`regions` must be a list of pairs (class, mask); got {describe(regions)}."
        )
    pairs = []
    for each in regions:  # type: ignore[attr-defined]
        if not isinstance(each, (tuple, list)) or len(each) != 2:
            raise InvalidInputError(
                f"`regions` must hold pairs (class, mask); got {describe(each)}. For the model's "
                "own mask of a class pass [(class, None)]."
            )
        pairs.append((check_int("regions", each[0], minimum=0), _check_mask(each[1])))
    return pairs


def _check_mask(mask: object) -> NDArray[np.bool_] | None:
    if mask is None:
        return None
    array = check_numeric("regions", mask)
    if array.dtype != np.bool_ and not np.isin(array, (0, 1)).all():
        raise InvalidInputError(
            f"`regions` must have masks of True and False; got {describe(array)} from "
            f"{array.min():g} to {array.max():g}. Of a label image take labels == label."
        )
    if array.ndim < 2 or not array.any():
        raise InvalidInputError(
            f"`regions` must have masks with some pixels in them; got {describe(array)}."
        )
    return array.astype(np.bool_)
