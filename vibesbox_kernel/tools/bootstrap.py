"""The file that ``python -I -S`` runs to become one of the commands: ``bootstrap.py show FILE``."""

import sys
from pathlib import Path


def main() -> int:
    """Make the package importable (its ``__init__`` needs nothing), and run the command."""
    sys.path.append(str(Path(__file__).resolve().parents[2]))  # last: it may hold anything

    from vibesbox_kernel.tools import show

    return {"show": show.main}[sys.argv[1]](sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
