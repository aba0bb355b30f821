"""The drop-in, used as code written for lime uses it, and in some ways that are odd."""

import json
import sys
import threading

import numpy as np
import pytest
from sklearn.linear_model import Lasso, LinearRegression

import limelens.compat as lime
from limelens.compat import lime_base, lime_image
from limelens.errors import InvalidInputError, LimelensWarning

IMAGE = np.random.default_rng(0).random((16, 16, 3))
WEIGHTS = np.random.default_rng(1).random((16, 16))
LABELS = np.arange(256).reshape(16, 16) // 32
quietly = pytest.mark.filterwarnings("ignore::limelens.errors.LimelensWarning")


def classifier(batch):
    score = (np.asarray(batch)[..., 0] * WEIGHTS).mean(axis=(1, 2))
    return np.stack([score, 1 - score, score**2], axis=1)


def explain(explainer=None, *, image=IMAGE, predict=classifier, labels=LABELS, **how):
    explainer = explainer or lime_image.LimeImageExplainer(random_state=0)
    how = {"num_samples": 60, "progress_bar": False, "random_seed": 1} | how
    return explainer.explain_instance(image, predict, segmentation_fn=lambda _: labels, **how)


def map_of(explanation, label=None):
    """Paint as lime's users do: by the ids in `segments`."""
    label = explanation.top_labels[0] if label is None else label
    painted = np.zeros(explanation.segments.shape)
    for segment, weight in explanation.local_exp[label]:
        painted[explanation.segments == segment] = weight
    return painted


RIGHT = map_of(explain())


def replacing(**methods):
    """Return an explainer whose `base` is a subclass of `LimeBase` with other methods."""
    explainer = lime_image.LimeImageExplainer(random_state=0)
    base = type("Mine", (lime_base.LimeBase,), methods)
    explainer.base = base(explainer.base.kernel_fn, False, random_state=0)
    return explainer


BASES = {
    "explain_instance_with_data": lambda self, *a, **k: (0.5, [(0, 42.0)], 0.9, 0.7),
    "feature_selection": lambda self, *a, **k: np.array([2, 5]),
    "forward_selection": lambda self, *a, **k: np.array([1]),
}
CHOSEN = {
    "explain_instance_with_data": {0},
    "feature_selection": {2, 5},
    "forward_selection": {1},
}


@pytest.mark.parametrize("method", BASES)
def test_every_method_of_a_base_of_ones_own_is_honoured(method):
    found = explain(replacing(**{method: BASES[method]}), num_features=3)
    assert {segment for segment, _ in found.local_exp[found.top_labels[0]]} == CHOSEN[method]


def test_a_path_of_ones_own_decides_which_segments_the_lasso_takes():
    taken = []

    def path(data, labels):
        taken.append(len(data))
        return [0], np.outer(np.arange(data.shape[1]) == 4, np.ones(2)).astype(float)

    explainer = replacing(generate_lars_path=staticmethod(path))
    explainer.feature_selection = "lasso_path"
    found = explain(explainer, num_features=1)
    assert taken
    assert {segment for segment, _ in found.local_exp[found.top_labels[0]]} == {4}


def test_a_kernel_that_is_replaced_later_is_used():
    explainer = lime_image.LimeImageExplainer(random_state=0)
    explainer.base.kernel_fn = lambda distances: np.ones(len(distances))
    assert not np.allclose(map_of(explain(explainer)), RIGHT)


@quietly
@pytest.mark.parametrize("signature", ["0.2.0.1", "head", "any"])
def test_data_labels_of_every_signature_is_honoured(signature):
    def rows(segments, n):
        data = np.random.default_rng(0).integers(0, 2, (n, len(np.unique(segments))))
        data[0] = 1
        return data, np.stack([data[:, 3], -data[:, 3]], axis=1).astype(float)

    class Released(lime_image.LimeImageExplainer):
        def data_labels(self, image, fudged, segments, predict, num_samples, batch_size=10):
            return rows(segments, num_samples)

    class Newer(lime_image.LimeImageExplainer):
        def data_labels(
            self, image, fudged, segments, predict, num_samples, batch_size=10, progress_bar=True
        ):
            return rows(segments, num_samples)

    class Any(lime_image.LimeImageExplainer):
        def data_labels(self, *args, **kwargs):
            return rows(args[2], args[4])

    explainer = {"0.2.0.1": Released, "head": Newer, "any": Any}[signature](random_state=0)
    found = explain(explainer, labels=LABELS + 1)
    assert abs(map_of(found)[LABELS == 3]).min() > 5 * abs(map_of(found)[LABELS != 3]).max()


@quietly
@pytest.mark.parametrize(
    "change",
    [
        lambda labels: labels * 10 + 3,
        lambda labels: labels - 3,
        lambda labels: labels.astype(float),
        lambda labels: labels.astype(np.uint8) + np.uint8(200),
        lambda labels: labels.astype(object),
        lambda labels: labels.tolist(),
        lambda labels: np.asfortranarray(labels),
    ],
)
def test_ids_of_every_kind_paint_the_same_map(change):
    np.testing.assert_allclose(map_of(explain(labels=change(LABELS))), RIGHT)


@pytest.mark.parametrize(
    "labels",
    [
        LABELS + 0.5,
        np.where(LABELS > 3, np.nan, 1.0),
        LABELS.astype(str),
        LABELS.astype(np.uint64) + np.uint64(2**63),
        LABELS.astype(complex),
    ],
    ids=["halves", "nan", "words", "2**63", "complex"],
)
def test_ids_that_are_no_whole_numbers_are_refused(labels):
    with pytest.raises(InvalidInputError, match="`segments` must be labels that are whole"):
        explain(labels=labels)


@pytest.mark.parametrize("labels", [LABELS[:8], LABELS[0], np.zeros((0, 16), int)])
def test_labels_of_another_shape_are_refused(labels):
    with pytest.raises(InvalidInputError, match="must have the image's spatial shape"):
        explain(labels=labels)


def test_two_segments_of_a_bool_mask_are_two_segments():
    found = explain(labels=LABELS > 3)
    assert {int(segment) for segment, _ in found.local_exp[found.top_labels[0]]} == {0, 1}


@pytest.mark.parametrize("color", [0, 0.25, [0.1, 0.2, 0.3], np.array([0.1, 0.2, 0.3]), IMAGE / 2])
def test_every_form_of_hide_color_is_what_the_classifier_sees(color):
    seen = []

    def predict(batch):
        seen.append(np.array(batch))
        return classifier(batch)

    explain(predict=predict, hide_color=color)
    hidden = np.broadcast_to(color, IMAGE.shape)
    for image in np.concatenate(seen):
        kept = (image == IMAGE).all(axis=-1)
        np.testing.assert_array_equal(image[~kept], hidden[~kept])


@pytest.mark.parametrize("batch_size", [None, 1, 7, 10, 1000])
def test_the_batch_size_changes_nothing(batch_size):
    np.testing.assert_array_equal(map_of(explain(batch_size=batch_size)), RIGHT)


@pytest.mark.parametrize("labels", [(0, 2), [2, 0], np.array([0, 2])])
def test_labels_are_explained_where_top_labels_is_none(labels):
    explainer = lime_image.LimeImageExplainer(random_state=0)
    found = explainer.explain_instance(
        IMAGE, classifier, labels=labels, top_labels=None, num_samples=60, random_seed=1,
        segmentation_fn=lambda _: LABELS, progress_bar=False,
    )  # fmt: skip
    assert set(found.local_exp) == {0, 2}
    np.testing.assert_array_equal(map_of(found, 0), map_of(explain(top_labels=3), 0))


@pytest.mark.parametrize("n", [8, 9, 100, 100_000])
def test_more_features_than_segments_are_all(n):
    np.testing.assert_array_equal(map_of(explain(num_features=n)), RIGHT)


@pytest.mark.parametrize("regressor", [LinearRegression(), Lasso(alpha=1e-5)])
def test_a_regressor_and_a_metric_of_ones_own_are_used(regressor):
    painted = map_of(explain(model_regressor=regressor))
    assert not np.array_equal(painted, RIGHT)
    assert np.corrcoef(painted.ravel(), RIGHT.ravel())[0, 1] > 0.9
    assert not np.allclose(map_of(explain(distance_metric="euclidean")), RIGHT)


def test_what_is_written_to_files_is_plain():
    found = explain(top_labels=3)
    assert len(json.loads(json.dumps({int(label): s for label, s in found.score.items()}))) == 3
    assert json.dumps(found.score)
    assert all(np.isfinite(found.local_pred.tolist()))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("how", "values"),
    [
        ({}, {0, 1}),
        ({"positive_only": False}, {-1, 0, 1}),
        ({"negative_only": True, "positive_only": False}, {0, 1}),
        ({"hide_rest": True}, {0, 1}),
        ({"num_features": 0}, {0}),
        ({"num_features": 99}, {0, 1}),
        ({"min_weight": 1e9}, {0}),
    ],
)
def test_pictures_hold_what_was_asked_for(how, values):
    found = explain()
    picture, mask = found.get_image_and_mask(found.top_labels[0], **how)
    assert picture.shape == IMAGE.shape
    assert set(np.unique(mask)) == values


def test_wrong_labels_and_both_signs_fail_as_in_lime():
    found = explain()
    with pytest.raises(KeyError):
        found.get_image_and_mask(77)
    with pytest.raises(ValueError, match="cannot be true at the same time"):
        found.get_image_and_mask(found.top_labels[0], positive_only=True, negative_only=True)
    with pytest.warns(LimelensWarning, match="`negative_only` alone"):
        found.get_image_and_mask(found.top_labels[0], negative_only=True)


def test_threads_explain_alike_and_install_and_uninstall_leave_nothing(monkeypatch):
    before = {name: sys.modules[name] for name in sys.modules if name.split(".")[0] == "lime"}
    for name in before:
        monkeypatch.delitem(sys.modules, name)
    n_finders = len(sys.meta_path)
    found, failed = [], []

    def work():
        try:
            for _ in range(20):
                lime.install(replace=True)
                lime.uninstall()
            found.append(map_of(explain()))
        except Exception as error:  # noqa: BLE001 - of any kind
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert all(np.array_equal(each, RIGHT) for each in found)
    assert not [name for name in sys.modules if name.split(".")[0] == "lime"]
    assert len(sys.meta_path) == n_finders
