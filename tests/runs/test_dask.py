"""Workers of a real dask cluster: processes of their own, one of which dies in the middle."""

import os
import signal
import sys

import numpy as np
import pytest

import limelens as ll

distributed = pytest.importorskip("distributed", reason="needs distributed (extra `dask`)")
joblib = pytest.importorskip("joblib")

MODEL = """
import os, time
from pathlib import Path
import numpy as np

HERE = Path(__file__).parent

def predict(batch):  # notes who was shown how many images, and is slow enough to be interrupted
    with open(HERE / "shown.log", "a") as file:
        file.write(f"{os.getpid()} {len(batch)}\\n")
    time.sleep(0.01)
    return np.tanh(batch[:, :3].mean(axis=(1, 2)))
"""


def shown(folder):
    """Return the images that the model was shown, by process."""
    if not (folder / "shown.log").exists():
        return {}
    counts = {}
    for line in (folder / "shown.log").read_text().splitlines():
        process, count = line.split()
        counts[int(process)] = counts.get(int(process), 0) + int(count)
    return counts


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Two worker processes that find `dask_models`, each with one thread."""
    (tmp_path / "dask_models.py").write_text(MODEL)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    with (
        distributed.LocalCluster(**options, dashboard_address=None, silence_logs=50) as local,
        distributed.Client(local),
    ):
        yield local


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_a_worker_that_is_killed_loses_nothing_and_costs_its_open_image(cluster, tmp_path):
    images = list(np.random.default_rng(0).random((12, 6, 6)))
    lime = ll.Lime(segmenter=ll.Grid(4), fill=ll.Constant(0), n_samples=12, surrogate=ll.Ridge())
    here = list(ll.explain_many(lime, images, lambda b: np.tanh(b[:, :3].mean(axis=(1, 2)))))
    killed = []

    def kill_once(done, total):
        if not killed:
            killed.append(max(shown(tmp_path), key=shown(tmp_path).get))
            os.kill(killed[0], signal.SIGKILL)

    with joblib.parallel_config(backend="dask"):
        run = ll.explain_many(
            lime,
            images,
            "dask_models:predict",
            output=tmp_path / "run",
            n_jobs=-1,
            batch_size=1,
            progress=kill_once,
        )
    assert killed
    assert len(run) == 12
    assert run.failures == ()
    for one, other in zip(here, run, strict=True):
        assert np.array_equal(one.importances, other.importances)
    paid = sum(shown(tmp_path).values())
    least, most = run.summary().n_predictions, max(each.n_predictions for each in run)
    assert least <= paid <= least + most
    assert os.getpid() not in shown(tmp_path)
    assert len(shown(tmp_path)) >= 2
