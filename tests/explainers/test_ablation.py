"""Ablation: one segment out, one segment in, pairs."""

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError
from limelens.testing import AdditiveModel, OrModel, Recorder, TableGame

IMAGE = np.arange(1.0, 5.0).reshape(1, 4)
LABELS = np.arange(4).reshape(1, 4)
WEIGHTS = np.array([[1.0, -2.0, 0.0, 0.5], [0.0, 3.0, 1.0, 1.0]])


def ablation(**settings):
    return ll.Ablation(segmenter=ll.LabelImage(LABELS), fill=ll.Constant(0), **settings)


@pytest.mark.parametrize("keep", [False, True])
def test_an_additive_models_weights_are_exact_with_d_plus_three_images(keep):
    model = Recorder(AdditiveModel(LABELS, WEIGHTS, image=IMAGE, background=0))
    explanation = ablation(keep=keep).explain(IMAGE, model, target=[0, 1])
    np.testing.assert_allclose(explanation.importances, WEIGHTS, atol=1e-12)
    assert explanation.n_predictions == model.n_images == 4 + 3
    assert explanation.standard_errors is None


def test_stand_ins_are_seen_alone_but_not_when_left_out():
    either = OrModel(LABELS, (0, 2), image=IMAGE, background=0)
    out = ablation().explain(IMAGE, either).importances[0]
    alone = ablation(keep=True).explain(IMAGE, either).importances[0]
    np.testing.assert_array_equal(out, [0, 0, 0, 0])
    np.testing.assert_array_equal(alone, [1, 0, 1, 0])


@pytest.mark.parametrize("keep", [False, True])
def test_interactions_are_second_differences_by_hand(keep):
    table = np.random.default_rng(0).normal(size=16)
    game = TableGame(LABELS, table, image=IMAGE, background=0)

    def value(*kept):
        return game.on_coalitions(np.isin(np.arange(4), kept)[np.newaxis])[0]

    found = ablation(keep=keep, interactions=True).explain(IMAGE, game).details["interactions"][0]
    everything = (0, 1, 2, 3)
    for i in range(4):
        assert found[i, i] == 0
        for j in set(range(4)) - {i}:
            without = [tuple(set(everything) - gone) for gone in ({i}, {j}, {i, j})]
            expected = (
                value(i, j) - value(i) - value(j) + value()
                if keep
                else value(*everything)
                - value(*without[0])
                - value(*without[1])
                + value(*without[2])
            )
            assert found[i, j] == pytest.approx(expected, abs=1e-12)


def test_pairs_of_sixty_segments_are_the_most():
    model = Recorder(lambda batch: batch.sum(axis=(1, 2)))
    pairs = ll.Ablation(segmenter=ll.Grid(cell=1), fill=ll.Constant(0), interactions=True)
    assert pairs.explain(np.ones((6, 10)), model).n_predictions == 3 + 60 + 60 * 59 // 2


def test_too_many_pairs_are_refused_before_the_model_is_called():
    model = Recorder(lambda batch: batch.mean(axis=(1, 2)))
    explainer = ll.Ablation(segmenter=ll.Grid(cell=(1, 1)), interactions=True)
    with pytest.raises(InvalidInputError, match="at most 60 segments; got 64, 2016 pairs"):
        explainer.explain(np.random.default_rng(0).random((8, 8)), model)
    assert model.n_calls == 0
