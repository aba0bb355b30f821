"""The command line: `limelens`, `python -m limelens`."""

from limelens.cli.main import main

__all__ = ["main"]
