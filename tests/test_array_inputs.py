"""Images, masks, labels and scores as arrays of every kind: right, or a typed error."""

import re
import warnings

import numpy as np
import pytest

import limelens as ll
from limelens.adapters.in_flight import split_rows
from limelens.compat import lime_image
from limelens.errors import InvalidInputError, PredictionError

RNG = np.random.default_rng(0)
IMAGE, WEIGHTS = RNG.random((12, 12, 3)), RNG.random((12, 12, 3))
ABLATION = ll.Ablation(segmenter=ll.Grid(9))


def weigh(batch):
    assert type(batch) is np.ndarray
    assert batch.dtype.isnative
    return (batch.astype(float) * WEIGHTS).sum(axis=(1, 2, 3))


RIGHT = ABLATION.explain(IMAGE, weigh).importances


class Becoming:
    """Something that NumPy makes an array of, such as a tensor, a DataArray, a lazy array."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        if isinstance(self.array, Exception):
            raise self.array
        return self.array


class Named(np.ndarray):
    """A subclass, as of units."""


def mapped(tmp_path, mode):
    np.save(tmp_path / "image.npy", IMAGE)
    return np.load(tmp_path / "image.npy", mmap_mode=mode)


def within(array):
    """Return the same values as every other one of a larger array, turned round twice."""
    larger = np.zeros((24, 24, 3), array.dtype)
    larger[::2, ::2] = array[::-1, ::-1]
    return larger[::2, ::2][::-1, ::-1]


def read_only(array):
    array = array.copy()
    array.setflags(write=False)
    return array


def masked(array, where=np.s_[0, 0]):
    hiding = np.ma.array(array)
    hiding[where] = np.ma.masked
    return hiding


KINDS = {
    "an array": lambda path: IMAGE,
    "lists": lambda path: IMAGE.tolist(),
    "a list of arrays": lambda path: list(IMAGE),
    "__array__": lambda path: Becoming(IMAGE),
    "a subclass": lambda path: IMAGE.view(Named),
    "a mask that hides nothing": lambda path: np.ma.array(IMAGE, mask=False),
    "a read-only file": lambda path: mapped(path, "r"),
    "a copy-on-write file": lambda path: mapped(path, "c"),
    "read-only": lambda path: read_only(IMAGE),
    "columns first": lambda path: np.asfortranarray(IMAGE),
    "negative strides": lambda path: within(IMAGE),
    "big-endian": lambda path: IMAGE.astype(">f8"),
    "long double": lambda path: IMAGE.astype(np.longdouble),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


@each_kind
def test_images_of_every_kind_are_explained_alike_and_stay_as_they_are(kind, tmp_path):
    image = KINDS[kind](tmp_path)
    before = np.array(image, dtype=float)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = ABLATION.explain(image, weigh)
    np.testing.assert_allclose(found.importances, RIGHT)
    assert type(found.image) is np.ndarray
    np.testing.assert_array_equal(np.array(image, dtype=float), before)


@each_kind
def test_scores_of_every_kind_are_taken_alike(kind, tmp_path):
    table = KINDS[kind](tmp_path)

    def model(batch):
        shown = np.isclose(batch, np.asarray(table, float)).all(axis=-1).mean(axis=(1, 2))
        scores = np.stack([shown, 1 - shown], axis=1)
        return {
            "lists": scores.tolist,
            "a list of arrays": lambda: list(scores),
            "__array__": lambda: Becoming(scores),
            "a subclass": lambda: scores.view(Named),
            "a mask that hides nothing": lambda: np.ma.array(scores, mask=False),
            "read-only": lambda: read_only(scores),
            "columns first": lambda: np.asfortranarray(scores),
            "negative strides": lambda: scores[::-1][::-1],
            "big-endian": lambda: scores.astype(">f8"),
            "long double": lambda: scores.astype(np.longdouble),
        }.get(kind, lambda: scores)()

    found = ABLATION.explain(IMAGE, model, target=0)
    np.testing.assert_allclose(found.importances.sum(), 1)


NO_IMAGES = {
    "nothing": (None, "got None, which OpenCV returns"),
    "a name": ("cat.png", "got 'cat.png'"),
    "objects": (IMAGE.astype(object), r"Pass np\.asarray\(image, dtype=float\)"),
    "None among numbers": (np.array([[None, 1], [2, 3]]), "got object array"),
    "fields": (np.zeros((4, 4), [("red", float)]), "integers or real numbers"),
    "complex": (IMAGE.astype(complex), "got complex128 array"),
    "words": (IMAGE.astype(str), "integers or real numbers"),
    "times": (np.zeros((4, 4), "M8[s]"), "got datetime64"),
    "no rows": (np.zeros((0, 4, 3)), "none of them empty"),
    "no channels": (np.zeros((4, 4, 0)), "none of them empty"),
    "a number": (np.float64(3), "at least two axes"),
    "ragged": ([[1, 2], [3]], "cannot be one"),
    "a generator": ((row for row in IMAGE), "integers or real numbers"),
    "on a device": (Becoming(RuntimeError("copy it to the host first")), "copy it to the host"),
    "of another type": (Becoming(TypeError("can't convert")), "can't convert"),
}


@pytest.mark.parametrize("case", NO_IMAGES)
def test_what_is_no_image_is_refused_before_a_call(case):
    image, words = NO_IMAGES[case]
    with pytest.raises(InvalidInputError, match=words):
        ABLATION.explain(image, lambda batch: pytest.fail("asked"))


def test_an_image_that_memory_does_not_suffice_for_says_so():
    with pytest.raises(MemoryError, match="too large"):
        ABLATION.explain(Becoming(MemoryError("too large")), weigh)


def test_an_image_of_gigabytes_in_a_file_is_not_copied_to_find_that_it_is_none(tmp_path):
    large = np.lib.format.open_memmap(tmp_path / "large.npy", "w+", "u1", (3, 20_000, 20_000))
    with pytest.raises(InvalidInputError, match="`channel_axis` must be given"):
        ABLATION.explain(large, weigh)


# -- masked arrays: what they hide is not shown ----------------------------------------------------

MASKS = {
    "itself": lambda array: masked(array),
    "in a list": lambda array: list(masked(array)),
    "in a tuple": lambda array: tuple(masked(array)),
    "made by __array__": lambda array: Becoming(masked(array)),
}
each_mask = pytest.mark.parametrize("mask", MASKS)


@each_mask
def test_labels_that_a_mask_hides_get_a_label_of_their_own(mask):
    labels = np.arange(4).reshape(2, 2)
    with pytest.raises(InvalidInputError, match=r"labels\)?\.filled\(4\)") as caught:
        ll.LabelImage(MASKS[mask](labels))
    advice = re.search(r"own by (\S+);", str(caught.value))[1]
    assert ll.LabelImage(eval(advice, {"np": np, "labels": MASKS[mask](labels)})).n_segments == 4


@each_mask
@pytest.mark.parametrize("shape", [(12, 12), (12, 12, 3)])
def test_a_masked_image_is_refused(mask, shape):
    with pytest.raises(InvalidInputError, match="`image` must not be masked"):
        ABLATION.explain(MASKS[mask](RNG.random(shape)), lambda batch: pytest.fail("asked"))


def test_the_mask_of_an_image_becomes_what_counts():
    image = masked(IMAGE)
    with pytest.raises(InvalidInputError, match=r"valid=~np\.ma\.getmaskarray\(image\)\.any\("):
        ABLATION.explain(image, weigh)
    valid = ~np.ma.getmaskarray(image).any(axis=-1)
    found = ABLATION.explain(image.data, weigh, valid=valid)
    assert found.valid.sum() == 143


@each_mask
def test_masks_labels_and_fills_that_hide_values_are_refused(mask):
    hide, labels = MASKS[mask], np.arange(144).reshape(12, 12) // 20
    explain = ABLATION.explain
    with pytest.raises(InvalidInputError, match="`valid` must not be masked"):
        explain(IMAGE, weigh, valid=hide(np.ones((12, 12), bool)))
    with pytest.raises(InvalidInputError, match="`labels` must not be masked"):
        ll.LabelImage(hide(labels))
    with pytest.raises(InvalidInputError, match="must not be masked"):
        ll.Ablation(segmenter=lambda image: hide(labels)).explain(IMAGE, weigh)
    with pytest.raises(InvalidInputError, match="must not be masked"):
        ll.Ablation(fill=lambda image, segments: hide(0 * image)).explain(IMAGE, weigh)
    with pytest.raises(InvalidInputError, match="must not be masked"):
        explain(IMAGE, weigh).inside(hide(labels > 3))
    if mask != "made by __array__":
        with pytest.raises(InvalidInputError, match="must not be masked"):
            ll.explain_many(ABLATION, [IMAGE], weigh, valid=hide(labels > 3))


@pytest.mark.parametrize("mask", ["itself", "in a list", "made by __array__"])
def test_scores_that_hide_values_are_refused(mask):
    def model(batch):
        return MASKS[mask](np.stack([weigh(batch)] * 2, axis=1))

    with pytest.raises(PredictionError, match="mask"):
        ABLATION.explain(IMAGE, model)


@pytest.mark.parametrize("mask", ["itself", "in a list"])
def test_values_gradients_and_vectors_that_hide_values_are_refused(mask):
    hide = MASKS[mask]
    with pytest.raises(PredictionError, match=r"`target` was given .*values\.filled\(0\)"):
        ABLATION.explain(IMAGE, weigh, target=lambda s: hide(np.asarray(s)))
    model = ll.with_gradient(weigh, lambda batch, target: hide(batch))
    with pytest.raises(PredictionError, match="must not be masked"):
        ll.IntegratedGradients().explain(IMAGE, model)
    alike = ll.similarity_scores(lambda batch: hide(batch.mean(axis=(1, 2))), np.ones((1, 3)))
    with pytest.raises(PredictionError, match="masked"):
        ABLATION.explain(IMAGE, alike)
    with pytest.raises(PredictionError, match="mask"):
        split_rows(hide(np.ones((2, 2))), 2)


@pytest.mark.parametrize("mask", ["itself", "in a list"])
def test_the_drop_in_refuses_masks_too(mask):
    hide, explainer = MASKS[mask], lime_image.LimeImageExplainer(random_state=0)
    with pytest.raises(InvalidInputError, match="`image` must not be masked"):
        explainer.explain_instance(hide(IMAGE), weigh, num_samples=20)
    labels = np.arange(144).reshape(12, 12) // 20
    with pytest.raises(InvalidInputError, match="must not be masked"):
        explainer.explain_instance(
            IMAGE, weigh, num_samples=20, segmentation_fn=lambda image: hide(labels)
        )


# --- other libraries' arrays ------------------------------------------------------------------

REAL = {
    "xarray": lambda xr, array: xr.DataArray(array),
    "dask.array": lambda da, array: da.from_array(array, chunks=4),
    "jax.numpy": lambda jnp, array: jnp.asarray(array),
    "zarr": lambda zarr, array: zarr.array(array),
    "torch": lambda torch, array: torch.tensor(array),
    "pandas": lambda pd, array: pd.DataFrame(array),
    "polars": lambda pl, array: pl.DataFrame(array),
}


@pytest.mark.parametrize("library", REAL)
def test_arrays_of_other_libraries_are_images_masks_labels_fills_and_scores(library):
    module = pytest.importorskip(library)

    def made(array):
        return REAL[library](module, array)

    grey, labels = IMAGE[..., 0], np.arange(144).reshape(12, 12) // 16

    def two(batch):
        scores = (batch * WEIGHTS[..., 0]).sum(axis=(1, 2)) / 100
        return np.stack([scores, 1 - scores], axis=1)

    def explained(how, mask, background):
        explainer = ll.Ablation(
            segmenter=ll.LabelImage(how(labels)), fill=lambda image, segments: how(background)
        )
        model = lambda batch: how(two(batch))  # noqa: E731
        return explainer.explain(how(grey), model, target=1, valid=how(mask)).importances

    mask = grey > 0.1
    wanted = explained(lambda array: array, mask, 0 * grey)
    np.testing.assert_allclose(explained(made, mask, 0 * grey), wanted, atol=1e-6)


MADE_NUMBERS = {
    "objects of a table": (IMAGE[..., 0].astype(object), "dtype=float"),
    "booleans": ((IMAGE[..., 0] > 0.5).astype(object), "dtype=bool"),
    "whole numbers": (np.full((4, 4), 3, object), "dtype=int"),
    "numbers in words": (np.full((4, 4), "0.5"), "dtype=float"),
    "with an imaginary part": (IMAGE * 1j, r"np\.abs\(image\)"),
    "complex, but real": (IMAGE + 0j, r"np\.real\(image\)"),
    "rows": (np.array([[1, 2], [3, 4], None], object)[:-1], r"np\.stack\(image\)"),
    "fields": (np.zeros((4, 4), [("red", float), ("blue", float)]), r"dtype\.names"),
    "an iterator": (map(list, IMAGE), r"np\.array\(list\(image\)\)"),
    "words": (np.array([["cat", "dog"]] * 2), "'cat' is none"),
    "one that is missing": (np.array([[1, None], [2, 3]], object), "None is none"),
    "several by name": ({"ct": IMAGE}, r"holds several by name\. Pass image\['ct'\]"),
}


@pytest.mark.parametrize("case", MADE_NUMBERS)
def test_what_is_no_array_of_numbers_says_what_makes_one(case):
    image, words = MADE_NUMBERS[case]
    with pytest.raises(InvalidInputError, match=words):
        ABLATION.explain(image, weigh)


class Unspeakable:
    """Something whose own words fail."""

    def __repr__(self):
        raise RuntimeError("no words")


def test_what_fails_to_describe_itself_is_described_by_its_kind():
    with pytest.raises(InvalidInputError, match="got Unspeakable object"):
        ABLATION.explain(IMAGE, weigh, target=Unspeakable())


def test_a_mask_is_found_however_deep_in_lists_it_is():
    deep = [[masked(row) for row in plane] for plane in IMAGE[np.newaxis]]
    with pytest.raises(InvalidInputError, match=r"must not be masked.*: fill each array in it\.$"):
        ll.Backgrounds(deep)


def test_whole_numbers_as_floats_are_no_labels_until_they_are_made_ones():
    labels = np.arange(144).reshape(12, 12) // 16 / 1
    with pytest.raises(InvalidInputError, match=r"Pass np\.asarray\(labels, dtype=int\)"):
        ll.LabelImage(labels)
    with pytest.raises(InvalidInputError, match=r"shape \(12, 12\)\.$"):
        ll.LabelImage(labels / 3)  # there is no telling what these are
    with pytest.raises(InvalidInputError, match=r"shape \(12, 12\)\.$"):
        ll.LabelImage(np.where(labels > 3, np.inf, labels))


def test_nan_is_neither_inside_nor_outside_of_a_mask():
    valid = np.where(IMAGE[..., 0] > 0.5, 1.0, np.nan)
    with pytest.raises(InvalidInputError, match=r"`valid` must hold True and False; .* NaN"):
        ABLATION.explain(IMAGE, weigh, valid=valid)


class Axes(Becoming):
    """An array whose axes have names and coordinates, as of xarray."""

    def __init__(self, array, *dims, **coords):
        super().__init__(array)
        self.dims, self.coords = dims, coords


def test_axes_with_names_and_coordinates_must_agree():
    inside = np.arange(144).reshape(12, 12) > 50
    image = Axes(IMAGE, "y", "x", "band", y=np.arange(12), band=np.arange(3))
    right = ABLATION.explain(IMAGE, weigh, valid=inside).importances
    for valid in (inside, Axes(inside, "y", "x"), Axes(inside, "row", "column")):
        found = ABLATION.explain(image, weigh, valid=valid).importances
        np.testing.assert_array_equal(found, right)
    with pytest.raises(InvalidInputError, match=r"Pass valid\.transpose\('y', 'x'\)"):
        ABLATION.explain(image, weigh, valid=Axes(inside, "x", "y"))
    with pytest.raises(InvalidInputError, match=r"those of 'y' differ.*reindex_like"):
        ABLATION.explain(image, weigh, valid=Axes(inside, "y", "x", y=np.arange(12)[::-1]))


# --- names of classes -------------------------------------------------------------------------


def named(class_names):
    two = lambda batch: np.stack([weigh(batch), -weigh(batch)], axis=1)  # noqa: E731
    return ABLATION.explain(IMAGE, two, target=(0, 1), class_names=class_names).target_names


def test_classes_with_an_empty_name_are_called_by_their_number():
    assert named(["", "dog"]) == ("0", "dog")
    assert named({0: " "}) == ("0", "1")
    assert named([7, 2.5]) == ("7", "2.5")


@pytest.mark.parametrize(
    ("class_names", "words"),
    [
        ([None, "dog"], "column 0 is called None"),
        (["cat", float("nan")], "column 1 is called nan"),
        ([["cat"], ["dog"]], r"column 0 is called \['cat'\]"),
        ([b"cat", b"dog"], r"each\.decode\(\)"),
        ({True: "dog"}, "names column True"),
        ({"0": "cat"}, r"int\(column\): text"),
        ({"cat": 0}, "Turn it round"),
        ({"cat", "dog"}, "A set has no order"),
        ({"cat": 0, "dog": 1}.keys(), r"Pass list\(class_names\)"),
        ("ab", r"got 'ab'\. A file with a name a line: Path\(class_names\)"),
        (np.ma.array(["cat", "dog"], mask=[False, True]), "must be a sequence that names all 2"),
    ],
)
def test_names_that_are_no_texts_or_of_no_column_are_refused(class_names, words):
    with pytest.raises(InvalidInputError, match=words):
        named(class_names)
