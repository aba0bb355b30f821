"""Sharp: Owen values and fits over displaced segmentations, added up pixel by pixel."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._axes import channels_last, spatial_shape
from limelens._checks.images import check_segments
from limelens._checks.values import check_callable, check_flag, check_int, describe
from limelens._statistics import label_sums, predicted_correlation
from limelens._typing import Coalitions, Floats, Image, Segmenter, Segments, Valid
from limelens.engine.query import Query
from limelens.engine.segmentations import Segmentations
from limelens.errors import InvalidInputError
from limelens.explainers.base import Attribution, FillExplainer
from limelens.fills.background import ask_segmenter, standing_in
from limelens.fills.energy import segment_energy
from limelens.games.coalitions import both_ends
from limelens.games.owen import SplitTree, owen_values
from limelens.results.layers import densities, mean_and_error, sums_over
from limelens.results.units import SCORE_PER_PIXEL
from limelens.sampling.designs import Foldover
from limelens.segmenting.merge_tree import RegionTree, tree_members
from limelens.segmenting.superpixels import Slic
from limelens.segmenting.view import View, segmenting_view
from limelens.surrogates.gaussian_process import GaussianProcess

N_SEGMENTS = (30, 40, 50, 60, 70, 80, 90, 100)
"""Numbers of segments, coarse and fine: one scale finds what another one misses."""

LARGEST_OFFSET = 0.18
"""Largest displacement of a segmentation, as a share of the side."""

N_FITTED = 70
"""Number of segments of a division that is fitted, at most as many as the calls it gets."""

TREES_SHARE = 0.7
"""Share of the trees in a map that is fitted, too: more finds objects better, less ranks better."""

_FEWEST, _MOST = 4, 64
_CALLS_PER_FIT = 128
_FEWEST_FAITHFUL, _ENOUGH = 64, 100
_FEWEST_PIXELS = 10_000
_LARGEST_SIDE = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class Sharp(FillExplainer):
    r"""One sharp map of the deciding pixels, averaged over many displaced segmentations.

    A superpixel map is constant on some forty ragged pieces, whose borders are an accident of the
    segmenter. Here the picture is divided four times or more, displaced at random. Two fifths of
    the calls find the object: most divisions, from coarse to fine, get Owen values from a few calls
    each. Three fifths rank its parts: they show random coalitions of a further division, to which
    a model of the scores is fitted. The mean of all these maps is precise to the pixel.

    Parameters
    ----------
    max_samples : int
        Images shown to the model, the intact one and everything hidden included. 128 is enough
        for a photograph, and 64 gives a good first look; more hardly make a map sharper.
    segmenters : sequence of callables or None
        Divisions of your own, each a function `image -> label image`. None takes `Slic` with 30 to
        100 segments at half the image's size, displaced by up to 18 % of the side. Where fine
        texture leaves less than half of the segments, the compactness is 50.
    fill : callable
        What hidden pixels show; it is given no segments.
    faithful : bool or None
        Whether three fifths of the calls go to fits, and what speaks against the score is judged
        beside what speaks for it. Such a map shows better in which order the pixels move the score.
        False spends all calls on Owen's values, and finds objects as well. None is True from 100
        calls on, unless `segmenters` are given: with these it cannot be True.

    Raises
    ------
    InvalidInputError
        If a setting is not valid; from `explain`, if no segmentation divides the image.

    Notes
    -----
    Trees get two fifths of the calls, or all without `faithful`. If these are fewer than 100,
    there are 4 segmentations with a tree, below 512 there are 8, from 512 on 16, and from 1088 on
    one more for every 64 calls, because deeper trees make maps worse. The groups of all trees
    (`RegionTree`) wait in one heap. The next group to be split, of any tree, is that with the
    largest product of its area, its share of the orders, and what it adds; see `Owen`.

    With fits an object's rivals are judged beside it. Of two halves of a group, L
    and R, both orders count, and each half gets the mean of what it adds first and last. But if L
    adds to the score in both orders, and R adds nothing when it comes first and takes away when it
    comes last, then only the order L, R counts: what speaks against the score shows this beside
    what speaks for it. Such values are asymmetric Shapley values (Frye, Rowat and Feige, 2020).
    They know a direction: the map of the negated score is not the negated map. The rule is a step:
    what changes the score by a millionth of itself or less adds nothing; if R adds a little more
    when it comes first, both orders count.
    ``Sharp(faithful=False)`` has Owen's values, in which both orders always count.

    Fits get one segmentation of 70 segments for every 128 calls, and an equal part of the calls
    that are not for trees. Its importances are the Shapley values of a `GaussianProcess` that is
    fitted to the scores of these coalitions (`Foldover`) and of both ends. It expects more of
    segments in which the trees found more, and which hiding changes more: their `energy` is the
    squared change of the pixels times the squared evidence. The score that it leaves unexplained is
    spread evenly over the image.

    With :math:`\phi_r` the values of segmentation r, :math:`s_r(x)` the segment of pixel x, and
    weights :math:`w_r`, the map is a density

    .. math:: m(x) = \sum_{r=1}^{R} w_r \frac{\phi_r(s_r(x))}{|s_r(x)|}

    in units of the score per pixel. Trees have 0.7 of the weight together and fits 0.3; without
    fits all weights are equal. Over all pixels it sums to the score of the intact image minus
    that of everything hidden, over a region to the evidence in it.

    `importances` hold this map without smoothing. **`heatmap` and pictures smooth it by a
    Gaussian** that is 4.7 % of the side wide, unless ``interpolation="nearest"``.

    `standard_errors` come from the spread over segmentations: with a mean :math:`\bar m`, their
    squares are :math:`\sum w_r (m_r - \bar m)^2 \sum w_r^2 / (1 - \sum w_r^2)`. For 95 % multiply
    them by 2.4. That is Student's t for eight segmentations; for four it is 3.2, for sixteen 2.1.
    With fits, 2.4 is what was measured to hold 94 % per pixel and 95 % for regions; there, errors
    also hold the difference between trees and fits, and are often wider than regions need. They
    show what further segmentations would change. They do not show how deep the trees went: what an
    unsplit group adds is spread over all of it, and some evidence leaks out of its object.
    ``details["shared"]`` is the share of such groups. For the error of the evidence in a region use
    `by_segment`, which takes into account that neighbouring pixels err together.

    `details` holds ``"n_segmentations"``, those with a fit included; ``"n_segments"`` of each;
    ``"n_splits"`` of those with a tree; ``"shared"``, for each target; ``"layers"``, the label
    images, shape (n_segmentations, \*spatial), and ``"layer_importances"``, as many arrays of
    shape (t, d), those with a fit last; with `faithful`, ``"layer_weights"``, their weights in the
    map; ``"targets"``, the columns of their rows; and ``"interpolation"`` and ``"unit"``, see
    `Explanation`. Several targets share all calls. A model's `prepare` is not used. Memory is
    O(batch_size · image + (t + R) · pixels + max_samples · k) bytes.

    References
    ----------
    G. Owen, "Values of games with a priori unions", 1977, doi:10.1007/978-3-642-45494-3_7.
    C. Frye, C. Rowat and I. Feige, "Asymmetric Shapley values: incorporating causal knowledge into
    model-agnostic explainability", 2020, arXiv:1910.06358.

    Examples
    --------
    Two ways to divide four pixels, of which neither separates the third pixel:

    >>> import numpy as np
    >>> from limelens import Constant, LabelImage, Sharp
    >>> image = np.array([[1.0, 2.0, 8.0, 9.0]])
    >>> def third_pixel(batch):
    ...     return batch[:, 0, 2]
    >>> ways = [LabelImage([[0, 0, 1, 1]]), LabelImage([[0, 1, 1, 2]])]
    >>> sharp = Sharp(segmenters=ways, fill=Constant(0))
    >>> explanation = sharp.explain(image, third_pixel)
    >>> explanation.importances
    array([[[0., 2., 4., 2.]]])
    """

    shares_a_change = True

    max_samples: int = 128
    segmenters: Sequence[Segmenter] | None = None
    faithful: bool | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        fewest = 2 + 2 * _FEWEST
        if self.faithful is not None and check_flag("faithful", self.faithful):
            fewest = _FEWEST_FAITHFUL
            _check_no_segmenters(self.segmenters)
        if self.segmenters is not None:
            object.__setattr__(self, "segmenters", _checked(self.segmenters))
            fewest = 2 + 2 * len(self.segmenters)
        check_int("max_samples", self.max_samples, minimum=fewest)

    def _mask_kind(self) -> str:
        return "layers"

    def _segment(
        self, image: Image, channel_axis: int | None, valid: Valid
    ) -> tuple[Segments | None, dict[str, Any]]:
        # Divisions that do not fit this image are refused before the model is asked.
        self._divisions(image, channel_axis, valid)
        return None, {}

    def _divisions(self, image: Image, channel_axis: int | None, valid: Valid) -> list[Segments]:
        """Return the label images of the user's own segmenters."""
        asked = self.segmenters or ()
        return [ask_segmenter(each, image, channel_axis, valid)[0] for each in asked]

    def _attribute(self, query: Query, rng: np.random.Generator) -> Attribution:
        spatial = spatial_shape(query.image.shape, query.channel_axis)
        shown = standing_in(query.image, query.channel_axis, query.valid)
        last = channels_last(shown, query.channel_axis)
        view = segmenting_view(last, half_side(spatial), query.valid)
        layers = self._divisions(query.image, query.channel_axis, query.valid)
        layers = layers or self._divide(view, query.valid, rng, self._numbers())
        fitted, designs = self._designs(view, query.valid, rng)
        trees = [_tree(view, labels) for labels in layers]
        n_splits = (self._for_trees - 2) // 2
        ask = Segmentations(query, [*layers, *fitted], 2 * n_splits)
        query.announce(self.max_samples, begins_with_few=True)
        found = owen_values(ask, trees, query.ends(), n_splits, rivals_last=self._fits)
        importances = [each.importances for each in found]
        if fitted:
            answers = np.split(ask(list(enumerate(designs, start=len(layers)))), len(fitted))
            evidence = [sum(sums_over(layers, importances, labels)) for labels in fitted]
            importances += map(partial(_fit, query), fitted, evidence, designs, answers)
        weights = _weights(len(layers), len(fitted))
        layers = [*layers, *fitted]
        maps, errors = mean_and_error(densities(layers, importances), weights)
        return Attribution(
            importances=maps,
            standard_errors=errors,
            reliability=_reliability(maps, errors, query.valid),
            details={
                "n_segmentations": len(layers),
                "n_segments": np.array([each.shape[1] for each in importances]),
                "n_splits": np.array([each.n_splits for each in found]),
                "shared": np.mean([each.shared for each in found], axis=0),
                "layers": _stacked(layers),
                "layer_importances": importances,
                **({} if weights is None else {"layer_weights": weights}),
                "targets": list(query.targets),
                "interpolation": "smooth",
                "unit": SCORE_PER_PIXEL,
            },
        )

    @property
    def _fits(self) -> bool:
        """Whether a part of the calls goes to fits."""
        if self.faithful is None:
            return self.segmenters is None and self.max_samples >= _ENOUGH
        return self.faithful

    @property
    def _for_trees(self) -> int:
        """How many of the calls the trees of regions get."""
        return self.max_samples - (3 * self.max_samples // 5 if self._fits else 0)

    def _numbers(self) -> list[int]:
        """Return the number of segments of each of the default segmentations."""
        n = n_segmentations(self._for_trees)
        numbers = N_SEGMENTS[:: max(1, len(N_SEGMENTS) // n)]
        return [numbers[k % len(numbers)] for k in range(n)]

    def _for_fits(self) -> tuple[int, int]:
        """Return the number of divisions that are fitted, and of the calls of each."""
        n_fits = max(1, self.max_samples // _CALLS_PER_FIT) if self._fits else 0
        return n_fits, (self.max_samples - self._for_trees) // max(1, n_fits)

    def _designs(
        self, view: View, valid: Valid, rng: np.random.Generator
    ) -> tuple[list[Segments], list[Coalitions]]:
        """Return the divisions that are fitted, and what is kept of each in its calls."""
        fitted: list[Segments] = []
        designs: list[Coalitions] = []
        n_fits, n_rows = self._for_fits()
        # One after the other, so that a larger budget begins with the same divisions and calls.
        for _ in range(n_fits):
            fitted += self._divide(view, valid, rng, [min(N_FITTED, n_rows)])
            designs.append(Foldover()(n_rows, int(fitted[-1].max()) + 1, rng))
        return fitted, designs

    def _divide(
        self, view: View, valid: Valid, rng: np.random.Generator, numbers: Sequence[int]
    ) -> list[Segments]:
        """Return displaced superpixels, each label image of at least two segments."""
        offsets = rng.uniform(-LARGEST_OFFSET, LARGEST_OFFSET, (len(numbers), len(view.spatial)))
        layers = []
        for n_segments, offset in zip(numbers, offsets.tolist(), strict=True):
            labels = _superpixels(view, n_segments, tuple(offset))
            counted = labels if valid is None else labels[valid]
            if counted.min() != counted.max():
                layers.append(check_segments(labels, view.spatial, valid=valid)[0])
        return layers or [
            check_segments(labels, view.spatial, valid=valid)[0]
        ]  # says what is wrong


def n_segmentations(max_samples: int) -> int:
    """Return the number of segmentations with a tree for a budget.

    Examples
    --------
    >>> [n_segmentations(calls) for calls in (64, 128, 256, 512, 1024, 2048)]
    [4, 8, 8, 16, 16, 32]
    """
    if max_samples < 512:
        return _FEWEST if max_samples < _ENOUGH else 2 * _FEWEST
    return max(4 * _FEWEST, max_samples // _MOST)


def half_side(spatial: tuple[int, ...]) -> int:
    """Return the longest side for segmenting: half, unless that leaves few or many pixels.

    Examples
    --------
    >>> half_side((224, 200)), half_side((3000, 4000)), half_side((20, 30)), half_side((64, 64, 64))
    (112, 256, 30, 32)
    """
    longest, size = max(spatial), math.prod(spatial)
    enough = math.ceil(longest * (_FEWEST_PIXELS / size) ** (1 / len(spatial)))
    return max(2, min(longest, _LARGEST_SIDE, max(longest // 2, enough)))


def _superpixels(view: View, n_segments: int, offset: tuple[float, ...]) -> Segments:
    """Return superpixels; squarer ones if fine texture leaves less than half of `n_segments`."""
    labels = np.zeros((), dtype=np.intp)
    for compactness in (10, 50):
        slic = Slic(n_segments, compactness=compactness, sigma=0.5, offset=offset)
        labels = slic.divide(view)
        if 2 * (int(labels.max()) + 1) >= n_segments:
            break
    return labels


def _weights(n_trees: int, n_fits: int) -> Floats | None:
    """Return the weight of every segmentation, those with a tree first; None for equal weights."""
    if not n_fits:
        return None
    shares = TREES_SHARE / n_trees, (1 - TREES_SHARE) / n_fits
    return np.repeat(shares, [n_trees, n_fits])


def _reliability(maps: Floats, errors: Floats | None, valid: Valid) -> Floats | None:
    """Return the predicted correlation with the map of infinitely many segmentations."""
    if errors is None:
        return None
    counts = slice(None) if valid is None else valid.ravel()
    return predicted_correlation(
        *(each.reshape(len(maps), -1)[:, counts] for each in (maps, errors))
    )


def _stacked(layers: Sequence[Segments]) -> NDArray[Any]:
    """Return label images in the smallest integers that hold them; -1 is no segment."""
    largest = max(int(labels.max()) for labels in layers)
    outside = any(labels.min() < 0 for labels in layers)
    smallest = np.min_scalar_type(-1 - largest if outside else largest)
    return np.stack([labels.astype(smallest) for labels in layers])


def _fit(
    query: Query, labels: Segments, evidence: Floats, coalitions: Coalitions, values: Floats
) -> Floats:
    """Return Shapley values (t, d) of a fit, and what they leave of the score spread evenly.

    `evidence` is what the trees found in each segment, shape (t, d). Where they found more, and
    where hiding changes more, more is expected.
    """
    ends = np.stack(query.ends())
    rows = np.concatenate([both_ends(coalitions.shape[1]), coalitions])
    scores, weights = np.concatenate([ends, values]), np.ones(len(rows))
    changes = segment_energy(query.image, query.backgrounds, labels, query.channel_axis)
    changes = np.nan_to_num(changes, posinf=0.0)  # beyond the largest number, as in `relevance`
    shapley = np.empty_like(evidence)
    for target, found in enumerate(np.abs(evidence)):
        energy = changes * np.square(found / (found.max() or 1.0))
        fit = GaussianProcess("shapley", energy=energy)
        shapley[target] = fit(rows, scores[:, [target]], weights).importances[0]
    areas = label_sums(labels)
    left = ends[0] - ends[1] - shapley.sum(axis=1)
    return np.asarray(shapley + np.outer(left, areas / areas.sum()))


def _check_no_segmenters(segmenters: object) -> None:
    """Refuse divisions of the user's own, which may be too few or too coarse for a fit."""
    if segmenters is not None:
        raise InvalidInputError(
            "`segmenters` must be None with faithful=True, which makes divisions of its "
            "own. Use Sharp(max_samples=256, faithful=True)."
        )


def _tree(view: View, labels: Segments) -> SplitTree:
    merges = RegionTree().merge(view, labels)
    return SplitTree(
        merges=merges,
        members=tree_members(merges),
        areas=label_sums(labels),
    )


def _checked(segmenters: object) -> tuple[Segmenter, ...]:
    """Return segmenters as a tuple; a single one, without a list, is refused."""
    if not isinstance(segmenters, Sequence) or not segmenters:
        raise InvalidInputError(
            "`segmenters` must be a sequence of callables (image) -> label image, at least one, "
            f"or None; got {describe(segmenters)}. Use for example segmenters=[Slic(30), Slic(60)]."
        )
    return tuple(
        check_callable("segmenters", each, "(image) -> label image") for each in segmenters
    )
