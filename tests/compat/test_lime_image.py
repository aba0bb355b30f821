"""lime's explainer: what the classifier is shown, what comes back, where it departs from lime."""

import json
import pickle

import numpy as np
import pytest
from sklearn.linear_model import Lasso, LinearRegression

from limelens.compat import lime_image
from limelens.compat.lime_base import LimeBase
from limelens.errors import InvalidInputError, LimelensWarning, PredictionError
from limelens.testing import AdditiveModel, Recorder

SEGMENTS = np.array([[0, 0, 1, 1], [2, 2, 3, 3]])
IMAGE = np.random.default_rng(0).integers(1, 256, (2, 4, 3), dtype=np.uint8)
IMAGE.flags.writeable = False
WEIGHTS = np.array([[0.5, -0.25, 0.0, 0.125], [0.1, 0.2, 0.3, 0.4]])


def additive(segments=SEGMENTS, image=IMAGE, weights=WEIGHTS):
    return Recorder(AdditiveModel(segments, weights, image=image, background=0), keep=True)


def explain(model, *, segments=SEGMENTS, image=IMAGE, explainer=None, **settings):
    settings = {
        "hide_color": 0,
        "num_samples": 40,
        "progress_bar": False,
        "segmentation_fn": lambda image: segments,
        "model_regressor": LinearRegression(),
    } | settings
    construction = {"random_state": 0} | (explainer or {})
    made = lime_image.LimeImageExplainer(**construction)
    return made.explain_instance(image, model, **settings)


def weights_of(explanation, label):
    found = dict(explanation.local_exp[label])
    return np.array([found[segment] for segment in sorted(found)])


def test_an_additive_model_s_weights_are_found():
    explanation = explain(additive())
    for label in (0, 1):
        np.testing.assert_allclose(weights_of(explanation, label), WEIGHTS[label], atol=1e-12)
    assert [segment for segment, _ in explanation.local_exp[0]] == [0, 1, 3, 2]
    np.testing.assert_allclose(explanation.score[1], 1)
    np.testing.assert_allclose(explanation.local_pred[1], WEIGHTS[1].sum())


def test_ridge_is_scikit_learn_s_on_the_same_rows():
    from sklearn.linear_model import Ridge

    settings = {"num_features": 7, "top_labels": None, "labels": (1, 0)}
    model = additive()
    noise = np.random.default_rng(3).normal(size=(40, 2))
    position = iter(range(40))

    def noisy(batch):
        return model(batch) + np.stack([noise[next(position)] for _ in batch])

    ours = explain(noisy, model_regressor=None, **settings)
    position = iter(range(40))
    theirs = explain(noisy, model_regressor=Ridge(alpha=1), **settings)
    for label in (0, 1):
        np.testing.assert_allclose(weights_of(ours, label), weights_of(theirs, label), atol=1e-12)
        assert ours.score[label] == pytest.approx(theirs.score[label], abs=1e-12)
        np.testing.assert_allclose(ours.local_pred[label], theirs.local_pred[label], atol=1e-12)
        np.testing.assert_allclose(ours.intercept[label], theirs.intercept[label], atol=1e-12)


@pytest.mark.parametrize("batch_size", [1, 7, 40, 99])
def test_the_intact_image_comes_first_in_batches_of_the_size_asked_for(batch_size):
    model = additive()
    explain(model, batch_size=batch_size)
    assert model.n_images == 40
    assert set(model.batch_sizes[:-1]) <= {batch_size}
    assert model.batch_sizes[-1] <= batch_size
    np.testing.assert_array_equal(model.batches[0][0], IMAGE, strict=True)


def test_random_bits_are_those_of_a_random_state_after_one_draw():
    shown = additive()
    explain(shown)
    state = np.random.RandomState(0)
    state.randint(0, high=1000)
    rows = state.randint(0, 2, 40 * 4).reshape(40, 4)
    rows[0] = 1
    expected = np.where(rows[:, SEGMENTS][..., np.newaxis], IMAGE, 0)
    np.testing.assert_array_equal(np.concatenate(shown.batches), expected)


def test_a_random_seed_leaves_the_first_draw_to_the_masks():
    shown = additive()
    explain(shown, random_seed=0)
    rows = np.random.RandomState(0).randint(0, 2, 40 * 4).reshape(40, 4)
    expected = np.where(rows[1:, SEGMENTS][..., np.newaxis], IMAGE, 0)
    np.testing.assert_array_equal(np.concatenate(shown.batches)[1:], expected)


def test_hidden_segments_are_their_mean_cut_to_integers():
    image = np.array([[[1, 10, 0], [2, 11, 0], [7, 0, 4]]], dtype=np.uint8)
    shown = Recorder(lambda batch: batch[:, :, 1:].mean(axis=(1, 2, 3))[:, np.newaxis], keep=True)
    segments = np.array([[0, 0, 1]])
    explain(shown, image=image, segments=segments, hide_color=None)
    seen = {tuple(picture.ravel()) for batch in shown.batches for picture in batch}
    assert seen == {(1, 10, 0, 2, 11, 0, 7, 0, 4), (1, 10, 0, 1, 10, 0, 7, 0, 4)}


@pytest.mark.parametrize("hide_color", [9, (1, 2, 3)])
def test_hide_color_is_one_value_or_one_a_channel(hide_color):
    shown = Recorder(lambda batch: batch.mean(axis=(1, 2)), keep=True)
    explain(shown, hide_color=hide_color)
    pictures = np.concatenate(shown.batches)
    hidden = pictures[(pictures != IMAGE).any(axis=3)]
    np.testing.assert_array_equal(np.unique(hidden, axis=0), [np.broadcast_to(hide_color, 3)])


def test_a_plane_reaches_the_classifier_in_three_channels():
    shown = Recorder(lambda batch: batch.mean(axis=(1, 2)), keep=True)
    explanation = explain(shown, image=IMAGE[..., 0])
    np.testing.assert_array_equal(shown.batches[0][0], np.stack([IMAGE[..., 0]] * 3, axis=-1))
    assert explanation.image.shape == (2, 4, 3)


def test_custom_kernels_get_distances_and_width():
    seen = []

    def kernel(d, kernel_width):
        seen.append((d, kernel_width))
        return np.ones_like(d)

    explain(additive(), explainer={"kernel": kernel, "kernel_width": 2})
    ((distances, width),) = seen
    assert width == 2.0
    assert distances[0] == pytest.approx(0, abs=1e-15)
    assert set(distances.round(6)) == {0.0, 0.133975, 0.292893, 0.5, 1.0}


def test_weights_fall_with_the_distance_as_lime_s_do():
    distances = np.array([0.0, 0.25, 0.5, 1.0])
    expected = np.exp([0.0, -0.5, -2.0, -8.0])
    np.testing.assert_allclose(lime_image.exponential(distances, 0.25), expected, rtol=1e-14)


def test_a_hidden_image_of_another_dtype_is_cast_to_the_image_s():
    shown = additive()
    explainer = lime_image.LimeImageExplainer(random_state=0)
    data, labels = explainer.data_labels(IMAGE, np.full(IMAGE.shape, 0.75), SEGMENTS, shown, 12)
    with pytest.raises(InvalidInputError, match="`segments` must not be masked"):
        explainer.data_labels(IMAGE, IMAGE, np.ma.masked_equal(SEGMENTS, 0), shown, 12)
    assert data.shape == (12, 4)
    np.testing.assert_allclose(labels, data @ WEIGHTS.T)
    assert {batch.dtype for batch in shown.batches} == {np.dtype(np.uint8)}


def test_top_labels_come_highest_first_and_are_fitted_highest_last():
    explanation = explain(additive(), top_labels=2)
    assert explanation.top_labels == [1, 0]  # scores 1.0 and 0.375
    assert list(explanation.local_exp) == [0, 1]
    assert float(explanation.local_pred) == pytest.approx(1.0)


@pytest.mark.parametrize("top_labels", [None, 0])
def test_without_top_labels_the_labels_asked_for_are_explained(top_labels):
    explanation = explain(additive(), top_labels=top_labels, labels=(0,))
    assert list(explanation.local_exp) == [0]
    assert not hasattr(explanation, "top_labels")


def test_labels_that_do_not_exist_are_refused_after_one_batch():
    model = additive()
    with pytest.raises(InvalidInputError, match=r"must be columns of the 2 scores.*got 2"):
        explain(model, top_labels=None, labels=(1, 2))
    assert model.batch_sizes == [10]


@pytest.mark.parametrize("ids", [[1, 2, 3, 4], [-3, 0, 1, 5], [0, 2, 4, 9000]])
def test_every_segment_is_hidden_and_keeps_the_caller_s_id(ids):
    segments = np.array(ids, dtype=np.int16)[SEGMENTS]
    words = f"4 ids from {ids[0]} to {ids[-1]}: lime would never hide some of them"
    with pytest.warns(LimelensWarning, match=words):
        explanation = explain(additive(), segments=segments)
    np.testing.assert_array_equal(explanation.segments, segments)
    assert explanation.segments.dtype == np.int16
    painted = np.zeros(segments.shape)
    for id_, weight in explanation.local_exp[0]:
        painted[explanation.segments == id_] = weight
    np.testing.assert_allclose(painted, WEIGHTS[0][SEGMENTS], atol=1e-12)
    _, mask = explanation.get_image_and_mask(0, num_features=1)
    np.testing.assert_array_equal(mask, SEGMENTS == 0)
    ours = explanation.as_limelens()
    np.testing.assert_allclose(ours.importances[-1], WEIGHTS[0], atol=1e-12)
    np.testing.assert_array_equal(ours.segments, SEGMENTS)
    np.testing.assert_array_equal(ours.details["segment_ids"], ids)
    assert set(ours.samples.coalitions.sum(axis=1)) > {1, 2, 3, 4}


def test_strict_lime_leaves_ids_alone_and_one_segment_in_view():
    model = additive()
    explanation = explain(model, segments=SEGMENTS + 1, explainer={"strict_lime": True})
    np.testing.assert_array_equal(explanation.segments, SEGMENTS + 1)
    shown = np.concatenate(model.batches)
    np.testing.assert_array_equal(shown[:, SEGMENTS == 3][1:], shown[:, SEGMENTS == 3][:-1])
    expected = [0, 0.5, -0.25, 0]  # the column of id 0 hides nothing, the last id has no column
    np.testing.assert_allclose(weights_of(explanation, 0), expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 2), (4, 2), (2, 4, 1), (0, 4)])
def test_segments_of_another_shape_are_refused(shape):
    words = r"`segments` must have the image's spatial shape \(2, 4\); got int64 array of shape"
    with pytest.raises(InvalidInputError, match=words):
        explain(additive(), segments=np.zeros(shape, dtype=np.int64))


def test_a_segmenter_s_own_error_is_passed_on():
    algorithm = lime_image.SegmentationAlgorithm("quickshift", kernel_size=0)
    with pytest.raises(ValueError, match="kernel_size"):
        explain(additive(), segmentation_fn=algorithm)


@pytest.mark.parametrize("channels", [1, 2, 4, 6])
def test_any_number_of_channels_is_segmented_and_hidden(channels):
    image = np.zeros((12, 16, channels), dtype=np.uint8)
    image[:, 8:] = 200
    image[:, :, 0] += np.arange(16, dtype=np.uint8)
    algorithm = lime_image.SegmentationAlgorithm("quickshift", kernel_size=1, max_dist=4)
    shown = Recorder(lambda batch: batch[..., :1].mean(axis=(1, 2)), keep=True)
    with pytest.warns(LimelensWarning, match=f"with {channels} channel"):
        explanation = explain(shown, image=image, segmentation_fn=algorithm, hide_color=None)
    np.testing.assert_array_equal(shown.batches[0][0], image, strict=True)
    left, right = (set(np.unique(half)) for half in np.split(explanation.segments, 2, axis=1))
    assert left.isdisjoint(right)
    with pytest.raises(ValueError, match="Only RGB images"):
        explain(shown, image=image, segmentation_fn=algorithm, explainer={"strict_lime": True})


def test_the_default_segmenter_takes_any_channels_too():
    image = np.random.default_rng(2).integers(0, 256, (30, 40, 4), dtype=np.uint8)
    with pytest.warns(LimelensWarning, match="with 4 channel"):
        explanation = explain(
            lambda batch: batch.mean(axis=(1, 2)), image=image, segmentation_fn=None
        )
    assert explanation.segments.shape == (30, 40)


def test_volumes_are_hidden_by_their_segments_means():
    volume = np.arange(16.0).reshape(2, 2, 4)
    segments = np.stack([SEGMENTS, SEGMENTS])
    shown = Recorder(lambda batch: batch.mean(axis=(2, 3)), keep=True)
    explanation = explain(shown, image=volume, segments=segments, hide_color=None)
    hidden = explanation.as_limelens().details["background"]
    np.testing.assert_array_equal(np.unique(hidden), [4.5, 6.5, 8.5, 10.5])


def test_one_score_an_image_is_label_0():
    model = additive(weights=WEIGHTS[:1])
    with pytest.warns(LimelensWarning, match="one score an image, read as label 0"):
        explanation = explain(lambda batch: model(batch).ravel())
    assert explanation.top_labels == [0]
    np.testing.assert_allclose(weights_of(explanation, 0), WEIGHTS[0], atol=1e-12)


@pytest.mark.parametrize(("dtype", "told"), [(int, True), (float, False)])
def test_class_numbers_are_told_from_one_score_an_image(dtype, told):
    model = additive(weights=WEIGHTS[:1])
    with pytest.warns(LimelensWarning, match="one score an image") as caught:
        explain(lambda batch: np.rint(100 * model(batch)).ravel().astype(dtype))
    said = "".join(str(each.message) for each in caught)
    assert ("predict_proba in place of predict" in said) == told


def test_a_score_that_changes_only_by_rounding_is_pointed_out():
    def barely(batch):
        return 0.5 + batch.mean(axis=(1, 2, 3))[:, np.newaxis] * 1e-16

    with pytest.warns(LimelensWarning, match="never changed its score of label 0:"):
        explain(barely, top_labels=1)


def test_a_score_that_never_changes_is_pointed_out():
    def half_dead(batch):
        return np.stack([batch.mean(axis=(1, 2, 3)), np.full(len(batch), 0.5)], axis=1)

    with pytest.warns(LimelensWarning, match="never changed its score of label 1:"):
        explanation = explain(half_dead, model_regressor=None)
    assert explanation.score[1] == 1.0
    assert not np.any(weights_of(explanation, 1))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda batch: np.ones((1, 2)), r"`classifier_fn` was given 10 images and must return"),
        (lambda batch: None, "got None"),
        (lambda batch: np.full((len(batch), 2), np.nan), "all finite.*image 0 of this batch"),
        (lambda batch: np.ones((len(batch), 2, 2)), "got shape"),
    ],
)
def test_unusable_answers_are_refused_at_the_first_batch(answer, words):
    model = Recorder(answer)
    with pytest.raises(PredictionError, match=words):
        explain(model)
    assert len(model.batch_sizes) == 1


@pytest.mark.parametrize("kind", [list, tuple, np.asarray])
def test_rows_may_come_in_any_sequence(kind):
    model = additive()
    explanation = explain(lambda batch: kind(list(model(batch))))
    np.testing.assert_allclose(weights_of(explanation, 0), WEIGHTS[0], atol=1e-12)


def test_an_exception_of_the_classifier_says_what_it_was_given():
    def broken(batch):
        raise RuntimeError("no device")

    with pytest.raises(RuntimeError, match="no device") as caught:
        explain(broken)
    assert any("uint8 batch of (10, 2, 4, 3)" in note for note in caught.value.__notes__)


def test_a_classifier_may_write_into_its_batch_and_reuse_its_answer():
    model, buffer = additive(), np.zeros((10, 2))

    def rude(batch):
        buffer[: len(batch)] = model(batch)
        batch[:] = 7
        return buffer[: len(batch)]

    np.testing.assert_allclose(weights_of(explain(rude), 0), WEIGHTS[0], atol=1e-12)


def test_the_bar_counts_images(capsys):
    pytest.importorskip("tqdm")
    explain(additive(), progress_bar=True)
    assert "40/40" in capsys.readouterr().err
    explain(additive(), progress_bar=False)
    assert capsys.readouterr().err == ""


def test_without_tqdm_there_is_no_bar(monkeypatch, capsys):
    monkeypatch.setattr(lime_image.importlib.util, "find_spec", lambda name: None)
    explain(additive(), progress_bar=True)
    assert capsys.readouterr().err == ""


def test_verbose_prints_three_lines_a_label(capsys):
    explain(additive(), explainer={"verbose": True}, top_labels=1)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["Intercept", "Prediction_local", "Right:"]
    assert float(lines[2].split()[1]) == pytest.approx(1.0)


def test_the_regressor_given_is_left_fitted_to_the_last_label():
    regressor = LinearRegression()
    explain(additive(), model_regressor=regressor)
    np.testing.assert_allclose(np.sort(regressor.coef_), np.sort(WEIGHTS[1]), atol=1e-12)


@pytest.mark.parametrize("name", ["num_samples", "batch_size"])
def test_counts_must_be_positive(name):
    with pytest.raises(InvalidInputError, match=f"`{name}` must be an integer >= 1; got 0"):
        explain(additive(), **{name: 0})


def test_unknown_feature_selections_are_refused_at_once():
    with pytest.raises(InvalidInputError, match="`feature_selection` must be one of 'auto', "):
        lime_image.LimeImageExplainer(feature_selection="best")


def test_num_features_bounds_the_list():
    for selection in ("forward_selection", "highest_weights", "lasso_path"):
        explanation = explain(
            additive(), num_features=2, explainer={"feature_selection": selection}
        )
        assert [segment for segment, _ in explanation.local_exp[0]] == [0, 1]


def test_sparse_regressors_leave_zeros_in_the_list():
    explanation = explain(additive(), model_regressor=Lasso(alpha=10))
    assert [weight for _, weight in explanation.local_exp[0]] == [0, 0, 0, 0]


def test_explanations_can_be_pickled():
    explanation = pickle.loads(pickle.dumps(explain(additive())))
    np.testing.assert_allclose(weights_of(explanation, 1), WEIGHTS[1], atol=1e-12)
    assert explanation.as_limelens().n_predictions == 40


# -- code that replaces parts of lime's explainer ---------------------------------------------


class AsReleased(lime_image.LimeImageExplainer):
    """`data_labels` as written for lime 0.2.0.1, whose signature has no `progress_bar`."""

    def data_labels(self, image, fudged_image, segments, classifier_fn, num_samples, batch_size=10):
        data = np.ones((num_samples, np.unique(segments).size), dtype=int)
        data[1:] = self.random_state.randint(0, 2, (num_samples - 1, data.shape[1]))
        batch = [np.where(row[segments][..., np.newaxis], image, fudged_image) for row in data]
        return data, np.concatenate([classifier_fn(np.array([each])) for each in batch])


@pytest.mark.parametrize("first_id", [0, 1])
@pytest.mark.filterwarnings("ignore:`segments` has")
def test_data_labels_of_the_release_s_signature_is_asked(first_id):
    model = additive()
    explanation = AsReleased(random_state=0).explain_instance(
        IMAGE,
        model,
        hide_color=0,
        num_samples=40,
        segmentation_fn=lambda image: SEGMENTS + first_id,
        model_regressor=LinearRegression(),
    )
    assert model.batch_sizes == [1] * 40
    assert min(dict(explanation.local_exp[0])) == first_id
    np.testing.assert_allclose(weights_of(explanation, 0), WEIGHTS[0], atol=1e-12)


class Own(LimeBase):
    def explain_instance_with_data(self, data, scores, distances, label, num_features, **settings):
        assert set(settings) == {"feature_selection", "model_regressor"}
        return 0.0, [(0, 42.0)], np.float32(1), np.ones(1)


class OwnSelection(LimeBase):
    def feature_selection(self, data, labels, weights, num_features, method):
        return np.array([2])


class OwnSteps(LimeBase):
    def forward_selection(self, data, labels, weights, num_features):
        return np.array([3, 1])


class NotEvenASubclass:
    explain_instance_with_data = Own.explain_instance_with_data


@pytest.mark.parametrize(
    ("base", "segments"),
    [
        (Own(len), [0]),
        (NotEvenASubclass(), [0]),
        (OwnSelection(np.ones_like), [2]),
        (OwnSteps(np.ones_like), [1, 3]),
    ],
    ids=["fit", "any object", "selection", "steps"],
)
def test_a_base_that_was_replaced_is_asked(base, segments):
    explainer = lime_image.LimeImageExplainer(random_state=0)
    explainer.base = base
    explanation = explainer.explain_instance(
        IMAGE,
        additive(),
        hide_color=0,
        num_samples=40,
        num_features=2,
        progress_bar=False,
        segmentation_fn=lambda image: SEGMENTS,
    )
    assert sorted(dict(explanation.local_exp[0])) == segments
    if len(segments) == 1 and segments[0] == 0:
        assert explanation.local_exp[0] == [(0, 42.0)]


def test_a_method_put_on_the_base_itself_is_asked():
    explainer = lime_image.LimeImageExplainer(random_state=0)
    explainer.base.explain_instance_with_data = lambda *rows, **named: (0.0, [(1, 7.0)], 1.0, [0.0])
    explanation = explainer.explain_instance(
        IMAGE,
        additive(),
        num_samples=10,
        progress_bar=False,
        segmentation_fn=lambda image: SEGMENTS,
    )
    assert explanation.local_exp[0] == [(1, 7.0)]


def test_all_images_go_in_one_call_without_a_batch_size():
    model = additive()
    explain(model, batch_size=None)
    assert model.batch_sizes == [40]


def test_what_is_returned_goes_into_json():
    explanation = explain(additive(), segments=SEGMENTS)
    for each in (explanation.score, explanation.top_labels):
        json.dumps(each)
    assert explanation.local_pred.tolist() == list(explanation.local_pred.values())[-1].tolist()
    assert type(explanation.score.item()) is float
    assert explanation.local_pred.shape == (1,)
