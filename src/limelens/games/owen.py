"""Owen values of a game over binary trees, refined where the most is to be told apart."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Coalitions, Floats

ROUND = 32
"""The most groups split before the model is asked: two coalitions each, one full batch."""

_CLOSE = 0.5
"""A group is split along with the first of its round if it promises at least this share of it."""

Ask: TypeAlias = "Callable[[list[tuple[int, Coalitions]]], Floats]"
"""A tree's number and two of its coalitions `(2, d)`, n times -> target values `(2 n, t)`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tree:
    """A binary tree over the segments of one segmentation.

    Parameters
    ----------
    merges : ndarray of int, shape (d - 1, 2)
        Node `d + k` is what merge number k makes of two earlier nodes.
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
        """How many segments there are, d."""
        return self.members.shape[1]


@dataclass(frozen=True, kw_only=True, eq=False)
class OwenValues:
    """What a number of splits told of one tree.

    Attributes
    ----------
    importances : ndarray, shape (t, d)
        Their sum over d is the value of everything minus that of nothing.
    shared : ndarray, shape (t,)
        Share of the (absolute) gains that is still that of groups, shared by area.
    n_splits : int
        Splits made, two coalitions each.
    exact : bool
        Whether nothing is left to split.
    """

    importances: Floats
    shared: Floats
    n_splits: int
    exact: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    """What a group adds in one context: after these siblings of its ancestors, not after those.

    Parameters
    ----------
    tree : int
        Number of the tree.
    node : int
        The group.
    context : ndarray of bool, shape (d,)
        What is kept already.
    share : float
        Of all orders, those in which exactly the context comes before the group.
    before, after : ndarray, shape (t,)
        Value of the context, without and with the group.
    """

    tree: int
    node: int
    context: Coalitions
    share: float
    before: Floats
    after: Floats

    @property
    def gain(self) -> Floats:
        return self.share * (self.after - self.before)

    def halves(
        self, nodes: NDArray[np.intp], kept: Coalitions, values: Floats
    ) -> Iterator["_Part"]:
        """Yield each half of the group, before and after the other half.

        `kept` (2, d) is the context with one of the halves, `values` (2, t) their values.
        """
        for node, other in ((0, 1), (1, 0)):
            half, share = int(nodes[node]), self.share / 2
            yield _Part(
                tree=self.tree,
                node=half,
                context=self.context,
                share=share,
                before=self.before,
                after=values[node],
            )
            yield _Part(
                tree=self.tree,
                node=half,
                context=kept[other],
                share=share,
                before=values[other],
                after=self.after,
            )


class _Splitting:
    """Groups of several trees that wait to be split, and what is known of single segments."""

    def __init__(self, trees: Sequence[Tree], ends: tuple[Floats, Floats]) -> None:
        intact, hidden = ends
        self.trees = trees
        self.importances = [np.zeros((len(intact), tree.n_segments)) for tree in trees]
        self._alone = [np.zeros(len(intact)) for _ in trees]
        self.n_splits = [0] * len(trees)
        self._waiting: list[tuple[float, int, _Part]] = []
        self._n_parts = 0
        for number, tree in enumerate(trees):
            nothing = np.zeros(tree.n_segments, dtype=np.bool_)
            root = 2 * tree.n_segments - 2
            self.add(
                _Part(
                    tree=number, node=root, context=nothing, share=1.0, before=hidden, after=intact
                )
            )

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, part: _Part) -> None:
        """Take over what a segment adds; have a group wait."""
        tree = self.trees[part.tree]
        if part.node < tree.n_segments:
            self.importances[part.tree][:, part.node] += part.gain
            self._alone[part.tree] += np.abs(part.gain)
            return
        area = float(tree.areas @ tree.members[part.node])
        promise = float(np.linalg.norm(part.gain)) * area
        self._n_parts += 1  # of equals, the first made is the first split
        heapq.heappush(self._waiting, (-promise, self._n_parts, part))

    def choose(self, most: int) -> list[_Part]:
        """Take the next parts to split off the heap."""
        enough = _CLOSE * self._waiting[0][0]
        chosen: list[_Part] = []
        while self._waiting and len(chosen) < most and self._waiting[0][0] <= enough:
            chosen.append(heapq.heappop(self._waiting)[2])
            self.n_splits[chosen[-1].tree] += 1
        return chosen

    def found(self) -> list[OwenValues]:
        """Share what is still that of groups, and return what each tree told."""
        importances = [each.copy() for each in self.importances]
        together = [np.zeros_like(alone) for alone in self._alone]
        for _, _, part in self._waiting:
            tree = self.trees[part.tree]
            areas = np.where(tree.members[part.node], tree.areas, 0)
            importances[part.tree] += np.outer(part.gain, areas / areas.sum())
            together[part.tree] += np.abs(part.gain)
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
    ask: Ask, trees: Sequence[Tree], ends: tuple[Floats, Floats], n_splits: int
) -> list[OwenValues]:
    r"""Split groups until each segment stands alone, or as often as allowed.

    Parameters
    ----------
    ask : callable
        A list of `(number of the tree, coalitions (2, d))` -> values, shape (2 n, t).
    trees : sequence of Tree
        One, or several over different segmentations of one image.
    ends : tuple of ndarray, shape (t,)
        Values of everything and of nothing.
    n_splits : int
        The most splits over all trees; each asks about two coalitions.

    Returns
    -------
    list of OwenValues, one a tree

    Notes
    -----
    A group G in the context C adds :math:`v(C \cup G) - v(C)`. Its halves L and R add, each in
    half of the orders,

    .. math:: v(C \cup L) - v(C), \quad v(C \cup G) - v(C \cup R), \quad
              v(C \cup R) - v(C), \quad v(C \cup G) - v(C \cup L)

    whose mean sum is what G added: the sum of all importances never changes. What a group adds is
    shared by its segments in proportion to their areas until it is split; when nothing is left to
    split the Owen values are exact.

    Split first, of all trees, is the group and context with the largest product of the group's
    area and of what it adds: share of orders times Euclidean norm over the targets. A large group
    that adds much is where the map is most wrong. In a round up to 32 are split, all that promise
    at least half as much as the first.

    Examples
    --------
    >>> merges = np.array([[0, 1], [2, 3]])
    >>> members = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 1, 1]], dtype=bool)
    >>> tree = Tree(merges=merges, members=members, areas=np.array([1.0, 3.0, 4.0]))
    >>> def ask(asked):  # all three are needed
    ...     return np.concatenate([z.all(axis=1, keepdims=True) * 1.0 for _, z in asked])
    >>> owen_values(ask, [tree], (np.ones(1), np.zeros(1)), 1)[0].importances
    array([[0.125, 0.375, 0.5  ]])
    """
    splitting, left = _Splitting(trees, ends), n_splits
    while splitting and left:
        chosen = splitting.choose(min(left, ROUND))
        left -= len(chosen)
        halves = [trees[part.tree].merges[part.node - len(part.context)] for part in chosen]
        kept = [
            trees[part.tree].members[nodes] | part.context
            for part, nodes in zip(chosen, halves, strict=True)
        ]
        numbers = [part.tree for part in chosen]
        values = ask(list(zip(numbers, kept, strict=True))).reshape(len(chosen), 2, -1)
        for part, *told in zip(chosen, halves, kept, values, strict=True):
            for half in part.halves(*told):
                splitting.add(half)
    return splitting.found()


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
