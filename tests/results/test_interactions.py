"""Interaction indices of rows already paid for: exact, and those of the Gaussian process."""

from itertools import combinations

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError
from limelens.games.enumeration import exact_interactions
from limelens.gaussian.closed_forms import process_interactions
from limelens.gaussian.kernel import MaskKernel, relevance
from limelens.gaussian.process import fit_processes
from limelens.testing import AndModel, OrModel, Recorder, TableGame, all_coalitions

D = 5
IMAGE, LABELS = np.ones((1, D)), np.arange(D)[np.newaxis]
TABLE = np.random.default_rng(0).normal(size=(2**D, 3))


def settings(**more):
    return {"segmenter": ll.LabelImage(LABELS), "fill": ll.Constant(0)} | more


def exact(model, **arguments):
    return ll.ExactShapley(**settings()).explain(IMAGE, model, **arguments)


def game(table=TABLE):
    return TableGame(LABELS, table, image=IMAGE, background=0)


def look_up(table):
    return lambda coalitions: table[coalitions @ (1 << np.arange(coalitions.shape[1]))]


def test_without_a_target_an_explanation_answers_for_its_own():
    explanation = exact(game(), target=[2, 0])
    np.testing.assert_array_equal(
        ll.interaction_index(explanation), ll.interaction_index(explanation.samples, target=[2, 0])
    )


def test_a_callable_has_to_be_passed_again():
    def product(scores):
        return scores[:, 0] * scores[:, 1]

    explanation = exact(game(), target=product)
    with pytest.raises(InvalidInputError, match=r"Pass the same one: interaction_index\(explan"):
        ll.interaction_index(explanation)
    ll.interaction_index(explanation, target=product)


def test_kept_values_of_dense_scores_are_not_reduced_twice():
    def dense(batch):
        return game()(batch)[:, :, np.newaxis].repeat(2, axis=2)

    def doubled(scores):
        return 2 * scores[:, :2, 0]

    explanation = exact(dense, target=doubled)
    wanted = 2 * ll.interaction_index(exact(game()), target=[0, 1])
    np.testing.assert_allclose(ll.interaction_index(explanation, target=doubled), wanted)
    np.testing.assert_allclose(ll.interaction_index(explanation), wanted)


def test_a_second_order_game_has_its_own_coefficients():
    rng = np.random.default_rng(1)
    z, pair = all_coalitions(D) * 1.0, np.triu(rng.normal(size=(D, D)), 1)
    table = z @ rng.normal(size=D) + np.einsum("ni,ij,nj->n", z, pair, z)
    np.testing.assert_allclose(
        ll.interaction_index(exact(game(table))), [pair + pair.T], atol=1e-12
    )


@pytest.mark.parametrize(("model", "sign"), [(AndModel, 1), (OrModel, -1)])
def test_evidence_that_needs_or_replaces_other_evidence(model, sign):
    index = ll.interaction_index(exact(model(LABELS, (1, 3), image=IMAGE, background=0)))
    expected = np.zeros((1, D, D))
    expected[0, 1, 3] = expected[0, 3, 1] = sign
    np.testing.assert_allclose(index, expected, atol=1e-12)


@pytest.mark.parametrize("target", [None, 1, [2, 0], ll.Top(2), lambda s: s[:, 0] * s[:, 1]])
def test_a_target_means_what_it_means_in_explain(target):
    explanation = exact(game(), target=target)
    index = ll.interaction_index(explanation, target=target)
    values = explanation.samples.scores[:, list(explanation.targets)]
    if callable(target) and not isinstance(target, ll.Top):
        values = target(explanation.samples.scores)[:, np.newaxis]
    table = values[np.argsort(explanation.samples.coalitions @ (1 << np.arange(D)))]
    np.testing.assert_allclose(index, exact_interactions(look_up(table), D), atol=1e-12)


def test_no_model_is_called_and_samples_alone_suffice():
    model = Recorder(game())
    explanation = exact(model)
    before = model.n_calls
    first = ll.interaction_index(explanation)
    np.testing.assert_array_equal(ll.interaction_index(explanation.samples), first)
    assert model.n_calls == before


def processes(d, seed, *, additive=None, folded=False):
    rng = np.random.default_rng(seed)
    rows = np.unique(rng.random((12, d)) < 0.5, axis=0)
    if folded:
        rows = np.concatenate([rows, ~rows])
    values = rng.normal(size=(len(rows), 2)) + rows[:, :1] * rows[:, 1:2] * 3.0
    process = fit_processes(rows, [values], relevance(rng.random(d) * 9, d))[0]
    if additive is None:
        return process
    kernel = MaskKernel(relevance=process.kernel.relevance, additive=additive)
    return type(process)(**vars(process) | {"kernel": kernel})


@pytest.mark.parametrize("d", [2, 3, 6, 9])
@pytest.mark.parametrize("additive", [0.0, 0.6])
def test_the_closed_form_is_the_enumeration_of_the_posterior_mean(d, additive):
    for seed in range(3):
        process = processes(d, seed, additive=additive)
        expected = exact_interactions(process.predict, d)
        assert np.abs(expected).max() > 1e-3
        np.testing.assert_allclose(process_interactions(process), expected, atol=1e-11)


def test_an_additive_process_has_no_interactions():
    process = processes(4, 0, additive=1.0)
    np.testing.assert_array_equal(process_interactions(process), 0)


def test_more_nodes_than_the_cap_would_change_nothing(monkeypatch):
    process = processes(150, 0, additive=0.3)
    capped = process_interactions(process)
    monkeypatch.setattr("limelens.gaussian.closed_forms._MAX_NODES", 75)
    every = process_interactions(process)
    assert np.abs(every).max() > 1e-6
    np.testing.assert_allclose(capped, every, rtol=1e-9, atol=1e-15)


def test_the_process_finds_who_works_together():
    """Of 28 pairs two interact; 60 random rows tell which and how."""
    labels, image = np.arange(8)[np.newaxis], np.ones((1, 8))

    def model(batch):
        z = batch[:, 0]
        return z[:, 0] * z[:, 1] - z[:, 2] * z[:, 3] + 0.3 * z[:, 4]

    lime = ll.Lime(segmenter=ll.LabelImage(labels), fill=ll.Constant(0), n_samples=60)
    explanation = lime.explain(image, model, rng=0)
    index = ll.interaction_index(explanation, estimator="gaussian_process")[0]
    pairs = sorted(combinations(range(8), 2), key=lambda pair: index[pair])
    assert pairs[0] == (2, 3)
    assert pairs[-1] == (0, 1)
    np.testing.assert_array_equal(index, index.T)
    np.testing.assert_array_equal(np.diagonal(index), 0)


def test_a_target_that_never_changes_has_no_interactions():
    table = TABLE.copy()
    table[:, 1] = 0.3 + np.where(TABLE[:, 1] > 0, 0, 5e-17)  # but for rounding
    explanation = exact(game(table), target=[0])
    index = ll.interaction_index(explanation, target=[0, 1], estimator="gaussian_process")
    assert index.shape == (2, D, D)
    np.testing.assert_array_equal(index[1], 0)


def test_rows_that_are_not_all_there_are_refused():
    explanation = ll.KernelShap(**settings(n_samples=25)).explain(IMAGE, game(), rng=0)
    n = len(explanation.samples)
    with pytest.raises(InvalidInputError, match=rf"all 2\*\*5 coalitions.*got {n} of them.*reuse"):
        ll.interaction_index(explanation)


def test_rows_given_twice_do_not_count_twice():
    samples = exact(game()).samples
    keys = np.concatenate([samples.keys[:-1], samples.keys[:1]])
    doubled = ll.Samples(keys=keys, scores=samples.scores, n_segments=D, fingerprint="")
    with pytest.raises(InvalidInputError, match="got 31 of them"):
        ll.interaction_index(doubled)


def test_more_segments_than_can_be_enumerated_are_refused():
    rows = np.ones((3, 40), dtype=bool)
    samples = ll.Samples(
        keys=np.packbits(rows, axis=1), scores=np.ones((3, 1)), n_segments=40, fingerprint=""
    )
    with pytest.raises(InvalidInputError, match="at most 16"):
        ll.interaction_index(samples)


def test_rows_without_the_intact_image_are_refused():
    samples = exact(game()).samples
    rest = ~samples.coalitions.all(axis=1)
    less = ll.Samples(
        keys=samples.keys[rest], scores=samples.scores[rest], n_segments=D, fingerprint=""
    )
    with pytest.raises(InvalidInputError, match=r"intact image.* got 31 rows without it"):
        ll.interaction_index(less)


def test_too_few_rows_for_a_process_are_refused():
    rows = np.array([[True, True], [False, False]])
    samples = ll.Samples(
        keys=np.packbits(rows, axis=1), scores=np.ones((2, 1)), n_segments=2, fingerprint=""
    )
    with pytest.raises(InvalidInputError, match=r"at least 3 rows.*; got 2"):
        ll.interaction_index(samples, estimator="gaussian_process")


@pytest.mark.parametrize("samples", [None, np.ones((3, 3)), "rows"])
def test_what_holds_no_rows_is_refused(samples):
    with pytest.raises(InvalidInputError, match="`samples` must be an explanation"):
        ll.interaction_index(samples)


def test_rows_of_windows_are_refused():
    explanation = ll.Occlusion(window=1, stride=1, fill=ll.Constant(0)).explain(
        np.ones((2, 5)), lambda batch: batch.sum(axis=(1, 2))
    )
    with pytest.raises(InvalidInputError, match="`samples` must be an explanation"):
        ll.interaction_index(explanation)


def test_the_estimator_is_checked():
    with pytest.raises(InvalidInputError, match="`estimator` must be one of 'exact', 'gaussian"):
        ll.interaction_index(exact(game()), estimator="gp")


def test_the_call_that_pays_for_missing_coalitions_works():
    fill, predict_fn = ll.Constant(0), game()
    e = ll.Ablation(segmenter=ll.LabelImage(LABELS), fill=fill).explain(IMAGE, predict_fn)
    with pytest.raises(InvalidInputError, match="pay for the rest by") as caught:
        ll.interaction_index(e)
    advice = str(caught.value).split("pay for the rest by ")[1].split(", or pass")[0]
    names = {"e": e, "fill": fill, "image": IMAGE, "predict_fn": predict_fn} | vars(ll)
    names |= {"ExactShapley": ll.ExactShapley, "LabelImage": ll.LabelImage}
    complete = eval(advice, names)
    assert ll.interaction_index(complete).shape == (1, D, D)
