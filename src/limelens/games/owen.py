"""Owen values of a game over binary trees of segments; groups that add much are split first."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Coalitions, Floats

ROUND = 32
"""Most groups split in one round. Two coalitions each fill one batch of 64 images."""

_CLOSE = 0.5
"""A round splits the most promising group, and others that promise at least this share of it."""

# Changes by a smaller share of the score are rounding, whose sign must not decide on a map.
_ROUNDING = 1e-6

Ask: TypeAlias = "Callable[[list[tuple[int, Coalitions]]], Floats]"
"""From n pairs of a tree's number and coalitions `(2, d)` to target values `(2 n, t)`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitTree:
    """A binary tree over the segments of one segmentation.

    Parameters
    ----------
    merges : ndarray of int, shape (d - 1, 2)
        Row k holds the two earlier nodes that are merged into node `d + k`.
    members : ndarray of bool, shape (2 d - 1, d)
        The segments of each node.
    areas : ndarray, shape (d,)
        Pixels of each segment.
    """

    merges: NDArray[np.intp]
    members: Coalitions
    areas: Floats

    @property
    def n_segments(self) -> int:
        """Number of segments d."""
        return self.members.shape[1]

    @cached_property
    def sizes(self) -> list[float]:
        """Pixels of each node."""
        sizes: list[float] = self.areas.tolist()
        for one, other in self.merges.tolist():
            sizes.append(sizes[one] + sizes[other])
        return sizes

    def by_area(self, node: int) -> Floats:
        """Return each segment's share of a node's pixels, shape (d,)."""
        return np.where(self.members[node], self.areas, 0) / self.sizes[node]


@dataclass(frozen=True, kw_only=True, eq=False)
class OwenValues:
    """Owen values of one tree, as far as the splits made so far determine them.

    Attributes
    ----------
    importances : ndarray, shape (t, d)
        Their sum over d is the value of the intact image minus that of everything hidden.
    shared : ndarray, shape (t,)
        Share of the absolute gains that belongs to groups not yet split. The segments of such a
        group get their parts by area.
    n_splits : int
        Splits made; each asked about two coalitions.
    exact : bool
        Whether nothing is left to split.
    """

    importances: Floats
    shared: Floats
    n_splits: int
    exact: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    """What a group adds in one context.

    On the way from the root to the group, each ancestor has a sibling that either comes before
    the group or after it. The context holds the segments of those that come before.

    Parameters
    ----------
    tree : int
        Number of the tree.
    node : int
        The group's node in the tree.
    context : ndarray of bool, shape (d,)
        The segments that are kept already.
    share : ndarray, shape (t,)
        Share of all orders in which exactly the context comes before the group.
    before, after : ndarray, shape (t,)
        Value of the context without and with the group.
    """

    tree: int
    node: int
    context: Coalitions
    share: Floats
    before: Floats
    after: Floats

    @property
    def gain(self) -> Floats:
        # Share of the orders times what the group adds in this context: w (v(C + G) - v(C)).
        return self.share * (self.after - self.before)

    def halves(
        self, nodes: NDArray[np.intp], kept: Coalitions, values: Floats, orders: Floats
    ) -> Iterator["_Part"]:
        """Yield each half of the group, before and after the other half.

        `kept` (2, d) is the context with each of the halves, `values` (2, t) are their values, and
        `orders` (2, t) are the shares of the orders in which each half comes first.
        """
        # Half L adds v(C + L) - v(C) in the orders in which it comes first, v(C + G) - v(C + R) in
        # the others.
        for node, other in ((0, 1), (1, 0)):
            half = int(nodes[node])
            yield _Part(
                tree=self.tree,
                node=half,
                context=self.context,
                share=self.share * orders[node],
                before=self.before,
                after=values[node],
            )
            yield _Part(
                tree=self.tree,
                node=half,
                context=kept[other],
                share=self.share * orders[other],
                before=values[other],
                after=self.after,
            )

    def rivals_last(self, values: Floats) -> Floats:
        """Return the shares (2, t) of the orders in which each half comes first: half of them.

        All of them, if it adds to the score in both orders and the other half, its rival, in none.
        """
        first = values - self.before
        last = self.after - values[::-1]
        nothing = _ROUNDING * np.abs([self.before, self.after, *values]).max(axis=0)
        adds = (first > nothing) & (last > nothing)
        rivals = (first <= nothing) & (last < -nothing)
        return (1 + (adds & rivals[::-1]) - 1.0 * (rivals & adds[::-1])) / 2


class _Splitting:
    """Groups of several trees that wait to be split, and what single segments add."""

    def __init__(self, trees: Sequence[SplitTree], ends: tuple[Floats, Floats]) -> None:
        intact, hidden = ends
        self.trees = trees
        self.importances = [np.zeros((len(intact), tree.n_segments)) for tree in trees]
        self._alone = [np.zeros(len(intact)) for _ in trees]
        self.n_splits = [0] * len(trees)
        self._waiting: list[tuple[float, int, _Part]] = []
        self._n_parts = 0
        for number, tree in enumerate(trees):
            nothing = np.zeros(tree.n_segments, dtype=np.bool_)
            root = 2 * tree.n_segments - 2  # the last of the d leaves and d - 1 merges
            self.add(
                _Part(
                    tree=number,
                    node=root,
                    context=nothing,
                    share=np.ones(len(intact)),
                    before=hidden,
                    after=intact,
                )
            )

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, part: _Part) -> None:
        """Credit a segment with what it adds, or put a group among those that wait."""
        if not part.share.any():
            return
        tree, gain = self.trees[part.tree], part.gain
        if part.node < tree.n_segments:
            self.importances[part.tree][:, part.node] += gain
            self._alone[part.tree] += np.abs(gain)
            return
        promise = sqrt(gain @ gain) * tree.sizes[part.node]
        # The heap pops the smallest item: hence the sign. Of groups that promise the same, the
        # number makes the oldest the first, and no two parts are ever compared.
        self._n_parts += 1
        heapq.heappush(self._waiting, (-promise, self._n_parts, part))

    def choose(self, most: int) -> list[_Part]:
        """Take the next groups to split from the heap, `most` at most."""
        enough = _CLOSE * self._waiting[0][0]  # negative, like the promises: smaller is more
        chosen: list[_Part] = []
        while self._waiting and len(chosen) < most and self._waiting[0][0] <= enough:
            chosen.append(heapq.heappop(self._waiting)[2])
            self.n_splits[chosen[-1].tree] += 1
        return chosen

    def found(self) -> list[OwenValues]:
        """Return the values of each tree; waiting groups share what they add by area."""
        importances = [each.copy() for each in self.importances]
        together = [np.zeros_like(alone) for alone in self._alone]
        shares: dict[tuple[int, int], Floats] = {}
        for _, _, part in self._waiting:
            where, gain = (part.tree, part.node), part.gain
            # Until it is split, a group's gain is spread evenly over its pixels.
            if where not in shares:
                shares[where] = self.trees[part.tree].by_area(part.node)
            importances[part.tree] += gain[:, np.newaxis] * shares[where]
            together[part.tree] += np.abs(gain)
        return [
            OwenValues(
                importances=importances[k],
                shared=_ratio(together[k], self._alone[k] + together[k]),
                n_splits=self.n_splits[k],
                exact=all(part.tree != k for _, _, part in self._waiting),
            )
            for k in range(len(self.trees))
        ]


def owen_values(
    ask: Ask,
    trees: Sequence[SplitTree],
    ends: tuple[Floats, Floats],
    n_splits: int,
    *,
    rivals_last: bool = False,
) -> list[OwenValues]:
    r"""Split groups until each segment stands alone or the splits are used up.

    Parameters
    ----------
    ask : callable
        From n pairs `(number of the tree, coalitions (2, d))` to values, shape (2 n, t).
    trees : sequence of SplitTree
        One tree, or several over different segmentations of one image.
    ends : tuple of ndarray, shape (t,)
        Values of the intact image and of everything hidden.
    n_splits : int
        Most splits over all trees; each asks about two coalitions.
    rivals_last : bool
        Whether a half that speaks against the score is judged only beside the other half.

    Returns
    -------
    list of OwenValues, one per tree

    Notes
    -----
    A group G in the context C adds :math:`v(C \cup G) - v(C)`. Its halves L and R come in either
    order, equally often. So L adds the first two of these numbers in half of the orders each, and
    R the last two:

    .. math:: v(C \cup L) - v(C), \quad v(C \cup G) - v(C \cup R), \quad
              v(C \cup R) - v(C), \quad v(C \cup G) - v(C \cup L)

    Half the sum of all four is what G added, so a split never changes the sum of all importances.
    Until a group is split, its segments share what it adds in proportion to their areas. When no
    group is left to split, the Owen values are exact.

    Of all groups and contexts, those with the largest promise are split first. The promise is the
    group's area times its share of the orders times the Euclidean norm over the targets of what it
    adds: the map is most wrong where a large group adds much. A round splits up to 32 groups, all
    that promise at least half as much as the first.

    With `rivals_last`, L always comes first where L adds to the score in both orders, and R adds
    nothing in one and takes away in the other. Such an R is a rival of L: what it does alone says
    little of the score, but beside L it shows what it takes from L. Values that depend on which
    orders are allowed are asymmetric Shapley values (Frye, Rowat and Feige 2020). Changes by a
    millionth of the scores or less count as nothing. Each target has orders of its own, and the sum
    of all importances stays the same.

    References
    ----------
    G. Owen, "Values of games with a priori unions", 1977, doi:10.1007/978-3-642-45494-3_7.
    C. Frye, C. Rowat and I. Feige, "Asymmetric Shapley values: incorporating causal knowledge into
    model-agnostic explainability", 2020, arXiv:1910.06358.

    Examples
    --------
    >>> merges = np.array([[0, 1], [2, 3]])
    >>> members = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 1, 1]], dtype=bool)
    >>> tree = SplitTree(merges=merges, members=members, areas=np.array([1.0, 3.0, 4.0]))
    >>> def ask(asked):  # all three are needed
    ...     return np.concatenate([z.all(axis=1, keepdims=True) * 1.0 for _, z in asked])
    >>> owen_values(ask, [tree], (np.ones(1), np.zeros(1)), 1)[0].importances
    array([[0.125, 0.375, 0.5  ]])

    The third segment takes away half of what the others add, and does nothing without them:

    >>> def ask(asked):
    ...     z = np.concatenate([pair for _, pair in asked])
    ...     return z[:, :2].sum(axis=1, keepdims=True) / (1 + z[:, 2:])
    >>> ends = np.ones(1), np.zeros(1)
    >>> owen_values(ask, [tree], ends, 9)[0].importances
    array([[ 0.75,  0.75, -0.5 ]])
    >>> owen_values(ask, [tree], ends, 9, rivals_last=True)[0].importances
    array([[ 1.,  1., -1.]])
    """
    splitting, left = _Splitting(trees, ends), n_splits
    while splitting and left:
        chosen = splitting.choose(min(left, ROUND))
        left -= len(chosen)
        # Row k of the merges made node d + k, so the halves of node k' stand in row k' - d.
        halves = [trees[part.tree].merges[part.node - len(part.context)] for part in chosen]
        kept = [
            trees[part.tree].members[nodes] | part.context
            for part, nodes in zip(chosen, halves, strict=True)
        ]
        # Two coalitions for each group: the context with one half, and with the other.
        numbers = [part.tree for part in chosen]
        values = ask(list(zip(numbers, kept, strict=True))).reshape(len(chosen), 2, -1)
        for part, nodes, rows, each in zip(chosen, halves, kept, values, strict=True):
            orders = part.rivals_last(each) if rivals_last else np.full(each.shape, 0.5)
            for half in part.halves(nodes, rows, each, orders):
                splitting.add(half)
    return splitting.found()


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
