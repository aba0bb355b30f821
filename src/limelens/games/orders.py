"""Walks that show one segment after the other, and what each segment adds on the way."""

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Coalitions, Floats, Game


def walked_values(
    game: Game, orders: NDArray[np.intp], intact: Floats, hidden: Floats
) -> NDArray[np.float64]:
    """Return the values along each order and those of the complements, shape (n, 2, d + 1, t).

    Parameters
    ----------
    game : callable
        Coalitions `(n, d)` -> values `(n, t)`.
    orders : ndarray of int, shape (n, d)
        Permutations of the segments.
    intact, hidden : ndarray, shape (t,)
        Values of all and of no segment.

    Examples
    --------
    Forwards the segments 0 and 1 are kept one by one, backwards they are hidden:

    >>> game = lambda z: z @ np.array([[1.0], [5.0]])
    >>> walked_values(game, np.array([[0, 1]]), np.array([6.0]), np.zeros(1))[0, :, :, 0]
    array([[0., 1., 6.],
           [6., 5., 0.]])
    """
    n, d = orders.shape
    # The inverse permutation: turn i is when segment i comes. Step k keeps those with turn < k.
    turn = orders.argsort(axis=1)
    forward: Coalitions = turn[:, np.newaxis] < np.arange(1, d)[:, np.newaxis]
    walks = np.empty((n, 2, d + 1, len(intact)))
    walks[:, 0, 0] = walks[:, 1, d] = hidden
    walks[:, 1, 0] = walks[:, 0, d] = intact
    coalitions = np.stack([forward, ~forward], axis=1).reshape(-1, d)
    walks[:, :, 1:d] = game(coalitions).reshape(n, 2, d - 1, -1)
    return walks


def antithetic_gains(walks: NDArray[np.float64], orders: NDArray[np.intp]) -> Floats:
    """Return what each segment adds, averaged over an order and its reverse, shape (n, t, d).

    Parameters
    ----------
    walks : ndarray, shape (n, 2, d + 1, t)
        As from `walked_values`.
    orders : ndarray of int, shape (n, d)
        Permutations of the segments.

    Examples
    --------
    The score is 1 from two segments on; in the order 0, 1, 2 and back it is 1's or 2's:

    >>> game, orders = lambda z: (z.sum(axis=1, keepdims=True) > 1) * 1.0, np.array([[0, 1, 2]])
    >>> antithetic_gains(walked_values(game, orders, np.ones(1), np.zeros(1)), orders)
    array([[[0., 1., 0.]]])
    """
    # On the first walk segment k's gain is v(k + 1 kept) - v(k kept). The complements lose the
    # same segments in the same order, which is the reverse order read backwards: there the gain is
    # the fall from step k to k + 1. Half the step of the difference is the mean of both.
    by_turn = np.diff(walks[:, 0] - walks[:, 1], axis=1) / 2
    turn = orders.argsort(axis=1)  # from the order of the walk to that of the segments
    return np.take_along_axis(by_turn.transpose(0, 2, 1), turn[:, np.newaxis], axis=2)
