"""Hadamard matrices of the smallest order: Sylvester, Paley and Kronecker products."""

from collections.abc import Iterator
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from limelens._validation import check_int
from limelens.errors import InvalidInputError

_MAX_ORDER = 20_000


def hadamard_order(minimum: int) -> int:
    """Return the smallest order, at least `minimum`, of a matrix that `hadamard` can make.

    Parameters
    ----------
    minimum : int
        From 1 to 20,000.

    Returns
    -------
    order : int

    Raises
    ------
    InvalidInputError
        If `minimum` is not an integer within its bounds.

    Notes
    -----
    Every multiple of four up to 300 is reached except 92, 116, 156, 172, 184, 188, 232, 236, 260,
    268 and 292: matrices of those orders exist, but by constructions (Williamson and others) that
    save at most a few per cent of the rows and are left out.

    Examples
    --------
    >>> [hadamard_order(d + 1) for d in (7, 46, 53, 91)]
    [8, 48, 56, 96]
    """
    order = check_int("minimum", minimum, minimum=1, maximum=_MAX_ORDER)
    while _recipe(order) is None:
        order += 1
    return order


def hadamard(order: int) -> NDArray[np.int8]:
    """Return a Hadamard matrix: entries 1 and -1, orthogonal rows, orthogonal columns.

    Parameters
    ----------
    order : int
        1, 2 or a multiple of four for which one of the constructions of the Notes exists.

    Returns
    -------
    matrix : ndarray of int8, shape (order, order)
        Normalised: the first row and the first column are all 1. A new array at every call.

    Raises
    ------
    InvalidInputError
        If none of the constructions gives this order; the message names the next one that works.

    Notes
    -----
    ``H H' = order * I``. Let `q` be a prime power and `Q[a, b] = chi(a - b)` the table of the
    quadratic character of GF(q).

    * Paley I, order q + 1 for q = 3 (mod 4): ``I + [[0, 1], [-1, Q]]``.
    * Paley II, order 2 (q + 1) for q = 1 (mod 4): in ``[[0, 1], [1, Q]]`` every 0 becomes
      ``[[1, -1], [-1, -1]]`` and every ±1 becomes ``±[[1, 1], [1, -1]]``.
    * The Kronecker product of two Hadamard matrices is one; with ``[[1, 1], [1, -1]]`` this is
      Sylvester's doubling.

    References
    ----------
    J. J. Sylvester, "Thoughts on inverse orthogonal matrices", Philosophical Magazine 34, 1867.
    R. E. A. C. Paley, "On orthogonal matrices", Journal of Mathematics and Physics 12, 1933,
    doi:10.1002/sapm1933121311.
    A. Hedayat, W. D. Wallis, "Hadamard matrices and their applications", Annals of Statistics 6,
    1978, doi:10.1214/aos/1176344370.

    Examples
    --------
    >>> hadamard(4)
    array([[ 1,  1,  1,  1],
           [ 1, -1,  1, -1],
           [ 1, -1, -1,  1],
           [ 1,  1, -1, -1]], dtype=int8)
    """
    order = check_int("order", order, minimum=1, maximum=_MAX_ORDER)
    if _recipe(order) is None:
        msg = (
            f"`order` must be one that Sylvester's, Paley's or Kronecker's construction gives; got "
            f"{order}. The next one is {hadamard_order(order)}."
        )
        raise InvalidInputError(msg)
    matrix = _build(order)
    matrix = matrix * matrix[:, :1]
    return matrix * matrix[:1]


@cache
def _recipe(order: int) -> tuple[str, int] | None:
    """Say how an order is made: the construction and its field's size or its left factor."""
    if order in (1, 2):
        return "sylvester", order
    if order % 4:
        return None
    if (order - 1) % 4 == 3 and _prime_power(order - 1):
        return "paley1", order - 1
    if order % 8 == 4 and (order // 2 - 1) % 4 == 1 and _prime_power(order // 2 - 1):
        return "paley2", order // 2 - 1
    for factor in (2, *range(4, int(order**0.5) + 1, 4)):
        if order % factor == 0 and _recipe(factor) and _recipe(order // factor):
            return "kronecker", factor
    return None


def _build(order: int) -> NDArray[np.int8]:
    recipe = _recipe(order)
    name, parameter = recipe if recipe else ("", 0)
    if name == "sylvester":
        return np.array([[1, 1], [1, -1]], dtype=np.int8)[:order, :order]
    if name == "kronecker":
        return np.kron(_build(parameter), _build(order // parameter))
    return _paley1(parameter) if name == "paley1" else _paley2(parameter)


def _paley1(q: int) -> NDArray[np.int8]:
    matrix = np.ones((q + 1, q + 1), dtype=np.int8)
    matrix[1:, 0] = -1
    matrix[1:, 1:] = _jacobsthal(q) + np.eye(q, dtype=np.int8)
    return matrix


def _paley2(q: int) -> NDArray[np.int8]:
    conference = np.ones((q + 1, q + 1), dtype=np.int8)
    conference[0, 0] = 0
    conference[1:, 1:] = _jacobsthal(q)
    off = np.array([[1, 1], [1, -1]], dtype=np.int8)
    diagonal = np.array([[1, -1], [-1, -1]], dtype=np.int8)
    return np.kron(conference, off) + np.kron(np.eye(q + 1, dtype=np.int8), diagonal)


def _jacobsthal(q: int) -> NDArray[np.int8]:
    """Return `chi(a - b)` for all a, b in GF(q); elements are numbered by their digits base p."""
    p, degree = _prime_power(q) or (q, 1)
    digits = np.array(list(product(range(p), repeat=degree)), dtype=np.int64)
    place = p ** np.arange(degree - 1, -1, -1)
    character = np.full(q, -1, dtype=np.int8)
    character[_squares(digits, p) @ place] = 1
    character[0] = 0
    difference = (digits[:, np.newaxis] - digits) % p @ place
    return character[difference]


def _squares(digits: NDArray[np.int64], p: int) -> NDArray[np.int64]:
    """Square polynomials over GF(p), highest power first, modulo an irreducible one."""
    degree = digits.shape[1]
    full = np.zeros((len(digits), 2 * degree - 1), dtype=np.int64)
    for i, j in product(range(degree), repeat=2):
        full[:, i + j] += digits[:, i] * digits[:, j]
    full %= p
    modulus = np.array(_irreducible(p, degree), dtype=np.int64)
    for lead in range(degree - 1):
        full[:, lead : lead + degree + 1] -= full[:, lead : lead + 1] * modulus
        full %= p
    return full[:, degree - 1 :]


@cache
def _irreducible(p: int, degree: int) -> tuple[int, ...]:
    """Return the first monic polynomial of this degree over GF(p) without a factor."""
    if degree == 1:
        return (1, 0)
    candidates = ((1, *tail) for tail in product(range(p), repeat=degree))
    return next(
        polynomial
        for polynomial in candidates
        if not any(_divides(factor, polynomial, p) for factor in _monic(p, degree // 2))
    )


def _monic(p: int, max_degree: int) -> Iterator[tuple[int, ...]]:
    for degree in range(1, max_degree + 1):
        for tail in product(range(p), repeat=degree):
            yield (1, *tail)


def _divides(factor: tuple[int, ...], polynomial: tuple[int, ...], p: int) -> bool:
    rest = list(polynomial)
    for lead in range(len(rest) - len(factor) + 1):
        scale = rest[lead]
        for offset, coefficient in enumerate(factor):
            rest[lead + offset] = (rest[lead + offset] - scale * coefficient) % p
    return not any(rest)


@cache
def _prime_power(q: int) -> tuple[int, int] | None:
    """Return `(p, k)` with `p ** k == q` and p an odd prime, or None."""
    p = next((f for f in range(3, int(q**0.5) + 1, 2) if q % f == 0), q)
    degree = 0
    while q % p == 0 and q > 1:
        q, degree = q // p, degree + 1
    return (p, degree) if q == 1 and p > 2 and degree else None
