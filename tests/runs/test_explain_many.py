"""Many images in one call: the same answers as one by one, whatever the order and the workers."""

import operator
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import limelens as ll
from limelens.errors import InvalidInputError, LimelensWarning
from limelens.results import storage
from limelens.runs import Failure, image_seed
from limelens.testing import digits_classifier


def same(one, other):
    return (
        np.array_equal(one.importances, other.importances)
        and np.array_equal(one.samples.keys, other.samples.keys)
        and np.array_equal(one.image, other.image)
    )


def test_explanations_are_those_of_explain_with_the_images_own_seed(explainer, images, model):
    found = list(ll.explain_many(explainer, images, model, rng=3))
    for image, explanation in zip(images, found, strict=True):
        alone = explainer.explain(image, model, rng=image_seed(image, 3))
        assert same(alone, explanation)


def test_neither_order_nor_company_changes_an_explanation(explainer, images, model):
    found = list(ll.explain_many(explainer, images, model))
    backwards = list(ll.explain_many(explainer, images[::-1], model))
    (alone,) = ll.explain_many(explainer, images[2:3], model)
    assert all(same(a, b) for a, b in zip(found, backwards[::-1], strict=True))
    assert same(found[2], alone)


def test_another_seed_or_another_image_draws_other_coalitions(explainer, images, model):
    first, second = (e.samples.keys for e in ll.explain_many(explainer, images[:2], model))
    (other,) = ll.explain_many(explainer, images[:1], model, rng=1)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, other.samples.keys)


mean_of = operator.methodcaller("mean", axis=(1, 2))  # sent to workers by pickle


def test_workers_change_nothing(explainer, images, tmp_path):
    digits = [image[:8, :8] for image in np.random.default_rng(1).random((9, 8, 8)) * 16]
    model = digits_classifier()
    settings = {"batch_size": 64}  # the model itself rounds by the size of its batch
    here = list(ll.explain_many(explainer, digits, model, **settings))
    there = list(ll.explain_many(explainer, digits, model, n_jobs=2, **settings))
    run = ll.explain_many(explainer, digits, model, n_jobs=2, output=tmp_path / "run", **settings)
    assert all(same(a, b) for a, b in zip(here, there, strict=True))
    assert all(same(a, b) for a, b in zip(here, run, strict=True))


def test_settings_of_explain_are_passed_on(explainer, images, model):
    image = np.stack(images[:3])  # (3, 6, 6)

    def scores(batch):
        assert batch.shape[1:] == (3, 6, 6)
        assert len(batch) <= 2
        return np.stack([batch.mean(axis=(1, 2, 3)), batch.max(axis=(1, 2, 3))], axis=1)

    (found,) = ll.explain_many(
        explainer,
        [image],
        scores,
        target="bright",
        channel_axis=0,
        class_names=["mean", "bright"],
        batch_size=2,
    )
    assert found.target_names == ("bright",)
    assert found.channel_axis == 0


def test_pixels_that_do_not_count_are_said_once_or_image_by_image(explainer, images, model):
    scans = [image.copy() for image in images[:2]]
    scans[0][0], scans[1][-1] = np.nan, np.nan

    def score(batch):
        return np.nan_to_num(batch).mean(axis=(1, 2))

    found = list(ll.explain_many(explainer, scans, score, valid=lambda scan: ~np.isnan(scan)))
    assert [np.isnan(each.image).sum() for each in found] == [6, 6]
    assert [each.heatmap()[row].any() for each, row in zip(found, (0, -1), strict=True)] == [0, 0]
    upper = np.arange(36).reshape(6, 6) < 18
    (found,) = ll.explain_many(explainer, images[:1], model, valid=upper)
    assert same(found, explainer.explain(images[0], model, valid=upper, rng=image_seed(images[0])))
    (found,) = ll.explain_many(explainer, scans[:1], score)
    assert found.error.startswith("InvalidInputError: `image` must be finite")


def test_images_are_read_when_their_turn_comes_and_not_kept(explainer, images, model):
    read = []

    def coming():
        for index, image in enumerate(images):
            read.append(index)
            yield image

    found = ll.explain_many(explainer, coming(), model)
    assert read == []
    next(found)
    assert read == [0]


def test_progress_counts_images(explainer, images, model):
    seen = []
    progress = lambda done, total: seen.append((done, total))  # noqa: E731
    list(ll.explain_many(explainer, images, model, progress=progress))
    assert seen == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    seen.clear()
    list(ll.explain_many(explainer, iter(images[:2]), model, progress=progress))
    assert seen == [(1, 1), (2, 2)]


def test_a_failure_takes_the_place_of_its_explanation(explainer, images, model):
    images[1] = images[1] * np.nan
    found = list(ll.explain_many(explainer, images[:3], model))
    assert [type(each).__name__ for each in found] == ["Explanation", "Failure", "Explanation"]
    assert found[1].name == "image-000001"
    assert found[1].error.startswith("InvalidInputError: `image` must be finite")
    assert "Traceback" in found[1].traceback


def test_a_failure_ends_the_run_if_asked_to(explainer, images, model):
    images[1] = images[1] * np.nan
    found = ll.explain_many(explainer, images, model, on_error="raise")
    next(found)
    with pytest.raises(ll.InvalidInputError, match="`image` must be finite") as error:
        next(found)
    assert error.value.__notes__ == ["raised for the image 'image-000001'"]


def test_an_exception_of_the_model_is_recorded_with_where_it_was_raised(explainer, images):
    def broken(batch):
        raise ZeroDivisionError("the sensor is off")

    (found,) = ll.explain_many(explainer, images[:1], broken)
    assert isinstance(found, Failure)
    assert found.error == "ZeroDivisionError: the sensor is off"
    assert "in broken" in found.traceback


def test_a_run_is_found_again(explainer, images, model, tmp_path):
    run = ll.explain_many(explainer, images, model, output=tmp_path / "a" / "run")
    again = ll.Run.load(tmp_path / "a" / "run")
    assert len(run) == len(again) == 5
    assert run.names == again.names == tuple(f"image-{index:06d}" for index in range(5))
    for image, one, other in zip(images, run, again, strict=True):
        assert np.array_equal(one.image, image)
        assert same(one, other)
    assert same(again["image-000003"], again[3])
    assert run.entries[0].scores == tuple(run[0].target_values[:, 0])
    assert run.entries[0].n_predictions == run[0].n_predictions
    with pytest.raises(ll.InvalidInputError, match="`key` must be the name or the number"):
        run[:1]


def test_what_is_done_is_not_paid_for_again(explainer, images, model, tmp_path):
    ll.explain_many(explainer, images[:3], model, output=tmp_path)
    paid = model.shown
    run = ll.explain_many(explainer, images[:3], model, output=tmp_path)
    assert model.shown == paid
    run = ll.explain_many(explainer, images, model, output=tmp_path)
    assert model.shown == paid + sum(each.n_predictions for each in list(run)[3:])


def test_a_torn_file_is_made_anew_bit_for_bit(explainer, images, model, tmp_path):
    run = ll.explain_many(explainer, images, model, output=tmp_path)
    path = tmp_path / run.entries[2].file
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    (tmp_path / run.entries[3].file).unlink()
    paid = model.shown
    again = ll.explain_many(explainer, images, model, output=tmp_path)
    assert path.read_bytes() == whole
    assert model.shown == paid + again[2].n_predictions + again[3].n_predictions


def test_failures_are_recorded_and_tried_again(explainer, images, tmp_path):
    is_off = [True]

    def model(batch):
        if is_off[0] and batch.max() == images[1].max():
            raise OSError("no answer from the server")
        return batch.mean(axis=(1, 2))

    with pytest.warns(ll.LimelensWarning, match=r"1 of 5 images .*'image-000001'.*no answer"):
        run = ll.explain_many(explainer, images, model, output=tmp_path)
    assert len(run) == 4
    assert run.failures[0].error == "OSError: no answer from the server"
    assert run.failures == ll.Run.load(tmp_path).failures
    with pytest.raises(ll.InvalidInputError, match="it failed: OSError: no answer"):
        run["image-000001"]
    is_off[0] = False
    run = ll.explain_many(explainer, images, model, output=tmp_path)
    assert len(run) == 5
    assert run.failures == ()
    assert run.names[1] == "image-000001"  # in its place, not at the end


def test_a_folder_of_pictures_becomes_a_run_with_their_names(explainer, model, tmp_path):
    for name in ("b/one.png", "a/one.png", "two.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.arange(len(name) ** 2, dtype=np.uint8).reshape(len(name), -1)).save(
            tmp_path / "photos" / name
        )
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    output = tmp_path / "photos" / "run"  # inside: its own files are no images
    run = ll.explain_many(explainer, tmp_path / "photos", lambda b: b.mean((1, 2)), output=output)
    assert run.names == ("a/one.png", "b/one.png", "two.png")
    assert run["b/one.png"].image.shape == (9, 9)
    page = run.report(truth=dict.fromkeys(run.names, 0))
    assert page == output / "report.html"
    again = ll.explain_many(explainer, str(tmp_path / "photos"), lambda b: 1 / 0, output=output)
    assert len(again) == 3  # nothing was asked


def test_a_summary_counts_without_opening_files(explainer, images, model, tmp_path):
    images.append(np.full((6, 6), np.nan))
    with pytest.warns(ll.LimelensWarning, match="1 of 6 images"):
        run = ll.explain_many(
            explainer, images, model, output=tmp_path, class_names=["bright"], target="bright"
        )
    for entry in run.entries:
        (tmp_path / entry.file).unlink()
    summary = run.summary()
    assert (summary.n_explained, summary.n_failed) == (5, 1)
    assert summary.n_predictions == model.shown
    assert summary.targets == {"bright": 5}
    assert summary.errors == {"InvalidInputError": 1}
    assert str(summary).startswith("5 images explained; the model scored ")


def test_another_run_is_refused_and_nothing_overwritten(explainer, images, model, tmp_path):
    ll.explain_many(explainer, images, model, output=tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    other = replace(explainer, n_samples=9)
    with pytest.raises(ll.InvalidInputError, match=r"explainer\.Lime\.n_samples was 8 and is 9"):
        ll.explain_many(other, images, model, output=tmp_path)
    with pytest.raises(ll.InvalidInputError, match="rng was 0 and is 1"):
        ll.explain_many(explainer, images, model, output=tmp_path, rng=1)
    with pytest.raises(ll.InvalidInputError, match="target was null and is 0"):
        ll.explain_many(explainer, images, model, output=tmp_path, target=0)
    with pytest.raises(ll.InvalidInputError, match="explains another one than 'image-000000' is"):
        ll.explain_many(explainer, images[1:], model, output=tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_settings_that_a_run_lacks_are_named(images, model, tmp_path):
    quick = ll.QuickLime(segmenter=ll.Grid(4))
    ll.explain_many(quick, images, model, output=tmp_path)
    words = r": explainer\.QuickLime\.kernel_rows was not set and is 64\. Take"
    with pytest.raises(ll.InvalidInputError, match=words):
        ll.explain_many(replace(quick, kernel_rows=64), images, model, output=tmp_path)


def test_names_that_stay_make_the_order_free(explainer, images, model, tmp_path):
    """The advice of the error above."""
    named = {f"scan {index}": image for index, image in enumerate(images)}
    ll.explain_many(explainer, named, model, output=tmp_path)
    paid = model.shown
    backwards = dict(reversed(named.items()))
    assert ll.explain_many(explainer, backwards, model, output=tmp_path).names[0] == "scan 4"
    assert model.shown == paid


def test_a_folder_that_holds_something_else_is_left_alone(explainer, images, model, tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(ll.InvalidInputError, match=r"holds 'thesis.tex', and no manifest"):
        ll.explain_many(explainer, images, model, output=tmp_path)
    with pytest.raises(ll.InvalidInputError, match="is a file"):
        ll.explain_many(explainer, images, model, output=tmp_path / "thesis.tex")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    assert model.shown == 0


def test_a_manifest_of_something_else_is_left_alone(explainer, images, model, tmp_path):
    (tmp_path / "manifest.jsonl").write_text('{"format": "another", "version": 1}\n')
    with pytest.raises(ll.InvalidInputError, match=r"manifest.jsonl.* of format 'another'"):
        ll.explain_many(explainer, images, model, output=tmp_path)
    (tmp_path / "manifest.jsonl").write_text("no JSON")
    with pytest.raises(ll.InvalidInputError, match=r"manifest.jsonl.* cannot be read"):
        ll.Run.load(tmp_path)


def test_a_full_disk_is_said_and_the_run_goes_on_afterwards(
    explainer, images, model, tmp_path, monkeypatch
):
    write, written = storage._write_archive, []

    def full(path, members, *, packed):
        written.append(path)
        if len(written) == 3:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        write(path, members, packed=packed)

    monkeypatch.setattr(storage, "_write_archive", full)
    with pytest.raises(ll.OutputError, match=r"No space left on device.* goes on from there"):
        ll.explain_many(explainer, images, model, output=tmp_path)
    assert len(ll.Run.load(tmp_path)) == 2
    assert len(list(tmp_path.glob("*.npz"))) == 2
    monkeypatch.undo()
    paid = model.shown
    run = ll.explain_many(explainer, images, model, output=tmp_path)
    assert len(run) == 5
    assert model.shown == paid + sum(run[index].n_predictions for index in (2, 3, 4))


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits")
def test_a_file_that_the_system_refuses_is_an_output_error(tmp_path):
    """The limit on the size of files stands for a disk that is full in earnest."""
    code = (
        "import resource, signal, numpy as np, limelens as ll\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))\n"
        "e = ll.Ablation(segmenter=ll.Grid(4))\n"
        f"ll.explain_many(e, [np.eye(4)], lambda b: b[:, 0, 0], output={str(tmp_path / 'r')!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "OutputError: the results cannot be written" in done.stderr
    assert "File too large" in done.stderr
    assert not list((tmp_path / "r").glob("*.npz"))


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX locks")
def test_only_one_process_works_in_a_folder(explainer, images, model, tmp_path):
    def intruding(batch):
        with pytest.raises(ll.InvalidInputError, match="another process is at work"):
            ll.explain_many(explainer, images, model, output=tmp_path)
        return model(batch)

    run = ll.explain_many(explainer, images[:1], intruding, output=tmp_path)
    assert run.failures == ()


def test_an_other_version_is_said_once(explainer, images, model, tmp_path):
    ll.explain_many(explainer, images, model, output=tmp_path)
    path = tmp_path / "manifest.jsonl"
    path.write_text(path.read_text().replace(f'"numpy": "{np.__version__}"', '"numpy": "0.9"'))
    with pytest.warns(ll.LimelensWarning, match=r"begun with numpy 0\.9 \(now ") as caught:
        ll.explain_many(explainer, images, model, output=tmp_path)
    assert caught[0].filename == __file__


KILLED = """
import os, sys, time
import numpy as np
import limelens as ll
folder, log = sys.argv[1:]

def model(batch):
    with open(log, "a") as file:
        file.write("." * len(batch))
    time.sleep(0.001)
    return np.tanh(batch[:, :3].mean(axis=(1, 2)))

images = np.random.default_rng(0).random((6, 6, 6))
lime = ll.Lime(segmenter=ll.Grid(4), fill=ll.Constant(0), n_samples=12, surrogate=ll.Ridge())
ll.explain_many(lime, images, model, output=folder, batch_size=1)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_run_that_is_killed_again_and_again_ends_as_if_undisturbed(tmp_path):
    """By SIGKILL, wherever it is; what it costs more is one image at most each time."""
    script = tmp_path / "run.py"
    script.write_text(KILLED)

    def start(folder, log):
        return subprocess.Popen([sys.executable, script, tmp_path / folder, tmp_path / log])

    assert start("calm", "calm.log").wait() == 0
    calm = len((tmp_path / "calm.log").read_text())
    log, kills = tmp_path / "killed.log", 0
    for kill_at in (calm // 5, calm // 2, calm * 4 // 5):
        process = start("killed", log.name)
        while process.poll() is None and not (log.exists() and log.stat().st_size >= kill_at):
            time.sleep(0.0005)
        os.kill(process.pid, signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills == 3
    assert start("killed", log.name).wait() == 0

    def contents(folder):
        return {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()}

    assert contents("killed") == contents("calm")
    most = max(each.n_predictions for each in ll.Run.load(tmp_path / "calm"))
    assert calm <= len(log.read_text()) <= calm + kills * most


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"explainer": ll.Lime}, r"`explainer` must .*Pass an instance: Lime\(\)"),
        ({"explainer": "lime"}, "`explainer` must be an explainer"),
        ({"rng": None}, "`rng` must be an integer >= 0; got None"),
        ({"rng": np.random.default_rng(0)}, "`rng` must be an integer"),
        ({"on_error": "ignore"}, "`on_error` must be one of 'record', 'raise'"),
        ({"n_jobs": 0}, "`n_jobs` must be 1 or more, -1 for all cores"),
        ({"n_jobs": 1.5}, "`n_jobs` must be an integer"),
        ({"in_flight": 0}, "`in_flight` must be an integer >= 1"),
        ({"batch_size": 0}, "`batch_size` must be an integer >= 1"),
        ({"output": 3}, "`output` must be the path of a folder"),
        ({"output": ""}, "`output` must be the path of a folder"),
        ({"progress": 3}, "`progress` must be a callable"),
        ({"predict_fn": 3}, "`predict_fn` must be a callable"),
        ({"predict_fn": "missing.onnx"}, "no file is at 'missing.onnx'"),
        ({"predict_fn": "model"}, "`predict_fn` must be a callable .*'module:function'"),
        ({"predict_fn": "a b:c"}, "`predict_fn` must be a callable .*'module:function'"),
        ({"predict_fn": "https://x.org/y"}, "limelens.from_http"),
        ({"predict_fn": "net.pth"}, "limelens.from_torch"),
    ],
)
def test_arguments_are_checked_at_the_call(explainer, images, model, arguments, words):
    given = {"explainer": explainer, "images": images, "predict_fn": model, **arguments}
    with pytest.raises(ll.InvalidInputError, match=words):
        ll.explain_many(**given)


def test_a_model_is_found_by_module_and_name(explainer, images, tmp_path, monkeypatch):
    (tmp_path / "my_models.py").write_text(
        "class Net:\n    @staticmethod\n    def score(batch):\n        return batch.mean((1, 2))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    (found,) = ll.explain_many(explainer, images[:1], "my_models:Net.score")
    assert found.scores == images[0].mean()
    with pytest.raises(ll.InvalidInputError, match=r"'my_models' has no 'Net\.missing'"):
        list(ll.explain_many(explainer, images[:1], "my_models:Net.missing"))
    with pytest.raises(ll.InvalidInputError, match="module that can be imported"):
        list(ll.explain_many(explainer, images[:1], "no_such_module:f"))


def test_what_cannot_travel_to_workers_is_told_how_to(explainer, images):
    import threading

    lock = threading.Lock()

    def model(batch):
        with lock:
            return batch.mean(axis=(1, 2))

    with pytest.raises(ll.InvalidInputError, match="predict_fn='module:function'"):
        list(ll.explain_many(explainer, images, model, n_jobs=2))
    assert len(list(ll.explain_many(explainer, images, model, n_jobs=1))) == 5


def test_large_arrays_leave_nothing_behind_while_workers_run(explainer, tmp_path):
    """Of every array beyond a megabyte joblib would keep a file until all images are done."""
    images = (np.random.default_rng(seed).random((400, 400)) for seed in range(8))
    kept = []

    def measure(done, total):
        folders = [Path("/dev/shm"), Path(tempfile.gettempdir())]
        found = [each for folder in folders for each in folder.glob(f"joblib*_{os.getpid()}_*/*")]
        kept.append(sum(each.stat().st_size for each in found if each.is_file()))

    for _ in ll.explain_many(explainer, images, mean_of, n_jobs=2, progress=measure):
        pass
    assert len(kept) == 8
    assert max(kept) < 400 * 400 * 8


# joblib's own thread may stumble over the workers that it kills
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_giving_up_half_way_is_no_reason_to_warn(explainer):
    images = [np.random.default_rng(seed).random((6, 6)) for seed in range(30)]
    found = ll.explain_many(explainer, images, mean_of, n_jobs=2)
    next(found)
    found.close()  # warnings are errors here


def test_a_generator_that_fails_ends_the_run_with_its_own_error(explainer, images, tmp_path):
    def coming():
        yield from images[:3]
        raise KeyError("the database is gone")

    for n_jobs in (1, 2):
        output = tmp_path / str(n_jobs)
        with pytest.raises(KeyError, match="the database is gone"):
            ll.explain_many(explainer, coming(), mean_of, n_jobs=n_jobs, output=output)
        assert len(ll.Run.load(output)) == 3  # what was under way is kept
        assert len(ll.explain_many(explainer, images, mean_of, output=output)) == 5


def test_warnings_point_at_the_callers_line(explainer, model):
    with pytest.warns(ll.LimelensWarning, match="never changed") as caught:
        list(ll.explain_many(explainer, [np.eye(6)], lambda batch: np.ones(len(batch))))
    assert caught[0].filename == __file__


@pytest.mark.parametrize("target", [{"target": 7}, {"target": "cat"}, {"class_names": ["a", "b"]}])
def test_what_no_image_has_ends_the_run_at_the_first_one(
    explainer, images, model, target, tmp_path
):
    with pytest.raises(InvalidInputError, match=r"`target`|`class_names`") as error:
        ll.explain_many(explainer, images, model, output=tmp_path, **target)
    assert error.value.__notes__ == ["raised for the image 'image-000000'"]
    assert model.shown <= 2
    assert ll.Run.load(tmp_path).failures == ()


def test_a_callable_target_that_fails_on_an_image_fails_there_only(explainer, images, model):
    def target(scores):
        if scores[0, 0] == tanh_of_first:
            raise InvalidInputError("`target` likes other images")
        return scores[:, 0]

    tanh_of_first = model(images[0][np.newaxis])[0]
    found = list(ll.explain_many(explainer, images, model, target=target))
    assert [isinstance(each, Failure) for each in found] == [True, False, False, False, False]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": "limelens.run"}'])
def test_a_damaged_manifest_is_named_after_the_argument(
    explainer, images, model, tmp_path, content
):
    (tmp_path / "manifest.jsonl").write_text(content)
    with pytest.raises(InvalidInputError, match=r"`output` must be the folder of a run; .*damaged"):
        ll.explain_many(explainer, images, model, output=tmp_path)
    with pytest.raises(InvalidInputError, match=r"`folder` must be the folder of a run; .*damaged"):
        ll.Run.load(tmp_path)
    assert (tmp_path / "manifest.jsonl").read_text() == content


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"torn")])
def test_a_file_that_is_gone_or_torn_is_told_by_its_image(explainer, images, model, tmp_path, harm):
    run = ll.explain_many(
        explainer, dict(zip("abcde", images, strict=True)), model, output=tmp_path
    )
    harm(tmp_path / "b.npz")
    for take in (lambda: run["b"], lambda: list(run), lambda: run[1]):
        with pytest.raises(
            InvalidInputError, match=r"that of 'b', .*b.npz'.*The same explain_many"
        ):
            take()
    run = ll.explain_many(
        explainer, dict(zip("abcde", images, strict=True)), model, output=tmp_path
    )
    assert len(list(run)) == 5


def test_warnings_of_workers_reach_the_caller(explainer, images):
    grey = replace(explainer, fill=ll.Constant(0.5))  # any pixel of it counts
    with pytest.warns(LimelensWarning, match="never changed") as caught:
        list(ll.explain_many(grey, images, partial(np.any, axis=(1, 2)), n_jobs=2))
    assert {each.filename for each in caught} == {__file__}
