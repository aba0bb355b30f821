"""Whatever stops a run, and whatever is asked of its result, no row and no target gets lost."""

import itertools
import sys
import warnings

import numpy as np
import pytest

import limelens as ll
from limelens.errors import LimelensWarning
from limelens.explainers.base import Attribution, SegmentExplainer
from limelens.testing import Recorder

IMAGE = np.random.default_rng(0).random((8, 8)) + 0.5
GRID = ll.Grid(4)


def model(batch):
    halves = [batch[:, :, :4].mean(axis=(1, 2)), batch[:, :, 4:].mean(axis=(1, 2))]
    return np.stack([halves[0], -2 * halves[1], halves[0] * halves[1]], axis=1)


def still(batch):
    return np.full(len(batch), 0.5)


class Float32(SegmentExplainer):
    def _attribute(self, query, rng):
        values = query.ask_values(~np.eye(query.n_segments, dtype=bool))
        return Attribution(importances=values.T.astype(np.float32))


class Unprintable(ll.Ablation):
    def __repr__(self):
        raise RuntimeError("no repr")


class Interrupted(ll.Ablation):
    def _explanation(self, *parts):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("explainer", "predict_fn", "kind"),
    [
        (ll.Ablation(segmenter=GRID), still, LimelensWarning),
        (Unprintable(segmenter=GRID), model, RuntimeError),
        (Interrupted(segmenter=GRID), model, KeyboardInterrupt),
        (Float32(segmenter=GRID), model, ll.InvalidInputError),
    ],
    ids=["warning as error", "repr", "interrupt", "float32"],
)
def test_rows_ride_on_whatever_fails_after_the_method(explainer, predict_fn, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(kind) as caught:
            explainer.explain(IMAGE, predict_fn)
    assert len(caught.value.samples) == 6
    counted = Recorder(predict_fn)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ll.Ablation(segmenter=GRID).explain(IMAGE, counted, reuse=caught.value.samples)
    assert counted.n_images == 1  # is it the same model?


def interrupted_at(place, batch_size):
    """Explain, interrupted at the `place`-th different line after the model was first asked."""
    lines, paid = set(), []

    def asked(batch):
        paid.append(len(batch))
        return model(batch)

    def trace(frame, event, _):
        if "limelens" not in frame.f_code.co_filename:
            return None
        line = (frame.f_code, frame.f_lineno, len(paid))
        if event == "line" and paid and line not in lines:
            lines.add(line)
            if len(lines) == place:
                raise KeyboardInterrupt
        return trace

    explainer, before = ll.Ablation(segmenter=GRID), sys.gettrace()
    sys.settrace(trace)
    try:
        explainer.explain(IMAGE, asked, batch_size=batch_size)
    except KeyboardInterrupt as error:
        return len(error.samples), paid
    finally:
        sys.settrace(before)
    return None, paid


# Rows that are kept after each call: in batches of two the third is the second look.
@pytest.mark.parametrize(("batch_size", "rows"), [(2, [0, 2, 4, 4, 6]), (64, [0, 2, 6])])
def test_an_interrupt_at_any_line_loses_at_most_the_batch_under_way(batch_size, rows):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interrupted_at(0, batch_size)  # imports
        for place in itertools.count(1):
            kept, paid = interrupted_at(place, batch_size)
            if kept is None:
                break
            assert kept >= rows[len(paid) - 1]
    assert place > 100
    assert len(paid) == len(rows) - 1


def test_samples_of_an_exception_s_own_stay_and_ours_are_noted_beside_them():
    class Busy(Exception):  # noqa: N818
        samples = "its own"

    calls = []

    def fails(batch):
        calls.append(len(batch))
        if len(calls) > 1:
            raise Busy
        return model(batch)

    with pytest.raises(Busy) as caught:
        ll.Ablation(segmenter=GRID).explain(IMAGE, fails)
    assert caught.value.samples == "its own"
    assert len(caught.value.limelens_samples) == 2
    assert any("error.limelens_samples" in note for note in caught.value.__notes__)


# -- gradients ----------------------------------------------------------------------------------


def squares(batch):
    return (batch**2).sum(axis=(1, 2))


@pytest.mark.parametrize(
    "explainer",
    [
        ll.IntegratedGradients(baseline=ll.Constant(0)),
        ll.ExpectedGradients(samples=ll.Constant(0), n_steps=50),
    ],
    ids=["IntegratedGradients", "ExpectedGradients"],
)
def test_a_gradient_that_is_not_the_score_s_is_noticed(explainer):
    right = ll.with_gradient(squares, lambda batch, target: 2 * batch)
    explanation = explainer.explain(IMAGE, right, rng=0)
    n_gradients = explanation.details["n_gradients"]
    assert explanation.n_predictions == 2 + n_gradients
    unscaled = ll.with_gradient(squares, lambda batch, target: 255 * 2 * batch)
    with pytest.warns(LimelensWarning, match=r"add up to .*the score changes by .*chain rule"):
        explainer.explain(IMAGE, unscaled, rng=0)


def test_a_small_gap_is_noticed_where_the_score_itself_is_large():
    def shifted(batch):
        return 100 + squares(batch)

    explainer = ll.IntegratedGradients(baseline=ll.Constant(0))
    wrong = ll.with_gradient(shifted, lambda batch, target: 1.2 * 2 * batch)
    with pytest.warns(LimelensWarning, match="add up to"):
        explainer.explain(IMAGE, wrong, rng=0)


def test_progress_of_gradients_counts_all_images():
    told = []
    right = ll.with_gradient(squares, lambda batch, target: 2 * batch)
    explanation = ll.IntegratedGradients(baseline=ll.Constant(0)).explain(
        IMAGE, right, progress=lambda done, total: told.append((done, total)), batch_size=7
    )
    assert told[-1] == (explanation.n_predictions, explanation.n_predictions)


# -- targets of a result --------------------------------------------------------------------------


def product(batch):
    left, right = batch[:, 0, 0], batch[:, 0, 1]
    return np.stack([left * right, 10 + 0 * left, -left * right], axis=1)


def test_interactions_are_those_of_the_explained_targets():
    explainer = ll.ExactShapley(segmenter=ll.Grid(cell=(1, 1)), fill=ll.Constant(0))
    explanation = explainer.explain(
        np.ones((1, 3)), product, target=[2, 0], class_names=["a", "b", "c"]
    )
    found = ll.interaction_index(explanation)
    assert found[:, 0, 1].tolist() == [-1, 1]
    np.testing.assert_array_equal(ll.interaction_index(explanation, target="c"), found[:1])
    margin = explainer.explain(np.ones((1, 3)), product, target=ll.margin(0, 2))
    with pytest.raises(ll.InvalidInputError, match=r"a callable was explained.*Pass the same one"):
        ll.interaction_index(margin)
    assert ll.interaction_index(margin, target=ll.margin(0, 2))[0, 0, 1] == 2


def test_a_callable_is_not_applied_twice_to_dense_scores():
    def dense(batch):
        return np.repeat(product(batch)[:, :, np.newaxis], 2, axis=2)

    def last(scores):
        return scores[:, 2].sum(axis=-1) if scores.ndim == 3 else scores[:, 0] * 1e9

    explainer = ll.ExactShapley(segmenter=ll.Grid(cell=(1, 1)), fill=ll.Constant(0))
    explanation = explainer.explain(np.ones((1, 3)), dense, target=last)
    for target in (last, None):
        assert ll.interaction_index(explanation, target=target)[0, 0, 1] == -2


@pytest.mark.parametrize(
    "explainer",
    [
        ll.Lime(segmenter=GRID, n_samples=30),
        ll.Lime(segmenter=GRID, n_samples=30, surrogate=ll.Tree()),
        ll.Lime(segmenter=GRID, n_samples=30, surrogate=ll.ForwardSelection(2)),
        ll.Lime(segmenter=GRID, n_samples=30, surrogate=ll.GaussianProcess()),
        ll.QuickLime(segmenter=GRID),
        ll.Anchors(segmenter=GRID),
        ll.Owen(segmenter=GRID),
    ],
    ids=lambda one: type(getattr(one, "surrogate", one)).__name__,
)
@pytest.mark.filterwarnings("ignore::limelens.errors.LimelensWarning")
def test_one_target_s_details_are_its_own(explainer):
    both = explainer.explain(IMAGE, model, target=[0, 2], rng=0)
    one = both.for_target(2)

    def compare(left, right):
        for name, value in left.items():
            if isinstance(value, dict):
                compare(value, right[name])
            elif isinstance(value, (list, np.ndarray)) and len(value) == 2:
                assert len(right[name]) in (1, 2), name
                if len(right[name]) == 2:
                    assert name in ("segment_ids", "link_limits"), name

    compare(dict(both.details), dict(one.details))


def test_an_own_method_names_its_details_per_target():
    class Own(ll.Ablation):
        def _attribute(self, query, rng):
            found = super()._attribute(query, rng)
            return Attribution(
                importances=found.importances,
                details={"peaks": found.importances.max(axis=1), "per_target": ["peaks"]},
            )

    both = Own(segmenter=GRID).explain(IMAGE, model, target=[0, 2])
    assert both.for_target(2).details["peaks"].tolist() == [both.importances[1].max()]


def test_a_page_takes_infinite_error_bars():
    explanation = ll.Ablation(segmenter=GRID).explain(IMAGE, model)
    endless = ll.Explanation(
        **{name: getattr(explanation, name) for name in vars(explanation)}
        | {"standard_errors": np.full(explanation.importances.shape, np.inf)}
    )
    assert "Infinity" not in endless.to_html()
