"""`python -m reglab`: the command line."""

import sys

from reglab.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
