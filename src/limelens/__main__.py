"""`python -m limelens`."""

import sys

from limelens.cli import main

if __name__ == "__main__":
    sys.exit(main())
