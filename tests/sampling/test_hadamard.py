import numpy as np
import pytest

from limelens.errors import InvalidInputError
from limelens.sampling.hadamard import hadamard, hadamard_order

# Known since Paley: the multiples of four that his constructions, doubling and products miss.
UNREACHED = [92, 116, 156, 172, 184, 188, 232, 236, 260, 268, 292]
REACHED = [1, 2, *(order for order in range(4, 301, 4) if order not in UNREACHED)]


@pytest.mark.parametrize("order", REACHED)
def test_rows_and_columns_are_orthogonal_and_normalised(order):
    matrix = hadamard(order).astype(np.int64)
    assert np.array_equal(np.abs(matrix), np.ones((order, order)))
    assert np.array_equal(matrix @ matrix.T, order * np.eye(order))
    assert np.array_equal(matrix.T @ matrix, order * np.eye(order))
    assert (matrix[0] == 1).all()
    assert (matrix[:, 0] == 1).all()


@pytest.mark.parametrize("order", UNREACHED)
def test_an_order_out_of_reach_names_the_next(order):
    following = next(o for o in range(order, 304, 4) if o not in UNREACHED)
    with pytest.raises(InvalidInputError, match=f"got {order}. The next one is {following}"):
        hadamard(order)


@pytest.mark.parametrize("order", [3, 6, 10, 50, 99])
def test_other_orders_do_not_exist(order):
    with pytest.raises(InvalidInputError, match=f"`order` must be .* got {order}"):
        hadamard(order)


@pytest.mark.parametrize("minimum", range(1, 301))
def test_the_smallest_reachable_order_is_found(minimum):
    assert hadamard_order(minimum) == min(order for order in REACHED if order >= minimum)


def test_prime_powers_are_fields_and_not_rings_of_remainders():
    # 28 = 27 + 1 (Paley I), 20 = 2 (9 + 1) and 52 = 2 (25 + 1) (Paley II) need GF(p^k).
    for order in (28, 52, 100, 244, 252):
        matrix = hadamard(order).astype(np.int64)
        assert np.array_equal(matrix @ matrix.T, order * np.eye(order))


@pytest.mark.parametrize("order", [0, -4, 2.0, True, 20_001])
def test_orders_are_checked_at_the_door(order):
    with pytest.raises(InvalidInputError, match="`order` must be an integer"):
        hadamard(order)
    with pytest.raises(InvalidInputError, match="`minimum` must be an integer"):
        hadamard_order(order)


def test_every_call_returns_its_own_array():
    hadamard(8)[:] = 0
    assert hadamard(8)[0, 0] == 1
