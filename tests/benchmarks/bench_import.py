"""What `import limelens` costs beside `import numpy`; fresh processes that take turns.

python tests/benchmarks/bench_import.py
"""

import os
import subprocess
import sys
import tempfile

import numpy as np
from timing import print_table

STATEMENTS = {
    "numpy": "import numpy",
    "limelens": "import limelens",
    "limelens.Lime": "from limelens import Lime",
    "limelens.Lime()": "from limelens import Lime; Lime()",
}
REPEATS = 15
CHILD = """
import time
start = time.process_time()
{statement}
print(time.process_time() - start)
"""


def seconds(statement: str, compiled: str) -> float:
    """Return the time of one statement, with the modules compiled as after an installation."""
    code = CHILD.format(statement=statement)
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(run.stdout)


def main() -> None:
    times: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    with tempfile.TemporaryDirectory() as compiled:
        for statement in STATEMENTS.values():
            seconds(statement, compiled)
        for _ in range(REPEATS):
            for name, statement in STATEMENTS.items():
                times[name].append(seconds(statement, compiled))
    numpy = np.array(times["numpy"])
    rows = [
        (
            f"`{STATEMENTS[name]}`",
            f"{1000 * np.min(values):.3g} ms",
            f"{np.min(values) / numpy.min():.3g}",
            f"{np.median(values) / np.median(numpy):.3g}",
        )
        for name, values in times.items()
    ]
    print("## Import\n")
    print(f"CPU time of {REPEATS} fresh processes each, in turns; minimum and median.\n")
    columns = ("statement", "minimum", "/ `import numpy`, of minima", "of medians")
    print_table(columns, rows)


if __name__ == "__main__":
    main()
