"""One question to a model about many images, at a handful of calls for each."""

from collections.abc import Mapping, Sequence
from numbers import Integral
from os import PathLike
from typing import Any, Literal

import numpy as np

from limelens._checks.strategies import check_fill
from limelens._checks.values import check_int, check_number, check_rng, describe
from limelens._typing import ClassNames, Fill, Floats, PredictFn, Progress, Seed, Segmenter
from limelens.audits.conclusions import conclude
from limelens.audits.families import Family, families_of
from limelens.audits.gathering import Answered, Asking
from limelens.audits.losses import Losses
from limelens.audits.pooling import pooled_estimates
from limelens.audits.regions import Describe
from limelens.audits.result import Audit
from limelens.audits.sights import Sight, check_grid
from limelens.audits.sources import RegionSource, region_source
from limelens.audits.targets import OddsOf
from limelens.engine.batches import BatchSize, check_batch_size
from limelens.engine.model import as_model
from limelens.engine.progress import Reporter
from limelens.errors import InvalidInputError, add_note, warn
from limelens.fills.simple import ImageMean
from limelens.runs.models import loaded_model
from limelens.runs.reading import Named, named_images
from limelens.targets.of_scores import LogOdds

_BLOCKS = 8  # of the positions that the pooled regression knows


def audit(
    images: Any,
    predict_fn: PredictFn | str | PathLike[str],
    *,
    target: Any,
    labels: Any = None,
    label_names: Mapping[int, str] | None = None,
    calls_per_image: int = 8,
    descriptors: Describe | None = None,
    segmenter: Segmenter | None = None,
    fill: Fill | None = None,
    grid: int | tuple[int, int] = 16,
    level: float = 0.01,
    channel_axis: int | None = -1,
    class_names: ClassNames = None,
    batch_size: BatchSize = "auto",
    in_flight: int = 1,
    rng: Seed = 0,
    progress: Progress = None,
    on_error: Literal["record", "raise"] = "record",
) -> Audit:
    r"""Find what a class relies on, over many images, at a handful of calls for each.

    Every image is shown with a few complementary sets of its regions hidden. One regression over
    all images then says what the regions have in common that raise or lower the class: where they
    are, what they look like, or which of the caller's labels they have. For a class this costs far
    less than explaining the images one by one; a single image is left almost as unknown as before.

    Memory does not hold the images: about 4 KB and ``8 d (q + calls_per_image)`` bytes are kept of
    each, for d segments and q descriptors and blocks of the grid (at most 64).

    Parameters
    ----------
    images : iterable of array_like or path, mapping, folder or pattern
        Images of the class, of any size, as `explain_many` takes them: arrays (a list, a stack
        (n, H, W) or (n, H, W, C), a generator), paths, a folder, a pattern such as
        ``photos/*.jpg``, or a mapping from name to image. They should be a random sample of those
        that the answer is for.
    predict_fn : callable, path or str
        Takes `(n, *image.shape)` and returns scores `(n, k)` or `(n,)`; see `Explainer.explain`. Or
        the path of an ONNX file, or "module:function", as in `explain_many`.
    target : int, str or callable
        The class, a column or its name, whose probability becomes log-odds. A function of the
        scores, such as `margin(3)` or ``lambda scores: scores[:, 3]`` for logits, is taken as it
        is.
    labels : array_like of int, iterable of these, or callable, optional
        What the regions are: a label image for each image, one for all of them, or a function from
        a channels-last image to its label image. Without `segmenter` every label is one region.
        With `segmenter` its segments are described by the share of each label in them.
    label_names : mapping from int to str, optional
        Names of the labels.
    calls_per_image : int, optional
        Masked images for each image, even: the intact image, the one with everything hidden, and
        complementary pairs. All ``2^d`` are asked if these are not more. A fill with several
        backgrounds multiplies the calls.
    descriptors : callable, optional
        From a channels-last image and a region (bool, spatial shape) to what is known of it: a
        mapping from name to number, a vector, or a number. It takes the place of brightness,
        colour, texture, size and distance from the centre.
    segmenter : callable, optional
        What the regions are: `Slic()` by default, with `labels` these.
    fill : callable, optional
        What hidden regions are replaced with: `ImageMean()` by default.
    grid : int or (int, int), optional
        Cells of the common grid along height and width, on which images of any size are averaged.
    level : float, optional
        Probability that anything at all is found where there is nothing to find.
    channel_axis, class_names, batch_size, in_flight, progress
        See `Explainer.explain`.
    rng : int, numpy.random.Generator or None, optional
        The same seed and the same images give the same answer, whatever the batch size.
    on_error : {"record", "raise"}, optional
        What happens to an image that cannot be read, or on which the model fails: it is left out,
        with a warning, and stands in `failures` of the audit; or the exception ends the audit. If
        the first five images all fail, or fewer than two are left, it is raised in any case.

    Returns
    -------
    Audit

    Raises
    ------
    InvalidInputError
        If an argument cannot be used; a note names the image.
    PredictionError
        If the model's answer cannot be used.

    Notes
    -----
    The effect :math:`g_{ij}` of region j of image i is the mean change of the log-odds f when it is
    shown rather than hidden, over all sets of the image's other regions (Banzhaf's value). The
    regression is

    .. math:: f_i(z) = a_i + \sum_j z_j \, x_{ij}^\top \theta + \text{rest},

    where z tells what is shown, and x is what region j is. Differences of complementary pairs
    rid it of the intercepts :math:`a_i`. It serves to predict effects from the other images; what
    an image's own masks say beyond that is added, so that the estimates of :math:`g_{ij}` stay
    unbiased whatever the model does. Reported are

    - the coefficients of :math:`g` on the descriptors over all regions of all images. Descriptors
      are relative to the image's other regions, and in standard deviations; labels are as they are;
    - the mean map: the effect of the region that lies at each place of the grid.

    Intervals are clustered by image: the jackknife over images with Student's t. An effect is
    found if random flips of the signs of whole images make none of its kind as clear with a
    probability above `level` (divided by the number of kinds). A place must also differ from the
    image's other places in the same direction. Controls shuffle the descriptors between the
    segments of each image.

    References
    ----------
    K.-Y. Liang, S. L. Zeger, "Longitudinal data analysis using generalized linear models",
    Biometrika 73, 1986, doi:10.1093/biomet/73.1.13.
    R. M. Bell, D. F. McCaffrey, "Bias reduction in standard errors for linear regression with
    multi-stage samples", Survey Methodology 28, 2002.
    A. V. Carter, K. T. Schnepel, D. G. Steigerwald, "Asymptotic behavior of a t-test robust to
    cluster heterogeneity", Review of Economics and Statistics 99, 2017,
    doi:10.1162/REST_a_00639.
    A. M. Winkler et al., "Permutation inference for the general linear model", NeuroImage 92,
    2014, doi:10.1016/j.neuroimage.2014.01.060.

    Examples
    --------
    Twenty images of noise, and a model that looks at nothing but the first of four quarters:

    >>> import limelens as ll
    >>> images = np.random.default_rng(0).random((20, 4, 6))
    >>> model = lambda batch: 0.25 + batch[:, :2, :3].mean(axis=(1, 2)) / 2
    >>> settings = {"segmenter": ll.Grid(4), "fill": ll.Constant(0), "grid": 2}
    >>> found = ll.audit(images, model, target=0, calls_per_image=16, **settings)  # all masks
    >>> found.grid_found
    array([[ True, False],
           [False, False]])
    >>> found.heatmap().round(2) + 0.0
    array([[1.22, 0.  ],
           [0.  , 0.  ]])
    >>> found.n_predictions
    321
    """
    named = named_images(images)
    check_number("level", level, minimum=0, maximum=0.5, open_minimum=True)
    generator = check_rng(rng)
    asked, quantity = _check_target(target)
    asking = Asking(
        model=as_model(loaded_model(predict_fn)),
        target=asked,
        class_names=class_names,
        channel_axis=channel_axis,
        fill=ImageMean() if fill is None else check_fill("fill", fill),
        batch_size=check_batch_size(batch_size, in_flight),
        in_flight=in_flight,
        n_calls=_check_calls(calls_per_image),
        grid=check_grid(grid),
    )
    regions = region_source(segmenter, labels, label_names, descriptors)
    losses = Losses(target, on_error)
    gathered = _gather(named, regions, asking, losses, generator, progress)
    return _concluded(gathered, losses, regions.kinds, quantity, level, generator)


def _concluded(
    gathered: Answered,
    losses: Losses,
    kinds: Sequence[str],
    quantity: str,
    level: float,
    rng: np.random.Generator,
) -> Audit:
    """Pool what the model said of all images."""
    families = families_of([sight.tables for sight in gathered.sights], kinds)
    features = _features(gathered.sights, families)
    estimates = pooled_estimates(gathered.pairs, features)
    return Audit(
        target_name=gathered.target_name,
        quantity=quantity,
        n_predictions=gathered.n_predictions,
        mean_picture=gathered.pictures.mean(),
        failures=tuple(losses.failures),
        **conclude(gathered.sights, estimates, families, level=level, rng=rng),
    )


def _gather(
    named: Named,
    regions: RegionSource,
    asking: Asking,
    losses: Losses,
    rng: np.random.Generator,
    progress: Progress,
) -> Answered:
    """Ask about all images, one after the other."""
    gathered = Answered()
    total = (named.total or 0) * asking.n_calls
    with Reporter(progress) as reporter:

        def report(done: int) -> None:
            reporter.report(done, max(done, total))

        for name, image in named.pairs:
            try:
                gathered.add(name, image, regions, asking, rng, report)
            except BaseException as error:
                add_note(error, f"at {name!r}, after {len(gathered.sights)} images")
                if not isinstance(error, Exception):
                    raise
                losses.take(name, error, len(gathered.sights))
    regions.labels.finish()
    losses.tell(len(gathered.sights))
    gathered.check_enough("images")
    if not any(pairs.differences.any() for pairs in gathered.pairs):
        warn(
            f"the score of {gathered.target_name} never changed over the masked images: there is "
            "nothing to audit. Try another target, fill or segmenter."
        )
    return gathered


def _check_calls(calls_per_image: object) -> int:
    n_calls = check_int("calls_per_image", calls_per_image, minimum=4)
    if n_calls % 2:
        raise InvalidInputError(
            "`calls_per_image` must be even, because masks come in complementary pairs; got "
            f"{n_calls}. Pass {n_calls + 1}."
        )
    return n_calls


def _check_target(target: Any) -> tuple[Any, str]:
    """Return the target that is asked for, and what its effects are changes of."""
    if isinstance(target, (str, Integral)) and not isinstance(target, (bool, np.bool_)):
        column = target if isinstance(target, str) else check_int("target", target, minimum=0)
        return OddsOf(column), "log-odds"
    if isinstance(target, LogOdds):
        return target, "log-odds"
    if callable(target) and not isinstance(target, type):
        return target, "the score"
    raise InvalidInputError(
        "`target` must be one class (its column or name), or a function of the scores; got "
        f"{describe(target)}. An audit answers for one class: run one for each."
    )


def _features(sights: Sequence[Sight], families: Sequence[Family]) -> list[Floats]:
    """Return what the pooled regression knows of every segment: where it is, and what it is."""
    tables = zip(*(family.tables for family in families), strict=True)
    return [
        np.hstack([_positions(sight, len(known[0])), *known])
        for sight, known in zip(sights, tables, strict=True)
    ]


def _positions(sight: Sight, d: int) -> Floats:
    """Return the share of each segment in every block of the grid, shape (d, blocks)."""
    _, rows, columns = sight.places.shape
    blocks = [np.arange(side) * min(side, _BLOCKS) // side for side in (rows, columns)]
    block = blocks[0][:, np.newaxis] * min(columns, _BLOCKS) + blocks[1]
    n = int(block.max()) + 1
    flat = sight.places.astype(np.intp) * n + block
    counts = np.bincount(flat.ravel(), minlength=d * n).reshape(d, n)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
