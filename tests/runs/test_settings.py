"""By its settings a run knows itself again: in another process, and only itself."""

import json
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from sklearn.linear_model import Ridge as SklearnRidge

import limelens as ll
from limelens.runs.entries import file_name
from limelens.runs.settings import described, model_name


def threshold(image, level=0.5):
    return (image > level).astype(int)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ll.Lime(n_samples=10), ll.Lime(n_samples=11)),
        (ll.Lime(), ll.QuickLime()),
        (ll.Lime(segmenter=ll.Grid(4)), ll.Lime(segmenter=ll.Grid(5))),
        (ll.LabelImage([[0, 1]]), ll.LabelImage([[1, 0]])),
        (ll.Backgrounds(np.zeros((1, 2, 2))), ll.Backgrounds(np.ones((1, 2, 2)))),
        (partial(threshold, level=0.4), partial(threshold, level=0.6)),
        (lambda image: image > 1, lambda image: image > 2),
        (lambda image: image > 1, lambda image: image < 1),
        (lambda image, level=1: image > level, lambda image, level=2: image > level),
        (ll.Regressor(SklearnRidge(alpha=1.0)), ll.Regressor(SklearnRidge(alpha=2.0))),
        (ll.Grid(4).__call__, ll.Grid(5).__call__),
        (ll.margin(1, 2), ll.margin(2, 1)),
        (ll.Top(1), ll.Top(2)),
        ((1, 2), (2, 1)),
        ({"a": 1}, {"a": 2}),
        (None, 0),
    ],
)
def test_other_settings_are_told_apart(one, other):
    assert described(one) == described(one)
    assert described(one) != described(other)
    json.dumps([described(one), described(other)])


@pytest.mark.parametrize("make", [ll.QuickLime, ll.QuickShap, ll.GaussianProcess])
def test_a_setting_that_came_later_counts_only_beside_its_default(make):
    """So a run that an older version began goes on."""
    (usual,) = described(make()).values()
    assert "kernel_rows" not in usual
    (other,) = described(make(kernel_rows=64)).values()
    assert other == {**usual, "kernel_rows": 64}


def test_what_functions_close_over_counts():
    def above(level):
        return lambda image: image > level

    assert described(above(1)) == described(above(1))
    assert described(above(1)) != described(above(2))


def test_settings_that_hold_themselves_come_to_an_end():
    ring = []
    ring.append(ring)
    json.dumps(described(ring))

    def recursive(image):
        return recursive(image)

    json.dumps(described(recursive))


def test_another_process_describes_the_same_in_the_same_words():
    code = (
        "import json, limelens as ll; from limelens.runs.settings import described; "
        "f = lambda image: image in {'a', 'b', 'c'}; "
        "print(json.dumps(described([ll.Lime(segmenter=ll.Grid(4)), ll.Sharp(), f, object()])))"
    )
    command = [sys.executable, "-c", code]
    first, second = (subprocess.run(command, capture_output=True, check=True) for _ in range(2))
    assert first.stdout == second.stdout
    assert b"0x" not in first.stdout


def test_a_model_file_is_known_by_what_it_holds(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"one")
    before = model_name(path)
    assert list(before) == ["net.onnx"]
    path.write_bytes(b"two")
    assert model_name(path) != before


@pytest.mark.parametrize(
    "names",
    [
        ("a/b.png", "a%2Fb.png", "a b.png", "A/B.PNG"),
        ("x" * 300, "x" * 301, "x" * 299 + "y"),
        ("\u00e9.png", "e\u0301.png", "\udce9.png"),
        ("..", ".", "../x", "a\\b", "c:d", 'q"?*<>|'),
    ],
)
def test_every_name_has_a_file_of_its_own_inside_the_folder(names, tmp_path):
    files = [file_name(name) for name in names]
    assert len({name.lower() for name in files}) == len(files) or "A/B.PNG" in names
    assert len(set(files)) == len(files)
    for name in files:
        assert not set(name) & set('/\\:"?*<>|')
        assert not name.startswith(".")
        (tmp_path / name).write_bytes(b"")
    assert len(list(tmp_path.glob("*.npz"))) == len(files)
