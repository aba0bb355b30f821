"""`Explainer.explain`, the one verb, and the `Attribution` that a method returns to it."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from limelens._checks.bands import pillow_bands
from limelens._checks.images import check_native_image
from limelens._checks.models import check_model
from limelens._checks.strategies import check_fill, check_segmenter
from limelens._checks.values import check_rng
from limelens._statistics import predicted_correlation
from limelens._typing import (
    Background,
    ClassNames,
    Fill,
    Floats,
    Image,
    PredictFn,
    Progress,
    Seed,
    Segmenter,
    Segments,
    Valid,
)
from limelens.engine.batches import BatchSize
from limelens.engine.coarseness import warn_of_coarse_scores
from limelens.engine.progress import Reporter
from limelens.engine.query import Query
from limelens.engine.rounding import SMALLEST_CHANGE
from limelens.engine.samples import attach_samples
from limelens.errors import warn
from limelens.fills.background import ask_segmenter, hide_behind
from limelens.fills.simple import ImageMean
from limelens.results.explanation import Explanation
from limelens.segmenting.superpixels import Slic
from limelens.surrogates.fit import Fit
from limelens.targets.columns import Target


@dataclass(frozen=True, eq=False)
class Attribution:
    """Result of a method: its own part of an `Explanation`.

    Parameters
    ----------
    importances : ndarray, shape (t, d) or (t, *spatial)
    standard_errors : ndarray of the same shape, optional
    fidelity, reliability : ndarray, shape (t,), optional
    details : dict
        Storable extras: numbers, strings, bools, lists, dicts, arrays.
    """

    importances: Floats
    standard_errors: Floats | None = None
    fidelity: Floats | None = None
    reliability: Floats | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Explainer:
    """Base of all explainers: frozen settings with one verb, `explain`.

    `of_differences` says that importances are weighted means of differences of two answers;
    `shares_a_change` that they share out the change from the hidden to the intact image, with error
    bars that know nothing of the noise of these two answers.

    A method overrides `_attribute(query, rng) -> Attribution`, and where it needs to
    `_segment`, `_background`, `_check_budget` and `_mask_kind`.
    """

    of_differences: ClassVar[bool] = False
    shares_a_change: ClassVar[bool] = False

    def explain(
        self,
        image: ArrayLike,
        predict_fn: PredictFn,
        *,
        target: Target = None,
        channel_axis: int | None = -1,
        class_names: ClassNames = None,
        valid: ArrayLike | None = None,
        batch_size: BatchSize = "auto",
        in_flight: int = 1,
        rng: Seed = None,
        progress: Progress = None,
        reuse: Any = None,
    ) -> Explanation:
        """Explain the model's answer on one image.

        Memory is O(batch_size · image + n_samples · (d / 8 + k)) bytes for d segments and k
        scores per image, and for as many batches as are in flight. A batch holds at most
        `batch_size` images; one whose size is found by itself also at most about 16 MiB.

        Parameters
        ----------
        image : array_like, shape (H, W), (H, W, C), (C, H, W), (D, H, W) or (D, H, W, C)
            Any real dtype; never modified. A 2-D image has no channel axis, whatever
            `channel_axis` says.
        predict_fn : callable
            Takes `(n, *image.shape)` in the image's own dtype and layout, and returns scores
            `(n, k)` or `(n,)`: probabilities, logits, regressions.
        target : None, int, str, sequence of these, Top or callable
            What is explained: the highest score of the intact image, score columns or their
            `class_names`, the `k` highest, or a function of the scores `(n, k)` returning `(n,)`
            or `(n, t)`.
        channel_axis : int or None
            Where the channels are; None for a volume without channels.
        class_names : sequence of str or mapping from int to str, optional
            Names of the score columns; None takes the model's own `class_names`, if it has any. A
            column without a name, or with an empty one, is called by its number.
        valid : array_like of bool, shape (*spatial,), optional
            True where pixels count: False for padding, no-data, all outside a region of interest.
            Pixels that do not count are never hidden, get the importance 0, and may be NaN; the
            model sees them as they are, fills and segmenters see the mean of the others instead.
        batch_size : int or "auto"
            Most images in one call of the model. "auto" begins with few, times the first calls and
            goes on with the size at which an image takes the least time. Importances do not depend
            on it, except for the last digits of a network's own rounding;
            ``details["batch_size"]`` tells the size.
        in_flight : int
            How many batches may be under way at once, each in a thread of its own; for models that
            may be called from several threads and are slow to answer.
        rng : int, numpy.random.Generator or None
            The same seed gives the same answer, whatever the batch size.
        progress : None, bool or callable
            True shows a tqdm bar (extra `progress`); a callable gets `(done, total)` images.
        reuse : Explanation or Samples, optional
            Rows of the same image, segments and background that were already scored; they
            are not sent to the model again.

        Returns
        -------
        Explanation

        Raises
        ------
        InvalidInputError
            If an argument cannot be used; the message says what would work.
        PredictionError
            If the model's answer cannot be used. This error, and any exception of the model
            itself, has the rows already paid for as `error.samples`; pass them to `reuse`. With
            several backgrounds a row is paid for when all of them have been scored.
        """
        picture, axis, where = check_native_image(image, channel_axis, valid)
        check_model("predict_fn", predict_fn)
        generator, query = check_rng(rng), None
        segments, details, backgrounds = self._prepare(picture, axis, where)
        try:  # no context: an interrupt may come while one is left
            with Reporter(progress) as reporter:
                query = Query(
                    picture,
                    axis,
                    predict_fn,
                    backgrounds,
                    segments,
                    mask_kind=self._mask_kind(),
                    target=target,
                    class_names=class_names,
                    batch_size=batch_size,
                    in_flight=in_flight,
                    report=reporter.report,
                    reuse=reuse,
                    valid=where,
                )
                return self._explained(query, generator, details | _shown(image))
        except BaseException as error:
            attach_samples(error, query)
            raise

    def _attribute(self, query: Query, rng: np.random.Generator) -> Attribution:
        """Ask the query and return importances; the method itself."""
        raise TypeError(f"{type(self).__name__} does not say how it attributes")

    def _explained(
        self, query: Query, rng: np.random.Generator, details: dict[str, Any]
    ) -> Explanation:
        return self._explanation(query, self._judged(query, rng), details)

    def _judged(self, query: Query, rng: np.random.Generator) -> Attribution:
        """Return the method's own result, less what is rounding, with the noise of the answers."""
        attribution = self._attribute(query, rng)
        query.finish()
        known = _without_rounding(query, attribution)
        moved, steps = query.rounding()
        is_told = "steps of the model's rounding" in str(known.details.get("message"))
        if steps.any() and not is_told:
            values = query.values(query.samples().scores)
            warn_of_coarse_scores(values, steps, query.target_names)
        details = {"rounding": moved} | known.details
        return self._with_noise(query, replace(known, details=details))

    def _prepare(
        self, image: Image, channel_axis: int | None, valid: Valid
    ) -> tuple[Segments | None, dict[str, Any], Background]:
        """Return segments, their entries in `details` and backgrounds, before anything is paid."""
        segments, details = self._segment(image, channel_axis, valid)
        self._check_budget(0 if segments is None else int(segments.max()) + 1)
        return segments, details, self._background(image, channel_axis, segments, valid)

    def _segment(
        self, image: Image, channel_axis: int | None, valid: Valid
    ) -> tuple[Segments | None, dict[str, Any]]:
        """Return the segments, -1 outside `valid`, and their entries in `details`."""
        return None, {}

    def _check_budget(self, n_segments: int) -> None:
        """Refuse settings that cannot work before anything is paid for."""

    def _mask_kind(self) -> str:
        """Return a name for the meaning of the method's keys; rows of others are not reused."""
        return "coalitions"

    def _background(
        self, image: Image, channel_axis: int | None, segments: Segments | None, valid: Valid
    ) -> Background:
        """Return the backgrounds, which are the image outside `valid`."""
        raise TypeError(f"{type(self).__name__} does not say what hides a pixel")

    def _with_noise(self, query: Query, attribution: Attribution) -> Attribution:
        """Say in details, and in error bars, how much the model's answers differ at random."""
        pairs = query.second_look.pairs
        if not pairs:
            return attribution
        # Two answers to one image differ by sqrt(2) standard deviations of a single one.
        differences = np.stack([np.subtract(*query.values(pair)) for pair in pairs])
        noise = np.sqrt((differences**2).mean(axis=0) / 2)
        details = attribution.details | {"answer_noise": noise}
        errors = attribution.standard_errors
        each = np.sqrt(2) * noise.reshape((-1,) + (1,) * (attribution.importances.ndim - 1))
        if errors is None and self.of_differences:
            # A weighted mean of differences of two answers errs by at most this.
            errors = np.zeros(attribution.importances.shape) + each
        elif errors is not None and self.shares_a_change:
            errors = np.hypot(errors, each / errors[0].size)
        return replace(attribution, details=details, standard_errors=errors)

    def _explanation(
        self, query: Query, attribution: Attribution, details: dict[str, Any]
    ) -> Explanation:
        return Explanation(
            image=query.image.copy(),  # the caller's array may change, the explanation may not
            valid=query.valid,
            importances=only_where(query.valid, attribution.importances),
            standard_errors=only_where(query.valid, attribution.standard_errors),
            segments=query.segments,
            targets=query.targets,
            target_names=query.target_names,
            scores=query.intact_scores,
            hidden_scores=query.hidden_scores,
            target_values=np.stack(query.ends(), axis=1),
            fidelity=attribution.fidelity,
            reliability=attribution.reliability,
            n_predictions=query.n_predictions,
            samples=query.samples(),
            channel_axis=query.channel_axis,
            explainer=repr(self),
            details=details | {"batch_size": query.batch_size} | attribution.details,
            targets_are_columns=not query.columns.is_callable,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class FillExplainer(Explainer):
    """Base of the methods that hide pixels behind a fill.

    Parameters
    ----------
    fill : callable
        Function `(image, segments) -> background`: what hidden pixels are replaced with.
    """

    fill: Fill = field(default_factory=ImageMean)

    def __post_init__(self) -> None:
        check_fill("fill", self.fill)

    def _background(
        self, image: Image, channel_axis: int | None, segments: Segments | None, valid: Valid
    ) -> Background:
        return hide_behind(self.fill, image, channel_axis, segments, valid=valid)


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentExplainer(FillExplainer):
    """Base of the methods that keep and hide whole segments.

    Parameters
    ----------
    segmenter : callable
        Function `image -> label image`; any integer labels.
    fill : callable
        What hidden segments are replaced with.
    """

    segmenter: Segmenter = field(default_factory=Slic)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_segmenter(self.segmenter)

    def _segment(
        self, image: Image, channel_axis: int | None, valid: Valid
    ) -> tuple[Segments | None, dict[str, Any]]:
        segments, ids = ask_segmenter(self.segmenter, image, channel_axis, valid)
        return segments, {"segment_ids": ids}


def _shown(image: object) -> dict[str, Any]:
    """Return the entry of `details` that says how pictures show the image, if the image said so."""
    bands = pillow_bands(image)
    return {} if bands is None else {"bands": list(bands)}


def only_where(valid: Valid, maps: Floats | None) -> Any:
    """Return maps `(t, *spatial)` that are zero outside `valid`; others as they are."""
    if valid is None or maps is None or maps.shape[1:] != valid.shape:
        return maps
    return np.where(valid, maps, 0.0)


def fit_reliability(importances: Floats, fit: Fit) -> Floats | None:
    """Return the predicted correlation of fitted importances; None without standard errors."""
    if fit.standard_errors is None:
        return None
    return predicted_correlation(importances, fit.standard_errors, shrunken=fit.shrunken)


def _without_rounding(query: Query, attribution: Attribution) -> Attribution:
    """Return zeros, with a warning, for targets that never changed by more than rounding."""
    still = np.flatnonzero(query.constant_targets())
    if not len(still):
        return attribution
    largest = float(np.ptp(query.values(query.samples().scores), axis=0)[still].max())
    names = ", ".join(query.target_names[row] for row in still)
    much = f" by more than rounding ({largest:.1g})" if largest > 0 else ""
    warn(
        f"the score of target {names} never changed{much} over the masked images: there is nothing "
        f"to attribute. {_cure(query, still, largest)}"
    )
    zeroed: dict[str, Any] = {"importances": _zeroed(attribution.importances, still)}
    if attribution.standard_errors is not None and much:
        zeroed["standard_errors"] = _zeroed(attribution.standard_errors, still)
    for name in ("fidelity", "reliability"):
        if (known := getattr(attribution, name)) is not None and much:
            zeroed[name] = known.copy()
            zeroed[name][still] = np.nan
    return replace(attribution, **zeroed)


_END = 1e-6  # a probability is as near to 0 or 1 where float32 has no room to move


def _cure(query: Query, still: NDArray[np.intp], largest: float) -> str:
    """Return what helps against targets that change by at most `largest`."""
    values = query.ends()[0][still]
    if largest == 0:
        ends = np.minimum(np.abs(values), np.abs(1 - values))
        logits = "If it is a probability at its end, let `predict_fn` return logits. "
        return f"{logits if (ends < _END).any() else ''}Try another target, fill or segmenter."
    if largest < SMALLEST_CHANGE:
        return "So small numbers cannot be squared: multiply the scores by a large one."
    if query.columns.is_callable or ((values < 0) | (values > 1)).any():
        return "Let `predict_fn` compute in float64, or leave out a constant that all scores share."
    return f"Explain target=limelens.log_odds({query.targets[still[0]]}), or logits."


def _zeroed(values: Floats, rows: NDArray[np.intp]) -> Floats:
    zeroed = values.copy()
    zeroed[rows] = 0.0
    return zeroed
