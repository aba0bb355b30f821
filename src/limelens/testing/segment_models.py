"""Toy classifiers that score how much of each segment is intact."""

from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from limelens._axes import spatial_shape
from limelens._checks.images import check_image, check_segments
from limelens._checks.values import check_choice, check_number
from limelens._typing import Batch, Coalitions, Floats
from limelens.testing._axes import with_channels_last
from limelens.testing._checks import (
    check_batch,
    check_members,
    check_reference,
    check_table,
    check_weights,
)
from limelens.testing.exact import MAX_SEGMENTS, all_coalitions


@dataclass(frozen=True, eq=False)
class SegmentModel:
    """Base of the toys: it reads from the pixels which share of every segment is intact.

    A subclass writes `_score(shares) -> (n,) or (n, t)` over shares of shape (n, d).

    Parameters
    ----------
    segments : ndarray of int, spatial shape of the image
        Any integer ids; they become `0..d-1` in their order.
    image : ndarray
        The intact image in the layout and dtype that the model will be shown.
    background : float or ndarray that broadcasts to the image, optional
        What hidden pixels show. With a background, a pixel at
        `background + a * (image - background)` counts as `a` intact, so that soft masks are read
        exactly. The background is rounded to the image's dtype as an explainer's fill is. Pixels
        that are equal in image and background do not count. Without a background, a pixel is
        intact if it equals the image's and hidden otherwise. This is right for hard masks and any
        fill that differs from the image in every pixel.
    channel_axis : int or None, default -1
        As in `explain`; a 2-D image has none.

    Raises
    ------
    InvalidInputError
        If an array does not fit the image, or a segment is the same in image and background.
    """

    segments: NDArray[Any] = field(repr=False)
    _: KW_ONLY
    image: NDArray[Any] = field(repr=False)
    background: Any = field(default=None, repr=False)
    channel_axis: int | None = -1

    def __post_init__(self) -> None:
        image, axis = check_image(self.image, self.channel_axis)
        segments, _ = check_segments(self.segments, spatial_shape(image.shape, axis))
        object.__setattr__(self, "image", image)
        object.__setattr__(self, "segments", segments)
        object.__setattr__(self, "channel_axis", axis)
        if self.background is not None:
            background = check_reference(self.background, image, segments, axis)
            object.__setattr__(self, "background", background)

    @property
    def n_segments(self) -> int:
        """Number of segments d."""
        return int(self.segments.max()) + 1

    def __call__(self, batch: Batch) -> Floats:
        """Score a batch `(n, *image.shape)`."""
        return self._score(self.shares(batch))

    def shares(self, batch: Batch) -> Floats:
        """Return the intact share of every segment in every image, `(n, d)`."""
        batch = check_batch(batch, self.image.shape)
        intact, counted = self._intact(self._pixels(batch))
        # Pixels sorted by segment, so that one `reduceat` sums over every segment.
        order = np.argsort(self.segments, axis=None, kind="stable")
        starts = np.searchsorted(self.segments.ravel()[order], np.arange(self.n_segments))
        total = np.add.reduceat(intact[:, order], starts, axis=1)
        return total / np.add.reduceat(counted[order], starts)

    def on_coalitions(self, coalitions: Coalitions) -> Floats:
        """Score coalitions `(n, d)` of wholly kept or hidden segments, without any image."""
        return self._score(np.asarray(coalitions, dtype=np.float64))

    def table(self) -> Floats:
        """Score every coalition in the order of `all_coalitions`: `(2**d,)` or `(2**d, t)`."""
        return self.on_coalitions(all_coalitions(self.n_segments))

    def _score(self, shares: Floats) -> Floats:
        raise TypeError(f"{type(self).__name__} does not say how it scores shares")

    def _pixels(self, batch: Batch) -> Floats:
        """Return `(n, pixels, channels)`."""
        last = with_channels_last(batch, self.channel_axis)
        return last.reshape(len(batch), -1, last.shape[-1]).astype(np.float64)

    def _intact(self, pixels: Floats) -> tuple[Floats, Floats]:
        """Return how intact each pixel is, `(n, pixels)`, and which pixels count."""
        image = self._pixels(self.image[np.newaxis])[0]
        if self.background is None:
            return np.all(pixels == image, axis=2).astype(np.float64), np.ones(len(image))
        background = self._pixels(self.background[np.newaxis])[0]
        way = image - background
        length = (way**2).sum(axis=1)
        seen = length > 0
        # The a in background + a * (image - background) that is nearest to the pixel.
        along = ((pixels - background) * way).sum(axis=2)
        return np.divide(along, length, out=np.zeros_like(along), where=seen), seen.astype(float)


@dataclass(frozen=True, eq=False)
class AdditiveModel(SegmentModel):
    """Sum of one weight per segment: every method must return the weights.

    ``score = bias + sum of weights[j] * (intact share of segment j)``

    True attribution: LIME (any kernel, no penalty), Shapley, Banzhaf and Owen values, ablation and
    keep-one-in give `weights`. In occlusion, a window that covers the share ``a[j]`` of each
    segment lowers the score by ``sum of a[j] * weights[j]``, so windows equal to the segments give
    the weights. Debiased RISE is, in expectation, proportional to ``weights[j] / size[j]`` per
    pixel. Anchors and correlations may differ, because they explain something else.

    Parameters
    ----------
    segments, image, background, channel_axis
        As in `SegmentModel`.
    weights : ndarray, shape (d,) or (t, d)
        With `(d,)` the scores are 1-D, with `(t, d)` they have t columns.
    bias : float, default 0
        Score when everything is hidden.

    Raises
    ------
    InvalidInputError
        If `weights` does not have one finite number per segment.

    Examples
    --------
    >>> image = np.array([[1.0, 2.0, 3.0, 4.0]])
    >>> model = AdditiveModel([[0, 0, 1, 1]], [2.0, -1.0], image=image, background=0)
    >>> model(np.array([[[1, 2, 3, 4]], [[1, 2, 0, 0]], [[1, 0, 0, 0]], [[0, 0, 0, 0]]]))
    array([1., 2., 1., 0.])
    """

    weights: ArrayLike
    bias: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "weights", check_weights("weights", self.weights, self.n_segments))
        check_number("bias", self.bias)

    def _score(self, shares: Floats) -> Floats:
        return self.bias + shares @ np.asarray(self.weights).T


@dataclass(frozen=True, eq=False)
class TableGame(SegmentModel):
    """A game given by the score of each of its coalitions.

    True attribution: `exact_values(model, kind)` for every kind. The score of partly hidden
    segments is the multilinear extension: the mean of the table when every segment is kept with a
    chance equal to its intact share.

    Parameters
    ----------
    segments, image, background, channel_axis
        As in `SegmentModel`.
    values : ndarray, shape (2**d,) or (2**d, t)
        Scores in the order of `all_coalitions`; d at most 16.

    Raises
    ------
    InvalidInputError
        If `values` does not have one row per coalition.

    References
    ----------
    G. Owen, "Multilinear extensions of games", 1972, doi:10.1287/mnsc.18.5.64.

    Examples
    --------
    >>> image = np.array([[1.0, 1.0]])
    >>> model = TableGame([[0, 1]], [0.0, 3.0, 5.0, 10.0], image=image, background=0)
    >>> model(np.array([[[1.0, 0.0]], [[1.0, 0.5]]]))
    array([3. , 6.5])
    """

    values: ArrayLike

    def __post_init__(self) -> None:
        super().__post_init__()
        values = check_table("values", self.values, MAX_SEGMENTS, n_segments=self.n_segments)
        object.__setattr__(self, "values", values)

    def _score(self, shares: Floats) -> Floats:
        chance = np.ones((len(shares), 1))
        for share in shares.T[:, :, np.newaxis]:  # segment j doubles the columns: bit j
            chance = np.concatenate([chance * (1 - share), chance * share], axis=1)
        return chance @ np.asarray(self.values)


@dataclass(frozen=True, eq=False)
class _MemberModel(SegmentModel):
    """A rule over some of the segments."""

    members: tuple[int, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "members", check_members(self.members, self.n_segments))


@dataclass(frozen=True, eq=False)
class AndModel(_MemberModel):
    """Score 1 only if all k members are kept: their product, a k-way interaction.

    True attribution of each member; other segments have 0. Shapley 1/k, Banzhaf 2**(1-k),
    ablation 1, keep-one-in 0 (k > 1), LIME by `exact_values`. Integrated and expected gradients
    of the product of shares on the straight path: 1/k. Anchor: exactly the members.

    Parameters
    ----------
    segments, image, background, channel_axis
        As in `SegmentModel`.
    members : sequence of int
        Numbers of the segments in the rule.

    Examples
    --------
    >>> model = AndModel([[0, 1, 2]], (0, 2), image=np.ones((1, 3)), background=0)
    >>> model(np.array([[[1, 1, 1]], [[1, 0, 1]], [[1, 1, 0]]]))
    array([1., 1., 0.])
    """

    def _score(self, shares: Floats) -> Floats:
        return shares[:, list(self.members)].prod(axis=1)


@dataclass(frozen=True, eq=False)
class OrModel(_MemberModel):
    """Score 1 as soon as one of the k members is kept: evidence that replaces other evidence.

    True attribution of each member; other segments have 0. Shapley 1/k, Banzhaf 2**(1-k),
    ablation 0 (k > 1: the others stand in), keep-one-in 1, LIME by `exact_values`. Anchor: any
    single member.

    Parameters
    ----------
    segments, image, background, channel_axis
        As in `SegmentModel`.
    members : sequence of int
        Numbers of the segments in the rule.

    Examples
    --------
    >>> model = OrModel([[0, 1, 2]], (0, 2), image=np.ones((1, 3)), background=0)
    >>> model(np.array([[[1, 1, 1]], [[0, 1, 0]], [[1, 0, 0]]]))
    array([1., 0., 1.])
    """

    def _score(self, shares: Floats) -> Floats:
        return 1 - (1 - shares[:, list(self.members)]).prod(axis=1)


@dataclass(frozen=True, eq=False)
class XorModel(_MemberModel):
    """Score 1 if an odd number of the k members is kept: no member helps on average.

    True attribution of each member; other segments have 0. Banzhaf 0 (k > 1), Shapley 1/k for
    odd k and 0 for even k, ablation 1 for odd k and -1 for even k, keep-one-in 1, LIME by
    `exact_values`. No anchor shorter than all members.

    Parameters
    ----------
    segments, image, background, channel_axis
        As in `SegmentModel`.
    members : sequence of int
        Numbers of the segments in the rule.

    Examples
    --------
    >>> model = XorModel([[0, 1, 2]], (0, 2), image=np.ones((1, 3)), background=0)
    >>> model(np.array([[[1, 1, 1]], [[0, 1, 0]], [[1, 0, 0]]]))
    array([0., 0., 1.])
    """

    def _score(self, shares: Floats) -> Floats:
        return (1 - (1 - 2 * shares[:, list(self.members)]).prod(axis=1)) / 2


@dataclass(frozen=True, eq=False)
class SaturatingModel:
    """Squash the scores of a toy as a classifier's last layer does.

    True attribution: take `exact_values`; it is smaller than that of the unsquashed model where
    the score is near its ends. On the log-odds of a ``"sigmoid"`` it equals that of the unsquashed
    model. On the log-ratio of two columns of a ``"softmax"`` it equals that of the difference of
    their scores.

    Parameters
    ----------
    model : SegmentModel
        The toy to squash.
    link : {"sigmoid", "softmax"}, default "sigmoid"
        "sigmoid" squashes each score alone, "softmax" the score columns against each other.

    Raises
    ------
    InvalidInputError
        If `link` is unknown.

    Examples
    --------
    >>> additive = AdditiveModel([[0, 1]], [2.0, -2.0], image=np.ones((1, 2)), background=0)
    >>> SaturatingModel(additive)(np.array([[[1, 1]], [[1, 0]], [[0, 1]]])).round(3)
    array([0.5  , 0.881, 0.119])
    """

    model: SegmentModel
    link: str = "sigmoid"

    def __post_init__(self) -> None:
        check_choice("link", self.link, ("sigmoid", "softmax"))

    def __call__(self, batch: Batch) -> Floats:
        """Score a batch `(n, *image.shape)`."""
        return self._squash(self.model(batch))

    def table(self) -> Floats:
        """Score every coalition in the order of `all_coalitions`."""
        return self._squash(self.model.table())

    def _squash(self, scores: Floats) -> Floats:
        if self.link == "sigmoid":
            return 1 / (1 + np.exp(-scores))
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)
