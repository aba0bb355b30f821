"""Owen values: importances over a tree of segments that belong together."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from limelens._axes import channels_last, read_only
from limelens._checks.values import check_callable, check_int
from limelens._statistics import label_sums, predicted_correlation
from limelens._typing import Coalitions, Floats, Image, Segments
from limelens.engine.query import Query
from limelens.errors import warn
from limelens.explainers.base import Attribution, SegmentExplainer
from limelens.fills.background import standing_in
from limelens.games.owen import SplitTree, owen_values
from limelens.results.layers import mean_and_error
from limelens.segmenting.merge_tree import RegionTree, check_merges, tree_members

MergeTree: TypeAlias = Callable[[Image, Segments], Any]
"""From a channels-last image and segments to merges `(d - 1, 2)`."""

NOISE = 1.0
"""Standard deviation of the colours of segments between trees, in that of the image's pixels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Owen(SegmentExplainer):
    r"""Owen values over a binary tree of the segments, refined where it matters.

    Segments that touch and look alike are joined to groups, groups to larger groups, up to the
    whole image. The method starts at the top: how much does each half of the image add? Then it
    splits the half that matters most, and so on. A few dozen calls find the deciding region; more
    calls tell its segments apart.

    **More calls make the numbers exact and the map worse.** Hiding one small region hardly changes
    a network's score, and if it does, the cause is often the damage to the picture. On
    photographs, maps found their object best at about 128 calls; `Sharp` spends further calls on
    other segmentations.

    Parameters
    ----------
    tree : callable
        Function `(image, segments) -> merges`: `RegionTree()`, `HalvingTree()` or your own. The
        image has its channels last. `merges` is an int array of shape (d - 1, 2), whose row k joins
        two earlier nodes to node d + k; nodes 0 to d - 1 are the segments. Pixels outside `valid`
        have the label -1.
    max_samples : int
        Most coalitions shown to the model, the intact image and everything hidden included. There
        are fewer if fewer are enough for the exact values.
    n_trees : int
        Trees that share the calls. If there are several, the colours of the segments are changed at
        random before each tree is grown. Importances are then means over the trees, and have
        standard errors. Eight trees find objects better than one.
    segmenter, fill
        See `SegmentExplainer`.

    Raises
    ------
    InvalidInputError
        If a setting is not valid; from `explain`, if `tree` does not return a binary tree.

    Notes
    -----
    The Owen value is the mean gain of a segment over all orders in which the segments of every
    group come without others in between (Owen 1977 for one level of groups, Winter 1989 for
    nested ones). In a binary tree, for every group that holds the segment, the other half comes
    before or after with equal chance. So a segment at depth m has :math:`2^m` contexts. Two
    coalitions tell the halves of a group apart in one context, so the exact values need
    :math:`2 + 2 \sum_G 2^{depth(G)}` of them, about :math:`2 d^2 / 3` for a balanced tree.

    With a smaller budget, the group and context with the largest promise is split first. The
    promise is the group's area times what it adds there times the share of the orders. With several
    targets it is the Euclidean norm over them; they share all calls, so until the values are exact
    a target may differ from a run of its own. A round splits up to 32 groups, all that promise at
    least half as much as the first. **In a context where a group was not split, its segments share
    what it adds in proportion to their areas.** At every stage, importances sum to the score of the
    intact image minus the score of everything hidden. A group whose parts cancel exactly promises
    nothing and is split last.

    With a single tree nothing is drawn at random, so `rng` plays no part and there are no standard
    errors. Several trees wait in one heap, and the most promising group of any tree is split next.
    Before a tree is grown, each segment's colour moves by a normal number of one standard
    deviation of the image's pixels, channel by channel. Standard errors are the standard deviation
    over the R trees divided by :math:`\sqrt R`; take Student's t with R - 1 degrees of freedom.
    They show what further trees would change, not other segments, nor how deep the trees went.
    Where all trees are the same there are none, and a warning says so.

    `details` holds `"merges"`, the tree, or with several trees an array (n_trees, d - 1, 2);
    `"exact"`; `"n_splits"`, of each tree if there are several; and `"shared"`, for each target the
    share of the absolute gains that belongs to groups not yet split, 0 if the values are exact.
    Memory is O(batch_size · image + max_samples · (d + k)) bytes for k scores per image.

    References
    ----------
    G. Owen, "Values of games with a priori unions", 1977, doi:10.1007/978-3-642-45494-3_7.
    E. Winter, "A value for cooperative games with levels structure of cooperation", International
    Journal of Game Theory 18, 1989, doi:10.1007/BF01268161.

    Examples
    --------
    Only the last of four pixels matters. One split finds its half, the next the pixel:

    >>> import numpy as np
    >>> from limelens import Constant, Grid, Owen
    >>> image = np.array([[1.0, 2.0, 8.0, 9.0]])
    >>> def last_pixel(batch):
    ...     return batch[:, 0, 3]
    >>> owen = Owen(segmenter=Grid(cell=(1, 1)), fill=Constant(0), max_samples=4)
    >>> owen.explain(image, last_pixel).importances
    array([[0. , 0. , 4.5, 4.5]])
    >>> owen = Owen(segmenter=Grid(cell=(1, 1)), fill=Constant(0), max_samples=8)
    >>> owen.explain(image, last_pixel).importances
    array([[0., 0., 0., 9.]])

    Trees that group the pixels in other ways, from the same number of calls:

    >>> owen = Owen(segmenter=Grid(cell=(1, 1)), fill=Constant(0), max_samples=24, n_trees=3)
    >>> explanation = owen.explain(image, last_pixel, rng=0)
    >>> bool(np.isclose(explanation.importances.sum(), 9))
    True
    >>> explanation.standard_errors.shape
    (1, 4)
    """

    of_differences = True

    tree: MergeTree = field(default_factory=RegionTree)
    max_samples: int = 128
    n_trees: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_callable("tree", self.tree, "(image, segments) -> merges")
        check_int(
            "max_samples",
            self.max_samples,
            minimum=2 + 2 * check_int("n_trees", self.n_trees, minimum=1),
        )

    def _attribute(self, query: Query, rng: np.random.Generator) -> Attribution:
        segments = cast(Segments, query.segments)  # a SegmentExplainer has them
        all_merges = self._grow(query, segments, rng)
        areas = label_sums(segments)
        trees = [
            SplitTree(merges=merges, members=tree_members(merges), areas=areas)
            for merges in all_merges
        ]

        def ask(asked: list[tuple[int, Coalitions]]) -> Floats:
            return query.ask_values(np.concatenate([coalitions for _, coalitions in asked]))

        query.announce(self.max_samples, begins_with_few=True)
        found = owen_values(ask, trees, query.ends(), n_splits=(self.max_samples - 2) // 2)
        importances, errors = mean_and_error([each.importances for each in found])
        several = self.n_trees > 1
        if several and all(np.array_equal(each, all_merges[0]) for each in all_merges):
            errors = None
            warn(
                f"all {self.n_trees} trees are the same, so there are no standard errors: `tree` "
                "does not look at the colours, or there are few segments. Use tree=RegionTree(), "
                "or n_trees=1."
            )
        return Attribution(
            importances,
            standard_errors=errors,
            reliability=None if errors is None else predicted_correlation(importances, errors),
            details={
                "merges": np.stack(all_merges) if several else all_merges[0],
                "exact": all(each.exact for each in found),
                "n_splits": [each.n_splits for each in found] if several else found[0].n_splits,
                "shared": np.mean([each.shared for each in found], axis=0),
            },
        )

    def _grow(
        self, query: Query, segments: Segments, rng: np.random.Generator
    ) -> list[NDArray[np.intp]]:
        """Return the merges of one tree of the image, or of several of images like it."""
        shown = standing_in(query.image, query.channel_axis, query.valid)
        image = channels_last(read_only(shown), query.channel_axis)
        images: Iterable[Image] = [image]
        if self.n_trees > 1:
            images = (_recolored(image, segments, rng) for _ in range(self.n_trees))
        return [
            check_merges(self.tree(each, read_only(segments)), query.n_segments) for each in images
        ]


def _recolored(image: Image, segments: Segments, rng: np.random.Generator) -> Image:
    """Return the image with the colour of every segment changed at random."""
    last = image if image.ndim > segments.ndim else image[..., np.newaxis]
    spread = NOISE * last[segments >= 0].std(axis=0, dtype=np.float64)
    changes = spread * rng.normal(size=(int(segments.max()) + 2, last.shape[-1]))
    changes[-1] = 0  # of pixels that do not count, whose label -1 is the last row
    return read_only((last + changes[segments]).reshape(image.shape))
