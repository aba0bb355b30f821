"""lime's image explainer: the interface of `lime.lime_image` on top of this library."""

import importlib.util
import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._checks.images import check_unmasked_labels
from limelens._checks.values import check_int, check_unmasked
from limelens._statistics import is_still
from limelens._typing import Batch, Floats, Image, Scores
from limelens.compat import lime_base
from limelens.compat.image_explanation import ImageExplanation, Run
from limelens.compat.lime_base import LimeBase, is_overridden
from limelens.compat.perturbation import (
    Scorer,
    consecutive,
    hidden_image,
    kept_segments,
    label_ids,
    masked_batches,
    segment_image,
)
from limelens.compat.scikit_image import SegmentationAlgorithm
from limelens.compat.selection import check_method
from limelens.engine.progress import Reporter
from limelens.errors import warn

__all__ = ["ImageExplanation", "LimeImageExplainer"]


class LimeImageExplainer:
    """Explains a classifier's answer for an image, with lime's arguments and lime's numbers.

    Segments, masks, weights, scores and pictures equal those of lime 0.2.0.1 within 1e-10. Where
    lime fails or is silently wrong, the result differs, and a `LimelensWarning` says so:

    - Segments may have any ids, which `segments` and `local_exp` keep. lime never hides a segment
      whose id is not a column number, such as the last one where ids start at 1.
    - Segments of weight zero are not painted.
    - Grey images `(H, W, 1)`, RGBA and other channels work, and so does one score for each image.
    - ``negative_only=True`` works without ``positive_only=False``.

    Parameters
    ----------
    kernel_width : float
        Width of the exponential kernel over the distance to the intact image.
    kernel : callable, optional
        `(distances, kernel_width=...) -> weights`, in place of the exponential kernel.
    verbose : bool
        Whether to print intercept, local prediction and score of every label.
    feature_selection : str
        "auto", "none", "forward_selection", "highest_weights" or "lasso_path".
    random_state : int, numpy.random.RandomState or None
        Source of random numbers. It advances with every explanation. None is NumPy's global state.
    strict_lime : bool
        Whether to fail or be silently wrong exactly where lime is.

    Raises
    ------
    InvalidInputError
        If there is no such feature selection.

    Examples
    --------
    The score is the mean of the right half, so only that half matters. The ridge penalty shrinks
    its weight:

    >>> image = np.full((4, 8, 3), 200, dtype=np.uint8)
    >>> def classifier_fn(batch):
    ...     return batch[:, :, 4:].mean(axis=(1, 2, 3))[:, np.newaxis] / 255
    >>> explanation = LimeImageExplainer(random_state=0).explain_instance(
    ...     image, classifier_fn, hide_color=0, num_samples=100, progress_bar=False,
    ...     segmentation_fn=lambda image: np.repeat([[0, 1]], 4, axis=0).repeat(4, axis=1))
    >>> [(int(segment), round(float(weight), 2)) for segment, weight in explanation.local_exp[0]]
    [(1, 0.69), (0, -0.02)]
    """

    def __init__(
        self,
        kernel_width: float = 0.25,
        kernel: Callable[..., Floats] | None = None,
        verbose: bool = False,  # noqa: FBT001, FBT002 - lime's signature
        feature_selection: str = "auto",
        random_state: Any = None,
        *,
        strict_lime: bool = False,
    ) -> None:
        self.kernel_width = float(kernel_width)
        self.kernel = kernel
        self.feature_selection = check_method(feature_selection)
        self.strict_lime = strict_lime
        kernel_fn = partial(kernel or exponential, kernel_width=self.kernel_width)
        self.base = lime_base.LimeBase(kernel_fn, verbose, random_state)
        self.random_state = self.base.random_state

    def explain_instance(
        self,
        image: Image,
        classifier_fn: Callable[[Batch], Any],
        labels: Sequence[int] = (1,),
        hide_color: Any = None,
        top_labels: int | None = 5,
        num_features: int = 100000,
        num_samples: int = 1000,
        batch_size: int | None = 10,
        segmentation_fn: Callable[[Image], Any] | None = None,
        distance_metric: str = "cosine",
        model_regressor: Any = None,
        random_seed: int | None = None,
        progress_bar: bool = True,  # noqa: FBT001, FBT002
    ) -> ImageExplanation:
        """Explain the classifier's scores of one image.

        Memory is O(batch_size · image + num_samples · (d + k)) numbers for d segments and k scores.

        Parameters
        ----------
        image : ndarray, shape (H, W, C) or (H, W)
            An image without channels becomes RGB before the classifier sees it.
        classifier_fn : callable
            `(b, H, W, C)` in the image's dtype -> scores `(b, k)`.
        labels : sequence of int
            Score columns to explain. They are ignored if `top_labels` is given.
        hide_color : number or sequence of one per channel, optional
            Colour of hidden segments. None is the mean colour of each segment.
        top_labels : int, optional
            Explain this many labels, those with the highest scores.
        num_features : int
            Largest number of segments in the linear model of a label.
        num_samples : int
            Images that the classifier sees, the intact one first.
        batch_size : int or None
            Images in one call of the classifier. None is all of them, which takes much memory.
        segmentation_fn : callable, optional
            `image -> label image`. None is quickshift with lime's settings.
        distance_metric : str
            Distance of masks to the intact one, by its name in scikit-learn's
            `pairwise_distances`.
        model_regressor : scikit-learn regressor, optional
            Fitted in place of ``Ridge(alpha=1)``, anew for every label.
        random_seed : int, optional
            If given, no seed is drawn from `random_state` before the masks. It has no other
            effect: quickshift has a fixed seed of its own in scikit-image, as in lime today.
        progress_bar : bool
            Whether to show a tqdm bar if tqdm is installed.

        Returns
        -------
        ImageExplanation

        Raises
        ------
        InvalidInputError
            An argument cannot be used; the message says what would work.
        PredictionError
            The classifier's answer cannot be used.
        """
        image = _as_lime_image(image)
        labelled = self._segment(image, segmentation_fn, random_seed)
        segments = consecutive(labelled, image, strict=self.strict_lime)
        hidden = hidden_image(image, segments, hide_color, strict=self.strict_lime)
        labels = list(labels)
        scorer = Scorer(classifier_fn, () if top_labels else labels, strict=self.strict_lime)
        data, scores = self._show(
            image, hidden, segments, scorer, num_samples, batch_size, progress_bar=progress_bar
        )
        explanation = ImageExplanation(image, labelled, strict_lime=self.strict_lime)
        explanation.run = self._run(hidden, labelled, segments, data, scores)
        if top_labels:
            labels = _choose(explanation, scores[0], top_labels)
        fits = self._fit(data, scores, distance_metric, labels, num_features, model_regressor)
        _store(explanation, scores, labels, fits)
        return explanation

    def data_labels(
        self,
        image: Image,
        fudged_image: Image,
        segments: NDArray[Any],
        classifier_fn: Callable[[Batch], Any],
        num_samples: int,
        batch_size: int | None = 10,
        progress_bar: bool = True,  # noqa: FBT001, FBT002
    ) -> tuple[NDArray[np.int64], Scores]:
        """Show randomly masked images to the classifier.

        Parameters
        ----------
        image, fudged_image : ndarray, shape (H, W, C)
            The image, and the image that shows in place of hidden segments.
        segments : ndarray, shape (H, W)
        classifier_fn : callable
        num_samples, batch_size, progress_bar
            See `explain_instance`.

        Returns
        -------
        data : ndarray of int, shape (num_samples, d)
            1 where a segment was kept. The intact image comes first.
        labels : ndarray, shape (num_samples, k)
            Scores.
        """
        image = np.asarray(image)
        check_unmasked_labels("segments", segments)
        segments = consecutive(np.asarray(segments), image, strict=self.strict_lime)
        num_samples = check_int("num_samples", num_samples, minimum=1)
        size = num_samples if batch_size is None else batch_size
        size = check_int("batch_size", size, minimum=1)
        ids = label_ids(segments)
        data = self.random_state.randint(0, 2, num_samples * len(ids)).reshape(num_samples, -1)
        data[0, :] = 1
        scorer = classifier_fn
        if not isinstance(scorer, Scorer):
            scorer = Scorer(classifier_fn, strict=self.strict_lime)
        kept = kept_segments(data, ids)
        scores: list[Scores] = []
        with Reporter(bool(progress_bar) and _has_tqdm()) as reporter:
            done = 0
            for batch in masked_batches(image, fudged_image, segments, kept, size):
                scores.append(np.array(scorer(batch)))  # a copy: models may reuse their buffer
                done += len(batch)
                reporter.report(done, num_samples)
        return data, np.concatenate(scores)

    def _segment(
        self,
        image: Image,
        segmentation_fn: Callable[[Image], Any] | None,
        random_seed: int | None,
    ) -> NDArray[Any]:
        if random_seed is None:
            self.random_state.randint(0, high=1000)  # unused, but lime draws it before the masks
        if segmentation_fn is None:
            segmentation_fn = SegmentationAlgorithm(
                "quickshift", kernel_size=4, max_dist=200, ratio=0.2
            )
        return segment_image(image, segmentation_fn, strict=self.strict_lime)

    def _show(
        self,
        image: Image,
        hidden: Image,
        segments: NDArray[Any],
        scorer: Scorer,
        num_samples: int,
        batch_size: int | None,
        *,
        progress_bar: bool,
    ) -> tuple[NDArray[Any], Scores]:
        """Call `data_labels`; a subclass written for lime's release has no `progress_bar`."""
        given = (image, hidden, segments, scorer, num_samples)
        named: dict[str, Any] = {"batch_size": batch_size, "progress_bar": progress_bar}
        try:
            inspect.signature(self.data_labels).bind(*given, **named)
        except TypeError:
            del named["progress_bar"]
        data, scores = self.data_labels(*given, **named)
        return np.asarray(data), np.asarray(scores)

    def _fit(
        self,
        data: NDArray[Any],
        scores: Scores,
        distance_metric: str,
        labels: Sequence[int],
        num_features: int,
        model_regressor: Any,
    ) -> Iterable[lime_base.LocalFit]:
        """Return the fit of each label by `base`, which the caller may have replaced."""
        distances, method = _distances(data, distance_metric), self.feature_selection
        fit_one = "explain_instance_with_data"
        if isinstance(self.base, LimeBase) and not is_overridden(self.base, LimeBase, fit_one):
            return self.base.explain_labels(
                data,
                scores,
                distances,
                labels,
                num_features,
                feature_selection=method,
                model_regressor=model_regressor,
            )
        return (
            self.base.explain_instance_with_data(
                data,
                scores,
                distances,
                label,
                num_features,
                model_regressor=model_regressor,
                feature_selection=method,
            )
            for label in labels
        )

    def _run(
        self,
        hidden: Image,
        labelled: NDArray[Any],
        segments: NDArray[Any],
        data: NDArray[Any],
        scores: Scores,
    ) -> Run:
        return Run(
            background=hidden,
            ids=label_ids(labelled),
            coalitions=kept_segments(data, label_ids(segments)),
            scores=scores,
            explainer=(
                f"LimeImageExplainer(kernel_width={self.kernel_width:g}, "
                f"feature_selection={self.feature_selection!r}, num_samples={len(data)})"
            ),
        )


def exponential(d: Floats, kernel_width: float) -> Floats:
    """Return lime's weights of distances."""
    weights: Floats = np.sqrt(np.exp(-(d**2) / kernel_width**2))
    return weights


def _as_lime_image(image: Any) -> Image:
    """Return the image as an array, with three equal channels if it has none."""
    check_unmasked("image", image)
    array = np.asarray(image)
    return np.stack([array] * 3, axis=-1) if array.ndim == 2 else array


def _distances(data: NDArray[Any], metric: str) -> Floats:
    """Return the distance of every row to the first, rounded as in lime by scikit-learn."""
    from sklearn.metrics import pairwise_distances  # noqa: PLC0415

    distances: Floats = pairwise_distances(data, data[0].reshape(1, -1), metric=metric).ravel()
    return distances


def _choose(explanation: ImageExplanation, scores: Scores, n: int) -> list[Any]:
    """Return the `n` labels of highest score in the order of lime's fits, the highest last."""
    rising = np.argsort(scores)[-n:].tolist()
    explanation.top_labels = rising[::-1]
    return rising


def _store(
    explanation: ImageExplanation,
    scores: Scores,
    labels: Sequence[Any],
    fits: Iterable[lime_base.LocalFit],
) -> None:
    still = [str(label) for label in labels if is_still(scores[:, [label]])]
    if still and not explanation.strict_lime:
        warn(
            f"`classifier_fn` never changed its score of label {', '.join(still)}: there is "
            "nothing to explain. Try another label, hide_color or segmentation_fn."
        )
    for each, fit in zip(labels, fits, strict=True):
        label = int(each) if isinstance(each, Integral) else each  # a key that JSON takes
        explanation.intercept[label], pairs, score, explanation.local_pred[label] = fit
        explanation.local_exp[label] = _with_ids(explanation, pairs)
        explanation.score[label] = float(score)


def _with_ids(
    explanation: ImageExplanation, pairs: Sequence[tuple[Any, Any]]
) -> list[tuple[Any, Any]]:
    """Return weights with the caller's segment ids in place of column numbers."""
    if explanation.strict_lime:
        return list(pairs)
    ids = label_ids(explanation.segments).astype(np.int64)  # the type of lime's own ids
    return [(ids[column] if column < len(ids) else column, weight) for column, weight in pairs]


def _has_tqdm() -> bool:
    return importlib.util.find_spec("tqdm") is not None
