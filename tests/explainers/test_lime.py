"""LIME: known weights, the enumerated limit, the same coefficients as scikit-learn."""

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError, LimelensWarning
from limelens.testing import AdditiveModel, AndModel, OrModel, Recorder, XorModel, exact_values

IMAGE = np.random.default_rng(1).random((6, 8, 3)) + 0.5
LABELS = np.repeat(np.repeat(np.arange(6).reshape(2, 3), 3, axis=0), [3, 3, 2], axis=1)
WEIGHTS = np.array([[0.5, -1.0, 0.0, 2.0, 0.25, -0.125], [1.0, 1.0, -3.0, 0.0, 0.0, 0.5]])


def lime(**settings):
    settings = {"n_samples": 200, "surrogate": ll.Ridge(1e-10)} | settings
    return ll.Lime(segmenter=ll.LabelImage(LABELS), fill=ll.Constant(0), **settings)


def additive():
    return AdditiveModel(LABELS, WEIGHTS, image=IMAGE, background=0)


@pytest.mark.parametrize(
    "surrogate",
    [ll.Lasso(), ll.Lasso(criterion="bic"), ll.Ridge(1e-10), ll.ForwardSelection(6)],
    ids=repr,
)
def test_an_additive_models_weights_are_found(surrogate):
    explanation = lime(surrogate=surrogate).explain(IMAGE, additive(), target=[0, 1], rng=0)
    np.testing.assert_allclose(explanation.importances, WEIGHTS, atol=1e-8)
    np.testing.assert_allclose(explanation.details["intercepts"], 0, atol=1e-8)
    np.testing.assert_allclose(explanation.fidelity, 1)


@pytest.mark.parametrize("model", [AndModel, OrModel, XorModel])
@pytest.mark.parametrize("width", [0.25, 0.5])
def test_interactions_give_the_enumerated_limit(model, width):
    toy = model(LABELS, (0, 4), image=IMAGE, background=0)
    explainer = lime(sampler=ll.Exhaustive(), n_samples=64, kernel_width=width)
    explanation = explainer.explain(IMAGE, toy, rng=0)
    exact = exact_values(toy, "lime", kernel_width=width)
    np.testing.assert_allclose(explanation.importances[0], np.ravel(exact), atol=1e-8)
    assert explanation.n_predictions == 65


def test_random_coalitions_approach_the_enumerated_limit():
    toy = AndModel(LABELS, (0, 4), image=IMAGE, background=0)
    explanation = lime(n_samples=20_000, include_original=False).explain(IMAGE, toy, rng=0)
    np.testing.assert_allclose(
        explanation.importances[0], np.ravel(exact_values(toy, "lime")), atol=0.02
    )


def test_coefficients_are_those_of_scikit_learn_on_the_same_coalitions():
    from sklearn.linear_model import Ridge

    toy = AndModel(LABELS, (0, 4), image=IMAGE, background=0)
    explanation = lime(surrogate=ll.Ridge(), n_samples=50, kernel_width=0.3).explain(
        IMAGE, toy, rng=0
    )
    coalitions = ll.Bernoulli()(50, 6, np.random.default_rng(0))
    coalitions[0] = True
    distances = 1 - np.sqrt(coalitions.sum(axis=1) / 6)
    reference = Ridge(alpha=1).fit(
        coalitions,
        np.ravel(toy.on_coalitions(coalitions)),
        sample_weight=np.exp(-(distances**2) / (2 * 0.3**2)),
    )
    np.testing.assert_allclose(explanation.importances[0], reference.coef_, atol=1e-10)
    np.testing.assert_allclose(explanation.details["intercepts"], [reference.intercept_])


def test_the_intact_image_is_the_first_row_unless_left_out():
    rows = []

    def surrogate(coalitions, values, weights):
        rows.append(coalitions.copy())
        return ll.Ridge()(coalitions, values, weights)

    lime(surrogate=surrogate).explain(IMAGE, additive(), rng=4)
    lime(surrogate=surrogate, include_original=False).explain(IMAGE, additive(), rng=4)
    assert rows[0][0].all()
    assert not rows[1][0].all()
    np.testing.assert_array_equal(rows[0][1:], rows[1][1:])


def test_more_samples_cost_only_what_is_new():
    first = lime(n_samples=20).explain(IMAGE, additive(), rng=0)
    model = Recorder(additive())
    more = lime(n_samples=40).explain(IMAGE, model, rng=0, reuse=first)
    fresh = lime(n_samples=40).explain(IMAGE, additive(), rng=0)
    assert more.n_predictions == model.n_images == fresh.n_predictions - first.n_predictions + 2
    np.testing.assert_array_equal(more.importances, fresh.importances)


def test_another_surrogate_on_the_same_rows_costs_one_image():
    first = lime().explain(IMAGE, additive(), rng=0)
    again = lime(surrogate=ll.Tree()).explain(IMAGE, additive(), rng=0, reuse=first)
    assert again.n_predictions == 1


def test_as_many_samples_as_segments_are_enough_to_try():
    assert lime(n_samples=6).explain(IMAGE, additive(), rng=0).importances.shape == (1, 6)


def test_the_training_fidelity_is_that_of_the_rows_of_the_fit():
    noisy = lambda batch: np.sin(999 * additive()(batch))  # noqa: E731
    found = lime(n_samples=30, surrogate=ll.Ridge(0)).explain(IMAGE, noisy, rng=0)
    assert found.details["training_fidelity"][0] > found.fidelity[0]


def test_fewer_samples_than_segments_are_refused_before_the_model_is_called():
    model = Recorder(additive())
    with pytest.raises(InvalidInputError, match=r"at least the number of segments, 6; got 5"):
        lime(n_samples=5).explain(IMAGE, model)
    assert model.n_calls == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"n_samples": 1}, "`n_samples` must be an integer >= 2"),
        ({"n_samples": 100.0}, "`n_samples` must be an integer"),
        ({"kernel_width": 0}, "`kernel_width` must be a finite number in"),
        ({"kernel_width": None}, "`kernel_width` must be a finite number in"),
        ({"include_original": 1}, "`include_original` must be True or False"),
        ({"surrogate": ll.Ridge}, r"surrogate=Ridge\(\)"),
        ({"surrogate": None}, "`surrogate` must be a callable"),
        ({"sampler": 3}, "`sampler` must be a callable"),
    ],
)
def test_settings_are_checked_at_once(settings, words):
    with pytest.raises(InvalidInputError, match=words):
        ll.Lime(**settings)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (np.zeros((4, 5), dtype=bool), r"`coalitions` must be \(n, 6\)"),
        (np.full((4, 6), 2), "True \\(kept\\) and False"),
        (np.zeros((0, 6), dtype=bool), "returned none"),
    ],
)
def test_a_samplers_answer_is_checked(answer, words):
    with pytest.raises(InvalidInputError, match=words):
        lime(sampler=lambda n, d, rng: answer).explain(IMAGE, additive())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (np.zeros(6), r"must return a Fit with importances of shape \(1, 6\); got float64 array"),
        (
            ll.Ridge()(np.eye(5, dtype=bool), np.arange(5.0)[:, np.newaxis], np.ones(5)),
            r"got one of \(1, 5\)",
        ),
    ],
)
def test_a_surrogates_answer_is_checked(answer, words):
    with pytest.raises(InvalidInputError, match=words) as caught:
        lime(surrogate=lambda *_: answer).explain(IMAGE, additive())
    assert len(caught.value.samples) > 2  # the rows already paid for are not lost


def test_standard_errors_cover_the_limit():
    """HC3 intervals of 60 seeds hold the enumerated value about 95 times in 100."""
    toy = AndModel(LABELS, (0, 4), image=IMAGE, background=0)
    exact = np.ravel(exact_values(toy, "lime"))
    explainer = lime(include_original=False, n_samples=150)
    first = explainer.explain(IMAGE, toy, rng=0)
    inside = []
    for seed in range(60):
        found = explainer.explain(IMAGE, toy, rng=seed, reuse=first)
        inside.append(np.abs(found.importances[0] - exact) <= 1.96 * found.standard_errors[0])
    assert 0.9 < np.mean(inside) < 0.99


def test_reliability_is_the_predicted_correlation_with_the_answer():
    noisy = AndModel(LABELS, (0, 4), image=IMAGE, background=0)
    few = lime(n_samples=20).explain(IMAGE, noisy, rng=0)
    many = lime(n_samples=2000).explain(IMAGE, noisy, rng=0)
    assert few.reliability[0] < many.reliability[0] < 1


@pytest.mark.parametrize("surrogate", [ll.Lasso(), ll.Tree(min_samples_leaf=40)])
def test_a_model_of_pure_noise_is_warned_of_once(surrogate):
    draw = np.random.default_rng(0).random
    explainer = ll.Lime(segmenter=ll.Grid(16), n_samples=100, surrogate=surrogate)
    with pytest.warns(LimelensWarning, match="answers at random") as caught:
        explainer.explain(IMAGE, lambda batch: draw((len(batch), 2)), rng=0)
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("surrogate", "words"),
    [
        (ll.Lasso(alpha=1e9), "no segment of target tiger:"),
        (ll.Lasso(), r"no segment of target tiger \((aic|ridge)\)"),
        (ll.Tree(min_samples_leaf=100), "The tree of target tiger"),
    ],
)
def test_warnings_of_the_fit_call_targets_by_their_names(surrogate, words):
    noise = np.random.default_rng(1).normal(size=IMAGE[..., 0].size)

    def lion_and_tiger(batch):  # chaotic, but the same for the same image
        chaos = np.sin(1e6 * (batch.mean(axis=-1).reshape(len(batch), -1) @ noise))
        return np.stack([np.zeros(len(batch)), chaos], axis=1)

    explainer = ll.Lime(segmenter=ll.Grid(16), n_samples=100, surrogate=surrogate)
    with pytest.warns(LimelensWarning, match=words):
        explainer.explain(
            IMAGE, lion_and_tiger, target="tiger", class_names=["lion", "tiger"], rng=0
        )
