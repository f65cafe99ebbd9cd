"""``python -m vibesbox_kernel``: start the kernel, or install its kernelspec."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from vibesbox_kernel import __version__

USAGE = """\
usage: python -m vibesbox_kernel -f CONNECTION_FILE [options]   run the kernel (Jupyter does this)
       python -m vibesbox_kernel install [options]              make it known to Jupyter (install --help says how)
       python -m vibesbox_kernel doctor [--json]                say what is guaranteed on this machine (doctor --help)
       python -m vibesbox_kernel --version
       python -m vibesbox_kernel --help

The Vibesbox kernel runs each cell of a notebook as a managed bash session. Options of the kernel are
traits: --VibesboxKernel.interrupt_grace=5 (--help-all lists them).
"""

DOCTOR_USAGE = """\
usage: python -m vibesbox_kernel doctor [--json]

Tries out, on this machine and as this user, everything that Vibesbox's promises stand on, and says in words
which promise holds, which is weaker, what that means, and what helps. It leaves nothing behind.

  --json   the same for programs: {"findings": [{"id", "promise", "ok": "yes|weaker|no", "found", "means", "advice"}]}

Exit status: 0 if every promise can be kept, be it in a weaker way; 1 if one can not be kept at all; 2 for a wrong
option.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words:
        print(USAGE, end="", file=sys.stderr)
        return 2
    if words[0] in ("-h", "--help"):
        print(USAGE, end="")
    elif words[0] == "--version":
        print(f"vibesbox {__version__}")
    elif words[0] == "install":
        return _install(words[1:])
    elif words[0] == "doctor":
        return _examine(words[1:])
    elif not words[0].startswith("-"):
        print(f"there is no command {words[0]!r}\n{USAGE}", end="", file=sys.stderr)
        return 2
    else:
        _launch(words)
    return 0


def _install(words: Sequence[str]) -> int:
    from vibesbox_kernel.frontends import install

    try:
        print(f"installed the kernelspec in {install.run(words)}")
    except (OSError, ValueError) as error:
        print(f"can not install the kernelspec: {error}\nWith --user it needs no rights.", file=sys.stderr)
        return 1
    return 0


def _examine(words: Sequence[str]) -> int:
    if words in (["-h"], ["--help"]):
        print(DOCTOR_USAGE, end="")
        return 0
    if words not in ([], ["--json"]):
        print(f"doctor does not know {' '.join(words)!r}\n{DOCTOR_USAGE}", end="", file=sys.stderr)
        return 2

    import asyncio
    import shutil

    from vibesbox_kernel.sessions.doctor import diagnose
    from vibesbox_kernel.shell.doctor_text import describe

    diagnosis = asyncio.run(diagnose())
    width = shutil.get_terminal_size((100, 24)).columns
    print(f"{diagnosis.model_dump_json(indent=2)}\n" if words else describe(diagnosis, width=width), end="")
    return int(diagnosis.broken)


def _launch(words: Sequence[str]) -> None:
    from vibesbox_kernel.frontends import app  # slow to load, so only now

    app.launch(words)


if __name__ == "__main__":
    sys.exit(main())
