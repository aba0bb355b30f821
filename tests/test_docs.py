"""What the documentation says is true: its examples run, its reference is complete."""

import doctest
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

import limelens

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
REFERENCE = sorted((ROOT / "docs" / "reference").glob("*.md"))
NEEDS = re.compile(r"^<!-- needs (.+) -->$", re.MULTILINE)  # packages that a page's examples import
LISTING = re.compile(r"^```\{api-listing\} (.+)$", re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced code blocks of one language."""
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_with_prompts_give_what_the_page_shows(page, tmp_path, monkeypatch):
    needed = NEEDS.search(page.read_text(encoding="utf-8"))
    missing = [name for name in needed[1].split() if not find_spec(name)] if needed else []
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    monkeypatch.chdir(tmp_path)
    text = "\n".join(blocks(page, "pycon"))
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    failures, _ = runner.run(test, out=report.append)
    assert failures == 0, "".join(report)


def test_the_quick_start_of_the_readme_runs_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    for block in blocks(ROOT / "README.md", "python"):
        exec(compile(block, "README.md", "exec"), scope)
    assert list(tmp_path.iterdir())


@pytest.mark.parametrize("name", limelens.__all__)
def test_every_public_name_is_on_one_reference_page(name):
    home = f"{getattr(limelens, name).__module__}."
    pages = [
        page.name
        for page in REFERENCE
        for modules in LISTING.findall(page.read_text(encoding="utf-8"))
        if any(home.startswith(f"{module}.") for module in modules.split())
    ]
    assert len(pages) == 1, f"list {home[:-1]} on one page of docs/reference/ (found: {pages})"


def test_local_links_lead_somewhere():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", link):
                assert (page.parent / link).exists(), f"edit {page}: nothing at {link}"


@pytest.mark.parametrize("page", ["README.md", "docs/concepts/choosing-a-method.md"])
def test_explainers_on_the_page_are_those_that_exist(page):
    explainers = {n for n in limelens.__all__ if hasattr(getattr(limelens, n), "explain")}
    table = re.split(r"^#+ .*(?:Explainers|The method)$", (ROOT / page).read_text(), flags=re.M)[1]
    named = set(re.findall(r"`([A-Z]\w+)", table.split("\n#")[0]))
    assert named == explainers, f"edit the table of explainers in {page}"
