import json
import re
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

import limelens as ll
from limelens.errors import InvalidInputError


@pytest.fixture
def scored(make):
    """Explanations of cat and dog whose highest score is column 1, cat."""
    return make(target_values=np.array([[0.7, 0.3], [0.2, 0.4]]), reliability=np.array([0.8, 0.9]))


def data_of(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'type="application/json">(.*?)</script>', text)[1])


def cards_of(path):
    return [item["card"] for item in data_of(path)["items"]]


def test_a_gallery_knows_of_each_image_what_it_is_found_by(scored, tmp_path):
    path = ll.report([scored], tmp_path / "all.html")
    assert path == tmp_path / "all.html"
    assert cards_of(path) == [
        {
            "name": "image 1",
            "class": "cat",
            "map": "cat",
            "truth": None,
            "right": None,
            "score": 0.7,
            "confidence": 0.7,
            "reliability": 0.8,
        }
    ]


@pytest.mark.parametrize(
    ("truth", "name", "right"),
    [
        (1, "cat", True),
        ("cat", "cat", True),
        (2, "dog", False),
        ("dog", "dog", False),
        (0, "class 0", False),
        (np.int64(1), "cat", True),
    ],
)
def test_the_truth_is_a_column_or_a_name(scored, tmp_path, truth, name, right):
    (card,) = cards_of(ll.report([scored], tmp_path / "all.html", truth=[truth]))
    assert (card["truth"], card["right"]) == (name, right)


def test_saved_files_and_folders_of_them_are_read_in_order(scored, tmp_path):
    for name in ("b", "a"):
        scored.save(tmp_path / f"{name}.npz")
    assert [card["name"] for card in cards_of(ll.report(tmp_path, tmp_path / "1.html"))] == [
        "a",
        "b",
    ]
    files = [tmp_path / "b.npz", str(tmp_path / "a.npz")]
    assert [card["name"] for card in cards_of(ll.report(files, tmp_path / "2.html"))] == ["b", "a"]


def test_a_generator_is_read_one_by_one(scored, tmp_path):
    path = ll.report((scored for _ in range(3)), tmp_path / "all.html")
    assert [card["name"] for card in cards_of(path)] == ["image 1", "image 2", "image 3"]


def test_the_mean_map_of_a_target_averages_its_images(scored, tmp_path):
    twice = replace(scored, importances=3 * scored.importances)
    other = replace(scored, scores=np.array([0.9, 0.05, 0.05]))
    means = data_of(ll.report([scored, twice, other], tmp_path / "all.html"))["means"]
    assert [(mean["class"], mean["count"], mean["peak"]) for mean in means] == [
        ("cat", 3, pytest.approx(0.5 * (1 + 3 + 1) / 3)),
    ]


def test_the_mean_map_of_a_volume_averages_its_slices(scored, tmp_path):
    volume = replace(
        scored,
        image=np.zeros((2, 4, 6), np.uint8),
        channel_axis=None,
        segments=np.arange(2)[:, np.newaxis, np.newaxis].repeat(4, axis=1).repeat(6, axis=2),
        importances=np.array([[0.5, 0.25], [0.0, 1.0]]),
    )
    (mean,) = data_of(ll.report([volume], tmp_path / "all.html"))["means"]
    assert mean["peak"] == pytest.approx((0.5 + 0.25) / 2)


def test_a_map_of_another_target_than_the_answer_is_named(scored, tmp_path):
    other = replace(scored, scores=np.array([0.9, 0.05, 0.05]))
    (card,) = cards_of(ll.report([other], tmp_path / "all.html"))
    assert (card["class"], card["map"]) == ("class 0", "cat")


def test_memory_holds_one_explanation_not_all(make, tmp_path):
    big = make(
        image=np.zeros((800, 800, 3), np.uint8),
        segments=np.arange(4).repeat(160000).reshape(800, 800),
    )

    def fresh():
        for _ in range(12):
            yield replace(big, image=big.image.copy())

    tracemalloc.start()
    ll.report(fresh(), tmp_path / "all.html", max_side=64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * big.image.nbytes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"explanations": []}, "`explanations` must hold at least one"),
        ({"explanations": [3]}, "`explanations` must hold explanations or their files; got 3"),
        ({"explanations": "absent"}, "'absent', which is no folder"),
        ({"truth": [1, 2]}, "`truth` must have one entry for each of the 1 images; got 2"),
        ({"truth": []}, "`truth` must have one entry"),
        ({"truth": [3]}, "`truth` must be an integer from 0 to 2"),
        ({"truth": [1.5]}, "`truth` must hold score columns or names; got 1.5"),
        ({"truth": "cat"}, "`truth` must be a sequence"),
        ({"names": ["a", "b"]}, "`names` must have one entry"),
        ({"names": [3]}, "`names` must be a string"),
        ({"theme": "pink"}, "`theme` must be one of 'auto', 'light', 'dark'"),
        ({"max_side": 3}, "`max_side` must be an integer >= 16"),
        ({"title": 3}, "`title` must be a string"),
    ],
)
def test_a_gallery_that_cannot_be_is_refused(scored, tmp_path, arguments, message):
    options = {"explanations": [scored]} | arguments
    with pytest.raises(InvalidInputError, match=message):
        ll.report(options.pop("explanations"), tmp_path / "all.html", **options)
    assert not (tmp_path / "all.html").exists()


def test_one_explanation_by_itself_is_refused_with_the_call_that_works(scored, tmp_path):
    with pytest.raises(InvalidInputError, match=r"\[explanation\]"):
        ll.report(scored, tmp_path / "all.html")
