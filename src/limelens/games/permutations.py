"""Walks that show one segment after the other, and what each adds."""

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Coalitions, Floats, Game


def walked_values(
    game: Game, orders: NDArray[np.intp], intact: Floats, hidden: Floats
) -> NDArray[np.float64]:
    """Return the values on the way through each order, and of the complements, (n, 2, d + 1, t).

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
    # Keeping the complements, the value falls as the same order's segments leave.
    by_turn = np.diff(walks[:, 0] - walks[:, 1], axis=1) / 2
    turn = orders.argsort(axis=1)
    return np.take_along_axis(by_turn.transpose(0, 2, 1), turn[:, np.newaxis], axis=2)
