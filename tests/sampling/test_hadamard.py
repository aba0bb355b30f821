import numpy as np
import pytest

from limelens.errors import InvalidInputError
from limelens.sampling.hadamard import hadamard, hadamard_order

PRIMES = [11, 19, 23, 31, 43, 47, 59, 67, 71, 79, 83, 103, 107, 127, 131, 139, 151, 163, 167]
PRIMES += [179, 191, 199, 211, 223]
ORDERS = [1, 2, 4, *(prime + 1 for prime in PRIMES)]


def worst_alias(matrix):
    """Return how much of a product of three columns falls on a fourth, at worst.

    The first column of ones is left aside. In Paley's matrices numbering the elements of the field
    from another zero exchanges columns and rows only, so that one of the four may be the first.
    """
    columns = matrix[:, 1:].astype(np.float32)
    worst = 0.0
    for second in range(1, columns.shape[1]):
        likeness = np.abs((columns * columns[:, [0]] * columns[:, [second]]).T @ columns)
        np.fill_diagonal(likeness, 0)
        likeness[[0, second]], likeness[:, [0, second]] = 0, 0
        worst = max(worst, float(likeness.max()))
    return worst / len(matrix)


@pytest.mark.parametrize("order", ORDERS)
def test_rows_and_columns_are_orthogonal_and_normalised(order):
    matrix = hadamard(order).astype(np.int64)
    assert np.array_equal(np.abs(matrix), np.ones((order, order)))
    assert np.array_equal(matrix @ matrix.T, order * np.eye(order))
    assert np.array_equal(matrix.T @ matrix, order * np.eye(order))
    assert (matrix[0] == 1).all()
    assert (matrix[:, 0] == 1).all()


def test_no_product_of_three_columns_is_a_fourth_for_any_number_of_segments():
    bounds = {
        order: worst_alias(hadamard(order))
        for order in {hadamard_order(d + 1) for d in range(3, 201)}
    }
    print("\norder: worst alias of three segments with a fourth")  # noqa: T201
    for order in sorted(bounds):
        print(f"{order:5d}: {bounds[order]:.3f}")  # noqa: T201
    assert bounds.pop(20) == pytest.approx(0.6)
    assert max(bounds.values()) < 0.34


def test_the_worst_alias_is_found_by_looking_at_every_four_columns_too():
    columns = hadamard(20)[:, 1:].astype(float)
    pairs = [(i, j) for i in range(19) for j in range(i)]
    products = np.array([columns[:, i] * columns[:, j] for i, j in pairs])
    likeness = np.abs(products @ products.T)
    share_one = np.array([[bool({*a} & {*b}) for b in pairs] for a in pairs])
    assert likeness[~share_one].max() / 20 == pytest.approx(worst_alias(hadamard(20)))


def test_sylvesters_matrices_would_be_caught():
    sylvester = np.array([[1]])
    for _ in range(4):
        sylvester = np.block([[sylvester, sylvester], [sylvester, -sylvester]])
    assert worst_alias(sylvester) == 1


@pytest.mark.parametrize("order", [8, 16, 28, 36, 64, 92])
def test_an_order_that_is_not_made_names_the_next(order):
    following = next(each for each in ORDERS if each > order)
    with pytest.raises(InvalidInputError, match=f"got {order}. The next one is {following}"):
        hadamard(order)
    assert len(hadamard(following)) == following


@pytest.mark.parametrize("order", [3, 6, 10, 50, 99])
def test_other_orders_do_not_exist(order):
    with pytest.raises(InvalidInputError, match=f"`order` must be .* got {order}"):
        hadamard(order)


@pytest.mark.parametrize("minimum", range(1, 225))
def test_the_smallest_order_that_is_made_is_found(minimum):
    assert hadamard_order(minimum) == min(order for order in ORDERS if order >= minimum)


@pytest.mark.parametrize("order", [0, -4, 2.0, True, 20_001])
def test_orders_are_checked_at_the_door(order):
    with pytest.raises(InvalidInputError, match="`order` must be an integer"):
        hadamard(order)
    with pytest.raises(InvalidInputError, match="`minimum` must be an integer"):
        hadamard_order(order)


def test_every_call_returns_its_own_array():
    hadamard(4)[:] = 0
    assert hadamard(4)[0, 0] == 1
