"""What a person types, gets, and reads when it was wrong."""

import re
import signal
from pathlib import Path

import joblib
import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor
from PIL import Image

import limelens as ll
from limelens import cli
from limelens.cli.commands import command_parser

ASK = "--model shell_models:predict --method ablation --segments 4 --quiet"
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "command-line.md"


def test_explain_draws_a_picture_for_each_image_and_says_what_it_shows(shell, folder):
    code, out, err = shell(f"explain photos/a.png photos/b.png {ASK} --target 1 --html")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert re.fullmatch(r"a: 1 0\.\d+; \d calls; a-ablation\.png", lines[0])
    assert lines[1].startswith("b: 1 ")
    for name in ("a-ablation", "b-ablation"):
        with Image.open(folder / f"{name}.png") as picture:
            assert picture.size[0] > 100
        assert (folder / f"{name}.html").read_text().startswith("<!DOCTYPE html>")


def test_a_folder_becomes_a_run_that_goes_on(shell, folder):
    code, out, _ = shell(f"explain photos {ASK} --output run --classes labels.txt --target bright")
    assert code == 0
    assert out.splitlines()[2].startswith("sub/a.png: bright 0.")
    assert len(ll.Run.load("run")) == 3
    assert (folder / "run" / "sub%2Fa.png.png").exists()
    pixels = np.zeros((8, 8), np.uint8)
    Image.fromarray(pixels + np.uint8(9) * np.eye(8, dtype=np.uint8)).save("photos/c.png")
    before = (folder / "run" / "a.png.npz").stat().st_mtime_ns
    command = f"explain photos {ASK} --output run --classes labels.txt --target bright --html"
    code, out, _ = shell(command)
    assert code == 0
    assert out.splitlines()[-1] == str(Path("run", "report.html"))
    assert len(ll.Run.load("run")) == 4
    assert (folder / "run" / "a.png.npz").stat().st_mtime_ns == before
    code, out, err = shell(f"explain photos {ASK} --output run --target 0 --classes labels.txt")
    assert (code, out) == (2, "")
    assert "holds another one: target was" in err


def test_an_image_that_fails_is_one_line_and_the_others_are_done(shell, folder):
    (folder / "photos" / "b.png").write_bytes(b"no picture")
    code, out, err = shell(f"explain photos {ASK} --output run")
    assert code == 1
    assert [line.split(":")[0] for line in out.splitlines()] == ["a.png", "sub/a.png"]
    assert err.startswith("limelens explain: b.png: InvalidInputError: `images` must be files")
    assert err.count("\n") == 1
    code, out, err = shell(f"explain photos/b.png photos/a.png {ASK}")
    assert (code, out.count("\n"), err.count("\n")) == (1, 1, 1)


def test_progress_goes_to_standard_error(shell):
    loud = ASK.replace(" --quiet", "")
    _, out, err = shell(f"explain photos/a.png photos/b.png {loud}")
    assert err == "1 of 2 images\n2 of 2 images\n"
    assert out.count("\n") == 2
    assert "2" in shell(f"explain photos/a.png photos/b.png {loud} --output run")[2]


def test_colours_are_turned_if_asked(shell, folder):
    Image.open("photos/a.png").convert("RGB").save("photos/a.png")
    code, _, err = shell(f"explain photos/a.png {ASK}")
    assert code == 1
    assert "AssertionError: (2, 8, 8, 3)" in err  # as the model of this shell says it
    code, _, _ = shell(f"explain photos/a.png {ASK} --color grey --output run")
    assert code == 0
    assert ll.Run.load("run")[0].image.shape == (8, 8)


def test_settings_of_the_method_are_those_asked_for(shell):
    shell("explain photos/a.png --model shell_models:predict --method lime --calls 40 --segments 4 "
          "--seed 3 --batch-size 7 --quiet --output run")  # fmt: skip
    explanation = ll.Run.load("run")[0]
    assert explanation.explainer.startswith("Lime(")
    assert "n_samples=40" in explanation.explainer
    assert "n_segments=4" in explanation.explainer
    import shell_models

    seed = ll.runs.image_seed(explanation.image, 3)
    lime = ll.Lime(n_samples=40, segmenter=ll.Slic(4))
    alone = lime.explain(explanation.image, shell_models.predict, rng=seed)
    assert np.array_equal(alone.importances, explanation.importances)


def test_compare_draws_the_methods_side_by_side(shell, folder):
    code, out, err = shell(
        "compare photos/a.png --model shell_models:predict --methods ablation,occlusion "
        "--segments 4 --target 1"
    )
    assert (code, err) == (0, "")
    assert [line.split(":")[0] for line in out.splitlines()] == [
        "ablation",
        "occlusion",
        "limelens-compare.png",
    ]
    with Image.open(folder / "limelens-compare.png") as picture:
        assert picture.size[0] > 300


def test_an_audit_says_what_a_class_relies_on(shell, folder):
    rng = np.random.default_rng(1)
    for index in range(12):
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(f"photos/{index}.png")
    ask = "audit photos --model shell_models:predict --classes labels.txt --target bright --quiet"
    code, out, err = shell(f"{ask} --calls 8 --segments 6 --sheet sheet.png")
    assert (code, err) == (0, "")
    assert out.startswith("bright: 15 images, ")
    assert out.splitlines()[-2:] == ["limelens-audit.png", "sheet.png"]
    for name in ("limelens-audit.png", "sheet.png"):
        with Image.open(folder / name) as picture:
            assert picture.size[0] > 100
    assert shell(f"{ask} --color grey --segments 6")[0] == 0
    assert shell(ask.replace("--target bright ", ""))[0] == 2
    shell(f"explain photos {ASK} --output run --classes labels.txt --target bright")
    code, out, err = shell("audit run")
    assert (code, err) == (0, "")
    assert out.startswith("bright: 15 images, ")
    assert "--model must be left out" in shell("audit run --model shell_models:predict")[2]
    assert shell(ask.replace("photos", "nowhere"))[0] == 2


def test_segments_are_drawn_and_counted(shell, folder):
    code, out, err = shell("segments photos/a.png --segmenter grid --segments 4")
    assert (code, out, err) == (0, "a.png: 4 segments; limelens-segments.png\n", "")
    assert (folder / "limelens-segments.png").exists()


MISTAKES = [
    ("explain photos/a.png", "the following arguments are required: --model"),
    ("explain nothing.png " + ASK, "there is no file or folder 'nothing.png'"),
    ("explain photos/*.gif " + ASK, "no file fits the pattern"),
    ("explain photos " + ASK, "--output DIR must be given for folders"),
    ("explain photos/a.png photos/sub/a.png " + ASK, "--output DIR must be .* of one name"),
    ("explain photos/a.png photos/sub/a.png --output run " + ASK, "'a.png' is there twice"),
    ("explain photos/a.png --model missing.onnx", "no file is at 'missing.onnx'"),
    ("explain photos/a.png --model shell_models", "--model must be .*'module:function'"),
    ("explain photos/a.png --model shell_models:nothing", "'shell_models' has no 'nothing'"),
    ("explain photos/a.png --model shell_models:weights", "--model must be"),
    ("explain photos/a.png --model no_models:f", "a module that can be imported"),
    ("explain photos/a.png --model shell_models.py:f", "ending: 'shell_models:...'"),
    (f"explain photos/a.png {ASK} --target cat", "a column number where .* --classes FILE"),
    (f"explain photos/a.png {ASK} --output {'y' * 300}", "File name too long"),
    ("explain photos/a.png --model shell_models:predict --mean 0.5", "--mean is for ONNX files"),
    ("explain photos/a.png --model shell_models:predict --mean x", "invalid number value: 'x'"),
    ("explain photos/a.png --model m.onnx --size 1,2,3", "invalid size value: '1,2,3'"),
    ("explain photos/a.png --model shell_models:predict --method lame", "--method must be one of"),
    (f"explain photos/a.png {ASK} --calls 9", "--calls is no setting of ablation"),
    (f"explain photos/a.png {ASK} --classes no.txt", "--classes must be a text file"),
    (f"explain photos/a.png {ASK} --jobs 0", "--jobs must be 1 or more"),
    (f"explain photos/a.png {ASK} --batch-size 0", "--batch-size must be"),
    (f"explain photos/a.png {ASK} --seed -1", "--seed must be"),
    (f"explain photos/a.png {ASK} --output photos/a.png", "is a file"),
    (f"explain photos/a.png {ASK} --output photos", "holds 'a.png', and no manifest"),
    ("compare photos/a.png --model shell_models:predict --methods ,", "--method must be one of"),
    ("compare photos --model shell_models:predict", "cannot read 'photos'"),
    ("compare photos/a.png --model shell_models:predict --output x.gif", "--output must be a file"),
    ("audit photos", "--model must be given"),
    ("audit photos --model shell_models:predict", "--target must be given, the class"),
    ("audit photos --model shell_models:predict --target 0 --target 1", "once; got 0 and 1"),
    ("compare photos/a.png --model shell_models:predict --target 0 --target 1", "once; got 0"),
    (f"explain photos/a.png {ASK} --target cat --classes labels.txt", "0 to 1; got 'cat'"),
    (f"explain photos/a.png {ASK} --target 2 --classes labels.txt", "0 to 1; got 2"),
    ("audit photos --model shell_models:predict --target 1 --calls 3", "calls"),
    ("audit photos --target 0 --output a.png --sheet ./a.png", "--sheet must be another file"),
    ("audit photos --target 0 --sheet a.gif", "--sheet must be a file name that ends in .png"),
    ("explain photos/a.png --model missing.onnx --size 8", "no file is at 'missing.onnx'"),
    (f"explain photos {ASK} --output photos", "all of 'photos' lie in the folder of the results"),
    (f"explain photos/a.png {ASK} --classes model.onnx", "in another encoding. Save it anew"),
    (f"explain photos/a.png {ASK} --classes shell_models.py", "a file that names all 2 .*, one a"),
    ("explain photos/a.png --model half_there:f", "'half_there:f' does not: cannot import name"),
    ("segments photos/b.gif", "cannot read 'photos/b.gif'"),
    ("segments photos/a.png --segmenter quickshift --segments 3", "is no setting of quickshift"),
    ("segments photos/a.png --segments 0", "--segments must be"),
]


@pytest.mark.parametrize(("line", "words"), MISTAKES, ids=[line for line, _ in MISTAKES])
def test_a_mistake_is_one_line_and_code_2(shell, line, words):
    code, out, err = shell(line)
    assert (code, out) == (2, "")
    last = err.splitlines()[-1]
    assert re.match(r"limelens (explain|audit|compare|segments): ", last)
    assert re.search(words, last)
    assert len([each for each in err.splitlines() if not each.startswith("usage: ")]) == 1


def test_what_the_model_raises_is_one_line_and_code_1(shell):
    code, _, err = shell("compare photos/a.png --model shell_models:broken --methods ablation")
    assert code == 1
    assert err == "limelens compare: ZeroDivisionError: no sensor (--traceback shows where)\n"
    with pytest.raises(ZeroDivisionError):
        shell("compare photos/a.png --model shell_models:broken --methods ablation --traceback")


def test_no_kind_of_exception_shows_a_traceback(shell):
    code, _, err = shell(f"explain photos/a.png {ASK.replace('predict', 'odd')}")
    assert (code, err) == (1, "limelens explain: GeneratorExit: odd (--traceback shows where)\n")


@pytest.mark.parametrize("model", ["silent", "leaves"])
@pytest.mark.parametrize("command", ["explain", "compare", "audit"])
def test_a_model_without_scores_is_one_line_and_code_1(shell, command, model):
    line = f"{command} photos/a.png --model shell_models:{model} --target 1"
    line = line.replace("/a.png", "") if command == "audit" else line
    code, out, err = shell(f"{line} --quiet" if command != "compare" else line)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert ("ended the program" if model == "leaves" else "got None") in err


def test_a_script_that_leaves_when_it_is_imported_is_no_success(shell, folder):
    (folder / "leaving_script.py").write_text("raise SystemExit(0)")
    code, _, err = shell("explain photos/a.png --model leaving_script:f")
    assert code == 1
    assert "the model's code ended the program" in err


@pytest.mark.parametrize("target", ["7", "cat"])
@pytest.mark.parametrize("output", ["", "--output run"])
def test_a_class_that_is_not_there_is_said_at_the_first_image(shell, target, output):
    code, out, err = shell(f"explain photos/a.png photos/b.png {ASK} --target {target} {output}")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("limelens explain: --target must be ")
    assert target in err


def test_calls_under_way_at_once_change_nothing(shell):
    shell(f"explain photos/a.png {ASK} --output one --batch-size 2")
    shell(f"explain photos/a.png {ASK} --output more --batch-size 2 --in-flight 3")
    one, more = ll.Run.load("one")[0], ll.Run.load("more")[0]
    np.testing.assert_array_equal(one.importances, more.importances)


@pytest.fixture
def many(folder):
    """Twelve pictures more, and label images of all in the folder parts."""
    rng = np.random.default_rng(1)
    for index in range(12):
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(f"photos/{index}.png")
    for path in sorted(Path("photos").rglob("*.png")):
        place = Path("parts") / path.relative_to("photos")
        place.parent.mkdir(parents=True, exist_ok=True)
        halves = np.repeat([[0], [1]], 4, axis=0).repeat(8, axis=1).astype(np.uint8)
        np.save(place.with_suffix(".npy"), halves)
        picture = Image.fromarray(halves, "P")
        picture.putpalette([200, 0, 0, 0, 0, 200])
        if path.stem != "a":
            picture.save(place)
            place.with_suffix(".npy").unlink()
    (folder / "parts.txt").write_text("sky\nground\n")
    return folder


BRIGHT = "audit photos --model shell_models:predict --target 1 --quiet"


def test_an_audit_takes_label_images_of_the_same_names(shell, many):
    code, out, err = shell(f"{BRIGHT} --labels parts --label-names parts.txt")
    assert (code, err) == (0, "")
    assert "sky" in out
    assert out.startswith("class 1: 15 images, 61 calls")  # all four masks of two regions
    shell(f"explain photos {ASK} --output run --target 1")
    assert "sky" in shell("audit run --labels parts --label-names parts.txt")[1]
    (many / "parts" / "3.png").unlink()
    code, out, err = shell(f"{BRIGHT} --labels parts")
    assert (code, out) == (2, "")
    assert "--labels must hold one label image for '3.png', 'parts/3.png'; got none" in err
    Image.new("RGB", (8, 8)).save("parts/3.png")
    code, out, err = shell(f"{BRIGHT} --labels parts")
    assert (code, out.split(" images")[0]) == (1, "class 1: 14")
    assert re.match("limelens audit: 3.png: .*--labels must be images of one whole number", err)
    assert "--label-names must come" in shell(f"{BRIGHT} --label-names parts.txt")[2]


def test_an_audit_without_a_seed_is_that_of_python(shell, many):
    import shell_models

    out = shell(f"{BRIGHT} --segments 6")[1]
    found = ll.audit("photos", shell_models.predict, target=1, segmenter=ll.Slic(6))
    assert out.startswith(f"{found}\n")


def test_an_audit_leaves_out_what_cannot_be_read(shell, many):
    (many / "photos" / "4.png").write_bytes(b"no picture")
    code, out, err = shell(f"{BRIGHT} --segments 6")
    assert code == 1
    assert out.startswith("class 1: 14 images")
    assert re.match("limelens audit: 4.png: InvalidInputError: `images` must be files", err)
    assert err.count("\n") == 1
    assert shell(f"{BRIGHT} --segments 6 --color grey")[0] == 1


def test_what_an_audit_refuses_is_said_in_the_words_of_a_shell(shell, many):
    for each in [each for each in (many / "parts").rglob("*") if each.is_file()]:
        each.unlink()
        Image.fromarray(np.eye(3, dtype=np.uint8)).save(each.with_suffix(".png"))
    assert "audit: --labels must have the image's spatial" in shell(f"{BRIGHT} --labels parts")[2]
    shell(f"explain photos {ASK} --output run")
    code, _, err = shell("audit run")
    assert code == 2
    assert err.startswith("limelens audit: DIR must be of one target")
    assert err.endswith("Pass the one that all of them explain: --target, or explain one class: "
                        "limelens explain --target CLASS.\n")  # fmt: skip


def test_the_pictures_of_a_run_are_no_images(shell, folder):
    assert shell(f"explain photos {ASK} --output photos/first")[0] == 0
    code, out, _ = shell(f"explain photos {ASK} --output photos/second --quiet")
    assert (code, out.count("\n")) == (0, 3)
    code, _, err = shell(f"explain photos/first {ASK} --output third")
    assert (code, err.count("\n")) == (2, 1)
    assert "holds the results of a run. Pass the folder of its images" in err


def test_the_first_column_can_be_audited(shell, many):
    code, out, _ = shell("audit photos --model shell_models:predict --target 0 --quiet")
    assert code == 0
    assert out.startswith("class 0: 15 images")


@pytest.mark.parametrize(
    "written",
    [b"\xef\xbb\xbfdark\r\nbright\r\n", b"dark\rbright", b" dark \nbright\n\n \n"],
)
def test_names_are_read_as_any_editor_saves_them(shell, folder, written):
    (folder / "labels.txt").write_bytes(written)
    code, out, _ = shell(f"explain photos/a.png {ASK} --classes labels.txt --target dark")
    assert (code, out.split(" 0.")[0]) == (0, "a: dark")


def test_a_blank_line_among_the_names_is_named_where_there_is_one_too_many(shell, folder):
    (folder / "labels.txt").write_text("\ndark\nbright\n")
    code, _, err = shell(f"explain photos/a.png {ASK} --classes labels.txt --target dark")
    assert (code, "1 empty: take empty lines out" in err) == (2, True)


def test_an_audit_of_a_run_whose_images_all_failed_says_why(shell, folder):
    (folder / "failing.py").write_text("def predict(batch):\n    raise OSError('gone')\n")
    assert shell("explain photos --model failing:predict --output run")[0] == 1
    code, _, err = shell("audit run")
    assert (code, "got 0: 3 failed, the first, 'a.png', by OSError" in err) == (2, True)


def test_a_mistyped_class_or_method_is_asked_for(shell, folder):
    line = f"explain photos/a.png {ASK} --classes labels.txt"
    assert "got 'Brigth'. Did you mean 'bright'?" in shell(f"{line} --target Brigth")[2]
    line = "explain photos/a.png --model shell_models:predict --method"
    assert "got 'abblation'. Did you mean 'ablation'?" in shell(f"{line} abblation")[2]


def test_a_name_may_hold_what_unicode_calls_a_line(shell, folder):
    (folder / "labels.txt").write_text("dark\u2028room\nbright", encoding="utf-8")
    assert shell(f"explain photos/a.png {ASK} --classes labels.txt --target 0")[0] == 0


def test_the_folders_name_is_the_class_where_there_is_one(shell, many):
    (many / "photos").rename("bright")
    line = "audit bright --model shell_models:predict --classes labels.txt --quiet --segments 6"
    code, out, _ = shell(line)
    assert code == 0
    assert out.startswith("bright: 15 images")
    assert shell(line.replace(" --classes labels.txt", ""))[0] == 2


def test_names_that_no_terminal_shows_are_escaped(shell, folder):
    (folder / "photos" / "a.png").rename("photos/two\nlines.png")
    code, out, err = shell(f"explain photos {ASK} --output run")
    assert (code, out.count("\n"), err) == (0, 3, "")
    assert "two\\nlines.png: 1 0." in out or "two\\nlines.png: 0 0." in out


def test_an_empty_path_is_not_the_current_folder(folder, capsys):
    with pytest.raises(SystemExit):
        cli.main(["explain", "", *ASK.split(), "--output", "run"])
    assert "the path is empty" in capsys.readouterr().err


def test_a_warning_is_one_line(shell, folder):
    (folder / "shell_models.py").write_text("def predict(batch): return [[0.5, 0.5]] * len(batch)")
    code, _, err = shell(f"explain photos/a.png {ASK}")
    assert code == 0
    assert err.startswith("limelens explain: warning: the score of target 0 never changed")
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["", "explain", "audit", "compare", "segments", "demo"])
def test_the_page_shows_the_help_as_it_is(command, capsys):
    with pytest.raises(SystemExit):
        command_parser().parse_args([*command.split(), "--help"])
    helped = capsys.readouterr().out
    line = f"$ limelens {command + ' ' * bool(command)}--help"
    assert f"```text\n{line}\n{helped}```" in PAGE.read_text(encoding="utf-8")


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals of POSIX")
def test_workers_are_deaf_to_the_interrupt_that_ends_the_command(shell):
    get_reusable_executor().shutdown(wait=True)  # workers of an earlier test may still be there
    assert shell(f"explain photos/a.png photos/b.png {ASK} --jobs 2")[0] == 0
    masks = joblib.Parallel(2)(
        joblib.delayed(signal.pthread_sigmask)(signal.SIG_BLOCK, ()) for _ in range(2)
    )
    assert all(signal.SIGINT in mask for mask in masks)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
