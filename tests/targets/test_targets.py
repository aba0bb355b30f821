"""Which of the model's outputs are explained."""

import pickle
import warnings

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError, PredictionError
from limelens.targets.columns import Top, find_target
from limelens.targets.of_scores import log_odds, margin

INTACT = np.array([0.1, 0.5, 0.15, 0.25])


def test_none_is_the_highest_score():
    assert find_target(None, INTACT).columns == (1,)


def test_top_is_ordered_from_the_highest():
    assert find_target(Top(3), INTACT).columns == (1, 3, 2)


def test_equal_scores_are_ordered_by_column():
    assert find_target(Top(2), np.array([0.5, 0.5, 0.5])).columns == (0, 1)


def test_top_orders_unsigned_and_boolean_scores_like_any_other():
    assert find_target(Top(2), np.array([0, 10, 200], dtype=np.uint8)).columns == (2, 1)
    assert find_target(Top(2), np.array([False, True, False])).columns == (1, 0)


@pytest.mark.parametrize("target", [2, np.int64(2), [2], (2,), np.array([2]), np.array(2)])
def test_columns_may_be_given_in_any_form(target):
    assert find_target(target, INTACT).columns == (2,)


def test_columns_keep_the_callers_order():
    found = find_target([3, 0], INTACT)
    np.testing.assert_array_equal(found.values(INTACT[np.newaxis]), [[0.25, 0.1]])


def test_a_callable_may_return_one_or_many_values():
    one = find_target(lambda scores: scores[:, 0] * 2, INTACT)
    many = find_target(lambda scores: scores[:, :3], INTACT)
    assert (one.columns, one.names) == ((0,), ("target",))
    assert (many.columns, many.names) == ((0, 1, 2), ("target[0]", "target[1]", "target[2]"))


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (4, "`target` must be an integer from 0 to 3; got 4"),
        (-1, r"integer from 0 to 3; got -1\. Counted from the front that is 3\."),
        (-5, r"integer from 0 to 3; got -5\.$"),
        ([2.0], r"got 2\.0\. Pass 2\."),
        (["2"], "Name them"),
        (True, "got True"),
        (1.0, "`target` must be None"),
        ("cat", "`target` must be None"),
        ([], "at least one column"),
        ([1, 1], "none twice"),
        (Top, "`target` must be None"),
        (Top(5), "Top\\(5\\) but the model returns 4"),
    ],
)
def test_targets_that_do_not_exist_are_refused(target, words):
    with pytest.raises(InvalidInputError, match=words):
        find_target(target, INTACT)


@pytest.mark.parametrize(
    "answer",
    [np.zeros((2, 1)), np.zeros((1, 1, 1)), np.zeros((1, 0)), np.array(["a"]), [[1], [1, 2]]],
)
def test_a_callables_answer_must_have_a_row_per_image(answer):
    with pytest.raises(PredictionError, match="`target` was given scores of shape"):
        find_target(lambda scores: answer, INTACT)


def test_a_callables_answer_must_be_finite():
    with pytest.raises(PredictionError, match="NaN or infinite"):
        find_target(lambda scores: scores[:, 0] * np.nan, INTACT)


def test_margin_is_against_the_best_other():
    np.testing.assert_allclose(margin(1)(INTACT[np.newaxis]), [0.25])
    np.testing.assert_allclose(margin(0)(INTACT[np.newaxis]), [-0.4])
    np.testing.assert_allclose(margin(1, 2)(INTACT[np.newaxis]), [0.35])
    assert find_target(margin(1), INTACT).names == ("margin(1)",)


@pytest.mark.parametrize("target", [margin(0, 4), margin(4), log_odds(4)])
def test_columns_that_the_model_does_not_have_are_named(target):
    with pytest.raises(InvalidInputError, match="needs score column 4; the model returns 4"):
        find_target(target, INTACT)


@pytest.mark.parametrize(
    ("target", "plain", "named"),
    [
        (margin(0, 2), "margin(0, 2)", "cat rather than bird"),
        (margin(1), "margin(1)", "dog rather than another"),
        (log_odds(0), "log_odds(0)", "log-odds of cat"),
    ],
)
def test_a_target_of_scores_is_called_after_the_classes_where_they_have_names(target, plain, named):
    def predict_fn(batch):
        shares = batch[:, :2].mean(axis=(1, 2)) / 3
        return np.stack([shares, 0.5 - shares, 0.5 + 0 * shares], axis=1)

    explainer = ll.Ablation(segmenter=ll.Grid(4), fill=ll.Constant(0))
    for names, expected in ((None, plain), (["cat", "dog", "bird"], named)):
        explanation = explainer.explain(np.eye(4), predict_fn, target=target, class_names=names)
        assert explanation.target_names == (expected,)
        assert explanation.for_target(expected).target_names == (expected,)
    partly = explainer.explain(np.eye(4), predict_fn, target=margin(0, 2), class_names={0: "cat"})
    assert partly.target_names == ("cat rather than 2",)


def test_a_margin_to_itself_is_refused():
    with pytest.raises(InvalidInputError, match="another column than `column`; got 1 for both"):
        margin(1, 1)


def test_a_margin_to_the_best_other_needs_another():
    with pytest.raises(InvalidInputError, match=r"margin\(0\) needs another column"):
        find_target(margin(0), INTACT[:1])


def test_log_odds_of_certainty_is_finite_and_symmetric():
    values = log_odds(0, eps=1e-3)(np.array([[0.0], [1.0]]))
    np.testing.assert_allclose(values, [-6.906755, 6.906755], atol=1e-6)


def test_log_odds_refuses_logits():
    with pytest.raises(PredictionError, match="needs probabilities; got scores from -1 to 3"):
        log_odds(0)(np.array([[-1.0], [3.0]]))


def halves(batch):
    upper = batch[:, :3].mean(axis=(1, 2))
    return np.stack([upper, 1 - upper], axis=1)


def test_log_odds_refuses_percents_though_those_of_a_rare_class_look_like_probabilities():
    percents = np.array([[0.4, 60.0, 39.6], [0.2, 10.0, 89.8]])
    with pytest.raises(PredictionError, match=r"got percents, which sum to 100 .* scores / 100"):
        log_odds(0)(percents)
    assert log_odds(0)(percents / 100).shape == (2,)
    log_odds(0)(np.array([[0.4, 60.0, 39.6], [0.2, 10.0, 89.0]]))  # columns of other kinds
    with pytest.raises(PredictionError, match="got percents, which sum to 100"):
        ll.audit(
            np.random.default_rng(0).random((3, 6, 6)),
            lambda b: 100 * halves(b),
            target=0,
            segmenter=ll.Grid(4),
        )


@pytest.mark.parametrize(
    ("target", "n_told"),
    [
        (lambda scores: scores.argmax(axis=1), 1),
        (lambda scores: scores.argmax(axis=1).astype(float), 0),
        (lambda scores: scores > 0.2, 0),
        (lambda scores: scores[:, 0] > 0.2, 0),
    ],
)
def test_a_callable_that_returns_class_numbers_is_warned_of_once(target, n_told):
    image = np.random.default_rng(0).random((12, 12))
    model = lambda b: np.stack([b[:, :6].mean((1, 2)), b[:, 6:].mean((1, 2))], axis=1)  # noqa: E731
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ll.Lime(segmenter=ll.Grid(4), n_samples=20).explain(image, model, target=target, rng=0)
    told = [str(each.message) for each in caught]
    assert sum("`target` returns one whole number" in each for each in told) == n_told


@pytest.mark.parametrize(
    ("target", "n_told"),
    [(lambda scores: scores[:, 1], 0), (lambda scores: scores.argmax(axis=1), 1)],
)
def test_a_column_of_whole_scores_is_no_class_number(target, n_told):
    image = np.random.default_rng(0).random((12, 12))

    def model(batch):
        return np.stack([90 * batch[:, :6].mean((1, 2)), 200 * batch.mean((1, 2))], 1).astype(int)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ll.Lime(segmenter=ll.Grid(4), n_samples=20).explain(image, model, target=target, rng=0)
    assert sum("`target` returns" in str(each.message) for each in caught) == n_told


@pytest.mark.parametrize("k", [0, -1, 1.5, True])
def test_top_needs_a_positive_count(k):
    with pytest.raises(InvalidInputError, match="`k` must be an integer >= 1"):
        Top(k)


CLASSES = ("cat", "dog", "fox", "fox")


@pytest.mark.parametrize(
    ("target", "columns"),
    [("dog", (1,)), (["cat", 3], (0, 3)), (np.array(["dog", "cat"]), (1, 0)), (("cat",), (0,))],
)
def test_columns_may_be_given_by_name(target, columns):
    assert find_target(target, INTACT, dict(enumerate(CLASSES))).columns == columns


@pytest.mark.parametrize(
    ("target", "names", "words"),
    [
        ("wolf", CLASSES, r"one of the class names 'cat', 'dog', 'fox', 'fox'; got 'wolf'\.$"),
        ("Cat ", CLASSES, r"got 'Cat '\. Did you mean 'cat'\?"),
        ("tabby_cat", ("dog", "Tabby cat"), r"Did you mean 'Tabby cat'\?"),
        ("fox", CLASSES, r"'fox' names the columns \[2, 3\]: pass one of them"),
        (["cat", 0], CLASSES, "none twice"),
        ("cat", None, r"Name them: class_names=\[...\]"),
        (margin("cat", 0), CLASSES, "`other` must be another column"),
        (margin("cat"), None, r"Name them: class_names=\[...\]"),
        (log_odds("wolf"), CLASSES, "got 'wolf'"),
    ],
)
def test_names_that_are_not_one_column_s_are_refused(target, names, words):
    with pytest.raises(InvalidInputError, match=words):
        find_target(target, INTACT, None if names is None else dict(enumerate(names)))


@pytest.mark.parametrize(
    ("target", "name", "value"),
    [
        (margin("cat", "dog"), "cat rather than dog", -0.4),
        (margin(1, 0), "dog rather than cat", 0.4),
        (margin("dog"), "dog rather than another", 0.25),
        (log_odds("dog"), "log-odds of dog", 0.0),
    ],
)
def test_functions_of_named_columns_are_called_by_their_names(target, name, value):
    found = find_target(target, INTACT, dict(enumerate(CLASSES)))
    assert found.names == (name,)
    np.testing.assert_allclose(found.values(INTACT[np.newaxis]), [[value]], atol=1e-12)


@pytest.mark.parametrize("target", [margin(0, 1), margin("cat"), log_odds(2, eps=1e-3)])
def test_functions_of_scores_pickle_and_are_equal(target):
    again = pickle.loads(pickle.dumps(target))
    assert again == target
    assert hash(again) == hash(target)
    with pytest.raises(AttributeError):
        again.column = 1


@pytest.mark.parametrize("target", ["dog", margin("dog", "cat"), [1]])
def test_names_work_in_explain_and_in_the_explanation(target):
    image = np.random.default_rng(0).random((4, 4))

    def model(batch):
        left = batch[:, :, :2].mean(axis=(1, 2))
        return np.stack([left, 1 - left], axis=1)

    explainer = ll.Ablation(segmenter=ll.Grid(4), fill=ll.Constant(0))
    explanation = explainer.explain(image, model, target=target, class_names=["cat", "dog"])
    name = explanation.target_names[0]
    assert name in ("dog", "dog rather than cat")
    np.testing.assert_array_equal(explanation.heatmap(name), explanation.heatmap())
