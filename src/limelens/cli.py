"""The command line: `limelens demo`, `python -m limelens demo`."""

import argparse
import os
import sys
from collections.abc import Sequence

import limelens
from limelens import demo
from limelens.errors import LimelensError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    The code is 0 for success, 2 for wrong usage or an output that cannot be written, 130 for an
    interrupt, and 141 if the reader of the output has closed it.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments after the program's name; by default those of the shell.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        demo.run(options.output)
    except LimelensError as error:
        parser.exit(2, f"limelens {options.command}: {error}\n")
    except KeyboardInterrupt:
        sys.stderr.write("\nlimelens: interrupted\n")
        return 130
    except BrokenPipeError:
        # Python flushes standard output on exit: give it something that is open.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="limelens", description=limelens.__doc__.splitlines()[0])
    parser.add_argument("--version", action="version", version=limelens.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    words = "explain two face classifiers of one accuracy that look at different things"
    command = commands.add_parser("demo", help=words, description=f"{words.capitalize()}.")
    command.add_argument(
        "--output",
        metavar="FILE",
        default="limelens-demo.png",
        help="where the picture goes (default: %(default)s)",
    )
    return parser
