"""Owen values: importances over a tree of segments that belong together."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import numpy as np

from limelens._axes import channels_last, read_only
from limelens._checks.values import check_callable, check_int
from limelens._statistics import label_sums
from limelens._typing import Coalitions, Floats, Image, Segments
from limelens.engine.query import Query
from limelens.explainers.base import Attribution, SegmentExplainer
from limelens.fills.background import standing_in
from limelens.games.owen import SplitTree, owen_values
from limelens.segmenting.merge_tree import RegionTree, check_merges, tree_members

MergeTree: TypeAlias = Callable[[Image, Segments], Any]
"""From a channels-last image and segments to merges `(d - 1, 2)`."""


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

    Nothing is drawn at random, so `rng` plays no part and there are no standard errors. `details`
    holds `"merges"`, the tree; `"exact"`; `"n_splits"`; and `"shared"`, for each target the share
    of the absolute gains that belongs to groups not yet split, 0 if the values are exact. Memory is
    O(batch_size · image + max_samples · (d + k)) bytes for k scores per image.

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
    """

    of_differences = True

    tree: MergeTree = field(default_factory=RegionTree)
    max_samples: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        check_callable("tree", self.tree, "(image, segments) -> merges")
        check_int("max_samples", self.max_samples, minimum=4)

    def _attribute(self, query: Query, rng: np.random.Generator) -> Attribution:
        shown = standing_in(query.image, query.channel_axis, query.valid)
        image = channels_last(read_only(shown), query.channel_axis)
        segments = cast(Segments, query.segments)  # a SegmentExplainer has them
        merges = check_merges(self.tree(image, read_only(segments)), query.n_segments)
        tree = SplitTree(
            merges=merges,
            members=tree_members(merges),
            areas=label_sums(segments),
        )

        def ask(asked: list[tuple[int, Coalitions]]) -> Floats:
            return query.ask_values(np.concatenate([coalitions for _, coalitions in asked]))

        query.announce(self.max_samples)
        (found,) = owen_values(ask, [tree], query.ends(), n_splits=(self.max_samples - 2) // 2)
        return Attribution(
            found.importances,
            details={
                "merges": merges,
                "exact": found.exact,
                "n_splits": found.n_splits,
                "shared": found.shared,
            },
        )
