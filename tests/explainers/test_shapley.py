"""Shapley values: published games, the axioms, and what they cost."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import limelens as ll
from limelens.errors import InvalidInputError, LimelensWarning
from limelens.testing import AdditiveModel, Recorder, TableGame, all_coalitions, exact_values

cheap = settings(max_examples=20, deadline=None)


def pixels(d):
    return np.ones((1, d))


def game(values):
    """Return the model whose score of every coalition stands in a table, a pixel a segment."""
    d = len(values).bit_length() - 1
    return TableGame(np.arange(d)[np.newaxis], values, image=pixels(d), background=0)


def row_scores(score):
    """Return a model that scores which pixels of one row are left."""
    return lambda batch: score(batch[:, 0, :] > 0)


def explain(explainer, model, d, **arguments):
    arguments = {"rng": 0, "batch_size": 4096} | arguments
    return explainer.explain(pixels(d), model, **arguments)


def exact():
    return ll.ExactShapley(segmenter=ll.Grid(cell=(1, 1)), fill=ll.Constant(0))


def kernel(n_samples=1000):
    return ll.KernelShap(segmenter=ll.Grid(cell=(1, 1)), fill=ll.Constant(0), n_samples=n_samples)


def permutation(n_permutations=10):
    return ll.PermutationShapley(
        segmenter=ll.Grid(cell=(1, 1)), fill=ll.Constant(0), n_permutations=n_permutations
    )


METHODS = {
    "exact": exact(),
    "kernel, all": kernel(),
    "kernel, pairs": kernel(30),
    "permutation": permutation(4),
}
EXACT = ["exact", "kernel, all"]
every = pytest.mark.parametrize("name", METHODS)
every_exact = pytest.mark.parametrize("name", EXACT)

tables = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).normal(size=(32, 2)) * 10
)


@every_exact
def test_the_glove_game(name):
    """Two left gloves, one right one; a pair is worth 1 (Shapley and Shubik 1969)."""
    model = row_scores(lambda z: (z[:, 2] & (z[:, 0] | z[:, 1])) * 1.0)
    importances = explain(METHODS[name], model, 3).importances
    np.testing.assert_allclose(importances, [[1 / 6, 1 / 6, 4 / 6]], atol=1e-12)


@every_exact
def test_the_airport_game(name):
    """The runway's length is the largest plane's; Littlechild and Owen 1973, closed form."""
    costs = np.array([1.0, 2.0, 4.0, 7.0, 11.0])
    model = row_scores(lambda z: (z * costs).max(axis=1))
    shares = np.cumsum(np.diff(costs, prepend=0) / np.arange(5, 0, -1))
    np.testing.assert_allclose(explain(METHODS[name], model, 5).importances[0], shares, atol=1e-12)


def test_the_security_council():
    """Five permanent members with a veto, ten others, nine votes needed (Shapley-Shubik index)."""
    model = row_scores(lambda z: (z[:, :5].all(axis=1) & (z.sum(axis=1) >= 9)) * 1.0)
    importances = explain(exact(), model, 15).importances[0]
    np.testing.assert_allclose(importances[:5], 421 / 2145, atol=1e-12)
    np.testing.assert_allclose(importances[5:], 4 / 2145, atol=1e-12)


@every_exact
def test_any_game_gives_the_enumerated_values(name):
    table = np.random.default_rng(0).normal(size=(64, 3))
    explanation = explain(METHODS[name], game(table), 6, target=[0, 1, 2])
    np.testing.assert_allclose(explanation.importances, exact_values(table), atol=1e-10)


@every
@cheap
@given(table=tables)
def test_importances_sum_to_the_change_of_every_target(name, table):
    explanation = explain(METHODS[name], game(table), 5, target=[0, 1])
    change = explanation.scores - explanation.hidden_scores
    np.testing.assert_allclose(explanation.importances.sum(axis=1), change, atol=1e-9)


@every
@cheap
@given(table=tables)
def test_a_segment_that_never_matters_has_no_importance(name, table):
    dummy = table.copy()
    kept = all_coalitions(5)[:, 2]
    dummy[kept] = table[~kept]
    if name == "kernel, pairs":  # a fit knows of no dummies, unless the others add up
        dummy = all_coalitions(5)[:, [0, 1, 3, 4]] @ table[:4]
    importances = explain(METHODS[name], game(dummy), 5, target=[0, 1]).importances
    np.testing.assert_allclose(importances[:, 2], 0, atol=1e-9)


@every_exact
@cheap
@given(table=tables)
def test_segments_that_can_be_exchanged_have_equal_importance(name, table):
    z = all_coalitions(5)
    swapped = z[:, [3, 1, 2, 0, 4]] @ (1 << np.arange(5))
    symmetric = table + table[swapped]
    importances = explain(METHODS[name], game(symmetric), 5, target=[0, 1]).importances
    np.testing.assert_allclose(importances[:, 0], importances[:, 3], atol=1e-9)


@every
@cheap
@given(table=tables)
def test_importances_are_linear_in_the_scores(name, table):
    both = np.column_stack([table, 2 * table[:, 0] - 3 * table[:, 1] + 5])
    importances = explain(METHODS[name], game(both), 5, target=[0, 1, 2]).importances
    combined = 2 * importances[0] - 3 * importances[1]
    np.testing.assert_allclose(importances[2], combined, atol=1e-8)


@every_exact
@cheap
@given(table=tables, order=st.permutations(range(5)))
def test_relabelled_segments_keep_their_importances(name, table, order):
    relabelled = table[all_coalitions(5)[:, np.argsort(order)] @ (1 << np.arange(5))]
    first = explain(METHODS[name], game(table), 5).importances
    again = explain(METHODS[name], game(relabelled), 5, target=_same_target(table)).importances
    np.testing.assert_allclose(again[0], first[0, order], atol=1e-9)


def _same_target(table):
    return int(np.argmax(table[-1]))


@every
def test_a_model_that_ignores_the_image_has_no_importances(name):
    with pytest.warns(LimelensWarning, match="never changed"):
        explanation = explain(METHODS[name], lambda batch: np.full(len(batch), 1e6), 5)
    np.testing.assert_allclose(explanation.importances, 0, atol=1e-8)


@every
@pytest.mark.parametrize("background", [0.0, 0.25])
def test_a_linear_model_gives_weight_times_change(name, background):
    """(x - background) . w, summed over the pixels of each segment."""
    rng = np.random.default_rng(1)
    image, weights = rng.random((4, 6)), rng.normal(size=(2, 4, 6))
    explainer = METHODS[name]
    explainer = type(explainer)(
        **_settings(explainer), segmenter=ll.Grid(cell=(2, 2)), fill=ll.Constant(background)
    )
    explanation = explainer.explain(
        image, lambda batch: np.einsum("nij,kij->nk", batch, weights), target=[0, 1], rng=3
    )
    change = (image - background) * weights
    expected = change.reshape(2, 2, 2, 3, 2).sum(axis=(2, 4)).reshape(2, 6)
    np.testing.assert_allclose(explanation.importances, expected, atol=1e-9)


def _settings(explainer):
    names = ("n_samples", "n_permutations")
    return {name: getattr(explainer, name) for name in names if hasattr(explainer, name)}


@every
def test_interactions_of_two_are_split_in_halves(name):
    rng = np.random.default_rng(2)
    own, pair = rng.normal(size=5), np.triu(rng.normal(size=(5, 5)), 1)
    model = row_scores(lambda z: z @ own + np.einsum("ni,ij,nj->n", z * 1.0, pair, z * 1.0))
    importances = explain(METHODS[name], model, 5).importances[0]
    np.testing.assert_allclose(importances, own + (pair + pair.T).sum(axis=1) / 2, atol=1e-9)


@every
def test_several_backgrounds_average_and_multiply_the_predictions(name):
    model = AdditiveModel(np.arange(5)[np.newaxis], np.arange(5.0), image=pixels(5), background=0)
    curved = lambda batch: model(batch) ** 2  # noqa: E731
    alone = [
        _over(METHODS[name], ll.Constant(value)).explain(pixels(5), curved, rng=0)
        for value in (0, 0.5)
    ]
    seen = Recorder(curved)
    fill = ll.Backgrounds(np.stack([np.zeros((1, 5)), np.full((1, 5), 0.5)]))
    both = _over(METHODS[name], fill).explain(pixels(5), seen, rng=0)
    mean = (alone[0].importances + alone[1].importances) / 2
    np.testing.assert_allclose(both.importances, mean, atol=1e-10)
    assert both.n_predictions == seen.n_images == 2 * alone[0].n_predictions - 2


def _over(explainer, fill):
    return type(explainer)(**_settings(explainer), segmenter=ll.Grid(cell=(1, 1)), fill=fill)


@every
def test_rows_are_reused(name):
    model = Recorder(game(np.random.default_rng(4).normal(size=32)))
    first = explain(exact(), model, 5)
    assert first.n_predictions == model.n_images == 33
    again = explain(METHODS[name], model, 5, reuse=first)
    assert again.n_predictions == 1
    np.testing.assert_array_equal(
        again.importances, explain(METHODS[name], game(_table_of(first)), 5).importances
    )


def _table_of(explanation):
    coalitions = explanation.samples.coalitions
    return explanation.samples.scores[np.argsort(coalitions @ (1 << np.arange(5)))]


def peak_bytes(explainer, n_classes, side=64):
    """Return the peak of what `explain` allocates with a model of many classes."""
    image = np.random.default_rng(0).random((side, side, 3)).astype(np.float32)
    scores = np.cos(np.arange(n_classes, dtype=np.float32))

    def model(batch):
        return batch[:, ::8, ::8, 0].mean(axis=(1, 2))[:, np.newaxis] * scores

    explainer.explain(image, model, target=1, rng=0, batch_size=16)  # imports are not counted
    tracemalloc.start()
    explainer.explain(image, model, target=1, rng=0, batch_size=16)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize(
    ("explainer", "n_rows"),
    [
        (ll.ExactShapley(segmenter=ll.Grid(9)), 512),
        (ll.KernelShap(segmenter=ll.Grid(49), n_samples=500), 500),
        (ll.PermutationShapley(segmenter=ll.Grid(49), n_permutations=5), 482),
        (ll.Owen(segmenter=ll.Grid(49), max_samples=500), 500),
    ],
    ids=["exact", "kernel", "permutation", "owen"],
)
def test_memory_holds_neither_all_images_nor_copies_of_a_thousand_scores(explainer, n_rows):
    image_bytes = 64 * 64 * 3 * 4
    two = peak_bytes(explainer, 2)
    assert two < 0.25 * n_rows * image_bytes
    many = peak_bytes(explainer, 1000)
    kept = n_rows * 1000 * 4
    assert many - two < 3.2 * kept  # the rows, and what joining their blocks takes for a moment


def test_more_than_16_segments_are_refused_before_the_model_is_called():
    model = Recorder(row_scores(lambda z: z.sum(axis=1)))
    with pytest.raises(InvalidInputError, match=r"at most 16 .* got 17.*KernelShap\(\)"):
        explain(exact(), model, 17)
    assert model.n_calls == 0


def test_exact_values_have_no_standard_errors():
    assert explain(exact(), game(np.arange(4.0)), 2).standard_errors is None
