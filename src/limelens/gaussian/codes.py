"""Walsh functions: characters of coalitions, their transform, arrays from linear codes."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from limelens._typing import Floats

_RADIX = 32

# Primitive polynomials of GF(2^m), m = 2..6, as bit masks: 7 is x^2 + x + 1.
_PRIMITIVE = {2: 7, 3: 11, 4: 19, 5: 37, 6: 67}


def walsh_hadamard(rows: Floats) -> Floats:
    """Return ``rows @ H``, H[u, v] = (-1)**popcount(u & v), for rows of a length 2**q.

    Examples
    --------
    >>> walsh_hadamard(np.array([[1.0, 2.0, 3.0, 4.0]]))
    array([[10., -2., -4.,  0.]])
    """
    n, length = rows.shape
    # H is the Kronecker product of the transforms of groups of bits. Five bits at a time, from the
    # lowest, take small matrices and few passes.
    stride, result = 1, np.asarray(rows, dtype=np.float64)
    while stride < length:
        order = min(_RADIX, length // stride)
        block = result.reshape(-1, order, stride)
        matrix = _sylvester(order)
        result = block[:, :, 0] @ matrix if stride == 1 else np.matmul(matrix, block)
        stride *= order
    return result.reshape(n, length)


@lru_cache(maxsize=16)
def _sylvester(order: int) -> Floats:
    from scipy.linalg import hadamard  # noqa: PLC0415

    matrix: Floats = hadamard(order, dtype=np.float64)
    matrix.setflags(write=False)
    return matrix


def code_signs(codes: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return (-1)**popcount(u & code) for u = 0..2**q - 1, shape (2**q, len(codes)).

    q is the number of bits of the largest code.

    Examples
    --------
    >>> code_signs(np.array([1, 3]))
    array([[ 1,  1],
           [-1, -1],
           [ 1, -1],
           [-1,  1]], dtype=int8)
    """
    result = np.ones((1, len(codes)), dtype=np.int8)
    # The u with one more bit repeat the rows so far, with the sign turned where the code has it.
    for bit in range(int(codes.max()).bit_length()):
        flip = np.where(codes >> bit & 1, -1, 1).astype(np.int8)
        result = np.concatenate([result, result * flip])
    return result


def bch_codes(n_columns: int) -> NDArray[np.int64]:
    r"""Return codes of 2 m + 1 bits, any five of which are linearly independent.

    Parameters
    ----------
    n_columns : int
        At most 64.

    Returns
    -------
    codes : ndarray of int, shape (n_columns,)
        All have the highest bit set.

    Notes
    -----
    :math:`c_i = x_i \,|\, x_i^3 \ll m \,|\, 1 \ll 2m` with distinct elements :math:`x_i` of
    GF(2^m): the parity checks of the extended double-error-correcting BCH code of minimum distance
    6, so `code_signs` of them is an orthogonal array of strength 5.

    References
    ----------
    A. S. Hedayat, N. J. A. Sloane, J. Stufken, "Orthogonal arrays", Springer, 1999, chapter 5.
    """
    m = max(2, (n_columns - 1).bit_length())
    numbers = np.arange(n_columns)
    cubes = _product(_product(numbers, numbers, m), numbers, m)
    return np.asarray(numbers | cubes << m | 1 << (2 * m))


def random_codes(n_columns: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return distinct random codes with the highest bit set: an array of strength 3.

    They have 13 bits, or enough for four times as many rows as columns.
    """
    # One or three of them never add up to 0 because of the highest bit, two because they differ.
    q = max(13, (4 * n_columns - 1).bit_length())
    return np.asarray(1 + rng.permutation((1 << (q - 1)) - 1)[:n_columns] | 1 << (q - 1))


def _product(a: NDArray[np.int64], b: NDArray[np.int64], m: int) -> NDArray[np.int64]:
    """Multiply elements of GF(2^m) written as bit masks."""
    # Horner's rule on the bits of b: times x, reduced by the polynomial, plus a.
    result = np.zeros_like(a)
    for bit in range(m - 1, -1, -1):
        result <<= 1
        result ^= np.where(result >> m & 1, _PRIMITIVE[m], 0)
        result ^= np.where(b >> bit & 1, a, 0)
    return result
