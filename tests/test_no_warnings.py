"""Nothing that we show to newcomers warns: neither pages nor docstrings nor examples."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CI = ROOT / ".ci" / "run"


def test_pages_docstrings_and_tests_turn_every_warning_into_an_error():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    listed = re.search(r"^filterwarnings = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)[1]
    filters = re.findall(r'^ *"(.+)",$', listed, re.MULTILINE)
    assert filters[0] == "error"
    assert not [each for each in filters[1:] if "limelens" in each.lower()]


def test_a_page_whose_example_warns_fails(tmp_path):
    page = tmp_path / "page.py"
    page.write_text('"""\n>>> from limelens.errors import warn\n>>> warn("odd")\n"""\n', "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--doctest-modules", "-p", "no:cacheprovider",
         "-c", str(ROOT / "pyproject.toml"), str(page)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "LimelensWarning: odd" in done.stdout


@pytest.mark.parametrize("warns", [True, False])
def test_an_example_that_warns_fails(warns, tmp_path):
    if not CI.is_file():
        pytest.skip("no .ci here")
    (example,) = re.findall(
        r"^example\(\) \{.*?^\}", CI.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "odd.py").write_text(
        "from pathlib import Path\n"
        "from limelens.errors import ConvergenceWarning, warn\n"
        + "warn('odd', ConvergenceWarning)\n" * warns
        + "output = Path(__file__).parent / 'output'\n"
        + "output.mkdir()\n"
        + "(output / 'odd.png').write_bytes(b'')\n",
        "utf-8",
    )
    script = (
        f'work="{tmp_path}"\npython() {{ "{sys.executable}" "$@"; }}\n{example}\n'
        "example examples/odd.py"
    )
    done = subprocess.run(
        ["bash", "-eu", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == warns
    assert ("odd.py warns" in done.stdout) == warns
