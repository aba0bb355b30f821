"""Every message that contains code is right: its code, run on what caused the message, works.

The code is found in the source. To add a message write a case into a table of `tests/advice`:

    (
        "explain(volume)",  # what causes the message
        {
            "channel_axis=0": "explain(volume, channel_axis=0)",  # what it says: what then works
        },
    ),

What it says stands in the message word for word, and in what then works; "..." stands for anything.
Both are Python, and know the names of their table and those of `NAMES`.
"""

import ast
import re
import runpy
import warnings
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import limelens

SOURCE = Path(__file__).parents[1] / "src" / "limelens"
TABLES = sorted(
    path for path in Path(__file__).with_name("advice").glob("*.py") if path.stem != "conftest"
)


def every_pixel(batch):
    """Score images of any kind so that every value matters."""
    flat = batch.reshape(len(batch), -1).astype(float)
    return flat @ np.linspace(0.5, 1, flat.shape[1])


def explain(image, predict_fn=every_pixel, explainer=None, **how):
    """Explain, and make sure that there is something to see."""
    explainer = limelens.Ablation(segmenter=limelens.Grid(4)) if explainer is None else explainer
    explanation = explainer.explain(image, predict_fn, rng=0, **how)
    assert explanation.importances.any(), "a map of zeros"
    return explanation


NAMES = {name: getattr(limelens, name) for name in limelens.__all__}
NAMES |= {"np": np, "limelens": limelens, "explain": explain, "every_pixel": every_pixel}


@cache
def table(path: Path) -> dict:
    return runpy.run_path(str(path), init_globals=NAMES)


def missing(path: Path) -> list[str]:
    """Return the packages that the cases of a table need and that are not here."""
    needs = re.search(r"^NEEDS = (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return [name for name in ast.literal_eval(needs[1]) if not find_spec(name)] if needs else []


@cache
def message_of(path: Path, wrong: str) -> str:
    """Return the error that some code raises, with its notes, and the warnings before it."""
    error: BaseException | None = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            exec(wrong, dict(table(path)))
        except Exception as raised:  # noqa: BLE001 - whatever it is, its words are read
            error = raised
    said = [str(each.message) for each in caught]
    while error is not None:
        said += [str(error), *getattr(error, "__notes__", ())]
        error = error.__cause__
    return "\n".join(said)


def cases():
    for path in TABLES:
        if missing(path):
            reason = f"needs {', '.join(missing(path))}"
            yield pytest.param(path, "", {}, marks=pytest.mark.skip(reason), id=path.stem)
            continue
        for number, (wrong, advices) in enumerate(table(path)["CASES"]):
            yield pytest.param(path, wrong, advices, id=f"{path.stem}-{number}")


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("path", "wrong", "advices"), list(cases()))
def test_advice_works_on_what_caused_it(path, wrong, advices):
    said = message_of(path, wrong)
    for advice, right in advices.items():
        assert advice in said, f"{wrong!r} says {said or 'nothing'!r}"
        taken = ".*".join(re.escape(part) for part in advice.split("..."))
        assert re.search(taken, right, re.DOTALL), f"{right!r} does not do what it is told"
        exec(right, dict(table(path)))


# --- the code in messages ---------------------------------------------------------------------

HOLE = "§"  # where a value is put into a message

CODE = re.compile(
    rf"""
    (?<![\w.`{HOLE}])(?P<given>[a-z_{HOLE}][\w{HOLE}]*=)(?=[\w"'\[({HOLE}~.-])   # n=3
  | (?<![\w.{HOLE}])(?P<call>~?[A-Za-z_{HOLE}][\w.{HOLE}]*)(?=[(\[])             # f(x), x[0]
  | (?P<list>\[)(?=[^\]]*\ for\ )                                                # [f(x) for x in y]
  | (?<![\w./])(?P<attribute>\.?[a-z_]\w*\.[a-z_]\w*)(?![\w/])                   # x.y
    """,
    re.VERBOSE,
)
CLOSED_BY = {"(": ")", "[": "]", "{": "}"}

# Code that says what is wrong, or what a thing is, and is no advice.
NO_ADVICE = {
    "predict_fn.prepare",
    "predict_fn.predict_prepared",
    "predict_fn(batch)",
    "predict_fn.predict_prepared(predict_fn.prepare(batch))",
    f"{HOLE}(batch, target)",
    "allow_pickle=False",
    f"Top({HOLE})",
}
# "`x` must be A; got B. Do C.": A is a condition, unless it says how.
CONDITION = re.compile(
    r"^`[^`]+` (\S+ )?(must|takes|is).*?(for example|such as|: |; got )", re.DOTALL
)
INSTALL = re.compile(rf"pip install limelens\[{HOLE}\]")  # tested by itself

# Literals that are in no message: marks of pictures, help of the command line, names of types,
# what a thing is called.
NO_MESSAGES = ("pictures/drawing.py", "cli/")
NO_MESSAGE = re.compile(
    r"tensor\(\w+\)|log_odds\(|average\(§\)|§\[§\]|LimeImageExplainer\(kernel.*|Stands in.*"
)


def end_of_brackets(text: str, start: int) -> int:
    depth, quote = 0, ""
    for place in range(start, len(text)):
        letter = text[place]
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in CLOSED_BY:
            depth += 1
        elif letter in CLOSED_BY.values():
            depth -= 1
            if not depth:
                return place + 1
    return len(text)


def end_of_chain(text: str, place: int) -> int:
    """Return where calls, subscripts and attributes end that follow each other."""
    while place < len(text):
        if text[place] in "([":
            place = end_of_brackets(text, place)
        elif attribute := re.match(r"\.[A-Za-z_]\w*", text[place:]):
            place += attribute.end()
        else:
            break
    return place


VALUE = re.compile(r"\"[^\"]*\"|'[^']*'|\.\.\.|~?[\w.§]*[\w§]|[-\d./]*\d")


def code_in(text: str) -> list[str]:
    """Return the pieces of code in a text."""
    pieces, place = [], 0
    while found := CODE.search(text, place):
        end = found.end()
        if found.lastgroup == "given":
            if function := re.match(r"lambda \w+: ", text[end:]):
                end += function.end()
            value = None if text[end : end + 1] in CLOSED_BY else VALUE.match(text, end)
            end = end_of_chain(text, value.end() if value else end)
        elif found.lastgroup in ("call", "list"):
            end = end_of_chain(text, end - (found.lastgroup == "list"))
        pieces.append(text[found.start() : end])
        place = max(end, found.end())
    return [piece for piece in pieces if not re.fullmatch(r"\w+\(s\)", piece)]


def is_silent(node: ast.AST) -> bool:
    """Return whether what is in a node is in no message: docstrings, and what a thing is called."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.FunctionDef) and node.name in ("__repr__", "__str__")


def parts_in_no_message(node: ast.AST):
    """Yield the parts of a node that are in no message by themselves."""
    yield from (getattr(node, name) for name in ("annotation", "returns") if hasattr(node, name))
    if is_silent(node):
        yield node
    if isinstance(node, ast.JoinedStr):
        yield from (each for each in node.values if isinstance(each, ast.Constant))
    if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias":
        yield node.value


def literals(tree: ast.AST):
    """Yield line and text of every literal that may be in a message, with holes for values."""
    parts = [part for node in ast.walk(tree) for part in parts_in_no_message(node)]
    silent = {id(each) for part in parts if part is not None for each in ast.walk(part)}
    for node in ast.walk(tree):
        if id(node) in silent:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, re.sub(r"\{\w*!r\}", HOLE, node.value)
        if isinstance(node, ast.JoinedStr):
            texts = [each.value if isinstance(each, ast.Constant) else HOLE for each in node.values]
            yield node.lineno, "".join(texts)


def advice_in(text: str) -> list[str]:
    """Return the code in a literal that tells what to do."""
    names_a_file = " " not in text and not re.search(r"[(=\[]", text)
    if text.startswith("<") or names_a_file or NO_MESSAGE.fullmatch(text):
        return []
    told = CONDITION.sub("", INSTALL.sub("", text))
    return [piece for piece in code_in(told) if piece not in NO_ADVICE]


def sources():
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        if not name.startswith(NO_MESSAGES):
            found = [
                (line, text, advice_in(text))
                for line, text in literals(ast.parse(path.read_text(encoding="utf-8")))
                if advice_in(text)
            ]
            if found:
                yield pytest.param(name, found, id=name)


@cache
def followed() -> tuple[tuple[str, str], ...]:
    """Return every message that a case causes, with the advice that is followed there."""
    return tuple(
        (message_of(path, wrong), "\n".join(advices))
        for path in TABLES
        if not missing(path)
        for wrong, advices in table(path)["CASES"]
    )


def pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*?".join(re.escape(part) for part in text.split(HOLE)), re.I | re.S)


def rooms_of(path: Path) -> tuple[str, ...]:
    rooms = re.search(r"^ROOMS = (.+?\))$", path.read_text(encoding="utf-8"), re.M | re.S)
    return ast.literal_eval(rooms[1]) if rooms else ()


def lacks_a_framework(piece: str) -> bool:
    """Return whether code is about a framework that is not installed here."""
    named = re.search(r"from_(torch|keras|onnx|timm|transformers)\(|^(torch)\.", piece)
    return bool(named) and not find_spec((named[1] or named[2]).replace("onnx", "onnxruntime"))


@pytest.mark.parametrize(("name", "messages"), list(sources()))
def test_every_advice_in_the_source_is_followed_by_a_case(name, messages):
    lacking = {each for path in TABLES if name in rooms_of(path) for each in missing(path)}
    if lacking:
        pytest.skip(f"its cases need {', '.join(sorted(lacking))}")
    for line, text, told in messages:
        pieces = [each for each in told if not lacks_a_framework(each)]
        if not pieces:
            continue
        advices = [advice for said, advice in followed() if pattern(text).search(said)]
        assert advices, f"no case of tests/advice causes {name}:{line}: {text}"
        for piece in pieces:
            found = any(pattern(piece).search(advice) for advice in advices)
            assert found, f"no case of tests/advice follows {piece!r} of {name}:{line}"


def test_every_extra_that_a_message_names_is_there():
    text = SOURCE.parents[1].joinpath("pyproject.toml").read_text(encoding="utf-8")
    extras = set(re.findall(r"^([\w-]+) = \[", text, re.MULTILINE))
    named = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "needed":
                named.add(ast.literal_eval(node.args[2]))
    assert len(named) > 5
    assert named <= extras
