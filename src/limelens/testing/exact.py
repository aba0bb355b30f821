"""Attributions of a game by their definitions, every coalition enumerated."""

from math import factorial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from limelens._checks.values import check_choice, check_int, check_number
from limelens._typing import Coalitions, Floats
from limelens.testing._checks import check_table

Kind = Literal["shapley", "banzhaf", "lime", "ablation", "keep_one"]
_KINDS = ("shapley", "banzhaf", "lime", "ablation", "keep_one")
MAX_SEGMENTS = 16
"""Most segments that are enumerated: 65,536 coalitions."""


def all_coalitions(n_segments: int) -> Coalitions:
    """List every coalition; row `r` keeps segment `j` if bit `j` of `r` is set.

    Parameters
    ----------
    n_segments : int
        Number of segments d, at most 16.

    Returns
    -------
    coalitions : ndarray of bool, shape (2**d, d)
        The first row hides everything, the last keeps everything.

    Raises
    ------
    InvalidInputError
        If `n_segments` is not an integer from 1 to 16.

    Examples
    --------
    >>> all_coalitions(2).astype(int)
    array([[0, 0],
           [1, 0],
           [0, 1],
           [1, 1]])
    """
    d = check_int("n_segments", n_segments, minimum=1, maximum=MAX_SEGMENTS)
    return (np.arange(2**d)[:, np.newaxis] >> np.arange(d) & 1).astype(np.bool_)


def exact_values(game: Any, kind: Kind = "shapley", *, kernel_width: float = 0.25) -> Floats:
    """Compute the attribution of every segment by enumeration.

    This is the brute-force reference that fast methods are tested against.

    Parameters
    ----------
    game : ndarray, shape (2**d,) or (2**d, t), or a toy with a `table` method
        The score of every coalition in the order of `all_coalitions`; d at most 16.
    kind : {"shapley", "banzhaf", "lime", "ablation", "keep_one"}, default "shapley"
        The definition; see Notes.
    kernel_width : float, default 0.25
        Width of LIME's kernel; used by ``"lime"`` only.

    Returns
    -------
    importances : ndarray of float64, shape (t, d)
        One row for each column of the table.

    Raises
    ------
    InvalidInputError
        If the table's length is not a power of two, or `kind` is unknown.

    Notes
    -----
    With ``v`` the game, ``N`` all segments, and sums over the coalitions ``S`` without ``j``:

    * Shapley: ``sum of |S|! (d-1-|S|)! / d! * (v(S + j) - v(S))``
    * Banzhaf: ``2**(1-d) * sum of (v(S + j) - v(S))``
    * ablation: ``v(N) - v(N - j)``; keep one: ``v({j}) - v({})``
    * LIME: the coefficients of the least-squares fit of ``v`` on all coalitions with an intercept
      and the weights ``exp(-dist**2 / (2 kernel_width**2))``, ``dist = 1 - sqrt(|S| / d)``. This is
      the limit of `Lime` without a penalty for many samples.

    References
    ----------
    L. S. Shapley, "A value for n-person games", 1953, doi:10.1515/9781400881970-018.
    J. F. Banzhaf, "Weighted voting doesn't work", Rutgers Law Review 19, 1965.
    M. T. Ribeiro, S. Singh, C. Guestrin, "Why should I trust you?", 2016,
    doi:10.1145/2939672.2939778.

    Examples
    --------
    Both of two segments are needed:

    >>> exact_values([0, 0, 0, 1], "shapley")
    array([[0.5, 0.5]])
    >>> exact_values([0, 0, 0, 1], "ablation")
    array([[1., 1.]])
    """
    check_choice("kind", kind, _KINDS)
    table = _table_of(game)
    if kind == "lime":
        width = check_number("kernel_width", kernel_width, minimum=0, open_minimum=True)
        return _lime_limit(table, width)
    d = len(table).bit_length() - 1
    gains, others = _gains(table, d)
    if kind == "ablation":
        return gains[:, -1].T.copy()
    if kind == "keep_one":
        return gains[:, 0].T.copy()
    if kind == "banzhaf":
        return gains.mean(axis=1).T
    # Shapley's weight of a coalition of s others.
    by_size = [factorial(s) * factorial(d - 1 - s) / factorial(d) for s in range(d)]
    return np.einsum("js,jst->tj", np.asarray(by_size)[others], gains)


def _table_of(game: Any) -> Floats:
    values: ArrayLike = game.table() if hasattr(game, "table") else game
    table = check_table("game", values, MAX_SEGMENTS)
    return table[:, np.newaxis] if table.ndim == 1 else table


def _gains(table: Floats, d: int) -> tuple[Floats, Any]:
    """Return `v(S + j) - v(S)`, `(d, 2**(d-1), t)`, and the sizes of S, `(d, 2**(d-1))`."""
    rows = np.arange(2**d)
    sizes = all_coalitions(d).sum(axis=1)
    # Rows whose bit j is not set, and the same rows with it.
    without = np.stack([rows[rows >> j & 1 == 0] for j in range(d)])
    bits = (1 << np.arange(d))[:, np.newaxis]
    return table[without | bits] - table[without], sizes[without]


def _lime_limit(table: Floats, width: float) -> Floats:
    coalitions = all_coalitions(len(table).bit_length() - 1)
    distance = 1 - np.sqrt(coalitions.mean(axis=1))
    root = np.exp(-(distance**2) / (4 * width**2))[:, np.newaxis]  # square root of the weight
    design = np.column_stack([np.ones(len(table)), coalitions])
    solution = np.linalg.lstsq(design * root, table * root, rcond=None)[0]
    return np.ascontiguousarray(solution[1:].T)
