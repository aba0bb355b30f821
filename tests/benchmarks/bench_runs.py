"""Runs over many images: stopped and gone on with, in two processes, small images, memory.

`python tests/benchmarks/bench_runs.py [kills workers rate memory] [--baseline SRC]` prints
Markdown tables. Everything is a ratio or a count but memory; `--baseline` names the `src` folder of
an earlier commit, whose rate on small images is then measured in turns with this one's.
"""

import argparse
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from timing import print_table

import limelens as ll

KILLED = """
import sys, time
import numpy as np
import limelens as ll
folder, log = sys.argv[1:]

def model(batch):
    with open(log, "a") as file:
        file.write("." * len(batch))
    time.sleep(0.002 * len(batch))
    return np.tanh(batch[:, :8].mean(axis=(1, 2)))

images = np.random.default_rng(0).random((20, 16, 16))
ll.explain_many(
    ll.Lime(segmenter=ll.Grid(9), fill=ll.Constant(0), n_samples=60),
    images,
    model,
    output=folder,
    batch_size=64,
)
"""


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def kills(n: int = 10) -> None:
    """Kill a run at random moments, go on each time, and compare with one left in peace."""
    rng = np.random.default_rng(int(time.time()))
    with tempfile.TemporaryDirectory() as place:
        here = Path(place)
        script = here / "run.py"
        script.write_text(KILLED)

        def start(name: str) -> subprocess.Popen[bytes]:
            return subprocess.Popen([sys.executable, script, here / name, here / f"{name}.log"])

        start("calm").wait()
        calm = (here / "calm.log").stat().st_size
        log, done = here / "killed.log", 0
        moments = np.sort(rng.integers(1, calm, n))
        while done < n:
            process = start("killed")
            while process.poll() is None:
                shown = log.stat().st_size if log.exists() else 0
                if shown >= moments[done]:
                    break
                time.sleep(0.001)
            time.sleep(rng.random() * 0.1)  # anywhere: in a call, a fit, a file
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                done += 1
            if process.wait() >= 0:
                break  # it came to its end, or failed
        assert start("killed").wait() == 0
        a_run = max(each.n_predictions for each in ll.Run.load(here / "calm"))
        more = log.stat().st_size - calm
        equal = contents(here / "calm") == contents(here / "killed")
    columns = ("kills", "equal bytes", "calls", "more calls", "images' worth a kill")
    print_table(columns, [(done, equal, calm, more, f"{more / a_run / max(done, 1):.2f}")])


class Busy:
    """A model in pure Python, which holds the interpreter's lock."""

    def __call__(self, batch: np.ndarray) -> list[float]:
        return [sum(row) / len(row) for row in batch.reshape(len(batch), -1).tolist()]


def workers(n_images: int = 600, repeats: int = 3) -> None:
    """Time one worker and two on a model that shares nothing, in turns.

    A machine with other work gives two processes a larger share than one. So the processor's time
    is measured too: that of this process, which no second worker shares, bounds the gain.
    """
    images = np.random.default_rng(0).random((n_images, 48, 48))
    lime = ll.Lime(segmenter=ll.Grid(16), n_samples=400, surrogate=ll.Ridge())
    found: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    starts = []
    for _ in range(repeats):
        for n_jobs, runs in found.items():
            start = time.perf_counter()
            list(ll.explain_many(lime, images[:n_jobs], Busy(), n_jobs=n_jobs))  # start them
            starts += [time.perf_counter() - start] * (n_jobs == 2)
            start, own = time.perf_counter(), time.process_time()
            for _ in ll.explain_many(lime, images, Busy(), n_jobs=n_jobs):
                pass
            runs.append((time.perf_counter() - start, time.process_time() - own))
    (one, _), (two, own) = (min(runs) for runs in found.values())
    columns = ("images", "s, one worker", "s, two workers", "times as fast")
    rest = ("s of this process beside two workers", "s to start them", "load of the machine")
    load = f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    row = (n_images, f"{one:.2f}", f"{two:.2f}", f"{one / two:.2f}", f"{own:.2f}")
    print_table((*columns, *rest), [(*row, f"{starts[0]:.2f}", load)])


RATE = """
import hashlib, sys, time, warnings
import limelens as ll
from limelens.testing import digits_classifier
from sklearn.datasets import load_digits
warnings.simplefilter("ignore")
images, model = load_digits().images[:1000], digits_classifier()
for settings in ({}, {"segmenter": ll.Grid(cell=(2, 2))}):
    lime, best, digest = ll.Lime(n_samples=200, **settings), 9e9, hashlib.sha256()
    for repeat in range(int(sys.argv[2])):
        start = time.process_time()
        for seed, image in enumerate(images[: int(sys.argv[1])]):
            found = lime.explain(image, model, rng=seed)
            if repeat == 0:
                digest.update((found.importances.round(9) + 0.0).tobytes())
        best = min(best, time.process_time() - start)
    print(f"{int(sys.argv[1]) / best},{digest.hexdigest()[:8]}")
"""


def rates(source: str, n_images: int, repeats: int) -> list[tuple[float, str]]:
    """Return images a second, and a digest of importances, for both kinds of segments."""
    command = [sys.executable, "-c", RATE, str(n_images), str(repeats)]
    environment = {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return [(float(rate), digest) for rate, digest in (x.split(",") for x in done.stdout.split())]


def rate(baseline: str | None, n_images: int = 100) -> None:
    """Images a second on digits of 8 x 8, `Lime(n_samples=200)`, one worker; CPU time."""
    now = str(Path(ll.__file__).parents[1])
    sources = {"now": now} if baseline is None else {"before": baseline, "now": now}
    found: dict[str, list[list[tuple[float, str]]]] = {name: [] for name in sources}
    for _ in range(2):
        for name, source in sources.items():
            found[name].append(rates(source, n_images, 2))
    rows = []
    for column, segments in enumerate(("Slic, the default", "Grid(cell=(2, 2))")):
        best = {name: max(run[column][0] for run in runs) for name, runs in found.items()}
        equal = len({run[column][1] for runs in found.values() for run in runs}) == 1
        times = f"{best['now'] / best['before']:.2f}" if "before" in best else ""
        before = f"{best['before']:.0f}" if "before" in best else ""
        rows.append((segments, before, f"{best['now']:.0f}", times, equal))
    print_table(("segments", "images/s before", "now", "times", "equal to 9 digits"), rows)


def memory(n_images: int = 5000) -> None:
    """Peak memory after a tenth of the images and after all of them, from a generator."""
    rng = np.random.default_rng(0)
    images = (rng.random((32, 32, 3)) for _ in range(n_images))
    explainer = ll.Ablation(segmenter=ll.Grid(4))
    peaks: dict[int, float] = {}

    def note(done: int, _: int) -> None:
        if done in (n_images // 10, n_images):
            peaks[done] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    with tempfile.TemporaryDirectory() as place:
        ll.explain_many(
            explainer, images, lambda b: b.mean(axis=(1, 2, 3)), output=place, progress=note
        )
    first, last = peaks.values()
    columns = ("images", "peak, MiB", "images", "peak, MiB", "more, KiB an image")
    more = f"{1024 * (last - first) / (0.9 * n_images):.2f}"
    print_table(columns, [(n_images // 10, f"{first:.0f}", n_images, f"{last:.0f}", more)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["kills", "workers", "rate", "memory"])
    parser.add_argument("--baseline", metavar="SRC", help="`src` of an earlier commit")
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
          f"NumPy {np.__version__}\n")  # fmt: skip
    for part in options.parts:
        print(f"## {part}\n")
        if part == "rate":
            rate(options.baseline)
        else:
            {"kills": kills, "workers": workers, "memory": memory}[part]()


if __name__ == "__main__":
    main()
