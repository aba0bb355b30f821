"""Owen as an explainer: trees of the image, budgets, several backgrounds."""

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError
from limelens.testing import AdditiveModel, Recorder, TableGame, XorModel

IMAGE = np.random.default_rng(0).random((8, 8, 3)) + 0.5
LABELS = np.arange(8)[:, np.newaxis] // 2 * 2 + np.arange(8) // 4
D = 8
WEIGHTS = np.arange(D) - 2.0


def owen(**settings):
    settings = {"segmenter": ll.LabelImage(LABELS), "fill": ll.Constant(0)} | settings
    return ll.Owen(**settings)


def explain(explainer=None, model=None, **arguments):
    model = model or AdditiveModel(LABELS, WEIGHTS, image=IMAGE, background=0)
    return (explainer or owen()).explain(IMAGE, model, **arguments)


def test_an_additive_models_weights_are_found():
    explanation = explain()
    np.testing.assert_allclose(explanation.importances, [WEIGHTS], atol=1e-9)
    assert explanation.details["exact"]
    assert explanation.standard_errors is None


def test_a_second_order_game_is_split_in_halves():
    """Whatever the tree: all orders are equally often one way round and the other."""
    rng = np.random.default_rng(1)
    pair = np.triu(rng.normal(size=(D, D)), 1)
    table = np.einsum("ni,ij,nj->n", *_bits(pair))
    game = TableGame(LABELS, table, image=IMAGE, background=0)
    importances = explain(model=game).importances[0]
    np.testing.assert_allclose(importances, (pair + pair.T).sum(axis=1) / 2, atol=1e-9)


def _bits(pair):
    z = (np.arange(2**D)[:, np.newaxis] >> np.arange(D) & 1).astype(float)
    return z, pair, z


def test_the_tree_is_that_of_the_image_and_is_kept():
    explanation = explain(owen(tree=ll.RegionTree(boundary=3)))
    expected = ll.RegionTree(boundary=3)(IMAGE, LABELS)
    np.testing.assert_array_equal(explanation.details["merges"], expected)


def test_channels_first_makes_the_same_tree():
    first = owen().explain(
        np.moveaxis(IMAGE, -1, 0), lambda batch: batch.mean(axis=(1, 2, 3)), channel_axis=0
    )
    np.testing.assert_array_equal(first.details["merges"], explain().details["merges"])


@pytest.mark.parametrize("max_samples", [4, 5, 20, 10**6])
def test_the_budget_holds_and_its_ends_count(max_samples):
    model = Recorder(XorModel(LABELS, (0, 3, 6), image=IMAGE, background=0))
    explanation = explain(owen(max_samples=max_samples), model)
    n_splits = explanation.details["n_splits"]
    assert model.n_images == explanation.n_predictions == 3 + 2 * n_splits <= max_samples + 1
    np.testing.assert_allclose(explanation.importances.sum(), 1, atol=1e-9)
    assert explanation.details["exact"] == (max_samples > 100)
    assert (explanation.details["shared"][0] > 0) == (max_samples < 100)


def test_a_larger_budget_costs_only_what_is_new():
    model = XorModel(LABELS, (0, 3, 6), image=IMAGE, background=0)
    first = explain(owen(max_samples=20), model)
    more = explain(owen(max_samples=50), model, reuse=first)
    fresh = explain(owen(max_samples=50), model)
    assert more.n_predictions == fresh.n_predictions - first.n_predictions + 2
    np.testing.assert_array_equal(more.importances, fresh.importances)


def test_several_backgrounds_average_and_multiply_the_predictions():
    def curved(batch):
        return batch.mean(axis=(1, 2, 3)) ** 2 + batch[:, 0, 0, 0]

    fills = [ll.Constant(0), ll.Constant(0.25)]
    alone = [explain(owen(fill=fill, tree=ll.HalvingTree()), curved) for fill in fills]
    backgrounds = ll.Backgrounds(np.stack([np.zeros_like(IMAGE), np.full_like(IMAGE, 0.25)]))
    both = explain(owen(fill=backgrounds, tree=ll.HalvingTree()), curved)
    mean = (alone[0].importances + alone[1].importances) / 2
    np.testing.assert_allclose(both.importances, mean, atol=1e-12)
    assert (
        both.n_predictions == 2 * alone[0].n_predictions - 2
    )  # the intact image has no background


def test_regions_tell_where_before_halves_do():
    """A disc on a plain ground: its region is found in one split, halves of a grid need many."""
    rows, columns = np.indices((32, 32))
    disc = (rows - 11) ** 2 + (columns - 19) ** 2 < 60
    image = np.where(disc, 0.9, 0.2)

    def model(batch):
        return (batch * disc).sum(axis=(1, 2))

    def inside(explainer):
        heat = explainer.explain(image, model).heatmap()
        return heat[disc].sum() / heat.sum()

    labels = np.where(disc, 100, 0) + rows // 8 * 4 + columns // 8
    shared = {"fill": ll.Constant(0.0), "max_samples": 8}
    regions = ll.Owen(segmenter=ll.LabelImage(labels), **shared)
    halves = ll.Owen(segmenter=ll.Grid(cell=(2, 2)), tree=ll.HalvingTree(), **shared)
    assert inside(regions) > 0.99
    assert inside(halves) < 0.6


def test_several_trees_are_averaged_and_their_spread_is_the_error():
    table = np.random.default_rng(2).normal(size=2**D)
    model = TableGame(LABELS, table, image=IMAGE, background=0)
    found = explain(owen(n_trees=3, max_samples=10**4), model, rng=0)
    merges = found.details["merges"]
    assert merges.shape == (3, D - 1, 2)
    alone = np.stack(
        [
            explain(owen(tree=lambda *_, m=each: m, max_samples=10**4), model).importances[0]
            for each in merges
        ]
    )
    assert np.ptp(alone, axis=0).max() > 0.01
    np.testing.assert_allclose(found.importances[0], alone.mean(axis=0), atol=1e-12)
    errors = alone.std(axis=0, ddof=1) / np.sqrt(3)
    np.testing.assert_allclose(found.standard_errors[0], errors, atol=1e-12)
    assert found.details["exact"]


def test_several_trees_share_the_calls_of_one():
    model = Recorder(XorModel(LABELS, (0, 3, 6), image=IMAGE, background=0))
    found = explain(owen(n_trees=4, max_samples=30), model, rng=0)
    assert model.n_images == found.n_predictions <= 31
    assert sum(found.details["n_splits"]) == 14
    assert min(found.details["n_splits"]) > 0
    np.testing.assert_allclose(found.importances.sum(), 1, atol=1e-9)
    assert found.reliability.shape == found.details["shared"].shape == (1,)


def test_other_seeds_grow_other_trees():
    first, again, other = (
        explain(owen(n_trees=2), rng=seed).details["merges"] for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_trees_see_every_segment_in_another_colour():
    seen = []

    def tree(image, segments):
        seen.append(image)
        return ll.HalvingTree()(image, segments)

    with pytest.warns(ll.LimelensWarning, match="all 2 trees are the same.*tree=RegionTree"):
        found = explain(owen(tree=tree, n_trees=2), rng=0)
    assert found.standard_errors is None
    for each in seen:
        assert not each.flags.writeable
        changes = (each - IMAGE).reshape(64, 3)
        for label in range(D):
            assert np.ptp(changes[LABELS.ravel() == label], axis=0).max() < 1e-12
        assert 0.5 < changes.std() / IMAGE.std() < 2
    assert (seen[0] != seen[1]).all()
    assert explain(owen(tree=ll.RegionTree(), n_trees=2), rng=0).standard_errors is not None


def test_trees_of_integers_and_of_pixels_that_count_are_grown():
    image = (IMAGE * 100).astype(np.uint8)
    valid = np.indices((8, 8))[0] < 6
    found = owen(n_trees=3).explain(
        image, lambda batch: batch.sum(axis=(1, 2, 3), dtype=float), valid=valid, rng=0
    )
    assert found.standard_errors.shape == (1, 6)
    assert found.importances.sum() == pytest.approx(found.scores[0] - found.hidden_scores[0])


def test_errors_over_trees_cover_what_further_trees_would_say():
    """Every segment against the mean of 16 draws of 8 trees: Student's t of 7 degrees."""
    rng = np.random.default_rng(2)
    image, weights = rng.random((30, 30)), rng.normal(size=(30, 30)) + 1

    def model(batch):
        return np.tanh((batch * weights).sum(axis=(1, 2)) / 200)

    several = ll.Owen(segmenter=ll.Grid(25), fill=ll.Constant(0), max_samples=66, n_trees=8)
    draws = [several.explain(image, model, rng=seed) for seed in range(16)]
    truth = np.mean([each.importances for each in draws], axis=0)
    inside = [np.abs(each.importances - truth) < 2.365 * each.standard_errors for each in draws]
    assert 0.88 < np.mean(inside) < 0.99


@pytest.mark.parametrize(
    ("merges", "words"),
    [
        (np.zeros((7, 3), dtype=int), r"int of shape \(7, 2\), for 8 segments"),
        (np.zeros((7, 2)), r"int of shape \(7, 2\)"),
        (np.zeros((7, 2), dtype=int), "join every node once"),
        ([[8, 0], [1, 2], [3, 4], [5, 6], [7, 9], [10, 11], [12, 13]], "exist by then"),
        (None, "`tree` must hold booleans, integers or real numbers"),
    ],
)
def test_a_tree_that_is_none_is_refused(merges, words):
    with pytest.raises(InvalidInputError, match=words):
        explain(owen(tree=lambda image, segments: merges))


def test_the_tree_gets_the_image_channels_last_and_cannot_change_it():
    seen = []

    def tree(image, segments):
        seen.append((image.shape, image.flags.writeable, segments.flags.writeable))
        return ll.HalvingTree()(image, segments)

    explanation = owen(tree=tree).explain(
        np.moveaxis(IMAGE, -1, 0), lambda batch: batch.mean(axis=(1, 2, 3)), channel_axis=0
    )
    assert seen == [(IMAGE.shape, False, False)]
    assert explanation.segments.flags.writeable


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_samples": 3}, "`max_samples` must be an integer >= 4"),
        ({"n_trees": 8, "max_samples": 17}, "`max_samples` must be an integer >= 18; got 17"),
        ({"n_trees": 0}, "`n_trees` must be an integer >= 1; got 0"),
        ({"max_samples": 100.0}, "`max_samples` must be an integer"),
        ({"tree": ll.RegionTree}, r"tree=RegionTree\(\)"),
        ({"tree": None}, "`tree` must be a callable"),
    ],
)
def test_settings_are_checked_at_once(settings, words):
    with pytest.raises(InvalidInputError, match=words):
        ll.Owen(**settings)
