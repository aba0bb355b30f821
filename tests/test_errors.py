"""Warnings point at the caller."""

import numpy as np
import pytest
from PIL import Image as Pillow

import limelens as ll
from limelens.errors import InvalidInputError, LimelensWarning, PredictionError


def test_a_warning_names_the_callers_file():
    image = np.random.default_rng(0).random((6, 6))
    explainer = ll.Ablation(segmenter=ll.Grid(cell=(3, 3)))
    with pytest.warns(LimelensWarning, match="never changed") as caught:
        explainer.explain(image, lambda batch: np.zeros(len(batch)))
    assert caught[0].filename == __file__


def test_a_warning_from_deep_within_names_the_callers_file():
    picture = Pillow.fromarray(np.arange(36, dtype=np.uint8).reshape(6, 6))
    picture.getexif()[0x0112] = 6  # to be turned
    with pytest.warns(LimelensWarning, match="EXIF orientation") as caught:
        ll.Ablation(segmenter=ll.Grid(cell=(3, 3))).explain(
            picture, lambda batch: batch[:, 0, 0] / 7
        )
    assert {each.filename for each in caught} == {__file__}


@pytest.mark.filterwarnings("ignore::limelens.errors.LimelensWarning")
def test_messages_name_the_class_that_was_used():
    volume, flat = np.zeros((4, 8, 8)), np.zeros((12, 12))
    texture = np.random.default_rng(0).random((12, 12))
    for base in (ll.Slic, ll.Quickshift, ll.Felzenszwalb, ll.Watershed):
        mine = type("Mine", (base,), {})
        image = texture[:4, :4] if base in (ll.Slic, ll.Watershed) else flat
        with pytest.warns(LimelensWarning, match="^Mine finds a single segment|^Mine.* divides"):
            mine()(image)
        if base in (ll.Quickshift, ll.Felzenszwalb):
            with pytest.warns(LimelensWarning, match="^Mine finds a single segment"):
                mine().within(flat, flat < 1)
        if base is ll.Watershed:
            with pytest.warns(LimelensWarning, match="^Mine finds a single segment"):
                mine(2)(texture[:3, :3])
        if base is not ll.Slic:
            with pytest.raises(InvalidInputError, match=r"got Mine\(\)"):
                ll.Ablation(segmenter=mine()).explain(volume, len, channel_axis=None)
    for base in (ll.SegmentMean, ll.Inpaint):
        mine = type("Mine", (base,), {})
        with pytest.raises(InvalidInputError, match=r"got Mine\(\)"):
            ll.Occlusion(fill=mine()).explain(texture, len)
    mine = type("Mine", (ll.KernelShap,), {})
    with pytest.warns(LimelensWarning, match="^Mine with 26 samples"):
        mine(segmenter=ll.Grid(9), n_samples=26).explain(
            texture, lambda b: b.sum(axis=(1, 2)), rng=0
        )


def test_a_stack_of_grey_samples_is_told_how_it_is_passed():
    samples = np.zeros((5, 8, 8))
    with pytest.raises(InvalidInputError, match=r"Pass Backgrounds\(samples\)"):
        ll.ExpectedGradients(samples=samples)
    model = ll.with_gradient(lambda b: b.sum(axis=(1, 2)), lambda b, target: np.ones_like(b))
    found = ll.ExpectedGradients(samples=ll.Backgrounds(samples), n_steps=4)
    assert found.explain(np.ones((8, 8)), model, rng=0).importances.all()


FOUR = ll.Ablation(segmenter=ll.Grid(4))
PICTURE = np.random.default_rng(0).random((8, 8))


def planes(batch):
    """Return scores of more than two axes, which a callable target reduces."""
    return batch[:, np.newaxis] * np.ones((2, 1, 1))


def test_messages_say_how_many_and_what_came():
    few = FOUR.explain(PICTURE, lambda b: b.sum(axis=(1, 2)))
    with pytest.raises(InvalidInputError, match="at least 16 rows of them; got 6"):
        few.stability_report()
    with pytest.raises(PredictionError, match="1 of 2 are NaN or infinite"):
        FOUR.explain(
            PICTURE,
            lambda b: b.sum(axis=(1, 2)),
            target=lambda s: np.column_stack([s[:, 0], np.full(len(s), np.nan)]),
        )
    reduced = FOUR.explain(PICTURE, planes, target=lambda s: s[:, 0].mean(axis=(1, 2)))
    with pytest.raises(InvalidInputError, match="and `target` is 0"):
        FOUR.explain(PICTURE, planes, target=0, reuse=reduced)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ll.Lime(n_samples=1e3), r"got 1000\.0\. Pass 1000\."),
        (lambda: ll.Slic("50"), r"got '50'\. Pass 50\."),
        (lambda: ll.Slic(50.5), r"got 50\.5\.$"),
        (lambda: ll.Slic(True), r"got True\.$"),
        (lambda: ll.Slic(float("inf")), r"got inf\.$"),
    ],
)
def test_a_number_in_another_form_is_written_as_an_integer(call, words):
    with pytest.raises(InvalidInputError, match=words):
        call()


def test_names_in_a_set_have_no_order_that_could_be_advised():
    image = np.random.default_rng(0).random((6, 6))
    model = lambda b: np.stack([b[:, 0, 0], b[:, 5, 5]], axis=1)  # noqa: E731
    with pytest.raises(InvalidInputError, match="A set has no order: pass a list in the order"):
        ll.Ablation(segmenter=ll.Grid(4)).explain(image, model, class_names={"cat", "dog"})
