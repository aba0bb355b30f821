"""The demo tells and draws: one accuracy class, two reasons."""

import contextlib
import io
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from limelens import Explanation, demo
from limelens import pictures as pages
from limelens.errors import InvalidInputError


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Run the demo once, with few samples; return its picture, what was told, and its words."""
    path = tmp_path_factory.mktemp("demo") / "sheet.png"
    told = io.StringIO()
    words = []

    def draw_sheet(tiles, titles, **settings):
        words.extend([*titles, settings["heading"]])
        return pages.sheet(tiles, titles, **settings)

    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(told):
        patch.setattr(sys.modules["limelens.pictures.sheet"], "sheet", draw_sheet)
        assert demo.run(path, n_samples=250) == path
    return path, told.getvalue(), words


def test_every_map_says_what_its_full_colour_is(told):
    _, _, words = told
    sharp = [title for title in words if "by Sharp" in title]
    assert len(sharp) == 4
    assert all(re.search(r"smooth\n.*full colour: 0\.0\d+ per pixel$", title) for title in sharp)
    assert words[-1].endswith("the colour bar is that of Lime")


def test_it_writes_one_sheet_of_two_rows_and_five_columns(told):
    path, *_ = told
    with Image.open(path) as picture:
        width, height = picture.size
    assert [file.name for file in path.parent.iterdir()] == ["sheet.png"]
    assert width > 5 * 300
    assert height > 2 * 300


def test_it_tells_scores_places_fidelity_and_model_calls(told):
    _, text, _ = told
    assert text.count("Why is this a face?") == 2
    assert text.count("images scored") == 8
    assert text.count("252 images scored") == 4
    assert text.count("Sharp: ") == 4
    assert text.count("fidelity 0.") == 4
    assert "HOG + SVC: face 0.97" in text
    assert "eyes, left" in text
    assert "right in five-fold cross-validation" in text


def test_the_accuracies_are_of_one_class_and_the_reasons_are_not(told):
    _, text, _ = told
    accuracies = [float(line.split(": ")[1].split("%")[0]) for line in text.splitlines()[1:3]]
    assert min(accuracies) > 94
    shares = [float(line.split("%")[0]) for line in text.splitlines() if "of the evidence" in line]
    sharp = [float(line.split()[1][:-1]) for line in text.splitlines() if "Sharp: " in line]
    assert min(sharp[::2]) > 41 > max(sharp[1::2])
    for gradients, pixels in (shares[:2], shares[2:]):
        assert gradients > 50 > 41 > pixels  # eyes, nose and mouth are 41 % of the picture


def test_the_explained_face_is_not_trained_on():
    from skimage.data import lfw_subset
    from sklearn.linear_model import LogisticRegression

    seen = []

    class Spy(LogisticRegression):
        def fit(self, table, labels):
            seen.append(table)
            return super().fit(table, labels)

    demo._fit("spy", demo.pixels, Spy(max_iter=1000))
    explained = lfw_subset()[demo.HELD_OUT].ravel()
    assert [len(table) for table in seen] == [160] * 5 + [199]
    assert not (seen[-1] == explained).all(axis=1).any()


def test_classifiers_take_any_size_grey_or_colour():
    rng = np.random.default_rng(0)
    grey = rng.random((2, 25, 25))
    np.testing.assert_array_equal(demo.small_grey(grey), grey)
    colour = np.repeat((grey * 255).astype(np.uint8)[..., np.newaxis], 3, axis=-1)
    np.testing.assert_allclose(demo.small_grey(colour), grey, atol=1 / 255)
    assert demo.small_grey(np.zeros((2, 50, 40, 3), np.uint8)).shape == (2, 25, 25)


def test_places_are_read_from_the_photograph():
    photograph = demo.Photograph("", np.zeros((10, 10)), (0.2, 0.4, 0.6, 0.8))
    segments = np.arange(100).reshape(10, 10)
    places = photograph.places(segments)
    assert places[0] == ("forehead", "left edge")
    assert places[3 * 10 + 2] == ("eyes", "left")
    assert places[5 * 10 + 5] == ("nose", "middle")
    assert places[7 * 10 + 7] == ("mouth", "right")
    assert places[9 * 10 + 9] == ("chin", "right edge")


def test_evidence_is_what_raises_the_score():
    photograph = demo.Photograph("", np.zeros((10, 10)), (0.2, 0.4, 0.6, 0.8))
    rows = np.arange(10)[:, np.newaxis] // 2 * np.ones((1, 10), int)  # forehead to chin, middle
    explanation = Explanation(
        image=photograph.image,
        importances=np.array([[0.1, 0.3, 0.0, -0.5, 0.2]]),
        scores=np.array([0.1, 0.9]),
        hidden_scores=np.array([1.0, 0.0]),
        targets=(1,),
        target_names=("face",),
        segments=rows,
    )
    density = np.repeat([[0.0, 0.4, 0.2, -0.5, 0.2]], 2, axis=1).reshape(1, 10, 1) * np.ones(
        (1, 10)
    )
    sharp = replace(explanation, importances=density, segments=None)
    case = demo.Case(photograph, lambda batch: batch, explanation, sharp)
    np.testing.assert_array_equal(case.on_features, [False, True, True, True, False])
    assert case.evidence_on_features == pytest.approx(0.5)  # 0.3 of 0.1 + 0.3 + 0.2
    assert case.sharp_evidence_on_features == pytest.approx(0.75)  # 0.4 + 0.2 of 0.8


@pytest.mark.parametrize("name", ["no/such/folder/x.png", "folder.png", "file.png/x.png", "x.txt"])
def test_an_output_that_cannot_be_written_is_refused_before_any_work(name, tmp_path, monkeypatch):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file.png").touch()
    monkeypatch.setattr(demo, "train", lambda: pytest.fail("work was done"))
    with pytest.raises(InvalidInputError, match="`output` must be a file"):
        demo.run(tmp_path / name)


def test_checking_the_output_leaves_nothing_behind(tmp_path):
    assert demo.check_output(tmp_path / "new.png") == tmp_path / "new.png"
    assert list(tmp_path.iterdir()) == []
    old = tmp_path / "old.png"
    old.write_bytes(b"kept")
    demo.check_output(old)
    assert old.read_bytes() == b"kept"


def test_progress_counts_in_a_terminal_and_is_silent_elsewhere(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stream, text in ((Terminal(), "\r  64 of 100 images"), (io.StringIO(), "")):
        monkeypatch.setattr("sys.stderr", stream)
        demo.tick(64, 100)
        assert stream.getvalue() == text
        demo.tick(100, 100)
        assert stream.getvalue().rstrip(" \r").endswith(text.strip("\r"))
