"""The toys say what they are said to say."""

import pickle
from itertools import combinations, permutations

import numpy as np
import pytest

from limelens.errors import InvalidInputError
from limelens.testing import (
    AdditiveModel,
    AndModel,
    OrModel,
    Recorder,
    SaturatingModel,
    TableGame,
    XorModel,
    all_coalitions,
    exact_values,
)

SEGMENTS = np.array([[0, 0, 1], [2, 2, 1]])
IMAGE = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


def hidden(image, segments, coalitions, background, channel_axis=None):
    """Compose masked images one by one, the slow and obvious way."""
    batch = np.empty((len(coalitions), *image.shape), image.dtype)
    for row, coalition in enumerate(coalitions):
        kept = coalition[segments]
        if channel_axis is not None:
            kept = np.expand_dims(kept, channel_axis)
        batch[row] = np.where(kept, image, background)
    return batch


class TestRecorder:
    def test_passes_the_answer_and_remembers_the_call(self):
        model = Recorder(lambda batch: batch[:, 0, 0])
        answer = model(np.full((2, 1, 1), 7, np.uint8))
        np.testing.assert_array_equal(answer, [7, 7])
        model(np.zeros((3, 1, 1), np.float32))
        assert model.batch_sizes == [2, 3]
        assert model.n_images == 5
        assert model.n_calls == 2
        assert model.shapes == [(2, 1, 1), (3, 1, 1)]
        assert model.dtypes == [np.uint8, np.float32]
        assert model.batches == []

    def test_kept_batches_are_copies_taken_before_the_model_runs(self):
        def spoil(batch):
            batch[:] = 9
            return np.zeros(len(batch))

        model = Recorder(spoil, keep=True)
        model(np.zeros((1, 2, 2)))
        assert model.batches[0].max() == 0

    def test_fails_once_at_the_call_it_is_told(self):
        model = Recorder(lambda batch: np.zeros(len(batch)), fail_at_call=2)
        batch = np.zeros((4, 1, 1))
        model(batch)
        with pytest.raises(RuntimeError, match="on purpose"):
            model(batch)
        model(batch)
        assert model.n_calls == 3
        assert model.batch_sizes == [4, 4]

    def test_raises_the_error_it_is_given(self):
        model = Recorder(lambda batch: batch, fail_at_call=1, error=KeyError("x"))
        with pytest.raises(KeyError):
            model(np.zeros((1, 1, 1)))

    def test_runs_out_of_memory_above_max_images(self):
        model = Recorder(lambda batch: np.zeros(len(batch)), max_images=2)
        with pytest.raises(MemoryError):
            model(np.zeros((3, 1, 1)))
        model(np.zeros((2, 1, 1)))
        assert model.batch_sizes == [2]

    def test_offers_only_what_the_model_offers(self):
        class Differentiable:
            def __call__(self, batch):
                return batch.sum(axis=(1, 2))

            def gradient(self, batch, target):
                return np.ones_like(batch)

        plain = Recorder(lambda batch: batch)
        model = Recorder(Differentiable())
        assert not any(hasattr(plain, name) for name in ("gradient", "features", "prepare"))
        assert hasattr(model, "gradient")
        assert not hasattr(model, "features")
        model.gradient(np.zeros((3, 2, 2)), 0)
        assert model.gradient_batch_sizes == [3]
        assert model.batch_sizes == []
        assert not hasattr(model, "no_such_thing")

    def test_counts_prepared_batches_as_images_seen(self):
        class Prepared:
            def __call__(self, batch):
                return self.predict_prepared(self.prepare(batch))

            def prepare(self, batch):
                return batch / 255

            def predict_prepared(self, batch):
                return batch.mean(axis=(1, 2))

        model = Recorder(Prepared())
        model.predict_prepared(model.prepare(np.zeros((5, 1, 1), np.uint8)))
        assert model.batch_sizes == [5]
        assert model.dtypes == [np.float64]

    def test_pickles(self):
        model = Recorder(np.sum)
        model(np.zeros((2, 1, 1)))
        assert pickle.loads(pickle.dumps(model)).batch_sizes == [2]

    @pytest.mark.parametrize("setting", [{"fail_at_call": 0}, {"max_images": 0}, {"keep": 1}])
    def test_refuses_senseless_settings(self, setting):
        with pytest.raises(InvalidInputError, match=next(iter(setting))):
            Recorder(lambda batch: batch, **setting)


class TestExactValues:
    def test_coalitions_count_in_binary_lowest_bit_first(self):
        coalitions = all_coalitions(4)
        assert coalitions.shape == (16, 4)
        np.testing.assert_array_equal(coalitions @ (2 ** np.arange(4)), np.arange(16))

    def test_shapley_is_the_mean_gain_over_all_orders(self):
        values = np.random.default_rng(0).normal(size=16)
        by_orders = np.zeros(4)
        for order in permutations(range(4)):
            kept = 0
            for segment in order:
                by_orders[segment] += values[kept | 1 << segment] - values[kept]
                kept |= 1 << segment
        np.testing.assert_allclose(exact_values(values), [by_orders / 24])

    def test_banzhaf_is_the_difference_of_two_means(self):
        values = np.random.default_rng(1).normal(size=(8, 2))
        kept = all_coalitions(3)
        expected = [values[kept[:, j]].mean(0) - values[~kept[:, j]].mean(0) for j in range(3)]
        np.testing.assert_allclose(exact_values(values, "banzhaf"), np.transpose(expected))

    def test_lime_equals_a_weighted_linear_regression(self):
        from sklearn.linear_model import LinearRegression

        values = np.random.default_rng(2).normal(size=(16, 3))
        kept = all_coalitions(4)
        distance = 1 - np.sqrt(kept.sum(axis=1) / 4)
        weights = np.exp(-(distance**2) / (2 * 0.5**2))
        fitted = LinearRegression().fit(kept, values, sample_weight=weights)
        got = exact_values(values, "lime", kernel_width=0.5)
        np.testing.assert_allclose(got, fitted.coef_, atol=1e-12)

    def test_one_segment_out_and_one_segment_in(self):
        values = [0.0, 1.0, 2.0, 10.0]
        np.testing.assert_array_equal(exact_values(values, "ablation"), [[8, 9]])
        np.testing.assert_array_equal(exact_values(values, "keep_one"), [[1, 2]])

    @pytest.mark.parametrize("game", [[1.0, 2.0, 3.0], [1.0], np.zeros((4, 2, 2)), 5.0])
    def test_refuses_tables_that_do_not_list_all_coalitions(self, game):
        with pytest.raises(InvalidInputError, match="`game` must hold the scores of all coal"):
            exact_values(game)

    def test_refuses_unknown_kinds_and_too_many_segments(self):
        with pytest.raises(InvalidInputError, match="`kind` must be one of 'shapley'"):
            exact_values([0, 1], "shap")
        with pytest.raises(InvalidInputError, match="from 1 to 16"):
            all_coalitions(17)


class TestSegmentModels:
    @pytest.mark.parametrize("offset", [-5, 0, 1, 10])
    @pytest.mark.parametrize("background", [None, 0.0, IMAGE.mean()])
    @pytest.mark.parametrize("kind", ["shapley", "banzhaf", "lime", "ablation", "keep_one"])
    def test_every_definition_returns_the_additive_weights(self, offset, background, kind):
        weights = np.array([[2.0, -1.0, 0.5], [0.0, 1.0, 3.0]])
        model = AdditiveModel(
            SEGMENTS + offset, weights, image=IMAGE, background=background, bias=0.25
        )
        fill = 0.1 if background is None else background
        batch = hidden(IMAGE, SEGMENTS, all_coalitions(3), fill)
        np.testing.assert_allclose(exact_values(model(batch), kind), weights, atol=1e-12)
        np.testing.assert_array_equal(model(batch[:1]), [[0.25, 0.25]])

    @pytest.mark.parametrize(
        ("shape", "channel_axis"),
        [((4, 6), -1), ((4, 6, 3), -1), ((3, 4, 6), 0), ((2, 4, 6), None), ((2, 4, 6, 2), 3)],
    )
    @pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
    def test_any_layout_and_dtype(self, shape, channel_axis, dtype):
        rng = np.random.default_rng(3)
        image = rng.integers(1, 100, shape).astype(dtype)
        spatial = shape if channel_axis is None or len(shape) == 2 else list(shape)
        if isinstance(spatial, list):
            spatial.pop(channel_axis)
        segments = np.arange(np.prod(spatial)).reshape(spatial) * 4 // np.prod(spatial)
        weights = np.array([1.0, 2.0, 4.0, 8.0])
        coalitions = all_coalitions(4)
        axis = None if len(spatial) == len(shape) else channel_axis
        batch = hidden(image, segments, coalitions, np.zeros((), dtype), axis)
        for background in (None, 0):
            model = AdditiveModel(
                segments, weights, image=image, background=background, channel_axis=channel_axis
            )
            np.testing.assert_allclose(model(batch), coalitions @ weights)

    def test_shares_follow_soft_masks_exactly(self):
        model = AdditiveModel(SEGMENTS, np.eye(3), image=IMAGE, background=-1.0)
        mask = np.array([[0.5, 0.0, 1.0], [0.25, 0.75, 0.5]])
        batch = (mask * IMAGE + (1 - mask) * -1.0)[np.newaxis]
        np.testing.assert_allclose(model(batch), [[0.25, 0.75, 0.5]])

    def test_pixels_equal_in_image_and_background_are_left_out(self):
        model = AdditiveModel([[0, 0, 1]], [1.0, 10.0], image=[[5, 6, 7]], background=5)
        np.testing.assert_allclose(model([[[5, 6, 5]], [[5, 5, 7]]]), [1, 10])

    def test_a_pixel_is_intact_only_in_all_its_channels(self):
        image = np.array([[[5, 9], [6, 9]]])
        model = AdditiveModel([[0, 1]], [1.0, 10.0], image=image)
        np.testing.assert_array_equal(model([[[[5, 9], [0, 9]]]]), [1])
        known = AdditiveModel([[0, 1]], [1.0, 10.0], image=image, background=9)
        np.testing.assert_array_equal(known([[[[5, 9], [9, 9]]]]), [1])

    def test_rules_are_multilinear_in_between(self):
        batch = np.array([[[0.5, 0.25]]])
        for rule, score in ((AndModel, 0.125), (OrModel, 0.625), (XorModel, 0.5)):
            model = rule([[0, 1]], (0, 1), image=np.ones((1, 2)), background=0)
            table = TableGame([[0, 1]], model.table(), image=np.ones((1, 2)), background=0)
            np.testing.assert_allclose(model(batch), [score])
            np.testing.assert_allclose(table(batch), [score])

    def test_the_background_is_rounded_to_the_image_as_fills_are(self):
        image = np.array([[10, 20]], np.uint8)
        model = AdditiveModel([[0, 1]], [1.0, 2.0], image=image, background=14.6)
        np.testing.assert_array_equal(model(np.array([[[15, 15]]], np.uint8)), [0])

    def test_a_table_game_scores_hidden_segments_by_its_table(self):
        values = np.random.default_rng(4).normal(size=(8, 2))
        model = TableGame(SEGMENTS, values, image=IMAGE)
        np.testing.assert_array_equal(model.table(), values)
        np.testing.assert_array_equal(model(hidden(IMAGE, SEGMENTS, all_coalitions(3), 0)), values)

    def test_a_table_game_is_multilinear_in_between(self):
        model = TableGame([[0, 1]], [0.0, 1.0, 2.0, 7.0], image=np.ones((1, 2)), background=0)
        # 0.5 * 0.75 * 0 + 0.5 * 0.75 * 1 + 0.5 * 0.25 * 2 + 0.5 * 0.25 * 7
        np.testing.assert_allclose(model([[[0.5, 0.25]]]), [1.5])

    @pytest.mark.parametrize("k", [1, 2, 3])
    def test_rules_have_the_values_that_their_docstrings_promise(self, k):
        truth = {
            AndModel: {"shapley": 1 / k, "banzhaf": 2.0 ** (1 - k), "ablation": 1},
            OrModel: {"shapley": 1 / k, "banzhaf": 2.0 ** (1 - k), "keep_one": 1},
            XorModel: {"shapley": k % 2 / k, "ablation": 1 if k % 2 else -1, "keep_one": 1},
        }
        truth[AndModel]["keep_one"] = float(k == 1)
        truth[OrModel]["ablation"] = float(k == 1)
        truth[XorModel]["banzhaf"] = float(k == 1)
        image, segments = np.ones((1, 4)), np.arange(4)[np.newaxis]
        for rule, values in truth.items():
            model = rule(segments, tuple(range(k)), image=image, background=0)
            for kind, value in values.items():
                expected = [[value] * k + [0] * (4 - k)]
                np.testing.assert_allclose(exact_values(model, kind), expected, atol=1e-15)

    def test_rules_are_sets_of_kept_segments(self):
        image, segments = np.ones((1, 4)), np.arange(4)[np.newaxis]
        for size in range(5):
            for kept in combinations(range(4), size):
                batch = np.isin(segments, kept)[np.newaxis].astype(float)
                both = len({1, 3} & set(kept))
                for rule, score in (
                    (AndModel, both == 2),
                    (OrModel, both > 0),
                    (XorModel, both == 1),
                ):
                    model = rule(segments, (1, 3), image=image, background=0)
                    np.testing.assert_array_equal(model(batch), [float(score)])

    def test_saturation_is_undone_by_log_odds(self):
        weights = np.array([[1.0, -2.0, 0.5], [0.0, 1.0, 1.0]])
        additive = AdditiveModel(SEGMENTS, weights, image=IMAGE, background=0)
        p = SaturatingModel(additive).table()
        np.testing.assert_allclose(exact_values(np.log(p / (1 - p))), weights, atol=1e-12)
        q = SaturatingModel(additive, link="softmax").table()
        np.testing.assert_allclose(q.sum(axis=1), 1)
        ratio = exact_values(np.log(q[:, 0] / q[:, 1]))
        np.testing.assert_allclose(ratio, [weights[0] - weights[1]], atol=1e-12)

    def test_read_only_input_is_left_alone_and_models_pickle(self):
        image, batch = IMAGE.copy(), IMAGE[np.newaxis].copy()
        image.flags.writeable = batch.flags.writeable = False
        model = AdditiveModel(SEGMENTS, [1.0, 2.0, 3.0], image=image, background=0)
        copy = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(copy(batch), model(batch))

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda: AdditiveModel(SEGMENTS, [1, 2], image=IMAGE), r"`weights` must be one number"),
            (lambda: AdditiveModel(SEGMENTS[:1], [1, 2], image=IMAGE), r"`segments` must have"),
            (
                lambda: AdditiveModel(
                    [[0, 0, 0], [1, 1, 1]], [1, 2], image=[[7, 7, 7], [1, 2, 3]], background=7
                ),
                "equal in all of segment 0",
            ),
            (
                lambda: AdditiveModel(SEGMENTS, [1, 2, 3], image=IMAGE, background=[1, 2]),
                r"`background` must broadcast to the image's shape \(2, 3\)",
            ),
            (lambda: TableGame(SEGMENTS, np.zeros(4), image=IMAGE), "d = 3 segments"),
            (lambda: AndModel(SEGMENTS, (0, 3), image=IMAGE), "integer from 0 to 2; got 3"),
            (lambda: AndModel(SEGMENTS, (0, 0), image=IMAGE), "name each segment once"),
            (lambda: AndModel(SEGMENTS, 0, image=IMAGE), "sequence of segment numbers"),
            (
                lambda: SaturatingModel(AndModel(SEGMENTS, [0], image=IMAGE), link="tanh"),
                "`link` must be one of 'sigmoid', 'softmax'",
            ),
        ],
    )
    def test_wrong_settings_are_named(self, make, words):
        with pytest.raises(InvalidInputError, match=words):
            make()

    def test_a_batch_of_other_images_is_refused(self):
        model = AndModel(SEGMENTS, (0,), image=IMAGE)
        with pytest.raises(InvalidInputError, match=r"`batch` must be a NumPy array"):
            model(IMAGE)
