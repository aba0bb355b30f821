"""`from_sklearn`: estimators asked as their owner would ask them by hand."""

import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import KMeans
from sklearn.linear_model import LinearRegression, LogisticRegression, Perceptron
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

import limelens as ll
from limelens.adapters.sklearn import from_sklearn

RNG = np.random.default_rng(0)
IMAGES = RNG.random((60, 4, 5))
ROWS = IMAGES.reshape(60, -1)
TWO = np.where(IMAGES[:, :2].mean(axis=(1, 2)) > 0.5, "top", "none")
FOUR = np.digitize(IMAGES[:, 0, 0], [0.25, 0.5, 0.75])


@pytest.mark.parametrize(
    ("estimator", "labels", "method", "names"),
    [
        (LogisticRegression(), TWO, "predict_proba", ("none", "top")),
        (LogisticRegression(), FOUR, "predict_proba", ("0", "1", "2", "3")),
        (make_pipeline(StandardScaler(), LogisticRegression()), TWO, "predict_proba", None),
        (GridSearchCV(LogisticRegression(), {"C": [1, 2]}), TWO, "predict_proba", None),
        (SVC(), TWO, "decision_function", ("top",)),
        (SVC(), FOUR, "decision_function", ("0", "1", "2", "3")),
        (Perceptron(), TWO, "decision_function", ("top",)),
    ],
)
def test_classifiers_give_the_scores_they_have_under_the_names_of_their_classes(
    estimator, labels, method, names
):
    estimator.fit(ROWS, labels)
    model = from_sklearn(estimator)
    np.testing.assert_allclose(model(IMAGES), getattr(estimator, method)(ROWS), atol=1e-12)
    assert model.class_names == (names or ("none", "top"))


def test_regressors_give_their_prediction():
    estimator = LinearRegression().fit(ROWS, IMAGES[:, 0].sum(axis=1))
    model = from_sklearn(estimator)
    assert model.class_names is None
    found = ll.Ablation(segmenter=ll.Grid(cell=(1, 5)), fill=ll.Constant(0)).explain(
        IMAGES[0], model
    )
    np.testing.assert_allclose(found.importances[0], [IMAGES[0, 0].sum(), 0, 0, 0], atol=1e-9)


def test_the_method_can_be_chosen():
    estimator = SVC().fit(ROWS, FOUR)
    np.testing.assert_array_equal(
        from_sklearn(estimator, method="predict")(IMAGES), estimator.predict(ROWS)
    )
    with pytest.raises(ll.InvalidInputError, match='"decision_function", "predict"; got'):
        from_sklearn(estimator, method="predict_proba")


@pytest.mark.parametrize("wrap", [lambda e: e, lambda e: make_pipeline(StandardScaler(), e)])
def test_decisions_between_pairs_of_classes_are_not_named_after_classes(wrap):
    estimator = wrap(SVC(decision_function_shape="ovo")).fit(ROWS, FOUR)
    model = from_sklearn(estimator)
    assert model(IMAGES).shape == (60, 6)
    assert model.class_names is None


class OnlyLabels(ClassifierMixin, BaseEstimator):
    def fit(self, rows, labels):
        self.classes_ = np.unique(labels)
        return self

    def predict(self, rows):
        return np.repeat(self.classes_[:1], len(rows))


@pytest.mark.parametrize("estimator", [OnlyLabels().fit(ROWS, FOUR), KMeans(2).fit(ROWS)])
def test_labels_are_not_taken_for_scores_unless_asked_to(estimator):
    with pytest.raises(ll.InvalidInputError, match='pass method="predict"'):
        from_sklearn(estimator)
    assert len(from_sklearn(estimator, method="predict")(IMAGES)) == 60


def test_estimators_of_whole_images_get_them():
    def brightness(batch):
        assert batch.ndim == 3
        return batch.mean(axis=(1, 2))[:, np.newaxis]

    estimator = make_pipeline(FunctionTransformer(brightness), LogisticRegression())
    estimator.fit(IMAGES, TWO)
    np.testing.assert_allclose(
        from_sklearn(estimator, flatten=False)(IMAGES), estimator.predict_proba(IMAGES)
    )


def test_preprocess_makes_what_the_estimator_was_fitted_on():
    estimator = LogisticRegression().fit(ROWS / 2, TWO)
    model = from_sklearn(estimator, preprocess=lambda batch: batch.reshape(len(batch), -1) / 2)
    np.testing.assert_allclose(model(IMAGES), estimator.predict_proba(ROWS / 2))


def test_images_of_another_size_are_named_with_both_numbers():
    model = from_sklearn(LogisticRegression().fit(ROWS, TWO))
    with pytest.raises(
        ll.InvalidInputError, match=r"fitted on 20 values a row; got 60.*\(4, 5, 3\)"
    ):
        model(np.zeros((1, 4, 5, 3)))


def test_several_outputs_are_refused_and_the_advice_works():
    estimator = MultiOutputClassifier(LogisticRegression()).fit(ROWS, np.stack([TWO, TWO], 1))
    with pytest.raises(ll.InvalidInputError, match=r"predict_proba\(batch.reshape"):
        from_sklearn(estimator)(IMAGES)
    found = ll.Ablation(segmenter=ll.Grid(4)).explain(
        IMAGES[0], lambda batch: estimator.predict_proba(batch.reshape(len(batch), -1))[0]
    )
    assert found.importances.any()


def test_a_table_s_column_names_raise_no_warning():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(ROWS, columns=[f"p{i}" for i in range(20)])
    estimator = LogisticRegression().fit(table, TWO)
    np.testing.assert_allclose(from_sklearn(estimator)(IMAGES), estimator.predict_proba(table))


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        (LogisticRegression(), "must be fitted"),
        (make_pipeline(StandardScaler(), LogisticRegression()), "must be fitted"),
        (LogisticRegression, "must be a fitted estimator"),
        (StandardScaler().fit(ROWS), "must be a fitted estimator"),
        (lambda batch: batch, "must be a fitted estimator"),
    ],
)
def test_what_is_no_fitted_estimator_is_refused(estimator, words):
    with pytest.raises(ll.InvalidInputError, match=f"`estimator` {words}"):
        from_sklearn(estimator)


@pytest.mark.parametrize("option", [{"flatten": 1}, {"preprocess": 3}, {"method": "transform"}])
def test_settings_that_cannot_be_used_are_refused(option):
    with pytest.raises(ll.InvalidInputError, match=f"`{next(iter(option))}`"):
        from_sklearn(LogisticRegression().fit(ROWS, TWO), **option)


def test_another_library_s_estimator_needs_only_the_method():
    class Booster:
        def predict(self, rows):
            return rows.sum(axis=1)

    np.testing.assert_allclose(from_sklearn(Booster())(IMAGES), ROWS.sum(axis=1))


def test_a_model_can_be_sent_to_another_process():
    model = from_sklearn(LogisticRegression().fit(ROWS, TWO))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model))(IMAGES), model(IMAGES))
