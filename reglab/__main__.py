import sys

from reglab.cli import main

if __name__ == "__main__":
    sys.exit(main())
