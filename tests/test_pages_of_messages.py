"""Pages that are keyed by message hold every message there is, and none that is gone.

A key is code in the first column of a table. Its numbers stand for any value.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE, DOCS = ROOT / "src" / "limelens", ROOT / "docs"
WRONG = DOCS / "how-to" / "when-something-looks-wrong.md"
PROBE = DOCS / "concepts" / "what-the-probe-checks.md"

HOLE = "§"  # where a value is put into a message
PASSED_ON = {"errors.py", "runs/workers.py", "surrogates/fit.py"}  # texts of others
OF_ANSWERS = ("engine/agreement.py", "engine/answers.py", "engine/caller.py")
FINE = ("exact", "converged", "relative error")  # verdicts that nobody is warned of
WARNING = {"warn", "warn_of_weak_signal", "_refuse_or_warn"}


def text_of(node, function=None):
    """Return a string with holes for what is not written there, nor named in the function."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(each, function) for each in node.values)
    if isinstance(node, ast.FormattedValue):
        return text_of(node.value, function)
    if isinstance(node, ast.Name) and function is not None:
        values = list(assigned(function, node.id))
        return text_of(values[0], function) if len(values) == 1 else HOLE
    return HOLE


def assigned(function, name):
    """Yield what a function gives to a name."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            yield node.value


def texts(function, call):
    """Yield the texts that a call says, also where a name may stand for several."""
    if ast.unparse(call.func) == "_refuse_or_warn":
        must, but = (text_of(each, function) for each in call.args[:2])
        yield from (f"`predict_fn` must {must}; its answer {but}.", f"the answer {but}.")
    elif isinstance(call.args[0], ast.Name):
        yield from (text_of(each, function) for each in assigned(function, call.args[0].id))
    else:
        yield text_of(call.args[0], function)


@cache
def messages():
    """Return `(file, line, kind, text)` of every warning and every error that is raised."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        name, tree = path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text("utf-8"))
        functions = [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)]
        functions = [each for each in functions if each.name != "_refuse_or_warn"]
        for function in functions:
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in WARNING:
                    found += [(name, node.lineno, "warns", text) for text in texts(function, node)]
                raised = isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
                if raised and node.exc.args:
                    kind = ast.unparse(node.exc.func)
                    found += [(name, node.lineno, kind, text) for text in texts(function, node.exc)]
        if name == "gaussian/verdict.py":  # warned of in explainers/sequential.py
            judge = next(each for each in functions if each.name == "judge")
            given = [text_of(each, judge) for each in assigned(judge, "message")]
            found += [(name, 0, "warns", each) for each in given if not each.startswith(FINE)]
    return tuple(dict.fromkeys(found))


def keys(page):
    """Return the code in the first column of every table of a page that is keyed by message."""
    found = []
    for table in re.split(r"\n\s*\n", page.read_text("utf-8")):
        if re.match(r"\|( the)? message", table):
            firsts = [row.split(" | ")[0] for row in table.splitlines()[2:]]
            for first in firsts:
                found += [two or one for two, one in re.findall(r"`` (.+?) ``|`([^`]+)`", first)]
    return found


@cache
def pattern(key):
    """Return what finds a key in a text with holes; a hole may stand for any words of the key."""
    parts = [re.escape(part) for part in re.split(r"\(?\d+(?:, \d+)*\)?|'.*?'", key)]
    return re.compile(".*?".join(parts))


def is_in(key, text):
    return any(pattern(key).search(each) for each in (text, text.replace(HOLE, "")))


def said(name, text):
    """Return whether a text has words of its own, and is not passed on from elsewhere."""
    return name not in PASSED_ON and len(text.replace(HOLE, "").strip()) > 8


def test_the_messages_are_found():
    kinds = [kind for _, _, kind, _ in messages()]
    assert kinds.count("warns") > 40
    assert kinds.count("PredictionError") > 20
    assert kinds.count("InvalidInputError") > 150


WARNINGS = [each for each in messages() if each[2] == "warns" and said(each[0], each[3])]


@pytest.mark.parametrize(("name", "line", "kind", "text"), WARNINGS)
def test_every_warning_is_on_the_page_of_what_looks_wrong(name, line, kind, text):
    assert any(is_in(key, text) for key in keys(WRONG)), f"edit {WRONG}: {name}:{line} warns {text}"


ANSWERS = [
    each
    for each in messages()
    if each[0] in OF_ANSWERS and each[2] in ("warns", "PredictionError") and said(each[0], each[3])
]


@pytest.mark.parametrize(("name", "line", "kind", "text"), ANSWERS)
def test_what_is_said_of_answers_is_on_the_page_of_the_probe(name, line, kind, text):
    assert any(is_in(key, text) for key in keys(PROBE)), f"edit {PROBE}: {name}:{line} says {text}"


@pytest.mark.parametrize("page", [WRONG, PROBE], ids=lambda page: page.stem)
def test_every_key_of_the_pages_is_still_said(page):
    source = [text for _, _, _, text in messages()]
    for path in SOURCE.rglob("*.py"):  # halves of messages, notes
        source += map(text_of, ast.walk(ast.parse(path.read_text("utf-8"))))
    source = list(dict.fromkeys(each for each in source if each != HOLE))
    assert len(keys(page)) > 10
    for key in keys(page):
        assert any(is_in(key, text) for text in source), f"edit {page}: nothing says {key!r}"
