"""Which small faults in `src/limelens` do the tests not see?

python tests/benchmarks/bench_mutants.py --n 400 --seed 0 --jobs 2
python tests/benchmarks/bench_mutants.py --n 20 --under surrogates --tests tests/surrogates

A mutant is the source with one operator, number, name or statement of one function changed. The
tests are collected once. A first run notes which tests reach which line; each mutant then gets a
process of its own in which the changed function takes the place of the true one, and only the
tests that reach the changed line are run, the quickest first, until one fails. A mutant that makes
them run for longer than 20 times their time counts as caught. What stays green is printed with
path and line: some of it changes nothing that anybody could notice, and has to be judged by eye.
Module level constants and default values are not mutated, as they are read when a file is loaded.
"""

import argparse
import ast
import contextlib
import gc
import importlib
import json
import os
import random
import resource
import sys
import tempfile
import time
import types
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "limelens"
PATIENCE = 20
_BROKEN = "could not be tried:"

SWAPPED_OPERATORS: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
SWAPPED_NAMES = {
    "all": "any", "any": "all", "max": "min", "min": "max", "maximum": "minimum",
    "minimum": "maximum", "argmax": "argmin", "argmin": "argmax", "floor": "ceil", "ceil": "floor",
    "sum": "mean", "mean": "sum", "zeros": "ones", "ones": "zeros",
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change: where, in words, and the code of the changed function."""

    path: Path
    line: int
    words: str
    function: tuple[str, int]  # its name and first line
    code: types.CodeType

    def __str__(self) -> str:
        return f"{self.path.relative_to(SOURCE)}:{self.line}  {self.words}"


# Changes: each yields what it did in words, while the tree is changed, and then takes it back.
@contextlib.contextmanager
def replaced(holder: Any, field: str, new: Any) -> Iterator[None]:
    old = getattr(holder, field)
    setattr(holder, field, new)
    try:
        yield
    finally:
        setattr(holder, field, old)


def of_operators(node: ast.AST) -> Iterator[str]:
    """Exchange the operator of an expression, one of them at a time."""
    operators = node.ops if isinstance(node, ast.Compare) else [getattr(node, "op", None)]
    for place, operator in enumerate(operators):
        new = SWAPPED_OPERATORS.get(type(operator))
        if new is None:
            continue
        words = f"{type(operator).__name__} -> {new.__name__}"
        if isinstance(node, ast.Compare):
            changed = [new() if i == place else old for i, old in enumerate(operators)]
            with replaced(node, "ops", changed):
                yield words
        else:
            with replaced(node, "op", new()):
                yield words


def of_names(node: ast.AST) -> Iterator[str]:
    """Call `min` for `max`, and the like."""
    field = {ast.Name: "id", ast.Attribute: "attr"}.get(type(node))
    new = SWAPPED_NAMES.get(getattr(node, field)) if field else None
    if field and new:
        with replaced(node, field, new):
            yield f"{SWAPPED_NAMES[new]} -> {new}"


def of_numbers(node: ast.AST) -> Iterator[str]:
    """Add one to an integer, half again to a float, turn a truth value round."""
    if not isinstance(node, ast.Constant) or not isinstance(node.value, bool | int | float):
        return
    old = node.value
    new = not old if isinstance(old, bool) else old + 1 if isinstance(old, int) else 1.5 * old + 0.1
    with replaced(node, "value", new):
        yield f"{old} -> {new}"


def of_conditions(node: ast.AST) -> Iterator[str]:
    """Turn the condition of an `if`, a `while` or a conditional expression round."""
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        with replaced(node, "test", ast.UnaryOp(ast.Not(), node.test)):
            yield "condition -> not condition"


def of_statements(node: ast.AST) -> Iterator[str]:
    """Leave out a statement of a block, but for what others need to run at all."""
    for field in ("body", "orelse"):
        block = getattr(node, field, None)
        if not isinstance(block, list):
            continue
        for place, statement in enumerate(block):
            is_call = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
            if is_call or isinstance(statement, ast.AugAssign):
                # not taken out, so that the function closes over the same variables
                never = ast.If(ast.Constant(value=False), [statement], [])
                with replaced(node, field, [*block[:place], never, *block[place + 1 :]]):
                    yield f"without {ast.unparse(statement)[:50]!r}@{statement.lineno}"


CHANGES = (of_operators, of_names, of_numbers, of_conditions, of_statements)


def reachable(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a function that run: no annotations, no messages, no docstrings."""
    yield node
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "args") and not isinstance(
            node, ast.Call
        ):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.Raise | ast.JoinedStr):
                yield from reachable(child)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    """Yield the outermost functions and methods."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.FunctionDef):
            yield child
        else:
            yield from functions(child)


def codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from codes(constant)


def changes(under: str) -> Iterator[tuple[Path, ast.Module, ast.FunctionDef, int, str]]:
    """Yield file, changed tree, changed function, line and words of every change under a folder."""
    for path in sorted(SOURCE.rglob("*.py")):
        if not str(path.relative_to(SOURCE)).startswith(under):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in functions(tree):
            for node in list(reachable(function)):
                for change in CHANGES:
                    for words in change(node):
                        words, _, line = words.rpartition("@") if "@" in words else (words, "", "")
                        yield path, tree, function, int(line or node.lineno), words


def compiled(
    path: Path, tree: ast.Module, function: ast.FunctionDef, line: int, words: str
) -> Mutant:
    first = min([function, *function.decorator_list], key=lambda node: node.lineno).lineno
    module = compile(ast.fix_missing_locations(tree), str(path), "exec")
    (code,) = (
        code
        for code in codes(module)
        if (code.co_name, code.co_firstlineno) == (function.name, first)
    )
    return Mutant(path, line, words, (function.name, first), code)


def draw(n: int, seed: int, under: str) -> tuple[list[Mutant], int]:
    """Return some of the mutants of a folder, and how many there are."""
    n_all = sum(1 for _ in changes(under))
    chosen = set(random.Random(seed).sample(range(n_all), min(n, n_all)))
    return [compiled(*c) for number, c in enumerate(changes(under)) if number in chosen], n_all


def put_in_place(mutant: Mutant) -> None:
    """Give every live copy of the function the changed code."""
    module = mutant.path.relative_to(SOURCE.parent).with_suffix("")
    importlib.import_module(".".join(module.parts))  # many are loaded when they are first used
    n_copies = 0
    for function in gc.get_objects():
        if isinstance(function, types.FunctionType):
            code = function.__code__
            if (code.co_name, code.co_firstlineno) == mutant.function and (
                Path(code.co_filename) == mutant.path
            ):
                function.__code__ = mutant.code
                n_copies += 1
    if not n_copies:
        raise LookupError(f"no function to put {mutant} into")


class Reach:
    """Which test reaches which lines of the source, and how long it takes."""

    def __init__(self) -> None:
        self.lines: dict[str, set[tuple[str, int]]] = {}
        self.seconds: dict[str, float] = {}
        self._now: set[tuple[str, int]] = set()
        self._prefix = str(SOURCE)

    def trace(self, frame: Any, event: str, argument: object) -> Any:
        path = frame.f_code.co_filename
        if not path.startswith(self._prefix):
            return None
        now, code_lines = self._now, (path, frame.f_lineno)
        now.add(code_lines)

        def line(frame: Any, event: str, argument: object) -> Any:
            now.add((path, frame.f_lineno))
            return line

        return line

    @contextlib.contextmanager
    def of(self, name: str) -> Iterator[None]:
        self._now = self.lines[name] = set()
        start = time.process_time()
        sys.settrace(self.trace)
        try:
            yield
        finally:
            sys.settrace(None)
            self.seconds[name] = time.process_time() - start


class Mutation:
    """A plugin of pytest: in place of running the tests once, run those of each mutant."""

    def __init__(self, chosen: Sequence[Mutant], jobs: int, out: Any, folder: str) -> None:
        self.chosen, self.jobs, self.out, self.folder = chosen, jobs, out, Path(folder)
        self.failed: list[str] = []
        self.missed: list[Mutant] = []

    def say(self, *words: object) -> None:
        print(*words, file=self.out, flush=True)

    def pytest_configure(self) -> None:
        from hypothesis import settings

        settings.register_profile("mutants", derandomize=True, database=None, deadline=None)
        settings.load_profile("mutants")

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_runtestloop(self, session: Any) -> bool:
        # its dots would drown what is told here
        session.config.pluginmanager.unregister(name="terminalreporter")
        self.say(f"{len(session.items)} tests; noting what each of them reaches")
        self.child(lambda: self.note_reach(session.items), self.folder / "reach")
        told = json.loads((self.folder / "reach").read_text())
        tests = defaultdict(list)
        for name, lines in told["lines"].items():
            for path, line in lines:
                tests[path, line].append(name)
        items = {item.nodeid: item for item in session.items}
        running: dict[int, int] = {}
        for number, mutant in enumerate(self.chosen):
            # an expression over several lines may be entered at its first one only
            lines = range(mutant.line, mutant.function[1], -1)
            reached = next((n for n in lines if (str(mutant.path), n) in tests), mutant.line)
            names = sorted(tests[str(mutant.path), reached], key=told["seconds"].get)
            budget = 10 + PATIENCE * sum(told["seconds"][name] for name in names)
            while len(running) >= self.jobs:
                self.collect(running)
            running[self.start(mutant, number, [items[name] for name in names], budget)] = number
        while running:
            self.collect(running)
        return True

    def note_reach(self, items: Sequence[Any]) -> dict[str, Any]:
        reach = Reach()
        for item, following in zip(items, [*items[1:], None], strict=False):
            with reach.of(item.nodeid):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        passed = reach.lines.keys() - set(self.failed)
        return {
            "lines": {name: sorted(reach.lines[name]) for name in passed},
            "seconds": reach.seconds,
        }

    def start(self, mutant: Mutant, number: int, items: Sequence[Any], budget: float) -> int:
        """Try a mutant in a process of its own; return the process."""

        def attempt() -> str:
            put_in_place(mutant)
            for item, following in zip(items, [*items[1:], None], strict=False):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if self.failed:
                    return self.failed[0]
            return ""

        limit = int(budget) + 1
        return self.child(attempt, self.folder / str(number), limit=limit, wait=False)

    def child(self, work: Any, answer: Path, *, limit: int = 0, wait: bool = True) -> int:
        self.out.flush()
        process = os.fork()
        if process == 0:
            try:
                silence = os.open(os.devnull, os.O_WRONLY)
                os.dup2(silence, 1)
                os.dup2(silence, 2)
                if limit:  # seconds of the processor, then the kernel ends it
                    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
                answer.write_text(json.dumps(work()))
            except BaseException as error:  # noqa: BLE001 - told by the parent
                answer.write_text(json.dumps(f"{_BROKEN} {error!r}"))
            finally:
                os._exit(0)
        if wait:
            os.waitpid(process, 0)
        return process

    def collect(self, running: dict[int, int]) -> None:
        process, status = os.waitpid(-1, 0)
        number = running.pop(process)
        answer, mutant = self.folder / str(number), self.chosen[number]
        by = json.loads(answer.read_text()) if answer.exists() else f"ended, status {status}"
        if not by or by.startswith(_BROKEN):
            self.missed.append(mutant)
        self.say(f"{'MISSED' if mutant in self.missed else 'caught'}  {mutant}  {by}".rstrip())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n", type=int, default=400, help="how many mutants")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--under", default="", help="for example gaussian, or results/record.py")
    parser.add_argument("--tests", nargs="*", default=["tests", "src"])
    parser.add_argument("--jobs", type=int, default=1)
    chosen = parser.parse_args()
    some, n_all = draw(chosen.n, chosen.seed, chosen.under)
    os.chdir(ROOT)
    with os.fdopen(os.dup(1), "w") as out, tempfile.TemporaryDirectory() as folder:
        mutation = Mutation(some, chosen.jobs, out, folder)
        pytest.main(["-q", "-p", "no:cacheprovider", *chosen.tests], plugins=[mutation])
        mutation.say(f"\n{len(some)} of {n_all} mutants tried, {len(mutation.missed)} missed:")
        for mutant in sorted(mutation.missed, key=str):
            mutation.say(mutant)


if __name__ == "__main__":
    main()
