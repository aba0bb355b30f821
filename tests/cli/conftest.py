"""A folder with pictures and a model in it, and a shell that stands there."""

import numpy as np
import pytest
from PIL import Image

from limelens import cli

MODEL = """
import numpy as np

def predict(batch):  # two classes: dark, bright in the upper half; grey images of 8 x 8
    assert batch.shape[1:] == (8, 8), batch.shape
    bright = batch[:, :4].mean(axis=(1, 2)) / 255
    return np.stack([1 - bright, bright], axis=1)

def broken(batch):
    raise ZeroDivisionError("no\\nsensor")

def odd(batch):
    raise GeneratorExit("odd")

def silent(batch):
    return None

def leaves(batch):
    raise SystemExit

weights = [1, 2]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Stand in a folder with photos/a.png, photos/b.png, photos/sub/a.png and shell_models.py."""
    rng = np.random.default_rng(0)
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    for name in ("a.png", "b.png", "sub/a.png"):
        pixels = rng.integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / name)
    (tmp_path / "shell_models.py").write_text(MODEL)
    (tmp_path / "labels.txt").write_text("dark\nbright\n\n")
    (tmp_path / "half_there.py").write_text("from math import nothing_there")
    (tmp_path / "model.onnx").write_bytes(b"\xff\xfe no text")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "shell_models", raising=False)
    return tmp_path


@pytest.fixture
def shell(folder, capsys):
    """Return a function that runs a command and returns its code, output and errors."""

    def run(line):
        try:
            code = cli.main(line.split())
        except SystemExit as stop:
            code = stop.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run
