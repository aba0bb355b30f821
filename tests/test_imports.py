"""Importing limelens is cheap: heavy packages are loaded by the functions that use them."""

import subprocess
import sys

import pytest

HEAVY = ("sklearn", "scipy", "skimage", "PIL", "matplotlib", "torch", "joblib", "tqdm")


def loaded_after(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter holds after a statement.

    A subprocess, since other tests of this run have imported the heavy packages already.
    """
    code = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
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
