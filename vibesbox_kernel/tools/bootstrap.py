"""The file that ``python -I -S`` runs to become one of the commands: ``bootstrap.py show FILE``."""

import os
import sys


def main() -> int:
    """Make the package importable (its ``__init__`` needs nothing), and run the command."""
    package = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    sys.path.append(os.path.dirname(package))  # last: it may hold anything

    command, *arguments = sys.argv[1:]
    if command == "progress":  # each imports what it needs alone: they are to be quick
        from vibesbox_kernel.tools import progress

        return progress.main(arguments)

    from vibesbox_kernel.tools import show

    return {"show": show.main}[command](arguments)


if __name__ == "__main__":
    sys.exit(main())
