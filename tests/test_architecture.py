"""The house plan: which room may import which, and how large a room may grow."""

import ast
import tokenize
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import combinations
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "limelens"
FILES = sorted(SOURCE.rglob("*.py"))
MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 40

# Imports point to lower floors or stay in their room; of several entries the longest counts.
FLOORS = [
    ("errors", "_typing", "_axes", "_checks.extras"),
    ("_checks", "_statistics", "_threads", "_resampling", "masking.devices"),
    ("fills",),
    ("segmenting", "sampling", "masking", "games", "targets", "pictures", "testing"),
    ("engine", "gaussian"),
    ("surrogates", "adapters"),
    ("results",),
    ("explainers.base",),
    ("explainers.sequential",),
    ("explainers", "compat"),
    ("galleries", "metrics"),
    ("__init__",),
    ("runs",),
    ("audits",),
    ("demo",),
    ("cli",),
    ("__main__",),
]
LAYERS = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
MAX_LOOSE_FILES, MAX_SHARE = 10, 0.15
FORBIDDEN = {
    "explainers": {"adapters", "pictures.figures", "pictures.report"},
    "cli": {"compat"},
    **{room: {"fills"} for room in ("segmenting", "sampling", "masking", "games", "targets")},
}


def module_name(path: Path) -> str:
    """`src/limelens/masking/fills.py` -> `masking.fills`; a package is named by its folder."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {module_name(path): path for path in FILES}


def is_within(module: str, room: str) -> bool:
    return f"{module}.".startswith(f"{room}.")


def is_package(module: str) -> bool:
    return (SOURCE / module.replace(".", "/")).is_dir()


def layer(module: str) -> float:
    """Return the layer of a module; a package stands as high as the highest module in it."""
    entries = [entry for entry in LAYERS if is_within(module, entry)]
    assert entries, f"add {module} to LAYERS in {__file__}"
    inside = [LAYERS[entry] for entry in LAYERS if is_package(module) and is_within(entry, module)]
    return max(inside, default=LAYERS[max(entries, key=len)])


def complaint(importer: str, imported: str) -> str | None:
    """Say what is wrong with an import, if anything."""
    folder = importer.split(".")[0]
    if is_within(imported, folder):
        if is_package(importer) or layer(imported) < layer(importer):
            return None
        if layer(imported) == layer(importer) and folder != "explainers":
            return None
        return "explainers never import each other; others only what is as low in their folder"
    if any(is_within(imported, room) for room in FORBIDDEN.get(folder, ())):
        return f"{folder} never imports it"
    if layer(imported) >= layer(importer):
        return "modules import only from lower layers, stages never sideways"
    return None


def imports(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and module of every import of ours, what only the type checker sees included."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ImportFrom):
            names = [f"{child.module}.{alias.name}" for alias in child.names]
        else:
            names = [alias.name for alias in child.names] if isinstance(child, ast.Import) else []
        for name in names:
            if is_within(name, "limelens"):
                ours = name[len("limelens.") :]
                parent = ours.rpartition(".")[0]
                yield child.lineno, ours if ours in MODULES else parent or "__init__"
        yield from imports(child)


def code_lines(path: Path) -> set[int]:
    """Return the numbers of the lines that hold code: no blanks, comments or docstrings."""
    lines = set()
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.string.strip() and token.type != tokenize.COMMENT:
                lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines -= set(range(node.lineno, (node.end_lineno or 0) + 1))
    return lines


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_point_to_lower_layers(path):
    importer = module_name(path)
    for line, imported in imports(ast.parse(path.read_text(encoding="utf-8"))):
        problem = complaint(importer, imported)
        assert problem is None, f"edit {path}:{line}, which imports {imported}: {problem}"


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules of one circle of imports, each imported by the next; none is best."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_module_imports_itself_round_a_corner():
    """Neither at run time nor for the type checker, in a function or at the top of a file."""
    graph = {
        module: {name for _, name in imports(ast.parse(path.read_text(encoding="utf-8")))}
        for module, path in MODULES.items()
    }
    assert circle(graph) == [], f"edit one of these in {SOURCE}"


def test_no_folder_imports_itself_round_a_corner():
    graph = {module.split(".")[0]: set() for module in MODULES}
    for module, path in MODULES.items():
        room = module.split(".")[0]
        for _, imported in imports(ast.parse(path.read_text(encoding="utf-8"))):
            graph[room] |= {imported.split(".")[0]} - {room}
    assert circle(graph) == [], f"edit one of these folders in {SOURCE}"


def test_a_circle_is_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})) == {"a", "b", "c"}
    (importer,) = ast.parse(
        "if TYPE_CHECKING:\n    def f():\n        from limelens.fills.simple import Blur"
    ).body
    assert list(imports(importer)) == [(3, "fills.simple")]


def test_no_room_grows_to_be_the_house():
    sizes = Counter()
    for path in FILES:
        sizes[module_name(path).split(".")[0]] += len(code_lines(path))
    (largest, size), total = sizes.most_common(1)[0], sizes.total()
    assert size <= MAX_SHARE * total, (
        f"{largest} holds {size / total:.0%} of the code, at most {MAX_SHARE:.0%}: which second "
        "room is in it?"
    )


def test_few_files_lie_loose_at_the_top():
    loose = sorted(path.name for path in SOURCE.glob("*.py"))
    assert len(loose) <= MAX_LOOSE_FILES, f"which room do these belong to? {loose}"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_files_and_functions_stay_small(path):
    length = len(path.read_text(encoding="utf-8").splitlines())
    assert length <= MAX_FILE_LINES, (
        f"edit {path}: {length} lines, at most {MAX_FILE_LINES}; split it by idea"
    )
    code = code_lines(path)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = len(code & set(range(node.lineno, (node.end_lineno or 0) + 1)))
            assert size <= MAX_FUNCTION_LINES, (
                f"edit {path}:{node.lineno}, {node.name} has {size} code lines, "
                f"at most {MAX_FUNCTION_LINES}; split it by idea"
            )


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("fills.simple", "engine"),
        ("segmenting.view", "fills.simple"),
        ("sampling.samplers", "surrogates.linear"),
        ("explainers.lime", "explainers.quicklime"),
        ("explainers.lime", "pictures.figures.draw"),
        ("explainers.lime", "metrics.fidelity"),
        ("engine.samples", "results.explanation"),
        ("pictures.overlay", "results.explanation"),
        ("demo", "cli"),
        ("cli", "compat.lime_image"),
        ("explainers.lime", "adapters.torch"),
        ("pictures.figures", "results.explanation"),
        ("engine", "__init__"),
    ],
)
def test_the_plan_forbids(importer, imported):
    assert complaint(importer, imported) is not None


def test_no_two_files_differ_by_a_letter():
    stems = sorted({path.stem for path in FILES} - {"model", "models"})
    assert [pair for pair in combinations(stems, 2) if one_letter_apart(*pair)] == []


def one_letter_apart(one, other):
    """Tell whether inserting, dropping or changing one letter makes one name the other."""
    one, other = sorted((one, other), key=len)
    if len(one) == len(other):
        return sum(a != b for a, b in zip(one, other, strict=True)) == 1
    return one in {other[:k] + other[k + 1 :] for k in range(len(other))}


def test_a_public_name_means_one_thing():
    homes = {}
    for path in FILES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [getattr(node, "name", "")]
            if isinstance(node, ast.Assign):
                names = [each.id for each in node.targets if isinstance(each, ast.Name)]
            for name in names:
                if len(name) > 1 and not name.startswith("_"):  # T is any type
                    homes.setdefault(name, []).append(module_name(path))
    # `compat` has the names that lime gave.
    twice = {
        name: {home for home in modules if not home.startswith("compat")}
        for name, modules in homes.items()
    }
    assert {name: modules for name, modules in twice.items() if len(modules) > 1} == {}
