"""Importing limelens is cheap: heavy packages are loaded by the functions that use them."""

import subprocess
import sys

import pytest

HEAVY = ("sklearn", "scipy", "skimage", "PIL", "matplotlib", "torch", "joblib", "tqdm")


def loaded_after(statement: str, depth: int = 1) -> set[str]:
    """Return the modules, down to a depth, that a fresh interpreter holds after a statement.

    A subprocess, since other tests of this run have imported the heavy packages already.
    """
    names = f"{{'.'.join(name.split('.')[:{depth}]) for name in sys.modules}}"
    code = f"import sys; {statement}; print(*{names})"
    command = [sys.executable, "-W", "error", "-c", code]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


@pytest.mark.parametrize("module", ["limelens", "limelens.testing", "limelens.compat.lime_image"])
def test_importing_loads_no_heavy_package(module):
    assert loaded_after(f"import {module}").isdisjoint(HEAVY)


def test_looking_at_every_public_name_loads_no_heavy_package():
    statement = "import limelens; [getattr(limelens, name) for name in limelens.__all__]"
    assert loaded_after(statement).isdisjoint(HEAVY)


FIRST = (
    "import numpy as np, limelens as ll; "
    "ll.Lime(segmenter=ll.Grid(4), n_samples=30).explain("
    "np.arange(64.0).reshape(8, 8), lambda batch: batch[:, 3, 3], rng=0)"
)


def test_a_first_explanation_loads_nothing_to_ask_a_network_nor_masked_arrays():
    needless = {"numpy.ma", "urllib.request", "http.client", "uuid"}
    # Some versions of NumPy load masked arrays themselves.
    of_numpy = loaded_after("import numpy.random, numpy.linalg", depth=2)
    assert not loaded_after(FIRST, depth=2) & needless - of_numpy


def test_a_first_explanation_on_a_grid_loads_no_linear_algebra_of_scipy():
    loaded = loaded_after(FIRST, depth=2)
    assert "numpy.linalg" in loaded
    assert loaded.isdisjoint(["scipy.linalg", "concurrent.futures", "sklearn", "skimage"])
