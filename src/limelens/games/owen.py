"""Owen values of a game over a binary tree, refined where the most is to be told apart."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Coalitions, Floats, Game

ROUND = 32
"""The most groups split before the model is asked: two coalitions each, one full batch."""

_CLOSE = 0.5
"""A group is split along with the first of its round if it promises at least this share of it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OwenValues:
    """What a number of splits told.

    Attributes
    ----------
    importances : ndarray, shape (t, d)
        Their sum over d is the value of everything minus that of nothing.
    shared : ndarray, shape (t,)
        Share of the (absolute) gains that is still that of groups, shared equally.
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
    node : int
        The group.
    context : ndarray of bool, shape (d,)
        What is kept already.
    share : float
        Of all orders, those in which exactly the context comes before the group.
    before, after : ndarray, shape (t,)
        Value of the context, without and with the group.
    """

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
                node=half,
                context=self.context,
                share=share,
                before=self.before,
                after=values[node],
            )
            yield _Part(
                node=half, context=kept[other], share=share, before=values[other], after=self.after
            )


def owen_values(
    game: Game,
    merges: NDArray[np.intp],
    members: Coalitions,
    ends: tuple[Floats, Floats],
    n_splits: int,
) -> OwenValues:
    r"""Split groups until each segment stands alone, or as often as allowed.

    Parameters
    ----------
    game : callable
        Coalitions `(n, d)` -> values `(n, t)`.
    merges : ndarray of int, shape (d - 1, 2)
        The tree: node `d + k` is what merge number k makes of two earlier nodes.
    members : ndarray of bool, shape (2 d - 1, d)
        The segments of each node.
    ends : tuple of ndarray, shape (t,)
        Values of everything and of nothing.
    n_splits : int
        The most splits; each asks about two coalitions.

    Notes
    -----
    A group G in the context C adds :math:`v(C \cup G) - v(C)`. Its halves L and R add, each in
    half of the orders,

    .. math:: v(C \cup L) - v(C), \quad v(C \cup G) - v(C \cup R), \quad
              v(C \cup R) - v(C), \quad v(C \cup G) - v(C \cup L)

    whose mean sum is what G added: the sum of all importances never changes. What a group adds is
    shared equally by its segments until it is split; when nothing is left to split the Owen
    values are exact.

    Split first is the group and context that adds most: the largest share of orders times
    Euclidean norm over the targets of what is added. In a round up to 32 are split, all that
    promise at least half as much as the first.

    Examples
    --------
    >>> merges = np.array([[0, 1], [2, 3]])
    >>> members = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 1, 1]], dtype=bool)
    >>> game = lambda z: z.all(axis=1, keepdims=True) * 1.0  # all three are needed
    >>> owen_values(game, merges, members, (np.ones(1), np.zeros(1)), 1).importances
    array([[0.25, 0.25, 0.5 ]])
    """
    d, (intact, hidden) = members.shape[1], ends
    root = _Part(
        node=2 * d - 2, context=np.zeros(d, dtype=np.bool_), share=1.0, before=hidden, after=intact
    )
    importances, alone = np.zeros((len(intact), d)), np.zeros(len(intact))
    waiting = [(-float(np.linalg.norm(root.gain)), 0, root)]
    n_parts, left = 1, n_splits
    while waiting and left:
        chosen = _choose(waiting, min(left, ROUND))
        left -= len(chosen)
        nodes = merges[[part.node - d for part in chosen]]
        kept = members[nodes] | np.array([part.context for part in chosen])[:, np.newaxis]
        values = game(kept.reshape(-1, d)).reshape(len(chosen), 2, -1)
        for part, *told in zip(chosen, nodes, kept, values, strict=True):
            for half in part.halves(*told):
                if half.node < d:
                    importances[:, half.node] += half.gain
                    alone += np.abs(half.gain)
                else:
                    n_parts += 1  # of equals, the first made is the first split
                    promise = float(np.linalg.norm(half.gain))
                    heapq.heappush(waiting, (-promise, n_parts, half))
    together = np.zeros_like(alone)
    for _, _, part in waiting:
        group = members[part.node]
        importances[:, group] += (part.gain / group.sum())[:, np.newaxis]
        together += np.abs(part.gain)
    total = alone + together
    shared = np.divide(together, total, out=np.zeros_like(total), where=total > 0)
    return OwenValues(
        importances=importances, shared=shared, n_splits=n_splits - left, exact=not waiting
    )


def _choose(waiting: list[tuple[float, int, _Part]], most: int) -> list[_Part]:
    """Take the next parts to split off the heap."""
    enough = _CLOSE * waiting[0][0]
    chosen: list[_Part] = []
    while waiting and len(chosen) < most and waiting[0][0] <= enough:
        chosen.append(heapq.heappop(waiting)[2])
    return chosen
