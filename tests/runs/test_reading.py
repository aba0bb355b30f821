"""Where images come from, what they are called, and what of a file reaches the model."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import limelens as ll
from limelens.runs.reading import named_images, read_image


def names(images, leave_out=None):
    return [name for name, _ in named_images(images, leave_out=leave_out).pairs]


@pytest.fixture
def photos(tmp_path):
    """b.png, a/b.png, a/c.JPG, a/d.npy; beside them what is no image of ours."""
    (tmp_path / "a").mkdir()
    (tmp_path / ".hidden").mkdir()
    picture = Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4))
    for name in ("b.png", "a/b.png", ".hidden/x.png", "a/._b.png"):
        picture.save(tmp_path / name)
    picture.save(tmp_path / "a" / "c.JPG", format="jpeg")
    np.save(tmp_path / "a" / "d.npy", np.eye(3))
    (tmp_path / "readme.txt").write_text("no image")
    return tmp_path


def test_a_folder_gives_its_images_sorted_with_their_subfolders(photos):
    assert names(photos) == ["a/b.png", "a/c.JPG", "a/d.npy", "b.png"]
    assert names(str(photos), leave_out=photos / "a") == ["b.png"]


def test_a_file_that_is_only_called_like_a_manifest_hides_no_images(photos):
    (photos / "a" / "manifest.jsonl").write_text('{"image": "b.png", "label": 3}\n')
    (photos / "manifest.jsonl").write_text("")
    assert names(photos) == ["a/b.png", "a/c.JPG", "a/d.npy", "b.png"]


def test_a_pattern_gives_names_from_its_first_wildcard_on(photos):
    assert names(str(photos / "*.png")) == ["b.png"]
    assert names(str(photos / "**" / "*.png")) == ["a/b.png", "b.png"]
    assert names(str(photos / "?" / "b.png")) == ["a/b.png"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(photos):
    (photos / "b.png").rename(photos / "b[1].png")
    assert names(str(photos / "b[1].png")) == ["b[1].png"]


def test_paths_are_called_by_the_name_of_the_file(photos):
    assert names([photos / "b.png", str(photos / "a" / "c.JPG")]) == ["b.png", "c.JPG"]


def test_arrays_are_called_by_their_place_and_pairs_as_they_say():
    image = np.eye(2)
    assert names([image, image]) == ["image-000000", "image-000001"]
    assert names([("x", image), image]) == ["x", "image-000001"]
    assert names({"x": image, "y": image}) == ["x", "y"]
    assert names(np.zeros((2, 5, 5))) == ["image-000000", "image-000001"]


def test_a_generator_is_not_begun_and_its_length_not_needed():
    coming = (1 / 0 for _ in [0])
    assert named_images(coming).total is None
    assert named_images([np.eye(2)]).total == 1
    assert named_images({"a": np.eye(2)}).total == 1


def test_one_name_for_two_images_is_refused_and_the_advice_works(photos):
    twice = [photos / "b.png", photos / "a" / "b.png"]
    with pytest.raises(ll.InvalidInputError, match=r"'b.png' is there twice .*b\.png and .*b\.png"):
        named_images(twice)
    with pytest.raises(ll.InvalidInputError, match="'x' is there twice"):
        list(named_images(iter([("x", np.eye(2)), ("x", np.eye(3))])).pairs)
    assert len(names(photos)) == 4
    assert names({str(path): path for path in twice}) == [str(path) for path in twice]
    assert names([(f"{n}", path) for n, path in enumerate(twice)]) == ["0", "1"]


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([], "at least one image; got none"),
        ({}, "at least one image; got none"),
        (np.zeros((0, 4, 4)), "at least one image; got none"),
        ("no/such/folder", "there is no file or folder 'no/such/folder'"),
        ("no/such/*.png", r"no file fits the pattern 'no/such/\*\.png'"),
        (np.zeros((4, 4)), r"One image: images=\[image\]"),
        (np.zeros((4, 4, 3)), r"One image: images=\[image\]"),
        (Image.new("L", (4, 4)), r"One image: images=\[image\]"),
        (3, "`images` must be a folder, a pattern"),
        (None, "`images` must be a folder, a pattern"),
        (lambda: iter([]), r"Call it: images=read\(\)"),
        ({3: np.eye(2)}, "must be named by strings; got 3"),
        ([(3, np.eye(2))], "got a tuple of int, ndarray"),
        ([(3, [[0, 1], [2, 3]])], r"got a tuple of int, list. Pass images=\(\(str\(each\[0"),
        ([([[0, 1], [2, 3]], 3)], r"got a tuple of list, int. Pass images=\(each\[0\] for"),
        ([(lambda: np.eye(2), 3)], r"got a tuple of function, int. Pass images=\(each\[0\] for"),
        ([(3, np.zeros(2))], "must be named by strings; got 3 as a name"),
        ([(None, 3)], "must be named by strings; got None as a name"),
        ([(3, Path("a.png"))], r"Pass images=\(each\[1\] for"),
        ([(Path("a.png"), 3)], r"Pass images=\(each\[0\] for"),
        ([(Path("a.png"), "cat")], r"Pass images=\(each\[0\] for"),
        ([(Path("a.png"), Path("mask.png"))], r"Pass images=\(each\[0\] for"),
        ([{"label": "cat", "file": "a.png"}], r"Pass images=\(each\['file'\] for"),
        ([{"label": 3, "file": "a"}], r"Pass images=\(each\['file'\] for"),
        ([[3, np.eye(2)]], "got a list of int, ndarray"),
        ([{"image": np.eye(2), "label": 3}], "got a mapping of 'image', 'label'"),
        ({"a.png": 3}, "got numbers in place of images"),
        ({"a.png"}, "must have an order, by which results are found; got a set"),
        (frozenset(), "got a frozenset"),
        ({"cat": np.eye(2)}.keys(), "the keys of a mapping, which are no files"),
        ({"": np.eye(2)}, "must be named by strings; got ''"),
    ],
)
def test_what_is_no_set_of_images_is_refused(images, words):
    with pytest.raises(ll.InvalidInputError, match=words):
        named_images(images)


@pytest.mark.parametrize(
    ("images", "names"),
    [
        ({"b": np.eye(2), "a": np.eye(3)}.items(), ["b", "a"]),
        ({"b": np.eye(2), "a": np.eye(3)}.values(), ["image-000000", "image-000001"]),
        (zip(["b", "a"], [np.eye(2), np.eye(3)], strict=True), ["b", "a"]),
        (np.array(["b.png", "a.png"]), ["b.png", "a.png"]),
        ([[np.eye(2), np.eye(2)]], ["image-000000"]),
        ([[[0.0, 1.0], [2.0, 3.0]]], ["image-000000"]),
    ],
)
def test_views_pairs_and_arrays_of_paths_are_images(images, names):
    assert [name for name, _ in named_images(images).pairs] == names


def test_an_array_of_images_of_many_sizes_is_a_list_of_them():
    images = np.empty(2, dtype=object)
    images[:] = [np.eye(2), np.eye(3)]
    assert [image.shape for _, image in named_images(images).pairs] == [(2, 2), (3, 3)]


def test_the_keys_of_a_mapping_are_images_if_they_are_files(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    labels = {str(tmp_path / "a.png"): 3}
    assert [name for name, _ in named_images(labels.keys()).pairs] == ["a.png"]


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(ll.InvalidInputError, match="holds no image"):
        named_images(tmp_path)


def test_a_generator_that_was_used_up_is_refused(explainer, model, images, tmp_path):
    coming = iter(images)
    list(coming)
    with pytest.raises(ll.InvalidInputError, match="used up yields nothing"):
        list(ll.explain_many(explainer, coming, model))
    with pytest.raises(ll.InvalidInputError, match="used up yields nothing"):
        ll.explain_many(explainer, coming, model, output=tmp_path)


def test_the_advice_for_one_image_works(explainer, model):
    assert len(list(ll.explain_many(explainer, [np.eye(6)], model))) == 1
    narrow = np.random.default_rng(0).random((2, 6, 3))
    found = list(ll.explain_many(explainer, list(narrow), lambda b: b.mean(axis=(1, 2))))
    assert [each.image.shape for each in found] == [(6, 3), (6, 3)]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "I", "F", "I;16"])
def test_pixels_are_those_of_the_file(mode, tmp_path):
    path = tmp_path / ("x.tif" if mode in ("F", "I") else "x.png")
    picture = Image.linear_gradient("L").resize((4, 3)).convert(mode if mode != "I;16" else "I")
    if mode == "I;16":
        picture = Image.fromarray(np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000)
    picture.save(path)
    assert np.array_equal(read_image(path), np.asarray(Image.open(path)))


def test_colours_of_a_palette_and_of_print_are_those_on_the_screen(tmp_path):
    picture = Image.fromarray(np.uint8([[[255, 0, 0], [0, 0, 255]]]))
    picture.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "p.png")
    assert np.array_equal(read_image(tmp_path / "p.png"), np.asarray(picture))
    clear = picture.convert("P", palette=Image.Palette.ADAPTIVE)
    clear.save(tmp_path / "clear.png", transparency=0)
    assert read_image(tmp_path / "clear.png").shape == (1, 2, 4)
    picture.convert("CMYK").save(tmp_path / "c.tif")
    assert np.array_equal(read_image(tmp_path / "c.tif"), np.asarray(picture))


def test_arrays_are_read_without_pickle(tmp_path):
    np.save(tmp_path / "x.npy", np.float32([[1, 2], [3, 4]]))
    assert read_image(tmp_path / "x.npy").dtype == np.float32
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ll.InvalidInputError, match=r"cannot read .*o\.npy"):
        read_image(tmp_path / "o.npy")


def damaged(folder: Path) -> dict[str, Path]:
    good = folder / "good.png"
    Image.effect_noise((64, 64), 50).save(good)
    Image.effect_noise((64, 64), 50).save(folder / "good.jpg")
    contents = {
        "cut.png": good.read_bytes()[:800],
        "cut.jpg": (folder / "good.jpg").read_bytes()[:800],
        "flipped.png": good.read_bytes()[:60] + b"\xff" * 40 + good.read_bytes()[100:],
        "empty.png": b"",
        "text.png": b"not an image",
        "cut.npy": b"\x93NUMPY\x01\x00v\x00{'descr'",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in contents} | {"missing.png": folder / "missing.png"}


def test_damaged_files_are_named_and_the_others_explained(tmp_path, explainer):
    bad = damaged(tmp_path)
    for path in bad.values():
        with pytest.raises(ll.InvalidInputError, match=f"cannot read '.*{path.name}'"):
            read_image(path)
    run = None
    with pytest.warns(ll.LimelensWarning, match="7 of 8 images could not be explained"):
        run = ll.explain_many(
            explainer,
            [*bad.values(), tmp_path / "good.png"],
            lambda batch: batch[:, :3].mean(axis=(1, 2)),
            output=tmp_path / "run",
        )
    assert run.names == ("good.png",)
    assert [each.name for each in run.failures] == list(bad)
    assert all(each.error.startswith("InvalidInputError: `images` must") for each in run.failures)


def test_a_file_of_several_images_is_refused(tmp_path):
    frames = [Image.new("L", (4, 4), value) for value in (0, 128)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(ll.InvalidInputError, match="holds 2"):
        read_image(tmp_path / "film.gif")
    frames[0].save(tmp_path / "still.gif")
    assert read_image(tmp_path / "still.gif").shape[:2] == (4, 4)
