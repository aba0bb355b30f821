"""The command line: `limelens`, `python -m limelens`."""

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; see `limelens.cli.commands.run_command`.

    Nothing is imported before, so that an interrupt is answered from the first moment on.
    """
    try:
        from limelens.cli.commands import run_command  # noqa: PLC0415

        return run_command(arguments)
    except KeyboardInterrupt:
        sys.stderr.write("\nlimelens: interrupted\n")
        return 130
