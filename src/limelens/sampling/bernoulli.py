"""Which coalitions of segments the model is asked about."""

from dataclasses import dataclass

import numpy as np

from limelens._checks.values import check_number
from limelens._typing import Coalitions
from limelens.errors import InvalidInputError

_MOST_EXHAUSTIVE = 20


@dataclass(frozen=True)
class Bernoulli:
    """Keep every segment by the toss of a coin, the original LIME's design.

    Rows are drawn one after the other, so a longer design of the same seed starts with the
    shorter one: raising the number of samples throws nothing away.

    Parameters
    ----------
    p : float, optional
        Probability that a segment is kept, between 0 and 1.

    Raises
    ------
    InvalidInputError
        If `p` does not lie strictly between 0 and 1.

    References
    ----------
    Ribeiro, Singh and Guestrin (2016). "Why should I trust you?" Explaining the predictions of
    any classifier. KDD. :doi:`10.1145/2939672.2939778`

    Examples
    --------
    >>> Bernoulli()(2, 4, np.random.default_rng(0)).astype(int)
    array([[0, 1, 1, 1],
           [0, 0, 0, 0]])
    >>> Bernoulli()(3, 4, np.random.default_rng(0)).astype(int)
    array([[0, 1, 1, 1],
           [0, 0, 0, 0],
           [0, 0, 0, 1]])
    """

    p: float = 0.5

    def __post_init__(self) -> None:
        check_number("p", self.p, minimum=0, maximum=1, open_minimum=True, open_maximum=True)

    def __call__(self, n: int, d: int, rng: np.random.Generator) -> Coalitions:
        """Draw `n` coalitions of `d` segments, shape (n, d)."""
        return rng.random((n, d)) < self.p


@dataclass(frozen=True)
class Exhaustive:
    """Ask about every coalition once: no chance, no sampling error, 2^d model calls.

    It suits up to about 12 segments, in tests and where the exact answer is worth the calls.

    Raises
    ------
    InvalidInputError
        On drawing, if `n` is smaller than ``2**d`` or there are more than 20 segments.

    Examples
    --------
    >>> Exhaustive()(8, 3, np.random.default_rng(0)).astype(int)
    array([[1, 1, 1],
           [1, 1, 0],
           [1, 0, 1],
           [1, 0, 0],
           [0, 1, 1],
           [0, 1, 0],
           [0, 0, 1],
           [0, 0, 0]])
    """

    def __call__(self, n: int, d: int, rng: np.random.Generator) -> Coalitions:
        """Return all ``2**d`` coalitions, the intact image first; `n` must be at least ``2**d``."""
        if d > _MOST_EXHAUSTIVE or n < 2**d:
            msg = (
                f"`n_samples` must be at least 2**{d} = {2**d} to ask about every coalition of "
                f"{d} segments; got {n}."
                if d <= _MOST_EXHAUSTIVE
                else f"`sampler` Exhaustive() takes at most {_MOST_EXHAUSTIVE} segments; got {d}."
            )
            raise InvalidInputError(msg + " Use fewer segments or sampler=Bernoulli().")
        # Numbers from 2^d - 1 down; segment 0 is the highest bit.
        codes = np.arange(2**d - 1, -1, -1)[:, np.newaxis]
        return (codes >> np.arange(d - 1, -1, -1) & 1).astype(np.bool_)
