"""The file that ``python -I -S`` runs to become guardian and broker.

The package can not be imported from here: its ``__init__`` needs what ``-S`` leaves out. A bare
stand-in for it, which has only a path, makes ``vibesbox_kernel.broker`` importable by its own name.
"""

import sys
import types
from pathlib import Path


def main() -> int:
    """Run ``bootstrap.py RUN_DIRECTORY STATE_DIRECTORY LEASE_DESCRIPTOR``, or ``bootstrap.py --probe`` and two more."""
    package = types.ModuleType("vibesbox_kernel")
    package.__path__ = [str(Path(__file__).resolve().parents[1])]
    sys.modules["vibesbox_kernel"] = package

    if sys.argv[1] == "--probe":
        from vibesbox_kernel.broker import probe

        return probe.run(*sys.argv[2:4])

    from vibesbox_kernel.broker import guardian

    run_directory, state_directory, lease = sys.argv[1:4]
    return guardian.run(run_directory, state_directory, int(lease))


if __name__ == "__main__":
    sys.exit(main())
