"""Paley's Hadamard matrices of prime size: in these, no product of three columns is a fourth."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from limelens._checks.values import check_int
from limelens.errors import InvalidInputError

_MAX_ORDER = 20_000
_SMALLEST_PALEY = 12
"""Paley's matrix of order 8 is Sylvester's, in which products of three columns are columns."""


def hadamard_order(minimum: int) -> int:
    """Return the smallest order, at least `minimum`, of a matrix that `hadamard` can make.

    Parameters
    ----------
    minimum : int
        From 1 to 20,000.

    Returns
    -------
    order : int
        1, 2, 4, or q + 1 >= 12 with a prime number q of the form 4 m + 3.

    Raises
    ------
    InvalidInputError
        If `minimum` is not an integer within its bounds.

    Examples
    --------
    >>> [hadamard_order(d + 1) for d in (7, 12, 46, 53)]
    [12, 20, 48, 60]
    """
    order = check_int("minimum", minimum, minimum=1, maximum=_MAX_ORDER)
    while not _is_made(order):
        order += 1
    return order


def hadamard(order: int) -> NDArray[np.int8]:
    r"""Return a Hadamard matrix: entries 1 and -1, orthogonal rows, orthogonal columns.

    Parameters
    ----------
    order : int
        1, 2, 4, or q + 1 with a prime q = 3 (mod 4), from 12 on.

    Returns
    -------
    matrix : ndarray of int8, shape (order, order)
        Normalised: the first row and the first column are all 1. A new array at every call.

    Raises
    ------
    InvalidInputError
        If there is no such matrix of this order; the message names the next order that works.

    Notes
    -----
    SciPy's `scipy.linalg.hadamard` makes Sylvester's matrices alone, of sizes that are powers of 2.

    ``H H' = order * I``. Paley's first construction is ``I + [[0, 1], [-1, Q]]`` with the table
    ``Q[a, b] = chi(a - b)`` of the quadratic character modulo q: 1 for squares, -1 for others.

    The mean product of any four columns, the first excluded, is a character sum. It is hardly more
    than :math:`3 / \sqrt q` (Weil's bound): 0.6 for order 20, and at most 1/3 for all other orders
    up to 212. For some columns of Sylvester's matrices and of all Kronecker products it is 1, and
    in Paley's second construction it is nearly 1. There, an interaction of three segments would be
    mistaken for the effect of a fourth.

    References
    ----------
    R. E. A. C. Paley, "On orthogonal matrices", Journal of Mathematics and Physics 12, 1933,
    doi:10.1002/sapm1933121311.
    A. Hedayat, W. D. Wallis, "Hadamard matrices and their applications", Annals of Statistics 6,
    1978, doi:10.1214/aos/1176344370.
    L. Y. Deng, B. Tang, "Generalized resolution and minimum aberration criteria for
    Plackett-Burman and other nonregular factorial designs", Statistica Sinica 9, 1999.

    Examples
    --------
    >>> hadamard(4)
    array([[ 1,  1,  1,  1],
           [ 1, -1,  1, -1],
           [ 1, -1, -1,  1],
           [ 1,  1, -1, -1]], dtype=int8)
    """
    order = check_int("order", order, minimum=1, maximum=_MAX_ORDER)
    if not _is_made(order):
        raise InvalidInputError(
            "`order` must be 1, 2, 4 or a prime of the form 4 m + 3 plus 1, from 12 on; got "
            f"{order}. The next one is {hadamard_order(order)}."
        )
    matrix = _paley(order - 1) if order > 2 else np.ones((order, order), dtype=np.int8)
    if order == 2:
        matrix[1, 1] = -1
    # Sign changes of rows and columns keep orthogonality.
    matrix = matrix * matrix[:, :1]
    return matrix * matrix[:1]


@cache
def _is_made(order: int) -> bool:
    if order < _SMALLEST_PALEY:
        return order in (1, 2, 4)
    q = order - 1
    return q % 4 == 3 and all(q % factor for factor in range(3, int(q**0.5) + 1, 2))


def _paley(q: int) -> NDArray[np.int8]:
    numbers = np.arange(q)
    # The quadratic character chi: 0 for 0, 1 for squares modulo q, -1 for all others.
    character = np.full(q, -1, dtype=np.int8)
    character[numbers * numbers % q] = 1
    character[0] = 0
    matrix = np.ones((q + 1, q + 1), dtype=np.int8)
    matrix[1:, 0] = -1
    matrix[1:, 1:] = character[(numbers[:, np.newaxis] - numbers) % q] + np.eye(q, dtype=np.int8)
    return matrix
