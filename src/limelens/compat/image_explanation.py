"""The result of `lime.lime_image` for one image, and its conversion to an `Explanation`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._typing import ClassNames, Coalitions, Floats, Image, Scores
from limelens.compat.per_label import PerLabel
from limelens.engine.class_names import check_class_names
from limelens.engine.samples import Samples, fingerprint
from limelens.errors import InvalidInputError, warn
from limelens.results.explanation import Explanation

RED, GREEN = 0, 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """The masked images that the model saw, and its answers; kept for `as_limelens`.

    Attributes
    ----------
    background : ndarray, shape (*image.shape,)
        Image that shows in place of hidden segments.
    ids : ndarray, shape (d,)
        The segments' labels in rising order.
    coalitions : ndarray of bool, shape (n, d)
        True where a segment was kept; one column for each id.
    scores : ndarray, shape (n, k)
    explainer : str
    """

    background: Image
    ids: NDArray[Any]
    coalitions: Coalitions
    scores: Scores
    explainer: str


class ImageExplanation:
    """Weights of the segments of one image for some labels, as lime returns them.

    Parameters
    ----------
    image : ndarray, shape (H, W, C)
        The image as the model saw it.
    segments : ndarray, shape (H, W)
        Label image with the ids of `local_exp`.
    strict_lime : bool
        Whether pictures and errors are exactly those of lime.

    Attributes
    ----------
    intercept : dict
        Label -> intercept of its linear model.
    local_exp : dict
        Label -> list of (segment id, weight), the largest absolute weight first.
    score, local_pred : PerLabel
        R² of each label's linear model in the sample, and its prediction for the image. Both are a
        mapping and a number at once, see `PerLabel`.
    top_labels : list of int
        The labels of highest score, the highest first. It exists only if `top_labels` was given.
    """

    top_labels: list[Any]

    def __init__(self, image: Image, segments: NDArray[Any], *, strict_lime: bool = False) -> None:
        self.image = image
        self.segments = segments
        self.strict_lime = strict_lime
        self.intercept: dict[Any, float] = {}
        self.local_exp: dict[Any, list[tuple[Any, Any]]] = {}
        self.score = PerLabel()
        self.local_pred = PerLabel()
        self.run: Run | None = None

    def get_image_and_mask(
        self,
        label: Any,
        positive_only: bool | None = None,  # noqa: FBT001 - lime's signature
        negative_only: bool = False,  # noqa: FBT001, FBT002
        hide_rest: bool = False,  # noqa: FBT001, FBT002
        num_features: int = 5,
        min_weight: float = 0.0,
    ) -> tuple[Image, NDArray[Any]]:
        """Return a picture of the strongest segments of a label, and a mask of them.

        Parameters
        ----------
        label : int
            One of the explained labels.
        positive_only : bool, optional
            Show only segments that raise the score. This is the default, unless `negative_only`.
        negative_only : bool
            Show only segments that lower the score. If both flags are False, segments that raise
            the score are painted green, and those that lower it red.
        hide_rest : bool
            Whether all other pixels are black. The picture then has the dtype float64.
        num_features : int
            Largest number of segments. With one of the flags, segments of the other sign or below
            `min_weight` are left out first. With both signs, those below `min_weight` are left
            out afterwards.
        min_weight : float
            Segments whose absolute weight is not larger are left out. With both signs, segments
            whose absolute weight is smaller.

        Returns
        -------
        image : ndarray, shape (H, W, C)
        mask : ndarray, shape (H, W)
            1 in the chosen segments, else 0. With both signs, -1 in segments that lower the
            score. It can be passed to `skimage.segmentation.mark_boundaries`.

        Raises
        ------
        KeyError
            If the label was not explained.
        ValueError
            If both flags are True.
        """
        if label not in self.local_exp:
            raise KeyError("Label not in explanation")
        positive_only = self._positive_only(positive_only, negative_only=negative_only)
        if positive_only and negative_only:
            raise ValueError("Positive_only and negative_only cannot be true at the same time.")
        weights = self.local_exp[label]
        canvas = np.zeros(self.image.shape) if hide_rest else self.image.copy()
        if not (positive_only or negative_only):
            strong = [pair for pair in weights[:num_features] if np.abs(pair[1]) >= min_weight]
            return self._paint(canvas, self._without_zeros(strong))
        sign = 1 if positive_only else -1
        wanted = [id_ for id_, weight in weights if sign * weight > max(0, min_weight)]
        where = np.isin(self.segments, wanted[:num_features])
        canvas[where] = self.image[where]
        mask = np.zeros(self.segments.shape, self.segments.dtype)
        mask[where] = 1
        return canvas, mask

    def as_limelens(self, *, class_names: ClassNames = None) -> Explanation:
        """Return the same explanation as an `Explanation`.

        Its `samples` hold the scores of every masked image. Explainers of the same segments and
        background use them with ``reuse=``. For this, pass
        ``segmenter=LabelImage(explanation.segments)`` and
        ``fill=Backgrounds([explanation.details["background"]])``.

        Parameters
        ----------
        class_names : sequence of str or mapping from int to str, optional
            Names of the score columns.

        Returns
        -------
        Explanation
            Importances are lime's weights, and 0 for segments that were not selected.
            `hidden_scores` are NaN unless one of the masked images hid everything. `details` holds
            ``intercepts``, ``training_fidelity``, ``segment_ids`` and ``background``.

        Raises
        ------
        InvalidInputError
            If the explanation does not come from `LimeImageExplainer.explain_instance`.
        """
        if self.run is None or not self.local_exp:
            raise InvalidInputError(
                "The explanation must come from LimeImageExplainer.explain_instance; this one "
                "holds no scores."
            )
        return _convert(self, self.run, class_names)

    def _positive_only(self, given: bool | None, *, negative_only: bool) -> bool:  # noqa: FBT001
        if given is not None:
            return bool(given)
        if not negative_only or self.strict_lime:
            return True
        warn(
            "`negative_only` alone: lime raises a ValueError because `positive_only` is True by "
            "default. Pass positive_only=False to say so in both."
        )
        return False

    def _without_zeros(self, pairs: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
        """Leave out segments of weight 0, which lime paints green."""
        if self.strict_lime:
            return pairs
        kept = [pair for pair in pairs if pair[1] != 0]
        if len(kept) < len(pairs):
            warn(
                f"{len(pairs) - len(kept)} of the segments have weight 0 and are not painted; lime "
                "paints them green. strict_lime=True does too."
            )
        return kept

    def _paint(self, canvas: Image, pairs: list[tuple[Any, Any]]) -> tuple[Image, NDArray[Any]]:
        """Paint segments that raise the score green, those that lower it red."""
        dtype, channels = self.segments.dtype, self.image.shape[-1]
        shown = self.image
        if not self.strict_lime:
            dtype = np.dtype(np.int64) if dtype.kind == "u" else dtype  # the mask holds -1
            if channels == 1:
                canvas, shown = (np.repeat(each, 3, axis=-1) for each in (canvas, shown))
        mask = np.zeros(self.segments.shape, dtype)
        for sign, channel in ((-1, RED), (1, GREEN)):
            where = np.isin(self.segments, [id_ for id_, w in pairs if (w < 0) == (sign < 0)])
            canvas[where] = shown[where]
            canvas[where, channel] = np.max(self.image)
            mask[where] = sign
        return canvas, mask


def _convert(lime: ImageExplanation, run: Run, class_names: ClassNames) -> Explanation:
    labels = list(getattr(lime, "top_labels", lime.local_exp))
    targets = tuple(int(label) % run.scores.shape[1] for label in labels)
    names = check_class_names(class_names, run.scores.shape[1])
    samples, segments = _samples(lime, run)
    hidden = run.scores[~run.coalitions.any(axis=1)][:1]
    return Explanation(
        image=lime.image,
        importances=np.stack([_importances(lime.local_exp[label], run.ids) for label in labels]),
        scores=run.scores[0],
        hidden_scores=hidden[0] if len(hidden) else np.full(run.scores.shape[1], np.nan),
        targets=targets,
        target_names=tuple(names[target] for target in targets),
        segments=segments,
        n_predictions=len(run.scores),
        samples=samples,
        channel_axis=None if lime.image.ndim == segments.ndim else lime.image.ndim - 1,
        explainer=run.explainer,
        details={
            "intercepts": np.array([lime.intercept[label] for label in labels], dtype=np.float64),
            "training_fidelity": np.array([lime.score[label] for label in labels]),
            "segment_ids": run.ids,
            "background": run.background,
        },
    )


def _importances(pairs: list[tuple[Any, Any]], ids: NDArray[Any]) -> Floats:
    """Return the weights in the order of the segments' ids, 0 where there is none."""
    weights = dict(pairs)
    return np.array([weights.get(id_, 0.0) for id_ in ids.tolist()], dtype=np.float64)


def _samples(lime: ImageExplanation, run: Run) -> tuple[Samples, NDArray[np.intp]]:
    """Return the distinct rows as samples, and the segments as `0..d-1`."""
    segments = np.searchsorted(run.ids, lime.segments).astype(np.intp, copy=False)
    keys = np.packbits(run.coalitions, axis=1)
    _, first = np.unique(keys, axis=0, return_index=True)
    rows = np.sort(first)
    samples = Samples(
        keys=keys[rows],
        scores=run.scores[rows],
        n_segments=len(run.ids),
        fingerprint=fingerprint(lime.image, segments, run.background[np.newaxis], "coalitions"),
    )
    return samples, segments
