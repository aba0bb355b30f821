"""The command line: what it runs, says and returns."""

import signal
import subprocess
import sys

import pytest

import limelens
from limelens import cli, demo


def test_demo_runs_with_the_file_it_is_given(monkeypatch):
    outputs = []
    monkeypatch.setattr(demo, "run", outputs.append)
    assert cli.main(["demo"]) == 0
    assert cli.main(["demo", "--output", "why.png"]) == 0
    assert outputs == ["limelens-demo.png", "why.png"]


@pytest.mark.parametrize("arguments", [[], ["explain"], ["demo", "--verbose"], ["demo", "x.png"]])
def test_wrong_usage_shows_the_usage_and_returns_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("usage: limelens")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_return_0(option, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([option])
    assert stop.value.code == 0
    expected = limelens.__version__ if option == "--version" else "demo"
    assert expected in capsys.readouterr().out


def test_an_output_that_cannot_be_written_is_one_clear_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["demo", "--output", str(tmp_path / "missing" / "x.png")])
    assert stop.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("limelens demo: --output must be a file that can be written; got")
    assert printed.err.count("\n") == 1


def test_interruption_returns_130(monkeypatch, capsys):
    def interrupted(output):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run", interrupted)
    assert cli.main(["demo"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_an_interrupt_while_modules_are_loaded_is_one_line():
    code = (
        "import builtins, sys, time\n"
        "from limelens.cli import main\n"
        "load = builtins.__import__\n"
        "def slowly(name, *rest):\n"
        "    if name == 'limelens.cli.commands':\n"
        "        print('here', flush=True); time.sleep(60)\n"
        "    return load(name, *rest)\n"
        "builtins.__import__ = slowly\n"
        "sys.exit(main(['demo']))"
    )
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", code]

    def listen():  # commands in the background of a shell are started without
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, preexec_fn=listen
    ) as process:
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == "\nlimelens: interrupted\n"
        assert process.wait() == 130


def test_the_package_runs_as_a_module():
    command = [sys.executable, "-m", "limelens", "--version"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == limelens.__version__


def test_a_closed_pipe_ends_it_without_a_traceback():
    code = "import sys; from limelens import cli, demo\n" + (
        "demo.run = lambda output: [demo.tell('x' * 100) for _ in range(10_000)]\n"
        "sys.exit(cli.main(['demo']))"
    )
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_a_stream_that_is_closed_is_no_mistake():
    code = "import sys; sys.stdout = None; from limelens import cli; sys.exit(cli.main({}))"
    for arguments in (["--help"], ["--version"]):
        command = [sys.executable, "-c", code.format(arguments)]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0
