"""The commands, and how each ends: with one line and a code, never a traceback."""

import argparse
import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import limelens
from limelens import demo
from limelens.cli.arguments import BUDGETS, Command, add_output
from limelens.cli.audit import AUDIT
from limelens.cli.compare import COMPARE
from limelens.cli.explain import EXPLAIN
from limelens.cli.segments import SEGMENTS
from limelens.engine.progress import say
from limelens.errors import LimelensError, LimelensWarning, PredictionError

_CODES = """\
exit codes: 0 all done; 1 an image or the model failed; 2 wrong usage, or a file that cannot be
read or written; 130 interrupted; 141 the reader of the output has gone"""

_ENDED = "the model's code ended the program (--traceback shows where)"


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    The code is 0 for success, 1 if an image or the model failed, 2 for wrong usage or a file that
    cannot be read or written, 130 for an interrupt, and 141 if the reader of the output has closed
    it.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments after the program's name; by default those of the shell.
    """
    _open_streams()
    parser = command_parser()
    options = parser.parse_args(arguments)
    name = f"limelens {options.command}"
    run: Callable[[argparse.Namespace], int] = options.run
    with _told(name):
        try:
            return run(options)
        except (LimelensError, ImportError) as error:
            _raise_if_asked(options, error)
            code = 1 if isinstance(error, PredictionError) else 2
            parser.exit(code, f"{name}: {_in_options(_one_line(error))}\n")
        except SystemExit as error:  # of a script that was made for a shell, most likely
            _raise_if_asked(options, error)
            sys.stderr.write(f"{name}: {_ENDED}\n")
            return 1
        except BrokenPipeError:
            # Python flushes standard output on exit: give it something that is open.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - of the user's own model, most likely
            _raise_if_asked(options, error)
            words = f"{type(error).__name__}: {_one_line(error)}"
            sys.stderr.write(f"{name}: {words} (--traceback shows where)\n")
            return 1


def _open_streams() -> None:
    """Let both streams take any text: a locale may lack letters of names, a shell close them."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def command_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="limelens",
        usage="limelens COMMAND ...",
        description=(limelens.__doc__ or "").splitlines()[0],
        epilog=f"limelens COMMAND --help says more.\n\n{_CODES}",
        formatter_class=_Formatter,
    )
    parser.add_argument("--version", action="version", version=limelens.__version__)
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", title="commands"
    )
    for command in (EXPLAIN, AUDIT, COMPARE, SEGMENTS, _DEMO):
        sub = commands.add_parser(
            command.name,
            prog=f"limelens {command.name}",
            usage=command.usage,
            help=command.help,
            description=f"{command.help[0].upper()}{command.help[1:]}.",
            epilog=f"examples:\n{command.examples}\n\n{_CODES}",
            formatter_class=_Formatter,
        )
        command.add_arguments(sub)
        sub.add_argument("--traceback", action="store_true", help="show where an error was raised")
        sub.set_defaults(run=command.run)
    return parser


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Help of one width, so that the documentation can quote it."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=100)


def _run_demo(options: argparse.Namespace) -> int:
    demo.run(options.output)
    return 0


_DEMO = Command(
    name="demo",
    usage="limelens demo [--output FILE]",
    help="explain two face classifiers of one accuracy that look at different things",
    examples="  limelens demo --output why.png",
    add_arguments=lambda parser: add_output(parser, "limelens-demo.png"),
    run=_run_demo,
)


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Say every warning of ours on one line."""

    def tell(message: Warning | str, *place: object) -> None:
        say(f"{name}: warning: {_one_line(message)}")

    with warnings.catch_warnings():
        warnings.filterwarnings("default", category=LimelensWarning)
        warnings.showwarning = tell  # type: ignore[assignment]
        yield


def _raise_if_asked(options: argparse.Namespace, error: BaseException) -> None:
    if options.traceback:
        raise error


_OPTIONS = {
    "predict_fn": "--model",
    "model": "--model",
    "labels": "--labels",
    "explanations": "DIR",
    "target": "--target",
    "class_names": "--classes",
    "images": "IMAGE",
    "image": "IMAGE",
    "output": "--output",
    "sheet": "--sheet",
    "label_names": "--label-names",
    **dict.fromkeys(("calls_per_image", *BUDGETS), "--calls"),
    **{name: f"--{name}" for name in ("mean", "std", "scale", "size")},
    "n_segments": "--segments",
    "batch_size": "--batch-size",
    "in_flight": "--in-flight",
    "n_jobs": "--jobs",
    "rng": "--seed",
}
"""What an argument of the library is called in a shell."""


_WORDS = {
    "None, a column number, a sequence of them, Top(k) or a callable": "a column number",
    "class_names=[...]": "--classes FILE",
    "empty: without these it fits, [text for text in class_names if text]": "empty: take empty "
    "lines out",
    "a sequence that names all": "a file that names all",
    "target=..., or explain one class: explain(..., target=...)": "--target, or explain one class: "
    "limelens explain --target CLASS",
    "columns, or a mapping from column to name": "columns, one a line",
    "Pass an instance: predict_fn=": "Make an instance in the module and name it: ",
}
"""What only Python has, and what a shell has instead."""


def _in_options(message: str) -> str:
    """Return a message that names the option in place of the argument that it begins with.

    Examples
    --------
    >>> _in_options("`n_jobs` must be 1 or more")
    '--jobs must be 1 or more'
    """
    for words, instead in _WORDS.items():
        message = message.replace(words, instead)
    _, first, rest = message.split("`", 2) if message.count("`") > 1 else ("-", "", "")
    return f"{_OPTIONS[first]}{rest}" if message[0] == "`" and first in _OPTIONS else message


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
