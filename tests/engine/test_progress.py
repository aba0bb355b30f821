"""How far a run is."""

import re
import sys
import types

import numpy as np
import pytest

import limelens as ll
from limelens.engine import progress
from limelens.engine.progress import Reporter, say
from limelens.errors import InvalidInputError

IMAGE = np.random.default_rng(0).random((6, 6))
EXPLAINER = ll.Ablation(segmenter=ll.Grid(cell=(3, 3)))


def brightness(batch):
    return batch.mean(axis=(1, 2))


class Bar:
    """What tqdm offers, written down."""

    made: list["Bar"] = []  # noqa: RUF012 - one list for all bars of a test

    def __init__(self, unit):
        self.n, self.total, self.closed, self.unit = 0, None, False, unit
        Bar.made.append(self)

    def update(self, more):
        self.n += more

    def close(self):
        self.closed = True


@pytest.fixture
def bars(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", types.ModuleType("tqdm"))
    monkeypatch.setitem(sys.modules, "tqdm.auto", types.SimpleNamespace(tqdm=Bar))
    monkeypatch.setattr(Bar, "made", [])
    return Bar.made


def test_a_bar_counts_images_and_is_closed(bars):
    EXPLAINER.explain(IMAGE, brightness, progress=True, batch_size=2)
    assert (bars[0].n, bars[0].total, bars[0].closed) == (8, 8, True)


def test_a_bar_is_closed_when_the_model_fails(bars):
    def fails(batch):
        raise RuntimeError("no model")

    with pytest.raises(RuntimeError, match="no model"):
        EXPLAINER.explain(IMAGE, fails, progress=True)
    assert bars[0].closed


def test_without_tqdm_a_line_of_text_is_written_over_and_over(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    EXPLAINER.explain(IMAGE, brightness, progress=True, batch_size=2)
    shown = capsys.readouterr()
    assert shown.out == ""
    lines = shown.err.split("\r")
    assert lines[-1].startswith("8 of 8 images, 100 %")
    assert lines[-1].endswith("\n")
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize("progress", [None, False])
def test_nothing_is_shown_unless_asked(progress, bars):
    EXPLAINER.explain(IMAGE, brightness, progress=progress)
    assert bars == []


def test_anything_else_is_refused():
    with pytest.raises(InvalidInputError, match="`progress` must be a callable"):
        EXPLAINER.explain(IMAGE, brightness, progress="yes")


@pytest.mark.parametrize(
    "explainer",
    [
        ll.QuickLime(segmenter=ll.Grid(cell=(2, 2)), max_samples=200),
        ll.QuickShap(segmenter=ll.Grid(cell=(2, 2)), max_samples=200),
        ll.Owen(segmenter=ll.Grid(cell=(2, 2)), max_samples=60),
        ll.Sharp(segmenters=[ll.Grid(cell=(2, 2)), ll.Grid(cell=(4, 2))], max_samples=40),
        ll.Anchors(segmenter=ll.Grid(cell=(4, 4)), max_samples=3000),
    ],
    ids=lambda explainer: type(explainer).__name__,
)
def test_a_run_in_parts_is_not_done_after_each_of_them(explainer):
    told = []
    image = np.random.default_rng(0).random((12, 8))
    score = lambda batch: batch[:, :6].mean(axis=(1, 2)) * batch[:, 3, 3] > 0.1  # noqa: E731
    explainer.explain(
        image,
        lambda batch: score(batch) * 0.5 + batch.mean(axis=(1, 2)) * 0.1,
        rng=0,
        batch_size=8,
        progress=lambda done, total: told.append((done, total)),
    )
    shares = [done / total for done, total in told]
    assert shares == sorted(shares)
    assert 1 not in shares[:-1]
    assert shares[-1] == 1


def test_a_line_that_is_said_stands_alone(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_bar", lambda: None)
    with Reporter(progress=True) as reporter:
        reporter.report(1, 2)
        say("a warning")
        reporter.report(2, 2)
    *_, said, last = re.split(r"[\r\n]+", capsys.readouterr().err.rstrip())
    assert (said, last.strip()) == ("a warning", "2 of 2 images, 100 %")
    say("after the bar")
    assert capsys.readouterr().err == "after the bar\n"
