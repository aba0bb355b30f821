"""Permutation sampling: hand-made orders, error bars, more orders for only what is new."""

import itertools

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError, LimelensWarning
from limelens.games.orders import antithetic_gains, walked_values
from limelens.testing import Recorder, TableGame, all_coalitions, exact_values

D = 6
IMAGE = np.ones((1, D))
TABLE = np.random.default_rng(0).normal(size=(2**D, 2))


def explain(n_permutations, **arguments):
    model = TableGame(np.arange(D)[np.newaxis], TABLE, image=IMAGE, background=0)
    arguments = {"rng": 0, "target": [0, 1]} | arguments
    explainer = ll.PermutationShapley(
        segmenter=ll.Grid(cell=(1, 1)), fill=ll.Constant(0), n_permutations=n_permutations
    )
    return explainer.explain(IMAGE, arguments.pop("model", model), **arguments)


def look_up(coalitions):
    return TABLE[coalitions @ (1 << np.arange(D))]


def gains_of(game, orders, intact, hidden):
    return antithetic_gains(walked_values(game, orders, intact, hidden), orders)


def test_an_order_and_its_reverse_by_hand():
    """In the order 2, 0, 1 the score of {2} goes to 2, of {0, 2} over {2} to 0, the rest to 1."""
    values = {(): 0.0, (2,): 1.0, (0, 2): 3.0, (0, 1, 2): 10.0, (1,): 4.0, (0, 1): 5.0}

    def game(coalitions):
        return np.array([[values[tuple(np.flatnonzero(row))]] for row in coalitions])

    gains = gains_of(game, np.array([[2, 0, 1]]), np.array([10.0]), np.array([0.0]))
    forward, backward = np.array([2.0, 7.0, 1.0]), np.array([1.0, 4.0, 5.0])
    np.testing.assert_array_equal(gains, (forward + backward)[np.newaxis, np.newaxis] / 2)


def test_all_orders_give_the_exact_values():
    orders = np.array(list(itertools.permutations(range(D))))
    gains = gains_of(look_up, orders, TABLE[-1], TABLE[0])
    np.testing.assert_allclose(gains.mean(axis=0), exact_values(TABLE), atol=1e-10)


@pytest.mark.parametrize(("n", "student"), [(2, 4.303), (3, 3.182), (20, 2.086)])
def test_error_bars_are_the_spread_of_a_few_pairs_and_cover_the_exact_values(n, student):
    truth, inside, away, said = exact_values(TABLE), [], [], []
    for seed in range(80):
        explanation = explain(n, rng=seed)
        away.append(explanation.importances - truth)
        said.append(explanation.standard_errors * 1.96)
        inside.append(np.abs(away[-1]) < said[-1])
    assert 0.93 < np.mean(inside) < 0.98
    np.testing.assert_allclose(
        np.sqrt(np.mean(np.square(said))) / student,
        np.sqrt(np.mean(np.square(away))),
        rtol=0.1,
    )


def test_error_bars_are_those_of_a_mean():
    orders = np.random.default_rng(0).random((3, D)).argsort(axis=1)
    gains = gains_of(look_up, orders, TABLE[-1], TABLE[0])
    explanation = explain(3)
    np.testing.assert_allclose(explanation.importances, gains.mean(axis=0))
    variance = np.square(gains - gains.mean(axis=0)).sum(axis=0) / 2
    variance = (2 * variance + variance.mean(axis=1, keepdims=True)) / 3
    student = 3.182446 / 1.959964  # three degrees of freedom: 1.96 errors are to make 95 %
    np.testing.assert_allclose(
        explanation.standard_errors, np.sqrt(variance / 3) * student, rtol=1e-6
    )


def test_one_order_has_no_error_bars():
    explanation = explain(1)
    assert np.isnan(explanation.standard_errors).all()
    assert np.isnan(explanation.reliability).all()
    assert np.isnan(explanation.fidelity).all()


def test_fidelity_is_that_of_walks_predicted_from_the_other_orders():
    n = 4
    orders = np.random.default_rng(0).random((n, D)).argsort(axis=1)
    said, came = [], []
    for held_out in range(n):
        rest = np.delete(orders, held_out, axis=0)
        phi = gains_of(look_up, rest, TABLE[-1], TABLE[0]).mean(axis=0)
        for k in range(1, D):
            kept = np.isin(np.arange(D), orders[held_out, :k])
            for coalition in (kept, ~kept):
                came.append(look_up(coalition))
                said.append(TABLE[0] + phi @ coalition)
    came, said = np.array(came), np.array(said)
    unexplained = np.square(came - said).sum(axis=0) / np.square(came - came.mean(0)).sum(axis=0)
    np.testing.assert_allclose(explain(n).fidelity, 1 - unexplained)


def test_an_additive_score_is_explained_whole_and_a_constant_one_not_at_all():
    both = lambda batch: np.c_[batch @ np.arange(1.0, 1 + D), np.ones(len(batch))]  # noqa: E731
    with pytest.warns(LimelensWarning, match="never changed"):
        fidelity = explain(2, model=lambda batch: both(batch[:, 0])).fidelity
    assert fidelity[0] == pytest.approx(1, abs=1e-12)
    assert np.isnan(fidelity[1])


def test_more_orders_cost_only_what_is_new():
    first = explain(3)
    more, fresh = explain(7, reuse=first), explain(7)
    assert more.n_predictions == fresh.n_predictions - first.n_predictions + 2
    np.testing.assert_array_equal(more.importances, fresh.importances)


def test_an_order_costs_at_most_twice_the_segments_less_two():
    model = Recorder(lambda batch: batch.sum(axis=(1, 2)))
    explain(1, model=model, target=0)
    assert model.n_images == 2 * (D - 1) + 3


def test_blocks_of_orders_change_nothing(monkeypatch):
    whole = explain(7)
    monkeypatch.setattr("limelens.explainers.permutation._BLOCK_BYTES", 2 * D * D * 3)
    np.testing.assert_array_equal(explain(7).importances, whole.importances)


def test_every_segment_is_first_about_equally_often():
    def first_of(coalitions):
        return (coalitions[:, :1] & (coalitions.sum(axis=1, keepdims=True) == 1)) * 1.0

    orders = np.random.default_rng(0).random((4000, D)).argsort(axis=1)
    gains = gains_of(first_of, orders, np.zeros(1), np.zeros(1))
    assert abs(gains[:, 0, 0].mean() - 1 / D) < 4 * np.sqrt(1 / D / 8000)


@pytest.mark.parametrize("n_permutations", [0, 2.0, None])
def test_settings_are_checked_at_once(n_permutations):
    with pytest.raises(InvalidInputError, match="`n_permutations` must be an integer >= 1"):
        ll.PermutationShapley(n_permutations=n_permutations)


def test_the_table_is_looked_up_as_the_toy_does():
    np.testing.assert_array_equal(look_up(all_coalitions(D)), TABLE)


def test_fidelity_of_a_score_that_lives_at_the_ends_is_a_number_or_not_known():
    def game(size):
        def predict(batch):
            kept = batch[:, 0].sum(axis=1)
            return np.where(kept == D, 0.9, size * kept)

        return predict

    assert explain(5, model=game(1e-6), target=0).fidelity < -1e6  # no sum of effects describes it
    assert np.isnan(explain(5, model=game(1e-160), target=0).fidelity).all()
