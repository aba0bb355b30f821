"""What a person waits for: whole calls, of an earlier version and now, and by other libraries.

    python tests/benchmarks/bench_user.py [--before REVISION] [--only save]

The revision's sources are taken out of git, and run in a process of their own, in turns with
those of today. Milliseconds of the processor outside the model, of one thread, the shortest of a
few; where "wall" is said, of the clock. Peers are those that this Python can import.
"""

import argparse
import importlib.util
import io
import os
import random
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from timing import print_table

HERE = Path(__file__).parent
BEFORE = "ce78b98"  # the last revision before any of this was worked on
REPEATS, ENOUGH = 20, 2.0  # most runs of a case, and seconds for all of them
FRESH = 4  # processes of each kind that import and explain

Row: TypeAlias = tuple[str, ...]  # what, before, now, before / now, goal, whether it is met


class Version:
    """One version of limelens, or the peers, in a process that waits for the names of cases."""

    def __init__(self, sources: Path, script: str, compiled: Path, threads: int = 1) -> None:
        libraries = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        self._environment = os.environ | dict.fromkeys(libraries, str(threads))
        self._environment["PYTHONPATH"] = str(sources)
        # What is installed has been compiled to bytecode, and is not compiled at each first use.
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self._environment["PYTHONPYCACHEPREFIX"] = str(compiled)
        self._command = [sys.executable, "-W", "ignore", str(HERE / script)]
        self._process: subprocess.Popen[str] | None = None

    def run(self, case: str) -> float:
        """Return the number of a case; NaN where this version cannot do it."""
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=self._environment,
            )
        print(case, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:  # it raised; the next case starts anew
            self._process.wait()
        return float(answer) if answer else float("nan")

    def fresh(self, code: str) -> float:
        """Return the number that a fresh process prints last."""
        command = [sys.executable, "-W", "ignore", "-c", code]
        run = subprocess.run(command, capture_output=True, text=True, env=self._environment)
        return float(run.stdout.split()[-1]) if run.returncode == 0 else float("nan")


def shortest(versions: dict[str, Version], case: str, *, once: bool = False) -> dict[str, float]:
    """Return the shortest time of each version, in turns; with `once`, that of "before" is one."""
    best: dict[str, float] = {}
    start = float("inf")
    for turn in range(REPEATS + 1):  # the first one warms up, and counts only where it is the last
        for name, version in versions.items():
            took = version.run(case)
            best[name] = took if turn < 2 else min(best[name], took)
        if once:
            versions = {name: each for name, each in versions.items() if name == "now"}
        elif time.perf_counter() - start > ENOUGH:
            break
        if turn == 0:  # it may have started the processes, too
            start = time.perf_counter()
    return best


def number(value: float) -> str:
    """Return three digits, and all digits before the point."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def line(what: str, before: float, now: float, goal: float | None = None, unit: str = "ms") -> Row:
    """Return a line of the table; `goal` is the largest number that meets it."""
    ratio = f"{before / now:.3g}" if before == before and unit != "times" else ""
    earlier = f"{number(before)} {unit}" if before == before else ""
    if goal is None:
        return what, earlier, f"{number(now)} {unit}", ratio, "", ""
    met = "yes" if now <= goal else "no"
    return what, earlier, f"{number(now)} {unit}", ratio, f"{number(goal)} {unit}", met


class Table:
    """The parts of the table, each a generator of its lines."""

    def __init__(self, before: Path, now: Path, compiled: Path) -> None:
        self.sources, self.compiled = {"before": before, "now": now}, compiled
        self.versions = self._versions()
        self.peers = Version(now, "call_peers.py", compiled)

    def _versions(self, threads: int = 1) -> dict[str, Version]:
        return {
            name: Version(each, "call_user.py", self.compiled, threads)
            for name, each in self.sources.items()
        }

    def both(self, case: str, **settings: bool) -> tuple[float, float]:
        best = shortest(self.versions, case, **settings)
        return best["before"], best["now"]

    def now(self, case: str) -> float:
        return shortest({"now": self.versions["now"]}, case)["now"]

    def targets(self) -> Iterator[Row]:
        """Ten and a hundred targets against one, 224 px, 256 calls, 50 segments."""
        for name in ("QuickShap", "QuickLime"):
            one = self.both(f"{name}, 1")
            yield line(f"`{name}`, one target", *one)
            for n, goal in ((10, 2), (100, 8)):
                many = self.both(f"{name}, {n}", once=n == 100)
                yield line(f"`{name}`, {n} targets", *many)
                ratios = (many[0] / one[0], many[1] / one[1])
                yield line(f"`{name}`, {n} targets / one", *ratios, goal, "times")

    def rise(self) -> Iterator[Row]:
        """A thousand masks."""
        yield line("`Rise(n_masks=1000)`, 224 px", *self.both("Rise, 224 px"), 130)
        yield line("the same, 10 targets", *self.both("Rise, 10 targets"))
        yield line("`Rise(n_masks=100)`, 1024 px", *self.both("Rise, 1024 px"))

    def cubes(self) -> Iterator[Row]:
        """Fits of a thousand rows."""
        for d in (500, 1000, 2000):
            ridge = self.both(f"Ridge, {d}")[1]
            lasso = self.both(f"Lasso, {d}", once=d > 500)
            yield line(f"`Lasso`, {d} segments", *lasso)
            ratios = (lasso[0] / ridge, lasso[1] / ridge)
            yield line(f"`Lasso` / `Ridge`, {d} segments", *ratios, 3, "times")
        yield line("`stability_report`, 1000 segments", *self.both("stability, 1000", once=True))
        yield line(
            "`stability_report`, 2000 segments", *self.both("stability, 2000", once=True), 2000
        )

    def save(self) -> Iterator[Row]:
        """A file of a thousand rows of a thousand scores."""
        yield line("`save(path)`, 1000 classes", *self.both("save"), 20)
        yield line("its size", *self.both("size", once=True), 1, "MB")
        yield line("`save(path, samples='all')`", float("nan"), self.now("save all"))

    def small(self) -> Iterator[Row]:
        """Explanations of 32 x 32 x 3."""
        goals = {"QuickShap": 5, "Anchors": 5}
        names = ("Ablation", "KernelShap(200)", "Lime(1000)", "QuickLime", "Owen")
        for name in (*names, *goals):
            before, now = self.both(name)
            yield line(f"`{name}`, 32 px", before, now, before / goals.get(name, 2))

    def batches(self) -> Iterator[Row]:
        """How many images a call, and calls under way at once."""
        sizes: dict[int | str, float] = dict.fromkeys((16, 32, 64, 111, "auto"), float("inf"))
        # In turns of changing order: memory left by a run of larger batches costs the next one.
        for turn in range(8):
            for size in random.Random(turn).sample([*sizes], len(sizes)):
                took = self.versions["now"].run(f"batches of {size}")
                sizes[size] = min(sizes[size], took)
        ratio = sizes.pop("auto") / min(sizes.values())
        yield line('near-free model, "auto" / best fixed size', float("nan"), ratio, 1.1, "times")
        one = self.both("one at a time")
        yield line("`Lime(1000)`, 50 ms a call of 64, wall", *one)
        yield line("the same, 8 in flight, wall", one[0], self.now("8 in flight"), 250)

    def threads(self) -> Iterator[Row]:
        """With two threads of linear algebra allowed."""
        two = self._versions(threads=2)
        for name in ("QuickLime", "KernelShap", "Lime"):
            best = shortest(two, f"threads, {name}")
            yield line(f"`{name}`, 50 segments, two threads, wall", best["before"], best["now"])

    def first_use(self) -> Iterator[Row]:
        """A fresh process that imports limelens and explains, against what it has to import."""
        times: dict[str, list[float]] = {}
        codes = {"grid": FIRST.format("segmenter=ll.Grid(49), n_samples=100")}
        codes |= {"slic": FIRST.format("n_samples=100"), "numpy": IMPORT.format("numpy")}
        codes |= {"skimage": IMPORT.format("skimage.segmentation._slic")}
        peers = ("lime.lime_image", "captum.attr", "shap", "xaitk_saliency")
        found = [each for each in peers if importlib.util.find_spec(each.split(".")[0])]
        codes |= {each: IMPORT.format(each) for each in found}
        for _ in range(FRESH):  # the first one compiles
            for name, code in codes.items():
                for version in ("before", "now") if name in ("grid", "slic") else ("now",):
                    took = self.versions[version].fresh(code)
                    times.setdefault(f"{name}, {version}", []).append(took)
        best = {name: min(each) for name, each in times.items()}
        for name, called in (("grid", "a grid"), ("slic", "`Slic`")):
            both = best[f"{name}, before"], best[f"{name}, now"]
            yield line(f"first `Lime` of a process, {called}", *both, 1.2 * both[0])
        for name, base in (("grid", "numpy"), ("slic", "skimage")):
            ratios = (best[f"{name}, {each}"] / best[f"{base}, now"] for each in ("before", "now"))
            yield line(f"the same / import {base}", *ratios, unit="times")
        yield line("`Slic` of an image explained before", *self.both("again"))
        for each in found:
            yield line(f"`import {each}`, nothing explained", float("nan"), best[f"{each}, now"])

    def others(self) -> Iterator[tuple[str, ...]]:
        """Other libraries on the same task; the ratio is theirs to ours."""
        pairs = {
            "lime": "Lime, 224 px",
            "xaitk": "Rise, 224 px",
            "captum Ablation": "Ablation",
            "captum KernelShap": "KernelShap(200)",
            "captum Lime": "Lime(1000)",
            "shap": "KernelShap(200)",
        }
        for peer, case in pairs.items():
            best = shortest({"peer": self.peers}, peer)["peer"]
            if best == best:
                yield (
                    peer,
                    f"{number(best)} ms",
                    case,
                    f"{(ours := self.now(case)):.3g} ms",
                    f"{best / ours:.3g}",
                )


FIRST = """
import time
start = time.process_time()
import numpy as np
import limelens as ll
image = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
ll.Lime({}).explain(image, lambda batch: batch[:, 9, 9], target=0, rng=0)
print(1e3 * (time.process_time() - start))
"""
IMPORT = "import time; s = time.process_time(); import {}; print(1e3 * (time.process_time() - s))"
PARTS = ("targets", "rise", "cubes", "save", "small", "batches", "threads", "first_use", "others")


def taken_out(revision: str, folder: str) -> Path:
    """Write the sources of a revision to a folder, and return it."""
    command = ["git", "archive", revision, "src"]
    archive = subprocess.run(command, cwd=HERE.parent.parent, check=True, capture_output=True)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as packed:
        packed.extractall(folder, filter="data")
    return Path(folder) / "src"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", default=BEFORE, help="revision to compare with")
    parser.add_argument("--only", choices=PARTS, help="this part of the table alone")
    arguments = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        before = taken_out(arguments.before, folder)
        table = Table(before, HERE.parent.parent / "src", Path(folder) / "compiled")
        for part in (arguments.only,) if arguments.only else PARTS:
            rows = getattr(table, part)
            print(f"## {rows.__doc__}\n")
            columns = ("what", f"before ({arguments.before})", "now", "ratio", "goal", "met")
            if part == "others":
                columns = ("library", "it takes", "limelens", "takes", "ratio")
            print_table(columns, rows())
    print(f"{time.perf_counter() - start:.0f} s in all.")


if __name__ == "__main__":
    main()
