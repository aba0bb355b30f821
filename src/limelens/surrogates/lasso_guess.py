"""The lasso path of one target from a guess of the order in which its columns enter."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limelens._statistics import DEPENDENT, ROUNDING
from limelens._typing import Floats

_MOST = 8  # guesses; nearly all that will agree with themselves do after three to six
_HUGE = 1e300


@dataclass(frozen=True, kw_only=True, eq=False)
class GuessedCorners:
    """The first corners of a path, or all of them, and the columns that are active after them.

    Attributes
    ----------
    penalties : ndarray, shape (s,)
    coefs : ndarray, shape (s, d)
    active, signs : ndarray, shape (s,)
        Columns that are active below the last penalty, and the signs of their coefficients.
    is_whole : bool
        Whether the last of the corners is the end of the path; nothing is said of `active` then.
    """

    penalties: Floats
    coefs: Floats
    active: NDArray[np.intp]
    signs: Floats
    is_whole: bool


def guessed_corners(gram: Floats, cross: Floats, penalty: float) -> GuessedCorners | None:
    r"""Return corners of one target's lasso path that were guessed and found to be right.

    Parameters
    ----------
    gram : ndarray, shape (d, d)
    cross : ndarray, shape (d,)
    penalty : float
        Where the path ends.

    Returns
    -------
    GuessedCorners or None
        From the empty fit on, up to the first corner that is wrong, or where a column leaves or
        two enter at once. None where there is no such corner, or columns depend on each other.

    Notes
    -----
    If columns only enter, in an order that is known, then a single Cholesky factor
    :math:`G = L L^\top` in this order holds the fits of all corners: with :math:`L u = c`,
    :math:`L v = s` and :math:`m_i` the rows of :math:`L^{-1}`, the fit on the first k columns is
    :math:`b = \sum_{i \le k} m_i (u_i - \mathrm{penalty}\, v_i)`. The product of column k + 1 with
    the residual of this fit, :math:`l u + \mathrm{penalty}\,(s - l v)` with *l* its entry of
    the diagonal, tells at which penalty and with which sign the column enters. A guess of the order
    and the signs is put in the order of these penalties until it agrees with itself.

    Nothing is taken on trust: a corner counts only if its fit meets the lasso's conditions of
    optimality (Karush, Kuhn and Tucker), and so do all before it. Coefficients and products are
    linear between two corners, so what holds at both holds all the way.

    Examples
    --------
    >>> found = guessed_corners(np.eye(2), np.array([3.0, -1.0]), 0.0)
    >>> found.penalties, found.coefs, found.is_whole
    (array([3., 1., 0.]), array([[ 0.,  0.],
           [ 2.,  0.],
           [ 3., -1.]]), True)
    """
    scale = float(np.abs(cross).max(initial=0.0))
    guess = _guess(gram, cross / scale) if scale else None
    if guess is None:
        return None
    n_enter = int(np.append(guess.levels > max(penalty / scale, ROUNDING), False).argmin())
    levels = np.append(guess.levels[:n_enter], penalty / scale)
    fits, is_right = _fits(guess, levels)
    # Where columns enter at once, the walk decides which is the first.
    is_apart = levels[:-1] - levels[1:] > ROUNDING
    is_right[:-1] &= is_apart
    n_right = n_enter + 1 if is_right.all() else int(is_right.argmin())
    if not n_right:
        return None
    coefs = np.empty((n_right, len(cross)))
    coefs[:, guess.order] = fits[:n_right] * scale + 0.0  # of -0.0 makes 0.0
    return GuessedCorners(
        penalties=levels[:n_right] * scale,
        coefs=coefs,
        active=guess.order[:n_right],
        signs=guess.enters[:n_right],
        is_whole=n_right > n_enter,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Guess:
    """An order in which columns may enter. All else is in this order, too.

    Attributes
    ----------
    order : ndarray of int, shape (d,)
    signs, enters : ndarray, shape (d,)
        The signs that are taken for granted, and those with which the columns then enter.
    levels : ndarray, shape (d,)
        At which penalty every column enters after those before it.
    gram, cross : ndarray, shape (d, d) and (d,)
        Products of the columns, and with the target.
    factor : ndarray, shape (d, d)
        L of gram = L L'.
    of_cross, of_signs : ndarray, shape (d,)
        u and v of L u = cross and L v = signs.
    """

    order: NDArray[np.intp]
    signs: Floats
    enters: Floats
    levels: Floats
    gram: Floats
    cross: Floats
    factor: Floats
    of_cross: Floats
    of_signs: Floats


def _guess(gram: Floats, cross: Floats) -> _Guess | None:
    """Return the guess that agrees with itself, or the last of several; None if columns depend."""
    n = len(cross)
    # The products with the target and the signs are two rows more: so u and v are rows of the
    # factor. In the corner that they share anything will do that is large.
    bordered = np.zeros((n + 2, n + 2))
    bordered[:n, :n], bordered[n, :n], bordered[n + 1, :n] = gram, cross, np.sign(cross)
    bordered[n, n] = bordered[n + 1, n + 1] = _HUGE
    places = np.arange(n + 2)
    places[:n] = (-np.abs(cross)).argsort(kind="stable")
    for left in range(_MOST, 0, -1):
        ordered = bordered.take(places, axis=0).take(places, axis=1)
        try:
            factor: Any = np.linalg.cholesky(ordered)
        except np.linalg.LinAlgError:
            return None
        own, u, v, signs = factor.diagonal()[:n], factor[n, :n], factor[n + 1, :n], ordered[-1, :n]
        enters = np.sign(u)
        approach = np.maximum(1.0 - enters * (signs - own * v), ROUNDING)
        levels = own * np.abs(u) / approach
        is_agreed = (levels[1:] < levels[:-1]).all() and (enters == signs).all()
        if is_agreed or left == 1:
            break
        bordered[n + 1, places[:n]] = enters
        places[:n] = places[:n][(-levels).argsort(kind="stable")]
    if (np.square(own) <= DEPENDENT * ordered.diagonal()[:n]).any():
        return None
    return _Guess(
        order=places[:n],
        signs=signs,
        enters=enters,
        levels=levels,
        gram=ordered[:n, :n],
        cross=ordered[n, :n],
        factor=factor[:n, :n],
        of_cross=u,
        of_signs=v,
    )


def _fits(guess: _Guess, levels: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the fits (s, d) on the first 0, 1, ... columns at `levels` (s,), and which are right.

    They are if they meet the conditions of optimality: the products of active columns with the
    residual are the penalty, times the coefficient's sign, and those of others are no larger.
    """
    n, level = len(guess.order), levels[:, np.newaxis]
    active = np.tri(len(levels), n, -1)
    right = active * (guess.of_cross - level * guess.of_signs)
    fits: Any = np.linalg.solve(guess.factor.T, right.T).T
    signed = active * guess.signs
    products = guess.cross - fits @ guess.gram - level * signed
    is_right = (np.abs(products) <= (1.0 - active) * level + ROUNDING).all(axis=1)
    is_right &= (np.sign(fits) == signed).all(axis=1)
    return fits, is_right
